//! Failures: nothing is lost, and the device recovers without help.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vitalsign_e2e::{Agent, Child, Testbed, Tpm, wait_for};
use vitalsign_ipc::{AgentState, Status};
use vitalsign_tpm_client::testing::{Pass, Proxy, Swtpm, Way};

const LIMIT: Duration = Duration::from_secs(60);

fn reporting(agent: &Agent) -> Result<Status> {
    agent.until("a verdict", |status| status.standing == AgentState::Reporting)
}

fn simulated(testbed: &Testbed) -> Result<&Swtpm> {
    match &testbed.tpm {
        Tpm::Simulated(tpm) => Ok(tpm),
        Tpm::Chip => anyhow::bail!("not the machine's own chip"),
    }
}

fn log(testbed: &Testbed, name: &str) -> Result<String> {
    Ok(std::fs::read_to_string(testbed.folder().join(name).join("agent.log"))?)
}

#[test]
fn a_verifier_that_is_away_costs_nothing_but_news() -> Result<()> {
    let mut testbed = Testbed::with_simulated_tpm()?;
    let agent = testbed.agent("device")?;
    std::fs::write(agent.token_file(), testbed.token(1)?)?;
    // Away before enrolment, too.
    testbed.verifier = None;
    let _service = agent.start_service()?;
    agent
        .until("the verifier to be missed", |status| matches!(status.standing, AgentState::Offline { .. }))?;
    testbed.start_verifier()?;
    agent.run(&["report"])?;
    let before = reporting(&agent)?;

    testbed.verifier = None;
    let away = agent.run(&["report"])?;
    ensure!(away.status.code() == Some(3), "{}", String::from_utf8_lossy(&away.stdout));
    let offline = agent.until("away", |status| matches!(status.standing, AgentState::Offline { .. }))?;
    ensure!(offline.ear == before.ear, "the last verdict stands");
    testbed.start_verifier()?;
    agent.run(&["report"])?;
    let after = reporting(&agent)?;
    ensure!(after.enrolment == before.enrolment && after.ear != before.ear, "{after:?}");
    Ok(())
}

#[test]
fn cleared_tpm_causes_new_key_and_enrolment() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let agent = testbed.agent("device")?;
    std::fs::write(agent.token_file(), testbed.token(1)?)?;
    let mut service = agent.start_service()?;
    let before = reporting(&agent)?;
    service.kill();
    simulated(&testbed)?.clear();
    std::fs::write(agent.token_file(), testbed.token(1)?)?;
    let _service = agent.start_service()?;
    let after = reporting(&agent)?;
    ensure!(after.reported_at.is_some() && after.ear != before.ear, "{after:?}");
    let journal = std::fs::read_to_string(agent.state().join("journal"))?;
    ensure!(journal.lines().filter(|line| line.contains("enrolled\":")).count() == 2, "{journal}");
    Ok(())
}

#[test]
fn broken_state_is_set_aside_and_device_reenrols() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let agent = testbed.agent("device")?;
    std::fs::write(agent.token_file(), testbed.token(1)?)?;
    let mut service = agent.start_service()?;
    reporting(&agent)?;
    let state = agent.state().join("state.json");
    let whole = std::fs::read(&state)?;
    let half = whole.get(..whole.len() / 2).context("half")?.to_vec();
    for (n, broken) in [half, Vec::new(), b"\0\xff\0".to_vec()].into_iter().enumerate() {
        service.kill();
        std::fs::write(&state, &broken)?;
        std::fs::write(agent.token_file(), testbed.token(1)?)?;
        service = agent.start_service()?;
        reporting(&agent)?;
        let aside = agent.state().join(format!("state.json.corrupt-{}", n + 1));
        ensure!(std::fs::read(&aside)? == broken, "{}", aside.display());
    }
    ensure!(log(&testbed, "device")?.contains("set aside"), "the log does not mention it");
    Ok(())
}

