//! `vitalsign check`: the facts, now.

use super::{PathArgs, say, say_json, wall};
use crate::config::{Config, ConfigLayer};
use crate::env;
use crate::render::{Style, facts};
use anyhow::Context;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;
use vitalsign_client::ServiceClient;
use vitalsign_client::program::ExitStatus;
use vitalsign_host::{LoginSession, Settings};
use vitalsign_ipc::{Answer, Request};
use vitalsign_platform_api::collect::Timing;
use vitalsign_platform_api::{Collector, KeyError};
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::{Key, Posture};

pub(crate) const EXAMPLES: &str = "\
Examples:
  vitalsign check -v
  vitalsign check --json | jq .posture.disk

Examine a mounted disk image or a recorded tree instead of this machine:
  vitalsign check --root /mnt/image
  vitalsign check --root /mnt/image --session GNOME=/home/nurse/.config

A fact is read, or this system does not have it (–), or it could not be read (?), with the reason. Some facts can be
read by root only.";

#[derive(clap::Args, Debug)]
pub(crate) struct CheckArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show how long each reading took.
    #[arg(short, long)]
    verbose: bool,
    /// Read this folder as the root of a system that is not running: firewall rules and the device key are not read
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// The user's session whose screen lock counts: the desktop and the folder of its settings within the root
    #[arg(long, value_name = "DESKTOP=DIR", requires = "root", value_parser = session)]
    session: Option<LoginSession>,
}

/// Output of `--json`.
#[derive(serde::Serialize)]
struct Json {
    posture: Posture,
    /// Duration of each probe in milliseconds; null if it missed its deadline.
    milliseconds: std::collections::BTreeMap<&'static str, Option<f64>>,
}

pub(crate) fn run(place: &PathArgs, arguments: &CheckArgs) -> anyhow::Result<ExitStatus> {
    let config = place.load(ConfigLayer::default())?;
    let (posture, timings) = match &arguments.root {
        None => read(&config),
        Some(root) => {
            std::fs::read_dir(root).with_context(|| format!("reading {}", root.display()))?;
            let settings = Settings { root: root.clone(), state: None, session: arguments.session.clone() };
            collect(&settings)
        }
    };
    if arguments.json {
        let took = |took: Duration| took.as_secs_f64() * 1000.0;
        let milliseconds = timings.iter().map(|timing| (timing.name, timing.took.map(took))).collect();
        say_json(&Json { posture, milliseconds })?;
    } else {
        let style = Style::of_stdout();
        say(&facts::posture(&posture, style, wall()));
        if arguments.verbose {
            say(&format!("\n{}", facts::timings(&timings, style)));
        }
    }
    Ok(ExitStatus::Success)
}

/// Parses `DESKTOP=DIR`.
fn session(text: &str) -> Result<LoginSession, &'static str> {
    match text.split_once('=') {
        Some((desktop, settings)) if !desktop.is_empty() && settings.starts_with('/') => {
            Ok(LoginSession { desktop: desktop.to_owned(), settings: settings.into() })
        }
        _ => Err("expected DESKTOP=DIR, for example GNOME=/home/nurse/.config"),
    }
}

/// Collects the facts with all probes.
fn read(config: &Config) -> (Posture, Vec<Timing>) {
    let (posture, timings) = probe(config);
    (Posture { key: key(config), ..posture }, timings)
}

/// Reads what probes read, with progress on a terminal: all facts but the key's.
pub(crate) fn probe(config: &Config) -> (Posture, Vec<Timing>) {
    // Only the service's own user adds to what its probes remember.
    let state = Some(config.state.clone()).filter(|state| vitalsign_os::is_ours(state));
    collect(&Settings { root: "/".into(), state, session: None })
}

/// Reads all probes, with progress on a terminal.
fn collect(settings: &Settings) -> (Posture, Vec<Timing>) {
    let probes = vitalsign_host::probes(settings);
    let (all, mut timings) = (probes.len(), Vec::new());
    let live = std::io::stderr().is_terminal()
        && std::env::var_os(env::NO_COLOR).is_none_or(|value| value.is_empty());
    let posture = Collector::default().collect(probes, |timing| {
        timings.push(timing.clone());
        if live {
            let mut err = std::io::stderr().lock();
            // Back to the line's begin, and clear to its end.
            let _ = write!(err, "\r\u{1b}[Kreading {} of {all}: {}", timings.len(), timing.name);
        }
    });
    if live {
        let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
    }
    (posture, timings)
}

/// The service knows its key, and holds it. Without a service it is opened, but only where there is one: looking makes
/// none.
fn key(config: &Config) -> Key {
    let unread = |reason| Key {
        storage: Fact::Unreadable(reason),
        manufacturer: Fact::Unreadable(reason),
        firmware: Fact::Unreadable(reason),
        model: Fact::Unreadable(reason),
    };
    if let Ok(mut service) = ServiceClient::connect(&config.socket)
        && let Ok(Answer::Status(status)) = service.ask(Request::Status)
    {
        return status.posture.map_or_else(|| unread(Reason::Busy), |posture| posture.key);
    }
    if !config.state.join(crate::store::FILE).exists() {
        return unread(Reason::NotRead);
    }
    match vitalsign_host::device_key(&config.key, &config.state) {
        Ok(key) => key.facts(),
        Err(KeyError::Denied(_)) => unread(Reason::Denied),
        Err(KeyError::Unavailable(_) | KeyError::LockedOut(_)) => unread(Reason::Busy),
        Err(_) => unread(Reason::Failed),
    }
}
