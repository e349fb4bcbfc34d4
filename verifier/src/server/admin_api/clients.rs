//! Applications.

use super::answer::Call;
use crate::admin_api::{
    AddedClientView, AdminProblem, ChangedClientKeys, ClientChange, ClientName, ClientTarget, ClientView,
    JwksUri, KeyChange, NewClient, Nothing, RotatedSecret, SecretRotation,
};
use crate::client_keys::ClientKeys;
use crate::names::lookalike;
use crate::oidc;
use crate::store::client::{
    AddedClient, CONFIRMATION_ID, ChangedKeys, Client, ClientCredential, ClientSettings, MAX_NAME_BYTES,
    RemoteKeys, is_reserved,
};
use serde_json::Value;
use std::collections::BTreeSet;
use vitalsign_protocol::details::DetailsSchema;
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_protocol::text::is_plain;

/// The longest audience, in bytes.
const MAX_AUDIENCE_BYTES: usize = 512;
/// The longest name of a type of `authorization_details`, in bytes.
const MAX_TYPE_BYTES: usize = 128;
/// The most schemas of an application.
const MAX_SCHEMAS: usize = 16;

fn invalid(detail: String) -> Problem {
    AdminProblem::Invalid.because(detail)
}

fn unknown(id: &str) -> Problem {
    AdminProblem::Unknown.because(format!("There is no client {id}; see `client list`."))
}

pub(super) async fn find(call: &Call, id: &str) -> Result<Client, Problem> {
    call.store.client(id).await?.ok_or_else(|| unknown(id))
}

/// Checks that an application to add does not take an ID of the verifier itself.
fn check_not_reserved(id: &str) -> Result<(), Problem> {
    match is_reserved(id) {
        true => Err(AdminProblem::Conflict.because(format!("{id} is the verifier's own id."))),
        false => Ok(()),
    }
}

/// Checks that a change is not of the client that confirms administrators' actions: with a credential, an administrator could
/// act as it.
fn check_changeable(id: &str) -> Result<(), Problem> {
    match id == CONFIRMATION_ID {
        true => {
            Err(AdminProblem::Conflict.because(format!("{id} is the verifier's own and cannot be changed.")))
        }
        false => Ok(()),
    }
}

fn name_is_taken(name: &str, by: &str) -> Problem {
    AdminProblem::Conflict
        .because(format!("People could confuse {name:?} with the name of client {by}; choose another."))
}

fn keys(jwks: &Value) -> Result<ClientKeys, Problem> {
    let json = serde_json::to_vec(jwks).map_err(|error| invalid(error.to_string()))?;
    ClientKeys::parse(&json).map_err(|error| invalid(format!("The keys cannot be used: {error}.")))
}

/// Fetches an application's keys for the first time.
async fn fetch(call: &Call, uri: JwksUri) -> Result<ClientCredential, Problem> {
    let keys = call.verifier().oidc.fetch_keys(&uri).await;
    let keys = keys.map_err(|error| AdminProblem::Conflict.because(format!("{error}.")))?;
    Ok(ClientCredential::Remote(RemoteKeys { uri, fetched: call.time(), keys }))
}

/// Checks the audience of access tokens (RFC 9068 sections 4 and 5).
fn check_audience(audience: &str, id: &str) -> Result<(), Problem> {
    if !(1..=MAX_AUDIENCE_BYTES).contains(&audience.len()) || !audience.chars().all(|c| c.is_ascii_graphic())
    {
        return Err(invalid(format!(
            "An audience has visible ASCII characters only, at most {MAX_AUDIENCE_BYTES}."
        )));
    }
    if audience == id {
        return Err(invalid(
            "The audience of access tokens must differ from the client_id, which is the audience of ID tokens: \
             name the service that accepts them, such as https://ehr.example/api."
                .to_owned(),
        ));
    }
    Ok(())
}

