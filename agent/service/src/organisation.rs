//! The organisation's words on this device: in the managed configuration, and the verifier's document, which is kept in the
//! state folder so that people read it offline too.

use crate::store::write_whole;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vitalsign_protocol::organisation::{
    Logo, MAX_DOCUMENT_BYTES, MAX_LOGO_BYTES, MAX_TEXTS_BYTES, Organisation, OrganisationDocument, Texts,
    check_texts,
};

/// The verifier's document, in the state folder.
const FILE: &str = "organisation.json";
/// Files with texts that are read.
const MAX_TEXT_FILES: usize = 40;

/// Adds to the words of the settings the logo and the files in the folder of texts. A file that cannot be used is left out,
/// and named in the result.
pub(crate) fn with_files(
    settings: Organisation,
    logo: Option<&Path>,
    folder: &Path,
) -> (Organisation, Vec<String>) {
    let mut problems = Vec::new();
    let logo = logo.and_then(|path| read_logo(path).map_err(|problem| problems.push(problem)).ok());
    let mut texts = BTreeMap::new();
    for (name, path) in text_files(folder) {
        match read_texts(&name, &path) {
            Ok(read) => drop(texts.insert(name, read)),
            Err(problem) => problems.push(problem),
        }
    }
    let mut words = Organisation { logo, texts, ..settings };
    if let Err(error) = words.check() {
        problems.push(format!("{}: {error}", folder.display()));
        words.texts.clear();
    }
    (words, problems)
}

/// Returns the files `NAME.toml` of a folder by name, in order.
fn text_files(folder: &Path) -> BTreeMap<String, PathBuf> {
    let Ok(files) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    let named = |file: std::fs::DirEntry| {
        let name = file.file_name().into_string().ok()?;
        Some((name.strip_suffix(".toml")?.to_owned(), file.path()))
    };
    files.flatten().filter_map(named).take(MAX_TEXT_FILES).collect()
}

fn read_texts(name: &str, path: &Path) -> Result<Texts, String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot use {}: {error}", path.display());
    let file = read_capped(path, MAX_TEXTS_BYTES).map_err(|error| failed(&error))?;
    let text = String::from_utf8(file).map_err(|error| failed(&error))?;
    let texts: Texts = toml::from_str(&text).map_err(|error| failed(&error))?;
    check_texts(name, &texts).map_err(|error| failed(&error))?;
    Ok(texts)
}

fn read_logo(path: &Path) -> Result<Logo, String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot use {}: {error}", path.display());
    let logo = Logo::new(read_capped(path, MAX_LOGO_BYTES).map_err(|error| failed(&error))?);
    logo.pixels().map_err(|error| failed(&error))?;
    Ok(logo)
}

/// Reads the verifier's document that was kept last. A damaged one is the same as none: the next report brings it again.
pub(crate) fn kept(state: &Path) -> Option<Arc<OrganisationDocument>> {
    let bytes = read_capped(&state.join(FILE), MAX_DOCUMENT_BYTES).ok()?;
    OrganisationDocument::parse(bytes).map(Arc::new).ok()
}

/// Keeps the verifier's document, or removes it.
pub(crate) fn keep(state: &Path, document: Option<&OrganisationDocument>) -> io::Result<()> {
    let path = state.join(FILE);
    match document {
        Some(document) => write_whole(&path, document.bytes()),
        None => match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}

fn read_capped(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
        folder
    }

    #[test]
    fn files_that_cannot_be_used_are_named_and_left_out() {
        let large = format!("# {}\n", "x".repeat(MAX_TEXTS_BYTES));
        let folder = folder(&[
            ("de.toml", "[os-updates]\nremedy = 'Heute Abend neu starten.'"),
            ("de.linux.toml", "[os-updates]\ntitle = 'Updates'"),
            ("fr.toml", "[a]\ntitle = \"a\\u202eb\""),
            ("es.toml", "[a]\nhtml = '<b>'"),
            ("it.toml", &large),
            ("secret.toml", "[a]\ntitle = 'b'"),
            ("README", "not read"),
        ]);
        let svg = folder.path().join("README");
        let (words, mut problems) = with_files(Organisation::default(), Some(&svg), folder.path());
        assert!(words.logo.is_none() && problems.remove(0).contains("not a PNG"));
        assert_eq!(words.texts.keys().collect::<Vec<_>>(), ["de", "de.linux"]);
        for (problem, file) in problems.iter().zip(["es.toml", "fr.toml", "it.toml", "secret.toml"]) {
            assert!(problem.contains(file), "{problem}");
        }
        assert_eq!(problems.len(), 4, "{problems:?}");
    }

    #[test]
    fn texts_that_are_too_large_together_are_left_out() {
        let check = |number| format!("[c{number}]\nsteps = ['{}']\n", vec!["x".repeat(300); 8].join("', '"));
        let text: String = (0..30).map(check).collect();
        let folder = folder(&[("de.toml", &text), ("en.toml", &text)]);
        let (words, problems) = with_files(Organisation::default(), None, folder.path());
        assert!(words.texts.is_empty() && problems.len() == 1, "{problems:?}");
    }

    #[test]
    fn document_is_kept_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let words = Organisation { name: Some("St. Example Hospital".into()), ..Organisation::default() };
        let document = OrganisationDocument::new(words).unwrap();
        assert_eq!(kept(folder.path()), None);
        keep(folder.path(), Some(&document)).unwrap();
        assert_eq!(kept(folder.path()).as_deref(), Some(&document));
        std::fs::write(folder.path().join(FILE), br#"{"name": "a\u202eb"}"#).unwrap();
        assert_eq!(kept(folder.path()), None);
        keep(folder.path(), None).unwrap();
        keep(folder.path(), None).unwrap();
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
