//! Managed configuration: one file enrols a device, files that cannot be used change nothing, and the status says so.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;
use vitalsign_client::ServiceClient;
use vitalsign_e2e::{Agent, Child, Testbed, wait_for};
use vitalsign_ipc::{AgentState, Status};
use vitalsign_simulated_key::process::program;
use vitalsign_tpm_client::testing::Swtpm;

/// Unprivileged IDs that no account uses: the group of the service, and another user.
const SERVICE: u32 = 64_803;
const OTHER: u32 = 64_804;
const LIMIT: Duration = Duration::from_secs(60);

/// A device whose only settings are managed ones.
struct Managed {
    agent: Agent,
    folder: PathBuf,
}

impl Managed {
    fn new(testbed: &Testbed) -> Result<Self> {
        let folder = testbed.folder().join("etc");
        fs::create_dir_all(folder.join("agent.d"))?;
        fs::write(folder.join("agent.toml"), "")?;
        Ok(Self { agent: testbed.agent("device")?, folder })
    }

    /// Delivers a file, in one step.
    fn deliver(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join("agent.d").join(name);
        let beside = self.folder.join("agent.d").join(format!(".{name}"));
        fs::write(&beside, text)?;
        fs::rename(&beside, &path)?;
        Ok(path)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.configured(self.agent.command(arguments))
    }

