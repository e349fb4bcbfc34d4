//! Diagnostics that a person sends to IT: their text, and the reference by which IT finds it.

use crate::text::is_plain;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// Maximum length of the text, in bytes of UTF-8.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Maximum length of a [`DiagnosticsReport`] as JSON. No character of a valid text takes more than two bytes for each of
/// its own.
pub const MAX_REPORT_BYTES: usize = 2 * MAX_TEXT_BYTES + 64;

/// `POST /v1/diagnostics`: the text that the person read before it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiagnosticsReport {
    /// Lines of plain text, see [`check_text`].
    pub text: String,
}

/// Answer (201) to [`DiagnosticsReport`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiagnosticsReceipt {
    /// Number that the person reads to IT.
    pub reference: DiagnosticsRef,
}

/// Checks that a text can be stored and shown: 1 to [`MAX_TEXT_BYTES`] bytes, in lines that are plain text.
///
/// # Errors
/// The rule that it breaks.
pub fn check_text(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() {
        Err("the text is empty")
    } else if text.len() > MAX_TEXT_BYTES {
        Err("the text has more than 65536 bytes")
    } else if !text.split('\n').all(is_plain) {
        Err("the text has characters that are not shown")
    } else {
        Ok(())
    }
}

/// Reference of received diagnostics, to read over the telephone: a number and its check digit by the Luhn algorithm.
///
/// ```
/// use vitalsign_protocol::diagnostics::DiagnosticsRef;
///
/// let reference = DiagnosticsRef(47);
/// assert_eq!(reference.to_string(), "R-0471");
/// assert_eq!("r 471".parse(), Ok(reference));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DiagnosticsRef(pub u64);

/// The text is not a reference, or has a typing error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiagnosticsRefError {
    /// It does not have the form of a reference.
    #[error("a reference is R- and a number, such as R-0471")]
    Form,
    /// The check digit does not fit.
    #[error("the reference has a typing error: its last digit does not fit")]
    Check,
}

/// Check digit by the Luhn algorithm (ISO/IEC 7812-1, annex B).
fn check_digit(number: u64) -> u64 {
    let (mut rest, mut sum, mut double) = (number, 0, true);
    while rest > 0 {
        let digit = rest % 10;
        sum += if double { digit * 2 / 10 + digit * 2 % 10 } else { digit };
        (rest, double) = (rest / 10, !double);
    }
    (10 - sum % 10) % 10
}

impl Display for DiagnosticsRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&format!("R-{:03}{}", self.0, check_digit(self.0)))
    }
}

impl FromStr for DiagnosticsRef {
    type Err = DiagnosticsRefError;

    /// Case, the dash and spaces do not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.trim().strip_prefix(['R', 'r']).ok_or(DiagnosticsRefError::Form)?;
        let digits: String = rest.chars().filter(|c| !matches!(c, '-' | ' ')).take(20).collect();
        if digits.len() < 2 || !digits.bytes().all(|c| c.is_ascii_digit()) {
            return Err(DiagnosticsRefError::Form);
        }
        let whole: u64 = digits.parse().map_err(|_| DiagnosticsRefError::Form)?;
        let reference = Self(whole / 10);
        if check_digit(reference.0) == whole % 10 { Ok(reference) } else { Err(DiagnosticsRefError::Check) }
    }
}

impl TryFrom<String> for DiagnosticsRef {
    type Error = DiagnosticsRefError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DiagnosticsRef> for String {
    fn from(reference: DiagnosticsRef) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_written() {
        for number in (0..2000).chain([999_999, u64::MAX / 100]) {
            let reference = DiagnosticsRef(number);
            assert_eq!(reference.to_string().parse(), Ok(reference));
        }
        for text in ["", "R-", "R-1", "0471", "R-04x1", "R-99999999999999999999999"] {
            assert_eq!(text.parse::<DiagnosticsRef>(), Err(DiagnosticsRefError::Form), "{text}");
        }
    }

    #[test]
    fn wrong_digits_are_noticed() {
        let text = DiagnosticsRef(4711).to_string();
        for at in 2..text.len() {
            for digit in '0'..='9' {
                let mut wrong: Vec<char> = text.chars().collect();
                wrong[at] = digit;
                let wrong: String = wrong.into_iter().collect();
                let wanted =
                    if wrong == text { Ok(DiagnosticsRef(4711)) } else { Err(DiagnosticsRefError::Check) };
                assert_eq!(wrong.parse(), wanted, "{wrong}");
            }
        }
    }

    #[test]
    fn a_text_of_the_largest_size_fits_a_report() {
        let text = "\"\\\n\u{e9}".repeat(MAX_TEXT_BYTES / 5);
        assert_eq!(check_text(&text), Ok(()));
        let body = serde_json::to_vec(&DiagnosticsReport { text: "\n".repeat(MAX_TEXT_BYTES) }).unwrap();
        assert!(body.len() <= MAX_REPORT_BYTES, "{}", body.len());
        for wrong in ["", " \n", "a\u{1b}[2J", "a\u{202e}b", "a\tb", &"x".repeat(MAX_TEXT_BYTES + 1)] {
            assert!(check_text(wrong).is_err(), "{:?}", wrong.get(..8));
        }
    }
}
