//! The verifier's keys: in the store, sealed by a key-encryption key (KEK), each with a state.
//!
//! ```text
//! next ──> active ──> retired        a rotation: published before it signs, and for a while after
//!   └────────┴──────────┴──> withdrawn   a key that others may have
//! ```
//!
//! Every process with the store and the KEK has the same keys.

mod former;
mod live_keys;

pub(crate) use live_keys::LiveKeys;

use crate::audit::log_keys::LogKeys;
use crate::audit::note::{NoteError, NoteKey, SignatureType, VerifierKey};
use crate::audit::{AuditEntry, Kind};
use crate::config::Config;
use crate::files::FileError;
use crate::kek::{Kek, KekSource};
use crate::live::Live;
use crate::nonce::NonceKey;
use crate::signing_keys::{self, InvalidKey, SigningKeys};
use crate::store::key::{self, KeyPurpose, KeyState, SealError, StoredKey, StoredKeys};
use crate::store::{Store, StoreError, Transaction};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use vitalsign_protocol::rollover::{self, KeyRollover};
use zeroize::Zeroizing;

/// Folder with the key files of earlier versions, after the keys were read into the store.
pub const FORMER_KEYS: &str = "keys.before-store";

/// The keys could not be opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(SealError),
    /// The keys are sealed, and what opens them is gone. No other keys are made.
    #[error(
        "the keys in the store are sealed by the key-encryption key {sealed_by}, and {place} is missing; name it in \
         [keys] of the configuration, or restore a backup"
    )]
    Missing { place: KekSource, sealed_by: String },
    #[error(
        "the keys in the store are sealed by the key-encryption key {sealed_by}, and {place} is {given}; name the right one in \
         [keys] of the configuration, or seal them again with `signing-key rewrap --from FILE`"
    )]
    OtherKek { place: KekSource, sealed_by: String, given: String },
    #[error("the store has no active key for {}; restore a backup", .0.as_str())]
    NoKey(KeyPurpose),
    #[error("{0} is announced already and does not sign yet")]
    Announced(String),
    #[error(
        "no key {0} that does not sign is published; to replace the key that signs, use `signing-key replace`"
    )]
    NotWithdrawn(String),
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error(transparent)]
    Key(#[from] InvalidKey),
    #[error("a key cannot be made or used: {0}")]
    Crypto(String),
}

impl From<SealError> for KeyringError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Store(error) => Self::Store(error),
            other => Self::Seal(other),
        }
    }
}

/// The keys of the verifier, and what opens them.
pub struct Keyring {
    store: Arc<Store>,
    source: KekSource,
    kek: Arc<Live<Kek>>,
}

impl Keyring {
    /// Opens the keys. In a store without keys, makes them, or reads the key files of an earlier version, and creates the
    /// KEK if its file is missing.
    ///
    /// # Errors
    /// The KEK is missing or another one, or the keys cannot be read.
    pub async fn open(config: &Config, store: Arc<Store>, now: u64) -> Result<Self, KeyringError> {
        let former = config.former_keys();
        let keyring = Self::reopen(store, &config.kek()).await?;
        keyring.initialise(&former, now).await?;
        former::set_aside(&former, &config.data.join(FORMER_KEYS))?;
        Ok(keyring)
    }

