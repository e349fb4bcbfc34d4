//! Ordered events for devices: rows that stay until they expire.

use super::{Store, StoreError, signed, unsigned};
use sqlx::{Row, SqliteConnection};
use vitalsign_protocol::id::StepUpId;

/// Maximum number of events per query.
const BATCH: u32 = 16;
/// Number of sequence numbers to skip after events may have been lost.
const GAP: i64 = 1 << 32;

/// An event for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Sequence number among all events.
    pub seq: u64,
    /// Event name, see [`vitalsign_protocol::step_up::event`].
    pub name: String,
    pub data: String,
}

/// Stores an event for a device until `expires`, in the caller's transaction.
pub(crate) async fn tell(
    connection: &mut SqliteConnection,
    device: i64,
    step_up: Option<&StepUpId>,
    (name, data): (&str, &str),
    expires: u64,
) -> Result<(), StoreError> {
    let query =
        sqlx::query("INSERT INTO events (device, step_up, name, data, expires) VALUES (?1, ?2, ?3, ?4, ?5)");
    let query = query.bind(device).bind(step_up.map(StepUpId::as_bytes)).bind(name).bind(data);
    query.bind(signed(expires)).execute(connection).await?;
    Ok(())
}

/// Deletes the events of a step-up.
pub(crate) async fn forget(connection: &mut SqliteConnection, step_up: &StepUpId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM events WHERE step_up = ?1").bind(step_up.as_bytes()).execute(connection).await?;
    Ok(())
}

/// Skips sequence numbers, so that a device that has seen an event which was lost since does not take a new one for it.
pub(super) async fn skip_numbers(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let raise = sqlx::query("UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name = 'events'");
    if raise.bind(GAP).execute(&mut *connection).await?.rows_affected() == 0 {
        let insert = sqlx::query("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?1)");
        insert.bind(GAP).execute(connection).await?;
    }
    Ok(())
}

impl Store {
    /// Skips the sequence numbers of events that a loss of power may have undone. Call it when a verifier starts.
    pub(crate) async fn skip_event_numbers(&self) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        skip_numbers(&mut transaction).await?;
        transaction.commit().await
    }

    /// Returns a device's next events after sequence number `after`, in order; `None` if it was revoked or has enrolled
    /// again.
    pub(crate) async fn events(
        &self,
        (device, generation): (i64, i64),
        after: u64,
        now: u64,
    ) -> Result<Option<Vec<StoredEvent>>, StoreError> {
        let query = sqlx::query(
            "SELECT seq, name, data FROM devices
             LEFT JOIN events ON events.device = devices.id AND seq > ?3 AND expires > ?4
             WHERE devices.id = ?1 AND generation = ?2 AND revoked_at IS NULL ORDER BY seq LIMIT ?5",
        );
        let query = query.bind(device).bind(generation).bind(signed(after)).bind(signed(now)).bind(BATCH);
        let rows = query.fetch_all(self.readers()).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(seq) = row.try_get::<Option<i64>, _>("seq")? {
                events.push(StoredEvent {
                    seq: unsigned(seq),
                    name: row.try_get("name")?,
                    data: row.try_get("data")?,
                });
            }
        }
        Ok(Some(events))
    }

    /// Returns the highest sequence number ever used.
    pub(crate) async fn newest_event(&self) -> Result<u64, StoreError> {
        let query = sqlx::query("SELECT seq FROM sqlite_sequence WHERE name = 'events'");
        let row = query.fetch_optional(self.readers()).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.map_or(0, unsigned))
    }

    /// Returns the devices with events after sequence number `after`.
    pub(crate) async fn devices_with_events(&self, after: u64) -> Result<Vec<i64>, StoreError> {
        let query = sqlx::query("SELECT DISTINCT device FROM events WHERE seq > ?1");
        let rows = query.bind(signed(after)).fetch_all(self.readers()).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}
