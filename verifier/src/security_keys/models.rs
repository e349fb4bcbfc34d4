//! Accepted authenticator models, from the administrator's metadata file.

use crate::config::SecurityKeySettings;
use crate::files;
use crate::live::Live;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use vitalsign_webauthn::Models;

/// Identity and modification time of a file.
type Seen = Option<(u64, SystemTime)>;

/// Accepted models, reloaded when the file changes.
pub(crate) struct ModelStore {
    settings: SecurityKeySettings,
    current: Live<Models>,
    seen: Mutex<[Seen; 2]>,
}

impl ModelStore {
    /// Reads the files that the settings name. An unreadable list accepts no model, but the verifier still starts and
    /// appraises devices.
    pub(crate) fn open(settings: SecurityKeySettings, now: u64) -> Self {
        let seen = Mutex::new(seen(&settings));
        let models = match load(&settings, now) {
            Some(models) => models,
            None => {
                tracing::warn!("no list of models of security key: none can be registered");
                Models::none()
            }
        };
        Self { settings, current: Live::new(models), seen }
    }

    pub(crate) fn current(&self) -> Arc<Models> {
        self.current.get()
    }

    pub(crate) fn accept(&self, models: Models) {
        self.current.set(models);
    }

    /// Loads a list that an administrator replaced. An unreadable list is reported, and the previous one
    /// stays in use until it expires.
    pub(crate) fn refresh(&self, now: u64) {
        let found = seen(&self.settings);
        let mut before = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == found {
            return;
        }
        *before = found;
        if let Some(models) = load(&self.settings, now) {
            self.accept(models);
        }
    }
}

fn load(settings: &SecurityKeySettings, now: u64) -> Option<Models> {
    let metadata = settings.metadata.as_deref()?;
    match Models::load(metadata, settings.metadata_roots.as_deref(), settings.models.as_deref(), now) {
        Ok(models) => {
            tell(&models, now);
            if models.expired(now) {
                tracing::error!("the list of models of security key has expired: none can be registered");
            }
            Some(models)
        }
        Err(error) => {
            tracing::error!(%error, "the list of models of security key cannot be used");
            None
        }
    }
}

/// Says how many of the accepted models can be registered, and why others cannot: a person learns it only with a key in
/// the hand.
fn tell(models: &Models, now: u64) {
    let (registrable, obstacles) = models.registrable(now);
    let not: Vec<_> = obstacles.iter().map(|(why, count)| format!("{count} {why}")).collect();
    tracing::info!(
        models = models.len(),
        registrable,
        cannot_be_registered = not.join(", "),
        older_protocols = models.older_protocols(),
        "the list of models of security key; `user key-models` names each"
    );
}

fn seen(settings: &SecurityKeySettings) -> [Seen; 2] {
    let of = |path: Option<&Path>| {
        let metadata = std::fs::metadata(path?).ok()?;
        Some((files::identity(&metadata), metadata.modified().ok()?))
    };
    [of(settings.metadata.as_deref()), of(settings.metadata_roots.as_deref())]
}
