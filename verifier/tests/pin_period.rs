//! PIN once per shift: taps at the level badge that rest on an earlier tap with a PIN, and what ends that.

mod support;

#[cfg(test)]
mod tests {
    use super::support::NOW;
    use super::support::step_up::*;
    use serde_json::{Value, json};
    use vitalsign_protocol::fact::Fact;
    use vitalsign_protocol::id::{PinPeriodId, StepUpId};
    use vitalsign_protocol::step_up::*;
    use vitalsign_verifier::audit::prove::{Exported, Findings, Proven, prove};
    use vitalsign_verifier::step_up::{Approval, StepUpRequest, StepUpStatus};
    use vitalsign_verifier::store::client::Client;
    use vitalsign_webauthn::testing::SoftKey;

    const PERIOD: PinPeriodId = PinPeriodId([7; 16]);
    const HOUR: u64 = 3600;
    /// A policy that says nothing about user verification, nor about the PIN.
    const LAX_POLICY: &str = "package vitalsign.step_up\nimport rego.v1\n\
        refused contains \"no\" if input.acr == \"urn:vitalsign:acr:epcs\"\n";

    /// End of a tap, and what the verifier asked the key for.
    #[derive(Debug)]
    struct Tap {
        /// Time of the PIN, where it was not asked for.
        pin_entered: Option<u64>,
        end: StepUpResult,
        approval: Option<Box<Approval>>,
    }

    impl Tap {
        fn amr(&self) -> Vec<&str> {
            self.approval.as_ref().unwrap().amr.iter().map(String::as_str).collect()
        }
    }

    /// A healthy device with a PIN period, and an application that may use the level badge.
    struct Shift {
        fixture: StepUpFixture,
        now: u64,
    }

    impl Shift {
        async fn begin() -> Self {
            Self::with(|_| {}).await
        }

        async fn with(change: impl FnOnce(&mut vitalsign_verifier::config::Config)) -> Self {
            let mut fixture = StepUpFixture::with(|config| {
                // The device's session outlasts a shift.
                config.nonce_seconds = 24 * HOUR;
                change(config);
            })
            .await;
            attest(fixture.verifier().store().path(), &fixture.at.device, Attested::Genuine).await;
            fixture.at.device.posture = healthy();
            fixture.at.pin_period = Some(PERIOD);
            Self { fixture, now: NOW }
        }

        /// A verifier with this step-up policy.
        async fn with_policy(rego: &str) -> Self {
            Self::with(|config| {
                let file = config.data.join("step_up.rego");
                std::fs::write(&file, rego).unwrap();
                config.step_up_policy = Some(file);
            })
            .await
        }

        async fn ask(&mut self, acr: Acr) -> (StepUpId, String) {
            self.ask_as(StepUpRequest { ..asked(acr) }).await
        }

        async fn ask_as(&mut self, request: StepUpRequest) -> (StepUpId, String) {
            let begun = self.fixture.verifier().step_ups.request(request, self.now).await.unwrap();
            (begun.step_up, begun.auth_req_id)
        }

        /// Returns the newest step-up that the device hears of.
        async fn hear(&mut self) -> Asking {
            let events = self.fixture.at.hear(&self.fixture.lab.verifier, self.now).await;
            Asking::of(events.iter().rfind(|event| event.name == event::STEP_UP).unwrap())
        }

        /// Sends evidence, and returns the options for the key and the time of the PIN.
        async fn prepare(&mut self) -> (Asking, Value, Option<u64>) {
            let asking = self.hear().await;
            let evidence = self.fixture.at.evidence(&asking);
            let answer = self.fixture.verifier().step_ups.evidence(&asking.id, &evidence, self.now).await;
            let StepUpNext::Tap { options, pin_entered, .. } = answer.unwrap().next else {
                panic!("refused")
            };
            let wanted = if pin_entered.is_some() { "discouraged" } else { "required" };
            assert_eq!(options["userVerification"], wanted);
            (asking, options, pin_entered)
        }

