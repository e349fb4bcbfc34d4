//! Attestation certificates and the anchors that FIDO metadata list, in the shapes of real lists, and forged.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa};
use rcgen::{KeyUsagePurpose, date_time_ymd};
use serde_json::{Value, json};
use vitalsign_webauthn::testing::{KeyVendor, SoftKey};
use vitalsign_webauthn::{Aaguid, Models, Obstacle, RegistrationError, RelyingParty, User};

const ORIGIN: &str = "https://verifier.example";
const MODEL: Aaguid = Aaguid([0x5f; 16]);
const OTHER: Aaguid = Aaguid([0x60; 16]);
/// 2026-01-01.
const NOW: u64 = 1_767_225_600;

/// Changes a certificate before it is made.
type Bend = fn(&mut CertificateParams);

/// Metadata in which the model has these anchors.
fn metadata(vendor: &KeyVendor, anchors: &[&[u8]]) -> Value {
    let mut metadata = vendor.metadata("2026-02-01");
    let anchors: Vec<_> = anchors.iter().map(|der| STANDARD.encode(der)).collect();
    metadata["entries"][0]["metadataStatement"]["attestationRootCertificates"] = json!(anchors);
    metadata
}

fn models(metadata: &Value) -> Models {
    KeyVendor::models(metadata, tempfile::tempdir().unwrap().path())
}

fn register(key: &mut SoftKey, models: &Models) -> Result<(), RegistrationError> {
    let party = RelyingParty::new("verifier.example", ORIGIN).unwrap();
    let user = User { handle: [3; 16], name: "nurse-7" };
    let (options, state) = party.begin_registration(user, &[], models, NOW).unwrap();
    party.finish_registration(&state, &key.create(&options, ORIGIN), models, NOW).map(|_| ())
}

#[track_caller]
fn refused(key: &mut SoftKey, models: &Models, why: &str) {
    match register(key, models) {
        Err(RegistrationError::Attestation(reason)) => assert!(reason.contains(why), "{reason}"),
        other => panic!("{why}: {other:?}"),
    }
}

/// Of 329 hardware models in the list of 2026-10, 97 have only such anchors.
#[test]
fn registers_keys_whose_anchors_are_sparse() {
    let cases: [(&str, Bend); 3] = [
        ("no key usage", |it| it.key_usages.clear()),
        ("no basic constraints", |it| {
            it.key_usages.clear();
            it.is_ca = IsCa::NoCa;
        }),
        ("path length 0", |_| {}),
    ];
    for (what, bend) in cases {
        let vendor = KeyVendor::with_root(MODEL, bend);
        let models = models(&metadata(&vendor, &[vendor.root()]));
        assert_eq!(models.obstacle(&MODEL, NOW), None, "{what}");
        let mut key = vendor.key();
        assert_eq!(register(&mut key, &models), Ok(()), "{what}");
        key.certificates.push(vendor.root().to_vec());
        assert_eq!(register(&mut key, &models), Ok(()), "{what}: the root comes along");
    }
    let vendor = KeyVendor::new(MODEL);
    let mut key = vendor.key();
    let leaf = models(&metadata(&vendor, &[&key.certificates[0]]));
    assert_eq!(leaf.obstacle(&MODEL, NOW), None);
    assert_eq!(register(&mut key, &leaf), Ok(()), "the certificate itself is listed");
    assert!(register(&mut vendor.key(), &leaf).is_err(), "another certificate of the maker is not");
}

#[test]
fn registers_keys_below_an_intermediate() {
    let vendor = KeyVendor::with_root(MODEL, |it| it.is_ca = IsCa::Ca(BasicConstraints::Constrained(1)));
    let (certificate, issuer) = vendor.intermediate(|_| {});
    let list = models(&metadata(&vendor, &[vendor.root()]));
    let mut key = vendor.key_by(&issuer, |_| {});
    refused(&mut key, &list, "no chain leads");
    key.certificates.push(certificate.clone());
    assert_eq!(register(&mut key, &list), Ok(()));
    // Listed instead of the root; the root comes along, and is not needed.
    key.certificates.push(vendor.root().to_vec());
    assert_eq!(register(&mut key, &models(&metadata(&vendor, &[&certificate]))), Ok(()));
    let others = vec![certificate; 9];
    key.certificates.extend(others);
    refused(&mut key, &list, "more than 8 certificates");
}

