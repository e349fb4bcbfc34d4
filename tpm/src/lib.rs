//! Verifies and parses TPM 2.0 structures: public areas, attestations, credentials, EK certificates and event logs.
//!
//! Agent and verifier use the same code; nothing here talks to a TPM.
//!
//! Invariants: no I/O, clock or operating system. Untrusted bytes are length-capped before they are parsed. Signatures
//! are checked over the bytes as received. SHA-1 is never accepted.

#![warn(missing_docs)]

pub mod attest;
pub mod codec;
pub mod credential;
pub mod endorsement;
pub mod eventlog;
pub mod hash;
pub mod public;
pub mod seed;