        async fn assert(&mut self, id: &StepUpId, assertion: Value) -> StepUpResult {
            self.fixture.at.assert(&self.fixture.lab.verifier, id, assertion, self.now).await.unwrap()
        }

        /// Taps as a key does that is asked for the PIN, or not.
        async fn tap(&mut self, acr: Acr) -> Tap {
            self.tap_as(asked(acr), None).await
        }

        /// Taps with this key, which does what it likes about the PIN.
        async fn tap_as(&mut self, request: StepUpRequest, key: Option<&mut SoftKey>) -> Tap {
            let client = request.client.clone();
            let (_, auth_req_id) = self.ask_as(request).await;
            let (asking, options, pin_entered) = self.prepare().await;
            let assertion = match key {
                Some(key) => key.get(&options, ORIGIN).unwrap(),
                None => {
                    self.fixture.key.user_verified = pin_entered.is_none();
                    self.fixture.key.get(&options, ORIGIN).unwrap()
                }
            };
            let end = self.assert(&asking.id, assertion).await;
            let status = self.fixture.verifier().step_ups.status(&client, &auth_req_id, None, self.now).await;
            let approval = match status.unwrap() {
                StepUpStatus::Approved(approval) => Some(approval),
                _ => None,
            };
            Tap { pin_entered, end, approval }
        }

        /// A tap with a PIN, on which others may rest from now on.
        async fn enter_pin(&mut self) -> Tap {
            let tap = self.tap(Acr::HardwareKey).await;
            assert_eq!((tap.end, tap.pin_entered), (StepUpResult::Approved, None));
            tap
        }

        async fn needs_pin(&mut self, why: &str) {
            let tap = self.tap(Acr::Badge).await;
            assert_eq!((tap.end, tap.pin_entered), (StepUpResult::Approved, None), "{why}");
            assert_eq!(tap.amr(), ["hwk", "user", "mfa"], "{why}");
        }

        async fn needs_no_pin(&mut self, why: &str) {
            let tap = self.tap(Acr::Badge).await;
            assert_eq!(tap.end, StepUpResult::Approved, "{why}");
            assert!(tap.pin_entered.is_some(), "{why}");
            assert_eq!(tap.amr(), ["hwk", "user"], "{why}");
        }

        /// Another user of the device, with a registered key.
        async fn another_person(&mut self) -> SoftKey {
            let mut key = self.fixture.maker.key();
            register(&self.fixture.lab.verifier, "nurse-8", &self.fixture.at, &mut key).await;
            key
        }

        async fn export(&self, seq: u64) -> Exported {
            self.fixture.verifier().audit.export(seq, self.now).await.unwrap().unwrap()
        }
    }

    #[tokio::test]
    async fn pin_once_suffices_for_three_taps() {
        let mut shift = Shift::begin().await;
        let first = shift.tap(Acr::Badge).await;
        assert_eq!((first.end, first.pin_entered), (StepUpResult::Approved, None));
        assert_eq!(first.amr(), ["hwk", "user", "mfa"]);
        for minutes in [1, 60, 239] {
            shift.now = NOW + minutes * 60;
            let tap = shift.tap(Acr::Badge).await;
            assert_eq!((tap.end, tap.pin_entered), (StepUpResult::Approved, Some(NOW)), "{minutes}");
            assert_eq!(tap.amr(), ["hwk", "user"]);
            let approval = tap.approval.unwrap();
            assert_eq!((approval.acr, approval.auth_time), (Acr::Badge, shift.now));
            assert_eq!(approval.rests_on, first.approval.as_ref().map(|first| first.audit));
        }
    }