    /// A command without settings in the environment, except for the place of the managed file.
    fn configured(&self, mut command: Command) -> Command {
        for name in ["VITALSIGN_VERIFIER", "VITALSIGN_CA_FILE", "VITALSIGN_TOKEN_FILE"] {
            command.env_remove(name);
        }
        command.env("VITALSIGN_CONFIG", self.folder.join("agent.toml"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<(Option<i32>, String)> {
        let Output { status, stdout, stderr } = self.command(arguments).output()?;
        let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        Ok((status.code(), text.split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    fn start(&self) -> Result<Child> {
        self.answering(self.command(&["service", "run"]))
    }

    /// Starts the service on a machine with this ID, in a mount namespace.
    fn start_on(&self, machine: &str) -> Result<Child> {
        let file = self.folder.join("machine-id");
        fs::write(&file, format!("{machine}\n"))?;
        let mut command = self.configured(self.agent.command_of("unshare"));
        let script = "mount --bind \"$0\" /etc/machine-id && exec \"$@\"";
        command.args(["--mount", "sh", "-c", script]).arg(file).arg(program("vitalsign")?);
        command.args(["service", "run"]);
        self.answering(command)
    }

    /// Starts a service, and waits until it answers: a command before would report by itself, and hold the state.
    fn answering(&self, mut command: Command) -> Result<Child> {
        let service = Child::start(&mut command)?;
        let socket = self.agent.socket();
        wait_for("the service", LIMIT, || Ok(ServiceClient::connect(&socket).ok().map(drop)))?;
        Ok(service)
    }

    fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Result<Status> {
        self.agent.until(what, wanted)
    }
}

fn enrolment(url: &str, anchor: &str, token: &str) -> String {
    format!("verifier = \"{url}\"\nca-certificates = '''\n{anchor}'''\nenrolment-token = \"{token}\"\n")
}

fn reporting(status: &Status) -> bool {
    status.standing == AgentState::Reporting
}

#[test]
fn managed_file_enrols_a_device() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let device = Managed::new(&testbed)?;
    let (token, anchor) = (testbed.token(1)?, fs::read_to_string(testbed.anchor())?);
    device.deliver("50-enrolment.toml", &enrolment(&testbed.url(), &anchor, &token))?;
    let service = device.start()?;
    let first = device.until("a verdict", reporting)?;
    ensure!(first.settings.managed.contains(&"enrolment-token".to_owned()), "{:?}", first.settings);

    // The token is remembered as used, and stored nowhere else.
    let state = device.agent.state();
    ensure!(state.join("enrolment-token.used").exists(), "it is not remembered");
    for file in fs::read_dir(&state)? {
        let path = file?.path();
        let holds = path.is_file() && String::from_utf8_lossy(&fs::read(&path)?).contains(&token);
        ensure!(!holds, "{} holds the token", path.display());
    }
    let (code, text) = device.run(&["config", "--json"])?;
    ensure!(code == Some(0) && !text.contains(&token), "{text}");
    ensure!(text.contains("50-enrolment.toml:1") && text.contains("(hidden)"), "{text}");

    // After a restart it reports, and does not try the token.
    drop(service);
    let _service = device.start()?;
    let again = device.until("a verdict", reporting)?;
    ensure!(again.enrolment == first.enrolment, "it enrolled again");
    Ok(())
}

#[test]
fn wrong_managed_values_wait_for_a_correction() -> Result<()> {
    let (testbed, other) = (Testbed::with_simulated_tpm()?, Testbed::with_simulated_tpm()?);
    let device = Managed::new(&testbed)?;
    let (token, anchor) = (testbed.token(1)?, fs::read_to_string(testbed.anchor())?);
    let strange = fs::read_to_string(other.anchor())?;
    let url = testbed.url();
    let wrong = [
        ("an unreachable verifier", enrolment("https://127.0.0.1:9", &anchor, &token), "not reached"),
        ("a strange anchor", enrolment(&url, &strange, &token), "certificate authority"),
        ("a wrong token", enrolment(&url, &anchor, "vse_unknown"), "token is not known"),
    ];
    device.deliver("50.toml", &wrong[0].1)?;
    let _service = device.start()?;
    for (what, text, said) in &wrong {
        device.deliver("50.toml", text)?;
        device.run(&["report"])?;
        let seen = device.until(what, |status| match &status.standing {
            AgentState::Offline { detail, .. } | AgentState::Refused { detail, .. } => detail.contains(said),
            _ => false,
        })?;
        ensure!(seen.enrolment.is_none(), "{what}: it is enrolled");
        let (code, text) = device.run(&["doctor"])?;
        ensure!(code == Some(1) && text.contains(said), "{what}: {text}");
    }
    device.deliver("50.toml", &enrolment(&url, &anchor, &token))?;
    device.run(&["report"])?;
    device.until("a verdict", reporting)?;
    Ok(())
}

#[test]
fn refused_settings_keep_the_last_ones() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let device = Managed::new(&testbed)?;
    let (token, anchor) = (testbed.token(1)?, fs::read_to_string(testbed.anchor())?);
    device.deliver("50.toml", &enrolment(&testbed.url(), &anchor, &token))?;
    device.deliver("60.toml", "user-may-fix = []\n[support]\nphone = \"ext. 1\"\n")?;
    let mut service = device.start()?;
    let first = device.until("a verdict", reporting)?;
    for (text, at) in [
        ("# half\n[support]\nphone = \"ext. 2\"\nname = \"Serv", "70.toml:4:"),
        ("[support]\nphone = \"ext. 2\"\nfax = \"ext. 3\"\n", "70.toml:3:1: support.fax is not a setting"),
    ] {
        let file = device.deliver("70.toml", text)?;
        for restarted in [false, true] {
            if restarted {
                drop(service);
                service = device.start()?;
            }
            device.run(&["report"])?;
            let kept = device.until("the refusal", |status| {
                reporting(status) && status.settings.refused.as_ref().is_some_and(|it| it.contains(at))
            })?;
            ensure!(kept.guidance.support.phone.as_deref() == Some("ext. 1"), "{:?}", kept.guidance);
            ensure!(kept.guidance.fixers == first.guidance.fixers, "{:?}", kept.guidance);
            ensure!(kept.enrolment == first.enrolment, "it enrolled again");
            for command in [["status"].as_slice(), &["doctor"], &["config"]] {
                let (_, text) = device.run(command)?;
                ensure!(text.contains(at) && text.contains("not in force"), "{command:?}: {text}");
            }
            let (code, _) = device.run(&["config"])?;
            ensure!(code == Some(1), "config says {code:?}");
        }
        fs::remove_file(file)?;
        device.run(&["report"])?;
        device.until("no refusal", |status| reporting(status) && status.settings.refused.is_none())?;
    }
    device.deliver("70.toml", "[support]\nphone = \"ext. 2\"\n")?;
    device.run(&["report"])?;
    let now = device.until("new settings", |status| status.settings.refused.is_none())?;
    ensure!(now.guidance.support.phone.as_deref() == Some("ext. 2"), "{:?}", now.guidance);
    Ok(())
}

#[test]
fn unusable_settings_at_the_first_start_wait() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let device = Managed::new(&testbed)?;
    let (token, anchor) = (testbed.token(1)?, fs::read_to_string(testbed.anchor())?);
    let good = enrolment(&testbed.url(), &anchor, &token);
    device.deliver("50.toml", good.get(..good.len() - 3).context("too short")?)?;
    let _service = device.start()?;
    let waits = device.until("the refusal", |status| status.settings.refused.is_some())?;
    ensure!(waits.standing == AgentState::NotEnrolled, "{:?}", waits.standing);
    ensure!(waits.guidance.fixers.managed, "the device counts as the person's own");
    device.deliver("50.toml", &good)?;
    device.run(&["report"])?;
    device.until("a verdict", reporting)?;
    Ok(())
}

#[test]
fn names_reach_it_only_while_managed_so() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let device = Managed::new(&testbed)?;
    let (token, anchor) = (testbed.token(1)?, fs::read_to_string(testbed.anchor())?);
    device.deliver("50.toml", &enrolment(&testbed.url(), &anchor, &token))?;
    let _service = device.start()?;
    device.until("a verdict", reporting)?;
    let names = || -> Result<(Option<String>, Option<String>)> {
        let list: Value = serde_json::from_str(&testbed.administer(&["device", "list", "--json"])?)?;
        let name = |name| list.pointer(&format!("/0/{name}")).and_then(Value::as_str).map(str::to_owned);
        Ok((name("host_name"), name("asset_tag")))
    };
    let host_name = fs::read_to_string("/proc/sys/kernel/hostname")?.trim().to_owned();
    let tagged = |host_name: Option<&String>, tag: &str| (host_name.cloned(), Some(tag.to_owned()));
    ensure!(names()? == (None, None), "{:?}", names()?);
    for (settings, wanted) in [
        ("asset-tag = \"IT-1\"\n", (None, None)),
        ("asset-tag = \"IT-1\"\nshare-names = \"asset-tag\"\n", tagged(None, "IT-1")),
        ("asset-tag = \"IT-2\"\nshare-names = \"both\"\n", tagged(Some(&host_name), "IT-2")),
        ("asset-tag = \"IT-2\"\n", (None, None)),
    ] {
        device.deliver("60.toml", settings)?;
        device.run(&["report"])?;
        wait_for("the names", LIMIT, || Ok((names()? == wanted).then_some(())))
            .with_context(|| format!("{settings}: {wanted:?}"))?;
    }
    let (_, config) = device.run(&["config"])?;
    ensure!(config.contains("60.toml:1"), "{config}");
    Ok(())
}

#[test]
fn clone_with_another_tpm_enrols_by_itself() -> Result<()> {
    let mut testbed = Testbed::with_simulated_tpm()?;
    let folder = testbed.folder().join("other-tpm");
    fs::create_dir_all(&folder)?;
    let other = Swtpm::start(&folder);
    testbed.trust_another(&other, "other")?;
    testbed.restart_verifier_with("")?;
    let mut device = Managed::new(&testbed)?;
    let (token, anchor) = (testbed.token(2)?, fs::read_to_string(testbed.anchor())?);
    device.deliver("50.toml", &enrolment(&testbed.url(), &anchor, &token))?;
    let original = device.start_on("0123456789abcdef0123456789abcdef")?;
    let first = device.until("a verdict", reporting)?;
    drop(original);

    // The image of the disk comes up with another TPM. With the same ID, the machine has used its token.
    device.agent.key.clone_from(&other.spec);
    let same = device.start_on("0123456789abcdef0123456789abcdef")?;
    let waits = device.until("the lost key", |it| matches!(it.standing, AgentState::KeyTrouble { .. }))?;
    ensure!(waits.enrolment == first.enrolment, "{waits:?}");
    let (_, text) = device.run(&["doctor"])?;
    ensure!(text.contains("has used the one in") && text.contains("needs another"), "{text}");
    drop(same);

    // A clone has another ID, and enrols without a command.
    let _clone = device.start_on("fedcba9876543210fedcba9876543210")?;
    let second = device.until("a verdict of the clone", reporting)?;
    ensure!(second.enrolment.is_some() && second.enrolment != first.enrolment, "{second:?}");
    let devices = testbed.administer(&["device", "list", "--json"])?;
    for enrolment in [first.enrolment, second.enrolment] {
        let enrolment = enrolment.context("an enrolment")?.to_string();
        ensure!(devices.contains(&enrolment), "{enrolment} is not in {devices}");
    }
    Ok(())
}

#[test]
fn other_users_need_not_read_the_settings() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let mut device = Managed::new(&testbed)?;
    device.agent.for_every_user()?;
    let (token, anchor) = (testbed.token(1)?, fs::read_to_string(testbed.anchor())?);
    let file = device.deliver("50.toml", &enrolment(&testbed.url(), &anchor, &token))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640))?;
    if let Err(error) = chown(&file, Some(0), Some(SERVICE)) {
        eprintln!("not run: becoming another user needs root: {error}");
        return Ok(());
    }
    let _service = device.start()?;
    device.until("a verdict", reporting)?;
    let run = |arguments: &[&str]| -> Result<(Option<i32>, String)> {
        let output = device.command(arguments).uid(OTHER).gid(OTHER).output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8_lossy(&text).into_owned()))
    };
    let (_, text) = run(&["status"])?;
    ensure!(text.contains("has the newest report") && !text.contains("not in force"), "{text}");
    let (_, text) = run(&["doctor"])?;
    ensure!(text.contains("understood") && !text.contains("not in force"), "{text}");
    let (code, text) = run(&["config"])?;
    ensure!(code == Some(3) && text.contains("run this as root"), "{code:?}: {text}");
    ensure!(!text.contains(&token), "{text}");
    Ok(())
}
