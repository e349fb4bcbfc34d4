//! Names that a person could take for one another.

use unicode_normalization::UnicodeNormalization;

/// Folds case and form (NFKC): equal for names that differ in nothing else. `NURSE-7` and `nurse-7` are one name, and so are
/// `Strasse` and `Straße`.
#[must_use]
pub(crate) fn folded(name: &str) -> String {
    // Upper case first, because it expands what lower case leaves alone, such as `ß`.
    let upper = name.nfkc().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfkc().collect()
}

/// A blank that is no white space to Unicode: the Braille pattern without dots.
const BLANK: char = '\u{2800}';

/// The skeleton of the folded name (Unicode Technical Standard 39, section 4), without white space: equal for names that
/// look alike, such as `EHR` in Latin and in Greek letters, or with one space and with two.
#[must_use]
pub(crate) fn lookalike(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_whitespace() && *c != BLANK).collect();
    // The confusables of capital letters differ from those of small ones, so a name is compared in both.
    let skeleton = |text: &str| unicode_security::skeleton(text).collect::<String>();
    folded(&skeleton(&skeleton(&name).chars().flat_map(char::to_uppercase).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_form_are_folded() {
        for (one, other) in [
            ("nurse-7", "NURSE-7"),
            ("Straße", "STRASSE"),
            ("ﬁne", "fine"),
            ("e\u{301}va", "Éva"),
            ("Ｎurse", "nurse"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        for (one, other) in [("nurse-7", "nurse-8"), ("eva", "éva"), ("nurse-1", "nurse-l")] {
            assert_ne!(folded(one), folded(other), "{one} {other}");
        }
    }

    #[test]
    fn lookalikes_are_found() {
        // Greek capitals, a Cyrillic small letter, case, a digit for a letter.
        for (one, other) in
            [("EHR", "\u{395}\u{397}R"), ("pacs", "p\u{430}cs"), ("EHR", "ehr"), ("Lab 1", "Lab l")]
        {
            assert_eq!(lookalike(one), lookalike(other), "{one} {other}");
        }
        // Blanks, which a page draws as one or not at all.
        for (one, other) in
            [("EHR", " EHR "), ("Lab 1", "Lab  1"), ("Lab 1", "Lab\u{2003}1"), ("EHR", "EHR\u{2800}")]
        {
            assert_eq!(lookalike(one), lookalike(other), "{one} {other}");
        }
        for (one, other) in [("EHR", "PACS"), ("Lab 1", "Lab 2"), ("EHR", "EHR test")] {
            assert_ne!(lookalike(one), lookalike(other), "{one} {other}");
        }
    }
}
