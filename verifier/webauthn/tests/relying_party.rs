//! Registration and assertion, with a security key in software that can be bent.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};
use vitalsign_protocol::id::Digest;
use vitalsign_webauthn::testing::{Format, KeyVendor, SoftKey};
use vitalsign_webauthn::{
    Aaguid, AssertionError, ClientDataError, Models, Obstacle, ProofError, Registered, RegistrationError,
    RelyingParty, SetupError, User, UserVerification,
};

const RP_ID: &str = "verifier.example";
const ORIGIN: &str = "https://verifier.example:8443";
const MODEL: Aaguid = Aaguid([0x5f; 16]);
/// 2026-01-01; the list is good until 2026-02-01.
const NOW: u64 = 1_767_225_600;
const CHALLENGE: Digest = Digest([9; 32]);

struct Fixture {
    folder: tempfile::TempDir,
    party: RelyingParty,
    maker: KeyVendor,
    models: Models,
    key: SoftKey,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let maker = KeyVendor::new(MODEL);
    let models = KeyVendor::models(&maker.metadata("2026-02-01"), folder.path());
    let key = maker.key();
    Fixture { folder, party: RelyingParty::new(RP_ID, ORIGIN).unwrap(), maker, models, key }
}

impl Fixture {
    fn begin(&self) -> (Value, String) {
        let user = User { handle: [3; 16], name: "nurse-7" };
        self.party.begin_registration(user, &[], &self.models, NOW).unwrap()
    }

    fn register(&mut self) -> Result<Registered, RegistrationError> {
        let (options, state) = self.begin();
        let answer = self.key.create(&options, ORIGIN);
        self.party.finish_registration(&state, &answer, &self.models, NOW)
    }

    fn assert(&mut self, passkey: &str) -> Value {
        let options =
            self.party.request(&[passkey.to_owned()], &CHALLENGE, 60, UserVerification::Required).unwrap();
        self.key.get(&options, ORIGIN).unwrap()
    }
}

#[test]
fn registered_key_signs_the_callers_challenge() {
    let mut fixture = fixture();
    let (options, state) = fixture.begin();
    assert_eq!(options["rp"]["id"], RP_ID);
    assert_eq!(options["user"]["id"], B64.encode([3; 16]));
    assert_eq!(options["attestation"], "direct");
    let protected = json!({ "credentialProtectionPolicy": "userVerificationOptionalWithCredentialIDList", "enforceCredentialProtectionPolicy": true });
    assert_eq!(options["extensions"], protected);
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    let algorithms: Vec<_> =
        options["pubKeyCredParams"].as_array().unwrap().iter().map(|it| &it["alg"]).collect();
    assert_eq!(algorithms, [-7, -35, -257], "what a proof can check is what is offered");
    let answer = fixture.key.create(&options, ORIGIN);
    let registered = fixture.party.finish_registration(&state, &answer, &fixture.models, NOW).unwrap();
    assert_eq!((registered.aaguid, registered.model.as_str()), (MODEL, "Test Key"));

    let options = fixture
        .party
        .request(std::slice::from_ref(&registered.passkey), &CHALLENGE, 90, UserVerification::Required)
        .unwrap();
    assert_eq!(options["challenge"], B64.encode(CHALLENGE.0));
    assert_eq!(options["rpId"], RP_ID);
    assert_eq!(options["timeout"], 90_000);
    assert_eq!(options["userVerification"], "required");
    assert_eq!(options["allowCredentials"][0]["id"], B64.encode(&registered.credential));
    let assertion = fixture.key.get(&options, ORIGIN).unwrap();
    let asserted = fixture
        .party
        .verify(std::slice::from_ref(&registered.passkey), &CHALLENGE, &assertion, UserVerification::Required)
        .unwrap();
    assert_eq!(asserted.credential, registered.credential);
    assert!(asserted.user_verified && !asserted.backup_eligible);
    assert_eq!(asserted.aaguid, MODEL);
    let flags = asserted.proof.check(RP_ID, ORIGIN, &CHALLENGE, UserVerification::Required).unwrap();
    assert_eq!(flags.counter, 1);

    // Repeats the assertion with the updated passkey: the counter did not increase.
    let again = fixture
        .party
        .verify(std::slice::from_ref(&asserted.passkey), &CHALLENGE, &assertion, UserVerification::Required)
        .unwrap_err();
    assert_eq!(again, AssertionError::Counter);
    let next = fixture.assert(&asserted.passkey);
    assert!(fixture.party.verify(&[asserted.passkey], &CHALLENGE, &next, UserVerification::Required).is_ok());
}

