//! Identifiers and binary values, each with a separate type, so that they cannot be confused.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! bytes {
    ($(#[$meta:meta])* $name:ident, $length:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $length]);

        impl $name {
            /// From bytes, when there are as many as it has.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
            /// Returns the value's bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }
        impl std::fmt::Display for $name {
            /// Formats as base64url without padding.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&B64.encode(self.0))
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
        impl std::str::FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let bytes = B64.decode(text).map_err(|_| NotAnId)?;
                Self::from_slice(&bytes).ok_or(NotAnId)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// The text is not base64url of the right length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: base64url of the right length was expected")]
pub struct NotAnId;

bytes! {
    /// A verifier's nonce, single use. Opaque to the agent.
    Nonce, 32
}
bytes! {
    /// SHA-256 thumbprint of a report key as a COSE key (RFC 9679): `kid` of the evidence.
    Thumbprint, 32
}
bytes! {
    /// A device's enrolment: given by the verifier, random, and no property of the hardware.
    EnrolmentId, 16
}
bytes! {
    /// A step-up: given by the verifier, random.
    StepUpId, 16
}
bytes! {
    /// A security key's registration that is under way: given by the verifier, random.
    RegistrationId, 16
}
bytes! {
    /// Time at a device in which taps at the lowest level may rest on one with a PIN: given by the device, random, and
    /// replaced when it ends.
    PinPeriodId, 16
}
bytes! {
    /// SHA-256 digest, 32 bytes.
    Digest, 32
}

impl Digest {
    /// Computes the SHA-256 digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(out)
    }

    /// SHA-256 of `label || 0x00 || parts…`: the label keeps one use's digests from standing in for another's.
    #[must_use]
    pub fn labelled(label: &str, parts: &[&[u8]]) -> Self {
        let mut context = aws_lc_rs::digest::Context::new(&SHA256);
        context.update(label.as_bytes());
        context.update(&[0]);
        parts.iter().for_each(|part| context.update(part));
        let mut out = [0; 32];
        out.copy_from_slice(context.finish().as_ref());
        Self(out)
    }

    /// Formats the digest in lower-case hexadecimal.
    #[must_use]
    pub fn hex(&self) -> String {
        hex(&self.0)
    }
}

/// Formats bytes in lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Bytes that JSON carries as base64url without padding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base64Url(pub Vec<u8>);

impl Serialize for Base64Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&B64.encode(&self.0))
    }
}
impl<'de> Deserialize<'de> for Base64Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        B64.decode(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A secret: not printed, not compared in variable time, overwritten when it goes.
#[derive(Clone)]
pub struct Secret(zeroize::Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of secret bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(zeroize::Zeroizing::new(bytes))
    }
    /// The bytes: say why at the call.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
    /// Compares with `other` in constant time.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, other).is_ok()
    }
}
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.expose())
    }
}
impl Eq for Secret {}
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&zeroize::Zeroizing::new(B64.encode(self.expose())))
    }
}
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Base64Url::deserialize(deserializer).map(|bytes| Self::new(bytes.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Secret::new(b"hunter2".to_vec())), "Secret(…)");
    }

    #[test]
    fn identifiers_read_what_they_write() {
        let nonce = Nonce([7; 32]);
        assert_eq!(nonce.to_string().parse(), Ok(nonce));
        assert_eq!("AAAA".parse::<Nonce>(), Err(NotAnId));
        assert_eq!("!".parse::<Nonce>(), Err(NotAnId));
    }
}
