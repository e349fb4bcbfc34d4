//! The largest event logs that are read, against a scan of the same bytes: parsing and replay cost a device's word, and
//! must grow with its size only.

use crate::stats;
use anyhow::{Result, ensure};
use std::hint::black_box;
use vitalsign_tpm::eventlog::{EventLog, MAX_EVENTS, MAX_LOG_BYTES};
use vitalsign_tpm::hash::Hash;

pub(crate) struct EventLogCost {
    /// Time for the slowest of the logs, in milliseconds.
    pub(crate) worst_ms: f64,
    /// Time for a scan of as many bytes, one after the other, in milliseconds.
    pub(crate) scan_ms: f64,
}

/// Measures a log of as many events as are read, and one that is padding but for its last byte.
pub(crate) fn measure() -> Result<EventLogCost> {
    const ROUNDS: usize = 9;
    let mut worst_ms = 0.0_f64;
    let (events, padding) = (events()?, padding()?);
    ensure!(EventLog::parse(&events).is_ok_and(|log| log.events.len() == MAX_EVENTS), "the log is not read");
    for log in [&events, &padding] {
        let time = stats::median_ms(ROUNDS, || {
            if let Ok(log) = EventLog::parse(black_box(log)) {
                black_box(log.replay(Hash::Sha256));
            }
            Ok::<_, anyhow::Error>(())
        })?;
        worst_ms = worst_ms.max(time);
    }
    let scan_ms = stats::median_ms(ROUNDS, || {
        black_box(scan(black_box(&events)));
        Ok::<_, anyhow::Error>(())
    })?;
    Ok(EventLogCost { worst_ms, scan_ms })
}

/// FNV-1a: each byte depends on those before it, so that the compiler cannot take many at once.
fn scan(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The header of a log with SHA-256 digests (TCG PFP, section 10.4.5.1).
fn header() -> Result<Vec<u8>> {
    let mut spec = b"Spec ID Event03\0".to_vec();
    // Platform class, version 2.0, errata, size of pointers; one algorithm, SHA-256 with 32 bytes; no vendor's part.
    spec.extend([0, 0, 0, 0, 0, 2, 0, 2, 1, 0, 0, 0, 0x0b, 0, 32, 0, 0]);
    let mut header = [&[0; 4][..], &3_u32.to_le_bytes(), &[0; 20]].concat();
    header.extend(u32::try_from(spec.len())?.to_le_bytes());
    header.extend(spec);
    Ok(header)
}

/// As many events as are read, in as many bytes.
fn events() -> Result<Vec<u8>> {
    let mut log = header()?;
    let each = (MAX_LOG_BYTES - log.len()) / (MAX_EVENTS - 1);
    for _ in 1..MAX_EVENTS {
        let mut event =
            [&4_u32.to_le_bytes()[..], &13_u32.to_le_bytes(), &1_u32.to_le_bytes(), &[0x0b, 0], &[7; 32]]
                .concat();
        let data = each - event.len() - size_of::<u32>();
        event.extend(u32::try_from(data)?.to_le_bytes());
        event.resize(each, 1);
        log.extend(event);
    }
    Ok(log)
}

fn padding() -> Result<Vec<u8>> {
    let mut log = header()?;
    log.resize(MAX_LOG_BYTES - 1, 0);
    log.push(1);
    Ok(log)
}
