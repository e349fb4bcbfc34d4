//! Things that expire: certificates and lists. The verifier warns before, because devices, people or security keys are
//! refused afterwards.

use crate::config::{Config, TlsFiles};
use crate::endorsers;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use vitalsign_webauthn::Models;
use vitalsign_x509::Certificate;

/// Seconds before the expiry from which it is a warning.
pub const WARNING_SECONDS: u64 = 30 * 24 * 3600;
/// Seconds before the expiry from which it is urgent.
pub const URGENT_SECONDS: u64 = 7 * 24 * 3600;

/// Kind of a thing that expires. The set is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Certificate of the server, or one of its chain.
    TlsCertificate,
    /// FIDO metadata: without it no security key can be registered, and no prescription is approved.
    FidoMetadata,
    /// Root or intermediate certificate of a TPM maker: its TPMs cannot enrol afterwards.
    TpmCertificate,
    /// Revocation list of a TPM maker: what it revokes stays revoked, and what was revoked since is not known.
    TpmRevocationList,
}

impl Kind {
    pub const ALL: [Self; 4] =
        [Self::TlsCertificate, Self::FidoMetadata, Self::TpmCertificate, Self::TpmRevocationList];

    /// Returns the name in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TlsCertificate => "tls-certificate",
            Self::FidoMetadata => "fido-metadata",
            Self::TpmCertificate => "tpm-certificate",
            Self::TpmRevocationList => "tpm-revocation-list",
        }
    }
}

/// Distance to an expiry, in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    Later,
    Warning,
    Urgent,
    Expired,
}

/// A thing that expires, or that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expiring {
    pub kind: Kind,
    /// File in which it is.
    pub file: String,
    /// Expiry in seconds since 1970; 0 if it cannot be read.
    pub expires: u64,
}

impl Expiring {
    #[must_use]
    pub fn urgency(&self, now: u64) -> Urgency {
        match self.expires.saturating_sub(now) {
            0 => Urgency::Expired,
            left if left <= URGENT_SECONDS => Urgency::Urgent,
            left if left <= WARNING_SECONDS => Urgency::Warning,
            _ => Urgency::Later,
        }
    }
}

/// Lists what expires, the first to expire first. Of a file with several certificates, the first to expire counts.
/// `metadata_due` is when the next list of security keys is due; `None` if the list cannot be used.
#[must_use]
pub fn list(config: &Config, metadata_due: Option<u64>) -> Vec<Expiring> {
    let mut all = Vec::new();
    if let Some(TlsFiles { certificate, .. }) = &config.tls {
        all.push(of_certificates(Kind::TlsCertificate, certificate));
    }
    if let Some(metadata) = &config.security_keys.metadata {
        let expires = metadata_due.unwrap_or(0);
        all.push(Expiring { kind: Kind::FidoMetadata, file: metadata.display().to_string(), expires });
    }
    // An endorsement certificate that an administrator pinned is accepted at any time.
    for folder in [config.roots(), config.roots().join("simulated"), config.roots().join("intermediates")] {
        // A folder that cannot be read fails when the roots are loaded.
        for path in endorsers::certificate_files(&folder).into_iter().flatten() {
            all.push(of_certificates(Kind::TpmCertificate, &path));
        }
    }
    for path in endorsers::revocation_lists(&config.roots()).into_iter().flatten() {
        let due = vitalsign_x509::next_update(&fs::read(&path).unwrap_or_default());
        let expires = due.map_or(0, |due| due.unwrap_or(u64::MAX));
        all.push(Expiring { kind: Kind::TpmRevocationList, file: path.display().to_string(), expires });
    }
    all.sort_by_key(|it| it.expires);
    all
}

/// Reads when the next list of security keys is due; `None` if there is no usable list.
#[must_use]
pub fn metadata_due(config: &Config, now: u64) -> Option<u64> {
    let keys = &config.security_keys;
    let metadata = keys.metadata.as_deref()?;
    let models = Models::load(metadata, keys.metadata_roots.as_deref(), keys.models.as_deref(), now);
    models.ok().map(|models| models.due())
}

fn of_certificates(kind: Kind, path: &Path) -> Expiring {
    let pem = fs::read(path).unwrap_or_default();
    let certificates = vitalsign_x509::certificates(&pem).unwrap_or_default();
    let expires = certificates.iter().map(Certificate::not_after).min().unwrap_or(0);
    Expiring { kind, file: path.display().to_string(), expires }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 24 * 3600;

    fn certificate(days: u64) -> String {
        let mut params = rcgen::CertificateParams::new(vec!["verifier.example".to_owned()]).unwrap();
        let until = std::time::UNIX_EPOCH + std::time::Duration::from_secs(NOW + days * DAY);
        params.not_after = until.into();
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn urgency_grows_towards_the_expiry() {
        let it = Expiring { kind: Kind::TlsCertificate, file: String::new(), expires: NOW };
        for (before, urgency) in [
            (31 * DAY, Urgency::Later),
            (30 * DAY, Urgency::Warning),
            (7 * DAY + 1, Urgency::Warning),
            (7 * DAY, Urgency::Urgent),
            (1, Urgency::Urgent),
            (0, Urgency::Expired),
        ] {
            assert_eq!(it.urgency(NOW - before), urgency, "{before}");
        }
        assert_eq!(it.urgency(NOW + 1), Urgency::Expired);
    }

    #[test]
    fn earliest_certificate_of_each_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::for_data(folder.path());
        let roots = folder.path().join("roots/simulated");
        fs::create_dir_all(&roots).unwrap();
        let chain = folder.path().join("chain.pem");
        fs::write(&chain, [certificate(90), certificate(6), certificate(365)].concat()).unwrap();
        fs::write(roots.join("vendor.pem"), certificate(20)).unwrap();
        fs::write(roots.join("broken.pem"), "no certificate").unwrap();
        config.tls = Some(TlsFiles { certificate: chain, key: "key.pem".into() });
        let found = list(&config, None);
        let found: Vec<_> = found.iter().map(|it| (it.kind, it.expires.saturating_sub(NOW) / DAY)).collect();
        assert_eq!(
            found,
            [(Kind::TpmCertificate, 0), (Kind::TlsCertificate, 6), (Kind::TpmCertificate, 20)],
            "what cannot be read comes first"
        );
    }
}
