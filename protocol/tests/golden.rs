//! docs/protocol.md is held to the code, both ways: its examples byte for byte, its tables line by line.

#[cfg(test)]
mod diagnostic;
#[cfg(test)]
#[path = "golden/inputs.rs"]
mod inputs;

#[cfg(test)]
mod golden {
    use super::{diagnostic, inputs};
    use serde::{Serialize, de::DeserializeOwned};
    use vitalsign_protocol::cbor::Value;
    use vitalsign_protocol::cose::{PublicKey, Sign1, to_be_signed};
    use vitalsign_protocol::device_names::{AssetTag, DeviceNames, HostName};
    use vitalsign_protocol::diagnostics;
    use vitalsign_protocol::ear::{self, Ear};
    use vitalsign_protocol::evidence::{self, Claims, MAX_BYTES, PROFILE_OID};
    use vitalsign_protocol::id::{Digest, PinPeriodId, hex};
    use vitalsign_protocol::jwt::{self, JwkSet};
    use vitalsign_protocol::message;
    use vitalsign_protocol::organisation;
    use vitalsign_protocol::problem::{Problem, ProblemType};
    use vitalsign_protocol::step_up;

    const DOCUMENT: &str = include_str!("../../docs/protocol.md");
    const GRAMMAR: &str = include_str!("../../docs/protocol.cddl");
    const POSTURE: &str = include_str!("../src/posture.rs");

    /// Returns the content of the code blocks with this name.
    fn blocks(name: &str) -> Vec<String> {
        let mut all = Vec::new();
        let mut lines = DOCUMENT.lines();
        while let Some(line) = lines.next() {
            // A block within a list is indented as the list is.
            let (fence, end) = (line.trim_start(), |line: &&str| line.trim_start() != "```");
            if fence
                .strip_prefix("```")
                .and_then(|info| info.split_once(' '))
                .is_some_and(|(_, it)| it == name)
            {
                let block: Vec<_> = lines.by_ref().take_while(end).map(str::trim_start).collect();
                all.push(block.join("\n"));
            }
        }
        assert!(!all.is_empty(), "the document has no block named {name}");
        all
    }

    fn bytes(name: &str) -> Vec<u8> {
        let digits: String = blocks(name).concat().split_whitespace().collect();
        (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
    }

    fn json<T: DeserializeOwned>(name: &str) -> T {
        serde_json::from_str(&blocks(name).concat()).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn report_key() -> PublicKey {
        inputs::key(&bytes("report-key-d")).unwrap().1
    }

    #[test]
    fn keys_and_profile() {
        assert_eq!(bytes("report-key-d"), inputs::REPORT_KEY);
        assert_eq!(bytes("report-key-point"), report_key().point());
        assert_eq!(bytes("report-key-thumbprint"), report_key().thumbprint().as_bytes());
        assert_eq!(bytes("profile-oid"), PROFILE_OID);
        assert!(GRAMMAR.contains(&format!("profile = h'{}'", hex(&PROFILE_OID))));
    }

    #[test]
    fn evidence_is_built_as_the_document_has_it() {
        let evidence = bytes("evidence");
        let sign1 = Sign1::parse(&evidence).unwrap();
        let signature: [u8; 64] = sign1.signature.as_slice().try_into().unwrap();
        let mut digest = None;
        let built = inputs::claims().sign(&report_key().thumbprint(), |it| {
            digest = Some(*it);
            Ok::<_, ()>(signature)
        });
        assert_eq!(hex(&built.unwrap()), hex(&evidence), "run `make golden`");
        assert_eq!(bytes("evidence-protected"), sign1.protected);
        let signed = bytes("evidence-sig-structure");
        assert_eq!(to_be_signed(&sign1.protected, &[], &sign1.payload), signed);
        assert_eq!(digest, Some(Digest::of(&signed)));
    }

    #[test]
    fn pin_period_is_sixteen_bytes() {
        let (pair, public) = inputs::key(&inputs::REPORT_KEY).unwrap();
        let sign = |digest: &Digest| -> Result<[u8; 64], ()> {
            let digest =
                aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256);
            pair.sign_digest(&digest.map_err(|_| ())?).map_err(|_| ())?.as_ref().try_into().map_err(|_| ())
        };
        let claims = Claims { pin_period: Some(PinPeriodId([7; 16])), ..inputs::claims() };
        let bytes = claims.sign(&public.thumbprint(), sign).unwrap();
        let read = evidence::parse(&bytes, MAX_BYTES).unwrap().verify(&public).unwrap();
        assert_eq!((read.claims, read.unknown), (claims, Vec::<String>::new()));
        // The label, and a byte string that becomes a text of the same length.
        let at = bytes.windows(8).position(|part| part == [0x3a, 0, 1, 0x24, 0xf9, 0x50, 7, 7]).unwrap();
        let mut text = bytes;
        text[at + 5] = 0x70;
        let error = evidence::parse(&text, MAX_BYTES).err();
        assert_eq!(error, Some(evidence::Error::Claim("the PIN period is not 16 bytes")));
    }

    fn names() -> DeviceNames {
        DeviceNames {
            host_name: HostName::try_from("ward3-pc12".to_owned()).ok(),
            asset_tag: AssetTag::try_from("IT-004711".to_owned()).ok(),
        }
    }

    #[test]
    fn names_are_optional_and_empty_ones_are_said() {
        let (pair, public) = inputs::key(&inputs::REPORT_KEY).unwrap();
        let sign = |digest: &Digest| -> Result<[u8; 64], ()> {
            let digest =
                aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256);
            pair.sign_digest(&digest.map_err(|_| ())?).map_err(|_| ())?.as_ref().try_into().map_err(|_| ())
        };
        for (names, encoded) in [
            (None, None),
            (Some(DeviceNames::default()), Some(diagnostic::read("{}").unwrap())),
            (Some(names()), Some(diagnostic::read(&blocks("names").concat()).unwrap())),
        ] {
            let claims = Claims { names, ..inputs::claims() };
            let bytes = claims.sign(&public.thumbprint(), sign).unwrap();
            let payload = Sign1::parse(&bytes).unwrap().payload;
            assert_eq!(Value::decode(&payload).unwrap().get(-75003), encoded.as_ref());
            let read = evidence::parse(&bytes, MAX_BYTES).unwrap().verify(&public).unwrap();
            assert_eq!((read.claims, read.unknown), (claims, Vec::<String>::new()));
        }
    }

