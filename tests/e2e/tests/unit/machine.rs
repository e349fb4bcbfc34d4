//! A machine with a real systemd as its first process, in private namespaces of processes, mounts and control groups,
//! which runs the shipped units. It has this system's files, network and devices.

use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use vitalsign_e2e::{Testbed, Tpm, wait_for};
use vitalsign_ipc::{AgentState, Status};
use vitalsign_simulated_key::process::program;
use vitalsign_tpm_client::testing::{Pass, Proxy};

/// The shipped units, in `installers/linux`.
pub(crate) const SHIPPED: &[&str] = &[
    "vitalsign.service",
    "vitalsign-helper.socket",
    "vitalsign-helper@.service",
    "vitalsign-helper-network.socket",
    "vitalsign-helper-network@.service",
];
/// The service among them.
pub(crate) const SERVICE: &str = "vitalsign.service";
/// Time limit for every wait, also in a guest on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// The enrolment token, where the sample configuration has it.
pub(crate) const TOKEN: &str = "/var/lib/vitalsign/enrolment-token";

/// Targets that the shipped units refer to. Here they hold nothing.
const TARGETS: [&str; 6] = [
    "basic.target",
    "network-online.target",
    "shutdown.target",
    "sysinit.target",
    "tpm2.target",
    "sockets.target",
];
const REASON: &str = "root, systemd, and a system where `unshare --pid --mount --cgroup` works";

/// Differences of a machine from one on which the shipped files were just installed.
#[derive(Default)]
pub(crate) struct Setup {
    /// Lines of a drop-in for the service, below `[Service]`.
    pub(crate) service: &'static str,
    /// Programs: absolute path, and script.
    pub(crate) programs: &'static [(&'static str, &'static str)],
    /// Further units: name, and text. They start at boot.
    pub(crate) units: &'static [(&'static str, &'static str)],
    /// Nothing was installed. The settings and the token are there, as management has delivered them.
    pub(crate) without_agent: bool,
}

/// It ends, with all its processes, when this goes.
pub(crate) struct Machine {
    folder: PathBuf,
    hold: Child,
    /// Process ID of its systemd.
    init: u32,
    _tpm: Option<Proxy>,
}

impl Machine {
    /// Boots a machine whose agent finds its configuration, its enrolment token and the testbed's TPM.
    pub(crate) fn boot(testbed: &Testbed, setup: &Setup) -> Result<Self> {
        let tpm = match &testbed.tpm {
            // The sandbox has the socket's folder, and its user may not open it.
            Tpm::Simulated(tpm) => Some(Proxy::start(tpm, |_, _| Pass::On)),
            Tpm::Chip => None,
        };
        let folder = testbed.folder().join("machine");
        lay_out(&folder, testbed, tpm.as_ref().map_or("auto", |tpm| &tpm.spec), setup)?;
        let hold = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/unit/hold.sh");
        let mut hold = Command::new(hold);
        // A separate process group, so that a signal to the test's group does not keep it from tidying up.
        let hold = hold.arg(&folder).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut hold = hold.spawn().context(REASON)?;
        let mut line = String::new();
        BufReader::new(hold.stdout.take().context("its output")?).read_line(&mut line)?;
        let init = line.trim().strip_prefix("init ").and_then(|id| id.parse().ok());
        let machine = Self { folder, hold, init: init.unwrap_or_default(), _tpm: tpm };
        ensure!(init.is_some(), "no machine: it needs {REASON}\n{}", machine.console());
        let booted = wait_for("systemd", LIMIT, || {
            ensure!(machine.runs(), "systemd has ended");
            Ok(machine.systemctl(&["is-active", "default.target"]).ok())
        });
        booted.with_context(|| format!("{REASON}\n{}", machine.console()))?;
        Ok(machine)
    }

    /// The same, with an agent that has enrolled and reported.
    pub(crate) fn enrolled(testbed: &Testbed, setup: &Setup) -> Result<(Self, Status)> {
        let machine = Self::boot(testbed, setup)?;
        let status = machine.until("the first verdict", |status| status.standing == AgentState::Reporting)?;
        Ok((machine, status))
    }

