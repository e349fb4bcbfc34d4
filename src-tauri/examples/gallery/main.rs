//! Prints every screen in every state worth looking at, as the page is shown it: `{"now": seconds since 1970, "views":
//! {name: View}}`. What the service, the security key and the person say is made up here; the rest is the app's own way
//! from there to the view, so that no screen is looked at that cannot be.

mod facts;

use facts::{
    blocked, but, disk_off, ear, firewall_off, foreign_policy, healthy, managed, reporting, restart_waits,
    settings, updates_wait, without_verdict,
};
use serde::Serialize;
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use vitalsign_app::model::{Happened, Model, Registering, keys, registered};
use vitalsign_app::view::{Page, Registration, SettingsPage, View};
use vitalsign_client::ClientError;
use vitalsign_ipc::{AgentState, Answer, OrganisationTexts, Refusal, Stage, Status, StepUp, StepUpCeremony};
use vitalsign_protocol::ear::{Check, Tier};
use vitalsign_protocol::id::StepUpId;
use vitalsign_protocol::organisation::{Downtime, Logo};
use vitalsign_protocol::problem::ProblemType;
use vitalsign_protocol::step_up::{ADMINISTRATOR, Acr, NO_SECURITY_KEY, RegisteredKey, StepUpResult};
use vitalsign_security_key::{Failure, Pin, PinReason, PinReply, PinRequest, Prompt};
use vitalsign_session::flow::{Attempt, Choice, Flow, FlowEffect, FlowEvent, UiAbilities};
use vitalsign_session::{DisconnectReason, Disconnected, RegisterError};

/// Monday, 23 November 2026, 09:30 in UTC.
const NOW: u64 = 1_795_426_200;
const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

#[derive(Serialize)]
struct Gallery {
    now: u64,
    views: BTreeMap<&'static str, View>,
}

fn main() -> serde_json::Result<()> {
    let views =
        [status(), lost(), prompts(), outside_texts(), ends(), registrations(), lists()].concat().into_iter();
    let gallery = Gallery { now: NOW, views: views.collect() };
    serde_json::to_writer_pretty(io::stdout().lock(), &gallery)?;
    println!();
    Ok(())
}

type Views = Vec<(&'static str, View)>;

/// A session with the service: what its flow shows goes into the model.
struct Session {
    flow: Flow,
    model: Model,
    attempt: Option<Attempt>,
}

impl Session {
    fn new() -> Self {
        let mut model = Model::new("ward-3-cart-07".to_owned()).with_settings(SettingsPage::ALL.to_vec());
        model.on(Happened::Opened(Page::Status), NOW);
        let abilities = UiAbilities { retries: true, reports_reading: true };
        Self { flow: Flow::new(abilities), model, attempt: None }
    }

    fn on(mut self, event: FlowEvent) -> Self {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.flow.on(event) {
                match effect {
                    FlowEffect::Show(shown) => self.model.on(Happened::Shown(shown), NOW),
                    FlowEffect::Fetch(id) => {
                        let nothing = StepUpCeremony {
                            origin: String::new(),
                            rp_id: String::new(),
                            options: json!({}),
                        };
                        events.push(FlowEvent::Fetched(id, Ok(Answer::Ceremony(Box::new(nothing)))));
                    }
                    FlowEffect::Perform(attempt, _) => self.attempt = Some(attempt),
                    FlowEffect::Tell(..) | FlowEffect::Stop | FlowEffect::Ended(..) | FlowEffect::Quit => {}
                }
            }
        }
        self
    }

    fn status(self, status: Status) -> Self {
        self.on(FlowEvent::Status(Box::new(status)))
    }

    /// Asked, and read to the end.
    fn asked(self, step_ups: Vec<StepUp>) -> Self {
        let ids: Vec<StepUpId> = step_ups.iter().map(|it| it.id).collect();
        let session = self.status(Status { step_ups, ..reporting(healthy()) });
        ids.into_iter().fold(session, |session, id| session.on(FlowEvent::Read(id)))
    }

    fn key(mut self, prompt: Prompt) -> Self {
        match self.attempt.take() {
            Some(attempt) => {
                self.attempt = Some(attempt);
                self.on(FlowEvent::Prompt(attempt, prompt))
            }
            None => self,
        }
    }

    fn failed(mut self, failure: Failure) -> Self {
        match self.attempt.take() {
            Some(attempt) => self.on(FlowEvent::Performed(attempt, Err(failure))),
            None => self,
        }
    }

    fn happened(mut self, happened: Happened) -> Self {
        self.model.on(happened, NOW);
        self
    }

    fn view(self) -> View {
        self.model.view(NOW)
    }
}

