//! The organisation's own words to its people: its name, logo and colour, ways to reach IT, and texts for checks. The
//! verifier serves them as one document; a device's configuration takes precedence.

mod colour;
mod downtime;
mod logo;
mod support;
mod texts;

pub use colour::{Colour, NotAColour};
pub use downtime::{Downtime, downtime};
pub use logo::{Logo, LogoError, MAX_BYTES as MAX_LOGO_BYTES, Pixels};
pub use support::{Support, SupportError};
pub use texts::{Advice, OwnText, Texts};

use crate::check::is_check;
use crate::id::Digest;
use crate::text::{escape, is_plain};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Maximum size of an [`OrganisationDocument`] in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 160 * 1024;
/// Maximum size of all texts for checks, as JSON.
pub const MAX_TEXTS_BYTES: usize = 96 * 1024;
const MAX_NAME: usize = 60;
const MAX_TEXTS: usize = 40;
const MAX_USER_MAY_FIX: usize = 100;
const PLATFORMS: [&str; 3] = ["linux", "macos", "windows"];

/// Everything that the organisation says. Parts that are not set are the product's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Organisation {
    /// Name of the organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Colour for marks that carry no meaning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// Logo, shown beside the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo: Option<Logo>,
    /// Ways to reach IT.
    #[serde(skip_serializing_if = "Support::is_empty")]
    pub support: Support,
    /// Checks that the person at the device may fix; `None` where the organisation does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_may_fix: Option<Vec<String>>,
    /// Procedure for people while this device is not ready, by language.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub downtime: BTreeMap<String, Downtime>,
    /// Texts for checks, by language, or language and platform: `de`, `de.linux`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub texts: BTreeMap<String, Texts>,
}

/// Setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrganisationError {
    /// The name is empty, too long, or not plain text.
    #[error("the organisation's name must be plain text of 1 to {MAX_NAME} characters")]
    Name,
    /// The ways to reach IT.
    #[error("{0}")]
    Support(#[from] SupportError),
    /// An entry is not the name of a check, or there are too many.
    #[error("user-may-fix must be at most {MAX_USER_MAY_FIX} names of checks; {0} is not one")]
    UserMayFix(String),
    /// The logo.
    #[error("{0}")]
    Logo(#[from] LogoError),
    /// A name of texts is not a language, or there are too many.
    #[error("texts {0}: the name must be a language or a language and a platform, such as de or de.linux")]
    Language(String),
    /// Downtime procedure of a language.
    #[error(
        "[downtime.{0}] must have a language as its name, text of 1 to 300 characters, and phone of 1 to 40 characters if any, \
         all plain, for at most 12 languages"
    )]
    Downtime(String),
    /// Texts of a language: the check, and the rule that it breaks.
    #[error("texts {0}: [{1}]: {2}")]
    Text(String, String, &'static str),
    /// The texts together are too large.
    #[error("the texts have {0} bytes as JSON; at most {MAX_TEXTS_BYTES} are accepted")]
    TextsTooLarge(usize),
    /// The document is too large.
    #[error("the document has {0} bytes; at most {MAX_DOCUMENT_BYTES} are accepted")]
    TooLarge(usize),
    /// The document is not JSON of this form.
    #[error("the document is not understood: {0}")]
    Json(String),
}

impl Organisation {
    /// Checks lengths, characters, the address and the logo.
    ///
    /// # Errors
    /// The first part that cannot be used.
    pub fn check(&self) -> Result<(), OrganisationError> {
        if !self.name.as_deref().is_none_or(|name| fits(name, MAX_NAME)) {
            return Err(OrganisationError::Name);
        }
        self.support.check()?;
        let checks = self.user_may_fix.as_deref().unwrap_or_default();
        let excess = checks.get(MAX_USER_MAY_FIX);
        if let Some(wrong) = excess.or_else(|| checks.iter().find(|it| !is_check(it))) {
            return Err(OrganisationError::UserMayFix(escape(wrong)));
        }
        if let Some(logo) = &self.logo {
            logo.pixels()?;
        }
        downtime::check(&self.downtime)?;
        for (number, (name, texts)) in self.texts.iter().enumerate() {
            check_texts(name, texts)?;
            if number >= MAX_TEXTS {
                return Err(OrganisationError::Language(escape(name)));
            }
        }
        match json(&self.texts)?.len() {
            length if length > MAX_TEXTS_BYTES => Err(OrganisationError::TextsTooLarge(length)),
            _ => Ok(()),
        }
    }
}

/// Returns the texts for a language on a platform (`linux`): of the language before English, of the platform before
/// others, and of an earlier source before a later one.
#[must_use]
pub fn texts(sources: &[&Organisation], language: &str, platform: &str) -> Texts {
    let mut found = Texts::default();
    for language in [language, "en"] {
        for name in [format!("{language}.{platform}"), language.to_owned()] {
            sources.iter().filter_map(|source| source.texts.get(&name)).for_each(|texts| found.fill(texts));
        }
    }
    found
}

/// Checks the texts of one language.
///
/// # Errors
/// The name is not a language, or a text breaks a rule.
pub fn check_texts(name: &str, texts: &Texts) -> Result<(), OrganisationError> {
    if !is_texts_name(name) {
        return Err(OrganisationError::Language(escape(name)));
    }
    match texts.problem() {
        Some((check, why)) => Err(OrganisationError::Text(name.to_owned(), check, why)),
        None => Ok(()),
    }
}

fn is_texts_name(name: &str) -> bool {
    let (language, platform) = name.split_once('.').map_or((name, None), |(it, rest)| (it, Some(rest)));
    is_language(language) && platform.is_none_or(|it| PLATFORMS.contains(&it))
}

fn is_language(name: &str) -> bool {
    (2..=3).contains(&name.len()) && name.bytes().all(|it| it.is_ascii_lowercase())
}

