//! Authenticator data (WebAuthn Level 3, section 6.1), and where an attestation object carries them.

use vitalsign_protocol::cbor::Value;

/// More bytes than authenticator data have.
pub(crate) const MAX_BYTES: usize = 16 * 1024;
/// The most bytes of a credential's id (section 4, Credential ID).
pub(crate) const MAX_CREDENTIAL_ID_BYTES: usize = 1023;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED_CREDENTIAL: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

/// The bytes are no authenticator data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the authenticator data cannot be read: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Authenticator data (section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AuthenticatorData<'a> {
    pub(crate) rp_id_hash: &'a [u8; 32],
    flags: u8,
    pub(crate) counter: u32,
    pub(crate) attested: Option<AttestedCredential<'a>>,
}

/// The start of the credential that an attestation is about; its public key follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttestedCredential<'a> {
    pub(crate) aaguid: [u8; 16],
    pub(crate) id: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Those of an assertion: no credential, and extensions only where the flags say so.
    pub(crate) fn of_assertion(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (data, rest) = Self::head(bytes)?;
        if data.flags & ATTESTED_CREDENTIAL != 0 {
            return Err(Malformed("they carry a credential, as only a registration's do"));
        }
        match (data.flags & EXTENSIONS != 0, rest) {
            (false, []) => Ok(data),
            (false, _) => Err(Malformed("bytes follow them")),
            (true, rest) => match Value::decode_preferred(rest) {
                Ok(Value::Map(_)) => Ok(data),
                _ => Err(Malformed("their extensions are not a map in CBOR")),
            },
        }
    }

    /// Those of a registration, up to the credential's public key.
    pub(crate) fn of_registration(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (data, rest) = Self::head(bytes)?;
        if data.flags & ATTESTED_CREDENTIAL == 0 {
            return Err(Malformed("they carry no credential"));
        }
        let short = Malformed("they end within the credential");
        let (aaguid, rest) = rest.split_first_chunk::<16>().ok_or(short)?;
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(short)?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length == 0 || length > MAX_CREDENTIAL_ID_BYTES {
            return Err(Malformed("the credential's id is too long, or empty"));
        }
        let (id, _) = rest.split_at_checked(length).ok_or(short)?;
        Ok(Self { attested: Some(AttestedCredential { aaguid: *aaguid, id }), ..data })
    }

    fn head(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        if bytes.len() > MAX_BYTES {
            return Err(Malformed("too long"));
        }
        let short = Malformed("too short");
        let (rp_id_hash, rest) = bytes.split_first_chunk::<32>().ok_or(short)?;
        let ([flags], rest) = rest.split_first_chunk::<1>().ok_or(short)?;
        let (counter, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
        let counter = u32::from_be_bytes(*counter);
        Ok((Self { rp_id_hash, flags: *flags, counter, attested: None }, rest))
    }

    pub(crate) fn user_present(&self) -> bool {
        self.flags & USER_PRESENT != 0
    }

    pub(crate) fn user_verified(&self) -> bool {
        self.flags & USER_VERIFIED != 0
    }

    pub(crate) fn backup_eligible(&self) -> bool {
        self.flags & BACKUP_ELIGIBLE != 0
    }

    pub(crate) fn backed_up(&self) -> bool {
        self.flags & BACKED_UP != 0
    }
}

/// Attestation object (section 6.5.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attestation {
    pub(crate) format: String,
    pub(crate) authenticator_data: Vec<u8>,
    /// `x5c` of the statement (section 8.2), the attestation certificate first; empty for self attestation.
    pub(crate) certificates: Vec<Vec<u8>>,
}

/// Reads an attestation object. The statement's signature is left for `webauthn-rs` to verify.
pub(crate) fn attestation(bytes: &[u8]) -> Result<Attestation, Malformed> {
    let object =
        Value::decode_preferred(bytes).map_err(|_| Malformed("the attestation object is not CBOR"))?;
    let object = object.entries().ok_or(Malformed("the attestation object is not a map"))?;
    let format =
        member(object, "fmt").and_then(Value::text).ok_or(Malformed("the attestation has no format"))?;
    let authenticator_data = member(object, "authData").and_then(Value::bytes);
    let authenticator_data = authenticator_data.ok_or(Malformed("the attestation object has none"))?;
    let statement = member(object, "attStmt").and_then(Value::entries);
    let statement = statement.ok_or(Malformed("the attestation object has no statement"))?;
    let certificates = match member(statement, "x5c") {
        None => Vec::new(),
        Some(list) => {
            let items =
                list.items().and_then(|items| items.iter().map(Value::bytes).collect::<Option<Vec<_>>>());
            let items = items.ok_or(Malformed("x5c is not a list of certificates"))?;
            items.into_iter().map(<[u8]>::to_vec).collect()
        }
    };
    Ok(Attestation {
        format: format.to_owned(),
        authenticator_data: authenticator_data.to_vec(),
        certificates,
    })
}

fn member<'a, 'b>(map: &'b [(Value<'a>, Value<'a>)], name: &str) -> Option<&'b Value<'a>> {
    map.iter().find(|(key, _)| key.text() == Some(name)).map(|(_, value)| value)
}
