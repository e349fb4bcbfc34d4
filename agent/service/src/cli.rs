//! The command line.

mod check;
mod config;
mod diagnostics;
mod doctor;
mod enrol;
mod report;
mod service;
mod session;
mod status;

use crate::config::{Config, ConfigError, ConfigLayer};
use crate::config_source::ConfigSource;
use crate::env;
use clap::{Args, Parser, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use vitalsign_client::program::{ExitStatus, LevelFilter, exit_code, log_to_stderr, parse};
use vitalsign_client::session_command::{SecurityKeyCommand, StepUpCommand};
use vitalsign_ipc::Refusal;

const EXAMPLES: &str = "\
Examples:
  Show the facts about this device, and how long each probe took:
    vitalsign check -v
  Enrol with the enrolment token from IT:
    sudo vitalsign enrol --verifier https://verifier.example --ca ca.pem --token-file token
  Is this device healthy, and how do I fix it?
    vitalsign status
  Re-check after fixing something:
    vitalsign report
  Register a security key with the one-time code from IT:
    vitalsign security-key register
  Answer requests of applications:
    vitalsign step-up listen
  Find out why it does not work:
    sudo vitalsign doctor
  Send diagnostics to IT, and get a number to tell them:
    vitalsign diagnostics send

Exit status: 0 success, 1 not healthy or refused, 2 usage error,
3 failed: no service, no key or no verifier.";

/// Reads this device's posture, signs it with its hardware key, and shows the verifier's verdict.
#[derive(Parser)]
#[command(name = "vitalsign", version, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    place: PathArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read the facts of this device now, and show them. Nothing is sent and nothing is judged.
    #[command(after_help = check::EXAMPLES)]
    Check(check::CheckArgs),
    /// Enrol this device with a verifier.
    #[command(after_help = enrol::EXAMPLES, alias = "enroll")]
    Enrol(enrol::EnrolArgs),
    /// Show the last verdict: each check, what was seen, and what to do.
    Status(Output),
    /// Read the facts and report them now; show the new verdict.
    Report(Output),
    /// Find out why something does not work.
    Doctor(Output),
    /// Show each setting in force, and the file and line that sets it.
    Config(Output),
    /// Show the diagnostics for IT, or send them.
    #[command(subcommand)]
    Diagnostics(diagnostics::DiagnosticsCommand),
    /// Register your security key, or see which are registered.
    #[command(subcommand)]
    SecurityKey(SecurityKeyCommand),
    /// Confirm with your security key what applications ask you, in this terminal.
    #[command(subcommand)]
    StepUp(StepUpCommand),
    /// Run the background service
    #[command(subcommand)]
    Service(ServiceCommand),
}

#[derive(Subcommand)]
enum ServiceCommand {
    /// Run the service in the foreground; the system's service manager does this.
    Run(service::ServiceArgs),
}

/// Paths of the service's files.
#[derive(Args, Clone, Debug)]
struct PathArgs {
    /// The configuration [default: /etc/vitalsign/agent.toml]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The state folder [default: /var/lib/vitalsign]
    #[arg(long, value_name = "DIR", global = true)]
    state: Option<PathBuf>,
    /// The service's socket [default: /run/vitalsign/agent.sock]
    #[arg(long, value_name = "PATH", global = true)]
    socket: Option<PathBuf>,
}

/// Verifier and key for an enrolment.
#[derive(Args, Clone, Debug)]
struct Enrolling {
    /// The verifier's address: https, its name, and its port where that is not 443
    #[arg(long, value_name = "URL")]
    verifier: Option<String>,
    /// Certificates that the verifier's certificate must chain to, PEM; no others are trusted
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A file with the enrolment token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Storage of the report key: auto (this machine's TPM), software, or a TPM's address
    #[arg(long, value_name = "auto|software|ADDRESS")]
    key: Option<String>,
}

impl Enrolling {
    fn given(&self) -> ConfigLayer {
        ConfigLayer {
            verifier: self.verifier.clone(),
            ca_file: self.ca.clone(),
            token_file: self.token_file.clone(),
            key: self.key.clone(),
            ..ConfigLayer::default()
        }
    }
}

#[derive(Args, Clone, Copy, Debug)]
struct Output {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl PathArgs {
    /// Returns the settings in force, with this command's in front.
    fn load(&self, flags: ConfigLayer) -> Result<Config, ConfigError> {
        Config::load_or_kept(self.config.as_deref(), &self.layer(flags))
    }

    /// As [`Self::load`], for a command that changes settings: the managed files must be usable.
    fn load_usable(&self, flags: ConfigLayer) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), &self.layer(flags))
    }

    /// Reads the settings in force, so that they can be read again.
    fn source(&self, flags: ConfigLayer) -> Result<Arc<ConfigSource>, ConfigError> {
        let (file, flags) = (self.config.clone(), self.layer(flags));
        ConfigSource::new(move || Config::load_or_kept(file.as_deref(), &flags)).map(Arc::new)
    }

    fn layer(&self, flags: ConfigLayer) -> ConfigLayer {
        ConfigLayer { state: self.state.clone(), socket: self.socket.clone(), ..flags }
    }
}

