//! Step-ups that the verifier itself requests, so that a person confirms an administrator's action. No token is issued for
//! them: the approval is spent on the action.

use super::request::{REDEEM_SECONDS, internal};
use super::{Approval, StepUps};
use crate::store::step_up::{self, By};
use vitalsign_protocol::id::StepUpId;
use vitalsign_protocol::problem::Problem;
use vitalsign_protocol::step_up::{StepUpResult, Transaction};

/// A step-up of the verifier itself, as it is now.
#[derive(Clone, Debug)]
pub(crate) struct ActionStepUp {
    pub(crate) step_up: StepUpId,
    /// Transaction that the person reads, and that the tap covers.
    pub(crate) transaction: Transaction,
    pub(crate) state: ActionStepUpState,
}

#[derive(Clone, Debug)]
pub(crate) enum ActionStepUpState {
    /// Pending until this time, in seconds since 1970.
    Pending(u64),
    /// Closed without approval, with the names of the device's failed checks if they are the cause.
    Refused(StepUpResult, Vec<String>),
    Approved(Box<Approval>),
    /// The action was begun.
    Spent,
}

impl StepUps {
    /// Reads a step-up that `client` requested, by its `auth_req_id`; `None` if it did not.
    pub(crate) async fn confirmation(
        &self,
        client: &str,
        auth_req_id: &str,
        now: u64,
    ) -> Result<Option<ActionStepUp>, Problem> {
        let Some(found) = self.requested_by(client, auth_req_id, now).await? else { return Ok(None) };
        let state = match found.ended {
            None => ActionStepUpState::Pending(found.expires),
            Some(StepUpResult::Approved) if found.redeemed => ActionStepUpState::Spent,
            Some(StepUpResult::Approved) if now > found.expires.saturating_add(REDEEM_SECONDS) => {
                ActionStepUpState::Refused(StepUpResult::TimedOut, Vec::new())
            }
            Some(StepUpResult::Approved) => {
                let approval = found.approval.as_deref().unwrap_or_default();
                ActionStepUpState::Approved(serde_json::from_str(approval).map_err(internal)?)
            }
            Some(end) => ActionStepUpState::Refused(end, found.reasons),
        };
        let transaction = serde_json::from_str(&found.transaction).map_err(internal)?;
        Ok(Some(ActionStepUp { step_up: found.id, transaction, state }))
    }

    /// Spends an approval, durably. Returns `false` if it was spent before.
    pub(crate) async fn spend(&self, id: &StepUpId, now: u64) -> Result<bool, Problem> {
        let mut connection = self.store.begin().await?;
        let found = step_up::find(&mut *connection, By::Id(id)).await?;
        let Some(approval) = found.and_then(|found| found.approval) else { return Ok(false) };
        let first = step_up::redeem(&mut connection, id, &approval, now).await?;
        connection.commit().await?;
        Ok(first)
    }
}
