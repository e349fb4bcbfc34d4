//! Vendor of the simulated key: attestation root, AAGUID, and FIDO metadata file.

use anyhow::{Context, Result, ensure};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, DnValue, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use time::{Date, Duration, OffsetDateTime};

/// Model name that the key reports.
pub(crate) const MODEL: &str = "Vitalsign simulated security key (software, protects nothing)";

/// id-fido-gen-ce-aaguid (FIDO packed attestation, WebAuthn Level 3 section 8.2.1).
const AAGUID_EXTENSION: [u64; 10] = [1, 3, 6, 1, 4, 1, 45724, 1, 1, 4];

/// A maker of keys, in a folder: its root and the attestation key that all of its keys share, as real ones do.
#[derive(Clone, Debug)]
pub struct KeyVendor {
    folder: PathBuf,
    aaguid: [u8; 16],
}

impl KeyVendor {
    /// Opens the vendor in this folder. An empty folder gets a new vendor with a new AAGUID.
    ///
    /// # Errors
    /// The folder contains something else.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        if !folder.join("aaguid").exists() {
            let mut aaguid = [0; 16];
            getrandom::fill(&mut aaguid).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
            return Self::make(folder, aaguid);
        }
        let aaguid = std::fs::read(folder.join("aaguid"))?;
        let aaguid = aaguid.try_into().ok().context("the AAGUID in the maker's folder is not 16 bytes")?;
        Ok(Self { folder: folder.to_owned(), aaguid })
    }

    /// Another maker, in another folder, that says its keys are of this one's model.
    pub fn impostor(&self, folder: &Path) -> Result<Self> {
        ensure!(!folder.join("aaguid").exists(), "the folder has a maker already");
        Self::make(folder, self.aaguid)
    }

    fn make(folder: &Path, aaguid: [u8; 16]) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut root = named("Vitalsign simulated security key root", None);
        root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root_key = KeyPair::generate()?;
        let root_certificate = root.self_signed(&root_key)?;

        // WebAuthn Level 3 section 8.2.1 says what a packed attestation certificate has to look like.
        let mut leaf = named("Vitalsign simulated security key", Some("Authenticator Attestation"));
        leaf.is_ca = IsCa::ExplicitNoCa;
        let mut octets = vec![0x04, 0x10];
        octets.extend(aaguid);
        leaf.custom_extensions.push(CustomExtension::from_oid_content(&AAGUID_EXTENSION, octets));
        let leaf_key = KeyPair::generate()?;
        let leaf_certificate = leaf.signed_by(&leaf_key, &Issuer::new(root, root_key))?;

        std::fs::write(folder.join("root.der"), root_certificate.der())?;
        std::fs::write(folder.join("attestation.der"), leaf_certificate.der())?;
        std::fs::write(folder.join("attestation.key"), stored(&leaf_key)?)?;
        // Last: with it the maker is whole.
        std::fs::write(folder.join("aaguid"), aaguid)?;
        Ok(Self { folder: folder.to_owned(), aaguid })
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The model that its keys say they are.
    #[must_use]
    pub fn aaguid(&self) -> [u8; 16] {
        self.aaguid
    }

    /// The AAGUID as it is written: `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
    #[must_use]
    pub fn aaguid_text(&self) -> String {
        let mut text = String::new();
        for (at, byte) in self.aaguid.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }

    /// The name of the model in the metadata.
    #[must_use]
    pub fn model(&self) -> &'static str {
        MODEL
    }

    /// The attestation certificate and its private key, as the key keeps them.
    pub fn attestation(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        let read = |name| {
            std::fs::read(self.folder.join(name)).with_context(|| format!("reading the maker's {name}"))
        };
        Ok((read("attestation.der")?, read("attestation.key")?))
    }

    /// The payload of a FIDO metadata BLOB (Metadata Service 3.1 section 3.1.5) that knows this model alone, current
    /// for a month.
    pub fn metadata(&self) -> Result<Value> {
        let today = OffsetDateTime::now_utc().date();
        let root = std::fs::read(self.folder.join("root.der")).context("reading the maker's root")?;
        Ok(json!({
            "legalHeader": "Made for tests: says nothing about any real security key.",
            "no": 1,
            "nextUpdate": day(today.saturating_add(Duration::days(30))),
            "entries": [{
                "aaguid": self.aaguid_text(),
                "metadataStatement": self.statement(&STANDARD.encode(root)),
                "statusReports": [{ "status": "NOT_FIDO_CERTIFIED", "effectiveDate": day(today) }],
                "timeOfLastStatusChange": day(today),
            }],
        }))
    }

    /// Writes [`Self::metadata`] to a file.
    pub fn metadata_file(&self, path: &Path) -> Result<()> {
        Ok(std::fs::write(path, serde_json::to_vec_pretty(&self.metadata()?)?)?)
    }

    /// FIDO Metadata Statement 3.0. It claims hardware, as the makers of this code in hardware do: without that no
    /// verifier takes a key. Its name and its header say what it is.
    fn statement(&self, root: &str) -> Value {
        json!({
            "legalHeader": "Made for tests: says nothing about any real security key.",
            "aaguid": self.aaguid_text(),
            "description": MODEL,
            "authenticatorVersion": 1,
            "protocolFamily": "fido2",
            "schema": 3,
            "upv": [{ "major": 1, "minor": 0 }, { "major": 1, "minor": 1 }],
            "authenticationAlgorithms": ["secp256r1_ecdsa_sha256_raw", "ed25519_eddsa_sha512_raw"],
            "publicKeyAlgAndEncodings": ["cose"],
            "attestationTypes": ["basic_full"],
            "userVerificationDetails": [
                [{ "userVerificationMethod": "presence_internal" }],
                [
                    { "userVerificationMethod": "passcode_external", "caDesc": { "base": 64, "minLength": 4, "maxRetries": 8, "blockSlowdown": 0 } },
                    { "userVerificationMethod": "presence_internal" },
                ],
            ],
            "keyProtection": ["hardware"],
            "matcherProtection": ["on_chip"],
            "cryptoStrength": 128,
            "attachmentHint": ["external", "wired", "nfc"],
            "tcDisplay": [],
            "attestationRootCertificates": [root],
        })
    }
}

/// A certificate's parameters with the subject that packed attestation asks for.
fn named(name: &str, unit: Option<&str>) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let subject = &mut parameters.distinguished_name;
    // A code that ISO 3166 leaves to its users: no country at all.
    if let Ok(country) = "ZZ".try_into() {
        subject.push(DnType::CountryName, DnValue::PrintableString(country));
    }
    subject.push(DnType::OrganizationName, "Vitalsign simulated");
    if let Some(unit) = unit {
        subject.push(DnType::OrganizationalUnitName, unit);
    }
    subject.push(DnType::CommonName, name);
    parameters
}

/// A P-256 private key as the key's file system holds it: flags (sensitive), kind (P-256), number.
fn stored(key: &KeyPair) -> Result<Vec<u8>> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.serialized_der())
        .map_err(|error| anyhow::anyhow!("the attestation key: {error}"))?;
    let number: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes()?;
    let mut stored = vec![0, 2, 0, 5];
    stored.extend(number.as_ref());
    Ok(stored)
}

fn day(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}
