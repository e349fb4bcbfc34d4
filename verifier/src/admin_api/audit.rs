//! The audit log.

use super::text::{DeviceRef, EntryRef};
use crate::audit::checkpoint::ConsistencyProof;
use crate::audit::prove::Exported;
use crate::audit::{Kind, Logged};
use crate::store::audit_tree::VerifiedLog;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use vitalsign_protocol::id::{Base64Url, Digest, EnrolmentId, hex};

/// Selects entries: those that have all the properties that are given.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    pub kind: Option<String>,
    pub device: Option<DeviceRef>,
    /// The user in the entry.
    pub user: Option<String>,
    /// `client_id` of an application.
    pub client: Option<String>,
    pub since: Option<u64>,
    pub until: Option<u64>,
    /// Only entries after this one. They are then listed oldest first, and otherwise newest first.
    pub after: Option<u64>,
    /// Only entries before this one.
    pub before: Option<u64>,
    /// Only step-ups that people reported as not started by them.
    #[serde(default)]
    pub alerts: bool,
    /// Also count all entries that are selected.
    #[serde(default)]
    pub count: bool,
    /// Maximum number, at most 1000; 100 by default.
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditPage {
    pub entries: Vec<EntryView>,
    /// Number of all entries that the query selects, if it asks for that.
    pub all: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EntryView {
    pub seq: u64,
    pub time: u64,
    pub kind: String,
    #[schemars(with = "Option<String>")]
    pub device: Option<EnrolmentId>,
    /// Object that depends on the kind.
    pub body: Value,
    /// Appraised evidence in hexadecimal, if it was kept.
    pub evidence: Option<String>,
    pub pruned: bool,
    pub hash: String,
}

impl From<Logged> for EntryView {
    fn from(entry: Logged) -> Self {
        Self {
            seq: entry.seq,
            time: entry.time,
            kind: entry.kind,
            device: EnrolmentId::from_slice(&entry.device),
            body: serde_json::from_str(&entry.body).unwrap_or_else(|_| entry.body.clone().into()),
            evidence: Some(&entry.evidence).filter(|it| !it.is_empty()).map(|it| hex(it)),
            pruned: entry.pruned.is_some(),
            hash: hex(&entry.hash),
        }
    }
}

/// Keys in the format of signed notes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditKeys {
    /// Keys that sign checkpoints: the current one, and the announced one if there is one.
    pub log: Vec<String>,
    /// The same, and those that signed former checkpoints.
    pub known: Vec<String>,
    /// Those of witnesses, by the configuration.
    pub witnesses: Vec<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditKeyRotation {
    /// Seconds until the new key signs alone.
    pub delay: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerificationQuery {
    /// An earlier head, `SEQ:HASH`, that must still be part of the log.
    pub anchor: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// First violation; `null` if the log is valid.
    pub broken: Option<String>,
    pub verified: Option<VerifiedView>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VerifiedView {
    pub entries: u64,
    /// `SEQ:HASH`, to record elsewhere.
    pub head: String,
    /// Number of entries of the former chain.
    pub former_chain: u64,
    /// Number of entries whose payload was pruned.
    pub pruned: u64,
    pub checkpoints: u64,
    /// Number of checkpoints that a known witness cosigned.
    pub cosigned: u64,
    /// Number of reports that changed nothing and are in no entry yet.
    pub collected_reports: u64,
}

impl From<VerifiedLog> for VerifiedView {
    fn from(log: VerifiedLog) -> Self {
        let VerifiedLog { head, former, pruned, checkpoints, cosigned, collected } = log;
        Self {
            entries: head.seq,
            head: head.to_string(),
            former_chain: former,
            pruned,
            checkpoints,
            cosigned,
            collected_reports: collected,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EntryTarget {
    /// Number of the entry, or ID of the step-up that it approved.
    pub entry: EntryRef,
}

/// An entry with its proof, as `audit prove --file` reads it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ExportedEntry(#[schemars(with = "Value")] pub Exported);

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    pub note: String,
}

/// A proof, as `audit consistency --file` reads it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ConsistencyAnswer(#[schemars(with = "Value")] pub ConsistencyProof);

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TileTarget {
    pub level: u32,
    pub number: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeavesTarget {
    pub number: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TileQuery {
    /// Number of hashes or leaves, at most 256.
    pub width: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Tile {
    #[schemars(with = "Vec<String>")]
    pub hashes: Vec<Digest>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Leaves {
    #[schemars(with = "Vec<String>")]
    pub leaves: Vec<Base64Url>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pruning {
    /// Count only, and remove nothing.
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Pruned {
    /// Number of payloads, by kind of entry.
    pub payloads: BTreeMap<String, u64>,
    /// Retention in days of the kinds that are kept for less than six years.
    pub short: BTreeMap<String, u64>,
}

impl Pruned {
    pub(crate) fn of(payloads: Vec<(Kind, u64)>, short: BTreeMap<String, u64>) -> Self {
        let payloads = payloads.into_iter().map(|(kind, count)| (kind.as_str().to_owned(), count)).collect();
        Self { payloads, short }
    }
}
