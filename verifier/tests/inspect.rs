//! `inspect`, as people run it: what it prints, and its exit status.

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as B64};
    use serde_json::{Value, json};
    use std::path::{Path, PathBuf};
    use std::process::{Command, Output};
    use vitalsign_platform_api::DeviceKey;
    use vitalsign_protocol::evidence::{Claims, IntendedUse, quote_extra_data};
    use vitalsign_protocol::id::{Digest, Nonce};
    use vitalsign_protocol::message::EnrolmentKeys;
    use vitalsign_protocol::posture::Posture;
    use vitalsign_tpm::attest::AttestationKey;
    use vitalsign_tpm::public::Public;
    use vitalsign_tpm_client::testing::Swtpm;

    const DOCUMENT: &str = include_str!("../../docs/protocol.md");
    /// That of the examples: 65, 66, 67, …
    const NONCE: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpbXF1eX2A";
    /// Time at which the verdict of the examples is valid.
    const VALID: &str = "2027-01-15T08:14:59Z";
    const OTHER_NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    struct InspectFixture(tempfile::TempDir);

    impl InspectFixture {
        fn new() -> Self {
            let desk = Self(tempfile::tempdir().unwrap());
            desk.put("evidence", &hex(&example("evidence")));
            desk.put("point", &hex(&example("report-key-point")));
            desk.put("ear", example("ear-jwt").replace('\n', "").as_bytes());
            desk.put("keys", example("ear-keys").as_bytes());
            desk
        }

        fn put(&self, name: &str, bytes: &[u8]) {
            std::fs::write(self.0.path().join(name), bytes).unwrap();
        }

        fn get(&self, name: &str) -> Vec<u8> {
            std::fs::read(self.0.path().join(name)).unwrap()
        }

        fn run(&self, line: &str) -> Output {
            let mut command = Command::new(env!("CARGO_BIN_EXE_vitalsign-verifier"));
            command.current_dir(self.0.path()).arg("inspect").args(line.split(' ')).output().unwrap()
        }

        /// Runs the command; returns its output and exit status.
        fn says(&self, line: &str) -> (i32, String) {
            let output = self.run(line);
            let text = [output.stdout, output.stderr].concat();
            (output.status.code().unwrap(), String::from_utf8(text).unwrap())
        }

        #[track_caller]
        fn assert(&self, line: &str, status: i32, part: &str) {
            let (code, text) = self.says(line);
            assert!(code == status && text.contains(part), "{line}: {code}, {text}");
        }

        fn json(&self, line: &str) -> Value {
            let output = self.run(&format!("{line} --json"));
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{line}: {output:?}"))
        }
    }

    fn example(name: &str) -> String {
        let openings = ["hex", "json", "text"].map(|kind| format!("```{kind} {name}\n"));
        let start = openings.iter().find_map(|it| DOCUMENT.find(it).map(|at| at + it.len())).unwrap();
        DOCUMENT[start..].split("```").next().unwrap().to_owned()
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn evidence_reads_like_this() {
        let desk = InspectFixture::new();
        let (status, text) = desk.says("evidence evidence --key point");
        assert_eq!(status, 0);
        insta::assert_snapshot!("evidence", text);
    }

    #[test]
    fn a_verdict_reads_like_this() {
        let desk = InspectFixture::new();
        let (status, text) = desk.says(&format!("ear ear --jwks keys --at {VALID}"));
        assert_eq!(status, 0);
        insta::assert_snapshot!("ear", text);
        let json = desk.json(&format!("ear ear --jwks keys --at {VALID}"));
        assert_eq!(json["holds"], "yes");
    }

    #[test]
    fn evidence_holds_or_does_not() {
        let desk = InspectFixture::new();
        let mut tampered = desk.get("evidence");
        *tampered.last_mut().unwrap() ^= 1;
        desk.put("tampered", &tampered);
        desk.put("short", &tampered[..100]);
        desk.put("other", &hex(&example("report-key-point").replacen("04", "05", 1)));
        desk.assert("evidence evidence", 4, "Not checked: no key was given");
        desk.assert(&format!("evidence evidence --key point --nonce {NONCE}"), 0, "Valid.");
        desk.assert(
            &format!("evidence evidence --key point --nonce {OTHER_NONCE}"),
            1,
            "made for another nonce",
        );
        desk.assert(&format!("evidence evidence --nonce {OTHER_NONCE}"), 1, "made for another nonce");
        desk.assert("evidence tampered --key point", 1, "invalid signature");
        desk.assert("evidence evidence --key keys", 1, "names another key");
        desk.assert("evidence short", 1, "this is not evidence: the CBOR is truncated");
        desk.assert("evidence keys", 1, "this is not evidence");
        desk.assert("evidence nowhere", 2, "reading nowhere");
        desk.assert("evidence evidence --key other", 2, "the key in other is not one");
        desk.assert("evidence evidence --nonce short", 2, "--nonce");
        desk.assert("evidence", 2, "FILE");
    }

    #[test]
    fn verdicts_hold_or_do_not() {
        let desk = InspectFixture::new();
        let ear = String::from_utf8(desk.get("ear")).unwrap();
        let (signed, signature) = ear.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { 'B' } else { 'A' };
        desk.put("tampered", format!("{signed}.{other}{}", &signature[1..]).as_bytes());
        desk.put("unknown", r#"{"keys":[]}"#.as_bytes());
        desk.put("two", signed.as_bytes());
        desk.put("broken", format!("x{ear}!").as_bytes());
        desk.put("other", format!("!{ear}").as_bytes());
        desk.assert(&format!("ear ear --at {VALID}"), 4, "Not checked: no keys were given");
        desk.assert(&format!("ear ear --jwks keys --nonce {NONCE} --at {VALID}"), 0, "Valid.");
        let late = "2027-01-15T08:15:00Z";
        desk.assert(&format!("ear ear --jwks keys --at {late}"), 1, "Invalid: it has expired");
        desk.assert(&format!("ear ear --at {late}"), 1, "Invalid: it has expired");
        desk.assert("ear ear --at yesterday", 2, "--at");
        desk.assert(&format!("ear ear --jwks keys --nonce {OTHER_NONCE}"), 1, "about another nonce");
        desk.assert("ear tampered --jwks keys", 1, "signature is invalid");
        desk.assert("ear ear --jwks unknown", 1, "not pinned");
        desk.assert("ear two", 1, "it has not three parts");
        desk.assert("ear other", 1, "header: Invalid symbol 33, offset 0");
        desk.assert("ear evidence", 1, "this is not a verdict");
        desk.assert("ear ear --jwks ear", 2, "the key in ear is not one");
    }

    /// A log with one bank, and one event in PCR 0.
    fn event_log(measured: [u8; 32]) -> Vec<u8> {
        let algorithms =
            [&1u32.to_le_bytes()[..], &0x000bu16.to_le_bytes(), &32u16.to_le_bytes(), &[0]].concat();
        let header = [&b"Spec ID Event03\0"[..], &[0; 8], &algorithms].concat();
        let size = u32::try_from(header.len()).unwrap().to_le_bytes();
        let mut log = [&[0; 4][..], &3u32.to_le_bytes(), &[0; 20], &size, &header].concat();
        log.extend(
            [&[0; 4][..], &8u32.to_le_bytes(), &1u32.to_le_bytes(), &0x000bu16.to_le_bytes()].concat(),
        );
        log.extend([&measured[..], &[0; 4]].concat());
        log
    }

    #[test]
    fn a_tpm_s_quote_holds_or_does_not() {
        let desk = InspectFixture::new();
        let tpm = Swtpm::start(&desk.0.path().join("t"));
        tpm.extend(0, [[2; 32]]);
        let mut key = vitalsign_tpm_client::open(&tpm.spec, &desk.0.path().join("state"), None).unwrap();
        let EnrolmentKeys::Tpm { ak_public, report_key_public, certify, .. } = key.enrolment_keys().unwrap()
        else {
            panic!("a TPM's keys are in a TPM")
        };
        let kid = key.public().thumbprint();
        let nonce = Nonce([7; 32]);
        let mut evidence = |bound_to: &Nonce| {
            let boot = key.quote(&quote_extra_data(bound_to, &kid)).unwrap();
            let claims = Claims {
                issued_at: 1,
                token_id: [1; 16],
                nonces: vec![nonce],
                enrolment: None,
                uptime: None,
                boot_count: None,
                intended_use: IntendedUse::Registration,
                pin_period: None,
                names: None,
                posture: Posture::default(),
                boot: Some(boot.clone()),
            };
            (boot, claims.sign(&kid, |digest| key.sign(digest)).unwrap())
        };
        let (boot, good) = evidence(&nonce);
        desk.put("good", &good);
        desk.put("replayed", &evidence(&Nonce([8; 32])).1);
        desk.put("ak", &ak_public.0);
        desk.put("report-key", &report_key_public.0);
        desk.put("quote", &boot.quote);
        desk.put("signature", &boot.signature);
        let mut tampered = boot.quote.clone();
        *tampered.last_mut().unwrap() ^= 1;
        desk.put("tampered", &tampered);

        desk.assert("evidence good --key report-key", 0, "Valid.");
        desk.assert("quote good --key ak", 0, "Valid.");
        // Of the software TPM's PCRs only PCR 0 was extended.
        desk.put("log", &event_log([2; 32]));
        desk.put("other-log", &event_log([1; 32]));
        desk.assert("quote good --key ak --event-log log", 0, "Valid.");
        desk.assert("quote good --key ak --event-log other-log", 1, "the event log does not replay");
        desk.assert("quote good", 4, "no attestation key was given");
        desk.assert("quote replayed --key ak", 1, "another nonce or another report key");
        desk.assert("quote quote --key ak", 4, "no signature was given");
        desk.assert("quote quote --key ak --signature signature", 0, "Valid.");
        desk.assert("quote tampered --key ak --signature signature", 1, "signature is invalid");
        desk.assert("quote quote --key report-key --signature signature", 2, "the key in report-key");
        desk.assert("quote signature", 1, "this is not a quote: this was not made by a TPM");
        desk.assert("quote evidence", 1, "this is not evidence with a quote: it carries none");
        desk.put("certification", &certify.0);
        desk.assert("quote certification", 1, "this is a key's certification (TPM2_Certify), not a quote");
        // The hash of TPMT_SIGNATURE, after that of the scheme.
        let mut sha1 = boot.signature.clone();
        sha1[2..4].copy_from_slice(&[0, 4]);
        desk.put("sha1", &sha1);
        desk.assert("quote quote --key ak --signature sha1", 1, "signed with SHA-1, which is not trusted");

        let AttestationKey::P256(point) = AttestationKey::any(&Public::parse(&ak_public.0).unwrap()).unwrap()
        else {
            panic!("the agent makes keys on P-256")
        };
        put_keys(&desk, point.point());
        for form in ["ak.pem", "ak.spki", "ak.jwk", "ak.jwks", "ak.point"] {
            desk.assert(&format!("quote quote --key {form} --signature signature"), 0, "Valid.");
            desk.assert(
                &format!("quote tampered --key {form} --signature signature"),
                1,
                "signature is invalid",
            );
        }

        let values = |skip: u8, xor: u8| {
            let mut text = "sha256:\n".to_owned();
            for (pcr, value) in boot.pcrs.iter().filter(|(pcr, _)| *pcr != skip) {
                let digits =
                    value.iter().map(|byte| format!("{:02X}", byte ^ if *pcr == 3 { xor } else { 0 }));
                text += &format!("    {pcr} : 0x{}\n", digits.collect::<String>());
            }
            text
        };
        desk.put("values", values(99, 0).as_bytes());
        desk.put("other-values", values(99, 1).as_bytes());
        desk.put("few-values", values(5, 0).as_bytes());
        desk.put("twice", [values(99, 0), values(99, 0)].concat().as_bytes());
        let line = "quote quote --key ak --signature signature --pcrs";
        desk.assert(&format!("{line} values"), 0, "Valid.");
        desk.assert(&format!("{line} values --event-log log"), 0, "Valid.");
        desk.assert(&format!("{line} values --event-log other-log"), 1, "does not replay");
        desk.assert(&format!("{line} other-values"), 1, "the quoted PCR values are not those");
        desk.assert(&format!("{line} few-values"), 1, "the value of PCR 5, which is quoted, was not given");
        desk.assert(&format!("{line} twice"), 1, "PCR 0 comes twice");
        desk.assert(&format!("{line} quote"), 1, "this is not a list of PCR values");
        desk.assert(&format!("{line} nowhere"), 2, "reading nowhere");

        let json = desk.json("quote good --key ak");
        assert_eq!((&json["holds"], &json["bank"]), (&"yes".into(), &"sha256".into()));
    }

    /// The forms in which others publish a P-256 key.
    fn put_keys(desk: &InspectFixture, point: &[u8; 65]) {
        // SubjectPublicKeyInfo of id-ecPublicKey with prime256v1, up to the point.
        let head = hex("3059301306072a8648ce3d020106082a8648ce3d030107034200");
        let spki = [head.as_slice(), point].concat();
        let pem =
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&spki));
        let (x, y) = point[1..].split_at(32);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": B64.encode(x), "y": B64.encode(y) });
        desk.put("ak.pem", pem.as_bytes());
        desk.put("ak.spki", &spki);
        desk.put("ak.jwk", jwk.to_string().as_bytes());
        desk.put("ak.jwks", json!({ "keys": [jwk] }).to_string().as_bytes());
        desk.put("ak.point", point);
    }

    #[test]
    fn endless_files_are_read_to_the_limit() {
        let desk = InspectFixture::new();
        for kind in ["evidence", "event-log", "quote", "ear"] {
            desk.assert(&format!("{kind} /dev/zero"), 1, "more than 8388608 bytes are not read");
        }
    }

    /// A log with these banks, each with an event in this register.
    fn log_of_banks(banks: &[(u16, u16)], register: u32) -> Vec<u8> {
        let count = u32::try_from(banks.len()).unwrap().to_le_bytes();
        let sizes = banks.iter().flat_map(|(id, size)| [id.to_le_bytes(), size.to_le_bytes()].concat());
        let algorithms = [count.to_vec(), sizes.collect(), vec![0]].concat();
        let header = [&b"Spec ID Event03\0"[..], &[0; 8], &algorithms].concat();
        let size = u32::try_from(header.len()).unwrap().to_le_bytes();
        let mut log = [&[0; 4][..], &3u32.to_le_bytes(), &[0; 20], &size, &header].concat();
        log.extend([register.to_le_bytes(), 8u32.to_le_bytes(), count].concat());
        for (id, size) in banks {
            log.extend([&id.to_le_bytes()[..], &vec![7; usize::from(*size)]].concat());
        }
        log.extend([0; 4]);
        log
    }

    #[test]
    fn logs_tell_skipped_banks_and_foreign_registers() {
        let desk = InspectFixture::new();
        desk.put("sm3", &log_of_banks(&[(0x000b, 32), (0x0012, 32)], 0));
        let json = desk.json("event-log sm3");
        assert_eq!((&json["banks"], &json["skipped_banks"]), (&json!(["sha256"]), &json!(["sm3_256"])));
        desk.put("ccel", &log_of_banks(&[(0x000c, 48)], 1));
        desk.assert("event-log ccel", 4, "this is not a TPM's log but one of confidential computing (CCEL)");
        for (banks, register) in [(&[(0x000c, 48)][..], 0), (&[(0x000b, 32), (0x000c, 48)], 1)] {
            desk.put("tpm", &log_of_banks(banks, register));
            desk.assert("event-log tpm", 4, "a log alone proves nothing");
        }
    }

    fn token(header: &Value, claims: &Value) -> Vec<u8> {
        let part = |json: &Value| B64.encode(json.to_string());
        format!("{}.{}.AAAA", part(header), part(claims)).into_bytes()
    }

    #[test]
    fn verdicts_of_other_verifiers_are_read() {
        let desk = InspectFixture::new();
        let es384 = json!({ "alg": "ES384", "typ": "JWT" });
        let claims = json!({
            "eat_profile": "tag:ietf.org,2026:rats/ear#03",
            "iat": 1_666_529_184.75,
            "exp": 1_666_529_284.0,
            "eat_nonce": "12345678",
            "ear_verifier_id": { "developer": "https://verifier.example", "build": "1" },
            "submods": { "a": { "ear_status": "affirming" } },
        });
        desk.put("ear", &token(&es384, &claims));
        let json = desk.json("ear ear");
        assert_eq!(
            (&json["issued_at"], &json["expires_at"], &json["nonce"], &json["status"]),
            (&json!(1_666_529_184), &json!(1_666_529_284), &json!("12345678"), &Value::Null)
        );
        desk.assert(&format!("ear ear --nonce {NONCE}"), 1, "another nonce");
        for (member, value, good) in [
            ("eat_nonce", json!("x".repeat(88)), true),
            ("eat_nonce", json!(["12345678", "123456789"]), true),
            ("eat_nonce", json!("1234567"), false),
            ("eat_nonce", json!("x".repeat(89)), false),
            ("eat_nonce", json!(["12345678"]), false),
            ("iat", json!(-1), false),
            ("iat", json!("1666529184"), false),
            ("eat_profile", json!("tag:github.com,2023:veraison/ear"), false),
        ] {
            let mut claims = claims.clone();
            claims[member] = value.clone();
            desk.put("ear", &token(&es384, &claims));
            let (status, text) = desk.says("ear ear --at 2022-10-23T12:48:03Z");
            assert_eq!(status, if good { 4 } else { 1 }, "{member} {value}: {text}");
        }
        desk.put("ear", &token(&json!({ "alg": "none" }), &claims));
        desk.assert("ear ear", 1, "it is not signed");
    }

    #[test]
    fn the_draft_s_example_verdicts_are_read() {
        let Some(vectors) = vectors() else { return };
        let desk = InspectFixture::new();
        let mut read = 0;
        for name in ["ear-json-1", "ear-json-2", "ext-veraison-json-1", "ext-veraison-json-2"] {
            let path = vectors.join(format!("draft-ietf-rats-ear-03/cddl/examples/{name}.diag"));
            let Ok(claims) = serde_json::from_slice(&std::fs::read(path).unwrap()) else { continue };
            desk.put("ear", &token(&json!({ "alg": "ES256" }), &claims));
            desk.assert("ear ear", 4, "Not checked");
            read += 1;
        }
        assert!(read >= 2, "{read}");
    }

    /// TPMS_ATTEST of a quote over all PCRs.
    fn quote_over_all_pcrs(digest: &[u8; 32]) -> Vec<u8> {
        [
            &[0xff, 0x54, 0x43, 0x47, 0x80, 0x18, 0, 0, 0, 0][..],
            // Clock, reset count, restart count, safe, firmware.
            &[0; 8 + 4 + 4],
            &[1],
            &[0; 8],
            // One selection: SHA-256, three bytes of PCRs.
            &[0, 0, 0, 1, 0x00, 0x0b, 3, 0xff, 0xff, 0xff],
            &[0, 32],
            digest,
        ]
        .concat()
    }

    #[test]
    fn log_explains_pcrs_that_reset_to_ones() {
        let desk = InspectFixture::new();
        desk.put("log", &event_log([2; 32]));
        let first = Digest::of(&[[0; 32], [2; 32]].concat()).0;
        let values = (1..24_u8).map(|pcr| if (17..=22).contains(&pcr) { [0xff; 32] } else { [0; 32] });
        let values: Vec<[u8; 32]> = std::iter::once(first).chain(values).collect();
        desk.put("quote", &quote_over_all_pcrs(&Digest::of(&values.concat()).0));
        let json = desk.json("quote quote --event-log log");
        assert_eq!(json["log_replays"], Value::Bool(true), "{json}");
        let zeros: Vec<[u8; 32]> = std::iter::once(first).chain([[0; 32]; 23]).collect();
        desk.put("other", &quote_over_all_pcrs(&Digest::of(&zeros.concat()).0));
        let json = desk.json("quote other --event-log log");
        assert_eq!(json["log_replays"], Value::Null, "{json}");
    }

    fn vectors() -> Option<PathBuf> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
        let path = std::env::var_os("VITALSIGN_VECTORS").map_or(beside, PathBuf::from);
        if path.is_dir() {
            return Some(path);
        }
        eprintln!("skipped: no vectors at {}", path.display());
        None
    }

    #[test]
    fn an_event_log_replays_to_the_golden_values() {
        let Some(vectors) = vectors() else { return };
        let fixtures = vectors.join("tpm2-tools/test/integration/fixtures");
        let desk = InspectFixture::new();
        let log = std::fs::read(fixtures.join("event-arch-linux.bin")).unwrap();
        desk.put("log", &log);
        desk.put("short", &log[..1000]);
        let json = desk.json("event-log log");
        let golden = std::fs::read_to_string(fixtures.join("event-raw/event-arch-linux.bin.yaml")).unwrap();
        let (mut bank, mut compared) = (String::new(), 0);
        for line in golden.lines().skip_while(|line| *line != "pcrs:").skip(1) {
            match line.split_once(": 0x") {
                None => bank = line.trim().trim_end_matches(':').to_owned(),
                Some((pcr, value)) => {
                    let pcr: u32 = pcr.trim().parse().unwrap();
                    assert_eq!(json["pcrs"][&bank][format!("{pcr:02}")], value, "{bank} {pcr}");
                    compared += 1;
                }
            }
        }
        assert!(compared >= 18, "{compared}");
        desk.assert("event-log log", 4, "Not checked: a log alone proves nothing");
        desk.assert("event-log short", 1, "truncated at byte");
    }

    /// Length-delimited fields of a protobuf message, by number.
    fn fields(mut message: &[u8]) -> Vec<(u64, &[u8])> {
        fn number(message: &mut &[u8]) -> u64 {
            let (mut value, mut shift) = (0, 0);
            loop {
                let byte = message[0];
                *message = &message[1..];
                value |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    return value;
                }
            }
        }
        let mut all = Vec::new();
        while !message.is_empty() {
            let tag = number(&mut message);
            let length = number(&mut message);
            if tag & 7 == 2 {
                let (field, rest) = message.split_at(usize::try_from(length).unwrap());
                all.push((tag >> 3, field));
                message = rest;
            }
        }
        all
    }

    #[test]
    fn a_cloud_machine_s_quotes_and_log_hold() {
        let Some(vectors) = vectors() else { return };
        let desk = InspectFixture::new();
        let path = "go-tpm-tools/internal/test/attestations/gce-cos-85-nonce9009.pb";
        let attestation = std::fs::read(vectors.join(path)).unwrap();
        let mut banks = Vec::new();
        for (number, field) in fields(&attestation) {
            match number {
                1 => {
                    desk.put("ak", field);
                    if let Ok(AttestationKey::Rsa { modulus, .. }) =
                        AttestationKey::any(&Public::parse(field).unwrap())
                    {
                        let jwk = json!({ "kty": "RSA", "n": B64.encode(modulus), "e": "AQAB" });
                        desk.put("ak.jwk", jwk.to_string().as_bytes());
                    }
                }
                3 => desk.put("log", field),
                _ => {}
            }
        }
        for (_, quote) in fields(&attestation).into_iter().filter(|(number, _)| *number == 2) {
            for (number, field) in fields(quote) {
                match number {
                    1 => desk.put("quote", field),
                    2 => desk.put("signature", field),
                    _ => {}
                }
            }
            let json = desk.json("quote quote --key ak --signature signature --event-log log");
            // The kernel's measurements, in PCR 10, are in no firmware's log.
            assert_eq!(
                (&json["holds"], &json["log_replays"]),
                (&"not-checked".into(), &Value::Null),
                "{json}"
            );
            banks.push(json["bank"].as_str().unwrap().to_owned());
            desk.assert("quote quote --key ak --signature signature", 0, "Valid.");
            if desk.0.path().join("ak.jwk").exists() {
                desk.assert("quote quote --key ak.jwk --signature signature", 0, "Valid.");
            }
        }
        assert_eq!(banks, ["sha1", "sha256", "sha384"]);
    }
}
