//! Tests of the shipped units under a real systemd. Needs root and systemd; boots machines in private namespaces.

mod legacy_filter;
mod luks;
mod machine;
mod memory;
mod packages;
mod root_question;
mod verifier_unit;

use anyhow::{Context, Result, bail, ensure};
use machine::{LIMIT, Machine, SERVICE, SHIPPED, Setup, TOKEN, shipped};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use vitalsign_e2e::{Child, Testbed, Tpm, wait_for};
use vitalsign_ipc::{AgentState, Status};
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::fact::Fact;
use vitalsign_protocol::posture::{KeyStorage, Posture, Protector, VolumeRole};
use vitalsign_simulated_key::vhci::in_a_guest;

/// The default policy's check of a kind in the last verdict.
fn check(status: &Status, name: &str) -> Option<(Tier, String)> {
    let found = status.ear.as_ref()?.checks().find(|(_, check)| check.check == name);
    found.map(|(_, check)| (check.status, check.reason.clone()))
}

fn posture(status: &Status) -> Result<&Posture> {
    status.posture.as_ref().context("the status has no facts")
}

/// Checks that the volume of `/` is encrypted with a key of the TPM, in the facts and in the default policy's eyes. Its
/// header is on a device that root alone may read.
fn root_is_encrypted(status: &Status) -> Result<()> {
    let volumes = posture(status)?.disk.volumes.known().context("volumes")?;
    let system: Vec<_> = volumes.iter().filter(|it| it.role == VolumeRole::System).collect();
    ensure!(!system.is_empty(), "{volumes:?}");
    for volume in system {
        let facts = (&volume.encrypted, &volume.method, &volume.protector, &volume.suspended);
        let right = (
            &Fact::Known(true),
            &Fact::Known("luks2".to_owned()),
            &Fact::Known(Protector::Tpm),
            &Fact::Known(false),
        );
        ensure!(facts == right, "{volume:?}");
    }
    let disk = check(status, "disk-encryption").context("no such check")?;
    ensure!(disk.0 == Tier::Affirming, "{disk:?}");
    Ok(())
}

#[test]
fn sandboxed_service_reports_true_facts() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (machine, status) = Machine::enrolled(&testbed, &Setup::default())?;
    // `active` with `Type=notify` means that the service has sent READY=1.
    let state = machine.property(SERVICE, "ActiveState")?;
    ensure!(state == "active", "{state}\n{}", machine.console());
    let user = fs::read_to_string(machine.path("/etc/passwd"))?;
    let user = user.lines().find_map(|line| line.strip_prefix("vitalsign:x:")?.split(':').next());
    let pid = machine.property(SERVICE, "MainPID")?;
    let process = fs::read_to_string(machine.path(&format!("/proc/{pid}/status")))?;
    for (field, value) in [
        ("Uid:", user.context("sysusers made no user")?),
        // NET_ADMIN and DAC_READ_SEARCH.
        ("CapEff:", "0000000000001004"),
        ("NoNewPrivs:", "1"),
        ("Seccomp:", "2"),
    ] {
        let line = process.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        ensure!(line.split_whitespace().next() == Some(value), "{field} {line}, not {value}");
    }

    ensure!(!machine.path(TOKEN).exists(), "a device that has enrolled keeps no token");

    root_is_encrypted(&status)?;
    let facts = posture(&status)?;

    // The other facts are those that root reads outside of the sandbox.
    ensure!(facts.key.storage == Fact::Known(KeyStorage::Tpm), "{:?}", facts.key);
    let outside: Value = serde_json::from_slice(&machine.run("vitalsign", &["check", "--json"])?.stdout)?;
    let outside = outside.get("posture").context("posture")?;
    let inside = serde_json::to_value(facts)?;
    let known_to_service_only = "security_updates_since";
    let without = |facts: &Value, submodule: &str| {
        let mut facts = facts.get(submodule).cloned();
        facts.as_mut().and_then(Value::as_object_mut).map(|facts| facts.remove(known_to_service_only));
        facts
    };
    for submodule in ["os", "disk", "edr", "firewall", "lock", "boot", "agent"] {
        let (inside, outside) = (without(&inside, submodule), without(outside, submodule));
        ensure!(inside.is_some() && inside == outside, "{submodule}: {inside:?}, as root {outside:?}");
    }
    let enrolment = status.enrolment.context("an enrolment")?.to_string();
    let shown: Value = serde_json::from_str(&testbed.administer(&["device", "show", &enrolment, "--json"])?)?;
    ensure!(shown.to_string().contains("disk-encryption"), "{shown}");

    // The host name is that outside of the sandbox, also after a change: a separate UTS namespace would keep the first one.
    let said = shown.get("host_name").and_then(Value::as_str);
    let host_name = fs::read_to_string("/proc/sys/kernel/hostname")?;
    let default = matches!(host_name.trim(), "localhost" | "localhost.localdomain" | "(none)");
    ensure!(default || said == Some(host_name.trim()), "{shown}");
    let host_namespace = |pid: &str| fs::read_link(machine.path(&format!("/proc/{pid}/ns/uts")));
    ensure!(
        host_namespace(&pid)? == host_namespace("1")?,
        "the service does not see changes of the host name"
    );

    let log = machine.log();
    ensure!(log.contains("Enrolled"), "this is not the service's log: {log}");
    // There is no system bus in the machine.
    let trouble =
        |line: &&str| line.contains(" ERROR ") || (line.contains(" WARN ") && !line.contains("system bus"));
    let lines: Vec<_> = log.lines().filter(trouble).collect();
    ensure!(lines.is_empty(), "{lines:?}");
    Ok(())
}

