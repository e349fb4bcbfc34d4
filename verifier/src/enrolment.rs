//! Enrolment (protocol.md section 3): verifies that the device has these keys, and that they are in a trusted TPM.

use crate::appraisal::{AppraisalSnapshot, Since};
use crate::attestation::in_work::{AllInWork, InWork};
use crate::attestation::verdict::Verdict;
use crate::attestation::{Attestation, Challenge, ChallengePurpose, problem};
use crate::config::Config;
use crate::endorsers::{Endorser, TpmVendorRoots};
use crate::live::Live;
use crate::nonce::{Nonces, Purpose};
use crate::random::random;
use crate::store::Store;
use crate::store::device::{By, Device, Identity, TpmIdentity};
use crate::store::enrolment::{EnrolmentOutcome, NewEnrolment, PendingEnrolment, TokenState};
use std::sync::Arc;
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::evidence::{self, IntendedUse};
use vitalsign_protocol::id::{Digest, EnrolmentId, Secret};
use vitalsign_protocol::message::{
    Enrolled, EnrolmentChallenge, EnrolmentKeys, EnrolmentProof, EnrolmentRequest,
};
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_tpm::attest::{self, AttestationKey};
use vitalsign_tpm::credential;
use vitalsign_tpm::public::Public;

/// Lifetime of an enrolment and its nonce, in seconds.
const ENROLMENT_SECONDS: u64 = 60;
/// Label of the digest under which a credential's secret is stored.
const SECRET_LABEL: &str = "vitalsign-credential-v1";

/// Keys that a device claims to have.
struct Claimed {
    identity: Identity,
    /// For a TPM: the EK, and the attestation key's Name, to make a credential for.
    endorsement: Option<(Public, Vec<u8>)>,
}

/// Enrols devices.
pub struct Enrolment {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Arc<Store>,
    pub(crate) nonces: Arc<Nonces>,
    pub(crate) endorsers: Live<TpmVendorRoots>,
    pub(crate) attestation: Arc<Attestation>,
    /// Enrolments whose proof is being received or verified.
    pub(crate) proofs_in_work: AllInWork<EnrolmentId>,
}

impl Enrolment {
    /// Begins an enrolment: checks the token and the keys, and returns a challenge.
    ///
    /// # Errors
    /// A problem whose type determines the device's reaction.
    pub async fn begin(&self, request: &EnrolmentRequest, now: u64) -> Result<EnrolmentChallenge, Problem> {
        let token = self.store.token(&request.token).await?;
        let token = token.ok_or_else(|| Problem::new(ProblemType::TokenUnknown, ""))?;
        let state = token.state(now);
        if state == TokenState::Expired {
            return Err(token_problem(state));
        }
        let Claimed { identity, endorsement } = self.claimed(&request.keys, now)?;
        let known = match &identity.tpm {
            Some(tpm) => self.store.device(By::Ek(&tpm.ek)).await?,
            None => self.store.device(By::Kid(&identity.kid)).await?,
        };
        if known.as_ref().is_some_and(Device::is_shut_out) {
            return Err(problem::revoked());
        }
        // The device that spent the token may have lost the answer.
        if state == TokenState::Spent
            && known.as_ref().is_none_or(|device| device.identity.kid != identity.kid)
        {
            return Err(token_problem(state));
        }
        let enrolment = match known {
            Some(device) => device.enrolment,
            None => EnrolmentId(random()?),
        };
        let mut secret = None;
        let mut credential = None;
        if let Some((ek, ak_name)) = endorsement {
            let fresh = Secret::new(random::<32>()?.to_vec());
            let made = credential::make(&ek, &ak_name, &fresh).map_err(|e| keys_invalid(&e))?;
            secret = Some(Digest::labelled(SECRET_LABEL, &[fresh.expose()]));
            credential = Some(made);
        }
        let nonce = self.nonces.issue(Purpose::Registration, &identity.kid, now + ENROLMENT_SECONDS)?;
        let pending = PendingEnrolment {
            enrolment,
            expires: now + ENROLMENT_SECONDS,
            token: token.id,
            identity,
            secret,
        };
        self.store.begin_enrolment(&pending, now).await?;
        Ok(EnrolmentChallenge { enrolment, nonce, credential })
    }