    /// Reads the KEK of a store, and creates it only if the store has no keys yet.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn reopen(store: Arc<Store>, source: &KekSource) -> Result<Self, KeyringError> {
        let place = source.clone();
        let kek = match store.sealed_by().await? {
            None => source.read_or_create()?,
            Some((sealed_by, _)) => match source.read()? {
                Some(kek) => kek,
                None => return Err(KeyringError::Missing { place, sealed_by }),
            },
        };
        Ok(Self { store, source: place, kek: Arc::new(Live::new(kek)) })
    }

    /// Opens the keys of a store with a KEK that was read already.
    pub(crate) fn with(store: Arc<Store>, kek: Kek) -> Self {
        Self { store, source: KekSource::File("the given one".into()), kek: Arc::new(Live::new(kek)) }
    }

    /// Returns a handle whose changes name the actor of this store in the audit log.
    pub(crate) fn acting_through(&self, store: Arc<Store>) -> Self {
        Self { store, source: self.source.clone(), kek: self.kek.clone() }
    }

    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Returns the KEK in use.
    pub(crate) fn kek(&self) -> Arc<Kek> {
        self.kek.get()
    }

    /// Makes the first keys, or reads them from the files of an earlier version, unless there are keys. Otherwise checks
    /// that the KEK opens them.
    pub(crate) async fn initialise(&self, former: &Path, now: u64) -> Result<(), KeyringError> {
        if self.store.sealed_by().await?.is_none() {
            self.make(former, now).await?;
        }
        for purpose in KeyPurpose::ALL {
            let keys = self.store.keys(&self.kek(), purpose).await.map_err(|error| self.named(error))?;
            active(&keys.keys, purpose)?;
        }
        Ok(())
    }

    async fn make(&self, former: &Path, now: u64) -> Result<(), KeyringError> {
        let mut transaction = self.store.begin().await?;
        // Another process may have made them since.
        if key::sealed_by(&mut transaction).await?.is_some() {
            return Ok(());
        }
        let kek = self.kek();
        key::touch(&mut transaction, &kek).await?;
        for purpose in KeyPurpose::ALL {
            let former = former::read(former, purpose)?;
            let keys = if former.is_empty() { vec![new_key(purpose, now)?] } else { former };
            for key in &keys {
                key::insert(&mut transaction, &kek, key).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    /// Returns the number that grows with each change of the keys.
    pub(crate) async fn revision(&self) -> Result<u64, StoreError> {
        Ok(self.store.sealed_by().await?.map_or(0, |(_, revision)| revision))
    }

    /// Returns the keys that sign JWTs for a purpose.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn signing_keys(&self, purpose: KeyPurpose) -> Result<SigningKeys, KeyringError> {
        signing_keys(&self.load(purpose).await?.keys, purpose)
    }

    async fn load(&self, purpose: KeyPurpose) -> Result<StoredKeys, KeyringError> {
        let mut keys = self.store.keys(&self.kek(), purpose).await;
        if matches!(keys, Err(SealError::OtherKek { .. })) {
            // They were sealed again while this process ran.
            if let Some(kek) = self.source.read()? {
                self.kek.set(kek);
            }
            keys = self.store.keys(&self.kek(), purpose).await;
        }
        keys.map_err(|error| self.named(error))
    }

    /// Returns the keys of a purpose, after switching to the announced one if its time has come.
    pub(crate) async fn activate(&self, purpose: KeyPurpose, now: u64) -> Result<StoredKeys, KeyringError> {
        let keys = self.load(purpose).await?;
        if keys.of(KeyState::Next).is_none_or(|(_, next)| next.begins > now) {
            return Ok(keys);
        }
        let mut transaction = self.store.begin().await?;
        let mut rows = self.read(&mut transaction, purpose).await?;
        // Another process may have done it since.
        if switch(&mut rows, now) {
            self.write(&mut transaction, &rows).await?;
        }
        transaction.commit().await?;
        self.load(purpose).await
    }

    /// Announces a new key that signs from `begins` on; until then the current one does. Running servers take it up and
    /// switch by themselves.
    ///
    /// # Errors
    /// [`KeyringError`], also if a key is announced already.
    pub async fn rotate(
        &self,
        purpose: KeyPurpose,
        now: u64,
        begins: u64,
    ) -> Result<SigningKeys, KeyringError> {
        let announce = |rows: &[(i64, StoredKey)], new: &StoredKey| {
            let current = signing_keys(rows, purpose)?;
            let claims = KeyRollover { iat: now, nbf: begins, key: signing_keys::jwk(&new.public)? };
            let token = current.sign(&claims, rollover::TYP);
            let token = token.map_err(|e| KeyringError::Crypto(e.to_string()))?;
            Ok(Some(key::Announcement { by: current.current().kid.clone(), token }))
        };
        self.introduce(purpose, (now, begins), kid, announce).await?;
        self.signing_keys(purpose).await
    }

    /// Announces a new key for the checkpoints of the log with this name. Until `begins` they have the signatures of both.
    ///
    /// # Errors
    /// [`KeyringError`], also if a key is announced already.
    pub(crate) async fn rotate_log_key(&self, log: &str, now: u64, begins: u64) -> Result<(), KeyringError> {
        let name = |public: &[u8]| Ok(log_key(log, public)?.to_string());
        self.introduce(KeyPurpose::Checkpoints, (now, begins), name, |_, _| Ok(None)).await
    }

    /// Makes the next key of a purpose. `name` names keys in the audit log, and `announce` has the active key announce it.
    async fn introduce(
        &self,
        purpose: KeyPurpose,
        (now, begins): (u64, u64),
        name: impl Fn(&[u8]) -> Result<String, KeyringError>,
        announce: impl Fn(&[(i64, StoredKey)], &StoredKey) -> Result<Option<key::Announcement>, KeyringError>,
    ) -> Result<(), KeyringError> {
        // Takes up a KEK by which they were sealed again.
        self.load(purpose).await?;
        let mut transaction = self.store.begin().await?;
        let mut rows = self.read(&mut transaction, purpose).await?;
        switch(&mut rows, now);
        if let Some((_, next)) = rows.iter().find(|(_, key)| key.state == KeyState::Next) {
            return Err(KeyringError::Announced(name(&next.public)?));
        }
        let mut new = StoredKey { state: KeyState::Next, begins, ..new_key(purpose, now)? };
        new.announcement = announce(&rows, &new)?;
        let (before, after) = (name(&active(&rows, purpose)?.public)?, name(&new.public)?);
        self.write(&mut transaction, &rows).await?;
        key::insert(&mut transaction, &self.kek(), &new).await?;
        let mut rows = self.read(&mut transaction, purpose).await?;
        if switch(&mut rows, now) {
            self.write(&mut transaction, &rows).await?;
        }
        let body = json!({ "signs": purpose.as_str(), "before": before, "now": after, "from": begins });
        log(&mut transaction, &body, now).await?;
        Ok(transaction.commit().await?)
    }

    /// Replaces a compromised key at once, and withdraws all that it may have introduced: every other key of the purpose.
    /// Every device must enrol again.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn replace_compromised(
        &self,
        purpose: KeyPurpose,
        now: u64,
    ) -> Result<SigningKeys, KeyringError> {
        self.replace(purpose, kid, now).await?;
        self.signing_keys(purpose).await
    }

    /// Replaces a compromised key of the log with this name.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub(crate) async fn replace_log_key(&self, log: &str, now: u64) -> Result<(), KeyringError> {
        self.replace(KeyPurpose::Checkpoints, |public| Ok(log_key(log, public)?.to_string()), now).await
    }

    async fn replace(
        &self,
        purpose: KeyPurpose,
        name: impl Fn(&[u8]) -> Result<String, KeyringError>,
        now: u64,
    ) -> Result<(), KeyringError> {
        self.load(purpose).await?;
        let new = new_key(purpose, now)?;
        let mut transaction = self.store.begin().await?;
        let mut rows = self.read(&mut transaction, purpose).await?;
        let (before, after) = (name(&active(&rows, purpose)?.public)?, name(&new.public)?);
        for (_, key) in rows.iter_mut().filter(|(_, key)| key.state != KeyState::Withdrawn) {
            key.end(KeyState::Withdrawn, now);
        }
        self.write(&mut transaction, &rows).await?;
        key::insert(&mut transaction, &self.kek(), &new).await?;
        let body = json!({ "signs": purpose.as_str(), "before": before, "now": after, "compromised": true });
        log(&mut transaction, &body, now).await?;
        Ok(transaction.commit().await?)
    }

    /// Withdraws a key that signs no more or not yet: it is not published from now on, and nothing that it announced is
    /// trusted.
    ///
    /// # Errors
    /// [`KeyringError`], also if the purpose has no such key, or it is the one that signs.
    pub async fn withdraw(&self, purpose: KeyPurpose, name: &str, now: u64) -> Result<(), KeyringError> {
        self.load(purpose).await?;
        let mut transaction = self.store.begin().await?;
        let mut rows = self.read(&mut transaction, purpose).await?;
        let mut found = false;
        for (_, key) in &mut rows {
            let idle = matches!(key.state, KeyState::Next | KeyState::Retired);
            if idle && kid(&key.public)? == name {
                key.end(KeyState::Withdrawn, now);
                found = true;
            }
        }
        if !found {
            return Err(KeyringError::NotWithdrawn(name.to_owned()));
        }
        self.write(&mut transaction, &rows).await?;
        log(&mut transaction, &json!({ "signs": purpose.as_str(), "withdrawn": name }), now).await?;
        Ok(transaction.commit().await?)
    }

    /// Seals every key by another KEK. Running servers go on, and read theirs again.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn rewrap(&self, to: Kek, now: u64) -> Result<(), KeyringError> {
        let mut transaction = self.store.begin().await?;
        self.rewrap_in(&mut transaction, &to).await?;
        let body = json!({ "sealed_before": self.kek().name(), "sealed_now": to.name() });
        log(&mut transaction, &body, now).await?;
        transaction.commit().await?;
        self.kek.set(to);
        Ok(())
    }

    /// Seals every key of a restored store by the KEK of its host.
    pub(crate) async fn move_to(&self, to: Kek) -> Result<(), KeyringError> {
        let mut transaction = self.store.begin().await?;
        self.rewrap_in(&mut transaction, &to).await?;
        transaction.commit().await?;
        self.kek.set(to);
        Ok(())
    }

    async fn rewrap_in(&self, transaction: &mut Transaction<'_>, to: &Kek) -> Result<(), KeyringError> {
        let mut all = Vec::new();
        for purpose in KeyPurpose::ALL {
            all.extend(self.read(transaction, purpose).await?);
        }
        for (id, key) in &all {
            key::write(transaction, to, *id, key).await?;
        }
        Ok(key::touch(transaction, to).await?)
    }

    /// Replaces the key that seals nonces: all nonces and sessions end.
    pub(crate) async fn renew_nonces(&self, now: u64) -> Result<(), KeyringError> {
        let mut transaction = self.store.begin().await?;
        key::remove(&mut transaction, KeyPurpose::Nonces).await?;
        let kek = self.kek();
        key::insert(&mut transaction, &kek, &new_key(KeyPurpose::Nonces, now)?).await?;
        key::touch(&mut transaction, &kek).await?;
        Ok(transaction.commit().await?)
    }

    /// Takes on the keys of another store, and drops its own.
    pub(crate) async fn take_over(&self, from: &Self) -> Result<(), KeyringError> {
        let mut theirs = Vec::new();
        for purpose in KeyPurpose::ALL {
            let keys = from.store.keys(&from.kek(), purpose).await.map_err(|error| from.named(error))?;
            theirs.extend(keys.keys);
        }
        let kek = self.kek();
        let mut transaction = self.store.begin().await?;
        for purpose in KeyPurpose::ALL {
            key::remove(&mut transaction, purpose).await?;
        }
        for (id, key) in &theirs {
            key::write(&mut transaction, &kek, *id, key).await?;
        }
        key::touch(&mut transaction, &kek).await?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn nonce_key(&self) -> Result<NonceKey, KeyringError> {
        Ok(NonceKey::new(&self.private(KeyPurpose::Nonces).await?))
    }

    async fn private(&self, purpose: KeyPurpose) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let keys = self.store.keys(&self.kek(), purpose).await.map_err(|error| self.named(error))?;
        Ok(active(&keys.keys, purpose)?.private.clone())
    }

    async fn read(
        &self,
        transaction: &mut Transaction<'_>,
        purpose: KeyPurpose,
    ) -> Result<Vec<(i64, StoredKey)>, KeyringError> {
        let keys = key::read(transaction, &self.kek(), purpose).await.map_err(|error| self.named(error))?;
        Ok(keys.keys)
    }

    async fn write(
        &self,
        transaction: &mut Transaction<'_>,
        rows: &[(i64, StoredKey)],
    ) -> Result<(), KeyringError> {
        let kek = self.kek();
        for (id, key) in rows {
            key::write(transaction, &kek, *id, key).await?;
        }
        Ok(key::touch(transaction, &kek).await?)
    }

    /// Names the KEK's place in an error about it.
    fn named(&self, error: SealError) -> KeyringError {
        match error {
            SealError::OtherKek { sealed_by, given } => {
                KeyringError::OtherKek { place: self.source.clone(), sealed_by, given }
            }
            other => other.into(),
        }
    }
}

