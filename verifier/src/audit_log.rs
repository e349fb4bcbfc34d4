//! The audit log as it is kept: collects heartbeats into entries, signs checkpoints, removes payloads whose retention ended.

use crate::audit::checkpoint::{Checkpoint, ConsistencyProof, Cosigned};
use crate::audit::log_keys::LogKeys;
use crate::audit::note::{NoteError, NoteSignature, SignedNote, VerifierKey};
use crate::audit::prove::{Exported, KnownKeys};
use crate::audit::{Broken, Head, Kind};
use crate::config::{AuditSettings, Config};
use crate::keyring::{Keyring, KeyringError, LiveKeys, log_keys};
use crate::store::audit_tree::VerifiedLog;
use crate::store::key::{KeyPurpose, StoredKeys};
use crate::store::{Store, StoreError};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Seconds of a day.
const DAY: u64 = 24 * 3600;

/// A checkpoint could not be signed or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Keys(#[from] KeyringError),
    /// The log contradicts its newest checkpoint: entries were changed or removed.
    #[error("the audit log is invalid: {0}")]
    Broken(Broken),
    /// A note or proof is invalid.
    #[error("{0}")]
    Note(#[from] NoteError),
    /// The note is signed by this log, and the log has no such checkpoint.
    #[error("this log has no such checkpoint of {0} leaves")]
    Unknown(u64),
}

/// The audit log with its keys.
pub struct AuditLog {
    store: Arc<Store>,
    name: String,
    keys: LiveKeys<LogKeys>,
    settings: AuditSettings,
    /// Time of the last run of the retention, in seconds since 1970.
    pruned: Mutex<u64>,
}

impl AuditLog {
    /// Returns the name of a new log: the verifier's host and port, and `/audit`.
    #[must_use]
    pub fn name_for(config: &Config) -> String {
        let (origin, _) = config.origin();
        format!("{}/audit", origin.trim_start_matches("https://"))
    }

    /// Opens the log of this name.
    ///
    /// # Errors
    /// The key cannot be read.
    pub async fn open(
        config: &Config,
        keyring: Arc<Keyring>,
        name: String,
        now: u64,
    ) -> Result<Self, KeyringError> {
        let log = name.clone();
        let make = move |keys: &StoredKeys| log_keys(&log, keys);
        let keys = LiveKeys::open(keyring.clone(), KeyPurpose::Checkpoints, make, now).await?;
        Ok(Self {
            store: keyring.store().clone(),
            name,
            keys,
            settings: config.audit.clone(),
            pruned: Mutex::new(0),
        })
    }

    /// Returns the key that verifies new checkpoints.
    #[must_use]
    pub fn key(&self) -> VerifierKey {
        self.keys.get().current().clone()
    }

    /// Returns the keys, with those that verify former checkpoints.
    #[must_use]
    pub fn keys(&self) -> Arc<LogKeys> {
        self.keys.get()
    }

    /// Takes up another key.
    pub(crate) async fn refresh_keys(&self, now: u64) {
        self.keys.refresh(now).await;
    }

    /// Announces a new key that signs alone from `begins` on. Until then checkpoints have both signatures, beginning with
    /// one that this makes.
    ///
    /// # Errors
    /// A key is announced already, or [`CheckpointError`].
    pub async fn rotate_key(&self, keyring: &Keyring, now: u64, begins: u64) -> Result<(), CheckpointError> {
        keyring.rotate_log_key(&self.name, now, begins).await?;
        self.keys.refresh(now).await;
        self.checkpoint(now).await.map(drop)
    }

