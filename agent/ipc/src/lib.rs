//! What the service and whoever asks it (the command line, the app) say to each other: length-delimited JSON, greeted
//! first, then one answer to each request, and events for those who subscribed.
//!
//! ```text
//! client  Hello  Request            Request
//! service Hello          Answer             Answer  Event  Event …
//! ```
//!
//! Invariants: bytes in, messages out; no sockets here. A frame is capped before it is stored. What is not understood
//! is an error that leaves the conversation usable; a broken frame or greeting ends it.

#![warn(missing_docs)]

mod error;
mod frame;
mod message;
mod status;

pub use error::{Error, MAX_FRAME, PROTOCOL, VERSION};
pub use frame::{Inbox, encode};
pub use message::{Answer, Diagnostic, Hello, Refusal, Reply, Request};
pub use status::{AgentState, Cost, Stage, Status, StepUp, StepUpCeremony};
