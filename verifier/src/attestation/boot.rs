//! The boot of a device, as its TPM quotes it.

use crate::appraisal::{QuotedBoot, ReplayedLog};
use tokio::sync::{Semaphore, SemaphorePermit};
use vitalsign_protocol::evidence::{self, BootEvidence, Claims};
use vitalsign_protocol::id::{Nonce, Thumbprint};
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_tpm::attest::{self, AttestationKey};
use vitalsign_tpm::eventlog::EventLog;
use vitalsign_tpm::hash::Hash;
use vitalsign_tpm::public::Public;

/// The firmware's PCRs: a quote that leaves one out could hide it.
const FIRMWARE_PCRS: std::ops::RangeInclusive<u8> = 0..=7;

/// Threads that verify boots at a time. A log is up to 4 MiB to read and to hash, and the others wait for their turn.
static VERIFIERS: Semaphore = Semaphore::const_new(2);

/// A turn to verify a boot.
pub(super) struct Turn(#[expect(dead_code, reason = "its drop ends the turn")] SemaphorePermit<'static>);

/// Waits for a turn to verify a boot.
pub(super) async fn turn() -> Result<Turn, Problem> {
    VERIFIERS.acquire().await.map(Turn).map_err(|error| failed(&error))
}

/// Verifies as [`verify`] does, on a thread for blocking work.
///
/// # Errors
/// As [`verify`].
pub(super) async fn verify_on_thread(
    turn: Turn,
    boot: BootEvidence,
    ak: Vec<u8>,
    nonce: Nonce,
    report_key: Thumbprint,
) -> Result<Option<ReplayedLog>, Problem> {
    let verified = tokio::task::spawn_blocking(move || {
        // A caller that goes away does not end the work: its turn ends with it.
        let _turn = turn;
        verify(&boot, &ak, &nonce, &report_key)
    });
    verified.await.map_err(|error| failed(&error))?
}

/// Logs a failure of the verifier itself.
pub(super) fn failed(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "verifying a quote");
    Problem::new(ProblemType::Internal, "")
}

/// Verifies the quote with the attestation key `ak` (TPMT_PUBLIC), and replays the log, if there is one.
///
/// # Errors
/// [`ProblemType::QuoteInvalid`] or [`ProblemType::LogMismatch`], with the violation.
pub fn verify(
    boot: &BootEvidence,
    ak: &[u8],
    nonce: &Nonce,
    report_key: &Thumbprint,
) -> Result<Option<ReplayedLog>, Problem> {
    let refused = |error: &dyn std::fmt::Display| Problem::new(ProblemType::QuoteInvalid, error.to_string());
    let ak = Public::parse(ak).and_then(|ak| ak.attestation_key()).map_err(|e| refused(&e))?;
    let extra_data = evidence::quote_extra_data(nonce, report_key);
    let quote =
        attest::verify_quote(&AttestationKey::P256(ak), boot, &extra_data).map_err(|e| refused(&e))?;
    if let Some(missing) = FIRMWARE_PCRS.into_iter().find(|pcr| !quote.pcrs.contains(pcr)) {
        return Err(refused(&format!("PCR {missing} is not quoted; PCRs 0 to 7 are required")));
    }
    boot.log.as_deref().map(|log| replay(log, boot)).transpose()
}

fn replay(log: &[u8], boot: &BootEvidence) -> Result<ReplayedLog, Problem> {
    let refused = |why: String| Problem::new(ProblemType::LogMismatch, why);
    let log = EventLog::parse(log).map_err(|e| refused(e.to_string()))?;
    if log.sha1_only {
        return Err(refused("the event log has SHA-1 digests only".into()));
    }
    // Firmware measures itself before anything else. A log without that explains PCRs that nothing was measured into.
    if log
        .events
        .iter()
        .all(|event| event.pcr != 0 || event.digest(Hash::Sha256).is_none() || event.extends_nothing())
    {
        return Err(refused("the event log has no measurement of the firmware in PCR 0".into()));
    }
    match log.unexplained(&boot.pcrs).as_slice() {
        [] => Ok(ReplayedLog { secure_boot: log.boot_facts(Hash::Sha256).secure_boot }),
        pcrs => Err(refused(format!("the event log does not give the quoted values of PCRs {pcrs:?}"))),
    }
}

/// Returns whether the claims belong to the quoted boot.
#[must_use]
pub fn is_quoted(quoted: &QuotedBoot, claims: &Claims, now: u64) -> bool {
    match (claims.boot_count, claims.uptime) {
        (Some(_), _) => claims.boot_count == quoted.boot_count,
        // Clocks differ a little: a boot within this minute of the quote may be the quoted one.
        (None, Some(uptime)) => now.saturating_sub(uptime) <= quoted.at.saturating_add(60),
        (None, None) => false,
    }
}
