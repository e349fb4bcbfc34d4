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

mod frame;
mod message;
mod status;

pub use frame::{Error, Inbox, MAX_FRAME, encode};
pub use message::{Answer, Diagnostic, Hello, PROTOCOL, Refusal, Reply, Request, VERSION};
pub use status::{AgentState, Cost, Stage, Status, StepUp, StepUpCeremony};
