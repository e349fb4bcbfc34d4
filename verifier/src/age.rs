//! Files encrypted in the age format, version 1 (C2SP `age.md`), to X25519 recipients: `age -d` reads them, and they are
//! written without a secret, because only the public half of the key is needed.

mod bech32;
mod stream;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::{hkdf, hmac, rand};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as B64};
use std::io::{BufRead, Read, Write};
use std::str::FromStr;
use zeroize::Zeroizing;

const VERSION: &str = "age-encryption.org/v1";
const WRAP_INFO: &[u8] = b"age-encryption.org/v1/X25519";
const RECIPIENT_PREFIX: &str = "age";
const IDENTITY_PREFIX: &str = "age-secret-key-";
/// Maximum length of a header.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// A file could not be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("this is not a file in the age format, version 1")]
    Format,
    /// None of the file's recipients is this identity.
    #[error("this key cannot decrypt the file: it was encrypted to another")]
    NoMatch,
    #[error("the file is damaged or was changed")]
    Damaged,
    #[error("the cryptographic library failed")]
    Crypto,
}

/// Public key to which files are encrypted: `age1…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

/// Not a recipient.
#[derive(Debug, thiserror::Error)]
#[error("an age recipient was expected: age1 and 58 characters")]
pub struct NotRecipient;

impl FromStr for Recipient {
    type Err = NotRecipient;

    fn from_str(text: &str) -> Result<Self, NotRecipient> {
        bech32::decode(RECIPIENT_PREFIX, text).map(Self).ok_or(NotRecipient)
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&bech32::encode(RECIPIENT_PREFIX, &self.0))
    }
}

impl<'de> serde::Deserialize<'de> for Recipient {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Secret key that decrypts: `AGE-SECRET-KEY-1…`.
pub struct Identity {
    secret: PrivateKey,
    text: Zeroizing<String>,
    recipient: Recipient,
}

impl Identity {
    /// Generates a new key.
    ///
    /// # Errors
    /// [`Error::Crypto`].
    pub fn generate() -> Result<Self, Error> {
        let mut secret = Zeroizing::new([0; 32]);
        rand::fill(&mut *secret).map_err(|_| Error::Crypto)?;
        Self::from_secret(&secret)
    }

    /// Reads the first key of an identity file: lines with keys, and comments.
    ///
    /// # Errors
    /// [`Error::Format`] if it has no key.
    pub fn from_file(text: &str) -> Result<Self, Error> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let secret = bech32::decode(IDENTITY_PREFIX, lines.next().ok_or(Error::Format)?);
        Self::from_secret(&Zeroizing::new(secret.ok_or(Error::Format)?))
    }

    fn from_secret(bytes: &[u8; 32]) -> Result<Self, Error> {
        let secret = PrivateKey::from_private_key(&X25519, bytes).map_err(|_| Error::Crypto)?;
        let recipient = Recipient(public(&secret)?);
        let lower = Zeroizing::new(bech32::encode(IDENTITY_PREFIX, bytes));
        Ok(Self { secret, text: Zeroizing::new(lower.to_ascii_uppercase()), recipient })
    }

    #[must_use]
    pub fn recipient(&self) -> &Recipient {
        &self.recipient
    }

    /// Formats it as the content of an identity file, as `age-keygen` does.
    #[must_use]
    pub fn to_file(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("# public key: {}\n{}\n", self.recipient, *self.text))
    }
}

/// Symmetric key of one file.
pub struct FileKey(Zeroizing<[u8; 16]>);

impl FileKey {
    fn derive(&self, salt: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        derive(&*self.0, salt, info)
    }

    fn mac(&self, header: &[u8]) -> Result<hmac::Tag, Error> {
        let key = self.derive(&[], b"header")?;
        Ok(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*key), header))
    }
}

