//! Limit of wrong registration codes per device.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Maximum number of wrong codes of one device per period. Codes have 60 bits and live for minutes, so
/// guessing fails anyway; this keeps an attacker from filling the log.
const MAX_WRONG_CODES: u32 = 10;
const WRONG_CODES_SECONDS: u64 = 900;

/// Number of wrong codes of each device, and the start of the period.
#[derive(Default)]
pub(super) struct CodeAttempts(Mutex<HashMap<i64, (u64, u32)>>);

impl CodeAttempts {
    pub(super) fn too_many(&self, device: i64, now: u64) -> bool {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .get(&device)
            .is_some_and(|(since, count)| now < since + WRONG_CODES_SECONDS && *count >= MAX_WRONG_CODES)
    }

    pub(super) fn count(&self, device: i64, now: u64) -> u32 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.retain(|_, (since, _)| now < *since + WRONG_CODES_SECONDS);
        let (_, count) = counts.entry(device).or_insert((now, 0));
        *count += 1;
        *count
    }
}
