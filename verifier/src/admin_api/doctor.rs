//! Examination of a verifier: expiries and problems.

use crate::config::Config;
use crate::expiry::{self, Expiring, Urgency};
use crate::store::check_space;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Free bytes below which a disk is named.
const LOW_DISK_BYTES: u64 = 1 << 30;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Examination {
    pub expiring: Vec<ExpiringView>,
    /// A sentence for each problem.
    pub problems: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ExpiringView {
    pub urgency: Urgency,
    pub thing: Expiring,
}

impl Examination {
    /// Examines the files that the configuration names and the disk.
    #[must_use]
    pub fn of_files(config: &Config, now: u64) -> Self {
        let expiring = expiry::list(config, expiry::metadata_due(config, now));
        let view = |thing: Expiring| ExpiringView { urgency: thing.urgency(now), thing };
        Self {
            expiring: expiring.into_iter().map(view).collect(),
            problems: check_space(&config.data, LOW_DISK_BYTES)
                .err()
                .map(|error| error.to_string())
                .into_iter()
                .collect(),
        }
    }
}
