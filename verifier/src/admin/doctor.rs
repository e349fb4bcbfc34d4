//! `vitalsign-verifier doctor`: what will need attention.

use super::table;
use serde_json::json;
use std::path::Path;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::expiry::{self, Expiring, Kind, Urgency};
use vitalsign_verifier::store::{check_space, schema};

const EXAMPLES: &str = "\
Lists certificates and lists that expire within 30 days, have expired or cannot be read, a disk that is almost full, and a
store that needs a migration. Exit status: 0 if there is nothing, 1 if there is something.

Examples:
  vitalsign-verifier doctor
  vitalsign-verifier doctor --all --json";

/// Free bytes below which a disk is named.
const LOW_DISK_BYTES: u64 = 1 << 30;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// List also what expires later
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(config: &Path, arguments: DoctorArgs) -> anyhow::Result<bool> {
    let config = Config::read(config)?;
    let now = now();
    let mut expiring = expiry::list(&config, expiry::metadata_due(&config, now));
    let due = expiring.iter().any(|it| it.urgency(now) != Urgency::Later);
    if !arguments.all {
        expiring.retain(|it| it.urgency(now) != Urgency::Later);
    }
    let mut problems = Vec::new();
    problems.extend(check_space(&config.data, LOW_DISK_BYTES).err().map(|error| error.to_string()));
    match schema::due(&config.store()).await {
        Ok(None) => {}
        Ok(Some(_)) => problems.push("the store needs a migration: stop the verifier, then `migrate`".into()),
        Err(error) => problems.push(format!("{}: {error}", config.store().display())),
    }
    if arguments.json {
        let rows = expiring.iter().map(|it| json!({ "urgency": it.urgency(now), "thing": it }));
        super::print_json(&json!({ "expiring": rows.collect::<Vec<_>>(), "problems": problems }))?;
    } else {
        let rows: Vec<_> = expiring.iter().map(|it| row(it, now)).collect();
        if !rows.is_empty() {
            table::print(["STATE", "EXPIRES", "WHAT", "FILE"], &rows);
        }
        problems.iter().for_each(|problem| println!("{problem}"));
        if !due && problems.is_empty() {
            println!("Nothing needs attention.");
        }
    }
    Ok(!due && problems.is_empty())
}

fn row(it: &Expiring, now: u64) -> [String; 4] {
    let state = match it.urgency(now) {
        Urgency::Expired if it.expires == 0 => "UNREADABLE".to_owned(),
        Urgency::Expired => "EXPIRED".to_owned(),
        _ => format!("{} days", (it.expires - now) / 86400),
    };
    let expires = if it.expires == 0 { String::new() } else { table::time(it.expires) };
    [state, expires, it.kind.as_str().to_owned(), it.file.clone()]
}

/// Logs what expires soon, or cannot be read.
pub(super) fn warn(config: &Config, now: u64) {
    for it in expiry::list(config, expiry::metadata_due(config, now)) {
        let (kind, file, days) = (it.kind.as_str(), it.file.as_str(), it.expires.saturating_sub(now) / 86400);
        match it.urgency(now) {
            Urgency::Later => {}
            Urgency::Warning => tracing::warn!(kind, file, days, "expires soon"),
            Urgency::Urgent => tracing::error!(kind, file, days, "expires very soon"),
            Urgency::Expired if it.expires == 0 => tracing::error!(kind, file, "cannot be read"),
            Urgency::Expired if it.kind == Kind::FidoMetadata => {
                tracing::error!(
                    kind,
                    file,
                    "has expired: no security key is registered or accepted for EPCS"
                );
            }
            Urgency::Expired => tracing::error!(kind, file, "has expired"),
        }
    }
}
