//! WebAuthn Level 3 as a relying party, for hardware keys with attestation only.
//!
//! [`RelyingParty`] registers security keys and checks their assertions, with `webauthn-rs`. A challenge is always the
//! caller's, who recomputes it from what is stored: it is never taken from a message. [`Models`] says which models of
//! security key are accepted, by a FIDO metadata file. [`Proof`] is what is kept of an assertion, and checks it with
//! code of our own years later, without the relying party.
//!
//! Invariants: no network, no clock (time is an argument; only `webauthn-rs` looks at the clock, for the validity of an
//! attestation's certificates), and no file but the metadata's. What a message carries is capped before it is parsed,
//! and its client data is checked here before `webauthn-rs` sees it.

#![warn(missing_docs)]

mod authenticator_data;
mod client_data;
mod models;
mod proof;
mod relying_party;
#[cfg(feature = "testing")]
pub mod testing;

pub use client_data::ClientDataError;
pub use models::{Aaguid, Model, ModelStatus, Models, ModelsError, NotAnAaguid};
pub use proof::{AssertionProof, Flags, ProofError};
pub use relying_party::{
    Asserted, AssertionError, MAX_CREDENTIAL_JSON_BYTES, Registered, RegistrationError, RelyingParty,
    SetupError, User,
};
