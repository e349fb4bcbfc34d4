//! `vitalsign-verifier signing-key`: lists and rotates signing keys.

use super::table;
use serde_json::json;
use std::path::Path;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::signing_keys::{RETIRED_SECONDS, SigningKeys, Signs};

const ROTATE_EXAMPLES: &str = "\
The current key announces the new one and signs until then. A device that reports in that time knows the new key before
it signs; a device that was away longer catches up with its next report. No device has to enrol again.

Examples:
  vitalsign-verifier signing-key rotate             # the new key signs from tomorrow
  vitalsign-verifier signing-key rotate --in 7d";

const REPLACE_EXAMPLES: &str = "\
For a key that others may have. Devices do not trust an announcement by it, so that EVERY DEVICE MUST ENROL AGAIN.
For a routine change of keys use `rotate`.";

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Announce a new key, which signs from a later time on
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate {
        /// Use the key that signs tokens for applications instead of the key that signs verdicts
        #[arg(long)]
        tokens: bool,
        /// Time until the new key signs
        #[arg(long = "in", value_name = "DURATION", default_value = "24h", value_parser = super::span::seconds)]
        delay: u64,
    },
    /// Replace a compromised key at once; every device must enrol again
    #[command(after_help = REPLACE_EXAMPLES)]
    Replace {
        /// Use the key that signs tokens for applications instead of the key that signs verdicts
        #[arg(long)]
        tokens: bool,
        /// Confirm that the old key is not to be trusted any more
        #[arg(long)]
        compromised: bool,
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
        Command::Rotate { tokens, delay } => {
            let signs = of(tokens);
            let store = super::store(config).await?;
            let before = SigningKeys::open(&folder, signs)?.current().kid.clone();
            let begins = now.saturating_add(delay);
            let keys = SigningKeys::rotate(&folder, signs, now, begins)?;
            let kid = keys.next().map_or(&keys.current().kid, |(next, _)| &next.kid);
            let body = json!({ "signs": signs.as_str(), "before": before, "now": kid, "from": begins });
            store.log_key_rotation(&body, now).await?;
            println!("From {} on, {} are signed with {kid}.", table::time(begins), signs.as_str());
            store.close().await;
        }
        Command::Replace { compromised: false, .. } => {
            anyhow::bail!(
                "after this every device must enrol again; for a routine change use `rotate`, and if others may have \
                 the key, add --compromised"
            );
        }
        Command::Replace { tokens, compromised: true } => {
            let signs = of(tokens);
            let store = super::store(config).await?;
            let before = SigningKeys::open(&folder, signs)?.current().kid.clone();
            let keys = SigningKeys::replace_compromised(&folder, signs)?;
            let kid = &keys.current().kid;
            let body = json!({ "signs": signs.as_str(), "before": before, "now": kid, "compromised": true });
            store.log_key_rotation(&body, now).await?;
            println!("From now on {} are signed with {kid}.", signs.as_str());
            if !tokens {
                println!("Every device must enrol again: create tokens with `enrol-token create --uses N`.");
            }
            store.close().await;
        }
        Command::List { tokens, json: true } => {
            super::print_json(&SigningKeys::open(&folder, of(tokens))?.published(now))?;
        }
        Command::List { tokens, json: false } => {
            let keys = SigningKeys::open(&folder, of(tokens))?;
            let mut rows = vec![[keys.current().kid.clone(), "signs".to_owned()]];
            if let Some((next, begins)) = keys.next() {
                rows.push([next.kid.clone(), format!("signs from {}", table::time(begins))]);
            }
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