/// Encrypts what `from` has to each of the recipients. Returns the file's key, with which [`decrypt_with`] can check what
/// was written.
///
/// # Errors
/// Reading, writing or the cryptographic library failed.
pub fn encrypt(
    from: &mut impl Read,
    to: &mut impl Write,
    recipients: &[Recipient],
) -> Result<FileKey, Error> {
    let mut file_key = FileKey(Zeroizing::new([0; 16]));
    let mut nonce = [0; stream::NONCE];
    rand::fill(&mut *file_key.0).and_then(|()| rand::fill(&mut nonce)).map_err(|_| Error::Crypto)?;
    let mut header = format!("{VERSION}\n");
    for recipient in recipients {
        let ephemeral = PrivateKey::generate(&X25519).map_err(|_| Error::Crypto)?;
        let share = public(&ephemeral)?;
        let key = wrap_key(&ephemeral, &recipient.0, &share, &recipient.0)?;
        let mut wrapped = file_key.0.to_vec();
        key.seal_in_place_append_tag(zero_nonce(), Aad::empty(), &mut wrapped).map_err(|_| Error::Crypto)?;
        header.push_str(&format!("-> X25519 {}\n{}\n", B64.encode(share), B64.encode(wrapped)));
    }
    header.push_str("---");
    let mac = file_key.mac(header.as_bytes())?;
    header.push_str(&format!(" {}\n", B64.encode(mac)));
    to.write_all(header.as_bytes())?;
    to.write_all(&nonce)?;
    stream::seal(from, to, &file_key, &nonce)?;
    Ok(file_key)
}

/// Decrypts a file. What was written to `to` is valid only if this succeeds.
///
/// # Errors
/// It is not encrypted to this identity, or was changed.
pub fn decrypt(from: &mut impl BufRead, to: &mut impl Write, identity: &Identity) -> Result<(), Error> {
    let header = FileHeader::read(from)?;
    let file_key = header.unwrap(identity)?;
    finish(from, to, &header, &file_key)
}

/// Decrypts a file by its own key.
///
/// # Errors
/// As [`decrypt`].
pub fn decrypt_with(from: &mut impl BufRead, to: &mut impl Write, file_key: &FileKey) -> Result<(), Error> {
    let header = FileHeader::read(from)?;
    finish(from, to, &header, file_key)
}

fn finish(
    from: &mut impl BufRead,
    to: &mut impl Write,
    header: &FileHeader,
    file_key: &FileKey,
) -> Result<(), Error> {
    let expected = file_key.mac(&header.authenticated)?;
    aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_ref(), &header.mac)
        .map_err(|_| Error::Damaged)?;
    let mut nonce = [0; stream::NONCE];
    from.read_exact(&mut nonce).map_err(|_| Error::Damaged)?;
    stream::open(from, to, file_key, &nonce)
}

/// FileHeader of a file, not yet authenticated.
struct FileHeader {
    /// Ephemeral share and wrapped file key of each X25519 stanza.
    stanzas: Vec<([u8; 32], [u8; 32])>,
    /// Bytes that the MAC covers.
    authenticated: Vec<u8>,
    mac: Vec<u8>,
}

impl FileHeader {
    fn read(from: &mut impl BufRead) -> Result<Self, Error> {
        let mut from = from.take(u64::try_from(MAX_HEADER_BYTES).unwrap_or(u64::MAX));
        let mut authenticated = Vec::new();
        let mut stanzas = Vec::new();
        if line(&mut from, &mut authenticated)? != VERSION {
            return Err(Error::Format);
        }
        // The first line of a stanza, while its body is read.
        let mut share: Option<Option<[u8; 32]>> = None;
        let mut body = String::new();
        loop {
            let start = authenticated.len();
            let text = line(&mut from, &mut authenticated)?;
            match (&share, text.strip_prefix("--- "), text.strip_prefix("-> ")) {
                (None, Some(mac), _) => {
                    authenticated.truncate(start + 3);
                    return Ok(Self { stanzas, authenticated, mac: bytes::<32>(mac)?.to_vec() });
                }
                (None, _, Some(stanza)) => {
                    let x25519 = stanza.strip_prefix("X25519 ").map(bytes).transpose()?;
                    share = Some(x25519);
                    body.clear();
                }
                (Some(of), ..) => {
                    body.push_str(&text);
                    if text.len() > 64 {
                        return Err(Error::Format);
                    }
                    // A shorter line ends the body.
                    if text.len() < 64 {
                        if let Some(share) = of {
                            stanzas.push((*share, bytes(&body)?));
                        }
                        share = None;
                    }
                }
                (None, None, None) => return Err(Error::Format),
            }
        }
    }

