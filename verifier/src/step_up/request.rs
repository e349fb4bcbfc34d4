//! The application's side: requesting a step-up, polling it, cancelling it.

use super::{Approval, Redemption, StepUpRequest, StepUpStarted, StepUpStatus, StepUps};
use crate::random::random;
use crate::store::step_up::{self, By, NewStepUp, StepUp};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use vitalsign_protocol::id::{Digest, StepUpId};
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_protocol::step_up::{StepUpResult, Transaction, event};

/// Seconds for which a token can be fetched after the step-up's expiry, so that a tap at the last moment
/// counts.
pub(super) const REDEEM_SECONDS: u64 = 60;

/// Seconds for which issued tokens can be fetched again, by the same client with the same key.
const FETCH_AGAIN_SECONDS: u64 = 60;

/// Computes the digest under which an `auth_req_id` is stored.
fn request_digest(auth_req_id: &str) -> Digest {
    Digest::labelled("vitalsign-auth-req-id-v1", &[auth_req_id.as_bytes()])
}

impl StepUps {
    /// Begins a step-up and sends an event to the user's devices. A step-up for an unknown user begins as well, and
    /// ends like one for a user without a reachable device.
    ///
    /// # Errors
    /// `rate-limited` or `busy` if the application or all together ask too much; `too-large` if the event exceeds what
    /// devices read.
    pub async fn request(&self, asked: StepUpRequest, now: u64) -> Result<StepUpStarted, Problem> {
        self.take_pace(&asked.client, now)?;
        // The person and the audit log see one name, whichever alias the application has sent.
        let user = match self.store.user(&asked.login_hint).await? {
            Some(user) => user.name,
            None => {
                // The application is told nothing, so that it cannot find out who exists.
                tracing::info!(client = asked.client, login_hint = asked.login_hint, "no user has this name");
                asked.login_hint.clone()
            }
        };
        let id = StepUpId(random()?);
        let auth_req_id = B64.encode(random::<32>()?);
        let transaction = Transaction {
            step_up: id,
            application: asked.application,
            user: user.clone(),
            message: asked.message,
            acr: asked.acr,
            authorization_details: asked.authorization_details,
            details_schemas: asked.details_schemas,
        };
        let transaction = serde_json::to_string(&transaction).map_err(internal)?;
        Transaction::read(&transaction)
            .map_err(|error| Problem::new(ProblemType::TooLarge, error.to_string()))?;
        // As JSON within JSON, with some room for the rest of the event.
        if serde_json::to_string(&transaction).map_err(internal)?.len() > event::MAX_BYTES - 1024 {
            return Err(Problem::new(ProblemType::TooLarge, "The transaction is longer than devices read."));
        }
        let new = NewStepUp {
            id,
            request: request_digest(&auth_req_id),
            client: asked.client,
            login_hint: user,
            device: asked.device,
            acr: asked.acr,
            transaction,
            created: now,
            expires: now.saturating_add(asked.expires_in),
        };
        // An application whose step-up is undone by a loss of power is told that it is unknown, and asks again.
        let mut connection = self.store.begin_unsynced().await?;
        self.check_limits(&mut connection, &new, now).await?;
        let devices = step_up::begin(&mut connection, &new).await?;
        connection.commit().await?;
        self.channels.wake(&devices);
        Ok(StepUpStarted { step_up: id, auth_req_id, expires_in: asked.expires_in })
    }

    /// Returns the status for the application that requested the step-up and proves possession of the key with thumbprint
    /// `jkt`. The first look at an approval issues its tokens. For a minute after that, the same look
    /// returns the same tokens, because the answer may have been lost; afterwards the step-up is unknown.
    pub async fn status(
        &self,
        client: &str,
        auth_req_id: &str,
        jkt: Option<&str>,
        now: u64,
    ) -> Result<StepUpStatus, Problem> {
        let Some(found) = self.requested_by(client, auth_req_id, now).await? else {
            return Ok(StepUpStatus::Unknown);
        };
        match found.ended {
            None => Ok(StepUpStatus::Pending { step_up: found.id, expires: found.expires }),
            Some(StepUpResult::Approved) => self.redeem(&found, jkt, now).await,
            Some(end) => Ok(StepUpStatus::Ended(end, found.reasons)),
        }
    }

    /// Cancels a step-up. Returns `false` if this application has no such pending step-up.
    pub async fn cancel(&self, client: &str, auth_req_id: &str, now: u64) -> Result<bool, Problem> {
        match self.requested_by(client, auth_req_id, now).await? {
            Some(StepUp { ended: None, id, .. }) => self.close(&id, StepUpResult::Cancelled, now).await,
            _ => Ok(false),
        }
    }

    /// Reads the step-up; closes it if it has expired.
    pub(super) async fn requested_by(
        &self,
        client: &str,
        auth_req_id: &str,
        now: u64,
    ) -> Result<Option<StepUp>, Problem> {
        let request = request_digest(auth_req_id);
        let by = By::Request(client, &request);
        let found = step_up::find(self.store.readers(), by).await?;
        match found {
            Some(StepUp { ended: None, expires, id, .. }) if expires <= now => {
                self.close(&id, StepUpResult::TimedOut, now).await?;
                Ok(step_up::find(self.store.readers(), by).await?)
            }
            found => Ok(found),
        }
    }

    async fn redeem(&self, found: &StepUp, jkt: Option<&str>, now: u64) -> Result<StepUpStatus, Problem> {
        if found.redeemed {
            return redeemed(found, jkt, now);
        }
        if now > found.expires.saturating_add(REDEEM_SECONDS) {
            return Ok(StepUpStatus::Ended(StepUpResult::TimedOut, Vec::new()));
        }
        let approval = found.approval.as_deref().unwrap_or_default();
        let mut approval: Approval = serde_json::from_str(approval).map_err(internal)?;
        approval.redemption = Some(Redemption {
            at: now,
            jkt: jkt.map(str::to_owned),
            id_jti: B64.encode(random::<16>()?),
            access_jti: B64.encode(random::<16>()?),
        });
        let text = serde_json::to_string(&approval).map_err(internal)?;
        let mut connection = self.store.begin().await?;
        let first = step_up::redeem(&mut connection, &found.id, &text, now).await?;
        connection.commit().await?;
        if first {
            return Ok(StepUpStatus::Approved(Box::new(approval)));
        }
        // Another request was faster.
        let found = step_up::find(self.store.readers(), By::Id(&found.id)).await?;
        found.map_or(Ok(StepUpStatus::Unknown), |found| redeemed(&found, jkt, now))
    }
}

/// Returns the tokens that were issued, to whom they were issued.
fn redeemed(found: &StepUp, jkt: Option<&str>, now: u64) -> Result<StepUpStatus, Problem> {
    let approval = found.approval.as_deref().unwrap_or_default();
    let approval: Approval = serde_json::from_str(approval).map_err(internal)?;
    let again = approval.redemption.as_ref().is_some_and(|issued| {
        issued.jkt.as_deref() == jkt && now <= issued.at.saturating_add(FETCH_AGAIN_SECONDS)
    });
    if !again {
        return Ok(StepUpStatus::Unknown);
    }
    tracing::info!(step_up = %found.id, client = found.client, "tokens are fetched again");
    Ok(StepUpStatus::Approved(Box::new(approval)))
}

pub(super) fn internal(error: serde_json::Error) -> Problem {
    tracing::error!(%error, "a step-up cannot be JSON");
    Problem::new(ProblemType::Internal, "")
}
