//! The hands: carries out one effect at a time and brings its result back as an event.

use crate::config::Config;
use crate::verifier::VerifierClient;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;
use vitalsign_agent_core::{DeviceEffect, Event, Now, RequestError, SignedEvidence, Signing};
use vitalsign_host::Settings;
use vitalsign_platform_api::{Collector, DeviceKey, KeyError};
use vitalsign_protocol::evidence::quote_extra_data;
use vitalsign_protocol::id::EnrolmentId;
use vitalsign_protocol::message::{EnrolmentChallenge, EnrolmentProof, EnrolmentRequest};
use vitalsign_protocol::posture::Posture;

/// Reads the administrator's configuration again before each enrolment, so that a new token or verifier needs
/// no restart.
pub(crate) type ReadConfig = Box<dyn Fn() -> Result<Config, crate::config::ConfigError> + Send>;

/// Everything that touches the world, but for the state file and the socket.
pub(crate) struct DeviceExecutor {
    config: Config,
    read_config: ReadConfig,
    collector: Collector,
    key: Option<Box<dyn DeviceKey>>,
    /// Cached boot count of the key's hardware; it does not change while the system runs.
    boot_count: Option<u64>,
    verifier: Option<VerifierClient>,
    runtime: Runtime,
    /// Microseconds that the last collection of facts took.
    collect_micros: u64,
    /// Commands to the key's hardware up to the last collection of facts.
    commands_before: u64,
    after_reading: Box<dyn Fn() + Send>,
}

impl DeviceExecutor {
    /// Hands with nothing in them: key and connection are opened when they are first needed.
    pub(crate) fn new(config: Config, read_config: ReadConfig) -> std::io::Result<Self> {
        Ok(Self {
            config,
            read_config,
            collector: Collector::default(),
            key: None,
            boot_count: None,
            verifier: None,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            collect_micros: 0,
            commands_before: 0,
            after_reading: Box::new(|| ()),
        })
    }

    /// Registers a function that runs after each collection of facts.
    pub(crate) fn after_reading(&mut self, then: impl Fn() + Send + 'static) {
        self.after_reading = Box::new(then);
    }

    /// Executes an effect and returns its events, in order.
    pub(crate) fn perform(&mut self, effect: DeviceEffect) -> Vec<Event> {
        match effect {
            DeviceEffect::Collect => {
                let posture = self.collect();
                self.commands_before = self.commands();
                vec![Event::Collected(Box::new(posture))]
            }
            DeviceEffect::FetchNonce => vec![Event::Nonce(self.fetch_nonce())],
            DeviceEffect::Sign(signing) => vec![Event::Signed(self.sign(*signing))],
            DeviceEffect::SendReport(evidence) => {
                let answer = self.ask(async |verifier| verifier.report(evidence).await).map(|mut answer| {
                    answer.report_seconds = self.config.report_seconds.unwrap_or(answer.report_seconds);
                    Box::new(answer)
                });
                vec![Event::Reported(answer)]
            }
            DeviceEffect::BeginEnrolment { renew_key } => {
                vec![Event::EnrolmentBegun(self.begin_enrolment(renew_key))]
            }
            DeviceEffect::Activate(credential) => {
                vec![Event::Activated(self.with_key(|key| key.activate(&credential)))]
            }
            DeviceEffect::FinishEnrolment { enrolment, proof } => {
                vec![Event::EnrolmentFinished(self.finish_enrolment(&enrolment, &proof).map(Box::new))]
            }
        }
    }

    fn collect(&mut self) -> Posture {
        let start = Instant::now();
        let settings = Settings { root: PathBuf::from("/"), state: Some(self.config.state.clone()) };
        let mut posture =
            self.collector.collect(vitalsign_host::probes(&settings), |timing| match timing.took {
                Some(took) => tracing::debug!(probe = timing.name, ?took, "read"),
                None => tracing::warn!(probe = timing.name, "did not answer in time"),
            });
        if let Ok(facts) = self.with_key(|key| Ok(key.facts())) {
            posture.key = facts;
        }
        self.collect_micros = micros(start.elapsed());
        (self.after_reading)();
        posture
    }

    fn fetch_nonce(&mut self) -> Result<vitalsign_protocol::message::NonceAnswer, RequestError> {
        let kid = self.with_key(|key| Ok(key.public().thumbprint())).map_err(RequestError::Key)?;
        self.ask(async |verifier| verifier.nonce(kid).await)
    }

