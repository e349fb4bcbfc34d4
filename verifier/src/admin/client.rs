//! `vitalsign-verifier client`: manages the clients of the OpenID provider.

mod credentials;
mod settings;

use super::table;
use anyhow::{Context, ensure};
use serde_json::json;
use settings::SettingsArgs;
use std::path::{Path, PathBuf};
use vitalsign_protocol::text::is_plain;
use vitalsign_verifier::client_keys::ClientKeys;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::oidc::{self, Administrator};
use vitalsign_verifier::store::Store;
use vitalsign_verifier::store::client::{
    AddedClient, Client, ClientCredential, ClientSettings, MAX_NAME_BYTES,
};

const EXAMPLES: &str = "\
Examples:
  An application with a secret (client_secret_basic), which is printed once:
    vitalsign-verifier client add EHR --id ehr --audience https://ehr.example/api --secret
  An application with a key pair (private_key_jwt, recommended); its public keys as a JWK set:
    vitalsign-verifier client add PACS --id pacs --audience https://pacs.example/api --jwks pacs-public.jwks.json
  Let it send authorization_details of two types, and bind its tokens to its key:
    vitalsign-verifier client set pacs --details-type order --details-type report --dpop-bound on
  Replace a secret while instances of the application still use the old one:
    vitalsign-verifier client rotate-secret ehr --overlap 24h
  Replace a key: add the new one, and remove the old one once it is not used any more:
    vitalsign-verifier client set-keys pacs --add pacs-2027.jwks.json
    vitalsign-verifier client set-keys pacs --remove 2026";