/// Parses the arguments and does what they say.
pub(crate) fn run() -> ExitCode {
    let Cli { place, command } = match parse("vitalsign") {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let outcome = match command {
        Command::Service(ServiceCommand::Run(arguments)) => {
            log(LevelFilter::INFO);
            service::run(&place, arguments)
        }
        command => {
            log(LevelFilter::WARN);
            match command {
                Command::Check(arguments) => check::run(&place, &arguments),
                Command::Enrol(arguments) => enrol::run(&place, &arguments),
                Command::Status(output) => status::run(&place, output),
                Command::Report(output) => report::run(&place, output),
                Command::Doctor(output) => doctor::run(&place, output),
                Command::Config(output) => config::run(&place, output),
                Command::Diagnostics(command) => diagnostics::run(&place, &command),
                Command::SecurityKey(command) => session::run(&place, &command.arguments()),
                Command::StepUp(command) => session::run(&place, &command.arguments()),
                Command::Service(_) => Ok(ExitStatus::Failed),
            }
        }
    };
    exit_code("vitalsign", outcome.or_else(refused))
}

/// Converts a refusal for want of permission into its exit status.
fn refused(error: anyhow::Error) -> anyhow::Result<ExitStatus> {
    match error.downcast_ref::<Refusal>() {
        Some(refusal @ (Refusal::NotAllowed | Refusal::NotInFront)) => {
            eprintln!("vitalsign: {refusal}");
            Ok(ExitStatus::Rejected)
        }
        _ => Err(error),
    }
}

fn log(default: LevelFilter) {
    // The journal has its own clock.
    log_to_stderr(default, std::env::var_os(env::JOURNAL_STREAM).is_none());
}

/// Writes to standard output; a reader that has gone away is no error.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a value as JSON on standard output.
fn say_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    say(&text);
    Ok(())
}

/// Current time in seconds since 1970.
fn wall() -> u64 {
    crate::clock::wall()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_help_is_whole() {
        Cli::command().debug_assert();
        insta::assert_snapshot!(Cli::command().term_width(100).render_help());
    }

    #[test]
    fn manual_is_complete_and_its_examples_parse() {
        let pages = vitalsign_manual::pages(Cli::command()).unwrap();
        for name in ["vitalsign-security-key-register", "vitalsign-step-up-listen", "vitalsign-enrol"] {
            assert!(pages.iter().any(|page| page.name == name), "{pages:?}");
        }
        for page in &pages {
            assert!(page.text.contains("\n.SH EXAMPLES\n") && !page.examples.is_empty(), "{}", page.name);
            for example in &page.examples {
                let parsed = Cli::command().try_get_matches_from(vitalsign_manual::words(example));
                assert!(parsed.is_ok(), "{}: {example}: {}", page.name, parsed.unwrap_err());
            }
        }
        vitalsign_manual::write(&pages, Some(Cli::command())).unwrap();
    }

    #[test]
    fn commands_of_the_session_program_are_known() {
        let given = ["vitalsign", "security-key", "register", "--socket", "/s", "--name", "blue"];
        let Cli { place, command } = Cli::try_parse_from(given).unwrap();
        assert_eq!(place.socket, Some(PathBuf::from("/s")));
        let Command::SecurityKey(command) = command else { panic!("another command") };
        assert_eq!(command.arguments(), ["security-key", "register", "--name=blue"]);
        for (given, wanted) in [
            (vec!["security-key", "registr"], "'register'"),
            (vec!["step-up", "lisen"], "'listen'"),
            (vec!["step-up", "listen", "--onse"], "'--once'"),
            (vec!["chek"], "'check'"),
            (vec!["status", "--jsno"], "'--json'"),
        ] {
            let error = Cli::try_parse_from([vec!["vitalsign"], given].concat()).err().unwrap().to_string();
            assert!(error.contains("similar") && error.contains(wanted), "{error}");
            assert!(!error.contains("vitalsign-session"), "{error}");
        }
        assert!(Cli::try_parse_from(["vitalsign", "enroll"]).is_ok());
        // A code would be seen in the list of processes.
        assert!(Cli::try_parse_from(["vitalsign", "security-key", "register", "RE1G-7ABC-9DEF"]).is_err());
    }

    #[test]
    fn completions_know_commands_of_the_session_program() {
        let completions = vitalsign_manual::bash_completions(Cli::command());
        for word in ["register list", "--pin-file", "--once"] {
            assert!(completions.contains(word), "{word}");
        }
    }
}
