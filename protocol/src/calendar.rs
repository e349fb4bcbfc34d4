//! Calendar arithmetic in UTC, in whole seconds since 1970-01-01.
//!
//! Years are counted from March, so that the leap day is the last day of a year; 719,468 days lie between
//! 0000-03-01 and 1970-01-01.

/// Number of seconds in a day.
pub const DAY: u64 = 86_400;

/// Returns the start of a date; `None` if the date does not exist or is before 1970.
#[must_use]
pub fn seconds(year: u64, month: u64, day: u64) -> Option<u64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1970..=9999).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some((days - 719_468) * DAY)
}

/// Year, month and day of a moment.
#[must_use]
pub fn civil(seconds: u64) -> (u64, u64, u64) {
    let shifted = seconds / DAY + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (era * 400 + year, month, day)
}

/// Formats the date like `2026-11-22`.
#[must_use]
pub fn date(seconds: u64) -> String {
    let (year, month, day) = civil(seconds);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Parses a date like `2026-11-22` and returns its start.
#[must_use]
pub fn parse_date(text: &str) -> Option<u64> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse().ok());
    seconds(parts.next()??, parts.next()??, parts.next()??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written_alike() {
        for (text, moment) in [
            ("1970-01-01", 0),
            ("2000-02-28", 951_696_000),
            ("2000-02-29", 951_782_400),
            ("2000-03-01", 951_868_800),
            ("2024-12-31", 1_735_603_200),
            ("2026-11-22", 1_795_305_600),
            ("2100-02-28", 4_107_456_000),
            ("2100-03-01", 4_107_542_400),
        ] {
            assert_eq!(parse_date(text), Some(moment), "{text}");
            assert_eq!(date(moment), text);
            assert_eq!(date(moment + DAY - 1), text);
        }
        for text in [
            "1969-12-31",
            "2025-00-01",
            "2025-13-01",
            "2025-02-29",
            "2100-02-29",
            "2025-04-31",
            "2025-01-00",
            "2025-01-01T00:00:00Z",
            "2026-11",
            "99999-01-01",
            "soon",
            "",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut before = civil(0);
        for day in 1..146_097 {
            let (year, month, day_of_month) = civil(day * DAY);
            assert_eq!(seconds(year, month, day_of_month), Some(day * DAY));
            assert!((year, month, day_of_month) > before);
            before = (year, month, day_of_month);
        }
    }
}
