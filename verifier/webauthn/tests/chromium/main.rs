//! An independent peer: Chromium and its virtual authenticator against the relying party.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod browser;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as B64};
use browser::{Browser, serve};
use serde_json::{Value as Json, json};
use vitalsign_protocol::cbor::Value;
use vitalsign_protocol::id::{Digest, Nonce};
use vitalsign_protocol::step_up::{challenge, transaction_digest};
use vitalsign_webauthn::testing::{KeyVendor, SoftKey};
use vitalsign_webauthn::{
    Aaguid, AssertionError, ClientDataError, ProofError, Registered, RegistrationError, RelyingParty, User,
    UserVerification,
};

const RP_ID: &str = "localhost";
const USER: User<'static> = User { handle: [3; 16], name: "nurse-7" };
/// AAGUID of Chromium's virtual authenticator.
const CHROMIUM: Aaguid = Aaguid([1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
const TRANSACTION: &str = r#"{"application":"ehr","message":"sign order 4711"}"#;
/// 2026-01-01 in seconds since 1970.
const NOW: u64 = 1_767_225_600;

fn bound(evidence: &[u8]) -> Digest {
    challenge(&Nonce([7; 32]), evidence, &transaction_digest(TRANSACTION))
}

/// A key whose attestation is of a maker that is accepted.
fn registered(party: &RelyingParty) -> (SoftKey, Registered) {
    let folder = tempfile::tempdir().unwrap();
    let maker = KeyVendor::new(Aaguid([0x5f; 16]));
    let models = KeyVendor::models(&maker.metadata("2100-01-01"), folder.path());
    let mut key = maker.key();
    let (options, state) = party.begin_registration(USER, &[], &models, NOW).unwrap();
    let answer = key.create(&options, party.origin());
    let registered = party.finish_registration(&state, &answer, &models, NOW).unwrap();
    (key, registered)
}

#[test]
fn browser_signs_the_bound_challenge_only() {
    let port = serve(None);
    let origin = format!("http://localhost:{port}");
    let party = RelyingParty::new(RP_ID, &origin).unwrap();
    let (key, registered) = registered(&party);
    let browser = Browser::start();
    for (id, pkcs8) in key.credentials() {
        browser.add_credential(RP_ID, &id, &pkcs8);
    }
    browser.open(&origin);
    let keys = [registered.passkey.clone()];
    let bound_challenge = bound(b"evidence");
    let options = party.request(&keys, &bound_challenge, 60, UserVerification::Required).unwrap();
    let assertion = browser.get(&options).unwrap();
    let asserted = party.verify(&keys, &bound_challenge, &assertion, UserVerification::Required).unwrap();
    assert!(asserted.user_verified && !asserted.backup_eligible);
    assert_eq!(asserted.credential, registered.credential);
    asserted.proof.check(RP_ID, &origin, &bound_challenge, UserVerification::Required).unwrap();

    // Other evidence, and the same assertion once more.
    let refused = |challenge: &Digest, keys: &[String], assertion: &Json| {
        party.verify(keys, challenge, assertion, UserVerification::Required).unwrap_err()
    };
    let other = refused(&bound(b"other evidence"), &keys, &assertion);
    assert_eq!(other, AssertionError::ClientData(ClientDataError::Challenge));
    let keys = [asserted.passkey];
    assert_eq!(refused(&bound_challenge, &keys, &assertion), AssertionError::Counter);

    // Without user verification the browser returns nothing; with weaker options its result is rejected.
    browser.set_user_verified(false);
    assert_eq!(browser.get(&options), Err("NotAllowedError".into()));
    let mut less = options.clone();
    less["userVerification"] = "discouraged".into();
    let assertion = browser.get(&less).unwrap();
    let error = refused(&bound_challenge, &keys, &assertion);
    assert_eq!(error, AssertionError::Proof(ProofError::UserNotVerified));
    browser.set_user_verified(true);

    // Another origin with the same rpId; a frame of ours in its page; a page to which the rpId does not belong.
    let other = serve(Some(&format!("{origin}/frame")));
    let other_origin = format!("http://localhost:{other}");
    browser.open(&other_origin);
    let assertion = browser.get(&options).unwrap();
    let error = refused(&bound_challenge, &keys, &assertion);
    assert_eq!(error, AssertionError::ClientData(ClientDataError::Origin(other_origin)));
    browser.enter_frame();
    let assertion = browser.get(&options).unwrap();
    let error = refused(&bound_challenge, &keys, &assertion);
    assert_eq!(error, AssertionError::ClientData(ClientDataError::CrossOrigin));
    browser.open(&format!("http://127.0.0.1:{port}"));
    assert_eq!(browser.get(&options), Err("SecurityError".into()));

    // Repeats the ceremony with valid options.
    browser.open(&origin);
    let assertion = browser.get(&options).unwrap();
    party.verify(&keys, &bound_challenge, &assertion, UserVerification::Required).unwrap();
}

/// The virtual authenticator's attestation certificate is self-signed and random, so a verifier must not accept it, unless
/// the list names it, as this test does.
#[test]
fn browser_credential_needs_a_trusted_vendor() {
    let port = serve(None);
    let origin = format!("http://localhost:{port}");
    let party = RelyingParty::new(RP_ID, &origin).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let browser = Browser::start();
    browser.open(&origin);

    let listed = KeyVendor::models(&KeyVendor::new(Aaguid([0x5f; 16])).metadata("2100-01-01"), folder.path());
    let (options, state) = party.begin_registration(USER, &[], &listed, NOW).unwrap();
    // The virtual authenticator has no credProtect, which is asked for with force.
    assert_eq!(browser.create(&options), Err("NotAllowedError".into()));
    let mut without = options.clone();
    without["extensions"] = json!({});
    let created = browser.create(&without).unwrap();
    let error = party.finish_registration(&state, &created, &listed, NOW).unwrap_err();
    assert_eq!(error, RegistrationError::ModelUnknown(CHROMIUM));

    let object = B64.decode(created["response"]["attestationObject"].as_str().unwrap()).unwrap();
    let object = Value::decode_preferred(&object).unwrap();
    let member = |map: &Value<'_>, name| {
        let found = map.entries().unwrap().iter().find(|(key, _)| key.text() == Some(name));
        found.unwrap().1.clone().encode()
    };
    let statement = member(&object, "attStmt");
    let statement = Value::decode_preferred(&statement).unwrap();
    let chain = member(&statement, "x5c");
    let chain = Value::decode_preferred(&chain).unwrap();
    let certificate = chain.items().unwrap()[0].bytes().unwrap();
    // A root of the same model that did not sign it.
    let mut metadata = KeyVendor::new(CHROMIUM).metadata("2100-01-01");
    let models = KeyVendor::models(&metadata, folder.path());
    let error = party.finish_registration(&state, &created, &models, NOW).unwrap_err();
    assert!(matches!(error, RegistrationError::Attestation(_)), "{error}");
    // A list may name the attestation certificate itself (FIDO Metadata Statement, attestationRootCertificates).
    let roots = json!([STANDARD.encode(certificate)]);
    metadata["entries"][0]["metadataStatement"]["attestationRootCertificates"] = roots;
    let models = KeyVendor::models(&metadata, folder.path());
    let registered = party.finish_registration(&state, &created, &models, NOW).unwrap();
    assert_eq!(registered.aaguid, CHROMIUM);

    // The key that is already there is not registered again.
    let id = B64.decode(created["id"].as_str().unwrap()).unwrap();
    let (mut again, _) = party.begin_registration(USER, &[id], &listed, NOW).unwrap();
    again["extensions"] = json!({});
    assert_eq!(browser.create(&again), Err("InvalidStateError".into()));

    let keys = [registered.passkey];
    let options = party.request(&keys, &bound(b"evidence"), 60, UserVerification::Required).unwrap();
    let assertion = browser.get(&options).unwrap();
    let asserted = party.verify(&keys, &bound(b"evidence"), &assertion, UserVerification::Required).unwrap();
    assert_eq!(asserted.aaguid, CHROMIUM);
}
