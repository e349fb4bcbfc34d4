//! Verdicts: the appraisal of evidence, signed as an EAR, and the answer to a report.

use super::{Attestation, Challenge, boot};
use crate::appraisal::{
    AppraisalSnapshot, AppraiseError, Appraised, BootAttestation, EventLogResult, Input, KeyAttestation,
    QuotedBoot, Since,
};
use crate::nonce::Purpose;
use crate::store::device::Identity;
use std::collections::BTreeMap;
use vitalsign_protocol::ear::{self, Appraisal, Check, Ear, Tier, Trust, TrustVector, VerifierId};
use vitalsign_protocol::evidence::{BootEvidence, Claims, Verified};
use vitalsign_protocol::id::{Digest, EnrolmentId, Nonce, Thumbprint};
use vitalsign_protocol::message::ReportAnswer;
use vitalsign_protocol::posture::{KeyStorage, Posture};
use vitalsign_protocol::problem::{Problem, ProblemType};

pub(crate) struct Verdict {
    pub(crate) appraised: Appraised,
    /// New appraisal snapshot of the device, if it changed.
    pub(crate) standing: Option<AppraisalSnapshot>,
    /// Last boot of which a quote was verified.
    pub(crate) boot: Option<QuotedBoot>,
    /// Body of the audit entry, JSON.
    pub(crate) body: String,
    pub(crate) digest: Digest,
    /// ID of the policy that was applied.
    pub(crate) policy: String,
    /// The appraisal changed, or the evidence contains more than facts.
    pub(crate) keep_evidence: bool,
}

impl Attestation {
    /// Appraises evidence whose signature and nonce are valid. An invalid quote spends the challenge that it answers.
    pub(crate) async fn appraise(
        &self,
        identity: &Identity,
        before: &AppraisalSnapshot,
        verified: &Verified,
        quote: Option<(&BootEvidence, &Challenge)>,
        bytes: &[u8],
        now: u64,
    ) -> Result<Verdict, Problem> {
        let claims = &verified.claims;
        let mut boot = before.boot;
        if let Some((quote, challenge)) = quote {
            let tpm = identity.tpm.as_ref();
            let tpm =
                tpm.ok_or_else(|| Problem::new(ProblemType::QuoteInvalid, "a key in software cannot quote"))?;
            let log = self.verify_quote(quote, &tpm.ak, challenge, &identity.kid).await?;
            boot = Some(QuotedBoot { at: now, boot_count: claims.boot_count, log });
        }
        let input = Input {
            posture: &claims.posture,
            key: key_attestation(identity, now),
            boot: boot_attestation(boot.as_ref(), claims, now),
            now,
        };
        let appraiser = self.appraiser.get();
        let mut appraised = match appraiser.appraise_in_turn(&input).await {
            Ok(appraised) => appraised,
            // Says nothing of the device: a machine with too much to do also takes long.
            Err(error @ AppraiseError::TimedOut) => {
                tracing::error!(%error, "a device was not appraised");
                return Err(Problem::new(ProblemType::Busy, "The appraisal took too long. Try again later."));
            }
            Err(error) => {
                tracing::error!(%error, "the policy failed: nothing is claimed of the device");
                no_judgement(appraiser.policy_id(), now)
            }
        };
        let (mut checks, mut same) = (0, 0);
        for check in appraised.submods.values_mut().flat_map(|submod| &mut submod.vitalsign_checks) {
            let known = before.checks.get(&check.check).filter(|known| known.status == check.status);
            check.since = Some(known.map_or(now, |known| known.since));
            checks += 1;
            same += usize::from(known.is_some_and(|known| *known.reason == *check.reason));
        }
        let same_checks = checks == same && checks == before.checks.len();
        let changed = !same_checks || verified.unknown != before.unknown;
        let standing = (changed || boot != before.boot).then(|| {
            let checks = appraised.submods.values().flat_map(|submod| &submod.vitalsign_checks);
            let since = |check: &Check| Since {
                status: check.status,
                reason: check.reason.as_str().into(),
                since: check.since.unwrap_or(now),
            };
            AppraisalSnapshot {
                checks: checks.map(|check| (check.check.clone(), since(check))).collect(),
                boot,
                unknown: verified.unknown.clone(),
            }
        });
        let digest = Digest::of(bytes);
        let mut body = serde_json::json!({
            "evidence": digest.hex(),
            "status": appraised.status,
            "policy": appraiser.policy_id(),
        });
        if let Some(body) = body.as_object_mut() {
            if let Some(standing) = standing.as_ref().filter(|_| changed) {
                let checks = standing.checks.iter();
                let checks = checks.map(|(name, since)| (name.clone(), since.status.as_str().into()));
                body.insert("checks".into(), serde_json::Value::Object(checks.collect()));
            }
            if !verified.unknown.is_empty() && verified.unknown != before.unknown {
                body.insert("unknown_claims".into(), verified.unknown.clone().into());
            }
        }
        let keep_evidence = changed || quote.is_some();
        let policy = appraiser.policy_id().to_owned();
        Ok(Verdict { appraised, standing, boot, body: body.to_string(), digest, policy, keep_evidence })
    }

