//! FIDO2 security keys, as a client: one entry point, a transport for each system.
//!
//! [`SecurityKeys::perform`] begins a ceremony once and ends it once. While it runs, prompts say what the person is to
//! do; one that asks for a PIN carries its own reply, which can be given once. Nothing is retried by program: a wrong
//! PIN is asked for again, with the attempts that are left, and a person answers. What the ceremony was asked for is
//! compared with what was pinned before any key is spoken to.
//!
//! Invariants: no key is reached by Bluetooth, and no message bus is needed; a PIN is never printed, stored or sent
//! twice; every ceremony ends, at the latest when its time is over.

mod cancel;
mod ceremony;
mod options;
mod prompt;
#[cfg_attr(target_os = "linux", path = "linux/mod.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod system;

pub use cancel::Cancel;
pub use ceremony::{Attached, Ceremony, Failure, Operation, Transport};
pub use prompt::{Pin, PinReason, PinReply, PinRequest, Prompt};
pub use system::SecurityKeys;
