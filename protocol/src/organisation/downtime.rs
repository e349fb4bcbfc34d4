//! Downtime procedure, for when this device is not ready and the work cannot wait: the organisation's instruction, such as paper
//! forms, and the number to call. It is a text. It opens nothing, and no check is left out because of it.

use super::{Organisation, OrganisationError, fits, is_language};
use crate::text::escape;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const MAX_LANGUAGES: usize = 12;
const MAX_TEXT: usize = 300;
const MAX_PHONE: usize = 40;

/// The organisation's downtime procedure in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Downtime {
    /// Instruction.
    pub text: String,
    /// Telephone number as people dial it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// Returns the procedure in a language, or else in English, or else in the first language that there is. One source gives
/// all of it: a number of one beside the instruction of another would lead to two places.
#[must_use]
pub fn downtime(sources: &[&Organisation], language: &str) -> Option<Downtime> {
    let all = sources.iter().map(|source| &source.downtime).find(|all| !all.is_empty())?;
    all.get(language).or_else(|| all.get("en")).or_else(|| all.values().next()).cloned()
}

pub(super) fn check(all: &BTreeMap<String, Downtime>) -> Result<(), OrganisationError> {
    if all.len() > MAX_LANGUAGES {
        return Err(OrganisationError::Downtime("…".to_owned()));
    }
    let usable = |(language, it): &(&String, &Downtime)| {
        is_language(language)
            && fits(&it.text, MAX_TEXT)
            && it.phone.as_deref().is_none_or(|phone| fits(phone, MAX_PHONE))
    };
    match all.iter().find(|it| !usable(it)) {
        Some((language, _)) => Err(OrganisationError::Downtime(escape(language))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn organisation(downtime: serde_json::Value) -> Organisation {
        serde_json::from_value(json!({ "downtime": downtime })).unwrap()
    }

    #[test]
    fn downtime_comes_whole_from_one_source() {
        let served = organisation(json!({
            "de": {"text": "Papierformular.", "phone": "Durchwahl 1"},
            "en": {"text": "Paper form.", "phone": "ext. 1"},
        }));
        let device = organisation(json!({"fr": {"text": "Formulaire papier."}}));
        let of = |sources: &[&Organisation], language| downtime(sources, language).unwrap();
        assert_eq!(of(&[&served], "de").phone.as_deref(), Some("Durchwahl 1"));
        assert_eq!(of(&[&served], "es").text, "Paper form.");
        // The device says nothing in German, and what it says holds alone.
        let own = of(&[&device, &served], "de");
        assert_eq!((own.text.as_str(), own.phone), ("Formulaire papier.", None));
        assert_eq!(of(&[&Organisation::default(), &served], "en").text, "Paper form.");
        assert_eq!(downtime(&[&Organisation::default()], "en"), None);
    }

    #[test]
    fn refuses_downtime_that_is_not_plain_or_too_long() {
        let many: BTreeMap<_, _> =
            (b'a'..=b'm').map(|it| (format!("{}a", char::from(it)), json!({"text": "x"}))).collect();
        for wrong in [
            json!({"en": {"text": ""}}),
            json!({"en": {"text": "x".repeat(301)}}),
            json!({"en": {"text": "Call\next. 1"}}),
            json!({"en": {"text": "\u{202e}1 .txe llaC"}}),
            json!({"en": {"text": "x", "phone": ""}}),
            json!({"en": {"text": "x", "phone": "9".repeat(41)}}),
            json!({"en": {"text": "x", "phone": "1\u{200b}2"}}),
            json!({"de.linux": {"text": "x"}}),
            json!({"../de": {"text": "x"}}),
            json!(many),
        ] {
            assert!(organisation(wrong.clone()).check().is_err(), "{wrong}");
        }
        assert!(organisation(json!({"de": {"text": "x".repeat(300), "phone": "ext. 1"}})).check().is_ok());
        let odd = json!({"downtime": {"en": {"text": "x", "url": "https://open.example"}}});
        assert!(serde_json::from_value::<Organisation>(odd).is_err());
    }
}
