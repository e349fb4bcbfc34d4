//! Entries of the audit log, as leaves of its tree and as members of the former hash chain.

use vitalsign_protocol::id::{Digest, EnrolmentId};

/// Kind of an entry. The set is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A report was accepted and appraised, and something changed or its evidence has a quote.
    Report,
    /// Reports of a device within an hour that changed nothing, as one entry.
    Heartbeats,
    Enrolled,
    /// An enrolled device enrolled again, with the same keys or new ones.
    EnrolledAgain,
    /// An administrator revoked a device.
    DeviceRevoked,
    /// An administrator allowed a revoked device to enrol again.
    DeviceReadmitted,
    /// An administrator labelled a device, or removed its label.
    DeviceLabelled,
    /// A device says another host name or asset tag of itself than before, or the verifier forgot those of all devices.
    DeviceNamed,
    /// An administrator created an enrolment token.
    TokenCreated,
    /// An administrator revoked an enrolment token.
    TokenRevoked,
    /// A key that signs verdicts, or tokens, was replaced.
    KeyRotated,
    /// Another appraisal or step-up policy is in force.
    PolicyChanged,
    /// An administrator registered an application.
    ClientAdded,
    /// An administrator disabled an application.
    ClientDisabled,
    /// An administrator enabled an application again.
    ClientEnabled,
    /// An administrator changed an application's audience or settings.
    ClientConfigured,
    /// An administrator replaced an application's secret or keys.
    ClientCredentialReplaced,
    /// A step-up was approved. The entry contains everything that is needed to verify the approval.
    StepUpApproved,
    /// A step-up closed without approval, or ended at one device.
    StepUpClosed,
    /// An administrator added a user.
    UserAdded,
    /// An administrator disabled a user.
    UserDisabled,
    /// An administrator enabled a user again.
    UserEnabled,
    /// An administrator gave a user another name, such as a user principal name or a badge number.
    UserAliasAdded,
    /// An administrator removed such a name.
    UserAliasRemoved,
    /// An administrator linked a user to a device, at which they are then prompted.
    UserDeviceAdded,
    /// An administrator unlinked a user from a device.
    UserDeviceRemoved,
    /// An administrator created a code with which a user registers a security key.
    KeyCodeCreated,
    /// A user registered a security key at a device.
    KeyRegistered,
    /// An administrator revoked a security key.
    KeyRevoked,
    /// A device sent diagnostics for IT. The entry contains their reference, length and digest.
    DiagnosticsReceived,
    /// Payloads of entries were removed because their retention ended.
    Pruned,
    /// The store was brought to another schema version.
    StoreMigrated,
    /// An administrator made a backup. The entry names the keys that can decrypt it.
    BackedUp,
    /// The store was restored from a backup. The entry says what that undid.
    Restored,
}

impl Kind {
    /// Every kind, in the order in which help texts list them.
    pub const ALL: [Self; 34] = [
        Self::Report,
        Self::Heartbeats,
        Self::Enrolled,
        Self::EnrolledAgain,
        Self::DeviceRevoked,
        Self::DeviceReadmitted,
        Self::DeviceLabelled,
        Self::DeviceNamed,
        Self::TokenCreated,
        Self::TokenRevoked,
        Self::KeyRotated,
        Self::PolicyChanged,
        Self::ClientAdded,
        Self::ClientDisabled,
        Self::ClientEnabled,
        Self::ClientConfigured,
        Self::ClientCredentialReplaced,
        Self::StepUpApproved,
        Self::StepUpClosed,
        Self::UserAdded,
        Self::UserDisabled,
        Self::UserEnabled,
        Self::UserAliasAdded,
        Self::UserAliasRemoved,
        Self::UserDeviceAdded,
        Self::UserDeviceRemoved,
        Self::KeyCodeCreated,
        Self::KeyRegistered,
        Self::KeyRevoked,
        Self::DiagnosticsReceived,
        Self::Pruned,
        Self::StoreMigrated,
        Self::BackedUp,
        Self::Restored,
    ];

    /// Returns the kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Returns the name in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Heartbeats => "heartbeats",
            Self::Enrolled => "enrolled",
            Self::EnrolledAgain => "enrolled-again",
            Self::DeviceRevoked => "device-revoked",
            Self::DeviceReadmitted => "device-readmitted",
            Self::DeviceLabelled => "device-labelled",
            Self::DeviceNamed => "device-named",
            Self::TokenCreated => "token-created",
            Self::TokenRevoked => "token-revoked",
            Self::KeyRotated => "key-rotated",
            Self::PolicyChanged => "policy-changed",
            Self::ClientAdded => "client-added",
            Self::ClientDisabled => "client-disabled",
            Self::ClientEnabled => "client-enabled",
            Self::ClientConfigured => "client-configured",
            Self::ClientCredentialReplaced => "client-credential-replaced",
            Self::StepUpApproved => "step-up-approved",
            Self::StepUpClosed => "step-up-ended",
            Self::UserAdded => "user-added",
            Self::UserDisabled => "user-disabled",
            Self::UserEnabled => "user-enabled",
            Self::UserAliasAdded => "user-alias-added",
            Self::UserAliasRemoved => "user-alias-removed",
            Self::UserDeviceAdded => "user-device-added",
            Self::UserDeviceRemoved => "user-device-removed",
            Self::KeyCodeCreated => "key-code-created",
            Self::KeyRegistered => "key-registered",
            Self::KeyRevoked => "key-revoked",
            Self::DiagnosticsReceived => "diagnostics-received",
            Self::Pruned => "pruned",
            Self::StoreMigrated => "store-migrated",
            Self::BackedUp => "backed-up",
            Self::Restored => "restored",
        }
    }
}

