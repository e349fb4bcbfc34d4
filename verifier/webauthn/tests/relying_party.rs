//! Registration and assertion, with a security key in software that can be bent.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};
use vitalsign_protocol::id::Digest;
use vitalsign_webauthn::testing::{Format, Maker, SoftKey};
use vitalsign_webauthn::{
    Aaguid, AssertionError, ClientDataError, Models, ProofError, Registered, RegistrationError, RelyingParty,
    SetupError, User,
};

const RP_ID: &str = "verifier.example";
const ORIGIN: &str = "https://verifier.example:8443";
const MODEL: Aaguid = Aaguid([0x5f; 16]);
/// 2026-01-01; the list is good until 2026-02-01.
const NOW: u64 = 1_767_225_600;
const CHALLENGE: Digest = Digest([9; 32]);

struct World {
    folder: tempfile::TempDir,
    party: RelyingParty,
    maker: Maker,
    models: Models,
    key: SoftKey,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let maker = Maker::new(MODEL);
    let models = Maker::models(&maker.metadata("2026-02-01"), folder.path());
    let key = maker.key();
    World { folder, party: RelyingParty::new(RP_ID, ORIGIN).unwrap(), maker, models, key }
}

impl World {
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
        let options = self.party.request(&[passkey.to_owned()], &CHALLENGE, 60).unwrap();
        self.key.get(&options, ORIGIN).unwrap()
    }
}

#[test]
fn registered_key_signs_the_callers_challenge() {
    let mut world = world();
    let (options, state) = world.begin();
    assert_eq!(options["rp"]["id"], RP_ID);
    assert_eq!(options["user"]["id"], B64.encode([3; 16]));
    assert_eq!(options["attestation"], "direct");
    let protected = json!({ "credentialProtectionPolicy": "userVerificationRequired", "enforceCredentialProtectionPolicy": true });
    assert_eq!(options["extensions"], protected);
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    let algorithms: Vec<_> =
        options["pubKeyCredParams"].as_array().unwrap().iter().map(|it| &it["alg"]).collect();
    assert_eq!(algorithms, [-7, -35, -257], "what a proof can check is what is offered");
    let answer = world.key.create(&options, ORIGIN);
    let registered = world.party.finish_registration(&state, &answer, &world.models, NOW).unwrap();
    assert_eq!((registered.aaguid, registered.model.as_str()), (MODEL, "Test Key"));

    let options = world.party.request(std::slice::from_ref(&registered.passkey), &CHALLENGE, 90).unwrap();
    assert_eq!(options["challenge"], B64.encode(CHALLENGE.0));
    assert_eq!(options["rpId"], RP_ID);
    assert_eq!(options["timeout"], 90_000);
    assert_eq!(options["userVerification"], "required");
    assert_eq!(options["allowCredentials"][0]["id"], B64.encode(&registered.credential));
    let assertion = world.key.get(&options, ORIGIN).unwrap();
    let asserted =
        world.party.verify(std::slice::from_ref(&registered.passkey), &CHALLENGE, &assertion).unwrap();
    assert_eq!(asserted.credential, registered.credential);
    assert!(asserted.user_verified && !asserted.backup_eligible);
    assert_eq!(asserted.aaguid, MODEL);
    let flags = asserted.proof.check(RP_ID, ORIGIN, &CHALLENGE).unwrap();
    assert_eq!(flags.counter, 1);

    // Repeats the assertion with the updated passkey: the counter did not increase.
    let again =
        world.party.verify(std::slice::from_ref(&asserted.passkey), &CHALLENGE, &assertion).unwrap_err();
    assert_eq!(again, AssertionError::Counter);
    let next = world.assert(&asserted.passkey);
    assert!(world.party.verify(&[asserted.passkey], &CHALLENGE, &next).is_ok());
}