    pub(crate) fn answer(
        &self,
        device: &EnrolmentId,
        kid: &Thumbprint,
        nonce: Nonce,
        verdict: &mut Verdict,
        quote: bool,
        now: u64,
    ) -> Result<ReportAnswer, Problem> {
        let nonce_seconds = self.config.nonce_seconds;
        let ear = self.sign_verdict(device, nonce, verdict, now)?;
        let expires = now.saturating_add(nonce_seconds);
        Ok(ReportAnswer {
            ear,
            nonce: self.nonces.issue(Purpose::Report, kid, expires)?,
            nonce_seconds: nonce_seconds.into(),
            report_seconds: self.config.report_seconds.into(),
            quote,
            session: Some(self.open_session(kid, expires)?),
            organisation: None,
            key_rollovers: Vec::new(),
        })
    }

    /// Signs the verdict as a JWT. Takes the submodules out of the appraisal.
    pub(crate) fn sign_verdict(
        &self,
        device: &EnrolmentId,
        nonce: Nonce,
        verdict: &mut Verdict,
        now: u64,
    ) -> Result<String, Problem> {
        let ear = Ear {
            eat_profile: ear::PROFILE.to_owned(),
            iat: now,
            exp: Some(now.saturating_add(self.config.nonce_seconds).min(verdict.appraised.valid_until)),
            ear_verifier_id: VerifierId {
                developer: "Vitalsign".to_owned(),
                build: concat!("vitalsign-verifier ", env!("CARGO_PKG_VERSION")).to_owned(),
            },
            ear_status: Some(verdict.appraised.status),
            eat_nonce: Some(nonce),
            vitalsign_device: Some(*device),
            vitalsign_evidence: Some(verdict.digest),
            // Moved instead of cloned, because it is large and not used later.
            submods: std::mem::take(&mut verdict.appraised.submods),
            ..Ear::default()
        };
        self.ear_keys.get().sign(&ear, ear::TYP).map_err(|error| {
            tracing::error!(%error, "signing a verdict");
            Problem::new(ProblemType::Internal, "")
        })
    }

    pub(crate) fn wants_quote(
        &self,
        identity: &Identity,
        boot: Option<&QuotedBoot>,
        claims: &Claims,
        now: u64,
    ) -> bool {
        let fresh = |boot: &QuotedBoot| now.saturating_sub(boot.at) < self.config.quote_seconds;
        identity.tpm.is_some() && !boot.is_some_and(|boot| fresh(boot) && boot::is_quoted(boot, claims, now))
    }
}

/// Returns the properties of a key that enrolment proved, at `now`.
pub(crate) fn key_attestation(identity: &Identity, now: u64) -> KeyAttestation {
    match &identity.tpm {
        Some(tpm) => KeyAttestation {
            storage: KeyStorage::Tpm,
            genuine: tpm.genuine,
            simulated: tpm.simulated,
            certificate_expired: tpm.certified_until.is_some_and(|until| now > until),
        },
        None => KeyAttestation {
            storage: KeyStorage::Software,
            genuine: false,
            simulated: false,
            certificate_expired: false,
        },
    }
}

/// Returns the properties of the claims' boot that the last quote proved.
fn boot_attestation(boot: Option<&QuotedBoot>, claims: &Claims, now: u64) -> BootAttestation {
    let quoted = boot.filter(|boot| boot::is_quoted(boot, claims, now));
    let log = match quoted.and_then(|boot| boot.log) {
        None => EventLogResult::None,
        Some(log) => EventLogResult::Replayed { secure_boot: log.secure_boot },
    };
    BootAttestation { quoted: quoted.is_some(), log }
}

/// The verifier failed: claim -1 and no status for anything (AR4SI section 2.3).
fn no_judgement(policy: &str, now: u64) -> Appraised {
    let vector = TrustVector { configuration: Some(Trust(-1)), ..TrustVector::default() };
    let submods = Posture::SUBMODULES.iter();
    let submods = submods.map(|name| ((*name).to_owned(), Appraisal::new(vector, Vec::new(), policy)));
    Appraised { submods: submods.collect::<BTreeMap<_, _>>(), status: Tier::None, valid_until: now + 60 }
}
