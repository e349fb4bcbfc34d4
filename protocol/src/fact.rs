//! Facts in three states: known, unsupported on this system, or unreadable. Unknown facts stay unknown; only
//! the verifier appraises.

use crate::cbor::Value;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Fact in one of three states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact<T> {
    /// Read, and this is it.
    Known(T),
    /// This system has no such thing, or no way to read it.
    Unsupported,
    /// It exists, but this time it could not be read.
    Unreadable(Reason),
}

/// Reason why a fact could not be read. The set is closed, because policy and people decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The probe has not run yet.
    #[error("not read yet")]
    NotRead,
    /// The system denied access.
    #[error("permission denied")]
    Denied,
    /// The source did not answer within the probe's deadline.
    #[error("no answer in time")]
    TimedOut,
    /// The source is held by another program, or an earlier reading still runs.
    #[error("busy")]
    Busy,
    /// The source answered something that this version does not understand.
    #[error("not understood")]
    Malformed,
    /// The source is too old to say anything (package lists from last month).
    #[error("the source is too old to tell")]
    Stale,
    /// The fact exists only in a user's session, and no session is present.
    #[error("needs a user's session")]
    NoSession,
    /// Input/output error, or the source vanished while it was read.
    #[error("could not be read")]
    Failed,
    /// Only the hypervisor below this virtual machine can tell.
    #[error("only the hypervisor can tell")]
    Hypervisor,
    /// Only the drive can tell: it may encrypt by itself.
    #[error("only the drive can tell")]
    Drive,
}

impl Reason {
    const ALL: [(u64, Self); 10] = [
        (0, Self::NotRead),
        (1, Self::Denied),
        (2, Self::TimedOut),
        (3, Self::Busy),
        (4, Self::Malformed),
        (5, Self::Stale),
        (6, Self::NoSession),
        (7, Self::Failed),
        (8, Self::Hypervisor),
        (9, Self::Drive),
    ];

    /// The number on the wire.
    #[must_use]
    pub fn code(self) -> u64 {
        Self::ALL.iter().find(|(_, reason)| *reason == self).map_or(7, |(code, _)| *code)
    }
}

impl From<&std::io::Error> for Reason {
    fn from(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Self::Denied,
            std::io::ErrorKind::TimedOut => Self::TimedOut,
            std::io::ErrorKind::ResourceBusy | std::io::ErrorKind::WouldBlock => Self::Busy,
            std::io::ErrorKind::InvalidData => Self::Malformed,
            _ => Self::Failed,
        }
    }
}

impl From<std::io::Error> for Reason {
    fn from(error: std::io::Error) -> Self {
        Self::from(&error)
    }
}

impl<T> Default for Fact<T> {
    fn default() -> Self {
        Self::Unreadable(Reason::NotRead)
    }
}

impl<T> Fact<T> {
    /// The value, when it is known.
    pub fn known(&self) -> Option<&T> {
        if let Self::Known(value) = self { Some(value) } else { None }
    }

    /// Maps the value of a known fact.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known(value) => Fact::Known(f(value)),
            Self::Unsupported => Fact::Unsupported,
            Self::Unreadable(reason) => Fact::Unreadable(reason),
        }
    }

    /// Returns a known fact for `Some` and an unsupported one for `None`.
    pub fn or_unsupported(value: Option<T>) -> Self {
        value.map_or(Self::Unsupported, Self::Known)
    }
}

impl<T, E: Into<Reason>> From<Result<T, E>> for Fact<T> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            Err(error) => Self::Unreadable(error.into()),
        }
    }
}

/// Value that evidence can carry, with its CBOR encoding. `None` means that the item has another type.
pub trait Item: Sized {
    /// Encodes the value as a CBOR item.
    fn to_value(&self) -> Value<'_>;
    /// The type, if the item is one.
    fn from_value(value: &Value<'_>) -> Option<Self>;
}

/// The longest text in evidence, in bytes.
pub const MAX_TEXT: usize = 256;
/// The most entries of a list in evidence.
pub const MAX_LIST: usize = 256;

impl Item for String {
    fn to_value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.text().filter(|text| text.len() <= MAX_TEXT).map(str::to_owned)
    }
}

impl Item for bool {
    fn to_value(&self) -> Value<'_> {
        Value::Bool(*self)
    }
    fn from_value(value: &Value<'_>) -> Option<Self> {
        if let Value::Bool(b) = value { Some(*b) } else { None }
    }
}

