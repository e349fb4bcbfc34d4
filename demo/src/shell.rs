//! A shell in which every command of README's "Try it by hand" works: a verifier, a software TPM and a simulated
//! security key run until it ends. The person enrols the device and asks for the step-up.

use crate::say;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::ExitCode;
use vitalsign_e2e::Testbed;
use vitalsign_simulated_key::{Options, SimulatedKey, Tap, Transport};

/// PIN of the simulated key.
const PIN: &str = "123456\n";

/// Runs the shell, and returns its exit code.
pub(crate) fn run() -> Result<ExitCode> {
    let testbed = Testbed::with_simulated_tpm()?;
    let touched = Options { tap: Tap::Auto, ..Options::new(Transport::Usb, &testbed.maker) };
    let key = SimulatedKey::start(touched)?;
    crate::step_up::private(&testbed.folder().join("pin"), PIN)?;
    let agent = testbed.agent("device")?;
    let mut shell = agent.command_of("bash");
    shell
        .current_dir(testbed.folder())
        .env_remove("VITALSIGN_TOKEN_FILE")
        .env("PATH", path_with_programs()?)
        .env("VITALSIGN_TEST_USBIP", key.usb_address().to_string());
    say(
        "A verifier, a SOFTWARE TPM and a SIMULATED security key, which protect nothing, run until you type `exit`.",
    );
    say(&format!(
        "This shell is in {}, which goes with it; the key's PIN is in the file `pin`.",
        testbed.folder().display()
    ));
    let ended = shell.status().context("starting bash")?;
    let code = ended.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// `PATH` with the programs of this build in front.
fn path_with_programs() -> Result<std::ffi::OsString> {
    let here = std::env::current_exe()?;
    let mut folders: Vec<PathBuf> = vec![here.parent().context("no folder")?.to_owned()];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    Ok(std::env::join_paths(folders)?)
}
