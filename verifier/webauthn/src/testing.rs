//! A security key in software, and the maker who attests it: in the test's own process, and bendable. Tests that are to
//! see CTAP2 itself use the simulated key of the workspace's tests.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    reason = "a test harness fails by panicking"
)]

use crate::{Aaguid, Models};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as B64};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use serde_json::{Map, Value as Json, json};
use std::path::Path;
use vitalsign_protocol::cbor::{MapBuilder, Value};
use vitalsign_protocol::id::Digest;

/// A maker of security keys, with the root that its metadata name.
pub struct KeyVendor {
    aaguid: Aaguid,
    root: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl KeyVendor {
    /// A new maker, of one model.
    #[must_use]
    pub fn new(aaguid: Aaguid) -> Self {
        Self::with_root(aaguid, |_| {})
    }

    /// As [`KeyVendor::new`], with another root.
    #[must_use]
    pub fn with_root(aaguid: Aaguid, bend: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Security key root", None);
        params.not_before = rcgen::date_time_ymd(1970, 1, 1);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        bend(&mut params);
        let root = params.self_signed(&key).unwrap().der().to_vec();
        Self { aaguid, root, issuer: Issuer::new(params, key) }
    }

    /// The root's certificate: DER.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// AAGUID of the model.
    #[must_use]
    pub fn aaguid(&self) -> Aaguid {
        self.aaguid
    }

    /// FIDO metadata (the payload) with this maker's model, `next_update` being `YYYY-MM-DD`.
    #[must_use]
    pub fn metadata(&self, next_update: &str) -> Json {
        json!({
            "legalHeader": "For tests.",
            "no": 1,
            "nextUpdate": next_update,
            "entries": [{
                "aaguid": self.aaguid,
                "metadataStatement": {
                    "description": "Test Key",
                    "aaguid": self.aaguid,
                    "protocolFamily": "fido2",
                    "schema": 3,
                    "attachmentHint": ["external", "wired", "nfc"],
                    "keyProtection": ["hardware", "secure_element"],
                    "attestationTypes": ["basic_full"],
                    "attestationRootCertificates": [STANDARD.encode(&self.root)],
                },
                "statusReports": [{ "status": "FIDO_CERTIFIED_L1", "effectiveDate": "2024-01-01" }],
            }],
        })
    }

    /// Models of these metadata, written to and read from `folder`.
    #[must_use]
    pub fn models(metadata: &Json, folder: &Path) -> Models {
        let file = folder.join("metadata.json");
        std::fs::write(&file, metadata.to_string()).unwrap();
        Models::load(&file, None, None, 0).unwrap()
    }

    /// A new key of this maker's.
    #[must_use]
    pub fn key(&self) -> SoftKey {
        self.key_by(&self.issuer, |_| {})
    }

    /// A CA between the maker's root and its keys: its certificate, and what issues by it.
    #[must_use]
    pub fn intermediate(
        &self,
        bend: impl FnOnce(&mut CertificateParams),
    ) -> (Vec<u8>, Issuer<'static, KeyPair>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Security key intermediate", None);
        params.not_before = rcgen::date_time_ymd(1970, 1, 1);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        bend(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        (certificate, Issuer::new(params, key))
    }

    /// A new key of this maker's, with another certificate.
    #[must_use]
    pub fn key_with(&self, bend: impl FnOnce(&mut CertificateParams)) -> SoftKey {
        self.key_by(&self.issuer, bend)
    }

    /// A new key that `issuer` certifies.
    #[must_use]
    pub fn key_by(
        &self,
        issuer: &Issuer<'static, KeyPair>,
        bend: impl FnOnce(&mut CertificateParams),
    ) -> SoftKey {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Test Key", Some("Authenticator Attestation"));
        params.not_before = rcgen::date_time_ymd(1970, 1, 1);
        params.is_ca = IsCa::ExplicitNoCa;
        // id-fido-gen-ce-aaguid: an octet string within the extension's.
        let aaguid = [&[4, 16], self.aaguid.0.as_slice()].concat();
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 45724, 1, 1, 4], aaguid));
        bend(&mut params);
        let certificate = params.signed_by(&key, issuer).unwrap().der().to_vec();
        SoftKey {
            aaguid: self.aaguid,
            certificates: vec![certificate],
            attestation_key: ecdsa(&key),
            credentials: Vec::new(),
            counter: 0,
            user_present: true,
            user_verified: true,
            backup_eligible: false,
            format: Format::Packed,
            next_id: None,
        }
    }
}

fn name(common: &str, unit: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CountryName, DnValue::PrintableString("XX".try_into().unwrap()));
    name.push(DnType::OrganizationName, "Tests");
    if let Some(unit) = unit {
        name.push(DnType::OrganizationalUnitName, unit);
    }
    name.push(DnType::CommonName, common);
    name
}

fn ecdsa(key: &KeyPair) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key.serialize_der()).unwrap()
}

/// Attestation format of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Certified by the vendor (`packed`).
    Packed,
    /// By the credential's own key.
    Itself,
    /// No attestation (`none`).
    None,
}

/// A security key in software. What it says of itself can be bent.
pub struct SoftKey {
    aaguid: Aaguid,
    /// `x5c`: the attestation certificate, and others that come along.
    pub certificates: Vec<Vec<u8>>,
    attestation_key: EcdsaKeyPair,
    credentials: Vec<(Vec<u8>, EcdsaKeyPair)>,
    /// Signature counter of the last assertion.
    pub counter: u32,
    /// Sets the user-present flag.
    pub user_present: bool,
    /// It says that it verified who touched it.
    pub user_verified: bool,
    /// It says that its credentials can be copied.
    pub backup_eligible: bool,
    /// Attestation format of the model.
    pub format: Format,
    /// The id of its next credential; a random one by default.
    pub next_id: Option<Vec<u8>>,
}

