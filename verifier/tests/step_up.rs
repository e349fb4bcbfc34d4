//! Step-ups from the asking to the end, good and bad, against a verifier with a real store.

mod support;

#[cfg(test)]
mod tests {
    use super::support::step_up::*;
    use super::support::{Device, NOW, problem};
    use serde_json::{Value, json};
    use std::sync::Arc;
    use vitalsign_protocol::ear::{self, Ear, Tier};
    use vitalsign_protocol::evidence::{BootEvidence, Claims, IntendedUse, MAX_BYTES};
    use vitalsign_protocol::fact::Fact;
    use vitalsign_protocol::id::{Digest, EnrolmentId, StepUpId};
    use vitalsign_protocol::jwt;
    use vitalsign_protocol::posture::Posture;
    use vitalsign_protocol::problem::ProblemType::{self, *};
    use vitalsign_protocol::step_up::*;
    use vitalsign_verifier::Verifier;
    use vitalsign_verifier::step_up::{DEVICE_SECONDS, StepUpRequest, StepUpStatus};
    use vitalsign_verifier::store::Store;
    use vitalsign_webauthn::testing::KeyVendor;

    #[tokio::test]
    async fn bound_tap_yields_one_token() {
        let mut fixture = StepUpFixture::new().await;
        fixture.at.listen(&fixture.lab.verifier, None, NOW).await;
        let (begun, asking) = fixture.asked(Acr::HardwareKey).await;
        assert_eq!(begun.expires_in, SECONDS);
        assert_eq!((asking.asked.expires, asking.asked.expires_seconds.get()), (NOW + SECONDS, SECONDS));
        let transaction: Transaction = serde_json::from_str(&asking.asked.transaction).unwrap();
        assert_eq!((transaction.user.as_str(), transaction.message.as_str()), (USER, "EHR: sign order 4711"));
        let pending = StepUpStatus::Pending { step_up: begun.step_up, expires: NOW + SECONDS };
        assert_eq!(fixture.standing(&begun).await, pending);

        let evidence = fixture.at.evidence(&asking);
        let answer = fixture.verifier().step_ups.evidence(&asking.id, &evidence, NOW + 1).await.unwrap();
        let ear: Ear = jwt::verify(&answer.ear, ear::TYP, &fixture.verifier().attestation.jwks(NOW)).unwrap();
        assert_eq!(ear.eat_nonce, Some(asking.asked.nonce));
        assert_eq!(ear.vitalsign_evidence, Some(Digest::of(&evidence)));
        // Whatever its health: this level only tells of it.
        assert!(ear.ear_status.unwrap() > Tier::Affirming);
        let (random, options) = tap(Ok(answer.clone()));
        let expected = challenge(&random, &evidence, &transaction_digest(&asking.asked.transaction));
        assert_eq!(options["challenge"], expected.to_string());
        assert_eq!(options["rpId"], "localhost");
        assert_eq!(options["userVerification"], "required");
        assert_eq!(options["timeout"], (SECONDS - 1) * 1000);

        let assertion = fixture.key.get(&options, ORIGIN).unwrap();
        let mut ends = fixture.verifier().step_ups.results();
        assert_eq!(fixture.assert(&asking.id, assertion.clone()).await.unwrap(), StepUpResult::Approved);
        assert_eq!(ends.try_recv().unwrap(), begun.step_up);
        // The answer was lost: it is said again, and nothing else happens.
        assert_eq!(fixture.assert(&asking.id, assertion).await.unwrap(), StepUpResult::Approved);

        let StepUpStatus::Approved(approval) = fixture.standing(&begun).await else { panic!("no approval") };
        assert_eq!((approval.user.as_str(), approval.acr, approval.auth_time), (USER, Acr::HardwareKey, NOW));
        assert_eq!(approval.ear, Digest::of(answer.ear.as_bytes()));
        assert_eq!(Some(approval.ear_status), ear.ear_status);
        assert_eq!(Some(approval.device), fixture.at.device.enrolment);
        assert_eq!(approval.aaguid, MODEL.to_string());
        assert_eq!(approval.authorization_details, Some(json!([{ "type": "order", "number": 4711 }])));
        assert_eq!(
            fixture.standing(&begun).await,
            StepUpStatus::Approved(approval.clone()),
            "the same again"
        );
        let entry = fixture.verifier().store().audit_entry(approval.audit).await.unwrap().unwrap();
        assert_eq!((entry.kind.as_str(), entry.evidence), ("step-up-approved", evidence));
        let user = fixture.verifier().store().user(USER).await.unwrap().unwrap();
        assert_eq!(fixture.verifier().store().security_keys(user.id).await.unwrap()[0].last_used, Some(NOW));
    }

    #[tokio::test]
    async fn step_up_syncs_the_disk_twice() {
        let mut fixture = StepUpFixture::new().await;
        fixture.at.listen(&fixture.lab.verifier, None, NOW).await;
        let syncs = |fixture: &StepUpFixture| fixture.verifier().store().syncs();
        let before = syncs(&fixture);
        let (begun, asking, options) = fixture.ready(Acr::HardwareKey).await;
        assert_eq!(syncs(&fixture), before, "nothing has happened that must outlast a loss of power");
        let assertion = fixture.key.get(&options, ORIGIN).unwrap();
        assert_eq!(fixture.assert(&asking.id, assertion).await.unwrap(), StepUpResult::Approved);
        assert_eq!(syncs(&fixture), before + 1, "the approval");
        assert!(matches!(fixture.standing(&begun).await, StepUpStatus::Approved(_)));
        assert_eq!(syncs(&fixture), before + 2, "the tokens");
        // A refusal of the device is an audit entry, and durable.
        let (_, asking) = fixture.asked(Acr::HealthyDevice).await;
        let before = syncs(&fixture);
        let evidence = fixture.at.evidence(&asking);
        unhealthy(fixture.verifier().step_ups.evidence(&asking.id, &evidence, NOW).await);
        assert_eq!(syncs(&fixture), before + 1, "the refusal");
    }

