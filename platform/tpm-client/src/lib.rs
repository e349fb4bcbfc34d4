//! TPM 2.0 client: commands to a TPM behind a [`Transport`], and this device's keys in it.
//!
//! Invariants: every handle that a command opens is flushed on every way out; nothing is sealed to PCRs; no key of ours
//! has dictionary-attack protection; the secret of a credential crosses the bus encrypted.

mod device;
mod endorser;
mod failure;
mod key;
mod session;
mod state;
mod template;
#[cfg(all(feature = "testing", unix))]
pub mod testing;
mod transport;

pub use key::{Options, TpmKey, drop_aside, open, restore, set_aside};
pub use transport::{Address, Transport};
