//! Configuration file in TOML. Every setting except the data folder has a default.

mod admin_api;
mod client_keys;
mod devices;
mod limits;
mod siem;

pub use admin_api::{AdminApiSettings, AdministratorSettings, TokenIssuer};
pub use client_keys::ClientKeySettings;
pub use devices::DeviceSettings;
pub use limits::Limits;
pub use siem::{SiemHttps, SiemSettings, SiemSyslog};

use crate::age::Recipient;
use crate::audit::Kind;
use crate::audit::note::{SignatureType, VerifierKey};
use crate::audit::prove::MAX_PIN_HOURS;
use crate::kek::KekSource;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use vitalsign_protocol::origin::Origin;
use vitalsign_webauthn::Aaguid;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of the store and the roots.
    pub data: PathBuf,
    /// Settings of the verifier's keys.
    #[serde(default)]
    pub keys: KeySettings,
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    #[serde(default)]
    pub tls: Option<TlsFiles>,
    /// Origin of this verifier as devices and browsers see it, such as `https://verifier.example`. Its host is the rpId
    /// of step-up. By default the host of the self-signed certificate.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// The folder of TPM makers' roots; `roots` in the data folder by default.
    #[serde(default)]
    pub roots: Option<PathBuf>,
    /// The appraisal policy, Rego; a built-in one by default.
    #[serde(default)]
    pub policy: Option<PathBuf>,
    /// The policy's thresholds, TOML; built-in ones by default.
    #[serde(default)]
    pub thresholds: Option<PathBuf>,
    /// The policy of step-up, Rego; a built-in one by default.
    #[serde(default)]
    pub step_up_policy: Option<PathBuf>,
    /// Interval between reports, in seconds.
    #[serde(default = "default_report_seconds")]
    pub report_seconds: u64,
    /// Lifetime of a report's nonce and of a verdict, in seconds: the interval and a margin.
    #[serde(default = "default_nonce_seconds")]
    pub nonce_seconds: u64,
    /// Maximum age of a TPM's quote, in seconds. A boot also requires a new quote.
    #[serde(default = "default_quote_seconds")]
    pub quote_seconds: u64,
    /// Accepted security keys.
    #[serde(default)]
    pub security_keys: SecurityKeySettings,
    /// Settings of the OpenID provider.
    #[serde(default)]
    pub oidc: Oidc,
    /// Fetching of applications' keys.
    #[serde(default)]
    pub client_keys: ClientKeySettings,
    /// Data of devices that are kept.
    #[serde(default)]
    pub devices: DeviceSettings,
    /// Diagnostics that people send to IT.
    #[serde(default)]
    pub diagnostics: DiagnosticsSettings,
    /// Checkpoints and retention of the audit log.
    #[serde(default)]
    pub audit: AuditSettings,
    /// Receivers of the audit log's events.
    #[serde(default)]
    pub siem: SiemSettings,
    #[serde(default)]
    pub step_up: StepUpSettings,
    /// Folder with the organisation's words to its people, served to its devices; none by default.
    #[serde(default)]
    pub organisation: Option<PathBuf>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub backup: BackupSettings,
    /// Listener for administrators; none by default.
    #[serde(default)]
    pub admin: Option<AdminSettings>,
    /// API for administrators, always on a local socket, and by HTTPS if it has an address.
    #[serde(default)]
    pub admin_api: AdminApiSettings,
    #[serde(default)]
    pub log: LogSettings,
}

/// Listener for administrators: metrics and details of health, without TLS.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSettings {
    /// An address of loopback.
    pub listen: SocketAddr,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9464)) }
    }
}

/// The key-encryption key, which opens the verifier's keys in the store. At most one of the settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeySettings {
    /// File with the key; `kek` in the data folder by default, which the verifier makes at its first start.
    pub kek: Option<PathBuf>,
    /// Name of a systemd credential with the key.
    pub kek_credential: Option<String>,
}

/// Settings of the log.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    pub format: LogFormat,
    /// Whether each request has a line.
    pub requests: bool,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, requests: true }
    }
}

/// Format of the log's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
    /// `key=value`.
    Logfmt,
}

/// Settings of backups.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackupSettings {
    /// Public keys (age) to which backups are encrypted.
    pub recipients: Vec<Recipient>,
}

/// Settings of step-up.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StepUpSettings {
    /// Hours for which taps at the level badge need no PIN after one with a PIN or fingerprint; 0 to require it always.
    pub pin_hours: u64,
}

impl Default for StepUpSettings {
    fn default() -> Self {
        Self { pin_hours: 4 }
    }
}