#[derive(clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Register an application. Prompts show its name
    #[command(after_help = EXAMPLES)]
    #[command(group = clap::ArgGroup::new("authentication").required(true).args(["secret", "jwks"]))]
    Add {
        /// Name that people are shown
        name: String,
        /// `client_id` [default: random]
        #[arg(long)]
        id: Option<String>,
        /// Audience of its access tokens: the service that accepts them. Differs from the `client_id`, so that no ID token
        /// passes for an access token
        #[arg(long, value_name = "URI")]
        audience: String,
        /// Authenticate with a secret, which is created and printed once
        #[arg(long)]
        secret: bool,
        /// Authenticate with private_key_jwt; the file is a JWK set of public keys: P-256, P-384, RSA from 2048 bits, Ed25519
        #[arg(long, value_name = "FILE", conflicts_with = "secret")]
        jwks: Option<PathBuf>,
        #[command(flatten)]
        settings: SettingsArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List all applications
    List {
        /// Print JSON, with settings and keys
        #[arg(long)]
        json: bool,
    },
    /// Change an application's audience or settings
    #[command(after_help = EXAMPLES)]
    Set {
        /// `client_id`, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        id: String,
        /// Audience of its access tokens
        #[arg(long, value_name = "URI")]
        audience: Option<String>,
        #[command(flatten)]
        settings: SettingsArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Disable an application, until it is enabled again
    Disable {
        /// `client_id`, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
    /// Enable a disabled application again, with the secret or keys that it had
    Enable {
        /// `client_id`, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
    /// Replace an application's secret and print the new one once
    #[command(after_help = EXAMPLES)]
    RotateSecret {
        /// `client_id`, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        id: String,
        /// Accept the old secret for this time, such as 24h, 30 days at most [default: not at all]
        #[arg(long, value_name = "TIME", value_parser = credentials::overlap)]
        overlap: Option<u64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add or remove public keys of an application that uses private_key_jwt
    #[command(after_help = EXAMPLES)]
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args(["add", "remove"]))]
    SetKeys {
        /// `client_id`, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        id: String,
        /// Also accept the keys in this file, a JWK set
        #[arg(long, value_name = "FILE")]
        add: Option<PathBuf>,
        /// Accept the key of this `kid` no longer; can be repeated
        #[arg(long, value_name = "KID", allow_hyphen_values = true)]
        remove: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(config: &Path, command: Command) -> anyhow::Result<bool> {
    // Creates the store, because the server may not have run yet.
    let config = Config::read(config)?;
    vitalsign_verifier::files::create_folder(&config.data)?;
    let store = super::new_store(&config).await?;
    let done = execute(&store, command).await;
    store.close().await;
    done
}

async fn execute(store: &Store, command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Add { name, id, audience, secret: _, jwks, settings, json } => {
            let settings = settings.over(ClientSettings::default());
            add(store, NewClient { name, id, audience, jwks: jwks.as_deref(), settings }, json).await
        }
        Command::List { json } => list(store, json).await,
        Command::Set { id, audience, settings, json } => set(store, &id, audience, settings, json).await,
        Command::Disable { id } => disable(store, &id).await,
        Command::Enable { id } => enable(store, &id).await,
        Command::RotateSecret { id, overlap, json } => {
            credentials::rotate_secret(store, &id, overlap, json).await
        }
        Command::SetKeys { id, add, remove, json } => {
            credentials::set_keys(store, &id, add.as_deref(), &remove, json).await
        }
    }
}

struct NewClient<'a> {
    name: String,
    id: Option<String>,
    audience: String,
    jwks: Option<&'a Path>,
    settings: ClientSettings,
}

async fn add(store: &Store, new: NewClient<'_>, json: bool) -> anyhow::Result<bool> {
    let NewClient { name, id, audience, jwks, settings } = new;
    let id = match id {
        Some(id) => id,
        None => oidc::random_name::<16>()?,
    };
    ensure!(
        (1..=MAX_NAME_BYTES).contains(&name.len()) && is_plain(&name) && !name.trim().is_empty(),
        "the name is what people are shown: at most {MAX_NAME_BYTES} bytes, no control characters"
    );
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~:/".contains(c);
    ensure!(
        (1..=MAX_NAME_BYTES).contains(&id.len()) && id.chars().all(allowed),
        "a client's id has letters, digits and -._~:/ only, at most {MAX_NAME_BYTES}"
    );
    ensure!(id != Administrator::CLIENT_ID, "{id} is the administrator's own id");
    check_audience(&audience, &id)?;
    let (secret, credential) = match jwks {
        None => {
            let (secret, digest) = oidc::new_secret()?;
            (Some(secret), digest.into())
        }
        Some(path) => (None, ClientCredential::Keys(read_keys(path)?)),
    };
    let client = Client { id, name, audience, created: now(), disabled_at: None, credential, settings };
    match store.add_client(&client).await? {
        AddedClient::Added => {}
        AddedClient::IdTaken => {
            eprintln!("There is a client {} already.", client.id);
            return Ok(false);
        }
        AddedClient::NameTaken { by } => return Ok(name_is_taken(&client, &by)),
    }
    if json {
        super::print_json(&json!({ "client": as_json(&client), "secret": secret }))?;
    } else {
        println!("client_id      {}", client.id);
        if let Some(secret) = secret {
            println!("client_secret  {secret}");
            eprintln!("The secret is not shown again.");
        }
    }
    Ok(true)
}

/// Checks the audience of access tokens (RFC 9068 sections 4 and 5).
fn check_audience(audience: &str, id: &str) -> anyhow::Result<()> {
    ensure!(
        (1..=512).contains(&audience.len()) && audience.chars().all(|c| c.is_ascii_graphic()),
        "an audience has visible ASCII characters only, at most 512"
    );
    ensure!(
        audience != id,
        "the audience of access tokens must differ from the client_id, which is the audience of ID tokens: \
         name the service that accepts them, such as https://ehr.example/api"
    );
    Ok(())
}

fn read_keys(path: &Path) -> anyhow::Result<ClientKeys> {
    let file = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    ClientKeys::parse(&file).with_context(|| path.display().to_string())
}

async fn list(store: &Store, json: bool) -> anyhow::Result<bool> {
    let clients = store.clients().await?;
    if json {
        super::print_json(&clients.iter().map(as_json).collect::<Vec<_>>())?;
    } else {
        let rows: Vec<_> = clients.iter().map(as_row).collect();
        table::print(["CLIENT", "NAME", "METHOD", "AUDIENCE", "SINCE", "STATE"], &rows);
    }
    for client in clients.iter().filter(|it| it.disabled_at.is_none() && it.has_confusable_audience()) {
        eprintln!(
            "Warning: client {0} has its client_id as audience, so that a service can take its ID tokens for access \
             tokens; change it: client set {0} --audience URI",
            client.id
        );
    }
    Ok(true)
}

async fn set(
    store: &Store,
    id: &str,
    audience: Option<String>,
    settings: SettingsArgs,
    json: bool,
) -> anyhow::Result<bool> {
    if let Some(audience) = &audience {
        check_audience(audience, id)?;
    }
    if audience.is_none() && settings.is_empty() {
        return Err(super::WrongUse("nothing to set; see `client set --help`".into()).into());
    }
    let configure = |client: &mut Client| {
        client.settings = settings.over(client.settings.clone());
        client.audience = audience.unwrap_or_else(|| client.audience.clone());
    };
    let Some(client) = store.configure_client(id, configure, now()).await? else {
        return Ok(no_client(id));
    };
    if json {
        super::print_json(&as_json(&client))?;
    } else {
        println!("Client {id}: audience {}, {}", client.audience, settings::summary(&client.settings));
    }
    Ok(true)
}

async fn disable(store: &Store, id: &str) -> anyhow::Result<bool> {
    let done = store.disable_client(id, now()).await?;
    if done {
        println!("Client {id} is disabled.");
    } else if store.client(id).await?.is_some() {
        eprintln!("Client {id} was disabled before.");
    } else {
        no_client(id);
    }
    Ok(done)
}

async fn enable(store: &Store, id: &str) -> anyhow::Result<bool> {
    let Some(client) = store.client(id).await? else { return Ok(no_client(id)) };
    match store.enable_client(&client, now()).await? {
        AddedClient::Added => {
            println!("Client {id} is enabled.");
            Ok(true)
        }
        AddedClient::IdTaken => {
            eprintln!("Client {id} was enabled before.");
            Ok(false)
        }
        AddedClient::NameTaken { by } => Ok(name_is_taken(&client, &by)),
    }
}

fn no_client(id: &str) -> bool {
    eprintln!("There is no client {id}; see `client list`.");
    false
}

fn name_is_taken(client: &Client, by: &str) -> bool {
    eprintln!("People could confuse {:?} with the name of client {by}; choose another.", client.name);
    false
}

fn as_json(client: &Client) -> serde_json::Value {
    let (jwks, expires) = match &client.credential {
        ClientCredential::Secret(secrets) => (None, secrets.previous.map(|(_, expires)| expires)),
        ClientCredential::Keys(keys) => (Some(keys), None),
    };
    json!({
        "id": client.id,
        "name": client.name,
        "method": client.credential.method(),
        "audience": client.audience,
        "created": client.created,
        "disabled_at": client.disabled_at,
        "jwks": jwks,
        "previous_secret_expires": expires,
        "settings": client.settings,
    })
}

fn as_row(client: &Client) -> [String; 6] {
    let state = match client.disabled_at {
        Some(at) => format!("disabled {}", table::time(at)),
        None => "good".to_owned(),
    };
    [
        client.id.clone(),
        client.name.clone(),
        client.credential.method().to_owned(),
        client.audience.clone(),
        table::time(client.created),
        state,
    ]
}
