//! Tables and times as people read them.

use vitalsign_protocol::calendar::{self, DAY};

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

/// Seconds since 1970 as RFC 3339 has them, in UTC.
pub(super) fn time(seconds: u64) -> String {
    let (hour, minute, second) = (seconds % DAY / 3600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", calendar::date(seconds))
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_utc() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(super::time(seconds), text);
        }
    }
}
