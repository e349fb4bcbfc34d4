//! One certificate, with the bytes that its issuer signed.

use crate::Error;
use crate::signature;
use std::time::Duration;
use x509_cert::certificate::{CertificateInner, Raw, TbsCertificateInner};
use x509_cert::der::{Decode, Encode, Header, Reader, SliceReader, oid::ObjectIdentifier};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// More bytes than a certificate has.
pub const MAX_CERTIFICATE_BYTES: usize = 8 * 1024;

/// Object identifiers of extensions and keys.
#[expect(missing_docs, reason = "the names are those of RFC 5280 and RFC 5480")]
pub mod oids {
    use x509_cert::der::oid::ObjectIdentifier;

    const fn oid(text: &str) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(text)
    }
    pub const BASIC_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.19");
    pub const KEY_USAGE: ObjectIdentifier = oid("2.5.29.15");
    pub const EXTENDED_KEY_USAGE: ObjectIdentifier = oid("2.5.29.37");
    pub const SUBJECT_ALT_NAME: ObjectIdentifier = oid("2.5.29.17");
    /// We ask for no policy in particular, so that any is satisfied.
    pub const CERTIFICATE_POLICIES: ObjectIdentifier = oid("2.5.29.32");
    pub const RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
    /// Some makers say of their RSA keys that they are for OAEP only.
    pub const RSA_OAEP: ObjectIdentifier = oid("1.2.840.113549.1.1.7");
    pub const EC: ObjectIdentifier = oid("1.2.840.10045.2.1");
    pub const P256: ObjectIdentifier = oid("1.2.840.10045.3.1.7");
    pub const P384: ObjectIdentifier = oid("1.3.132.0.34");
    pub const P521: ObjectIdentifier = oid("1.3.132.0.35");
}

/// A certificate, with the bytes that its issuer signed.
#[derive(Clone, Debug)]
pub struct Certificate {
    parsed: CertificateInner<Raw>,
    der: Vec<u8>,
    signed: Vec<u8>,
    /// As text: RFC 5280 section 7.1 compares names whatever the types of their strings.
    subject: String,
    issuer: String,
}

impl Certificate {
    /// Reads a certificate in DER. Bytes behind it, as NV memory has them, are ignored. `what` names it in the error.
    ///
    /// # Errors
    /// It cannot be read, or is longer than [`MAX_CERTIFICATE_BYTES`].
    pub fn parse(bytes: &[u8], what: &'static str) -> Result<Self, Error> {
        let bad = || Error::Malformed(what);
        let der = first_element(bytes).filter(|der| der.len() <= MAX_CERTIFICATE_BYTES).ok_or_else(bad)?;
        let parsed = CertificateInner::<Raw>::from_der(der).map_err(|_| bad())?;
        let signed = signed_part(der).ok_or_else(bad)?.to_vec();
        let tbs = parsed.tbs_certificate();
        if tbs.signature() != parsed.signature_algorithm() {
            return Err(bad());
        }
        let (subject, issuer) = (tbs.subject().to_string(), tbs.issuer().to_string());
        Ok(Self { parsed, der: der.to_vec(), signed, subject, issuer })
    }

    /// Returns the certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the signed content.
    #[must_use]
    pub fn content(&self) -> &TbsCertificateInner<Raw> {
        self.parsed.tbs_certificate()
    }

    /// Returns the subject; empty in many EK certificates.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns the issuer's name.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns a name for people: the subject, or else the issuer.
    #[must_use]
    pub fn name(&self) -> String {
        match self.subject.as_str() {
            "" => format!("issued by {:?}", self.issuer),
            subject => format!("of {subject:?}"),
        }
    }

    /// Returns the public key.
    #[must_use]
    pub fn key(&self) -> &SubjectPublicKeyInfoOwned {
        self.content().subject_public_key_info()
    }

    /// Returns the curve of an EC key.
    #[must_use]
    pub fn curve(&self) -> Option<ObjectIdentifier> {
        self.key().algorithm.parameters.as_ref()?.decode_as().ok()
    }

    /// Returns the end of its validity, in seconds since 1970.
    #[must_use]
    pub fn not_after(&self) -> u64 {
        self.content().validity().not_after.to_unix_duration().as_secs()
    }

    /// Checks that `now`, since 1970, is within its validity.
    ///
    /// # Errors
    /// [`Error::Expired`] or [`Error::NotYetValid`].
    pub fn valid(&self, now: Duration) -> Result<(), Error> {
        if now < self.content().validity().not_before.to_unix_duration() {
            return Err(Error::NotYetValid(self.name()));
        }
        if now > self.content().validity().not_after.to_unix_duration() {
            return Err(Error::Expired { name: self.name(), until: self.not_after() });
        }
        Ok(())
    }

