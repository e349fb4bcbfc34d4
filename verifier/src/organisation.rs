//! The organisation's words to its people: reads them from a folder with `organisation.toml`, the optional `logo.png`, and
//! the optional folder `texts` with one file for each language (`de.toml`), or language and platform (`de.linux.toml`).

use crate::files::FileError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use vitalsign_protocol::organisation::{
    Colour, Downtime, Logo, MAX_LOGO_BYTES, MAX_TEXTS_BYTES, Organisation, OrganisationDocument,
    OrganisationError, Support, Texts, check_texts,
};

const MAX_SETTINGS_BYTES: usize = 64 * 1024;

/// Content of `organisation.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OrganisationSettings {
    name: Option<String>,
    colour: Option<Colour>,
    user_may_fix: Option<Vec<String>>,
    support: Support,
    downtime: BTreeMap<String, Downtime>,
}

/// Words that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WordsError {
    /// A file or a folder cannot be read.
    #[error("{0}")]
    File(#[from] FileError),
    /// A file has an unusable name or content.
    #[error("{0}: {1}")]
    Content(PathBuf, String),
    /// The settings, the logo or the files together break a rule.
    #[error("{0}: {1}")]
    Words(PathBuf, OrganisationError),
}

/// Reads the words in a folder; `None` if there is no folder.
///
/// # Errors
/// A file cannot be read or used. Unlike a device, the verifier then uses none, because an administrator is there to fix it.
pub fn load(folder: Option<&Path>) -> Result<Option<OrganisationDocument>, WordsError> {
    let Some(folder) = folder else { return Ok(None) };
    let OrganisationSettings { name, colour, user_may_fix, support, downtime } =
        read_toml(&folder.join("organisation.toml"), MAX_SETTINGS_BYTES)?;
    let (logo, texts) = (folder.join("logo.png"), folder.join("texts"));
    let logo = is_there(&logo).then(|| read_capped(&logo, MAX_LOGO_BYTES)).transpose()?.map(Logo::new);
    let texts = is_there(&texts).then(|| read_texts(&texts)).transpose()?.unwrap_or_default();
    let words = Organisation { name, colour, logo, support, user_may_fix, downtime, texts };
    let document = OrganisationDocument::new(words);
    document.map(Some).map_err(|error| WordsError::Words(folder.to_owned(), error))
}

/// Returns whether there is something at a path, even if it cannot be read.
fn is_there(path: &Path) -> bool {
    !matches!(path.symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound)
}

fn read_texts(folder: &Path) -> Result<BTreeMap<String, Texts>, WordsError> {
    let failed = |error| FileError::new("reading", folder, error);
    let mut all = BTreeMap::new();
    for file in std::fs::read_dir(folder).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".toml"));
        let Some(name) = name else { continue };
        let texts: Texts = read_toml(&path, MAX_TEXTS_BYTES)?;
        check_texts(name, &texts).map_err(|error| WordsError::Content(path.clone(), error.to_string()))?;
        all.insert(name.to_owned(), texts);
    }
    Ok(all)
}

fn read_toml<T: serde::de::DeserializeOwned>(path: &Path, limit: usize) -> Result<T, WordsError> {
    let unusable = |why: String| WordsError::Content(path.to_owned(), why);
    let text = String::from_utf8(read_capped(path, limit)?).map_err(|error| unusable(error.to_string()))?;
    toml::from_str(&text).map_err(|error| unusable(error.to_string()))
}

fn read_capped(path: &Path, limit: usize) -> Result<Vec<u8>, WordsError> {
    let failed = |error| FileError::new("reading", path, error);
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit {
        return Err(WordsError::Content(path.to_owned(), format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_files_that_the_settings_name() {
        let folder = tempfile::tempdir().unwrap();
        let texts = folder.path().join("texts");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let load = || load(Some(folder.path()));
        assert_eq!(super::load(None).unwrap(), None);
        assert!(load().is_err(), "a folder that is named has the file");
        write("organisation.toml", "name = 'St. Example Hospital'\n[support]\nphone = 'ext. 1234'");
        assert!(load().unwrap().unwrap().content().texts.is_empty());
        std::fs::create_dir(&texts).unwrap();
        write("texts/README", "not read");
        write("texts/de.linux.toml", "[house-badge]\ntitle = 'Kartenleser'");
        let document = load().unwrap().unwrap();
        assert_eq!(document.content().name.as_deref(), Some("St. Example Hospital"));
        assert_eq!(document.content().texts.keys().collect::<Vec<_>>(), ["de.linux"]);
        for (name, text, word) in [
            ("texts/de.toml", "[a]\nhtml = '<b>'", "html"),
            ("texts/de.toml", "[a]\nremedy = \"1\\u202e2\"", "plain text"),
            ("texts/de.toml", "[\"no check\"]\ntitle = 'x'", "name of a check"),
            ("texts/deutsch.toml", "", "must be a language"),
            ("logo.png", "<svg/>", "not a PNG"),
        ] {
            write(name, text);
            let error = load().unwrap_err().to_string();
            assert!(error.contains(word), "{name}: {error}");
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        write("organisation.toml", "[downtime.de]\ntext = 'Papierformular.'\nphone = '999'");
        assert_eq!(load().unwrap().unwrap().content().downtime["de"].phone.as_deref(), Some("999"));
        for text in [
            "nam = 'x'",
            "colour = 'red'",
            "[support]\nurl = 'http://it.example'",
            "[downtime.de]\nphone = '999'",
            "[downtime.de]\ntext = ''",
            "[downtime]\ntext = 'x'",
        ] {
            write("organisation.toml", text);
            assert!(load().is_err(), "{text}");
        }
    }
}