/// A session whose organisation has a logo.
fn organised() -> Session {
    let logo = Some(Logo::new(include_bytes!("../../icons/icon-32.png").to_vec()));
    Session::new()
        .happened(Happened::Organisation(Box::new(OrganisationTexts { logo, ..Default::default() })))
}

/// A session whose organisation says what to do while the device is not ready.
fn with_downtime() -> Session {
    let downtime = Some(Downtime {
        text: "Use the red order form in the drawer below the cart, and enter the order later.".to_owned(),
        phone: Some("ext. 999".to_owned()),
    });
    let texts = OrganisationTexts { downtime, ..Default::default() };
    Session::new().happened(Happened::Organisation(Box::new(texts)))
}

fn status() -> Views {
    let show = |status| Session::new().status(status).view();
    let offline = AgentState::Offline {
        since: NOW - 25 * MINUTE,
        detail: "the verifier at verifier.test was not reached: connection refused".to_owned(),
    };
    let mut unjudged = healthy();
    for check in unjudged.iter_mut().filter(|it| it.check.starts_with("boot") || it.check == "lock-idle") {
        let reason = if check.check == "lock-idle" { "unreadable" } else { "unsupported" };
        (check.status, check.reason, check.since, check.seen) =
            (Tier::None, reason.to_owned(), None, Map::new());
    }
    let unjudged = reporting(unjudged);
    let mut silent = ear(healthy());
    silent.ear_status = Some(Tier::Contraindicated);
    let mut expired = ear(healthy());
    expired.exp = Some(NOW - 2 * HOUR);
    let refused = AgentState::Refused {
        problem: ProblemType::EndorsementUntrusted.urn().to_owned(),
        detail: ProblemType::EndorsementUntrusted.title().to_owned(),
    };
    let key_trouble =
        AgentState::KeyTrouble { detail: "the TPM at /dev/tpmrm0 is locked out for 2 h".to_owned() };
    let unenrolled = Status { enrolment: None, ..without_verdict(AgentState::NotEnrolled) };
    let enrolling = Status { enrolment: None, busy: true, ..without_verdict(AgentState::Enrolling) };
    vec![
        ("status-healthy", show(reporting(healthy()))),
        ("status-attention", show(reporting(but(vec![updates_wait(), restart_waits()])))),
        ("status-one-thing", show(reporting(but(vec![restart_waits()])))),
        ("status-blocked", show(reporting(blocked()))),
        ("status-managed", organised().status(Status { guidance: managed(), ..reporting(blocked()) }).view()),
        ("status-settings-refused", show(Status { settings: settings(true), ..reporting(healthy()) })),
        ("status-unknown", show(unjudged)),
        ("status-busy", show(Status { busy: true, ..reporting(but(vec![firewall_off()])) })),
        ("status-offline", show(Status { standing: offline.clone(), ..reporting(healthy()) })),
        (
            "status-expired",
            show(Status {
                standing: offline,
                ear: Some(expired),
                reported_at: Some(NOW - 3 * HOUR),
                ..reporting(healthy())
            }),
        ),
        ("status-not-accepted", show(Status { ear: Some(silent), ..reporting(healthy()) })),
        ("status-no-verdict", show(without_verdict(AgentState::Starting))),
        ("status-enrolling", show(enrolling)),
        ("status-not-enrolled", show(unenrolled)),
        ("status-revoked", show(without_verdict(AgentState::Revoked))),
        ("status-refused", show(without_verdict(refused))),
        ("status-key-trouble", show(without_verdict(key_trouble))),
        ("status-foreign-policy", show(reporting(foreign_policy()))),
    ]
}

