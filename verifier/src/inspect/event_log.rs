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
        ("sha1_only", log.sha1_only.into()),
        ("secure_boot", json!(facts.secure_boot)),
        ("separators", facts.separators.into()),
        ("pcrs", log.banks.iter().map(|bank| (bank.name().to_owned(), replayed(&log, *bank))).collect()),
    ];
    let holds = Holds::NotChecked("a log alone proves nothing; a quote over these PCR values does");
    Ok(Inspection { holds, says })
}

pub(super) fn parse(bytes: &[u8]) -> Result<EventLog<'_>, Unreadable> {
    EventLog::parse(bytes).map_err(|error| Unreadable::Malformed("an event log", error.to_string()))
}

fn replayed(log: &EventLog<'_>, bank: Hash) -> Value {
    // Two digits, so that they sort.
    let pcrs = log.replay(bank).into_iter().map(|(pcr, value)| (format!("{pcr:02}"), hex(&value).into()));
    Value::Object(pcrs.collect::<Map<_, _>>())
}
