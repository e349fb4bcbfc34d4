//! A seed that only one TPM's decryption key can open: what credentials, and sessions that are safe from listeners on
//! the bus, begin with (TPM 2.0 part 1, annexes B.10 and C.6).

use crate::codec::{self, Malformed};
use crate::hash::Hash;
use crate::public::{Error, Public};
use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, UnparsedPublicKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepPublicEncryptingKey,
    PublicEncryptingKey, PublicKeyComponents,
};
use tpm2_protocol::data::{
    TpmAlgId, TpmEccCurve, TpmaObject, TpmuAsymScheme, TpmuPublicId, TpmuPublicParms, TpmuSymKeyBits,
    TpmuSymMode,
};
use zeroize::Zeroizing;

const WHAT: &str = "an endorsement or storage key";

/// A decryption key of a TPM, restricted so that it opens nothing but what the TPM itself uses.
pub struct Recipient {
    /// Name algorithm: also that of the derivations.
    pub hash: Hash,
    /// AES key size in bits for keys derived from the seed.
    pub aes_bits: u32,
    key: RecipientKey,
}

enum RecipientKey {
    Rsa { modulus: Vec<u8>, exponent: u32 },
    P256([u8; 65]),
    P384([u8; 97]),
}

impl Recipient {
    /// Checks that it is held by one TPM, restricted, and for decryption.
    pub fn new(public: &Public) -> Result<Self, Error> {
        let area = public.area();
        let wanted = [
            TpmaObject::FIXED_TPM,
            TpmaObject::FIXED_PARENT,
            TpmaObject::SENSITIVE_DATA_ORIGIN,
            TpmaObject::RESTRICTED,
            TpmaObject::DECRYPT,
        ];
        let has = area.object_attributes;
        if !wanted.into_iter().all(|one| has.contains(one)) || has.contains(TpmaObject::SIGN_ENCRYPT) {
            return Err(Error::Attributes(WHAT));
        }
        let hash = public.hash();
        let (symmetric, key) = match (&area.parameters, &area.unique) {
            (TpmuPublicParms::Rsa(parameters), TpmuPublicId::Rsa(modulus))
                if parameters.scheme.scheme == TpmAlgId::Null && (256..=512).contains(&(**modulus).len()) =>
            {
                let exponent = match parameters.exponent.value() {
                    0 => 65537,
                    other => other,
                };
                (parameters.symmetric, RecipientKey::Rsa { modulus: modulus.to_vec(), exponent })
            }
            (TpmuPublicParms::Ecc(parameters), TpmuPublicId::Ecc(point))
                if parameters.scheme.details == TpmuAsymScheme::Null =>
            {
                let key = match parameters.curve_id {
                    TpmEccCurve::NistP256 => RecipientKey::P256(uncompressed::<32, 65>(&point.x, &point.y)?),
                    TpmEccCurve::NistP384 => RecipientKey::P384(uncompressed::<48, 97>(&point.x, &point.y)?),
                    _ => return Err(Error::Parameters(WHAT)),
                };
                (parameters.symmetric, key)
            }
            _ => return Err(Error::Parameters(WHAT)),
        };
        let (TpmuSymKeyBits::Aes(bits), TpmuSymMode::Aes(TpmAlgId::Cfb)) =
            (symmetric.key_bits, symmetric.mode)
        else {
            return Err(Error::Parameters(WHAT));
        };
        let aes_bits = u32::from(bits.value());
        if hash == Hash::Sha1 || ![128, 256].contains(&aes_bits) {
            return Err(Error::Parameters(WHAT));
        }
        Ok(Self { hash, aes_bits, key })
    }

