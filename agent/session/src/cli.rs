//! Command line of the session program.

mod key;
mod output;
mod person;
mod place;
mod step_up;

use clap::{Parser, Subcommand};
use place::SocketArg;
use std::process::ExitCode;
use vitalsign_client::ClientError;
use vitalsign_client::program::{ExitStatus, LevelFilter, exit_code, log_to_stderr, parse};
use vitalsign_client::session_command::{SecurityKeyCommand, StepUpCommand};
use vitalsign_ipc::Refusal;

/// Name that people know.
const PROGRAM: &str = "vitalsign";

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

/// Takes step-ups and registers security keys, for the person at this device. People type `vitalsign`, which runs this
/// program.
#[derive(Parser)]
#[command(name = "vitalsign", bin_name = "vitalsign", version, after_help = EXAMPLES)]
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
    SecurityKey(SecurityKeyCommand),
    /// Answer requests of applications that need proof of who is present
    #[command(subcommand)]
    StepUp(StepUpCommand),
}

/// Parses the arguments and does what they say.
pub(crate) fn run() -> ExitCode {
    let SessionCli { place, command } = match parse(PROGRAM) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    log_to_stderr(LevelFilter::ERROR, true);
    let outcome = match command {
        Command::SecurityKey(SecurityKeyCommand::Register(arguments)) => key::register(&place, arguments),
        Command::SecurityKey(SecurityKeyCommand::List(arguments)) => key::list(&place, arguments),
        Command::StepUp(StepUpCommand::Listen(arguments)) => step_up::listen(&place, arguments),
    };
    exit_code(PROGRAM, outcome)
}

/// Says why the service does not do it; whether it could at another time.
fn refused(refusal: &Refusal) -> ExitStatus {
    eprintln!("{PROGRAM}: {}", vitalsign_protocol::text::escape(&refusal.to_string()));
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
    eprintln!("{PROGRAM}: {error}");
    ExitStatus::Failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn codes_are_not_accepted_as_arguments() {
        let parse = |more: &[&str]| {
            SessionCli::try_parse_from([&["vitalsign", "security-key", "register"], more].concat())
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
