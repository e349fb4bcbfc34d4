//! Dates as files and programs write them, in whole seconds since 1970-01-01 UTC.

use vitalsign_protocol::calendar;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Parses a date like `2026-11-22`, as in os-release.
#[must_use]
pub fn iso(text: &str) -> Option<u64> {
    calendar::parse_date(text.trim())
}

/// `Fri, 20 Nov 2026 00:12:41 UTC`, as in an archive's Release file; only UTC is allowed there.
#[must_use]
pub fn release(text: &str) -> Option<u64> {
    let mut words = text.trim().split_once(", ")?.1.split_ascii_whitespace();
    let day = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let year = words.next()?.parse().ok()?;
    let mut clock = words.next()?.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let seconds = clock.next()?? * 3600 + clock.next()?? * 60 + clock.next()??;
    let zone = words.next()?;
    if !matches!(zone, "UTC" | "GMT" | "Z" | "+0000") {
        return None;
    }
    let date = calendar::seconds(year, u64::try_from(month).ok()? + 1, day)?;
    (seconds <= calendar::DAY).then_some(date + seconds)
}

/// Seconds since 1970 of a moment in the system's time; zero before that.
#[must_use]
pub fn seconds(time: std::time::SystemTime) -> u64 {
    time.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (text, seconds) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(951_782_400)),
            ("2026-11-22", Some(1_795_305_600)),
            ("2100-02-29", None),
            ("2026-13-01", None),
            ("2026-11", None),
            ("soon", None),
        ] {
            assert_eq!(iso(text), seconds, "{text}");
        }
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:01 UTC", Some(1)),
            ("Fri, 20 Nov 2026 00:12:41 UTC", Some(1_795_133_561)),
            ("Sat,  9 Aug 2025 13:58:05 UTC", Some(1_754_747_885)),
            ("Fri, 20 Nov 2026 00:12:41 CET", None),
            ("Fri, 20 Foo 2026 00:12:41 UTC", None),
            ("Fri, 20 Nov 2026 0:12 UTC", None),
            ("", None),
        ] {
            assert_eq!(release(text), seconds, "{text}");
        }
    }
}
