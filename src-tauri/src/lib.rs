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
mod settings;
mod tray;
pub mod view;
mod window;

use arguments::AppArgs;
use clap::Parser;
use std::process::ExitCode;
use vitalsign_client::program::{ExitStatus, LevelFilter, exit_code, log_to_stderr};

/// Runs the app until the person leaves it or the session ends.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = AppArgs::parse();
    log_to_stderr(LevelFilter::WARN, true);
    let outcome = process::settle().and_then(|()| run::run(arguments));
    exit_code("vitalsign-app", outcome.map(|()| ExitStatus::Success))
}