    #[tokio::test]
    async fn only_the_lowest_level_rests_on_an_earlier_pin() {
        let mut shift = Shift::begin().await;
        shift.enter_pin().await;
        for acr in [Acr::HardwareKey, Acr::HealthyDevice, Acr::Epcs] {
            // A hostile agent ignores the options and has the key sign without the PIN.
            let mut key = std::mem::replace(&mut shift.fixture.key, shift.fixture.maker.key());
            key.user_verified = false;
            let tap = shift.tap_as(asked(acr), Some(&mut key)).await;
            assert_eq!((tap.end, tap.pin_entered), (StepUpResult::WrongKey, None), "{acr:?}");
            key.user_verified = true;
            let tap = shift.tap_as(asked(acr), Some(&mut key)).await;
            assert_eq!((tap.end, tap.amr()), (StepUpResult::Approved, vec!["hwk", "user", "mfa"]), "{acr:?}");
            shift.fixture.key = key;
            shift.needs_no_pin("the PIN was entered in the last tap").await;
        }
    }

    #[tokio::test]
    async fn no_policy_saves_the_verification_of_the_user() {
        let never = format!("{LAX_POLICY}pin_required contains \"never\" if input.acr == \"\"\n");
        let mut shift = Shift::with_policy(&never).await;
        let mut key = std::mem::replace(&mut shift.fixture.key, shift.fixture.maker.key());
        for (acr, enters_pin) in [
            (Acr::Badge, false),
            (Acr::HardwareKey, false),
            (Acr::HardwareKey, true),
            (Acr::HealthyDevice, true),
        ] {
            if enters_pin {
                key.user_verified = true;
                let tap = shift.tap_as(asked(Acr::HardwareKey), Some(&mut key)).await;
                assert_eq!(tap.end, StepUpResult::Approved);
            }
            key.user_verified = false;
            let tap = shift.tap_as(asked(acr), Some(&mut key)).await;
            assert_eq!((tap.end, tap.pin_entered), (StepUpResult::WrongKey, None), "{acr:?}");
        }
        shift.fixture.key = key;
        // The boot counts although no check of this policy looks at it.
        shift.enter_pin().await;
        shift.needs_no_pin("the same boot").await;
        shift.fixture.at.boot_count = Some(8);
        shift.needs_pin("another boot").await;
    }

