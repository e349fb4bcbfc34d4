//! The test vectors of WebAuthn Level 3 (section 16), read with our code.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as B64};
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use vitalsign_protocol::cbor::Value;
use vitalsign_protocol::id::{Base64Url, Digest};
use vitalsign_webauthn::testing::KeyVendor;
use vitalsign_webauthn::{
    Aaguid, AssertionProof, ClientDataError, ProofError, RegistrationError, RelyingParty, User,
    UserVerification,
};

const NAME: &str = "w3c-webauthn-l3";
/// 2026-01-01, when the vectors' root is valid.
const NOW: u64 = 1_767_225_600;

/// The vectors; none, said on standard error, where they are not at hand.
fn vectors() -> Option<Json> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let root = std::env::var_os("VITALSIGN_VECTORS").map_or_else(|| beside.into(), PathBuf::from);
    let file = root.join(NAME).join("webauthn-l3-test-vectors.json");
    match std::fs::read(&file) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(_) => {
            eprintln!(
                "vectors: {NAME}: SKIPPED, because {} is not there (set VITALSIGN_VECTORS)",
                file.display()
            );
            None
        }
    }
}

/// Registration and its assertion.
struct Vector<'a> {
    name: &'a str,
    registration: &'a Json,
    assertion: &'a Json,
}

fn each(vectors: &Json) -> Vec<Vector<'_>> {
    let block = |vector: &'static str| move |it: &&Json| it["kind"] == vector;
    let all = vectors["vectors"].as_array().unwrap().iter().filter_map(|vector| {
        let blocks = vector["blocks"].as_array().unwrap();
        Some(Vector {
            name: vector["anchor"].as_str()?.strip_prefix("sctn-test-vectors-")?,
            registration: &blocks.iter().find(block("registration"))?["values"],
            assertion: &blocks.iter().find(block("authentication"))?["values"],
        })
    });
    all.collect()
}

fn hex(value: &Json) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// The public key of a registration: a COSE_Key, behind the credential's id.
fn public_key(registration: &Json) -> Vec<u8> {
    let object = hex(&registration["attestationObject"]);
    let object = Value::decode_preferred(&object).unwrap();
    let data = object.entries().unwrap().iter().find(|(key, _)| key.text() == Some("authData"));
    let data = data.unwrap().1.bytes().unwrap();
    let id = usize::from(u16::from_be_bytes([data[53], data[54]]));
    data[55 + id..].to_vec()
}

#[test]
fn assertions_hold_or_are_refused_for_what_they_are() {
    let Some(vectors) = vectors() else { return };
    let (rp_id, origin) = (vectors["rp_id"].as_str().unwrap(), vectors["origin"].as_str().unwrap());
    let (mut held, mut unverified, mut framed, mut others) = (0, 0, 0, 0);
    for Vector { name, registration, assertion } in each(&vectors) {
        // One has a longer challenge than is ever asked here, and an algorithm that is not offered.
        let Some(challenge) = Digest::from_slice(&hex(&assertion["challenge"])) else {
            println!("vectors: {NAME}: {name}: left out, because its challenge has not 32 bytes");
            continue;
        };
        let proof = AssertionProof {
            authenticator_data: Base64Url(hex(&assertion["authenticatorData"])),
            client_data_json: Base64Url(hex(&assertion["clientDataJSON"])),
            signature: Base64Url(hex(&assertion["signature"])),
            public_key: Base64Url(public_key(registration)),
        };
        let mut altered = proof.clone();
        *altered.signature.0.last_mut().unwrap() ^= 1;
        let altered = altered.check(rp_id, origin, &challenge, UserVerification::Required);
        match proof.check(rp_id, origin, &challenge, UserVerification::Required) {
            Ok(flags) => {
                assert!(flags.user_verified);
                assert_eq!(altered, Err(ProofError::Signature), "{name}");
                held += 1;
            }
            // Only reported for a valid signature.
            Err(ProofError::UserNotVerified) => {
                assert_eq!(altered, Err(ProofError::Signature), "{name}");
                unverified += 1;
            }
            Err(ProofError::ClientData(ClientDataError::CrossOrigin | ClientDataError::TopOrigin)) => {
                assert!(name.ends_with("Origin"), "{name}");
                framed += 1;
            }
            Err(ProofError::PublicKey(_)) => {
                assert!(["packed-eddsa", "packed-ed448"].contains(&name), "{name}");
                others += 1;
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
    println!(
        "vectors: {NAME}: of {} assertions {held} hold; of {unverified} the signature is valid and the user was not verified; \
         {framed} are of a frame, {others} of an algorithm that is not offered",
        held + unverified + framed + others
    );
    assert_eq!((held, unverified, framed, others), (4, 6, 2, 2));
}

/// All registrations are rejected: the keys can be copied, verify no user, or have another attestation.
#[test]
fn registrations_are_refused_for_what_they_are() {
    let Some(vectors) = vectors() else { return };
    let (rp_id, origin) = (vectors["rp_id"].as_str().unwrap(), vectors["origin"].as_str().unwrap());
    let party = RelyingParty::new(rp_id, origin).unwrap();
    let root = hex(&vectors["vectors"][0]["blocks"][0]["values"]["attestation_ca_cert"]);
    let folder = tempfile::tempdir().unwrap();
    let all = each(&vectors);
    for Vector { name, registration, .. } in &all {
        let aaguid = Aaguid(registration.get("aaguid").map_or([0; 16], |it| hex(it).try_into().unwrap()));
        let mut metadata = KeyVendor::new(aaguid).metadata("2100-01-01");
        metadata["entries"][0]["metadataStatement"]["attestationRootCertificates"] =
            json!([STANDARD.encode(&root)]);
        let models = KeyVendor::models(&metadata, folder.path());
        let user = User { handle: [1; 16], name: "nurse-7" };
        let (_, state) = party.begin_registration(user, &[], &models, NOW).unwrap();
        let mut state: Json = serde_json::from_str(&state).unwrap();
        state["challenge"] = B64.encode(hex(&registration["challenge"])).into();
        let id = B64.encode(hex(&registration["credential_id"]));
        let answer = json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "response": {
                "clientDataJSON": B64.encode(hex(&registration["clientDataJSON"])),
                "attestationObject": B64.encode(hex(&registration["attestationObject"])),
            },
        });
        let error = party.finish_registration(&state.to_string(), &answer, &models, NOW).unwrap_err();
        let expected = match *name {
            "none-es256-crossOrigin" | "none-es256-topOrigin" => {
                matches!(error, RegistrationError::ClientData(ClientDataError::CrossOrigin))
            }
            "packed-es384" | "packed-eddsa" | "packed-ed448" => error == RegistrationError::UserNotVerified,
            packed if packed.starts_with("packed-") => error == RegistrationError::BackupEligible,
            other => {
                let format = other.strip_suffix("-es256-long-credential-id").unwrap_or(other);
                let format = format.strip_suffix("-es256").unwrap_or(format);
                matches!(&error, RegistrationError::NotAttested(it) if it == format)
            }
        };
        assert!(expected, "{name}: {error}");
    }
    println!("vectors: {NAME}: {} registrations read, and refused for what they are", all.len());
}
