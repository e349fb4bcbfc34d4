//! Executes effects on the device, one at a time: reads its facts, uses its key.

use crate::clock::wall;
use crate::config::Config;
use crate::config_source::ConfigSource;
use crate::pin_period::PinPeriods;
use crate::session_lock::SessionLocks;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vitalsign_agent_core::{DeviceEffect, Event, RequestError, SignedEvidence, Signing};
use vitalsign_host::Settings;
use vitalsign_platform_api::{Collector, DeviceKey, KeyError};
use vitalsign_protocol::evidence::{IntendedUse, quote_extra_data};
use vitalsign_protocol::id::PinPeriodId;
use vitalsign_protocol::message::EnrolmentKeys;
use vitalsign_protocol::posture::Posture;

pub(crate) struct DeviceExecutor {
    source: Arc<ConfigSource>,
    /// The configuration as it was read last; its key and state folder are in use.
    config: Config,
    collector: Collector,
    key: Option<Box<dyn DeviceKey>>,
    /// Cached boot count of the key's hardware; it does not change while the system runs.
    boot_count: Option<u64>,
    /// Microseconds that the last collection of facts took.
    collect_micros: u64,
    /// Commands to the key's hardware up to the last collection of facts.
    commands_before: u64,
    after_reading: Box<dyn Fn() + Send>,
    session_locks: Option<SessionLocks>,
    pin_periods: Option<PinPeriods>,
}

impl DeviceExecutor {
    /// Creates an executor that opens the key when it first needs it.
    pub(crate) fn new(source: Arc<ConfigSource>) -> Self {
        Self {
            config: source.current(),
            source,
            collector: Collector::default(),
            key: None,
            boot_count: None,
            collect_micros: 0,
            commands_before: 0,
            after_reading: Box::new(|| ()),
            session_locks: None,
            pin_periods: None,
        }
    }

    /// Registers a function that runs after each collection of facts.
    pub(crate) fn after_reading(&mut self, then: impl Fn() + Send + 'static) {
        self.after_reading = Box::new(then);
    }

    /// Completes the screen lock's facts from users' sessions.
    pub(crate) fn session_locks(&mut self, locks: SessionLocks) {
        self.session_locks = Some(locks);
    }

    /// Names the PIN period in evidence for step-ups.
    pub(crate) fn pin_periods(&mut self, periods: PinPeriods) {
        self.pin_periods = Some(periods);
    }

    /// Executes an effect and returns its event.
    pub(crate) fn perform(&mut self, effect: DeviceEffect) -> Event {
        match effect {
            DeviceEffect::Collect => {
                let posture = self.collect();
                self.commands_before = self.commands();
                Event::Collected(Box::new(posture))
            }
            DeviceEffect::IdentifyKey => {
                Event::KeyIdentified(self.with_key(|key| Ok(key.public().thumbprint())))
            }
            DeviceEffect::ReadEnrolmentKeys { renew_key } => {
                Event::EnrolmentKeysRead(self.enrolment_keys(renew_key).map(Box::new))
            }
            DeviceEffect::Activate(credential) => {
                Event::Activated(self.with_key(|key| key.activate(&credential)))
            }
            DeviceEffect::Sign(signing) => Event::Signed(self.sign(*signing)),
        }
    }

    fn collect(&mut self) -> Posture {
        self.reload();
        let start = Instant::now();
        let settings =
            Settings { root: PathBuf::from("/"), state: Some(self.config.state.clone()), session: None };
        let mut posture =
            self.collector.collect(vitalsign_host::probes(&settings), |timing| match timing.took {
                Some(took) => tracing::debug!(probe = timing.name, ?took, "read"),
                None => tracing::warn!(probe = timing.name, "did not answer in time"),
            });
        if let Ok(facts) = self.with_key(|key| Ok(key.facts())) {
            posture.key = facts;
        }
        if let Some(locks) = &self.session_locks {
            posture.lock = locks.complete(posture.lock, Instant::now());
        }
        self.collect_micros = micros(start.elapsed());
        (self.after_reading)();
        posture
    }

