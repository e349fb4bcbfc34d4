//! Enrolled devices, their keys and their state between reports.

use super::{Store, StoreError, device_names, event, signed, unsigned};
use crate::appraisal::AppraisalSnapshot;
use crate::audit::{AuditEntry, Kind};
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Row, Sqlite};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Mutex, OwnedMutexGuard};
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::device_code::DeviceCode;
use vitalsign_protocol::device_names::DeviceNames;
use vitalsign_protocol::id::{Digest, EnrolmentId, Thumbprint};
use vitalsign_protocol::step_up::event as names;

/// Validity of a request to report, in seconds; a device that returns later reports on its own.
const ASKED_SECONDS: u64 = 60;

/// Properties of a device's keys, from its enrolment.
#[derive(Clone, Debug)]
pub struct Identity {
    pub kid: Thumbprint,
    pub report_key: PublicKey,
    /// Keys of the TPM; `None` for a key in software.
    pub tpm: Option<TpmIdentity>,
}

/// Properties of a device's TPM, from its enrolment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmIdentity {
    /// SHA-256 of the EK's public area: the same TPM, however often it enrols.
    pub ek: Digest,
    pub ak: Vec<u8>,
    /// The EK's certificate chains to a root for hardware TPMs.
    pub genuine: bool,
    /// The EK's certificate chains to a root for software TPMs.
    pub simulated: bool,
    /// The end of the EK certificate's validity, in seconds since 1970; `None` if it is pinned, or not known because an
    /// earlier version enrolled the device.
    pub certified_until: Option<u64>,
}

#[derive(Debug)]
pub struct Device {
    pub(crate) id: i64,
    pub enrolment: EnrolmentId,
    pub(crate) generation: i64,
    /// Time at which an administrator revoked it, in seconds since 1970.
    pub revoked_at: Option<u64>,
    /// Time of its last accepted report when this row was read.
    pub last_seen: u64,
    /// Verdict of that report.
    pub status: String,
    pub enrolled_at: u64,
    /// Time at which an administrator allowed it to enrol again after its revocation, in seconds since 1970.
    pub readmitted_at: Option<u64>,
    /// Number of the token with which it enrolled; `None` for devices of earlier versions.
    pub token: Option<i64>,
    /// The name that IT gave it: its own label, otherwise that of its token.
    pub label: Option<String>,
    /// Names that it said of itself, when this row was read.
    pub names: DeviceNames,
    pub identity: Identity,
    standing: RwLock<Arc<AppraisalSnapshot>>,
    reporting: Arc<Mutex<()>>,
}

impl Device {
    /// Returns whether an administrator revoked it and has not allowed it to enrol again.
    pub(crate) fn is_shut_out(&self) -> bool {
        self.revoked_at.is_some() && self.readmitted_at.is_none()
    }