    #[tokio::test]
    async fn every_end_of_the_period_needs_the_pin() {
        type End = (&'static str, fn(&mut Shift));
        let ends: &[End] = &[
            ("another period", |shift| shift.fixture.at.pin_period = Some(PinPeriodId([8; 16]))),
            ("no period", |shift| shift.fixture.at.pin_period = None),
            ("another boot", |shift| shift.fixture.at.boot_count = Some(8)),
            ("no boot count", |shift| shift.fixture.at.boot_count = None),
            ("too long ago", |shift| shift.now = NOW + 4 * HOUR + 1),
            ("the verifier's clock was set back", |shift| shift.now = NOW - 1),
            ("an unhealthy device", |shift| {
                shift.fixture.at.device.posture.firewall.inbound_blocked = Fact::Known(false);
            }),
        ];
        for (why, end) in ends {
            let mut shift = Shift::begin().await;
            shift.enter_pin().await;
            shift.needs_no_pin("before the end").await;
            end(&mut shift);
            shift.needs_pin(why).await;
        }
        // A period is not ended by less.
        let mut shift = Shift::begin().await;
        shift.enter_pin().await;
        shift.now = NOW + 4 * HOUR;
        shift.needs_no_pin("exactly four hours").await;
    }

    #[tokio::test]
    async fn another_persons_tap_ends_the_period() {
        let mut shift = Shift::begin().await;
        let mut other = shift.another_person().await;
        shift.enter_pin().await;
        let by_other = StepUpRequest { login_hint: "nurse-8".into(), ..asked(Acr::Badge) };
        let tap = shift.tap_as(by_other.clone(), Some(&mut other)).await;
        assert_eq!(
            (tap.end, tap.pin_entered),
            (StepUpResult::Approved, None),
            "the PIN was another person's"
        );
        shift.needs_pin("another person has tapped").await;
        // Outside of a period, a tap ends the one before as well.
        shift.fixture.at.pin_period = None;
        let tap = shift.tap_as(by_other, Some(&mut other)).await;
        assert_eq!(tap.end, StepUpResult::Approved);
        shift.fixture.at.pin_period = Some(PERIOD);
        shift.needs_pin("another person has tapped without a period").await;
    }

    #[tokio::test]
    async fn refused_tap_and_alert_end_the_period() {
        let mut shift = Shift::begin().await;
        shift.enter_pin().await;
        let mut stranger = shift.fixture.maker.key();
        let (_, _) = shift.ask(Acr::HardwareKey).await;
        let (asking, options, _) = shift.prepare().await;
        let mut create = json!({ "rp": { "id": "localhost" }, "challenge": options["challenge"] });
        create["user"] = json!({ "id": "AA" });
        let created = stranger.create(&create, ORIGIN);
        let mut bent = options.clone();
        bent["allowCredentials"] = json!([{ "type": "public-key", "id": created["id"] }]);
        let assertion = stranger.get(&bent, ORIGIN).unwrap();
        assert_eq!(shift.assert(&asking.id, assertion).await, StepUpResult::WrongKey);
        shift.needs_pin("a key that is not registered was tapped").await;

        shift.needs_no_pin("after the PIN").await;
        shift.ask(Acr::HardwareKey).await;
        let asking = shift.hear().await;
        let end = shift.fixture.at.give_up(&shift.fixture.lab.verifier, &asking.id, StepUpResult::NotMine);
        assert_eq!(end.await.unwrap(), StepUpResult::NotMine);
        shift.needs_pin("the person at the device did not ask for a step-up").await;
    }

    #[tokio::test]
    async fn revoked_key_needs_the_pin_of_another() {
        let mut shift = Shift::begin().await;
        shift.enter_pin().await;
        let store = shift.fixture.verifier().store();
        let user = store.user(USER).await.unwrap().unwrap();
        let first = store.security_keys(user.id).await.unwrap()[0].id;
        let mut second = shift.fixture.maker.key();
        register(&shift.fixture.lab.verifier, USER, &shift.fixture.at, &mut second).await;

        // Revoked before the request.
        let mut revoked = Shift::begin().await;
        revoked.enter_pin().await;
        let mut other = revoked.fixture.maker.key();
        register(&revoked.fixture.lab.verifier, USER, &revoked.fixture.at, &mut other).await;
        let store = revoked.fixture.verifier().store();
        let owner = store.user(USER).await.unwrap().unwrap();
        let key = store.security_keys(owner.id).await.unwrap()[0].id;
        assert!(store.revoke_security_key(key, "lost", NOW).await.unwrap().is_some());
        revoked.ask(Acr::Badge).await;
        assert_eq!(revoked.prepare().await.2, None, "the key was revoked");

        // Offered before the revocation, tapped after it.
        shift.ask(Acr::Badge).await;
        let (asking, options, pin_entered) = shift.prepare().await;
        assert_eq!(pin_entered, Some(NOW));
        shift.fixture.key.user_verified = false;
        let assertion = shift.fixture.key.get(&options, ORIGIN).unwrap();
        let revoked = shift.fixture.verifier().store().revoke_security_key(first, "lost", NOW).await.unwrap();
        assert!(revoked.is_some());
        assert_eq!(shift.assert(&asking.id, assertion).await, StepUpResult::WrongKey);

        let tap = shift.tap_as(asked(Acr::Badge), Some(&mut second)).await;
        assert_eq!((tap.end, tap.pin_entered), (StepUpResult::Approved, None));
    }

    #[tokio::test]
    async fn period_that_ends_before_the_tap_counts_no_more() {
        type End = (&'static str, fn(&mut Shift));
        let ends: &[End] = &[("time", |shift| shift.now = NOW + 4 * HOUR + 30), ("nothing", |_| {})];
        for (what, end) in ends {
            let mut shift = Shift::begin().await;
            shift.enter_pin().await;
            shift.now = NOW + 4 * HOUR - 30;
            shift.ask(Acr::Badge).await;
            let (asking, options, pin_entered) = shift.prepare().await;
            assert_eq!(pin_entered, Some(NOW), "{what}");
            shift.fixture.key.user_verified = false;
            let assertion = shift.fixture.key.get(&options, ORIGIN).unwrap();
            end(&mut shift);
            let wanted = if *what == "nothing" { StepUpResult::Approved } else { StepUpResult::WrongKey };
            assert_eq!(shift.assert(&asking.id, assertion).await, wanted, "{what}");
        }
    }

    #[tokio::test]
    async fn tap_that_was_asked_with_pin_needs_it() {
        let mut shift = Shift::begin().await;
        // Asked before there was a PIN, tapped without one after another tap with it.
        shift.ask(Acr::Badge).await;
        let (asking, options, pin_entered) = shift.prepare().await;
        assert_eq!(pin_entered, None);
        shift.enter_pin().await;
        shift.fixture.key.user_verified = false;
        let assertion = shift.fixture.key.get(&options, ORIGIN).unwrap();
        assert_eq!(shift.assert(&asking.id, assertion).await, StepUpResult::WrongKey);
    }

    #[tokio::test]
    async fn second_key_of_the_same_person_needs_its_pin() {
        let mut shift = Shift::begin().await;
        let mut second = shift.fixture.maker.key();
        register(&shift.fixture.lab.verifier, USER, &shift.fixture.at, &mut second).await;
        let (first_id, _) = shift.fixture.key.credentials().remove(0);
        shift.enter_pin().await;
        shift.ask(Acr::Badge).await;
        let (asking, options, _) = shift.prepare().await;
        let first = vitalsign_protocol::id::Base64Url(first_id);
        assert_eq!(options["allowCredentials"][0]["id"], serde_json::to_value(first).unwrap());
        second.user_verified = false;
        let assertion = second.get(&options, ORIGIN).unwrap();
        assert_eq!(shift.assert(&asking.id, assertion).await, StepUpResult::WrongKey);

        shift.enter_pin().await;
        second.user_verified = true;
        let tap = shift.tap_as(asked(Acr::Badge), Some(&mut second)).await;
        assert_eq!(tap.amr(), ["hwk", "user", "mfa"], "it verified its user although that was discouraged");
    }

    #[tokio::test]
    async fn period_of_another_device_is_none_here() {
        let mut shift = Shift::begin().await;
        shift.enter_pin().await;
        // A hostile agent of another device, of the same user, repeats the period.
        let mut other = shift.fixture.another_station().await;
        attest(shift.fixture.verifier().store().path(), &other.device, Attested::Genuine).await;
        other.device.posture = healthy();
        other.pin_period = Some(PERIOD);
        let home = std::mem::replace(&mut shift.fixture.at, other);
        shift.needs_pin("the PIN was entered at another device").await;
        shift.fixture.at = home;
        shift.needs_no_pin("at the device").await;
    }

    #[tokio::test]
    async fn reenrolled_device_needs_the_pin() {
        let mut shift = Shift::begin().await;
        shift.enter_pin().await;
        // Advances the generation, as another enrolment does.
        attest(shift.fixture.verifier().store().path(), &shift.fixture.at.device, Attested::Genuine).await;
        shift.needs_pin("another generation").await;
    }

    #[tokio::test]
    async fn level_needs_permission_and_hours() {
        let mut shift = Shift::with(|config| config.step_up.pin_hours = 0).await;
        shift.enter_pin().await;
        shift.needs_pin("pin_hours is 0").await;

        let mut shift = Shift::begin().await;
        shift.enter_pin().await;
        let pharmacy = StepUpRequest { client: "pharmacy".into(), ..asked(Acr::Badge) };
        let tap = shift.tap_as(pharmacy, None).await;
        assert_eq!((tap.end, tap.pin_entered), (StepUpResult::Approved, None), "no permission");
        shift.needs_no_pin("the permitted application").await;
        let deny = |client: &mut Client| client.settings.badge = false;
        shift.fixture.verifier().store().configure_client(CLIENT, deny, NOW).await.unwrap().unwrap();
        shift.needs_pin("the permission was withdrawn").await;
    }

    #[tokio::test]
    async fn policy_without_the_rule_always_requires_the_pin() {
        let mut shift = Shift::with_policy(LAX_POLICY).await;
        shift.enter_pin().await;
        shift.needs_pin("an older policy").await;
    }

    #[tokio::test]
    async fn lost_answer_is_repeated_with_the_same_pin() {
        let mut shift = Shift::begin().await;
        shift.enter_pin().await;
        shift.ask(Acr::Badge).await;
        let asking = shift.hear().await;
        let evidence = shift.fixture.at.evidence(&asking);
        let step_ups = &shift.fixture.lab.verifier.step_ups;
        let first = step_ups.evidence(&asking.id, &evidence, NOW).await.unwrap();
        assert_eq!(step_ups.evidence(&asking.id, &evidence, NOW).await.unwrap(), first);
        assert!(matches!(first.next, StepUpNext::Tap { pin_entered: Some(_), .. }));
        let late = step_ups.evidence(&asking.id, &evidence, NOW + 100).await.unwrap();
        assert!(matches!(late.next, StepUpNext::Tap { pin_entered: Some(_), .. }));
    }

    fn broken(findings: &Findings) -> Vec<String> {
        let invalid = findings.links.iter().filter(|link| link.ok != Some(true));
        invalid.map(|link| format!("{}: {}", link.link, link.why.as_deref().unwrap_or("?"))).collect()
    }

    #[tokio::test]
    async fn approval_is_proven_with_the_entry_of_its_pin() {
        let mut shift = Shift::begin().await;
        let first = shift.enter_pin().await;
        let with_pin = first.approval.unwrap().audit;
        shift.now = NOW + HOUR;
        let tap = shift.tap(Acr::Badge).await.approval.unwrap();
        let other = {
            shift.now = NOW + 2 * HOUR;
            shift.enter_pin().await.approval.unwrap().audit
        };
        let exported = shift.export(tap.audit).await;
        let findings = prove(&exported);
        assert_eq!(broken(&findings), Vec::<String>::new());
        assert_eq!(findings.links.len(), 13);
        let says = serde_json::to_value(&findings.says).unwrap();
        assert_eq!(says["pin"], json!({ "seq": with_pin, "time": NOW }));

        // Read back from a file.
        let text = serde_json::to_string(&exported).unwrap();
        assert_eq!(serde_json::from_str::<Exported>(&text).unwrap(), exported);

        let pin = |changed: &Exported| {
            let broken = broken(&prove(changed));
            assert_eq!(broken.len(), 1, "{broken:?}");
            broken.into_iter().next().unwrap_or_default()
        };
        let without = Exported { rests_on: None, ..exported.clone() };
        assert!(pin(&without).starts_with("pin: the earlier entry is not in the export"));
        let another = Exported { rests_on: Some(Box::new(shift.export(other).await)), ..exported.clone() };
        assert!(pin(&another).starts_with("pin: another earlier entry"));
        let mut changed = exported.clone();
        changed.rests_on.as_mut().unwrap().body.push(' ');
        assert!(pin(&changed).starts_with("pin: the earlier entry is not proven: audit-log"));
        // An attacker who rewrites the log cannot call a touch verified.
        let mut proven: Proven = serde_json::from_str(&exported.body).unwrap();
        proven.rests_on = None;
        let mut changed =
            Exported { body: serde_json::to_string(&proven).unwrap(), rests_on: None, ..exported };
        forge_log(&mut changed);
        assert_eq!(broken(&prove(&changed)), ["user: the security key did not verify who touched it"]);
    }
}
