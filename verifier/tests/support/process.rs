//! The program itself, and what is said to it over HTTPS.

use super::{Answer, Client, Device};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vitalsign_protocol::message::{DeviceSession, Enrolled, EnrolmentChallenge};

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitalsign-verifier"));
    command.current_dir(folder).arg("--config").arg(folder.join("verifier.toml"));
    command
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder).args(arguments).output().unwrap()
}

/// Runs the program where no file can grow beyond this many KiB: further writes fail, as on a full disk.
pub(crate) fn run_limited(folder: &Path, arguments: &[&str], kib: u32) -> Output {
    let program = program(folder);
    let mut limited = Command::new("sh");
    limited.current_dir(folder).arg("-c").arg("trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"");
    // In units of 512 bytes.
    limited.arg("sh").arg((kib * 2).to_string()).arg(program.get_program()).args(program.get_args());
    limited.args(arguments).output().unwrap()
}

/// Runs a command that asks the verifier, with a verifier that serves for that long.
pub(crate) fn run_served(folder: &Path, arguments: &[&str]) -> Output {
    let _serving = Serving::start(folder);
    run(folder, arguments)
}

#[track_caller]
pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn configure() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thresholds.toml"), "[key-hardware]\naccept_software_keys = true\n")
        .unwrap();
    let config = "data = \"data\"\nlisten = \"127.0.0.1:0\"\nthresholds = \"thresholds.toml\"\n\
                  limits.report_burst = 100000\n";
    std::fs::write(folder.path().join("verifier.toml"), config).unwrap();
    folder
}

/// A verifier that serves until this is dropped, or killed.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) anchor: PathBuf,
    /// Address for administrators, if the configuration has one.
    pub(crate) admin: Option<SocketAddr>,
    /// Address of the API for administrators, if the configuration has one.
    pub(crate) admin_api: Option<SocketAddr>,
}

impl Serving {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_logging(folder, Stdio::null())
    }

    pub(crate) fn start_logging(folder: &Path, log: Stdio) -> Self {
        let serve = ["serve", "--self-signed", "localhost"];
        let mut child = program(folder).args(serve).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut word =
            |name: &str| lines.next().unwrap().unwrap().strip_prefix(name).unwrap().trim().to_owned();
        let (anchor, address) = (word("trust-anchor").into(), word("listening").parse().unwrap());
        let config = std::fs::read_to_string(folder.join("verifier.toml")).unwrap();
        let admin = config.contains("admin.listen").then(|| word("administrators").parse().unwrap());
        let admin_api = config.contains("admin_api.listen").then(|| word("admin-api").parse().unwrap());
        Self { anchor, address, admin, admin_api, child }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address, &self.anchor, "localhost").await.unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) async fn enrol(client: &mut Client, token: &str) -> Device {
    let mut device = Device::new();
    let challenge: EnrolmentChallenge =
        client.post_json("/v1/enrolments", &device.request(token)).await.unwrap().json();
    let path = format!("/v1/enrolments/{}", challenge.enrolment);
    let enrolled: Enrolled = client.post_json(&path, &device.proof(&challenge)).await.unwrap().json();
    device.enrolment = Some(enrolled.enrolment);
    device.nonce = enrolled.report.nonce;
    device
}

impl Client {
    /// Sends a request with these headers, and does not wait for the answer.
    pub(crate) async fn ask(
        &mut self,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<()> {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len());
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        head.push_str("\r\n");
        self.send(&[head.as_bytes(), body].concat()).await
    }

    /// As [`Client::ask`], with a device's session and JSON.
    pub(crate) async fn ask_as(
        &mut self,
        session: &DeviceSession,
        path: &str,
        body: &impl serde::Serialize,
    ) -> std::io::Result<()> {
        let bearer = session.bearer();
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.ask(("POST", path), &headers, &serde_json::to_vec(body).unwrap()).await
    }

    pub(crate) async fn post_as(
        &mut self,
        session: &DeviceSession,
        path: &str,
        body: &impl serde::Serialize,
    ) -> std::io::Result<Answer> {
        self.ask_as(session, path, body).await?;
        self.receive().await
    }

    /// Opens the event channel; the answer's head has been read.
    pub(crate) async fn listen(
        mut self,
        session: &DeviceSession,
        after: Option<&str>,
    ) -> std::io::Result<Listening> {
        let bearer = session.bearer();
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(after.map(|after| ("last-event-id", after)));
        self.ask(("GET", "/v1/events"), &headers, b"").await?;
        let answer = self.receive().await?;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.head.contains("content-type: text/event-stream"), "{}", answer.head);
        assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
        assert!(answer.head.contains("transfer-encoding: chunked"), "{}", answer.head);
        Ok(Listening { client: self, text: String::new() })
    }
}

/// An event as it came: id, name and data.
pub(crate) type Heard = (String, String, String);

pub(crate) struct Listening {
    client: Client,
    text: String,
}

impl Listening {
    /// Returns the next event; `None` at the regular end of the body, an error when it was cut off.
    pub(crate) async fn next(&mut self) -> std::io::Result<Option<Heard>> {
        loop {
            while let Some((part, rest)) = self.text.split_once("\n\n") {
                let (part, rest) = (part.to_owned(), rest.to_owned());
                self.text = rest;
                let field =
                    |name: &str| part.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                if let (Some(id), Some(event), Some(data)) = (field("id"), field("event"), field("data")) {
                    return Ok(Some((id.into(), event.into(), data.into())));
                }
                assert_eq!(part, ":", "nothing but events and signs of life");
            }
            let mut size = Vec::new();
            while !size.ends_with(b"\r\n") {
                size.push(self.client.stream.read_u8().await?);
            }
            let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            self.client.stream.read_exact(&mut chunk).await?;
            if size == 0 {
                let _ = self.client.stream.shutdown().await;
                return Ok(None);
            }
            self.text.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
        }
    }
}
