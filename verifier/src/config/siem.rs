//! Settings of the audit log's streams to a SIEM.

use super::TlsFiles;
use serde::Deserialize;
use std::path::PathBuf;

/// Receivers of the audit log's events.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SiemSettings {
    pub syslog: Option<SiemSyslog>,
    pub https: Option<SiemHttps>,
}

/// Receiver of syslog over TLS.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiemSyslog {
    /// `HOST:PORT`.
    pub server: String,
    /// Roots of the receiver's certificate, PEM.
    pub roots: PathBuf,
    /// Certificate and key of the verifier, if the receiver asks for one.
    #[serde(default)]
    pub client: Option<TlsFiles>,
}

impl SiemSyslog {
    /// Returns the name that the receiver's certificate must have.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.server.rsplit_once(':').map_or(self.server.as_str(), |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

/// Receiver of HTTPS batches.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiemHttps {
    pub url: String,
    /// Roots of the receiver's certificate, PEM.
    pub roots: PathBuf,
    /// File with a bearer token.
    #[serde(default)]
    pub token: Option<PathBuf>,
}
