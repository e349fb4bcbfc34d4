//! The verifier: enrols devices, verifies and judges their reports, signs verdicts, keeps the audit log.
//!
//! [`Verifier`] is all of it without a network; [`server::Server`] puts it behind HTTPS. Time is an argument.
//!
//! Invariants: no nonce is accepted twice; no report is answered before its nonce is spent and its audit entry is
//! durable; nothing of a revoked device is accepted after the revocation is committed; an enrolment is whole or is
//! not; a failure of the verifier never makes a verdict better.

pub mod appraisal;
pub mod audit;
pub mod boot;
pub mod clock;
pub mod config;
mod device_cache;
pub mod endorsers;
mod enrol;
pub mod files;
mod generations;
pub mod inspect;
mod keys;
mod models;
pub mod nonce;
pub mod oidc;
mod report;
pub mod server;
mod session;
pub mod signing_keys;
pub mod step_up;
pub mod store;
mod verifier;

pub use verifier::{OpenError, Verifier, load_policy, load_step_up_policy};