/// Limits of the diagnostics of devices that are kept.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiagnosticsSettings {
    /// Number of days for which they are kept.
    pub keep_days: u64,
    /// Maximum number of bytes of all texts together; the oldest are deleted first.
    pub max_bytes: u64,
}

impl Default for DiagnosticsSettings {
    fn default() -> Self {
        Self { keep_days: 30, max_bytes: 64 * 1024 * 1024 }
    }
}

/// Checkpoints and retention of the audit log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    /// Interval in seconds of signing the log's state, if it has changed.
    pub checkpoint_seconds: u64,
    /// Keys of witnesses, whose cosignatures are accepted.
    pub witnesses: Vec<VerifierKey>,
    /// Number of days for which payloads are kept, by kind of entry; `default` is for the kinds that are not named.
    /// Without either, they are kept for ever.
    pub retention: BTreeMap<String, u64>,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { checkpoint_seconds: 600, witnesses: Vec::new(), retention: BTreeMap::new() }
    }
}

impl AuditSettings {
    /// Days for which documentation is retained: six years (45 CFR 164.316(b)(2)(i)).
    pub const SIX_YEARS: u64 = 6 * 365 + 2;

    /// Returns the number of days for which payloads of this kind are kept; `None` if for ever. Entries about pruning
    /// always are.
    #[must_use]
    pub fn kept_days(&self, kind: Kind) -> Option<u64> {
        let days = self.retention.get(kind.as_str()).or_else(|| self.retention.get("default"));
        days.copied().filter(|_| kind != Kind::Pruned)
    }

    fn is_valid(&self) -> bool {
        let known =
            |name: &String| name == "default" || Kind::named(name).is_some_and(|kind| kind != Kind::Pruned);
        self.checkpoint_seconds > 0
            && self.retention.iter().all(|(name, days)| known(name) && *days > 0)
            && self.witnesses.iter().all(|witness| witness.kind() == SignatureType::Cosignature)
    }
}

/// Accepted security keys. Without metadata none can be registered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityKeySettings {
    /// FIDO metadata file: as signed by the FIDO Alliance (JWT), or its payload (JSON), which the
    /// administrator vouches for.
    pub metadata: Option<PathBuf>,
    /// Root certificate of the file's signer, PEM.
    pub metadata_roots: Option<PathBuf>,
    /// Accepted models of the file (AAGUIDs); all by default.
    pub models: Option<Vec<Aaguid>>,
}

/// The server's certificate and key, PEM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The chain, the server's own first.
    pub certificate: PathBuf,
    /// Private key of the certificate, PKCS#8.
    pub key: PathBuf,
}

/// Settings of the OpenID provider.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Oidc {
    /// Minimum interval between two polls for a token, in seconds; 0 disables the limit.
    pub interval_seconds: u64,
    /// Time in seconds for which a token request is held open while the step-up is pending, so that the token
    /// is delivered as soon as the tap is verified (CIBA section 10.1.1); 0 answers at once. At most 25.
    pub hold_seconds: u64,
    /// Whether DPoP proofs for tokens need a nonce of the verifier (RFC 9449 section 8).
    pub dpop_nonces: bool,
}

impl Default for Oidc {
    fn default() -> Self {
        // Common clients give up after 30 s.
        Self { interval_seconds: 2, hold_seconds: 20, dpop_nonces: true }
    }
}

/// Smallest budget for bodies: two of the largest bodies, and some others.
const MIN_BODY_BYTES: usize = 16 * 1024 * 1024;

/// The configuration could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It could not be read.
    #[error("reading the configuration {0}: {1}; --config names another file")]
    Read(PathBuf, std::io::Error),
    /// The file is not valid TOML, or contains an unknown setting.
    #[error("the configuration {0}: {1}")]
    Parse(PathBuf, String),
    /// Two settings contradict each other.
    #[error("the configuration: {0}")]
    Invalid(&'static str),
}

