//! Commands. Each returns whether it succeeded, which determines the exit status.

mod application;
pub(crate) mod audit;
pub(crate) mod client;
pub(crate) mod device;
pub(crate) mod device_ref;
pub(crate) mod key;
pub(crate) mod policy;
pub(crate) mod serve;
mod span;
pub(crate) mod step_up;
mod summary;
mod table;
pub(crate) mod token;
pub(crate) mod user;

use std::path::Path;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::store::Store;

/// The command was used wrongly, which only the store could tell. Exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongUse(String);

/// Opens the store that the configuration names. It must exist, so that a mistyped path does not create a new one.
async fn store(config: &Path) -> anyhow::Result<Store> {
    let path = Config::read(config)?.store();
    anyhow::ensure!(
        path.exists(),
        "there is no store at {}: has the verifier run with this configuration?",
        path.display()
    );
    Ok(Store::open(&path).await?)
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}