    /// Returns the device's appraisal snapshot.
    #[must_use]
    pub fn standing(&self) -> Arc<AppraisalSnapshot> {
        self.standing.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until no other report of this device is being accepted, so that each is appraised after the one before.
    pub(crate) async fn report_turn(&self) -> OwnedMutexGuard<()> {
        self.reporting.clone().lock_owned().await
    }

    pub(crate) fn set_standing(&self, standing: Arc<AppraisalSnapshot>) {
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    fn from_row(row: &SqliteRow) -> Result<Self, StoreError> {
        let broken = |what: &str| StoreError::Failed(format!("the device's {what} cannot be read"));
        let tpm = match (row.try_get::<Option<&[u8]>, _>("ek")?, row.try_get::<Option<Vec<u8>>, _>("ak")?) {
            (Some(ek), Some(ak)) => Some(TpmIdentity {
                ek: Digest::from_slice(ek).ok_or_else(|| broken("EK"))?,
                ak,
                genuine: row.try_get("genuine")?,
                simulated: row.try_get("simulated")?,
                certified_until: row.try_get::<Option<i64>, _>("certified_until")?.map(unsigned),
            }),
            _ => None,
        };
        let standing = serde_json::from_str(row.try_get("standing")?).map_err(|_| broken("standing"))?;
        Ok(Self {
            id: row.try_get("id")?,
            enrolment: EnrolmentId::from_slice(row.try_get("enrolment")?)
                .ok_or_else(|| broken("enrolment"))?,
            generation: row.try_get("generation")?,
            revoked_at: row.try_get::<Option<i64>, _>("revoked_at")?.map(unsigned),
            last_seen: unsigned(row.try_get("last_seen")?),
            status: row.try_get("status")?,
            enrolled_at: unsigned(row.try_get("enrolled_at")?),
            readmitted_at: row.try_get::<Option<i64>, _>("readmitted_at")?.map(unsigned),
            token: row.try_get("token")?,
            label: row.try_get("label")?,
            names: device_names::from_row(row)?,
            identity: Identity {
                kid: Thumbprint::from_slice(row.try_get("kid")?).ok_or_else(|| broken("key name"))?,
                report_key: PublicKey::from_point(row.try_get("report_key")?)
                    .map_err(|_| broken("report key"))?,
                tpm,
            },
            standing: RwLock::new(Arc::new(standing)),
            reporting: Arc::default(),
        })
    }
}

/// Selects the columns that [`Device::from_row`] reads.
macro_rules! select_devices {
    ($condition:literal) => {
        concat!(
            "SELECT devices.*, identities.*, coalesce(device_labels.label, tokens.label) AS label
             FROM devices JOIN identities ON identities.device = devices.id
             LEFT JOIN device_labels ON device_labels.device = devices.id
             LEFT JOIN tokens ON tokens.id = identities.token ",
            $condition
        )
    };
}

/// Look-up key of a device.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    Kid(&'a Thumbprint),
    Ek(&'a Digest),
    Enrolment(&'a EnrolmentId),
}

/// Reads a device; `None` if the key matches none.
pub(crate) async fn find<'c>(
    connection: impl Executor<'c, Database = Sqlite>,
    by: By<'_>,
) -> Result<Option<Device>, StoreError> {
    let (query, key) = match by {
        By::Kid(kid) => (select_devices!("WHERE kid = ?1"), kid.as_bytes()),
        By::Ek(ek) => (select_devices!("WHERE ek = ?1"), ek.as_bytes()),
        By::Enrolment(id) => (select_devices!("WHERE enrolment = ?1"), id.as_bytes()),
    };
    let row = sqlx::query(query).bind(key).fetch_optional(connection).await?;
    row.as_ref().map(Device::from_row).transpose()
}

impl Store {
    /// Counts the enrolled devices by the status of their last report.
    pub(crate) async fn devices_by_status(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let query =
            sqlx::query("SELECT status, COUNT(*) FROM devices WHERE revoked_at IS NULL GROUP BY status");
        let rows = query.fetch_all(self.readers()).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, unsigned(row.try_get(1)?)))).collect()
    }

    /// Reads a device; `None` if the key matches none.
    pub async fn device(&self, by: By<'_>) -> Result<Option<Device>, StoreError> {
        find(self.readers(), by).await
    }

    /// Returns the generation of the device with this report key, and whether it was revoked.
    pub(crate) async fn device_state(&self, kid: &Thumbprint) -> Result<Option<(i64, bool)>, StoreError> {
        let query = sqlx::query(
            "SELECT generation, revoked_at IS NOT NULL FROM devices JOIN identities ON device = id WHERE kid = ?1",
        );
        let row = query.bind(kid.as_bytes()).fetch_optional(self.readers()).await?;
        row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
    }

    /// Returns at most `limit` devices in order of enrolment, after the one with this row number.
    pub async fn devices(&self, limit: u32, after: i64) -> Result<Vec<Device>, StoreError> {
        let query = sqlx::query(select_devices!("WHERE devices.id > ?2 ORDER BY devices.id LIMIT ?1"));
        let rows = query.bind(limit).bind(after).fetch_all(self.readers()).await?;
        rows.iter().map(Device::from_row).collect()
    }

    /// Returns the devices with this code: one, or by chance more.
    pub async fn devices_by_code(&self, code: &DeviceCode) -> Result<Vec<Device>, StoreError> {
        let query = sqlx::query(select_devices!("WHERE substr(enrolment, 1, 5) = ?1 ORDER BY devices.id"));
        let rows = query.bind(&code.prefix()[..]).fetch_all(self.readers()).await?;
        rows.iter().map(Device::from_row).collect()
    }

    /// Asks a listening device to report now. Returns `false` if it does not exist or was revoked.
    pub async fn ask_to_report(&self, device: EnrolmentId, now: u64) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let query = sqlx::query("SELECT id FROM devices WHERE enrolment = ?1 AND revoked_at IS NULL");
        let row = query.bind(device.as_bytes()).fetch_optional(&mut *transaction).await?;
        let Some(row) = row else { return Ok(false) };
        let until = now.saturating_add(ASKED_SECONDS);
        event::tell(&mut transaction, row.try_get(0)?, None, (names::CHECK, "{}"), until).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Revokes a device: after the commit, no process accepts anything from it. Returns `false` if it does
    /// not exist or was already revoked.
    pub async fn revoke_device(
        &self,
        device: EnrolmentId,
        reason: &str,
        now: u64,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let revoked = sqlx::query(
            "UPDATE devices SET revoked_at = ?2, generation = generation + 1, readmitted_at = NULL
             WHERE enrolment = ?1 AND (revoked_at IS NULL OR readmitted_at IS NOT NULL)",
        );
        let revoked = revoked.bind(device.as_bytes()).bind(signed(now)).execute(&mut *transaction).await?;
        if revoked.rows_affected() == 0 {
            return Ok(false);
        }
        let body = serde_json::json!({ "reason": reason }).to_string();
        let entry =
            AuditEntry { time: now, kind: Kind::DeviceRevoked, device: Some(device), body, evidence: None };
        transaction.log(&[entry]).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Lets a revoked device enrol again, with a new token. Until it has, nothing is accepted from it. Returns `false` if it
    /// does not exist, is not revoked, or may enrol already.
    pub async fn readmit_device(
        &self,
        device: EnrolmentId,
        reason: &str,
        now: u64,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let update = sqlx::query(
            "UPDATE devices SET readmitted_at = ?2
             WHERE enrolment = ?1 AND revoked_at IS NOT NULL AND readmitted_at IS NULL",
        );
        let update = update.bind(device.as_bytes()).bind(signed(now)).execute(&mut *transaction).await?;
        if update.rows_affected() == 0 {
            return Ok(false);
        }
        let body = serde_json::json!({ "reason": reason }).to_string();
        let kind = Kind::DeviceReadmitted;
        transaction
            .log(&[AuditEntry { time: now, kind, device: Some(device), body, evidence: None }])
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Labels devices, or removes their labels, all or none. Returns how many labels changed.
    ///
    /// # Errors
    /// A device does not exist.
    pub async fn label_devices(
        &self,
        labels: &[(EnrolmentId, Option<String>)],
        now: u64,
    ) -> Result<usize, StoreError> {
        let mut transaction = self.begin().await?;
        let mut entries = Vec::new();
        for (device, label) in labels {
            let found = find(&mut *transaction, By::Enrolment(device)).await?;
            let found = found.ok_or_else(|| StoreError::Failed(format!("there is no device {device}")))?;
            let query = match label {
                Some(label) => sqlx::query(
                    "INSERT INTO device_labels (device, label) VALUES (?1, ?2)
                     ON CONFLICT (device) DO UPDATE SET label = excluded.label WHERE label <> excluded.label",
                )
                .bind(found.id)
                .bind(label),
                None => sqlx::query("DELETE FROM device_labels WHERE device = ?1").bind(found.id),
            };
            if query.execute(&mut *transaction).await?.rows_affected() > 0 {
                let body = serde_json::json!({ "label": label }).to_string();
                let (device, kind) = (Some(*device), Kind::DeviceLabelled);
                entries.push(AuditEntry { time: now, kind, device, body, evidence: None });
            }
        }
        transaction.log(&entries).await?;
        transaction.commit().await?;
        Ok(entries.len())
    }
}
