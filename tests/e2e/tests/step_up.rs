//! Step-ups with real processes: an application, a verifier, a device's service, a security key, and python-fido2 as the
//! client of it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use vitalsign_e2e::{Agent, Asked, Child, Hand, Testbed};
use vitalsign_ipc::Stage;
use vitalsign_ipc::{Answer, Refusal, Request};
use vitalsign_protocol::step_up::StepUpResult;
use vitalsign_simulated_key::{Pcscd, SimulatedKey, Transport};

const USER: &str = "nurse-7";

/// A device whose user has registered a key at it.
struct Ward {
    testbed: Testbed,
    agent: Agent,
    service: Child,
    hand: Hand,
    key: SimulatedKey,
}

impl Ward {
    fn open(transport: Transport) -> Result<Self> {
        let testbed = Testbed::with_simulated_tpm()?;
        let (agent, service, _) = testbed.enrolled("device")?;
        let mut key = testbed.security_key(transport)?;
        testbed.add_user(USER)?;
        let hand = Hand::at(&agent);
        let registered = hand.register(&testbed.key_code(USER)?, &mut key)?;
        ensure!(registered.user == USER && registered.model == testbed.maker.model(), "{registered:?}");
        Ok(Self { testbed, agent, service, hand, key })
    }

    fn ask(&self, message: &str) -> Result<Asked> {
        self.testbed.ask(USER, message, &[])
    }
}

/// The application has its tokens, and the audit entry that they name proves the approval.
fn is_approved(testbed: &Testbed, asked: Asked, message: &str) -> Result<()> {
    let outcome = asked.outcome()?;
    ensure!(outcome.get("step_up") == Some(&json!("approved")), "{outcome}");
    let entry =
        outcome.pointer("/id_claims/vitalsign_audit").and_then(Value::as_u64).context("no audit entry")?;
    let proof = testbed.prove(&entry.to_string())?;
    ensure!(proof.get("holds") == Some(&json!(true)), "{proof}");
    let shown = proof.pointer("/findings/says/transaction/message");
    ensure!(shown == Some(&json!(message)), "{proof}");
    Ok(())
}

fn ended(stage: &Stage, wanted: StepUpResult) -> bool {
    matches!(stage, Stage::Ended { end, .. } if *end == wanted)
}

fn one_tap_is_one_token(transport: Transport) -> Result<()> {
    let mut ward = Ward::open(transport)?;
    let asked = ward.ask("EHR: sign order 4711")?;
    ward.hand.approve("EHR: sign order 4711", &mut ward.key)?;
    is_approved(&ward.testbed, asked, "EHR: sign order 4711")?;
    ward.hand.until("EHR: sign order 4711", |stage| ended(stage, StepUpResult::Approved))?;
    Ok(())
}

#[test]
fn nfc_one_tap_is_one_token_with_python_fido2() -> Result<()> {
    let _pcscd = Pcscd::start()?;
    one_tap_is_one_token(Transport::Nfc)
}

#[test]
fn usb_one_tap_is_one_token_with_python_fido2() -> Result<()> {
    one_tap_is_one_token(Transport::Usb)
}

#[test]
fn unhealthy_device_is_refused_before_the_prompt() -> Result<()> {
    let ward = Ward::open(Transport::Usb)?;
    let taps = ward.key.taps_wanted();
    let asked = ward.testbed.ask(USER, "EHR: sign order 4712", &["--acr", "healthy-device"])?;
    let outcome = asked.outcome()?;
    ensure!(outcome.get("end") == Some(&json!("unhealthy")), "{outcome}");
    let shown = ward.hand.until("EHR: sign order 4712", |stage| ended(stage, StepUpResult::Unhealthy))?;
    let Stage::Ended { reasons, .. } = &shown.stage else { anyhow::bail!("{shown:?}") };
    // The TPM is one of software, whatever else this machine is.
    ensure!(reasons.iter().any(|reason| reason == "key-hardware"), "{reasons:?}");
    ensure!(outcome.get("reasons") == Some(&json!(reasons)), "the application is told the same: {outcome}");
    let over = ward.hand.request(Request::Ceremony(shown.id))?;
    ensure!(over == Answer::Refused(Refusal::Over), "{over:?}");
    ensure!(ward.key.taps_wanted() == taps, "the key was asked");
    Ok(())
}