#[test]
fn every_byte_of_a_proof_matters() {
    let mut fixture = fixture();
    let passkey = fixture.register().unwrap().passkey;
    let assertion = fixture.assert(&passkey);
    let proof =
        fixture.party.verify(&[passkey], &CHALLENGE, &assertion, UserVerification::Required).unwrap().proof;
    assert!(matches!(
        proof.check(RP_ID, ORIGIN, &Digest([8; 32]), UserVerification::Required),
        Err(ProofError::ClientData(ClientDataError::Challenge))
    ));
    assert_eq!(
        proof.check("other.example", ORIGIN, &CHALLENGE, UserVerification::Required),
        Err(ProofError::RpId)
    );
    assert!(matches!(
        proof.check(RP_ID, "https://verifier.example", &CHALLENGE, UserVerification::Required),
        Err(ProofError::ClientData(ClientDataError::Origin(_)))
    ));
    for member in ["authenticator_data", "client_data_json", "signature", "public_key"] {
        let whole = serde_json::to_value(&proof).unwrap();
        let bytes = B64.decode(whole[member].as_str().unwrap()).unwrap();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let mut altered = whole.clone();
            altered[member] = B64.encode(&bytes).into();
            let altered: vitalsign_webauthn::AssertionProof = serde_json::from_value(altered).unwrap();
            assert!(
                altered.check(RP_ID, ORIGIN, &CHALLENGE, UserVerification::Required).is_err(),
                "{member}, byte {at}"
            );
        }
        let mut short = whole.clone();
        short[member] = B64.encode(&bytes[..bytes.len() - 1]).into();
        let short: vitalsign_webauthn::AssertionProof = serde_json::from_value(short).unwrap();
        assert!(
            short.check(RP_ID, ORIGIN, &CHALLENGE, UserVerification::Required).is_err(),
            "{member}, cut short"
        );
    }
}

#[test]
fn rejects_invalid_assertions() {
    let mut fixture = fixture();
    let passkey = fixture.register().unwrap().passkey;
    let keys = [passkey.clone()];
    let options = fixture.party.request(&keys, &CHALLENGE, 60, UserVerification::Required).unwrap();
    let mut refused = |origin: &str, bend: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let assertion = fixture.key.get_with(&options, origin, bend).unwrap();
        fixture.party.verify(&keys, &CHALLENGE, &assertion, UserVerification::Required).unwrap_err()
    };
    use ClientDataError::{Challenge, CrossOrigin, Malformed, Origin, TopOrigin, Type};
    for (expected, origin, member, value) in [
        (CrossOrigin, ORIGIN, "crossOrigin", json!(true)),
        (TopOrigin, ORIGIN, "topOrigin", json!(ORIGIN)),
        (Type("webauthn.create".into()), ORIGIN, "type", json!("webauthn.create")),
        (Type("payment.get".into()), ORIGIN, "type", json!("payment.get")),
        (Challenge, ORIGIN, "challenge", json!(B64.encode([8; 32]))),
        (Origin("https://verifier.example".into()), "https://verifier.example", "more", json!(0)),
        (
            Origin("https://a.verifier.example:8443".into()),
            "https://a.verifier.example:8443",
            "more",
            json!(0),
        ),
        (Origin("https://evil.example".into()), "https://evil.example", "more", json!(0)),
        (Malformed("too long"), ORIGIN, "more", json!("x".repeat(9000))),
    ] {
        let error = refused(origin, &|data| {
            data.insert(member.to_owned(), value.clone());
        });
        assert_eq!(error, AssertionError::ClientData(expected));
    }

    fixture.key.user_verified = false;
    let assertion = fixture.assert(&passkey);
    let error = fixture.party.verify(&keys, &CHALLENGE, &assertion, UserVerification::Required).unwrap_err();
    assert_eq!(error, AssertionError::Proof(ProofError::UserNotVerified));
    fixture.key.user_verified = true;

    let mut other = options.clone();
    other["rpId"] = "other.example".into();
    let assertion = fixture.key.get(&other, ORIGIN).unwrap();
    assert_eq!(
        fixture.party.verify(&keys, &CHALLENGE, &assertion, UserVerification::Required).unwrap_err(),
        AssertionError::Proof(ProofError::RpId)
    );

    // A credential that was not one to be copied, and is now.
    fixture.key.backup_eligible = true;
    let assertion = fixture.assert(&passkey);
    assert!(matches!(
        fixture.party.verify(&keys, &CHALLENGE, &assertion, UserVerification::Required),
        Err(AssertionError::Refused(_))
    ));
    fixture.key.backup_eligible = false;

    let good = fixture.assert(&passkey);
    let with = |pointer: &str, value: Value| {
        let mut assertion = good.clone();
        *assertion.pointer_mut(pointer).unwrap() = value;
        fixture.party.verify(&keys, &CHALLENGE, &assertion, UserVerification::Required)
    };
    assert!(matches!(with("/type", json!("password")), Err(AssertionError::Malformed(_))));
    assert!(matches!(with("/id", json!("AAAA")), Err(AssertionError::Malformed(_))));
    assert!(matches!(with("/rawId", json!("AA=A")), Err(AssertionError::Malformed(_))));
    assert!(matches!(with("/response", json!(null)), Err(AssertionError::Malformed(_))));
    assert!(matches!(
        with("/response/signature", json!("A".repeat(65_536))),
        Err(AssertionError::Malformed(_))
    ));
    assert!(matches!(
        with("/response/signature", json!("AAAA")),
        Err(AssertionError::Proof(ProofError::Signature))
    ));
    assert!(matches!(
        fixture.party.verify(&[], &CHALLENGE, &good, UserVerification::Required),
        Err(AssertionError::UnknownKey)
    ));
    assert!(matches!(
        fixture.party.request(&[], &CHALLENGE, 60, UserVerification::Required),
        Err(AssertionError::NoKeys)
    ));
    assert!(fixture.party.verify(&keys, &CHALLENGE, &good, UserVerification::Required).is_ok());

    // Another person's key, of the same model.
    let mine = fixture.party.request(&keys, &CHALLENGE, 60, UserVerification::Required).unwrap();
    fixture.key = fixture.maker.key();
    let theirs = fixture.register().unwrap().passkey;
    assert!(fixture.key.get(&mine, ORIGIN).is_none());
    let assertion = fixture.assert(&theirs);
    assert_eq!(
        fixture.party.verify(&keys, &CHALLENGE, &assertion, UserVerification::Required).unwrap_err(),
        AssertionError::UnknownKey
    );
}

