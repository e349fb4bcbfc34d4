//! Tests of the verifier's unit, with the sample configuration.

use crate::machine::{LIMIT, Machine, Setup, shipped};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::process::Command;
use vitalsign_e2e::{Testbed, wait_for};

const UNIT: &str = "vitalsign-verifier.service";
const CONFIG: &str = "/etc/vitalsign-verifier/verifier.toml";

/// A machine in which the verifier was installed and started.
struct Installed {
    machine: Machine,
    /// Address at which it listens.
    address: String,
    testbed: Testbed,
}

impl Installed {
    fn start(lines: &str) -> Result<Self> {
        Self::start_with(lines, "", "true")
    }

    /// Starts it with lines in a drop-in of its unit and at the end of its settings, after a script has run as root.
    fn start_with(lines: &str, settings: &str, prepare: &str) -> Result<Self> {
        let testbed = Testbed::with_simulated_tpm()?;
        let machine = Machine::boot(&testbed, &Setup::default())?;
        machine.install(UNIT, "vitalsign-verifier.sysusers.conf", "vitalsign-verifier", lines)?;
        let sample = fs::read_to_string(shipped("verifier.toml"))?;
        let changed = sample
            .replace("listen = \"[::]:8443\"", "listen = \"127.0.0.1:0\"")
            .replace("#origin = \"https://verifier.example:8443\"", "origin = \"https://localhost\"");
        ensure!(changed.contains("127.0.0.1:0") && changed.contains("https://localhost"), "{sample}");
        let changed = changed + settings;
        let certificate = "mkdir -p /etc/vitalsign-verifier && cd /etc/vitalsign-verifier && \
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=localhost \
              -addext subjectAltName=DNS:localhost -keyout tls.key -out tls.pem && \
            chown root:vitalsign-verifier tls.key && chmod 0640 tls.key && cat >verifier.toml <<<\"$0\"";
        let made = machine.run("bash", &["-c", &format!("{certificate} && {prepare}"), &changed])?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        machine.systemctl(&["start", UNIT]).with_context(|| machine.log_of(UNIT))?;
        let mut installed = Self { machine, address: String::new(), testbed };
        installed.address = installed.listening()?;
        Ok(installed)
    }

    /// Returns the address that it printed last.
    fn listening(&self) -> Result<String> {
        let log = self.machine.log_of(UNIT);
        let address = log.lines().rev().find_map(|line| line.strip_prefix("listening "));
        Ok(address.with_context(|| format!("it does not listen: {log}"))?.to_owned())
    }

    fn answers(&self) -> Result<String> {
        self.get("/healthz")
    }

