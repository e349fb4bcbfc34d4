//! Place and size of a window that is raised by a program: on the screen, large enough to press, and beside what the
//! person works in. All lengths are in the desktop's own pixels.

use crate::Fit;

/// Size of the window in CSS pixels, and the smallest one in which a prompt fits.
const SIZE: (i32, i32) = (520, 720);
const MIN_SIZE: (i32, i32) = (320, 480);
/// Room for the frame that a window manager draws.
const FRAME: (i32, i32) = (10, 40);
/// CSS pixels of the smallest target in a prompt (`ui/src/style.css`), and its size on the screen in millimetres.
const TARGET_PIXELS: f64 = 48.0;
const TARGET_MILLIMETRES: f64 = 12.0;
/// Pixels for each millimetre at 96 pixels to the inch, which is assumed where the screen does not say.
const ASSUMED_DENSITY: f64 = 96.0 / 25.4;
/// Densities of real screens: from a television set to a telephone.
const DENSITIES: std::ops::Range<f64> = 1.5..16.0;
/// Screens that tell an aspect ratio in place of a size (millimetres, and centimetres taken for them).
const ASPECTS: [(i32, i32); 6] = [(1600, 900), (1600, 1000), (160, 90), (160, 100), (16, 9), (16, 10)];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

/// A monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Monitor {
    pub(super) whole: Rect,
    /// Without panels.
    pub(super) area: Rect,
    /// Width and height in millimetres, as the screen tells them.
    pub(super) millimetres: (i32, i32),
}

impl Rect {
    fn right(self) -> i32 {
        self.x + self.width
    }

    fn bottom(self) -> i32 {
        self.y + self.height
    }

    /// Returns the common area in square pixels.
    pub(super) fn overlap(self, other: Self) -> i64 {
        let width = self.right().min(other.right()) - self.x.max(other.x);
        let height = self.bottom().min(other.bottom()) - self.y.max(other.y);
        i64::from(width.max(0)) * i64::from(height.max(0))
    }

    /// Returns the same rectangle moved into another one; its upper left corner is inside if it is larger.
    fn moved_into(self, area: Self) -> Self {
        let x = self.x.min(area.right() - self.width).max(area.x);
        let y = self.y.min(area.bottom() - self.height).max(area.y);
        Self { x, y, ..self }
    }

    /// Square of the distance between the centres.
    fn distance(self, other: Self) -> i64 {
        let doubled = |x: i32, width: i32| i64::from(x) * 2 + i64::from(width);
        let x = doubled(self.x, self.width) - doubled(other.x, other.width);
        let y = doubled(self.y, self.height) - doubled(other.y, other.height);
        x * x + y * y
    }
}

/// Returns the monitor that shows most of a rectangle, or the nearest one.
pub(super) fn monitor_of(monitors: &[Monitor], rect: Rect) -> Option<&Monitor> {
    monitors.iter().max_by_key(|it| (it.whole.overlap(rect), -it.whole.distance(rect)))
}

/// Returns the rectangle of a window of this size with room for its frame.
pub(super) fn framed((x, y): (i32, i32), (width, height): (i32, i32)) -> Rect {
    Rect { x, y, width: width + FRAME.0, height: height + FRAME.1 }
}

/// Returns where the person works: in the window that has the focus, or else where the pointer is.
pub(super) fn work(focused: Option<Rect>, (x, y): (i32, i32)) -> Rect {
    focused.unwrap_or(Rect { x, y, width: 1, height: 1 })
}

/// Returns the size on a monitor.
pub(super) fn fit(monitor: &Monitor) -> Fit {
    let area = monitor.area;
    let room = (area.width - FRAME.0, area.height - FRAME.1);
    let most = (f64::from(room.0) / f64::from(MIN_SIZE.0)).min(f64::from(room.1) / f64::from(MIN_SIZE.1));
    let wanted = density(monitor) * TARGET_MILLIMETRES / TARGET_PIXELS;
    // In steps, so that text is drawn alike on monitors that differ little.
    let zoom = ((wanted * 20.0).ceil() / 20.0).min(most).max(1.0);
    let zoomed = |(width, height)| (scaled(width, zoom), scaled(height, zoom));
    let (size, min_size) = (zoomed(SIZE), zoomed(MIN_SIZE));
    // Less than half of the screen, so that there is a side which it leaves free.
    let width = size.0.min((area.width * 9 / 20).max(min_size.0)).min(room.0);
    let min_size = (min_size.0.min(room.0), min_size.1.min(room.1));
    Fit { size: (width, size.1.min(room.1)), min_size, zoom }
}