impl Config {
    /// Returns the defaults with this data folder.
    #[must_use]
    pub fn for_data(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            keys: KeySettings::default(),
            listen: default_listen(),
            tls: None,
            origin: None,
            roots: None,
            policy: None,
            thresholds: None,
            step_up_policy: None,
            report_seconds: default_report_seconds(),
            nonce_seconds: default_nonce_seconds(),
            quote_seconds: default_quote_seconds(),
            security_keys: SecurityKeySettings::default(),
            oidc: Oidc::default(),
            client_keys: ClientKeySettings::default(),
            devices: DeviceSettings::default(),
            diagnostics: DiagnosticsSettings::default(),
            audit: AuditSettings::default(),
            siem: SiemSettings::default(),
            step_up: StepUpSettings::default(),
            organisation: None,
            limits: Limits::default(),
            backup: BackupSettings::default(),
            admin: None,
            admin_api: AdminApiSettings::default(),
            log: LogSettings::default(),
        }
    }

    /// Reads a configuration file. Relative paths in it are relative to its folder.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|e| ConfigError::Read(path.to_owned(), e))?;
        let mut config: Self =
            toml::from_str(&text).map_err(|e| ConfigError::Parse(path.to_owned(), e.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let Self {
            data,
            keys,
            tls,
            roots,
            policy,
            thresholds,
            step_up_policy,
            security_keys,
            organisation,
            siem,
            admin_api,
            client_keys,
            ..
        } = &mut config;
        let SecurityKeySettings { metadata, metadata_roots, .. } = security_keys;
        *data = folder.join(&data);
        let client = siem.syslog.as_mut().and_then(|syslog| syslog.client.as_mut());
        for tls in tls.iter_mut().chain(client).chain(admin_api.tls.as_mut()) {
            tls.certificate = folder.join(&tls.certificate);
            tls.key = folder.join(&tls.key);
        }
        if let Some(syslog) = &mut siem.syslog {
            syslog.roots = folder.join(&syslog.roots);
        }
        if let Some(https) = &mut siem.https {
            https.roots = folder.join(&https.roots);
            https.token = https.token.as_ref().map(|token| folder.join(token));
        }
        for issuer in &mut admin_api.issuers {
            issuer.jwks = folder.join(&issuer.jwks);
        }
        let AdminApiSettings { socket, client_roots, .. } = admin_api;
        let paths = [
            &mut keys.kek,
            roots,
            policy,
            thresholds,
            step_up_policy,
            metadata,
            metadata_roots,
            organisation,
            socket,
            client_roots,
            &mut client_keys.roots,
        ];
        for path in paths.into_iter().flatten() {
            *path = folder.join(&path);
        }
        config.check()?;
        Ok(config)
    }

    /// Checks that the settings are consistent.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with the first violation.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(why) = self.admin_api.contradiction() {
            return Err(ConfigError::Invalid(why));
        }
        match () {
            () if self.keys.kek.is_some() && self.keys.kek_credential.is_some() => {
                Err(ConfigError::Invalid("[keys] needs either kek or kek_credential"))
            }
            () if self.keys.kek.as_ref().is_some_and(|kek| kek.starts_with(self.former_keys())) => {
                Err(ConfigError::Invalid("kek must not be in the folder of the former key files, keys"))
            }
            () if self
                .keys
                .kek_credential
                .as_ref()
                .is_some_and(|name| name.is_empty() || name.contains('/')) =>
            {
                Err(ConfigError::Invalid("kek_credential must be the name of a credential, not a path"))
            }
            () if self.report_seconds == 0 => {
                Err(ConfigError::Invalid("report_seconds must be greater than 0"))
            }
            () if self.nonce_seconds <= self.report_seconds => {
                Err(ConfigError::Invalid("nonce_seconds must be greater than report_seconds"))
            }
            () if self.step_up.pin_hours > MAX_PIN_HOURS => {
                Err(ConfigError::Invalid("pin_hours must be at most 12"))
            }
            () if self.limits.connections == 0
                || self.limits.unauthenticated_per_address == 0
                || self.limits.report_burst == 0
                || self.limits.step_ups_per_client_and_user == 0
                || self.limits.step_ups_per_minute == 0
                || self.limits.request_seconds == 0 =>
            {
                Err(ConfigError::Invalid("limits must be greater than 0"))
            }
            () if self.siem.syslog.as_ref().is_some_and(|it| !it.server.contains(':')) => {
                Err(ConfigError::Invalid("server in [siem.syslog] must be HOST:PORT"))
            }
            () if self.siem.https.as_ref().is_some_and(|it| !it.url.starts_with("https://")) => {
                Err(ConfigError::Invalid("url in [siem.https] must begin with https://"))
            }
            () if !self.audit.is_valid() => Err(ConfigError::Invalid(
                "[audit] needs checkpoint_seconds greater than 0, keys of cosigning witnesses, and in [audit.retention] \
                 days greater than 0 for kinds of entries as in `audit list --help`, or for `default`",
            )),
            () if self.limits.body_bytes < MIN_BODY_BYTES => {
                Err(ConfigError::Invalid("body_bytes must be at least 16777216"))
            }
            () if self.admin.is_some_and(|admin| !admin.listen.ip().is_loopback()) => Err(
                ConfigError::Invalid("admin.listen must be an address of loopback, because it has no TLS"),
            ),
            () if self.origin.as_ref().is_some_and(|it| !it.is_https() || it.domain().is_none()) => {
                Err(ConfigError::Invalid("origin must be https://HOST or https://HOST:PORT"))
            }
            () => Ok(()),
        }
    }

    /// Returns where the key-encryption key is.
    #[must_use]
    pub fn kek(&self) -> KekSource {
        match &self.keys {
            KeySettings { kek_credential: Some(name), .. } => KekSource::Credential(name.clone()),
            KeySettings { kek: Some(path), .. } => KekSource::File(path.clone()),
            KeySettings { .. } => KekSource::beside(&self.data),
        }
    }

    /// Returns the folder in which earlier versions had the keys.
    #[must_use]
    pub(crate) fn former_keys(&self) -> PathBuf {
        self.data.join("keys")
    }

    /// Returns the socket of the API for administrators.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.admin_api.socket.clone().unwrap_or_else(|| self.data.join("admin.sock"))
    }

    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.data.join("verifier.db")
    }

    #[must_use]
    pub fn roots(&self) -> PathBuf {
        self.roots.clone().unwrap_or_else(|| self.data.join("roots"))
    }

    /// The origin, and its host: the rpId.
    #[must_use]
    pub fn origin(&self) -> (&str, &str) {
        self.origin.as_ref().map_or(("https://localhost", "localhost"), |it| (it.as_str(), it.host()))
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 0], 8443))
}

