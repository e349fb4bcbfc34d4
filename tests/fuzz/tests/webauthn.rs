//! Fuzzes what the verifier reads from security keys: attestations, assertions, proofs, and metadata.

#[cfg(test)]
mod webauthn {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    use serde_json::Value;
    use vitalsign_fuzz::fuzz;
    use vitalsign_protocol::id::Digest;
    use vitalsign_webauthn::testing::{KeyVendor, SoftKey};
    use vitalsign_webauthn::{
        Aaguid, AssertionProof, ModelStatus, Models, RelyingParty, User, UserVerification,
    };

    const MODEL: Aaguid = Aaguid([0x5f; 16]);
    const RP_ID: &str = "verifier.example";
    const ORIGIN: &str = "https://verifier.example";
    const CHALLENGE: Digest = Digest([9; 32]);

    const WORDS: &[&[u8]] = &[
        b"\"webauthn.get\"",
        b"\"crossOrigin\":true",
        b"\"topOrigin\":\"\"",
        b"https://evil.example",
        b"\"packed\"",
        b"\"none\"",
        b"fmt",
        b"x5c",
        b"authData",
        &[0x63, b's', b'i', b'g'],
        &[0xa3],
        &[0x58, 0xff],
        &[0x59, 0xff, 0xff],
        &[0x30, 0x82, 0x7f, 0xff],
        &[0xff; 16],
        b"[[[[[[[[[[[[[[[[",
        b"REVOKED",
        b"9999-12-31",
    ];

    struct Fixture {
        folder: tempfile::TempDir,
        party: RelyingParty,
        models: Models,
        metadata: Value,
        key: SoftKey,
        /// A registration's state, and its good answer.
        registration: (String, Value),
        passkey: String,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let maker = KeyVendor::new(MODEL);
        let metadata = maker.metadata("2100-01-01");
        let models = KeyVendor::models(&metadata, folder.path());
        let party = RelyingParty::new(RP_ID, ORIGIN).unwrap();
        let mut key = maker.key();
        let user = User { handle: [3; 16], name: "nurse-7" };
        let (options, state) = party.begin_registration(user, &[], &models, 0).unwrap();
        let answer = key.create(&options, ORIGIN);
        let passkey = party.finish_registration(&state, &answer, &models, 0).unwrap().passkey;
        Fixture { folder, party, models, metadata, key, registration: (state, answer), passkey }
    }

    #[test]
    fn accepted_attestation_is_for_the_created_key() {
        let Fixture { party, models, registration: (state, answer), .. } = fixture();
        let object = B64.decode(answer["response"]["attestationObject"].as_str().unwrap()).unwrap();
        fuzz("attestation object", &[object], WORDS, |input| {
            let mut answer = answer.clone();
            answer["response"]["attestationObject"] = B64.encode(input).into();
            let outcome = party.finish_registration(&state, &answer, &models, 0);
            if let Ok(registered) = &outcome {
                assert_eq!(B64.encode(&registered.credential), answer["id"].as_str().unwrap());
                assert_eq!(registered.aaguid, MODEL);
            }
            outcome.is_ok()
        });
    }

    #[test]
    fn accepted_assertion_is_the_signed_one() {
        let Fixture { party, mut key, passkey, .. } = fixture();
        let keys = [passkey];
        let options = party.request(&keys, &CHALLENGE, 60, UserVerification::Required).unwrap();
        let good = key.get(&options, ORIGIN).unwrap();
        let proof = party.verify(&keys, &CHALLENGE, &good, UserVerification::Required).unwrap().proof;
        fuzz("assertion", &[good.to_string().into_bytes()], WORDS, |input| {
            let Ok(assertion) = serde_json::from_slice(input) else { return false };
            let outcome = party.verify(&keys, &CHALLENGE, &assertion, UserVerification::Required);
            if let Ok(asserted) = &outcome {
                assert_eq!(asserted.proof, proof);
            }
            outcome.is_ok()
        });
        let good = serde_json::to_vec(&proof).unwrap();
        fuzz("proof", &[good], WORDS, |input| {
            let Ok(altered) = serde_json::from_slice::<AssertionProof>(input) else { return false };
            let outcome = altered.check(RP_ID, ORIGIN, &CHALLENGE, UserVerification::Required);
            if outcome.is_ok() {
                // The signature covers these; a key may be spelled in another order.
                assert_eq!(altered.authenticator_data, proof.authenticator_data);
                assert_eq!(altered.client_data_json, proof.client_data_json);
            }
            outcome.is_ok()
        });
    }

    #[test]
    fn a_metadata_file_is_a_list_or_is_refused() {
        let Fixture { folder, metadata, .. } = fixture();
        let file = folder.path().join("metadata");
        let token = "eyJhbGciOiJFUzI1NiIsIng1YyI6WyJBQUFBIl19.e30.AAAA";
        fuzz("metadata", &[metadata.to_string().into_bytes(), token.into()], WORDS, |input| {
            std::fs::write(&file, input).unwrap();
            let Ok(models) = Models::load(&file, None, None, 0) else { return false };
            // What it accepts once it never accepts after its end.
            assert!(!matches!(models.of(&MODEL, u64::MAX), ModelStatus::Accepted(_)));
            true
        });
    }
}
