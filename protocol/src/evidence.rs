//! Evidence: a device's posture as an EAT (RFC 9711) in a CWT, signed with ES256 by its report key.
//!
//! ```text
//! Posture -> Claims -> sign -> bytes -> parse -> Unverified -> verify -> Claims
//! ```

use crate::cbor::{MapBuilder, Value};
use crate::cose::{self, PublicKey, Sign1};
use crate::device_names::DeviceNames;
use crate::id::{Digest, EnrolmentId, Nonce, PinPeriodId, Thumbprint};
use crate::posture::Posture;

/// Our profile: the UUID `6147dd02-bc77-4870-a9ca-5d6ceaefce56` under the arc 2.25.
pub const PROFILE: &str = "2.25.129308251297398930588591128338249010774";
/// The profile as an object identifier's BER content (RFC 9711 section 4.3.2).
pub const PROFILE_OID: [u8; 20] = oid_of_uuid(0x6147_dd02_bc77_4870_a9ca_5d6c_eaef_ce56);
/// The COSE `typ` header, and the body's media type.
pub const MEDIA_TYPE: &str = "application/eat+cwt";
/// The most bytes of evidence without an event log.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most bytes of evidence that carries an event log (registration, or after a boot).
pub const MAX_BYTES_WITH_LOG: usize = 4 * 1024 * 1024;

const IAT: i64 = 6;
const CTI: i64 = 7;
const NONCE: i64 = 10;
const SUEIDS: i64 = 257;
const UPTIME: i64 = 261;
const PROFILE_LABEL: i64 = 265;
const SUBMODS: i64 = 266;
const BOOT_COUNT: i64 = 267;
const INTENDED_USE: i64 = 275;
const FACTS: i64 = -75000;
const TPM_EVIDENCE: i64 = -75001;
const PIN_PERIOD: i64 = -75002;
const NAMES: i64 = -75003;
/// UEID type RAND (RFC 9711 section 4.2.1).
const RAND: u8 = 0x01;

/// `intuse` (RFC 9711 section 4.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntendedUse {
    /// Generic (1): used for reports.
    Report,
    /// Registration (2): used at enrolment.
    Registration,
    /// 5, proof of possession: a step-up.
    StepUp,
}

impl IntendedUse {
    const ALL: [(u64, Self); 3] = [(1, Self::Report), (2, Self::Registration), (5, Self::StepUp)];

    fn code(self) -> u64 {
        Self::ALL.iter().find(|(_, it)| *it == self).map_or(1, |(code, _)| *code)
    }
}

/// Boot attestation, inside `submods.boot` if the verifier requested it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootEvidence {
    /// TPMS_ATTEST of the quote.
    pub quote: Vec<u8>,
    /// TPMT_SIGNATURE by the attestation key.
    pub signature: Vec<u8>,
    /// The quoted PCRs of the SHA-256 bank, by number.
    pub pcrs: Vec<(u8, [u8; 32])>,
    /// The firmware's event log, where there is one.
    pub log: Option<Vec<u8>>,
}

/// Claims set of the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Seconds since 1970, by the device's clock. Informative: freshness comes from the nonce.
    pub issued_at: u64,
    /// Random identifier, unique per token.
    pub token_id: [u8; 16],
    /// The verifier's nonce; at step-up the transaction's digest after it.
    pub nonces: Vec<Nonce>,
    /// The device's enrolment; none while it enrols.
    pub enrolment: Option<EnrolmentId>,
    /// Time since boot in seconds.
    pub uptime: Option<u64>,
    /// Boots so far, as the TPM counts them.
    pub boot_count: Option<u64>,
    /// Intended use (RFC 9711 section 4.3.3).
    pub intended_use: IntendedUse,
    /// At a step-up, the PIN period of the device, if one runs.
    pub pin_period: Option<PinPeriodId>,
    /// In a report or a registration, the device's names, which replace those that it said before. `None` changes none.
    pub names: Option<DeviceNames>,
    /// Facts of all submodules.
    pub posture: Posture,
    /// The TPM's word on the boot.
    pub boot: Option<BootEvidence>,
}

