//! The step-up on the screen: its step, and for how long its result stays.

use crate::view::{self, Step};
use vitalsign_ipc::StepUp;

/// Seconds for which a result stays visible unless dismissed. On a shared machine the person may have left.
pub(super) const STANDS: u64 = 20;
/// The same for a result with a list of remedies, which takes longer to read. It contains no names.
pub(super) const LISTED: u64 = 120;
/// Seconds that "insert" must have been shown for an insertion to count as the person's act: a key with a loose contact
/// comes back sooner.
pub(super) const INSERT_SHOWN: u64 = 2;

/// Step-up on the screen. Personal data is removed as soon as it closes.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) step_up: StepUp,
    pub(super) step: Step,
    pub(super) trouble: Option<view::KeyProblem>,
    /// It was refused before the person was asked, so that they expect something else of the application.
    pub(super) refused: bool,
    /// Since when a security key is asked to be inserted.
    pub(super) insert_since: Option<u64>,
    /// The person has inserted a key for it.
    pub(super) inserted: bool,
    /// Time at which its result is removed.
    pub(super) until: Option<u64>,
}

impl Asked {
    pub(super) fn new(step_up: StepUp) -> Self {
        Self {
            step_up,
            step: Step::Preparing,
            trouble: None,
            refused: false,
            insert_since: None,
            inserted: false,
            until: None,
        }
    }

    /// Notes an insertion, and that the first PIN after it may be typed at once.
    pub(super) fn on_insertion(&mut self, step: &mut Step, now: u64) {
        let since = self.insert_since.take();
        if *step == Step::Insert {
            self.insert_since = since.or(Some(now));
            return;
        }
        let shown = since.is_some_and(|since| now.saturating_sub(since) >= INSERT_SHOWN);
        self.inserted |= shown;
        if let Step::Pin(asked) = step {
            asked.inserted = shown;
        }
    }

    pub(super) fn ended(&mut self, end: view::PromptResult, checks: Vec<view::Check>, now: u64) {
        let stands = if checks.is_empty() { STANDS } else { LISTED };
        self.step = Step::Ended { end, checks, trouble: self.trouble.clone() };
        self.until = Some(now.saturating_add(stands));
        self.step_up.user.clear();
        self.step_up.message.clear();
        self.step_up.authorization_details = None;
        self.step_up.details_schemas.clear();
    }
}
