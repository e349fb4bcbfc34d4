//! Configuration in layers. Later layers override earlier ones: built-in defaults, options of `vitalsign enrol`
//! (`enrolment.toml` in the state folder), managed configuration in `/etc/vitalsign/agent.toml` and `agent.d`
//! (administrator or MDM), environment, flags. Of enrolment tokens, the one that `vitalsign enrol` was given comes before
//! the managed one.

mod effective;
mod files;
mod kept;
mod layer;
#[cfg(test)]
mod managed;
mod settings;
mod used_token;

pub(crate) use effective::{EffectiveSetting, effective};
pub(crate) use files::SettingOrigin;
pub(crate) use kept::keep;
pub(crate) use layer::{ConfigLayer, ShareNames};
#[cfg(test)]
pub(crate) use settings::setting;
pub(crate) use used_token::{digest_of, is_used, remember};

use crate::{env, organisation};
use files::ManagedFiles;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vitalsign_agent_core::ManagedOrganisation;
use vitalsign_client::program::DEFAULT_SOCKET;
use vitalsign_ipc::SettingsState;
use vitalsign_protocol::id::Secret;
use vitalsign_protocol::origin::Origin;
use zeroize::Zeroizing;

/// Path of the administrator's configuration file.
pub(crate) const FILE: &str = "/etc/vitalsign/agent.toml";
/// File in the state folder that stores the options of `vitalsign enrol`.
pub(crate) const ENROLMENT_FILE: &str = "enrolment.toml";

const STATE: &str = "/var/lib/vitalsign";
const MAX_FILE: u64 = 64 * 1024;
const MAX_TOKEN: u64 = 4 * 1024;
const MAX_ANCHORS: u64 = 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Verifier and trust anchors; `None` if the device is not set up yet.
    pub(crate) verifier: Option<VerifierSettings>,
    /// Files for the enrolment token. The first that exists counts.
    pub(crate) token_files: Vec<PathBuf>,
    pub(crate) key: String,
    pub(crate) state: PathBuf,
    pub(crate) socket: PathBuf,
    /// Seconds between reports, instead of what the verifier asks.
    pub(crate) report_seconds: Option<u64>,
    pub(crate) managed: ManagedConfig,
}

/// The managed configuration: the administrator's files and their settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ManagedConfig {
    /// The first file.
    pub(crate) file: PathBuf,
    pub(crate) layer: ConfigLayer,
    /// Origin of each setting, by its name.
    pub(crate) origins: BTreeMap<&'static str, SettingOrigin>,
    /// Reason why the files cannot be used; the settings are those that were in force before.
    pub(crate) refused: Option<String>,
    /// The organisation's words in the files and beside them.
    pub(crate) organisation: ManagedOrganisation,
    /// Files with such words that cannot be used.
    pub(crate) problems: Vec<String>,
}

impl ManagedConfig {
    /// Reads the logo that the settings name, and the folder with texts beside the file.
    pub(crate) fn read(file: PathBuf, layer: ConfigLayer) -> Self {
        let logo = layer.organisation.as_ref().and_then(|it| it.logo.as_deref());
        let (words, problems) = organisation::with_files(layer.words(), logo, &file.with_file_name("texts"));
        let is_managed = layer != ConfigLayer::default();
        let display = layer.display.unwrap_or_default();
        let organisation = ManagedOrganisation { is_managed, words: Arc::new(words), display };
        Self { file, layer, organisation, problems, ..Self::default() }
    }

    /// Takes the settings that were kept, because the files cannot be used. The device counts as managed in any case.
    fn read_kept(file: PathBuf, kept: ManagedFiles, refused: String) -> Self {
        let mut managed = Self { origins: kept.origins, ..Self::read(file, kept.layer) };
        managed.organisation.is_managed = true;
        managed.refused = Some(refused);
        managed
    }

    /// Returns the file that sets the verifier, if one does.
    pub(crate) fn verifier_file(&self) -> Option<&Path> {
        let file = self.origins.get("verifier").map_or(self.file.as_path(), |origin| origin.path.as_path());
        self.layer.verifier.as_ref().map(|_| file)
    }

    /// Returns the file that sets the enrolment token, if one does.
    pub(crate) fn token_origin(&self) -> Option<&SettingOrigin> {
        self.origins.get("enrolment-token")
    }

    /// Returns what people are told about the settings.
    pub(crate) fn state(&self) -> SettingsState {
        SettingsState {
            managed: self.origins.keys().map(|&name| name.to_owned()).collect(),
            refused: self.refused.clone(),
        }
    }

