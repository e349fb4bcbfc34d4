//! Taps with a PIN or fingerprint on which later taps may rest. Functions run in the caller's transaction.

use super::client;
use super::{StoreError, signed, unsigned};
use sqlx::{Row, SqliteConnection};
use vitalsign_protocol::id::{Digest, PinPeriodId};
use vitalsign_protocol::step_up::Acr;

/// Newest tap with a PIN or fingerprint at a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PinTap {
    pub(crate) period: PinPeriodId,
    /// The device's generation.
    pub(crate) generation: i64,
    pub(crate) boot_count: u64,
    pub(crate) user: i64,
    pub(crate) security_key: i64,
    /// Seconds since 1970, by the verifier's clock.
    pub(crate) at: u64,
    /// Number of the approval's audit entry.
    pub(crate) audit: u64,
    /// Hash of that entry.
    pub(crate) hash: Digest,
}

/// Reads a device's tap.
pub(crate) async fn read(
    connection: &mut SqliteConnection,
    device: i64,
) -> Result<Option<PinTap>, StoreError> {
    let query = sqlx::query("SELECT * FROM pin_taps WHERE device = ?1").bind(device);
    let Some(row) = query.fetch_optional(connection).await? else { return Ok(None) };
    let broken = || StoreError::Failed("a tap with a PIN cannot be read".into());
    Ok(Some(PinTap {
        period: PinPeriodId::from_slice(row.try_get("period")?).ok_or_else(broken)?,
        generation: row.try_get("generation")?,
        boot_count: unsigned(row.try_get("boot_count")?),
        user: row.try_get("user")?,
        security_key: row.try_get("security_key")?,
        at: unsigned(row.try_get("at")?),
        audit: unsigned(row.try_get("audit")?),
        hash: Digest::from_slice(row.try_get("hash")?).ok_or_else(broken)?,
    }))
}

/// Replaces a device's tap.
pub(crate) async fn write(
    connection: &mut SqliteConnection,
    device: i64,
    tap: &PinTap,
) -> Result<(), StoreError> {
    let query = sqlx::query(
        "INSERT OR REPLACE INTO pin_taps
           (device, period, generation, boot_count, user, security_key, at, audit, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    );
    let query = query.bind(device).bind(tap.period.as_bytes()).bind(tap.generation);
    let query = query.bind(signed(tap.boot_count)).bind(tap.user).bind(tap.security_key);
    let query = query.bind(signed(tap.at)).bind(signed(tap.audit)).bind(tap.hash.as_bytes());
    query.execute(connection).await?;
    Ok(())
}

/// Forgets a device's tap: the next one needs the PIN.
pub(crate) async fn forget(connection: &mut SqliteConnection, device: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM pin_taps WHERE device = ?1").bind(device).execute(connection).await?;
    Ok(())
}

/// Returns whether an application may use the level badge now.
pub(crate) async fn is_allowed(connection: &mut SqliteConnection, client: &str) -> Result<bool, StoreError> {
    let client = client::find(connection, client).await?;
    Ok(client.is_some_and(|client| client.disabled_at.is_none() && client.may_use(Acr::Badge)))
}
