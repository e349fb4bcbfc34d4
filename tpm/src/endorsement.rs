//! Endorsement certificates: the maker's word that an endorsement key is in one of its TPMs (TCG EK credential profile
//! 2.5; path validation after RFC 5280 section 6, without fetching anything).

use crate::public::{self, Public};
use crate::seed::Recipient;
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::time::{Duration, SystemTime};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::{
    Decode, Header, Reader, SliceReader,
    asn1::{AnyRef, UintRef},
    oid::ObjectIdentifier,
};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName, name::GeneralName};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// More bytes than a certificate has.
pub const MAX_CERTIFICATE_BYTES: usize = 8 * 1024;
/// More certificates than come along with an endorsement key's.
pub const MAX_CERTIFICATES: usize = 8;
/// Signatures checked at most, whatever the certificates' names suggest.
const MAX_CHECKS: usize = 32;

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}
const TCG_KP_EK_CERTIFICATE: ObjectIdentifier = oid("2.23.133.8.1");
const TPM_MANUFACTURER: ObjectIdentifier = oid("2.23.133.2.1");
const TPM_MODEL: ObjectIdentifier = oid("2.23.133.2.2");
const TPM_VERSION: ObjectIdentifier = oid("2.23.133.2.3");
const BASIC_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = oid("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = oid("2.5.29.37");
const SUBJECT_ALT_NAME: ObjectIdentifier = oid("2.5.29.17");
/// We ask for no policy in particular, so that any is satisfied.
const CERTIFICATE_POLICIES: ObjectIdentifier = oid("2.5.29.32");
const RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
/// Some makers say of their RSA keys that they are for OAEP only.
const RSA_OAEP: ObjectIdentifier = oid("1.2.840.113549.1.1.7");
const EC: ObjectIdentifier = oid("1.2.840.10045.2.1");
const P256: ObjectIdentifier = oid("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = oid("1.3.132.0.34");
const P521: ObjectIdentifier = oid("1.3.132.0.35");

/// Reason why an EK certificate was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a certificate that we can read.
    #[error("{0} is not a certificate that can be read")]
    Malformed(&'static str),
    /// There are more certificates than are read, or none.
    #[error("an endorsement has one to {MAX_CERTIFICATES} certificates")]
    Count,
    /// The public area is not an endorsement key's.
    #[error("{0}")]
    Key(#[from] public::Error),
    /// The certificate is for another key.
    #[error("the endorsement certificate is for another key")]
    OtherKey,
    /// No chain leads to a configured root.
    #[error(
        "no chain leads from the endorsement certificate, issued by {0:?}, to a root that is trusted here"
    )]
    Untrusted(String),
    /// It is not a certificate for endorsement keys.
    #[error("the certificate is not an endorsement certificate: {0}")]
    Usage(&'static str),
    /// A certificate on the way is not valid at this time.
    #[error("the certificate of {0:?} is not valid at this time")]
    Validity(String),
    /// A certificate on the way has a critical extension that we do not know.
    #[error("the certificate of {0:?} has a critical extension that is not known here: {1}")]
    Critical(String, String),
}

/// Trust anchors: TPM vendors' root certificates, and intermediates that devices may not send.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    roots: Vec<Certificate>,
    intermediates: Vec<Certificate>,
}

/// TPM attributes from a verified EK certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endorsement {
    /// The maker, as four letters where it has such: `INTC`; otherwise as the certificate spells it.
    pub manufacturer: Option<String>,
    /// Model from the certificate's subject alternative name.
    pub model: Option<String>,
    /// The firmware when the certificate was issued.
    pub version: Option<String>,
    /// The subject of the root that the chain led to.
    pub root: String,
}

impl Anchors {
    /// Adds the roots of a PEM file; gives their number.
    ///
    /// # Errors
    /// When one of its certificates cannot be read.
    pub fn add_roots(&mut self, pem: &[u8]) -> Result<usize, Error> {
        add(&mut self.roots, pem)
    }

    /// Adds intermediates of a PEM file; gives their number.
    ///
    /// # Errors
    /// When one of its certificates cannot be read.
    pub fn add_intermediates(&mut self, pem: &[u8]) -> Result<usize, Error> {
        add(&mut self.intermediates, pem)
    }
}

fn add(to: &mut Vec<Certificate>, pem: &[u8]) -> Result<usize, Error> {
    let before = to.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| Error::Malformed("a certificate of the PEM file"))?;
        to.push(Certificate::parse(&certificate, "a certificate of the PEM file")?);
    }
    Ok(to.len() - before)
}