    fn get(&self, path: &str) -> Result<String> {
        let port = self.address.rsplit(':').next().unwrap_or_default();
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--max-time", "60", "--cacert"])
            .arg(self.machine.path("/etc/vitalsign-verifier/tls.pem"))
            .args(["--connect-to", &format!("localhost:443:127.0.0.1:{port}")])
            .arg(format!("https://localhost{path}"))
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    fn administer(&self, arguments: &[&str]) -> Result<String> {
        let output = self.machine.run("vitalsign-verifier", &[&["--config", CONFIG], arguments].concat())?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    fn property(&self, name: &str) -> Result<String> {
        self.machine.property(UNIT, name)
    }
}

#[test]
fn verifier_serves_in_its_sandbox() -> Result<()> {
    let installed = Installed::start("")?;
    ensure!(installed.property("ActiveState")? == "active", "READY=1 was not sent");
    ensure!(installed.answers()?.contains("ok"));
    let pid = installed.property("MainPID")?;
    let process = fs::read_to_string(installed.machine.path(&format!("/proc/{pid}/status")))?;
    for (field, value) in [("CapEff:", "0000000000000000"), ("NoNewPrivs:", "1"), ("Seccomp:", "2")] {
        let line = process.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        ensure!(line.split_whitespace().next() == Some(value), "{field} {line}, not {value}");
    }
    let limits = fs::read_to_string(installed.machine.path(&format!("/proc/{pid}/limits")))?;
    let files = limits.lines().find(|line| line.starts_with("Max open files")).context("limits")?;
    // The default number of connections, however few files this machine lets its services open.
    let files: u64 = files.split_whitespace().nth(3).context("limits")?.parse()?;
    ensure!(files > 4096 && installed.property("LimitNOFILE")? == "65536", "{files}");

    // Root administers it while it runs, and leaves no file behind that it cannot read.
    ensure!(installed.administer(&["enrol-token", "create"])?.starts_with("vse_"));
    let others = "find /var/lib/vitalsign-verifier ! -user vitalsign-verifier -o -perm /077";
    let found = installed.machine.run("bash", &["-c", others])?;
    ensure!(found.status.success() && found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
    installed.machine.systemctl(&["restart", UNIT]).with_context(|| installed.machine.log_of(UNIT))?;
    ensure!(installed.administer(&["enrol-token", "list"])?.contains("good"));

    installed.machine.systemctl(&["stop", UNIT])?;
    let ended = (installed.property("Result")?, installed.property("ExecMainStatus")?);
    ensure!(ended == ("success".into(), "0".into()), "{ended:?}\n{}", installed.machine.log_of(UNIT));
    Ok(())
}

#[test]
fn verifier_reloads_and_the_watchdog_restarts_it() -> Result<()> {
    let installed = Installed::start("WatchdogSec=5\nRestartSec=0\n")?;
    let pid = installed.property("MainPID")?;
    installed.machine.systemctl(&["reload", UNIT])?;
    wait_for("the reload", LIMIT, || {
        Ok(installed.machine.log_of(UNIT).contains("policies and roots were read again").then_some(()))
    })?;
    ensure!(installed.property("MainPID")? == pid, "a reload is no restart");
    ensure!(installed.answers()?.contains("ok"));

    // It tells that it is alive, again and again.
    for _ in 0..2 {
        let told = installed.property("WatchdogTimestampMonotonic")?;
        wait_for("a sign of life", LIMIT, || {
            Ok((installed.property("WatchdogTimestampMonotonic")? != told).then_some(()))
        })?;
    }
    ensure!(installed.property("NRestarts")? == "0", "{}", installed.machine.log_of(UNIT));

    // A process that hangs is replaced.
    let stopped = installed.machine.run("kill", &["-STOP", &pid])?;
    ensure!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
    wait_for("another process", LIMIT, || {
        // In this order, because the former process is active until it is killed.
        let other = ![pid.as_str(), "0"].contains(&installed.property("MainPID")?.as_str());
        Ok((other && installed.property("ActiveState")? == "active").then_some(()))
    })?;
    ensure!(installed.property("NRestarts")? != "0");
    let installed = Installed { address: installed.listening()?, ..installed };
    ensure!(installed.answers()?.contains("ok"));
    Ok(())
}

#[test]
fn keys_open_with_a_sealed_credential_only() -> Result<()> {
    const CREDENTIAL: &str = "LoadCredentialEncrypted=kek:/etc/vitalsign-verifier/kek.cred";
    const SEAL: &str = "head -c 32 /dev/urandom | \
        systemd-creds encrypt --with-key=host --name=kek - /etc/vitalsign-verifier/kek.cred";
    let settings = "\n[keys]\nkek_credential = \"kek\"\n";
    let installed = Installed::start_with(&format!("{CREDENTIAL}\n"), settings, SEAL)?;
    let keys = installed.get("/jwks")?;
    ensure!(keys.contains("\"kid\""), "{keys}");
    let files = installed.machine.run("find", &["/var/lib/vitalsign-verifier", "-name", "k*"])?;
    ensure!(files.status.success() && files.stdout.is_empty(), "{}", String::from_utf8_lossy(&files.stdout));
    installed.machine.systemctl(&["restart", UNIT]).with_context(|| installed.machine.log_of(UNIT))?;
    let installed = Installed { address: installed.listening()?, ..installed };
    ensure!(installed.get("/jwks")? == keys, "the keys are others after a restart");

    // Commands ask the verifier, which has the credential. A backup opens the keys itself, and gets it from systemd, too.
    installed.administer(&["enrol-token", "create"])?;
    ensure!(installed.administer(&["signing-key", "list"])?.contains("active"), "no key signs");
    let recipient = installed.administer(&["backup-key", "/etc/vitalsign-verifier/key.txt"])?;
    let file = "/var/lib/vitalsign-verifier/one.age";
    let backup = ["vitalsign-verifier", "--config", CONFIG, "backup", file, "--recipient", recipient.trim()];
    let without = installed.machine.run(backup[0], &backup[1..])?;
    let said = String::from_utf8_lossy(&without.stderr);
    ensure!(!without.status.success() && said.contains("no credentials"), "{said}");
    let folder = installed.testbed.folder().join("machine");
    let log = folder.join("backup.log");
    let unit = format!(
        "[Service]\nType=oneshot\nUser=vitalsign-verifier\n{CREDENTIAL}\nExecStart=/usr/bin/{}\n\
         StandardOutput=append:{1}\nStandardError=append:{1}\n",
        backup.join(" "),
        log.display()
    );
    fs::write(folder.join("units/backup.service"), unit)?;
    installed.machine.systemctl(&["daemon-reload"])?;
    let started = installed.machine.systemctl(&["start", "backup.service"]);
    let said = fs::read_to_string(log)?;
    ensure!(started.is_ok() && installed.machine.path(file).exists(), "{said}");

    // Another key opens nothing.
    let other = installed.machine.run("bash", &["-c", SEAL])?;
    ensure!(other.status.success(), "{}", String::from_utf8_lossy(&other.stderr));
    ensure!(installed.machine.systemctl(&["restart", UNIT]).is_err(), "it starts with another key");
    let log = installed.machine.log_of(UNIT);
    ensure!(log.contains("signing-key rewrap"), "{log}");
    Ok(())
}

#[test]
fn verifier_unit_passes_systemd_analyze() -> Result<()> {
    let unit = shipped(UNIT);
    // Tenths of the exposure from 0.0 to 10.0.
    let analyze = ["security", "--offline=yes", "--threshold=20", "--no-pager"];
    let output = Command::new("systemd-analyze").args(analyze).arg(unit).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let exposure: Vec<_> = said.lines().filter(|line| line.contains("exposure")).collect();
    ensure!(output.status.success(), "{exposure:?}");
    Ok(())
}
