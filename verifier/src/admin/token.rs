//! `vitalsign-verifier enrol-token`: creates, lists and revokes enrolment tokens.

use super::{span, table};
use std::path::Path;
use vitalsign_verifier::clock::now;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Create a token and print it once
    Create {
        /// Number of devices that can enrol with it
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
        uses: u64,
        /// Lifetime, such as 30m, 12h or 7d
        #[arg(long, default_value = "7d", value_parser = span::seconds)]
        expires: u64,
        /// Label of the devices that enrol with it, such as "Ward 3 PC 12"
        #[arg(long, value_parser = super::label::parse)]
        label: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List all tokens
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token
    Revoke {
        /// Number, as shown by `list`
        id: i64,
    },
}

pub(crate) async fn run(config: &Path, command: Command) -> anyhow::Result<bool> {
    // Creates the store, because the first token is created before the first device enrols.
    let config = vitalsign_verifier::config::Config::read(config)?;
    vitalsign_verifier::files::create_folder(&config.data)?;
    let store = super::new_store(&config).await?;
    let now = now();
    match command {
        Command::Create { uses, expires, label, json } => {
            let (record, token) =
                store.create_token(uses, now.saturating_add(expires), label.as_deref(), now).await?;
            if json {
                super::print_json(&serde_json::json!({ "token": token, "record": record }))?;
            } else {
                println!("{token}");
                eprintln!(
                    "Token {}: for {}, until {}. It is not shown again.",
                    record.id,
                    if uses == 1 { "1 device".to_owned() } else { format!("{uses} devices") },
                    table::time(record.expires)
                );
            }
        }
        Command::List { json } => {
            let tokens = store.tokens().await?;
            if json {
                super::print_json(&tokens)?;
            } else {
                let rows: Vec<_> = tokens
                    .iter()
                    .map(|it| {
                        let state = match it.revoked_at {
                            Some(at) => format!("revoked {}", table::time(at)),
                            None if it.expires <= now => "expired".to_owned(),
                            None if it.used >= it.uses => "used up".to_owned(),
                            None => "good".to_owned(),
                        };
                        let used = format!("{}/{}", it.used, it.uses);
                        let label = it.label.clone().unwrap_or_default();
                        let (created, expires) = (table::time(it.created), table::time(it.expires));
                        [it.id.to_string(), label, created, expires, used, state]
                    })
                    .collect();
                table::print(["TOKEN", "LABEL", "CREATED", "EXPIRES", "USED", "STATE"], &rows);
            }
        }
        Command::Revoke { id } => {
            if !store.revoke_token(id, now).await? {
                eprintln!("There is no token {id}, or it was revoked before.");
                return Ok(false);
            }
            println!("Token {id} is revoked.");
        }
    }
    store.close().await;
    Ok(true)
}
