//! Installs the package in a guest with separate kernel, firmware, TPM and encrypted disk, and changes the guest on purpose.
//! Each row of the table has the verdict that has to follow, and how long it took.

mod cases;
mod guest;
mod mutants;

use anyhow::{Context, Result, bail, ensure};
use cases::Case;
use guest::{Guest, Hardware, PASSWORD};
use mutants::Mutants;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use vitalsign_e2e::{Testbed, Tpm, wait_for};
use vitalsign_simulated_key::process::program;

/// Name of the verifier in the guest, as in `tests/vm/customise.sh`.
const VERIFIER: &str = "verifier.test";
/// Person who is logged on in the guest, as the verifier knows them.
const USER: &str = "nurse-7";
/// The file that management delivers.
const SETTINGS: &str = "/etc/vitalsign/agent.d/50-hospital.toml";
/// Time limit for a verdict.
const LIMIT: Duration = Duration::from_secs(120);
/// Time in which a device enrols once it has a network.
const NETWORK_LIMIT: Duration = Duration::from_secs(30);
/// Time in which a report has to come once the guest is up again; a device that stays silent is what a mutant may bring.
const BOOT_LIMIT: Duration = Duration::from_secs(60);

/// A ward: a verifier, and a guest that enrolled by its package and what management delivered.
struct Ward {
    testbed: Testbed,
    guest: Guest,
    device: String,
}

impl Ward {
    /// Boots a guest, and delivers the package and the settings to it, as management does.
    fn boot(disk: &'static str, secure_boot: bool) -> Result<Self> {
        let mut testbed = Testbed::with_simulated_tpm()?;
        testbed.serve_as(VERIFIER)?;
        let Tpm::Simulated(tpm) = std::mem::replace(&mut testbed.tpm, Tpm::Chip) else { bail!("a chip") };
        let state = tpm.dir.join("tpm");
        drop(tpm);
        let delivery = deliver(&testbed)?;
        let port = testbed.address().rsplit(':').next().context("no port")?.parse()?;
        let hardware = Hardware { disk, secure_boot, tpm: &state, delivery: &delivery, port };
        let mut guest = Guest::boot(&testbed.folder().join("guest"), &hardware)?;
        guest.run(
            "mount -o ro /dev/vdb /mnt && cp -r --preserve=mode /mnt /delivery && umount /mnt && \
             cp -r --preserve=mode /delivery/etc/. /etc",
        )?;
        Ok(Self { testbed, guest, device: String::new() })
    }

    /// Installs the package from a repository, with one command, as management runs it.
    fn install(&mut self) -> Result<()> {
        let begun = Instant::now();
        self.guest
            .run("apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq vitalsign")?;
        println!("installed in {:.1} s", begun.elapsed().as_secs_f32());
        Ok(())
    }

    /// Waits for the device to be enrolled.
    fn until_enrolled(&mut self) -> Result<()> {
        let begun = Instant::now();
        let device = wait_for("an enrolled device", LIMIT, || {
            Ok(self.devices()?.pointer("/0/device").and_then(Value::as_str).map(str::to_owned))
        });
        self.device = device.with_context(|| self.trouble())?;
        println!("enrolled {:.1} s later", begun.elapsed().as_secs_f32());
        Ok(())
    }

    fn devices(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.testbed.administer(&["device", "list", "--json"])?)?)
    }

    /// Returns the outcome of a check in the last verdict: status and reason.
    fn outcome(&self, check: &str) -> Result<String> {
        let shown = self.shown()?;
        let text = |name| shown.pointer(&format!("/standing/checks/{check}/{name}"))?.as_str();
        let outcome = text("status").zip(text("reason")).map(|(status, reason)| format!("{status} {reason}"));
        Ok(outcome.unwrap_or_else(|| "nothing".to_owned()))
    }

    /// Waits for the outcome of a check that a row expects, and returns the last one, which is another if it does not come.
    fn outcome_of_row(&mut self, row: &str, check: &str, wanted: &str, table: &Table) -> Result<String> {
        let catch = table.mutants.of_row(row).map(|(_, catch)| catch);
        if catch.is_some_and(|catch| !catch.unnoticed) {
            let before = self.last_seen()?;
            wait_for("a report that was asked for", LIMIT, || {
                self.guest.run(cases::REPORT)?;
                Ok((self.last_seen()? > before).then_some(()))
            })?;
        }
        let end = Instant::now() + catch.map_or(LIMIT, mutants::Catch::limit);
        loop {
            let last = self.outcome(check)?;
            if last == wanted || Instant::now() > end {
                return Ok(last);
            }
            // Each look is a process on the machine that emulates the guest.
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Returns the time of the last report, in seconds since 1970.
    fn last_seen(&self) -> Result<u64> {
        self.shown()?.get("last_seen").and_then(Value::as_u64).context("no last report")
    }

    fn until_seen_after(&mut self, time: u64) -> Result<()> {
        let seen = wait_for("a report", LIMIT, || Ok((self.last_seen()? > time).then_some(())));
        seen.with_context(|| self.trouble())
    }

    /// Returns what the guest says of its agent, for a test that fails.
    fn trouble(&mut self) -> String {
        let ask = "vitalsign status; vitalsign doctor; systemctl list-jobs --no-pager; ip address; \
                   systemctl --failed --no-pager; journalctl --no-pager -b -u vitalsign -u network";
        self.guest.try_run(ask).map_or_else(|error| format!("{error:#}"), |it| it.text)
    }

    fn shown(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.testbed.administer(&["device", "show", &self.device, "--json"])?)?)
    }
}