/// Checks that `certificates`, the EK's first (DER; bytes behind it, as NV memory has them, are ignored), endorse the
/// public area `ek`, and that they chain to a root at the time `now`.
pub fn verify(
    certificates: &[impl AsRef<[u8]>],
    ek: &Public,
    anchors: &Anchors,
    now: SystemTime,
) -> Result<Endorsement, Error> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if certificates.len() > MAX_CERTIFICATES {
        return Err(Error::Count);
    }
    let (first, others) = certificates.split_first().ok_or(Error::Count)?;
    let leaf = Certificate::parse(first.as_ref(), "the endorsement certificate")?;
    if !leaf.certifies(&Recipient::new(ek)?) {
        return Err(Error::OtherKey);
    }
    let endorsement = leaf.endorsement()?;
    leaf.valid(now)?;
    let others = others.iter().map(|der| Certificate::parse(der.as_ref(), "a certificate that came along"));
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let mut path = Path { anchors, others: &others, now, checks: 0, failed: None };
    match path.issuer_of(&leaf, 0) {
        Some(root) => Ok(Endorsement { root: root.subject.clone(), ..endorsement }),
        None => Err(path.failed.unwrap_or_else(|| Error::Untrusted(leaf.issuer()))),
    }
}

/// Returns whether this certificate (possibly padded) is for the key of this public area. Does not check who
/// issued it.
#[must_use]
pub fn certifies(certificate: &[u8], ek: &Public) -> bool {
    let certificate = Certificate::parse(certificate, "the endorsement certificate");
    let recipient = Recipient::new(ek);
    matches!((certificate, recipient), (Ok(certificate), Ok(recipient)) if certificate.certifies(&recipient))
}

/// The certificates, one after the other, without the padding that NV memory has behind them.
#[must_use]
pub fn split_padded(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while let Some(certificate) = first_element(rest) {
        found.push(certificate);
        rest = rest.get(certificate.len()..).unwrap_or_default();
    }
    found
}

/// The search from an EK's certificate to a root.
struct Path<'a> {
    anchors: &'a Anchors,
    others: &'a [Certificate],
    now: Duration,
    checks: usize,
    /// Error of the best path that failed, if any path was found.
    failed: Option<Error>,
}

impl<'a> Path<'a> {
    /// The root that `certificate`, with `below` CA certificates under it, leads to.
    fn issuer_of(&mut self, certificate: &Certificate, below: u8) -> Option<&'a Certificate> {
        let anchors = self.anchors;
        let issuer = certificate.issuer();
        let of = |it: &&Certificate| it.subject == issuer;
        for root in anchors.roots.iter().filter(of) {
            if self.signed(certificate, root, below) {
                return Some(root);
            }
        }
        if usize::from(below) >= MAX_CERTIFICATES {
            return None;
        }
        for issuer in self.others.iter().chain(&anchors.intermediates).filter(of) {
            if self.signed(certificate, issuer, below)
                && let Some(root) = self.issuer_of(issuer, below + 1)
            {
                return Some(root);
            }
        }
        None
    }

    fn signed(&mut self, certificate: &Certificate, issuer: &Certificate, below: u8) -> bool {
        self.checks += 1;
        if self.checks > MAX_CHECKS || !issuer.signed(certificate) {
            return false;
        }
        match issuer.valid(self.now).and_then(|()| issuer.may_issue(below)) {
            Ok(()) => true,
            Err(error) => {
                self.failed = Some(error);
                false
            }
        }
    }
}

/// A certificate, with the bytes that its issuer signed.
#[derive(Clone, Debug)]
struct Certificate {
    parsed: CertificateInner<Raw>,
    signed: Vec<u8>,
    /// As text: RFC 5280 section 7.1 compares names whatever the types of their strings.
    subject: String,
}

impl Certificate {
    fn parse(bytes: &[u8], what: &'static str) -> Result<Self, Error> {
        let bad = || Error::Malformed(what);
        let der = first_element(bytes).filter(|der| der.len() <= MAX_CERTIFICATE_BYTES).ok_or_else(bad)?;
        let parsed = CertificateInner::<Raw>::from_der(der).map_err(|_| bad())?;
        let mut reader = SliceReader::new(der).map_err(|_| bad())?;
        Header::decode(&mut reader).map_err(|_| bad())?;
        let signed = reader.tlv_bytes().map_err(|_| bad())?.to_vec();
        if parsed.tbs_certificate().signature() != parsed.signature_algorithm() {
            return Err(bad());
        }
        let subject = parsed.tbs_certificate().subject().to_string();
        Ok(Self { parsed, signed, subject })
    }

