//! Pending enrolments, and their atomic completion.

use super::audit;
use super::device::{self, By, Device, Identity, TpmIdentity};
use super::device_names;
use super::token::{self, Token};
use super::{Store, StoreError, signed, unsigned};
use crate::appraisal::AppraisalSnapshot;
use crate::audit::{AuditEntry, Kind};
use sqlx::Row;
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::device_names::DeviceNames;
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::id::{Digest, EnrolmentId, Thumbprint};

#[derive(Clone, Debug)]
pub(crate) struct PendingEnrolment {
    /// Enrolment ID that the device gets on success.
    pub(crate) enrolment: EnrolmentId,
    /// Expiry in seconds since 1970.
    pub(crate) expires: u64,
    pub(crate) token: i64,
    /// Keys whose possession must be proven.
    pub(crate) identity: Identity,
    /// SHA-256 of the credential's secret, for keys in a TPM.
    pub(crate) secret: Option<Digest>,
}

/// Data written when an enrolment completes.
#[derive(Clone, Debug)]
pub(crate) struct NewEnrolment {
    pub(crate) pending: PendingEnrolment,
    /// SHA-256 of the evidence.
    pub(crate) evidence: Digest,
    pub(crate) status: Tier,
    /// Initial appraisal snapshot.
    pub(crate) standing: AppraisalSnapshot,
    /// Additional data for the audit entry, JSON.
    pub(crate) body: String,
    /// The evidence, if the audit log keeps it.
    pub(crate) bytes: Option<Vec<u8>>,
    /// Names that the device says of itself, which replace those of before.
    pub(crate) names: DeviceNames,
    /// Time in seconds since 1970.
    pub(crate) now: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnrolmentOutcome {
    /// The device is enrolled, with this ID.
    Enrolled(EnrolmentId),
    /// The enrolment has expired or was already completed.
    Unknown,
    Revoked,
    /// Another device has this report key.
    KeyTaken,
    /// The token is unknown, expired, revoked or used up.
    Token(TokenState),
}

/// State of an enrolment token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenState {
    Good,
    /// Expired or revoked.
    Expired,
    /// Used by the maximum number of devices.
    Spent,
}

impl Token {
    pub(crate) fn state(&self, now: u64) -> TokenState {
        if self.expires <= now || self.revoked_at.is_some() {
            TokenState::Expired
        } else if self.used >= self.uses {
            TokenState::Spent
        } else {
            TokenState::Good
        }
    }
}

