//! A guest: a virtual machine with UEFI, Secure Boot and a TPM, which boots Debian from its disk. The QEMU guest agent in it
//! runs commands, which come over a serial port. Its only network is the verifier's port.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use vitalsign_e2e::{Child, wait_for};

/// Password of the encrypted disk, as in `tests/vm/image.sh`.
pub(crate) const PASSWORD: &str = "correct horse";
/// Time limit for a boot and for every command: emulation on a busy machine is slow.
const LIMIT: Duration = Duration::from_secs(300);
/// Address at which the guest reaches the host's port.
const HOST: &str = "10.0.2.100";

/// Hardware of a guest.
pub(crate) struct Hardware<'a> {
    /// `encrypted` or `plain`.
    pub(crate) disk: &'static str,
    pub(crate) secure_boot: bool,
    /// State of the TPM.
    pub(crate) tpm: &'a Path,
    /// Second disk, read-only.
    pub(crate) delivery: &'a Path,
    /// Port of the host that the guest may connect to.
    pub(crate) port: u16,
}

/// It ends when this goes, as by a power cut.
pub(crate) struct Guest {
    folder: PathBuf,
    arguments: Vec<String>,
    tpm: PathBuf,
    power: Option<Power>,
    /// Port of the host that leads to port 8080 of the guest.
    pub(crate) inbound: u16,
}

/// A guest that runs.
struct Power {
    qemu: Child,
    _swtpm: Child,
    keyboard: ChildStdin,
    screen: Arc<Mutex<String>>,
    agent: BufReader<UnixStream>,
}

/// Text that a command printed, and its exit status.
pub(crate) struct Output {
    pub(crate) status: i64,
    pub(crate) text: String,
}

