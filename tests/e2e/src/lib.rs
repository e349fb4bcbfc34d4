//! Vitalsign as it runs: a verifier, a TPM and agents as real processes, in a folder of their own. The end-to-end
//! tests, the demonstration and the bench all stand on this.
#![cfg(target_os = "linux")]

pub mod network;
mod step_up;
mod world;

pub use step_up::{Asked, Hand};
pub use vitalsign_simulated_key::process::{Child, wait_for};
pub use world::{Agent, Tpm, World};