fn lost() -> Views {
    let socket = PathBuf::from(vitalsign_client::program::DEFAULT_SOCKET);
    let not_running = Disconnected::from(&ClientError::NotRunning(socket.clone()));
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    let garbled = vitalsign_ipc::Error::NotUnderstood("expected value at line 1 column 1".to_owned());
    let show = |lost| Session::new().on(FlowEvent::Disconnected(lost)).view();
    let seen_before =
        Session::new().status(reporting(blocked())).on(FlowEvent::Disconnected(not_running.clone())).view();
    vec![
        ("lost-starting", Session::new().view()),
        ("lost-not-running", show(not_running)),
        ("lost-seen-before", seen_before),
        ("lost-other-version", show((&ClientError::Protocol(vitalsign_ipc::Error::OtherVersion(2))).into())),
        ("lost-garbled", show((&ClientError::Protocol(garbled)).into())),
        ("lost-silent", show((&ClientError::TimedOut).into())),
        ("lost-foreign", show((&ClientError::Foreign(socket, denied)).into())),
        ("lost-busy", show((&Refusal::Busy).into())),
        (
            "lost-other",
            show(Disconnected {
                loss: DisconnectReason::Other,
                text: "the service cannot be asked".to_owned(),
            }),
        ),
    ]
}

// --- What is asked ---

fn step_up(stage: Stage) -> StepUp {
    StepUp {
        id: StepUpId([1; 16]),
        application: "EHR".to_owned(),
        user: "nurse-7".to_owned(),
        message: "EHR: sign order 4711".to_owned(),
        authorization_details: None,
        details_schemas: Default::default(),
        acr: Acr::HealthyDevice,
        until: NOW + 107,
        pin_entered: None,
        stage,
    }
}

fn tap() -> StepUp {
    step_up(Stage::Tap)
}

fn pin(reason: PinReason, attempts_left: Option<u32>) -> Prompt {
    Prompt::Pin(PinRequest { reason, attempts_left, reply: PinReply::new(|_| {}) })
}

fn prompts() -> Views {
    let asked = || Session::new().asked(vec![tap()]);
    let of_organisation = Status { step_ups: vec![tap()], guidance: managed(), ..reporting(healthy()) };
    let of_organisation = organised().status(of_organisation).on(FlowEvent::Read(tap().id));
    let show = |prompt| asked().key(prompt).view();
    let other = |id: u8, stage: Stage| StepUp { id: StepUpId([id; 16]), ..step_up(stage) };
    let queue = vec![tap(), other(2, Stage::Tap), other(3, Stage::Tap), other(4, Stage::Preparing)];
    let epcs = StepUp {
        acr: Acr::Epcs,
        message: "Prescribe oxycodone 5 mg, 20 tablets, to the patient of record 20417".to_owned(),
        ..tap()
    };
    let badge = StepUp {
        acr: Acr::Badge,
        message: "EHR: open chart 20417".to_owned(),
        pin_entered: Some(NOW - 6_120),
        ..tap()
    };
    let by_it = StepUp {
        application: ADMINISTRATOR.to_owned(),
        message: "A test by IT: please touch your key".to_owned(),
        ..tap()
    };
    let unavailable = "the smart card service does not run: connection refused (os error 111)";
    let entered = asked()
        .key(pin(PinReason::Needed, Some(8)))
        .happened(Happened::Pin { question: 1, pin: Pin::new("1".to_owned()) });
    let show_covering = |prompt| asked().happened(Happened::Covers(true)).key(prompt).view();
    vec![
        ("prompt-preparing", asked().view()),
        ("prompt-insert", show(Prompt::Insert)),
        ("prompt-touch", show(Prompt::Touch { keys: 1 })),
        ("prompt-touch-two-keys", show(Prompt::Touch { keys: 2 })),
        ("prompt-pin", show(pin(PinReason::Needed, Some(8)))),
        ("prompt-pin-attempts-unknown", show(pin(PinReason::Needed, None))),
        ("prompt-pin-wrong", show(pin(PinReason::Wrong, Some(5)))),
        ("prompt-pin-last-attempt", show(pin(PinReason::Wrong, Some(1)))),
        ("prompt-pin-new", show(pin(PinReason::New { least: 6 }, None))),
        ("prompt-pin-change", show(pin(PinReason::Change { least: 6 }, None))),
        ("prompt-pin-former", show(pin(PinReason::Former, Some(8)))),
        ("prompt-pin-unsuitable", show(pin(PinReason::Unsuitable { least: 6 }, None))),
        ("prompt-failed", asked().failed(Failure::Unavailable(unavailable.to_owned())).view()),
        ("prompt-failed-timed-out", asked().failed(Failure::TimedOut).view()),
        ("prompt-pin-organisation", of_organisation.key(pin(PinReason::Needed, Some(8))).view()),
        ("prompt-working", entered.view()),
        ("prompt-checking", asked().asked(vec![step_up(Stage::Checking)]).view()),
        ("prompt-waiting", Session::new().asked(queue).key(Prompt::Touch { keys: 1 }).view()),
        ("prompt-covers", show_covering(Prompt::Insert)),
        ("prompt-test", Session::new().asked(vec![by_it]).key(Prompt::Touch { keys: 1 }).view()),
        ("prompt-badge", Session::new().asked(vec![badge]).key(Prompt::Touch { keys: 1 }).view()),
        ("prompt-epcs", Session::new().asked(vec![epcs]).key(Prompt::Touch { keys: 1 }).view()),
    ]
}

