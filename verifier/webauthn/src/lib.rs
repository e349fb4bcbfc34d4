//! WebAuthn Level 3 relying party for attested hardware keys.
//!
//! [`RelyingParty`] registers security keys and verifies their assertions, with `webauthn-rs`. The caller
//! provides the challenge, recomputed from stored data; it is never taken from a message. [`Models`] decides
//! which authenticator models are accepted, by a FIDO metadata file. [`AssertionProof`] stores an assertion
//! and verifies it years later with our own code, without the relying party.
//!
//! Invariants: no network, no clock (time is an argument), and no file but the metadata. Messages are capped before they are
//! parsed, and client data is checked here before `webauthn-rs` sees it.

#![warn(missing_docs)]

mod attestation_path;
mod authenticator_data;
mod client_data;
mod models;
mod proof;
mod relying_party;
#[cfg(feature = "testing")]
pub mod testing;

pub use client_data::ClientDataError;
pub use models::{Aaguid, Model, ModelStatus, Models, ModelsError, NotAnAaguid, Obstacle};
pub use proof::{AssertionProof, Flags, ProofError, UserVerification};
pub use relying_party::{
    Asserted, AssertionError, MAX_CREDENTIAL_JSON_BYTES, Registered, RegistrationError, RelyingParty,
    SetupError, User,
};