/// New entry for the log.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Time in seconds since 1970.
    pub time: u64,
    pub kind: Kind,
    pub device: Option<EnrolmentId>,
    pub body: String,
    /// Appraised evidence, if it is stored in full.
    pub evidence: Option<Vec<u8>>,
}

/// Entry as stored in the log.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Sequence number, from 1.
    pub seq: u64,
    /// Time in seconds since 1970.
    pub time: u64,
    pub kind: String,
    /// Enrolment ID of 16 bytes, or empty.
    pub device: Vec<u8>,
    /// `{}` if the payload was pruned.
    pub body: String,
    pub evidence: Vec<u8>,
    /// Random bytes in the payload's digest, so that the content of a pruned entry cannot be guessed from it. Empty in
    /// an entry of the former chain.
    pub salt: Vec<u8>,
    /// Digest of the payload, if that was pruned. Empty in an entry of the former chain.
    pub pruned: Option<Vec<u8>>,
    /// Stored hash, 32 bytes: of the leaf, or in the former chain.
    pub hash: Vec<u8>,
}

impl Logged {
    /// Returns the digest of the payload; `None` if the stored one has another length.
    pub(crate) fn payload(&self) -> Option<Digest> {
        match &self.pruned {
            Some(digest) => Digest::from_slice(digest),
            None => Some(payload(&self.salt, &self.body, &self.evidence)),
        }
    }

    /// Returns the leaf, from the entry's content.
    pub(crate) fn leaf(&self) -> Option<Vec<u8>> {
        Some(leaf(self.seq, self.time, &self.kind, &self.device, &self.payload()?))
    }
}

/// Number of an entry and the log's state with it as the last one, to be recorded elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Sequence number of the last entry; 0 if the log is empty.
    pub seq: u64,
    /// Root of the tree, or for an entry of the former chain its hash.
    pub hash: Digest,
}

impl std::fmt::Display for Head {
    /// Formats as `SEQ:HASH`, in hexadecimal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash.hex())
    }
}

impl std::str::FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (seq, hash) = text.split_once(':').ok_or("SEQ:HASH was expected")?;
        let digit = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = hash.as_bytes().chunks(2).map(digit).collect();
        let hash =
            bytes.and_then(|bytes| Digest::from_slice(&bytes)).ok_or("the hash has 64 hexadecimal digits")?;
        Ok(Self {
            seq: seq.parse().map_err(|_| "the number of an entry was expected before the colon")?,
            hash,
        })
    }
}

/// Hash chain of an earlier version, whose end is leaf 0 of the tree. A log that began as a tree has an empty one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormerChain {
    /// Sequence number of its last entry; 0 if it is empty.
    pub seq: u64,
    /// Hash of its last entry.
    pub hash: Digest,
    /// Root of the Merkle tree over the hashes of its entries.
    pub root: Digest,
}

impl FormerChain {
    /// Hash before the first entry.
    pub(crate) const START: Digest = Digest([0; 32]);

    /// Returns leaf 0.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        let (seq, label) = (self.seq.to_be_bytes(), b"vitalsign-audit-chain-v1\0".as_slice());
        [label, &seq, self.hash.as_bytes(), self.root.as_bytes()].concat()
    }
}

/// First violation of the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// An entry was changed, or the hash before it.
    #[error("entry {0} is invalid: it or an earlier entry was changed")]
    Changed(u64),
    #[error("entry {0} is missing")]
    Missing(u64),
    /// The entry `seq` is valid but differs from the recorded head.
    #[error("entry {0} differs from the recorded head")]
    NotAnchored(u64),
    #[error("leaf 0 differs from the former chain")]
    FormerChain,
    /// A stored hash of the tree differs from the entries below it.
    #[error("the tree's hash {number} of level {level} was changed")]
    Node { level: u32, number: u64 },
    /// A stored checkpoint is not of this log, or its signature is invalid.
    #[error("the checkpoint of {0} leaves: {1}")]
    Checkpoint(u64, String),
}

/// Digest of an entry's payload: its body and evidence.
pub(crate) fn payload(salt: &[u8], body: &str, evidence: &[u8]) -> Digest {
    let (body, evidence) = (body.as_bytes(), Digest::of(evidence));
    let parts = [&length(salt), salt, &length(body), body, &evidence.0[..]];
    Digest::labelled("vitalsign-audit-payload-v1", &parts)
}

/// Leaf of an entry.
pub(crate) fn leaf(seq: u64, time: u64, kind: &str, device: &[u8], payload: &Digest) -> Vec<u8> {
    let kind = kind.as_bytes();
    let (seq, time) = (seq.to_be_bytes(), time.to_be_bytes());
    let label = b"vitalsign-audit-v2\0".as_slice();
    [label, &seq, &time, &length(kind), kind, &length(device), device, payload.as_bytes()].concat()
}

fn length(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// Hash of an entry in the former chain, over the entry and the hash of the entry before it.
pub(crate) fn chain(
    previous: &Digest,
    seq: u64,
    time: u64,
    kind: &str,
    device: &[u8],
    body: &str,
    evidence: &[u8],
) -> Digest {
    let (kind, body) = (kind.as_bytes(), body.as_bytes());
    Digest::labelled(
        "vitalsign-audit-v1",
        &[
            previous.as_bytes(),
            &seq.to_be_bytes(),
            &time.to_be_bytes(),
            &length(kind),
            kind,
            &length(device),
            device,
            &length(body),
            body,
            Digest::of(evidence).as_bytes(),
        ],
    )
}
