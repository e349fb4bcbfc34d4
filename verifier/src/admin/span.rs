//! Durations and points in time as arguments.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use vitalsign_verifier::clock::now;

/// Parses a duration with a unit: `30m`, `12h`, `7d`. In seconds.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let unit = |unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86400),
        _ => None,
    };
    let parsed = text.char_indices().next_back().and_then(|(at, last)| {
        let number: u64 = text.get(..at)?.parse().ok()?;
        number.checked_mul(unit(last)?)
    });
    parsed
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| "a number and s, m, h or d was expected: 7d".to_owned())
}

/// Parses a point in time: how long ago, or a date and perhaps a time of day, without an offset in this machine's time
/// zone. In seconds since 1970.
pub(super) fn instant(text: &str) -> Result<u64, String> {
    instant_in(text, now(), &TimeZone::system())
}

fn instant_in(text: &str, now: u64, zone: &TimeZone) -> Result<u64, String> {
    if let Ok(ago) = seconds(text) {
        return Ok(now.saturating_sub(ago));
    }
    let local = |_| Ok::<_, jiff::Error>(text.parse::<DateTime>()?.to_zoned(zone.clone())?.timestamp());
    let at = text.parse::<Timestamp>().or_else(local);
    let seconds = at.ok().and_then(|at| u64::try_from(at.as_second()).ok());
    seconds.ok_or_else(|| {
        "how long ago or a date was expected: 24h, 7d, 2026-11-29, 2026-11-29T07:30".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, expected) in [
            ("7d", Some(604_800)),
            ("90s", Some(90)),
            ("12h", Some(43_200)),
            ("7", None),
            ("0d", None),
            ("d", None),
            ("", None),
            ("1µ", None),
        ] {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn instants_are_ago_or_dates() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for (text, expected) in [
            ("1h", Some(1_764_374_400)),
            ("2025-11-29", Some(1_764_370_800)),
            ("2025-11-29T02:00", Some(1_764_378_000)),
            ("2025-11-29 02:00:00", Some(1_764_378_000)),
            ("2025-11-29T01:00:00Z", Some(1_764_378_000)),
            ("2025-11-29T01:00:00+00:00", Some(1_764_378_000)),
            ("1960-01-01", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(instant_in(text, 1_764_378_000, &zone).ok(), expected, "{text}");
        }
    }
}