/// Text from elsewhere, as long and as odd as it is allowed to be.
fn outside_texts() -> Views {
    let show = |step_up| Session::new().asked(vec![step_up]).key(Prompt::Touch { keys: 1 }).view();
    let unread = |step_up| Status { step_ups: vec![step_up], ..reporting(healthy()) };
    let says = |message: &str| StepUp { message: message.to_owned(), ..tap() };
    let mut long = "Release the blood products of request 20417. ".repeat(250);
    long.truncate(9_940);
    long.push_str(&"0123456789".repeat(6));
    let markup = StepUp {
        application: "<b>EHR</b>\u{1b}[31m".to_owned(),
        user: "nurse-7\u{202e}7-rotcod".to_owned(),
        authorization_details: Some(
            json!([{"type": "<script>alert(1)</script>", "note": "\u{2066}&lt;\u{0}"}]),
        ),
        ..says(
            "Pay \u{202e}001 EUR\n<img src=x onerror=\"document.title='obeyed'\">\u{7}\u{200b}\r{ $user } &amp; **bold**",
        )
    };
    let details = StepUp {
        authorization_details: Some(json!([{
            "type": "medication_order",
            "order": 4711,
            "items": [{"name": "heparin", "dose": "5000 IU", "route": "subcutaneous", "times": ["08:00", "20:00"]}],
            "replaces": null,
        }])),
        ..tap()
    };
    let schema = json!({
        "labels": {"en": "Medication order"},
        "fields": [
            {"name": "patient", "kind": "text", "labels": {"en": "Patient's record"}},
            {"name": "items", "kind": "list", "labels": {"en": "Drug"}, "fields": [
                {"name": "name", "kind": "text", "labels": {"en": "Name"}},
                {"name": "dose", "kind": "quantity", "labels": {"en": "Dose"}},
                {"name": "route", "kind": "code", "labels": {"en": "Route"}},
            ]},
            {"name": "start", "kind": "date", "labels": {"en": "First given"}},
        ],
    });
    let labelled = StepUp {
        authorization_details: Some(json!([{
            "type": "medication_order",
            "patient": "20417",
            "items": [{"name": "heparin", "dose": {"value": 5000, "unit": "IU"}, "route": "SC"}],
            "start": "2026-11-30T08:00:00Z",
        }])),
        details_schemas: serde_json::from_value(json!({ "medication_order": schema })).unwrap_or_default(),
        ..tap()
    };
    let unbroken =
        StepUp { application: "A".repeat(64), user: "u".repeat(256), ..says(&"0123456789abcdef".repeat(32)) };
    vec![
        ("prompt-long", show(says(&long))),
        ("prompt-unread", Session::new().status(unread(says(&long))).view()),
        ("prompt-unbroken", show(unbroken)),
        ("prompt-markup", show(markup)),
        ("prompt-arabic", show(says("السجل الصحي: وقِّع الأمر رقم 4711 للمريض في الغرفة 12"))),
        (
            "prompt-chinese",
            show(says("电子病历：签署医嘱 4711，请在十二号病房核对患者身份后再触碰安全密钥。")),
        ),
        ("prompt-details", show(details)),
        ("prompt-labelled", show(labelled)),
    ]
}

