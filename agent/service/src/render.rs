//! Formats facts and verdicts for the terminal. Pure functions that return text.
//!
//! Invariants: text from outside is displayed without control characters; colour never carries information
//! that the text lacks.

pub(crate) mod facts;
pub(crate) mod standing;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod verdict;
pub(crate) mod when;

pub(crate) use style::Style;

/// Maximum number of characters of a text from outside.
const MAX_CHARS: usize = 400;

/// Prepares text from outside for one line of the terminal: escapes what is not plain, and truncates it.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = vitalsign_protocol::text::escape(&text.replace("\r\n", "\n")).replace('\n', " ");
    if let Some((end, _)) = shown.char_indices().nth(MAX_CHARS) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_terminal_control_characters() {
        for (text, shown) in [
            ("as it should be", "as it should be"),
            ("\u{1b}[2J\u{7}gone", "<U+001B>[2J<U+0007>gone"),
            ("a\r\nb\tc", "a b c"),
            ("abc\u{202e}cba", "abc<U+202E>cba"),
            ("\u{9b}31mred", "<U+009B>31mred"),
            ("zażółć 漢字", "zażółć 漢字"),
        ] {
            assert_eq!(plain(text), shown);
        }
        assert_eq!(plain(&"x".repeat(1000)).chars().count(), 401);
    }
}
