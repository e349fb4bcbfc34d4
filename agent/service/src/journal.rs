//! The local audit: every transition, in a file of one JSON object a line, and in the log. When the file is full it
//! becomes `journal.1` and another begins; a disk that is full costs the line and nothing else.

use crate::clock::wall;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use vitalsign_agent_core::Transition;

const MAX_BYTES: u64 = 512 * 1024;

#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
}

impl Journal {
    /// The journal in the agent's state folder.
    pub(crate) fn open(folder: &Path) -> Self {
        Self { path: folder.join("journal") }
    }

    pub(crate) fn note(&self, transition: &Transition) {
        tracing::info!(?transition, "changed");
        if let Err(error) = self.append(transition) {
            tracing::error!(%error, "the journal was not written");
        }
    }

    fn append(&self, transition: &Transition) -> io::Result<()> {
        let time = wall();
        let line = match transition {
            Transition::Standing(standing) => serde_json::json!({"time": time, "standing": standing}),
            Transition::Verdict(tier) => serde_json::json!({"time": time, "verdict": tier}),
            Transition::ClockJumped { seconds } => {
                serde_json::json!({"time": time, "clock_jumped_seconds": seconds})
            }
            Transition::VerdictRefused(why) => serde_json::json!({"time": time, "verdict_refused": why}),
            Transition::Enrolled(enrolment) => serde_json::json!({"time": time, "enrolled": enrolment}),
            Transition::StepUpRequested(step_up) => {
                serde_json::json!({"time": time, "step_up_asked": step_up})
            }
            Transition::StepUpClosed { step_up, end, reasons } => serde_json::json!({
                "time": time, "step_up_ended": step_up, "end": end, "reasons": reasons,
            }),
            Transition::StepUpRefused(why) => serde_json::json!({"time": time, "step_up_refused": why}),
        };
        if self.path.metadata().is_ok_and(|file| file.len() >= MAX_BYTES) {
            std::fs::rename(&self.path, self.path.with_extension("1"))?;
        }
        let mut file = match OpenOptions::new().append(true).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                vitalsign_os::create_private(&self.path)?
            }
            opened => opened?,
        };
        file.write_all(format!("{line}\n").as_bytes())
    }
}

/// Bytes at the end of the journal that are read for diagnostics, and the most lines of them.
const LAST_BYTES: u64 = 16 * 1024;
const LAST_LINES: usize = 20;

/// Returns the last transitions of the device, without those of step-ups, which tell when a person works.
pub(crate) fn last(folder: &Path) -> Vec<String> {
    use std::io::{Read, Seek, SeekFrom};
    let read = || -> io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(folder.join("journal"))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(LAST_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let line = |line: &str| {
        // The first line may be cut: it is no JSON then.
        let mut line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).ok()?;
        let time = line.remove("time")?.as_u64()?;
        let of_device = !line.keys().any(|name| name.starts_with("step_up"));
        let at = crate::render::when::moment(time);
        of_device.then(|| format!("{at} {}", serde_json::Value::Object(line)))
    };
    let mut lines: Vec<String> = String::from_utf8_lossy(&bytes).lines().filter_map(line).collect();
    lines.drain(..lines.len().saturating_sub(LAST_LINES));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitalsign_ipc::AgentState;

    #[test]
    fn the_journal_is_bounded_and_each_line_is_json() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path());
        let detail = "x".repeat(10_000);
        for _ in 0..200 {
            journal.note(&Transition::Standing(AgentState::Offline { since: 1, detail: detail.clone() }));
        }
        let mut bytes = 0;
        for name in ["journal", "journal.1"] {
            let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
            bytes += text.len();
        }
        assert!(bytes < 2 * 600_000, "{bytes}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(!last(folder.path()).is_empty());
    }

    #[test]
    fn last_lines_are_of_the_device_and_not_of_people() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(last(folder.path()), [""; 0]);
        let journal = Journal::open(folder.path());
        for number in 0..500 {
            journal.note(&Transition::ClockJumped { seconds: number });
            journal.note(&Transition::StepUpRefused("for nurse-7".into()));
        }
        let lines = last(folder.path());
        assert_eq!(lines.len(), LAST_LINES);
        assert!(lines.last().unwrap().ends_with("{\"clock_jumped_seconds\":499}"), "{lines:?}");
        assert!(!lines.concat().contains("nurse"), "{lines:?}");
    }
}