    #[tokio::test]
    async fn unhealthy_device_is_refused_with_reasons() {
        let mut fixture = StepUpFixture::new().await;
        let (begun, asking) = fixture.asked(Acr::HealthyDevice).await;
        let evidence = fixture.at.evidence(&asking);
        let answer = fixture.verifier().step_ups.evidence(&asking.id, &evidence, NOW).await.unwrap();
        let reasons = unhealthy(Ok(answer.clone()));
        assert!(reasons.contains(&"disk-encryption".to_owned()), "{reasons:?}");
        assert_eq!(
            fixture.standing(&begun).await,
            StepUpStatus::Ended(StepUpResult::Unhealthy, reasons.clone())
        );
        // The answer was lost.
        assert_eq!(fixture.verifier().step_ups.evidence(&asking.id, &evidence, NOW).await.unwrap(), answer);
        let other = fixture.at.evidence(&asking);
        assert_eq!(problem(fixture.verifier().step_ups.evidence(&asking.id, &other, NOW).await), StepUpOver);
        assert_eq!(problem(fixture.assert(&asking.id, json!({})).await), StepUpOver);
        let audited = fixture.audited().await;
        assert_eq!(audited.len(), 1);
        assert_eq!((&audited[0].1["end"], &audited[0].1["over"]), (&json!("unhealthy"), &json!(true)));
        assert_eq!(audited[0].1["reasons"], json!(reasons));
    }