    /// Returns the name and managed value of a setting that differs from the given one.
    pub(crate) fn conflict(&self, given: &ConfigLayer) -> Option<(&'static str, String)> {
        let url = |url: &String| checked_url(url).unwrap_or_else(|_| url.clone());
        let text = |path: &PathBuf| path.display().to_string();
        let settings = [
            ("verifier", self.layer.verifier.as_ref().map(url), given.verifier.as_ref().map(url)),
            (
                "certificate authority",
                self.layer.ca_file.as_ref().map(text),
                given.ca_file.as_ref().map(text),
            ),
            ("key", self.layer.key.clone(), given.key.clone()),
        ];
        let differs = |(name, managed, given): (_, Option<String>, Option<String>)| match (managed, given) {
            (Some(managed), Some(given)) if managed != given => Some((name, managed)),
            _ => None,
        };
        settings.into_iter().find_map(differs)
    }
}

/// A verifier: where it is and whom to believe that it is it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VerifierSettings {
    /// `https://…`, without a slash at the end.
    pub(crate) url: String,
    pub(crate) anchors: TrustAnchors,
}

/// The only certificates to which the verifier's certificate may chain, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TrustAnchors {
    File(PathBuf),
    /// The certificates themselves, from the managed configuration.
    Certificates(Arc<str>),
}

impl TrustAnchors {
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::Certificates(pem) => Ok(pem.as_bytes().to_vec()),
            Self::File(path) => read_bytes(path, MAX_ANCHORS)?
                .ok_or_else(|| io::Error::new(ErrorKind::FileTooLarge, "it is too large")),
        }
    }
}

impl std::fmt::Display for TrustAnchors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Certificates(_) => f.write_str("ca-certificates"),
        }
    }
}

/// Reason why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {path}: {error}")]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{path} is larger than {limit} bytes")]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{folder} holds more files or bytes than are read", folder = .0.display())]
    TooMuch(PathBuf),
    #[error("{path}:{line}:{column}: {why}")]
    Invalid { path: PathBuf, line: usize, column: usize, why: String },
    #[error("{path} is not used, because {why}: give it to root, and close it to others")]
    Exposed { path: PathBuf, why: String },
    #[error("{name} is not a whole number: {value}")]
    Number { name: &'static str, value: String },
    #[error("the verifier's address must be https://HOST[:PORT], and is {0}")]
    Url(String),
    #[error(
        "a verifier is set ({0}) but neither ca-file nor ca-certificates: set the certificate authority that it must be \
         trusted by"
    )]
    NoAnchor(String),
    #[error("there is no enrolment token in {0}")]
    NoToken(PathBuf),
    #[error(
        "{0} holds something else than an enrolment token, which is one word of letters, digits and -._~+/="
    )]
    NotToken(String),
}

/// Sources beside the managed configuration, and where that is.
struct Sources<'a> {
    flags: &'a ConfigLayer,
    environment: ConfigLayer,
    file: PathBuf,
    /// A flag or the environment names the file.
    is_named: bool,
}

impl<'a> Sources<'a> {
    fn find(file: Option<&Path>, flags: &'a ConfigLayer) -> Result<Self, ConfigError> {
        let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let named = file.map(Path::to_owned).or_else(|| var(env::CONFIG).map(PathBuf::from));
        let is_named = named.is_some();
        let environment = ConfigLayer::from_environment(var)?;
        Ok(Self { flags, environment, file: named.unwrap_or_else(|| FILE.into()), is_named })
    }

    fn managed(&self) -> Result<ManagedConfig, ConfigError> {
        let ManagedFiles { layer, origins } = files::read(&self.file, self.is_named)?;
        Ok(ManagedConfig { origins, ..ManagedConfig::read(self.file.clone(), layer) })
    }

    /// The state folder under these managed settings.
    fn state(&self, managed: &ConfigLayer) -> PathBuf {
        let state = [self.flags, &self.environment, managed].into_iter().find_map(|it| it.state.clone());
        state.unwrap_or_else(|| STATE.into())
    }

    fn told(&self, managed: &ConfigLayer) -> Result<ConfigLayer, ConfigError> {
        read_told(&self.state(managed).join(ENROLMENT_FILE))
    }

    fn combine(&self, managed: ManagedConfig) -> Result<Config, ConfigError> {
        let (state, told) = (self.state(&managed.layer), self.told(&managed.layer)?);
        Config::of([self.flags, &self.environment], &told, managed, state)
    }
}

impl ConfigError {
    /// Returns whether this user may not read a file.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::Read { error, .. } if error.kind() == ErrorKind::PermissionDenied)
    }
}

