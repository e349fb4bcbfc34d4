//! `vitalsign-session`: step-ups and security keys at a terminal.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
