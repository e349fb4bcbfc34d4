//! The verifier as an OpenID provider, over HTTPS.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what it is for"
)]

mod application;
mod authentication;
mod commands;
mod discovery;
mod dpop_nonce;
mod jwks_uri;
mod limits;
mod peer;
mod person;
mod requests;
mod resource;
mod tokens;

#[path = "../support/mod.rs"]
mod support;