    /// Replaces a key that others may have.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub async fn replace_key(&self, keyring: &Keyring, now: u64) -> Result<(), CheckpointError> {
        keyring.replace_log_key(&self.name, now).await?;
        self.keys.refresh(now).await;
        self.checkpoint(now).await.map(drop)
    }

    #[must_use]
    pub fn settings(&self) -> &AuditSettings {
        &self.settings
    }

    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Returns the log's key and those of the witnesses.
    #[must_use]
    pub fn known_keys(&self) -> KnownKeys {
        KnownKeys { log: self.keys().known().to_vec(), witnesses: self.settings.witnesses.clone() }
    }

    /// Verifies the whole log. `anchor` is a previously recorded head.
    ///
    /// # Errors
    /// The outer error is the store's; the inner one is the first violation.
    pub async fn verify(&self, anchor: Option<Head>) -> Result<Result<VerifiedLog, Broken>, StoreError> {
        self.store.verify_audit_log(anchor, &self.known_keys()).await
    }

    /// Signs the log's state, or returns the newest checkpoint if nothing was appended since.
    ///
    /// # Errors
    /// The store failed, or the log contradicts its newest checkpoint.
    pub async fn checkpoint(&self, now: u64) -> Result<SignedNote, CheckpointError> {
        self.store.sign_checkpoint(&self.keys(), now).await?.map_err(CheckpointError::Broken)
    }

    /// Exports an entry with the proof that it is in the log, by a new checkpoint if the newest does not contain it yet.
    ///
    /// # Errors
    /// The store failed, or the log contradicts its newest checkpoint.
    pub async fn export(&self, seq: u64, now: u64) -> Result<Option<Exported>, CheckpointError> {
        let Some(exported) = self.export_one(seq, now).await? else { return Ok(None) };
        let rests_on = match exported.named_earlier() {
            Some(earlier) => self.export_one(earlier.seq, now).await?.map(Box::new),
            None => None,
        };
        Ok(Some(Exported { rests_on, ..exported }))
    }

    async fn export_one(&self, seq: u64, now: u64) -> Result<Option<Exported>, CheckpointError> {
        if let Some(newest) = self.store.newest_checkpoint().await? {
            let exported = self.store.export_audit(seq, Some((&newest, self.keys().known()))).await?;
            if exported.as_ref().is_none_or(|exported| exported.proof.is_some()) {
                return Ok(exported);
            }
        }
        let checkpoint = self.checkpoint(now).await?;
        Ok(self.store.export_audit(seq, Some((&checkpoint, self.keys().known()))).await?)
    }

    /// Proves that the log's state contains everything that an earlier checkpoint does.
    ///
    /// # Errors
    /// The store failed, the checkpoint is not of this log, or the log was rewritten since.
    pub async fn consistency(&self, old: &SignedNote, now: u64) -> Result<ConsistencyProof, CheckpointError> {
        let (keys, known) = (self.keys(), &self.settings.witnesses);
        let (earlier, _) = Checkpoint::open(old, keys.known(), known)?;
        let new = self.checkpoint(now).await?;
        let (later, _) = Checkpoint::open(&new, keys.known(), known)?;
        let proof = self.store.prove_consistency((old, earlier.size), (&new, later.size)).await?;
        proof.verify(keys.known(), known)?;
        Ok(proof)
    }

    /// Stores the cosignatures of known witnesses on a checkpoint of this log. Returns them.
    ///
    /// # Errors
    /// The store failed, the note is not a checkpoint that this log signed, or a signature is invalid.
    pub async fn add_cosignatures(&self, note: &SignedNote) -> Result<Vec<Cosigned>, CheckpointError> {
        let (checkpoint, cosigned) = Checkpoint::open(note, self.keys().known(), &self.settings.witnesses)?;
        let size = checkpoint.size;
        let stored = self.store.checkpoint(size).await?.filter(|stored| stored.text == note.text);
        if stored.is_none() {
            return Err(CheckpointError::Unknown(size));
        }
        let known = |it: &NoteSignature| {
            let witnesses = self.settings.witnesses.iter();
            witnesses.clone().any(|witness| witness.name() == it.name && witness.id() == it.key_id)
        };
        let signatures = note.signatures.iter().filter(|it| known(it)).cloned().collect();
        let new = SignedNote { text: note.text.clone(), signatures };
        if !new.signatures.is_empty() {
            self.store.add_signatures(size, &new).await?;
        }
        Ok(cosigned)
    }

    /// Writes heartbeats, signs a checkpoint and prunes, each when its time has come. Failures are logged, and the next call tries again. Call it every few seconds.
    pub async fn maintain(&self, now: u64) {
        if let Err(error) = self.try_maintain(now).await {
            tracing::error!(%error, "the audit log");
        }
    }

    async fn try_maintain(&self, now: u64) -> Result<(), CheckpointError> {
        while self.store.log_heartbeats(now).await? > 0 {}
        let newest = self.store.newest_checkpoint_time().await?;
        // A clock that went back must not stop the checkpoints.
        if newest.is_none_or(|newest| newest.abs_diff(now) >= self.settings.checkpoint_seconds) {
            self.checkpoint(now).await?;
        }
        let mut pruned = self.pruned.lock().await;
        if now.abs_diff(*pruned) >= DAY {
            self.prune(&self.store, now).await?;
            *pruned = now;
        }
        Ok(())
    }

    /// Removes the payloads whose retention has ended, in this handle of the log's store. Returns how many, by kind.
    ///
    /// # Errors
    /// The store failed. What was removed before is logged.
    pub async fn prune(&self, store: &Store, now: u64) -> Result<Vec<(Kind, u64)>, StoreError> {
        let mut counts = Vec::new();
        for (kind, before) in self.expired(now) {
            let mut count = 0;
            loop {
                match store.prune_audit(kind, before, now).await? {
                    0 => break,
                    more => count += more,
                }
            }
            if count > 0 {
                tracing::info!(kind = kind.as_str(), count, before, "payloads of the audit log were pruned");
                counts.push((kind, count));
            }
        }
        Ok(counts)
    }

    /// Counts the payloads that [`AuditLog::prune`] would remove, by kind.
    ///
    /// # Errors
    /// The store failed.
    pub async fn count_prunable(&self, now: u64) -> Result<Vec<(Kind, u64)>, StoreError> {
        let mut counts = Vec::new();
        for (kind, before) in self.expired(now) {
            counts.push((kind, self.store.count_prunable(kind, before).await?));
        }
        counts.retain(|(_, count)| *count > 0);
        Ok(counts)
    }

    /// Kinds with a retention, and the time before which their payloads are removed.
    fn expired(&self, now: u64) -> impl Iterator<Item = (Kind, u64)> {
        let kept = move |kind| {
            self.settings.kept_days(kind).map(|days| (kind, now.saturating_sub(days.saturating_mul(DAY))))
        };
        Kind::ALL.into_iter().filter_map(kept)
    }

    /// Signs the last state before the verifier ends.
    pub(crate) async fn end(&self, now: u64) {
        if let Err(error) = self.checkpoint(now).await {
            tracing::error!(%error, "the audit log");
        }
    }
}
