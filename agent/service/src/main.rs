//! `vitalsign`: the service that reads, signs and reports this device's vital signs, and the command line that asks it.

mod cli;
mod clock;
mod config;
mod config_source;
mod device;
mod device_names;
mod diagnostics;
mod env;
mod journal;
mod notify;
mod organisation;
mod persistent_agent;
mod pin_period;
mod render;
mod server;
mod service;
mod session_lock;
mod store;
mod verifier;
mod verifier_link;

fn main() -> std::process::ExitCode {
    cli::run()
}