    fn begin_enrolment(&mut self, renew_key: bool) -> Result<EnrolmentChallenge, RequestError> {
        // A verifier that cannot be spoken to for lack of settings is the same to the core as a missing token.
        self.config = (self.read_config)().map_err(|error| {
            tracing::error!(%error, "the settings cannot be used");
            RequestError::NoToken
        })?;
        self.verifier = None;
        let token = self.config.token().map_err(|error| {
            tracing::error!(%error, "the enrolment token cannot be read");
            RequestError::NoToken
        })?;
        let token = token.ok_or(RequestError::NoToken)?;
        if renew_key {
            self.key = None;
            vitalsign_host::forget_key(&self.config.key, &self.config.state).map_err(RequestError::Key)?;
        }
        let keys = self.with_key(|key| key.enrolment_keys()).map_err(RequestError::Key)?;
        let token = String::from_utf8_lossy(token.expose()).into_owned();
        let request = EnrolmentRequest { token, keys };
        self.ask(async |verifier| verifier.begin_enrolment(&request).await)
    }

    fn finish_enrolment(
        &mut self,
        enrolment: &EnrolmentId,
        proof: &EnrolmentProof,
    ) -> Result<vitalsign_protocol::message::Enrolled, RequestError> {
        let mut enrolled = self.ask(async |verifier| verifier.finish_enrolment(*enrolment, proof).await)?;
        enrolled.report.report_seconds = self.config.report_seconds.unwrap_or(enrolled.report.report_seconds);
        Ok(enrolled)
    }

    fn sign(&mut self, signing: Signing) -> Result<SignedEvidence, KeyError> {
        let start = Instant::now();
        let boot_count = self.boot_count();
        let evidence = self.with_key(|key| sign(key, signing, boot_count))?;
        Ok(SignedEvidence {
            evidence,
            collect_micros: self.collect_micros,
            sign_micros: micros(start.elapsed()),
            hardware_commands: self.commands().saturating_sub(self.commands_before),
        })
    }

    fn boot_count(&mut self) -> Option<u64> {
        if self.boot_count.is_none() {
            self.boot_count = self.with_key(|key| Ok(key.boot_count())).ok().flatten();
        }
        self.boot_count
    }

    /// Opens the key where it is not open. A key that fails is closed, so that the next attempt starts afresh.
    fn with_key<T>(
        &mut self,
        use_key: impl FnOnce(&mut dyn DeviceKey) -> Result<T, KeyError>,
    ) -> Result<T, KeyError> {
        let mut key = match self.key.take() {
            Some(key) => key,
            None => {
                self.boot_count = None;
                vitalsign_host::device_key(&self.config.key, &self.config.state)?
            }
        };
        let done = use_key(key.as_mut())?;
        self.key = Some(key);
        Ok(done)
    }

    /// Asks the verifier; the connection stays for the next time.
    fn ask<T>(
        &mut self,
        call: impl AsyncFnOnce(&VerifierClient) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        let verifier = match self.verifier.take() {
            Some(verifier) => verifier,
            None => {
                let settings = self.config.verifier.as_ref().ok_or(RequestError::NoToken)?;
                VerifierClient::new(settings).map_err(|error| RequestError::Untrusted(error.to_string()))?
            }
        };
        let answer = self.runtime.block_on(call(&verifier));
        self.verifier = Some(verifier);
        answer
    }

    fn commands(&self) -> u64 {
        self.key.as_ref().map_or(0, |key| key.commands())
    }
}

/// Signs evidence, with a quote where one is wanted and the key can.
fn sign(key: &mut dyn DeviceKey, signing: Signing, boot_count: Option<u64>) -> Result<Vec<u8>, KeyError> {
    // The first is the verifier's; what a quote is for has no other.
    let quoted = signing.nonces.first().copied().filter(|_| signing.quote);
    let mut token_id = [0; 16];
    getrandom::fill(&mut token_id)
        .map_err(|error| KeyError::Unavailable(format!("random numbers: {error}")))?;
    let uptime = vitalsign_os::elapsed().as_secs();
    let mut claims = signing.claims(wall(), token_id, Some(uptime), boot_count);
    let kid = key.public().thumbprint();
    if let Some(nonce) = quoted {
        claims.boot = match key.quote(&quote_extra_data(&nonce, &kid)) {
            Ok(boot) => Some(boot),
            Err(KeyError::Unsupported(_)) => None,
            Err(error) => return Err(error),
        };
    }
    claims.sign(&kid, |digest| key.sign(digest))
}

/// The time, for the core.
pub(crate) fn now() -> Now {
    let mut random = [0; 8];
    // Without random numbers there is no jitter, which is the least of the troubles then.
    let _ = getrandom::fill(&mut random);
    Now { elapsed: vitalsign_os::elapsed(), wall: wall(), random: u64::from_ne_bytes(random) }
}

fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