#[test]
fn every_byte_of_a_proof_matters() {
    let mut world = world();
    let passkey = world.register().unwrap().passkey;
    let assertion = world.assert(&passkey);
    let proof = world.party.verify(&[passkey], &CHALLENGE, &assertion).unwrap().proof;
    assert!(matches!(
        proof.check(RP_ID, ORIGIN, &Digest([8; 32])),
        Err(ProofError::ClientData(ClientDataError::Challenge))
    ));
    assert_eq!(proof.check("other.example", ORIGIN, &CHALLENGE), Err(ProofError::RpId));
    assert!(matches!(
        proof.check(RP_ID, "https://verifier.example", &CHALLENGE),
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
            assert!(altered.check(RP_ID, ORIGIN, &CHALLENGE).is_err(), "{member}, byte {at}");
        }
        let mut short = whole.clone();
        short[member] = B64.encode(&bytes[..bytes.len() - 1]).into();
        let short: vitalsign_webauthn::AssertionProof = serde_json::from_value(short).unwrap();
        assert!(short.check(RP_ID, ORIGIN, &CHALLENGE).is_err(), "{member}, cut short");
    }
}

#[test]
fn rejects_invalid_assertions() {
    let mut world = world();
    let passkey = world.register().unwrap().passkey;
    let keys = [passkey.clone()];
    let options = world.party.request(&keys, &CHALLENGE, 60).unwrap();
    let mut refused = |origin: &str, bend: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let assertion = world.key.get_with(&options, origin, bend).unwrap();
        world.party.verify(&keys, &CHALLENGE, &assertion).unwrap_err()
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

    world.key.user_verified = false;
    let assertion = world.assert(&passkey);
    let error = world.party.verify(&keys, &CHALLENGE, &assertion).unwrap_err();
    assert_eq!(error, AssertionError::Proof(ProofError::UserNotVerified));
    world.key.user_verified = true;

    let mut other = options.clone();
    other["rpId"] = "other.example".into();
    let assertion = world.key.get(&other, ORIGIN).unwrap();
    assert_eq!(
        world.party.verify(&keys, &CHALLENGE, &assertion).unwrap_err(),
        AssertionError::Proof(ProofError::RpId)
    );

    // A credential that was not one to be copied, and is now.
    world.key.backup_eligible = true;
    let assertion = world.assert(&passkey);
    assert!(matches!(world.party.verify(&keys, &CHALLENGE, &assertion), Err(AssertionError::Refused(_))));
    world.key.backup_eligible = false;

    let good = world.assert(&passkey);
    let with = |pointer: &str, value: Value| {
        let mut assertion = good.clone();
        *assertion.pointer_mut(pointer).unwrap() = value;
        world.party.verify(&keys, &CHALLENGE, &assertion)
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
    assert!(matches!(world.party.verify(&[], &CHALLENGE, &good), Err(AssertionError::UnknownKey)));
    assert!(matches!(world.party.request(&[], &CHALLENGE, 60), Err(AssertionError::NoKeys)));
    assert!(world.party.verify(&keys, &CHALLENGE, &good).is_ok());

    // Another person's key, of the same model.
    let mine = world.party.request(&keys, &CHALLENGE, 60).unwrap();
    world.key = world.maker.key();
    let theirs = world.register().unwrap().passkey;
    assert!(world.key.get(&mine, ORIGIN).is_none());
    let assertion = world.assert(&theirs);
    assert_eq!(world.party.verify(&keys, &CHALLENGE, &assertion).unwrap_err(), AssertionError::UnknownKey);
}

#[test]
fn rejects_invalid_registrations() {
    let mut world = world();
    let bend = |what: &dyn Fn(&mut SoftKey)| {
        let mut key = world.maker.key();
        what(&mut key);
        let (options, state) = world.begin();
        let answer = key.create(&options, ORIGIN);
        world.party.finish_registration(&state, &answer, &world.models, NOW).unwrap_err()
    };
    assert_eq!(bend(&|key| key.format = Format::None), RegistrationError::NotAttested("none".into()));
    assert_eq!(
        bend(&|key| key.format = Format::Itself),
        RegistrationError::NotAttested("packed, by itself".into())
    );
    assert_eq!(bend(&|key| key.user_verified = false), RegistrationError::UserNotVerified);
    assert_eq!(bend(&|key| key.backup_eligible = true), RegistrationError::BackupEligible);

    // Of a maker who names the same model, and has another root.
    let forger = Maker::new(MODEL);
    let (options, state) = world.begin();
    let forged = forger.key().create(&options, ORIGIN);
    assert!(matches!(
        world.party.finish_registration(&state, &forged, &world.models, NOW),
        Err(RegistrationError::Attestation(_))
    ));
    // Of another model of the same maker's: its attestation's certificate is for this one.
    let other = Maker::new(Aaguid([6; 16])).key().create(&options, ORIGIN);
    assert_eq!(
        world.party.finish_registration(&state, &other, &world.models, NOW).unwrap_err(),
        RegistrationError::ModelUnknown(Aaguid([6; 16]))
    );

    use ClientDataError::{CrossOrigin, Origin, TopOrigin, Type};
    for (expected, origin, member, value) in [
        (CrossOrigin, ORIGIN, "crossOrigin", json!(true)),
        (TopOrigin, ORIGIN, "topOrigin", json!(ORIGIN)),
        (Type("webauthn.get".into()), ORIGIN, "type", json!("webauthn.get")),
        (Origin("https://evil.example".into()), "https://evil.example", "more", json!(0)),
    ] {
        let answer = world.key.create_with(&options, origin, |data| {
            data.insert(member.to_owned(), value.clone());
        });
        let error = world.party.finish_registration(&state, &answer, &world.models, NOW).unwrap_err();
        assert_eq!(error, RegistrationError::ClientData(expected));
    }

    // Replayed into another registration.
    let (options, state) = world.begin();
    let answer = world.key.create(&options, ORIGIN);
    assert!(world.party.finish_registration(&state, &answer, &world.models, NOW).is_ok());
    let (_, next) = world.begin();
    assert_eq!(
        world.party.finish_registration(&next, &answer, &world.models, NOW).unwrap_err(),
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
        assert!(world.party.finish_registration(&state, &altered, &world.models, NOW).is_err(), "byte {at}");
    }
    let mut long = answer.clone();
    long["response"]["attestationObject"] = "A".repeat(65_536).into();
    assert_eq!(
        world.party.finish_registration(&state, &long, &world.models, NOW).unwrap_err(),
        RegistrationError::Malformed("it is too long")
    );
    // The key is on the exclude list.
    let id = B64.decode(answer["id"].as_str().unwrap()).unwrap();
    let user = User { handle: [3; 16], name: "nurse-7" };
    let (options, _) = world.party.begin_registration(user, &[id], &world.models, NOW).unwrap();
    assert_eq!(options["excludeCredentials"][0]["id"], answer["id"]);
}

#[test]
fn the_list_decides_which_models_are_registered() {
    let mut world = world();
    let user = User { handle: [3; 16], name: "nurse-7" };
    let begin = |models: &Models, now| world.party.begin_registration(user, &[], models, now).unwrap_err();
    assert_eq!(begin(&Models::none(), NOW), RegistrationError::NoModels);
    // The list is due on 2026-02-01, and good until that day ends.
    let expiry = 1_769_904_000 + 86_400;
    assert!(world.party.begin_registration(user, &[], &world.models, expiry - 1).is_ok());
    assert_eq!(begin(&world.models, expiry), RegistrationError::ListExpired);

    let (options, state) = world.begin();
    let answer = world.key.create(&options, ORIGIN);
    let finish = |models: &Models, now| world.party.finish_registration(&state, &answer, models, now);
    assert_eq!(finish(&world.models, expiry).unwrap_err(), RegistrationError::ListExpired);
    for status in
        ["REVOKED", "USER_VERIFICATION_BYPASS", "ATTESTATION_KEY_COMPROMISE", "USER_KEY_PHYSICAL_COMPROMISE"]
    {
        let mut metadata = world.maker.metadata("2026-02-01");
        let reports = metadata["entries"][0]["statusReports"].as_array_mut().unwrap();
        reports.push(json!({ "status": status, "effectiveDate": "2026-01-15" }));
        let models = Maker::models(&metadata, world.folder.path());
        assert!(finish(&models, NOW).is_ok(), "{status} is to come");
        let withdrawn = RegistrationError::ModelWithdrawn { model: "Test Key".into(), status: status.into() };
        assert_eq!(finish(&models, NOW + 14 * 86_400).unwrap_err(), withdrawn);
    }
    let mut metadata = world.maker.metadata("2026-02-01");
    metadata["entries"][0]["metadataStatement"]["keyProtection"] = json!(["software"]);
    let models = Maker::models(&metadata, world.folder.path());
    assert_eq!(finish(&models, NOW).unwrap_err(), RegistrationError::NotHardware("Test Key".into()));
    assert!(finish(&world.models, NOW).is_ok());
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
        ("127.0.0.1", "https://127.0.0.1", false),
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