#[test]
fn a_full_disk_keeps_the_old_state_and_reports_go_on() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let agent = testbed.agent("device")?;
    std::fs::write(agent.token_file(), testbed.token(1)?)?;
    let Some(_disk) = SmallDisk::mount(&agent.state())? else {
        eprintln!("not run: mounting a small disk needs root");
        return Ok(());
    };
    let mut service = agent.start_service()?;
    let before = reporting(&agent)?;
    let saved = std::fs::read(agent.state().join("state.json"))?;
    let filler = agent.state().join("filler");
    fill(&filler)?;
    agent.run(&["report"])?;
    let full = reporting(&agent)?;
    ensure!(full.ear != before.ear, "no new verdict");
    ensure!(std::fs::read(agent.state().join("state.json"))? == saved, "the old state is not intact");
    ensure!(log(&testbed, "device")?.contains("no space is left"), "the log does not mention it");

    // It may even be killed then, and finds its enrolment again.
    service.kill();
    let _service = agent.start_service()?;
    ensure!(reporting(&agent)?.enrolment == before.enrolment, "another name");
    std::fs::remove_file(&filler)?;
    agent.run(&["report"])?;
    reporting(&agent)?;
    ensure!(std::fs::read(agent.state().join("state.json"))? != saved, "nothing was saved again");
    Ok(())
}

#[test]
fn enrolment_finishes_wherever_the_agent_was_killed() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    let token = testbed.token(1000)?;
    let victim: Arc<Mutex<Option<Child>>> = Arc::default();
    let proxy = Proxy::start(simulated(&testbed)?, |_, _| Pass::On);
    let start = |agent: &Agent| -> Result<()> {
        let service = agent.start_service()?;
        *victim.lock().unwrap_or_else(PoisonError::into_inner) = Some(service);
        Ok(())
    };
    // Kills the agent at the command of this number, or at none, and says how many there were.
    let at = |number: usize| -> Arc<Mutex<usize>> {
        let (seen, victim) = (Arc::new(Mutex::new(0)), Arc::clone(&victim));
        let count = Arc::clone(&seen);
        proxy.set(move |way, _| {
            let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
            *count += usize::from(way == Way::Command);
            if *count == number {
                // The service may not have been put there yet: then the next message is the one.
                match victim.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    Some(_killed) => return Pass::Close,
                    None => *count -= 1,
                }
            }
            Pass::On
        });
        seen
    };
    let agent = |name: &str| -> Result<Agent> {
        let mut agent = testbed.agent(name)?;
        agent.key = proxy.spec.clone();
        std::fs::write(agent.token_file(), &token)?;
        Ok(agent)
    };

    let whole = agent("whole")?;
    let seen = at(usize::MAX);
    start(&whole)?;
    reporting(&whole)?;
    drop(victim.lock().unwrap_or_else(PoisonError::into_inner).take());
    let commands = *seen.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(commands > 10, "{commands} commands are no enrolment");
    for number in (1..commands).step_by(3) {
        let agent = agent(&format!("killed-{number}"))?;
        at(number);
        start(&agent)?;
        wait_for("the kill", LIMIT, || {
            Ok(victim.lock().unwrap_or_else(PoisonError::into_inner).is_none().then_some(()))
        })?;
        at(usize::MAX);
        start(&agent)?;
        reporting(&agent).with_context(|| format!("killed at command {number} of {commands}"))?;
        drop(victim.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
    Ok(())
}

/// A disk of a few hundred kilobytes, in memory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path) -> Result<Option<Self>> {
        std::fs::create_dir_all(folder)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=512k,mode=0700", "vitalsign-test"]).arg(folder);
        Ok(mount.output()?.status.success().then(|| Self(folder.to_owned())))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the service's files may be open still.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn fill(path: &Path) -> Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create(path)?;
    while file.write_all(&[0; 4096]).is_ok() {}
    Ok(())
}