/// Returns the place for a window of this size with its frame, and whether it covers a part of `focused`, the window that
/// the person works in. `kept` is the place where the person moved it before, which counts on each monitor alike: the
/// window is always on the monitor of the work.
pub(super) fn dock(
    monitors: &[Monitor],
    (width, height): (i32, i32),
    focused: Option<Rect>,
    kept: Option<(i32, i32)>,
    pointer: (i32, i32),
) -> Option<(Rect, bool)> {
    let sized = |x, y| framed((x, y), (width, height));
    let area = monitor_of(monitors, work(focused, pointer))?.area;
    if let Some((x, y)) = kept {
        let there = monitor_of(monitors, sized(x, y))?.area;
        return Some((sized(area.x + x - there.x, area.y + y - there.y).moved_into(area), false));
    }
    let (left, right) = (area.x, area.right() - width - FRAME.0);
    let (top, bottom) = (area.y, area.bottom() - height - FRAME.1);
    let middle = i32::midpoint(top, bottom);
    let places =
        [(right, middle), (left, middle), (right, top), (right, bottom), (left, top), (left, bottom)];
    let places = places.map(|(x, y)| sized(x, y).moved_into(area));
    let covered = |place: &Rect| focused.map_or(0, |focused| focused.overlap(*place));
    let best = places.into_iter().min_by_key(covered)?;
    Some((best, covered(&best) > 0))
}

/// Returns the same rectangle inside the monitor that shows most of it, or else the nearest one.
pub(super) fn on_screen(monitors: &[Monitor], rect: Rect) -> Option<Rect> {
    Some(rect.moved_into(monitor_of(monitors, rect)?.area))
}

/// Returns the place at the other side of the monitor.
pub(super) fn other_side(monitors: &[Monitor], rect: Rect) -> Option<Rect> {
    let area = monitor_of(monitors, rect)?.area;
    let on_the_left = rect.x + rect.width / 2 < area.x + area.width / 2;
    let x = if on_the_left { area.right() - rect.width } else { area.x };
    Some(Rect { x, ..rect }.moved_into(area))
}

/// Returns the pixels for each millimetre, where what the screen tells of its size is plausible.
fn density(monitor: &Monitor) -> f64 {
    let (pixels, size) = ((monitor.whole.width, monitor.whole.height), monitor.millimetres);
    let of = |(width, height): (i32, i32)| {
        let [x, y] = [(pixels.0, width), (pixels.1, height)].map(|(a, b)| f64::from(a) / f64::from(b.max(1)));
        let is_square = (x / y - 1.0).abs() < 0.15;
        (is_square && DENSITIES.contains(&x)).then_some(x)
    };
    let told = if ASPECTS.contains(&size) { None } else { of(size).or_else(|| of((size.1, size.0))) };
    told.unwrap_or(ASSUMED_DENSITY)
}

