//! Verification of a quote and its event log: expensive work that the same evidence gets once. A challenge whose quote
//! is invalid is spent, so that a device cannot have the same bytes verified again and again.

use super::{Attestation, boot};
use crate::appraisal::ReplayedLog;
use crate::nonce::SpentNonce;
use crate::store::{Store, StoreError};
use vitalsign_protocol::evidence::BootEvidence;
use vitalsign_protocol::id::{Digest, EnrolmentId, Nonce, Thumbprint};
use vitalsign_protocol::problem::{Problem, ProblemType};

/// The nonce that evidence answers, and where it is recorded as spent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Challenge {
    pub(crate) nonce: Nonce,
    pub(crate) purpose: ChallengePurpose,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ChallengePurpose {
    Report {
        spent: SpentNonce,
        /// The device's row in the store.
        device: i64,
        /// SHA-256 of the evidence: that of the last accepted report is verified again, because its answer was lost.
        evidence: Digest,
    },
    Enrolment {
        enrolment: EnrolmentId,
        kid: Thumbprint,
    },
    /// Its evidence is too small for an event log.
    StepUp,
}

impl Challenge {
    /// Returns the problem with a challenge that was spent already.
    async fn spent(&self, store: &Store) -> Result<Option<Problem>, StoreError> {
        Ok(match &self.purpose {
            ChallengePurpose::Report { spent, device, evidence } => store
                .is_spent(spent, *device, evidence)
                .await?
                .then(|| Problem::new(ProblemType::NonceUsed, "")),
            ChallengePurpose::Enrolment { enrolment, kid } => (!store.is_pending(enrolment, kid).await?)
                .then(|| Problem::new(ProblemType::EnrolmentUnknown, "")),
            ChallengePurpose::StepUp => None,
        })
    }

    async fn spend(&self, store: &Store) -> Result<(), StoreError> {
        match &self.purpose {
            ChallengePurpose::Report { spent, .. } => store.spend(spent).await,
            ChallengePurpose::Enrolment { enrolment, kid } => store.end_pending(enrolment, kid).await,
            ChallengePurpose::StepUp => Ok(()),
        }
    }
}

impl Attestation {
    /// Verifies a quote as [`boot::verify`] does, unless its challenge is spent. If the quote is invalid, the challenge
    /// is spent before this returns, also for a device that has hung up meanwhile.
    pub(super) async fn verify_quote(
        &self,
        quote: &BootEvidence,
        ak: &[u8],
        challenge: &Challenge,
        kid: &Thumbprint,
    ) -> Result<Option<ReplayedLog>, Problem> {
        let in_work = self.quotes_in_work.begin(challenge.nonce).ok_or_else(|| {
            Problem::new(ProblemType::Busy, "This evidence is being verified. Try again later.")
        })?;
        // Waits here, where a device that hangs up leaves the queue.
        let turn = boot::turn().await?;
        let (quote, ak, challenge, kid) = (quote.clone(), ak.to_vec(), *challenge, *kid);
        let store = self.store.clone();
        let verified = tokio::spawn(async move {
            let _in_work = in_work;
            if let Some(problem) = challenge.spent(&store).await? {
                return Err(problem);
            }
            let verified = boot::verify_on_thread(turn, quote, ak, challenge.nonce, kid).await;
            if verified.is_err() {
                challenge.spend(&store).await?;
            }
            verified
        });
        verified.await.map_err(|error| boot::failed(&error))?
    }
}
