//! Tests of the packages: made from the programs of this build, and installed by the system's own tools in a machine to which
//! management has delivered the settings.

use crate::machine::{LIMIT, Machine, SERVICE, Setup, TOKEN};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use vitalsign_e2e::{Testbed, wait_for};
use vitalsign_ipc::{AgentState, Status};
use vitalsign_protocol::id::EnrolmentId;
use vitalsign_simulated_key::process::program;

const SETTINGS: &str = "/etc/vitalsign/agent.toml";
const DROP_IN: &str = "/etc/vitalsign/agent.d/90-ward.toml";
const STATE: &str = "/var/lib/vitalsign";

/// Makes the packages of this kind, and returns the paths of those of the agent and of the verifier.
fn packages(folder: &Path, kind: &str) -> Result<[PathBuf; 2]> {
    // The manual is made by another test run; its place may be empty.
    let manual = folder.join("manual");
    fs::create_dir_all(&manual)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../installers/linux/packages.sh");
    let programs = program("vitalsign")?;
    let made = Command::new(script)
        .arg("--programs")
        .arg(programs.parent().context("no folder")?)
        .arg("--manual")
        .arg(&manual)
        .arg(folder.join("packages"))
        .arg(kind)
        .env("LEVEL", "0")
        .env("PACKAGES", "vitalsign vitalsign-verifier")
        .output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made = String::from_utf8(made.stdout)?;
    let made: Vec<_> = made.lines().map(PathBuf::from).collect();
    made.try_into().map_err(|made| anyhow::anyhow!("two packages, not {made:?}"))
}

/// Runs a command in the machine, as root.
fn run(machine: &Machine, program: &str, arguments: &[&str]) -> Result<String> {
    let output = machine.run(program, arguments)?;
    let (out, heard) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{program} {arguments:?}: {out}\n{heard}");
    Ok(out.into_owned())
}

fn reporting(machine: &Machine) -> Result<EnrolmentId> {
    let enrolled = |status: &Status| status.standing == AgentState::Reporting;
    machine.until("a verdict", enrolled)?.enrolment.context("no enrolment")
}

fn has_ended(machine: &Machine) -> Result<()> {
    let processes = run(machine, "bash", &["-c", "cat /proc/[0-9]*/comm | grep -c '^vitalsign' || true"])?;
    ensure!(processes.trim() == "0", "{processes} processes run still");
    ensure!(!machine.path("/usr/bin/vitalsign").exists(), "the program is there still");
    Ok(())
}

/// Installs, configures, upgrades, removes and purges by the commands of one package manager.
fn life(kind: &str, install: &[&str], upgrade: &[&str], remove: &[&str]) -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let setup = Setup { without_agent: true, ..Setup::default() };
    let machine = Machine::boot(&testbed, &setup)?;
    let [agent, _] = packages(testbed.folder(), kind)?;
    let agent = agent.to_str().context("the path")?;
    let with = |command: &[&str], last: &str| -> Result<String> {
        let (program, arguments) = command.split_first().context("no command")?;
        run(&machine, program, &[arguments, &[last]].concat())
    };

    // An image build: no systemd runs, and nothing of this device is written.
    let image = format!("mount -t tmpfs tmpfs /run/systemd && {} {agent}", install.join(" "));
    run(&machine, "unshare", &["--mount", "bash", "-c", &image])?;
    ensure!(machine.property(SERVICE, "ActiveState")? == "inactive", "it was started in an image");
    let state: Vec<_> = fs::read_dir(machine.path(STATE))?.map(|it| it.map(|it| it.file_name())).collect();
    ensure!(state.len() == 1, "only the token is there: {state:?}");
    machine.systemctl(&["daemon-reload"])?;
    for unit in
        [SERVICE, "vitalsign-helper.socket", "vitalsign-helper-network.socket", "vitalsign-settings.path"]
    {
        ensure!(machine.systemctl(&["is-enabled", unit])? == "enabled", "{unit}");
    }
    with(remove, "vitalsign")?;
    has_ended(&machine)?;

    // With nothing but the package, the device enrols.
    with(install, agent)?;
    let first = reporting(&machine)?;
    ensure!(!machine.path(TOKEN).exists(), "the token is there still");
    ensure!(machine.property("vitalsign-helper.socket", "ActiveState")? == "active", "no helper");

    // Delivered settings take effect, without a command.
    let before = machine.property(SERVICE, "InvocationID")?;
    let add = format!("printf '\\n[support]\\nphone = \"ext. 1234\"\\n' >>{SETTINGS}");
    run(&machine, "bash", &["-c", &add])?;
    machine
        .until("the new settings", |status| status.guidance.support.phone.as_deref() == Some("ext. 1234"))?;
    wait_for("a restart", LIMIT, || {
        let now = machine.property(SERVICE, "InvocationID")?;
        Ok((!now.is_empty() && now != before).then_some(()))
    })?;
    ensure!(reporting(&machine)? == first, "a change of settings enrolled again");

    // So does a file in the folder that the package makes.
    let before = machine.property(SERVICE, "InvocationID")?;
    let add = format!("printf '[support]\\nphone = \"ext. 5678\"\\n' >{DROP_IN}");
    run(&machine, "bash", &["-c", &add])?;
    wait_for("another restart", LIMIT, || {
        let now = machine.property(SERVICE, "InvocationID")?;
        Ok((!now.is_empty() && now != before).then_some(()))
    })?;
    machine.until("the file's settings", |status| {
        status.guidance.support.phone.as_deref() == Some("ext. 5678")
    })?;
    ensure!(reporting(&machine)? == first, "a delivered file enrolled again");

    // An upgrade keeps the enrolment, and what an administrator has disabled.
    machine.systemctl(&["disable", "--now", "vitalsign-settings.path"])?;
    let before = machine.property(SERVICE, "InvocationID")?;
    with(upgrade, agent)?;
    ensure!(reporting(&machine)? == first, "an upgrade enrolled again");
    ensure!(machine.property(SERVICE, "InvocationID")? != before, "the former program runs still");
    let disabled = machine.run("systemctl", &["is-enabled", "vitalsign-settings.path"])?;
    ensure!(String::from_utf8_lossy(&disabled.stdout).trim() == "disabled", "it was enabled again");

    // Removal keeps it too: there is no token for another one.
    with(remove, "vitalsign")?;
    has_ended(&machine)?;
    with(install, agent)?;
    ensure!(reporting(&machine)? == first, "the enrolment was lost by a removal");
    if kind == "deb" {
        with(&["dpkg", "--no-triggers", "--purge"], "vitalsign")?;
        ensure!(!machine.path(STATE).exists(), "the keys are there still");
    } else {
        with(remove, "vitalsign")?;
    }
    has_ended(&machine)?;
    ensure!(machine.path(SETTINGS).exists(), "what management delivered was removed");
    Ok(())
}

