//! Verifies one approval years later from its audit entry alone, without store, verifier or network.

use super::{Kind, Logged, chain};
use serde::{Deserialize, Serialize};
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::ear::{self, Ear};
use vitalsign_protocol::evidence::{self, IntendedUse};
use vitalsign_protocol::id::{Base64Url, Digest, EnrolmentId, Nonce, StepUpId};
use vitalsign_protocol::jwt::{self, JwkSet};
use vitalsign_protocol::step_up::{Acr, Transaction, challenge, transaction_digest};
use vitalsign_webauthn::{AssertionProof, ClientDataError, ProofError};

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
}

/// An exported audit entry with the previous entry's hash: the input of [`prove`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// Sequence number in the log.
    pub seq: u64,
    /// Time in seconds since 1970.
    pub time: u64,
    /// Kind of the entry: `step-up-approved`.
    pub kind: String,
    pub device: Base64Url,
    /// JSON text of a [`Proven`], as it was logged.
    pub body: String,
    pub evidence: Base64Url,
    /// Hash of the previous entry.
    pub previous: Digest,
    pub hash: Digest,
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
}

impl Findings {
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.links.iter().all(|link| link.ok == Some(true))
    }
}

impl Exported {
    /// Exports an entry with the hash of the previous one.
    ///
    /// # Errors
    /// The name of a field with a wrong length.
    pub fn new(entry: Logged, previous: Digest) -> Result<Self, &'static str> {
        Ok(Self {
            seq: entry.seq,
            time: entry.time,
            kind: entry.kind,
            device: Base64Url(entry.device),
            body: entry.body,
            evidence: Base64Url(entry.evidence),
            previous,
            hash: Digest::from_slice(&entry.hash).ok_or("the hash")?,
        })
    }
}

/// Result of checking one link.
type LinkResult = Result<(), String>;

/// Links in order: name and statement that it proves.
const LINKS: [(&str, &str); 12] = [
    ("audit-chain", "the entry is as it was logged"),
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
    ("user", "the user touched the key and was verified"),
];

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
/// assert_eq!(invalid.map(|link| link.link), Some("audit-chain"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn prove(exported: &Exported) -> Findings {
    let mut held: Vec<Option<LinkResult>> = vec![Some(audit_chain(exported))];
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
        says = Some(ApprovalSummary {
            transaction: transaction.clone(),
            user: proven.user.clone(),
            device: EnrolmentId::from_slice(&exported.device.0),
            time: exported.time,
            ear_status: ear.and_then(|ear| ear.ear_status),
            model: proven.model.clone(),
        });
    }
    let held = held.into_iter().chain(std::iter::repeat(None));
    let link = |((link, proves), held): (_, Option<LinkResult>)| ProofLink {
        link,
        proves,
        ok: held.as_ref().map(Result::is_ok),
        why: held.and_then(Result::err),
    };
    Findings { says, links: LINKS.into_iter().zip(held).map(link).collect() }
}

fn audit_chain(exported: &Exported) -> LinkResult {
    let Exported { seq, time, kind, device, body, evidence, previous, hash } = exported;
    let expected = chain(previous, *seq, *time, kind, &device.0, body, &evidence.0);
    match expected == *hash {
        true => Ok(()),
        false => Err("the entry, or the hash before it, was changed".into()),
    }
}

fn record(exported: &Exported) -> Result<(Proven, Transaction), String> {
    if exported.kind != Kind::StepUpApproved.as_str() {
        return Err(format!("it is a {} entry", exported.kind));
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

/// Checks challenge, origin, relying party, signature and user. Each link depends on those before it.
fn assertion(exported: &Exported, proven: &Proven) -> Vec<Option<LinkResult>> {
    let transaction = transaction_digest(&proven.transaction);
    let challenge = challenge(&proven.random, &exported.evidence.0, &transaction);
    let error = match proven.proof.check(&proven.rp_id, &proven.origin, &challenge) {
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