/// Rounds up, so that nothing is smaller than wanted.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "lengths on a screen are small")]
fn scaled(length: i32, zoom: f64) -> i32 {
    (f64::from(length) * zoom).ceil() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(x: i32, y: i32, width: i32, height: i32) -> Rect {
        Rect { x, y, width, height }
    }

    /// A monitor at 96 pixels to the inch with a panel of 30 pixels at its top.
    fn monitor(x: i32, width: i32, height: i32) -> Monitor {
        let millimetres = (width * 254 / 960, height * 254 / 960);
        Monitor { whole: rect(x, 0, width, height), area: rect(x, 30, width, height - 30), millimetres }
    }

    fn is_inside(inner: Rect, outer: Rect) -> bool {
        inner.overlap(outer) == i64::from(inner.width) * i64::from(inner.height)
    }

    #[test]
    fn docks_beside_focused_window() {
        let monitors = [monitor(0, 1920, 1080)];
        let size = fit(&monitors[0]).size;
        assert_eq!(size, (520, 720));
        for (focused, x, covers) in [
            // On the left, on the right, the whole screen, and none.
            (Some(rect(0, 30, 1300, 1050)), 1390, false),
            (Some(rect(700, 30, 1220, 1050)), 0, false),
            (Some(rect(0, 0, 1920, 1080)), 1390, true),
            (Some(rect(400, 100, 1000, 500)), 1390, true),
            (None, 1390, false),
        ] {
            let (place, covered) = dock(&monitors, size, focused, None, (5, 5)).unwrap();
            assert_eq!((place.x, covered), (x, covers), "{focused:?}");
            assert!(is_inside(place, monitors[0].area), "{focused:?}: {place:?}");
        }
        // Below a low window, where the sides are covered.
        let (place, covered) =
            dock(&monitors, (520, 480), Some(rect(0, 30, 1920, 300)), None, (0, 0)).unwrap();
        assert!(!covered, "{place:?}");
    }

    #[test]
    fn stays_on_the_monitor_of_the_work() {
        let monitors = [monitor(0, 1920, 1080), monitor(1920, 1280, 1024)];
        for (focused, on) in
            [(rect(2000, 100, 700, 600), 1), (rect(100, 100, 700, 600), 0), (rect(5000, 0, 9, 9), 1)]
        {
            let (place, _) = dock(&monitors, (520, 720), Some(focused), None, (0, 0)).unwrap();
            assert!(is_inside(place, monitors[on].area), "{focused:?}: {place:?}");
        }
        let (place, _) = dock(&monitors, (520, 720), None, None, (2500, 500)).unwrap();
        assert!(is_inside(place, monitors[1].area), "{place:?}");
    }

    #[test]
    fn kept_place_stays_on_the_screen() {
        let both = [monitor(0, 1920, 1080), monitor(1920, 1280, 1024)];
        let place =
            |monitors: &[Monitor], kept| dock(monitors, (520, 720), None, Some(kept), (0, 0)).unwrap().0;
        let at = |kept, pointer| dock(&both, (520, 720), None, Some(kept), pointer).unwrap().0;
        assert_eq!(at((2100, 60), (2500, 500)), rect(2100, 60, 530, 760));
        // The person works on the other monitor: the same place there.
        assert_eq!(at((2100, 60), (500, 500)), rect(180, 60, 530, 760));
        assert_eq!(at((180, 60), (2500, 500)), rect(2100, 60, 530, 760));
        let focused = Some(rect(2000, 100, 700, 600));
        let (place_there, _) = dock(&both, (520, 720), focused, Some((1390, 300)), (0, 0)).unwrap();
        assert!(is_inside(place_there, both[1].area), "{place_there:?}");
        // The second monitor is gone; a panel came; nonsense.
        for kept in [(2100, 60), (0, 0), (-5000, 90_000), (1900, 1070)] {
            assert!(is_inside(place(&both[..1], kept), both[0].area), "{kept:?}");
        }
        assert!(dock(&[], (520, 720), None, Some((0, 0)), (0, 0)).is_none());
    }

    #[test]
    fn changes_sides() {
        let monitors = [monitor(0, 1920, 1080), monitor(1920, 1280, 1024)];
        for (from, to) in [(1390, 0), (0, 1390), (1920, 2670), (2670, 1920)] {
            assert_eq!(other_side(&monitors, rect(from, 100, 530, 760)).unwrap().x, to);
        }
    }

    #[test]
    fn targets_are_12_mm_where_the_screen_tells_its_size() {
        let of = |(width, height), millimetres, scale: i32| {
            let whole = rect(0, 0, width / scale, height / scale);
            fit(&Monitor { whole, area: whole, millimetres })
        };
        for (pixels, millimetres, scale) in [
            ((1920, 1080), (221, 124), 1), // 10 inch
            ((1920, 1080), (309, 174), 1), // 14 inch
            ((1920, 1080), (531, 299), 1), // 24 inch
            ((3840, 2160), (597, 336), 1), // 27 inch
            ((3840, 2160), (597, 336), 2),
            ((1280, 800), (217, 136), 1),  // 10 inch
            ((1080, 1920), (124, 221), 1), // upright
            ((1080, 1920), (221, 124), 1), // upright, and told as it was before
        ] {
            let Fit { size, min_size, zoom } = of(pixels, millimetres, scale);
            let (long, long_mm) = (pixels.0.max(pixels.1) / scale, millimetres.0.max(millimetres.1));
            let target = TARGET_PIXELS * zoom * f64::from(long_mm) / f64::from(long);
            assert!(target >= 11.9, "{pixels:?} {millimetres:?}: a target of {target} mm");
            assert!(size.0 <= pixels.0 / scale && size.1 <= pixels.1 / scale, "{size:?}");
            assert!(min_size.0 <= size.0 && min_size.1 <= size.1, "{min_size:?} {size:?}");
            assert!(f64::from(size.0) >= 320.0 * zoom, "{size:?} at {zoom}");
        }
    }

    #[test]
    fn implausible_sizes_are_not_believed() {
        let area = rect(0, 0, 1920, 1080);
        for millimetres in
            [(0, 0), (-1, -1), (160, 90), (16, 9), (1600, 900), (1, 1), (531, 1), (9000, 5000), (300, 300)]
        {
            let fit = fit(&Monitor { whole: area, area, millimetres });
            assert_eq!((fit.size, fit.zoom), ((520, 720), 1.0), "{millimetres:?}");
        }
    }

    #[test]
    fn fits_small_screens() {
        for (width, height) in [(1024, 768), (800, 600), (960, 540), (640, 480), (320, 240)] {
            let Fit { size, min_size, zoom } = fit(&monitor(0, width, height));
            assert!(size.0 <= width && size.1 <= height - 30, "{size:?}");
            assert!(min_size.0 <= size.0 && min_size.1 <= size.1, "{min_size:?} {size:?}");
            assert!((zoom - 1.0).abs() < f64::EPSILON);
        }
    }
}