/// Reason why evidence was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More bytes than are read.
    #[error("{0} bytes are more than the {1} that are accepted")]
    TooLarge(usize, usize),
    /// The COSE_Sign1 is not acceptable, or its signature is invalid.
    #[error("{0}")]
    Cose(#[from] cose::Error),
    /// A header is missing, in the wrong place, or not ours.
    #[error("header: {0}")]
    Header(&'static str),
    /// A claim is missing or not of its type.
    #[error("claim: {0}")]
    Claim(&'static str),
    /// The key is not the one named in the evidence.
    #[error("the evidence names another key")]
    OtherKey,
}

impl From<crate::cbor::Error> for Error {
    fn from(error: crate::cbor::Error) -> Self {
        Self::Cose(error.into())
    }
}

impl Claims {
    /// Builds and signs. `sign` gets SHA-256 of the `Sig_structure` and answers `r || s`, 64 bytes.
    ///
    /// # Errors
    /// What `sign` says.
    pub fn sign<E>(
        &self,
        kid: &Thumbprint,
        sign: impl FnOnce(&Digest) -> Result<[u8; 64], E>,
    ) -> Result<Vec<u8>, E> {
        let protected = protected(kid);
        let payload = self.to_value().encode();
        let digest = Digest::of(&cose::to_be_signed(&protected, &[], &payload));
        Ok(Sign1::encode(&protected, &payload, &sign(&digest)?))
    }

    fn to_value(&self) -> Value<'_> {
        let mut claims = MapBuilder::default()
            .with(IAT, self.issued_at)
            .with(CTI, self.token_id.as_slice())
            .with(PROFILE_LABEL, PROFILE_OID.to_vec())
            .with(INTENDED_USE, self.intended_use.code());
        match self.nonces.as_slice() {
            [nonce] => claims.push(NONCE, nonce.as_bytes()),
            nonces => claims.push(NONCE, Value::Array(nonces.iter().map(|n| n.as_bytes().into()).collect())),
        }
        if let Some(enrolment) = &self.enrolment {
            let mut ueid = vec![RAND];
            ueid.extend_from_slice(enrolment.as_bytes());
            claims.push(SUEIDS, MapBuilder::default().with("enrolment", ueid).build());
        }
        if let Some(uptime) = self.uptime {
            claims.push(UPTIME, uptime);
        }
        if let Some(count) = self.boot_count {
            claims.push(BOOT_COUNT, count);
        }
        if let Some(period) = &self.pin_period {
            claims.push(PIN_PERIOD, period.as_bytes());
        }
        if let Some(names) = &self.names {
            claims.push(NAMES, names.to_value());
        }
        let mut submods = MapBuilder::default();
        for (name, facts) in self.posture.submodules() {
            let mut submod = MapBuilder::default().with(FACTS, facts);
            if let ("boot", Some(boot)) = (name, &self.boot) {
                submod.push(TPM_EVIDENCE, boot.to_value());
            }
            submods.push(name, submod.build());
        }
        claims.push(SUBMODS, submods.build());
        claims.build()
    }

    /// The claims, and the names of those that this version does not know: to be logged, and never judged.
    fn from_value(value: &Value<'_>) -> Result<(Self, Vec<String>), Error> {
        const KNOWN: [i64; 11] = [
            IAT,
            CTI,
            NONCE,
            SUEIDS,
            UPTIME,
            PROFILE_LABEL,
            SUBMODS,
            BOOT_COUNT,
            INTENDED_USE,
            PIN_PERIOD,
            NAMES,
        ];
        let entries = value.entries().ok_or(Error::Claim("the claims set is not a map"))?;
        let mut unknown: Vec<String> = (entries.iter())
            .filter(|(label, _)| !label.integer().is_some_and(|n| KNOWN.contains(&n)))
            .map(|(label, _)| label.integer().map_or_else(|| "?".to_owned(), |n| n.to_string()))
            .collect();

        if value.get(PROFILE_LABEL).and_then(Value::bytes) != Some(&PROFILE_OID) {
            return Err(Error::Claim("eat_profile is not ours"));
        }
        let seconds = |label| match value.get(label) {
            None => Ok(None),
            Some(Value::Unsigned(n)) => Ok(Some(*n)),
            Some(_) => Err(Error::Claim("iat, uptime and bootcount are unsigned integers")),
        };
        let token_id = value.get(CTI).and_then(Value::bytes).and_then(|id| id.try_into().ok());
        let intended_use = seconds(INTENDED_USE)?.ok_or(Error::Claim("intuse is missing"))?;
        let (mut posture, mut boot) = (Posture::default(), None);
        let submods =
            value.get(SUBMODS).and_then(Value::entries).ok_or(Error::Claim("submods is missing"))?;
        for (name, submod) in submods {
            let name = name.text().ok_or(Error::Claim("a submodule's name is not text"))?;
            let claims = submod.entries().ok_or(Error::Claim("a submodule is not a claims set"))?;
            for (label, claim) in claims {
                match (name, label.integer()) {
                    (_, Some(FACTS)) => {
                        let facts = posture.take(name, claim);
                        unknown.extend(facts.ok_or(Error::Claim("a fact is not of its type"))?);
                    }
                    ("boot", Some(TPM_EVIDENCE)) => boot = Some(BootEvidence::from_value(claim)?),
                    (name, label) => unknown.push(format!("{name}.{}", label.unwrap_or_default())),
                }
            }
        }
        let names = match value.get(NAMES).map(DeviceNames::from_value) {
            None => None,
            Some(Some((names, others))) => {
                unknown.extend(others);
                Some(names)
            }
            Some(None) => return Err(Error::Claim("a name of the device is malformed")),
        };
        let claims = Self {
            issued_at: seconds(IAT)?.ok_or(Error::Claim("iat is missing"))?,
            token_id: token_id.ok_or(Error::Claim("cti is not 16 bytes"))?,
            nonces: nonces(value.get(NONCE).ok_or(Error::Claim("eat_nonce is missing"))?)?,
            enrolment: value.get(SUEIDS).map(enrolment).transpose()?,
            uptime: seconds(UPTIME)?,
            boot_count: seconds(BOOT_COUNT)?,
            intended_use: (IntendedUse::ALL.iter().find(|(code, _)| *code == intended_use))
                .map(|(_, it)| *it)
                .ok_or(Error::Claim("intuse is not one that we know"))?,
            pin_period: value.get(PIN_PERIOD).map(pin_period).transpose()?,
            names,
            posture,
            boot,
        };
        Ok((claims, unknown))
    }
}

fn protected(kid: &Thumbprint) -> Vec<u8> {
    let headers = MapBuilder::default()
        .with(cose::ALG, cose::ES256)
        .with(cose::KID, kid.as_bytes())
        .with(cose::TYP, MEDIA_TYPE);
    headers.build().encode()
}

fn nonces(value: &Value<'_>) -> Result<Vec<Nonce>, Error> {
    let one = |v: &Value<'_>| {
        v.bytes().and_then(Nonce::from_slice).ok_or(Error::Claim("eat_nonce is not 32 bytes"))
    };
    match value.items() {
        None => Ok(vec![one(value)?]),
        Some([a, b]) => Ok(vec![one(a)?, one(b)?]),
        Some(_) => Err(Error::Claim("eat_nonce has one or two entries")),
    }
}

