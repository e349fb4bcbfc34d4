//! The verifier: owns configuration, store, keys and policy.

use crate::appraisal::step_up::{DEFAULT_STEP_UP_POLICY, StepUpPolicy};
use crate::appraisal::{Appraiser, DEFAULT_POLICY, DEFAULT_THRESHOLDS, LoadError};
use crate::attestation::Attestation;
use crate::audit_log::AuditLog;
use crate::client_jwks::JwksFetcher;
use crate::config::{Config, ConfigError};
use crate::diagnostics::DiagnosticsReceiver;
use crate::endorsers::TpmVendorRoots;
use crate::enrolment::Enrolment;
use crate::files::{self, FileError};
use crate::keyring::{Keyring, KeyringError, LiveKeys};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::nonce::Nonces;
use crate::oidc::Provider;
use crate::organisation::{self, WordsError};
use crate::security_keys::{ModelStore, SecurityKeyRegistry};
use crate::siem::Stream;
use crate::step_up::StepUps;
use crate::store::key::KeyPurpose;
use crate::store::{Store, StoreError};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::organisation::OrganisationDocument;
use vitalsign_webauthn::{RelyingParty, SetupError};

/// A verifier could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The roots, or another file.
    #[error("{0}")]
    File(#[from] FileError),
    #[error("{0}")]
    Keys(#[from] KeyringError),
    #[error("opening {0}: {1}")]
    Store(PathBuf, StoreError),
    /// A policy or its thresholds.
    #[error("{0}")]
    Policy(#[from] LoadError),
    /// The organisation's words.
    #[error("{0}")]
    Words(#[from] WordsError),
    /// The origin is not suitable for security keys.
    #[error("the configuration: {0}")]
    Origin(#[from] SetupError),
}

/// A verifier: opens its parts and owns them. Share it between tasks.
pub struct Verifier {
    config: Arc<Config>,
    store: Arc<Store>,
    keyring: Arc<Keyring>,
    pub enrolment: Enrolment,
    pub attestation: Arc<Attestation>,
    pub security_keys: SecurityKeyRegistry,
    pub diagnostics: DiagnosticsReceiver,
    pub step_ups: Arc<StepUps>,
    pub audit: AuditLog,
    /// Streams of the audit log, until the server runs them.
    streams: Mutex<Vec<Stream>>,
    pub oidc: Provider,
    pub(crate) metrics: Arc<Metrics>,
    models: Arc<ModelStore>,
    organisation: Live<Option<OrganisationDocument>>,
}

impl Verifier {
    /// Opens the verifier with the data folder of `config`, and creates missing files. Must be called in a
    /// tokio runtime, where its writer runs until the verifier is dropped. `now` is in seconds since 1970.
    pub async fn open(config: Config, now: u64) -> Result<Self, OpenError> {
        config.check()?;
        files::create_folder(&config.data)?;
        let config = Arc::new(config);
        let appraiser = load_policy(&config)?;
        let step_up_policy = load_step_up_policy(&config)?;
        let organisation = Live::new(organisation::load(config.organisation.as_deref())?);
        let (origin, rp_id) = config.origin();
        let relying_party = Arc::new(RelyingParty::new(rp_id, origin)?);
        let endorsers = TpmVendorRoots::open(&config.roots())?;
        let path = config.store();
        for end in ["", "-wal", "-shm"] {
            let mut file = path.clone().into_os_string();
            file.push(end);
            files::make_private(file.as_ref())?;
        }
        let store = Store::open_limited(&path, config.limits.store_pages).await;
        let failed = |e| OpenError::Store(path.clone(), e);
        let store = Arc::new(store.map_err(failed)?);
        store.skip_event_numbers().await.map_err(failed)?;
        if !config.devices.keep_names {
            store.forget_names(now).await.map_err(failed)?;
        }
        let keyring = Arc::new(Keyring::open(&config, store.clone(), now).await?);
        let nonces = Arc::new(Nonces(keyring.nonce_key().await?));
        let name = store.audit_name(&AuditLog::name_for(&config)).await.map_err(failed)?;
        let audit = AuditLog::open(&config, keyring.clone(), name.clone(), now).await?;
        let streams = Mutex::new(Stream::open_all(&config.siem, &store, &name)?);
        let models = Arc::new(ModelStore::open(config.security_keys.clone(), now));

        let ear_keys = LiveKeys::signing(keyring.clone(), KeyPurpose::Verdicts, now).await?;
        let attestation =
            Attestation::open(config.clone(), store.clone(), nonces.clone(), appraiser, ear_keys);
        let attestation = Arc::new(attestation);
        let enrolment = Enrolment {
            config: config.clone(),
            store: store.clone(),
            nonces: nonces.clone(),
            endorsers: Live::new(endorsers),
            attestation: attestation.clone(),
            proofs_in_work: Default::default(),
        };
        let security_keys = SecurityKeyRegistry::new(store.clone(), relying_party.clone(), models.clone());
        let diagnostics = DiagnosticsReceiver { config: config.clone(), store: store.clone() };
        let metrics = Arc::new(Metrics::default());
        let step_ups = Arc::new(StepUps::new(
            config.clone(),
            store.clone(),
            attestation.clone(),
            step_up_policy,
            relying_party,
            models.clone(),
            metrics.clone(),
        ));
        let token_keys = LiveKeys::signing(keyring.clone(), KeyPurpose::Tokens, now).await?;
        let fetcher = JwksFetcher::open(&config.client_keys)?;
        let oidc = Provider::new(
            config.clone(),
            store.clone(),
            step_ups.clone(),
            token_keys,
            nonces.clone(),
            fetcher,
        );
        Ok(Self {
            config,
            store,
            keyring,
            enrolment,
            attestation,
            security_keys,
            diagnostics,
            step_ups,
            audit,
            streams,
            oidc,
            metrics,
            models,
            organisation,
        })
    }

    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns when the next list of security keys is due, in seconds since 1970; `None` if there is no list.
    pub(crate) fn metadata_due(&self) -> Option<u64> {
        Some(self.models.current().due()).filter(|due| *due > 0)
    }

    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    #[must_use]
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Returns the streams of the audit log to a SIEM, once.
    pub(crate) fn take_streams(&self) -> Vec<Stream> {
        std::mem::take(&mut self.streams.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the organisation's words to its people, if there are any.
    #[must_use]
    pub fn organisation(&self) -> Arc<Option<OrganisationDocument>> {
        self.organisation.get()
    }

    /// Reads policies, thresholds, roots of TPM makers, and the files of the organisation's words again. If one of them cannot be used, all stay as they were.
    ///
    /// # Errors
    /// A file cannot be read or used, or the audit log cannot be written.
    pub async fn reload(&self, now: u64) -> Result<(), OpenError> {
        let appraiser = load_policy(&self.config)?;
        let step_up_policy = load_step_up_policy(&self.config)?;
        let endorsers = TpmVendorRoots::open(&self.config.roots())?;
        let organisation = organisation::load(self.config.organisation.as_deref())?;
        // Logged first: if that fails, the former policies stay.
        let words = organisation.as_ref().map(OrganisationDocument::version);
        self.log_policies(appraiser.policy_id(), step_up_policy.policy_id(), words, now).await?;
        self.attestation.set_policy(appraiser);
        self.step_ups.set_policy(step_up_policy);
        self.enrolment.endorsers.set(endorsers);
        self.organisation.set(organisation);
        Ok(())
    }

    /// Logs the policies with which the verifier starts, unless the log's last entry about policies names the same.
    ///
    /// # Errors
    /// The audit log cannot be read or written.
    pub async fn log_start(&self, now: u64) -> Result<(), OpenError> {
        let words = self.organisation().as_ref().as_ref().map(OrganisationDocument::version);
        self.log_policies(&self.attestation.policy_id(), &self.step_ups.policy_id(), words, now).await
    }

    async fn log_policies(
        &self,
        policy: &str,
        step_up_policy: &str,
        organisation: Option<Digest>,
        now: u64,
    ) -> Result<(), OpenError> {
        let mut body = serde_json::json!({ "policy": policy, "step_up_policy": step_up_policy });
        if let (Some(version), Some(fields)) = (organisation, body.as_object_mut()) {
            fields.insert("organisation".to_owned(), version.to_string().into());
        }
        if let (Some(rules), Some(fields)) = (self.config.admin_api.tap_rules(), body.as_object_mut()) {
            fields.insert("admin_tap".to_owned(), rules);
        }
        let failed = |error| OpenError::Store(self.config.store(), error);
        self.store.log_policies(&body, now).await.map_err(failed)
    }

    /// Loads keys and models that an administrator replaced.
    pub async fn refresh(&self, now: u64) {
        self.attestation.refresh_keys(now).await;
        self.oidc.refresh_keys(now).await;
        self.audit.refresh_keys(now).await;
        self.security_keys.refresh_models(now);
    }
}

/// Compiles the appraisal policy that the configuration names.
///
/// # Errors
/// When it cannot be read or used.
pub fn load_policy(config: &Config) -> Result<Appraiser, OpenError> {
    let policy = read_or(&config.policy, DEFAULT_POLICY)?;
    let thresholds = read_or(&config.thresholds, DEFAULT_THRESHOLDS)?;
    Ok(Appraiser::load(&policy, &thresholds)?)
}

/// Compiles the step-up policy that the configuration names.
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