#[test]
fn rejects_invalid_registrations() {
    let mut fixture = fixture();
    let bend = |what: &dyn Fn(&mut SoftKey)| {
        let mut key = fixture.maker.key();
        what(&mut key);
        let (options, state) = fixture.begin();
        let answer = key.create(&options, ORIGIN);
        fixture.party.finish_registration(&state, &answer, &fixture.models, NOW).unwrap_err()
    };
    assert_eq!(bend(&|key| key.format = Format::None), RegistrationError::NotAttested("none".into()));
    assert_eq!(
        bend(&|key| key.format = Format::Itself),
        RegistrationError::NotAttested("packed, by itself".into())
    );
    assert_eq!(bend(&|key| key.user_verified = false), RegistrationError::UserNotVerified);
    assert_eq!(bend(&|key| key.backup_eligible = true), RegistrationError::BackupEligible);

    // Of a maker who names the same model, and has another root.
    let forger = KeyVendor::new(MODEL);
    let (options, state) = fixture.begin();
    let forged = forger.key().create(&options, ORIGIN);
    assert!(matches!(
        fixture.party.finish_registration(&state, &forged, &fixture.models, NOW),
        Err(RegistrationError::Attestation(_))
    ));
    // Of another model of the same maker's: its attestation's certificate is for this one.
    let other = KeyVendor::new(Aaguid([6; 16])).key().create(&options, ORIGIN);
    assert_eq!(
        fixture.party.finish_registration(&state, &other, &fixture.models, NOW).unwrap_err(),
        RegistrationError::ModelUnknown(Aaguid([6; 16]))
    );

    use ClientDataError::{CrossOrigin, Origin, TopOrigin, Type};
    for (expected, origin, member, value) in [
        (CrossOrigin, ORIGIN, "crossOrigin", json!(true)),
        (TopOrigin, ORIGIN, "topOrigin", json!(ORIGIN)),
        (Type("webauthn.get".into()), ORIGIN, "type", json!("webauthn.get")),
        (Origin("https://evil.example".into()), "https://evil.example", "more", json!(0)),
    ] {
        let answer = fixture.key.create_with(&options, origin, |data| {
            data.insert(member.to_owned(), value.clone());
        });
        let error = fixture.party.finish_registration(&state, &answer, &fixture.models, NOW).unwrap_err();
        assert_eq!(error, RegistrationError::ClientData(expected));
    }

    // Replayed into another registration.
    let (options, state) = fixture.begin();
    let answer = fixture.key.create(&options, ORIGIN);
    assert!(fixture.party.finish_registration(&state, &answer, &fixture.models, NOW).is_ok());
    let (_, next) = fixture.begin();
    assert_eq!(
        fixture.party.finish_registration(&next, &answer, &fixture.models, NOW).unwrap_err(),
        RegistrationError::ClientData(ClientDataError::Challenge)
    );
    // Each byte of the attestation; all but the algorithm's name, which the certificate's key says as well.
    let object = B64.decode(answer["response"]["attestationObject"].as_str().unwrap()).unwrap();
    let algorithm = object.windows(5).position(|it| it == b"\x63alg\x26").unwrap() + 4;
    for at in (0..object.len()).filter(|at| *at != algorithm) {
        let mut object = object.clone();
        object[at] ^= 1;
        let mut altered = answer.clone();
        altered["response"]["attestationObject"] = B64.encode(object).into();
        assert!(
            fixture.party.finish_registration(&state, &altered, &fixture.models, NOW).is_err(),
            "byte {at}"
        );
    }
    let mut long = answer.clone();
    long["response"]["attestationObject"] = "A".repeat(65_536).into();
    assert_eq!(
        fixture.party.finish_registration(&state, &long, &fixture.models, NOW).unwrap_err(),
        RegistrationError::Malformed("it is too long")
    );
    // The key is on the exclude list.
    let id = B64.decode(answer["id"].as_str().unwrap()).unwrap();
    let user = User { handle: [3; 16], name: "nurse-7" };
    let (options, _) = fixture.party.begin_registration(user, &[id], &fixture.models, NOW).unwrap();
    assert_eq!(options["excludeCredentials"][0]["id"], answer["id"]);
}

