//! Commands of the documents work as written.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use vitalsign_e2e::Testbed;

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn integration_guide_asks_and_reads_the_result() -> Result<()> {
    const GUIDE: &str = include_str!("../../../docs/integrate.md");
    let (_, script) = GUIDE.split_once("\n```sh\n").context("no script")?;
    let (script, _) = script.split_once("\n```").context("no end of the script")?;

    let testbed = Testbed::with_simulated_tpm()?;
    testbed.administer(&["user", "add", "nurse-7"])?;
    let secret = std::fs::read_to_string(testbed.secret_of_ehr()?)?;
    let ask = |secret: &str| -> Result<Value> {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", script])
            .env("VERIFIER", testbed.url())
            .env("CA", testbed.anchor())
            .env("CLIENT", "ehr")
            .env("SECRET", secret)
            .env("PERSON", "nurse-7")
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout)?;
        serde_json::from_str(&printed).context(printed)
    };
    // The person has no device, and the application hears so.
    let ended = ask(&secret)?;
    let text = |value: &Value, at: &str| value.pointer(at).and_then(Value::as_str).map(str::to_owned);
    ensure!(text(&ended, "/vitalsign_end").as_deref() == Some("no-device"), "{ended}");
    ensure!(text(&ended, "/error").as_deref() == Some("access_denied"), "{ended}");
    let refused = ask("another")?;
    ensure!(text(&refused, "/error").is_some() && text(&refused, "/vitalsign_end").is_none(), "{refused}");
    Ok(())
}

/// One line of a script, and its exit code.
struct Ran {
    line: String,
    code: i32,
    output: String,
}

/// Runs the lines as if they were pasted into a terminal: a shell that one of them starts reads the rest.
fn paste(lines: &[&str], environment: &[(&str, &OsStr)]) -> Result<Vec<Ran>> {
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc"]).current_dir(WORKSPACE).envs(environment.iter().copied());
    bash.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("MAKEFLAGS");
    let mut bash = bash.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // A pipe, of which a shell takes one line at a time; all of it fits in.
    let mut input = bash.stdin.take().context("no standard input")?;
    for line in lines {
        let documented = if line.contains("# exits 1") { "0|1" } else { "0" };
        // Once a line has failed, no shell runs another.
        writeln!(input, "[ ! -e $TMPDIR/failed ] || exit 1\n{line}\ncode=$?; printf '\\n@ran %d\\n' $code")?;
        writeln!(input, "case $code in {documented}) ;; *) touch $TMPDIR/failed; esac")?;
    }
    drop(input);
    let output = bash.wait_with_output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let heard = String::from_utf8_lossy(&output.stderr);
    let mut parts = printed.split("\n@ran ");
    let mut said = parts.next().unwrap_or_default().to_owned();
    let mut all = Vec::new();
    for (line, part) in lines.iter().zip(parts) {
        let (code, next) = part.split_once('\n').unwrap_or((part, ""));
        let code = code.trim().parse().with_context(|| format!("{line}: no exit code: {code:?}"))?;
        all.push(Ran {
            line: (*line).to_owned(),
            code,
            output: std::mem::replace(&mut said, next.to_owned()),
        });
    }
    let failed = all.iter().find(|ran| ran.code != 0 && !ran.line.contains(&format!("# exits {}", ran.code)));
    if let Some(Ran { line, code, output }) = failed {
        bail!("{line}: exits with {code}: {output}\n{heard}");
    }
    ensure!(all.len() == lines.len(), "it ended after {} lines: {printed}\n{heard}", all.len());
    Ok(all)
}

#[test]
fn readme_leads_to_an_approved_step_up_by_hand() -> Result<()> {
    const README: &str = include_str!("../../../README.md");
    let (_, section) = README.split_once("\n## Try it by hand\n").context("no such section")?;
    let (section, _) = section.split_once("\n## ").context("no end of the section")?;
    let blocks: Vec<&str> =
        section.split("\n```").skip(1).step_by(2).filter_map(|it| it.strip_prefix("sh\n")).collect();
    let [first, more] = blocks.as_slice() else { bail!("{} blocks", blocks.len()) };
    let lines: Vec<&str> = first.lines().chain(more.lines()).collect();
    ensure!(first.lines().count() < 15, "too long to be tried");

    // The programs are built: `make shell` runs everything but the compiler.
    let folder = tempfile::Builder::new().prefix("vs").tempdir()?;
    let programs = vitalsign_simulated_key::process::program("vitalsign-demo")?;
    let target = programs.ancestors().nth(2).context("no folder of the build")?;
    let environment = [
        ("CARGO", OsStr::new("true")),
        ("CARGO_TARGET_DIR", target.as_os_str()),
        ("TMPDIR", folder.path().as_os_str()),
    ];
    let ran = paste(&lines, &environment)?;
    let last = &ran.get(first.lines().count() - 1).context("no last line")?.output;
    ensure!(last.contains("Approved") && last.contains("The signatures of both tokens are valid"), "{last}");
    let listed = ran.iter().find(|it| it.line.contains("step-up list ")).context("no list")?;
    ensure!(listed.output.contains("approved") && listed.output.contains("EHR: sign order 4711"));

    // It all goes with the shell: the folder, and every process that was started in it.
    vitalsign_e2e::wait_for("all processes to end", std::time::Duration::from_secs(30), || {
        Ok(started_with(folder.path().as_os_str())?.is_empty().then_some(()))
    })?;
    ensure!(std::fs::read_dir(folder.path())?.next().is_none(), "something is left in {folder:?}");
    Ok(())
}

/// Processes that have this value in their environment.
fn started_with(value: &OsStr) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        // It may have ended meanwhile.
        let environment = std::fs::read(Path::new("/proc").join(&name).join("environ")).unwrap_or_default();
        if environment.windows(value.len()).any(|part| part == value.as_encoded_bytes()) {
            found.push(name.to_string_lossy().into_owned());
        }
    }
    Ok(found)
}
