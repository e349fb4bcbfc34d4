//! Applications that others have written: openid-client and Authlib, and `tests/peers/application.py` with Python's HTTPS
//! and signatures.

use super::application::Provider;
use super::commands::run;
use super::person::Person;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use vitalsign_protocol::id::Digest;

const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/peers");

/// Python with the packages that `scripts/setup.sh` installed for this folder of `tests/peers`, to run this program of it.
fn python(folder: &str, program: &str) -> Command {
    let peers = Path::new(PEERS).join(folder);
    let requirements = std::fs::read(peers.join("requirements.txt")).unwrap();
    let name = Digest::of(&requirements).hex()[..16].to_owned();
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"), PathBuf::from);
    let python = cache.join("vitalsign/python").join(name).join("bin/python");
    assert!(python.exists(), "run scripts/setup.sh: there is no {}", python.display());
    let mut command = Command::new(python);
    command.arg(peers.join(program));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Node.js, to run this program of `tests/peers/oidc`.
async fn node(program: &str) -> Command {
    let found = Command::new(Path::new(PEERS).join("../../scripts/node.sh")).output().await.unwrap();
    let folder = String::from_utf8(found.stdout).unwrap();
    let modules = Path::new(PEERS).join("oidc/node_modules");
    assert!(modules.exists(), "run scripts/setup.sh: there is no {}", modules.display());
    let mut command = Command::new(Path::new(folder.trim()).join("node"));
    command.arg(Path::new(PEERS).join("oidc").join(program));
    command
}

/// An application that talks in lines of JSON on its standard input and output.
struct Peer {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, input, output }
    }

    /// Reads the next line.
    async fn said(&mut self) -> Value {
        match self.output.next_line().await.unwrap() {
            Some(line) => serde_json::from_str(&line).unwrap(),
            None => {
                let mut errors = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut errors).await.unwrap();
                unreachable!("the application ended: {errors}")
            }
        }
    }

    async fn tell(&mut self, line: &Value) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }
}

/// A provider that listens where its issuer says, with the defaults of polling, and the issuer.
async fn discoverable() -> (Provider, String) {
    // Released for the verifier to listen on.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let issuer = format!("https://localhost:{port}");
    let provider = Provider::with(|config| {
        config.listen = SocketAddr::from(([127, 0, 0, 1], port));
        config.origin = Some(issuer.parse().unwrap());
        config.oidc = Default::default();
    })
    .await;
    (provider, issuer)
}

/// Registers an application with keys, as IT does, with further arguments of `client add`.
async fn register(provider: &Provider, id: &str, jwks: &Value, more: &[&str]) {
    let file = provider.lab.folder.path().join(format!("{id}.jwks.json"));
    std::fs::write(&file, jwks.to_string()).unwrap();
    let (name, file) = (id.to_uppercase(), file.to_str().unwrap());
    let add = ["client", "add", &name, "--id", id, "--audience", "urn:api", "--jwks", file];
    let added = run(provider, &[&add, more].concat()).await;
    assert_eq!(added.code, Some(0), "{}", added.stderr);
}

