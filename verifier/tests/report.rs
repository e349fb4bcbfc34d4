//! Reports, good and bad, against a verifier with a real store.

mod support;

#[cfg(test)]
mod tests {
    use super::support::{Device, Lab, NOW, problem, verdict};
    use futures_util::FutureExt;
    use sqlx::Connection;
    use std::time::{Duration, Instant};
    use vitalsign_protocol::cbor::{MapBuilder, Value};
    use vitalsign_protocol::cose::{self, Sign1};
    use vitalsign_protocol::ear::Tier;
    use vitalsign_protocol::evidence::{self, Claims, IntendedUse};
    use vitalsign_protocol::fact::Fact;
    use vitalsign_protocol::id::{Digest, EnrolmentId, Nonce};
    use vitalsign_protocol::problem::ProblemType::{self, *};
    use vitalsign_verifier::store::device::By;

    #[tokio::test]
    async fn a_report_is_judged_and_brings_the_next_nonce() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        for round in 0..3 {
            let evidence = device.report();
            let answer = lab.verifier.attestation.report(&evidence, NOW + round).await.unwrap();
            let ear = verdict(&lab.verifier, &answer, NOW);
            assert_eq!(ear.eat_nonce, Some(device.nonce));
            assert_eq!(ear.vitalsign_device, device.enrolment);
            assert_eq!(ear.vitalsign_evidence, Some(Digest::of(&evidence)));
            assert!(ear.exp.unwrap() > NOW && ear.exp.unwrap() <= NOW + round + 900);
            // Nothing is known of this device: it is not as it should be.
            assert!(ear.ear_status.unwrap() > Tier::Affirming);
            assert_eq!(
                (answer.report_seconds.get(), answer.nonce_seconds.get(), answer.quote),
                (300, 900, false)
            );
            assert_ne!(answer.nonce, device.nonce);
            device.nonce = answer.nonce;
        }
        // Token, enrolment, three reports.
        assert_eq!(lab.audit_length().await, 5);
    }

    /// A bad report, and the problem type of its refusal.
    type Case = (&'static str, ProblemType, fn(&mut Device, &mut Device) -> Vec<u8>);

    #[tokio::test]
    async fn bad_reports_are_refused_and_spend_no_nonce() {
        let cases: &[Case] = &[
            ("an unknown nonce", NonceUnknown, |d, _| {
                d.nonce = Nonce([7; 32]);
                d.report()
            }),
            ("another device's nonce", NonceUnknown, |d, other| {
                d.nonce = other.nonce;
                d.report()
            }),
            ("two nonces", ClaimsInvalid, |d, other| {
                let claims = Claims { nonces: vec![d.nonce, other.nonce], ..d.claims(IntendedUse::Report) };
                d.sign(&claims)
            }),
            ("a registration", ClaimsInvalid, |d, _| {
                let claims = d.claims(IntendedUse::Registration);
                d.sign(&claims)
            }),
            ("a step-up", ClaimsInvalid, |d, _| {
                let claims = d.claims(IntendedUse::StepUp);
                d.sign(&claims)
            }),
            ("another device's name", ClaimsInvalid, |d, other| {
                let claims = Claims { enrolment: other.enrolment, ..d.claims(IntendedUse::Report) };
                d.sign(&claims)
            }),
            ("no device's name", ClaimsInvalid, |d, _| {
                let claims = Claims { enrolment: None, ..d.claims(IntendedUse::Report) };
                d.sign(&claims)
            }),
            ("another key, by its own name", SignatureInvalid, |d, other| {
                let claims = d.claims(IntendedUse::Report);
                claims.sign(&d.kid(), |digest| other.signature(digest)).unwrap()
            }),
            ("another key, by that key's name", ClaimsInvalid, |d, other| {
                let claims = d.claims(IntendedUse::Report);
                other.sign(&claims)
            }),
            ("a key that is not enrolled", DeviceUnknown, |d, _| {
                let claims = d.claims(IntendedUse::Report);
                Device::new().sign(&claims)
            }),
            ("a quote by a key in software", QuoteInvalid, |d, _| {
                let boot =
                    evidence::BootEvidence { quote: vec![1], signature: vec![2], pcrs: vec![], log: None };
                let claims = Claims { boot: Some(boot), ..d.claims(IntendedUse::Report) };
                d.sign(&claims)
            }),
            ("nothing", Malformed, |_, _| Vec::new()),
            ("no CBOR", Malformed, |_, _| b"{\"json\":true}".to_vec()),
            ("more bytes than are read", TooLarge, |_, _| vec![0; evidence::MAX_BYTES_WITH_LOG + 1]),
            ("more bytes than a report without a log has", TooLarge, |d, _| {
                with_unknown_claim(d, "x".repeat(evidence::MAX_BYTES))
            }),
            ("bytes behind it", Malformed, |d, _| [d.report(), vec![0]].concat()),
            ("claims in another order", Malformed, |d, _| resigned(d, |entries| entries.reverse())),
            ("a claim twice", Malformed, |d, _| {
                resigned(d, |entries| {
                    let first = entries[0].clone();
                    entries.insert(0, first);
                })
            }),
            ("no nonce", ClaimsInvalid, |d, _| {
                resigned(d, |all| all.retain(|(k, _)| k.integer() != Some(10)))
            }),
            ("a time that is text", ClaimsInvalid, |d, _| {
                resigned(d, |all| {
                    all.iter_mut().filter(|(k, _)| k.integer() == Some(6)).for_each(|(_, v)| *v = "x".into())
                })
            }),
        ];
        let lab = Lab::open().await;
        for (name, expected, make) in cases {
            let (mut device, mut other) = (lab.device().await, lab.device().await);
            let (nonce, posture) = (device.nonce, device.posture.clone());
            let before = lab.audit_length().await;
            let evidence = make(&mut device, &mut other);
            assert_eq!(problem(lab.verifier.attestation.report(&evidence, NOW).await), *expected, "{name}");
            assert_eq!(lab.audit_length().await, before, "{name}");
            // The device's own nonce is still good.
            (device.nonce, device.posture) = (nonce, posture);
            lab.verifier.attestation.report(&device.report(), NOW).await.unwrap();
        }
    }

    /// A report whose claims were changed after they were built, and signed then.
    fn resigned(
        device: &mut Device,
        change: impl FnOnce(&mut Vec<(Value<'static>, Value<'static>)>),
    ) -> Vec<u8> {
        let evidence = device.report();
        let sign1 = Sign1::parse(&evidence).unwrap();
        let payload: &'static [u8] = sign1.payload.clone().leak();
        let Value::Map(mut entries) = Value::decode(payload).unwrap() else { panic!() };
        change(&mut entries);
        let payload = Value::Map(entries).encode();
        let digest = Digest::of(&cose::to_be_signed(&sign1.protected, &[], &payload));
        Sign1::encode(&sign1.protected, &payload, &device.signature(&digest).unwrap())
    }

    fn with_unknown_claim(device: &mut Device, content: String) -> Vec<u8> {
        resigned(device, |entries| {
            entries.push((Value::from(-70000i64), content.into()));
            let map = entries.drain(..).fold(MapBuilder::default(), |map, (key, value)| map.with(key, value));
            let Value::Map(sorted) = map.build() else { panic!() };
            *entries = sorted;
        })
    }

    #[tokio::test]
    async fn a_byte_changed_anywhere_is_noticed() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        let evidence = device.report();
        for offset in 0..evidence.len() {
            for bit in [0x01, 0x80] {
                let mut tampered = evidence.clone();
                tampered[offset] ^= bit;
                let problem = problem(lab.verifier.attestation.report(&tampered, NOW).await);
                let expected = [Malformed, ClaimsInvalid, SignatureInvalid, DeviceUnknown];
                assert!(expected.contains(&problem), "byte {offset}: {problem:?}");
            }
        }
        for length in 0..evidence.len() {
            assert_eq!(
                problem(lab.verifier.attestation.report(&evidence[..length], NOW).await),
                Malformed,
                "{length} bytes"
            );
        }
        lab.verifier.attestation.report(&evidence, NOW).await.unwrap();
    }

    #[tokio::test]
    async fn a_nonce_lives_for_its_time_and_is_used_once() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        assert_eq!(problem(lab.verifier.attestation.report(&device.report(), NOW + 901).await), NonceExpired);

        let first = device.report();
        lab.verifier.attestation.report(&first, NOW + 900).await.unwrap();
        assert_eq!(problem(lab.verifier.attestation.report(&device.report(), NOW + 900).await), NonceUsed);
        // An asked-for nonce is good for a report, and lives for a minute.
        let asked = lab.verifier.attestation.nonce(&device.kid(), NOW + 900).unwrap();
        assert_eq!(asked.nonce_seconds.get(), 60);
        device.nonce = asked.nonce;
        let second = device.report();
        assert_eq!(problem(lab.verifier.attestation.report(&second, NOW + 961).await), NonceExpired);
        lab.verifier.attestation.report(&second, NOW + 960).await.unwrap();
        // No longer the last one: not a lost answer, a replay.
        assert_eq!(problem(lab.verifier.attestation.report(&first, NOW + 900).await), NonceUsed);
        // Nor when spent nonces were forgotten since, and the clock went back.
        device.nonce = lab.verifier.attestation.nonce(&device.kid(), NOW + 5000).unwrap().nonce;
        lab.verifier.attestation.report(&device.report(), NOW + 5000).await.unwrap();
        assert_eq!(problem(lab.verifier.attestation.report(&first, NOW + 900).await), NonceUsed);
        // A clock that was a year ahead for a moment locks a device out for no longer than a nonce lives.
        const YEAR: u64 = 365 * 86_400;
        device.nonce = lab.verifier.attestation.nonce(&device.kid(), NOW + YEAR).unwrap().nonce;
        device.nonce = lab.verifier.attestation.report(&device.report(), NOW + YEAR).await.unwrap().nonce;
        device.nonce = lab.verifier.attestation.nonce(&device.kid(), NOW + 1000).unwrap().nonce;
        assert_eq!(problem(lab.verifier.attestation.report(&device.report(), NOW + 1000).await), NonceUsed);
        device.nonce = lab.verifier.attestation.nonce(&device.kid(), NOW + 1901).unwrap().nonce;
        lab.verifier.attestation.report(&device.report(), NOW + 1901).await.unwrap();
    }

    #[tokio::test]
    async fn repeated_evidence_is_answered_and_logged_once() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        let evidence = device.report();
        let first = lab.verifier.attestation.report(&evidence, NOW).await.unwrap();
        let length = lab.audit_length().await;
        let again = lab.verifier.attestation.report(&evidence, NOW + 5).await.unwrap();
        assert_eq!(lab.audit_length().await, length);
        assert_ne!(first.nonce, again.nonce);
        // Its sender may be another than the device: no session, and the verdict of that time.
        assert!(first.session.is_some() && again.session.is_none());
        assert_eq!(again.nonce_seconds.get(), 60, "a nonce as every client can have");
        assert!(again.report_seconds.get() < first.report_seconds.get(), "the device reports again soon");
        let (first, again) = (verdict(&lab.verifier, &first, NOW), verdict(&lab.verifier, &again, NOW));
        assert_eq!(first, again);
        assert_eq!(problem(lab.verifier.attestation.report(&evidence, NOW + 901).await), NonceExpired);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_reports_with_one_nonce_one_is_accepted() {
        let lab = Lab::with(|config| config.limits.report_burst = 50).await;
        let mut device = lab.device().await;
        let length = lab.audit_length().await;
        let reports = (0..50).map(|_| {
            let (verifier, evidence) = (lab.verifier.clone(), device.report());
            tokio::spawn(async move { verifier.attestation.report(&evidence, NOW).await })
        });
        let reports: Vec<_> = reports.collect();
        let mut accepted = 0;
        for report in reports {
            match report.await.unwrap() {
                Ok(_) => accepted += 1,
                refused => assert_eq!(problem(refused), NonceUsed),
            }
        }
        assert_eq!(accepted, 1);
        assert_eq!(lab.audit_length().await, length + 1);
    }

    #[tokio::test]
    async fn cached_revoked_device_is_not_accepted() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        let answer = lab.verifier.attestation.report(&device.report(), NOW).await.unwrap();
        device.nonce = answer.nonce;
        // As the command does it: another process with a separate connection.
        let other = vitalsign_verifier::store::Store::open(&lab.verifier.config().store()).await.unwrap();
        assert!(other.revoke_device(device.enrolment.unwrap(), "lost", NOW).await.unwrap());
        assert!(!other.revoke_device(device.enrolment.unwrap(), "lost", NOW).await.unwrap());
        assert!(!other.revoke_device(EnrolmentId([9; 16]), "lost", NOW).await.unwrap());
        for _ in 0..2 {
            assert_eq!(problem(lab.verifier.attestation.report(&device.report(), NOW).await), DeviceRevoked);
        }
        let token = lab.token(5).await;
        assert_eq!(problem(device.enrol(&lab.verifier, &token, NOW).await), DeviceRevoked);
        let logged = other.audit(device.enrolment, 0, 100).await.unwrap();
        let kinds: Vec<&str> = logged.iter().map(|it| it.kind.as_str()).collect();
        assert_eq!(kinds, ["enrolled", "device-revoked"]);
    }

    #[tokio::test]
    async fn unknown_claims_are_logged_and_not_judged() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        let first = lab.verifier.attestation.report(&device.report(), NOW).await.unwrap();
        device.nonce = first.nonce;
        let evidence = with_unknown_claim(&mut device, "of a later version".into());
        let second = lab.verifier.attestation.report(&evidence, NOW + 1).await.unwrap();
        let strip = |answer| verdict(&lab.verifier, answer, NOW).submods;
        assert_eq!(strip(&first), strip(&second));
        let logged = lab.verifier.store().audit(device.enrolment, 0, 100).await.unwrap();
        let last = logged.last().unwrap();
        assert!(last.body.contains("\"unknown_claims\":[\"-70000\"]"), "{}", last.body);
        assert_eq!(last.evidence, evidence, "the evidence of a change is kept");
    }

    #[tokio::test]
    async fn unknown_claims_are_logged_when_they_change() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        for _ in 0..3 {
            let evidence = with_unknown_claim(&mut device, "of a later version".into());
            device.nonce = lab.verifier.attestation.report(&evidence, NOW).await.unwrap().nonce;
        }
        let logged = lab.verifier.store().audit(device.enrolment, 0, 100).await.unwrap();
        assert_eq!(logged.iter().filter(|it| it.body.contains("unknown_claims")).count(), 1);
        assert_eq!(logged.iter().filter(|it| !it.evidence.is_empty()).count(), 2, "enrolment and change");
    }

    #[tokio::test]
    async fn device_that_reports_too_often_is_told_to_wait() {
        let lab = Lab::open().await;
        let (mut device, mut other) = (lab.device().await, lab.device().await);
        for _ in 0..30 {
            device.nonce = lab.verifier.attestation.report(&device.report(), NOW).await.unwrap().nonce;
        }
        let length = lab.audit_length().await;
        let evidence = device.report();
        let refused = lab.verifier.attestation.report(&evidence, NOW).await.unwrap_err();
        assert_eq!(refused.retry_after, Some(5));
        assert_eq!(problem::<()>(Err(refused)), RateLimited);
        assert_eq!(lab.audit_length().await, length);
        other.nonce = lab.verifier.attestation.report(&other.report(), NOW).await.unwrap().nonce;
        // Its nonce was not spent.
        lab.verifier.attestation.report(&evidence, NOW + 5).await.unwrap();
    }

    #[tokio::test]
    async fn appraisal_out_of_time_makes_no_verdict() {
        // Endless for one device: a verdict "none" would be a claim about it that the policy did not make.
        let policy = r#"package vitalsign
            import rego.v1
            endless if {
                input.posture.os.build.known == "slow"
                some a in numbers.range(1, 1000)
                some b in numbers.range(1, 1000)
                some c in numbers.range(1, 1000)
                a + b + c == 0
            }
            default endless := false
            checks["key-hardware"] := {
                "submodule": "key",
                "seen": {"endless": endless},
                "outcome": {"status": "affirming", "reason": "ok"},
            }"#;
        let lab = Lab::with(|config| {
            let path = config.data.join("policy.rego");
            std::fs::write(&path, policy).unwrap();
            config.policy = Some(path);
        })
        .await;
        let (mut slow, mut other) = (lab.device().await, lab.device().await);
        let length = lab.audit_length().await;
        slow.posture.os.build = Fact::Known("slow".into());
        let evidence = slow.report();
        assert_eq!(problem(lab.verifier.attestation.report(&evidence, NOW).await), Busy);
        assert_eq!(lab.audit_length().await, length);
        other.nonce = lab.verifier.attestation.report(&other.report(), NOW).await.unwrap().nonce;
        // Its nonce is not spent.
        slow.posture.os.build = Fact::Known("fast".into());
        lab.verifier.attestation.report(&slow.report(), NOW).await.unwrap();
    }

    #[tokio::test]
    async fn policy_that_cannot_be_logged_is_not_in_force() {
        let lab = Lab::open().await;
        let policy = lab.verifier.attestation.policy_id();
        // Another process keeps the store locked for longer than the verifier waits.
        let url = format!("sqlite://{}", lab.verifier.config().store().display());
        let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        let thresholds = lab.verifier.config().thresholds.clone().unwrap();
        let text = std::fs::read_to_string(&thresholds).unwrap();
        std::fs::write(&thresholds, format!("{text}\n[lock-idle]\nmax_seconds = 1\n")).unwrap();
        assert!(lab.verifier.reload(NOW).await.is_err());
        assert_eq!(lab.verifier.attestation.policy_id(), policy);
    }

    #[tokio::test]
    async fn evidence_of_many_changes_is_kept_by_its_digest() {
        let lab = Lab::with(|config| config.limits.report_burst = 1000).await;
        let mut device = lab.device().await;
        for round in 0..100 {
            device.posture.lock.automatic = Fact::Known(round % 2 == 0);
            device.posture.lock.idle_seconds = Fact::Known(60);
            device.posture.lock.grace_seconds = Fact::Known(0);
            device.nonce = lab.verifier.attestation.report(&device.report(), NOW).await.unwrap().nonce;
        }
        let logged = lab.verifier.store().audit(device.enrolment, 0, 1000).await.unwrap();
        let reports: Vec<_> = logged.iter().filter(|it| it.kind == "report").collect();
        assert_eq!(reports.len(), 100);
        assert!(reports.iter().all(|it| it.body.contains("\"evidence\":")), "the digest is always there");
        assert_eq!(reports.iter().filter(|it| !it.evidence.is_empty()).count(), 24);
    }

    #[tokio::test]
    async fn interrupted_report_is_remembered_once_accepted() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        // After its first report, the verifier has the device in memory.
        device.nonce = lab.verifier.attestation.report(&device.report(), NOW).await.unwrap().nonce;
        device.posture.lock.automatic = Fact::Known(true);
        device.posture.lock.idle_seconds = Fact::Known(60);
        device.posture.lock.grace_seconds = Fact::Known(0);
        let evidence = device.report();
        // Another device with the same facts: they have been appraised, and the report waits for nothing else.
        let mut other = lab.device().await;
        other.posture = device.posture.clone();
        lab.verifier.attestation.report(&other.report(), NOW + 10).await.unwrap();
        let before = lab.audit_length().await;
        // The device hangs up while its report waits for the disk.
        let mut report = Box::pin(lab.verifier.attestation.report(&evidence, NOW + 10));
        assert!(report.as_mut().now_or_never().is_none());
        drop(report);
        let deadline = Instant::now() + Duration::from_secs(30);
        while lab.audit_length().await == before {
            assert!(Instant::now() < deadline, "the report was not accepted");
            tokio::task::yield_now().await;
        }
        let stored = lab.verifier.store().device(By::Kid(&device.kid())).await.unwrap().unwrap();
        assert_eq!(stored.standing().checks["lock-idle"].since, NOW + 10);
        device.nonce = lab.verifier.attestation.nonce(&device.kid(), NOW + 20).unwrap().nonce;
        lab.verifier.attestation.report(&device.report(), NOW + 20).await.unwrap();
        let stored = lab.verifier.store().device(By::Kid(&device.kid())).await.unwrap().unwrap();
        assert_eq!(stored.standing().checks["lock-idle"].since, NOW + 10, "nothing has changed since");
    }

    #[tokio::test]
    async fn check_keeps_since_and_changes_keep_evidence() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        let mut sinces = Vec::new();
        let mut kept = Vec::new();
        for (now, grace) in
            [(NOW + 10, None), (NOW + 20, Some(0)), (NOW + 30, Some(0)), (NOW + 40, Some(9999))]
        {
            if let Some(grace) = grace {
                device.posture.lock.automatic = Fact::Known(true);
                device.posture.lock.idle_seconds = Fact::Known(60);
                device.posture.lock.grace_seconds = Fact::Known(grace);
            }
            let answer = lab.verifier.attestation.report(&device.report(), now).await.unwrap();
            device.nonce = answer.nonce;
            let ear = verdict(&lab.verifier, &answer, now);
            let (_, check) = ear.checks().find(|(_, check)| check.check == "lock-idle").unwrap();
            sinces.push(check.since.unwrap() - NOW);
            let logged = lab.verifier.store().audit(device.enrolment, 0, 100).await.unwrap();
            let last = logged.last().unwrap();
            kept.push(last.time == now && !last.evidence.is_empty());
        }
        assert_eq!(sinces, [0, 20, 20, 40]);
        assert_eq!(kept, [false, true, false, true]);
        // And it outlives the process.
        let stored = lab.verifier.store().device(By::Kid(&device.kid())).await.unwrap().unwrap();
        assert_eq!(stored.standing().checks["lock-idle"].since, NOW + 40);
        assert_eq!(stored.last_seen, NOW + 40);
    }
}
