//! Fuzzes what the agent reads from its verifier during a step-up: events, requests, answers.

#[cfg(test)]
mod step_up {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::json;
    use std::time::Duration;
    use vitalsign_agent_core::{Agent, DeviceEffect, Effect, Event, Now, Saved, SignedEvidence};
    use vitalsign_fuzz::fuzz;
    use vitalsign_protocol::cose::PublicKey;
    use vitalsign_protocol::ear::{self, Ear};
    use vitalsign_protocol::id::{Digest, EnrolmentId, Nonce, Secret, StepUpId, Thumbprint};
    use vitalsign_protocol::jwt::{self, Jwk, JwkSet};
    use vitalsign_protocol::message::{DeviceSession, NonceAnswer, ReportAnswer};
    use vitalsign_protocol::sse::{Message, Reader};
    use vitalsign_protocol::step_up::{
        Acr, MAX_TRANSACTION_BYTES, StepUpAnswer, StepUpNext, StepUpRequested, Transaction, challenge, event,
        transaction_digest,
    };

    const DEVICE: EnrolmentId = EnrolmentId([7; 16]);
    const ID: StepUpId = StepUpId([5; 16]);
    const NONCE: Nonce = Nonce([6; 32]);
    const RANDOM: Nonce = Nonce([7; 32]);

    struct Verifier {
        pair: EcdsaKeyPair,
        key: PublicKey,
    }

    impl Verifier {
        fn new() -> Self {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let key = PublicKey::from_point(pair.public_key().as_ref()).unwrap();
            Self { pair, key }
        }

        fn ear(&self, nonce: Nonce, evidence: &[u8]) -> String {
            let ear = Ear {
                eat_profile: ear::PROFILE.into(),
                ear_status: Some(ear::Tier::None),
                eat_nonce: Some(nonce),
                vitalsign_device: Some(DEVICE),
                vitalsign_evidence: Some(Digest::of(evidence)),
                ..Ear::default()
            };
            let sign = |input: &[u8]| -> Result<[u8; 64], jwt::Error> {
                Ok(self.pair.sign(&SystemRandom::new(), input).unwrap().as_ref().try_into().unwrap())
            };
            jwt::sign(&ear, ear::TYP, &self.key.thumbprint().to_string(), sign).unwrap()
        }
    }

    fn now(seconds: u64) -> Now {
        Now { elapsed: Duration::from_secs(seconds), wall: 1_800_000_000 + seconds, random: 7 }
    }

    fn told(name: &str, data: String) -> Event {
        Event::ChannelMessage(1, Message { id: Some(1), name: name.into(), data })
    }

    fn signed(evidence: &[u8]) -> Event {
        Event::Signed(Ok(SignedEvidence { evidence: evidence.to_vec(), ..SignedEvidence::default() }))
    }

    /// An agent that is enrolled, has reported, and listens.
    fn listening(verifier: &Verifier) -> Agent {
        let enrolled = json!({
            "enrolment": DEVICE, "ear_keys": JwkSet { keys: vec![Jwk::new(&verifier.key)] },
            "rp_id": "verifier.example", "origin": "https://verifier.example",
        });
        let saved: Saved =
            serde_json::from_value(json!({"enrolled": enrolled, "ear": null, "reported_at": null})).unwrap();
        let mut agent = Agent::new(saved);
        let answer = ReportAnswer {
            ear: verifier.ear(NONCE, b"report"),
            nonce: NONCE,
            nonce_seconds: 900.into(),
            report_seconds: 300.into(),
            quote: false,
            session: Some(DeviceSession(Secret::new(vec![8; 32]))),
            organisation: None,
            key_rollovers: Vec::new(),
        };
        for event in [
            Event::Started,
            Event::Collected(Box::default()),
            Event::KeyIdentified(Ok(Thumbprint([2; 32]))),
            Event::Nonce(Ok(NonceAnswer { nonce: NONCE, nonce_seconds: 60.into() })),
            signed(b"report"),
            Event::Reported(Ok(Box::new(answer))),
            Event::ChannelOpened(1),
        ] {
            agent.handle(event, now(1));
        }
        assert!(agent.status(now(1)).listening);
        agent
    }

