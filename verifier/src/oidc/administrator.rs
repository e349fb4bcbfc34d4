//! The administrator as an application: a process that can read the verifier's keys may request step-ups, for trials without
//! another application.

use super::{Assertion, Audience};
use crate::keyring::{Keyring, KeyringError};
use crate::signing_keys::{SignError, SigningKeys};
use crate::store::StoreError;
use crate::store::client::{
    ADMINISTRATOR_ID, AddedClient, Client, ClientCredential, ClientSettings, DetailsTypes,
};
use crate::store::key::KeyPurpose;

/// Lifetime of an assertion, in seconds.
const LIFETIME: u64 = 60;

/// The administrator, with the key that proves it.
pub struct Administrator(SigningKeys);

/// The administrator cannot act as an application.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Keys(#[from] KeyringError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("client {0} has a name that people could confuse with the administrator's; disable it first")]
    NameTaken(String),
}

impl Administrator {
    /// Reserved `client_id` of the administrator.
    pub const CLIENT_ID: &str = ADMINISTRATOR_ID;
    /// Name that people are shown, in a prompt that is marked as a test.
    pub const NAME: &str = vitalsign_protocol::step_up::ADMINISTRATOR;

    /// Reads the key, and registers it as a client if necessary.
    ///
    /// # Errors
    /// When the key or the store cannot be used.
    pub async fn open(keyring: &Keyring, now: u64) -> Result<Self, Error> {
        let store = keyring.store();
        let keys = keyring.signing_keys(KeyPurpose::Administration).await?;
        let credential = ClientCredential::Keys(keys.published(now).into());
        match store.client(Self::CLIENT_ID).await? {
            Some(client) if client.credential == credential => {}
            Some(_) => {
                store.replace_client_credential(Self::CLIENT_ID, &credential, now).await?;
            }
            None => {
                let id = Self::CLIENT_ID.to_owned();
                let name = Self::NAME.to_owned();
                let client = Client {
                    audience: id.clone(),
                    id,
                    name,
                    created: now,
                    disabled_at: None,
                    credential,
                    settings: ClientSettings {
                        authorization_details_types: DetailsTypes::Any,
                        ..ClientSettings::default()
                    },
                };
                if let AddedClient::NameTaken { by } = store.add_client(&client).await? {
                    return Err(Error::NameTaken(by));
                }
            }
        }
        Ok(Self(keys))
    }

    /// Signs a client assertion for a provider.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn assertion(&self, issuer: &str, jti: String, now: u64) -> Result<String, SignError> {
        let claims = Assertion {
            iss: Self::CLIENT_ID.to_owned(),
            sub: Self::CLIENT_ID.to_owned(),
            aud: Audience::One(issuer.to_owned()),
            exp: now.saturating_add(LIFETIME),
            nbf: None,
            iat: Some(now),
            jti,
        };
        self.0.sign(&claims, "JWT")
    }
}
