//! The seams between Vitalsign and the system it runs on: reading facts, noticing changes, holding the report key.
//!
//! Invariants: traits and portable types only. A probe says what it saw, never whether that is good.

#![warn(missing_docs)]

pub mod collect;
pub mod key;
pub mod watch;

pub use collect::{Collector, Probe};
pub use key::{DeviceKey, KeyError};
pub use watch::Change;
