//! Presses that a person made before they could see what they hit: while the app was held up, and right after. They
//! answer nothing. The same holds right after the window has moved.
//!
//! The page cannot tell: it may have drawn a button while the program that brings it to the screen was held up.

use crate::QUIET_TIME;
use std::time::{Duration, Instant};

/// Interval of [`LatePresses::beat`].
pub(super) const BEAT: Duration = Duration::from_millis(100);
/// Time without a beat, or until a press is handled, from which the app was held up.
const HELD_UP: Duration = Duration::from_millis(400);

/// Tells which presses to drop. The display server's times are in milliseconds, and wrap.
#[derive(Debug, Default)]
pub(super) struct LatePresses {
    /// A moment on the clocks of this process and of the display server.
    clocks: Option<(Instant, u32)>,
    /// The last beat, while the window is shown.
    beat: Option<Instant>,
    /// Time before which presses are dropped.
    until: Option<Instant>,
    /// The press that is under way was dropped.
    dropping: bool,
}

impl LatePresses {
    /// Records what time it is at the display server.
    pub(super) fn set_clock(&mut self, now: Instant, time: u32) {
        self.clocks = Some((now, time));
    }

    /// Notes that the app runs. Called each [`BEAT`]; `shown` is whether the window is on the screen.
    pub(super) fn beat(&mut self, now: Instant, shown: bool) {
        if self.beat.is_some_and(|beat| now.saturating_duration_since(beat) > HELD_UP) {
            self.until = Some(now + QUIET_TIME);
        }
        self.beat = shown.then_some(now);
    }

    /// Notes that the window has moved or has another size: what was under a finger is elsewhere.
    pub(super) fn moved(&mut self, now: Instant) {
        self.until = self.until.max(Some(now + QUIET_TIME));
    }

    /// Returns whether a press at `time`, which is handled now, is dropped.
    pub(super) fn drops_press(&mut self, now: Instant, time: u32) -> bool {
        // This press may be handled before the beat that is due.
        self.beat(now, self.beat.is_some());
        let (at, then) = *self.clocks.get_or_insert((now, time));
        let server_now = then.wrapping_add(millis(now.saturating_duration_since(at)));
        let late = Duration::from_millis(after(server_now, time).into());
        if late.is_zero() {
            self.clocks = Some((now, time));
        }
        if late > HELD_UP {
            self.until = Some(now + QUIET_TIME);
        }
        self.dropping = self.until.is_some_and(|until| now < until + late);
        if self.dropping {
            // The page does not see it: the person is still at something else.
            self.until = self.until.max((now + QUIET_TIME).checked_sub(late));
        }
        self.dropping
    }

    /// Returns whether what follows a press is dropped with it: its release, or a move of the finger.
    pub(super) fn drops_rest(&self) -> bool {
        self.dropping
    }
}

/// Returns how long `a` is after `b`; 0 if it is before.
fn after(a: u32, b: u32) -> u32 {
    let difference = a.wrapping_sub(b);
    if difference > u32::MAX / 2 { 0 } else { difference }
}

fn millis(duration: Duration) -> u32 {
    // The server's time wraps in the same way.
    u32::try_from(duration.as_millis() % (1 << 32)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Presses at these times of the server, handled at these times, both in milliseconds; whether each is dropped.
    fn dropped(start: u32, presses: &[(u64, u64)]) -> Vec<bool> {
        let (mut late, begin) = (LatePresses::default(), Instant::now());
        late.set_clock(begin, start);
        let press = |(pressed, handled): &(u64, u64)| {
            let time = start.wrapping_add(u32::try_from(*pressed).unwrap());
            late.drops_press(begin + Duration::from_millis(*handled), time)
        };
        presses.iter().map(press).collect()
    }

    #[test]
    fn presses_of_a_stall_and_right_after_are_dropped() {
        for start in [0, 4_711, u32::MAX - 1_000, u32::MAX - 3_000] {
            assert_eq!(dropped(start, &[(100, 110), (900, 950)]), [false, false]);
            // Held up until 3000: what was pressed meanwhile, and until no press has come for 700 ms.
            assert_eq!(
                dropped(
                    start,
                    &[(100, 110), (1000, 3000), (2500, 3001), (3300, 3310), (3900, 3910), (4700, 4701)]
                ),
                [false, true, true, true, true, false],
                "from {start}"
            );
        }
    }

    #[test]
    fn clock_of_the_server_may_be_read_late() {
        // The first reading was 300 ms old; a press that seems to come from the future corrects it.
        let (mut late, begin) = (LatePresses::default(), Instant::now());
        late.set_clock(begin, 1_000);
        let at = |millis| begin + Duration::from_millis(millis);
        assert!(!late.drops_press(at(100), 1_400));
        assert!(!late.drops_press(at(600), 1_700));
        assert!(late.drops_press(at(1_300), 2_100));
    }

    #[test]
    fn press_right_after_a_move_is_dropped() {
        let (mut late, begin) = (LatePresses::default(), Instant::now());
        late.set_clock(begin, 0);
        let at = |millis| begin + Duration::from_millis(millis);
        assert!(!late.drops_press(at(100), 100));
        late.moved(at(200));
        // A drag moves it again and again.
        late.moved(at(500));
        assert!(late.drops_press(at(1_000), 1_000) && late.drops_rest());
        // The person was still at something else.
        assert!(late.drops_press(at(1_600), 1_600));
        for millis in (1_600..2_400).step_by(100) {
            late.beat(at(millis), true);
        }
        assert!(!late.drops_press(at(2_400), 2_400) && !late.drops_rest());
    }

    #[test]
    fn rest_of_a_dropped_press_is_dropped() {
        let (mut late, begin) = (LatePresses::default(), Instant::now());
        late.set_clock(begin, 0);
        assert!(late.drops_press(begin + Duration::from_secs(1), 0) && late.drops_rest());
        assert!(!late.drops_press(begin + Duration::from_secs(3), 3_000) && !late.drops_rest());
    }

    #[test]
    fn press_right_after_a_stall_is_dropped() {
        let (mut late, begin) = (LatePresses::default(), Instant::now());
        late.set_clock(begin, 0);
        let at = |millis| begin + Duration::from_millis(millis);
        for millis in [0, 100, 200, 450] {
            late.beat(at(millis), true);
        }
        assert!(!late.drops_press(at(500), 500));
        // Nothing was pressed from 500 to 1000, and nothing was shown. The press comes before the beat that is due.
        assert!(late.drops_press(at(1000), 999));
        for millis in (1001..1690).step_by(100) {
            late.beat(at(millis), true);
        }
        assert!(late.drops_press(at(1690), 1690));
        for millis in (1700..2400).step_by(100) {
            late.beat(at(millis), true);
        }
        assert!(!late.drops_press(at(2391), 2391));
        // The beat may come first.
        late.beat(at(3000), true);
        assert!(late.drops_press(at(3001), 3001));
        // A window that was not on the screen was not held up.
        late.beat(at(3100), false);
        late.beat(at(5000), true);
        assert!(!late.drops_press(at(5001), 5001));
    }
}
