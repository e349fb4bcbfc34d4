//! The verifier as one thing: configuration, store, keys and policy.

use crate::appraisal::step_up::{DEFAULT_STEP_UP_POLICY, StepUpPolicy};
use crate::appraisal::{Appraiser, DEFAULT_POLICY, DEFAULT_THRESHOLDS, LoadError};
use crate::config::{Config, ConfigError};
use crate::device_cache::DeviceCache;
use crate::endorsers::TpmVendorRoots;
use crate::files::{self, FileError};
use crate::keys::CodeAttempts;
use crate::models::ModelStore;
use crate::nonce::{self, NonceError, NonceKey, Purpose, SpentNonce};
use crate::oidc::PollRateLimiter;
use crate::signing_keys::{KeyStore, SigningKeys, Signs};
use crate::step_up::channel::Channels;
use crate::step_up::ends::MaintenanceState;
use crate::store::report::Reports;
use crate::store::{Store, StoreError};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::broadcast;
use vitalsign_protocol::id::{Nonce, StepUpId, Thumbprint};
use vitalsign_protocol::jwt::JwkSet;
use vitalsign_protocol::message::NonceAnswer;
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_webauthn::{Models, RelyingParty, SetupError};

/// Lifetime of an enrolment and its nonce, in seconds.
pub(crate) const ENROLMENT_SECONDS: u64 = 60;

/// Number of notifications that a waiting task may miss before it must query the state itself.
const ENDS_KEPT: usize = 1024;

