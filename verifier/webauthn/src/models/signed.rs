//! The list as the FIDO Alliance signs it: a JWT whose header has the signer's certificates (section 3.1.7).

use super::unix_time;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::Deserialize;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// Host name in the signer's certificate. Its roots are public ones, which certify other names as well.
const SIGNER: &str = "mds.fidoalliance.org";
/// More certificates than a chain has.
const MAX_CERTIFICATES: usize = 8;

#[derive(Deserialize)]
struct MetadataHeader {
    alg: String,
    x5c: Vec<String>,
    /// Nothing that is critical is known here.
    crit: Option<Vec<String>>,
}

/// The payload, once the signature holds and the signer is one whom `roots` (PEM) certify.
pub(super) fn payload(token: &[u8], roots: &[u8], now: u64) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(token).map_err(|_| "neither JSON nor a JWT")?;
    let (signed, signature) = text.rsplit_once('.').ok_or("neither JSON nor a JWT")?;
    let (header, payload) = signed.split_once('.').ok_or("neither JSON nor a JWT")?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "not base64url");
    let header: MetadataHeader =
        serde_json::from_slice(&decode(header)?).map_err(|_| "its header has no alg or no x5c")?;
    if header.crit.is_some() {
        return Err("its header has critical members that are not known here".into());
    }
    let algorithm: &dyn VerificationAlgorithm = match header.alg.as_str() {
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        "ES256" => &ECDSA_P256_SHA256_FIXED,
        other => return Err(format!("it is signed with {other}")),
    };
    let key = signer(&header.x5c, roots, now)?;
    UnparsedPublicKey::new(algorithm, key)
        .verify(signed.as_bytes(), &decode(signature)?)
        .map_err(|_| "it is not of the certificate that it names")?;
    Ok(decode(payload)?)
}

/// The signer's public key (SubjectPublicKeyInfo), once its certificate chains to a root and is the signer's.
fn signer(x5c: &[String], roots: &[u8], now: u64) -> Result<Vec<u8>, String> {
    if x5c.len() > MAX_CERTIFICATES {
        return Err("it names too many certificates".into());
    }
    let chain = x5c.iter().map(|text| STANDARD.decode(text).map(CertificateDer::from));
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(|_| "its certificates are not base64")?;
    let (leaf, others) = chain.split_first().ok_or("it names no certificate")?;
    let roots: Vec<_> = CertificateDer::pem_slice_iter(roots)
        .collect::<Result<_, _>>()
        .map_err(|_| "the file of its roots (metadata_roots) is no PEM file")?;
    let anchors = roots.iter().map(anchor_from_trusted_cert);
    let anchors: Vec<_> = anchors.collect::<Result<_, _>>().map_err(|e| format!("its roots: {e}"))?;
    if anchors.is_empty() {
        return Err("there is no root to check it by (metadata_roots)".into());
    }
    let leaf = EndEntityCert::try_from(leaf).map_err(|e| format!("its certificate: {e}"))?;
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        others,
        unix_time(now),
        KeyUsage::server_auth(),
        None,
        None,
    )
    .map_err(|e| format!("its certificate: {e}"))?;
    let name = ServerName::try_from(SIGNER).map_err(|e| e.to_string())?;
    leaf.verify_is_valid_for_subject_name(&name)
        .map_err(|_| format!("its certificate is not that of {SIGNER}"))?;
    Ok(leaf.subject_public_key_info().to_vec())
}
