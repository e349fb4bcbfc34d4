//! Replacing an application's secret or keys.

use super::{no_client, read_keys};
use crate::admin::{print_json, span, table};
use serde_json::json;
use std::path::Path;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::oidc;
use vitalsign_verifier::store::Store;
use vitalsign_verifier::store::client::{ChangedKeys, Client, ClientCredential};

/// The longest time in seconds for which two secrets are accepted.
const MAX_OVERLAP: u64 = 30 * 86400;

/// Parses the time for which a replaced secret is accepted, in seconds.
pub(super) fn overlap(text: &str) -> Result<u64, String> {
    let seconds = span::seconds(text)?;
    if seconds > MAX_OVERLAP { Err("30d is the longest".to_owned()) } else { Ok(seconds) }
}

pub(super) async fn rotate_secret(
    store: &Store,
    id: &str,
    overlap: Option<u64>,
    json: bool,
) -> anyhow::Result<bool> {
    let (secret, digest) = oidc::new_secret()?;
    let expires = overlap.map(|seconds| now().saturating_add(seconds));
    if !store.rotate_client_secret(id, &digest, expires, now()).await? {
        return Ok(match store.client(id).await? {
            Some(_) => {
                eprintln!("Client {id} has no secret: it signs with its own keys; see `client set-keys`.");
                false
            }
            None => no_client(id),
        });
    }
    if json {
        print_json(&json!({ "client": { "id": id }, "secret": secret, "previous_secret_expires": expires }))?;
    } else {
        println!("client_secret  {secret}");
        let previous = match expires {
            Some(at) => format!("is accepted until {}", table::time(at)),
            None => "is invalid".to_owned(),
        };
        eprintln!("The secret is not shown again; the previous one {previous}.");
    }
    Ok(true)
}

pub(super) async fn set_keys(
    store: &Store,
    id: &str,
    add: Option<&Path>,
    remove: &[String],
    json: bool,
) -> anyhow::Result<bool> {
    let add = add.map(read_keys).transpose()?;
    let keys = match store.change_client_keys(id, add.as_ref(), remove, now()).await? {
        ChangedKeys::Changed(keys) => keys,
        ChangedKeys::Refused(error) => {
            eprintln!("The keys of client {id} were not changed: {error}.");
            return Ok(false);
        }
        ChangedKeys::NoKeys => {
            return Ok(match store.client(id).await? {
                Some(Client { credential: ClientCredential::Secret(_), .. }) => {
                    eprintln!("Client {id} has no keys: it shows a secret; see `client rotate-secret`.");
                    false
                }
                _ => no_client(id),
            });
        }
    };
    if json {
        print_json(&json!({ "client": { "id": id }, "jwks": keys }))?;
    } else {
        println!("Client {id} signs with {}.", keys.kids().join(", "));
    }
    Ok(true)
}
