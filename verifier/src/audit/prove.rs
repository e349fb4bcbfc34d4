//! Verifies one entry years later from its export alone, without store, verifier or network: that it is in the log, and
//! if it is of an approval, each signature in it.

use super::checkpoint::{Checkpoint, Cosigned, InclusionProof};
use super::note::{NoteError, VerifierKey};
use super::tree::{self, hash_leaf};
use super::{FormerChain, Kind, Logged, chain};
use serde::{Deserialize, Serialize};
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::ear::{self, Ear};
use vitalsign_protocol::evidence::{self, IntendedUse};
use vitalsign_protocol::id::{Base64Url, Digest, EnrolmentId, Nonce, StepUpId};
use vitalsign_protocol::jwt::{self, JwkSet};
use vitalsign_protocol::step_up::{Acr, Transaction, challenge, transaction_digest};
use vitalsign_webauthn::{AssertionProof, ClientDataError, ProofError, UserVerification};

/// Maximum of `pin_hours`: no shift is longer.
pub const MAX_PIN_HOURS: u64 = 12;

/// Record of an approval in the audit log. Together with the evidence it suffices to prove the approval years
/// later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    pub step_up: StepUpId,
    /// `client_id` of the application.
    pub client: String,
    pub user: String,
    pub subject: Base64Url,
    /// Level that was reached.
    pub acr: Acr,
    /// The transaction's text, as it was shown and bound.
    pub transaction: String,
    /// `R` of the binding.
    pub random: Nonce,
    /// The device's report key: its uncompressed point.
    pub report_key: Base64Url,
    pub credential: Base64Url,
    pub aaguid: String,
    /// Model name from the FIDO metadata.
    pub model: String,
    pub rp_id: String,
    pub origin: String,
    /// The assertion, and the credential's public key.
    pub proof: AssertionProof,
    /// The verdict on the evidence.
    pub ear: String,
    /// The keys that check it.
    pub ear_keys: JwkSet,
    /// ID of the step-up policy that was applied.
    pub policy: String,
    /// Approval with the PIN or fingerprint on which this one rests, if its own tap verified no user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_on: Option<RestsOn>,
}

/// An earlier entry of the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestsOn {
    /// Sequence number in the log.
    pub seq: u64,
    pub hash: Digest,
}

/// An exported audit entry: the input of [`prove`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// Sequence number in the log.
    pub seq: u64,
    /// Time in seconds since 1970.
    pub time: u64,
    pub kind: String,
    pub device: Base64Url,
    /// JSON text, as it was logged: of an approval, a [`Proven`]. `{}` if the payload was pruned.
    pub body: String,
    pub evidence: Base64Url,
    /// Random bytes in the payload's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<Base64Url>,
    /// Digest of a pruned payload; empty for an entry of the former chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned: Option<Base64Url>,
    /// Hash of the previous entry, in exports of the first version: an entry of the former chain without its position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// Position in the former chain, if the entry is of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<FormerEntry>,
    /// Hash of the leaf, or in the former chain.
    pub hash: Digest,
    /// Proof that the leaf, or leaf 0 for an entry of the former chain, is in the log (C2SP tlog-proof).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// The log's public key. It proves nothing unless the auditor knows it from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_key: Option<String>,
    /// The approval with the PIN or fingerprint on which this one rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_on: Option<Box<Exported>>,
}

/// Position of an entry in the former chain, with the proof that the chain contains it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormerEntry {
    /// Hash of the previous entry.
    pub previous: Digest,
    /// Sequence number of the chain's last entry.
    pub seq: u64,
    /// Hash of the chain's last entry.
    pub hash: Digest,
    /// Root of the Merkle tree over the hashes of the chain's entries.
    pub root: Digest,
    /// Inclusion proof in that tree.
    pub path: Vec<Digest>,
}

/// Keys that an auditor knows from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct KnownKeys {
    /// Keys of the log, one of which must have signed. Without any, the key in the export is used, and the findings name
    /// it.
    pub log: Vec<VerifierKey>,
    pub witnesses: Vec<VerifierKey>,
}

/// Log whose signed state contains the entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProvenLog {
    /// Name of the log.
    pub origin: String,
    /// Number of leaves in the checkpoint.
    pub size: u64,
    /// Key that signed the checkpoint.
    pub key: String,
    /// Whether the auditor named the key.
    pub known: bool,
    pub cosigned: Vec<Cosigned>,
}

