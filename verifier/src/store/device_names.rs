//! Names that devices say of themselves. Nothing proves them, so that no operation finds a device by them.

use super::{Store, StoreError, audit, json_rows};
use crate::audit::{AuditEntry, Kind};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::collections::HashMap;
use vitalsign_protocol::device_names::{AssetTag, DeviceNames, HostName};
use vitalsign_protocol::id::{EnrolmentId, hex};

/// Reads the names in a row of `devices`.
pub(super) fn from_row(row: &SqliteRow) -> Result<DeviceNames, StoreError> {
    let text = |column| row.try_get::<Option<String>, _>(column);
    Ok(DeviceNames {
        host_name: text("host_name")?.and_then(|name| HostName::try_from(name).ok()),
        asset_tag: text("asset_tag")?.and_then(|tag| AssetTag::try_from(tag).ok()),
    })
}

/// Replaces the names of a device. Returns the audit entry about it if they were others before.
pub(super) async fn replace(
    connection: &mut SqliteConnection,
    (device, enrolment): (i64, EnrolmentId),
    names: &DeviceNames,
    now: u64,
) -> Result<Option<AuditEntry>, StoreError> {
    let update = sqlx::query(
        "UPDATE devices SET host_name = ?2, asset_tag = ?3
         WHERE id = ?1 AND (host_name IS NOT ?2 OR asset_tag IS NOT ?3)",
    );
    let update = update
        .bind(device)
        .bind(names.host_name.as_ref().map(HostName::as_str))
        .bind(names.asset_tag.as_ref().map(AssetTag::as_str));
    if update.execute(connection).await?.rows_affected() == 0 {
        return Ok(None);
    }
    let body = serde_json::to_string(names).map_err(|error| StoreError::Failed(error.to_string()))?;
    let (device, kind) = (Some(enrolment), Kind::DeviceNamed);
    Ok(Some(AuditEntry { time: now, kind, device, body, evidence: None }))
}

impl Store {
    /// Forgets the names of all devices. Returns how many had any.
    pub(crate) async fn forget_names(&self, now: u64) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        let update = sqlx::query(
            "UPDATE devices SET host_name = NULL, asset_tag = NULL
             WHERE host_name IS NOT NULL OR asset_tag IS NOT NULL",
        );
        let forgotten = update.execute(&mut *transaction).await?.rows_affected();
        if forgotten > 0 {
            let body = serde_json::json!({ "forgotten": forgotten }).to_string();
            let entry = AuditEntry { time: now, kind: Kind::DeviceNamed, device: None, body, evidence: None };
            audit::append(&mut transaction, &[entry]).await?;
            transaction.commit().await?;
        }
        Ok(forgotten)
    }

    /// Returns the host names that these devices say, by enrolment ID.
    pub(crate) async fn host_names<'a>(
        &self,
        devices: impl Iterator<Item = &'a [u8]>,
    ) -> Result<HashMap<Vec<u8>, String>, StoreError> {
        let devices: Vec<_> = devices.map(hex).collect();
        let query = sqlx::query(
            "SELECT enrolment, host_name FROM devices
             WHERE host_name IS NOT NULL AND enrolment IN (SELECT unhex(value) FROM json_each(?1))",
        );
        let rows = query.bind(json_rows(&devices)?).fetch_all(self.readers()).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}