    /// Key, facts, level, what is refused before the tap.
    type Level = (&'static str, Attested, fn(&mut Posture), Acr, &'static [&'static str]);

    #[tokio::test]
    async fn each_level_asks_for_what_it_says() {
        use Attested::*;
        fn unlocked(posture: &mut Posture) {
            posture.lock.automatic = Fact::Known(false);
        }
        fn late(posture: &mut Posture) {
            posture.os.security_updates = Fact::Known(1);
            posture.os.security_updates_since = Fact::Known(NOW - 86_400);
        }
        let cases: &[Level] = &[
            ("a key in software", No, |_| {}, Acr::HardwareKey, &["key-hardware"]),
            ("a simulated TPM", Simulated, |_| {}, Acr::HardwareKey, &[]),
            ("a simulated TPM", Simulated, |_| {}, Acr::HealthyDevice, &["key-hardware"]),
            ("in good health", Genuine, |_| {}, Acr::HealthyDevice, &[]),
            ("an update that is due soon", Genuine, late, Acr::HealthyDevice, &[]),
            ("no screen lock", Genuine, unlocked, Acr::HardwareKey, &[]),
            ("no screen lock", Genuine, unlocked, Acr::HealthyDevice, &["lock-idle"]),
            ("no screen lock", Genuine, unlocked, Acr::Epcs, &["lock-idle"]),
            ("in good health", Genuine, |_| {}, Acr::Epcs, &[]),
            ("a simulated TPM", Simulated, |_| {}, Acr::Epcs, &["key-hardware"]),
        ];
        let mut fixture = StepUpFixture::new().await;
        for (name, attested, change, acr, refused) in cases {
            attest(fixture.verifier().store().path(), &fixture.at.device, *attested).await;
            fixture.at.device.posture = healthy();
            change(&mut fixture.at.device.posture);
            let (_, asking) = fixture.asked(*acr).await;
            let evidence = fixture.at.evidence(&asking);
            let answer = fixture.verifier().step_ups.evidence(&asking.id, &evidence, NOW).await;
            match refused {
                [] => {
                    let (_, options) = tap(answer);
                    let assertion = fixture.key.get(&options, ORIGIN).unwrap();
                    let end = fixture.assert(&asking.id, assertion).await.unwrap();
                    assert_eq!(end, StepUpResult::Approved, "{name}, {acr:?}");
                }
                refused => assert_eq!(unhealthy(answer), *refused, "{name}, {acr:?}"),
            }
        }
    }

    /// Evidence, and the problem type of its refusal.
    type BadEvidence = (&'static str, ProblemType, fn(&mut StepUpFixture, &Asking, &Asking) -> Vec<u8>);

    #[tokio::test]
    async fn bad_evidence_is_refused_and_changes_nothing() {
        let cases: &[BadEvidence] = &[
            ("of another step-up", ClaimsInvalid, |w, _, other| w.at.evidence(other)),
            ("with another step-up's nonce", ClaimsInvalid, |w, asking, other| {
                let mut claims = w.at.claims(asking);
                claims.nonces[0] = other.asked.nonce;
                w.at.device.sign(&claims)
            }),
            ("about another transaction", ClaimsInvalid, |w, asking, other| {
                let mut claims = w.at.claims(asking);
                claims.nonces[1] = w.at.claims(other).nonces[1];
                w.at.device.sign(&claims)
            }),
            ("about no transaction", ClaimsInvalid, |w, asking, _| {
                let mut claims = w.at.claims(asking);
                claims.nonces.pop();
                w.at.device.sign(&claims)
            }),
            ("nonces the other way round", ClaimsInvalid, |w, asking, _| {
                let mut claims = w.at.claims(asking);
                claims.nonces.reverse();
                w.at.device.sign(&claims)
            }),
            ("a report", ClaimsInvalid, |w, asking, _| {
                let claims = Claims { intended_use: IntendedUse::Report, ..w.at.claims(asking) };
                w.at.device.sign(&claims)
            }),
            ("another device's name", ClaimsInvalid, |w, asking, _| {
                let claims = Claims { enrolment: Some(EnrolmentId([9; 16])), ..w.at.claims(asking) };
                w.at.device.sign(&claims)
            }),
            ("signed by another key", SignatureInvalid, |w, asking, _| {
                let (claims, other) = (w.at.claims(asking), Device::new());
                claims.sign(&w.at.device.kid(), |digest| other.signature(digest)).unwrap()
            }),
            ("of a device that is not enrolled", DeviceUnknown, |w, asking, _| {
                let claims = w.at.claims(asking);
                Device::new().sign(&claims)
            }),
            ("altered", SignatureInvalid, |w, asking, _| {
                let mut evidence = w.at.evidence(asking);
                *evidence.last_mut().unwrap() ^= 1;
                evidence
            }),
            ("an invalid quote", QuoteInvalid, |w, asking, _| {
                let boot = BootEvidence { quote: vec![1], signature: vec![2], pcrs: vec![], log: None };
                let claims = Claims { boot: Some(boot), ..w.at.claims(asking) };
                w.at.device.sign(&claims)
            }),
            ("too long", TooLarge, |_, _, _| vec![0; MAX_BYTES + 1]),
            ("nothing", Malformed, |_, _, _| Vec::new()),
        ];
        for (name, expected, make) in cases {
            let mut fixture = StepUpFixture::new().await;
            let (begun, asking) = fixture.asked(Acr::HardwareKey).await;
            let (_, other) = fixture.asked(Acr::HardwareKey).await;
            let bad = make(&mut fixture, &asking, &other);
            let outcome = fixture.verifier().step_ups.evidence(&asking.id, &bad, NOW).await;
            assert_eq!(problem(outcome), *expected, "{name}");
            assert!(matches!(fixture.standing(&begun).await, StepUpStatus::Pending { .. }), "{name}");
            let good = fixture.at.evidence(&asking);
            tap(fixture.verifier().step_ups.evidence(&asking.id, &good, NOW).await);
        }
    }

    #[tokio::test]
    async fn only_a_device_that_is_asked_can_answer() {
        let mut fixture = StepUpFixture::new().await;
        let (_, asking, options) = fixture.ready(Acr::HardwareKey).await;
        // A device without a user: it has no offer, so its evidence is refused.
        let mut other = Station::enrol(&fixture.lab, Attested::Simulated).await;
        assert_eq!(other.hear(&fixture.lab.verifier, NOW).await, []);
        let evidence = other.evidence(&asking);
        assert_eq!(
            problem(fixture.verifier().step_ups.evidence(&asking.id, &evidence, NOW).await),
            StepUpUnknown
        );
        let assertion = fixture.key.get(&options, ORIGIN).unwrap();
        let stolen = other.assert(fixture.verifier(), &asking.id, assertion.clone(), NOW).await;
        assert_eq!(problem(stolen), StepUpUnknown);
        assert_eq!(
            problem(other.give_up(fixture.verifier(), &asking.id, StepUpResult::Declined).await),
            StepUpUnknown
        );
        let nowhere = StepUpId([9; 16]);
        let evidence = fixture.at.evidence(&asking);
        assert_eq!(
            problem(fixture.verifier().step_ups.evidence(&nowhere, &evidence, NOW).await),
            StepUpUnknown
        );
        assert_eq!(problem(fixture.assert(&nowhere, assertion.clone()).await), StepUpUnknown);
        assert_eq!(fixture.assert(&asking.id, assertion).await.unwrap(), StepUpResult::Approved);
    }

    #[tokio::test]
    async fn newer_evidence_invalidates_the_earlier_tap() {
        let mut fixture = StepUpFixture::new().await;
        let (_, asking) = fixture.asked(Acr::HardwareKey).await;
        let first = fixture.at.evidence(&asking);
        let (random, options) = tap(fixture.verifier().step_ups.evidence(&asking.id, &first, NOW).await);
        assert_eq!(
            tap(fixture.verifier().step_ups.evidence(&asking.id, &first, NOW).await),
            (random, options.clone()),
            "the same bytes are answered again"
        );
        let second = fixture.at.evidence(&asking);
        let (other, other_options) =
            tap(fixture.verifier().step_ups.evidence(&asking.id, &second, NOW).await);
        assert_ne!((random, &options["challenge"]), (other, &other_options["challenge"]));
        let old = fixture.key.get(&options, ORIGIN).unwrap();
        assert_eq!(fixture.assert(&asking.id, old).await.unwrap(), StepUpResult::WrongKey);
    }

    /// Creates the assertion to send.
    type BadTap = (&'static str, &'static str, fn(&mut StepUpFixture, &Value, &Value) -> Value);

    fn bent(assertion: &Value, part: &str, change: impl FnOnce(&mut Vec<u8>)) -> Value {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
        let mut assertion = assertion.clone();
        let mut bytes = B64.decode(assertion["response"][part].as_str().unwrap()).unwrap();
        change(&mut bytes);
        assertion["response"][part] = B64.encode(bytes).into();
        assertion
    }

    #[tokio::test]
    async fn a_tap_that_does_not_hold_ends_the_step_up() {
        let cases: &[BadTap] = &[
            ("replayed from another step-up", "challenge", |w, _, other| w.key.get(other, ORIGIN).unwrap()),
            ("over the challenge's evidence alone", "challenge", |w, options, _| {
                let mut options = options.clone();
                options["challenge"] = Digest::of(b"evidence").to_string().into();
                w.key.get(&options, ORIGIN).unwrap()
            }),
            ("altered signature", "signature", |w, options, _| {
                bent(&w.key.get(options, ORIGIN).unwrap(), "signature", |it| it[20] ^= 1)
            }),
            ("altered counter", "signature", |w, options, _| {
                bent(&w.key.get(options, ORIGIN).unwrap(), "authenticatorData", |it| it[36] ^= 0x40)
            }),
            ("another origin", "origin", |w, options, _| {
                w.key.get(options, "https://localhost.example").unwrap()
            }),
            ("another port", "origin", |w, options, _| w.key.get(options, "https://localhost:8443").unwrap()),
            ("another rpId", "relying party", |w, options, _| {
                let mut options = options.clone();
                options["rpId"] = "verifier.example".into();
                w.key.get(&options, ORIGIN).unwrap()
            }),
            ("in a frame", "frame", |w, options, _| {
                let bend = |data: &mut serde_json::Map<String, Value>| {
                    data.insert("crossOrigin".into(), true.into());
                };
                w.key.get_with(options, ORIGIN, bend).unwrap()
            }),
            ("with a top origin", "top origin", |w, options, _| {
                let bend = |data: &mut serde_json::Map<String, Value>| {
                    data.insert("topOrigin".into(), ORIGIN.into());
                };
                w.key.get_with(options, ORIGIN, bend).unwrap()
            }),
            ("a registration", "type", |w, options, _| {
                let bend = |data: &mut serde_json::Map<String, Value>| {
                    data.insert("type".into(), "webauthn.create".into());
                };
                w.key.get_with(options, ORIGIN, bend).unwrap()
            }),
            ("the user was not verified", "verify", |w, options, _| {
                w.key.user_verified = false;
                w.key.get(options, ORIGIN).unwrap()
            }),
            ("the user was not present", "touched", |w, options, _| {
                // The key itself says so, and signs it.
                w.key.user_present = false;
                w.key.get(options, ORIGIN).unwrap()
            }),
            ("of an unregistered key", "not registered", |w, options, _| foreign(&w.maker, options)),
            ("the counter went back", "counter", |w, options, _| {
                w.key.counter = 0;
                w.key.get(options, ORIGIN).unwrap()
            }),
            ("no assertion", "read", |_, _, _| json!({ "id": "AAEC" })),
            ("a text", "read", |_, _, _| json!("yes")),
        ];
        for (name, word, make) in cases {
            let mut fixture = StepUpFixture::new().await;
            // It was used before, so that its counter says something.
            let (_, asking, options) = fixture.ready(Acr::HardwareKey).await;
            let used = fixture.key.get(&options, ORIGIN).unwrap();
            assert_eq!(fixture.assert(&asking.id, used.clone()).await.unwrap(), StepUpResult::Approved);

            let (begun, asking, options) = fixture.ready(Acr::HardwareKey).await;
            let (_, _, other) = fixture.ready(Acr::HardwareKey).await;
            let bad = make(&mut fixture, &options, &other);
            assert_eq!(
                fixture.assert(&asking.id, bad.clone()).await.unwrap(),
                StepUpResult::WrongKey,
                "{name}"
            );
            assert_eq!(
                fixture.assert(&asking.id, bad).await.unwrap(),
                StepUpResult::WrongKey,
                "{name}: lost answer"
            );
            assert_eq!(
                fixture.standing(&begun).await,
                StepUpStatus::Ended(StepUpResult::WrongKey, vec![]),
                "{name}"
            );
            let (kind, body) = fixture.audited().await.pop().unwrap();
            assert_eq!((kind.as_str(), &body["end"]), ("step-up-ended", &json!("wrong-key")));
            let reasons = body["reasons"].to_string();
            assert!(reasons.contains(word), "{name}: {reasons}");
            // A good tap comes too late; nor does the used one do for it.
            let good = fixture.key.get(&options, ORIGIN).unwrap();
            assert_eq!(problem(fixture.assert(&asking.id, good).await), StepUpOver, "{name}");
            assert_eq!(problem(fixture.assert(&asking.id, used).await), StepUpOver, "{name}");
        }
    }

    /// Assertion of another key of the same vendor, as if it were registered.
    fn foreign(maker: &KeyVendor, options: &Value) -> Value {
        let mut key = maker.key();
        let made = key.create(&json!({ "rp": { "id": "localhost" }, "challenge": "AAEC" }), ORIGIN);
        let mut options = options.clone();
        options["allowCredentials"] = json!([{ "type": "public-key", "id": made["id"] }]);
        key.get(&options, ORIGIN).unwrap()
    }

    #[tokio::test]
    async fn another_user_s_key_is_the_wrong_one() {
        let mut fixture = StepUpFixture::new().await;
        let mut theirs = fixture.maker.key();
        let made = {
            register(fixture.verifier(), "nurse-8", &fixture.at, &mut theirs).await;
            let user = fixture.verifier().store().user("nurse-8").await.unwrap().unwrap();
            fixture.verifier().store().security_keys(user.id).await.unwrap().remove(0).credential
        };
        let (begun, asking, mut options) = fixture.ready(Acr::HardwareKey).await;
        assert_eq!(theirs.get(&options, ORIGIN), None, "it is not asked for");
        options["allowCredentials"] = json!([{ "type": "public-key", "id": text(&made) }]);
        let tapped = theirs.get(&options, ORIGIN).unwrap();
        assert_eq!(fixture.assert(&asking.id, tapped).await.unwrap(), StepUpResult::WrongKey);
        assert_eq!(fixture.standing(&begun).await, StepUpStatus::Ended(StepUpResult::WrongKey, vec![]));
    }

    fn text(bytes: &[u8]) -> String {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
        B64.encode(bytes)
    }

    #[tokio::test]
    async fn revoked_key_user_or_model_is_the_wrong_key() {
        for what in ["key", "user", "model"] {
            let mut fixture = StepUpFixture::new().await;
            let (_, asking, options) = fixture.ready(Acr::HardwareKey).await;
            let store = fixture.verifier().store();
            match what {
                "key" => assert!(store.revoke_security_key(1, "lost", NOW).await.unwrap().is_some()),
                "user" => assert!(store.enable_user(USER, false, NOW).await.unwrap()),
                _ => fixture.verifier().security_keys.accept_models(vitalsign_webauthn::Models::none()),
            }
            let tapped = fixture.key.get(&options, ORIGIN).unwrap();
            assert_eq!(fixture.assert(&asking.id, tapped).await.unwrap(), StepUpResult::WrongKey, "{what}");
        }
    }

    #[tokio::test]
    async fn a_report_between_evidence_and_tap_counts() {
        for (broken, end) in [(true, StepUpResult::Unhealthy), (false, StepUpResult::Approved)] {
            let mut fixture = StepUpFixture::new().await;
            attest(fixture.verifier().store().path(), &fixture.at.device, Attested::Genuine).await;
            fixture.at.device.posture = healthy();
            let (begun, asking, options) = fixture.ready(Acr::HealthyDevice).await;
            if broken {
                fixture.at.device.posture.firewall.inbound_blocked = Fact::Known(false);
            }
            fixture.at.report(&fixture.lab.verifier).await;
            let tapped = fixture.key.get(&options, ORIGIN).unwrap();
            assert_eq!(fixture.assert(&asking.id, tapped).await.unwrap(), end);
            if broken {
                let reasons = vec!["firewall-inbound".to_owned()];
                assert_eq!(
                    fixture.standing(&begun).await,
                    StepUpStatus::Ended(StepUpResult::Unhealthy, reasons)
                );
                assert_eq!(fixture.audited().await[0].1["reasons"], json!(["firewall-inbound"]));
            }
        }
    }

    #[tokio::test]
    async fn revoked_or_reenrolled_device_approves_nothing() {
        let mut fixture = StepUpFixture::new().await;
        let (_, asking, options) = fixture.ready(Acr::HardwareKey).await;
        let held = fixture.at.enrolled(fixture.verifier()).await;
        attest(fixture.verifier().store().path(), &fixture.at.device, Attested::No).await;
        let tapped = fixture.key.get(&options, ORIGIN).unwrap();
        let tapped = StepUpAssertion { assertion: tapped };
        for device in [held, fixture.at.enrolled(fixture.verifier()).await] {
            let outcome = fixture.verifier().step_ups.assertion(&device, &asking.id, &tapped, NOW).await;
            assert_eq!(problem(outcome), AssertionInvalid);
        }

        let (begun, asking) = fixture.asked(Acr::HardwareKey).await;
        attest(fixture.verifier().store().path(), &fixture.at.device, Attested::Simulated).await;
        let evidence = fixture.at.evidence(&asking);
        let (_, options) = tap(fixture.verifier().step_ups.evidence(&asking.id, &evidence, NOW).await);
        let held = fixture.at.enrolled(fixture.verifier()).await;
        assert_eq!(fixture.at.hear(&fixture.lab.verifier, NOW).await.len(), 2);
        // As the command does it: another process with a separate connection.
        let other = Store::open(fixture.verifier().store().path()).await.unwrap();
        other.revoke_device(fixture.at.device.enrolment.unwrap(), "lost", NOW).await.unwrap();
        let tapped = StepUpAssertion { assertion: fixture.key.get(&options, ORIGIN).unwrap() };
        let outcome = fixture.verifier().step_ups.assertion(&held, &asking.id, &tapped, NOW).await;
        assert_eq!(problem(outcome), DeviceRevoked);
        let outcome = fixture.verifier().step_ups.evidence(&asking.id, &evidence, NOW).await;
        assert_eq!(problem(outcome), DeviceRevoked);
        assert!(matches!(fixture.standing(&begun).await, StepUpStatus::Pending { .. }));
        let bearer = fixture.at.session.bearer();
        let channel = fixture.verifier().step_ups.open_channel(Some(bearer.as_str()), None, NOW).await;
        assert_eq!(channel.err().map(|it| problem::<()>(Err(it))), Some(DeviceRevoked));
        let channel = fixture.at.channel.as_mut().unwrap();
        assert_eq!(
            fixture.lab.verifier.step_ups.events(channel, NOW).await.unwrap(),
            None,
            "and the open one ends"
        );
    }

    #[tokio::test]
    async fn expired_step_up_accepts_nothing() {
        let mut fixture = StepUpFixture::new().await;
        let (begun, asking, options) = fixture.ready(Acr::HardwareKey).await;
        let evidence = fixture.at.evidence(&asking);
        let late = NOW + SECONDS;
        assert_eq!(
            problem(fixture.verifier().step_ups.evidence(&asking.id, &evidence, late).await),
            StepUpOver
        );
        let tapped = fixture.key.get(&options, ORIGIN).unwrap();
        let outcome = fixture.at.assert(fixture.verifier(), &asking.id, tapped, late).await;
        assert_eq!(problem(outcome), StepUpOver);
        assert_eq!(fixture.standing(&begun).await, StepUpStatus::Ended(StepUpResult::TimedOut, vec![]));
        let heard = fixture.at.hear(&fixture.lab.verifier, late).await;
        let ended: StepUpClosed = serde_json::from_str(&heard[0].data).unwrap();
        assert_eq!(ended, StepUpClosed { step_up: asking.id, end: StepUpResult::TimedOut });
        assert_eq!(
            problem(fixture.at.give_up(fixture.verifier(), &asking.id, StepUpResult::Declined).await),
            StepUpOver
        );

        // An approval that is not fetched expires a minute later.
        let (begun, asking, options) = fixture.ready(Acr::HardwareKey).await;
        let tapped = fixture.key.get(&options, ORIGIN).unwrap();
        assert_eq!(fixture.assert(&asking.id, tapped).await.unwrap(), StepUpResult::Approved);
        let verifier = fixture.verifier();
        let standing = verifier.step_ups.status(CLIENT, &begun.auth_req_id, None, late + 61).await.unwrap();
        assert_eq!(standing, StepUpStatus::Ended(StepUpResult::TimedOut, vec![]));
        let standing = verifier.step_ups.status(CLIENT, &begun.auth_req_id, None, late + 60).await.unwrap();
        assert!(matches!(standing, StepUpStatus::Approved(_)));
    }

    #[tokio::test]
    async fn unknown_user_is_handled_like_an_unreachable_one() {
        let fixture = StepUpFixture::with(|config| config.limits.step_ups_per_client_and_user = 5).await;
        let verifier = fixture.verifier();
        verifier.store().add_user("nurse-9", NOW).await.unwrap();
        let mut begun = Vec::new();
        for (name, device) in [("unknown", false), ("nurse-9", false), (USER, false), ("unknown", true)] {
            let device = device.then_some(fixture.at.device.enrolment.unwrap());
            let asked = StepUpRequest { login_hint: name.into(), device, ..asked(Acr::HardwareKey) };
            begun.push(verifier.step_ups.request(asked, NOW).await.unwrap());
        }
        verifier.step_ups.maintain(NOW).await.unwrap();
        verifier.step_ups.maintain(NOW + DEVICE_SECONDS - 1).await.unwrap();
        for begun in &begun {
            let standing = verifier.step_ups.status(CLIENT, &begun.auth_req_id, None, NOW).await.unwrap();
            assert!(matches!(standing, StepUpStatus::Pending { .. }), "{standing:?}");
        }
        verifier.step_ups.maintain(NOW + DEVICE_SECONDS).await.unwrap();
        for begun in &begun {
            let standing = verifier.step_ups.status(CLIENT, &begun.auth_req_id, None, NOW).await.unwrap();
            assert_eq!(standing, StepUpStatus::Ended(StepUpResult::NoDevice, vec![]));
        }
        // As many as may wait for a person who is there.
        for _ in 0..5 {
            let asked = StepUpRequest { login_hint: "unknown".into(), ..asked(Acr::HardwareKey) };
            verifier.step_ups.request(asked, NOW).await.unwrap();
        }
        for (name, free) in [("unknown", false), (USER, true)] {
            let asked = StepUpRequest { login_hint: name.into(), ..asked(Acr::HardwareKey) };
            assert_eq!(verifier.step_ups.request(asked, NOW).await.is_ok(), free, "{name}");
        }
    }

    #[tokio::test]
    async fn devices_have_time_to_reconnect_after_restart() {
        let fixture = StepUpFixture::new().await;
        let begun = fixture.ask(Acr::HardwareKey).await;
        // A second verifier over the same store plays the restarted one.
        let again = Verifier::open(fixture.verifier().config().clone(), NOW).await.unwrap();
        let begins = NOW + DEVICE_SECONDS + 5;
        again.step_ups.maintain(begins).await.unwrap();
        let bearer = fixture.at.session.bearer();
        let mut channel = again.step_ups.open_channel(Some(bearer.as_str()), None, begins + 5).await.unwrap();
        let heard = again.step_ups.events(&mut channel, begins + 5).await.unwrap().unwrap();
        assert_eq!(Asking::of(&heard[0]).id, begun.step_up);
        assert_eq!(Asking::of(&heard[0]).asked.expires_seconds.get(), SECONDS - DEVICE_SECONDS - 10);
        drop(channel);
        again.step_ups.maintain(begins + 60).await.unwrap();
        let standing = again.step_ups.status(CLIENT, &begun.auth_req_id, None, begins + 60).await.unwrap();
        assert!(
            matches!(standing, StepUpStatus::Pending { .. }),
            "it was heard: the person may be on the way"
        );
        // It expires for every observer.
        again.step_ups.maintain(NOW + SECONDS).await.unwrap();
        assert_eq!(fixture.standing(&begun).await, StepUpStatus::Ended(StepUpResult::TimedOut, vec![]));
    }

    #[tokio::test]
    async fn the_first_device_wins_and_the_others_are_told() {
        let mut fixture = StepUpFixture::new().await;
        let mut second = fixture.another_station().await;
        second.listen(&fixture.lab.verifier, None, NOW).await;
        let (begun, asking) = fixture.asked(Acr::HardwareKey).await;
        let at_second = Asking::of(&second.hear(&fixture.lab.verifier, NOW).await[0]);
        assert_eq!(at_second.asked.transaction, asking.asked.transaction);
        assert_ne!(at_second.asked.nonce, asking.asked.nonce);
        // Evidence over the other device's nonce is refused.
        let swapped = second.evidence(&asking);
        assert_eq!(
            problem(fixture.verifier().step_ups.evidence(&asking.id, &swapped, NOW).await),
            ClaimsInvalid
        );
        // The first is not able to; the second is.
        let end = fixture.at.give_up(fixture.verifier(), &asking.id, StepUpResult::NoKey).await;
        assert_eq!(end.unwrap(), StepUpResult::NoKey);
        assert!(matches!(fixture.standing(&begun).await, StepUpStatus::Pending { .. }));
        let evidence = second.evidence(&at_second);
        let (_, options) = tap(fixture.verifier().step_ups.evidence(&asking.id, &evidence, NOW).await);
        let tapped = fixture.key.get(&options, ORIGIN).unwrap();
        let end = second.assert(fixture.verifier(), &asking.id, tapped, NOW).await;
        assert_eq!(end.unwrap(), StepUpResult::Approved);
        let StepUpStatus::Approved(approval) = fixture.standing(&begun).await else { panic!() };
        assert_eq!(Some(approval.device), second.device.enrolment);

        let (begun, asking, options) = fixture.ready(Acr::HardwareKey).await;
        let tapped = fixture.key.get(&options, ORIGIN).unwrap();
        assert_eq!(fixture.assert(&asking.id, tapped).await.unwrap(), StepUpResult::Approved);
        // What it had not taken yet is not asked any more.
        let heard = second.hear(&fixture.lab.verifier, NOW).await;
        let told = StepUpClosed { step_up: begun.step_up, end: StepUpResult::Superseded };
        assert_eq!(heard.len(), 1);
        assert_eq!(serde_json::from_str::<StepUpClosed>(&heard[0].data).unwrap(), told);
        assert_eq!(
            problem(second.give_up(fixture.verifier(), &asking.id, StepUpResult::Declined).await),
            StepUpOver
        );
    }

    #[tokio::test]
    async fn an_application_may_name_the_one_device() {
        let mut fixture = StepUpFixture::new().await;
        let mut second = fixture.another_station().await;
        let asked = StepUpRequest { device: second.device.enrolment, ..asked(Acr::HardwareKey) };
        fixture.verifier().step_ups.request(asked, NOW).await.unwrap();
        assert_eq!(second.hear(&fixture.lab.verifier, NOW).await.len(), 1);
        assert_eq!(fixture.at.hear(&fixture.lab.verifier, NOW).await, []);
    }

    #[tokio::test]
    async fn parallel_requests_have_independent_results() {
        let mut fixture = StepUpFixture::new().await;
        let (first, one, one_options) = fixture.ready(Acr::HardwareKey).await;
        let (second, two, two_options) = fixture.ready(Acr::HardwareKey).await;
        let tapped_two = fixture.key.get(&two_options, ORIGIN).unwrap();
        // Swapped, it is invalid for both.
        let tapped_one = fixture.key.get(&one_options, ORIGIN).unwrap();
        assert_eq!(fixture.assert(&one.id, tapped_two.clone()).await.unwrap(), StepUpResult::WrongKey);
        assert_eq!(problem(fixture.assert(&one.id, tapped_one).await), StepUpOver);
        assert_eq!(fixture.assert(&two.id, tapped_two).await.unwrap(), StepUpResult::Approved);
        assert_eq!(fixture.standing(&first).await, StepUpStatus::Ended(StepUpResult::WrongKey, vec![]));
        assert!(matches!(fixture.standing(&second).await, StepUpStatus::Approved(_)));
    }

    #[tokio::test]
    async fn concurrent_taps_yield_one_token() {
        let mut fixture = StepUpFixture::new().await;
        let (begun, asking, options) = fixture.ready(Acr::HardwareKey).await;
        let device = fixture.at.enrolled(fixture.verifier()).await;
        let taps: Vec<Value> = (0..8).map(|_| fixture.key.get(&options, ORIGIN).unwrap()).collect();
        let verifier = fixture.lab.verifier.clone();
        let sent = taps.into_iter().map(|assertion| {
            let (verifier, device) = (verifier.clone(), device.clone());
            tokio::spawn(async move {
                let assertion = StepUpAssertion { assertion };
                verifier.step_ups.assertion(&device, &asking.id, &assertion, NOW).await
            })
        });
        let mut approved = 0;
        for outcome in sent.collect::<Vec<_>>() {
            match outcome.await.unwrap() {
                Ok(outcome) => {
                    assert_eq!(outcome.end, StepUpResult::Approved);
                    approved += 1;
                }
                refused => assert_eq!(problem(refused), StepUpOver),
            }
        }
        assert_eq!(approved, 1);
        let asked = (0..8).map(|_| {
            let (verifier, request) = (verifier.clone(), begun.auth_req_id.clone());
            tokio::spawn(async move { verifier.step_ups.status(CLIENT, &request, None, NOW).await.unwrap() })
        });
        let mut given = Vec::new();
        for standing in asked.collect::<Vec<_>>() {
            match standing.await.unwrap() {
                StepUpStatus::Approved(approval) => given.push(approval),
                standing => panic!("{standing:?}"),
            }
        }
        // All of them have the same pair of tokens.
        given.dedup();
        assert_eq!(given.len(), 1);
        // Another key has none, and none are given a minute later.
        let status = |jkt, now| verifier.step_ups.status(CLIENT, &begun.auth_req_id, jkt, now);
        assert_eq!(status(Some("another"), NOW).await.unwrap(), StepUpStatus::Unknown);
        assert!(matches!(status(None, NOW + 60).await.unwrap(), StepUpStatus::Approved(_)));
        assert_eq!(status(None, NOW + 61).await.unwrap(), StepUpStatus::Unknown);
        assert_eq!(fixture.audited().await.len(), 1);
    }

    #[tokio::test]
    async fn device_reports_only_its_own_results() {
        for end in StepUpResult::ALL {
            let mut fixture = StepUpFixture::new().await;
            let (begun, asking) = fixture.asked(Acr::HardwareKey).await;
            let outcome = fixture.at.give_up(fixture.verifier(), &asking.id, end).await;
            if !end.is_the_devices_to_say() {
                assert_eq!(problem(outcome), ClaimsInvalid, "{end}");
                assert!(matches!(fixture.standing(&begun).await, StepUpStatus::Pending { .. }));
                continue;
            }
            assert_eq!(outcome.unwrap(), end);
            assert_eq!(
                fixture.at.give_up(fixture.verifier(), &asking.id, end).await.unwrap(),
                end,
                "lost answer"
            );
            assert_eq!(fixture.standing(&begun).await, StepUpStatus::Ended(end, vec![]));
            let audited = fixture.audited().await;
            assert_eq!(audited.len(), 1);
            assert_eq!(audited[0].1["end"], json!(end));
            assert_eq!(
                audited[0].1["alert"],
                if end == StepUpResult::NotMine { json!(true) } else { Value::Null }
            );
            let evidence = fixture.at.evidence(&asking);
            let late = fixture.verifier().step_ups.evidence(&asking.id, &evidence, NOW).await;
            assert_eq!(problem(late), StepUpOver);
        }
    }

    #[tokio::test]
    async fn only_the_requesting_client_sees_and_cancels() {
        let mut fixture = StepUpFixture::new().await;
        let (begun, asking) = fixture.asked(Acr::HardwareKey).await;
        let verifier = fixture.verifier();
        for (client, request) in [("pharmacy", begun.auth_req_id.as_str()), (CLIENT, "AAEC"), (CLIENT, "")] {
            assert_eq!(
                verifier.step_ups.status(client, request, None, NOW).await.unwrap(),
                StepUpStatus::Unknown
            );
            assert!(!verifier.step_ups.cancel(client, request, NOW).await.unwrap());
        }
        assert!(verifier.step_ups.cancel(CLIENT, &begun.auth_req_id, NOW).await.unwrap());
        assert!(!verifier.step_ups.cancel(CLIENT, &begun.auth_req_id, NOW).await.unwrap());
        assert_eq!(fixture.standing(&begun).await, StepUpStatus::Ended(StepUpResult::Cancelled, vec![]));
        let heard = fixture.at.hear(&fixture.lab.verifier, NOW).await;
        let told: StepUpClosed = serde_json::from_str(&heard[0].data).unwrap();
        assert_eq!(told, StepUpClosed { step_up: asking.id, end: StepUpResult::Cancelled });
    }

    #[tokio::test]
    async fn a_user_without_a_key_is_not_asked_to_tap() {
        let mut fixture = StepUpFixture::new().await;
        fixture.verifier().store().revoke_security_key(1, "lost", NOW).await.unwrap();
        let (begun, asking) = fixture.asked(Acr::HardwareKey).await;
        let evidence = fixture.at.evidence(&asking);
        let answer = fixture.verifier().step_ups.evidence(&asking.id, &evidence, NOW).await;
        assert_eq!(unhealthy(answer), ["security-key"]);
        assert_eq!(fixture.standing(&begun).await, StepUpStatus::Ended(StepUpResult::NoKey, vec![]));
    }

    #[tokio::test]
    async fn before_the_evidence_there_is_nothing_to_tap_for() {
        let mut fixture = StepUpFixture::new().await;
        let (_, _, options) = fixture.ready(Acr::HardwareKey).await;
        let (begun, asking) = fixture.asked(Acr::HardwareKey).await;
        let tapped = fixture.key.get(&options, ORIGIN).unwrap();
        assert_eq!(problem(fixture.assert(&asking.id, tapped).await), AssertionInvalid);
        assert!(matches!(fixture.standing(&begun).await, StepUpStatus::Pending { .. }));
    }

    #[tokio::test]
    async fn events_come_once_in_order_and_can_be_resumed() {
        let mut fixture = StepUpFixture::new().await;
        let asked = [fixture.ask(Acr::HardwareKey).await, fixture.ask(Acr::HardwareKey).await];
        let heard = fixture.at.hear(&fixture.lab.verifier, NOW).await;
        let ids: Vec<StepUpId> = heard.iter().map(|event| Asking::of(event).id).collect();
        assert_eq!(ids, [asked[0].step_up, asked[1].step_up]);
        assert!(heard[0].seq < heard[1].seq);
        assert_eq!(fixture.at.hear(&fixture.lab.verifier, NOW).await, []);
        for (after, left) in [(None, 2), (Some(heard[0].seq), 1), (Some(heard[1].seq), 0), (Some(0), 2)] {
            fixture.at.listen(&fixture.lab.verifier, after, NOW).await;
            assert_eq!(fixture.at.hear(&fixture.lab.verifier, NOW).await.len(), left, "{after:?}");
        }
        // After a restore of the store a device remembers more than there ever was.
        fixture.at.listen(&fixture.lab.verifier, Some(u64::MAX), NOW).await;
        fixture.ask(Acr::HardwareKey).await;
        assert_eq!(fixture.at.hear(&fixture.lab.verifier, NOW).await.len(), 1);
        // What is over is not told any more.
        fixture.at.listen(&fixture.lab.verifier, None, NOW + SECONDS).await;
        assert_eq!(fixture.at.hear(&fixture.lab.verifier, NOW + SECONDS).await, []);
    }

    #[tokio::test]
    async fn number_of_an_event_that_was_lost_is_not_used_again() {
        let mut fixture = StepUpFixture::new().await;
        fixture.ask(Acr::HardwareKey).await;
        let lost = fixture.at.hear(&fixture.lab.verifier, NOW).await.remove(0).seq;
        // A loss of power undoes what was not synced.
        let mut raw = connect(fixture.verifier().store().path()).await;
        for undo in ["DELETE FROM events", "UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'events'"] {
            sqlx::query(undo).execute(&mut raw).await.unwrap();
        }
        let again = Verifier::open(fixture.verifier().config().clone(), NOW).await.unwrap();
        again.step_ups.request(asked(Acr::HardwareKey), NOW).await.unwrap();
        fixture.at.listen(&again, Some(lost), NOW).await;
        assert_eq!(fixture.at.hear(&again, NOW).await.len(), 1);
    }

    #[tokio::test]
    async fn a_device_is_woken_and_has_one_channel() {
        let mut fixture = StepUpFixture::with(|config| config.limits.event_channels = Some(1)).await;
        let other = Station::enrol(&fixture.lab, Attested::Simulated).await;
        fixture.at.listen(&fixture.lab.verifier, None, NOW).await;
        let mut first = fixture.at.channel.take().unwrap();
        let bearer = other.session.bearer();
        let full = fixture.verifier().step_ups.open_channel(Some(bearer.as_str()), None, NOW).await;
        assert_eq!(full.err().map(|it| problem::<()>(Err(it))), Some(Busy));
        fixture.at.listen(&fixture.lab.verifier, None, NOW).await;
        first.woken().await;
        assert_eq!(
            fixture.verifier().step_ups.events(&mut first, NOW).await.unwrap(),
            None,
            "the newer one took its place"
        );
        drop(first);
        let channel = fixture.at.channel.take().unwrap();
        let ask = {
            let verifier = fixture.lab.verifier.clone();
            async move { verifier.step_ups.request(asked(Acr::Epcs), NOW).await }
        };
        let ((), begun) = tokio::join!(channel.woken(), ask);
        begun.unwrap();
        drop(channel);
        let mut channel =
            fixture.verifier().step_ups.open_channel(Some(bearer.as_str()), None, NOW).await.unwrap();
        // A session ends its channel, and so does the verifier's own end.
        let until = channel.expires();
        assert!(fixture.verifier().step_ups.events(&mut channel, until - 1).await.unwrap().is_some());
        assert_eq!(fixture.verifier().step_ups.events(&mut channel, until).await.unwrap(), None);
        fixture.verifier().step_ups.close_channels();
        channel.woken().await;
        assert_eq!(fixture.verifier().step_ups.events(&mut channel, NOW).await.unwrap(), None);
        let closed = fixture.verifier().step_ups.open_channel(Some(bearer.as_str()), None, NOW).await;
        assert_eq!(closed.err().map(|it| problem::<()>(Err(it))), Some(Busy));
    }

    #[tokio::test]
    async fn event_of_another_process_wakes_a_device() {
        let mut fixture = StepUpFixture::new().await;
        fixture.at.listen(&fixture.lab.verifier, None, NOW).await;
        fixture.verifier().step_ups.maintain(NOW).await.unwrap();
        let other = Arc::new(Verifier::open(fixture.verifier().config().clone(), NOW).await.unwrap());
        other.step_ups.request(asked(Acr::HardwareKey), NOW).await.unwrap();
        fixture.verifier().step_ups.maintain(NOW + 1).await.unwrap();
        fixture.at.channel.as_ref().unwrap().woken().await;
        assert_eq!(fixture.at.hear(&fixture.lab.verifier, NOW + 1).await.len(), 1);
    }

    #[tokio::test]
    async fn closed_step_ups_are_deleted_after_a_day() {
        let mut fixture = StepUpFixture::new().await;
        let (_, asking, options) = fixture.ready(Acr::HardwareKey).await;
        let tapped = fixture.key.get(&options, ORIGIN).unwrap();
        assert_eq!(fixture.assert(&asking.id, tapped).await.unwrap(), StepUpResult::Approved);
        let late = NOW + SECONDS + 86_401;
        fixture.verifier().step_ups.maintain(late).await.unwrap();
        let evidence = fixture.at.evidence(&asking);
        assert_eq!(
            problem(fixture.verifier().step_ups.evidence(&asking.id, &evidence, late).await),
            StepUpUnknown
        );
        assert!(fixture.verifier().store().audit_of_step_up(&asking.id).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_policy_that_fails_refuses() {
        for (package, rule, loads) in [
            // It contradicts itself when there is a check; it answers nothing then; it answers something else.
            ("step_up", "refused := {\"a\"}\nrefused := {\"b\"} if input.device.checks[\"lock-idle\"]", true),
            ("step_up", "refused := {\"a\"} if not input.device.checks[\"lock-idle\"]", true),
            (
                "step_up",
                "refused := {1 | input.device.checks[\"lock-idle\"]} | {\"a\" | count(input.device.checks) == 0}",
                true,
            ),
            // It refuses nothing; it has another name; it is not Rego; it has no answer.
            ("step_up", "refused := set()", false),
            ("step_upp", "refused := {\"a\"}", false),
            ("step_up", "refused :=", false),
            ("step_up", "allowed := true", false),
        ] {
            let rego = format!("package vitalsign.{package}\nimport rego.v1\n{rule}\n");
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &rego).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let mut config = super::support::config(folder.path());
            config.step_up_policy = Some(file.path().to_owned());
            assert_eq!(Verifier::open(config, NOW).await.is_ok(), loads, "{rego}");
            if loads {
                let mut fixture =
                    StepUpFixture::with(|it| it.step_up_policy = Some(file.path().to_owned())).await;
                let (begun, asking) = fixture.asked(Acr::HardwareKey).await;
                let evidence = fixture.at.evidence(&asking);
                let answer = fixture.verifier().step_ups.evidence(&asking.id, &evidence, NOW).await;
                assert_eq!(unhealthy(answer), ["policy"]);
                let reasons = vec!["policy".to_owned()];
                assert_eq!(
                    fixture.standing(&begun).await,
                    StepUpStatus::Ended(StepUpResult::Unhealthy, reasons)
                );
            }
        }
    }
}
