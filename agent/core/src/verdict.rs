//! Accepts a verdict only if a pinned key signed it over this device's evidence.

use crate::Agent;
use crate::effect::{Effect, RecordEffect, Transition};
use crate::event::Now;
use crate::saved::Enrolment;
use vitalsign_protocol::ear::{self, Ear};
use vitalsign_protocol::id::{Digest, Nonce};
use vitalsign_protocol::jwt;

impl Agent {
    /// Checks the verdict and saves it. The error is for people.
    pub(crate) fn accept_verdict(
        &mut self,
        token: &str,
        nonce: Option<Nonce>,
        evidence: Option<Digest>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let enrolled =
            self.saved.enrolled.as_ref().ok_or("a verdict came for a device that is not enrolled")?;
        let ear = check(token, enrolled, nonce, evidence)?;
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
) -> Result<Ear, String> {
    let ear: Ear = jwt::verify(token, ear::TYP, &enrolled.ear_keys).map_err(|e| e.to_string())?;
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
