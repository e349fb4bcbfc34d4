//! Diagnostics that a person sends to IT: gathers their text, and keeps the texts that were shown, because no other text is
//! sent.
//!
//! Invariants: the text names no person and contains no secret; what came as free text passes through `secrets`. It has
//! at most [`MAX_TEXT_BYTES`](vitalsign_protocol::diagnostics::MAX_TEXT_BYTES).

mod secrets;
mod text;

use crate::journal;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use vitalsign_ipc::{Diagnostic, Status};

/// Number of shown texts that are kept until they are sent, of limited length each.
const MAX_SHOWN: usize = 4;
/// Notes of a client: their number, and the most characters of each.
const MAX_NOTES: usize = 20;
const MAX_NOTE_CHARACTERS: usize = 500;
/// Findings of less than this age are used again: the examination asks the verifier.
const FINDINGS_AGE: Duration = Duration::from_secs(10);

/// Gathers texts and remembers those that were shown.
#[derive(Clone)]
pub(crate) struct DiagnosticsTexts {
    findings: Arc<dyn Fn() -> Vec<Diagnostic> + Send + Sync>,
    state: PathBuf,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    gathering: bool,
    findings: Option<(Instant, Vec<Diagnostic>)>,
    shown: VecDeque<String>,
}

/// A text that is being gathered. There is one at a time.
pub(crate) struct Gathering(DiagnosticsTexts);

impl Drop for Gathering {
    fn drop(&mut self) {
        self.0.lock().gathering = false;
    }
}

impl DiagnosticsTexts {
    /// `findings` runs the diagnostics; the journal is read in the folder `state`.
    pub(crate) fn new(
        findings: impl Fn() -> Vec<Diagnostic> + Send + Sync + 'static,
        state: PathBuf,
    ) -> Self {
        Self { findings: Arc::new(findings), state, shared: Arc::default() }
    }

    /// Runs the diagnostics now.
    pub(crate) fn findings(&self) -> Vec<Diagnostic> {
        (self.findings)()
    }

    /// Begins to gather a text; `None` while another is gathered.
    pub(crate) fn begin(&self) -> Option<Gathering> {
        let mut shared = self.lock();
        if std::mem::replace(&mut shared.gathering, true) {
            return None;
        }
        Some(Gathering(self.clone()))
    }

    /// Returns whether exactly this text was shown lately.
    pub(crate) fn was_shown(&self, text: &str) -> bool {
        self.lock().shown.iter().any(|shown| shown == text)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathering {
    /// Gathers the text, with the notes of the client that asks for it. It takes as long as the examination.
    pub(crate) fn text(self, status: &Status, notes: &[String], now: u64) -> String {
        let texts = &self.0;
        let recent = texts.lock().findings.clone().filter(|(at, _)| at.elapsed() < FINDINGS_AGE);
        let findings = recent.map_or_else(
            || {
                let findings = texts.findings();
                texts.lock().findings = Some((Instant::now(), findings.clone()));
                findings
            },
            |(_, findings)| findings,
        );
        let notes: Vec<String> = notes
            .iter()
            .take(MAX_NOTES)
            .map(|note| note.chars().take(MAX_NOTE_CHARACTERS).collect())
            .collect();
        let text = text::page(status, &findings, &journal::last(&texts.state), &notes, now);
        let mut shared = texts.lock();
        shared.shown.push_back(text.clone());
        if shared.shown.len() > MAX_SHOWN {
            shared.shown.pop_front();
        }
        drop(shared);
        text
    }
}

#[cfg(test)]
mod tests;