impl Config {
    /// Returns the settings in force. `file` is another file than [`FILE`], and then must exist.
    pub(crate) fn load(file: Option<&Path>, flags: &ConfigLayer) -> Result<Self, ConfigError> {
        let sources = Sources::find(file, flags)?;
        sources.combine(sources.managed()?)
    }

    /// As [`Self::load`], but if the managed files cannot be used, the last ones that could stay in force, and
    /// [`ManagedConfig::refused`] says why. Never falls back to the defaults of a setting that was managed.
    pub(crate) fn load_or_kept(file: Option<&Path>, flags: &ConfigLayer) -> Result<Self, ConfigError> {
        let sources = Sources::find(file, flags)?;
        sources.managed().and_then(|managed| sources.combine(managed)).or_else(|error| {
            // The mistake is in the command that names it.
            if matches!(&error, ConfigError::Read { path, error }
                if sources.is_named && *path == sources.file && error.kind() == ErrorKind::NotFound)
            {
                return Err(error);
            }
            let kept = kept::read(&sources.state(&ConfigLayer::default()));
            sources.combine(ManagedConfig::read_kept(sources.file.clone(), kept, error.to_string()))
        })
    }

    /// Combines the layers: `overrides`, then the managed configuration, then what `vitalsign enrol` was told.
    fn of(
        overrides: [&ConfigLayer; 2],
        told: &ConfigLayer,
        managed: ManagedConfig,
        state: PathBuf,
    ) -> Result<Self, ConfigError> {
        fn first<T: Clone>(
            sources: &[&ConfigLayer],
            field: impl Fn(&ConfigLayer) -> &Option<T>,
        ) -> Option<T> {
            sources.iter().find_map(|given| field(given).clone())
        }
        let [flags, environment] = overrides;
        let sources = &[flags, environment, &managed.layer, told];
        let token_files = [flags, environment, told, &managed.layer];
        let token_files = token_files.into_iter().filter_map(|layer| layer.token_file.clone()).collect();
        let anchors = sources.iter().find_map(|it| it.trust_anchors());
        let verifier = match (first(sources, |it| &it.verifier), anchors) {
            (None, _) => None,
            (Some(url), None) => return Err(ConfigError::NoAnchor(url)),
            (Some(url), Some(anchors)) => Some(VerifierSettings { url: checked_url(&url)?, anchors }),
        };
        Ok(Self {
            verifier,
            token_files,
            key: first(sources, |it| &it.key).unwrap_or_else(|| "auto".to_owned()),
            state,
            socket: first(sources, |it| &it.socket).unwrap_or_else(|| DEFAULT_SOCKET.into()),
            report_seconds: first(sources, |it| &it.report_seconds),
            managed,
        })
    }

    /// Returns the enrolment token in a file, where one is.
    pub(crate) fn token_in_files(&self) -> Result<Option<Secret>, ConfigError> {
        for path in &self.token_files {
            let token = token_in(path)?;
            if token.is_some() {
                return Ok(token);
            }
        }
        Ok(None)
    }

    /// Returns the enrolment token in the managed configuration itself.
    pub(crate) fn configured_token(&self) -> Option<&Secret> {
        self.managed.layer.enrolment_token.as_ref().map(|token| &token.0)
    }

    /// Returns the enrolment token, whether or not it was used.
    pub(crate) fn token(&self) -> Result<Option<Secret>, ConfigError> {
        Ok(self.token_in_files()?.or_else(|| self.configured_token().cloned()))
    }
}

/// Reads the enrolment token in a file; `None` if there is no such file.
pub(crate) fn token_in(path: &Path) -> Result<Option<Secret>, ConfigError> {
    let Some(text) = read_capped(path, MAX_TOKEN)? else { return Ok(None) };
    // Editors of Windows begin a file with a byte order mark.
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(ConfigError::NoToken(path.to_owned()));
    }
    checked_token(text, || path.display().to_string()).map(Some)
}

/// Checks that a text can be an enrolment token, so that no file that was named by mistake is sent to the verifier.
/// `source` names its origin.
pub(crate) fn checked_token(text: &str, source: impl FnOnce() -> String) -> Result<Secret, ConfigError> {
    let is_token = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
    if is_token { Ok(Secret::new(text.as_bytes().to_vec())) } else { Err(ConfigError::NotToken(source())) }
}

