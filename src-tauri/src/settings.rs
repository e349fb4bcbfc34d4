//! The person's own settings of the app, and where they moved its window, in files of their account.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// Most bytes of the file that are read.
const MAX_FILE: u64 = 4096;

/// File with a value as JSON.
#[derive(Clone, Debug)]
pub(crate) struct JsonFile<T> {
    path: PathBuf,
    value: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned + Default> JsonFile<T> {
    /// In this folder, which need not exist.
    pub(crate) fn in_folder(folder: &Path, name: &str) -> Self {
        Self { path: folder.join(name), value: PhantomData }
    }

    /// Reads the value. A file that is missing or unreadable means the default.
    pub(crate) fn read(&self) -> T {
        let mut text = String::new();
        let read = File::open(&self.path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text));
        match read {
            Ok(_) => serde_json::from_str(&text).unwrap_or_else(|error| {
                tracing::warn!("{}: {error}; the defaults are used", self.path.display());
                T::default()
            }),
            Err(_) => T::default(),
        }
    }

    /// Writes the value; a crash leaves the old file or the new one.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub(crate) fn write(&self, value: &T) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(serde_json::to_string(value)?.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(new, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::AppSettings;

    #[test]
    fn settings_survive_a_restart() {
        let folder = std::env::temp_dir().join(format!("vitalsign-settings-{}", std::process::id()));
        let file = JsonFile::<AppSettings>::in_folder(&folder.join("none yet"), "settings.json");
        assert_eq!(file.read(), AppSettings::default());
        let settings =
            AppSettings { check_mark: false, request_tone: false, tones: false, pin_pad: Some(true) };
        file.write(&settings).unwrap();
        assert_eq!(
            JsonFile::<AppSettings>::in_folder(&folder.join("none yet"), "settings.json").read(),
            settings
        );
        for odd in ["", "{", "[]", "{\"checkMark\": 7}", &"x".repeat(10_000)] {
            std::fs::write(&file.path, odd).unwrap();
            assert_eq!(file.read(), AppSettings::default(), "{odd:.20}");
        }
        // What a newer version wrote, and what an older one left out.
        std::fs::write(&file.path, "{\"tones\": false, \"later\": 1}").unwrap();
        assert_eq!(file.read(), AppSettings { tones: false, ..AppSettings::default() });
        std::fs::remove_dir_all(folder).unwrap();
    }
}
