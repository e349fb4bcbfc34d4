//! From the session's types to the page's.

use crate::view::{End, Key, Keys, Level, Loss, Trouble, TroubleKind};
use vitalsign_ipc::{Answer, Refusal};
use vitalsign_protocol::problem::ProblemType;
use vitalsign_protocol::step_up::{self, Acr, NO_SECURITY_KEY, RegisteredKey};
use vitalsign_security_key::Failure;
use vitalsign_session::{self as session, RegisterError, texts};

pub(super) use texts::visible;

/// Text from elsewhere, in one line.
pub(super) fn plain(text: &str) -> String {
    visible(text).replace('\n', " ")
}

pub(super) fn level(acr: Acr) -> Level {
    match acr {
        Acr::HardwareKey => Level::HardwareKey,
        Acr::HealthyDevice => Level::HealthyDevice,
        Acr::Epcs => Level::Epcs,
    }
}

pub(super) fn end(end: step_up::End) -> End {
    match end {
        step_up::End::Approved => End::Approved,
        step_up::End::Declined => End::Declined,
        step_up::End::NotMine => End::NotMine,
        step_up::End::TimedOut => End::TimedOut,
        step_up::End::Unhealthy => End::Unhealthy,
        step_up::End::WrongKey => End::WrongKey,
        step_up::End::PinBlocked => End::PinBlocked,
        step_up::End::NoKey => End::NoKey,
        step_up::End::NoDevice => End::NoDevice,
        step_up::End::Superseded => End::Superseded,
        step_up::End::Cancelled => End::Cancelled,
    }
}

pub(super) fn loss(loss: session::Loss) -> Loss {
    match loss {
        session::Loss::NotRunning => Loss::NotRunning,
        session::Loss::Foreign => Loss::Foreign,
        session::Loss::OtherVersion => Loss::OtherVersion,
        session::Loss::Garbled => Loss::Garbled,
        session::Loss::Silent => Loss::Silent,
        session::Loss::Busy => Loss::Busy,
        session::Loss::Other => Loss::Other,
    }
}

pub(super) fn trouble(trouble: &session::Trouble) -> Trouble {
    match trouble {
        session::Trouble::Key(failure) => key(failure),
        session::Trouble::NoPin => Trouble { kind: TroubleKind::NotUsed, detail: None },
        session::Trouble::Refused(refusal) => refused(refusal),
        session::Trouble::Lost(lost) => Trouble { kind: TroubleKind::Lost, detail: Some(plain(&lost.text)) },
        session::Trouble::Odd => Trouble { kind: TroubleKind::Lost, detail: Some(texts::ODD.to_owned()) },
    }
}

/// Why no key was asked, where the service says so.
pub(super) fn unasked(reasons: &[String]) -> Option<Trouble> {
    let reason = reasons.first()?;
    Some(match reason.as_str() {
        NO_SECURITY_KEY => Trouble { kind: TroubleKind::NoneRegistered, detail: None },
        // What of the verifier's request does not hold.
        _ => Trouble { kind: TroubleKind::BadRequest, detail: Some(plain(reason)) },
    })
}

impl From<&RegisterError> for Trouble {
    fn from(error: &RegisterError) -> Self {
        match error {
            RegisterError::Key(failure) => key(failure),
            RegisterError::Refused(refusal) => refused(refusal),
            RegisterError::Service(_) | RegisterError::Odd => {
                Self { kind: TroubleKind::Lost, detail: Some(plain(&error.to_string())) }
            }
        }
    }
}

fn refused(refusal: &Refusal) -> Trouble {
    use ProblemType::{Busy, Internal, KeyCodeUnknown, KeyKnown, KeyUntrusted, RegistrationUnknown};
    let kind = match refusal {
        Refusal::Over => TroubleKind::Over,
        Refusal::Busy | Refusal::Verifier { problem: None, .. } => TroubleKind::Lost,
        Refusal::Verifier { problem: Some(problem), .. } => match ProblemType::from_urn(problem) {
            Some(KeyCodeUnknown) => TroubleKind::Code,
            Some(KeyUntrusted) => TroubleKind::Model,
            Some(KeyKnown) => TroubleKind::AlreadyRegistered,
            Some(RegistrationUnknown) => TroubleKind::Over,
            Some(Busy | Internal) => TroubleKind::Lost,
            _ => TroubleKind::Refused,
        },
        Refusal::NotUnderstood | Refusal::NotAllowed | Refusal::Settings => TroubleKind::Refused,
    };
    Trouble { kind, detail: Some(plain(&refusal.to_string())) }
}

fn key(failure: &Failure) -> Trouble {
    let (kind, detail) = match failure {
        Failure::Cancelled => (TroubleKind::NotUsed, None),
        Failure::TimedOut => (TroubleKind::TimedOut, None),
        Failure::WrongKey => (TroubleKind::WrongKey, None),
        Failure::PinBlocked { until_reinserted: true } => (TroubleKind::Reinsert, None),
        Failure::PinBlocked { until_reinserted: false } => (TroubleKind::Blocked, None),
        Failure::NoUserVerification => (TroubleKind::NoUserVerification, None),
        Failure::AlreadyRegistered => (TroubleKind::AlreadyRegistered, None),
        Failure::Refused(why) => (TroubleKind::BadRequest, Some(why)),
        Failure::Unfit(why) => (TroubleKind::Unfit, Some(why)),
        Failure::Unavailable(why) => (TroubleKind::Unavailable, Some(why)),
    };
    Trouble { kind, detail: detail.map(|why| plain(why)) }
}

/// The list of keys, from the service's answer.
pub fn keys(answer: Result<Answer, session::Lost>) -> Keys {
    let lost = |detail: Option<String>| Trouble { kind: TroubleKind::Lost, detail };
    let trouble = match answer {
        Ok(Answer::Keys(keys)) => return Keys::Registered { keys: keys.iter().map(registered).collect() },
        Ok(Answer::Refused(refusal)) => refused(&refusal),
        Ok(_) => lost(None),
        Err(why) => lost(Some(plain(&why.text))),
    };
    Keys::Failed { trouble }
}

/// A registered key.
pub fn registered(key: &RegisteredKey) -> Key {
    Key {
        id: key.id,
        user: plain(&key.user),
        name: plain(&key.name),
        model: plain(&key.model),
        registered: key.registered,
        last_used: key.last_used,
    }
}