    fn issuer(&self) -> String {
        self.parsed.tbs_certificate().issuer().to_string()
    }

    fn key(&self) -> &SubjectPublicKeyInfoOwned {
        self.parsed.tbs_certificate().subject_public_key_info()
    }

    fn curve(&self) -> Option<ObjectIdentifier> {
        self.key().algorithm.parameters.as_ref()?.decode_as().ok()
    }

    fn certifies(&self, recipient: &Recipient) -> bool {
        let bits = self.key().subject_public_key.raw_bytes();
        let algorithm = self.key().algorithm.oid;
        if let Some(point) = recipient.point() {
            let curve = if point.len() == 65 { P256 } else { P384 };
            return algorithm == EC && self.curve() == Some(curve) && bits == point;
        }
        let (Some((modulus, exponent)), Some(key)) = (recipient.rsa(), rsa_key(bits)) else { return false };
        [RSA, RSA_OAEP].contains(&algorithm) && key == (modulus.to_vec(), u64::from(exponent))
    }

    /// This key made the certificate's signature.
    fn signed(&self, certificate: &Self) -> bool {
        let Some(signature) = certificate.parsed.signature().as_bytes() else { return false };
        let algorithm = certificate.parsed.signature_algorithm().oid.to_string();
        let algorithm: &'static dyn VerificationAlgorithm =
            match (self.key().algorithm.oid, algorithm.as_str()) {
                (RSA, "1.2.840.113549.1.1.11") => &signature::RSA_PKCS1_2048_8192_SHA256,
                (RSA, "1.2.840.113549.1.1.12") => &signature::RSA_PKCS1_2048_8192_SHA384,
                (RSA, "1.2.840.113549.1.1.13") => &signature::RSA_PKCS1_2048_8192_SHA512,
                (EC, algorithm) => match (self.curve(), algorithm) {
                    (Some(P256), "1.2.840.10045.4.3.2") => &signature::ECDSA_P256_SHA256_ASN1,
                    (Some(P256), "1.2.840.10045.4.3.3") => &signature::ECDSA_P256_SHA384_ASN1,
                    (Some(P384), "1.2.840.10045.4.3.2") => &signature::ECDSA_P384_SHA256_ASN1,
                    (Some(P384), "1.2.840.10045.4.3.3") => &signature::ECDSA_P384_SHA384_ASN1,
                    (Some(P384), "1.2.840.10045.4.3.4") => &signature::ECDSA_P384_SHA512_ASN1,
                    (Some(P521), "1.2.840.10045.4.3.2") => &signature::ECDSA_P521_SHA256_ASN1,
                    (Some(P521), "1.2.840.10045.4.3.3") => &signature::ECDSA_P521_SHA384_ASN1,
                    (Some(P521), "1.2.840.10045.4.3.4") => &signature::ECDSA_P521_SHA512_ASN1,
                    _ => return false,
                },
                _ => return false,
            };
        let key = UnparsedPublicKey::new(algorithm, self.key().subject_public_key.raw_bytes());
        key.verify(&certificate.signed, signature).is_ok()
    }

    fn valid(&self, now: Duration) -> Result<(), Error> {
        let validity = self.parsed.tbs_certificate().validity();
        let (from, until) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
        if (from..=until).contains(&now) { Ok(()) } else { Err(Error::Validity(self.subject.clone())) }
    }

    /// A CA that may have `below` CAs between itself and the endorsement certificate.
    fn may_issue(&self, below: u8) -> Result<(), Error> {
        self.critical(&[BASIC_CONSTRAINTS, KEY_USAGE, CERTIFICATE_POLICIES, EXTENDED_KEY_USAGE])?;
        let bad = |_| Error::Malformed("a certificate on the way to the root");
        let tbs = self.parsed.tbs_certificate();
        let constraints = tbs.get_extension::<BasicConstraints>().map_err(bad)?;
        let (_, constraints) = constraints.ok_or(Error::Usage("an issuer is not a CA"))?;
        if !constraints.ca {
            return Err(Error::Usage("an issuer is not a CA"));
        }
        if constraints.path_len_constraint.is_some_and(|most| below > most) {
            return Err(Error::Usage("there are more CAs on the way than one of them allows"));
        }
        match tbs.get_extension::<KeyUsage>().map_err(bad)? {
            Some((_, usage)) if !usage.key_cert_sign() => {
                Err(Error::Usage("an issuer may not sign certificates"))
            }
            _ => Ok(()),
        }
    }

