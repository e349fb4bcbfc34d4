//! The organisation's texts for checks: one optional file for each language, `/etc/vitalsign/texts/en.toml`.
//!
//! ```toml
//! [os-updates]
//! remedy = "Restart tonight: updates are installed at the next start."
//!
//! [house-badge]                # a check of the organisation's policy
//! title = "Badge reader"
//! why = "Without it, the ward's doors stay closed."
//! remedy = "Plug in the badge reader."
//! steps = ["Find the grey cable.", "Plug it in."]
//! ```

use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use vitalsign_protocol::check::{self, Desktop, Fixers, Remediator, Remedy};
use vitalsign_protocol::text::is_plain;

/// Folder with the organisation's texts.
pub const FOLDER: &str = "/etc/vitalsign/texts";

const MAX_FILE_BYTES: u64 = 64 * 1024;
const MAX_CHECKS: usize = 100;
const MAX_STEPS: usize = 8;
const MAX_TITLE: usize = 60;
const MAX_TEXT: usize = 300;

/// The organisation's texts in one language, by check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Texts(BTreeMap<String, OwnText>);

/// The organisation's texts for one check. A part that is not set keeps the product's text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct OwnText {
    /// Title of the check.
    pub title: Option<String>,
    /// Reason for which the organisation requires it.
    pub why: Option<String>,
    /// Instruction, for every reason.
    pub remedy: Option<String>,
    /// Numbered steps. They replace the product's steps; so does a remedy without steps.
    pub steps: Vec<String>,
}

/// Advice about one failed check: the product's remedy, the organisation's texts, and the party that fixes it.
#[derive(Clone, Copy, Debug)]
pub struct Advice<'a> {
    /// The product's remedy.
    pub remedy: &'static Remedy,
    /// The organisation's texts, which take precedence.
    pub own: Option<&'a OwnText>,
    /// Party that fixes it.
    pub remediator: Remediator,
}

impl Advice<'_> {
    /// Returns the product's steps on a desktop, where the person fixes it and the organisation gives no other text.
    #[must_use]
    pub fn steps(&self, desktop: Option<Desktop>) -> &'static [&'static str] {
        let replaced = self.own.is_some_and(|own| own.remedy.is_some() || !own.steps.is_empty());
        if replaced || self.remediator == Remediator::It {
            return &[];
        }
        self.remedy.steps.iter().find(|it| Some(it.desktop) == desktop).map_or(&[], |it| it.lines)
    }

    /// Returns whether a restart may fix it, as far as the product's own remedy is shown.
    #[must_use]
    pub fn restart(&self) -> bool {
        self.remedy.restart && self.own.is_none_or(|own| own.remedy.is_none())
    }
}

/// Reason why a file of texts is not used.
#[derive(Debug, thiserror::Error)]
pub enum TextsError {
    /// The file cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// The file is larger than the limit.
    #[error("{0} is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge(PathBuf),
    /// The file is not TOML, or has an unknown setting.
    #[error("cannot read {0}: {1}")]
    Syntax(PathBuf, Box<toml::de::Error>),
    /// A text is empty, too long or not plain.
    #[error("{0}: [{1}]: {2}")]
    Text(PathBuf, String, &'static str),
}

impl Texts {
    /// Reads the texts in a language, such as `de`; none if there is no file.
    ///
    /// # Errors
    /// The file cannot be read or breaks a limit. No part of it is then used.
    pub fn read(folder: &Path, language: &str) -> Result<Self, TextsError> {
        if language.is_empty() || !language.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-') {
            return Ok(Self::default());
        }
        let path = folder.join(format!("{language}.toml"));
        let failed = |error| TextsError::Read(path.clone(), error);
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error)),
        };
        let mut text = String::new();
        file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
        if u64::try_from(text.len()).map_or(true, |length| length > MAX_FILE_BYTES) {
            return Err(TextsError::TooLarge(path));
        }
        let texts: Self =
            toml::from_str(&text).map_err(|error| TextsError::Syntax(path.clone(), Box::new(error)))?;
        match texts.problem() {
            Some((check, why)) => Err(TextsError::Text(path, check, why)),
            None => Ok(texts),
        }
    }

    /// Returns the texts of a check.
    #[must_use]
    pub fn of(&self, check: &str) -> Option<&OwnText> {
        self.0.get(check)
    }

    /// Returns the advice about a check that failed for this reason.
    #[must_use]
    pub fn advice(&self, fixers: &Fixers, check: &str, reason: &str) -> Advice<'_> {
        let remedy = check::remedy(check, reason);
        let own = self.of(check);
        // The product does not know who can follow the organisation's instruction: the organisation says so.
        let told = own.is_some_and(|own| own.remedy.is_some())
            && fixers.user_may_fix.iter().flatten().any(|it| it == check);
        let remediator = if told { Remediator::You } else { fixers.remediator(check, remedy) };
        Advice { remedy, own, remediator }
    }

    fn problem(&self) -> Option<(String, &'static str)> {
        if self.0.len() > MAX_CHECKS {
            return Some(("…".to_owned(), "there are more than 100 checks"));
        }
        let problem = |(check, text): (&String, &OwnText)| {
            let why = if is_check(check) { text.problem() } else { Some("this is not the name of a check") };
            why.map(|why| (vitalsign_protocol::text::escape(check), why))
        };
        self.0.iter().find_map(problem)
    }
}

