//! Reports: verifies the evidence of a device, appraises it and returns the attestation result (EAR).

use super::in_work::InWork;
use super::{Attestation, Challenge, ChallengePurpose, problem};
use crate::appraisal::AppraisalSnapshot;
use crate::audit::{AuditEntry, Kind};
use crate::caller;
use crate::nonce::Purpose;
use crate::store::device::{By, Device};
use crate::store::report::{AppraisedReport, ReportOutcome};
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;
use vitalsign_protocol::evidence::{self, IntendedUse, Verified};
use vitalsign_protocol::id::{Digest, Nonce, Thumbprint};
use vitalsign_protocol::message::{NonceAnswer, ReportAnswer};
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

impl Attestation {
    /// Verifies, appraises and accepts evidence. Returns when its nonce is spent and its audit entry, or its count among the
    /// heartbeats of the hour, is durable. Evidence with the same bytes as the device's last report gets the same verdict,
    /// because the answer may have been lost, but no session.
    ///
    /// # Errors
    /// A problem whose type determines the device's reaction.
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
        let unverified =
            evidence::parse(bytes, evidence::MAX_BYTES_WITH_LOG).map_err(problem::of_evidence)?;
        if unverified.claims_unverified().0.boot.is_none() && bytes.len() > evidence::MAX_BYTES {
            return Err(
                problem::of_evidence(evidence::Error::TooLarge(bytes.len(), evidence::MAX_BYTES)).into()
            );
        }
        let kid = unverified.kid();
        let device = self.known_device(&kid).await?;
        let verified = unverified.verify(&device.identity.report_key).map_err(problem::of_evidence)?;
        caller::device(&device.enrolment);
        if device.revoked_at.is_some() {
            return Err(problem::revoked().into());
        }
        if verified.claims.intended_use != IntendedUse::Report {
            return Err(Problem::new(ProblemType::ClaimsInvalid, "intuse is not that of a report").into());
        }
        if verified.claims.enrolment != Some(device.enrolment) {
            return Err(
                Problem::new(ProblemType::ClaimsInvalid, "sueids is not this device's enrolment").into()
            );
        }
        self.report_paces.take(device.id, now).map_err(too_often)?;
        let (nonce, spent) = self.nonces.check(Purpose::Report, &kid, &verified.claims.nonces, now)?;
        let turn = device.report_turn().await;
        let before = device.standing();
        let purpose = ChallengePurpose::Report { spent, device: device.id, evidence: Digest::of(bytes) };
        let challenge = Challenge { nonce, purpose };
        // A quote that was not asked for proves nothing new. It is not verified, and not kept.
        let asked = self.wants_quote(&device.identity, before.boot.as_ref(), &verified.claims, now);
        let quote = verified.claims.boot.as_ref().filter(|_| asked || device.identity.tpm.is_none());
        let quote = quote.map(|quote| (quote, &challenge));
        let mut verdict = self.appraise(&device.identity, &before, &verified, quote, bytes, now).await?;
        let standing = verdict.standing.as_ref().map(serde_json::to_string);
        let standing = standing.transpose().map_err(|_| Problem::new(ProblemType::Internal, ""))?;
        let quote = self.wants_quote(&device.identity, verdict.boot.as_ref(), &verified.claims, now);
        // Signs before the report is accepted: an unsent signature does no harm, and the writer need not wait
        // for it.
        let answer = self.answer(&device.enrolment, &kid, nonce, &mut verdict, quote, now)?;
        let devices = &self.config.devices;
        // A report that changes nothing is counted, and has no entry in the log.
        let entry = verdict.keep_evidence.then(|| AuditEntry {
            time: now,
            kind: Kind::Report,
            device: Some(device.enrolment),
            body: verdict.body,
            evidence: (self.kept_evidence_paces.take(device.id, now).is_ok()
                && devices.keeps(&verified.claims))
            .then(|| bytes.to_vec()),
        });
        let judged = AppraisedReport {
            device: device.id,
            enrolment: device.enrolment,
            generation: device.generation,
            time: now,
            nonce: spent,
            evidence: verdict.digest,
            status: verdict.appraised.status,
            policy: verdict.policy,
            standing,
            names: devices.kept_names(&verified.claims),
            entry,
        };
        match self.accept(device.clone(), turn, judged, verdict.standing).await? {
            ReportOutcome::Accepted => Ok(answer),
            ReportOutcome::Again(at) => {
                Ok(self.answer_again(&device, &verified, nonce, bytes, (at, now)).await?)
            }
            ReportOutcome::NonceUsed => Err(Problem::new(ProblemType::NonceUsed, "").into()),
            ReportOutcome::DeviceChanged => Err(Refused::Stale(kid)),
        }
    }

    /// Answers evidence that was accepted `at` an earlier time with the verdict of that time. Its sender may be another than
    /// the device: the answer opens no session, and its nonce is one that every client can have. The next report, which comes
    /// soon, opens a session.
    async fn answer_again(
        &self,
        device: &Device,
        verified: &Verified,
        nonce: Nonce,
        bytes: &[u8],
        (at, now): (u64, u64),
    ) -> Result<ReportAnswer, Problem> {
        let standing = device.standing();
        let mut verdict = self.appraise(&device.identity, &standing, verified, None, bytes, at).await?;
        let quote = self.wants_quote(&device.identity, verdict.boot.as_ref(), &verified.claims, now);
        let ear = self.sign_verdict(&device.enrolment, nonce, &mut verdict, at)?;
        let NonceAnswer { nonce, nonce_seconds } = self.nonce(&device.identity.kid, now)?;
        let (session, key_rollovers) = (None, Vec::new());
        let report_seconds = self.config.limits.report_pace_seconds.max(1).into();
        let organisation = None;
        Ok(ReportAnswer {
            ear,
            nonce,
            nonce_seconds,
            report_seconds,
            quote,
            session,
            key_rollovers,
            organisation,
        })
    }

    /// Expects a report with the event log of a quote, up to [`evidence::MAX_BYTES_WITH_LOG`], whose first bytes have
    /// been received: it must be from an enrolled device, one at a time, and not too often.
    ///
    /// # Errors
    /// A problem whose type determines the device's reaction.
    pub(crate) async fn expect_log(&self, start: &[u8], now: u64) -> Result<InWork<Thumbprint>, Problem> {
        let kid = evidence::kid_of_start(start).map_err(problem::of_evidence)?;
        let device = self.known_device(&kid).await?;
        if device.revoked_at.is_some() {
            return Err(problem::revoked());
        }
        let in_work = self.logs_in_work.begin(kid);
        let in_work = in_work.ok_or_else(|| {
            Problem::new(ProblemType::Busy, "A report of this device is being received. Try again later.")
        })?;
        self.log_paces.take(device.id, now).map_err(too_often)?;
        Ok(in_work)
    }

    /// Accepts a report and keeps the device's new appraisal snapshot in memory. A separate task does both, because a
    /// device that hangs up drops this future, and the writer accepts its report all the same.
    async fn accept(
        &self,
        device: Arc<Device>,
        turn: OwnedMutexGuard<()>,
        judged: AppraisedReport,
        standing: Option<AppraisalSnapshot>,
    ) -> Result<ReportOutcome, Problem> {
        let reports = self.reports.clone();
        let accepting = tokio::spawn(async move {
            let outcome = reports.accept(judged).await;
            if let (Ok(ReportOutcome::Accepted), Some(standing)) = (&outcome, standing) {
                device.set_standing(Arc::new(standing));
            }
            drop(turn);
            outcome
        });
        Ok(accepting.await.map_err(|_| Problem::new(ProblemType::Internal, ""))??)
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
}

fn too_often(seconds: u64) -> Problem {
    let detail = format!("This device reports too often. Try again in {seconds} s.");
    Problem::new(ProblemType::RateLimited, detail).retry_after(seconds)
}