fn check_settings(settings: &ClientSettings) -> Result<(), Problem> {
    use crate::store::client::DetailsTypes::{Any, Only};
    let good = |name: &String| (1..=MAX_TYPE_BYTES).contains(&name.len()) && is_plain(name);
    let schemas = &settings.authorization_details_schemas;
    let good_types = match &settings.authorization_details_types {
        Only(names) => names.iter().all(good),
        Any => true,
    };
    if !good_types || !schemas.keys().all(good) {
        return Err(invalid(format!(
            "A type of authorization_details has 1 to {MAX_TYPE_BYTES} bytes without control characters."
        )));
    }
    if schemas.len() > MAX_SCHEMAS {
        return Err(invalid(format!("An application has at most {MAX_SCHEMAS} schemas.")));
    }
    schemas.iter().try_for_each(|(name, schema)| {
        schema.check().map_err(|error| invalid(format!("The schema of type {name}: {error}.")))?;
        check_lookalikes(name, schema)
    })
}

/// Refuses labels of one list that people would confuse. `DetailsSchema::check` has refused equal ones.
fn check_lookalikes(name: &str, schema: &DetailsSchema) -> Result<(), Problem> {
    for language in schema.languages() {
        for labels in schema.labels_together(language) {
            let mut seen = BTreeSet::new();
            if let Some(label) = labels.into_iter().find(|label| !seen.insert(lookalike(label))) {
                return Err(invalid(format!(
                    "The schema of type {name}: in language {language}, label {label:?} looks like another one."
                )));
            }
        }
    }
    Ok(())
}

