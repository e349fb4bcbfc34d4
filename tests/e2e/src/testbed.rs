//! Test environment in a folder: a verifier on loopback with a private certificate authority, a TPM, and
//! agents.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use serde_json::Value;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use vitalsign_ipc::{AgentState, Status};
use vitalsign_platform_api::DeviceKey;
use vitalsign_protocol::message::EnrolmentKeys;
use vitalsign_simulated_key::KeyVendor;
use vitalsign_simulated_key::process::{Child, program, wait_for};
use vitalsign_tpm_client::testing::Swtpm;

/// Time limit for every wait.
const LIMIT: Duration = Duration::from_secs(60);

/// The TPM under the agent.
pub enum Tpm {
    /// The chip of this machine. Its own endorsement certificate is trusted because it is here.
    Chip,
    /// A software TPM with its own vendor CA.
    Simulated(Swtpm),
}

/// Everything, in a folder that goes with it.
pub struct Testbed {
    pub tpm: Tpm,
    /// The verifier, while it runs.
    pub verifier: Option<Child>,
    address: String,
    /// Host name under which agents know the verifier.
    name: String,
    anchor: PathBuf,
    verifier_program: PathBuf,
    agent_program: PathBuf,
    /// Vendor of the security keys that the verifier accepts.
    pub maker: KeyVendor,
    /// Lines that the verifier's settings have, beside those of every testbed.
    settings: String,
    /// Name of the verifier's data folder.
    data: String,
    folder: tempfile::TempDir,
}

impl Testbed {
    /// A verifier that serves, and a software TPM whose maker it knows as one of software.
    pub fn with_simulated_tpm() -> Result<Self> {
        Self::build(|folder| Ok(Tpm::Simulated(Swtpm::start(&folder.join("tpm")))), None, None)
    }

    /// The same with this Rego policy. Most facts of a test machine cannot be fixed, so tests use
    /// a policy about something that can be.
    pub fn with_policy(policy: &str) -> Result<Self> {
        Self::build(|folder| Ok(Tpm::Simulated(Swtpm::start(&folder.join("tpm")))), None, Some(policy))
    }

    /// The same, with programs from somewhere else: agent, verifier.
    pub fn with_programs(agent: &Path, verifier: &Path) -> Result<Self> {
        let programs = (agent.to_owned(), verifier.to_owned());
        Self::build(|folder| Ok(Tpm::Simulated(Swtpm::start(&folder.join("tpm")))), Some(programs), None)
    }

    /// Creates the environment with this machine's TPM.
    ///
    /// # Errors
    /// There is no usable TPM, or a process does not start.
    pub fn with_chip() -> Result<Self> {
        Self::build(|_| Ok(Tpm::Chip), None, None)
    }

