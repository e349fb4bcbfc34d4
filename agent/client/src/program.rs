//! Start and end of the programs: log level, socket path, exit status.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
pub use tracing_subscriber::filter::LevelFilter;

/// Path of the service's socket, where nothing else is configured.
pub const DEFAULT_SOCKET: &str = "/run/vitalsign/agent.sock";
/// Variable that overrides the path of the service's socket.
pub const SOCKET_VARIABLE: &str = "VITALSIGN_SOCKET";
/// Variable with the log level: `error`, `warn`, `info`, `debug` or `trace`.
const LOG_VARIABLE: &str = "VITALSIGN_LOG";

/// Exit status of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// The command succeeded; the device is healthy, the step-up approved, the key registered (0).
    Success,
    /// The device is not healthy, the request was refused, or the step-up ended otherwise (1).
    Rejected,
    /// No service, no key or no verifier was reached (3). Status 2 is a usage error.
    Failed,
    /// The user pressed Ctrl-C (130, as a shell reports it).
    Interrupted,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Success => 0,
            ExitStatus::Rejected => 1,
            ExitStatus::Failed => 3,
            ExitStatus::Interrupted => 130,
        })
    }
}

/// Returns the exit code of a command, and prints its error after the program's name.
pub fn exit_code(program: &str, outcome: Result<ExitStatus, impl Display>) -> ExitCode {
    outcome
        .unwrap_or_else(|error| {
            eprintln!("{program}: {error:#}");
            ExitStatus::Failed
        })
        .into()
}

/// Parses the arguments of this process. Wrong use is reported with the same prefix as every other error.
///
/// # Errors
/// The exit code, after the help, the version or the error was printed.
pub fn parse<T: clap::Parser>(program: &str) -> Result<T, ExitCode> {
    T::try_parse().map_err(|error| {
        if error.use_stderr() {
            eprint!("{}", prefixed(program, &error.render().to_string()));
        } else {
            // A reader that has gone away is no error.
            let _ = error.print();
        }
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    })
}

fn prefixed(program: &str, error: &str) -> String {
    match error.strip_prefix("error: ") {
        Some(rest) => format!("{program}: {rest}"),
        // The help, where a subcommand is missing.
        None => error.to_owned(),
    }
}

/// Logs to standard error from this level on, or from the one that `VITALSIGN_LOG` sets. Lines have no time if
/// `timestamps` is false, for a reader with its own clock.
pub fn log_to_stderr(default: LevelFilter, timestamps: bool) {
    let level = std::env::var(LOG_VARIABLE).ok().filter(|level| !level.is_empty());
    let level = level.and_then(|level| level.parse().ok()).unwrap_or(default);
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_ansi(false);
    if timestamps { log.init() } else { log.without_time().init() }
}

/// Returns the path of the service's socket: the flag's, else the variable's, else the default.
#[must_use]
pub fn socket_path(flag: Option<PathBuf>) -> PathBuf {
    choose_socket(flag, std::env::var_os(SOCKET_VARIABLE))
}

fn choose_socket(flag: Option<PathBuf>, variable: Option<OsString>) -> PathBuf {
    let variable = variable.filter(|value| !value.is_empty()).map(PathBuf::from);
    flag.or(variable).unwrap_or_else(|| DEFAULT_SOCKET.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_flag_overrides_environment_and_default() {
        let choose = |flag: Option<&str>, variable: Option<&str>| {
            choose_socket(flag.map(PathBuf::from), variable.map(OsString::from))
        };
        assert_eq!(choose(None, None), PathBuf::from(DEFAULT_SOCKET));
        assert_eq!(choose(None, Some("")), PathBuf::from(DEFAULT_SOCKET));
        assert_eq!(choose(None, Some("/variable")), PathBuf::from("/variable"));
        assert_eq!(choose(Some("/flag"), Some("/variable")), PathBuf::from("/flag"));
    }
}
