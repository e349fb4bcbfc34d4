use super::*;
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::path::PathBuf;

const NOW: u64 = 1_800_000_000;

/// A store with its keys, and one of another KEK.
struct Site {
    folder: tempfile::TempDir,
    keyring: Keyring,
}

impl Site {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Self::keyring(folder.path()).await.unwrap();
        Self { folder, keyring }
    }

    async fn keyring(folder: &Path) -> Result<Keyring, KeyringError> {
        let config = Config::for_data(folder);
        let store = Arc::new(Store::open(&config.store()).await?);
        Keyring::open(&config, store, NOW).await
    }

    /// Opens the same store as another process.
    async fn again(&self) -> Result<Keyring, KeyringError> {
        Self::keyring(self.folder.path()).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn raw(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.path("verifier.db")).connect().await.unwrap()
    }

    async fn run(&self, statement: &str) {
        let mut raw = self.raw().await;
        let changed = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut raw).await.unwrap();
        assert!(changed.rows_affected() > 0, "{statement}");
        raw.close().await.unwrap();
    }

    async fn private(&self, purpose: KeyPurpose) -> Zeroizing<Vec<u8>> {
        self.keyring.private(purpose).await.unwrap()
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|it| it == part)
}

#[tokio::test]
async fn no_private_key_is_in_the_store() {
    let site = Site::open().await;
    for purpose in [KeyPurpose::Verdicts, KeyPurpose::Tokens] {
        site.keyring.rotate(purpose, NOW, NOW + 5).await.unwrap();
    }
    let mut secrets = vec![("the KEK", std::fs::read(site.path("kek")).unwrap())];
    for purpose in KeyPurpose::ALL {
        let keys = site.keyring.store.keys(&site.keyring.kek(), purpose).await.unwrap();
        for (_, key) in keys.keys {
            secrets.push((purpose.as_str(), key.private.to_vec()));
            // The number itself: of P-256 after 36 bytes of PKCS#8, of Ed25519 after 16.
            let at = if purpose == KeyPurpose::Checkpoints { 16 } else { 36 };
            if let Some(scalar) = key.private.get(at..at + 32) {
                secrets.push((purpose.as_str(), scalar.to_vec()));
            }
        }
    }
    assert_eq!(secrets.len(), 1 + 7 + 6, "six key pairs and two secrets");
    let public = signing_keys::public(&site.private(KeyPurpose::Verdicts).await).unwrap();
    site.keyring.store.close().await;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(site.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path != site.path("kek") {
            files.push(std::fs::read(&path).unwrap());
        }
    }
    assert!(files.iter().any(|file| contains(file, &public)), "the search does not find the public key");
    for (what, secret) in secrets {
        assert!(secret.len() >= 32);
        assert!(!files.iter().any(|file| contains(file, &secret)), "{what}");
    }
}

#[tokio::test]
async fn changed_column_of_a_key_is_noticed() {
    for change in [
        "sealed = unhex(substr(hex(sealed), 3) || 'ff')",
        "sealed = x''",
        "id = 77",
        "state = 'retired', retired = 5",
        "public = (SELECT public FROM verifier_keys WHERE purpose = 'tokens')",
        "created = created + 1",
        "begins = begins - 1",
        "withdrawn = 5",
        "announced_by = 'x', announcement = 'y'",
        "announced_by = 'x'",
    ] {
        let site = Site::open().await;
        site.run(&format!("UPDATE verifier_keys SET {change} WHERE purpose = 'verdicts'")).await;
        let refused = site.again().await.err().unwrap_or_else(|| panic!("{change}"));
        assert!(matches!(refused, KeyringError::Seal(SealError::Damaged { .. })), "{change}: {refused}");
        assert!(site.keyring.signing_keys(KeyPurpose::Verdicts).await.is_err(), "{change}");
    }
}

