//! Keeps what products' tools said for a moment, so that reports and step-ups in a row do not start the helper for root
//! each time.

use crate::run::{Output, RunError};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use vitalsign_command::Question;

/// Seconds for which an answer counts. A person who has fixed a problem checks again after about as long.
const LIFETIME: u64 = 30;
/// Longer answers are not kept.
const MAX_TEXT: usize = 64 * 1024;

/// Answers of products' tools. An answer counts while the product's main processes are the same.
#[derive(Debug, Default)]
pub struct RecentAnswers(Mutex<BTreeMap<Question, Recent>>);

#[derive(Debug)]
struct Recent {
    /// Time of the answer, in seconds since 1970.
    at: u64,
    pids: Vec<i32>,
    output: Output,
}

impl RecentAnswers {
    /// No answers.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Returns the recent answer, or asks. Errors are not kept.
    pub(super) fn get(
        &self,
        question: Question,
        pids: &[i32],
        now: u64,
        ask: impl FnOnce() -> Result<Output, RunError>,
    ) -> Result<Output, RunError> {
        let kept = |recent: &&Recent| {
            recent.pids == pids && (recent.at..recent.at.saturating_add(LIFETIME)).contains(&now)
        };
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(recent) = lock().get(&question).filter(kept) {
            return Ok(recent.output.clone());
        }
        // Other products are asked at the same time.
        let output = ask()?;
        if output.text.len() <= MAX_TEXT {
            lock().insert(question, Recent { at: now, pids: pids.to_vec(), output: output.clone() });
        }
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Output {
        Output { status: Some(0), text: text.to_owned() }
    }

    #[test]
    fn answers_count_for_one_process_and_a_while() {
        let recent = RecentAnswers::new();
        let ask = |question, pids: &[i32], now, text: &str| {
            recent.get(question, pids, now, || Ok(said(text))).unwrap().text
        };
        let falcon = Question::Falcon;
        assert_eq!(ask(falcon, &[7], 1000, "first"), "first");
        assert_eq!(ask(falcon, &[7], 1000 + LIFETIME - 1, "second"), "first");
        assert_eq!(ask(Question::Kaspersky, &[7], 1001, "other"), "other");
        assert_eq!(ask(falcon, &[7], 1000 + LIFETIME, "third"), "third");
        assert_eq!(ask(falcon, &[8], 1000 + LIFETIME, "restarted"), "restarted");
        assert_eq!(ask(falcon, &[8], 999, "clock set back"), "clock set back");
    }

    #[test]
    fn errors_and_long_answers_are_not_kept() {
        let recent = RecentAnswers::new();
        let failed = recent.get(Question::Falcon, &[7], 1000, || Err(RunError::Denied));
        assert_eq!(failed, Err(RunError::Denied));
        let long = "x".repeat(MAX_TEXT + 1);
        assert_eq!(recent.get(Question::Falcon, &[7], 1000, || Ok(said(&long))), Ok(said(&long)));
        assert_eq!(recent.get(Question::Falcon, &[7], 1000, || Ok(said("next"))), Ok(said("next")));
    }
}
