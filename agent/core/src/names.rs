//! Names by which IT knows the device. The agent says them when it enrols, in the first report after a start, and when they
//! changed, and only those that the organisation allows. If it allows none any more, the agent says so, and the
//! verifier forgets them.

use crate::Agent;
use crate::effect::{Effect, RecordEffect};
use vitalsign_protocol::device_names::DeviceNames;

#[derive(Clone, Debug, Default)]
pub(crate) struct SharedNames {
    /// The names that the organisation allows, as they are now.
    allowed: DeviceNames,
    /// Names in the evidence of this cycle.
    sent: Option<DeviceNames>,
    /// Names that the verifier accepted last; `None` if that is not known.
    accepted: Option<DeviceNames>,
}

impl Agent {
    /// Replaces the names that the device may say.
    pub fn set_names(&mut self, allowed: DeviceNames) {
        self.names.allowed = allowed;
    }

    /// Returns the names that the next report must say. A device that never said any says nothing.
    pub(crate) fn due_names(&self) -> Option<&DeviceNames> {
        let SharedNames { allowed, accepted, .. } = &self.names;
        let is_due = accepted.as_ref() != Some(allowed) && (!allowed.is_empty() || self.saved.names_sent);
        is_due.then_some(allowed)
    }

    /// Takes the names for evidence that will be sent. That the verifier may know names from now on is saved before.
    pub(crate) fn take_due_names(&mut self, effects: &mut Vec<Effect>) -> Option<DeviceNames> {
        let due = self.due_names().cloned();
        if due.is_some() {
            // Without an answer it is not known which names the verifier has.
            self.names.accepted = None;
        }
        if due.as_ref().is_some_and(|names| !names.is_empty()) && !self.saved.names_sent {
            self.saved.names_sent = true;
            effects.push(RecordEffect::Save(Box::new(self.saved.clone())).into());
        }
        self.names.sent.clone_from(&due);
        due
    }

    /// Forgets which names the verifier has: an enrolment may be with another one.
    pub(crate) fn forget_accepted_names(&mut self) {
        self.names.accepted = None;
    }

    /// The verifier has accepted the evidence of this cycle.
    pub(crate) fn on_names_accepted(&mut self) {
        if let Some(sent) = self.names.sent.take() {
            self.names.accepted = Some(sent);
        }
    }
}
