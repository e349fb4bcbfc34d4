//! Labels of devices: what IT calls them.

use vitalsign_protocol::text::is_plain;

/// The most characters of a label.
const MAX_CHARACTERS: usize = 100;

/// Reads a label.
///
/// # Errors
/// It is empty, too long, begins or ends with blanks, or has characters that cannot be displayed.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let good =
        text == text.trim() && !text.is_empty() && text.chars().count() <= MAX_CHARACTERS && is_plain(text);
    good.then(|| text.to_owned()).ok_or_else(|| {
        format!("1 to {MAX_CHARACTERS} visible characters were expected, without blanks around them")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_displayable() {
        assert_eq!(parse("Ward 3 PC 12"), Ok("Ward 3 PC 12".to_owned()));
        for text in ["", " x", "x ", "a\nb", "a\u{202e}b", &"x".repeat(101)] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