#[test]
fn declining_determines_the_result() -> Result<()> {
    let ward = Ward::open(Transport::Usb)?;
    for (end, said) in [
        (StepUpResult::Declined, "declined"),
        (StepUpResult::NotMine, "not-mine"),
        (StepUpResult::PinBlocked, "pin-blocked"),
    ] {
        let message = format!("EHR: {said}");
        let asked = ward.ask(&message)?;
        let (id, _) = ward.hand.ceremony(&message)?;
        ward.hand.give_up(&id, end)?;
        ensure!(asked.end()? == said, "{said}");
        ward.hand.until(&message, |stage| ended(stage, end))?;
    }
    // Who watches the verifier is alerted to what the person did not ask for, and to nothing else.
    let log = std::fs::read_to_string(ward.testbed.folder().join("verifier.log"))?;
    let alerts: Vec<_> = log.lines().filter(|line| line.contains("ALERT")).collect();
    let enrolment = ward.agent.status()?.and_then(|it| it.enrolment).context("not enrolled")?.to_string();
    ensure!(
        matches!(alerts[..], [line] if [USER, "ehr", &enrolment, "WARN"].iter().all(|it| line.contains(it))),
        "{alerts:?}"
    );
    let listed = ward.testbed.administer(&["audit", "alerts", "--json"])?;
    let listed: Vec<Value> = listed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let of = |name: &str| listed.iter().map(|it| it.pointer(name).cloned()).collect::<Vec<_>>();
    ensure!(
        of("/body/end") == [Some(json!("not-mine"))] && of("/device") == [Some(json!(enrolment))],
        "{listed:?}"
    );
    let asked = ward.testbed.ask(USER, "EHR: no answer", &["--expires", "5"])?;
    ward.hand.ceremony("EHR: no answer")?;
    ensure!(asked.end()? == "timed-out");
    ward.hand.until("EHR: no answer", |stage| ended(stage, StepUpResult::TimedOut))?;
    Ok(())
}

#[test]
fn wrong_key_or_foreign_assertion_closes_step_up() -> Result<()> {
    let mut ward = Ward::open(Transport::Usb)?;
    let mut others = ward.testbed.security_key(Transport::Usb)?;
    ward.testbed.add_user("nurse-8")?;
    ward.hand.register(&ward.testbed.key_code("nurse-8")?, &mut others)?;
    // The other person's key signs exactly the options of nurse-7.
    let theirs = ward.testbed.ask("nurse-8", "EHR: theirs", &[])?;
    let (id, of_theirs) = ward.hand.ceremony("EHR: theirs")?;
    let asked = ward.ask("EHR: mine")?;
    let (mine, mut ceremony) = ward.hand.ceremony("EHR: mine")?;
    let own = ceremony.clone();
    let allowed = of_theirs.options.get("allowCredentials").context("no credentials")?.clone();
    ceremony.options.as_object_mut().context("no options")?.insert("allowCredentials".into(), allowed);
    let assertion = ward.hand.sign(&ceremony, &mut others)?;
    ward.hand.hand_over(&mine, assertion)?;
    ensure!(asked.end()? == "wrong-key");

    // A signature for one request is invalid for another, even with the same person and key.
    let signed = ward.hand.sign(&own, &mut ward.key)?;
    let asked = ward.ask("EHR: again")?;
    let (again, _) = ward.hand.ceremony("EHR: again")?;
    ward.hand.hand_over(&again, signed)?;
    ensure!(asked.end()? == "wrong-key");
    ward.hand.give_up(&id, StepUpResult::Declined)?;
    ensure!(theirs.end()? == "declined");
    Ok(())
}

