//! Enrolment by hand and by managed configuration: which settings count, what becomes of the token, and who owns the
//! files.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use vitalsign_e2e::{Agent, Child, Testbed};
use vitalsign_ipc::AgentState;

/// An unprivileged user ID that no account uses.
const SERVICE: u32 = 64_803;

fn out(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A command without settings in the environment, except for this configuration file.
fn bare(agent: &Agent, config: Option<&Path>, arguments: &[&str]) -> Command {
    let mut command = agent.command(arguments);
    for name in ["VITALSIGN_VERIFIER", "VITALSIGN_CA_FILE", "VITALSIGN_TOKEN_FILE"] {
        command.env_remove(name);
    }
    if let Some(config) = config {
        command.env("VITALSIGN_CONFIG", config);
    }
    command
}

fn manage(config: &Path, testbed: &Testbed, token: Option<&Path>) -> Result<()> {
    let mut text =
        format!("verifier = \"{}\"\nca-file = \"{}\"\n", testbed.url(), testbed.anchor().display());
    if let Some(token) = token {
        text.push_str(&format!("token-file = \"{}\"\n", token.display()));
    }
    Ok(fs::write(config, text)?)
}

/// Files below the folder that hold this text.
fn holding(folder: &Path, text: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(holding(&path, text)?);
        } else if path.is_file() && String::from_utf8_lossy(&fs::read(&path)?).contains(text) {
            found.push(path);
        }
    }
    Ok(found)
}

#[test]
fn token_is_removed_once_the_device_is_enrolled() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let agent = testbed.agent("device")?;
    let token = testbed.token(20)?;
    fs::write(agent.token_file(), &token)?;
    let mut service = agent.start_service()?;
    agent.until("a verdict", |status| status.standing == AgentState::Reporting)?;
    let folder = agent.state().parent().context("a folder")?.to_owned();
    ensure!(holding(&folder, &token)?.is_empty(), "{:?}", holding(&folder, &token)?);
    service.kill();

    // By hand: the copy in the state folder goes, and the person's own file stays.
    let by_hand = testbed.agent("by-hand")?;
    let given = testbed.folder().join("given");
    fs::write(&given, &token)?;
    let [url, anchor, file] = [testbed.url(), path(testbed.anchor())?, path(&given)?];
    let enrol = ["enrol", "--verifier", &url, "--ca", &anchor, "--token-file", &file];
    let output = bare(&by_hand, None, &enrol).output()?;
    ensure!(output.status.code() == Some(0), "{}", out(&output));
    let folder = by_hand.state().parent().context("a folder")?.to_owned();
    ensure!(holding(&folder, &token)?.is_empty(), "{:?}", holding(&folder, &token)?);
    ensure!(given.exists(), "the person's own file is gone");
    Ok(())
}

#[test]
fn token_is_kept_until_the_device_is_enrolled() -> Result<()> {
    let mut testbed = Testbed::with_simulated_tpm()?;
    let agent = testbed.agent("device")?;
    fs::write(agent.token_file(), testbed.token(1)?)?;
    testbed.verifier = None;
    let _service = agent.start_service()?;
    agent.until("the verifier to be away", |status| matches!(status.standing, AgentState::Offline { .. }))?;
    ensure!(agent.token_file().exists(), "the token was removed without an enrolment");
    testbed.start_verifier()?;
    agent.run(&["report"])?;
    agent.until("a verdict", |status| status.standing == AgentState::Reporting)?;
    ensure!(!agent.token_file().exists(), "the token is still there");
    Ok(())
}

#[test]
fn managed_configuration_outranks_enrolment_by_hand() -> Result<()> {
    let (testbed, other) = (Testbed::with_simulated_tpm()?, Testbed::with_simulated_tpm()?);
    let agent = testbed.agent("device")?;
    let config = testbed.folder().join("agent.toml");
    let managed_token = testbed.folder().join("managed-token");
    manage(&config, &testbed, Some(&managed_token))?;
    let [url, anchor] = [other.url(), path(other.anchor())?];
    let token = testbed.token(1)?;
    let enrol = ["enrol", "--verifier", &url, "--ca", &anchor, "--token", &token];
    let refused = bare(&agent, Some(&config), &enrol).output()?;
    ensure!(refused.status.code() == Some(1), "{}", out(&refused));
    ensure!(out(&refused).contains("set by managed configuration"), "{}", out(&refused));
    ensure!(!agent.state().join("enrolment.toml").exists(), "it is stored all the same");

    // A token by hand is taken.
    let output = bare(&agent, Some(&config), &["enrol", "--token", &token]).output()?;
    ensure!(output.status.code() == Some(0), "{}", out(&output));
    let status = bare(&agent, Some(&config), &["status"]).output()?;
    ensure!(out(&status).contains("set by managed configuration"), "{}", out(&status));

    // Managed configuration moves the device to another verifier, with a token of that one.
    let first = fs::read_to_string(agent.state().join("state.json"))?;
    manage(&config, &other, Some(&managed_token))?;
    fs::write(&managed_token, other.token(1)?)?;
    fs::copy(
        testbed.folder().join("data/roots/simulated/root.pem"),
        other.folder().join("data/roots/simulated/2.pem"),
    )?;
    fs::copy(
        testbed.folder().join("data/roots/intermediates/issuer.pem"),
        other.folder().join("data/roots/intermediates/2.pem"),
    )?;
    let mut other = other;
    other.restart_verifier_with("")?;
    let _service = Child::start(&mut bare(&agent, Some(&config), &["service", "run"]))?;
    let moved =
        agent.until("a verdict of the other verifier", |status| status.standing == AgentState::Reporting)?;
    let device = moved.enrolment.context("an enrolment")?.to_string();
    ensure!(!first.contains(&device), "it is the same enrolment");
    other.administer(&["device", "show", &device])?;
    ensure!(!managed_token.exists(), "the managed token is still there");
    Ok(())
}