    /// Checks that this is a certificate for an endorsement key, and reads what it says of the TPM.
    fn endorsement(&self) -> Result<Endorsement, Error> {
        self.critical(&[
            BASIC_CONSTRAINTS,
            KEY_USAGE,
            CERTIFICATE_POLICIES,
            EXTENDED_KEY_USAGE,
            SUBJECT_ALT_NAME,
        ])?;
        let bad = |_| Error::Malformed("the endorsement certificate");
        let tbs = self.parsed.tbs_certificate();
        let usages = tbs.get_extension::<ExtendedKeyUsage>().map_err(bad)?;
        if !usages.is_some_and(|(_, usages)| usages.0.contains(&TCG_KP_EK_CERTIFICATE)) {
            return Err(Error::Usage("it lacks the key usage of endorsement keys, 2.23.133.8.1"));
        }
        if tbs
            .get_extension::<BasicConstraints>()
            .map_err(bad)?
            .is_some_and(|(_, constraints)| constraints.ca)
        {
            return Err(Error::Usage("it is a CA's"));
        }
        if let Some((_, usage)) = tbs.get_extension::<KeyUsage>().map_err(bad)?
            && !(usage.key_encipherment() || usage.key_agreement())
        {
            return Err(Error::Usage("its key is not for encryption"));
        }
        let mut endorsement = Endorsement::default();
        if let Some((critical, names)) = tbs.get_extension::<SubjectAltName>().map_err(bad)? {
            for name in &names.0 {
                let GeneralName::DirectoryName(name) = name else { continue };
                for attribute in name.iter() {
                    let field = match attribute.oid {
                        TPM_MANUFACTURER => &mut endorsement.manufacturer,
                        TPM_MODEL => &mut endorsement.model,
                        TPM_VERSION => &mut endorsement.version,
                        _ => continue,
                    };
                    *field = Some(text(&attribute.value));
                }
            }
            // RFC 5280 section 4.2: reject a critical extension that cannot be processed.
            if critical && endorsement.manufacturer.is_none() {
                return Err(Error::Critical(self.subject.clone(), SUBJECT_ALT_NAME.to_string()));
            }
        }
        endorsement.manufacturer = endorsement.manufacturer.map(letters);
        Ok(endorsement)
    }

    fn critical(&self, known: &[ObjectIdentifier]) -> Result<(), Error> {
        let extensions = self.parsed.tbs_certificate().extensions().map(Vec::as_slice).unwrap_or_default();
        match extensions.iter().find(|extension| extension.critical && !known.contains(&extension.extn_id)) {
            Some(unknown) => Err(Error::Critical(self.subject.clone(), unknown.extn_id.to_string())),
            None => Ok(()),
        }
    }
}

fn text(value: &x509_cert::der::asn1::Any) -> String {
    String::from_utf8_lossy(AnyRef::from(value).value())
        .chars()
        .filter(|c| !c.is_control())
        .take(64)
        .collect()
}

/// Decodes `id:494E5443` to `INTC`.
fn letters(manufacturer: String) -> String {
    let id = manufacturer.strip_prefix("id:").filter(|id| id.len() == 8);
    let id = id.and_then(|id| u32::from_str_radix(id, 16).ok()).map(u32::to_be_bytes);
    match id {
        Some(id) if id.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') => {
            id.iter().copied().map(char::from).collect()
        }
        _ => manufacturer,
    }
}

/// Parses an RSAPublicKey into modulus and exponent.
fn rsa_key(der: &[u8]) -> Option<(Vec<u8>, u64)> {
    let mut reader = SliceReader::new(der).ok()?;
    Header::decode(&mut reader).ok()?;
    let modulus = UintRef::decode(&mut reader).ok()?.as_bytes().to_vec();
    let exponent = UintRef::decode(&mut reader).ok()?.as_bytes().to_vec();
    let exponent =
        exponent.iter().try_fold(0u64, |sum, byte| Some(sum.checked_mul(256)? + u64::from(*byte)))?;
    Some((modulus, exponent))
}

/// The DER element at the front: a certificate is a SEQUENCE whose length takes one to three bytes.
fn first_element(bytes: &[u8]) -> Option<&[u8]> {
    let (head, length) = match bytes {
        [0x30, length @ 0..=0x7f, ..] => (2, usize::from(*length)),
        [0x30, 0x81, length, ..] => (3, usize::from(*length)),
        [0x30, 0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        _ => return None,
    };
    bytes.get(..head + length)
}