fn enrolment(sueids: &Value<'_>) -> Result<EnrolmentId, Error> {
    match sueids.entries() {
        Some([(Value::Text(name), Value::Bytes(ueid))]) if name == "enrolment" => match ueid.split_first() {
            Some((&RAND, id)) => EnrolmentId::from_slice(id),
            _ => None,
        },
        _ => None,
    }
    .ok_or(Error::Claim("sueids is not one enrolment"))
}

fn pin_period(value: &Value<'_>) -> Result<PinPeriodId, Error> {
    value.bytes().and_then(PinPeriodId::from_slice).ok_or(Error::Claim("the PIN period is not 16 bytes"))
}

impl BootEvidence {
    fn to_value(&self) -> Value<'_> {
        let pcrs = self
            .pcrs
            .iter()
            .fold(MapBuilder::default(), |map, (index, value)| map.with(u64::from(*index), value.as_slice()));
        let mut map = MapBuilder::default()
            .with(1i64, self.quote.as_slice())
            .with(2i64, self.signature.as_slice())
            .with(3i64, pcrs.build());
        if let Some(log) = &self.log {
            map.push(4i64, log.as_slice());
        }
        map.build()
    }

    fn from_value(value: &Value<'_>) -> Result<Self, Error> {
        const WRONG: Error = Error::Claim("the TPM evidence is not complete");
        let bytes = |label| value.get(label).map(|v| v.bytes().map(<[u8]>::to_vec).ok_or(WRONG)).transpose();
        let pcrs = value.get(3).and_then(Value::entries).ok_or(WRONG)?.iter();
        let pcrs = pcrs.map(|(index, digest)| {
            let index = index.integer().and_then(|n| u8::try_from(n).ok()).filter(|n| *n < 24);
            Some((index?, digest.bytes()?.try_into().ok()?))
        });
        Ok(Self {
            quote: bytes(1)?.ok_or(WRONG)?,
            signature: bytes(2)?.ok_or(WRONG)?,
            pcrs: pcrs.collect::<Option<_>>().ok_or(WRONG)?,
            log: bytes(4)?,
        })
    }
}

