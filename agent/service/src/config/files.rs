//! The managed configuration: `agent.toml`, then the files `*.toml` of the folder `agent.d` beside it in the order of their
//! names. A later file comes before an earlier one. All files are taken, or none: with one that cannot be used, the last
//! configuration stays in force.

use super::layer::{ConfigLayer, ParsedFile};
use super::{ConfigError, MAX_FILE, read_capped};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Limits of the folder: number of files, and their bytes together.
const MAX_FILES: usize = 64;
const MAX_ALL: usize = 256 * 1024;

/// File and line that a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SettingOrigin {
    pub(crate) path: PathBuf,
    pub(crate) line: usize,
}

/// Settings of all files together, and the origin of each by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ManagedFiles {
    pub(crate) layer: ConfigLayer,
    pub(crate) origins: BTreeMap<&'static str, SettingOrigin>,
}

/// Returns the folder of further files: `agent.d` for `agent.toml`.
pub(crate) fn folder_of(file: &Path) -> PathBuf {
    file.with_extension("d")
}

/// Reads the file and its folder. `is_named` says that a person named the file: then it must exist, and may belong to
/// that person.
pub(crate) fn read(file: &Path, is_named: bool) -> Result<ManagedFiles, ConfigError> {
    let mut all = ManagedFiles::default();
    match read_file(file, is_named)? {
        Some(text) => all.add(file, &text)?,
        None if is_named => {
            return Err(ConfigError::Read { path: file.to_owned(), error: ErrorKind::NotFound.into() });
        }
        None => {}
    }
    let mut bytes = 0;
    for path in drop_ins(&folder_of(file), is_named)? {
        // A file that was removed since is not one of them.
        let Some(text) = read_file(&path, is_named)? else { continue };
        bytes += text.len();
        if bytes > MAX_ALL {
            return Err(ConfigError::TooMuch(folder_of(file)));
        }
        all.add(&path, &text)?;
    }
    Ok(all)
}

impl ManagedFiles {
    /// Adds the settings in the text of a later file.
    pub(crate) fn add(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let ParsedFile { layer, lines } = ConfigLayer::parse(path, text)?;
        self.layer.replace_by(layer);
        // What the file replaces has no other origin any more: a table, and one trust anchor by the other.
        let table = |name: &'static str| name.split('.').next();
        self.origins.retain(|name, _| {
            self.layer.shown(name).is_some() && lines.keys().all(|set| table(set) != table(name))
        });
        let origin = |line| SettingOrigin { path: path.to_owned(), line };
        self.origins.extend(lines.into_iter().map(|(name, line)| (name, origin(line))));
        Ok(())
    }
}

/// Returns the folder's files of settings in the order of their names. Files of other names, such as an editor's backup or
/// a package manager's `.dpkg-new`, and names that begin with a dot are not settings.
fn drop_ins(folder: &Path, is_named: bool) -> Result<Vec<PathBuf>, ConfigError> {
    let failed = |error| ConfigError::Read { path: folder.to_owned(), error };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(error)),
    };
    check_owner(folder, vitalsign_os::exposure(folder, is_named))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        if Path::new(&name).extension() == Some(OsStr::new("toml"))
            && !name.as_encoded_bytes().starts_with(b".")
        {
            names.push(name);
        }
        if names.len() > MAX_FILES {
            return Err(ConfigError::TooMuch(folder.to_owned()));
        }
    }
    names.sort();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Reads a file that only an administrator can have written; `None` if it is missing.
fn read_file(path: &Path, is_named: bool) -> Result<Option<Zeroizing<String>>, ConfigError> {
    let is_file = match path.metadata() {
        Ok(found) => found.is_file(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ConfigError::Read { path: path.to_owned(), error }),
    };
    // A pipe would make the service wait.
    if !is_file {
        let error = io::Error::other("it is not a file");
        return Err(ConfigError::Read { path: path.to_owned(), error });
    }
    check_owner(path, vitalsign_os::exposure(path, is_named))?;
    read_capped(path, MAX_FILE)
}

