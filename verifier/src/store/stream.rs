//! Cursors of the streams of the audit log.

use super::audit::last_seq;
use super::{Store, StoreError, signed, unsigned};
use sqlx::Row;

impl Store {
    /// Returns the sequence number up to which a stream's receiver has the entries. A new stream begins with what is logged
    /// from now on.
    pub async fn stream_cursor(&self, name: &str) -> Result<u64, StoreError> {
        let query = sqlx::query("SELECT seq FROM audit_streams WHERE name = ?1").bind(name);
        if let Some(row) = query.fetch_optional(self.readers()).await? {
            return Ok(unsigned(row.try_get(0)?));
        }
        let mut transaction = self.begin().await?;
        let seq = last_seq(&mut transaction).await?;
        let insert = sqlx::query("INSERT OR IGNORE INTO audit_streams (name, seq) VALUES (?1, ?2)");
        insert.bind(name).bind(signed(seq)).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(seq)
    }

    /// Moves a stream's cursor.
    pub(crate) async fn move_stream_cursor(&self, name: &str, seq: u64) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let update = sqlx::query("UPDATE audit_streams SET seq = ?2 WHERE name = ?1");
        update.bind(name).bind(signed(seq)).execute(&mut *transaction).await?;
        transaction.commit().await
    }
}
