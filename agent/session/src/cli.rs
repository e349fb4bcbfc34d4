//! Command line of the session program.

mod key;
mod output;
mod person;
mod place;
mod step_up;

use clap::{Args, Parser, Subcommand};
use place::SocketArg;
use std::process::ExitCode;
use vitalsign_client::ClientError;
use vitalsign_client::program::{ExitStatus, LevelFilter, exit_code, log_to_stderr};
use vitalsign_ipc::Refusal;

const EXAMPLES: &str = "\
Examples:
  Register your security key with the one-time code from IT:
    vitalsign security-key register
  Which keys are plugged in, and which are registered?
    vitalsign security-key list
  Answer step-ups at this terminal:
    vitalsign step-up listen

Exit status: 0 approved, registered or listed, 1 refused or ended otherwise,
2 used wrongly, 3 could not be done: no service, or no way to security keys.";

/// Takes step-ups and registers security keys, for the person at this device.
#[derive(Parser)]
#[command(name = "vitalsign-session", version, after_help = EXAMPLES)]
struct SessionCli {
    #[command(flatten)]
    place: SocketArg,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Register and list security keys
    #[command(subcommand)]
    SecurityKey(KeyCommand),
    /// Answer requests of applications that need proof of who is present
    #[command(subcommand)]
    StepUp(StepUpCommand),
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Register a security key with a code that an administrator gave you.
    #[command(after_help = key::EXAMPLES)]
    Register(key::Register),
    /// Show the keys that are plugged in, and those that this device's users have registered.
    List(key::List),
}

#[derive(Subcommand)]
enum StepUpCommand {
    /// Show each step-up as it comes, and answer it with a security key.
    #[command(after_help = step_up::EXAMPLES)]
    Listen(step_up::Listen),
}

/// Source of the PIN without a terminal.
#[derive(Args, Clone, Debug)]
struct PinSource {
    /// File with the security key's PIN, readable by you only; for tests, and where there is no terminal. The
    /// PIN is sent once; a wrong PIN is not sent again
    #[arg(long, value_name = "FILE")]
    pin_file: Option<std::path::PathBuf>,
}

/// Parses the arguments and does what they say.
pub(crate) fn run() -> ExitCode {
    let SessionCli { place, command } = SessionCli::parse();
    log_to_stderr(LevelFilter::ERROR, true);
    let outcome = match command {
        Command::SecurityKey(KeyCommand::Register(arguments)) => key::register(&place, arguments),
        Command::SecurityKey(KeyCommand::List(arguments)) => key::list(&place, arguments),
        Command::StepUp(StepUpCommand::Listen(arguments)) => step_up::listen(&place, arguments),
    };
    exit_code("vitalsign-session", outcome)
}

/// Says why the service does not do it; whether it could at another time.
fn refused(refusal: &Refusal) -> ExitStatus {
    eprintln!("vitalsign-session: {}", vitalsign_protocol::text::escape(&refusal.to_string()));
    match refusal {
        Refusal::Verifier { problem: Some(_), .. }
        | Refusal::Over
        | Refusal::NotInFront
        | Refusal::NotAllowed => ExitStatus::Rejected,
        _ => ExitStatus::Failed,
    }
}

/// Says that the service was not reached.
fn unreached(error: &ClientError) -> ExitStatus {
    eprintln!("vitalsign-session: {error}");
    ExitStatus::Failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn manual_is_complete_and_its_examples_parse() {
        // People type `vitalsign`, which runs this program.
        let named = SessionCli::command().name("vitalsign").bin_name("vitalsign");
        let mut pages = vitalsign_manual::pages(named).unwrap();
        pages.retain(|page| page.name != "vitalsign");
        assert_eq!(pages.len(), 5, "{pages:?}");
        for page in &pages {
            assert!(page.text.contains("\n.SH EXAMPLES\n") && !page.examples.is_empty(), "{}", page.name);
            for example in &page.examples {
                let parsed = SessionCli::command().try_get_matches_from(vitalsign_manual::words(example));
                assert!(parsed.is_ok(), "{}: {example}: {}", page.name, parsed.unwrap_err());
            }
        }
        vitalsign_manual::write(&pages, None).unwrap();
    }

    #[test]
    fn codes_are_not_accepted_as_arguments() {
        let parse = |more: &[&str]| {
            SessionCli::try_parse_from([&["vitalsign-session", "security-key", "register"], more].concat())
        };
        assert!(parse(&[]).is_ok() && parse(&["--name", "blue"]).is_ok());
        assert!(parse(&["RE1G-7ABC-9DEF"]).is_err() && parse(&["--code", "RE1G-7ABC-9DEF"]).is_err());
    }

    #[test]
    fn the_help_is_whole() {
        SessionCli::command().debug_assert();
        insta::assert_snapshot!(SessionCli::command().term_width(100).render_help());
        let mut all = SessionCli::command().term_width(100);
        all.build();
        for path in [["security-key", "register"], ["security-key", "list"], ["step-up", "listen"]] {
            let command = path.iter().try_fold(&mut all, |command, name| command.find_subcommand_mut(name));
            insta::assert_snapshot!(path.join("-"), command.unwrap().render_long_help());
        }
    }
}