    /// Expects the proof of a pending enrolment, of up to [`vitalsign_protocol::message::MAX_PROOF_BYTES`], one at a
    /// time.
    ///
    /// # Errors
    /// No such enrolment is pending, or its proof is being received.
    pub(crate) async fn expect_proof(
        &self,
        enrolment: &EnrolmentId,
        now: u64,
    ) -> Result<InWork<EnrolmentId>, Problem> {
        let pending = self.store.pending(enrolment, now).await?;
        pending.ok_or_else(|| Problem::new(ProblemType::EnrolmentUnknown, ""))?;
        let busy = || Problem::new(ProblemType::Busy, "This enrolment is being completed. Try again later.");
        self.proofs_in_work.begin(*enrolment).ok_or_else(busy)
    }

    /// Ends an enrolment: checks the proof, appraises the device for the first time, and enrols it.
    ///
    /// # Errors
    /// A problem whose type determines the device's reaction.
    pub async fn complete(
        &self,
        enrolment: &EnrolmentId,
        proof: &EnrolmentProof,
        now: u64,
    ) -> Result<Enrolled, Problem> {
        let unknown = || Problem::new(ProblemType::EnrolmentUnknown, "");
        let pending = self.store.pending(enrolment, now).await?.ok_or_else(unknown)?;
        let activated = match (&pending.secret, &proof.secret) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(expected), Some(secret)) => *expected == Digest::labelled(SECRET_LABEL, &[secret.expose()]),
        };
        if !activated {
            return Err(Problem::new(ProblemType::ActivationFailed, ""));
        }
        let bytes = &proof.evidence.0;
        let Identity { kid, report_key, tpm } = &pending.identity;
        let verified = evidence::parse(bytes, evidence::MAX_BYTES_WITH_LOG).map_err(problem::of_evidence)?;
        let verified = verified.verify(report_key).map_err(problem::of_evidence)?;
        let claims = &verified.claims;
        if claims.intended_use != IntendedUse::Registration {
            return Err(Problem::new(ProblemType::ClaimsInvalid, "intuse is not that of a registration"));
        }
        if claims.enrolment.is_some_and(|claimed| claimed != *enrolment) {
            return Err(Problem::new(ProblemType::ClaimsInvalid, "sueids is not this enrolment"));
        }
        let (nonce, _) = self.nonces.check(Purpose::Registration, kid, &claims.nonces, now)?;
        if tpm.is_some() && claims.boot.is_none() {
            return Err(Problem::new(ProblemType::QuoteInvalid, "a device with a TPM quotes when it enrols"));
        }
        // A device that enrols again with the same TPM or key keeps the time since which each check has its status. It
        // proves its boot again.
        let known = match tpm {
            Some(tpm) => self.store.device(By::Ek(&tpm.ek)).await?,
            None => self.store.device(By::Kid(kid)).await?,
        };
        let before = known.map_or_else(AppraisalSnapshot::default, |device| AppraisalSnapshot {
            boot: None,
            ..AppraisalSnapshot::clone(&device.standing())
        });
        let challenge =
            Challenge { nonce, purpose: ChallengePurpose::Enrolment { enrolment: *enrolment, kid: *kid } };
        let quoted = claims.boot.as_ref().map(|quote| (quote, &challenge));
        let mut verdict =
            self.attestation.appraise(&pending.identity, &before, &verified, quoted, bytes, now).await?;
        let quote = self.attestation.wants_quote(&pending.identity, verdict.boot.as_ref(), claims, now);
        let kid = *kid;
        let proven = NewEnrolment {
            evidence: verdict.digest,
            status: verdict.appraised.status,
            body: enrolment_body(&verdict, &before, pending.token, now),
            pending,
            standing: verdict.standing.clone().unwrap_or(before),
            bytes: self.config.devices.keeps(claims).then(|| bytes.clone()),
            names: self.config.devices.kept_names(claims).unwrap_or_default(),
            now,
        };
        let enrolment = match self.store.end_enrolment(proven).await? {
            EnrolmentOutcome::Enrolled(enrolment) => enrolment,
            EnrolmentOutcome::Unknown => return Err(unknown()),
            EnrolmentOutcome::Revoked => return Err(problem::revoked()),
            EnrolmentOutcome::KeyTaken => {
                return Err(keys_invalid(&"another device is enrolled with this report key"));
            }
            EnrolmentOutcome::Token(state) => return Err(token_problem(state)),
        };
        self.attestation.forget(&kid);
        let (origin, rp_id) = self.config.origin();
        Ok(Enrolled {
            enrolment,
            ear_keys: self.attestation.keys_to_pin(),
            rp_id: rp_id.to_owned(),
            origin: origin.to_owned(),
            report: self.attestation.answer(&enrolment, &kid, nonce, &mut verdict, quote, now)?,
        })
    }

    fn claimed(&self, keys: &EnrolmentKeys, now: u64) -> Result<Claimed, Problem> {
        match keys {
            EnrolmentKeys::Software { report_key } => {
                if !self.attestation.accepts_software_keys() {
                    return Err(Problem::new(ProblemType::SoftwareKeyRefused, ""));
                }
                let report_key = PublicKey::from_point(&report_key.0).map_err(|e| keys_invalid(&e))?;
                Ok(Claimed {
                    identity: Identity { kid: report_key.thumbprint(), report_key, tpm: None },
                    endorsement: None,
                })
            }
            EnrolmentKeys::Tpm {
                ek_certificates,
                ek_public,
                ak_public,
                report_key_public,
                certify,
                certify_signature,
            } => {
                let ek = Public::parse(&ek_public.0).map_err(|e| keys_invalid(&e))?;
                let certificates: Vec<&[u8]> = ek_certificates.iter().map(|der| der.0.as_slice()).collect();
                let endorsed = self.endorsers.get().endorser(&certificates, &ek, now).map_err(|e| {
                    let problem = Problem::new(ProblemType::EndorsementUntrusted, e.to_string());
                    tracing::warn!(error = %e, "an endorsement was refused");
                    problem
                })?;
                let ak = Public::parse(&ak_public.0).map_err(|e| keys_invalid(&e))?;
                let attestation_key = ak.attestation_key().map_err(|e| keys_invalid(&e))?;
                let key = Public::parse(&report_key_public.0).map_err(|e| keys_invalid(&e))?;
                let report_key = key.report_key().map_err(|e| keys_invalid(&e))?;
                let kid = report_key.thumbprint();
                let extra_data = evidence::certify_extra_data(&kid);
                attest::verify_certify(
                    &AttestationKey::P256(attestation_key),
                    &certify.0,
                    &certify_signature.0,
                    extra_data.as_bytes(),
                    &key.name(),
                )
                .map_err(|e| keys_invalid(&e))?;
                let tpm = TpmIdentity {
                    ek: Digest::of(ek.bytes()),
                    ak: ak.bytes().to_vec(),
                    genuine: endorsed.endorser == Endorser::Genuine,
                    simulated: endorsed.endorser == Endorser::Simulated,
                    certified_until: endorsed.valid_until,
                };
                Ok(Claimed {
                    identity: Identity { kid, report_key, tpm: Some(tpm) },
                    endorsement: Some((ek, ak.name())),
                })
            }
        }
    }
}

