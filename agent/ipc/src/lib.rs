//! Messages between the service and its clients (command line, session program, app): length-delimited JSON. Both
//! sides send a greeting first; then the service sends one answer to each request, and events to subscribers.
//!
//! ```text
//! client  Hello  Request            Request
//! service Hello          Answer             Answer  Event  Event …
//! ```
//!
//! Invariants: bytes in, messages out; no sockets here. A frame's length is checked before it is buffered. A message
//! that is not understood is an error after which the connection can go on; a malformed frame or greeting ends it.

#![warn(missing_docs)]

mod display;
mod error;
mod frame;
mod message;
mod status;

pub use display::{Display, DisplayError, FULL_VOLUME, Theme, TimeOfDay};
pub use error::{Error, MAX_FRAME, PROTOCOL, VERSION};
pub use frame::{Inbox, encode};
pub use message::{Answer, Diagnostic, Hello, OrganisationTexts, Refusal, Reply, Request, SessionLock};
pub use status::{AgentState, Cost, Guidance, SettingsState, Stage, Status, StepUp, StepUpCeremony};