#[test]
fn sandbox_reads_block_devices_and_writes_none() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (machine, _) = Machine::enrolled(&testbed, &Setup::default())?;
    let before = fs::read(machine.disk())?;
    let device = machine.device()?;
    let script =
        format!("id -u; head -c 4 {device} | od -An -tx1; dd if=/dev/zero of={device} bs=512 count=1 2>&1");
    for user in ["vitalsign", "root"] {
        let (said, status) = machine.in_sandbox(&format!("User={user}"), &script, || Ok(()))?;
        let lines: Vec<_> = said.lines().map(str::trim).collect();
        ensure!((user == "root") == (lines.first() == Some(&"0")), "{user}: {said}");
        ensure!(lines.get(1) == Some(&"4c 55 4b 53"), "{user}: {said}");
        // Root owns the device: only the sandbox is in its way.
        let refused = if user == "root" { "Operation not permitted" } else { "Permission denied" };
        ensure!(lines.get(2).is_some_and(|line| line.ends_with(refused)), "{user}: {said}");
        ensure!(status != "0", "{user}: {said}");
    }
    ensure!(fs::read(machine.disk())? == before, "the device was written");
    Ok(())
}

#[test]
fn tpm_node_made_after_the_start_is_usable() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (machine, _) = Machine::enrolled(&testbed, &Setup::default())?;
    // Misc minor 224 is the first TPM's. Its resource manager and all other TPMs have the major number "tpm", which is
    // there only with a TPM driver.
    let mut nodes = vec![("10", "224", true), ("10", "183", false), ("5", "1", false)];
    let devices = fs::read_to_string("/proc/devices")?;
    let major = devices.lines().find_map(|line| line.trim().strip_suffix(" tpm"));
    match major {
        Some(major) => nodes.push((major, "65536", true)),
        None => println!("NOT TESTED: /dev/tpmrm0, because this kernel has no TPM driver"),
    }
    for (major, minor, usable) in nodes {
        let script = "until [ -e /run/node ]; do :; done; exec 3<>/run/node";
        let (said, _) = machine.in_sandbox("", script, || {
            let make = "mknod -m 0660 /run/new c $0 $1 && chgrp tss /run/new && mv /run/new /run/node";
            let made = machine.run("bash", &["-c", make, major, minor])?;
            ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            Ok(())
        })?;
        fs::remove_file(machine.path("/run/node"))?;
        // Without a device the answer is another error.
        let refused = said.contains("Operation not permitted");
        ensure!(refused != usable, "{major}:{minor}: {said}");
    }
    Ok(())
}

#[test]
fn busy_service_lives_and_hung_one_restarts() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let setup = Setup { service: "WatchdogSec=6\nRestartSec=100ms\nStartLimitBurst=100", ..Setup::default() };
    let (machine, first) = Machine::enrolled(&testbed, &setup)?;
    let restarts = || machine.property(SERVICE, "NRestarts");

    // Clients and mounts that come and go leave it no pause as long as half the watchdog's limit.
    let events = "(while [ ! -e /run/calm ]; do vitalsign report; mount -t tmpfs tmpfs /mnt; umount /mnt; done) \
                  >/dev/null 2>&1 &";
    machine.run("bash", &["-c", events])?;
    let mut signs_of_life = BTreeSet::new();
    wait_for("signs of life of a busy service", LIMIT, || {
        signs_of_life.insert(machine.property(SERVICE, "WatchdogTimestampMonotonic")?);
        Ok((signs_of_life.len() > 4).then_some(()))
    })
    .with_context(|| machine.console())?;
    ensure!(restarts()? == "0", "{}\n{}", machine.console(), machine.log());
    fs::write(machine.path("/run/calm"), "")?;

    // A process that hangs, and one that is gone.
    for (signal, count) in [("STOP", "1"), ("KILL", "2")] {
        machine.systemctl(&["kill", "--kill-whom=main", "--signal", signal, SERVICE])?;
        let restarted = wait_for("the restart", LIMIT, || Ok((restarts()? == count).then_some(())));
        restarted.with_context(|| format!("{signal}\n{}", machine.console()))?;
        let status = machine.until("a report", |status| status.standing == AgentState::Reporting)?;
        ensure!(status.enrolment == first.enrolment, "{signal}: enrolled again");
    }
    ensure!(machine.console().contains("Watchdog timeout"), "{}", machine.console());
    let devices: Value = serde_json::from_str(&testbed.administer(&["device", "list", "--json"])?)?;
    ensure!(devices.as_array().is_some_and(|devices| devices.len() == 1), "{devices}");

    machine.systemctl(&["stop", SERVICE])?;
    // After `TimeoutStopSec` it would be `timeout`.
    for (name, value) in [("Result", "success"), ("ActiveState", "inactive")] {
        let found = machine.property(SERVICE, name)?;
        ensure!(found == value, "{name}={found}\n{}", machine.console());
    }
    Ok(())
}

