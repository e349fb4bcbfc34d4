//! `vitalsign`: the service that reads, signs and reports this device's vital signs, and the command line that asks it.

mod cli;
mod config;
mod env;
mod events;
mod journal;
mod notify;
mod render;
mod server;
mod service;
mod store;
mod verifier;
mod worker;

fn main() -> std::process::ExitCode {
    cli::run()
}
