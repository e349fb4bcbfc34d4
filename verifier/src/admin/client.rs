//! `vitalsign-verifier client`: manages the clients of the OpenID provider.

mod credentials;
mod settings;

use super::connection::VerifierConnection;
use super::{print_json, table};
use anyhow::Context;
use settings::SettingsArgs;
use std::path::{Path, PathBuf};
use vitalsign_verifier::admin_api::{
    AddClient, ClientChange, ClientTarget, ClientView, ConfigureClient, DisableClient, EnableClient, JwksUri,
    KeyChange, ListClients, NewClient, Nothing,
};
use vitalsign_verifier::client_keys::ClientKeys;

const EXAMPLES: &str = "\
Examples:
  An application with a secret (client_secret_basic), which is printed once:
    vitalsign-verifier client add EHR --id ehr --audience https://ehr.example/api --secret
  An application with a key pair (private_key_jwt, recommended); its public keys as a JWK set:
    vitalsign-verifier client add PACS --id pacs --audience https://pacs.example/api --jwks pacs-public.jwks.json
  An application that publishes its keys:
    vitalsign-verifier client add RIS --id ris --audience https://ris.example/api --jwks-uri https://ris.example/jwks.json
  Let it send authorization_details of two types, and bind its tokens to its key:
    vitalsign-verifier client set pacs --details-type order --details-type report --dpop-bound on
  Have its orders shown with labels in the languages of people (docs/integrate.md has the file):
    vitalsign-verifier client set ehr --details-schema medication-order.toml
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
    #[command(group = clap::ArgGroup::new("authentication").required(true).args(["secret", "jwks", "jwks_uri"]))]
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
        /// Authenticate with private_key_jwt; the verifier fetches the keys from this address ([client_keys] in its configuration)
        #[arg(long, value_name = "URL", conflicts_with_all = ["secret", "jwks"])]
        jwks_uri: Option<JwksUri>,
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
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args(["add", "remove", "jwks_uri"]))]
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
        /// Fetch the keys from this address from now on
        #[arg(long, value_name = "URL", conflicts_with_all = ["add", "remove"])]
        jwks_uri: Option<JwksUri>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(connection: &VerifierConnection, command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Add { name, id, audience, secret: _, jwks, jwks_uri, settings, json } => {
            let jwks = jwks.as_deref().map(read_keys).transpose()?;
            let settings = settings.change()?;
            add(connection, NewClient { name, id, audience, jwks, jwks_uri, settings }, json).await?;
        }
        Command::List { json } => list(connection, json).await?,
        Command::Set { id, audience, settings, json } => {
            let change = ClientChange { audience, settings: settings.change()? };
            if change == ClientChange::default() {
                return Err(super::WrongUse("nothing to set; see `client set --help`".into()).into());
            }
            let client = connection.call::<ConfigureClient>(&ClientTarget { client: id }, &change).await?;
            if json {
                print_json(&client)?;
            } else {
                let settings = settings::summary(&client.settings);
                println!("Client {}: audience {}, {settings}", client.id, client.audience);
            }
        }
        Command::Disable { id } => {
            let disabled =
                connection.call::<DisableClient>(&ClientTarget { client: id }, &Nothing {}).await?;
            println!("Client {} is disabled.", disabled.client);
        }
        Command::Enable { id } => {
            let enabled = connection.call::<EnableClient>(&ClientTarget { client: id }, &Nothing {}).await?;
            println!("Client {} is enabled.", enabled.client);
        }
        Command::RotateSecret { id, overlap, json } => {
            credentials::rotate_secret(connection, id, overlap, json).await?;
        }
        Command::SetKeys { id, add, remove, jwks_uri, json } => {
            let add = add.as_deref().map(read_keys).transpose()?;
            credentials::set_keys(connection, id, KeyChange { add, remove, jwks_uri }, json).await?;
        }
    }
    Ok(true)
}

async fn add(connection: &VerifierConnection, new: NewClient, json: bool) -> anyhow::Result<()> {
    let added = connection.call::<AddClient>(&Nothing {}, &new).await?;
    if json {
        return print_json(&added);
    }
    println!("client_id      {}", added.client.id);
    if let Some(secret) = added.secret {
        println!("client_secret  {}", secret.expose());
        eprintln!("The secret is not shown again.");
    }
    Ok(())
}

/// Reads a JWK set, and checks it here already, so that no private key leaves this machine.
fn read_keys(path: &Path) -> anyhow::Result<serde_json::Value> {
    let file = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let keys = ClientKeys::parse(&file).with_context(|| path.display().to_string())?;
    Ok(serde_json::to_value(keys)?)
}

async fn list(connection: &VerifierConnection, json: bool) -> anyhow::Result<()> {
    let clients = connection.call::<ListClients>(&Nothing {}, &Nothing {}).await?;
    if json {
        print_json(&clients)?;
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
    Ok(())
}

fn as_row(client: &ClientView) -> [String; 6] {
    let state = match client.disabled_at {
        Some(at) => format!("disabled {}", table::time(at)),
        None => "good".to_owned(),
    };
    [
        client.id.clone(),
        client.name.clone(),
        client.method.clone(),
        client.audience.clone(),
        table::time(client.created),
        state,
    ]
}