fn check_owner(path: &Path, exposure: io::Result<Option<String>>) -> Result<(), ConfigError> {
    match exposure {
        Ok(None) => Ok(()),
        Ok(Some(why)) => Err(ConfigError::Exposed { path: path.to_owned(), why }),
        Err(error) => Err(ConfigError::Read { path: path.to_owned(), error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture(tempfile::TempDir);

    impl Fixture {
        fn new(agent: &str, files: &[(&str, &str)]) -> Self {
            let fixture = Self(tempfile::tempdir().unwrap());
            std::fs::create_dir(fixture.path("agent.d")).unwrap();
            std::fs::write(fixture.path("agent.toml"), agent).unwrap();
            for (name, text) in files {
                std::fs::write(fixture.path("agent.d").join(name), text).unwrap();
            }
            fixture
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn read(&self) -> Result<ManagedFiles, ConfigError> {
            read(&self.path("agent.toml"), true)
        }
    }

    #[test]
    fn later_files_win_and_others_are_ignored() {
        let fixture = Fixture::new(
            "key = 'auto'\n[support]\nname = 'a'\nphone = '1'",
            &[
                ("90-ward.toml", "[support]\nphone = '3'"),
                ("10-site.toml", "key = 'software'\n\n[support]\nphone = '2'"),
                ("README", "not settings"),
                (".50-copying.toml", "not settings"),
                ("50-old.toml~", "not settings"),
                ("50-new.toml.dpkg-new", "not settings"),
                ("#50-edited.toml#", "not settings"),
            ],
        );
        let all = fixture.read().unwrap();
        assert_eq!(all.layer.key.as_deref(), Some("software"));
        assert_eq!(all.layer.shown("support.phone").as_deref(), Some("\"3\""));
        assert_eq!(all.layer.shown("support.name"), None, "a table is replaced whole");
        let origin = |name: &str| {
            all.origins.get(name).map(|it| (it.path.file_name().unwrap().to_str().unwrap(), it.line))
        };
        assert_eq!(origin("key"), Some(("10-site.toml", 1)));
        assert_eq!(origin("support.phone"), Some(("90-ward.toml", 2)));
        assert_eq!(origin("support.name"), None);
    }

    #[test]
    fn unusable_file_refuses_all_files() {
        for (name, text, wanted) in [
            ("a.toml", "key = 'au", ":1:"),
            ("a.toml", "kay = 'auto'", ":1:1: kay is not a setting"),
            ("a.toml", "\u{0}", ":1:"),
        ] {
            let fixture = Fixture::new("key = 'auto'", &[(name, text), ("b.toml", "key = 'auto'")]);
            let error = fixture.read().unwrap_err().to_string();
            assert!(error.contains(&format!("agent.d/{name}{wanted}")), "{error}");
        }
        let fixture = Fixture::new("", &[]);
        std::fs::create_dir(fixture.path("agent.d/folder.toml")).unwrap();
        assert!(fixture.read().unwrap_err().to_string().contains("folder.toml"));
        std::fs::remove_dir(fixture.path("agent.d/folder.toml")).unwrap();
        std::fs::write(fixture.path("agent.d/bytes.toml"), b"key = '\xff'").unwrap();
        assert!(fixture.read().unwrap_err().to_string().contains("bytes.toml"));
    }

    #[test]
    fn number_and_size_of_files_are_bounded() {
        let fixture = Fixture::new("", &[]);
        for number in 0..=MAX_FILES {
            std::fs::write(fixture.path("agent.d").join(format!("{number}.toml")), "").unwrap();
        }
        assert!(matches!(fixture.read(), Err(ConfigError::TooMuch(_))));
        std::fs::remove_file(fixture.path("agent.d/0.toml")).unwrap();
        fixture.read().unwrap();
        let comment = format!("# {}", "x".repeat(60 * 1024));
        for number in 1..=5 {
            std::fs::write(fixture.path("agent.d").join(format!("{number}.toml")), &comment).unwrap();
        }
        assert!(matches!(fixture.read(), Err(ConfigError::TooMuch(_))));
        std::fs::write(fixture.path("agent.d/1.toml"), "#".repeat(65 * 1024)).unwrap();
        assert!(matches!(fixture.read(), Err(ConfigError::TooLarge { .. })));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn refuses_files_that_others_may_write() {
        use std::os::unix::fs::PermissionsExt;
        let fixture = Fixture::new("key = 'auto'", &[("a.toml", "key = 'auto'")]);
        fixture.read().unwrap();
        for name in ["agent.toml", "agent.d", "agent.d/a.toml"] {
            let path = fixture.path(name);
            let mode = path.metadata().unwrap().permissions();
            let open = std::fs::Permissions::from_mode(mode.mode() | 0o002);
            std::fs::set_permissions(&path, open).unwrap();
            let error = fixture.read().unwrap_err();
            assert!(matches!(&error, ConfigError::Exposed { path: at, .. } if *at == path), "{error}");
            std::fs::set_permissions(&path, mode).unwrap();
        }
        fixture.read().unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn refuses_files_of_other_users() {
        let fixture = Fixture::new("key = 'auto'", &[("a.toml", "key = 'auto'")]);
        let path = fixture.path("agent.d/a.toml");
        // Only root can give a file away.
        if std::os::unix::fs::chown(&path, Some(65_533), None).is_err() {
            return;
        }
        let error = fixture.read().unwrap_err().to_string();
        assert!(error.contains("a.toml") && error.contains("65533"), "{error}");
    }
}
