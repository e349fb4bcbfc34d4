//! Ends what a store from a backup must not take up again.

use super::audit::AuditFilter;
use super::{Store, StoreError, Transaction, event, signed, unsigned};
use crate::audit::{AuditEntry, Kind};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::Row;
use std::collections::BTreeMap;
use vitalsign_protocol::id::StepUpId;

/// Things that a restored store does not take up again, because they may have been used since the backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Invalidated {
    /// Number of enrolment tokens that were revoked.
    pub enrolment_tokens: u64,
    /// Number of codes for registering a security key that were ended.
    pub key_codes: u64,
    /// Step-ups that were pending, or whose token was not fetched.
    pub step_ups: Vec<StepUpId>,
}

impl Store {
    /// Invalidates what may have been used since the backup, and logs the restore with the members of `body`. Nonces and
    /// sessions are invalid already, because a backup does not contain their key.
    ///
    /// # Errors
    /// The store cannot be written; nothing is changed then.
    pub async fn invalidate_restored(
        &self,
        mut body: Map<String, Value>,
        now: u64,
    ) -> Result<Invalidated, StoreError> {
        let mut transaction = self.begin().await?;
        let invalidated = invalidate(&mut transaction, now).await?;
        if let Ok(Value::Object(members)) = serde_json::to_value(&invalidated) {
            body.extend(members);
        }
        let body = Value::Object(body).to_string();
        let entry = AuditEntry { time: now, kind: Kind::Restored, device: None, body, evidence: None };
        transaction.log(&[entry]).await?;
        transaction.commit().await?;
        Ok(invalidated)
    }

    /// Counts the devices that are enrolled and not revoked.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn enrolled_devices(&self) -> Result<u64, StoreError> {
        let query = sqlx::query("SELECT COUNT(*) FROM devices WHERE revoked_at IS NULL");
        Ok(unsigned(query.fetch_one(self.readers()).await?.try_get(0)?))
    }

    /// Counts the audit entries after `seq`, by kind.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn audit_kinds_after(&self, seq: u64) -> Result<BTreeMap<&'static str, u64>, StoreError> {
        let mut kinds = BTreeMap::new();
        for kind in Kind::ALL {
            let filter = AuditFilter { kind: Some(kind), after: Some(seq), ..AuditFilter::default() };
            let count = self.count_audit(&filter).await?;
            if count > 0 {
                kinds.insert(kind.as_str(), count);
            }
        }
        Ok(kinds)
    }
}

async fn invalidate(transaction: &mut Transaction<'_>, now: u64) -> Result<Invalidated, StoreError> {
    let tokens = sqlx::query(
        "UPDATE tokens SET revoked_at = ?1 WHERE revoked_at IS NULL AND expires > ?1 AND used < uses",
    );
    let tokens = tokens.bind(signed(now)).execute(&mut **transaction).await?.rows_affected();
    let codes = sqlx::query("UPDATE key_codes SET expires = ?1 WHERE used_at IS NULL AND expires > ?1");
    let codes = codes.bind(signed(now)).execute(&mut **transaction).await?.rows_affected();
    let step_ups = sqlx::query(
        "SELECT id FROM step_ups WHERE ended IS NULL OR (ended = 'approved' AND redeemed_at IS NULL) ORDER BY created",
    );
    let rows = step_ups.fetch_all(&mut **transaction).await?;
    let broken = || StoreError::Failed("a step-up's name cannot be read".into());
    let step_ups = rows.iter().map(|row| StepUpId::from_slice(row.try_get(0)?).ok_or_else(broken));
    let step_ups = step_ups.collect::<Result<_, _>>()?;
    // The audit log keeps the record of those that ended.
    for table in ["pending", "registrations", "events", "offers", "step_ups", "spent", "pin_taps"] {
        let delete = format!("DELETE FROM {table}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(delete)).execute(&mut **transaction).await?;
    }
    event::skip_numbers(transaction).await?;
    Ok(Invalidated { enrolment_tokens: tokens, key_codes: codes, step_ups })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[tokio::test]
    async fn restored_store_takes_up_nothing_used_since() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).await.unwrap();
        let (_, token) = store.create_token(5, NOW + 3600, None, NOW).await.unwrap();
        let user = store.add_user("nurse-7", NOW).await.unwrap().unwrap();
        store.create_key_code(&user, NOW + 3600, NOW).await.unwrap();
        let mut transaction = store.begin().await.unwrap();
        sqlx::raw_sql(
            "INSERT INTO devices (id, enrolment, generation, last_seen, status, evidence)
             VALUES (1, x'01', 1, 5, 'none', x'02');
             INSERT INTO clients (id, name, secret, audience, created) VALUES ('ehr', 'EHR', x'01', 'urn:ehr', 5);
             INSERT INTO step_ups (id, request, client, login_hint, acr, transaction_text, created, expires)
             VALUES (x'000102030405060708090a0b0c0d0e0f', x'01', 'ehr', 'nurse-7', 'x', '', 5, 6);
             INSERT INTO security_keys (id, user, credential, passkey, name, model, aaguid, registered)
             VALUES (1, 1, x'01', '', '', '', x'01', 5);
             INSERT INTO pin_taps VALUES (1, x'01', 1, 1, 1, 1, 5, 1, x'01');
             INSERT INTO events (seq, device, name, data, expires) VALUES (77, 1, 'x', '', 9);",
        )
        .execute(&mut *transaction)
        .await
        .unwrap();
        transaction.commit().await.unwrap();

        let invalidated = store.invalidate_restored(Map::new(), NOW + 1).await.unwrap();
        assert_eq!((invalidated.enrolment_tokens, invalidated.key_codes), (1, 1));
        assert_eq!(invalidated.step_ups.len(), 1);
        assert!(store.tokens().await.unwrap()[0].revoked_at.is_some(), "{token}");
        // The next tap needs the PIN: the period may have ended since the backup.
        let pin_taps: i64 =
            sqlx::query_scalar("SELECT count(*) FROM pin_taps").fetch_one(store.readers()).await.unwrap();
        assert_eq!(pin_taps, 0);
        // A device that has seen events after the backup takes new ones for new.
        assert!(store.newest_event().await.unwrap() > 1 << 32);
        let kinds = store.audit_kinds_after(0).await.unwrap();
        assert_eq!(kinds.get("restored"), Some(&1), "{kinds:?}");
        // Nothing is left to invalidate.
        let again = store.invalidate_restored(Map::new(), NOW + 2).await.unwrap();
        assert_eq!(again, Invalidated::default());
    }
}
