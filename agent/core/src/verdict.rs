//! Accepts a verdict only if a pinned key signed it over this device's evidence.

use crate::Agent;
use crate::effect::{Effect, RecordEffect, Transition};
use crate::event::Now;
use crate::saved::Enrolment;
use vitalsign_protocol::ear::{self, Ear};
use vitalsign_protocol::id::{Digest, Nonce};
use vitalsign_protocol::jwt;
use vitalsign_protocol::rollover;

/// Reason why a verdict was refused, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VerdictError {
    /// Another key than the pinned ones signed it, and none of them announced it.
    #[error("the verifier signs with a key that this device does not know; enrol the device again")]
    UnknownKey,
    #[error("{0}")]
    Invalid(String),
}

impl From<&str> for VerdictError {
    fn from(why: &str) -> Self {
        Self::Invalid(why.to_owned())
    }
}

impl From<jwt::Error> for VerdictError {
    fn from(error: jwt::Error) -> Self {
        match error {
            jwt::Error::UnknownKey => Self::UnknownKey,
            other => Self::Invalid(other.to_string()),
        }
    }
}

impl Agent {
    /// Pins keys that pinned keys announced.
    pub(crate) fn pin_announced_keys(&mut self, announcements: &[String], effects: &mut Vec<Effect>) {
        let Some(enrolled) = &mut self.saved.enrolled else { return };
        if rollover::pin_announced(&mut enrolled.ear_keys, announcements) {
            effects.push(RecordEffect::Save(Box::new(self.saved.clone())).into());
        }
    }

    /// Checks the verdict and saves it. The error is for people.
    pub(crate) fn accept_verdict(
        &mut self,
        token: &str,
        nonce: Option<Nonce>,
        evidence: Option<Digest>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), VerdictError> {
        let enrolled =
            self.saved.enrolled.as_ref().ok_or("a verdict came for a device that is not enrolled")?;
        let ear = check(token, enrolled, nonce, evidence)?;
        if let (Ok(kid), Some(enrolled)) = (jwt::key_id(token), &mut self.saved.enrolled) {
            rollover::drop_replaced(&mut enrolled.ear_keys, &kid);
        }
        let status = ear.ear_status.unwrap_or_default();
        if self.ear.as_ref().map(|before| before.ear_status.unwrap_or_default()) != Some(status) {
            effects.push(Transition::Verdict(status).into());
        }
        self.ear = Some(ear);
        self.saved.ear = Some(token.to_owned());
        self.saved.reported_at = Some(now.wall);
        effects.push(RecordEffect::Save(Box::new(self.saved.clone())).into());
        Ok(())
    }
}

/// A verdict that a pinned key signed, about this device; and over this evidence, where one is given.
pub(crate) fn check(
    token: &str,
    enrolled: &Enrolment,
    nonce: Option<Nonce>,
    evidence: Option<Digest>,
) -> Result<Ear, VerdictError> {
    let ear: Ear = jwt::verify(token, ear::TYP, &enrolled.ear_keys)?;
    ear.validate()?;
    if ear.vitalsign_device != Some(enrolled.enrolment) {
        return Err("the verdict is about another device".into());
    }
    if nonce.is_some() && ear.eat_nonce != nonce {
        return Err("the verdict answers another nonce".into());
    }
    if evidence.is_some() && ear.vitalsign_evidence != evidence {
        return Err("the verdict is about other evidence".into());
    }
    Ok(ear)
}