#[test]
fn rejects_paths_that_certificates_do_not_permit() {
    let vendor = KeyVendor::with_root(MODEL, |it| it.is_ca = IsCa::Ca(BasicConstraints::Constrained(1)));
    let list = models(&metadata(&vendor, &[vendor.root()]));
    assert_eq!(register(&mut vendor.key(), &list), Ok(()));

    let below = |bend: fn(&mut CertificateParams)| {
        let (certificate, issuer) = vendor.intermediate(bend);
        let mut key = vendor.key_by(&issuer, |_| {});
        key.certificates.push(certificate);
        key
    };
    refused(&mut below(|it| it.not_after = date_time_ymd(2025, 1, 1)), &list, "has expired");
    refused(&mut below(|it| it.is_ca = IsCa::NoCa), &list, "it is not a CA");
    refused(&mut below(|it| it.key_usages = vec![KeyUsagePurpose::CrlSign]), &list, "keyCertSign");
    refused(&mut below(unknown_extension), &list, "critical extension that is not known here: 1.2.3.4");

    let short = KeyVendor::new(MODEL);
    let (certificate, issuer) = short.intermediate(|_| {});
    let mut key = short.key_by(&issuer, |_| {});
    key.certificates.push(certificate);
    let models_of_short = models(&metadata(&short, &[short.root()]));
    refused(&mut key, &models_of_short, "more CAs on the way");

    // A forger with a root of the same name.
    refused(&mut KeyVendor::new(MODEL).key(), &list, "no chain leads");

    let with = |bend: fn(&mut CertificateParams)| vendor.key_with(bend);
    refused(&mut with(|it| it.not_after = date_time_ymd(2025, 1, 1)), &list, "has expired");
    refused(&mut with(|it| it.not_before = date_time_ymd(2027, 1, 1)), &list, "not valid yet");
    refused(&mut with(unknown_extension), &list, "critical extension");
    refused(&mut with(|it| it.key_usages = vec![KeyUsagePurpose::KeyAgreement]), &list, "not for signatures");
    // These four are checked by `webauthn-rs` (section 8.2.1).
    let cases: [Bend; 4] = [
        |it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
        |it| it.is_ca = IsCa::NoCa,
        |it| it.distinguished_name.push(DnType::OrganizationalUnitName, "Another unit"),
        |it| it.custom_extensions[0] = model_extension(OTHER),
    ];
    for bend in cases {
        let done = register(&mut with(bend), &list);
        assert!(matches!(done, Err(RegistrationError::Attestation(_))), "{done:?}");
    }
    // A key that TLS servers use may attest; nothing forbids it.
    let mut usage = with(|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert_eq!(register(&mut usage, &list), Ok(()));
}

/// Without the AAGUID in its certificate, a key could say that it is any of its maker's models.
#[test]
fn shared_root_needs_aaguid_in_certificate() {
    let vendor = KeyVendor::new(MODEL);
    let mut nameless = vendor.key_with(|it| it.custom_extensions.clear());
    let one = metadata(&vendor, &[vendor.root()]);
    assert_eq!(register(&mut nameless, &models(&one)), Ok(()), "the root is of this model only");
    let mut two = one.clone();
    let mut second = one["entries"][0].clone();
    second["aaguid"] = json!(OTHER);
    two["entries"].as_array_mut().unwrap().push(second);
    refused(&mut nameless, &models(&two), "names no model");
    assert_eq!(register(&mut vendor.key(), &models(&two)), Ok(()));
}

#[test]
fn list_tells_models_that_cannot_be_registered() {
    let vendor = KeyVendor::new(MODEL);
    let old = KeyVendor::with_root(MODEL, |it| it.not_after = date_time_ymd(2025, 1, 1));
    let signs_nothing =
        KeyVendor::with_root(MODEL, |it| it.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
    let statement = |member: &str, value: Value| {
        let mut metadata = metadata(&vendor, &[vendor.root()]);
        metadata["entries"][0]["metadataStatement"][member] = value;
        metadata
    };
    for (metadata, obstacle) in [
        (metadata(&vendor, &[vendor.root()]), None),
        (metadata(&vendor, &[old.root(), vendor.root()]), None),
        (metadata(&vendor, &[old.root()]), Some(Obstacle::RootExpired)),
        (metadata(&vendor, &[signs_nothing.root()]), Some(Obstacle::NoRoot)),
        (metadata(&vendor, &[b"no certificate"]), Some(Obstacle::NoRoot)),
        (metadata(&vendor, &[]), Some(Obstacle::NoRoot)),
        (statement("attestationTypes", json!(["basic_surrogate"])), Some(Obstacle::SelfAttested)),
        (statement("attestationTypes", json!(["basic_surrogate", "basic_full"])), None),
        (statement("attachmentHint", json!(["internal"])), Some(Obstacle::BuiltIn)),
        (statement("attachmentHint", json!(["bluetooth"])), None),
        (statement("keyProtection", json!(["software"])), Some(Obstacle::NotHardware)),
    ] {
        let list = models(&metadata);
        assert_eq!(list.obstacle(&MODEL, NOW), obstacle, "{metadata}");
        let (usable, obstacles) = list.registrable(NOW);
        assert_eq!(
            (usable, obstacles.into_iter().next()),
            (usize::from(obstacle.is_none()), obstacle.map(|it| (it, 1)))
        );
        if let Some(obstacle) = obstacle {
            let unregistrable = RegistrationError::Unregistrable { model: "Test Key".into(), obstacle };
            assert_eq!(register(&mut vendor.key(), &list), Err(unregistrable));
        }
    }
    let mut metadata = metadata(&vendor, &[vendor.root()]);
    metadata["entries"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "attestationCertificateKeyIdentifiers": ["00"] }));
    assert_eq!(models(&metadata).older_protocols(), 1);
}

fn unknown_extension(params: &mut CertificateParams) {
    let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    extension.set_criticality(true);
    params.custom_extensions.push(extension);
}

fn model_extension(aaguid: Aaguid) -> CustomExtension {
    let content = [&[4, 16], aaguid.0.as_slice()].concat();
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 45724, 1, 1, 4], content)
}