/// Completes the audit entry's body: the token's number, the status of each check, and the number of checks whose time
/// was kept from the enrolment before.
fn enrolment_body(verdict: &Verdict, before: &AppraisalSnapshot, token: i64, now: u64) -> String {
    let mut body: serde_json::Value = serde_json::from_str(&verdict.body).unwrap_or_default();
    let standing = verdict.standing.as_ref().unwrap_or(before);
    let kept = |(name, it): &(&String, &Since)| before.checks.contains_key(*name) && it.since < now;
    let kept = standing.checks.iter().filter(kept).count();
    if let Some(body) = body.as_object_mut() {
        let checks = standing.checks.iter().map(|(name, it)| (name.clone(), it.status.as_str().into()));
        body.insert("token".into(), token.into());
        body.insert("checks".into(), serde_json::Value::Object(checks.collect()));
        if kept > 0 {
            body.insert("since_kept".into(), kept.into());
        }
    }
    body.to_string()
}

fn keys_invalid(why: &dyn std::fmt::Display) -> Problem {
    Problem::new(ProblemType::KeysInvalid, why.to_string())
}

fn token_problem(state: TokenState) -> Problem {
    match state {
        TokenState::Spent => Problem::new(ProblemType::TokenSpent, ""),
        TokenState::Expired | TokenState::Good => Problem::new(ProblemType::TokenExpired, ""),
    }
}
