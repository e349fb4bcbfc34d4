//! The hash algorithms of PCR banks and object names (TCG algorithm registry), and the key derivations built on them
//! (TPM 2.0 part 1, clause 11.4.10).

use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

/// Hash algorithm of a PCR bank or signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hash {
    /// SHA-1: parsed, replayed for people who inspect, and never trusted.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Every algorithm.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Returns the `TPM_ALG_ID`.
    #[must_use]
    pub fn id(self) -> u16 {
        match self {
            Self::Sha1 => 0x0004,
            Self::Sha256 => 0x000b,
            Self::Sha384 => 0x000c,
            Self::Sha512 => 0x000d,
        }
    }

    /// The algorithm of this `TPM_ALG_ID`.
    #[must_use]
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.id() == id)
    }

    /// Returns the digest size in bytes.
    #[must_use]
    pub fn size(self) -> usize {
        self.algorithm().output_len()
    }

    /// Returns the usual name, for example `sha256`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The digest of the parts, one after the other.
    #[must_use]
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        let mut context = digest::Context::new(self.algorithm());
        parts.iter().for_each(|part| context.update(part));
        context.finish().as_ref().to_vec()
    }

    /// HMAC of the parts, one after the other.
    pub fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let mut context = self.hmac_context(key);
        parts.iter().for_each(|part| context.update(part));
        context.sign().as_ref().to_vec()
    }

    /// KDFa: SP 800-108 in counter mode. `bits` is a multiple of 8.
    pub fn kdfa(self, key: &[u8], label: &str, u: &[u8], v: &[u8], bits: u32) -> Zeroizing<Vec<u8>> {
        let size = bits.to_be_bytes();
        expand(bits, |counter| self.hmac(key, &[counter, label.as_bytes(), &[0], u, v, &size]))
    }

    /// KDFe: SP 800-56A for a shared ECDH secret. `bits` is a multiple of 8.
    pub fn kdfe(self, z: &[u8], label: &str, u: &[u8], v: &[u8], bits: u32) -> Zeroizing<Vec<u8>> {
        expand(bits, |counter| self.digest(&[counter, z, label.as_bytes(), &[0], u, v]))
    }

    fn hmac_context(self, key: &[u8]) -> hmac::Context {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::Context::with_key(&hmac::Key::new(algorithm, key))
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// Blocks for the counters 1, 2, … until there are enough bits.
fn expand(bits: u32, block: impl Fn(&[u8; 4]) -> Vec<u8>) -> Zeroizing<Vec<u8>> {
    let wanted = usize::try_from(bits / 8).unwrap_or(0);
    let mut out = Zeroizing::new(Vec::new());
    for counter in 1u32.. {
        if out.len() >= wanted {
            break;
        }
        out.extend_from_slice(&Zeroizing::new(block(&counter.to_be_bytes())));
    }
    out.truncate(wanted);
    out
}