#[test]
fn the_list_decides_which_models_are_registered() {
    let mut fixture = fixture();
    let user = User { handle: [3; 16], name: "nurse-7" };
    let begin = |models: &Models, now| fixture.party.begin_registration(user, &[], models, now).unwrap_err();
    assert_eq!(begin(&Models::none(), NOW), RegistrationError::NoModels);
    // The list is due on 2026-02-01, and good until that day ends.
    let expiry = 1_769_904_000 + 86_400;
    assert!(fixture.party.begin_registration(user, &[], &fixture.models, expiry - 1).is_ok());
    assert_eq!(begin(&fixture.models, expiry), RegistrationError::ListExpired);

    let (options, state) = fixture.begin();
    let answer = fixture.key.create(&options, ORIGIN);
    let finish = |models: &Models, now| fixture.party.finish_registration(&state, &answer, models, now);
    assert_eq!(finish(&fixture.models, expiry).unwrap_err(), RegistrationError::ListExpired);
    for status in
        ["REVOKED", "USER_VERIFICATION_BYPASS", "ATTESTATION_KEY_COMPROMISE", "USER_KEY_PHYSICAL_COMPROMISE"]
    {
        let mut metadata = fixture.maker.metadata("2026-02-01");
        let reports = metadata["entries"][0]["statusReports"].as_array_mut().unwrap();
        reports.push(json!({ "status": status, "effectiveDate": "2026-01-15" }));
        let models = KeyVendor::models(&metadata, fixture.folder.path());
        assert!(finish(&models, NOW).is_ok(), "{status} is to come");
        let withdrawn = RegistrationError::ModelWithdrawn { model: "Test Key".into(), status: status.into() };
        assert_eq!(finish(&models, NOW + 14 * 86_400).unwrap_err(), withdrawn);
    }
    let mut metadata = fixture.maker.metadata("2026-02-01");
    metadata["entries"][0]["metadataStatement"]["keyProtection"] = json!(["software"]);
    let models = KeyVendor::models(&metadata, fixture.folder.path());
    assert_eq!(
        finish(&models, NOW).unwrap_err(),
        RegistrationError::Unregistrable { model: "Test Key".into(), obstacle: Obstacle::NotHardware }
    );
    assert!(finish(&fixture.models, NOW).is_ok());
}

#[test]
fn a_relying_party_is_one_that_browsers_know() {
    for (rp_id, origin, good) in [
        ("verifier.example", "https://verifier.example", true),
        ("verifier.example", "https://a.verifier.example:8443", true),
        ("localhost", "http://localhost:1234", true),
        ("verifier.example", "http://verifier.example", false),
        ("verifier.example", "https://verifier.example/", false),
        ("verifier.example", "https://verifier.example:443", false),
        ("verifier.example", "https://Verifier.example", false),
        ("verifier.example.", "https://verifier.example.", false),
        ("verifier.example", "https://nurse@verifier.example", false),
        ("a.localhost", "http://a.localhost", false),
        ("xn--bcher-kva.example", "https://xn--bcher-kva.example", true),
        ("xn--a.example", "https://xn--a.example", false),
        ("b\u{fc}cher.example", "https://b\u{fc}cher.example", false),
        ("127.0.0.1", "https://127.0.0.1", false),
        ("[::1]", "https://[::1]", false),
        ("verifier.example", "verifier.example", false),
    ] {
        let party = RelyingParty::new(rp_id, origin);
        assert_eq!(party.is_ok(), good, "{origin}");
        assert!(good || matches!(party, Err(SetupError::Origin(_))), "{origin}");
    }
    assert!(matches!(
        RelyingParty::new("other.example", "https://verifier.example"),
        Err(SetupError::RpId(_))
    ));
}