impl Item for u64 {
    fn to_value(&self) -> Value<'_> {
        Value::Unsigned(*self)
    }
    fn from_value(value: &Value<'_>) -> Option<Self> {
        if let Value::Unsigned(n) = value { Some(*n) } else { None }
    }
}

impl<T: Item> Item for Vec<T> {
    fn to_value(&self) -> Value<'_> {
        Value::Array(self.iter().map(Item::to_value).collect())
    }
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.items().filter(|items| items.len() <= MAX_LIST)?.iter().map(T::from_value).collect()
    }
}

/// `[value]` is known, `null` unsupported, a number the reason why it is unreadable.
impl<T: Item> Item for Fact<T> {
    fn to_value(&self) -> Value<'_> {
        match self {
            Self::Known(value) => Value::Array(vec![value.to_value()]),
            Self::Unsupported => Value::Null,
            Self::Unreadable(reason) => Value::Unsigned(reason.code()),
        }
    }
    fn from_value(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Array(items) => match items.as_slice() {
                [item] => T::from_value(item).map(Self::Known),
                _ => None,
            },
            Value::Null => Some(Self::Unsupported),
            Value::Unsigned(code) => {
                // A newer agent may know more reasons; all of them mean that it could not be read.
                let reason = Reason::ALL.iter().find(|(known, _)| known == code);
                Some(Self::Unreadable(reason.map_or(Reason::Failed, |(_, reason)| *reason)))
            }
            _ => None,
        }
    }
}

/// A closed set of words: one list for the wire's numbers, JSON's names and the Rust variants.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $code:literal $word:literal $variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// The word, as JSON and people read it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl $crate::fact::Item for $name {
            fn to_value(&self) -> $crate::cbor::Value<'_> {
                $crate::cbor::Value::Unsigned(match self { $(Self::$variant => $code,)+ })
            }
            fn from_value(value: &$crate::cbor::Value<'_>) -> Option<Self> {
                match value { $($crate::cbor::Value::Unsigned($code) => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

/// A record: one line a field, with its label on the wire, its name and its type. Labels are never used again for
/// another meaning. A field that is absent reads as its default (for a fact: not read); a label that this version
/// does not know is set aside and named, never judged.
macro_rules! record {
    ($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $label:literal $field:ident: $type:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name { $($(#[$fmeta])* pub $field: $type,)+ }

        impl $name {
            /// The labels that this version knows.
            pub const LABELS: &'static [i64] = &[$($label),+];
        }
        impl $crate::fact::Item for $name {
            fn to_value(&self) -> $crate::cbor::Value<'_> {
                $crate::cbor::MapBuilder::default()
                    $(.with($crate::cbor::Value::from({ const LABEL: i64 = $label; LABEL }), $crate::fact::Item::to_value(&self.$field)))+
                    .build()
            }
            fn from_value(value: &$crate::cbor::Value<'_>) -> Option<Self> {
                value.entries()?;
                Some(Self { $($field: match value.get($label) {
                    Some(item) => $crate::fact::Item::from_value(item)?,
                    None => Default::default(),
                },)+ })
            }
        }
    };
}
pub(crate) use {record, words};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_states_survive_the_wire() {
        for fact in [Fact::Known(true), Fact::Unsupported, Fact::Unreadable(Reason::Denied)] {
            let bytes = fact.to_value().encode();
            assert_eq!(Fact::<bool>::from_value(&Value::decode(&bytes).unwrap()), Some(fact));
        }
    }

    #[test]
    fn every_reason_has_a_number_of_its_own() {
        for (code, reason) in Reason::ALL {
            assert_eq!(reason.code(), code);
        }
        assert_eq!(Fact::<bool>::from_value(&Value::Unsigned(99)), Some(Fact::Unreadable(Reason::Failed)));
    }

    #[test]
    fn json_names_the_state() {
        let json = |fact: Fact<u64>| serde_json::to_string(&fact).unwrap();
        assert_eq!(json(Fact::Known(3)), r#"{"known":3}"#);
        assert_eq!(json(Fact::Unsupported), r#""unsupported""#);
        assert_eq!(json(Fact::Unreadable(Reason::TimedOut)), r#"{"unreadable":"timed-out"}"#);
    }
}