/// Makes the disk with a repository of the package and the settings of this device.
fn deliver(testbed: &Testbed) -> Result<PathBuf> {
    let tree = testbed.folder().join("delivery");
    let (repository, settings) = (tree.join("repository"), tree.join("etc/vitalsign/agent.d"));
    std::fs::create_dir_all(&repository)?;
    std::fs::create_dir_all(&settings)?;
    std::fs::create_dir_all(tree.join("etc/apt/sources.list.d"))?;
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let manual = testbed.folder().join("manual");
    std::fs::create_dir_all(&manual)?;
    let programs = program("vitalsign")?;
    guest::run(
        Command::new(top.join("installers/linux/packages.sh"))
            .arg("--programs")
            .arg(programs.parent().context("no folder")?)
            .arg("--manual")
            .args([&manual, &repository])
            .arg("deb")
            .env("LEVEL", "0")
            .env("PACKAGES", "vitalsign"),
    )?;
    let index =
        guest::run(Command::new("dpkg-scanpackages").args(["--multiversion", "."]).current_dir(&repository))?;
    std::fs::write(repository.join("Packages"), index)?;
    std::fs::write(
        tree.join("etc/apt/sources.list.d/vitalsign.list"),
        "deb [trusted=yes] file:/delivery/repository ./\n",
    )?;
    let text = format!(
        "verifier = \"{}\"\nenrolment-token = \"{}\"\nca-certificates = \"\"\"\n{}\"\"\"\n",
        testbed.url(),
        testbed.token(1)?,
        std::fs::read_to_string(testbed.anchor())?
    );
    let file = settings.join("50-hospital.toml");
    std::fs::write(&file, text)?;
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    guest::run(Command::new(top.join("tests/vm/archive.sh")).arg(tree.join("archive")))?;
    let key = tree.join("vitalsign-simulated-key");
    guest::run(Command::new("strip").arg("-o").args([&key, &program("vitalsign-simulated-key")?]))?;
    guest::run(Command::new("cp").arg("-r").arg(testbed.maker.folder()).arg(tree.join("maker")))?;
    let disk = testbed.folder().join("delivery.img");
    guest::run(Command::new("mke2fs").args(["-q", "-t", "ext4", "-d"]).args([&tree, &disk]).arg("128M"))?;
    Ok(disk)
}

/// The table of what was expected and reported.
struct Table {
    mutants: Mutants,
    wrong: Vec<String>,
}

impl Table {
    /// Prints the head of the table.
    fn new() -> Result<Self> {
        println!("| row | expected | reported | connection | seconds | mutant |");
        println!("| --- | --- | --- | --- | --- | --- |");
        Ok(Self { mutants: Mutants::under_test()?, wrong: Vec::new() })
    }

    /// Adds a row. It has to be as expected, or as the mutant that it has to catch makes it. Returns whether it is.
    fn add(&mut self, row: &str, expected: &str, shown: &str, begun: Instant) -> bool {
        self.add_connected(row, expected, shown, begun, [None, None])
    }

    /// As [`Self::add`], beside a connection that was tried, and that no mutant changes: whether it is expected to succeed, and
    /// does.
    fn add_connected(
        &mut self,
        row: &str,
        expected: &str,
        shown: &str,
        begun: Instant,
        [open, reached]: [Option<bool>; 2],
    ) -> bool {
        let mutant = self.mutants.of_row(row);
        let connection = reached.map_or("", |reached| if reached { "open" } else { "refused" });
        let seconds = begun.elapsed().as_secs_f32();
        let name = mutant.map_or("", |(name, _)| name);
        println!("| {row} | {expected} | {shown} | {connection} | {seconds:.1} | {name} |");
        let (wanted, catches) = mutant.map_or((expected, ""), |(name, it)| (&*it.outcome, name));
        let right = shown == wanted && open == reached;
        if !right {
            self.wrong.push(format!("{row}: {shown} {connection}; wanted: {wanted} {catches}"));
        }
        right
    }

