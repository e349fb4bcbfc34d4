//! Durations from the peer, limited to a range when they are parsed, so that no number can overflow a clock or stop a
//! device from reporting.

use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

/// A number of seconds from `MIN` to `MAX`. A number outside becomes the nearest bound, also in deserialisation.
///
/// ```
/// use vitalsign_protocol::seconds::ReportSeconds;
///
/// let seconds: ReportSeconds = serde_json::from_str("18446744073709551615").unwrap();
/// assert_eq!(seconds.get(), 86_400);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Seconds<const MIN: u64, const MAX: u64>(u64);

/// Lifetime of a nonce and its session: 1 second to 7 days.
pub type NonceSeconds = Seconds<1, 604_800>;
/// Interval between reports: 1 second to 1 day.
pub type ReportSeconds = Seconds<1, 86_400>;
/// Time that remains for a step-up: 0 seconds to 1 hour.
pub type StepUpSeconds = Seconds<0, 3600>;

impl<const MIN: u64, const MAX: u64> Seconds<MIN, MAX> {
    /// The least number of seconds.
    pub const MIN: Self = Self(MIN);
    /// The largest number of seconds.
    pub const MAX: Self = Self(MAX);

    /// Returns the number of seconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl<const MIN: u64, const MAX: u64> From<u64> for Seconds<MIN, MAX> {
    fn from(seconds: u64) -> Self {
        Self(seconds.clamp(MIN, MAX))
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Seconds<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clamps_parsed_numbers_to_their_range() {
        for (given, nonce, report, step_up) in [
            (0, 1, 1, 0),
            (1, 1, 1, 1),
            (3600, 3600, 3600, 3600),
            (86_401, 86_401, 86_400, 3600),
            (1 << 61, 604_800, 86_400, 3600),
            (u64::MAX, 604_800, 86_400, 3600),
        ] {
            let text = given.to_string();
            assert_eq!(serde_json::from_str::<NonceSeconds>(&text).unwrap().get(), nonce, "{given}");
            assert_eq!(serde_json::from_str::<ReportSeconds>(&text).unwrap().get(), report, "{given}");
            assert_eq!(serde_json::from_str::<StepUpSeconds>(&text).unwrap().get(), step_up, "{given}");
        }
        for wrong in ["-1", "1.5", "\"1\"", "null", "18446744073709551616"] {
            assert!(serde_json::from_str::<NonceSeconds>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(serde_json::to_string(&NonceSeconds::from(900)).unwrap(), "900");
    }
}
