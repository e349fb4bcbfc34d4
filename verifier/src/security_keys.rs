//! Security keys: registration, and the models that are accepted.

mod attempts;
mod models;
mod registration;

pub(crate) use models::ModelStore;

use crate::store::Store;
use attempts::CodeAttempts;
use std::sync::Arc;
use vitalsign_webauthn::{Models, RelyingParty};

/// Registers security keys of users.
pub struct SecurityKeyRegistry {
    store: Arc<Store>,
    relying_party: Arc<RelyingParty>,
    models: Arc<ModelStore>,
    attempts: CodeAttempts,
}

impl SecurityKeyRegistry {
    pub(crate) fn new(store: Arc<Store>, relying_party: Arc<RelyingParty>, models: Arc<ModelStore>) -> Self {
        Self { store, relying_party, models, attempts: CodeAttempts::default() }
    }

    /// Returns the models that are accepted now.
    #[must_use]
    pub fn models(&self) -> Arc<Models> {
        self.models.current()
    }

    /// Replaces the models until the administrator's file changes.
    pub fn accept_models(&self, models: Models) {
        self.models.accept(models);
    }

    /// Loads the models again if an administrator replaced their file.
    pub fn refresh_models(&self, now: u64) {
        self.models.refresh(now);
    }
}