impl Guest {
    /// Makes a guest with copies of the image's disks, and boots it.
    pub(crate) fn boot(folder: &Path, hardware: &Hardware<'_>) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let image = run(&mut Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../vm/image.sh")))?;
        let image = Path::new(image.trim());
        let base = image.join(format!("{}.qcow2", hardware.disk));
        let disk = folder.join("disk.qcow2");
        run(Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"])
            .args([&base, &disk])
            .args(["4G"]))?;
        let scratch = folder.join("scratch.qcow2");
        run(Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&scratch).arg("64M"))?;
        let variables = if hardware.secure_boot { "OVMF_VARS_4M.ms.fd" } else { "OVMF_VARS_4M.fd" };
        std::fs::copy(Path::new("/usr/share/OVMF").join(variables), folder.join("variables"))?;
        let inbound = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let port = hardware.port;
        let path = |name: &str| folder.join(name).display().to_string();
        let arguments = [
            "-nodefaults -no-user-config -display none -serial stdio -boot menu=off",
            "-machine q35,sata=off,smbus=off,usb=off,hpet=off,vmport=off,graphics=off,smm=off",
            "-accel tcg,thread=multi,tb-size=256 -cpu max,la57=off -smp 2 -m 1536",
            "-drive if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd",
            &format!("-drive if=pflash,format=raw,unit=1,file={}", path("variables")),
            &format!("-chardev socket,id=tpm,path={}", path("tpm.sock")),
            "-tpmdev emulator,id=tpm0,chardev=tpm -device tpm-crb,tpmdev=tpm0",
            &format!("-drive if=none,id=root,file={},format=qcow2,cache=writeback", path("disk.qcow2")),
            "-device virtio-blk-pci,drive=root,bootindex=1",
            &format!(
                "-drive if=none,id=delivery,file={},format=raw,readonly=on",
                hardware.delivery.display()
            ),
            "-device virtio-blk-pci,drive=delivery",
            &format!("-drive if=none,id=scratch,file={},format=qcow2", path("scratch.qcow2")),
            "-device virtio-blk-pci,drive=scratch",
            &format!("-netdev user,id=net,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:{inbound}-:8080,"),
            "-device virtio-net-pci,netdev=net,romfile= -device virtio-rng-pci -device virtio-serial-pci",
            &format!("-chardev socket,id=agent,path={},server=on,wait=off", path("agent.sock")),
            "-device virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            &format!("-qmp unix:{},server=on,wait=off", path("qmp.sock")),
            // More processors than were there at the start are not looked for, which an emulated firmware would wait for.
            "-fw_cfg name=opt/org.tianocore/X-Cpuhp-Bugcheck-Override,string=yes",
        ];
        let mut arguments: Vec<_> =
            arguments.iter().flat_map(|line| line.split(' ')).map(str::to_owned).collect();
        let forward = format!("guestfwd=tcp:{HOST}:{port}-cmd:busybox nc 127.0.0.1 {port}");
        for argument in &mut arguments {
            if argument.starts_with("user,id=net") {
                argument.push_str(&forward);
            }
        }
        let mut guest =
            Self { folder: folder.to_owned(), arguments, tpm: hardware.tpm.to_owned(), power: None, inbound };
        guest.power_on()?;
        Ok(guest)
    }

    /// Gives it power. The password is typed if the disk asks for it; returns whether it did.
    pub(crate) fn power_on(&mut self) -> Result<bool> {
        let path = |name: &str| self.folder.join(name);
        let swtpm = Child::start(Command::new("swtpm").args(["socket", "--tpm2", "--terminate"]).args([
            "--tpmstate",
            &format!("dir={}", self.tpm.display()),
            "--ctrl",
            &format!("type=unixio,path={}", path("tpm.sock").display()),
        ]))?;
        wait_for("the TPM", LIMIT, || Ok(path("tpm.sock").exists().then_some(())))?;
        let mut qemu = Command::new("qemu-system-x86_64");
        let (qemu, keyboard, output) = Child::start_talking(qemu.args(&self.arguments))?;
        let screen = Arc::new(Mutex::new(String::new()));
        follow(output, Arc::clone(&screen), path("console"))?;
        let agent = wait_for("the machine", LIMIT, || Ok(UnixStream::connect(path("agent.sock")).ok()))?;
        let agent = BufReader::new(agent);
        self.power = Some(Power { qemu, _swtpm: swtpm, keyboard, screen, agent });
        self.until_up(0)
    }

    /// Takes its power away.
    pub(crate) fn power_off(&mut self) {
        self.power = None;
        for name in ["agent.sock", "tpm.sock", "qmp.sock"] {
            // A socket that is left would look like one that listens.
            let _ = std::fs::remove_file(self.folder.join(name));
        }
    }

    /// Restarts its system; returns whether the disk's password was asked for.
    pub(crate) fn reboot(&mut self) -> Result<bool> {
        let before = self.screen().len();
        let boot = "cat /proc/sys/kernel/random/boot_id";
        let was = self.run(boot)?.text;
        self.start("systemctl reboot")?;
        let asked = self.until_up(before)?;
        ensure!(self.run(boot)?.text != was, "it did not restart");
        Ok(asked)
    }

    /// Waits for the guest agent. `seen` is the length of what was on the console before.
    fn until_up(&mut self, seen: usize) -> Result<bool> {
        let (mut asked, mut typed_at) = (false, None::<Instant>);
        wait_for("the guest to be up", LIMIT, || {
            let power = self.power.as_mut().context("no power")?;
            ensure!(power.qemu.runs(), "the machine has ended");
            let screen = power.screen.lock().unwrap_or_else(PoisonError::into_inner);
            let new = screen.get(seen..).unwrap_or_default();
            // Before that, the guest does not read the agent's port, and its buffer would fill.
            let is_up = new.contains(" login: ");
            // Each letter shows as a star. The terminal discards letters that come before the prompt is ready.
            let prompt = new.split_once("Please enter passphrase");
            let wanted = prompt.is_some_and(|(_, typed)| !typed.contains('*'));
            asked |= prompt.is_some();
            drop(screen);
            if wanted && typed_at.is_none_or(|at| at.elapsed() > Duration::from_secs(2)) {
                typed_at = Some(Instant::now());
                writeln!(power.keyboard, "{PASSWORD}")?;
            }
            if !is_up {
                return Ok(None);
            }
            Ok(self.synchronise().ok())
        })
        .with_context(|| tail(&self.screen()))?;
        Ok(asked)
    }

    /// Text on its console since the power came.
    pub(crate) fn screen(&self) -> String {
        let screen = self
            .power
            .as_ref()
            .map(|power| power.screen.lock().unwrap_or_else(PoisonError::into_inner).clone());
        screen.unwrap_or_default()
    }

    /// Throws away what the agent said before, and makes sure that it answers.
    fn synchronise(&mut self) -> Result<()> {
        let number = u64::from(std::process::id()) + u64::try_from(self.screen().len())?;
        let stream = &mut self.power.as_mut().context("no power")?.agent;
        stream.get_mut().set_read_timeout(Some(Duration::from_secs(3)))?;
        // 0xFF makes the agent forget a half-read request.
        stream.get_mut().write_all(b"\xff")?;
        let request = json!({"execute": "guest-sync", "arguments": {"id": number}});
        stream.get_mut().write_all(format!("{request}\n").as_bytes())?;
        loop {
            let mut line = Vec::new();
            ensure!(stream.read_until(b'\n', &mut line)? > 0, "the agent is gone");
            if serde_json::from_slice::<Value>(&line)
                .is_ok_and(|answer| answer.get("return") == Some(&json!(number)))
            {
                return Ok(());
            }
        }
    }

    fn ask(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let stream = &mut self.power.as_mut().context("no power")?.agent;
        stream.get_mut().set_read_timeout(Some(LIMIT))?;
        let request = json!({"execute": command, "arguments": arguments});
        stream.get_mut().write_all(format!("{request}\n").as_bytes())?;
        let mut line = String::new();
        ensure!(stream.read_line(&mut line)? > 0, "the agent is gone");
        let mut answer: Value = serde_json::from_str(&line)?;
        answer.get_mut("return").map(Value::take).with_context(|| format!("{command}: {line}"))
    }

    /// Starts a shell command as root; returns its process ID.
    fn start(&mut self, command: &str) -> Result<Value> {
        let arguments = json!({"path": "/bin/bash", "arg": ["-c", command], "capture-output": true});
        let started = self.ask("guest-exec", &arguments)?;
        started.get("pid").cloned().context("no process")
    }

    /// Runs a shell command as root.
    pub(crate) fn try_run(&mut self, command: &str) -> Result<Output> {
        let pid = self.start(command)?;
        let end = Instant::now() + LIMIT;
        let done = loop {
            let state = self.ask("guest-exec-status", &json!({"pid": pid}))?;
            if state.get("exited") == Some(&json!(true)) {
                break state;
            }
            ensure!(Instant::now() < end, "{command}: no end");
        };
        let mut text = String::new();
        for name in ["out-data", "err-data"] {
            let data = done.get(name).and_then(Value::as_str).unwrap_or_default();
            text.push_str(&String::from_utf8_lossy(&STANDARD.decode(data)?));
        }
        Ok(Output { status: done.get("exitcode").and_then(Value::as_i64).unwrap_or(-1), text })
    }

    /// Runs a shell command as root, which has to succeed.
    pub(crate) fn run(&mut self, command: &str) -> Result<Output> {
        let output = self.try_run(command)?;
        ensure!(output.status == 0, "{command}: {}: {}", output.status, output.text);
        Ok(output)
    }

    /// Pulls the network cable, or puts it back.
    pub(crate) fn set_cable(&self, plugged: bool) -> Result<()> {
        let mut control = BufReader::new(UnixStream::connect(self.folder.join("qmp.sock"))?);
        for command in [
            json!({"execute": "qmp_capabilities"}),
            json!({"execute": "set_link", "arguments": {"name": "net", "up": plugged}}),
        ] {
            writeln!(control.get_mut(), "{command}")?;
            loop {
                let mut line = String::new();
                ensure!(control.read_line(&mut line)? > 0, "no answer to {command}");
                let answer: Value = serde_json::from_str(&line)?;
                if answer.get("return").is_some() {
                    break;
                }
                ensure!(answer.get("error").is_none(), "{answer}");
            }
        }
        Ok(())
    }

    /// Returns whether a connection from outside reaches the greeter at port 8080 of the guest.
    pub(crate) fn is_reached(&self) -> Result<bool> {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.inbound))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut greeting = [0; 5];
        match stream.read_exact(&mut greeting) {
            Ok(()) if greeting == *b"hello" => Ok(true),
            Ok(()) => bail!("another greeting: {greeting:?}"),
            Err(_) => Ok(false),
        }
    }
}

/// Collects what a console shows, also in a file.
fn follow(mut output: ChildStdout, screen: Arc<Mutex<String>>, file: PathBuf) -> Result<()> {
    let mut file = std::fs::File::options().create(true).append(true).open(file)?;
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            let new = bytes.get(..count).unwrap_or_default();
            // The file is for people; the test does without it.
            let _ = file.write_all(new);
            screen.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(new));
        }
    });
    Ok(())
}

fn tail(text: &str) -> String {
    let start = text.len().saturating_sub(2000);
    text.get(start..).unwrap_or(text).to_owned()
}

/// Runs a program of this machine, and returns what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
