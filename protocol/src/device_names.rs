//! Names by which IT knows a device, as the device says them: nothing proves them. They are not facts of the posture, and no
//! appraisal depends on them.

use crate::cbor::{MapBuilder, Value};
use crate::text::is_plain;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most bytes of a host name (RFC 1035 section 2.3.4, without the encoding of its labels).
pub const MAX_HOST_NAME_BYTES: usize = 253;
/// The most characters of an asset tag.
pub const MAX_ASSET_TAG_CHARACTERS: usize = 64;

const HOST_NAME: i64 = 1;
const ASSET_TAG: i64 = 2;

/// The text cannot be such a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It cannot be a host name.
    #[error(
        "a host name has 1 to {MAX_HOST_NAME_BYTES} bytes of visible characters, without blanks around them"
    )]
    HostName,
    /// It cannot be an asset tag.
    #[error(
        "an asset tag has 1 to {MAX_ASSET_TAG_CHARACTERS} visible characters, without blanks around them"
    )]
    AssetTag,
}

/// Names of a device. None at all means that the organisation does not let the device say any.
///
/// ```
/// use vitalsign_protocol::device_names::{DeviceNames, HostName};
///
/// let host_name = HostName::try_from("ward3-pc12".to_owned()).ok();
/// assert!(!DeviceNames { host_name, asset_tag: None }.is_empty());
/// assert!(HostName::try_from("a\u{202e}b".to_owned()).is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeviceNames {
    /// Name of the machine in its network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<HostName>,
    /// Number on the device's label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<AssetTag>,
}

impl DeviceNames {
    /// Returns whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn to_value(&self) -> Value<'_> {
        let mut map = MapBuilder::default();
        if let Some(name) = &self.host_name {
            map.push(HOST_NAME, name.as_str());
        }
        if let Some(tag) = &self.asset_tag {
            map.push(ASSET_TAG, tag.as_str());
        }
        map.build()
    }

    /// Returns the names, and the labels of those that this version does not know; `None` if they are malformed.
    pub(crate) fn from_value(value: &Value<'_>) -> Option<(Self, Vec<String>)> {
        let (mut names, mut unknown) = (Self::default(), Vec::new());
        for (label, name) in value.entries()? {
            let text = || name.text().map(str::to_owned);
            match label.integer() {
                Some(HOST_NAME) => names.host_name = Some(HostName::try_from(text()?).ok()?),
                Some(ASSET_TAG) => names.asset_tag = Some(AssetTag::try_from(text()?).ok()?),
                label => unknown.push(format!("names.{}", label.unwrap_or_default())),
            }
        }
        Some((names, unknown))
    }
}

/// Returns whether people can read the text as it is written, and it is not blank.
fn is_readable(text: &str) -> bool {
    !text.is_empty() && text == text.trim() && is_plain(text)
}

macro_rules! names {
    ($($(#[$meta:meta])* $name:ident: $fits:expr;)+) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the name as it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                let fits: fn(&str) -> bool = $fits;
                if fits(&text) && is_readable(&text) { Ok(Self(text)) } else { Err(NameError::$name) }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )+ };
}

names! {
    /// Name of a machine in its network, of at most [`MAX_HOST_NAME_BYTES`].
    HostName: |text| text.len() <= MAX_HOST_NAME_BYTES;
    /// Number by which the owner knows a device, of at most [`MAX_ASSET_TAG_CHARACTERS`].
    AssetTag: |text| text.chars().count() <= MAX_ASSET_TAG_CHARACTERS;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_visible() {
        for (text, host_name, asset_tag) in [
            ("ward3-pc12.example", true, true),
            ("Pädiatrie 01", true, true),
            ("", false, false),
            (" ", false, false),
            (" a", false, false),
            ("a\n", false, false),
            ("a\u{1b}[2Jb", false, false),
            ("a\u{7f}", false, false),
            ("a\u{202e}b", false, false),
            ("a\u{2066}b", false, false),
            ("a\u{200b}b", false, false),
            (&"x".repeat(64), true, true),
            (&"ä".repeat(64), true, true),
            (&"x".repeat(65), true, false),
            (&"x".repeat(253), true, false),
            (&"x".repeat(254), false, false),
            (&"ä".repeat(127), false, false),
        ] {
            assert_eq!(HostName::try_from(text.to_owned()).is_ok(), host_name, "{text:?}");
            assert_eq!(AssetTag::try_from(text.to_owned()).is_ok(), asset_tag, "{text:?}");
        }
    }
}