async fn log(transaction: &mut Transaction<'_>, body: &Value, now: u64) -> Result<(), StoreError> {
    let kind = Kind::KeyRotated;
    let entry = AuditEntry { time: now, kind, device: None, body: body.to_string(), evidence: None };
    transaction.log(&[entry]).await?;
    Ok(())
}

/// Returns the name of a key that signs JWTs.
fn kid(public: &[u8]) -> Result<String, KeyringError> {
    Ok(signing_keys::jwk(public)?.kid)
}

/// Returns the public key of the log with this name.
fn log_key(log: &str, public: &[u8]) -> Result<VerifierKey, NoteError> {
    let public = public.try_into().map_err(|_| NoteError::Key("its length"))?;
    VerifierKey::new(log, SignatureType::Ed25519, public)
}

/// Returns the keys of the log with this name.
pub(crate) fn log_keys(log: &str, keys: &StoredKeys) -> Result<LogKeys, KeyringError> {
    let signing = |key: &StoredKey| NoteKey::from_pkcs8(&key.private, log, SignatureType::Ed25519);
    let next = keys.of(KeyState::Next).map(|(_, key)| signing(key)).transpose()?;
    let ended = keys.keys.iter().rev().filter(|(_, key)| key.private.is_empty());
    let former = ended.map(|(_, key)| log_key(log, &key.public)).collect::<Result<_, _>>()?;
    Ok(LogKeys::new(signing(active(&keys.keys, KeyPurpose::Checkpoints)?)?, next, former))
}