#[tokio::test]
async fn key_of_another_row_is_refused() {
    let site = Site::open().await;
    // Of another purpose, and then of the same one: a retired key never signs again.
    site.run(
        "UPDATE verifier_keys SET sealed = (SELECT sealed FROM verifier_keys WHERE purpose = 'tokens'),
           public = (SELECT public FROM verifier_keys WHERE purpose = 'tokens') WHERE purpose = 'verdicts'",
    )
    .await;
    let refused = site.again().await.err().unwrap();
    assert!(matches!(refused, KeyringError::Seal(SealError::Damaged { .. })), "{refused}");

    let site = Site::open().await;
    site.keyring.rotate(KeyPurpose::Tokens, NOW, NOW).await.unwrap();
    site.run("UPDATE verifier_keys SET state = 'next' WHERE purpose = 'tokens' AND state = 'active'").await;
    site.run("UPDATE verifier_keys SET state = 'active' WHERE purpose = 'tokens' AND state = 'retired'")
        .await;
    let refused = site.again().await.err().unwrap();
    assert!(matches!(refused, KeyringError::Seal(SealError::Damaged { .. })), "{refused}");
}

#[tokio::test]
async fn withdrawn_and_retired_keys_lose_their_private_half() {
    let site = Site::open().await;
    let first = site.private(KeyPurpose::Verdicts).await;
    site.keyring.rotate(KeyPurpose::Verdicts, NOW, NOW).await.unwrap();
    site.keyring.replace_compromised(KeyPurpose::Verdicts, NOW).await.unwrap();
    let keys = site.keyring.store.keys(&site.keyring.kek(), KeyPurpose::Verdicts).await.unwrap().keys;
    let kept: Vec<_> = keys.iter().map(|(_, key)| (key.state, key.private.is_empty())).collect();
    let ended = (KeyState::Withdrawn, true);
    assert_eq!(kept, [ended, ended, (KeyState::Active, false)]);
    assert_ne!(first, site.private(KeyPurpose::Verdicts).await);
}

#[tokio::test]
async fn missing_or_other_kek_makes_no_new_keys() {
    let site = Site::open().await;
    let before = site.keyring.signing_keys(KeyPurpose::Verdicts).await.unwrap().current().clone();
    let kek = std::fs::read(site.path("kek")).unwrap();
    std::fs::remove_file(site.path("kek")).unwrap();
    let refused = site.again().await.err().unwrap();
    assert!(matches!(refused, KeyringError::Missing { .. }), "{refused}");
    assert!(!site.path("kek").exists(), "no other is made");
    std::fs::write(site.path("kek"), [7; 32]).unwrap();
    crate::files::make_private(&site.path("kek")).unwrap();
    let refused = site.again().await.err().unwrap();
    assert!(matches!(refused, KeyringError::OtherKek { .. }), "{refused}");
    // A store that lost keys gets no others.
    std::fs::write(site.path("kek"), kek).unwrap();
    let again = site.again().await.unwrap();
    assert_eq!(*again.signing_keys(KeyPurpose::Verdicts).await.unwrap().current(), before);
    site.run("DELETE FROM verifier_keys WHERE purpose = 'nonces'").await;
    let refused = site.again().await.err().unwrap();
    assert!(matches!(refused, KeyringError::NoKey(KeyPurpose::Nonces)), "{refused}");
}

#[tokio::test]
async fn rewrapped_keys_are_the_same_and_need_the_new_kek() {
    let site = Site::open().await;
    let before = site.private(KeyPurpose::Verdicts).await;
    let new = KekSource::File(site.path("new"));
    let other = site.again().await.unwrap();
    other.rewrap(new.read_or_create().unwrap(), NOW).await.unwrap();
    assert_eq!(other.private(KeyPurpose::Verdicts).await.unwrap(), before);
    let refused = site.again().await.err().unwrap();
    assert!(matches!(refused, KeyringError::OtherKek { .. }), "{refused}");
    // A process that runs goes on once it finds the new KEK where the old one was.
    assert!(site.keyring.signing_keys(KeyPurpose::Verdicts).await.is_err());
    std::fs::rename(site.path("new"), site.path("kek")).unwrap();
    site.keyring.signing_keys(KeyPurpose::Verdicts).await.unwrap();
    site.keyring.rotate(KeyPurpose::Tokens, NOW, NOW).await.unwrap();
}