    fn text() -> String {
        let schema = json!({
            "labels": {"en": "Order", "de": "Auftrag"},
            "fields": [{"name": "id", "kind": "text", "labels": {"en": "Number", "de": "Nummer"}}],
        });
        let schema = serde_json::from_value(schema).unwrap();
        let transaction = Transaction {
            step_up: ID,
            application: "ehr".into(),
            user: "nurse-7".into(),
            message: "sign order 12".into(),
            acr: Acr::HealthyDevice,
            authorization_details: Some(json!([{"type": "order", "id": 12}])),
            details_schemas: [("order".to_owned(), schema)].into(),
        };
        serde_json::to_string(&transaction).unwrap()
    }

    fn asked() -> String {
        let asked = StepUpRequested {
            transaction: text(),
            nonce: NONCE,
            expires: 1_800_000_100,
            expires_seconds: 100.into(),
        };
        serde_json::to_string(&asked).unwrap()
    }

    #[test]
    fn events_do_not_depend_on_how_bytes_arrive() {
        let stream = format!(
            ": hello\n\nid: 1\nevent: step-up\ndata: {}\n\nevent: check\r\ndata: {{}}\r\n\r\n",
            asked()
        );
        let read = |input: &[u8], size: usize| {
            let mut reader = Reader::default();
            input.chunks(size).flat_map(|piece| reader.feed(piece)).collect::<Vec<_>>()
        };
        let words: [&[u8]; 12] = [
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"data: ",
            b"data",
            b"id: 18446744073709551615\n",
            b"id:\n",
            b"event: ",
            b":",
            b"\xef\xbb\xbf",
            b"retry: 0\n",
        ];
        fuzz("events", &[stream.into_bytes()], &words, |input| {
            let whole = read(input, input.len().max(1));
            assert_eq!(read(input, 3), whole, "it depends on how the bytes arrive");
            for message in whole.iter().flatten() {
                assert!(message.data.len() <= event::MAX_BYTES);
            }
            whole.iter().any(Result::is_ok)
        });
    }

    #[test]
    fn requests_are_shown_as_bound_or_rejected() {
        let verifier = Verifier::new();
        let listening = listening(&verifier);
        let words: [&[u8]; 8] = [
            b"\\\"",
            b"null",
            b"\\u0000",
            b"18446744073709551615",
            b"-1",
            b"{}",
            b"urn:vitalsign:acr:epcs",
            b"[[[[[[[[",
        ];
        fuzz("step-up", &[asked().into_bytes()], &words, |input| {
            let Ok(data) = String::from_utf8(input.to_vec()) else { return false };
            let mut agent = listening.clone();
            agent.handle(told(event::STEP_UP, data.clone()), now(2));
            let shown = agent.status(now(2)).step_ups;
            let [shown] = shown.as_slice() else { return false };
            let asked: StepUpRequested = serde_json::from_str(&data).unwrap();
            assert!(asked.transaction.len() <= MAX_TRANSACTION_BYTES);
            let transaction: Transaction = serde_json::from_str(&asked.transaction).unwrap();
            assert_eq!((&transaction.message, &transaction.user), (&shown.message, &shown.user));
            let effects = agent.handle(Event::Collected(Box::default()), now(3));
            let signing = effects
                .iter()
                .find_map(|it| if let Effect::Device(DeviceEffect::Sign(it)) = it { Some(it) } else { None });
            if let Some(signing) = signing {
                let digest = transaction_digest(&asked.transaction);
                assert_eq!(signing.nonces, [asked.nonce, Nonce(digest.0)], "what is signed is what was sent");
            }
            agent.handle(told(event::STEP_UP_ENDED, data), now(3));
            agent.handle(Event::Due, now(10_000));
            agent.handle(Event::Due, now(10_010));
            assert!(agent.status(now(10_010)).step_ups.is_empty());
            true
        });
    }

