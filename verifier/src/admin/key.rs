//! `key`.

use super::table;
use serde_json::json;
use std::path::Path;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::ear_keys::{EarKeys, RETIRED_SECONDS};
use vitalsign_verifier::server::now;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Sign with a new key. The old one stays published for a week; a running server takes the new one up by itself.
    Rotate,
    /// The keys that are published.
    List {
        /// Print the JWK set.
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
    match command {
        Command::Rotate => {
            let store = super::store(config).await?;
            let before = EarKeys::open(&folder)?.current().kid.clone();
            let keys = EarKeys::rotate(&folder, now)?;
            let kid = &keys.current().kid;
            store.log_key_rotation(&json!({ "before": before, "now": kid }), now).await?;
            println!("Verdicts are signed with {kid} from now on.");
            store.close().await;
        }
        Command::List { json: true } => super::print_json(&EarKeys::open(&folder)?.published(now))?,
        Command::List { json: false } => {
            let keys = EarKeys::open(&folder)?;
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
