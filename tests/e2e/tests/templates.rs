//! Templates for device management, read by independent parsers, and the JSON Schema, compared with the agent.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use vitalsign_protocol::id::Digest;
use vitalsign_simulated_key::process::program;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Python with what `scripts/setup.sh` put beside it.
fn python() -> Result<Command> {
    let peers = root().join("tests/peers");
    let name = Digest::of(&fs::read(peers.join("requirements.txt"))?).hex();
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(std::env::var_os("HOME").context("no home")?).join(".cache"),
    };
    let python = cache.join("vitalsign/python").join(name.get(..16).context("too short")?).join("bin/python");
    ensure!(python.exists(), "run scripts/setup.sh: there is no {}", python.display());
    let mut command = Command::new(python);
    command.arg(peers.join("managed.py"));
    Ok(command)
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn templates_are_read_by_other_parsers() -> Result<()> {
    let counts = run(python()?.arg("templates").arg(root().join("installers/managed")))?;
    let counts: std::collections::BTreeMap<String, u32> = serde_json::from_str(&counts)?;
    ensure!(counts.len() == 4 && counts.values().all(|count| *count > 10), "{counts:?}");
    Ok(())
}

#[test]
fn schema_and_agent_accept_the_same_settings() -> Result<()> {
    const CASES: &[(bool, &str)] = &[
        (true, ""),
        (true, "verifier = 'https://v.example'\nca-file = '/ca.pem'\nkey = 'auto'"),
        (
            true,
            "user-may-fix = ['os-updates']\n[support]\nphone = 'ext. 1'\nurl = 'mailto:it@hospital.example'",
        ),
        (true, "enrolment-token = 'vse_abc'\n[organisation]\nname = 'St. Example'\ncolour = '#005EB8'"),
        (true, "[display]\ntheme = 'schedule'\ndark-from = '20:30'\nnight-volume = 0"),
        (true, "share-names = 'both'\nasset-tag = 'IT-004711'"),
        (true, "report-seconds = 5"),
        (false, "verifer = 'https://v.example'"),
        (false, "verifier = 'http://v.example'\nca-file = '/ca.pem'"),
        (false, "key = 1"),
        (false, "ca-file = '/ca.pem'\nca-certificates = 'x'"),
        (false, "enrolment-token = 'a b'"),
        (false, "[support]\nurl = 'http://it.example'"),
        (false, "[support]\nfax = '1'"),
        (false, "support = 'ext. 1'"),
        (false, "[organisation]\ncolour = 'red'"),
        (false, "[display]\ntheme = 'night'"),
        (false, "[display]\ndark-from = '24:00'"),
        (false, "[display]\nnight-volume = 101"),
        (false, "user-may-fix = 'os-updates'"),
        (false, "share-names = 'all'"),
        (false, "asset-tag = 4711"),
    ];
    let folder = tempfile::tempdir()?;
    let mut validation = python()?;
    validation.arg("schema").arg(root().join("installers/managed/linux/agent.schema.json"));
    for (number, (accepted, text)) in CASES.iter().enumerate() {
        let file = folder.path().join(format!("{number}.toml"));
        fs::write(&file, text)?;
        validation.arg(&file);
        let mut agent = Command::new(program("vitalsign")?);
        agent.args(["config", "--json", "--state"]).arg(folder.path()).arg("--config").arg(&file);
        let output = agent.output()?;
        let code = if *accepted { 0 } else { 1 };
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(code), "{text}: {:?} {said}", output.status.code());
    }
    let said = run(&mut validation)?;
    for ((accepted, text), said) in CASES.iter().zip(said.lines()) {
        ensure!((said == "valid") == *accepted, "the schema says {said}: {text}");
    }
    Ok(())
}