impl Store {
    /// Stores a pending enrolment; replaces one with the same ID.
    pub(crate) async fn begin_enrolment(
        &self,
        pending: &PendingEnrolment,
        now: u64,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let forget = sqlx::query("DELETE FROM pending WHERE expires < ?1").bind(signed(now));
        forget.execute(&mut *transaction).await?;
        let insert = sqlx::query(
            "INSERT OR REPLACE INTO pending
             (enrolment, expires, token, kid, report_key, ek, ak, genuine, simulated, secret, certified_until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        );
        let Identity { kid, report_key, tpm } = &pending.identity;
        insert
            .bind(pending.enrolment.as_bytes())
            .bind(signed(pending.expires))
            .bind(pending.token)
            .bind(kid.as_bytes())
            .bind(&report_key.point()[..])
            .bind(tpm.as_ref().map(|tpm| tpm.ek.as_bytes()))
            .bind(tpm.as_ref().map(|tpm| tpm.ak.as_slice()))
            .bind(tpm.as_ref().is_some_and(|tpm| tpm.genuine))
            .bind(tpm.as_ref().is_some_and(|tpm| tpm.simulated))
            .bind(pending.secret.as_ref().map(Digest::as_bytes))
            .bind(certified_until(tpm.as_ref()))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// Reads a pending enrolment by ID.
    pub(crate) async fn pending(
        &self,
        enrolment: &EnrolmentId,
        now: u64,
    ) -> Result<Option<PendingEnrolment>, StoreError> {
        let query = sqlx::query("SELECT * FROM pending WHERE enrolment = ?1 AND expires >= ?2");
        let row = query.bind(enrolment.as_bytes()).bind(signed(now)).fetch_optional(self.readers()).await?;
        let Some(row) = row else { return Ok(None) };
        let broken = || StoreError::Failed("an enrolment under way cannot be read".into());
        let tpm = match (row.try_get::<Option<&[u8]>, _>("ek")?, row.try_get::<Option<Vec<u8>>, _>("ak")?) {
            (Some(ek), Some(ak)) => Some(TpmIdentity {
                ek: Digest::from_slice(ek).ok_or_else(broken)?,
                ak,
                genuine: row.try_get("genuine")?,
                simulated: row.try_get("simulated")?,
                certified_until: row.try_get::<Option<i64>, _>("certified_until")?.map(unsigned),
            }),
            _ => None,
        };
        let secret: Option<&[u8]> = row.try_get("secret")?;
        Ok(Some(PendingEnrolment {
            enrolment: *enrolment,
            expires: unsigned(row.try_get("expires")?),
            token: row.try_get("token")?,
            identity: Identity {
                kid: Thumbprint::from_slice(row.try_get("kid")?).ok_or_else(broken)?,
                report_key: PublicKey::from_point(row.try_get("report_key")?).map_err(|_| broken())?,
                tpm,
            },
            secret: secret.map(|secret| Digest::from_slice(secret).ok_or_else(broken)).transpose()?,
        }))
    }

    /// Returns whether an enrolment is pending for this report key.
    pub(crate) async fn is_pending(
        &self,
        enrolment: &EnrolmentId,
        kid: &Thumbprint,
    ) -> Result<bool, StoreError> {
        let query = sqlx::query("SELECT EXISTS (SELECT 1 FROM pending WHERE enrolment = ?1 AND kid = ?2)");
        let query = query.bind(enrolment.as_bytes()).bind(kid.as_bytes());
        Ok(query.fetch_one(self.readers()).await?.try_get(0)?)
    }

    /// Ends a pending enrolment that was refused. Its token stays usable.
    pub(crate) async fn end_pending(
        &self,
        enrolment: &EnrolmentId,
        kid: &Thumbprint,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let delete = sqlx::query("DELETE FROM pending WHERE enrolment = ?1 AND kid = ?2");
        delete.bind(enrolment.as_bytes()).bind(kid.as_bytes()).execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// Completes an enrolment: spends the token, stores the device and appends the audit entry in one transaction.
    pub(crate) async fn end_enrolment(&self, proven: NewEnrolment) -> Result<EnrolmentOutcome, StoreError> {
        let PendingEnrolment { enrolment, token, identity, .. } = &proven.pending;
        let mut transaction = self.begin().await?;
        // The condition includes the row's key, because another request may have replaced the enrolment meanwhile.
        let delete = sqlx::query("DELETE FROM pending WHERE enrolment = ?1 AND kid = ?2");
        let delete = delete.bind(enrolment.as_bytes()).bind(identity.kid.as_bytes());
        if delete.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(EnrolmentOutcome::Unknown);
        }
        let by_key = device::find(&mut *transaction, By::Kid(&identity.kid)).await?;
        let known = match &identity.tpm {
            // A TPM key cannot be replaced by a software key.
            None if by_key.as_ref().is_some_and(|device| device.identity.tpm.is_some()) => {
                return Ok(EnrolmentOutcome::KeyTaken);
            }
            None => by_key,
            Some(tpm) => {
                let by_ek = device::find(&mut *transaction, By::Ek(&tpm.ek)).await?;
                if by_key.is_some_and(|it| by_ek.as_ref().is_none_or(|same| same.id != it.id)) {
                    return Ok(EnrolmentOutcome::KeyTaken);
                }
                by_ek
            }
        };
        if known.as_ref().is_some_and(Device::is_shut_out) {
            return Ok(EnrolmentOutcome::Revoked);
        }
        let state = token::get(&mut *transaction, *token)
            .await?
            .map_or(TokenState::Expired, |it| it.state(proven.now));
        let same_key = known.as_ref().is_some_and(|device| device.identity.kid == identity.kid);
        match state {
            // This device spent the token itself, and did not receive the answer.
            TokenState::Spent if same_key => {}
            TokenState::Good if same_key => {}
            TokenState::Good => {
                let using = sqlx::query("UPDATE tokens SET used = used + 1 WHERE id = ?1").bind(token);
                using.execute(&mut *transaction).await?;
            }
            other => return Ok(EnrolmentOutcome::Token(other)),
        }

        let name = known.as_ref().map_or(*enrolment, |device| device.enrolment);
        let upsert = sqlx::query(
            "INSERT INTO devices (enrolment, generation, last_seen, status, evidence) VALUES (?1, 1, ?2, ?3, ?4)
             ON CONFLICT (enrolment) DO UPDATE SET generation = generation + 1,
               last_seen = excluded.last_seen, status = excluded.status, evidence = excluded.evidence,
               revoked_at = NULL, readmitted_at = NULL
             RETURNING id",
        );
        let id: i64 = upsert
            .bind(name.as_bytes())
            .bind(signed(proven.now))
            .bind(proven.status.as_str())
            .bind(proven.evidence.as_bytes())
            .fetch_one(&mut *transaction)
            .await?
            .try_get(0)?;
        let standing =
            serde_json::to_string(&proven.standing).map_err(|e| StoreError::Failed(e.to_string()))?;
        let replace = sqlx::query(
            "INSERT OR REPLACE INTO identities
             (device, kid, report_key, ek, ak, genuine, simulated, enrolled_at, standing, token, certified_until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        );
        replace
            .bind(id)
            .bind(identity.kid.as_bytes())
            .bind(&identity.report_key.point()[..])
            .bind(identity.tpm.as_ref().map(|tpm| tpm.ek.as_bytes()))
            .bind(identity.tpm.as_ref().map(|tpm| tpm.ak.as_slice()))
            .bind(identity.tpm.as_ref().is_some_and(|tpm| tpm.genuine))
            .bind(identity.tpm.as_ref().is_some_and(|tpm| tpm.simulated))
            .bind(signed(proven.now))
            .bind(standing)
            .bind(token)
            .bind(certified_until(identity.tpm.as_ref()))
            .execute(&mut *transaction)
            .await?;
        let kind = if known.is_some() { Kind::EnrolledAgain } else { Kind::Enrolled };
        let (time, body, evidence) = (proven.now, proven.body.clone(), proven.bytes.clone());
        let mut entries = vec![AuditEntry { time, kind, device: Some(name), body, evidence }];
        entries.extend(device_names::replace(&mut transaction, (id, name), &proven.names, time).await?);
        audit::append(&mut transaction, &entries).await?;
        transaction.commit().await?;
        Ok(EnrolmentOutcome::Enrolled(name))
    }
}

fn certified_until(tpm: Option<&TpmIdentity>) -> Option<i64> {
    tpm.and_then(|tpm| tpm.certified_until).map(signed)
}
