//! Texts for each check of the default policy: title, why it matters, and a remedy for each class of reasons, with the
//! party that can apply it. A check of another policy has its code as title, and its texts from the organisation.

mod texts;

use serde::{Deserialize, Serialize};
pub use texts::TEXTS;

/// Party that can fix a failed check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remediator {
    /// The person at the device.
    You,
    /// The organisation's IT staff.
    It,
}

/// The texts of one check.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// The check's code, as policy names it.
    pub check: &'static str,
    /// Short title of the check.
    pub title: &'static str,
    /// Reason for which the organisation requires it, in one sentence.
    pub why: &'static str,
    /// Remedies by class of reasons. The last one has no reasons, and is for every reason that no other names.
    pub remedies: &'static [Remedy],
}

/// Instruction for fixing a check that failed for certain reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// Class of the reasons: the end of the name of the app's message. Empty for a check's last remedy.
    pub class: &'static str,
    /// Reasons of policy that it is for.
    pub reasons: &'static [&'static str],
    /// The instruction.
    pub text: &'static str,
    /// Party that can apply it on a device that is not managed.
    pub remediator: Remediator,
    /// Whether a restart may fix it.
    pub restart: bool,
    /// Steps on the desktops for which they are known.
    pub steps: &'static [Steps],
}

/// Numbered steps on one desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Desktop on which they are true.
    pub desktop: Desktop,
    /// The steps, in order.
    pub lines: &'static [&'static str],
}

/// Desktop whose settings pages are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desktop {
    /// GNOME, Ubuntu's included.
    Gnome,
    /// KDE Plasma.
    Kde,
}

impl Desktop {
    /// Returns the first known desktop of `XDG_CURRENT_DESKTOP`, which is a list of names with colons.
    #[must_use]
    pub fn of(names: &str) -> Option<Self> {
        names.split(':').find_map(|name| match name.to_ascii_lowercase().as_str() {
            "gnome" => Some(Self::Gnome),
            "kde" => Some(Self::Kde),
            _ => None,
        })
    }

    /// Returns the desktop's part of a message name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Gnome => "gnome",
            Self::Kde => "kde",
        }
    }
}

/// The organisation's decision about who fixes failed checks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fixers {
    /// The device has managed configuration: IT fixes everything, unless `user_may_fix` says otherwise.
    pub managed: bool,
    /// Checks that the person at the device may fix; `None` where the organisation does not say.
    pub user_may_fix: Option<Vec<String>>,
}

impl Fixers {
    /// Returns who fixes a check. A remedy that only IT can apply stays IT's.
    #[must_use]
    pub fn remediator(&self, check: &str, remedy: &Remedy) -> Remediator {
        let may = match &self.user_may_fix {
            Some(checks) => checks.iter().any(|it| it == check),
            None => !self.managed,
        };
        if may { remedy.remediator } else { Remediator::It }
    }
}

/// Returns whether this can be the name of a policy's check: lower-case letters, digits and hyphens.
#[must_use]
pub fn is_check(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_'))
}

/// The texts of a check.
#[must_use]
pub fn of(check: &str) -> Option<&'static Text> {
    TEXTS.iter().find(|text| text.check == check)
}

/// Returns the remedy for a check that failed for this reason. An unknown check has the remedy to ask IT.
#[must_use]
pub fn remedy(check: &str, reason: &str) -> &'static Remedy {
    let names = |remedy: &&Remedy| remedy.reasons.contains(&reason);
    let own = of(check).map_or(&[][..], |text| text.remedies);
    let last = own.last().unwrap_or(&texts::OTHER);
    own.iter().find(names).or_else(|| texts::GENERAL.iter().find(names)).unwrap_or(last)
}

/// Returns the name of the app's message with this remedy.
#[must_use]
pub fn message(check: &str, remedy: &Remedy) -> String {
    if *remedy == texts::OTHER {
        "check-other-remedy".to_owned()
    } else if texts::GENERAL.contains(remedy) {
        format!("remedy-{}", remedy.class)
    } else if remedy.class.is_empty() {
        format!("check-{check}-remedy")
    } else {
        format!("check-{check}-remedy-{}", remedy.class)
    }
}

/// Every remedy with the check that it is for; the general ones have an empty check.
pub fn remedies() -> impl Iterator<Item = (&'static str, &'static Remedy)> {
    let own = TEXTS.iter().flat_map(|text| text.remedies.iter().map(move |it| (text.check, it)));
    own.chain(texts::GENERAL.iter().chain([&texts::OTHER]).map(|it| ("", it)))
}

