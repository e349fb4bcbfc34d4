//! Dates as files and programs write them, in whole seconds since 1970-01-01 UTC.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The moment that a civil date in UTC means; none for a date that does not exist, or that is before 1970.
#[must_use]
pub fn civil(year: u64, month: u64, day: u64, seconds: u64) -> Option<u64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1970..=9999).contains(&year) || !(1..=length).contains(&day) || seconds > 86_400 {
        return None;
    }
    // Counted from March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + seconds)
}

/// `2026-11-22`, as in os-release.
#[must_use]
pub fn iso(text: &str) -> Option<u64> {
    let mut parts = text.trim().splitn(3, '-').map(|part| part.parse().ok());
    civil(parts.next()??, parts.next()??, parts.next()??, 0)
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
    civil(year, u64::try_from(month).ok()? + 1, day, seconds)
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