fn default_report_seconds() -> u64 {
    300
}

fn default_nonce_seconds() -> u64 {
    900
}

fn default_quote_seconds() -> u64 {
    24 * 3600
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every setting of the sample can be used as it is written there, without the comment sign.
    #[test]
    fn sample_configuration_is_accepted() {
        let sample = include_str!("../../installers/linux/verifier.toml");
        let setting = |line: &str| {
            line.starts_with("#[")
                || line.split_once(" = ").is_some_and(|(name, _)| {
                    name.strip_prefix('#')
                        .is_some_and(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
                })
        };
        let uncomment = |line: &str| {
            if setting(line) { line.trim_start_matches('#').to_owned() } else { line.to_owned() }
        };
        let all: Vec<String> = sample.lines().map(uncomment).collect();
        let all = all
            .join("\n")
            .replace("age1...", "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p");
        for text in [sample, &all] {
            toml::from_str::<Config>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        }
        let config: Config = toml::from_str(&all).unwrap();
        assert!(config.origin.is_some() && config.admin.is_some() && config.security_keys.metadata.is_some());
        assert_eq!(config.backup.recipients.len(), 1);
    }

    #[test]
    fn origin_has_https_and_a_domain() {
        for (origin, expected) in [
            ("https://verifier.example", Some("verifier.example")),
            ("https://verifier.example:8443", Some("verifier.example")),
            ("http://localhost", None),
            ("https://127.0.0.1", None),
            ("https://[::1]:8443", None),
        ] {
            let config = Config { origin: Some(origin.parse().unwrap()), ..Config::for_data("data") };
            assert_eq!(config.check().is_ok(), expected.is_some(), "{origin}");
            if let Some(host) = expected {
                assert_eq!(config.origin(), (origin, host));
            }
        }
        assert_eq!(Config::for_data("data").origin(), ("https://localhost", "localhost"));
    }

    #[test]
    fn paths_are_relative_and_unknown_settings_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("verifier.toml");
        std::fs::write(&file, "data = \"data\"\nthresholds = \"/etc/thresholds.toml\"\n").unwrap();
        let config = Config::read(&file).unwrap();
        assert_eq!(config.store(), folder.path().join("data/verifier.db"));
        assert_eq!(config.thresholds.as_deref(), Some(Path::new("/etc/thresholds.toml")));
        for (text, word) in [
            ("dta = \"x\"", "dta"),
            ("data = \"x\"\nreport_seconds = 900", "nonce_seconds"),
            ("data = \"x\"\n[step_up]\npin_hours = 13", "pin_hours"),
            ("data = \"x\"\norigin = \"verifier.example\"", "origin"),
            ("data = \"x\"\norigin = \"https://Verifier.example/\"", "origin"),
            ("data = \"x\"\norigin = \"https://127.0.0.1\"", "origin"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = Config::read(&file).err().unwrap().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