/// A person who taps 40 seconds after the request, when the application has polled twice.
#[tokio::test]
async fn openid_client_gets_tokens_after_a_late_tap() {
    let (provider, issuer) = discoverable().await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let mut command = node("openid_client.mjs").await;
    command.env("NODE_EXTRA_CA_CERTS", &provider.anchor);
    let mut application = Peer::start(command);
    let more = ["--dpop-bound", "on", "--transaction-text", "on", "--preferred-username", "on"];
    register(&provider, "pacs", &application.said().await["jwks"], &more).await;
    application
        .tell(&json!({
            "issuer": issuer, "client_id": "pacs", "user": "nurse-7", "message": "PACS: open study 12",
        }))
        .await;
    let asked = application.said().await;
    assert_eq!(asked["asked"]["expires_in"], 120, "{asked}");
    let prompt = nurse.asked(&provider).await;
    assert_eq!(prompt.transaction.message, "PACS: open study 12");
    // The default timeout of the application's requests is 30 s.
    tokio::time::sleep(Duration::from_secs(40)).await;
    let ear = nurse.tap(&provider, &prompt).await.ear;
    let first = application.said().await;
    assert!(first["pending"].as_f64().is_some_and(|seconds| seconds > 20.0), "{first}");
    let mut said = application.said().await;
    while said["pending"].is_number() {
        said = application.said().await;
    }
    assert_eq!((&said["ear"], &said["token_type"]), (&json!(ear), &json!("dpop")));
    let claims = &said["claims"];
    assert_eq!(claims["vitalsign_transaction"]["text"], prompt.text);
    assert_eq!((&claims["preferred_username"], &claims["aud"]), (&json!("nurse-7"), &json!("pacs")));
    assert!(application.child.wait().await.unwrap().success());
}

#[tokio::test]
async fn authlib_accepts_metadata_and_gets_tokens() {
    let (provider, issuer) = discoverable().await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let mut command = python("oidc", "authlib_client.py");
    command.env("REQUESTS_CA_BUNDLE", &provider.anchor);
    let mut application = Peer::start(command);
    register(&provider, "ris", &application.said().await["jwks"], &[]).await;
    let add = ["client", "add", "EHR", "--id", "ehr", "--audience", "urn:ehr", "--secret", "--json"];
    let secret = run(&provider, &add).await.json()["secret"].clone();
    application
        .tell(&json!({
            "issuer": issuer, "client_id": "ris", "user": "nurse-7", "message": "RIS: release report 3",
            "secret_client_id": "ehr", "secret": secret,
        }))
        .await;
    let asked = application.said().await;
    assert_eq!(asked["asked"]["interval"], 2, "{asked}");
    let prompt = nurse.asked(&provider).await;
    let ear = nurse.tap(&provider, &prompt).await.ear;
    let said = application.said().await;
    assert_eq!((&said["ear"], &said["claims"]["iss"]), (&json!(ear), &json!(issuer)));
    assert_eq!(said["claims"]["vitalsign_device"], json!(nurse.enrolment()));
    assert!(application.child.wait().await.unwrap().success());
}

#[tokio::test]
async fn python_client_gets_tokens_that_it_can_verify() {
    let provider =
        Provider::with(|config| (config.oidc.hold_seconds, config.oidc.dpop_nonces) = (30, true)).await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let folder = provider.lab.folder.path();
    let (key, jwks) = (folder.join("pacs.pem"), folder.join("pacs.jwks.json"));
    let made = python("", "application.py").arg("key").arg(&key).output().await.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::write(&jwks, made.stdout).unwrap();
    let add =
        ["client", "add", "PACS", "--id", "pacs", "--audience", "urn:pacs", "--jwks", jwks.to_str().unwrap()];
    let added = run(&provider, &add).await;
    assert_eq!(added.code, Some(0), "{}", added.stderr);

    let url = format!("https://localhost:{}", provider.address.port());
    let mut application = python("", "application.py");
    application.args([
        "ask",
        "--url",
        &url,
        "--client",
        "pacs",
        "--user",
        "nurse-7",
        "--message",
        "PACS: open study 12",
    ]);
    application.arg("--ca").arg(&provider.anchor).arg("--key").arg(&key);
    let application = application.spawn().unwrap();
    let asked = nurse.asked(&provider).await;
    assert_eq!(
        (asked.transaction.application.as_str(), asked.transaction.message.as_str()),
        ("PACS", "PACS: open study 12")
    );
    nurse.tap(&provider, &asked).await;
    let output = application.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let claims: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&claims["access"]["aud"], &claims["nonces"]), (&json!("urn:pacs"), &json!(1)));
    assert_eq!(claims["id"]["vitalsign_device"], json!(nurse.enrolment()));
}
