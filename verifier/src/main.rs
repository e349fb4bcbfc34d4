//! `vitalsign-verifier`: the server and its administration.

mod admin;

use admin::connection::{ServerArgs, VerifierConnection, is_unreachable};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::inspect::{self, Holds};
use vitalsign_verifier::owner;

const EXAMPLES: &str = "\
Examples:
  A trial on this machine, with a self-signed certificate:
    echo 'data = \"data\"' > verifier.toml
    vitalsign-verifier --config verifier.toml serve --self-signed localhost
  A token for 20 devices, valid for a week:
    vitalsign-verifier --config verifier.toml enrol-token create --uses 20 --expires 7d
  The state of the fleet, and revoking a device:
    vitalsign-verifier --config verifier.toml device list
    vitalsign-verifier --config verifier.toml device revoke 7ZA-3T9-KWJ --reason \"lost in a taxi\"

Commands talk to the running verifier, except serve, migrate, backup, restore, and those that need only files.

Exit status: 0 success or valid, 1 failed or invalid, 2 usage error, 3 the verifier cannot be reached, 4 shown but not
verified (inspect).";

/// Enrols devices, appraises their reports, signs verdicts and keeps the audit log.
#[derive(Parser)]
#[command(name = "vitalsign-verifier", version, after_help = EXAMPLES)]
struct VerifierCli {
    /// Path of the configuration
    #[arg(long, value_name = "FILE", global = true, default_value = "/etc/vitalsign-verifier/verifier.toml")]
    config: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve devices and applications
    Serve(admin::serve::ServeArgs),
    /// Manage enrolment tokens
    #[command(subcommand)]
    EnrolToken(admin::token::Command),
    /// Manage users, their security keys and devices
    #[command(subcommand)]
    User(admin::user::Command),
    /// Manage enrolled devices
    #[command(subcommand)]
    Device(admin::device::Command),
    /// Manage applications that may request a step-up
    #[command(subcommand)]
    Client(admin::client::Command),
    /// Request a step-up as an application does, or list recent ones
    #[command(subcommand)]
    StepUp(admin::step_up::Command),
    /// Test the appraisal and step-up policies
    #[command(subcommand)]
    Policy(admin::policy::Command),
    /// Read, verify and prove the audit log
    #[command(subcommand)]
    Audit(admin::audit::Command),
    /// Manage the keys that sign verdicts and tokens
    #[command(subcommand)]
    SigningKey(admin::key::Command),
    /// List what expires soon or needs attention otherwise
    Doctor(admin::doctor::DoctorArgs),
    /// Bring the store to this program's schema version
    Migrate(admin::migrate::MigrateArgs),
    /// Write an encrypted backup of store, keys and configuration, while the verifier runs
    Backup(admin::backup::BackupArgs),
    /// Make the key that decrypts backups
    BackupKey(admin::backup::BackupKeyArgs),
    /// Restore a backup
    Restore(admin::restore::RestoreArgs),
    /// Inspect evidence, an event log, a quote or a verdict
    #[command(subcommand)]
    Inspect(inspect::Command),
}

impl Command {
    /// Returns whether the command uses the data folder. Others ask the verifier, or read files of the person who runs them.
    fn uses_data(&self) -> bool {
        let rewraps = matches!(self, Self::SigningKey(admin::key::Command::Rewrap { .. }));
        rewraps || matches!(self, Self::Serve(_) | Self::Migrate(_) | Self::Backup(_) | Self::Restore(_))
    }

    /// Returns the data folder that the command uses.
    fn data(&self, config: &Path) -> Option<PathBuf> {
        match self {
            Self::Restore(arguments) if arguments.data.is_some() => arguments.data.clone(),
            _ => Config::read(config).ok().map(|config| config.data),
        }
    }
}

