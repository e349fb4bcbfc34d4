//! `vitalsign-verifier doctor`: what will need attention.

use super::connection::{VerifierConnection, is_unreachable};
use super::{print_json, table};
use vitalsign_verifier::admin_api::{Examination, Examine, ExpiringView, Nothing};
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::expiry::{self, Kind, Urgency};

const EXAMPLES: &str = "\
Lists certificates and lists that expire within 30 days, have expired or cannot be read, a disk that is almost full, and a
verifier that does not run. Exit status: 0 if there is nothing, 1 if there is something.

Examples:
  vitalsign-verifier doctor
  vitalsign-verifier doctor --all --json";

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

pub(crate) async fn run(connection: &VerifierConnection, arguments: DoctorArgs) -> anyhow::Result<bool> {
    let now = now();
    let mut found = match connection.call::<Examine>(&Nothing {}, &Nothing {}).await {
        Ok(found) => found,
        // What can be seen without it may say why.
        Err(error) if connection.is_local() && is_unreachable(&error) => {
            let mut found = Examination::of_files(&Config::read(connection.config())?, now);
            found
                .problems
                .push(format!("{error}; `migrate --dry-run` says whether its store needs a migration"));
            found
        }
        Err(error) => return Err(error),
    };
    let due = found.expiring.iter().any(|it| it.urgency != Urgency::Later);
    if !arguments.all {
        found.expiring.retain(|it| it.urgency != Urgency::Later);
    }
    if arguments.json {
        print_json(&found)?;
    } else {
        let rows: Vec<_> = found.expiring.iter().map(|it| row(it, now)).collect();
        if !rows.is_empty() {
            table::print(["STATE", "EXPIRES", "WHAT", "FILE"], &rows);
        }
        found.problems.iter().for_each(|problem| println!("{problem}"));
        if !due && found.problems.is_empty() {
            println!("Nothing needs attention.");
        }
    }
    Ok(!due && found.problems.is_empty())
}

fn row(it: &ExpiringView, now: u64) -> [String; 4] {
    let thing = &it.thing;
    let state = match it.urgency {
        Urgency::Expired if thing.expires == 0 => "UNREADABLE".to_owned(),
        Urgency::Expired => "EXPIRED".to_owned(),
        _ => format!("{} days", thing.expires.saturating_sub(now) / 86400),
    };
    let expires = if thing.expires == 0 { String::new() } else { table::time(thing.expires) };
    [state, expires, thing.kind.as_str().to_owned(), thing.file.clone()]
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