/// Well-formed evidence whose signature has not been verified.
#[derive(Clone, Debug)]
pub struct Unverified {
    kid: Thumbprint,
    sign1: Sign1,
    claims: Claims,
    unknown: Vec<String>,
}

/// Evidence with a verified signature.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Verified claims set.
    pub claims: Claims,
    /// Claims that this version does not know, by label. Log them; they take no part in the judgement.
    pub unknown: Vec<String>,
}

/// Parses evidence of at most `max_bytes`: [`MAX_BYTES`], or [`MAX_BYTES_WITH_LOG`] where a log is expected.
///
/// The verifier finds the report key by [`Unverified::kid`]; only [`Unverified::verify`] gives claims to rely on.
///
/// ```
/// # use aws_lc_rs::digest::{Digest, SHA256};
/// # use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
/// use vitalsign_protocol::cose::PublicKey;
/// use vitalsign_protocol::evidence::{self, Claims, Error, IntendedUse, MAX_BYTES};
/// use vitalsign_protocol::id::{EnrolmentId, Nonce};
/// use vitalsign_protocol::posture::Posture;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
/// # let other_pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
/// # let other_key = PublicKey::from_point(other_pair.public_key().as_ref())?;
/// # let sign = |digest: &vitalsign_protocol::id::Digest| -> Result<[u8; 64], Box<dyn std::error::Error>> {
/// #     let digest = Digest::import_less_safe(digest.as_bytes(), &SHA256)?;
/// #     Ok(pair.sign_digest(&digest)?.as_ref().try_into()?)
/// # };
/// let report_key = PublicKey::from_point(pair.public_key().as_ref())?;
/// let claims = Claims {
///     issued_at: 1_790_000_000,
///     token_id: [7; 16],
///     nonces: vec![Nonce([9; 32])],
///     enrolment: Some(EnrolmentId([1; 16])),
///     uptime: Some(3600),
///     boot_count: None,
///     intended_use: IntendedUse::Report,
///     pin_period: None,
///     names: None,
///     posture: Posture::default(),
///     boot: None,
/// };
/// let mut bytes = claims.sign(&report_key.thumbprint(), sign)?;
///
/// let unverified = evidence::parse(&bytes, MAX_BYTES)?;
/// assert_eq!(unverified.kid(), report_key.thumbprint());
/// assert_eq!(unverified.clone().verify(&other_key).err(), Some(Error::OtherKey));
/// assert_eq!(unverified.verify(&report_key)?.claims, claims);
///
/// // The last byte belongs to the signature.
/// *bytes.last_mut().ok_or("no evidence")? ^= 1;
/// assert!(evidence::parse(&bytes, MAX_BYTES)?.verify(&report_key).is_err());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When it is too large, not strictly well-formed, or not of our profile.
pub fn parse(bytes: &[u8], max_bytes: usize) -> Result<Unverified, Error> {
    if bytes.len() > max_bytes {
        return Err(Error::TooLarge(bytes.len(), max_bytes));
    }
    let sign1 = Sign1::parse(bytes)?;
    if sign1.unprotected != 0 {
        return Err(Error::Header("unprotected headers are not accepted"));
    }
    if sign1.signature.len() != 64 {
        return Err(Error::Header("an ES256 signature has 64 bytes"));
    }
    let kid = kid_of_headers(&sign1.protected)?;
    let (claims, unknown) = Claims::from_value(&Value::decode(&sign1.payload)?)?;
    Ok(Unverified { kid, claims, unknown, sign1 })
}