/// One link of the proof chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProofLink {
    pub link: &'static str,
    pub proves: &'static str,
    /// Whether the link is valid; `None` if it could not be checked because an earlier link is invalid.
    pub ok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Findings {
    /// Summary of the entry, if it can be parsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<ApprovalSummary>,
    /// The log that contains the entry, if the export proves one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<ProvenLog>,
    pub links: Vec<ProofLink>,
}

/// Summary of an approval.
#[derive(Clone, Debug, Serialize)]
pub struct ApprovalSummary {
    pub transaction: Transaction,
    pub user: String,
    pub device: Option<EnrolmentId>,
    /// Time in seconds since 1970.
    pub time: u64,
    /// Verdict on the device.
    pub ear_status: Option<ear::Tier>,
    pub model: String,
    /// Entry with the PIN or fingerprint on which the approval rests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<PinSummary>,
}

/// Approval with the PIN or fingerprint on which a later one rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PinSummary {
    /// Sequence number in the log.
    pub seq: u64,
    /// Time in seconds since 1970.
    pub time: u64,
}

impl Findings {
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.links.iter().all(|link| link.ok == Some(true))
    }

    /// Returns whether the entry is in the log as it was logged; of a pruned entry, its number, time, kind and device.
    #[must_use]
    pub fn is_logged(&self) -> bool {
        self.links.first().is_some_and(|link| link.ok == Some(true))
    }
}

impl Exported {
    /// Exports an entry.
    ///
    /// # Errors
    /// The name of a field with a wrong length.
    pub fn new(
        entry: Logged,
        former: Option<FormerEntry>,
        proof: Option<(InclusionProof, VerifierKey)>,
    ) -> Result<Self, &'static str> {
        let (proof, log_key) = proof.map(|(proof, key)| (proof.to_string(), key.to_string())).unzip();
        Ok(Self {
            seq: entry.seq,
            time: entry.time,
            kind: entry.kind,
            device: Base64Url(entry.device),
            body: entry.body,
            evidence: Base64Url(entry.evidence),
            salt: Some(entry.salt).filter(|salt| !salt.is_empty()).map(Base64Url),
            pruned: entry.pruned.map(Base64Url),
            previous: None,
            former,
            hash: Digest::from_slice(&entry.hash).ok_or("the hash")?,
            proof,
            log_key,
            rests_on: None,
        })
    }

    #[must_use]
    pub fn is_approval(&self) -> bool {
        self.kind == Kind::StepUpApproved.as_str()
    }

    fn logged(&self) -> Logged {
        Logged {
            seq: self.seq,
            time: self.time,
            kind: self.kind.clone(),
            device: self.device.0.clone(),
            body: self.body.clone(),
            evidence: self.evidence.0.clone(),
            salt: self.salt.clone().map(|salt| salt.0).unwrap_or_default(),
            pruned: self.pruned.clone().map(|pruned| pruned.0),
            hash: self.hash.as_bytes().to_vec(),
        }
    }

    /// Returns the earlier entry on which the approval says that it rests.
    #[must_use]
    pub fn named_earlier(&self) -> Option<RestsOn> {
        serde_json::from_str::<Proven>(&self.body).ok()?.rests_on
    }
}

/// Result of checking one link.
type LinkResult = Result<(), String>;

/// Links in order: name and statement that it proves.
const LINKS: [(&str, &str); 12] = [
    ("audit-log", "the entry is in the log, as it was logged"),
    ("record", "it is of an approval, and can be read"),
    ("transaction", "what was shown is for this step-up, person and level"),
    ("evidence-signature", "the device's report key signed the evidence"),
    ("evidence-device", "the evidence is of this device, for a step-up"),
    ("evidence-transaction", "the evidence was made for this transaction"),
    ("verdict", "the verifier's verdict is over this evidence, and signed"),
    ("challenge", "the security key was asked to sign over R, the evidence and the transaction"),
    ("origin", "it was asked at this verifier's origin, and in no other's page"),
    ("relying-party", "it signed for this verifier"),
    ("signature", "the credential's key signed it"),
    USER,
];
const USER: (&str, &str) = ("user", "the user touched the key and was verified");
/// Links of an approval whose tap verified no user, in place of [`USER`].
const TOUCH: (&str, &str) = ("user", "the user touched the key");
const PIN: (&str, &str) =
    ("pin", "the same user was verified before, with this key on this device in the same PIN period");