    /// A fresh seed, and what its recipient needs to arrive at it: TPM2B_ENCRYPTED_SECRET's content.
    pub fn seal(&self, label: &str) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), Error> {
        match &self.key {
            RecipientKey::Rsa { modulus, exponent } => self.seal_rsa(modulus, *exponent, label),
            RecipientKey::P256(point) => self.seal_ecc::<32>(&ECDH_P256, point, label),
            RecipientKey::P384(point) => self.seal_ecc::<48>(&ECDH_P384, point, label),
        }
    }

    fn seal_rsa(
        &self,
        modulus: &[u8],
        exponent: u32,
        label: &str,
    ) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), Error> {
        let bad = |_| Error::Parameters(WHAT);
        let exponent = exponent.to_be_bytes();
        let first = exponent.iter().position(|byte| *byte != 0).unwrap_or_default();
        let key = PublicKeyComponents { n: modulus, e: exponent.get(first..).unwrap_or_default() };
        let key: PublicEncryptingKey = key.try_into().map_err(bad)?;
        let key = OaepPublicEncryptingKey::new(key).map_err(bad)?;
        let algorithm = match self.hash {
            Hash::Sha384 => &OAEP_SHA384_MGF1SHA384,
            Hash::Sha512 => &OAEP_SHA512_MGF1SHA512,
            Hash::Sha256 | Hash::Sha1 => &OAEP_SHA256_MGF1SHA256,
        };
        let mut seed = Zeroizing::new(vec![0; self.hash.size()]);
        aws_lc_rs::rand::fill(&mut seed).map_err(bad)?;
        let mut sealed = vec![0; key.ciphertext_size()];
        // The label counts with its terminating zero.
        let label = [label.as_bytes(), &[0]].concat();
        key.encrypt(algorithm, &seed, &mut sealed, Some(&label)).map_err(bad)?;
        Ok((seed, sealed))
    }

    fn seal_ecc<const N: usize>(
        &self,
        curve: &'static agreement::Algorithm,
        point: &[u8],
        label: &str,
    ) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), Error> {
        let bad = |_| Error::Point;
        let ephemeral = agreement::PrivateKey::generate(curve).map_err(bad)?;
        let ours = ephemeral.compute_public_key().map_err(bad)?;
        let (_, coordinates) = ours.as_ref().split_at_checked(1).ok_or(Error::Point)?;
        let (x, y) = coordinates.split_at_checked(N).ok_or(Error::Point)?;
        let their_x = point.get(1..=N).ok_or(Error::Point)?;
        let bits = u32::try_from(self.hash.size() * 8).unwrap_or_default();
        let seed = agreement::agree(&ephemeral, UnparsedPublicKey::new(curve, point), Error::Point, |z| {
            Ok(self.hash.kdfe(z, label, x, their_x, bits))
        })?;
        Ok((seed, [codec::sized(x), codec::sized(y)].concat()))
    }
}

/// AES in CFB mode, in place.
pub fn cfb_encrypt(key: &[u8], iv: [u8; 16], data: &mut [u8]) -> Result<(), Malformed> {
    let key = EncryptingKey::cfb128(cipher_key(key)?).map_err(|_| Malformed)?;
    let iv = EncryptionContext::Iv128(FixedLength::from(iv));
    key.less_safe_encrypt(data, iv).map(|_| ()).map_err(|_| Malformed)
}

/// A key for AES-128 or AES-256.
pub fn cipher_key(key: &[u8]) -> Result<UnboundCipherKey, Malformed> {
    let algorithm = if key.len() == 16 { &AES_128 } else { &AES_256 };
    UnboundCipherKey::new(algorithm, key).map_err(|_| Malformed)
}

fn uncompressed<const N: usize, const POINT: usize>(x: &[u8], y: &[u8]) -> Result<[u8; POINT], Malformed> {
    let point = [&[4][..], &codec::pad::<N>(x)?, &codec::pad::<N>(y)?].concat();
    point.try_into().map_err(|_| Malformed)
}

/// Returns the subjectPublicKey bits that a certificate for this key must contain.
impl Recipient {
    /// An uncompressed point, for a key on a curve.
    pub fn point(&self) -> Option<&[u8]> {
        match &self.key {
            RecipientKey::Rsa { .. } => None,
            RecipientKey::P256(point) => Some(point),
            RecipientKey::P384(point) => Some(point),
        }
    }

    /// Modulus and exponent, for an RSA key.
    pub fn rsa(&self) -> Option<(&[u8], u32)> {
        if let RecipientKey::Rsa { modulus, exponent } = &self.key {
            Some((modulus, *exponent))
        } else {
            None
        }
    }
}