fn ends() -> Views {
    let asked = || Session::new().asked(vec![tap()]).key(Prompt::Touch { keys: 1 });
    let over = |session: Session, end: StepUpResult, reasons: &[&str], checks: Vec<Check>| {
        let reasons = reasons.iter().map(|it| (*it).to_owned()).collect();
        session
            .status(Status { step_ups: vec![step_up(Stage::Ended { end, reasons })], ..reporting(checks) })
            .view()
    };
    let ended = |session, end| over(session, end, &[], healthy());
    let refused = |end, reasons: &[&str], checks| {
        let preparing = Status { step_ups: vec![step_up(Stage::Preparing)], ..reporting(healthy()) };
        over(Session::new().status(preparing), end, reasons, checks)
    };
    let unhealthy = |reasons: &[&str], checks| refused(StepUpResult::Unhealthy, reasons, checks);
    let key = |failure, end| ended(asked().failed(failure), end);
    let unreached = Refusal::Verifier { problem: None, detail: "the verifier was not reached".to_owned() };
    let told = FlowEvent::Told(StepUpId([1; 16]), Ok(Answer::Refused(unreached)));
    let unavailable = "the smart card service does not run: connection refused (os error 111)";
    vec![
        (
            "ended-unhealthy",
            unhealthy(
                &["disk-encryption", "firewall-inbound", "os-reboot"],
                but(vec![disk_off(), firewall_off(), restart_waits()]),
            ),
        ),
        (
            "ended-unhealthy-downtime",
            over(
                with_downtime()
                    .status(Status { step_ups: vec![step_up(Stage::Preparing)], ..reporting(healthy()) }),
                StepUpResult::Unhealthy,
                &["disk-encryption"],
                but(vec![disk_off()]),
            ),
        ),
        ("ended-unhealthy-foreign-policy", unhealthy(&["acme-badge-reader", "lock-idle"], foreign_policy())),
        (
            "ended-unhealthy-key",
            unhealthy(&["security-key-model", "security-key-user-verification"], healthy()),
        ),
        ("ended-none-registered", refused(StepUpResult::NoKey, &[NO_SECURITY_KEY], healthy())),
        ("ended-odd-request", refused(StepUpResult::NoKey, &["challenge"], healthy())),
        ("ended-timed-out", key(Failure::TimedOut, StepUpResult::TimedOut)),
        ("ended-wrong-key", key(Failure::WrongKey, StepUpResult::WrongKey)),
        ("ended-pin-blocked", key(Failure::PinBlocked { until_reinserted: false }, StepUpResult::PinBlocked)),
        ("ended-pin-reinsert", key(Failure::PinBlocked { until_reinserted: true }, StepUpResult::PinBlocked)),
        ("ended-no-key", key(Failure::Unavailable(unavailable.to_owned()), StepUpResult::NoKey)),
        ("ended-no-key-unfit", key(Failure::Unfit("it has no CTAP 2".to_owned()), StepUpResult::NoKey)),
        ("ended-no-key-no-pin", key(Failure::NoUserVerification, StepUpResult::NoKey)),
        ("ended-no-key-refused", key(Failure::Refused("another origin".to_owned()), StepUpResult::NoKey)),
        ("ended-not-told", asked().on(told).view()),
        ("flash-approved", ended(asked(), StepUpResult::Approved)),
        ("flash-declined", ended(asked(), StepUpResult::Declined)),
        ("ended-superseded", ended(asked(), StepUpResult::Superseded)),
        ("ended-not-mine", ended(asked().on(FlowEvent::Said(Choice::NotMine)), StepUpResult::NotMine)),
        ("ended-cancelled", ended(asked(), StepUpResult::Cancelled)),
        ("ended-no-device", ended(asked(), StepUpResult::NoDevice)),
        ("ended-lost", asked().on(FlowEvent::Disconnected((&ClientError::Closed).into())).view()),
    ]
}

