//! The agent with its state file and its journal.

use crate::clock;
use crate::config_source::ConfigSource;
use crate::device::DeviceExecutor;
use crate::device_names;
use crate::journal::Journal;
use crate::organisation;
use crate::store::{Loaded, Store};
use crate::verifier_link::VerifierLink;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use vitalsign_agent_core::{Agent, Effect, Event, RecordEffect, Saved};
use vitalsign_ipc::Status;

/// An agent with its state file.
pub(crate) struct PersistentAgent {
    pub(crate) core: Agent,
    store: Store,
    journal: Journal,
    source: Arc<ConfigSource>,
    /// The state on disk is the core's.
    saved: bool,
    /// The enrolment token and the like must be removed once the state is saved.
    leftovers: bool,
    /// Files with the organisation's words that cannot be used.
    problems: Vec<String>,
}

impl PersistentAgent {
    /// Opens the state for a command while no service runs.
    ///
    /// # Errors
    /// As [`Self::open`], or the state belongs to the service's user, who could not write what this process writes.
    pub(crate) fn open_without_service(source: &Arc<ConfigSource>) -> anyhow::Result<Self> {
        let folder = source.current().state;
        anyhow::ensure!(
            !folder.exists() || vitalsign_os::is_ours(&folder),
            "the service is not running, and {} belongs to its user: start the service, for example with \
             `systemctl start vitalsign`",
            folder.display()
        );
        Self::open(source)
    }

    /// Reads the state; a damaged one is set aside, and the device enrols again.
    pub(crate) fn open(source: &Arc<ConfigSource>) -> anyhow::Result<Self> {
        let config = source.current();
        let store = Store::open(&config.state)?;
        let saved = match store.load::<Saved>()? {
            Loaded::Value(saved) => saved,
            Loaded::Nothing => Saved::default(),
            Loaded::SetAside { at, why } => {
                tracing::error!(at = %at.display(), why, "the saved state was not understood: it is set aside");
                Saved::default()
            }
        };
        let core = Agent::new(saved).with_report_seconds(config.report_seconds);
        let served = organisation::kept(&config.state);
        let mut core = core.with_organisation(config.managed.organisation.clone(), served);
        core.set_settings(config.managed.state());
        let (journal, source) = (Journal::open(&config.state), Arc::clone(source));
        let mut agent =
            Self { core, store, journal, source, saved: true, leftovers: false, problems: Vec::new() };
        agent.log_problems(config.managed.problems);
        Ok(agent)
    }

    pub(crate) fn status(&self) -> Status {
        self.core.status(clock::now())
    }

    /// Handles an event and returns the effects to execute, in order.
    pub(crate) fn handle(&mut self, event: Event) -> Vec<Effect> {
        // The settings were read again before the facts or the keys were. People see a new telephone number without a
        // restart.
        if matches!(event, Event::Collected(_) | Event::EnrolmentKeysRead(_)) {
            let managed = self.source.current().managed;
            self.core.set_names(device_names::allowed(&managed, Path::new("/")));
            self.core.set_settings(managed.state());
            self.core.set_organisation(managed.organisation);
            self.log_problems(managed.problems);
        }
        self.core.handle(event, clock::now())
    }

    /// Logs files that cannot be used, once.
    fn log_problems(&mut self, problems: Vec<String>) {
        for problem in problems.iter().filter(|it| !self.problems.contains(it)) {
            tracing::warn!("{problem}; it is left out");
        }
        self.problems = problems;
    }

    /// Writes to the state file or the journal.
    pub(crate) fn record(&mut self, effect: RecordEffect) {
        match effect {
            RecordEffect::Save(saved) => {
                let result = self.store.save(&*saved);
                self.saved = result.is_ok();
                if let Err(error) = result {
                    tracing::error!(%error, "the state was not saved: the one before is intact");
                }
                self.drop_leftovers();
            }
            RecordEffect::KeepOrganisation(document) => {
                let kept = organisation::keep(&self.source.current().state, document.as_deref());
                if let Err(error) = kept {
                    tracing::warn!(%error, "the organisation's document is not kept over a restart");
                }
            }
            RecordEffect::DropEnrolmentLeftovers => {
                self.leftovers = true;
                self.drop_leftovers();
            }
            RecordEffect::LogTransition(transition) => self.journal.note(&transition),
        }
    }

    /// Removes the enrolment token and a key that was set aside. They are kept until the enrolment is on disk.
    fn drop_leftovers(&mut self) {
        if !self.saved || !std::mem::take(&mut self.leftovers) {
            return;
        }
        let config = self.source.current();
        for file in &config.token_files {
            match remove_regular_file(file) {
                Ok(true) => tracing::info!(file = %file.display(), "the enrolment token is removed"),
                Ok(false) => {}
                Err(error) => tracing::warn!(
                    file = %file.display(), %error,
                    "the enrolment token is not needed any more and cannot be removed: delete it"
                ),
            }
        }
        self.source.remember_token(&config.state);
        if let Err(error) = vitalsign_host::drop_key_aside(&config.key, &config.state) {
            tracing::warn!(%error, "a replaced key cannot be removed");
        }
    }

    /// Executes everything that follows from an event until the next heartbeat, without a service.
    pub(crate) fn run_through(&mut self, event: Event, source: Arc<ConfigSource>) -> anyhow::Result<Status> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut device = DeviceExecutor::new(Arc::clone(&source));
        let mut link = VerifierLink::new(source);
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.handle(event) {
                match effect {
                    Effect::Device(effect) => events.push_back(device.perform(effect)),
                    Effect::Verifier(effect) => events.push_back(runtime.block_on(link.request(effect))),
                    Effect::Record(effect) => self.record(effect),
                    // A command that runs once waits for no events, and no client sees its status.
                    Effect::Channel(_) | Effect::Local(_) => {}
                }
            }
        }
        Ok(self.status())
    }
}

/// Removes a file and returns whether there was one. A pipe or a device stays.
fn remove_regular_file(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(found) if found.is_file() => std::fs::remove_file(path).map(|()| true),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigLayer, ManagedConfig};
    use vitalsign_agent_core::DeviceEffect;
    use vitalsign_protocol::organisation::Support;

    #[test]
    fn changed_guidance_is_shown_with_the_next_facts() {
        let folder = tempfile::tempdir().unwrap();
        let (state, phone) = (folder.path().to_owned(), folder.path().join("phone"));
        std::fs::write(&phone, "1").unwrap();
        let read = phone.clone();
        let source = ConfigSource::new(move || {
            let phone = std::fs::read_to_string(&read).ok();
            let support = Some(Support { phone, ..Support::default() });
            let layer = ConfigLayer { support, user_may_fix: Some(Vec::new()), ..ConfigLayer::default() };
            Ok(Config {
                verifier: None,
                token_files: Vec::new(),
                key: "software".into(),
                state: state.clone(),
                socket: state.join("agent.sock"),
                report_seconds: None,
                managed: ManagedConfig::read(state.join("agent.toml"), layer),
            })
        });
        let source = Arc::new(source.unwrap());
        let mut agent = PersistentAgent::open(&source).unwrap();
        let mut device = DeviceExecutor::new(Arc::clone(&source));
        let shown = |agent: &PersistentAgent| agent.status().guidance.support.phone;
        assert_eq!(shown(&agent).as_deref(), Some("1"));
        std::fs::write(&phone, "2").unwrap();
        let collected = device.perform(DeviceEffect::Collect);
        agent.handle(collected);
        assert_eq!(shown(&agent).as_deref(), Some("2"));
    }
}