    fn unwrap(&self, identity: &Identity) -> Result<FileKey, Error> {
        for (share, wrapped) in &self.stanzas {
            // A share without contribution is refused by the library.
            let Ok(key) = wrap_key(&identity.secret, share, share, &identity.recipient.0) else { continue };
            let mut wrapped = Zeroizing::new(*wrapped);
            if let Ok(opened) = key.open_in_place(zero_nonce(), Aad::empty(), &mut *wrapped) {
                let file_key = (&*opened).try_into().map_err(|_| Error::Damaged)?;
                return Ok(FileKey(Zeroizing::new(file_key)));
            }
        }
        Err(Error::NoMatch)
    }
}

/// Reads a line, adds it to `all`, and returns it without its end.
fn line(from: &mut impl BufRead, all: &mut Vec<u8>) -> Result<String, Error> {
    let start = all.len();
    from.read_until(b'\n', all)?;
    let line = all.get(start..).and_then(|line| line.strip_suffix(b"\n")).ok_or(Error::Format)?;
    if !line.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return Err(Error::Format);
    }
    String::from_utf8(line.to_vec()).map_err(|_| Error::Format)
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], Error> {
    B64.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(Error::Format)
}

fn public(secret: &PrivateKey) -> Result<[u8; 32], Error> {
    let public = secret.compute_public_key().map_err(|_| Error::Crypto)?;
    public.as_ref().try_into().map_err(|_| Error::Crypto)
}

/// Derives the key that wraps the file's key, from either half of the exchange.
fn wrap_key(
    secret: &PrivateKey,
    peer: &[u8; 32],
    share: &[u8; 32],
    recipient: &[u8; 32],
) -> Result<LessSafeKey, Error> {
    let salt = [*share, *recipient].concat();
    agreement::agree(secret, UnparsedPublicKey::new(&X25519, peer), Error::Crypto, |shared| {
        let key = derive(shared, &salt, WRAP_INFO)?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &*key).map_err(|_| Error::Crypto)?;
        Ok(LessSafeKey::new(key))
    })
}

