//! JSON Web Signatures and JSON Web Keys (RFC 7515, RFC 7517): one strict reader for each.
//!
//! Verdicts, tokens, client assertions, DPoP proofs and FIDO metadata are split and decoded by [`Jws::parse`] alone, and
//! keys in JSON by [`public_key`] alone. Where a standard leaves a choice to the reader, these readers refuse, so that
//! two readers cannot understand one message differently:
//!
//! - a part has one spelling: base64url without padding, without whitespace, and without bits past its end;
//! - no object has a member twice, at any depth;
//! - a critical header is refused, because no extension is supported;
//! - a coordinate has its full length.

mod jwk;
mod jws;
mod unique;

pub use jwk::{Jwk, JwkSet, KeyError, public_key};
pub use jws::{Algorithm, Error, Header, Jws};
pub use unique::Unique;
