//! Commands. Each returns whether it succeeded, which determines the exit status.

mod application;
pub(crate) mod audit;
mod audit_log;
pub(crate) mod backup;
pub(crate) mod client;
pub(crate) mod connection;
mod csv_file;
pub(crate) mod device;
pub(crate) mod diagnostics;
pub(crate) mod doctor;
pub(crate) mod key;
mod logfmt;
pub(crate) mod migrate;
pub(crate) mod policy;
mod progress;
pub(crate) mod restore;
pub(crate) mod serve;
mod service_manager;
mod span;
pub(crate) mod step_up;
mod summary;
mod table;
pub(crate) mod token;
pub(crate) mod user;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use vitalsign_verifier::audit::Actor;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::keyring::Keyring;
use vitalsign_verifier::store::Store;

/// The command was used wrongly, which the command line's own rules cannot tell. Exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongUse(String);

/// Opens the store that the configuration names, for the commands that may run beside the verifier or without it. It must
/// exist, so that a mistyped path does not create a new one.
async fn store(config: &Path) -> anyhow::Result<Store> {
    let config = Config::read(config)?;
    vitalsign_verifier::backup::check_finished(&config.data)?;
    anyhow::ensure!(
        config.store().exists(),
        "there is no store at {}: has the verifier run with this configuration?",
        config.store().display()
    );
    open(&config).await
}

/// Opens the keys in the store that the configuration names.
async fn keyring(path: &Path) -> anyhow::Result<Keyring> {
    let store = store(path).await?;
    Ok(Keyring::open(&Config::read(path)?, Arc::new(store), now()).await?)
}

async fn open(config: &Config) -> anyhow::Result<Store> {
    vitalsign_verifier::backup::check_finished(&config.data)?;
    Ok(Store::open(&config.store()).await?.acting_as(actor()))
}

/// Returns the person who ran this program.
fn actor() -> Actor {
    ACTOR.get().cloned().unwrap_or_else(Actor::of_this_process)
}

/// The person who ran this program, before it took on another user.
static ACTOR: OnceLock<Actor> = OnceLock::new();

/// Remembers who runs this program. To be called before it takes on another user.
pub(crate) fn remember_actor() {
    ACTOR.get_or_init(Actor::of_this_process);
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}