/// Each wrapping key encrypts once.
fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let mut key = Zeroizing::new([0; 32]);
    let info = [info];
    let expanded = extracted.expand(&info, hkdf::HKDF_SHA256);
    expanded.and_then(|okm| okm.fill(&mut *key)).map_err(|_| Error::Crypto)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use std::process::{Command, Stdio};

    /// A file that age 1.1.1 wrote.
    const KEY: &str = "AGE-SECRET-KEY-1M6ZXJSYQTAUR72KPP4WLQ9NXRRULZAW549J8MLGA3QVTGYFSVZ2Q9SKKZN";
    const FILE: &str = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSAwN0pvUS84QnpnOUlGRSthOWFzSVkybWN0eERBdktnTit4cW\
        hVU1NXQWxJCjJicWlXb3FibEtiQXV2dnZnVU1JRVRtcG9oc0thazd4Z0kzNGlWSGFZTEkKLS0tIEZORUxqaFN0YVJC\
        eGJUQWNHaGloY0pvNnVrY0ZmazJ5QlNYYXNYNGJZNU0KyvRgvHxocjaV/RsFQnOOvdBxgzzsIALhwxtcwj6Mbb00gX\
        22FMxdHH5LmIMO5M7OtQ==";

    fn sealed(plain: &[u8], recipients: &[Recipient]) -> Vec<u8> {
        let mut file = Vec::new();
        encrypt(&mut &*plain, &mut file, recipients).unwrap();
        file
    }

    fn opened(file: &[u8], identity: &Identity) -> Result<Vec<u8>, Error> {
        let mut plain = Vec::new();
        decrypt(&mut &*file, &mut plain, identity).map(|()| plain)
    }

    #[test]
    fn reads_a_file_of_the_reference_implementation() {
        let identity = Identity::from_file(&format!("# comment\n{KEY}\n")).unwrap();
        assert_eq!(opened(&STANDARD.decode(FILE).unwrap(), &identity).unwrap(), b"Order 4711: sign\n");
        assert!(identity.to_file().contains(KEY));
    }

    #[test]
    fn every_size_round_trips_to_every_recipient() {
        let (one, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let recipients = [one.recipient().clone(), other.recipient().clone()];
        for size in [0, 1, 65_535, 65_536, 65_537, 196_608, 200_000] {
            let plain: Vec<u8> = (0..size).map(|n: usize| u8::try_from(n % 251).unwrap()).collect();
            let file = sealed(&plain, &recipients);
            for identity in [&one, &other] {
                assert_eq!(opened(&file, identity).unwrap(), plain, "{size}");
            }
        }
        let stranger = Identity::generate().unwrap();
        assert!(matches!(opened(&sealed(b"x", &recipients), &stranger), Err(Error::NoMatch)));
    }

    #[test]
    fn rejects_every_change_and_truncation() {
        let identity = Identity::generate().unwrap();
        let file = sealed(&[7; 70_000], std::slice::from_ref(identity.recipient()));
        let header = file.len() - 70_000 - 2 * 16 - stream::NONCE;
        let places = (0..header + 40).chain([header + 16 + 65_536, file.len() - 1]);
        for at in places {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(opened(&changed, &identity).is_err(), "{at}");
        }
        // Also at the border between two chunks.
        let border = header + stream::NONCE + 65_536 + 16;
        for length in [0, 1, header - 1, header, header + 16, border - 1, border, border + 1, file.len() - 1]
        {
            assert!(opened(&file[..length], &identity).is_err(), "{length}");
        }
        assert!(opened(&[&*file, b"x"].concat(), &identity).is_err());
        // A second stanza for the same key changes what the MAC covers.
        let text = String::from_utf8_lossy(&file[..header]).into_owned();
        let stanza: Vec<&str> = text.lines().skip(1).take(2).collect();
        let doubled = text.replacen("---", &format!("{}\n---", stanza.join("\n")), 1);
        assert!(opened(&[doubled.as_bytes(), &file[header..]].concat(), &identity).is_err());
    }

    #[test]
    fn headers_are_bounded() {
        let identity = Identity::generate().unwrap();
        let endless = format!("{VERSION}\n-> X25519 {}\n", "A".repeat(MAX_HEADER_BYTES * 2));
        assert!(matches!(opened(endless.as_bytes(), &identity), Err(Error::Format)));
        assert!(matches!(opened(b"SQLite format 3\0", &identity), Err(Error::Format)));
    }

    #[test]
    fn the_age_program_reads_what_we_write() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::generate().unwrap();
        let (key, path) = (folder.path().join("key.txt"), folder.path().join("file.age"));
        std::fs::write(&key, identity.to_file().as_bytes()).unwrap();
        let plain = [9; 150_000];
        std::fs::write(&path, sealed(&plain, std::slice::from_ref(identity.recipient()))).unwrap();
        let decrypted = Command::new("age").arg("-d").arg("-i").args([&key, &path]).output();
        let Ok(decrypted) = decrypted else {
            eprintln!("not run: the program age is not installed");
            return;
        };
        assert!(decrypted.status.success(), "{}", String::from_utf8_lossy(&decrypted.stderr));
        assert!(decrypted.stdout == plain);

        let mut age = Command::new("age")
            .arg("-r")
            .arg(identity.recipient().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        age.stdin.take().unwrap().write_all(b"hello").unwrap();
        assert_eq!(opened(&age.wait_with_output().unwrap().stdout, &identity).unwrap(), b"hello");
    }
}