#[test]
fn failed_enrolment_by_hand_keeps_the_former_one() -> Result<()> {
    let (testbed, other) = (Testbed::with_simulated_tpm()?, Testbed::with_simulated_tpm()?);
    let agent = testbed.agent("device")?;
    let enrol = |arguments: &[&str]| -> Result<Output> {
        let mut command = bare(&agent, None, &[&["enrol"], arguments].concat());
        Ok(command.env_remove("VITALSIGN_KEY").output()?)
    };
    let [url, anchor, token] = [testbed.url(), path(testbed.anchor())?, testbed.token(1)?];
    let output = enrol(&["--verifier", &url, "--ca", &anchor, "--token", &token, "--key", &agent.key])?;
    ensure!(output.status.code() == Some(0), "{}", out(&output));
    let stored = || -> Result<Vec<(PathBuf, Vec<u8>)>> {
        let names = ["enrolment.toml", "verifier-ca.pem"].map(|name| agent.state().join(name));
        names.into_iter().map(|path| Ok((path.clone(), fs::read(path)?))).collect()
    };
    let (before, token) = (stored()?, testbed.token(1)?);
    let [other_url, other_anchor] = [other.url(), path(other.anchor())?];
    let missing = path(&testbed.folder().join("missing"))?;
    let text = path(&testbed.folder().join("text"))?;
    fs::write(&text, "root:*:1:2:3\nnurse:*:1:2:3\n")?;
    let mistakes: &[(&[&str], &str)] = &[
        (&["--key", "no-such-key", "--token", &token], "names no TPM"),
        (&["--verifier", "https://localhost:9", "--token", &token], "not reached"),
        (&["--ca", &other_anchor, "--token", &token], "not from the certificate authority"),
        (&["--verifier", &other_url, "--ca", &other_anchor, "--token", &token], "token is not known"),
        (&["--token", "vse_unknown"], "token is not known"),
        (&["--token-file", &missing], "there is no file"),
        (&["--token-file", &text], "something else than an enrolment token"),
    ];
    for with_service in [false, true] {
        // Neither the token nor the settings are touched without `--again`.
        let output = enrol(&["--verifier", &other_url, "--ca", &other_anchor, "--token", &token])?;
        let said = out(&output);
        ensure!(output.status.code() == Some(1) && said.contains("already enrolled"), "{said}");
        ensure!(said.contains(&format!("with {url} as ")) && said.contains("--again"), "{said}");
        ensure!(stored()? == before, "other settings are stored");
        let mut run = bare(&agent, None, &["service", "run"]);
        let _service = with_service.then(|| Child::start(run.env_remove("VITALSIGN_KEY"))).transpose()?;
        if with_service {
            agent.until("a verdict", |status| status.standing == AgentState::Reporting)?;
        }
        for (arguments, error) in mistakes {
            let output = enrol(&[&["--again"], *arguments].concat())?;
            ensure!(output.status.code() != Some(0), "{arguments:?}: {}", out(&output));
            let said = out(&output).split_whitespace().collect::<Vec<_>>().join(" ");
            ensure!(said.contains(error), "{arguments:?}: {said}");
            ensure!(stored()? == before, "{arguments:?}: other settings are stored");
            ensure!(!agent.state().join("enrolment-token").exists(), "{arguments:?}: its token is stored");
            let mut report = bare(&agent, None, &["report", "--json"]);
            let report = report.env_remove("VITALSIGN_KEY").output()?;
            ensure!(report.status.code() == Some(1), "{arguments:?}: no verdict: {}", out(&report));
        }
    }
    Ok(())
}

#[test]
fn enrolment_by_root_leaves_no_file_of_root() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let mut agent = testbed.agent("device")?;
    agent.for_every_user()?;
    fs::create_dir_all(agent.state())?;
    let folder = agent.state().parent().context("a folder")?.to_owned();
    for folder in [&folder, &agent.state()] {
        if let Err(error) = chown(folder, Some(SERVICE), Some(SERVICE)) {
            eprintln!("not run: giving a folder to another user needs root: {error}");
            return Ok(());
        }
    }
    // The service's user may use the TPM.
    let tpm = agent.key.strip_prefix("swtpm:path=").context("a socket")?;
    chown(tpm, Some(SERVICE), Some(SERVICE))?;
    fs::set_permissions(testbed.folder().join("tpm"), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let [url, anchor, token] = [testbed.url(), path(testbed.anchor())?, testbed.token(1)?];
    let enrol = ["enrol", "--verifier", &url, "--ca", &anchor, "--token", &token];
    let output = bare(&agent, None, &enrol).output()?;
    ensure!(output.status.code() == Some(3), "{}", out(&output));
    ensure!(out(&output).contains("start the service"), "{}", out(&output));
    let report = bare(&agent, None, &["report"]).output()?;
    ensure!(
        report.status.code() == Some(3) && out(&report).contains("start the service"),
        "{}",
        out(&report)
    );
    for entry in fs::read_dir(agent.state())? {
        let entry = entry?;
        ensure!(entry.metadata()?.uid() == SERVICE, "{} is root's", entry.path().display());
    }
    // The service enrols with what is stored.
    let _service = Child::start(bare(&agent, None, &["service", "run"]).uid(SERVICE).gid(SERVICE))?;
    agent.until("a verdict", |status| status.standing == AgentState::Reporting)?;
    ensure!(holding(&agent.state(), &token)?.is_empty(), "the token is still there");
    Ok(())
}

fn path(path: &Path) -> Result<String> {
    Ok(path.to_str().context("a path")?.to_owned())
}
