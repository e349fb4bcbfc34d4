//! `vitalsign-verifier migrate`: brings the store to this program's schema version.

use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use vitalsign_verifier::audit::Kind;
use vitalsign_verifier::clock;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::keyring::Keyring;
use vitalsign_verifier::store::DataLock;
use vitalsign_verifier::store::schema::{self, Migration};

const EXAMPLES: &str = "\
Stop the verifier first. The store is copied before it is changed, to a file beside it, which you can delete once the new
version runs well. `serve` does the same at its start. Other commands never migrate.

Examples:
  vitalsign-verifier migrate --dry-run
  vitalsign-verifier migrate

To go back to the former version: stop the verifier, and put the copy in the place of verifier.db, without verifier.db-wal
and verifier.db-shm, and the folder keys.before-store, if there is one, in the place of keys. What was accepted since is lost
then.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MigrateArgs {
    /// Migrate a temporary copy only, to see whether it works
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(config: &Path, arguments: MigrateArgs) -> anyhow::Result<bool> {
    let config = Config::read(config)?;
    let path = config.store();
    anyhow::ensure!(path.exists(), "there is no store at {}", path.display());
    let Some(migration) = schema::due(&path).await? else {
        println!("The store needs no migration.");
        return Ok(true);
    };
    let Migration { from, to, copy, needed } = &migration;
    println!("From schema version {from} to {to}, with {} MiB on the disk.", needed.div_ceil(1 << 20));
    if arguments.dry_run {
        schema::rehearse(&path, &migration).await?;
        println!("The migration works on a copy of the store. Nothing was changed.");
        return Ok(true);
    }
    let _alone = DataLock::alone(&config.data)?;
    schema::migrate(&path, &migration).await?;
    log(&config, &migration).await?;
    println!("The store was migrated. The copy from before is {}.", copy.display());
    Ok(true)
}

/// Migrates the store of a verifier that starts, if it needs it.
pub(super) async fn at_start(config: &Config) -> anyhow::Result<()> {
    let path = config.store();
    let Some(migration) = schema::due(&path).await? else { return Ok(()) };
    let _alone = DataLock::alone(&config.data)?;
    schema::migrate(&path, &migration).await?;
    log(config, &migration).await?;
    let Migration { from, to, copy, .. } = migration;
    tracing::warn!(from, to, copy = %copy.display(), "the store was migrated; delete the copy when all is well");
    Ok(())
}

async fn log(config: &Config, Migration { from, to, .. }: &Migration) -> anyhow::Result<()> {
    let store = Arc::new(super::open(config).await?);
    // Reads the key files of earlier versions into the store.
    Keyring::open(config, store.clone(), clock::now()).await?;
    store.log_maintenance(Kind::StoreMigrated, &json!({ "from": from, "to": to }), clock::now()).await?;
    store.close().await;
    Ok(())
}
