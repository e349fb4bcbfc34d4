//! Recent step-ups, for administrators.

use super::approval::Approval;
use super::{Store, StoreError, signed, unsigned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use vitalsign_protocol::id::StepUpId;
use vitalsign_protocol::step_up::{Acr, StepUpResult, Transaction};

/// A step-up's request and result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecentStepUp {
    #[schemars(with = "String")]
    pub step_up: StepUpId,
    /// `client_id` of the application.
    pub client: String,
    /// Requested user; may not exist.
    pub login_hint: String,
    pub message: String,
    #[schemars(with = "String")]
    pub acr: Acr,
    /// Time of the request, in seconds since 1970.
    pub created: u64,
    pub expires: u64,
    /// Result; `None` while pending.
    #[schemars(with = "Option<String>")]
    pub end: Option<StepUpResult>,
    pub ended_at: Option<u64>,
    /// Names of the device's failed checks, if it did not meet the level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
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

/// Selects step-ups: those that have all the properties that are given.
#[derive(Clone, Debug, Default)]
pub struct StepUpFilter {
    /// The user who was asked.
    pub user: Option<String>,
    /// `client_id` of the application.
    pub client: Option<String>,
    /// Part of the text that the user was shown.
    pub message: Option<String>,
    /// Earliest time of the request, in seconds since 1970.
    pub since: Option<u64>,
}

impl Store {
    /// Returns at most `limit` of the step-ups that `filter` selects, newest first.
    pub async fn recent_step_ups(
        &self,
        filter: &StepUpFilter,
        limit: u32,
    ) -> Result<Vec<RecentStepUp>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM step_ups WHERE TRUE");
        if let Some(user) = &filter.user {
            query.push(" AND login_hint = ").push_bind(user.clone());
        }
        if let Some(client) = &filter.client {
            query.push(" AND client = ").push_bind(client.clone());
        }
        if let Some(message) = &filter.message {
            query.push(" AND instr(transaction_text->>'message', ").push_bind(message.clone()).push(") > 0");
        }
        if let Some(since) = filter.since {
            query.push(" AND created >= ").push_bind(signed(since));
        }
        query.push(" ORDER BY created DESC, rowid DESC LIMIT ").push_bind(limit);
        query.build().fetch_all(self.readers()).await?.iter().map(RecentStepUp::from_row).collect()
    }
}
