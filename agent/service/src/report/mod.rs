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

/// Text from elsewhere, fit for a terminal: no control characters, none that turn the direction of writing, and not
/// without end.
pub(crate) fn plain(text: &str) -> String {
    const MOST: usize = 400;
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
            || matches!(c, '\u{e0000}'..='\u{e007f}' | '\u{61c}')
    };
    let mut shown: String = text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { c }).collect();
    shown.retain(|c| !hidden(c));
    if let Some((end, _)) = shown.char_indices().nth(MOST) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for (text, shown) in [
            ("as it should be", "as it should be"),
            ("\u{1b}[2J\u{1b}]0;title\u{7}gone", "[2J]0;titlegone"),
            ("a\r\nb\tc", "a b c"),
            ("abc\u{202e}cba\u{2066}x\u{200f}", "abccbax"),
            ("\u{9b}31mred", "31mred"),
            ("zażółć 漢字", "zażółć 漢字"),
        ] {
            assert_eq!(plain(text), shown);
        }
        assert_eq!(plain(&"x".repeat(1000)).chars().count(), 401);
    }
}