#[test]
fn two_requests_at_once_are_two_taps() -> Result<()> {
    let mut ward = Ward::open(Transport::Usb)?;
    let (one, two) = (ward.ask("EHR: one")?, ward.ask("EHR: two")?);
    let (second, ceremony) = ward.hand.ceremony("EHR: two")?;
    ward.hand.approve("EHR: one", &mut ward.key)?;
    let assertion = ward.hand.sign(&ceremony, &mut ward.key)?;
    ward.hand.hand_over(&second, assertion)?;
    is_approved(&ward.testbed, one, "EHR: one")?;
    is_approved(&ward.testbed, two, "EHR: two")
}

#[test]
fn unknown_user_looks_like_an_unreachable_one() -> Result<()> {
    let testbed = Testbed::with_simulated_tpm()?;
    testbed.add_user("nurse-9")?;
    let asked = |user| testbed.ask(user, "EHR: sign order 4713", &[]);
    for (user, asked) in [("nurse-9", asked("nurse-9")?), ("unknown", asked("unknown")?)] {
        let end = asked.end()?;
        ensure!(end == "no-device", "{user}: {end}");
    }
    Ok(())
}

#[test]
fn a_verifier_that_is_killed_goes_on_where_it_was() -> Result<()> {
    let mut ward = Ward::open(Transport::Usb)?;
    // While the person is asked.
    let asked = ward.ask("EHR: before the tap")?;
    let (id, ceremony) = ward.hand.ceremony("EHR: before the tap")?;
    ward.testbed.verifier = None;
    let assertion = ward.hand.sign(&ceremony, &mut ward.key)?;
    ward.testbed.start_verifier()?;
    ward.hand.hand_over(&id, assertion)?;
    is_approved(&ward.testbed, asked, "EHR: before the tap")?;

    // While the tap is on its way: it is sent again.
    let asked = ward.ask("EHR: during the tap")?;
    let (id, ceremony) = ward.hand.ceremony("EHR: during the tap")?;
    let assertion = ward.hand.sign(&ceremony, &mut ward.key)?;
    ward.testbed.verifier = None;
    ward.hand.hand_over(&id, assertion)?;
    ward.hand.until("EHR: during the tap", |stage| *stage == Stage::Checking)?;
    ward.testbed.start_verifier()?;
    is_approved(&ward.testbed, asked, "EHR: during the tap")?;

    // After the approval, before the application has asked for the token.
    let asked = ward.ask("EHR: after the tap")?;
    ward.hand.approve("EHR: after the tap", &mut ward.key)?;
    ward.hand.until("EHR: after the tap", |stage| ended(stage, StepUpResult::Approved))?;
    ward.testbed.verifier = None;
    ward.testbed.start_verifier()?;
    is_approved(&ward.testbed, asked, "EHR: after the tap")
}

#[test]
fn killed_agent_resumes_with_fresh_evidence() -> Result<()> {
    let mut ward = Ward::open(Transport::Usb)?;
    // The device re-enrols while the person is prompted: the old challenge becomes invalid.
    let asked = ward.ask("EHR: before the tap")?;
    let (id, before) = ward.hand.ceremony("EHR: before the tap")?;
    ward.service.kill();
    ward.service = ward.agent.start_service()?;
    let (again, after) = ward.hand.ceremony("EHR: before the tap")?;
    ensure!(id == again, "another step-up");
    let challenge = |options: &Value| options.get("challenge").cloned().context("no challenge");
    ensure!(challenge(&before.options)? != challenge(&after.options)?, "the same challenge");
    ward.hand.approve("EHR: before the tap", &mut ward.key)?;
    is_approved(&ward.testbed, asked, "EHR: before the tap")?;

    // Before it has heard of it at all.
    ward.service.kill();
    let asked = ward.ask("EHR: while it was away")?;
    ward.service = ward.agent.start_service()?;
    ward.hand.approve("EHR: while it was away", &mut ward.key)?;
    is_approved(&ward.testbed, asked, "EHR: while it was away")
}
