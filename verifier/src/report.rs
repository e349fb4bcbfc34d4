//! A report: evidence in, verdict out.

use crate::appraisal::{
    AppraisalSnapshot, Appraised, BootAttestation, EventLogResult, Input, KeyAttestation, QuotedBoot, Since,
};
use crate::audit::{AuditEntry, Kind};
use crate::boot;
use crate::nonce::Purpose;
use crate::store::device::{By, Device, Identity};
use crate::store::report::{AppraisedReport, ReportOutcome};
use crate::verifier::Verifier;
use std::collections::BTreeMap;
use std::sync::Arc;
use vitalsign_protocol::cose;
use vitalsign_protocol::ear::{self, Appraisal, Check, Ear, Tier, Trust, TrustVector, VerifierId};
use vitalsign_protocol::evidence::{self, Claims, IntendedUse, Verified};
use vitalsign_protocol::id::{Digest, EnrolmentId, Nonce, Thumbprint};
use vitalsign_protocol::message::ReportAnswer;
use vitalsign_protocol::posture::{KeyStorage, Posture};
use vitalsign_protocol::problem::{Problem, ProblemType};

/// Reason why a report was rejected.
enum Refused {
    Problem(Problem),
    /// The cached device is outdated.
    Stale(Thumbprint),
}

impl<P: Into<Problem>> From<P> for Refused {
    fn from(problem: P) -> Self {
        Self::Problem(problem.into())
    }
}

pub(crate) struct Verdict {
    pub(crate) appraised: Appraised,
    /// New appraisal snapshot of the device, if it changed.
    pub(crate) standing: Option<AppraisalSnapshot>,
    /// The last boot that was quoted.
    pub(crate) boot: Option<QuotedBoot>,
    /// Body of the audit entry, JSON.
    pub(crate) body: String,
    pub(crate) digest: Digest,
    /// The judgement is not what it was, or there is more to keep than facts.
    pub(crate) keep_evidence: bool,
}

impl Verifier {
    /// Verifies, judges and accepts evidence. The answer comes when its nonce is spent and its audit entry is durable.
    /// The same bytes again, right after, are answered again: the answer was lost.
    ///
    /// # Errors
    /// A problem whose type says what the device is to do.
    pub async fn report(&self, bytes: &[u8], now: u64) -> Result<ReportAnswer, Problem> {
        let refused = match self.try_report(bytes, now).await {
            Ok(answer) => return Ok(answer),
            Err(refused) => refused,
        };
        if let Refused::Stale(kid) = &refused {
            self.devices.forget(kid);
            match self.try_report(bytes, now).await {
                Ok(answer) => return Ok(answer),
                Err(Refused::Problem(problem)) => return Err(problem),
                Err(Refused::Stale(_)) => {}
            }
        }
        match refused {
            Refused::Problem(problem) => Err(problem),
            Refused::Stale(_) => {
                Err(Problem::new(ProblemType::Busy, "The device is being changed. Try again later."))
            }
        }
    }

    async fn try_report(&self, bytes: &[u8], now: u64) -> Result<ReportAnswer, Refused> {
        let unverified = evidence::parse(bytes, evidence::MAX_BYTES_WITH_LOG).map_err(refusal)?;
        if unverified.claims_unverified().0.boot.is_none() && bytes.len() > evidence::MAX_BYTES {
            return Err(refusal(evidence::Error::TooLarge(bytes.len(), evidence::MAX_BYTES)).into());
        }
        let kid = unverified.kid();
        let device = self.known_device(&kid).await?;
        let verified = unverified.verify(&device.identity.report_key).map_err(refusal)?;
        if device.revoked_at.is_some() {
            return Err(revoked().into());
        }
        if verified.claims.intended_use != IntendedUse::Report {
            return Err(Problem::new(ProblemType::ClaimsInvalid, "intuse is not that of a report").into());
        }
        if verified.claims.enrolment != Some(device.enrolment) {
            return Err(
                Problem::new(ProblemType::ClaimsInvalid, "sueids is not this device's enrolment").into()
            );
        }
        let (nonce, spent) = self.check_nonce(Purpose::Report, &kid, &verified.claims.nonces, now)?;
        let before = device.standing();
        let mut verdict = self.judge(&device.identity, &before, &verified, &nonce, bytes, now)?;
        let standing = verdict.standing.as_ref().map(serde_json::to_string);
        let standing = standing.transpose().map_err(|_| Problem::new(ProblemType::Internal, ""))?;
        let quote = self.wants_quote(&device.identity, verdict.boot.as_ref(), &verified.claims, now);
        // Signs before the report is accepted: an unsent signature does no harm, and the writer need not wait
        // for it.
        let answer = self.answer(&device.enrolment, &kid, nonce, &mut verdict, quote, now)?;
        let entry = AuditEntry {
            time: now,
            kind: Kind::Report,
            device: Some(device.enrolment),
            body: verdict.body,
            evidence: verdict.keep_evidence.then(|| bytes.to_vec()),
        };
        let judged = AppraisedReport {
            device: device.id,
            generation: device.generation,
            nonce: spent,
            evidence: verdict.digest,
            status: verdict.appraised.status,
            standing,
            entry,
        };
        match self.reports.accept(judged).await.map_err(Problem::from)? {
            ReportOutcome::Accepted => {
                if let Some(standing) = verdict.standing {
                    device.set_standing(Arc::new(standing));
                }
                Ok(answer)
            }
            ReportOutcome::Again => Ok(answer),
            ReportOutcome::NonceUsed => Err(Problem::new(ProblemType::NonceUsed, "").into()),
            ReportOutcome::DeviceChanged => Err(Refused::Stale(kid)),
        }
    }

