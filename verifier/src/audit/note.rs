//! Signed notes (C2SP signed-note): a text with signatures, each with its key's name and a short ID of the key.
//!
//! Two types of signature are known: Ed25519 (0x01), with which the log signs, and the timestamped cosignature of a
//! witness (0x04, C2SP tlog-cosignature). Signatures by other keys are kept and ignored.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::str::FromStr;
use vitalsign_protocol::id::{Digest, hex};
use zeroize::Zeroizing;

/// The most bytes of a note.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most signatures of a note. The format requires at least 16.
pub const MAX_SIGNATURES: usize = 64;
/// Length of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;

/// A note was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    #[error("not a checkpoint: {0}")]
    Checkpoint(&'static str),
    #[error("not a verifier key: {0}")]
    Key(&'static str),
    /// The note has no signature by this key.
    #[error("{0} has not signed it")]
    Unsigned(String),
    /// The signature names this key and is invalid.
    #[error("the signature of {0} is invalid")]
    Signature(String),
    #[error("it is of the log {0}")]
    Origin(String),
}

/// Line of a note: the signature of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    pub name: String,
    pub key_id: [u8; 4],
    pub signature: Vec<u8>,
}

/// Text with signatures. Parsing verifies none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    /// The text, with the newline at its end.
    pub text: String,
    pub signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// Returns the first of these keys that has signed the note.
    ///
    /// # Errors
    /// None has, or the signature of one is invalid.
    pub fn signer<'a>(&self, keys: &'a [VerifierKey]) -> Result<&'a VerifierKey, NoteError> {
        let mut signer = None;
        for key in keys {
            match key.verify(self) {
                Ok(_) => signer = signer.or(Some(key)),
                Err(NoteError::Unsigned(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let names = || keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        signer.ok_or_else(|| NoteError::Unsigned(names()))
    }
}

impl FromStr for SignedNote {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_BYTES {
            return Err(NoteError::Malformed("it is too long"));
        }
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Malformed("it has control characters"));
        }
        let end = note.rfind("\n\n").ok_or(NoteError::Malformed("it has no signatures"))?;
        let (text, lines) = note.split_at(end + 1);
        let lines = lines.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let lines = lines.ok_or(NoteError::Malformed("the last line does not end"))?;
        let signatures = lines.split('\n').map(str::parse).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::Malformed("it has too many signatures"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }
}

impl FromStr for NoteSignature {
    type Err = NoteError;

    fn from_str(line: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Malformed("a signature line");
        let (name, signature) =
            line.strip_prefix("\u{2014} ").and_then(|line| line.split_once(' ')).ok_or(malformed.clone())?;
        let bytes = STANDARD.decode(signature).map_err(|_| malformed.clone())?;
        match (is_name(name), bytes.split_first_chunk::<4>()) {
            (true, Some((key_id, signature))) if !signature.is_empty() => {
                Ok(Self { name: name.to_owned(), key_id: *key_id, signature: signature.to_vec() })
            }
            _ => Err(malformed),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for NoteSignature { name, key_id, signature } in &self.signatures {
            writeln!(f, "\u{2014} {name} {}", STANDARD.encode([key_id, signature.as_slice()].concat()))?;
        }
        Ok(())
    }
}

/// Type of a key's signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureType {
    /// Ed25519 over the text.
    Ed25519,
    /// A witness's Ed25519 over a time and the text.
    Cosignature,
}

impl SignatureType {
    fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

/// Public key of a log or witness. Its text is `NAME+ID+KEY`, the "vkey" of Go's `sumdb/note`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: SignatureType,
    public: [u8; 32],
}

