//! TPM 2.0, on both ends of the wire.
//!
//! [`public`], [`attest`], [`credential`], [`endorsement`] and [`eventlog`] are pure: they judge bytes that another
//! machine sent, and a verifier needs no more (`default-features = false`). The feature `client` adds what talks to a
//! TPM, and the software key that stands in where there is none.
//!
//! Invariants: untrusted bytes are length-capped before they are parsed; signatures are checked over the bytes as they
//! came; every handle that a command opens is flushed on every way out; nothing is sealed to PCRs; all keys of ours are
//! without dictionary-attack protection.

pub mod attest;
#[cfg(feature = "client")]
mod client;
mod codec;
pub mod credential;
pub mod endorsement;
pub mod eventlog;
pub mod hash;
pub mod public;
mod seed;
#[cfg(feature = "client")]
mod software;
#[cfg(all(feature = "testing", unix))]
pub mod testing;

#[cfg(feature = "client")]
pub use client::{Address, Options, TpmKey, Transport, forget, open};
#[cfg(feature = "client")]
pub use software::SoftwareKey;