    fn runs(&self) -> bool {
        Path::new(&format!("/proc/{}", self.init)).exists()
    }

    /// Messages of systemd.
    pub(crate) fn console(&self) -> String {
        fs::read_to_string(self.folder.join("console")).unwrap_or_default()
    }

    /// Output of the service.
    pub(crate) fn log(&self) -> String {
        self.log_of(SERVICE)
    }

    /// The block device with the LUKS header.
    pub(crate) fn device(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join("device"))?.trim().to_owned())
    }

    /// The image behind that device.
    pub(crate) fn disk(&self) -> PathBuf {
        self.folder.join("disk")
    }

    /// Folders of the machine's control groups, from outside.
    pub(crate) fn groups(&self) -> Result<Vec<PathBuf>> {
        let name = format!("vitalsign-test-{}", self.hold.id());
        let found = Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", &name]).output()?;
        Ok(String::from_utf8(found.stdout)?.lines().map(PathBuf::from).collect())
    }

    /// Path of a file of the machine, from outside.
    pub(crate) fn path(&self, absolute: &str) -> PathBuf {
        format!("/proc/{}/root{absolute}", self.init).into()
    }

    /// Runs a program in the machine, as root and outside of every unit; gives what it printed.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new("nsenter");
        command
            .args(["--pid", "--mount", "--cgroup", "--ipc", "--uts", "--root", "--wd", "--target"])
            .arg(self.init.to_string());
        Ok(command.arg(program).args(arguments).output()?)
    }

    pub(crate) fn systemctl(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run("systemctl", arguments)?;
        let heard = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "systemctl {}: {heard}", arguments.join(" "));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// A property of a unit, as `systemctl show` prints it.
    pub(crate) fn property(&self, unit: &str, name: &str) -> Result<String> {
        self.systemctl(&["show", "--value", "--property", name, unit])
    }

    /// Returns the output of `vitalsign status` in the machine; `None` without a service or answer.
    pub(crate) fn status(&self) -> Result<Option<Status>> {
        Ok(serde_json::from_slice(&self.run("vitalsign", &["status", "--json"])?.stdout).ok())
    }

    /// Waits until the agent is idle and has this status.
    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Result<Status> {
        let mut last = None;
        let seen = wait_for(what, LIMIT, || {
            let status = self.status()?;
            last.clone_from(&status);
            Ok(status.filter(|status| !status.busy && wanted(status)))
        });
        seen.with_context(|| {
            let standing = last.map(|status| status.standing);
            format!("last seen: {standing:?}\n{}\n{}", self.console(), self.log())
        })
    }

    /// Installs a shipped unit, its user and its program, as a package does. It does not start the unit.
    pub(crate) fn install(&self, unit: &str, users: &str, name: &str, lines: &str) -> Result<()> {
        fs::copy(shipped(unit), self.folder.join("units").join(unit))?;
        drop_in(&self.folder, unit, lines)?;
        let script = "touch /usr/bin/$0 && mount --bind $1 /usr/bin/$0 && systemd-sysusers $2";
        let (program, users) = (program(name)?, shipped(users));
        let arguments = ["-c", script, name, &program.to_string_lossy(), &users.to_string_lossy()];
        let output = self.run("bash", &arguments)?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.systemctl(&["daemon-reload"])?;
        Ok(())
    }

    /// Adds lines to a service.
    pub(crate) fn add(&self, unit: &str, lines: &str) -> Result<()> {
        drop_in(&self.folder, unit, lines)?;
        self.systemctl(&["daemon-reload"])?;
        Ok(())
    }

    /// Output of a unit.
    pub(crate) fn log_of(&self, unit: &str) -> String {
        fs::read_to_string(self.folder.join(format!("{unit}.log"))).unwrap_or_default()
    }

    /// Runs a script in a copy of the shipped service: the same sandbox around another program. `more` are lines that
    /// come on top. `meanwhile` runs once the script does. Returns its output, and its exit status.
    pub(crate) fn in_sandbox(
        &self,
        more: &str,
        script: &str,
        meanwhile: impl FnOnce() -> Result<()>,
    ) -> Result<(String, String)> {
        const COPY: &str = "copy.service";
        let output = self.folder.join(format!("{COPY}.log"));
        fs::write(&output, "")?;
        fs::write(self.folder.join("script"), script)?;
        fs::copy(shipped(SERVICE), self.folder.join("units").join(COPY))?;
        // Its folder in /run would end with the copy.
        let lines = format!(
            "Type=exec\nRestart=no\nWatchdogSec=0\nRemainAfterExit=no\nRuntimeDirectory=\nExecStart=\n\
             ExecStart=/bin/bash {}\n{more}\n",
            self.folder.join("script").display()
        );
        drop_in(&self.folder, COPY, &lines)?;
        self.systemctl(&["daemon-reload"])?;
        self.systemctl(&["start", COPY]).with_context(|| self.console())?;
        meanwhile()?;
        wait_for("the script", LIMIT, || {
            let state = self.property(COPY, "ActiveState")?;
            Ok(["inactive", "failed"].contains(&state.as_str()).then_some(()))
        })?;
        Ok((fs::read_to_string(output)?, self.property(COPY, "ExecMainStatus")?))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.hold.stdin.take());
        let _ = self.hold.wait();
    }
}

