//! FIDO2 security keys, from the client's side: one entry point, and a transport for each system.
//!
//! [`SecurityKeys::perform`] starts a ceremony and returns its result. While it runs, prompts tell the person
//! what to do; a PIN prompt carries its own reply, which can be sent once. Nothing is retried automatically:
//! after a wrong PIN the person is asked again, with the remaining attempts. The options are compared with
//! the pinned relying party before any key is contacted.
//!
//! Invariants: no Bluetooth and no message bus. A PIN is never printed, stored or sent twice. Every ceremony
//! ends, at the latest at its timeout.

mod cancel;
mod ceremony;
#[cfg(target_os = "linux")]
mod linux;
mod options;
#[cfg(not(target_os = "linux"))]
mod other;
mod prompt;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use other as system;

pub use cancel::Cancel;
pub use ceremony::{Attached, Ceremony, Failure, Operation, Transport};
pub use prompt::{Pin, PinReason, PinReply, PinRequest, Prompt};
pub use system::SecurityKeys;
