//! Signing keys for verdicts and for tokens. One key of each set signs; its successor is published before it signs, and
//! replaced keys stay published for a while, so that their signatures can still be verified.
//!
//! Devices pin the keys for verdicts, applications fetch the keys for tokens. The sets are separate, so that nothing
//! that is signed for one purpose can pass for the other.

use crate::store::key::{Announcement, KeyState, StoredKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde::Serialize;
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::jwt::{self, Jwk, JwkSet};
use vitalsign_protocol::rollover;
use zeroize::Zeroizing;

/// Time in seconds for which a replaced key stays published: a week, far longer than the lifetime of a
/// verdict or token, so that a device that was away finds its successor in the set.
pub const RETIRED_SECONDS: u64 = 7 * 24 * 3600;

/// A JWT could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The payload cannot be encoded as JSON.
    #[error("{0}")]
    Jwt(#[from] jwt::Error),
    #[error("signing with the key failed")]
    Crypto,
}

/// A key cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[error("a signing key: {0}")]
pub struct InvalidKey(String);

/// Public half of a key, and its state.
#[derive(Clone, Debug)]
pub struct KnownKey {
    pub jwk: Jwk,
    pub state: KeyState,
    /// Time from which it signs, in seconds since 1970.
    pub begins: u64,
    /// Time at which it was replaced, in seconds since 1970.
    pub retired: Option<u64>,
    /// Time at which it was withdrawn, in seconds since 1970.
    pub withdrawn: Option<u64>,
    /// The successor's announcement.
    announcement: Option<Announcement>,
}

impl KnownKey {
    /// Returns until when a retired key is published, in seconds since 1970.
    #[must_use]
    pub fn published_until(&self) -> Option<u64> {
        let retired = self.retired.filter(|_| self.state == KeyState::Retired)?;
        Some(retired.saturating_add(RETIRED_SECONDS))
    }
}

/// The keys of a purpose.
pub struct SigningKeys {
    pair: EcdsaKeyPair,
    current: Jwk,
    /// Time at which the current key was made, in seconds since 1970.
    made_at: u64,
    /// All keys, oldest first.
    all: Vec<KnownKey>,
    random: SystemRandom,
}

impl SigningKeys {
    /// Takes the keys of a purpose, oldest first.
    ///
    /// # Errors
    /// There is no active key, or one cannot be used.
    pub(crate) fn new(keys: impl IntoIterator<Item = StoredKey>) -> Result<Self, InvalidKey> {
        let (mut active, mut all) = (None, Vec::new());
        for key in keys {
            let StoredKey { state, begins, retired, withdrawn, announcement, created, .. } = key;
            let jwk = jwk(&key.public)?;
            if state == KeyState::Active {
                active = Some((pair(&key.private)?, jwk.clone(), created));
            }
            all.push(KnownKey { jwk, state, begins, retired, withdrawn, announcement });
        }
        let (pair, current, made_at) = active.ok_or_else(|| InvalidKey("none is active".into()))?;
        Ok(Self { pair, current, made_at, all, random: SystemRandom::new() })
    }

    /// Returns the public half of the current key.
    #[must_use]
    pub fn current(&self) -> &Jwk {
        &self.current
    }

    /// Returns when the current key was made, in seconds since 1970.
    #[must_use]
    pub fn made_at(&self) -> u64 {
        self.made_at
    }

    /// Returns all keys, oldest first.
    #[must_use]
    pub fn all(&self) -> &[KnownKey] {
        &self.all
    }

    /// Returns the announced key, and the time from which it signs, in seconds since 1970.
    #[must_use]
    pub fn next(&self) -> Option<(&Jwk, u64)> {
        let next = self.all.iter().find(|key| key.state == KeyState::Next);
        next.map(|key| (&key.jwk, key.begins))
    }

    /// Returns every key that is published at `now`: the current key, the announced one, and those that were replaced
    /// within a week.
    #[must_use]
    pub fn published(&self, now: u64) -> JwkSet {
        let alive = self.all.iter().filter(|key| key.published_until().is_some_and(|until| until > now));
        JwkSet { keys: self.to_pin().keys.into_iter().chain(alive.map(|key| key.jwk.clone())).collect() }
    }

    /// Returns the keys that a new device pins: the current one, then the announced one.
    #[must_use]
    pub fn to_pin(&self) -> JwkSet {
        let next = self.next().map(|(next, _)| next);
        JwkSet { keys: std::iter::once(&self.current).chain(next).cloned().collect() }
    }

    /// Returns the announcements that lead a device from the keys that it pins to the newest one, oldest first. Those of
    /// and by withdrawn keys are left out.
    #[must_use]
    pub fn announcements_after(&self, pinned: &[String]) -> Vec<String> {
        let withdrawn =
            |kid: &str| self.all.iter().any(|key| key.state == KeyState::Withdrawn && key.jwk.kid == kid);
        let announced = self.all.iter().filter_map(|key| Some((&key.jwk.kid, key.announcement.as_ref()?)));
        let mut announced: Vec<_> =
            announced.filter(|(kid, it)| !withdrawn(kid) && !withdrawn(&it.by)).collect();
        let excess = announced.len().saturating_sub(rollover::MAX_ANNOUNCEMENTS);
        announced.drain(..excess);
        let mut known: Vec<&str> = pinned.iter().map(String::as_str).collect();
        let mut tokens = Vec::new();
        for (kid, it) in announced {
            if known.contains(&it.by.as_str()) && !known.contains(&kid.as_str()) {
                known.push(kid);
                tokens.push(it.token.clone());
            }
        }
        tokens
    }

    /// Signs claims as a JWT of this type (`typ`).
    pub fn sign(&self, claims: &impl Serialize, typ: &str) -> Result<String, SignError> {
        jwt::sign(claims, typ, &self.current.kid, |input| {
            let signature = self.pair.sign(&self.random, input).map_err(|_| SignError::Crypto)?;
            signature.as_ref().try_into().map_err(|_| SignError::Crypto)
        })
    }
}

/// Generates a key: its public point, and PKCS#8.
pub(crate) fn generate() -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), InvalidKey> {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let made = made.map_err(|_| InvalidKey("making one failed".into()))?;
    let private = Zeroizing::new(made.as_ref().to_vec());
    let public = public(&private)?;
    Ok((public, private))
}

/// Returns the public point of a key in PKCS#8.
pub(crate) fn public(pkcs8: &[u8]) -> Result<Vec<u8>, InvalidKey> {
    Ok(pair(pkcs8)?.public_key().as_ref().to_vec())
}

/// Returns the JWK of a public point.
pub(crate) fn jwk(point: &[u8]) -> Result<Jwk, InvalidKey> {
    let public = PublicKey::from_point(point).map_err(|e| InvalidKey(e.to_string()))?;
    Ok(Jwk::new(&public))
}

fn pair(pkcs8: &[u8]) -> Result<EcdsaKeyPair, InvalidKey> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8);
    pair.map_err(|e| InvalidKey(e.to_string()))
}