/// Verifies every link of an approval again.
///
/// ```
/// use vitalsign_verifier::audit::prove::{Exported, prove};
///
/// // As `vitalsign-verifier audit export` prints it.
/// let json = include_str!("../../tests/data/approval.json");
/// let mut exported: Exported = serde_json::from_str(json)?;
/// assert!(prove(&exported).is_proven());
///
/// exported.body = exported.body.replace("sign order 4711", "sign order 4712");
/// let findings = prove(&exported);
/// assert!(!findings.is_proven());
/// let invalid = findings.links.iter().find(|link| link.ok == Some(false));
/// assert_eq!(invalid.map(|link| link.link), Some("audit-log"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn prove(exported: &Exported) -> Findings {
    prove_with(exported, &KnownKeys::default())
}

/// Verifies every link like [`prove`], in the log of a known key.
#[must_use]
pub fn prove_with(exported: &Exported, known: &KnownKeys) -> Findings {
    let (log, in_log) = match in_log(exported, known) {
        Ok(log) => (log, Ok(())),
        Err(why) => (None, Err(why)),
    };
    let mut held: Vec<Option<LinkResult>> = vec![Some(in_log)];
    let mut links = LINKS.to_vec();
    let read = record(exported);
    held.push(Some(read.as_ref().map(|_| ()).map_err(Clone::clone)));
    let mut says = None;
    if let Ok((proven, transaction)) = &read {
        held.push(Some(same_transaction(proven, transaction)));
        let (evidence, nonce) = evidence(exported, proven);
        held.extend(evidence.map(Some));
        let (verdict, ear) = verdict(exported, proven, nonce);
        held.push(Some(verdict));
        held.extend(assertion(exported, proven));
        let pin =
            exported.rests_on.as_ref().map(|earlier| PinSummary { seq: earlier.seq, time: earlier.time });
        if proven.rests_on.is_some() {
            links.pop();
            links.extend([TOUCH, PIN]);
            held.resize(links.len() - 1, None);
            held.push(Some(pin_of(exported, proven, known)));
        }
        says = Some(ApprovalSummary {
            transaction: transaction.clone(),
            user: proven.user.clone(),
            device: EnrolmentId::from_slice(&exported.device.0),
            time: exported.time,
            ear_status: ear.and_then(|ear| ear.ear_status),
            model: proven.model.clone(),
            pin: pin.filter(|_| proven.rests_on.is_some()),
        });
    }
    let held = held.into_iter().chain(std::iter::repeat(None));
    let link = |((link, proves), held): (_, Option<LinkResult>)| ProofLink {
        link,
        proves,
        ok: held.as_ref().map(Result::is_ok),
        why: held.and_then(Result::err),
    };
    Findings { says, log, links: links.into_iter().zip(held).map(link).collect() }
}