/// Reads the options of `vitalsign enrol`.
fn read_told(path: &Path) -> Result<ConfigLayer, ConfigError> {
    match read_capped(path, MAX_FILE) {
        Ok(Some(text)) => ConfigLayer::parse(path, &text).map(|parsed| parsed.layer),
        Ok(None) => Ok(ConfigLayer::default()),
        // They are for the service only: others go without.
        Err(ConfigError::Read { error, .. }) if error.kind() == ErrorKind::PermissionDenied => {
            Ok(ConfigLayer::default())
        }
        Err(error) => Err(error),
    }
}

impl ConfigLayer {
    fn from_environment(var: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let path = |name| var(name).map(PathBuf::from);
        let report_seconds = var(env::REPORT_SECONDS)
            .map(|value| value.parse().map_err(|_| ConfigError::Number { name: env::REPORT_SECONDS, value }));
        Ok(Self {
            verifier: var(env::VERIFIER),
            ca_file: path(env::CA_FILE),
            token_file: path(env::TOKEN_FILE),
            key: var(env::KEY),
            state: path(env::STATE),
            socket: path(env::SOCKET),
            report_seconds: report_seconds.transpose()?,
            ..Self::default()
        })
    }
}

/// Reads a small file of text; `None` if there is no such file.
fn read_capped(path: &Path, limit: u64) -> Result<Option<Zeroizing<String>>, ConfigError> {
    let failed = |error| ConfigError::Read { path: path.to_owned(), error };
    let bytes = match read_bytes(path, limit) {
        Ok(Some(bytes)) => Zeroizing::new(bytes),
        Ok(None) => return Err(ConfigError::TooLarge { path: path.to_owned(), limit }),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|error| failed(io::Error::new(ErrorKind::InvalidData, error)))?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}

/// Reads a file; `None` if it is larger than `limit` bytes.
fn read_bytes(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(u64::try_from(bytes.len()).is_ok_and(|length| length <= limit).then_some(bytes))
}