// --- Security keys ---

fn first_key() -> RegisteredKey {
    RegisteredKey {
        id: 1,
        user: "nurse-7".to_owned(),
        name: "Blue key on my lanyard".to_owned(),
        model: "Simulated security key (USB)".to_owned(),
        registered: NOW - 90 * DAY,
        last_used: Some(NOW - 2 * HOUR),
    }
}

fn registrations() -> Views {
    let listed = || {
        let answer = Ok(Answer::Keys(vec![first_key()]));
        let session = Session::new().status(reporting(healthy())).happened(Happened::Opened(Page::Keys));
        session.happened(Happened::Keys(keys(answer)))
    };
    let registering = |session: Session, next| session.happened(Happened::Registering(next));
    let begun = || registering(listed(), Registering::Begun);
    let running = |prompt| {
        let session = registering(begun(), Registering::For("nurse-7".to_owned()));
        registering(session, Registering::Prompt(prompt)).view()
    };
    let failed = |error: RegisterError| {
        let end = Registration::Failed { trouble: (&error).into() };
        registering(begun(), Registering::Ended(end)).view()
    };
    let refused = |problem: ProblemType| {
        let (problem, detail) = (Some(problem.urn().to_owned()), problem.title().to_owned());
        RegisterError::Refused(Refusal::Verifier { problem, detail })
    };
    let done =
        Registration::Done { key: registered(&RegisteredKey { id: 2, last_used: None, ..first_key() }) };
    vec![
        ("register-idle", listed().view()),
        ("register-running", begun().view()),
        ("register-running-insert", running(Prompt::Insert)),
        ("register-running-touch", running(Prompt::Touch { keys: 1 })),
        ("register-running-pin", running(pin(PinReason::Needed, Some(8)))),
        ("register-running-pin-new", running(pin(PinReason::New { least: 4 }, None))),
        ("register-running-pin-unsuitable", running(pin(PinReason::Unsuitable { least: 4 }, None))),
        ("register-running-working", running(Prompt::Working)),
        ("register-done", registering(listed(), Registering::Ended(done)).view()),
        ("register-failed-code", failed(refused(ProblemType::KeyCodeUnknown))),
        ("register-failed-model", failed(refused(ProblemType::KeyUntrusted))),
        ("register-failed-already", failed(RegisterError::Key(Failure::AlreadyRegistered))),
        ("register-failed-timed-out", failed(RegisterError::Key(Failure::TimedOut))),
        ("register-failed-lost", failed(RegisterError::Service(ClientError::TimedOut))),
    ]
}

fn lists() -> Views {
    let page = |page| Session::new().status(reporting(healthy())).happened(Happened::Opened(page));
    let listed = |answer| page(Page::Keys).happened(Happened::Keys(keys(answer))).view();
    let second = RegisteredKey {
        id: 2,
        name: "Spare, in the safe".to_owned(),
        registered: NOW - 89 * DAY,
        last_used: None,
        ..first_key()
    };
    let odd = RegisteredKey {
        id: 3,
        user: "doctor-12".to_owned(),
        name: "<i>key</i>\u{202e}".repeat(6),
        model: "x".repeat(64),
        registered: NOW - DAY,
        last_used: Some(NOW - 30),
    };
    let managed = Session::new().status(Status { settings: settings(false), ..reporting(healthy()) });
    let about_managed = managed.happened(Happened::Opened(Page::About));
    let asking = page(Page::Keys).happened(Happened::Keys(vitalsign_app::view::KeyList::Asking));
    vec![
        ("keys-asking", asking.view()),
        ("keys-list", listed(Ok(Answer::Keys(vec![first_key(), second, odd])))),
        ("keys-empty", listed(Ok(Answer::Keys(Vec::new())))),
        ("keys-failed", listed(Err((&ClientError::TimedOut).into()))),
        ("about", page(Page::About).view()),
        ("about-managed", about_managed.view()),
    ]
}