pub(super) async fn add(call: Call, _: Nothing, new: NewClient) -> Result<AddedClientView, Problem> {
    let NewClient { name, id, audience, jwks, jwks_uri, settings } = new;
    let id = match id {
        Some(id) => id,
        None => random_id()?,
    };
    if !(1..=MAX_NAME_BYTES).contains(&name.len()) || !is_plain(&name) || lookalike(&name).is_empty() {
        return Err(invalid(format!(
            "The name is what people are shown: at most {MAX_NAME_BYTES} bytes, no control characters."
        )));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~:/".contains(c);
    if !(1..=MAX_NAME_BYTES).contains(&id.len()) || !id.chars().all(allowed) {
        return Err(invalid(format!(
            "A client's id has letters, digits and -._~:/ only, at most {MAX_NAME_BYTES}."
        )));
    }
    check_not_reserved(&id)?;
    check_audience(&audience, &id)?;
    let settings = settings.over(ClientSettings::default());
    check_settings(&settings)?;
    let (secret, credential) = match (jwks, jwks_uri) {
        (Some(_), Some(_)) => return Err(invalid("Name jwks or jwks_uri, not both.".to_owned())),
        (None, Some(uri)) => (None, fetch(&call, uri).await?),
        (None, None) => {
            let (secret, digest) = oidc::new_secret().map_err(|_| Problem::new(ProblemType::Internal, ""))?;
            (Some(secret.into()), digest.into())
        }
        (Some(jwks), None) => (None, ClientCredential::Keys(keys(&jwks)?)),
    };
    let client = Client { id, name, audience, created: call.now, disabled_at: None, credential, settings };
    match call.store.add_client(&client).await? {
        AddedClient::Added => Ok(AddedClientView { client: ClientView::of(client), secret }),
        AddedClient::IdTaken => {
            Err(AdminProblem::Conflict.because(format!("There is a client {} already.", client.id)))
        }
        AddedClient::NameTaken { by } => Err(name_is_taken(&client.name, &by)),
    }
}

fn random_id() -> Result<String, Problem> {
    oidc::random_name::<16>().map_err(|_| Problem::new(ProblemType::Internal, ""))
}

pub(super) async fn list(call: Call, _: Nothing, _: Nothing) -> Result<Vec<ClientView>, Problem> {
    Ok(call.store.clients().await?.into_iter().map(ClientView::of).collect())
}

pub(super) async fn configure(
    call: Call,
    target: ClientTarget,
    change: ClientChange,
) -> Result<ClientView, Problem> {
    let id = &target.client;
    check_changeable(id)?;
    if let Some(audience) = &change.audience {
        check_audience(audience, id)?;
    }
    check_settings(&change.settings.clone().over(ClientSettings::default()))?;
    let configure = |client: &mut Client| {
        client.settings = change.settings.over(client.settings.clone());
        client.audience = change.audience.unwrap_or_else(|| client.audience.clone());
    };
    let client = call.store.configure_client(id, configure, call.now).await?;
    client.map(ClientView::of).ok_or_else(|| unknown(id))
}

pub(super) async fn disable(call: Call, target: ClientTarget, _: Nothing) -> Result<ClientTarget, Problem> {
    let id = find(&call, &target.client).await?.id;
    check_changeable(&id)?;
    if !call.store.disable_client(&id, call.now).await? {
        return Err(AdminProblem::Conflict.because(format!("Client {id} was disabled before.")));
    }
    Ok(target)
}

pub(super) async fn enable(call: Call, target: ClientTarget, _: Nothing) -> Result<ClientTarget, Problem> {
    let client = find(&call, &target.client).await?;
    match call.store.enable_client(&client, call.now).await? {
        AddedClient::Added => Ok(target),
        AddedClient::IdTaken => {
            Err(AdminProblem::Conflict.because(format!("Client {} was enabled before.", client.id)))
        }
        AddedClient::NameTaken { by } => Err(name_is_taken(&client.name, &by)),
    }
}

pub(super) async fn rotate_secret(
    call: Call,
    target: ClientTarget,
    rotation: SecretRotation,
) -> Result<RotatedSecret, Problem> {
    let id = target.client;
    check_changeable(&id)?;
    if rotation.overlap.is_some_and(|seconds| seconds > SecretRotation::MAX_OVERLAP) {
        return Err(invalid("30 days is the longest overlap.".to_owned()));
    }
    let (secret, digest) = oidc::new_secret().map_err(|_| Problem::new(ProblemType::Internal, ""))?;
    let expires = rotation.overlap.map(|seconds| call.now.saturating_add(seconds));
    if !call.store.rotate_client_secret(&id, &digest, expires, call.now).await? {
        find(&call, &id).await?;
        return Err(AdminProblem::Conflict.because(format!(
            "Client {id} has no secret: it signs with its own keys; see `client set-keys`."
        )));
    }
    Ok(RotatedSecret { client: ClientName { id }, secret: secret.into(), previous_secret_expires: expires })
}

pub(super) async fn change_keys(
    call: Call,
    target: ClientTarget,
    change: KeyChange,
) -> Result<ChangedClientKeys, Problem> {
    let id = target.client;
    check_changeable(&id)?;
    if let Some(uri) = change.jwks_uri {
        if change.add.is_some() || !change.remove.is_empty() {
            return Err(invalid("Name keys or jwks_uri, not both.".to_owned()));
        }
        return set_jwks_uri(call, id, uri).await;
    }
    let add = change.add.as_ref().map(keys).transpose()?;
    match call.store.change_client_keys(&id, add.as_ref(), &change.remove, call.now).await? {
        ChangedKeys::Changed(keys) => changed(id, &keys),
        ChangedKeys::Refused(error) => {
            Err(AdminProblem::Conflict.because(format!("The keys of client {id} were not changed: {error}.")))
        }
        ChangedKeys::NoKeys => {
            let why = match find(&call, &id).await?.credential {
                ClientCredential::Remote(remote) => {
                    format!("Client {id} publishes its keys at {}: change them there.", remote.uri)
                }
                _ => shows_secret(&id),
            };
            Err(AdminProblem::Conflict.because(why))
        }
    }
}

fn shows_secret(id: &str) -> String {
    format!("Client {id} has no keys: it shows a secret; see `client rotate-secret`.")
}

fn changed(id: String, keys: &ClientKeys) -> Result<ChangedClientKeys, Problem> {
    let kids = keys.kids().into_iter().map(str::to_owned).collect();
    let jwks = serde_json::to_value(keys).map_err(|_| Problem::new(ProblemType::Internal, ""))?;
    Ok(ChangedClientKeys { client: ClientName { id }, jwks, kids })
}

async fn set_jwks_uri(call: Call, id: String, uri: JwksUri) -> Result<ChangedClientKeys, Problem> {
    if let ClientCredential::Secret(_) = find(&call, &id).await?.credential {
        return Err(AdminProblem::Conflict.because(shows_secret(&id)));
    }
    let credential = fetch(&call, uri).await?;
    if !call.store.replace_client_credential(&id, &credential, call.now).await? {
        return Err(unknown(&id));
    }
    let keys = credential.keys().ok_or_else(|| Problem::new(ProblemType::Internal, ""))?;
    changed(id, keys)
}