    fn build(
        tpm: impl FnOnce(&Path) -> Result<Tpm>,
        programs: Option<(PathBuf, PathBuf)>,
        policy: Option<&str>,
    ) -> Result<Self> {
        // Short: sockets lie in it.
        let folder = tempfile::Builder::new().prefix("vs").tempdir()?;
        std::fs::create_dir_all(folder.path().join("tpm"))?;
        let tpm = tpm(folder.path())?;
        let (agent_program, verifier_program) = match programs {
            Some(programs) => programs,
            None => (program("vitalsign")?, program("vitalsign-verifier")?),
        };
        let maker = KeyVendor::in_folder(&folder.path().join("maker"))?;
        maker.metadata_file(&folder.path().join("metadata.json"))?;
        // The verifier's origin has it, and is the same after each start.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut testbed = Self {
            tpm,
            verifier: None,
            address: String::new(),
            name: "localhost".to_owned(),
            anchor: PathBuf::new(),
            verifier_program,
            agent_program,
            maker,
            settings: String::new(),
            data: "data".to_owned(),
            folder,
        };
        testbed.trust_the_tpm()?;
        if let Some(policy) = policy {
            std::fs::write(testbed.folder().join("policy.rego"), policy)?;
            "policy = \"policy.rego\"".clone_into(&mut testbed.settings);
        }
        testbed.configure(&format!("127.0.0.1:{port}"), &testbed.settings)?;
        testbed.start_verifier()?;
        Ok(testbed)
    }

    /// The folder of it all.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}:{}", self.name, self.port())
    }

    fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap_or_default()
    }

    /// The certificate that agents trust the verifier by.
    #[must_use]
    pub fn anchor(&self) -> &Path {
        &self.anchor
    }

    /// Replaces the verifier's configuration: listen address, and further lines. Takes effect at its next
    /// start.
    pub fn configure(&self, listen: &str, more: &str) -> Result<()> {
        let data = &self.data;
        // One application asks one person again and again here.
        let limits = "limits.step_ups_per_client_and_user = 8\nlimits.declined_pause_seconds = 0\n\
                      limits.not_mine_pause_seconds = 0";
        let text = format!(
            "data = \"{data}\"\nlisten = \"{listen}\"\n{limits}\n{more}\n[security_keys]\n\
             metadata = \"metadata.json\"\n"
        );
        Ok(std::fs::write(self.folder().join("verifier.toml"), text)?)
    }

    /// Starts the verifier. At a second start it listens where it did before.
    pub fn start_verifier(&mut self) -> Result<()> {
        if self.verifier.is_none() && !self.address.is_empty() {
            self.configure(&self.address, &self.settings)?;
        }
        let log =
            std::fs::File::options().create(true).append(true).open(self.folder().join("verifier.log"))?;
        let mut serve = self.verifier(&["serve", "--self-signed", &self.name]);
        let (child, lines) = Child::start_until(serve.stderr(log), "listening ")?;
        let value = |word| lines.iter().find_map(|line| line.strip_prefix(word)).map(str::to_owned);
        self.address = value("listening ").context("no address")?;
        self.anchor = value("trust-anchor ").context("no trust anchor")?.into();
        self.verifier = Some(child);
        Ok(())
    }

    /// Restarts the verifier with further lines in its configuration, which stay.
    pub fn restart_verifier_with(&mut self, settings: &str) -> Result<()> {
        settings.clone_into(&mut self.settings);
        self.verifier = None;
        self.start_verifier()
    }

    /// Stops the verifier and gives it another data folder from its next start on.
    pub fn stop_for_data(&mut self, data: &str) -> Result<()> {
        self.verifier = None;
        data.clone_into(&mut self.data);
        self.configure(&self.address, &self.settings)
    }

    /// Restarts the verifier under this host name, and takes the TPM for one whose maker is genuine.
    pub fn serve_as(&mut self, name: &str) -> Result<()> {
        self.verifier = None;
        name.clone_into(&mut self.name);
        let roots = self.folder().join(&self.data).join("roots");
        std::fs::rename(roots.join("simulated/root.pem"), roots.join("root.pem"))?;
        self.start_verifier()
    }

    /// Trusts the maker of another software TPM from the verifier's next start on.
    pub fn trust_another(&self, tpm: &Swtpm, name: &str) -> Result<()> {
        let roots = self.folder().join(&self.data).join("roots");
        std::fs::write(roots.join(format!("simulated/{name}.pem")), &tpm.ca_root_pem)?;
        Ok(std::fs::write(roots.join(format!("intermediates/{name}.pem")), &tpm.ca_intermediate_pem)?)
    }

    /// A command of the verifier's administration.
    #[must_use]
    pub fn verifier(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.verifier_program);
        command.arg("--config").arg(self.folder().join("verifier.toml")).args(arguments);
        command
    }

    /// The same where the verifier's host name is known, as in a network that has it: in a private copy of `/etc/hosts`.
    ///
    /// # Errors
    /// When that copy cannot be made.
    pub fn verifier_by_name(&self, arguments: &[&str]) -> Result<Command> {
        let command = self.verifier(arguments);
        if self.name == "localhost" {
            return Ok(command);
        }
        let hosts = self.folder().join("hosts");
        std::fs::write(&hosts, format!("127.0.0.1 localhost {}\n", self.name))?;
        let mut named = Command::new("unshare");
        named.args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""]);
        named.arg(hosts).arg(command.get_program()).args(command.get_args());
        Ok(named)
    }

    /// Runs such a command, and gives what it printed.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn administer(&self, arguments: &[&str]) -> Result<String> {
        succeeded(arguments, &self.verifier(arguments).output()?)
    }

    /// Number of reports that the verifier has accepted, by its audit log: those with an entry, those that heartbeats
    /// count, and those that are collected for the next entries. The log is verified.
    pub fn reports(&self) -> Result<u64> {
        let list = ["audit", "list", "--limit", "1000000", "--json"];
        let number = |value: &Value, pointer: &str| {
            value.pointer(pointer).and_then(Value::as_u64).with_context(|| format!("no {pointer}"))
        };
        let (mut reports, mut last) = (0, 0);
        for line in self.administer(&list)?.lines() {
            let entry: Value = serde_json::from_str(line)?;
            last = number(&entry, "/seq")?.max(last);
            reports += match entry.get("kind").and_then(Value::as_str) {
                Some("report") => 1,
                Some("heartbeats") => number(&entry, "/body/count")?,
                _ => 0,
            };
        }
        let verified = serde_json::from_str(&self.administer(&["audit", "verify", "--json"])?)?;
        // An hour that ended in between made entries of what was collected.
        if number(&verified, "/entries")? != last {
            return self.reports();
        }
        Ok(reports + number(&verified, "/collected_reports")?)
    }

    /// Creates a token with which this many devices can enrol.
    pub fn token(&self, uses: u32) -> Result<String> {
        let text = self.administer(&["enrol-token", "create", "--uses", &uses.to_string(), "--json"])?;
        let made: Value = serde_json::from_str(&text)?;
        Ok(made.get("token").and_then(Value::as_str).context("no token")?.to_owned())
    }

    /// The address on which the verifier listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Creates an agent with a separate state folder. It needs a token to enrol.
    pub fn agent(&self, name: &str) -> Result<Agent> {
        let folder = self.folder().join(name);
        std::fs::create_dir_all(&folder)?;
        let key = match &self.tpm {
            Tpm::Chip => "auto".to_owned(),
            Tpm::Simulated(tpm) => tpm.spec.clone(),
        };
        Ok(Agent {
            program: self.agent_program.clone(),
            folder,
            verifier: self.url(),
            anchor: self.anchor.clone(),
            key,
        })
    }

    /// An agent that has just enrolled, its running service, and its first verdict.
    ///
    /// # Errors
    /// When it is not judged in time.
    pub fn enrolled(&self, name: &str) -> Result<(Agent, Child, Status)> {
        self.enrol(self.agent(name)?)
    }

    /// The same for an agent whose settings a test has changed.
    ///
    /// # Errors
    /// When it is not judged in time.
    pub fn enrol(&self, agent: Agent) -> Result<(Agent, Child, Status)> {
        std::fs::write(agent.token_file(), self.token(1)?)?;
        let service = agent.start_service()?;
        let status = agent.until("enrolment", |status| status.standing == AgentState::Reporting)?;
        Ok((agent, service, status))
    }

    /// Puts the TPM's maker where the verifier looks; of a chip, its own certificate.
    fn trust_the_tpm(&self) -> Result<()> {
        let roots = self.folder().join(&self.data).join("roots");
        for folder in ["simulated", "intermediates", "pinned"] {
            std::fs::create_dir_all(roots.join(folder))?;
        }
        match &self.tpm {
            Tpm::Simulated(tpm) => {
                std::fs::write(roots.join("simulated/root.pem"), &tpm.ca_root_pem)?;
                std::fs::write(roots.join("intermediates/issuer.pem"), &tpm.ca_intermediate_pem)?;
            }
            Tpm::Chip => {
                let mut key = vitalsign_tpm_client::open("auto", &self.folder().join("tpm"), None)?;
                let EnrolmentKeys::Tpm { ek_certificates, .. } = key.enrolment_keys()? else {
                    anyhow::bail!("the chip is not a TPM");
                };
                let certificate =
                    ek_certificates.first().context("the TPM has no endorsement certificate")?;
                let base64 = base64::engine::general_purpose::STANDARD.encode(&certificate.0);
                let pem = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
                std::fs::write(roots.join("pinned/this-machine.pem"), pem)?;
            }
        }
        Ok(())
    }
}