    /// Checks that it has no critical extension except those that the caller processes (RFC 5280 section 4.2).
    ///
    /// # Errors
    /// [`Error::Critical`] names the first other one.
    pub fn critical(&self, known: &[ObjectIdentifier]) -> Result<(), Error> {
        let extensions = self.content().extensions().map(Vec::as_slice).unwrap_or_default();
        match extensions.iter().find(|extension| extension.critical && !known.contains(&extension.extn_id)) {
            Some(unknown) => Err(Error::Critical(self.name(), unknown.extn_id.to_string())),
            None => Ok(()),
        }
    }

    /// Returns whether BasicConstraints say that it is a CA's; `None` if there are none.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn is_ca(&self) -> Result<Option<bool>, Error> {
        Ok(self.constraints()?.map(|constraints| constraints.ca))
    }

    /// Returns KeyUsage, if it has any.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn key_usage(&self) -> Result<Option<KeyUsage>, Error> {
        let usage = self.content().get_extension::<KeyUsage>();
        Ok(usage
            .map_err(|_| Error::Malformed("a certificate on the way to the root"))?
            .map(|(_, usage)| usage))
    }

    fn constraints(&self) -> Result<Option<BasicConstraints>, Error> {
        let constraints = self.content().get_extension::<BasicConstraints>();
        let constraints =
            constraints.map_err(|_| Error::Malformed("a certificate on the way to the root"))?;
        Ok(constraints.map(|(_, constraints)| constraints))
    }

    /// Returns whether this key made the certificate's signature.
    pub(crate) fn signed(&self, certificate: &Self) -> bool {
        let Some(signature) = certificate.parsed.signature().as_bytes() else { return false };
        signature::verify(
            self.key(),
            &certificate.parsed.signature_algorithm().oid,
            &certificate.signed,
            signature,
        )
    }

    pub(crate) fn is_signed_with_sha1(&self) -> bool {
        signature::is_sha1(&self.parsed.signature_algorithm().oid)
    }

    pub(crate) fn serial(&self) -> &[u8] {
        self.content().serial_number().as_bytes()
    }

    /// Checks that this may be the issuer of a certificate with `below` CAs between itself and the path's first. A
    /// trust anchor is trusted because it is listed, so it needs no BasicConstraints (RFC 5280 section 6.1.1 d); where
    /// it has them, they hold. An absent KeyUsage permits every usage (section 4.2.1.3).
    pub(crate) fn may_issue(&self, below: u8, is_anchor: bool) -> Result<(), Error> {
        use oids::{BASIC_CONSTRAINTS, CERTIFICATE_POLICIES, EXTENDED_KEY_USAGE, KEY_USAGE};
        self.critical(&[BASIC_CONSTRAINTS, KEY_USAGE, CERTIFICATE_POLICIES, EXTENDED_KEY_USAGE])?;
        match self.constraints()? {
            None if is_anchor => {}
            Some(constraints) if constraints.ca => {
                if constraints.path_len_constraint.is_some_and(|most| below > most) {
                    return Err(Error::Issuer("there are more CAs on the way than one of them allows"));
                }
            }
            _ => return Err(Error::Issuer("it is not a CA")),
        }
        match self.key_usage()? {
            Some(usage) if !usage.key_cert_sign() => Err(Error::Issuer("its key usage lacks keyCertSign")),
            _ => Ok(()),
        }
    }

    /// Checks whether a path can end at this certificate at `now` (since 1970), if it is listed as a trust anchor: as an
    /// issuer, or as the certificate itself.
    ///
    /// # Errors
    /// The reason why none can.
    pub fn usable_as_anchor(&self, now: Duration) -> Result<(), Error> {
        self.valid(now)?;
        // The certificate of an end, listed itself, issues none.
        if self.is_ca()? == Some(false) { Ok(()) } else { self.may_issue(0, true) }
    }

    /// Returns the key in DER, to tell keys apart.
    pub(crate) fn key_der(&self) -> Vec<u8> {
        self.key().to_der().unwrap_or_default()
    }
}

/// The first element within the outer SEQUENCE of a signed structure: the bytes that were signed.
pub(crate) fn signed_part(der: &[u8]) -> Option<&[u8]> {
    let mut reader = SliceReader::new(der).ok()?;
    Header::decode(&mut reader).ok()?;
    reader.tlv_bytes().ok()
}

/// Returns the DER element at the front: a certificate is a SEQUENCE whose length takes one to three bytes.
#[must_use]
pub fn first_element(bytes: &[u8]) -> Option<&[u8]> {
    let (head, length) = match bytes {
        [0x30, length @ 0..=0x7f, ..] => (2, usize::from(*length)),
        [0x30, 0x81, length, ..] => (3, usize::from(*length)),
        [0x30, 0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        _ => return None,
    };
    bytes.get(..head + length)
}
