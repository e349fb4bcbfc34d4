//! The bodies of requests and answers. JSON, but for evidence itself, which travels as it was signed.

use crate::id::{Base64Url, Digest, EnrolmentId, Nonce, Secret, Thumbprint};
use crate::jwt::JwkSet;
use crate::seconds::{NonceSeconds, ReportSeconds};
use serde::{Deserialize, Serialize};

/// `POST /v1/enrolments`: who wants to enrol.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// The enrolment token that MDM delivered.
    pub token: String,
    /// Public keys of the device.
    pub keys: EnrolmentKeys,
}

/// The keys of a device that enrols. TPM structures are as TPM 2.0 part 2 spells them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EnrolmentKeys {
    /// Report key in a TPM, certified by an AK.
    Tpm {
        /// The EK's certificate first, then those it chains to, DER.
        ek_certificates: Vec<Base64Url>,
        /// TPMT_PUBLIC of the endorsement key.
        ek_public: Base64Url,
        /// TPMT_PUBLIC of the attestation key.
        ak_public: Base64Url,
        /// TPMT_PUBLIC of the report key.
        report_key_public: Base64Url,
        /// TPMS_ATTEST: the attestation key certifies the report key.
        certify: Base64Url,
        /// TPMT_SIGNATURE over `certify_info`.
        certify_signature: Base64Url,
    },
    /// A key in software: accepted only where policy says so, and never as hardware.
    Software {
        /// The uncompressed point, 65 bytes.
        report_key: Base64Url,
    },
}

/// Answer (201) to [`EnrolmentRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentChallenge {
    /// The enrolment, and the device's name from now on.
    pub enrolment: EnrolmentId,
    /// The nonce for the registration evidence; lives 60 s.
    pub nonce: Nonce,
    /// For keys in a TPM: what only that TPM can open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<EncryptedCredential>,
}

/// A credential made for one EK and one attestation key (TPM 2.0 part 1, section 24).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptedCredential {
    /// Content of the TPM2B_ID_OBJECT.
    pub id_object: Base64Url,
    /// Content of the TPM2B_ENCRYPTED_SECRET.
    pub encrypted_secret: Base64Url,
}

/// Body of `POST /v1/enrolments/{enrolment}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentProof {
    /// The secret that the TPM released; none for a key in software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Evidence with intended use 2; from a TPM with a quote and the event log.
    pub evidence: Base64Url,
}

/// Answer (200) to [`EnrolmentProof`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enrolled {
    /// Identifier of the new enrolment.
    pub enrolment: EnrolmentId,
    /// The keys that sign EARs: pin them.
    pub ear_keys: JwkSet,
    /// The relying-party id of step-up: pin it.
    pub rp_id: String,
    /// The origin of step-up: pin it.
    pub origin: String,
    /// The first verdict, and what a report needs next.
    pub report: ReportAnswer,
}

/// Answer to `POST /v1/reports`, whose body is evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportAnswer {
    /// The verdict: an EAR as a JWT.
    pub ear: String,
    /// The nonce for the next report.
    pub nonce: Nonce,
    /// Until when that nonce can be used, in seconds from now.
    pub nonce_seconds: NonceSeconds,
    /// Interval until the next report in seconds, before jitter.
    pub report_seconds: ReportSeconds,
    /// The next report is to carry a quote.
    #[serde(default)]
    pub quote: bool,
    /// Credential for the event channel and other requests of this device, until the next report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<DeviceSession>,
    /// Version of the organisation's document at `GET /v1/organisation`, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<Digest>,
    /// Announcements of keys that the device has not pinned, oldest first ([`crate::rollover`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_rollovers: Vec<String>,
}

/// A device session: `Authorization: Bearer`, in base64url. A signed report opened it, and it lives as long as that
/// report's nonce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceSession(pub Secret);

impl DeviceSession {
    /// Formats the `Authorization` header value.
    #[must_use]
    pub fn bearer(&self) -> zeroize::Zeroizing<String> {
        use base64::Engine;
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.0.expose());
        zeroize::Zeroizing::new(format!("Bearer {text}"))
    }
}

/// `POST /v1/nonces`: a nonce for the holder of a key, when the last one is gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NonceRequest {
    /// Thumbprint of the report key.
    pub kid: Thumbprint,
}

/// Answer (200) to [`NonceRequest`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NonceAnswer {
    /// Nonce for the next report.
    pub nonce: Nonce,
    /// Until when it can be used, in seconds from now.
    pub nonce_seconds: NonceSeconds,
}

/// The most bytes of a JSON body.
pub const MAX_JSON_BYTES: usize = 64 * 1024;
/// The most bytes of a proof of enrolment, which carries an event log in base64.
pub const MAX_PROOF_BYTES: usize = crate::evidence::MAX_BYTES_WITH_LOG / 3 * 4 + MAX_JSON_BYTES;