/// The reasons that policy gives, in words.
pub const REASONS: &[(&str, &str)] = &[
    ("ok", "as it should be"),
    ("grace", "due soon"),
    ("overdue", "overdue"),
    ("required", "needed"),
    ("end-of-life", "no longer supported by its maker"),
    ("off", "off"),
    ("partial", "only in part"),
    ("missing", "missing"),
    ("stale", "out of date"),
    ("outdated", "too old"),
    ("clock", "the device's clock seems wrong"),
    ("clear-key", "encrypted, but its key is unprotected"),
    ("unbound-key", "encrypted, but its TPM gives the key to any system"),
    ("network-key", "encrypted with a key from the network"),
    ("suspended", "suspended"),
    ("passive", "monitoring only"),
    ("reduced", "running with reduced function"),
    ("snoozed", "paused by a user"),
    ("disconnected", "not connected to its management"),
    ("unlicensed", "without a valid licence"),
    ("too-long", "too long"),
    ("not-enforced", "set by the user, not enforced"),
    ("open-ports", "other ports are open than expected"),
    ("contradiction", "the device and its TPM disagree"),
    ("setup-mode", "its keys can be changed without authentication"),
    ("no-log", "no log of what was started"),
    ("not-quoted", "not yet confirmed by the TPM"),
    ("software", "in software only"),
    ("simulated", "a simulated TPM"),
    ("certificate-expired", "its maker's certificate has expired"),
    ("unrecognised", "from a maker that is not trusted here"),
    ("unreadable", "could not be read"),
    ("unsupported", "cannot be read on this system"),
];

/// A policy's reason in words. A reason that is not known here reads as it is spelled.
#[must_use]
pub fn reason(code: &str) -> &str {
    REASONS.iter().find(|(known, _)| *known == code).map_or(code, |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedy_depends_on_check_and_reason() {
        for (check, reason, text, remediator) in [
            ("edr-protecting", "missing", "Install", Remediator::It),
            ("edr-protecting", "off", "Start", Remediator::It),
            ("edr-protecting", "", "Have the endpoint protection installed", Remediator::It),
            ("edr-protecting", "snoozed", "Resume", Remediator::You),
            ("edr-protecting", "unreadable", "Nothing for you to do.", Remediator::It),
            ("lock-idle", "unreadable", "Nothing for you to do.", Remediator::It),
            ("lock-idle", "off", "Turn on", Remediator::You),
            ("lock-idle", "not-enforced", "Enforce", Remediator::It),
            ("boot-secure", "unsupported", "Nothing for you to do.", Remediator::It),
            ("boot-secure", "off", "Turn on Secure Boot", Remediator::It),
            ("os-updates", "overdue", "Install the waiting", Remediator::You),
            ("os-updates", "stale", "Have this device refresh", Remediator::It),
            ("os-updates", "clock", "Nothing for you to do.", Remediator::It),
            ("disk-encryption", "suspended", "Resume", Remediator::It),
            ("acme-badge", "missing", "Ask IT", Remediator::It),
        ] {
            let found = remedy(check, reason);
            assert!(found.text.starts_with(text), "{check} {reason}: {}", found.text);
            assert_eq!(found.remediator, remediator, "{check} {reason}");
        }
    }

    #[test]
    fn each_check_ends_with_a_remedy_for_other_reasons() {
        for text in TEXTS {
            let (last, others) = text.remedies.split_last().unwrap();
            assert!(last.reasons.is_empty() && last.class.is_empty(), "{}", text.check);
            assert!(others.iter().all(|it| !it.reasons.is_empty() && !it.class.is_empty()), "{}", text.check);
            let known = |reason: &&str| REASONS.iter().any(|(code, _)| code == reason);
            assert!(others.iter().flat_map(|it| it.reasons).all(known), "{}", text.check);
        }
        let mut names: Vec<_> = remedies().map(|(check, it)| message(check, it)).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all, "two remedies have one message");
    }

    #[test]
    fn unreadable_never_asks_the_person_to_act() {
        for text in TEXTS {
            for reason in ["unreadable", "unsupported", "clock"] {
                let found = remedy(text.check, reason);
                assert_eq!(found.remediator, Remediator::It, "{} {reason}", text.check);
                assert!(found.text.starts_with("Nothing for you to do."), "{} {reason}", text.check);
                assert!(!found.restart && found.steps.is_empty(), "{} {reason}", text.check);
            }
        }
    }

    #[test]
    fn managed_devices_are_fixed_by_it_unless_allowed() {
        let updates = remedy("os-updates", "overdue");
        let own = |checks: &[&str]| Some(checks.iter().map(|&it| it.to_owned()).collect());
        for (managed, user_may_fix, wanted) in [
            (false, None, Remediator::You),
            (true, None, Remediator::It),
            (true, own(&["os-updates"]), Remediator::You),
            (true, own(&["os-reboot"]), Remediator::It),
            (false, own(&[]), Remediator::It),
        ] {
            let fixers = Fixers { managed, user_may_fix };
            assert_eq!(fixers.remediator("os-updates", updates), wanted, "{fixers:?}");
        }
        // A permission does not make a remedy possible that only IT can apply.
        let fixers = Fixers { managed: true, user_may_fix: own(&["disk-encryption"]) };
        let disk = remedy("disk-encryption", "off");
        assert_eq!(fixers.remediator("disk-encryption", disk), Remediator::It);
    }

    #[test]
    fn desktop_is_the_first_known_name() {
        for (names, wanted) in
            [("ubuntu:GNOME", Some(Desktop::Gnome)), ("KDE", Some(Desktop::Kde)), ("XFCE", None), ("", None)]
        {
            assert_eq!(Desktop::of(names), wanted, "{names}");
        }
    }
}