/// Makes an announced key whose time has come the active one. Returns whether it did.
fn switch(rows: &mut [(i64, StoredKey)], now: u64) -> bool {
    if !rows.iter().any(|(_, key)| key.state == KeyState::Next && key.begins <= now) {
        return false;
    }
    for (_, key) in rows {
        match key.state {
            KeyState::Active => key.end(KeyState::Retired, now),
            KeyState::Next => key.state = KeyState::Active,
            KeyState::Retired | KeyState::Withdrawn => {}
        }
    }
    true
}

fn signing_keys(rows: &[(i64, StoredKey)], purpose: KeyPurpose) -> Result<SigningKeys, KeyringError> {
    active(rows, purpose)?;
    Ok(SigningKeys::new(rows.iter().map(|(_, key)| key.clone()))?)
}

fn active(rows: &[(i64, StoredKey)], purpose: KeyPurpose) -> Result<&StoredKey, KeyringError> {
    let active = rows.iter().map(|(_, key)| key).find(|key| key.state == KeyState::Active);
    active.ok_or(KeyringError::NoKey(purpose))
}

/// Makes an active key.
fn new_key(purpose: KeyPurpose, now: u64) -> Result<StoredKey, KeyringError> {
    let (public, private) = match purpose {
        KeyPurpose::Verdicts | KeyPurpose::Tokens | KeyPurpose::Administration => signing_keys::generate()?,
        KeyPurpose::Checkpoints => NoteKey::generate()?,
        KeyPurpose::Nonces => {
            let mut secret = Zeroizing::new(vec![0; 32]);
            aws_lc_rs::rand::fill(&mut secret)
                .map_err(|_| KeyringError::Crypto("no random numbers".into()))?;
            (Vec::new(), secret)
        }
    };
    Ok(StoredKey {
        purpose,
        state: KeyState::Active,
        public,
        announcement: None,
        created: now,
        begins: now,
        retired: None,
        withdrawn: None,
        private,
    })
}

#[cfg(test)]
mod tests;
