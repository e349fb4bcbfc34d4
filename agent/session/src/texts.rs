//! Texts for people. Text from outside is displayed completely and never interpreted.

use vitalsign_protocol::check::{self, Remediator};
use vitalsign_protocol::step_up::{Acr, StepUpResult};
use vitalsign_protocol::text::escape;
use vitalsign_security_key::Failure;

/// Text for an unexpected answer.
pub const ODD: &str = "The service gave an unexpected answer: do both programs have the same version?";
/// Text if a PIN is needed and there is neither terminal nor PIN file.
pub const NO_PIN: &str = "The security key needs its PIN, but there is no terminal to enter it.";

#[must_use]
pub fn level(acr: Acr) -> &'static str {
    match acr {
        Acr::Badge => "your security key, without its PIN for some hours after you entered it",
        Acr::HardwareKey => "your security key",
        Acr::HealthyDevice => "your security key, on a healthy device",
        Acr::Epcs => "your security key, on a healthy device, for controlled substances (EPCS)",
    }
}

/// Word for IT where the organisation's ways to reach it are not known; otherwise see
/// [`Support::it`](vitalsign_protocol::organisation::Support::it).
pub const IT: &str = "IT";

/// Describes the result of a step-up in one sentence. `it` names IT.
#[must_use]
pub fn end(end: StepUpResult, it: &str) -> String {
    let text = match end {
        StepUpResult::PinBlocked => {
            return format!(
                "Refused: the security key is blocked: too many wrong PINs. Contact {}.",
                escape(it)
            );
        }
        StepUpResult::Approved => "Approved.",
        StepUpResult::Declined => "Declined.",
        StepUpResult::NotMine => "Declined, and reported: you did not ask for this.",
        StepUpResult::TimedOut => "Timed out. Start again in the application.",
        StepUpResult::Unhealthy => "Refused: this device does not meet the requirements.",
        StepUpResult::WrongKey => "Refused: this security key is not one of this person's.",
        StepUpResult::NoKey => "Refused: no security key can be used here.",
        StepUpResult::NoDevice => "Refused: no device of this person was reached.",
        StepUpResult::Superseded => "It was answered elsewhere.",
        StepUpResult::Cancelled => "The application cancelled the request.",
    };
    text.to_owned()
}

/// Describes a failed check: what is wrong, what to do, and who can fix it. An unknown check is shown by its
/// name. `it` names IT.
#[must_use]
pub fn reason(check: &str, it: &str) -> String {
    let it = escape(it);
    let remedy = check::remedy(check, "");
    match check::of(check) {
        Some(text) => {
            // Only the service knows whether the organisation lets the person fix it.
            let who = match remedy.remediator {
                Remediator::You => "`vitalsign status` says who does this.".to_owned(),
                Remediator::It => format!("Contact {it}."),
            };
            format!("{}: {} {who}", text.title, remedy.text)
        }
        None => format!("{}: ask {it} what this check requires.", escape(check).replace('\n', " ")),
    }
}

/// Describes a failed ceremony and what to do. `it` names IT.
#[must_use]
pub fn failure(failure: &Failure, it: &str) -> String {
    let it = escape(it);
    match failure {
        Failure::Cancelled => "The security key was not used.".to_owned(),
        Failure::TimedOut => "No security key was touched in time.".to_owned(),
        Failure::WrongKey => format!(
            "This security key is not registered for this person. Use your own, or register this one with a code from \
             {it}: vitalsign security-key register."
        ),
        Failure::PinBlocked { until_reinserted: true } => {
            "Too many wrong PINs. Remove the security key, insert it again, and start again.".to_owned()
        }
        Failure::PinBlocked { until_reinserted: false } => {
            format!(
                "Too many wrong PINs have blocked this security key. It must be reset and registered again: contact {it}."
            )
        }
        Failure::NoUserVerification => {
            "This security key has no PIN and no fingerprint, so it cannot verify who you are. Register it again."
                .to_owned()
        }
        Failure::AlreadyRegistered => "This security key is registered already.".to_owned(),
        Failure::Refused(why) => format!("The request is invalid, so no security key was used: {}.", escape(why)),
        Failure::Unfit(why) => format!("This security key is unsuitable: {}. Try another one.", escape(why)),
        Failure::Unavailable(why) => format!("Security keys cannot be reached: {}.", escape(why)),
    }
}

/// Formats a count like `1 attempt` or `3 attempts`.
#[must_use]
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_what_to_do_and_who_can() {
        assert_eq!(
            reason("os-reboot", IT),
            "Restart: Restart this device to finish its updates. `vitalsign status` says who does this."
        );
        let it = "IT (Service desk, ext. 1234)";
        assert!(reason("disk-encryption", it).ends_with("Contact IT (Service desk, ext. 1234)."));
        assert!(end(StepUpResult::PinBlocked, it).ends_with("Contact IT (Service desk, ext. 1234)."));
        assert!(failure(&Failure::WrongKey, it).contains("from IT (Service desk, ext. 1234): "));
        assert_eq!(reason("acme-\u{1b}badge", IT), "acme-<U+001B>badge: ask IT what this check requires.");
    }
}
