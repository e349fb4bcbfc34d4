//! The verifier: enrols devices, verifies and appraises their reports, signs verdicts, keeps the audit log.
//!
//! [`Verifier`] is all of it without a network; [`server::Server`] serves it over HTTPS. Time is an argument.
//!
//! Invariants: no nonce is accepted twice; no report is answered before its nonce is spent and its audit entry is
//! durable; nothing from a revoked device is accepted after the revocation is committed; enrolment is atomic; a failure
//! of the verifier never makes a verdict better.

pub mod admin_action;
pub mod admin_api;
pub mod age;
pub mod appraisal;
pub mod attestation;
pub mod audit;
pub mod audit_log;
pub mod backup;
mod caller;
mod client_jwks;
pub mod client_keys;
mod client_tls;
pub mod clock;
pub mod config;
mod diagnostics;
mod disk;
pub mod endorsers;
mod enrolment;
pub mod expiry;
pub mod files;
mod generations;
pub mod inspect;
pub mod kek;
pub mod keyring;
mod live;
pub(crate) mod metrics;
pub(crate) mod names;
pub mod nonce;
pub mod oidc;
pub mod open_files;
pub mod organisation;
pub mod owner;
mod pace;
mod random;
pub mod scope;
mod security_keys;
pub mod server;
pub mod siem;
pub mod signing_keys;
pub mod step_up;
pub mod store;
mod verifier;

pub use enrolment::Enrolment;
pub use security_keys::SecurityKeyRegistry;
pub use verifier::{OpenError, Verifier, load_policy, load_step_up_policy};
