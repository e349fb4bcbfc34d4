//! Presses that were made while the app was held up. What they hit was not on the screen yet, or not any more, so they
//! answer nothing; nor does a press right after, before a person can have looked.

use crate::QUIET_TIME;
use std::time::{Duration, Instant};

/// Delay of handling a press from which the app was held up.
const HELD_UP: Duration = Duration::from_millis(400);

/// Tells which presses to drop, by the times of the display server, in milliseconds, which wrap.
#[derive(Debug, Default)]
pub(super) struct LatePresses {
    /// A moment on the clocks of this process and of the display server.
    clocks: Option<(Instant, u32)>,
    /// Time before which presses are dropped.
    until: Option<u32>,
    /// The press that is under way was dropped.
    dropping: bool,
}

impl LatePresses {
    /// Records what time it is at the display server.
    pub(super) fn set_clock(&mut self, now: Instant, time: u32) {
        self.clocks = Some((now, time));
    }

    /// Returns whether a press at `time`, which is handled now, is dropped.
    pub(super) fn drops_press(&mut self, now: Instant, time: u32) -> bool {
        let (at, then) = *self.clocks.get_or_insert((now, time));
        let server_now = then.wrapping_add(millis(now.saturating_duration_since(at)));
        match Duration::from_millis(after(server_now, time).into()) {
            late if late > HELD_UP => self.until = Some(server_now.wrapping_add(millis(QUIET_TIME))),
            Duration::ZERO => self.clocks = Some((now, time)),
            _ => {}
        }
        self.dropping = self.until.is_some_and(|until| after(until, time) > 0);
        if !self.dropping {
            self.until = None;
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
            // Held up until 3000: what was pressed meanwhile, and until 3700.
            assert_eq!(
                dropped(
                    start,
                    &[(100, 110), (1000, 3000), (2500, 3001), (3300, 3310), (3701, 3710), (4000, 4001)]
                ),
                [false, true, true, true, false, false],
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
    fn rest_of_a_dropped_press_is_dropped() {
        let (mut late, begin) = (LatePresses::default(), Instant::now());
        late.set_clock(begin, 0);
        assert!(late.drops_press(begin + Duration::from_secs(1), 0) && late.drops_rest());
        assert!(!late.drops_press(begin + Duration::from_secs(3), 3_000) && !late.drops_rest());
    }
}