    async fn known_device(&self, kid: &Thumbprint) -> Result<Arc<Device>, Problem> {
        if let Some(device) = self.devices.get(kid) {
            return Ok(device);
        }
        let device = self.store.device(By::Kid(kid)).await?;
        let device = Arc::new(device.ok_or_else(|| Problem::new(ProblemType::DeviceUnknown, ""))?);
        self.devices.put(device.clone());
        Ok(device)
    }

    /// Judges evidence whose signature and nonce hold.
    pub(crate) fn judge(
        &self,
        identity: &Identity,
        before: &AppraisalSnapshot,
        verified: &Verified,
        nonce: &Nonce,
        bytes: &[u8],
        now: u64,
    ) -> Result<Verdict, Problem> {
        let claims = &verified.claims;
        let mut boot = before.boot;
        if let Some(quote) = &claims.boot {
            let tpm = identity.tpm.as_ref();
            let tpm =
                tpm.ok_or_else(|| Problem::new(ProblemType::QuoteInvalid, "a key in software cannot quote"))?;
            let log = boot::verify(quote, &tpm.ak, nonce, &identity.kid)?;
            boot = Some(QuotedBoot { at: now, boot_count: claims.boot_count, log });
        }
        let input = Input {
            posture: &claims.posture,
            key: key_standing(identity),
            boot: boot_standing(boot.as_ref(), claims, now),
            now,
        };
        let mut appraised = self.appraiser.appraise(&input).unwrap_or_else(|error| {
            tracing::error!(%error, "the policy failed: nothing is claimed of the device");
            no_judgement(self.appraiser.policy_id(), now)
        });
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
            "policy": self.appraiser.policy_id(),
        });
        if let Some(body) = body.as_object_mut() {
            if let Some(standing) = standing.as_ref().filter(|_| changed) {
                let checks = standing.checks.iter();
                let checks = checks.map(|(name, since)| (name.clone(), since.status.as_str().into()));
                body.insert("checks".into(), serde_json::Value::Object(checks.collect()));
            }
            if !verified.unknown.is_empty() {
                body.insert("unknown_claims".into(), verified.unknown.clone().into());
            }
        }
        let keep_evidence = changed || claims.boot.is_some();
        Ok(Verdict { appraised, standing, boot, body: body.to_string(), digest, keep_evidence })
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
            nonce: self.issue(Purpose::Report, kid, expires)?,
            nonce_seconds,
            report_seconds: self.config.report_seconds,
            quote,
            session: Some(self.open_session(kid, expires)?),
        })
    }

    /// The verdict as a JWT. Its submodules are taken out of it.
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
        self.ear_keys().sign(&ear, ear::TYP).map_err(|error| {
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

/// Returns the properties of a key that enrolment proved.
pub(crate) fn key_standing(identity: &Identity) -> KeyAttestation {
    match &identity.tpm {
        Some(tpm) => {
            KeyAttestation { storage: KeyStorage::Tpm, genuine: tpm.genuine, simulated: tpm.simulated }
        }
        None => KeyAttestation { storage: KeyStorage::Software, genuine: false, simulated: false },
    }
}

/// Returns the properties of the claims' boot that the last quote proved.
fn boot_standing(boot: Option<&QuotedBoot>, claims: &Claims, now: u64) -> BootAttestation {
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

pub(crate) fn revoked() -> Problem {
    Problem::new(ProblemType::DeviceRevoked, "An administrator revoked this device.")
}

/// Maps an evidence error to a problem.
pub(crate) fn refusal(error: evidence::Error) -> Problem {
    let problem = match error {
        evidence::Error::TooLarge(..) => ProblemType::TooLarge,
        evidence::Error::Cose(cose::Error::Signature) | evidence::Error::OtherKey => {
            ProblemType::SignatureInvalid
        }
        evidence::Error::Cose(_) | evidence::Error::Header(_) => ProblemType::Malformed,
        evidence::Error::Claim(_) => ProblemType::ClaimsInvalid,
    };
    Problem::new(problem, error.to_string())
}