/// Returns the key that the evidence says it is signed with, from its first bytes: before the rest has been received,
/// a verifier can then tell whose evidence it is.
///
/// # Errors
/// The bytes are not the beginning of evidence.
pub fn kid_of_start(start: &[u8]) -> Result<Thumbprint, Error> {
    // Tag 18, an array of four, and a byte string of up to 255 bytes (RFC 9052 section 4.2, RFC 8949 section 3).
    let beginning = Error::Header("the evidence does not begin with tag 18 and its protected headers");
    let rest = start.strip_prefix(&[0xd2, 0x84]).ok_or(beginning)?;
    let headers = match rest {
        [0x58, length, rest @ ..] => rest.get(..usize::from(*length)),
        [head @ 0x40..=0x57, rest @ ..] => rest.get(..usize::from(head - 0x40)),
        _ => None,
    };
    kid_of_headers(headers.ok_or(beginning)?)
}

fn kid_of_headers(protected: &[u8]) -> Result<Thumbprint, Error> {
    let headers = Value::decode(protected)?;
    if headers.entries().is_none_or(|all| all.len() != 3) {
        return Err(Error::Header("alg, kid and typ, and no others"));
    }
    if headers.get(cose::ALG).and_then(Value::integer) != Some(cose::ES256) {
        return Err(Error::Header("alg is not ES256"));
    }
    if headers.get(cose::TYP).and_then(Value::text) != Some(MEDIA_TYPE) {
        return Err(Error::Header("typ is not application/eat+cwt"));
    }
    let kid = headers.get(cose::KID).and_then(Value::bytes).and_then(Thumbprint::from_slice);
    kid.ok_or(Error::Header("kid is not a SHA-256 thumbprint"))
}

impl Unverified {
    /// The key it says it is signed with.
    #[must_use]
    pub fn kid(&self) -> Thumbprint {
        self.kid
    }

    /// Returns the claims and the names of unknown ones, for display only.
    #[must_use]
    pub fn claims_unverified(&self) -> (&Claims, &[String]) {
        (&self.claims, &self.unknown)
    }

    /// Verifies the signature.
    ///
    /// # Errors
    /// `key` is not the key that the evidence names, or the signature is invalid.
    pub fn verify(self, key: &PublicKey) -> Result<Verified, Error> {
        if key.thumbprint() != self.kid {
            return Err(Error::OtherKey);
        }
        self.sign1.verify(key, &[])?;
        Ok(Verified { claims: self.claims, unknown: self.unknown })
    }
}

/// Computes the `extraData` of a quote (protocol.md, "TPM quote").
#[must_use]
pub fn quote_extra_data(nonce: &Nonce, report_key: &Thumbprint) -> Digest {
    Digest::labelled("vitalsign-quote-v1", &[nonce.as_bytes(), report_key.as_bytes()])
}

/// Computes the `extraData` of a report key's certification.
#[must_use]
pub fn certify_extra_data(report_key: &Thumbprint) -> Digest {
    Digest::labelled("vitalsign-certify-v1", &[report_key.as_bytes()])
}

/// BER content of 2.25.`uuid`: one octet for 2.25 (105), then base 128, 19 octets for 128 bits.
const fn oid_of_uuid(uuid: u128) -> [u8; 20] {
    const LOW: u128 = 0x7f;
    let mut out = [0x80; 20];
    let mut rest = uuid;
    let mut i = 20;
    while i > 1 {
        i -= 1;
        let [low, ..] = (rest & LOW).to_le_bytes();
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler: an index out of range does not build"
        )]
        {
            out[i] = if i == 19 { low } else { low | 0x80 };
        }
        rest >>= 7;
    }
    let [first, ..] = &mut out;
    *first = 105;
    out
}
