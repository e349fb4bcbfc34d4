//! `vitalsign-verifier client`: manages the clients of the OpenID provider.

use super::table;
use anyhow::{Context, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use vitalsign_protocol::text::is_plain;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::oidc::{self, Administrator};
use vitalsign_verifier::store::Store;
use vitalsign_verifier::store::client::{AddedClient, Client, ClientCredential, MAX_NAME_BYTES};

const EXAMPLES: &str = "\
Examples:
  An application with a secret (client_secret_basic), which is printed once:
    vitalsign-verifier client add EHR --id ehr --audience https://ehr.example/api --secret
  An application with a key pair (private_key_jwt, recommended); its public keys as a JWK set:
    vitalsign-verifier client add PACS --id pacs --jwks pacs-public.jwks.json
  Replace a secret that may be known to others:
    vitalsign-verifier client rotate-secret ehr";

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
        /// Audience of its access tokens [default: its `client_id`]
        #[arg(long, value_name = "URI")]
        audience: Option<String>,
        /// Authenticate with a secret, which is created and printed once
        #[arg(long)]
        secret: bool,
        /// Authenticate with private_key_jwt; the file is a JWK set of P-256 public keys
        #[arg(long, value_name = "FILE", conflicts_with = "secret")]
        jwks: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List all applications
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Disable an application for good
    Disable {
        /// `client_id`, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
    /// Replace an application's secret and print the new one once. The old secret becomes invalid
    RotateSecret {
        /// `client_id`, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        id: String,
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
    let done = match command {
        Command::Add { name, id, audience, secret: _, jwks, json } => {
            add(&store, name, id, audience, jwks.as_deref(), json).await?
        }
        Command::List { json } => {
            let clients = store.clients().await?;
            if json {
                super::print_json(&clients.iter().map(as_json).collect::<Vec<_>>())?;
            } else {
                let rows: Vec<_> = clients.iter().map(as_row).collect();
                table::print(["CLIENT", "NAME", "METHOD", "AUDIENCE", "SINCE", "STATE"], &rows);
            }
            true
        }
        Command::Disable { id } => {
            let done = store.disable_client(&id, now()).await?;
            if done {
                println!("Client {id} is disabled.");
            } else if store.client(&id).await?.is_some() {
                eprintln!("Client {id} was disabled before.");
            } else {
                eprintln!("There is no client {id}; see `client list`.");
            }
            done
        }
        Command::RotateSecret { id, json } => rotate_secret(&store, &id, json).await?,
    };
    store.close().await;
    Ok(done)
}

async fn add(
    store: &Store,
    name: String,
    id: Option<String>,
    audience: Option<String>,
    jwks: Option<&Path>,
    json: bool,
) -> anyhow::Result<bool> {
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
    let audience = audience.unwrap_or_else(|| id.clone());
    ensure!(
        (1..=512).contains(&audience.len()) && audience.chars().all(|c| c.is_ascii_graphic()),
        "an audience has visible ASCII characters only, at most 512"
    );
    let (secret, credential) = match jwks {
        None => {
            let (secret, digest) = oidc::new_secret()?;
            (Some(secret), ClientCredential::Secret(digest))
        }
        Some(path) => {
            let file = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            let keys = oidc::client_keys(&file).with_context(|| path.display().to_string())?;
            (None, ClientCredential::Keys(keys))
        }
    };
    let client = Client { id, name, audience, created: now(), disabled_at: None, credential };
    match store.add_client(&client).await? {
        AddedClient::Added => {}
        AddedClient::IdTaken => {
            eprintln!("There is a client {} already.", client.id);
            return Ok(false);
        }
        AddedClient::NameTaken { by } => {
            eprintln!("People could confuse {:?} with the name of client {by}; choose another.", client.name);
            return Ok(false);
        }
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

async fn rotate_secret(store: &Store, id: &str, json: bool) -> anyhow::Result<bool> {
    match store.client(id).await? {
        Some(Client { credential: ClientCredential::Secret(_), .. }) => {}
        Some(_) => {
            eprintln!("Client {id} has no secret: it signs with its own keys.");
            return Ok(false);
        }
        None => {
            eprintln!("There is no client {id}.");
            return Ok(false);
        }
    }
    let (secret, digest) = oidc::new_secret()?;
    let replaced = store.replace_client_credential(id, &ClientCredential::Secret(digest), now()).await?;
    ensure!(replaced, "client {id} went away meanwhile");
    if json {
        super::print_json(&json!({ "client": { "id": id }, "secret": secret }))?;
    } else {
        println!("client_secret  {secret}");
        eprintln!("The secret is not shown again; the previous one is invalid.");
    }
    Ok(true)
}

fn as_json(client: &Client) -> serde_json::Value {
    let jwks = match &client.credential {
        ClientCredential::Secret(_) => None,
        ClientCredential::Keys(keys) => Some(keys),
    };
    json!({
        "id": client.id,
        "name": client.name,
        "method": client.credential.method(),
        "audience": client.audience,
        "created": client.created,
        "disabled_at": client.disabled_at,
        "jwks": jwks,
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
