//! The app in a person's session: the tray icon, the status window, the step-up prompt. It has no privilege, holds no
//! key, and speaks to the service's socket and to security keys only.
//!
//! ```text
//! service, security key, person, screen lock -> Happened -> model -> view -> page
//!                                                                \-> tray, window, announcement
//! page -> command -> app -> service, security key
//! ```
//!
//! Invariants: the model decides and does no I/O; the page draws a [`view::View`] and decides nothing; no challenge and
//! no relying party is in it; a PIN comes by one command, once, and is overwritten.

mod app;
mod arguments;
mod commands;
mod language;
pub mod model;
mod process;
mod run;
mod tray;
pub mod view;
mod window;

use arguments::AppArgs;
use clap::Parser;
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

/// Runs the app until the person leaves it or the session ends.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = AppArgs::parse();
    log();
    match process::settle().and_then(|()| run::run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vitalsign-app: {error:#}");
            ExitCode::from(3)
        }
    }
}

/// Logs to standard error: warnings, or as `VITALSIGN_LOG` requests.
fn log() {
    let level = std::env::var("VITALSIGN_LOG").ok().and_then(|level| level.parse().ok());
    let level: LevelFilter = level.unwrap_or(LevelFilter::WARN);
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
}