    fn enrolment_keys(&mut self, renew_key: bool) -> Result<EnrolmentKeys, RequestError> {
        // Settings that cannot be used are the same to the core as a missing token. A key is renewed only when there is
        // a token to enrol with.
        if self.reload().managed.refused.is_some() {
            return Err(RequestError::NoToken);
        }
        let token = self.source.read_token();
        if renew_key {
            self.renew_key(token.is_ok()).map_err(RequestError::Key)?;
        }
        token?;
        self.with_key(|key| key.enrolment_keys()).map_err(RequestError::Key)
    }

    /// Reads the configuration again. A key that is not the configured one is closed, because after a restart it would not
    /// be there.
    fn reload(&mut self) -> &Config {
        let config = self.source.reload();
        if (&config.key, &config.state) != (&self.config.key, &self.config.state) {
            self.key = None;
        }
        self.config = config;
        &self.config
    }

    /// Replaces a lost key by the one that was set aside before, or makes room for a new one if the hardware refuses that
    /// too. Without a token no key is opened, because that could make one.
    fn renew_key(&mut self, has_token: bool) -> Result<(), KeyError> {
        self.key = None;
        if has_token && self.opens()? {
            return Ok(());
        }
        let restored = vitalsign_host::restore_key(&self.config.key, &self.config.state)?;
        if !has_token || (restored && self.opens()?) {
            return Ok(());
        }
        vitalsign_host::set_key_aside(&self.config.key, &self.config.state)
    }

    fn opens(&mut self) -> Result<bool, KeyError> {
        match self.with_key(|_| Ok(())) {
            Err(KeyError::Lost(_)) => Ok(false),
            other => other.map(|()| true),
        }
    }

    fn sign(&mut self, signing: Signing) -> Result<SignedEvidence, KeyError> {
        let start = Instant::now();
        let boot_count = self.boot_count();
        // Read now, so that it is not older than the facts.
        let period = self.pin_periods.as_ref().and_then(PinPeriods::current);
        let pin_period = period.filter(|_| signing.intended_use == IntendedUse::StepUp);
        let evidence = self.with_key(|key| sign(key, signing, boot_count, pin_period))?;
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

    fn commands(&self) -> u64 {
        self.key.as_ref().map_or(0, |key| key.commands())
    }
}

/// Signs evidence, with a quote where one is wanted and the key can.
fn sign(
    key: &mut dyn DeviceKey,
    signing: Signing,
    boot_count: Option<u64>,
    pin_period: Option<PinPeriodId>,
) -> Result<Vec<u8>, KeyError> {
    // The first is the verifier's; what a quote is for has no other.
    let quoted = signing.nonces.first().copied().filter(|_| signing.quote);
    let mut token_id = [0; 16];
    getrandom::fill(&mut token_id)
        .map_err(|error| KeyError::Unavailable(format!("random numbers: {error}")))?;
    let uptime = vitalsign_os::elapsed().as_secs();
    let mut claims = signing.claims(wall(), token_id, Some(uptime), boot_count);
    claims.pin_period = pin_period;
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

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_no_key_without_an_enrolment_token() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            verifier: None,
            token_files: vec![folder.path().join("token")],
            key: "software".into(),
            state: folder.path().join("state"),
            socket: folder.path().join("agent.sock"),
            report_seconds: None,
            managed: crate::config::ManagedConfig::default(),
        };
        let source = Arc::new(ConfigSource::new(move || Ok(config.clone())).unwrap());
        let mut device = DeviceExecutor::new(source);
        let event = device.perform(DeviceEffect::ReadEnrolmentKeys { renew_key: true });
        assert!(matches!(event, Event::EnrolmentKeysRead(Err(RequestError::NoToken))), "{event:?}");
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