    /// # Errors
    /// A row is wrong.
    fn end(&self, ward: &Ward) -> Result<()> {
        ensure!(self.wrong.is_empty(), "{:#?}\n{:#}", self.wrong, ward.shown()?);
        Ok(())
    }
}

/// Checks every case.
fn check_cases(ward: &mut Ward, cases: &[Case], table: &mut Table) -> Result<()> {
    for case in cases {
        let Case { name, check, status, reason, .. } = case;
        let begun = Instant::now();
        ward.guest.run(case.change).with_context(|| (*name).to_owned())?;
        let wanted = format!("{status} {reason}");
        let shown = ward.outcome_of_row(name, check, &wanted, table)?;
        let reached = case.open.map(|_| ward.guest.is_reached()).transpose()?;
        if !table.add_connected(name, &wanted, &shown, begun, [case.open, reached]) {
            println!("{name}: {}", ward.trouble());
        }
    }
    Ok(())
}

/// Plugs a security key in, registers it for the nurse who is logged on, and approves a step-up that only a healthy device
/// may. Returns the result.
fn check_step_up(ward: &mut Ward) -> Result<String> {
    let shown = ward.shown()?;
    let status = shown.pointer("/status").and_then(Value::as_str).unwrap_or_default();
    if status != "affirming" {
        return Ok(format!("a device that is {status}"));
    }
    ward.testbed.add_user(USER)?;
    let code = ward.testbed.key_code(USER)?;
    ward.guest.run(
        "modprobe uhid && systemd-run -q --unit=key sh -c 'sleep infinity | /delivery/vitalsign-simulated-key \
         --uhid --maker /delivery/maker --pin 123456 --tap /run/tap' && \
         until journalctl -q -u key | grep -q ready; do sleep 0.2; done",
    )?;
    let register = format!(
        "touch /run/tap && echo {code} | timeout 60 runuser -u nurse -- vitalsign-session security-key register \
         --name 'blue key' --pin-file /home/nurse/pin"
    );
    let hears = "journalctl -u key --no-pager; ls -l /dev/hidraw*; cat /home/nurse/listen.log; loginctl session-status";
    let registered = ward.guest.run(&register).map(drop);
    registered.with_context(|| ward.guest.try_run(hears).map_or_else(|it| it.to_string(), |it| it.text))?;
    let asked = ward.testbed.ask(USER, "EHR: sign order 4711", &["--acr", "healthy-device"])?;
    let begun = Instant::now();
    ward.guest.run("touch /run/tap")?;
    let outcome = asked.outcome()?;
    println!("an answer to the step-up {:.1} s after the request", begun.elapsed().as_secs_f32());
    let result = outcome.get("step_up").and_then(Value::as_str).unwrap_or_default();
    ensure!(result == "approved", "{outcome}\n{}\n{}", ward.guest.try_run(hears)?.text, ward.trouble());
    Ok(result.to_owned())
}

/// Without network, and without power: what happened meanwhile is reported, and by the same device.
fn check_outages(ward: &mut Ward, table: &mut Table) -> Result<()> {
    ward.guest.set_cable(false)?;
    let Case { name, check, status, reason, .. } = cases::CUT_OFF;
    ward.guest.run(cases::CUT_OFF.change)?;
    // A report that waits in a connection would arrive by itself.
    until_told(ward, "not reached, first")?;
    ward.guest.set_cable(true)?;
    let (begun, wanted) = (Instant::now(), format!("{status} {reason}"));
    let shown = ward.outcome_of_row(name, check, &wanted, table)?;
    if !table.add(name, &wanted, &shown, begun) {
        println!("{name}: {}", ward.trouble());
    }

    let before = ward.last_seen()?;
    ward.guest.power_off();
    ensure!(!ward.guest.power_on()?, "the TPM did not unlock the disk after a power cut");
    check_boot(ward, cases::POWER_CUT, before, table)?;
    let devices = ward.devices()?;
    ensure!(devices.as_array().is_some_and(|devices| devices.len() == 1), "{devices}");
    Ok(())
}

/// After a boot, the device has to report without anyone's help.
fn check_boot(ward: &mut Ward, row: &str, before: u64, table: &mut Table) -> Result<()> {
    let begun = Instant::now();
    let limit = if table.mutants.of_row(row).is_some() { BOOT_LIMIT } else { LIMIT };
    let seen = wait_for("a report", limit, || Ok((ward.last_seen()? > before).then_some(())));
    if !table.add(row, "reports", if seen.is_ok() { "reports" } else { "silent" }, begun) {
        println!("{row}: {}", ward.trouble());
    }
    if seen.is_err() {
        ward.guest.run("systemctl start vitalsign")?;
        ward.until_seen_after(before)?;
    }
    Ok(())
}

