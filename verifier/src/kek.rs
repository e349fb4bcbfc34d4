//! The key-encryption key (KEK): seals the verifier's private keys in the store, and is not in the store itself.

use crate::files::{self, FileError};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use std::path::{Path, PathBuf};
use vitalsign_protocol::id::hex;
use zeroize::Zeroizing;

/// Length of a KEK.
const BYTES: usize = 32;
/// Name of the variable with the folder of systemd's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Place of a KEK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KekSource {
    File(PathBuf),
    /// Credential of this name that systemd passes to the process.
    Credential(String),
}

impl std::fmt::Display for KekSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Credential(name) => write!(f, "the credential {name}"),
        }
    }
}

impl KekSource {
    /// The file of a verifier whose configuration names none.
    #[must_use]
    pub fn beside(data: &Path) -> Self {
        Self::File(data.join("kek"))
    }

    /// Reads the KEK; `None` if the file is missing.
    ///
    /// # Errors
    /// It cannot be read, others can read it, or it is no KEK.
    pub fn read(&self) -> Result<Option<Kek>, FileError> {
        let path = self.path()?;
        if !path.try_exists().map_err(|e| FileError::new("reading", &path, e))? {
            return Ok(None);
        }
        let secret = match std::env::var_os(CREDENTIALS) {
            // systemd guards them, and the service's user reads them by an access control list.
            Some(folder) if path.starts_with(&folder) => files::read_tls_key(&path)?,
            _ => files::read_own_secret(&path)?,
        };
        Kek::new(&secret).map(Some).map_err(|why| FileError::new("reading", &path, why))
    }

    /// Reads the KEK, or creates the file. A credential is not created.
    ///
    /// # Errors
    /// As of [`KekSource::read`], or the file cannot be created.
    pub fn read_or_create(&self) -> Result<Kek, FileError> {
        let path = self.path()?;
        match (self.read()?, self) {
            (Some(kek), _) => Ok(kek),
            (None, Self::Credential(_)) => {
                Err(FileError::new("reading", &path, "the credential is missing; see docs/operate.md"))
            }
            (None, Self::File(_)) => {
                let secret = files::read_or_create_secret(&path, || {
                    Ok(random().map_err(|_| "no random numbers")?.to_vec())
                })?;
                Kek::new(&secret).map_err(|why| FileError::new("reading", &path, why))
            }
        }
    }

    fn path(&self) -> Result<PathBuf, FileError> {
        match self {
            Self::File(path) => Ok(path.clone()),
            Self::Credential(name) => match std::env::var_os(CREDENTIALS) {
                Some(folder) => Ok(Path::new(&folder).join(name)),
                None => {
                    let why =
                        "this process has no credentials; run it by `systemd-run` as docs/operate.md says";
                    Err(FileError::new("reading the credential", Path::new(name), why))
                }
            },
        }
    }
}

/// A key-encryption key.
pub struct Kek {
    secret: Zeroizing<[u8; BYTES]>,
    sealing: RandomizedNonceKey,
    name: String,
}

impl Kek {
    /// Creates a KEK from its bytes.
    ///
    /// # Errors
    /// There are not exactly 32 bytes.
    pub fn new(secret: &[u8]) -> Result<Self, &'static str> {
        let secret: [u8; BYTES] = secret.try_into().map_err(|_| "a key-encryption key has 32 bytes")?;
        let secret = Zeroizing::new(secret);
        let root = hmac::Key::new(hmac::HMAC_SHA256, &*secret);
        let derived = |label: &[u8]| hmac::sign(&root, label);
        let sealing = RandomizedNonceKey::new(&AES_256_GCM, derived(b"vitalsign-key-sealing-v1").as_ref());
        let name = derived(b"vitalsign-kek-name-v1").as_ref().get(..8).map(hex).unwrap_or_default();
        Ok(Self { secret, sealing: sealing.map_err(|_| "the key cannot be used")?, name })
    }

    /// Generates a KEK.
    ///
    /// # Errors
    /// The operating system has no random numbers.
    pub fn generate() -> Result<Self, &'static str> {
        Self::new(&*random().map_err(|_| "no random numbers")?)
    }

    /// Returns its name, which reveals nothing of it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its bytes.
    pub(crate) fn secret(&self) -> &[u8] {
        &*self.secret
    }

    /// Seals a secret, so that it opens only with the same context.
    ///
    /// # Errors
    /// The cryptographic library failed.
    pub(crate) fn seal(
        &self,
        context: &[u8],
        secret: &[u8],
    ) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        // Of the full length from the beginning: a buffer that grows would leave the secret behind.
        let mut sealed = Zeroizing::new(vec![0; secret.len()]);
        sealed.copy_from_slice(secret);
        let (nonce, tag) = self.sealing.seal_in_place_separate_tag(Aad::from(context), &mut sealed)?;
        Ok([nonce.as_ref(), sealed.as_slice(), tag.as_ref()].concat())
    }

    /// Opens what [`Kek::seal`] made. `None` if it was changed, or has another context or KEK.
    pub(crate) fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.sealing.open_in_place(nonce, Aad::from(context), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(opened)
    }
}

fn random() -> Result<Zeroizing<[u8; BYTES]>, aws_lc_rs::error::Unspecified> {
    let mut secret = Zeroizing::new([0; BYTES]);
    aws_lc_rs::rand::fill(&mut *secret)?;
    Ok(secret)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown};

    #[test]
    fn every_bit_and_the_context_count() {
        let kek = Kek::new(&[1; 32]).unwrap();
        let sealed = kek.seal(b"context", b"secret").unwrap();
        assert_eq!(kek.open(b"context", &sealed).unwrap().as_slice(), b"secret");
        assert_ne!(sealed, kek.seal(b"context", b"secret").unwrap(), "each with another nonce");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(kek.open(b"context", &changed).is_none(), "bit {bit}");
        }
        assert!(kek.open(b"other", &sealed).is_none());
        assert!(Kek::new(&[2; 32]).unwrap().open(b"context", &sealed).is_none());
        assert!(kek.open(b"context", b"short").is_none());
    }

    #[test]
    fn file_is_private_of_its_owner_and_32_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kek");
        let source = KekSource::File(path.clone());
        assert!(source.read().unwrap().is_none());
        let name = source.read_or_create().unwrap().name().to_owned();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(source.read_or_create().unwrap().name(), name);
        let refused = || source.read().err().unwrap().to_string();

        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(refused().contains("others can read"), "{}", refused());
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        // Only root can give a file away.
        if rustix::process::geteuid().is_root() {
            chown(&path, Some(12345), None).unwrap();
            assert!(refused().contains("another user"), "{}", refused());
            chown(&path, Some(0), None).unwrap();
        }
        std::fs::write(&path, [0; 31]).unwrap();
        assert!(refused().contains("32 bytes"), "{}", refused());
    }
}
