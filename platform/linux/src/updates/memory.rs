//! Stores since when each update has been pending, and for which lists that result is valid.

use super::{HOUR, Lists, PendingUpdates};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use vitalsign_protocol::fact::Fact;

const FILE: &str = "updates.json";
const MAX_FILE: u64 = 4 * 1024 * 1024;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The lists that were read.
    key: String,
    at: u64,
    /// Pending updates and when each was first seen.
    waiting: BTreeMap<String, u64>,
    /// Number of them that are kept back.
    #[serde(default)]
    held: Option<u64>,
}

impl Memory {
    /// Loads the stored result; a missing or damaged file counts as empty.
    pub(super) fn load(folder: &Path) -> Self {
        let mut bytes = Vec::new();
        let read = std::fs::File::open(folder.join(FILE))
            .and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
        read.ok().and_then(|_| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Returns whether the stored result is for these lists.
    pub(super) fn answers(&self, lists: &Lists, now: u64) -> bool {
        self.key == lists.key && (!lists.hourly || (self.at..self.at.saturating_add(HOUR)).contains(&now))
    }

    /// A new answer: what waited already waits since it was first seen.
    pub(super) fn learn(&mut self, lists: &Lists, waiting: PendingUpdates, now: u64) {
        let before = std::mem::take(&mut self.waiting);
        let first = |name: &str| before.get(name).map_or(now, |first| now.min(*first));
        self.waiting = waiting
            .names
            .into_iter()
            .map(|name| (first(&name), name))
            .map(|(first, name)| (name, first))
            .collect();
        (self.key, self.at, self.held) = (lists.key.clone(), now, waiting.held);
    }

    pub(super) fn count(&self) -> Fact<u64> {
        u64::try_from(self.waiting.len()).map_or(Fact::Unsupported, Fact::Known)
    }

    pub(super) fn held(&self) -> Fact<u64> {
        Fact::or_unsupported(self.held)
    }

    /// Since when the first of them waits.
    pub(super) fn since(&self) -> Option<u64> {
        self.waiting.values().min().copied()
    }

    /// Writes it whole or not at all.
    pub(super) fn save(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let new = folder.join(format!("{FILE}.new"));
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_data()?;
        std::fs::rename(new, folder.join(FILE))
    }
}
