//! From the session's types to the page's.

use crate::view::{DisconnectReason, KeyList, KeyProblem, KeyProblemKind, KeyView, Level, PromptResult};
use vitalsign_ipc::{Answer, Refusal};
use vitalsign_protocol::problem::ProblemType;
use vitalsign_protocol::step_up::{self, Acr, NO_SECURITY_KEY, RegisteredKey};
use vitalsign_security_key::Failure;
use vitalsign_session::{self as session, RegisterError, texts};

pub(super) use vitalsign_protocol::text::escape;

/// Text from elsewhere, in one line.
pub(super) fn plain(text: &str) -> String {
    escape(text).replace('\n', " ")
}

pub(super) fn level(acr: Acr) -> Level {
    match acr {
        Acr::Badge => Level::Badge,
        Acr::HardwareKey => Level::HardwareKey,
        Acr::HealthyDevice => Level::HealthyDevice,
        Acr::Epcs => Level::Epcs,
    }
}

pub(super) fn end(end: step_up::StepUpResult) -> PromptResult {
    match end {
        step_up::StepUpResult::Approved => PromptResult::Approved,
        step_up::StepUpResult::Declined => PromptResult::Declined,
        step_up::StepUpResult::NotMine => PromptResult::NotMine,
        step_up::StepUpResult::TimedOut => PromptResult::TimedOut,
        step_up::StepUpResult::Unhealthy => PromptResult::Unhealthy,
        step_up::StepUpResult::WrongKey => PromptResult::WrongKey,
        step_up::StepUpResult::PinBlocked => PromptResult::PinBlocked,
        step_up::StepUpResult::NoKey => PromptResult::NoKey,
        step_up::StepUpResult::NoDevice => PromptResult::NoDevice,
        step_up::StepUpResult::Superseded => PromptResult::Superseded,
        step_up::StepUpResult::Cancelled => PromptResult::Cancelled,
    }
}

/// Returns whether a result went well, or was the person's own wish, so that it needs no reading.
pub(super) fn is_brief(end: PromptResult) -> bool {
    matches!(end, PromptResult::Approved | PromptResult::Declined)
}

pub(super) fn loss(loss: session::DisconnectReason) -> DisconnectReason {
    match loss {
        session::DisconnectReason::NotRunning => DisconnectReason::NotRunning,
        session::DisconnectReason::Foreign => DisconnectReason::Foreign,
        session::DisconnectReason::OtherVersion => DisconnectReason::OtherVersion,
        session::DisconnectReason::Garbled => DisconnectReason::Garbled,
        session::DisconnectReason::Silent => DisconnectReason::Silent,
        session::DisconnectReason::Busy => DisconnectReason::Busy,
        session::DisconnectReason::Other => DisconnectReason::Other,
    }
}

pub(super) fn trouble(trouble: &session::SessionError) -> KeyProblem {
    match trouble {
        session::SessionError::Key(failure) => key(failure),
        session::SessionError::NoPin => KeyProblem::new(KeyProblemKind::NotUsed, None),
        session::SessionError::Refused(refusal) => refused(refusal),
        session::SessionError::Disconnected(lost) => {
            KeyProblem::new(KeyProblemKind::Lost, Some(plain(&lost.text)))
        }
        session::SessionError::Odd => KeyProblem::new(KeyProblemKind::Lost, Some(texts::ODD.to_owned())),
    }
}

/// Returns why no key was used, if the service gave a reason.
pub(super) fn unasked(reasons: &[String]) -> Option<KeyProblem> {
    let reason = reasons.first()?;
    Some(match reason.as_str() {
        NO_SECURITY_KEY => KeyProblem::new(KeyProblemKind::NoneRegistered, None),
        // Other reasons name the invalid part of the verifier's request.
        _ => KeyProblem::new(KeyProblemKind::BadRequest, Some(plain(reason))),
    })
}

impl From<&RegisterError> for KeyProblem {
    fn from(error: &RegisterError) -> Self {
        match error {
            RegisterError::Key(failure) => key(failure),
            RegisterError::Refused(refusal) => refused(refusal),
            RegisterError::Service(_) | RegisterError::Odd => {
                Self::new(KeyProblemKind::Lost, Some(plain(&error.to_string())))
            }
        }
    }
}

fn refused(refusal: &Refusal) -> KeyProblem {
    use ProblemType::{Busy, Internal, KeyCodeUnknown, KeyKnown, KeyUntrusted, RegistrationUnknown};
    let kind = match refusal {
        Refusal::Over => KeyProblemKind::Over,
        Refusal::Busy | Refusal::Verifier { problem: None, .. } => KeyProblemKind::Lost,
        Refusal::Verifier { problem: Some(problem), .. } => match ProblemType::from_urn(problem) {
            Some(KeyCodeUnknown) => KeyProblemKind::Code,
            Some(KeyUntrusted) => KeyProblemKind::Model,
            Some(KeyKnown) => KeyProblemKind::AlreadyRegistered,
            Some(RegistrationUnknown) => KeyProblemKind::Over,
            Some(Busy | Internal) => KeyProblemKind::Lost,
            _ => KeyProblemKind::Refused,
        },
        Refusal::NotUnderstood
        | Refusal::NotShown
        | Refusal::NotAllowed
        | Refusal::NotInFront
        | Refusal::Settings => KeyProblemKind::Refused,
    };
    KeyProblem::new(kind, Some(plain(&refusal.to_string())))
}

fn key(failure: &Failure) -> KeyProblem {
    let (kind, detail) = match failure {
        Failure::Cancelled => (KeyProblemKind::NotUsed, None),
        Failure::TimedOut => (KeyProblemKind::TimedOut, None),
        Failure::WrongKey => (KeyProblemKind::WrongKey, None),
        Failure::PinBlocked { until_reinserted: true } => (KeyProblemKind::Reinsert, None),
        Failure::PinBlocked { until_reinserted: false } => (KeyProblemKind::Blocked, None),
        Failure::NoUserVerification => (KeyProblemKind::NoUserVerification, None),
        Failure::AlreadyRegistered => (KeyProblemKind::AlreadyRegistered, None),
        Failure::Refused(why) => (KeyProblemKind::BadRequest, Some(why)),
        Failure::Unfit(why) => (KeyProblemKind::Unfit, Some(why)),
        Failure::Unavailable(why) => (KeyProblemKind::Unavailable, Some(why)),
    };
    KeyProblem::new(kind, detail.map(|why| plain(why)))
}

/// The list of keys, from the service's answer.
pub fn keys(answer: Result<Answer, session::Disconnected>) -> KeyList {
    let lost = |detail: Option<String>| KeyProblem::new(KeyProblemKind::Lost, detail);
    let trouble = match answer {
        Ok(Answer::Keys(keys)) => {
            return KeyList::Registered { keys: keys.iter().map(registered).collect() };
        }
        Ok(Answer::Refused(refusal)) => refused(&refusal),
        Ok(_) => lost(None),
        Err(why) => lost(Some(plain(&why.text))),
    };
    KeyList::Failed { trouble }
}

pub fn registered(key: &RegisteredKey) -> KeyView {
    KeyView {
        id: key.id,
        user: plain(&key.user),
        name: plain(&key.name),
        model: plain(&key.model),
        registered: key.registered,
        last_used: key.last_used,
    }
}
