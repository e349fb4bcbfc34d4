//! Published test vectors of other projects: COSE_Sign1 with ES256, EAT claims sets, EAR.

#[cfg(test)]
mod diagnostic;

#[cfg(test)]
mod vectors {
    use super::diagnostic;
    use serde_json::Value as Json;
    use std::path::{Path, PathBuf};
    use vitalsign_protocol::cbor::Value;
    use vitalsign_protocol::cose::{ALG, CRIT, ES256, PublicKey, Sign1, to_be_signed};
    use vitalsign_protocol::ear::Ear;
    use vitalsign_protocol::evidence;
    use vitalsign_protocol::id::Base64Url;

    /// A folder of vectors; none, said on standard error, where they are not at hand.
    fn folder(name: &str) -> Option<PathBuf> {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
        let root = std::env::var_os("VITALSIGN_VECTORS").map_or_else(|| beside.into(), PathBuf::from);
        let folder = root.join(name);
        if folder.is_dir() {
            return Some(folder);
        }
        eprintln!(
            "vectors: {name}: SKIPPED, because {} is not there (set VITALSIGN_VECTORS)",
            folder.display()
        );
        None
    }

    fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                all.extend(files(&path, ending));
            } else if path.extension().is_some_and(|it| it == ending) {
                all.push(path);
            }
        }
        all.sort();
        all
    }

    /// Runs `check` on every file, says how many passed, and fails with all that did not.
    fn each(name: &str, files: &[PathBuf], check: impl Fn(&Path) -> Result<(), String>) {
        let wrong: Vec<String> = (files.iter())
            .filter_map(|file| check(file).err().map(|error| format!("{}: {error}", file.display())))
            .collect();
        println!("vectors: {name}: {} passed of {}", files.len() - wrong.len(), files.len());
        assert!(!files.is_empty(), "{name} has no vectors");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn text(file: &Path) -> String {
        std::fs::read_to_string(file).unwrap()
    }

    fn json(file: &Path) -> Result<Json, String> {
        serde_json::from_str(&text(file)).map_err(|error| error.to_string())
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
        if holds { Ok(()) } else { Err(otherwise.to_owned()) }
    }

    mod cose {
        use super::*;

        #[test]
        fn accepts_only_cose_sign1_with_es256() {
            for name in ["sign1-tests", "ecdsa-examples", "CWT", "RFC8152"] {
                let Some(folder) = folder("cose-wg-examples") else { return };
                each(&format!("cose-wg-examples/{name}"), &files(&folder.join(name), "json"), vector);
            }
        }

        fn vector(file: &Path) -> Result<(), String> {
            let vector = json(file)?;
            let bytes = hex(vector["output"]["cbor"].as_str().ok_or("no output")?);
            // Pass or fail, none of these is evidence of our profile.
            ensure(evidence::parse(&bytes, evidence::MAX_BYTES).is_err(), "taken for evidence")?;

            let sign1 = &vector["input"]["sign0"];
            let es256 = sign1["alg"] == "ES256" && sign1["key"]["crv"] == "P-256";
            let untagged = vector["input"]["failures"]["RemoveCBORTag"] == 1;
            if vector["fail"] == true || !es256 {
                return ensure(accept(&vector, &bytes).is_err(), "accepted an invalid vector");
            }
            if untagged {
                // Valid COSE, but this protocol wants the tag.
                ensure(accept(&vector, &bytes).is_err(), "accepted without its tag")?;
                return accept(&vector, &[&[0xd2], &*bytes].concat());
            }
            accept(&vector, &bytes)
        }

        /// Parses, checks the algorithm, the signed structure, the signature and the payload.
        fn accept(vector: &Json, bytes: &[u8]) -> Result<(), String> {
            let input = &vector["input"]["sign0"];
            let message = Sign1::parse(bytes).map_err(|error| error.to_string())?;
            let headers = message.headers().map_err(|error| error.to_string())?;
            // The unprotected algorithm of one vector is looked for where evidence never looks.
            let whole = Value::decode_preferred(bytes).map_err(|error| error.to_string())?;
            let Value::Tag(18, items) = &whole else { return Err("no tag 18".into()) };
            let unprotected = &items.items().ok_or("no items")?[1];
            let algorithm = headers.get(ALG).or_else(|| unprotected.get(ALG)).and_then(Value::integer);
            ensure(algorithm == Some(ES256), "alg is not ES256")?;
            ensure(headers.get(CRIT).is_none(), "a critical header is not known")?;

            let external = input["external"].as_str().map(hex).unwrap_or_default();
            let signed = to_be_signed(&message.protected, &external, &message.payload);
            if let Some(expected) = vector["intermediates"]["ToBeSign_hex"].as_str() {
                ensure(vector["fail"] == true || signed == hex(expected), "the Sig_structure is another")?;
            }
            message.verify(&key(&input["key"])?, &external).map_err(|error| error.to_string())?;

            let plaintext = match &vector["input"] {
                it if it["plaintext"].is_string() => {
                    it["plaintext"].as_str().unwrap_or_default().as_bytes().to_vec()
                }
                it => hex(it["plaintext_hex"].as_str().ok_or("no plaintext")?),
            };
            ensure(message.payload == plaintext, "the payload is another")
        }

        fn key(jwk: &Json) -> Result<PublicKey, String> {
            let coordinate = |name: &str| match jwk[format!("{name}_hex")].as_str() {
                Some(digits) => Ok(hex(digits)),
                None => serde_json::from_value::<Base64Url>(jwk[name].clone()).map(|it| it.0),
            };
            let (x, y) = (coordinate("x"), coordinate("y"));
            PublicKey::from_coordinates(&x.map_err(|e| e.to_string())?, &y.map_err(|e| e.to_string())?)
                .map_err(|error| error.to_string())
        }

        #[test]
        fn the_claims_of_a_published_cwt_are_read() {
            let Some(folder) = folder("cose-wg-examples") else { return };
            let vector = json(&folder.join("CWT/A_3.json")).unwrap();
            let message = Sign1::parse(&hex(vector["output"]["cbor"].as_str().unwrap())).unwrap();
            let claims = Value::decode_preferred(&message.payload).unwrap();
            assert_eq!(claims.get(1).and_then(Value::text), Some("coap://as.example.com"));
            assert_eq!(claims.get(6).and_then(Value::integer), Some(1_443_944_944));
            assert_eq!(claims.get(7).and_then(Value::bytes), Some(&[0x0b, 0x71][..]));
        }
    }

    /// Diagnostic notation to bytes, to an item, and to the same bytes.
    fn round_trip(file: &Path) -> Result<(), String> {
        let read = diagnostic::read(&text(file))?;
        let bytes = read.encode();
        let decoded = Value::decode_preferred(&bytes).map_err(|error| error.to_string())?;
        ensure(decoded == read, "decodes to another item")?;
        ensure(decoded.encode() == bytes, "re-encodes to other bytes")
    }

    mod eat {
        use super::*;

        #[test]
        fn claims_sets_in_cbor_are_decoded_and_encoded_again() {
            let Some(folder) = folder("rfc9711-eat") else { return };
            each("rfc9711-eat (CBOR)", &files(&folder.join("cddl"), "diag"), round_trip);
        }

        #[test]
        fn claims_sets_in_json_are_read() {
            let Some(folder) = folder("rfc9711-eat") else { return };
            each("rfc9711-eat (JSON)", &files(&folder.join("cddl"), "json"), |file| {
                let claims = json(file)?;
                let nonce = &claims["eat_nonce"];
                // The detached bundle is an array, and has its claims inside a token.
                if claims.is_array() {
                    return Ok(());
                }
                let nonce =
                    serde_json::from_value::<Base64Url>(nonce.clone()).map_err(|error| error.to_string())?;
                ensure((8..=64).contains(&nonce.0.len()), "eat_nonce has not 8 to 64 bytes")
            });
        }

        #[test]
        fn the_claims_inside_a_published_token_are_read() {
            let Some(folder) = folder("rfc9711-eat") else { return };
            let token = diagnostic::read(&text(&folder.join("cddl/Example-Tokens/valid_cwt.diag"))).unwrap();
            let Value::Tag(61, sign1) = token else { panic!("a CWT was expected") };
            let sign1 = Sign1::parse(&sign1.encode()).unwrap();
            // Its labels are not sorted: good CBOR, though not of our profile.
            let claims = Value::decode_preferred(&sign1.payload).unwrap();
            assert_eq!(claims.get(10).and_then(Value::bytes), Some(&hex("d79b964ddd5471c1393c8888")[..]));
            assert_eq!(claims.get(263).and_then(Value::integer), Some(3));
        }
    }

    mod ear {
        use super::*;

        #[test]
        fn json_ears_are_parsed_validated_and_encoded() {
            let Some(folder) = folder("draft-ietf-rats-ear-03") else { return };
            let all = files(&folder.join("cddl/examples"), "diag");
            let all: Vec<_> =
                all.into_iter().filter(|file| file.to_string_lossy().contains("-json-")).collect();
            each("draft-ietf-rats-ear-03 (JSON)", &all, |file| {
                let published = json(file)?;
                let ear: Ear =
                    serde_json::from_value(published.clone()).map_err(|error| error.to_string())?;
                ear.validate().map_err(str::to_owned)?;
                let written = serde_json::to_value(&ear).map_err(|error| error.to_string())?;
                ensure(written == published, "is written otherwise than it was read")
            });
        }

        #[test]
        fn results_in_cbor_are_decoded_and_encoded_again() {
            let Some(folder) = folder("draft-ietf-rats-ear-03") else { return };
            let all = files(&folder.join("cddl/examples"), "diag");
            let all: Vec<_> =
                all.into_iter().filter(|file| file.to_string_lossy().contains("-cbor-")).collect();
            each("draft-ietf-rats-ear-03 (CBOR)", &all, round_trip);
        }
    }
}
