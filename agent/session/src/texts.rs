//! Texts for people. Text from outside is displayed completely and never interpreted.

use vitalsign_protocol::check::{self, Remediator};
use vitalsign_protocol::step_up::{Acr, StepUpResult};
use vitalsign_security_key::Failure;

/// Text for an unexpected answer.
pub const ODD: &str = "The service answered something else than was asked: are both of the same version?";
/// A PIN is asked for, and there is nowhere to enter it.
pub const NO_PIN: &str = "The security key asks for its PIN, and there is no terminal to enter it at.";

/// Text from elsewhere, fit for a terminal. Nothing is left out: what a terminal would obey, what turns the direction of
/// writing and what cannot be seen is spelled out as `<U+202E>`. Line ends stay.
#[must_use]
pub fn visible(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(
                c,
                '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            )
            || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
            || matches!(c, '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push('\n'),
            '\t' => shown.push(' '),
            c if hidden(c) => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
            c => shown.push(c),
        }
    }
    shown
}

#[must_use]
pub fn level(acr: Acr) -> &'static str {
    match acr {
        Acr::HardwareKey => "your security key",
        Acr::HealthyDevice => "your security key, on a healthy device",
        Acr::Epcs => "your security key, on a healthy device, for controlled substances (EPCS)",
    }
}

/// An end, in a sentence.
#[must_use]
pub fn end(end: StepUpResult) -> &'static str {
    match end {
        StepUpResult::Approved => "Approved.",
        StepUpResult::Declined => "Declined.",
        StepUpResult::NotMine => "Declined, and reported: you did not ask for this.",
        StepUpResult::TimedOut => "Time is over: nobody answered. Start again in the application.",
        StepUpResult::Unhealthy => "Refused: this device is not in the state that is asked for.",
        StepUpResult::WrongKey => "Refused: this security key is not one of this person's.",
        StepUpResult::PinBlocked => "Refused: the security key takes no more PINs. Ask your IT.",
        StepUpResult::NoKey => "Refused: no security key can be used here.",
        StepUpResult::NoDevice => "Refused: no device of this person was reached.",
        StepUpResult::Superseded => "It was answered elsewhere.",
        StepUpResult::Cancelled => "The application took it back.",
    }
}

/// Describes a failed check: what is wrong, what to do, and who can fix it. An unknown check is shown by its
/// name.
#[must_use]
pub fn reason(check: &str) -> String {
    match check::of(check) {
        Some(text) => {
            let who = match (text.mender, text.restart) {
                (Remediator::You, true) => "You can do this; a restart mends it.",
                (Remediator::You, false) => "You can do this.",
                (Remediator::It, _) => "IT does this.",
            };
            format!("{}: {} {who}", text.title, text.remedy)
        }
        None => format!("{}: ask your IT what is wanted.", visible(check).replace('\n', " ")),
    }
}

/// Describes a failed ceremony and what to do.
#[must_use]
pub fn failure(failure: &Failure) -> String {
    match failure {
        Failure::Cancelled => "The security key was not used.".to_owned(),
        Failure::TimedOut => "No security key was touched in time.".to_owned(),
        Failure::WrongKey => "This security key is not registered for this person. Use your own, or register this one \
                              with a code from your IT: vitalsign key register."
            .to_owned(),
        Failure::PinBlocked { until_reinserted: true } => {
            "Too many wrong PINs. Take the security key out, put it in again, and start once more.".to_owned()
        }
        Failure::PinBlocked { until_reinserted: false } => {
            "The security key is blocked by too many wrong PINs. It has to be reset and registered again: ask your IT."
                .to_owned()
        }
        Failure::NoUserVerification => {
            "This security key has no PIN and no fingerprint reader, so it cannot ask who is there. Register it again."
                .to_owned()
        }
        Failure::AlreadyRegistered => "This security key is registered already.".to_owned(),
        Failure::Refused(why) => format!("The request is refused, and no security key was asked: {}.", visible(why)),
        Failure::Unfit(why) => format!("This security key cannot do it: {}. Try another one.", visible(why)),
        Failure::Unavailable(why) => format!("Security keys cannot be reached: {}.", visible(why)),
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
    fn nothing_is_obeyed_and_nothing_is_left_out() {
        for (text, shown) in [
            ("EHR: sign order 4711", "EHR: sign order 4711"),
            ("pay \u{202e}001 EUR", "pay <U+202E>001 EUR"),
            ("\u{1b}[2J\u{1b}]0;x\u{7}", "<U+001B>[2J<U+001B>]0;x<U+0007>"),
            ("a\rb\u{8}c\u{9b}31m", "a<U+000D>b<U+0008>c<U+009B>31m"),
            ("one\ntwo\tthree", "one\ntwo three"),
            ("x\u{200b}y\u{2066}z\u{e0041}\u{feff}", "x<U+200B>y<U+2066>z<U+E0041><U+FEFF>"),
            ("zażółć 漢字 ✓", "zażółć 漢字 ✓"),
        ] {
            assert_eq!(visible(text), shown);
        }
        let long = "x".repeat(10_000);
        assert_eq!(visible(&long), long);
    }

    #[test]
    fn a_reason_says_what_to_do_and_who_can() {
        assert_eq!(
            reason("os-reboot"),
            "Restart: Restart this device to finish its updates. You can do this; a restart mends it."
        );
        assert_eq!(reason("acme-\u{1b}badge"), "acme-<U+001B>badge: ask your IT what is wanted.");
    }
}
