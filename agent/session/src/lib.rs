//! Runs in the person's session: shows step-ups from the service, talks to the security key, and returns the
//! answer. The terminal program is one user interface, the app is another.
//!
//! [`flow`] decides (no I/O), [`listen`] executes, a [`Ui`] displays. [`register`] registers a new key.
//! [`share_session_lock`] tells the service the session's screen lock.
//!
//! Invariants: a PIN goes from the person to the key and nowhere else. Nothing here has the device's key or
//! talks to the verifier. One step-up at a time is prompted, the oldest first. A tap answers exactly the
//! challenge that the service holds: a step-up that is prepared again is prompted again. The key is not asked before the
//! whole text of the request was shown.

mod agent;
pub mod flow;
mod listen;
mod pin_period;
mod register;
mod session_lock;
pub mod texts;
mod trouble;

pub use agent::{SecurityKeyClient, Service, ServiceConnector, Socket};
pub use listen::{Inbox, ListenResult, listen};
pub use pin_period::PinPeriodWatch;
pub use register::{RegisterError, register};
pub use session_lock::share_session_lock;
pub use trouble::{DisconnectReason, Disconnected, SessionError};

use flow::UiAbilities;
use vitalsign_ipc::{Status, StepUp};
use vitalsign_protocol::id::StepUpId;
use vitalsign_security_key::Prompt;

/// User interface of the session. The person's answers arrive through an [`Inbox`], a PIN through the
/// prompt's own reply.
pub trait Ui {
    /// Shows this. It must not wait for the person.
    fn show(&mut self, shown: UiUpdate);

    /// Returns its abilities; by default it offers nothing, and shows each text whole.
    fn abilities(&self) -> UiAbilities {
        UiAbilities::default()
    }
}

/// Update for the user interface.
#[derive(Debug)]
pub enum UiUpdate {
    /// Current status.
    Status {
        status: Box<Status>,
        /// Step-ups that are new in it or have another stage, in its order.
        changed: Vec<StepUp>,
    },
    Idle,
    /// Instruction for using the security key.
    Prompt {
        step_up: StepUpId,
        prompt: Prompt,
    },
    /// The security key was not used. How the step-up ends is shown later.
    SessionError {
        step_up: StepUpId,
        trouble: SessionError,
    },
    /// The service is gone. It is looked for again.
    Disconnected(Disconnected),
}
