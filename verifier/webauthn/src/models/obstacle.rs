//! Reasons why no key of a listed model can be registered, told when the list is loaded and not when a person taps.

use super::MetadataEntry;
use std::time::Duration;
use vitalsign_x509::Error;

/// Reason why no key of an accepted model can be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// It is part of one device (Windows Hello, Android), and not a security key that a person carries.
    BuiltIn,
    /// It does not protect its keys by hardware.
    NotHardware,
    /// It attests only by itself: no certificate of its maker says what it is.
    SelfAttested,
    /// The list has no certificate of its maker that can be used.
    NoRoot,
    /// Every certificate of its maker in the list has expired.
    RootExpired,
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::BuiltIn => "built into a device",
            Self::NotHardware => "not in hardware",
            Self::SelfAttested => "attests only by itself",
            Self::NoRoot => "no usable root in the list",
            Self::RootExpired => "its root has expired",
        })
    }
}

pub(super) fn of(entry: &MetadataEntry, now: u64) -> Option<Obstacle> {
    let now = Duration::from_secs(now);
    if !entry.model.hardware {
        return Some(Obstacle::NotHardware);
    }
    if !entry.model.roaming {
        return Some(Obstacle::BuiltIn);
    }
    if !entry.certified {
        return Some(Obstacle::SelfAttested);
    }
    let outcomes: Vec<_> = entry.anchors.roots().iter().map(|root| root.usable_as_anchor(now)).collect();
    if outcomes.iter().any(Result::is_ok) {
        return None;
    }
    let expired = |it: &Result<(), Error>| matches!(it, Err(Error::Expired { .. }));
    Some(if outcomes.iter().any(expired) { Obstacle::RootExpired } else { Obstacle::NoRoot })
}
