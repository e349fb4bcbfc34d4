//! Recent step-ups, for administrators.

use super::approval::Approval;
use super::{Store, StoreError, unsigned};
use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use vitalsign_protocol::id::StepUpId;
use vitalsign_protocol::step_up::{Acr, StepUpResult, Transaction};

/// A step-up's request and result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecentStepUp {
    pub step_up: StepUpId,
    /// `client_id` of the application.
    pub client: String,
    /// Requested user; may not exist.
    pub login_hint: String,
    pub message: String,
    pub acr: Acr,
    /// Time of the request, in seconds since 1970.
    pub created: u64,
    pub expires: u64,
    /// Result; `None` while pending.
    pub end: Option<StepUpResult>,
    pub ended_at: Option<u64>,
    /// Names of the device's failed checks, if it did not meet the level.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Content of the token, if approved.
    pub approval: Option<Approval>,
    /// Whether the token was issued.
    pub redeemed: bool,
}

impl RecentStepUp {
    fn from_row(row: &SqliteRow) -> Result<Self, StoreError> {
        let damaged = || StoreError::Failed("a step-up is damaged".into());
        let transaction: Transaction =
            serde_json::from_str(row.try_get("transaction_text")?).map_err(|_| damaged())?;
        let named =
            |name: &str| StepUpResult::ALL.into_iter().find(|end| end.as_str() == name).ok_or_else(damaged);
        let approval: Option<&str> = row.try_get("approval")?;
        Ok(Self {
            step_up: transaction.step_up,
            client: row.try_get("client")?,
            login_hint: transaction.user,
            message: transaction.message,
            acr: transaction.acr,
            created: unsigned(row.try_get("created")?),
            expires: unsigned(row.try_get("expires")?),
            end: row.try_get::<Option<&str>, _>("ended")?.map(named).transpose()?,
            ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(unsigned),
            reasons: super::step_up::reasons_of(row)?,
            approval: approval.map(serde_json::from_str).transpose().map_err(|_| damaged())?,
            redeemed: row.try_get::<Option<i64>, _>("redeemed_at")?.is_some(),
        })
    }
}

impl Store {
    /// Returns at most `limit` step-ups, newest first.
    pub async fn recent_step_ups(&self, limit: u32) -> Result<Vec<RecentStepUp>, StoreError> {
        let query =
            sqlx::query("SELECT * FROM step_ups ORDER BY created DESC, rowid DESC LIMIT ?1").bind(limit);
        query.fetch_all(self.readers()).await?.iter().map(RecentStepUp::from_row).collect()
    }
}
