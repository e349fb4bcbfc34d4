//! `vitalsign-verifier signing-key`: lists and rotates signing keys.

use super::table;
use serde_json::json;
use std::path::Path;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::signing_keys::{RETIRED_SECONDS, SigningKeys, Signs};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Sign with a new key. The old one stays published for a week; a running server reloads automatically
    Rotate {
        /// Use the key that signs tokens for applications instead of the key that signs verdicts
        #[arg(long)]
        tokens: bool,
    },
    /// List the published keys
    List {
        /// List the keys that sign tokens for applications instead of those that sign verdicts
        #[arg(long)]
        tokens: bool,
        /// Print the JWK set
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(config: &Path, command: Command) -> anyhow::Result<bool> {
    let folder = Config::read(config)?.keys();
    anyhow::ensure!(
        folder.exists(),
        "there are no keys in {}: has the verifier run with this configuration?",
        folder.display()
    );
    let now = now();
    let of = |tokens| if tokens { Signs::Tokens } else { Signs::Verdicts };
    match command {
        Command::Rotate { tokens } => {
            let signs = of(tokens);
            let store = super::store(config).await?;
            let before = SigningKeys::open(&folder, signs)?.current().kid.clone();
            let keys = SigningKeys::rotate(&folder, signs, now)?;
            let kid = &keys.current().kid;
            let body = json!({ "signs": signs.as_str(), "before": before, "now": kid });
            store.log_key_rotation(&body, now).await?;
            println!("From now on {} are signed with {kid}.", signs.as_str());
            store.close().await;
        }
        Command::List { tokens, json: true } => {
            super::print_json(&SigningKeys::open(&folder, of(tokens))?.published(now))?;
        }
        Command::List { tokens, json: false } => {
            let keys = SigningKeys::open(&folder, of(tokens))?;
            let mut rows = vec![[keys.current().kid.clone(), "signs".to_owned()]];
            for retired in keys.retired() {
                let until = retired.retired_at.saturating_add(RETIRED_SECONDS);
                let word = if until > now { "published until" } else { "gone since" };
                rows.push([retired.jwk.kid.clone(), format!("{word} {}", table::time(until))]);
            }
            table::print(["KEY", "STATE"], &rows);
        }
    }
    Ok(true)
}
