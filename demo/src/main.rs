//! The demonstration: this machine's real posture, signed by its TPM, judged by a verifier. Its last line is JSON.
//! With the argument `shell`, it starts a shell in which a person takes the same steps by hand.

mod screen;
mod shell;
mod step_up;

use anyhow::{Context, Result, bail};
use serde_json::json;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use vitalsign_e2e::{Agent, Testbed, Tpm, wait_for};
use vitalsign_ipc::{AgentState, Status};
use vitalsign_protocol::ear::Tier;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("shell") {
        return shell::run().unwrap_or_else(|error| {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        });
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            println!("{}", json!({ "demo": "failed", "why": format!("{error:#}") }));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    say("A hospital in a folder: a verifier on loopback with a certificate authority made just now.");
    let chip = Path::new("/dev/tpmrm0").exists();
    let testbed = if chip { Testbed::with_chip()? } else { Testbed::with_simulated_tpm()? };
    let simulated = match &testbed.tpm {
        Tpm::Chip => {
            say(
                "The TPM is this machine's chip. Its certificate is trusted because it is here: a hospital would trust its maker.",
            );
            false
        }
        Tpm::Simulated(_) => {
            say(
                "This machine has no TPM, so a SOFTWARE TPM stands in for it. It speaks every command of a chip, and it",
            );
            say("protects nothing: the verifier knows its maker as one of software, and will say so.");
            true
        }
    };
    let agent = testbed.agent("device")?;
    std::fs::write(agent.token_file(), testbed.token(1)?)?;

    say("The agent starts as a service, enrols with a one-time token and reports.");
    let _service = agent.start_service()?;
    let first =
        wait_for("the device to be enrolled and judged", Duration::from_secs(120), || judged(&agent, None))?;

    say("A second report, asked for by hand: the nonce came with the last answer, the key is loaded.");
    let asked = agent.run(&["report"])?;
    let after = first.reported_at;
    let status = wait_for("a second verdict", Duration::from_secs(120), || {
        if asked.status.code() == Some(2) {
            bail!("vitalsign report: {}", String::from_utf8_lossy(&asked.stderr));
        }
        judged(&agent, after)
    })?;

    println!();
    let mut show = agent.command(&["status"]);
    if std::io::stdout().is_terminal() {
        show.env_remove("NO_COLOR");
    }
    // Its exit code says whether the device is healthy, which is what the table shows.
    show.status().context("vitalsign status")?;
    let ear = status.ear.as_ref().context("there is no verdict")?;
    let cost = status.cost.context("the report's cost was not measured")?;
    let step_up = step_up::show(&testbed, &agent)?;
    println!();
    let last = json!({
        "demo": "ok",
        "key": "tpm",
        "simulated_tpm": simulated,
        "ear_status": ear.ear_status.unwrap_or(Tier::None),
        "evidence_bytes": cost.evidence_bytes,
        "round_trips_per_report": cost.round_trips,
        "tpm_commands_per_report": cost.hardware_commands,
        "step_up": step_up.first_level,
        "step_up_healthy_device": step_up.healthy_device,
        "authenticator": step_up.authenticator,
        "challenge_binds_evidence": step_up.challenge_binds_evidence,
        "request_to_prompt_ms": millis(step_up.request_to_prompt),
        "tap_to_token_ms": millis(step_up.tap_to_token),
    });
    step_up.look_around()?;
    println!("{last}");
    Ok(())
}

/// The status, once a report without a quote was judged after `before`.
fn judged(agent: &Agent, before: Option<u64>) -> Result<Option<Status>> {
    let Some(status) = agent.status()? else { return Ok(None) };
    match &status.standing {
        AgentState::Reporting => {}
        AgentState::Starting | AgentState::Enrolling | AgentState::Offline { .. } => return Ok(None),
        other => bail!("the device was not taken in: {other:?}"),
    }
    let newer = before.is_none() || (status.cost.is_some() && !status.busy);
    Ok(Some(status).filter(|_| newer))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn say(line: &str) {
    println!("· {line}");
}