    #[test]
    fn no_report_answer_stops_the_agent() {
        let verifier = Verifier::new();
        let mut sending = listening(&verifier);
        sending.handle(Event::CheckNow, now(2));
        sending.handle(Event::Collected(Box::default()), now(2));
        sending.handle(signed(b"report"), now(2));
        let answer = ReportAnswer {
            ear: verifier.ear(NONCE, b"report"),
            nonce: NONCE,
            nonce_seconds: 900.into(),
            report_seconds: 300.into(),
            quote: true,
            session: Some(DeviceSession(Secret::new(vec![8; 32]))),
            organisation: None,
            key_rollovers: Vec::new(),
        };
        // As a verifier would write them, so not limited.
        let good = |nonce_seconds: u64, report_seconds: u64| {
            let mut answer = serde_json::to_value(&answer).unwrap();
            answer["nonce_seconds"] = json!(nonce_seconds);
            answer["report_seconds"] = json!(report_seconds);
            serde_json::to_vec(&answer).unwrap()
        };
        let good =
            [good(900, 300), good(0, 0), good(u64::MAX, 300), good(900, u64::MAX), good(1 << 61, 1 << 61)];
        let words: [&[u8]; 8] = [
            b"18446744073709551615",
            b"2305843009213693952",
            b"1844674407370955162",
            b"9223372036854775808",
            b"99999999999999999999",
            b"-1",
            b"0",
            b"1e300",
        ];
        fuzz("report answer", &good, &words, |input| {
            let Ok(answer) = serde_json::from_slice::<ReportAnswer>(input) else { return false };
            let mut agent = sending.clone();
            agent.handle(Event::Reported(Ok(Box::new(answer))), now(3));
            let next = agent.status(now(3)).next_report_seconds;
            assert!(next <= 100_000, "the next report is in {next} s");
            agent.handle(Event::Due, now(4 + next));
            true
        });
    }

    #[test]
    fn no_answer_prompts_for_another_transaction() {
        let verifier = Verifier::new();
        let mut waiting = listening(&verifier);
        let evidence = b"evidence".to_vec();
        for event in [told(event::STEP_UP, asked()), Event::Collected(Box::default()), signed(&evidence)] {
            waiting.handle(event, now(2));
        }
        let wanted = challenge(&RANDOM, &evidence, &transaction_digest(&text())).to_string();
        let options = json!({
            "challenge": wanted, "rpId": "verifier.example", "userVerification": "required",
            "allowCredentials": [{"type": "public-key", "id": "AQID"}],
        });
        let ear = verifier.ear(NONCE, &evidence);
        let tap = StepUpAnswer {
            ear: ear.clone(),
            next: StepUpNext::Tap { random: RANDOM, options, pin_entered: None },
        };
        let refused =
            StepUpAnswer { ear, next: StepUpNext::Unhealthy { reasons: vec!["disk-encryption".into()] } };
        let good = [serde_json::to_vec(&tap).unwrap(), serde_json::to_vec(&refused).unwrap()];
        let words: [&[u8]; 6] =
            [b"null", b"[]", b"{}", b"\"rpId\":\"other.example\",", b"\"challenge\":\"AAAA\",", b"\"tap\""];
        fuzz("step-up answer", &good, &words, |input| {
            let Ok(answer) = serde_json::from_slice::<StepUpAnswer>(input) else { return false };
            let mut agent = waiting.clone();
            agent.handle(Event::EvidenceAnswered(ID, Ok(Box::new(answer.clone()))), now(3));
            if let Some(ceremony) = agent.ceremony(ID) {
                let StepUpNext::Tap { random, .. } = answer.next else { panic!("no prompt was expected") };
                let bound = challenge(&random, &evidence, &transaction_digest(&text()));
                assert_eq!(ceremony.options["challenge"], bound.to_string());
                assert_eq!(ceremony.options["rpId"], "verifier.example");
                assert!(!ceremony.options["allowCredentials"].as_array().unwrap().is_empty());
            } else {
                assert!(!agent.is_live(ID), "it has ended, and says so");
            }
            true
        });
    }
}
