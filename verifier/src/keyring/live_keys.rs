//! Keys of a running server.

use super::{Keyring, KeyringError};
use crate::live::Live;
use crate::signing_keys::SigningKeys;
use crate::store::key::{KeyPurpose, KeyState, StoredKeys};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes what signs from the keys in the store.
type Make<T> = Box<dyn Fn(&StoredKeys) -> Result<T, KeyringError> + Send + Sync>;

/// Keys of a running server, which takes up what other processes change.
pub(crate) struct LiveKeys<T> {
    keyring: Arc<Keyring>,
    purpose: KeyPurpose,
    make: Make<T>,
    loaded: Live<Loaded<T>>,
    /// Revision that could not be loaded.
    failed: AtomicU64,
}

struct Loaded<T> {
    revision: u64,
    /// Number of the key that signs.
    active: Option<i64>,
    /// Time from which the announced key signs, in seconds since 1970.
    next_at: Option<u64>,
    keys: Arc<T>,
}

impl LiveKeys<SigningKeys> {
    /// Opens keys that sign JWTs, and switches to an announced key whose time has come.
    pub(crate) async fn signing(
        keyring: Arc<Keyring>,
        purpose: KeyPurpose,
        now: u64,
    ) -> Result<Self, KeyringError> {
        Self::open(keyring, purpose, move |keys| super::signing_keys(&keys.keys, purpose), now).await
    }
}

impl<T> LiveKeys<T> {
    /// Opens the keys, and switches to an announced key whose time has come.
    pub(crate) async fn open(
        keyring: Arc<Keyring>,
        purpose: KeyPurpose,
        make: impl Fn(&StoredKeys) -> Result<T, KeyringError> + Send + Sync + 'static,
        now: u64,
    ) -> Result<Self, KeyringError> {
        let make: Make<T> = Box::new(make);
        let loaded = load(&keyring, purpose, &make, now).await?;
        Ok(Self { keyring, purpose, make, loaded: Live::new(loaded), failed: AtomicU64::new(0) })
    }

    /// Returns the current keys.
    pub(crate) fn get(&self) -> Arc<T> {
        self.loaded.get().keys.clone()
    }

    /// Loads changed keys, and switches to an announced key whose time has come. Keys that cannot be loaded are reported,
    /// and the previous ones stay in use.
    pub(crate) async fn refresh(&self, now: u64) {
        let before = self.loaded.get();
        let due = before.next_at.is_some_and(|begins| begins <= now);
        // The store reports its failure where it matters.
        let Ok(revision) = self.keyring.revision().await else { return };
        if !due && revision == before.revision {
            return;
        }
        let what = self.purpose.as_str();
        match load(&self.keyring, self.purpose, &self.make, now).await {
            Ok(loaded) => {
                if loaded.active != before.active {
                    tracing::info!(what, "signing with another key from now on");
                }
                self.loaded.set(loaded);
            }
            Err(error) if self.failed.swap(revision, Ordering::Relaxed) != revision => {
                tracing::error!(what, %error, "the signing keys cannot be loaded; the former ones stay in use");
            }
            Err(_) => {}
        }
    }
}