#[test]
fn guest_reports_what_is_true() -> Result<()> {
    let mut ward = Ward::boot("encrypted", true)?;
    ward.guest.run(&format!(
        "PASSWORD='{PASSWORD}' systemd-cryptenroll --tpm2-device=auto --tpm2-pcrs=7 /dev/vda2"
    ))?;
    ward.install()?;
    ward.until_enrolled()?;
    let before = ward.last_seen()?;
    ensure!(!ward.guest.reboot()?, "the TPM did not unlock the disk");
    let mut table = Table::new()?;
    check_boot(&mut ward, cases::RESTART, before, &mut table)?;
    table.end(&ward)?;
    ward.guest.run("systemd-run -q --unit=greeter python3 -c \"import socket\ns = socket.create_server(('', 8080))\nwhile 1: s.accept()[0].send(b'hello')\"")?;
    check_cases(&mut ward, cases::CASES, &mut table)?;
    table.end(&ward)?;
    let begun = Instant::now();
    let shown = check_step_up(&mut ward)?;
    table.add(cases::STEP_UP, "approved", &shown, begun);
    check_outages(&mut ward, &mut table)?;
    table.end(&ward)
}

/// A device that management has set up wrongly, and whose boot and disk protect nothing.
#[test]
fn unprotected_guest_is_told_apart() -> Result<()> {
    let mutants = Mutants::under_test()?;
    if !mutants.is_empty() && cases::UNPROTECTED.iter().all(|case| mutants.of_row(case.name).is_none()) {
        println!("no mutant of this set is one of this guest's");
        return Ok(());
    }
    let mut ward = Ward::boot("plain", false)?;
    // The wrong token is no reason for the installation to fail: it waits and says so.
    ward.guest.run(&format!("cp -p {SETTINGS} /root && sed -i 's/^enrolment-token = \"/&x/' {SETTINGS}"))?;
    // Nor is a network that has not come.
    ward.guest.set_cable(false)?;
    ward.install()?;
    until_told(&mut ward, "The verifier cannot be reached")?;
    ward.guest.set_cable(true)?;
    let begun = Instant::now();
    until_told(&mut ward, "The enrolment token is not known")?;
    println!("refused {:.1} s after the network came", begun.elapsed().as_secs_f32());
    ensure!(ward.devices()?.as_array().is_some_and(Vec::is_empty), "a device enrolled with a wrong token");
    // The right one, delivered as a file is: whole; and a boot without a network.
    ward.guest.set_cable(false)?;
    ward.guest.run(&format!("mv /root/50-hospital.toml {SETTINGS}"))?;
    ward.guest.reboot()?;
    until_told(&mut ward, "The verifier cannot be reached")?;
    ward.guest.set_cable(true)?;
    let begun = Instant::now();
    ward.until_enrolled()?;
    ensure!(begun.elapsed() < NETWORK_LIMIT, "enrolled {:?} after the network came", begun.elapsed());
    let mut table = Table::new()?;
    check_cases(&mut ward, cases::UNPROTECTED, &mut table)?;
    table.end(&ward)?;
    check_cleared_tpm(&mut ward)
}

/// Waits until the service, which runs, says something to people.
fn until_told(ward: &mut Ward, words: &str) -> Result<()> {
    let told = wait_for(words, LIMIT, || {
        let said =
            ward.guest.try_run("systemctl is-active vitalsign && vitalsign status; vitalsign doctor")?;
        Ok((said.text.starts_with("active") && said.text.contains(words)).then_some(()))
    });
    told.with_context(|| ward.trouble())
}

/// The TPM is cleared under an enrolled device: its keys are gone, it says so, and a new token enrols it again.
fn check_cleared_tpm(ward: &mut Ward) -> Result<()> {
    ward.guest.run("tpm2_clear -c l")?;
    ward.guest.reboot()?;
    until_told(ward, "cleared or replaced")?;
    let before = ward.last_seen()?;
    // By management again, whole.
    let token = ward.testbed.token(1)?;
    ward.guest.run(&format!(
        "sed 's/^enrolment-token = .*/enrolment-token = \"{token}\"/' {SETTINGS} >/etc/vitalsign/.new && \
         chmod 600 /etc/vitalsign/.new && mv /etc/vitalsign/.new {SETTINGS}"
    ))?;
    let begun = Instant::now();
    let back = wait_for("the enrolment with another token", LIMIT, || {
        let devices = ward.devices()?;
        let mut seen =
            devices.as_array().into_iter().flatten().filter_map(|it| it.get("last_seen")?.as_u64());
        Ok(seen.any(|time| time > before).then_some(()))
    });
    back.with_context(|| ward.trouble())?;
    println!("enrolled again {:.1} s after the new token", begun.elapsed().as_secs_f32());
    Ok(())
}
