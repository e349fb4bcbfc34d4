//! Inspects a TPM's quote, its signature and its event log.

use super::pcr_values::PcrValues;
use super::{Holds, Inspection, Unreadable, event_log};
use serde_json::json;
use vitalsign_protocol::evidence::{self, BootEvidence, MAX_BYTES_WITH_LOG, quote_extra_data};
use vitalsign_protocol::id::hex;
use vitalsign_tpm::attest::{self, AttestationKey, Quote};

/// Inputs for checking a quote.
struct Parts {
    attest: Vec<u8>,
    signature: Option<Vec<u8>>,
    log: Option<Vec<u8>>,
    /// Values of the PCRs, from evidence or given.
    values: Option<PcrValues>,
    /// From evidence: what came with it, and what it should be bound to.
    carried: Option<(BootEvidence, String)>,
}

pub(super) fn inspect(
    bytes: &[u8],
    key: Option<&AttestationKey>,
    signature: Option<Vec<u8>>,
    log: Option<Vec<u8>>,
    values: Option<PcrValues>,
) -> Result<Inspection, Unreadable> {
    let mut parts = parts(bytes)?;
    parts.values = values.or(parts.values);
    parts.signature = signature.or(parts.signature);
    parts.log = log.or(parts.log);
    let quote = attest::read_quote(&parts.attest)
        .map_err(|error| Unreadable::Malformed("a quote", error.to_string()))?;
    let by_log = parts.log.as_deref().map(|log| match_log(&quote, &parts, log)).transpose()?;
    let says = vec![
        ("bytes", parts.attest.len().into()),
        ("bank", quote.bank.name().into()),
        ("pcrs", json!(quote.pcrs)),
        ("pcr_digest", hex(&quote.pcr_digest).into()),
        ("extra_data", hex(&quote.extra_data).into()),
        (
            "clock",
            json!({
                "milliseconds": quote.state.clock,
                "reset_count": quote.state.reset_count,
                "restart_count": quote.state.restart_count,
                "safe": quote.state.safe,
            }),
        ),
        ("firmware", format!("{:016x}", quote.state.firmware).into()),
        (
            "log_replays",
            json!(by_log.as_ref().filter(|log| **log != Log::Untold).map(|log| *log == Log::Replays)),
        ),
    ];
    let differs =
        (by_log == Some(Log::Differs)).then(|| "the event log does not replay to the quoted PCRs".to_owned());
    let broken = signature_fault(key, &parts)
        .or_else(|| carried_fault(&quote, &parts))
        .or_else(|| values_fault(&quote, &parts))
        .or(differs);
    let holds = match (broken, key, &parts.signature) {
        (Some(broken), ..) => Holds::No(broken),
        (None, None, _) => Holds::NotChecked("no attestation key was given, so the origin is unknown"),
        (None, Some(_), None) => Holds::NotChecked("no signature was given, so the origin is unknown"),
        (None, Some(_), Some(_)) if by_log == Some(Log::Untold) => Holds::NotChecked(
            "the signature holds, but the log says nothing of some quoted PCRs, and their values did not come with it",
        ),
        (None, Some(_), Some(_)) => Holds::Yes,
    };
    Ok(Inspection { holds, says })
}

/// Evidence begins with tag 18; a quote with TPM_GENERATED_VALUE.
fn parts(bytes: &[u8]) -> Result<Parts, Unreadable> {
    if bytes.first() != Some(&0xd2) {
        return Ok(Parts { attest: bytes.to_vec(), signature: None, log: None, values: None, carried: None });
    }
    let malformed = |what: String| Unreadable::Malformed("evidence with a quote", what);
    let evidence =
        evidence::parse(bytes, MAX_BYTES_WITH_LOG).map_err(|error| malformed(error.to_string()))?;
    let (claims, _) = evidence.claims_unverified();
    let boot = claims.boot.clone().ok_or_else(|| malformed("it carries none".into()))?;
    let nonce = claims.nonces.first().ok_or_else(|| malformed("it has no nonce".into()))?;
    let bound_to = quote_extra_data(nonce, &evidence.kid()).hex();
    Ok(Parts {
        attest: boot.quote.clone(),
        signature: Some(boot.signature.clone()),
        log: boot.log.clone(),
        values: Some(boot.pcrs.iter().map(|(pcr, value)| (*pcr, value.to_vec())).collect()),
        carried: Some((boot, bound_to)),
    })
}

fn signature_fault(key: Option<&AttestationKey>, parts: &Parts) -> Option<String> {
    let fault = attest::inspect_quote(key?, &parts.attest, parts.signature.as_deref()?).err()?;
    Some(fault.to_string())
}

fn carried_fault(quote: &Quote, parts: &Parts) -> Option<String> {
    let (boot, bound_to) = parts.carried.as_ref()?;
    if hex(&quote.extra_data) != *bound_to {
        Some("it was made for another nonce or another report key".into())
    } else if !quote.pcrs.iter().eq(boot.pcrs.iter().map(|(pcr, _)| pcr)) {
        Some("it is not over the PCRs that came with it".into())
    } else {
        None
    }
}

/// Compares the values with the quoted digest. Values of PCRs that are not quoted are passed over.
fn values_fault(quote: &Quote, parts: &Parts) -> Option<String> {
    let values = parts.values.as_ref()?;
    if let Some(missing) = quote.pcrs.iter().find(|pcr| !values.contains_key(pcr)) {
        return Some(format!("the value of PCR {missing}, which is quoted, was not given"));
    }
    let quoted: Vec<&[u8]> = quote.pcrs.iter().filter_map(|pcr| values.get(pcr)).map(Vec::as_slice).collect();
    (quote.pcr_digest != quote.bank.digest(&quoted))
        .then(|| "the quoted PCR values are not those that came with it".into())
}

/// Result of replaying the log to the quoted values.
#[derive(PartialEq)]
enum Log {
    Replays,
    Differs,
    /// Software after the firmware extends PCRs that the log does not cover, and their values are not
    /// available here.
    Untold,
}

/// With the values at hand each of the firmware's PCRs is compared, else the digest of all that are quoted.
fn match_log(quote: &Quote, parts: &Parts, log: &[u8]) -> Result<Log, Unreadable> {
    let log = event_log::parse(log)?;
    if let Some(values) = &parts.values {
        let values = values.iter().map(|(pcr, value)| (*pcr, value.as_slice()));
        let unexplained = log.unexplained_in(quote.bank, values);
        return Ok(if unexplained.is_empty() { Log::Replays } else { Log::Differs });
    }
    let mut replayed = log.replay(quote.bank);
    let pcrs = quote.pcrs.iter().map(|pcr| u32::from(*pcr));
    let values: Vec<_> =
        pcrs.map(|pcr| replayed.remove(&pcr).unwrap_or_else(|| log.initial(pcr, quote.bank))).collect();
    let values: Vec<_> = values.iter().map(Vec::as_slice).collect();
    Ok(match quote.bank.digest(&values) == quote.pcr_digest {
        true => Log::Replays,
        false if quote.pcrs.iter().all(|pcr| *pcr <= 7) => Log::Differs,
        false => Log::Untold,
    })
}