async fn load<T>(
    keyring: &Keyring,
    purpose: KeyPurpose,
    make: &Make<T>,
    now: u64,
) -> Result<Loaded<T>, KeyringError> {
    let keys = keyring.activate(purpose, now).await?;
    let (active, next) = (keys.of(KeyState::Active), keys.of(KeyState::Next));
    Ok(Loaded {
        revision: keys.revision,
        active: active.map(|(id, _)| *id),
        next_at: next.map(|(_, key)| key.begins),
        keys: Arc::new(make(&keys)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kek::Kek;
    use crate::signing_keys::RETIRED_SECONDS;
    use crate::store::Store;
    use crate::store::key::KeyState;
    use vitalsign_protocol::ear::{self, Ear};
    use vitalsign_protocol::jwt;

    async fn keyring(folder: &std::path::Path) -> Arc<Keyring> {
        let store = Arc::new(Store::open(&folder.join("store.db")).await.unwrap());
        let keyring = Keyring::with(store, Kek::new(&[1; 32]).unwrap());
        keyring.initialise(folder, 500).await.unwrap();
        Arc::new(keyring)
    }

    #[tokio::test]
    async fn retired_key_verifies_for_a_week() {
        for purpose in [KeyPurpose::Verdicts, KeyPurpose::Tokens] {
            let folder = tempfile::tempdir().unwrap();
            let keyring = keyring(folder.path()).await;
            let old = keyring.signing_keys(purpose).await.unwrap();
            let token = old.sign(&Ear { iat: 5, ..Ear::default() }, ear::TYP).unwrap();
            let new = keyring.rotate(purpose, 1000, 1000).await.unwrap();
            assert_ne!(new.current(), old.current());
            let check = |now| jwt::verify::<Ear>(&token, ear::TYP, &new.published(now)).map(|ear| ear.iat);
            assert_eq!(check(1000 + RETIRED_SECONDS - 1), Ok(5));
            assert_eq!(check(1000 + RETIRED_SECONDS), Err(jwt::Error::UnknownKey));
        }
    }

    #[tokio::test]
    async fn an_announced_key_signs_from_its_time_on() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = keyring(folder.path()).await;
        let purpose = KeyPurpose::Verdicts;
        let live = LiveKeys::signing(keyring.clone(), purpose, 1000).await.unwrap();
        let old = live.get().current().kid.clone();
        let announced = keyring.rotate(purpose, 1000, 2000).await.unwrap();
        let new = announced.next().unwrap().0.kid.clone();
        live.refresh(1000).await;
        assert_eq!(live.get().current().kid, old);
        assert_eq!(live.get().to_pin().keys.iter().map(|it| &it.kid).collect::<Vec<_>>(), [&old, &new]);
        let again = keyring.rotate(purpose, 1001, 3000).await;
        assert!(again.err().unwrap().to_string().contains(&new), "one at a time");
        live.refresh(1999).await;
        assert_eq!(live.get().current().kid, old);
        live.refresh(2000).await;
        assert_eq!(live.get().current().kid, new);
        assert_eq!(live.get().next(), None);
        // A verifier that was not running switches when it starts.
        keyring.rotate(purpose, 2001, 3000).await.unwrap();
        let late = LiveKeys::signing(keyring.clone(), purpose, 3001).await.unwrap();
        assert_ne!(late.get().current().kid, new);
        assert_eq!(late.get().announcements_after(std::slice::from_ref(&old)).len(), 2);
        assert_eq!(late.get().announcements_after(&[new]).len(), 1);
        assert!(late.get().announcements_after(&["stranger".into()]).is_empty());

        let replaced = keyring.replace_compromised(purpose, 3001).await.unwrap();
        assert!(replaced.announcements_after(&[old]).is_empty());
        assert_eq!(replaced.published(3001).keys.len(), 1);
        let states: Vec<_> = replaced.all().iter().map(|key| (key.state, key.withdrawn)).collect();
        let withdrawn = (KeyState::Withdrawn, Some(3001));
        assert_eq!(states, [withdrawn, withdrawn, withdrawn, (KeyState::Active, None)]);
    }

    #[tokio::test]
    async fn withdrawn_key_is_not_published_nor_announces() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = keyring(folder.path()).await;
        let purpose = KeyPurpose::Verdicts;
        let first = keyring.signing_keys(purpose).await.unwrap().current().kid.clone();
        let second = keyring.rotate(purpose, 1000, 1000).await.unwrap().current().kid.clone();
        let third = keyring.rotate(purpose, 2000, 2000).await.unwrap().current().kid.clone();
        let refused = keyring.withdraw(purpose, &third, 2001).await.err().unwrap();
        assert!(matches!(refused, KeyringError::NotWithdrawn(_)), "{refused}: it signs");
        assert!(keyring.withdraw(KeyPurpose::Tokens, &second, 2001).await.is_err());
        keyring.withdraw(purpose, &second, 2001).await.unwrap();
        let keys = keyring.signing_keys(purpose).await.unwrap();
        let published: Vec<_> = keys.published(2001).keys.into_iter().map(|key| key.kid).collect();
        assert_eq!(published, [third, first.clone()]);
        assert!(keys.announcements_after(&[first, second.clone()]).is_empty());
        assert!(keyring.withdraw(purpose, &second, 2002).await.is_err(), "once");

        // An announced key that is withdrawn never signs.
        let announced = keyring.rotate(purpose, 3000, 4000).await.unwrap();
        let next = announced.next().unwrap().0.kid.clone();
        keyring.withdraw(purpose, &next, 3001).await.unwrap();
        keyring.activate(purpose, 5000).await.unwrap();
        assert_eq!(keyring.signing_keys(purpose).await.unwrap().current(), keys.current());
        keyring.rotate(purpose, 5000, 5000).await.unwrap();
    }

    #[tokio::test]
    async fn verdicts_and_tokens_never_share_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = keyring(folder.path()).await;
        let current = async |purpose| keyring.signing_keys(purpose).await.unwrap().current().clone();
        let verdicts = current(KeyPurpose::Verdicts).await;
        assert_ne!(verdicts, current(KeyPurpose::Tokens).await);
        keyring.rotate(KeyPurpose::Tokens, 1000, 1000).await.unwrap();
        assert_eq!(verdicts, current(KeyPurpose::Verdicts).await);
        assert_eq!(keyring.signing_keys(KeyPurpose::Verdicts).await.unwrap().all().len(), 1);
    }

    #[tokio::test]
    async fn keys_are_read_while_another_process_rotates() {
        let folder = tempfile::tempdir().unwrap();
        let rotating = keyring(folder.path()).await;
        let reading = keyring(folder.path()).await;
        let task = tokio::spawn(async move {
            for now in 1000..1030 {
                rotating.rotate(KeyPurpose::Verdicts, now, now).await.unwrap();
            }
        });
        while !task.is_finished() {
            reading.activate(KeyPurpose::Verdicts, 2000).await.unwrap();
        }
        task.await.unwrap();
        assert_eq!(reading.signing_keys(KeyPurpose::Verdicts).await.unwrap().all().len(), 31);
    }
}
