//! The list as the FIDO Alliance signs it: a JWT whose header has the signer's certificates (section 3.1.7).

use super::unix_time;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use vitalsign_protocol::jose::{self, Algorithm, Jws};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// Host name in the signer's certificate. Its roots are public ones, which certify other names as well.
const SIGNER: &str = "mds.fidoalliance.org";
/// More certificates than a chain has.
const MAX_CERTIFICATES: usize = 8;

/// The payload, once the signature holds and the signer is one whom `roots` (PEM) certify.
pub(super) fn payload(token: &[u8], roots: &[u8], now: u64) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(token).map_err(|_| "neither JSON nor a JWT")?;
    // The file's size was limited when it was read.
    let jws = Jws::parse(text, &[Algorithm::Rs256, Algorithm::Es256], text.len()).map_err(reason)?;
    let x5c = jws.header().x5c.as_ref().ok_or("its header has no alg or no x5c")?;
    let key = signer(x5c, roots, now)?;
    let payload = jws.verify_with(|algorithm, signed, signature| {
        let algorithm: &dyn VerificationAlgorithm = match algorithm {
            Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
            // The only other one that was accepted above.
            _ => &RSA_PKCS1_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(algorithm, key).verify(signed, signature)
    });
    Ok(payload.map_err(|_| "it is not of the certificate that it names")?.to_vec())
}

fn reason(error: jose::Error) -> String {
    match error {
        jose::Error::TooLong | jose::Error::Parts => "neither JSON nor a JWT".into(),
        jose::Error::Encoding => "not base64url".into(),
        jose::Error::Header => "its header has no alg or no x5c".into(),
        jose::Error::Critical => "its header has critical members that are not known here".into(),
        jose::Error::Algorithm(_) | jose::Error::Signature => error.to_string(),
    }
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
