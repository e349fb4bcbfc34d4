//! The drill: a backup of a running verifier is restored to another place, and devices and people go on.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use vitalsign_e2e::{Agent, Child, Hand, Testbed};
use vitalsign_ipc::{AgentState, Status};
use vitalsign_simulated_key::{SimulatedKey, Transport};
use vitalsign_tpm_client::testing::Swtpm;

const USER: &str = "nurse-7";

/// An agent with a software TPM.
struct Device {
    agent: Agent,
    first: Status,
    _service: Child,
    _tpm: Swtpm,
}

impl Device {
    fn enrol(testbed: &mut Testbed, name: &str) -> Result<Self> {
        let folder = testbed.folder().join(format!("tpm-{name}"));
        fs::create_dir_all(&folder)?;
        let tpm = Swtpm::start(&folder);
        testbed.trust_another(&tpm, name)?;
        testbed.verifier = None;
        testbed.start_verifier()?;
        let mut agent = testbed.agent(name)?;
        agent.key.clone_from(&tpm.spec);
        let (agent, service, first) = testbed.enrol(agent)?;
        Ok(Self { agent, first, _service: service, _tpm: tpm })
    }

    /// Waits for a verdict with another EAR than this one.
    fn goes_on(&self, before: &Status) -> Result<Status> {
        self.agent.run(&["report"])?;
        let next = self.agent.until("a new verdict", |status| {
            status.standing == AgentState::Reporting && status.ear != before.ear
        })?;
        ensure!(next.enrolment == self.first.enrolment, "enrolled again: {next:?}");
        Ok(next)
    }
}

fn approve(testbed: &Testbed, hand: &Hand, key: &mut SimulatedKey, message: &str) -> Result<u64> {
    let asked = testbed.ask(USER, message, &[])?;
    hand.approve(message, key)?;
    let outcome = asked.outcome()?;
    ensure!(outcome.get("step_up") == Some(&json!("approved")), "{outcome}");
    outcome.pointer("/id_claims/vitalsign_audit").and_then(Value::as_u64).context("no audit entry")
}

fn entries(testbed: &Testbed) -> Result<Vec<Value>> {
    let list = testbed.administer(&["audit", "list", "--json", "--limit", "100000", "--after", "0"])?;
    list.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn count(entries: &[Value], kind: &str) -> usize {
    entries.iter().filter(|entry| entry.get("kind") == Some(&json!(kind))).count()
}

#[test]
fn devices_go_on_after_a_restore_to_another_place() -> Result<()> {
    let mut testbed = Testbed::with_simulated_tpm()?;
    let one = Device::enrol(&mut testbed, "one")?;
    let two = Device::enrol(&mut testbed, "two")?;
    let mut key = testbed.security_key(Transport::Usb)?;
    testbed.add_user(USER)?;
    let hand = Hand::at(&one.agent);
    hand.register(&testbed.key_code(USER)?, &mut key)?;
    let proven = approve(&testbed, &hand, &mut key, "EHR: sign order 1")?;

    let recipient = testbed.administer(&["backup-key", &path(&testbed, "key.txt")])?;
    let backup = ["backup", &path(&testbed, "one.age"), "--recipient", recipient.trim(), "--json"];
    // While devices report.
    one.agent.run(&["report"])?;
    let made: Value = serde_json::from_str(&testbed.administer(&backup)?)?;
    let last = made.get("last_entry").and_then(Value::as_u64).context("no last entry")?;
    let before = entries(&testbed)?;

    // More reports, an enrolment and a step-up, which the restored verifier does not know.
    let seen = [one.goes_on(&one.first)?, two.goes_on(&two.first)?];
    let late = Device::enrol(&mut testbed, "late")?;
    let lost = approve(&testbed, &hand, &mut key, "EHR: sign order 2")?;
    ensure!(lost > last, "{lost} is in the backup");

    testbed.stop_for_data("elsewhere")?;
    let restore = ["restore", &path(&testbed, "one.age"), "--identity", &path(&testbed, "key.txt")];
    testbed.administer(&restore)?;
    testbed.start_verifier()?;

    let [first, second] = seen;
    one.goes_on(&first)?;
    two.goes_on(&second)?;
    late.agent.run(&["report"])?;
    let unknown = late.agent.until("the state with the remedy", |status| {
        matches!(&status.standing, AgentState::Refused { problem, .. }
            if problem == "urn:vitalsign:problem:device-unknown")
    })?;
    ensure!(unknown.enrolment == late.first.enrolment, "{unknown:?}");
    // The person's key, the device's channel and the application go on too, and old approvals are still proven.
    let after = approve(&testbed, &hand, &mut key, "EHR: sign order 3")?;
    for entry in [proven, after] {
        let proof = testbed.prove(&entry.to_string())?;
        ensure!(proof.get("holds") == Some(&json!(true)), "{proof}");
    }

    testbed.administer(&["audit", "verify"])?;
    let restored = entries(&testbed)?;
    let kept = usize::try_from(last)?;
    ensure!(restored.get(..kept) == before.get(..kept), "the log before the backup is another");
    let since = restored.get(kept..).context("nothing after the backup")?;
    ensure!(count(since, "restored") == 1 && count(&restored, "restored") == 1, "{since:?}");
    ensure!(count(&restored, "enrolled") == 2 && count(since, "enrolled-again") == 0, "{since:?}");
    ensure!(count(&restored, "step-up-approved") == 2, "{since:?}");
    Ok(())
}

fn path(testbed: &Testbed, name: &str) -> String {
    testbed.folder().join(name).display().to_string()
}
