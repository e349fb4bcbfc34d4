//! Resources that the app holds, its web processes included, and figures of many measurements.

use crate::Relative;
use anyhow::{Context, Result};
use std::time::Duration;

/// Resources of the app's processes at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    pub processes: usize,
    /// Open file descriptors.
    pub descriptors: usize,
    /// Proportional set size in KiB: a shared page counts by how many share it.
    pub pss_kib: u64,
}

impl Resources {
    /// Reads them for these processes.
    ///
    /// # Errors
    /// One of them has ended.
    pub(crate) fn of(family: &[Relative]) -> Result<Self> {
        let mut sum = Self { processes: family.len(), descriptors: 0, pss_kib: 0 };
        for process in family {
            sum.descriptors += std::fs::read_dir(format!("/proc/{}/fd", process.id))?.count();
            let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", process.id))?;
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
            let kib: u64 = line.split_whitespace().next().context("no number")?.parse()?;
            sum.pss_kib += kib;
        }
        Ok(sum)
    }
}

/// Formats the median, the 95th percentile and the maximum (nearest rank).
#[must_use]
pub fn summary(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default().as_millis()
    };
    format!("median {} ms, 95 % {} ms, max {} ms (n = {})", at(50), at(95), at(100), sorted.len())
}
