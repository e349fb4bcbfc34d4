//! Settings of fetching the keys of applications.

use serde::Deserialize;
use std::path::PathBuf;

/// Fetching of keys from an application's `jwks_uri`. Without roots, no keys are fetched.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientKeySettings {
    /// Roots of the applications' certificates, PEM.
    pub roots: Option<PathBuf>,
    /// Whether addresses of this machine and this link are permitted, for applications beside the verifier.
    pub allow_local: bool,
}