/// Returns whether a text has 1 to `limit` characters, and each is displayed.
fn fits(text: &str, limit: usize) -> bool {
    (1..=limit).contains(&text.trim().chars().count()) && text.chars().count() <= limit && is_plain(text)
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, OrganisationError> {
    serde_json::to_vec(value).map_err(|error| OrganisationError::Json(error.to_string()))
}

/// `GET /v1/organisation`: an [`Organisation`] that was checked, and the bytes that carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganisationDocument {
    content: Organisation,
    bytes: Vec<u8>,
}

impl OrganisationDocument {
    /// Checks the content and encodes it.
    ///
    /// # Errors
    /// See [`Organisation::check`].
    pub fn new(content: Organisation) -> Result<Self, OrganisationError> {
        content.check()?;
        let bytes = json(&content)?;
        let bytes = within_limit(bytes)?;
        Ok(Self { content, bytes })
    }

    /// Parses and checks a document from outside.
    ///
    /// # Errors
    /// It is too large, not understood, or breaks a rule of [`Organisation::check`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, OrganisationError> {
        let bytes = within_limit(bytes)?;
        let content: Organisation =
            serde_json::from_slice(&bytes).map_err(|error| OrganisationError::Json(error.to_string()))?;
        content.check()?;
        Ok(Self { content, bytes })
    }

    /// Returns the document's version: the digest of its bytes.
    #[must_use]
    pub fn version(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Returns the content.
    #[must_use]
    pub fn content(&self) -> &Organisation {
        &self.content
    }

    /// Returns the encoded document.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn within_limit(bytes: Vec<u8>) -> Result<Vec<u8>, OrganisationError> {
    if bytes.len() > MAX_DOCUMENT_BYTES { Err(OrganisationError::TooLarge(bytes.len())) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn organisation(value: serde_json::Value) -> Organisation {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn texts_prefer_language_then_platform_then_source() {
        let title = |it: &str| json!({"a": {"title": it}});
        let device = organisation(json!({"texts": {"en": title("device en")}}));
        let served = |names: &[&str]| {
            let texts: serde_json::Map<_, _> = names.iter().map(|it| ((*it).to_owned(), title(it))).collect();
            organisation(json!({ "texts": texts }))
        };
        for (names, wanted) in [
            (&["de.linux", "de", "en.linux", "en", "de.windows"][..], Some("de.linux")),
            (&["de", "en.linux", "de.windows"], Some("de")),
            (&["fr", "en.linux"], Some("en.linux")),
            (&["fr", "en"], Some("device en")),
            (&["fr", "de.windows"], Some("device en")),
        ] {
            let served = served(names);
            let found = texts(&[&device, &served], "de", "linux");
            assert_eq!(found.of("a").and_then(|it| it.title.as_deref()), wanted, "{names:?}");
        }
        assert!(texts(&[&served(&["fr"])], "de", "linux").is_empty());
    }

    #[test]
    fn document_reads_what_it_writes() {
        let content = organisation(json!({
            "name": "St. Example Hospital",
            "colour": "#005eb8",
            "support": {"phone": "ext. 1234"},
            "user_may_fix": ["os-updates"],
            "texts": {"de.linux": {"os-updates": {"remedy": "Heute Abend neu starten."}}},
        }));
        let document = OrganisationDocument::new(content).unwrap();
        let read = OrganisationDocument::parse(document.bytes().to_vec()).unwrap();
        assert_eq!((&read, read.version()), (&document, Digest::of(document.bytes())));
        assert_eq!(OrganisationDocument::new(Organisation::default()).unwrap().bytes(), b"{}");
        // A newer verifier may say more.
        assert!(OrganisationDocument::parse(br#"{"motto": "x"}"#.to_vec()).is_ok());
    }

    #[test]
    fn document_from_outside_obeys_every_limit() {
        let many: Vec<String> = (0..101).map(|number| format!("c{number}")).collect();
        let languages: serde_json::Map<_, _> = (b'a'..=b'z')
            .chain(b'a'..=b'z')
            .enumerate()
            .map(|(at, letter)| {
                (format!("{}{}", char::from(letter), if at < 26 { "a" } else { "b" }), json!({}))
            })
            .collect();
        let large: serde_json::Map<_, _> = (0..100)
            .map(|number| (format!("c{number}"), json!({"steps": vec!["x".repeat(300); 8]})))
            .collect();
        for wrong in [
            json!({"name": ""}),
            json!({"name": "a\u{202e}b"}),
            json!({"name": "two\nlines"}),
            json!({"name": "x".repeat(61)}),
            json!({"name": format!("x{}", " ".repeat(60))}),
            json!({"colour": "red"}),
            json!({"logo": "AAAA"}),
            json!({"logo": "https://it.example/logo.png"}),
            json!({"support": {"phone": "1\u{1b}[2J"}}),
            json!({"support": {"url": "javascript:alert(1)"}}),
            json!({"user_may_fix": ["no check"]}),
            json!({"user_may_fix": many}),
            json!({"texts": {"../de": {}}}),
            json!({"texts": {"de.beos": {}}}),
            json!({"texts": {"de": {"a": {"title": "\u{200b}"}}}}),
            json!({ "texts": languages }),
            json!({"texts": {"de": large}}),
        ] {
            let bytes = serde_json::to_vec(&wrong).unwrap();
            assert!(
                OrganisationDocument::parse(bytes).is_err(),
                "{}",
                wrong.to_string().get(..60).unwrap_or("")
            );
        }
        let padded = [b"{}".to_vec(), vec![b' '; MAX_DOCUMENT_BYTES]].concat();
        assert!(matches!(OrganisationDocument::parse(padded), Err(OrganisationError::TooLarge(_))));
    }
}
