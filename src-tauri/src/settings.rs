//! The person's own settings of the app, in a file of their account.

use crate::view::AppSettings;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Most bytes of the file that are read.
const MAX_FILE: u64 = 4096;

/// File with the settings.
#[derive(Clone, Debug)]
pub(crate) struct SettingsFile(PathBuf);

impl SettingsFile {
    /// In this folder, which need not exist.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self(folder.join("settings.json"))
    }

    /// Reads the settings. A file that is missing or unreadable means the defaults.
    pub(crate) fn read(&self) -> AppSettings {
        let mut text = String::new();
        let read = File::open(&self.0).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text));
        match read {
            Ok(_) => serde_json::from_str(&text).unwrap_or_else(|error| {
                tracing::warn!("{}: {error}; the defaults are used", self.0.display());
                AppSettings::default()
            }),
            Err(_) => AppSettings::default(),
        }
    }

    /// Writes the settings; a crash leaves the old file or the new one.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub(crate) fn write(&self, settings: &AppSettings) -> io::Result<()> {
        if let Some(folder) = self.0.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let new = self.0.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(serde_json::to_string(settings)?.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(new, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_a_restart() {
        let folder = std::env::temp_dir().join(format!("vitalsign-settings-{}", std::process::id()));
        let file = SettingsFile::in_folder(&folder.join("none yet"));
        assert_eq!(file.read(), AppSettings::default());
        let settings = AppSettings { check_mark: false, tones: false, pin_pad: Some(true) };
        file.write(&settings).unwrap();
        assert_eq!(SettingsFile::in_folder(&folder.join("none yet")).read(), settings);
        for odd in ["", "{", "[]", "{\"checkMark\": 7}", &"x".repeat(10_000)] {
            std::fs::write(&file.0, odd).unwrap();
            assert_eq!(file.read(), AppSettings::default(), "{odd:.20}");
        }
        // What a newer version wrote, and what an older one left out.
        std::fs::write(&file.0, "{\"tones\": false, \"later\": 1}").unwrap();
        assert_eq!(file.read(), AppSettings { tones: false, ..AppSettings::default() });
        std::fs::remove_dir_all(folder).unwrap();
    }
}