impl OwnText {
    fn problem(&self) -> Option<&'static str> {
        let fits = |text: &str, limit| (1..=limit).contains(&text.trim().chars().count()) && is_plain(text);
        let long = [&self.why, &self.remedy];
        if !self.title.as_deref().is_none_or(|text| fits(text, MAX_TITLE)) {
            Some("title must be plain text of 1 to 60 characters")
        } else if !long.into_iter().flatten().chain(&self.steps).all(|text| fits(text, MAX_TEXT)) {
            Some("why, remedy and steps must be plain text of 1 to 300 characters")
        } else if self.steps.len() > MAX_STEPS {
            Some("there are more than 8 steps")
        } else {
            None
        }
    }
}

/// Returns whether this can be the name of a policy's check: lower-case letters, digits and hyphens.
#[must_use]
pub fn is_check(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Texts, TextsError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("de.toml"), text).unwrap();
        Texts::read(folder.path(), "de")
    }

    #[test]
    fn reads_texts_of_one_language() {
        let texts = read("[os-updates]\nremedy = 'Heute Abend neu starten.'\nsteps = ['Eins.']").unwrap();
        assert_eq!(texts.of("os-updates").unwrap().remedy.as_deref(), Some("Heute Abend neu starten."));
        assert_eq!(texts.of("os-reboot"), None);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Texts::read(folder.path(), "de").unwrap(), Texts::default());
        std::fs::write(folder.path().join("secret.toml"), "[a]\ntitle = 'b'").unwrap();
        let below = folder.path().join("texts");
        std::fs::create_dir(&below).unwrap();
        assert_eq!(Texts::read(&below, "../secret").unwrap(), Texts::default());
    }

    #[test]
    fn own_instruction_replaces_remedy_and_steps() {
        let texts = read("[lock-idle]\nremedy = 'x'\n[house-badge]\nremedy = 'y'").unwrap();
        let user_may_fix = Some(vec!["house-badge".to_owned()]);
        let (open, own) = (Fixers::default(), Fixers { managed: true, user_may_fix });
        let gnome = Some(Desktop::Gnome);
        assert_eq!(Texts::default().advice(&open, "lock-idle", "off").steps(gnome).len(), 2);
        assert!(Texts::default().advice(&open, "lock-idle", "off").steps(None).is_empty());
        assert!(texts.advice(&open, "lock-idle", "off").steps(gnome).is_empty());
        assert!(Texts::default().advice(&own, "lock-idle", "off").steps(gnome).is_empty());
        assert_eq!(texts.advice(&own, "house-badge", "missing").remediator, Remediator::You);
        assert_eq!(texts.advice(&open, "house-badge", "missing").remediator, Remediator::It);
        assert_eq!(Texts::default().advice(&own, "house-badge", "missing").remediator, Remediator::It);
    }

    #[test]
    fn refuses_texts_that_are_not_plain_or_too_long() {
        for text in [
            "[a]\nremedy = \"\\u001b[2J\"".to_owned(),
            "[a]\nremedy = \"pay \\u202e100\"".to_owned(),
            "[a]\ntitle = \"two\\nlines\"".to_owned(),
            "[a]\nsteps = [\"\\u200b\"]".to_owned(),
            "[a]\ntitle = ''".to_owned(),
            "[a]\nhtml = '<b>'".to_owned(),
            "['a b']\ntitle = 'x'".to_owned(),
            format!("[a]\ntitle = '{}'", "x".repeat(61)),
            format!("[a]\nwhy = '{}'", "x".repeat(301)),
            format!("[a]\nsteps = [{}]", "'x',".repeat(9)),
            (0..101).map(|number| format!("[c{number}]\ntitle = 'x'\n")).collect(),
        ] {
            assert!(read(&text).is_err(), "{text}");
        }
        let large = format!("# {}\n", "x".repeat(64 * 1024));
        assert!(matches!(read(&large), Err(TextsError::TooLarge(_))));
    }
}