    #[test]
    fn malformed_names_are_refused() {
        let evidence = bytes("evidence");
        let Sign1 { protected, payload, .. } = Sign1::parse(&evidence).unwrap();
        let with = |names: Value<'_>| {
            let Value::Map(mut claims) = Value::decode(&payload).unwrap() else { panic!("no map") };
            claims.push((Value::from(-75003_i64), names));
            claims.sort_by_cached_key(|(label, _)| label.encode());
            evidence::parse(&Sign1::encode(&protected, &Value::Map(claims).encode(), &[1; 64]), MAX_BYTES)
        };
        let map = |label: i64, name: Value<'static>| Value::Map(vec![(Value::from(label), name)]);
        let text = |text: &str| Value::from(text.to_owned());
        for (label, good, longest) in [(1, "ward3-pc12", "x".repeat(253)), (2, "4711", "ä".repeat(64))] {
            for name in [good, &longest] {
                assert!(with(map(label, text(name))).is_ok(), "{label}: {name}");
            }
            let one_more = format!("{longest}x");
            for name in ["", " ", "a\nb", "a\u{1b}[2Jb", "a\u{202e}b", "a\u{2066}b", "a\u{200b}b", &one_more]
            {
                assert!(with(map(label, text(name))).is_err(), "{label}: {name:?}");
            }
            for name in
                [Value::Null, Value::from(7_u64), Value::from(b"a".to_vec()), Value::Array(vec![text("a")])]
            {
                assert!(with(map(label, name.clone())).is_err(), "{label}: {name:?}");
            }
        }
        assert!(with(text("ward3-pc12")).is_err());
        // A name of a later version is left out, whatever its type.
        let read = with(map(3, Value::Null)).unwrap();
        assert_eq!(read.claims_unverified().1, ["names.3"]);
    }

    #[test]
    fn evidence_is_read_as_the_document_has_it() {
        let evidence = bytes("evidence");
        let verified = evidence::parse(&evidence, MAX_BYTES).unwrap().verify(&report_key()).unwrap();
        assert_eq!(verified.claims, inputs::claims(), "run `make golden`");
        assert_eq!(verified.unknown, Vec::<String>::new());
        let claims = diagnostic::read(&blocks("evidence-claims").concat()).unwrap();
        let payload = Sign1::parse(&evidence).unwrap().payload;
        assert_eq!(hex(&claims.encode()), hex(&payload));
        assert_eq!(Value::decode(&payload), Ok(claims));
        assert!(
            evidence.len() < 1229,
            "evidence without a quote is to stay under 1.2 KiB: {}",
            evidence.len()
        );
    }

    #[test]
    fn no_flipped_bit_no_lost_and_no_added_byte_verifies() {
        let (evidence, key) = (bytes("evidence"), report_key());
        let holds = |it: &[u8]| evidence::parse(it, MAX_BYTES).is_ok_and(|it| it.verify(&key).is_ok());
        assert!(holds(&evidence));
        for bit in 0..evidence.len() * 8 {
            let mut tampered = evidence.clone();
            tampered[bit / 8] ^= 1 << (bit % 8);
            assert!(!holds(&tampered), "bit {bit}");
        }
        for end in 0..evidence.len() {
            assert!(!holds(&evidence[..end]), "the first {end} bytes");
        }
        for byte in 0..=255 {
            assert!(!holds(&[&evidence[..], &[byte]].concat()), "followed by {byte}");
        }
    }

    #[test]
    fn binding_matches_the_document() {
        let kid = report_key().thumbprint();
        assert_eq!(bytes("quote-extra-data"), evidence::quote_extra_data(&inputs::NONCE, &kid).as_bytes());
        assert_eq!(bytes("certify-extra-data"), evidence::certify_extra_data(&kid).as_bytes());
        let transaction = blocks("transaction").concat();
        assert_eq!(transaction, inputs::TRANSACTION);
        let digest = step_up::transaction_digest(&transaction);
        assert_eq!(bytes("transaction-digest"), digest.as_bytes());
        let challenge = step_up::challenge(&inputs::RANDOM, &bytes("evidence"), &digest);
        assert_eq!(bytes("step-up-challenge"), challenge.as_bytes());
    }

    #[test]
    fn the_verdict_is_read_as_the_document_has_it() {
        let keys: JwkSet = json("ear-keys");
        let token = blocks("ear-jwt").concat().replace('\n', "");
        let ear: Ear = jwt::verify(&token, ear::TYP, &keys).unwrap();
        assert_eq!(ear.validate(), Ok(()));
        assert_eq!(ear, inputs::ear(&bytes("evidence")));
        assert_eq!(ear, json("ear-claims"));
        assert_eq!(keys.keys[0].key().unwrap(), inputs::key(&inputs::EAR_KEY).unwrap().1);
    }

    #[test]
    fn no_changed_character_of_a_verdict_verifies() {
        let keys: JwkSet = json("ear-keys");
        let token = blocks("ear-jwt").concat().replace('\n', "");
        for at in 0..token.len() {
            for other in ["A", "B", ".", "=", "-", "\u{e9}"] {
                if !token[at..].starts_with(other) {
                    let tampered = [&token[..at], other, &token[at + 1..]].concat();
                    assert!(jwt::verify::<Ear>(&tampered, ear::TYP, &keys).is_err(), "{other} at {at}");
                }
            }
        }
    }

    #[test]
    fn messages_match_the_document() {
        fn message<T: Serialize + DeserializeOwned>(name: &str) {
            for block in blocks(name) {
                let shown: serde_json::Value = serde_json::from_str(&block).unwrap();
                let read: T = serde_json::from_str(&block).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(serde_json::to_value(&read).unwrap(), shown, "{name}");
            }
        }
        message::<message::EnrolmentRequest>("EnrolmentRequest");
        message::<message::EnrolmentChallenge>("EnrolmentChallenge");
        message::<message::EnrolmentProof>("EnrolmentProof");
        message::<message::Enrolled>("Enrolled");
        message::<message::ReportAnswer>("ReportAnswer");
        message::<message::NonceRequest>("NonceRequest");
        message::<message::NonceAnswer>("NonceAnswer");
        message::<step_up::Transaction>("Transaction");
        message::<step_up::StepUpRequested>("StepUpRequested");
        message::<step_up::StepUpAnswer>("StepUpAnswer");
        message::<step_up::StepUpAssertion>("StepUpAssertion");
        message::<step_up::StepUpOutcome>("StepUpOutcome");
        message::<step_up::StepUpDeclined>("StepUpDeclined");
        message::<vitalsign_protocol::details::DetailsSchema>("DetailsSchema");
        message::<step_up::StepUpClosed>("StepUpClosed");
        message::<step_up::KeyRequest>("KeyRequest");
        message::<diagnostics::DiagnosticsReport>("DiagnosticsReport");
        message::<diagnostics::DiagnosticsReceipt>("DiagnosticsReceipt");
        message::<organisation::Organisation>("Organisation");
        message::<step_up::KeyChallenge>("KeyChallenge");
        message::<step_up::KeyProof>("KeyProof");
        message::<step_up::RegisteredKey>("RegisteredKey");
        message::<step_up::RegisteredKeys>("RegisteredKeys");
        message::<Problem>("Problem");
    }

    #[test]
    fn every_problem_stands_in_the_document() {
        for problem in ProblemType::ALL {
            let (urn, status, action, title) =
                (problem.urn(), problem.status(), problem.action(), problem.title());
            let row = format!("| `{urn}` | {status} | {action:?} | {title} |");
            assert!(DOCUMENT.contains(&row), "to be added: {row}");
        }
        let listed = DOCUMENT.lines().filter(|line| line.starts_with("| `urn:vitalsign:problem:")).count();
        assert_eq!(listed, ProblemType::ALL.len());
    }

    #[test]
    fn document_lists_every_result_level_and_event() {
        let ends = step_up::StepUpResult::ALL.map(step_up::StepUpResult::as_str);
        let levels = step_up::Acr::ALL.map(step_up::Acr::urn);
        let events = [step_up::event::STEP_UP, step_up::event::STEP_UP_ENDED, step_up::event::CHECK];
        for name in ends.iter().chain(&levels).chain(&events) {
            assert!(DOCUMENT.contains(&format!("\n| `{name}` | ")), "to be added: a row for {name}");
        }
    }

    #[test]
    fn limits_stand_in_the_document() {
        for limit in
            [MAX_BYTES, evidence::MAX_BYTES_WITH_LOG, message::MAX_JSON_BYTES, message::MAX_PROOF_BYTES]
        {
            let digits = limit.to_string().into_bytes();
            let groups: Vec<_> = digits.rchunks(3).rev().map(|it| std::str::from_utf8(it).unwrap()).collect();
            let row = format!("| {} |", groups.join(","));
            assert!(DOCUMENT.contains(&row), "to be added: {row}");
        }
    }

    /// The part of `text` from the line `start` to the line that `ends`.
    fn section<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
        let text = text.split_once(&format!("\n{start}\n")).unwrap_or_else(|| panic!("missing: {start:?}")).1;
        text.split(end).next().unwrap()
    }

    #[test]
    fn document_and_cddl_list_every_fact() {
        let (mut facts, mut words) = (0, 0);
        let mut missing = Vec::new();
        for (form, body) in POSTURE
            .split("\nrecord! {")
            .skip(1)
            .map(|it| ("record", it))
            .chain(POSTURE.split("\nwords! {").skip(1).map(|it| ("words", it)))
        {
            let lines: Vec<&str> = body.split("\n}\n").next().unwrap().lines().map(str::trim).collect();
            let lines = || lines.iter().filter(|line| !line.starts_with("//") && !line.starts_with('#'));
            let name = kebab(lines().find_map(|line| line.strip_suffix(" {")).unwrap());
            if form == "words" {
                let listed: Vec<String> = lines()
                    .filter_map(|line| {
                        line.split_once(" \"").and_then(|(n, it)| Some((n, it.split_once('"')?.0)))
                    })
                    .map(|(number, word)| format!("{number} `{word}`"))
                    .collect();
                let row = format!("| `{name}` | {} |", listed.join(", "));
                if !DOCUMENT.contains(&row) {
                    missing.push(format!("docs/protocol.md: {row}"));
                }
                words += 1;
                continue;
            }
            let table = section(DOCUMENT, &format!("#### {name}"), "\n#");
            let rule = section(GRAMMAR, &format!("{name} = {{"), "\n}");
            for line in lines() {
                let Some((label, field)) = line.split_once(' ') else { continue };
                let Some((field, of)) = field.trim_end_matches(',').split_once(": ") else { continue };
                let of = cddl(of);
                let row = format!("| {label} | `{field}` | `{of}` |");
                if !table.contains(&row) {
                    missing.push(format!("docs/protocol.md, {name}: {row}"));
                }
                let entry = format!("  ? {label} => {}, ; {field}", of.replace("[* ", "[*256 "));
                if !format!("\n{rule}").contains(&format!("\n{entry}")) {
                    missing.push(format!("docs/protocol.cddl, {name}: {entry}"));
                }
                facts += 1;
            }
        }
        assert!(missing.is_empty(), "to be added:\n{}", missing.join("\n"));
        assert!(
            facts > 40 && words > 3,
            "the source was not understood: {facts} facts, {words} sets of words"
        );
    }

    /// A Rust type as the document spells it.
    fn cddl(of: &str) -> String {
        let inside = |form: &str| of.strip_prefix(form).and_then(|it| it.strip_suffix('>'));
        match of {
            "String" => "tstr".to_owned(),
            "u64" => "uint".to_owned(),
            "bool" => "bool".to_owned(),
            _ => match (inside("Fact<"), inside("Vec<")) {
                (Some(it), _) => format!("fact<{}>", cddl(it)),
                (_, Some(it)) => format!("[* {}]", cddl(it)),
                _ => kebab(of),
            },
        }
    }

    fn kebab(name: &str) -> String {
        let mut out = String::new();
        for (at, character) in name.chars().enumerate() {
            if character.is_uppercase() && at > 0 {
                out.push('-');
            }
            out.extend(character.to_lowercase());
        }
        out
    }
}
