//! Text from outside that a person reads: which text is displayed as it is written, and an escaped form of any other.
//!
//! The verifier accepts only text for which [`is_plain`] is true, and every program that displays text passes it through
//! [`escape`], which leaves such text unchanged. So a person reads exactly the accepted text.

use std::fmt::Write;

/// Returns whether every character is visible and changes nothing but its own place: no control characters, no line or
/// paragraph separators, no interlinear annotation, and no character with the property `Default_Ignorable_Code_Point`
/// (Unicode Standard Annex 44), which includes all bidirectional controls (Annex 9). Variation selectors 15 and 16 are
/// permitted directly after a character that has an emoji form (Unicode Technical Standard 51).
#[must_use]
pub fn is_plain(text: &str) -> bool {
    text.chars().scan(None, |previous, c| Some(is_visible(previous.replace(c), c))).all(|visible| visible)
}

/// Escapes every character for which [`is_plain`] would be false, for example `<U+202E>`. Line feeds stay, and tabs become
/// spaces; a caller that shows one line replaces the line feeds.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut previous = None;
    for c in text.chars() {
        match c {
            '\n' => shown.push('\n'),
            '\t' => shown.push(' '),
            c if is_visible(previous, c) => shown.push(c),
            // Writing to a string does not fail.
            c => drop(write!(shown, "<U+{:04X}>", u32::from(c))),
        }
        previous = Some(c);
    }
    shown
}

fn is_visible(previous: Option<char>, c: char) -> bool {
    match c {
        '\u{fe0e}' | '\u{fe0f}' => previous.is_some_and(has_emoji_form),
        c => !(c.is_control() || is_separator(c) || is_default_ignorable(c)),
    }
}

/// Line and paragraph separators, and interlinear annotation.
fn is_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}')
}

/// `Default_Ignorable_Code_Point` of Unicode; a test compares it with published data.
fn is_default_ignorable(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}')
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}')
        || matches!(c, '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}')
        || matches!(c, '\u{e0000}'..='\u{e0fff}')
}

/// Blocks of the characters in Unicode's `emoji-variation-sequences.txt`: keycaps, two signs, symbols and pictographs.
fn has_emoji_form(c: char) -> bool {
    matches!(c, '#' | '*' | '0'..='9' | '\u{a9}' | '\u{ae}' | '\u{203c}'..='\u{3299}' | '\u{1f004}'..='\u{1f6ff}')
        && is_visible(None, c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_escapes_by_the_same_rule() {
        for (text, shown) in [
            ("EHR: sign order 4711", "EHR: sign order 4711"),
            ("zażółć 漢字 ✓ مرحبا", "zażółć 漢字 ✓ مرحبا"),
            ("\u{26a0}\u{fe0f} allergy", "\u{26a0}\u{fe0f} allergy"),
            ("1\u{fe0f}\u{20e3}", "1\u{fe0f}\u{20e3}"),
            ("a\u{fe0f}", "a<U+FE0F>"),
            ("\u{26a0}\u{fe0f}\u{fe0f}", "\u{26a0}\u{fe0f}<U+FE0F>"),
            ("\u{fe0f}", "<U+FE0F>"),
            ("soft\u{ad}hyphen", "soft<U+00AD>hyphen"),
            ("pay \u{202e}001 EUR", "pay <U+202E>001 EUR"),
            ("\u{1b}[2J\u{9b}31m\r", "<U+001B>[2J<U+009B>31m<U+000D>"),
            ("x\u{200b}y\u{2066}z\u{e0041}\u{feff}", "x<U+200B>y<U+2066>z<U+E0041><U+FEFF>"),
            ("\u{2028}\u{2029}\u{fff9}", "<U+2028><U+2029><U+FFF9>"),
        ] {
            assert_eq!(escape(text), shown);
            assert_eq!(is_plain(text), text == shown, "{text:?}");
        }
        assert_eq!(escape("one\ntwo\tthree"), "one\ntwo three");
        assert!(!is_plain("one\ntwo") && !is_plain("one\ttwo"));
    }

    #[test]
    fn accepted_text_is_displayed_unchanged() {
        for c in ('\0'..=char::MAX).filter(|c| !matches!(c, '\n' | '\t')) {
            for text in [format!("{c}"), format!("a{c}b"), format!("\u{26a0}{c}"), format!("{c}\u{fe0f}")] {
                let shown = escape(&text);
                assert_eq!(is_plain(&text), shown == text, "{text:?}");
                // The escaped form is plain itself, so that escaping it again changes nothing.
                assert!(is_plain(&shown), "{text:?} is displayed as {shown:?}");
            }
        }
    }

    #[test]
    fn hides_exactly_the_ignorable_code_points() {
        use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};
        let published = CodePointSetData::new::<DefaultIgnorableCodePoint>();
        for c in '\0'..=char::MAX {
            assert_eq!(is_default_ignorable(c), published.contains(c), "{c:?}");
        }
    }
}