/// An agent: its settings and its state.
#[derive(Clone, Debug)]
pub struct Agent {
    program: PathBuf,
    folder: PathBuf,
    /// The verifier's URL.
    pub verifier: String,
    anchor: PathBuf,
    pub key: String,
}

impl Agent {
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("agent.sock")
    }

    /// The file that its enrolment token is in.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.folder.join("token")
    }

    /// Copies the programs beside the state, where every user may run them: the folder of the build may be one that
    /// only its owner enters.
    ///
    /// # Errors
    /// When a file cannot be changed.
    pub fn for_every_user(&mut self) -> Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        std::fs::copy(program("vitalsign-session")?, self.folder.join("vitalsign-session"))?;
        let copy = self.folder.join("vitalsign");
        std::fs::copy(&self.program, &copy)?;
        self.program = copy;
        for folder in [self.folder.parent().context("a testbed")?, &self.folder] {
            std::fs::set_permissions(folder, Permissions::from_mode(0o755))?;
        }
        Ok(())
    }

    /// A command of the agent, with its settings in the environment.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command_of(&self.program);
        command.args(arguments);
        command
    }

    /// Another program with the same settings in its environment.
    #[must_use]
    pub fn command_of(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("VITALSIGN_STATE", self.state())
            .env("VITALSIGN_SOCKET", self.socket())
            .env("VITALSIGN_VERIFIER", &self.verifier)
            .env("VITALSIGN_CA_FILE", &self.anchor)
            .env("VITALSIGN_TOKEN_FILE", self.token_file())
            .env("VITALSIGN_KEY", &self.key);
        command
    }

    /// Runs a command, and gives what came of it.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn run(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.command(arguments).output()?)
    }

    /// Starts the service; its log goes to `agent.log` beside its state.
    pub fn start_service(&self) -> Result<Child> {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("agent.log"))?;
        Child::start(self.command(&["service", "run"]).stdout(log.try_clone()?).stderr(log))
    }

    /// Returns the service's status; `None` without a service or answer.
    ///
    /// # Errors
    /// The command cannot be run.
    pub fn status(&self) -> Result<Option<Status>> {
        Ok(serde_json::from_slice(&self.run(&["status", "--json"])?.stdout).ok())
    }

    /// Waits until the agent is idle and has this status.
    ///
    /// # Errors
    /// Timeout, with the last status.
    pub fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Result<Status> {
        let mut last = None;
        let seen = wait_for(what, LIMIT, || {
            let status = self.status()?;
            last.clone_from(&status);
            Ok(status.filter(|status| !status.busy && wanted(status)))
        });
        seen.with_context(|| format!("last seen: {:?}", last.map(|status| status.standing)))
    }
}

fn succeeded(what: &[&str], output: &Output) -> Result<String> {
    let heard = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}: {heard}", what.join(" "), output.status);
    Ok(String::from_utf8(output.stdout.clone())?)
}