impl SoftKey {
    /// Makes a credential: PublicKeyCredentialCreationOptionsJSON to RegistrationResponseJSON.
    pub fn create(&mut self, options: &Json, origin: &str) -> Json {
        self.create_with(options, origin, |_| {})
    }

    /// As [`SoftKey::create`], with other client data.
    pub fn create_with(
        &mut self,
        options: &Json,
        origin: &str,
        bend: impl FnOnce(&mut Map<String, Json>),
    ) -> Json {
        let client_data = client_data("webauthn.create", options, origin, bend);
        let id = self.next_id.take().unwrap_or_else(|| random().to_vec());
        let key = ecdsa(&KeyPair::generate().unwrap());
        let mut data = self.authenticator_data(options["rp"]["id"].as_str().unwrap(), 0x40);
        data.extend_from_slice(&self.aaguid.0);
        data.extend_from_slice(&u16::try_from(id.len()).unwrap().to_be_bytes());
        data.extend_from_slice(&id);
        let (x, y) = key.public_key().as_ref()[1..].split_at(32);
        let public = MapBuilder::default()
            .with(1i64, 2i64)
            .with(3i64, -7i64)
            .with(-1i64, 1i64)
            .with(-2i64, x)
            .with(-3i64, y);
        data.extend_from_slice(&public.build().encode());
        let signed = [data.as_slice(), Digest::of(&client_data).as_bytes()].concat();
        let statement = match self.format {
            Format::None => MapBuilder::default(),
            Format::Itself => MapBuilder::default().with("alg", -7i64).with("sig", sign(&key, &signed)),
            Format::Packed => MapBuilder::default()
                .with("alg", -7i64)
                .with("sig", sign(&self.attestation_key, &signed))
                .with(
                    "x5c",
                    Value::Array(self.certificates.iter().map(|der| der.as_slice().into()).collect()),
                ),
        };
        let format = if self.format == Format::None { "none" } else { "packed" };
        let attestation = MapBuilder::default()
            .with("fmt", format)
            .with("attStmt", statement.build())
            .with("authData", data)
            .build()
            .encode();
        let answer = json!({
            "id": B64.encode(&id),
            "rawId": B64.encode(&id),
            "type": "public-key",
            "authenticatorAttachment": "cross-platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": B64.encode(client_data),
                "attestationObject": B64.encode(attestation),
                "transports": ["usb"],
            },
        });
        self.credentials.push((id, key));
        answer
    }

    /// Signs with one of its credentials: PublicKeyCredentialRequestOptionsJSON to AuthenticationResponseJSON. None
    /// when none of those that are asked for is its.
    pub fn get(&mut self, options: &Json, origin: &str) -> Option<Json> {
        self.get_with(options, origin, |_| {})
    }

    /// As [`SoftKey::get`], with other client data.
    pub fn get_with(
        &mut self,
        options: &Json,
        origin: &str,
        bend: impl FnOnce(&mut Map<String, Json>),
    ) -> Option<Json> {
        self.counter += 1;
        let asked = options["allowCredentials"].as_array()?;
        let client_data = client_data("webauthn.get", options, origin, bend);
        let data = self.authenticator_data(options["rpId"].as_str()?, 0);
        let (id, key) =
            self.credentials.iter().find(|(id, _)| asked.iter().any(|it| it["id"] == B64.encode(id)))?;
        let signature = sign(key, &[data.as_slice(), Digest::of(&client_data).as_bytes()].concat());
        Some(json!({
            "id": B64.encode(id),
            "rawId": B64.encode(id),
            "type": "public-key",
            "authenticatorAttachment": "cross-platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": B64.encode(client_data),
                "authenticatorData": B64.encode(data),
                "signature": B64.encode(signature),
            },
        }))
    }

    /// Returns each credential's ID and private key (PKCS#8), for loading into another authenticator.
    #[must_use]
    pub fn credentials(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let pkcs8 = |key: &EcdsaKeyPair| key.to_pkcs8v1().unwrap().as_ref().to_vec();
        self.credentials.iter().map(|(id, key)| (id.clone(), pkcs8(key))).collect()
    }

    fn authenticator_data(&self, rp_id: &str, more: u8) -> Vec<u8> {
        let present = if self.user_present { 0x01 } else { 0 };
        let verified = if self.user_verified { 0x04 } else { 0 };
        let eligible = if self.backup_eligible { 0x08 } else { 0 };
        let flags = present | verified | eligible | more;
        [Digest::of(rp_id.as_bytes()).as_bytes(), &[flags], &self.counter.to_be_bytes()].concat()
    }
}

fn client_data(
    type_: &str,
    options: &Json,
    origin: &str,
    bend: impl FnOnce(&mut Map<String, Json>),
) -> Vec<u8> {
    let mut data = Map::new();
    data.insert("type".into(), type_.into());
    data.insert("challenge".into(), options["challenge"].clone());
    data.insert("origin".into(), origin.into());
    data.insert("crossOrigin".into(), false.into());
    bend(&mut data);
    Json::Object(data).to_string().into_bytes()
}

fn sign(key: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
    key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}
