use super::*;
use vitalsign_agent_core::{Agent, Saved};
use vitalsign_ipc::{AgentState, Stage, StepUp};
use vitalsign_protocol::diagnostics::{MAX_TEXT_BYTES, check_text};
use vitalsign_protocol::id::StepUpId;
use vitalsign_protocol::posture::Posture;
use vitalsign_protocol::step_up::Acr;

const NOW: u64 = 1_800_000_000;
/// An enrolment token, a key code in two spellings, a PIN, a device session, key material, the names of people and a
/// request's text.
const SECRETS: [&str; 9] = [
    "vse_4iMOJ6mBvnFhVAeO",
    "RE1G-7ABC-9DEF",
    "re1g7abc9def",
    "135790",
    "TtYf1_25U9rHgZQzkVgKaKguQi4SQWLxdEJSDL9O4HlB",
    "MIIEvQIBADANBgkqhkiG9w0BAQ",
    "nurse-7",
    "dr.house",
    "morphine",
];

fn status() -> Status {
    let mut status = Agent::new(Saved::default()).status(crate::clock::now());
    status.posture = Some(Posture::default());
    let person = |user: &str| StepUp {
        id: StepUpId([1; 16]),
        application: "EHR".into(),
        user: user.into(),
        message: "give morphine".into(),
        authorization_details: None,
        details_schemas: Default::default(),
        acr: Acr::ALL[0],
        until: NOW,
        pin_entered: None,
        stage: Stage::Tap,
    };
    status.step_ups = vec![person("nurse-7"), person("dr.house")];
    status
}

fn texts(state: &std::path::Path, findings: Vec<Diagnostic>) -> DiagnosticsTexts {
    DiagnosticsTexts::new(move || findings.clone(), state.to_owned())
}

fn finding(seen: &str) -> Diagnostic {
    Diagnostic {
        subject: "verifier".into(),
        ok: false,
        seen: seen.into(),
        remedy: Some(format!("Fix {seen}")),
    }
}

#[test]
fn text_contains_no_secret_and_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let [token, code, spelled, pin, session, key, user, other, _] = SECRETS;
    let everything = format!(
        "{token} {code} {spelled} PIN {pin} authorization: Bearer {session} {user} and {other}\n\
         -----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n"
    );
    let journal = [
        serde_json::json!({"time": NOW, "standing": {"state": "offline", "since": NOW, "detail": everything}}),
        serde_json::json!({"time": NOW, "step_up_refused": everything}),
    ];
    std::fs::write(folder.path().join("journal"), journal.map(|line| format!("{line}\n")).concat()).unwrap();
    let mut status = status();
    for standing in [
        AgentState::Offline { since: NOW, detail: everything.clone() },
        AgentState::Refused { problem: "urn:x".into(), detail: everything.clone() },
        AgentState::KeyTrouble { detail: everything.clone() },
    ] {
        status.standing = standing;
        let texts = texts(folder.path(), vec![finding(&everything)]);
        let text = texts.begin().unwrap().text(&status, std::slice::from_ref(&everything), NOW);
        assert_eq!(check_text(&text), Ok(()), "{text}");
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in:\n{text}");
        }
        for part in ["problem verifier:", "History:", "Notes of the app:", "Facts:"] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
    }
}

#[test]
fn text_is_limited_in_bytes_and_plain() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = "\u{1b}[2J\u{202e}é ".repeat(60_000);
    let texts = texts(folder.path(), vec![finding(&hostile)]);
    let text = texts.begin().unwrap().text(&status(), &vec![hostile; 100], NOW);
    assert_eq!(check_text(&text), Ok(()));
    assert!(text.len() > MAX_TEXT_BYTES - 100 && text.ends_with("left out.)\n"));
}

#[test]
fn only_shown_texts_may_be_sent() {
    let folder = tempfile::tempdir().unwrap();
    let texts = texts(folder.path(), Vec::new());
    let show = |note: &str| texts.begin().unwrap().text(&status(), &[note.to_owned()], NOW);
    let first = show("first");
    assert!(texts.was_shown(&first) && !texts.was_shown(&format!("{first} ")) && !texts.was_shown(""));
    let others: Vec<String> = (0..MAX_SHOWN).map(|number| show(&format!("note {number}"))).collect();
    assert!(!texts.was_shown(&first) && others.iter().all(|it| texts.was_shown(it)));
}

#[test]
fn examination_runs_once_for_requests_in_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let runs = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let texts = DiagnosticsTexts::new(
        move || {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Vec::new()
        },
        folder.path().to_owned(),
    );
    let gathering = texts.begin().unwrap();
    assert!(texts.begin().is_none(), "one at a time");
    gathering.text(&status(), &[], NOW);
    texts.begin().unwrap().text(&status(), &[], NOW);
    assert_eq!(runs.load(std::sync::atomic::Ordering::Relaxed), 1);
}
