//! Formats the text: first what people read, then the facts as the agent reports them.

use super::secrets::removed;
use crate::render::when;
use vitalsign_ipc::{AgentState, Diagnostic, Status};
use vitalsign_protocol::device_code::DeviceCode;
use vitalsign_protocol::diagnostics::MAX_TEXT_BYTES;
use vitalsign_protocol::text::escape;

/// Ends a text that was too long.
const LEFT_OUT: &str = "\n(The rest is left out.)\n";

pub(super) fn page(
    status: &Status,
    findings: &[Diagnostic],
    history: &[String],
    notes: &[String],
    now: u64,
) -> String {
    let names: Vec<&str> = status.step_ups.iter().map(|it| it.user.as_str()).collect();
    let free = |text: &str| removed(&text.replace("\r\n", "\n"), &names).replace('\n', " ");
    let time = |at: Option<u64>| at.map_or_else(|| "none".to_owned(), when::moment);
    let mut lines = vec![
        format!("Vitalsign {}, {}", env!("CARGO_PKG_VERSION"), when::moment(now)),
        format!(
            "Device code: {}",
            status.enrolment.map_or("none".to_owned(), |it| DeviceCode::of(&it).to_string())
        ),
        format!("State: {}", free(&standing(&status.standing))),
        format!("Last report: {}", time(status.reported_at)),
        format!("Verdict valid until: {}", time(status.ear.as_ref().and_then(|ear| ear.exp))),
        format!("Event channel: {}", if status.listening { "open" } else { "not open" }),
    ];
    let mut section = |title: &str, content: Vec<String>| {
        if !content.is_empty() {
            lines.extend([String::new(), format!("{title}:")]);
            lines.extend(content.into_iter().map(|line| format!("  {line}")));
        }
    };
    let finding = |it: &Diagnostic| {
        let remedy = it.remedy.as_deref().map(|remedy| format!(" -> {}", free(remedy))).unwrap_or_default();
        format!(
            "{} {}: {}{remedy}",
            if it.ok { "ok     " } else { "problem" },
            free(&it.subject),
            free(&it.seen)
        )
    };
    section("Findings", findings.iter().map(finding).collect());
    let checks = status.ear.iter().flat_map(|ear| ear.checks());
    let checks = checks.map(|(_, it)| {
        let since = it.since.map(|at| format!(", since {}", when::moment(at))).unwrap_or_default();
        format!("{}: {} ({}){since}", it.check, it.status, it.reason)
    });
    section("Checks", checks.collect());
    section("History", history.iter().map(|line| free(line)).collect());
    section("Notes of the app", notes.iter().map(|note| free(note)).collect());
    let facts = status.posture.as_ref().and_then(|it| serde_json::to_string_pretty(it).ok());
    section("Facts", facts.iter().flat_map(|it| it.lines()).map(str::to_owned).collect());
    let lines: Vec<String> = lines.iter().map(|line| escape(line).replace('\n', " ")).collect();
    capped(lines.join("\n") + "\n")
}

fn standing(standing: &AgentState) -> String {
    match standing {
        AgentState::Starting => "starting".to_owned(),
        AgentState::NotEnrolled => "not enrolled".to_owned(),
        AgentState::Enrolling => "enrolling".to_owned(),
        AgentState::Reporting => "reporting".to_owned(),
        AgentState::Offline { since, detail } => format!("offline since {}: {detail}", when::moment(*since)),
        AgentState::Revoked => "revoked".to_owned(),
        AgentState::Refused { problem, detail } => format!("refused: {problem} ({detail})"),
        AgentState::KeyTrouble { detail } => format!("the key cannot be used: {detail}"),
    }
}

fn capped(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        let mut end = MAX_TEXT_BYTES - LEFT_OUT.len();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(LEFT_OUT);
    }
    text
}
