//! Fuzzes what verifier and agent read from the network: no input causes a panic, and accepted input means
//! what it says. The examples of docs/protocol.md are the valid inputs.

#[cfg(test)]
mod protocol {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    use serde::{Serialize, de::DeserializeOwned};
    use vitalsign_fuzz::fuzz;
    use vitalsign_protocol::cbor::Value;
    use vitalsign_protocol::cose::{PublicKey, Sign1};
    use vitalsign_protocol::ear::{self, Ear};
    use vitalsign_protocol::evidence::{self, MAX_BYTES};
    use vitalsign_protocol::jose::{Algorithm, Jws, Unique};
    use vitalsign_protocol::jwt::{self, JwkSet};
    use vitalsign_protocol::message;
    use vitalsign_protocol::problem::Problem;

    const DOCUMENT: &str = include_str!("../../../docs/protocol.md");

    /// CBOR heads at boundaries, and known labels.
    const CBOR: &[&[u8]] = &[
        &[0x17],
        &[0x18, 0x18],
        &[0x18, 0x17],
        &[0x19, 1, 0],
        &[0x1a, 0, 1, 0, 0],
        &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0],
        &[0x5b, 255, 255, 255, 255, 255, 255, 255, 255],
        &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255],
        &[0xbb, 127, 255, 255, 255, 255, 255, 255, 255],
        &[0x5f],
        &[0x7f],
        &[0x9f],
        &[0xbf],
        &[0xff],
        &[0xf7],
        &[0xf8, 0x20],
        &[0xf9, 0x7c, 0],
        &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xa0],
        &[0x80],
        &[0xf6],
        &[0xd2, 0x84],
        &[0x0a],
        &[0x19, 1, 9],
        &[0x19, 1, 10],
        &[0x3a, 0, 1, 0x24, 0xf7],
        &[0x3a, 0, 1, 0x24, 0xf8],
        &[0xc2, 0x41, 1],
        &[0x81; 20],
        // A list of ranges of ports.
        &[0x81, 0x81, 0xa2, 1, 0x16, 2, 0x19, 0xff, 0xff],
        b"disk",
        b"boot",
        b"firewall",
        b"enrolment",
    ];
    const JSON: &[&[u8]] = &[
        b"null",
        b"\"\"",
        b"{}",
        b"[]",
        b"0",
        b"-1",
        b"18446744073709551616",
        b"1e400",
        b"true",
        b"\\u0000",
        b"\\ud800",
        b"{\"a\":",
        b"[[[[[[[[[[[[[[[[",
        b"\xff",
        b"\"token\":",
        b"\"kind\":\"software\"",
        b"\"evidence\":",
        b"=",
        b"urn:",
    ];

    fn blocks(name: &str) -> Vec<String> {
        let parts = DOCUMENT.split("\n```").map(|part| part.split_once('\n').unwrap_or_default());
        parts
            .filter(|(info, _)| info.ends_with(&format!(" {name}")))
            .map(|(_, block)| block.to_owned())
            .collect()
    }

    fn bytes(name: &str) -> Vec<u8> {
        let digits: String = blocks(name).concat().split_whitespace().collect();
        (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
    }

    fn key() -> PublicKey {
        PublicKey::from_point(&bytes("report-key-point")).unwrap()
    }

    #[test]
    fn cbor_that_is_accepted_has_one_spelling() {
        let evidence = bytes("evidence");
        let payload = Sign1::parse(&evidence).unwrap().payload;
        fuzz("cbor", &[evidence, payload, vec![0xf6]], CBOR, |input| {
            let strict = Value::decode(input);
            let preferred = Value::decode_preferred(input);
            if let Ok(value) = &strict {
                assert_eq!(value.encode(), input);
                assert_eq!(preferred.as_ref(), Ok(value), "the stricter reader accepts more");
            }
            if let Ok(value) = &preferred {
                assert_eq!(value.encode(), input, "preferred serialisation has one spelling for one order");
            }
            preferred.is_ok()
        });
    }

    #[test]
    fn accepted_evidence_is_deterministic_and_as_signed() {
        let (good, key) = (bytes("evidence"), key());
        let signed = Sign1::parse(&good).unwrap().payload;
        fuzz("evidence", &[good], CBOR, |input| {
            let kid = evidence::kid_of_start(input);
            let Ok(parsed) = evidence::parse(input, MAX_BYTES) else { return false };
            assert_eq!(kid, Ok(parsed.kid()), "the key named at the start is another one");
            assert!(evidence::parse(input, input.len() - 1).is_err(), "the cap is not kept");
            assert_eq!(Value::decode(input).map(|value| value.encode()).as_deref(), Ok(input));
            let (claims, unknown) = parsed.claims_unverified();
            let known_only = unknown.is_empty();
            let again = claims.sign(&parsed.kid(), |_| Ok::<_, ()>([0; 64])).unwrap();
            let again = evidence::parse(&again, MAX_BYTES).unwrap();
            assert_eq!(again.claims_unverified().0, claims, "claims change on their way over the wire");
            assert!(!known_only || again.claims_unverified().1.is_empty());
            if parsed.verify(&key).is_ok() {
                assert_eq!(
                    Sign1::parse(input).unwrap().payload,
                    signed,
                    "a signature holds over other claims"
                );
            }
            true
        });
    }

    #[test]
    fn accepted_verdicts_are_the_signed_ones() {
        let keys: JwkSet = serde_json::from_str(&blocks("ear-keys").concat()).unwrap();
        let token = blocks("ear-jwt").concat().replace('\n', "");
        let signed: Ear = jwt::verify(&token, ear::TYP, &keys).unwrap();
        let kid = keys.keys[0].kid.clone();
        let words: &[&[u8]] = &[b".", b"..", b"=", b"e30", b"eyJhbGciOiJub25lIn0", kid.as_bytes()];
        fuzz("jwt", &[token.into_bytes()], words, |input| {
            let Ok(token) = std::str::from_utf8(input) else { return false };
            let Ok(ear) = jwt::verify::<Ear>(token, ear::TYP, &keys) else { return false };
            assert_eq!(ear, signed);
            true
        });
    }

    #[test]
    fn accepted_jws_have_one_spelling() {
        let token = blocks("ear-jwt").concat().replace('\n', "");
        let headers = [
            r#"{"alg":"ES256"}"#,
            r#"{"alg":"RS256","typ":"JWT","x5c":["AAAA"]}"#,
            r#"{"alg":"ES256","kid":"k","jwk":{"kty":"EC"}}"#,
        ];
        let short = headers.map(|header| format!("{}.e30.AAAA", B64.encode(header)).into_bytes());
        let good = [vec![token.into_bytes()], short.to_vec()].concat();
        let crit = B64.encode(r#"{"alg":"ES256","crit":["exp"]}"#);
        let twice = B64.encode(r#"{"alg":"none","alg":"ES256"}"#);
        let words: &[&[u8]] = &[
            b".",
            b"..",
            b"=",
            b"\n",
            b" ",
            b"+",
            b"eyJhbGciOiJub25lIn0",
            crit.as_bytes(),
            twice.as_bytes(),
        ];
        let accepted = [Algorithm::Es256, Algorithm::Rs256];
        fuzz("jws", &good, words, |input| {
            let Ok(token) = std::str::from_utf8(input) else { return false };
            let Ok(jws) = Jws::parse(token, &accepted, token.len()) else { return false };
            assert!(Jws::parse(token, &accepted, token.len() - 1).is_err(), "the cap is not kept");
            let [header, payload, signature] = *token.split('.').collect::<Vec<_>>() else {
                panic!("not three parts")
            };
            assert_eq!(B64.encode(jws.payload_unverified()), payload);
            let seen = jws.verify_with(|algorithm, signed, given| {
                assert_eq!(algorithm, jws.header().alg);
                assert_eq!(signed, format!("{header}.{payload}").as_bytes());
                assert_eq!(B64.encode(given), signature);
                Ok::<_, ()>(())
            });
            assert_eq!(seen, Ok(jws.payload_unverified()));
            let Unique(read) = serde_json::from_slice(&B64.decode(header).unwrap()).unwrap();
            assert!(read.get("crit").is_none());
            let written = serde_json::to_value(jws.header()).unwrap();
            for (name, value) in written.as_object().unwrap() {
                assert_eq!(read.get(name), Some(value));
            }
            true
        });
    }

    #[test]
    fn accepted_keys_have_one_spelling() {
        fuzz("jwk set", &[blocks("ear-keys").concat().into_bytes()], JSON, |input| {
            let Ok(keys) = serde_json::from_slice::<JwkSet>(input) else { return false };
            for jwk in &keys.keys {
                if let Ok(key) = jwk.key() {
                    let (x, y) = key.coordinates();
                    assert_eq!((&B64.encode(x), &B64.encode(y)), (&jwk.x, &jwk.y));
                }
            }
            true
        });
    }

    #[test]
    fn verdicts_in_json_keep_what_they_say() {
        fuzz("ear", &[blocks("ear-claims").concat().into_bytes()], JSON, |input| {
            let Ok(ear) = serde_json::from_slice::<Ear>(input) else { return false };
            let again: Ear = serde_json::from_slice(&serde_json::to_vec(&ear).unwrap()).unwrap();
            // A float, which only an extension of others can hold, may come back as its neighbour.
            if exact(&serde_json::to_value(&ear).unwrap()) {
                assert_eq!(again, ear);
            }
            assert_eq!(again.validate(), ear.validate());
            if ear.validate().is_ok() {
                let worst = ear.submods.values().map(|submod| submod.ear_status).max();
                assert!(ear.ear_status >= worst || ear.ear_status.is_none());
            }
            true
        });
    }

    /// Returns whether every number is an integer.
    fn exact(json: &serde_json::Value) -> bool {
        match json {
            serde_json::Value::Number(number) => !number.is_f64(),
            serde_json::Value::Array(items) => items.iter().all(exact),
            serde_json::Value::Object(members) => members.values().all(exact),
            _ => true,
        }
    }

    #[test]
    fn messages_keep_what_they_say() {
        fn message<T: Serialize + DeserializeOwned>(name: &str) {
            let good: Vec<Vec<u8>> = blocks(name).into_iter().map(String::into_bytes).collect();
            fuzz(name, &good, JSON, |input| {
                let Ok(read) = serde_json::from_slice::<T>(input) else { return false };
                let written = serde_json::to_vec(&read).unwrap();
                let again: T = serde_json::from_slice(&written).unwrap();
                assert_eq!(serde_json::to_vec(&again).unwrap(), written);
                true
            });
        }
        message::<message::EnrolmentRequest>("EnrolmentRequest");
        message::<message::EnrolmentChallenge>("EnrolmentChallenge");
        message::<message::EnrolmentProof>("EnrolmentProof");
        message::<message::Enrolled>("Enrolled");
        message::<message::ReportAnswer>("ReportAnswer");
        message::<message::NonceRequest>("NonceRequest");
        message::<message::NonceAnswer>("NonceAnswer");
        message::<Problem>("Problem");
    }

    #[test]
    fn every_problem_leads_to_an_action() {
        fuzz("problem", &[blocks("Problem").concat().into_bytes()], JSON, |input| {
            serde_json::from_slice::<Problem>(input).map(|problem| problem.action()).is_ok()
        });
    }
}
