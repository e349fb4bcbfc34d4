//! Trust in an attestation certificate: the path to an anchor of the model in the FIDO metadata.
//!
//! `webauthn-rs` verifies the attestation statement (WebAuthn Level 3, section 8.2): its signature, the requirements on
//! the certificate's fields (section 8.2.1), and that the AAGUID in the certificate is the credential's. Whether the
//! certificate is one of the model's maker (section 7.1, step 24) is decided here, because the library demands
//! extensions of trust anchors that RFC 5280 does not (`docs/adr/0017-attestation-paths.md`).

use crate::models::{Aaguid, Models};
use std::time::Duration;
use vitalsign_x509::oids::{BASIC_CONSTRAINTS, CERTIFICATE_POLICIES, EXTENDED_KEY_USAGE, KEY_USAGE};
use vitalsign_x509::{Certificate, MAX_CERTIFICATES};
use x509_cert::der::oid::ObjectIdentifier;

/// id-fido-gen-ce-aaguid.
const AAGUID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.45724.1.1.4");

/// Checks that `x5c`, the attestation certificate first, leads to an anchor of the model `aaguid` at `now`.
pub(crate) fn check(x5c: &[Vec<u8>], aaguid: &Aaguid, models: &Models, now: u64) -> Result<(), String> {
    let now = Duration::from_secs(now);
    let (anchors, shares_anchor) = models.anchors(aaguid).ok_or("its model is not listed")?;
    if x5c.len() > MAX_CERTIFICATES {
        return Err(format!("it has more than {MAX_CERTIFICATES} certificates"));
    }
    let (first, others) = x5c.split_first().ok_or("it has no certificate")?;
    let certificate = parse(first)?;
    certificate
        .critical(&[BASIC_CONSTRAINTS, KEY_USAGE, CERTIFICATE_POLICIES, EXTENDED_KEY_USAGE])
        .and_then(|()| certificate.valid(now))
        .map_err(|error| error.to_string())?;
    if certificate.is_ca().map_err(|error| error.to_string())? != Some(false) {
        return Err("its certificate may be a CA's".into());
    }
    let usage = certificate.key_usage().map_err(|error| error.to_string())?;
    if usage.is_some_and(|usage| !usage.digital_signature()) {
        return Err("the key of its certificate is not for signatures".into());
    }
    // Section 8.2.1: required if the root is used for several models. Its value is compared by `webauthn-rs`.
    let extensions = certificate.content().extensions().map(Vec::as_slice).unwrap_or_default();
    if shares_anchor && !extensions.iter().any(|extension| extension.extn_id == AAGUID) {
        return Err("its certificate names no model, and its maker's root is used for several".into());
    }
    let others = others.iter().map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
    anchors.root_of(&certificate, &others, now).map(|_| ()).map_err(|error| error.to_string())
}

/// Unlike those of TPMs, these have no padding behind them.
fn parse(der: &[u8]) -> Result<Certificate, String> {
    match Certificate::parse(der, "a certificate in x5c") {
        Ok(certificate) if certificate.der() == der => Ok(certificate),
        Ok(_) => Err("bytes follow a certificate in x5c".into()),
        Err(error) => Err(error.to_string()),
    }
}
