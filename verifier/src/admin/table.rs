//! Tables and times as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Prints columns under their titles, each as wide as its widest.
pub(super) fn print<const N: usize>(titles: [&str; N], rows: &[[String; N]]) {
    let mut widths = titles.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let padded: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("{}", padded.join("  ").trim_end());
    };
    line(titles);
    rows.iter().for_each(|row| line(row.each_ref().map(String::as_str)));
}

/// Formats seconds since 1970 as date and time of day in this machine's time zone, with its offset from UTC.
pub(super) fn time(seconds: u64) -> String {
    time_in(seconds, TimeZone::system())
}

/// Formats seconds since 1970 as RFC 3339 in UTC.
pub(super) fn utc(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.map(|at| at.to_string()).unwrap_or_default()
}

fn time_in(seconds: u64, zone: TimeZone) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let Some(at) = at else { return "out of range".to_owned() };
    at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_their_offset() {
        // Central Europe: UTC+1, and UTC+2 in summer.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for (seconds, text) in [
            (0, "1970-01-01 01:00:00 +01:00"),
            (951_782_399, "2000-02-29 00:59:59 +01:00"),
            (1_764_378_000, "2025-11-29 02:00:00 +01:00"),
            (1_751_328_000, "2025-07-01 02:00:00 +02:00"),
            (u64::MAX, "out of range"),
        ] {
            assert_eq!(time_in(seconds, zone.clone()), text);
        }
        assert_eq!(time_in(4_107_542_400, TimeZone::UTC), "2100-03-01 00:00:00 +00:00");
    }
}
