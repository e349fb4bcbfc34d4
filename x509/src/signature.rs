//! Signatures of certificates and revocation lists.

use crate::oids::{EC, P256, P384, P521, RSA};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
    VerificationAlgorithm,
};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// sha1WithRSAEncryption and ecdsa-with-SHA1.
const SHA1: [&str; 2] = ["1.2.840.113549.1.1.5", "1.2.840.10045.4.1"];

/// Returns whether a signature algorithm uses SHA-1.
pub(crate) fn is_sha1(algorithm: &ObjectIdentifier) -> bool {
    SHA1.contains(&algorithm.to_string().as_str())
}

/// Returns whether `key` made `signature` over `message`.
pub(crate) fn verify(
    key: &SubjectPublicKeyInfoOwned,
    algorithm: &ObjectIdentifier,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let curve = || key.algorithm.parameters.as_ref()?.decode_as::<ObjectIdentifier>().ok();
    let name = algorithm.to_string();
    let algorithm: &'static dyn VerificationAlgorithm = match (key.algorithm.oid, name.as_str()) {
        (RSA, "1.2.840.113549.1.1.11") => &RSA_PKCS1_2048_8192_SHA256,
        (RSA, "1.2.840.113549.1.1.12") => &RSA_PKCS1_2048_8192_SHA384,
        (RSA, "1.2.840.113549.1.1.13") => &RSA_PKCS1_2048_8192_SHA512,
        (EC, algorithm) => match (curve(), algorithm) {
            (Some(P256), "1.2.840.10045.4.3.2") => &ECDSA_P256_SHA256_ASN1,
            (Some(P256), "1.2.840.10045.4.3.3") => &ECDSA_P256_SHA384_ASN1,
            (Some(P384), "1.2.840.10045.4.3.2") => &ECDSA_P384_SHA256_ASN1,
            (Some(P384), "1.2.840.10045.4.3.3") => &ECDSA_P384_SHA384_ASN1,
            (Some(P384), "1.2.840.10045.4.3.4") => &ECDSA_P384_SHA512_ASN1,
            (Some(P521), "1.2.840.10045.4.3.2") => &ECDSA_P521_SHA256_ASN1,
            (Some(P521), "1.2.840.10045.4.3.3") => &ECDSA_P521_SHA384_ASN1,
            (Some(P521), "1.2.840.10045.4.3.4") => &ECDSA_P521_SHA512_ASN1,
            _ => return false,
        },
        _ => return false,
    };
    UnparsedPublicKey::new(algorithm, key.subject_public_key.raw_bytes()).verify(message, signature).is_ok()
}
