//! What runs in the session of the person who is there: it shows the step-ups that the service passes on, speaks to
//! the security key, and hands the service the answer. The terminal program is one surface of it; a window is another.
//!
//! The way is: [`flow`] decides (no I/O), [`listen`] does, a [`Ui`] shows. [`register`] is the way of a new key.
//!
//! Invariants: a PIN goes from the person to the key and nowhere else; nothing here holds the device's key or speaks to
//! the verifier; one step-up at a time is asked of the person, the oldest first; a tap is given to the very challenge
//! that the service holds, so a step-up that is prepared anew is asked for anew.

mod agent;
pub mod flow;
mod listen;
mod register;
pub mod texts;
mod trouble;

pub use agent::{SecurityKeyClient, Service, ServiceConnector, Socket};
pub use listen::{Inbox, ListenResult, listen};
pub use register::{RegisterError, register};
pub use trouble::{DisconnectReason, Disconnected, SessionError};

use vitalsign_ipc::{Status, StepUp};
use vitalsign_protocol::id::StepUpId;
use vitalsign_security_key::Prompt;

/// Where a person sees what is asked. What they answer comes by an [`Inbox`], and a PIN by the prompt's own reply.
pub trait Ui {
    /// Shows this. It must not wait for the person.
    fn show(&mut self, shown: UiUpdate);
}

/// What a person is shown.
#[derive(Debug)]
pub enum UiUpdate {
    /// How all stands now. What of it is about step-ups is shown apart.
    Status(Box<Status>),
    Idle,
    /// A step-up has come, or has gone on.
    StepUp(Box<StepUp>),
    /// What to do with the security key.
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