impl VerifierKey {
    /// # Errors
    /// The name is empty, or has spaces or a plus sign.
    pub fn new(name: &str, kind: SignatureType, public: [u8; 32]) -> Result<Self, NoteError> {
        match is_name(name) {
            true => Ok(Self { name: name.to_owned(), kind, public }),
            false => Err(NoteError::Key("the name")),
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn kind(&self) -> SignatureType {
        self.kind
    }

    /// Returns the first bytes of SHA-256 over name, type and key.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let input = [self.name.as_bytes(), b"\n", &[self.kind.byte()], &self.public].concat();
        let [a, b, c, d, ..] = Digest::of(&input).0;
        [a, b, c, d]
    }

    /// Verifies this key's signature on the note. Returns the time of a cosignature, in seconds since 1970.
    ///
    /// # Errors
    /// The key has not signed the note, or its signature is invalid.
    pub fn verify(&self, note: &SignedNote) -> Result<Option<u64>, NoteError> {
        let id = self.id();
        let mut times = Vec::new();
        for it in note.signatures.iter().filter(|it| it.name == self.name && it.key_id == id) {
            times.push(self.verify_one(&note.text, &it.signature)?);
        }
        times.into_iter().max().ok_or_else(|| NoteError::Unsigned(self.name.clone()))
    }

    fn verify_one(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, NoteError> {
        let invalid = || NoteError::Signature(self.name.clone());
        let (time, message, signature) = match self.kind {
            SignatureType::Ed25519 => (None, text.to_owned(), signature),
            SignatureType::Cosignature => {
                let (time, signature) = signature.split_first_chunk::<8>().ok_or_else(invalid)?;
                let time = u64::from_be_bytes(*time);
                (Some(time), cosigned(text, time), signature)
            }
        };
        if signature.len() != SIGNATURE_BYTES || time.is_some_and(|time| i64::try_from(time).is_err()) {
            return Err(invalid());
        }
        let key = UnparsedPublicKey::new(&ED25519, self.public);
        key.verify(message.as_bytes(), signature).map_err(|_| invalid())?;
        Ok(time)
    }
}

/// Message that a witness signs.
fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[self.kind.byte()], self.public.as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, hex(&self.id()))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim_end().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("NAME+ID+KEY was expected"));
        };
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::Key("the key is not base64"))?;
        let (kind, public) = bytes.split_first().ok_or(NoteError::Key("the key is empty"))?;
        let kind = match kind {
            0x01 => SignatureType::Ed25519,
            0x04 => SignatureType::Cosignature,
            _ => return Err(NoteError::Key("only Ed25519 is supported, of types 0x01 and 0x04")),
        };
        let public = public.try_into().map_err(|_| NoteError::Key("the key has another length"))?;
        let parsed = Self::new(name, kind, public)?;
        if hex(&parsed.id()) != id {
            return Err(NoteError::Key("the ID is of another key"));
        }
        Ok(parsed)
    }
}

impl<'de> serde::Deserialize<'de> for VerifierKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Private key of a log or witness.
pub struct NoteKey {
    pair: Ed25519KeyPair,
    public: VerifierKey,
}

impl NoteKey {
    /// Generates a key: its public half, and PKCS#8.
    ///
    /// # Errors
    /// The cryptographic library failed.
    pub fn generate() -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), NoteError> {
        let made = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new());
        let made = made.map_err(|_| NoteError::Key("making an Ed25519 key failed"))?;
        let private = Zeroizing::new(made.as_ref().to_vec());
        Ok((Self::public_of(&private)?, private))
    }

    /// Returns the public half of a key in PKCS#8.
    pub(crate) fn public_of(pkcs8: &[u8]) -> Result<Vec<u8>, NoteError> {
        Ok(pair(pkcs8)?.public_key().as_ref().to_vec())
    }

    /// Takes a key in PKCS#8.
    ///
    /// # Errors
    /// It is no Ed25519 key, or the name is invalid.
    pub fn from_pkcs8(pkcs8: &[u8], name: &str, kind: SignatureType) -> Result<Self, NoteError> {
        let pair = pair(pkcs8)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| NoteError::Key("its length"))?;
        Ok(Self { public: VerifierKey::new(name, kind, public)?, pair })
    }

    #[must_use]
    pub fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// Signs the text of a note. `now`, in seconds since 1970, is part of a cosignature.
    #[must_use]
    pub fn sign(&self, text: &str, now: u64) -> NoteSignature {
        let signature = match self.public.kind {
            SignatureType::Ed25519 => self.pair.sign(text.as_bytes()).as_ref().to_vec(),
            SignatureType::Cosignature => {
                let signed = self.pair.sign(cosigned(text, now).as_bytes());
                [now.to_be_bytes().as_slice(), signed.as_ref()].concat()
            }
        };
        NoteSignature { name: self.public.name.clone(), key_id: self.public.id(), signature }
    }
}

fn pair(pkcs8: &[u8]) -> Result<Ed25519KeyPair, NoteError> {
    Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| NoteError::Key("it is no Ed25519 key in PKCS#8"))
}
