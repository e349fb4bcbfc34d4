//! Inspects a firmware's event log and replays it.

use super::{Holds, Inspection, Unreadable};
use serde_json::{Map, Value, json};
use vitalsign_protocol::id::hex;
use vitalsign_tpm::eventlog::EventLog;
use vitalsign_tpm::hash::Hash;

pub(super) fn inspect(bytes: &[u8]) -> Result<Inspection, Unreadable> {
    let log = parse(bytes)?;
    let facts = log.boot_facts(Hash::Sha256);
    let says = vec![
        ("bytes", bytes.len().into()),
        ("events", log.events.len().into()),
        ("banks", log.banks.iter().map(|bank| bank.name()).collect()),
        ("skipped_banks", log.skipped_banks.iter().map(|id| algorithm(*id)).collect()),
        ("sha1_only", log.sha1_only.into()),
        ("secure_boot", json!(facts.secure_boot)),
        ("separators", facts.separators.into()),
        ("pcrs", log.banks.iter().map(|bank| (bank.name().to_owned(), replayed(&log, *bank))).collect()),
    ];
    let holds = Holds::NotChecked(if is_ccel(&log) {
        "this is not a TPM's log but one of confidential computing (CCEL), whose registers are MRs, not PCRs"
    } else {
        "a log alone proves nothing; a quote over these PCR values does"
    });
    Ok(Inspection { holds, says })
}

pub(super) fn parse(bytes: &[u8]) -> Result<EventLog<'_>, Unreadable> {
    EventLog::parse(bytes).map_err(|error| Unreadable::Malformed("an event log", error.to_string()))
}

/// Returns whether a log is that of a virtual machine's measurement registers (UEFI 2.10, section 38.4.1): it has the format
/// of a TPM's log in one bank, SHA-384, and registers 1 to 4 only. A firmware with a TPM measures into PCR 0 and PCR 7.
fn is_ccel(log: &EventLog<'_>) -> bool {
    let mut extended = log.events.iter().filter(|event| !event.extends_nothing());
    log.banks == [Hash::Sha384] && extended.all(|event| (1..=4).contains(&event.pcr))
}

/// Name of a hash algorithm that is not replayed (TCG algorithm registry).
fn algorithm(id: u16) -> String {
    match id {
        0x0012 => "sm3_256".to_owned(),
        0x0027 => "sha3_256".to_owned(),
        0x0028 => "sha3_384".to_owned(),
        0x0029 => "sha3_512".to_owned(),
        other => format!("{other:#06x}"),
    }
}

fn replayed(log: &EventLog<'_>, bank: Hash) -> Value {
    // Two digits, so that they sort.
    let pcrs = log.replay(bank).into_iter().map(|(pcr, value)| (format!("{pcr:02}"), hex(&value).into()));
    Value::Object(pcrs.collect::<Map<_, _>>())
}