/// A verifier could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// A key, the roots, or another file.
    #[error("{0}")]
    File(#[from] FileError),
    #[error("opening {0}: {1}")]
    Store(PathBuf, StoreError),
    /// A policy or its thresholds.
    #[error("{0}")]
    Policy(#[from] LoadError),
    /// The origin is not suitable for security keys.
    #[error("the configuration: {0}")]
    Origin(#[from] SetupError),
}

/// A verifier. Share it between tasks.
pub struct Verifier {
    pub(crate) config: Config,
    pub(crate) store: Arc<Store>,
    pub(crate) appraiser: Appraiser,
    pub(crate) endorsers: TpmVendorRoots,
    pub(crate) devices: DeviceCache,
    pub(crate) reports: Reports,
    pub(crate) relying_party: RelyingParty,
    pub(crate) wrong_codes: CodeAttempts,
    models: ModelStore,
    nonces: NonceKey,
    ear_keys: KeyStore,
    token_keys: KeyStore,
    pub(crate) poll_limiter: PollRateLimiter,
    ends: broadcast::Sender<StepUpId>,
    pub(crate) step_up_policy: StepUpPolicy,
    pub(crate) channels: Arc<Channels>,
    pub(crate) maintenance: tokio::sync::Mutex<MaintenanceState>,
}

impl Verifier {
    /// Opens the verifier with the data folder of `config`, and creates missing files. Must be called in a
    /// tokio runtime, where its writer runs until the verifier is dropped. `now` is in seconds since 1970.
    pub async fn open(config: Config, now: u64) -> Result<Self, OpenError> {
        config.check()?;
        files::create_folder(&config.data)?;
        let appraiser = load_policy(&config)?;
        let step_up_policy = load_step_up_policy(&config)?;
        let (origin, rp_id) = config.origin();
        let relying_party = RelyingParty::new(rp_id, origin)?;
        let nonces = NonceKey::open(&config.keys().join("nonce.key"))?;
        let ear_keys = KeyStore::open(config.keys(), Signs::Verdicts)?;
        let token_keys = KeyStore::open(config.keys(), Signs::Tokens)?;
        let endorsers = TpmVendorRoots::open(&config.roots())?;
        let path = config.store();
        let store = Store::open_limited(&path, config.limits.store_pages).await;
        let store = Arc::new(store.map_err(|e| OpenError::Store(path, e))?);
        let (reports, _) = Reports::start(store.clone(), config.nonce_seconds);
        Ok(Self {
            devices: DeviceCache::new(config.limits.remembered_devices),
            reports,
            store,
            relying_party,
            wrong_codes: CodeAttempts::default(),
            models: ModelStore::open(config.security_keys.clone(), now),
            appraiser,
            endorsers,
            nonces,
            ear_keys,
            token_keys,
            poll_limiter: PollRateLimiter::new(config.oidc.interval_seconds),
            ends: broadcast::Sender::new(ENDS_KEPT),
            step_up_policy,
            channels: Arc::new(Channels::new(config.limits.event_channels())),
            maintenance: tokio::sync::Mutex::default(),
            config,
        })
    }

    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The models of security key that are accepted.
    #[must_use]
    pub fn models(&self) -> Arc<Models> {
        self.models.current()
    }

    /// Takes up another list of models, until the administrator's file is another.
    pub fn accept_models(&self, models: Models) {
        self.models.accept(models);
    }

    /// Takes up a list of models that an administrator put in place.
    pub fn refresh_models(&self, now: u64) {
        self.models.refresh(now);
    }

    /// Issues a nonce for the holder of a report key. Unauthenticated, because a nonce costs nothing until it
    /// is used.
    pub fn nonce(&self, kid: &Thumbprint, now: u64) -> Result<NonceAnswer, Problem> {
        let nonce_seconds = ENROLMENT_SECONDS;
        Ok(NonceAnswer { nonce: self.issue(Purpose::Report, kid, now + nonce_seconds)?, nonce_seconds })
    }

    /// The keys that check verdicts.
    #[must_use]
    pub fn jwks(&self, now: u64) -> JwkSet {
        self.ear_keys().published(now)
    }

    /// The keys that check tokens.
    #[must_use]
    pub fn token_jwks(&self, now: u64) -> JwkSet {
        self.token_keys().published(now)
    }

    /// Takes up signing keys that an administrator put in place.
    pub fn refresh_keys(&self) {
        self.ear_keys.refresh();
        self.token_keys.refresh();
    }

    /// The step-ups that end from now on, each when its end is durable. Who lags behind has to look for itself.
    #[must_use]
    pub fn step_up_ends(&self) -> broadcast::Receiver<StepUpId> {
        self.ends.subscribe()
    }

    /// Tells those who wait that a step-up has ended. To be called once that is durable.
    pub(crate) fn tell_end(&self, step_up: StepUpId) {
        // Fails if no task is waiting.
        let _ = self.ends.send(step_up);
    }

    pub(crate) fn ear_keys(&self) -> Arc<SigningKeys> {
        self.ear_keys.get()
    }

    pub(crate) fn token_keys(&self) -> Arc<SigningKeys> {
        self.token_keys.get()
    }

    pub(crate) fn issue(&self, purpose: Purpose, kid: &Thumbprint, expiry: u64) -> Result<Nonce, Problem> {
        self.nonces.issue(purpose, kid, expiry).map_err(|_| {
            tracing::error!("the system has no random numbers");
            Problem::new(ProblemType::Internal, "")
        })
    }

    /// Until when a sealed session holds.
    pub(crate) fn check_session(
        &self,
        kid: &Thumbprint,
        sealed: &Nonce,
        now: u64,
    ) -> Result<u64, NonceError> {
        let issued = self.nonces.check(Purpose::Session, kid, sealed, now)?;
        Ok(nonce::expiry(&issued))
    }

    /// Checks the single nonce of evidence and returns the value to record as spent.
    pub(crate) fn check_nonce(
        &self,
        purpose: Purpose,
        kid: &Thumbprint,
        nonces: &[Nonce],
        now: u64,
    ) -> Result<(Nonce, SpentNonce), Problem> {
        let [nonce] = nonces else {
            return Err(Problem::new(ProblemType::ClaimsInvalid, "eat_nonce: one nonce was expected"));
        };
        let spent = self.nonces.check(purpose, kid, nonce, now).map_err(|error| {
            let problem = match error {
                NonceError::Unknown => ProblemType::NonceUnknown,
                NonceError::Expired(_) => ProblemType::NonceExpired,
            };
            Problem::new(problem, error.to_string())
        })?;
        Ok((*nonce, spent))
    }
}

/// The policy that the configuration names.
///
/// # Errors
/// When it cannot be read or used.
pub fn load_policy(config: &Config) -> Result<Appraiser, OpenError> {
    let policy = read_or(&config.policy, DEFAULT_POLICY)?;
    let thresholds = read_or(&config.thresholds, DEFAULT_THRESHOLDS)?;
    Ok(Appraiser::load(&policy, &thresholds)?)
}

/// The policy of step-up that the configuration names.
///
/// # Errors
/// When it cannot be read or used.
pub fn load_step_up_policy(config: &Config) -> Result<StepUpPolicy, OpenError> {
    let policy = read_or(&config.step_up_policy, DEFAULT_STEP_UP_POLICY)?;
    let thresholds = read_or(&config.thresholds, DEFAULT_THRESHOLDS)?;
    Ok(StepUpPolicy::load(&policy, &thresholds)?)
}

fn read_or(path: &Option<PathBuf>, built_in: &str) -> Result<String, FileError> {
    match path {
        None => Ok(built_in.to_owned()),
        Some(path) => std::fs::read_to_string(path).map_err(|e| FileError::new("reading", path, e)),
    }
}
