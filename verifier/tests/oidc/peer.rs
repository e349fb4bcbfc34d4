//! An application that others could have written: `tests/peers/application.py`, with Python's HTTPS and signatures.

use super::application::Provider;
use super::commands::run;
use super::person::Person;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;
use vitalsign_protocol::id::Digest;

/// Python with what `scripts/setup.sh` put beside it.
fn python() -> Command {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers");
    let requirements = std::fs::read(peers.join("requirements.txt")).unwrap();
    let name = Digest::of(&requirements).hex()[..16].to_owned();
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"), PathBuf::from);
    let python = cache.join("vitalsign/python").join(name).join("bin/python");
    assert!(python.exists(), "run scripts/setup.sh: there is no {}", python.display());
    let mut command = Command::new(python);
    command.arg(peers.join("application.py"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn python_client_gets_tokens_that_it_can_verify() {
    let provider = Provider::with(|config| config.oidc.hold_seconds = 30).await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let folder = provider.lab.folder.path();
    let (key, jwks) = (folder.join("pacs.pem"), folder.join("pacs.jwks.json"));
    let made = python().arg("key").arg(&key).output().await.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::write(&jwks, made.stdout).unwrap();
    let add =
        ["client", "add", "PACS", "--id", "pacs", "--audience", "urn:pacs", "--jwks", jwks.to_str().unwrap()];
    let added = run(&provider, &add).await;
    assert_eq!(added.code, Some(0), "{}", added.stderr);

    let url = format!("https://localhost:{}", provider.address.port());
    let mut application = python();
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
    assert_eq!(claims["access"]["aud"], "urn:pacs");
    assert_eq!(claims["id"]["vitalsign_device"], json!(nurse.enrolment()));
}