/// Checks that the entry has its hash and that the hash is in the log. An export of the first version, or one that was made
/// without a checkpoint, names no log, which suffices only where no key is known.
fn in_log(exported: &Exported, known: &KnownKeys) -> Result<Option<ProvenLog>, String> {
    let changed = || "the entry, or the hash before it, was changed".to_owned();
    let Exported { seq, time, kind, device, body, evidence, hash, .. } = exported;
    if exported.pruned.is_some() && (body != "{}" || !evidence.0.is_empty() || exported.salt.is_some()) {
        return Err("it has a payload and is marked as pruned".into());
    }
    let former = match (&exported.former, exported.previous) {
        (Some(_), Some(_)) => return Err("it has two positions in the former chain".into()),
        (Some(former), None) => Some(former.previous),
        (None, previous) => previous,
    };
    let (leaf, index) = match former {
        // The entry's number and hash are in the chain's tree; the hash covers the number.
        Some(previous) => {
            let expected = chain(&previous, *seq, *time, kind, &device.0, body, &evidence.0);
            // A pruned entry's hash cannot be computed again.
            if exported.pruned.is_none() && expected != *hash {
                return Err(changed());
            }
            let Some(it) = &exported.former else {
                let first = exported.proof.is_none() && exported.pruned.is_none() && known.log.is_empty();
                return if first {
                    Ok(None)
                } else {
                    Err("its position in the former chain is missing".into())
                };
            };
            let place = tree::hash_leaf(hash.as_bytes());
            let fits = it.path.len() <= tree::MAX_PROOF && *seq > 0;
            if !fits || !tree::includes(&place, seq - 1, &it.path, it.seq, &it.root) {
                return Err("it is not in the former chain".into());
            }
            (FormerChain { seq: it.seq, hash: it.hash, root: it.root }.leaf(), Some(0))
        }
        None => (exported.logged().leaf().ok_or_else(changed)?, None),
    };
    let leaf = hash_leaf(&leaf);
    if index.is_none() && leaf != *hash {
        return Err(changed());
    }
    let Some(proof) = &exported.proof else {
        return match known.log.is_empty() {
            true => Ok(None),
            false => Err("the export has no proof that it is in the log".into()),
        };
    };
    let proof: InclusionProof = proof.parse().map_err(|error| format!("the proof: {error}"))?;
    let exported_key = exported.log_key.as_deref().ok_or("the log's key is missing")?;
    let exported_key: VerifierKey = exported_key.parse().map_err(|error| format!("{error}"))?;
    let keys = if known.log.is_empty() { std::slice::from_ref(&exported_key) } else { &known.log };
    let key = proof.note.signer(keys).map_err(|error| match error {
        NoteError::Unsigned(keys) => format!("it is of the log {exported_key}, and not of {keys}"),
        error => format!("the checkpoint: {error}"),
    })?;
    let opened = Checkpoint::open(&proof.note, std::slice::from_ref(key), &known.witnesses);
    let (checkpoint, cosigned) = opened.map_err(|error| format!("the checkpoint: {error}"))?;
    if index.is_some_and(|index| index != proof.index) || !proof.includes(&leaf, &checkpoint) {
        return Err("it is not in the log".into());
    }
    let (origin, size) = (checkpoint.origin, checkpoint.size);
    Ok(Some(ProvenLog { origin, size, key: key.to_string(), known: !known.log.is_empty(), cosigned }))
}

fn record(exported: &Exported) -> Result<(Proven, Transaction), String> {
    if !exported.is_approval() {
        return Err(format!("it is a {} entry", exported.kind));
    }
    if exported.pruned.is_some() {
        return Err("its payload was pruned".into());
    }
    let proven: Proven = serde_json::from_str(&exported.body).map_err(|error| error.to_string())?;
    let transaction =
        serde_json::from_str(&proven.transaction).map_err(|error| format!("the transaction: {error}"))?;
    Ok((proven, transaction))
}

fn same_transaction(proven: &Proven, transaction: &Transaction) -> LinkResult {
    match () {
        () if transaction.step_up != proven.step_up => Err("it is of another step-up".into()),
        () if transaction.user != proven.user => Err("it is for another person".into()),
        () if transaction.acr != proven.acr => Err("it is of another level".into()),
        () => Ok(()),
    }
}

/// Checks the signature, device and transaction of the evidence. Also returns its nonce `N`.
fn evidence(exported: &Exported, proven: &Proven) -> ([LinkResult; 3], Option<Nonce>) {
    let broken = |why: String| {
        let unread = || Err("the evidence cannot be read".to_owned());
        ([Err(why), unread(), unread()], None)
    };
    let unverified = match evidence::parse(&exported.evidence.0, evidence::MAX_BYTES) {
        Ok(unverified) => unverified,
        Err(error) => return broken(error.to_string()),
    };
    let claims = unverified.claims_unverified().0.clone();
    let key = PublicKey::from_point(&proven.report_key.0).map_err(|error| error.to_string());
    let signed = key.and_then(|key| unverified.verify(&key).map(|_| ()).map_err(|error| error.to_string()));
    let of_device = match () {
        () if claims.intended_use != IntendedUse::StepUp => Err("it is not for a step-up".into()),
        () if claims.enrolment.map(|it| it.as_bytes().to_vec()) != Some(exported.device.0.clone()) => {
            Err("it is of another device".into())
        }
        () => Ok(()),
    };
    let transaction = transaction_digest(&proven.transaction);
    let (for_transaction, nonce) = match claims.nonces.as_slice() {
        [nonce, second] if second.0 == transaction.0 => (Ok(()), Some(*nonce)),
        [nonce, _] => (Err("it was made for another transaction".into()), Some(*nonce)),
        _ => (Err("it carries no transaction".into()), None),
    };
    ([signed, of_device, for_transaction], nonce)
}

