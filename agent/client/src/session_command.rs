//! Command lines of `vitalsign security-key` and `vitalsign step-up`. `vitalsign` parses them, so that help, completions and
//! suggestions know them, and passes them to `vitalsign-session`, which parses them by the same definition.

use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

const REGISTER_EXAMPLES: &str = "\
Examples:
  Enter the code when asked for it:
    vitalsign security-key register
  From a file, giving the key a name:
    vitalsign security-key register --name \"blue key\" < code

The code is read from the terminal or from standard input, never from the arguments:
other users see those in the list of processes.
A key that has no PIN yet is given one on the way.";

const LISTEN_EXAMPLES: &str = "\
Examples:
  Answer step-ups until Ctrl-C:
    vitalsign step-up listen
  Answer one, and tell by the exit status whether it was approved:
    vitalsign step-up listen --once

While one is asked: touch the key, and enter its PIN when it asks for it.
n and Enter declines; x and Enter says that you did not ask for this.";

/// Commands of `vitalsign security-key`.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum SecurityKeyCommand {
    /// Register a security key with a code that an administrator gave you.
    #[command(after_help = REGISTER_EXAMPLES)]
    Register(Register),
    /// Show the keys that are plugged in, and those that this device's users have registered.
    List(List),
}

/// Commands of `vitalsign step-up`.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum StepUpCommand {
    /// Show each step-up as it comes, and answer it with a security key.
    #[command(after_help = LISTEN_EXAMPLES)]
    Listen(Listen),
}

/// Options of the registration.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Register {
    /// Name for the key
    #[arg(long, value_name = "NAME", default_value = "Security key")]
    pub name: String,
    #[command(flatten)]
    pub pin: PinSource,
}

/// Options of the list.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of listening.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// End with the first step-up that ends: 0 when it was approved, 1 when not.
    #[arg(long)]
    pub once: bool,
    /// Print one line of JSON for each change, prompts included
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub pin: PinSource,
}

/// Source of the PIN without a terminal.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct PinSource {
    /// File with the security key's PIN, readable by you only; for tests, and where there is no terminal. The
    /// PIN is sent once; a wrong PIN is not sent again
    #[arg(long, value_name = "FILE")]
    pub pin_file: Option<PathBuf>,
}

impl SecurityKeyCommand {
    /// Returns the arguments that the session program parses to the same command.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec!["security-key".into()];
        match self {
            Self::Register(Register { name, pin }) => {
                arguments.push("register".into());
                // One word, so that a name may begin with a hyphen.
                arguments.push(format!("--name={name}").into());
                arguments.extend(pin.arguments());
            }
            Self::List(List { json }) => {
                arguments.push("list".into());
                arguments.extend(json.then(|| "--json".into()));
            }
        }
        arguments
    }
}

impl StepUpCommand {
    /// Returns the arguments that the session program parses to the same command.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        let Self::Listen(Listen { once, json, pin }) = self;
        let mut arguments = vec!["step-up".into(), "listen".into()];
        arguments.extend(once.then(|| "--once".into()));
        arguments.extend(json.then(|| "--json".into()));
        arguments.extend(pin.arguments());
        arguments
    }
}

impl PinSource {
    fn arguments(&self) -> Option<OsString> {
        let file = self.pin_file.as_ref()?;
        let mut argument = OsString::from("--pin-file=");
        argument.push(file);
        Some(argument)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser, Debug, PartialEq)]
    enum Program {
        #[command(subcommand)]
        SecurityKey(SecurityKeyCommand),
        #[command(subcommand)]
        StepUp(StepUpCommand),
    }

    #[test]
    fn arguments_parse_to_the_same_command() {
        for given in [
            &["security-key", "register"][..],
            &["security-key", "register", "--name", "blue \"key\"", "--pin-file", "/a b/pin"],
            &["security-key", "register", "--name=--json"],
            &["security-key", "list"],
            &["security-key", "list", "--json"],
            &["step-up", "listen"],
            &["step-up", "listen", "--once", "--json", "--pin-file=-pin"],
        ] {
            let words = |words: &[OsString]| [&["vitalsign".into()], words].concat();
            let given: Vec<OsString> = given.iter().map(OsString::from).collect();
            let parsed = Program::try_parse_from(words(&given)).unwrap();
            let passed = match &parsed {
                Program::SecurityKey(command) => command.arguments(),
                Program::StepUp(command) => command.arguments(),
            };
            assert_eq!(Program::try_parse_from(words(&passed)).unwrap(), parsed, "{passed:?}");
        }
    }
}
