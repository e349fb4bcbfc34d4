//! Runs a verifier, a TPM and agents as real processes in a private folder. Used by the end-to-end tests, the
//! demonstration and the benchmarks.
#![cfg(target_os = "linux")]

pub mod network;
mod proxy;
mod seats;
mod step_up;
mod testbed;

pub use proxy::Proxy;
pub use seats::Seats;
pub use step_up::{Asked, Hand};
pub use testbed::{Agent, Testbed, Tpm};
pub use vitalsign_simulated_key::process::{Child, wait_for};
