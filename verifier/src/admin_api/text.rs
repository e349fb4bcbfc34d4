//! Types that are text in requests and answers.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use vitalsign_protocol::device_code::{DeviceCode, DeviceCodeError};
use vitalsign_protocol::id::{EnrolmentId, StepUpId};
use vitalsign_protocol::text::is_plain;
use zeroize::Zeroizing;

/// The most characters of a label.
const MAX_LABEL_CHARACTERS: usize = 100;
/// The most characters of a user's name.
const MAX_NAME_CHARACTERS: usize = 200;
/// The most characters of a reason.
const MAX_REASON_CHARACTERS: usize = 500;

/// Names a device by its code or its enrolment ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceRef {
    Id(EnrolmentId),
    Code(DeviceCode),
}

impl FromStr for DeviceRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        text.parse().map(Self::Code).map_err(|error| match error {
            DeviceCodeError::Check => "the device code has a typing error: its last character does not fit",
            DeviceCodeError::Form => "a device's code or ID was expected, as `device list` shows them",
        })
    }
}

impl fmt::Display for DeviceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Code(code) => code.fmt(f),
        }
    }
}

/// Names an entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryRef {
    Seq(u64),
    /// The approval of this step-up.
    StepUp(StepUpId),
}

impl FromStr for EntryRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seq = text.parse().map(Self::Seq);
        seq.or_else(|_| text.parse().map(Self::StepUp))
            .map_err(|_| "the number of an entry or the ID of a step-up was expected")
    }
}

impl fmt::Display for EntryRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seq(seq) => seq.fmt(f),
            Self::StepUp(step_up) => step_up.fmt(f),
        }
    }
}

/// Returns whether people can read a text of at most this many characters as it is.
fn is_readable(text: &str, characters: usize) -> bool {
    text == text.trim() && text.chars().count() <= characters && is_plain(text)
}

macro_rules! readable {
    ($($(#[$meta:meta])* $name:ident at most $characters:ident, empty: $empty:literal;)+) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let good = is_readable(text, $characters) && ($empty || !text.is_empty());
                good.then(|| Self(text.to_owned())).ok_or_else(|| {
                    let least = if $empty { 0 } else { 1 };
                    format!("{least} to {} visible characters were expected, without blanks around them", $characters)
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+ };
}

readable! {
    /// Label of a device: what IT calls it.
    Label at most MAX_LABEL_CHARACTERS, empty: false;
    /// Name of a user, or an alias.
    UserName at most MAX_NAME_CHARACTERS, empty: false;
    /// Reason for the audit log.
    #[derive(Default)]
    Reason at most MAX_REASON_CHARACTERS, empty: true;
}

/// A secret that an answer contains once.
#[derive(Clone)]
pub struct OneTimeSecret(Zeroizing<String>);

impl OneTimeSecret {
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for OneTimeSecret {
    fn from(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }
}

impl fmt::Debug for OneTimeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeSecret(…)")
    }
}

impl Serialize for OneTimeSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for OneTimeSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

macro_rules! strings {
    ($($name:ident),+) => { $(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )+ };
}

strings!(DeviceRef, EntryRef, Label, UserName, Reason);

macro_rules! schemas {
    ($($name:ident),+) => { $(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string" })
            }
        }
    )+ };
}

schemas!(DeviceRef, EntryRef, Label, UserName, Reason, OneTimeSecret);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_ids_are_told_apart() {
        let id = EnrolmentId([0xfb; 16]);
        let code = DeviceCode::of(&id);
        assert_eq!(id.to_string().parse(), Ok(DeviceRef::Id(id)));
        assert_eq!(code.to_string().parse(), Ok(DeviceRef::Code(code)));
        assert!("nosuch".parse::<DeviceRef>().unwrap_err().contains("device list"));
    }

    #[test]
    fn labels_are_displayable() {
        assert_eq!("Ward 3 PC 12".parse::<Label>().unwrap().as_str(), "Ward 3 PC 12");
        for text in ["", " x", "x ", "a\nb", "a\u{202e}b", &"x".repeat(101)] {
            assert!(text.parse::<Label>().is_err(), "{text:?}");
        }
        assert!("".parse::<Reason>().is_ok() && "a\u{202e}b".parse::<Reason>().is_err());
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", OneTimeSecret::from("vse_x".to_owned())), "OneTimeSecret(…)");
    }
}
