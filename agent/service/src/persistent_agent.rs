//! The agent with its state file and its journal.

use crate::clock;
use crate::config::Config;
use crate::config_source::ConfigSource;
use crate::device::DeviceExecutor;
use crate::journal::Journal;
use crate::store::{Loaded, Store};
use crate::verifier_link::VerifierLink;
use std::collections::VecDeque;
use std::sync::Arc;
use vitalsign_agent_core::{Agent, Effect, Event, RecordEffect, Saved};
use vitalsign_ipc::Status;

/// An agent with its state file.
pub(crate) struct PersistentAgent {
    pub(crate) core: Agent,
    store: Store,
    journal: Journal,
}

impl PersistentAgent {
    /// Reads the state; what cannot be read is set aside, and the device enrols again.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Self> {
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
        Ok(Self { core, store, journal: Journal::open(&config.state) })
    }

    pub(crate) fn status(&self) -> Status {
        self.core.status(clock::now())
    }

    /// Handles an event and returns the effects to execute, in order.
    pub(crate) fn handle(&mut self, event: Event) -> Vec<Effect> {
        self.core.handle(event, clock::now())
    }

    /// Writes to the state file or the journal.
    pub(crate) fn record(&mut self, effect: RecordEffect) {
        match effect {
            RecordEffect::Save(saved) => {
                if let Err(error) = self.store.save(&*saved) {
                    tracing::error!(%error, "the state was not saved: the one before is intact");
                }
            }
            RecordEffect::DropEnrolmentLeftovers => self.drop_enrolment_leftovers(),
            RecordEffect::LogTransition(transition) => self.journal.note(&transition),
        }
    }

    fn drop_enrolment_leftovers(&mut self) {}

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
