//! Metadata files: as the FIDO Alliance signs them, as an administrator writes them, and such as are neither.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as B64};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};
use std::path::Path;
use vitalsign_webauthn::testing::KeyVendor;
use vitalsign_webauthn::{Aaguid, ModelStatus, Models, ModelsError};

const MODEL: Aaguid = Aaguid([0x5f; 16]);
/// 2026-01-01 in seconds since 1970.
const NOW: u64 = 1_767_225_600;
const SIGNER: &str = "mds.fidoalliance.org";

/// Signing chain of the metadata: root, intermediate, and the signer's certificate.
struct Authority {
    root: String,
    chain: Vec<String>,
    key: KeyPair,
}

impl Authority {
    fn new(name: &str, algorithm: &'static rcgen::SignatureAlgorithm) -> Self {
        let ca = |common: &str, depth| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(rcgen::DnType::CommonName, common);
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(depth));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            params
        };
        let (root_key, between_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let (root, between) = (ca("Root", 1), ca("Between", 0));
        let root_certificate = root.self_signed(&root_key).unwrap();
        let root = Issuer::new(root, root_key);
        let between_certificate = between.signed_by(&between_key, &root).unwrap();
        let between = Issuer::new(between, between_key);
        let key = KeyPair::generate_for(algorithm).unwrap();
        let leaf = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &between).unwrap();
        let chain = [leaf.der(), between_certificate.der()].map(|der| STANDARD.encode(der)).to_vec();
        Self { root: root_certificate.pem(), chain, key }
    }

    fn sign(&self, payload: &Value) -> String {
        let rsa = self.key.algorithm() == &rcgen::PKCS_RSA_SHA256;
        let header = json!({ "alg": if rsa { "RS256" } else { "ES256" }, "typ": "JWT", "x5c": self.chain });
        self.sign_with(&header, payload)
    }

    fn sign_with(&self, header: &Value, payload: &Value) -> String {
        let signed = format!("{}.{}", B64.encode(header.to_string()), B64.encode(payload.to_string()));
        let der = self.key.serialize_der();
        let random = SystemRandom::new();
        let signature = if self.key.algorithm() == &rcgen::PKCS_RSA_SHA256 {
            let key = RsaKeyPair::from_pkcs8(&der).unwrap();
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
            signature
        } else {
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap();
            key.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec()
        };
        format!("{signed}.{}", B64.encode(signature))
    }
}

fn load(
    folder: &Path,
    content: &str,
    roots: Option<&str>,
    allowed: Option<&[Aaguid]>,
) -> Result<Models, ModelsError> {
    let (file, pem) = (folder.join("metadata"), folder.join("roots.pem"));
    std::fs::write(&file, content).unwrap();
    std::fs::write(&pem, roots.unwrap_or_default()).unwrap();
    Models::load(&file, roots.map(|_| pem.as_path()), allowed, NOW)
}