/// The verifier's URL in one spelling, without a slash at the end.
fn checked_url(url: &str) -> Result<String, ConfigError> {
    let origin = Origin::normalize(url).ok().filter(Origin::is_https);
    Ok(origin.ok_or_else(|| ConfigError::Url(url.to_owned()))?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitalsign_protocol::organisation::Colour;

    fn given(toml: &str) -> Result<ConfigLayer, String> {
        toml::from_str(toml).map_err(|error| error.to_string())
    }

    fn managed(toml: &str) -> ManagedConfig {
        ManagedConfig::read("/nowhere/agent.toml".into(), given(toml).unwrap())
    }

    fn combined(flags: &str, told: &str, file: &str) -> Result<Config, ConfigError> {
        let (flags, told) = (given(flags).unwrap(), given(told).unwrap());
        Config::of([&flags, &ConfigLayer::default()], &told, managed(file), "/state".into())
    }

    #[test]
    fn managed_configuration_outranks_enrolment_options() {
        let told =
            "verifier = 'https://told.example/'\nca-file = '/told.pem'\nkey = 'auto'\ntoken-file = '/t'";
        let file = "verifier = 'https://file.example'\nsocket = '/s'\ntoken-file = '/etc/t'";
        let config = combined("key = 'software'", told, file).unwrap();
        let anchors = TrustAnchors::File("/told.pem".into());
        let verifier = VerifierSettings { url: "https://file.example".into(), anchors };
        assert_eq!(config.verifier, Some(verifier));
        assert_eq!((config.key.as_str(), config.socket), ("software", "/s".into()));
        assert_eq!(config.managed.verifier_file(), Some(Path::new("/nowhere/agent.toml")));
        // A token is not a policy: the one that was given last is tried first.
        assert_eq!(config.token_files, [PathBuf::from("/t"), PathBuf::from("/etc/t")]);
        let unmanaged = combined("", told, "socket = '/s'").unwrap();
        assert_eq!(unmanaged.verifier.unwrap().url, "https://told.example");
        assert_eq!(unmanaged.managed.verifier_file(), None);
    }

    #[test]
    fn names_a_conflict_with_managed_configuration() {
        let managed = managed("verifier = 'https://file.example'\nkey = 'auto'");
        for (options, conflict) in [
            ("", None),
            ("verifier = 'https://FILE.example/'\nca-file = '/other.pem'\nkey = 'auto'", None),
            ("verifier = 'https://other.example'", Some(("verifier", "https://file.example"))),
            ("key = 'software'", Some(("key", "auto"))),
        ] {
            let found = managed.conflict(&given(options).unwrap());
            assert_eq!(found.as_ref().map(|(name, value)| (*name, value.as_str())), conflict, "{options}");
        }
    }

    #[test]
    fn a_key_that_is_not_known_is_named() {
        let error = given("verifer = 'https://verifier.example'").unwrap_err();
        assert!(error.contains("verifer") && error.contains("ca-file"), "{error}");
    }

    #[test]
    fn addresses_that_are_not_a_verifier_s_are_refused() {
        for url in [
            "verifier.example",
            "http://verifier.example",
            "http://localhost",
            "https://verifier.example.",
            "https://b\u{fc}cher.example",
            "https://user:pass@verifier.example",
            "https://verifier.example/path",
            "https://verifier.example/?q",
            "https://",
            "",
        ] {
            assert!(checked_url(url).is_err(), "{url}");
        }
        for (url, expected) in [
            ("https://verifier.example", "https://verifier.example"),
            ("https://Verifier.Example:443", "https://verifier.example"),
            ("https://127.0.0.1:8443/", "https://127.0.0.1:8443"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(checked_url(url).ok().as_deref(), Some(expected), "{url}");
        }
    }

    #[test]
    fn organisation_comes_from_the_managed_file_only() {
        let file = "user-may-fix = ['os-updates']\n[support]\nphone = 'ext. 1234'\n[organisation]\ncolour = '#005eb8'";
        let config = combined("", file, "").unwrap();
        assert_eq!(config.managed.organisation, ManagedOrganisation::default());
        let ManagedOrganisation { is_managed, words, .. } =
            combined("", "", file).unwrap().managed.organisation;
        assert_eq!(words.support.instruction(), "Call IT (ext. 1234).");
        assert_eq!(words.user_may_fix.as_deref(), Some(&["os-updates".to_owned()][..]));
        assert_eq!(words.colour, Some(Colour([0, 0x5e, 0xb8])));
        assert!(is_managed);
    }

    #[test]
    fn refuses_unsafe_and_unknown_settings() {
        for (good, toml) in [
            (true, "[support]\nname = 'Service desk'\nurl = 'mailto:it@hospital.example'"),
            (true, "user-may-fix = []"),
            (false, "[support]\nurl = 'http://it.example'"),
            (false, "[support]\nphone = \"1\\u202e2\""),
            (false, "[support]\nfax = '1'"),
            (false, "user-may-fix = ['no check']"),
            (true, "share-names = 'both'\nasset-tag = 'IT-004711'"),
            (false, "share-names = ['host-name']"),
            (false, "asset-tag = 4711"),
            (false, "asset-tag = \"a\\u202eb\""),
            (true, "[organisation]\nname = 'St. Example'\nlogo = '/etc/vitalsign/logo.png'"),
            (false, "[organisation]\nname = \"a\\u202eb\""),
            (false, "[organisation]\ncolour = 'red'"),
            (false, "[organisation]\nmotto = 'x'"),
            (true, "[display]\ntheme = 'schedule'\ndark-from = '20:30'\nnight-volume = 0"),
            (false, "[display]\ntheme = 'night'"),
            (false, "[display]\ndark-from = '24:00'"),
            (false, "[display]\ndark-from = '08:00'\ndark-until = '08:00'"),
            (false, "[display]\nnight-volume = 101"),
            (false, "[display]\nvolume = 10"),
        ] {
            assert_eq!(ConfigLayer::parse(Path::new("x"), toml).is_ok(), good, "{toml}");
        }
    }

    #[test]
    fn a_verifier_without_a_trust_anchor_is_refused() {
        let error = combined("verifier = 'https://verifier.example'", "", "").unwrap_err().to_string();
        assert!(error.contains("ca-file"), "{error}");
    }

    #[test]
    fn trims_token_file_and_rejects_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let config = combined(&format!("token-file = '{}'", path.display()), "", "").unwrap();
        assert!(config.token().unwrap().is_none());
        std::fs::write(&path, "abc\n").unwrap();
        assert_eq!(config.token().unwrap().unwrap().expose(), b"abc");
        std::fs::write(&path, "\u{feff}abc\r\n").unwrap();
        assert_eq!(config.token().unwrap().unwrap().expose(), b"abc");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(config.token(), Err(ConfigError::NoToken(_))));
        for other in ["root:*:1:2:3\nnurse:*:1:2:3\n", "\"abc\"", "a b", "token: abc", "abc\0"] {
            std::fs::write(&path, other).unwrap();
            let error = config.token().unwrap_err();
            assert!(matches!(error, ConfigError::NotToken(_)), "{other}: {error}");
            assert!(!error.to_string().contains("nurse"), "{error}");
        }
        std::fs::write(&path, vec![b'x'; 5000]).unwrap();
        assert!(matches!(config.token(), Err(ConfigError::TooLarge { .. })));
    }
}