/// Path of a shipped file.
pub(crate) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../installers/linux").join(name)
}

/// Writes the machine's folder, which `boot.sh` describes.
fn lay_out(folder: &Path, testbed: &Testbed, tpm: &str, setup: &Setup) -> Result<()> {
    for name in ["units", "root/etc/vitalsign", "root/var/lib/vitalsign"] {
        fs::create_dir_all(folder.join(name))?;
    }
    fs::copy(shipped("vitalsign.sysusers.conf"), folder.join("sysusers.conf"))?;
    if !setup.without_agent {
        symlink(program("vitalsign")?, folder.join("agent"))?;
        symlink(program("vitalsign-helper")?, folder.join("helper"))?;
    }
    fs::write(folder.join("disk"), crate::luks::bound_to_tpm())?;

    let etc = folder.join("root/etc/vitalsign");
    let settings = format!(
        "verifier = \"{}\"\nca-file = \"/etc/vitalsign/verifier-ca.pem\"\n\
         token-file = \"{TOKEN}\"\nkey = \"{tpm}\"\nshare-names = \"host-name\"\n",
        testbed.url()
    );
    fs::write(etc.join("agent.toml"), settings)?;
    fs::copy(testbed.anchor(), etc.join("verifier-ca.pem"))?;
    fs::write(folder.join("root").join(TOKEN.trim_start_matches('/')), testbed.token(1)?)?;

    let mut wanted = String::from("[Unit]\n");
    for unit in SHIPPED {
        if !setup.without_agent {
            fs::copy(shipped(unit), folder.join("units").join(unit))?;
        }
        // A template starts with its socket, and a package starts its units.
        if !unit.contains('@') && !setup.without_agent {
            writeln!(wanted, "Wants={unit}")?;
        }
        let lines = if *unit == SERVICE { setup.service } else { "" };
        if unit.ends_with(".service") {
            drop_in(folder, unit, lines)?;
        }
    }
    for (unit, text) in setup.units {
        fs::write(folder.join("units").join(unit), text)?;
        writeln!(wanted, "Wants={unit}")?;
    }
    fs::write(folder.join("units/default.target"), wanted)?;
    for target in TARGETS {
        fs::write(folder.join("units").join(target), "[Unit]\n")?;
    }
    for (path, script) in setup.programs {
        let path = folder.join("root").join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().context("no folder")?)?;
        fs::write(&path, script)?;
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    Ok(())
}

/// Lets a service write to a file, because there is no journal, and adds lines to it.
fn drop_in(folder: &Path, unit: &str, lines: &str) -> Result<()> {
    let place = folder.join("units").join(format!("{unit}.d"));
    fs::create_dir_all(&place)?;
    let log = folder.join(format!("{unit}.log"));
    let lines =
        format!("[Service]\nStandardOutput=append:{0}\nStandardError=append:{0}\n{lines}\n", log.display());
    Ok(fs::write(place.join("test.conf"), lines)?)
}