#[test]
fn signed_metadata_needs_a_provided_root() {
    let folder = tempfile::tempdir().unwrap();
    let load = |content: &str, roots: Option<&str>| load(folder.path(), content, roots, None);
    let payload = KeyVendor::new(MODEL).metadata("2026-02-01");
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_RSA_SHA256] {
        let authority = Authority::new(SIGNER, algorithm);
        let token = authority.sign(&payload);
        let models = load(&format!("{token}\n"), Some(&authority.root)).unwrap();
        assert!(matches!(models.of(&MODEL, NOW), ModelStatus::Accepted(model) if model.name == "Test Key"));

        let refused = |token: &str, root: Option<&str>| match load(token, root) {
            Err(ModelsError::Signature(_, why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(refused(&token, None).contains("no root"));
        let stranger = Authority::new(SIGNER, &rcgen::PKCS_ECDSA_P256_SHA256);
        assert!(refused(&token, Some(&stranger.root)).contains("certificate"));
        // Another name under the same root, as a public root certifies many.
        let other = Authority::new("www.example", algorithm);
        assert!(refused(&other.sign(&payload), Some(&other.root)).contains(SIGNER));
        // Another payload, another signature, a header that wants more.
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = signed.split_once('.').unwrap();
        let longer = KeyVendor::new(MODEL).metadata("2036-02-01");
        let longer = format!("{header}.{}.{signature}", B64.encode(longer.to_string()));
        assert!(refused(&longer, Some(&authority.root)).contains("not of the certificate"));
        assert!(refused(&format!("{signed}.AAAA"), Some(&authority.root)).contains("not of the certificate"));
        for (header, word) in [
            (json!({ "alg": "none", "x5c": authority.chain }), "none"),
            (json!({ "alg": "HS256", "x5c": authority.chain }), "HS256"),
            (json!({ "alg": "ES256", "x5c": [] }), "no certificate"),
            (json!({ "alg": "ES256" }), "no x5c"),
            (json!({ "alg": "ES256", "x5c": authority.chain, "crit": ["b64"] }), "critical"),
            (json!({ "alg": "ES256", "x5c": vec![authority.chain[0].clone(); 9] }), "too many"),
        ] {
            let why = refused(&authority.sign_with(&header, &payload), Some(&authority.root));
            assert!(why.contains(word), "{why}");
        }
    }
}

#[test]
fn rejects_bad_metadata_and_skips_unreadable_entries() {
    let folder = tempfile::tempdir().unwrap();
    let read = |content: &str| load(folder.path(), content, None, None);
    for content in ["", "x", "a.b.c", "\u{7f}ELF"] {
        assert!(matches!(read(content), Err(ModelsError::Signature(..))), "{content}");
    }
    for content in
        ["{", "{}", r#"{"nextUpdate":"soon","entries":[]}"#, r#"{"nextUpdate":"2026-02-01","entries":1}"#]
    {
        assert!(matches!(read(content), Err(ModelsError::Malformed(..))), "{content}");
    }
    assert!(matches!(Models::load(Path::new("/nowhere"), None, None, NOW), Err(ModelsError::Read(..))));

    let good = KeyVendor::new(MODEL).metadata("2026-02-01");
    let with = |pointer: &str, value: Value| {
        let mut metadata = good.clone();
        *metadata.pointer_mut(pointer).unwrap() = value;
        read(&metadata.to_string()).unwrap().of(&MODEL, NOW)
    };
    assert!(matches!(with("/no", json!(2)), ModelStatus::Accepted(_)));
    let root = "/entries/0/metadataStatement/attestationRootCertificates/0";
    for (pointer, value) in [
        ("/entries/0/aaguid", json!("not one")),
        ("/entries/0/statusReports", json!(null)),
        ("/entries/0/metadataStatement", json!({})),
        (root, json!("not base64!")),
        (root, json!("A".repeat(20_000))),
    ] {
        assert_eq!(with(pointer, value), ModelStatus::Unknown, "{pointer}");
    }
    let withdrawn =
        |reports: Value| matches!(with("/entries/0/statusReports", reports), ModelStatus::Withdrawn { .. });
    assert!(withdrawn(json!([{ "status": "REVOKED" }])));
    assert!(withdrawn(json!([{ "status": "REVOKED", "effectiveDate": "not a date" }])));
    assert!(withdrawn(json!([{ "status": "USER_KEY_REMOTE_COMPROMISE", "effectiveDate": "2026-01-01" },
        { "status": "UPDATE_AVAILABLE", "effectiveDate": "2026-01-01" }])));
    assert!(!withdrawn(json!([{ "status": "REVOKED", "effectiveDate": "2026-01-02" }])));
    // A model that is built in is no roaming one; one of an older protocol has no name here.
    let ModelStatus::Accepted(model) =
        with("/entries/0/metadataStatement/attachmentHint", json!(["internal"]))
    else {
        panic!("refused")
    };
    assert!(model.hardware && !model.roaming);
    let older =
        json!({ "nextUpdate": "2026-02-01", "entries": [{ "aaid": "1234#5678", "statusReports": [] }] });
    assert!(read(&older.to_string()).unwrap().is_empty());
}

#[test]
fn an_allow_list_leaves_out_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let metadata = KeyVendor::new(MODEL).metadata("2026-02-01").to_string();
    let of =
        |allowed: &[Aaguid]| load(folder.path(), &metadata, None, Some(allowed)).unwrap().of(&MODEL, NOW);
    assert!(matches!(of(&[MODEL]), ModelStatus::Accepted(_)));
    assert_eq!(of(&[Aaguid([1; 16])]), ModelStatus::Unknown);
    assert_eq!(of(&[]), ModelStatus::Unknown);
    let models = load(folder.path(), &metadata, None, None).unwrap();
    assert!(matches!(models.of(&MODEL, NOW + 60 * 86_400), ModelStatus::ListExpired { .. }));
}
