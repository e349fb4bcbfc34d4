//! Dates (UTC) and spans of time in words.

use vitalsign_protocol::calendar::DAY;
pub(crate) use vitalsign_protocol::calendar::date;

/// Formats a time like `2026-11-22 03:15 UTC`.
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

/// Formats a count like `1 day` or `2 days`.
pub(crate) fn counted(count: u64, unit: &str) -> String {
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
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