fn verdict(exported: &Exported, proven: &Proven, nonce: Option<Nonce>) -> (LinkResult, Option<Ear>) {
    let ear: Ear = match jwt::verify(&proven.ear, ear::TYP, &proven.ear_keys) {
        Ok(ear) => ear,
        Err(error) => return (Err(error.to_string()), None),
    };
    let held = match () {
        () if ear.vitalsign_evidence != Some(Digest::of(&exported.evidence.0)) => {
            Err("it is over other evidence".into())
        }
        () if ear.eat_nonce.is_none() || ear.eat_nonce != nonce => Err("it has another nonce".into()),
        () if ear.vitalsign_device.map(|it| it.as_bytes().to_vec()) != Some(exported.device.0.clone()) => {
            Err("it is on another device".into())
        }
        () => ear.validate().map_err(str::to_owned),
    };
    (held, Some(ear))
}

/// Checks the earlier approval on which this one rests: that it is the one that was logged, proves itself and its user's
/// verification, and is of the same user, key, device, boot and PIN period, not too long before.
fn pin_of(exported: &Exported, proven: &Proven, known: &KnownKeys) -> LinkResult {
    let named = proven.rests_on.ok_or("no earlier entry is named")?;
    let earlier = exported.rests_on.as_deref().ok_or("the earlier entry is not in the export")?;
    if (named.seq, named.hash) != (earlier.seq, earlier.hash) {
        return Err("another earlier entry was exported".into());
    }
    let record = record(earlier)?.0;
    if record.rests_on.is_some() {
        return Err("the earlier entry itself has no PIN".into());
    }
    if let Some(invalid) = prove_with(earlier, known).links.into_iter().find(|link| link.ok != Some(true)) {
        return Err(format!("the earlier entry is not proven: {}", invalid.link));
    }
    let period = |exported: &Exported| {
        let parsed = evidence::parse(&exported.evidence.0, evidence::MAX_BYTES).ok()?;
        let claims = parsed.claims_unverified().0;
        Some((claims.pin_period?, claims.boot_count?))
    };
    let age = exported.time.checked_sub(earlier.time);
    match () {
        () if proven.acr.verifies_each_tap() => Err("this level needs the PIN in each tap".into()),
        () if (&record.user, &record.subject) != (&proven.user, &proven.subject) => {
            Err("it was another person".into())
        }
        () if (&record.credential, &record.proof.public_key)
            != (&proven.credential, &proven.proof.public_key) =>
        {
            Err("it was another security key".into())
        }
        () if (&earlier.device, &record.report_key) != (&exported.device, &proven.report_key) => {
            Err("it was another device".into())
        }
        () if period(exported).is_none() || period(exported) != period(earlier) => {
            Err("it was another boot or PIN period".into())
        }
        () if age.is_none_or(|age| age > MAX_PIN_HOURS * 3600) => Err("it was too long before".into()),
        () => Ok(()),
    }
}

/// Checks challenge, origin, relying party, signature and user. Each link depends on those before it.
fn assertion(exported: &Exported, proven: &Proven) -> Vec<Option<LinkResult>> {
    let transaction = transaction_digest(&proven.transaction);
    let challenge = challenge(&proven.random, &exported.evidence.0, &transaction);
    // At other levels no entry is approved without.
    let user_verification = match proven.rests_on {
        Some(_) => UserVerification::Discouraged,
        None => UserVerification::Required,
    };
    let error = match proven.proof.check(&proven.rp_id, &proven.origin, &challenge, user_verification) {
        Ok(_) => return vec![Some(Ok(())); 5],
        Err(error) => error,
    };
    let holding = match &error {
        ProofError::ClientData(
            ClientDataError::Malformed(_) | ClientDataError::Type(_) | ClientDataError::Challenge,
        ) => 0,
        ProofError::ClientData(_) => 1,
        ProofError::AuthenticatorData(_) | ProofError::RpId => 2,
        ProofError::PublicKey(_) | ProofError::Signature => 3,
        ProofError::UserNotPresent | ProofError::UserNotVerified => 4,
    };
    let mut held = vec![Some(Ok(())); holding];
    held.push(Some(Err(error.to_string())));
    held
}