#[test]
fn hungry_program_answers_and_greedy_one_dies() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (machine, _) = Machine::enrolled(&testbed, &memory::SETUP)?;
    memory::hungry_program_answers(&machine)?;
    memory::greedy_program_dies_alone(&machine)
}

#[test]
fn helper_asks_what_only_root_may_ask() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let (machine, _) = Machine::enrolled(&testbed, &root_question::SETUP)?;
    root_question::product_answers_root(&machine)
}

#[test]
fn sandboxed_service_reads_legacy_filter() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let machine = Machine::boot(&testbed, &Setup::default())?;
    legacy_filter::is_read(&machine)
}

/// The same unit where control groups, device mapper and TPM device are those of a usual system's kernel: in a guest.
#[test]
fn guest_has_encrypted_root_and_late_tpm_device() -> Result<()> {
    if std::env::var_os("VITALSIGN_GUEST").is_none() {
        return in_a_guest("guest_has_encrypted_root_and_late_tpm_device");
    }
    let mut testbed = Testbed::with_simulated_tpm()?;
    let Tpm::Simulated(tpm) = std::mem::replace(&mut testbed.tpm, Tpm::Chip) else { bail!("a chip") };
    let state = format!("dir={}", tpm.dir.join("tpm").display());
    drop(tpm);
    let machine = Machine::boot(&testbed, &memory::SETUP)?;
    machine.until("no TPM", |status| matches!(status.standing, AgentState::KeyTrouble { .. }))?;

    // The same TPM, now behind the kernel's driver; and what udev does when it sees one.
    let mut chip = Command::new("swtpm");
    let chip = chip.args(["chardev", "--vtpm-proxy", "--tpm2", "--tpmstate", &state]);
    let _chip = Child::start(chip)?;
    for node in ["/dev/tpm0", "/dev/tpmrm0"] {
        wait_for(node, LIMIT, || Ok(std::path::Path::new(node).exists().then_some(())))?;
        let given = machine.run("bash", &["-ec", "chgrp tss $0; chmod 0660 $0", node])?;
        ensure!(given.status.success(), "{}", String::from_utf8_lossy(&given.stderr));
    }
    machine.run("vitalsign", &["report"])?;
    let status = machine.until("the first verdict", |status| status.standing == AgentState::Reporting)?;
    ensure!(machine.property(SERVICE, "NRestarts")? == "0", "{}", machine.console());
    ensure!(posture(&status)?.key.storage == Fact::Known(KeyStorage::Tpm), "{:?}", posture(&status)?.key);

    root_is_encrypted(&status)?;
    memory::hungry_program_answers(&machine)?;
    memory::greedy_program_dies_alone(&machine)
}

#[test]
fn machine_leaves_nothing_behind() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let machine = Machine::boot(&testbed, &Setup::default())?;
    let backing = format!("/sys/block/{}/loop/backing_file", machine.device()?.trim_start_matches("/dev/"));
    ensure!(fs::read_to_string(&backing)?.trim() == machine.disk().to_string_lossy(), "{backing}");
    let (process, groups) = (machine.path(""), machine.groups()?);
    ensure!(
        process.exists() && !groups.is_empty() && groups.iter().all(|group| group.exists()),
        "{groups:?}"
    );
    drop(machine);
    ensure!(!process.exists(), "its processes live on");
    let left: Vec<_> = groups.iter().filter(|group| group.exists()).collect();
    ensure!(left.is_empty(), "{left:?}");
    // The kernel detaches the device after its last user has gone.
    wait_for("the loop device to be free", LIMIT, || {
        Ok((!std::path::Path::new(&backing).exists()).then_some(()))
    })
}

#[test]
fn shipped_units_pass_systemd_analyze() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let machine = Machine::boot(&testbed, &Setup::default())?;
    let units: Vec<_> = SHIPPED.iter().map(|unit| shipped(unit).to_string_lossy().into_owned()).collect();
    let units: Vec<_> = units.iter().map(String::as_str).collect();
    let verified = machine.run("systemd-analyze", &[&["verify", "--man=no"], units.as_slice()].concat())?;
    let said = String::from_utf8_lossy(&verified.stderr);
    ensure!(verified.status.success() && said.is_empty(), "{said}");
    // Tenths of the exposure from 0.0 to 10.0.
    let analyze = ["security", "--offline=yes", "--threshold=29", "--no-pager"];
    let mut command = Command::new("systemd-analyze");
    let secured =
        command.args(analyze).args(units.iter().filter(|unit| unit.ends_with(".service"))).output()?;
    let said = String::from_utf8_lossy(&secured.stdout);
    let exposure: Vec<_> = said.lines().filter(|line| line.contains("exposure")).collect();
    ensure!(secured.status.success(), "{exposure:?}");
    Ok(())
}