fn main() -> ExitCode {
    let VerifierCli { config, server, mut command } = VerifierCli::parse();
    owner::hide_new_files();
    admin::remember_actor();
    // The backup and its key belong to the person who restores.
    if let Command::Restore(arguments) = &mut command
        && let Err(error) = arguments.open_inputs()
    {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    if command.uses_data()
        && let Some(data) = command.data(&config)
        && let Err(error) = owner::become_owner(&data)
    {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: starting: {error}");
            return ExitCode::FAILURE;
        }
    };
    let connection = VerifierConnection::new(config.clone(), server);
    let mut unverified = false;
    let outcome = runtime.block_on(async {
        match command {
            Command::Serve(arguments) => admin::serve::run(&config, arguments).await,
            Command::EnrolToken(command) => admin::token::run(&connection, command).await,
            Command::User(command) => admin::user::run(&connection, command).await,
            Command::Device(command) => admin::device::run(&connection, command).await,
            Command::Client(command) => admin::client::run(&connection, command).await,
            Command::StepUp(command) => admin::step_up::run(&connection, command).await,
            Command::Policy(command) => admin::policy::run(&config, command),
            Command::Audit(command) => admin::audit::run(&connection, command).await,
            Command::SigningKey(command) => admin::key::run(&connection, command).await,
            Command::Doctor(arguments) => admin::doctor::run(&connection, arguments).await,
            Command::Migrate(arguments) => admin::migrate::run(&config, arguments).await,
            Command::Backup(arguments) => admin::backup::run(&config, arguments).await,
            Command::BackupKey(arguments) => admin::backup::make_key(&arguments),
            Command::Restore(arguments) => admin::restore::run(&config, arguments).await,
            Command::Inspect(command) => {
                let holds = inspect::run(&command)?;
                unverified = matches!(holds, Holds::NotChecked(_));
                Ok(holds == Holds::Yes)
            }
        }
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) if unverified => ExitCode::from(4),
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            let unreadable = error.downcast_ref::<inspect::Unreadable>();
            let wrong_use =
                unreadable.is_some_and(inspect::Unreadable::is_wrong_use) || error.is::<admin::WrongUse>();
            match () {
                () if wrong_use => ExitCode::from(2),
                () if is_unreachable(&error) => ExitCode::from(3),
                () => ExitCode::FAILURE,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::any::TypeId;
    use vitalsign_protocol::id::{EnrolmentId, Nonce, StepUpId};
    use vitalsign_verifier::admin_api::{DeviceRef, EntryRef};

    /// Names of the arguments of identifiers in base64url that refuse a leading hyphen.
    fn refusing_hyphens(command: &clap::Command) -> Vec<String> {
        let ids = [
            TypeId::of::<EnrolmentId>(),
            TypeId::of::<DeviceRef>(),
            TypeId::of::<admin::diagnostics::DiagnosticsArg>(),
            TypeId::of::<StepUpId>(),
            TypeId::of::<Nonce>(),
            TypeId::of::<EntryRef>(),
        ];
        let is_id = |argument: &&clap::Arg| ids.iter().any(|id| argument.get_value_parser().type_id() == *id);
        let refusing = (command.get_arguments().filter(is_id))
            .filter(|argument| !argument.is_allow_hyphen_values_set())
            .map(|argument| format!("{} {}", command.get_name(), argument.get_id()));
        refusing.chain(command.get_subcommands().flat_map(refusing_hyphens)).collect()
    }

    #[test]
    fn identifiers_may_begin_with_a_hyphen() {
        assert_eq!(refusing_hyphens(&VerifierCli::command()), [""; 0]);
    }

    #[test]
    fn manual_is_complete_and_its_examples_parse() {
        let pages = vitalsign_manual::pages(VerifierCli::command()).unwrap();
        assert!(pages.len() > 40, "{pages:?}");
        for page in &pages {
            assert!(page.text.contains("\n.SH EXAMPLES\n") && !page.examples.is_empty(), "{}", page.name);
            for example in &page.examples {
                let parsed = VerifierCli::command().try_get_matches_from(vitalsign_manual::words(example));
                assert!(parsed.is_ok(), "{}: {example}: {}", page.name, parsed.unwrap_err());
            }
        }
        vitalsign_manual::write(&pages, Some(VerifierCli::command())).unwrap();
    }

    #[test]
    fn the_command_line_is_consistent() {
        VerifierCli::command().debug_assert();
    }
}