#[test]
fn deb_enrols_upgrades_and_is_removed() -> Result<()> {
    let install = ["dpkg", "--no-triggers", "--install"];
    life("deb", &install, &install, &["dpkg", "--no-triggers", "--remove"])
}

#[test]
fn rpm_enrols_upgrades_and_is_removed() -> Result<()> {
    // Debian's database of packages does not satisfy what an rpm requires.
    let install = ["rpm", "--nodeps", "--install"];
    let upgrade = ["rpm", "--nodeps", "--upgrade", "--replacepkgs"];
    life("rpm", &install, &upgrade, &["rpm", "--nodeps", "--erase"])
}

#[test]
fn verifier_waits_for_its_settings_and_its_data_stays() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let machine = Machine::boot(&testbed, &Setup { without_agent: true, ..Setup::default() })?;
    let [_, verifier] = packages(testbed.folder(), "deb")?;
    let unit = "vitalsign-verifier.service";
    run(&machine, "dpkg", &["--no-triggers", "--install", verifier.to_str().context("the path")?])?;
    ensure!(machine.property(unit, "ActiveState")? == "inactive", "it was started without settings");
    let owners = ["stat", "-c", "%U %a", "/var/lib/vitalsign-verifier", "/var/lib/vitalsign-verifier/roots"];
    let owners = run(&machine, "env", &owners)?;
    ensure!(owners == "vitalsign-verifier 700\nvitalsign-verifier 700\n", "{owners}");

    // The commands of docs/operate.md, with a certificate of this test.
    let configure = "cd /etc/vitalsign-verifier && \
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=localhost \
          -addext subjectAltName=DNS:localhost -keyout tls.key -out tls.pem && \
        chown root:vitalsign-verifier tls.key && chmod 640 tls.key && \
        vitalsign-verifier backup-key key.txt >recipient && \
        sed -i -e 's|^listen = .*|listen = \"127.0.0.1:0\"|' \
          -e 's|^#origin = .*|origin = \"https://localhost\"|' -e 's|^#\\[backup\\]|[backup]|' \
          -e \"s|^#recipients = .*|recipients = [\\\"$(cat recipient)\\\"]|\" verifier.toml && \
        systemctl enable --now vitalsign-verifier && systemctl start vitalsign-verifier-backup && \
        ls /var/lib/vitalsign-verifier/backups";
    let backups = run(&machine, "bash", &["-c", configure])?;
    ensure!(backups.trim().ends_with(".age"), "{backups}");

    run(&machine, "dpkg", &["--no-triggers", "--purge", "vitalsign-verifier"])?;
    ensure!(!machine.path("/usr/bin/vitalsign-verifier").exists(), "the program is there still");
    ensure!(machine.path("/var/lib/vitalsign-verifier/verifier.db").exists(), "the audit log is gone");
    Ok(())
}

#[test]
fn packages_are_the_same_when_made_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for kind in ["deb", "rpm"] {
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        let (one, other) = (packages(&one, kind)?, packages(&other, kind)?);
        for (one, other) in one.iter().zip(&other) {
            ensure!(fs::read(one)? == fs::read(other)?, "{} differs", one.display());
        }
    }
    Ok(())
}
