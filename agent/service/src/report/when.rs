//! Dates (UTC) and spans of time in words. Days are counted by Howard Hinnant's `civil_from_days`.

const DAY: u64 = 86_400;

/// `2026-11-22`.
pub(crate) fn date(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / DAY);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11-22 03:15 UTC`.
pub(crate) fn moment(seconds: u64) -> String {
    format!("{} {:02}:{:02} UTC", date(seconds), seconds % DAY / 3600, seconds % 3600 / 60)
}

/// `3 days ago`, `just now`, `in 2 hours`.
pub(crate) fn relative(seconds: u64, now: u64) -> String {
    match seconds.checked_sub(now) {
        Some(0) => "just now".to_owned(),
        Some(ahead) => format!("in {}", span(ahead)),
        None if now - seconds < 5 => "just now".to_owned(),
        None => format!("{} ago", span(now - seconds)),
    }
}

/// `40 seconds`, `1 hour`, `21 days`.
pub(crate) fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / DAY, "day"),
    };
    counted(count, unit)
}

/// `1 day`, `2 days`.
pub(crate) fn counted(count: u64, unit: &str) -> String {
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Seconds since 1970 of an HTTP date in its preferred form, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
pub(crate) fn parse_http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.split_once(", ")?.1.split(' ');
    let day: u64 = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let month = u64::try_from(MONTHS.iter().position(|month| *month == name)?).ok()? + 1;
    let year: u64 = parts.next()?.parse().ok()?;
    let mut clock = parts.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let sane =
        (1970..=9999).contains(&year) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    (sane && parts.next() == Some("GMT"))
        .then(|| days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendar_s() {
        for (seconds, shown) in [
            (0, "1970-01-01 00:00 UTC"),
            (784_111_777, "1994-11-06 08:49 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_795_317_300, "2026-11-22 03:15 UTC"),
            (4_107_542_399, "2100-02-28 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(moment(seconds), shown);
        }
    }

    #[test]
    fn http_dates_are_read_and_others_are_not() {
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse_http_date("Tue, 29 Feb 2000 00:00:00 GMT"), Some(951_782_400));
        for text in [
            "",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 0000 08:49:37 GMT",
            "Sun, 06 Nov 99999999999 08:49:37 GMT",
        ] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn spans_are_in_the_unit_that_people_use() {
        let now = 1_000_000;
        for (then, shown) in [
            (now, "just now"),
            (now - 3, "just now"),
            (now - 60, "60 seconds ago"),
            (now - 3600, "60 minutes ago"),
            (now - 7200, "2 hours ago"),
            (now + 172_800, "in 2 days"),
        ] {
            assert_eq!(relative(then, now), shown);
        }
    }
}
