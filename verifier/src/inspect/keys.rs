//! Keys from files, in whatever form people have them.

use super::{Unreadable, read};
use std::path::Path;
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::jwt::{Jwk, JwkSet};
use vitalsign_tpm::attest::AttestationKey;
use vitalsign_tpm::public::Public;

/// A report key. A JWK set is to have one key.
pub(super) fn report_key(path: &Path) -> Result<PublicKey, Unreadable> {
    let bytes = read(path)?;
    if let Ok(key) = PublicKey::from_point(&bytes) {
        return Ok(key);
    }
    let from_tpm = public(&bytes).and_then(|public| public.report_key().ok());
    let from_jwk = || match &*json_keys(&bytes)? {
        [jwk] => jwk.key().ok(),
        _ => None,
    };
    from_tpm.or_else(from_jwk).ok_or_else(|| Unreadable::Key(path.to_owned()))
}

/// An attestation key: also those of other makers, as long as they are what a TPM calls one.
pub(super) fn attestation_key(path: &Path) -> Result<AttestationKey, Unreadable> {
    let key = public(&read(path)?).and_then(|public| AttestationKey::any(&public).ok());
    key.ok_or_else(|| Unreadable::Key(path.to_owned()))
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
