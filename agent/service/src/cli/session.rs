//! `vitalsign security-key` and `vitalsign step-up`: run `vitalsign-session`, which talks to security keys.
//! It is a separate program, so that the service contains none of that code.

use super::PathArgs;
use crate::config::ConfigLayer;
use anyhow::Context;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use vitalsign_client::program::ExitStatus;

const PROGRAM: &str = "vitalsign-session";

/// Becomes the program, where the system knows such a thing, and else waits for its end.
pub(crate) fn run(place: &PathArgs, arguments: &[OsString]) -> anyhow::Result<ExitStatus> {
    let socket = place.load(ConfigLayer::default())?.socket;
    let program = program().context("finding out where this program is")?;
    let mut session = Command::new(&program);
    session.arg("--socket").arg(socket).args(arguments);
    match vitalsign_os::become_program(&mut session) {
        Ok(ended) => Ok(match ended.code() {
            Some(0) => ExitStatus::Success,
            Some(1) => ExitStatus::Rejected,
            _ => ExitStatus::Failed,
        }),
        Err(error) => Err(anyhow::anyhow!(not_run(&program, &error))),
    }
}

/// Returns the program's path, which is beside this one.
pub(crate) fn program() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.with_file_name(format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX)))
}

fn not_run(program: &Path, error: &io::Error) -> String {
    let program = program.display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            format!("what speaks to security keys is not installed: {program} is missing")
        }
        _ => format!("{program} cannot be run: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_missing_session_program() {
        let program = Path::new("/nowhere/vitalsign-session");
        let error = vitalsign_os::become_program(&mut Command::new(program)).unwrap_err();
        let said = not_run(program, &error);
        assert_eq!(
            said,
            "what speaks to security keys is not installed: /nowhere/vitalsign-session is missing"
        );
    }
}
