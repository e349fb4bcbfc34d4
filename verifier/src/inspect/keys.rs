//! Keys from files, in whatever form people have them.

use super::{Unreadable, read};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use serde_json::Value;
use std::path::Path;
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::jwt::{Jwk, JwkSet};
use vitalsign_tpm::attest::AttestationKey;
use vitalsign_tpm::public::Public;

/// A report key. A JWK set is to have one key.
pub(super) fn report_key(path: &Path) -> Result<PublicKey, Unreadable> {
    let bytes = read(path)?;
    let key = match public(&bytes) {
        Some(public) => public.report_key().ok(),
        None => match plain_key(&bytes) {
            Some(AttestationKey::P256(key)) => Some(key),
            _ => None,
        },
    };
    key.ok_or_else(|| Unreadable::Key(path.to_owned()))
}

/// An attestation key. A TPM's public area must say that it is one; other forms do not say what a key is for.
pub(super) fn attestation_key(path: &Path) -> Result<AttestationKey, Unreadable> {
    let bytes = read(path)?;
    let key = match public(&bytes) {
        Some(public) => AttestationKey::any(&public).ok(),
        None => plain_key(&bytes),
    };
    key.ok_or_else(|| Unreadable::Key(path.to_owned()))
}

fn plain_key(bytes: &[u8]) -> Option<AttestationKey> {
    if let Ok(point) = PublicKey::from_point(bytes) {
        return Some(AttestationKey::P256(point));
    }
    if let Ok(der) = SubjectPublicKeyInfoDer::from_pem_slice(bytes) {
        return AttestationKey::from_spki(&der);
    }
    AttestationKey::from_spki(bytes).or_else(|| jwk(bytes))
}

/// A JWK, or the only one of a set: P-256 or RSA (RFC 7518 section 6). A name (`kid`) is not needed.
fn jwk(bytes: &[u8]) -> Option<AttestationKey> {
    let mut value: Value = serde_json::from_slice(bytes).ok()?;
    if let Some(keys) = value.get_mut("keys").and_then(Value::as_array_mut) {
        value = keys.pop().filter(|_| keys.is_empty())?;
    }
    if value.get("kty")? == "RSA" {
        let number = |name| B64.decode(value.get(name)?.as_str()?).ok();
        let exponent = number("e")?
            .into_iter()
            .try_fold(0u32, |sum, byte| sum.checked_mul(256).map(|sum| sum | u32::from(byte)))?;
        return Some(AttestationKey::Rsa { modulus: number("n")?, exponent });
    }
    value.as_object_mut()?.entry("kid").or_insert_with(|| "".into());
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    jwk.key().ok().map(AttestationKey::P256)
}

/// The keys that sign verdicts.
pub(super) fn jwks(path: &Path) -> Result<JwkSet, Unreadable> {
    let keys = json_keys(&read(path)?).ok_or_else(|| Unreadable::Key(path.to_owned()))?;
    Ok(JwkSet { keys })
}

/// TPMT_PUBLIC, or TPM2B_PUBLIC, which has its size before it.
fn public(bytes: &[u8]) -> Option<Public> {
    let sized = || match bytes.split_first_chunk() {
        Some((size, rest)) if usize::from(u16::from_be_bytes(*size)) == rest.len() => {
            Public::parse(rest).ok()
        }
        _ => None,
    };
    Public::parse(bytes).ok().or_else(sized)
}

fn json_keys(bytes: &[u8]) -> Option<Vec<Jwk>> {
    let set = || serde_json::from_slice::<JwkSet>(bytes).map(|set| set.keys).ok();
    set().or_else(|| serde_json::from_slice(bytes).map(|jwk| vec![jwk]).ok())
}
