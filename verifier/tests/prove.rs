//! Proving an approval from its audit entry alone; and what is said when one of its parts was changed.

mod support;

#[cfg(test)]
mod tests {
    use super::support::NOW;
    use super::support::step_up::*;
    use serde_json::Value;
    use std::sync::Arc;
    use vitalsign_protocol::id::Base64Url;
    use vitalsign_protocol::step_up::{Acr, StepUpResult};
    use vitalsign_verifier::Verifier;
    use vitalsign_verifier::audit::prove::{Exported, KnownKeys, Proven, prove, prove_with};
    use vitalsign_verifier::config::Config;
    use vitalsign_verifier::step_up::StepUpStatus;

    async fn approved() -> (StepUpFixture, Exported) {
        let mut fixture = StepUpFixture::new().await;
        let (begun, asking, options) = fixture.ready(Acr::HardwareKey).await;
        let tapped = fixture.key.get(&options, ORIGIN).unwrap();
        assert_eq!(fixture.assert(&asking.id, tapped).await.unwrap(), StepUpResult::Approved);
        let StepUpStatus::Approved(approval) = fixture.standing(&begun).await else { panic!() };
        let store = fixture.verifier().store();
        assert_eq!(store.audit_of_step_up(&begun.step_up).await.unwrap(), Some(approval.audit));
        let exported = fixture.verifier().audit.export(approval.audit, NOW).await.unwrap().unwrap();
        (fixture, exported)
    }

    /// The links that do not hold; `?` before one that could not be looked at.
    fn broken(exported: &Exported) -> Vec<String> {
        let findings = prove(exported);
        let broken: Vec<String> = (findings.links.iter())
            .filter_map(|link| match link.ok {
                Some(true) => None,
                Some(false) => Some(link.link.to_owned()),
                None => Some(format!("?{}", link.link)),
            })
            .collect();
        assert_eq!(findings.is_proven(), broken.is_empty());
        broken
    }

    /// Change, and the links that it breaks besides the log's own.
    type Case = (&'static str, fn(&mut Exported, &mut Proven), &'static [&'static str]);

    fn flip(bytes: &mut Base64Url) {
        let middle = bytes.0.len() / 2;
        bytes.0[middle] ^= 1;
    }

    /// A flipped bit in a value of the client data, which stay JSON.
    fn flip_client_data(proven: &mut Proven, member: &str) {
        let bytes = &mut proven.proof.client_data_json.0;
        let text = String::from_utf8(bytes.clone()).unwrap();
        let at = text.find(&format!("\"{member}\":\"")).unwrap() + member.len() + 6;
        bytes[at] ^= 1;
    }

    #[tokio::test]
    async fn changed_byte_breaks_its_own_proof_link() {
        let cases: &[Case] = &[
            (
                "the evidence's signature",
                |it, _| *it.evidence.0.last_mut().unwrap() ^= 1,
                &[
                    "evidence-signature",
                    "verdict",
                    "challenge",
                    "?origin",
                    "?relying-party",
                    "?signature",
                    "?user",
                ],
            ),
            (
                "the evidence, within what it says",
                |it, _| {
                    let len = it.evidence.0.len();
                    // Within the payload: the text of a fact.
                    let at = it.evidence.0.windows(6).rposition(|part| part == b"debian").unwrap_or(len - 80);
                    it.evidence.0[at] ^= 1;
                },
                &[
                    "evidence-signature",
                    "verdict",
                    "challenge",
                    "?origin",
                    "?relying-party",
                    "?signature",
                    "?user",
                ],
            ),
            (
                "the transaction's message",
                |_, it| it.transaction = it.transaction.replace("4711", "4710"),
                &["evidence-transaction", "challenge", "?origin", "?relying-party", "?signature", "?user"],
            ),
            (
                "the transaction's level",
                |_, it| it.transaction = it.transaction.replace("acr:hardware-key", "acr:epcs"),
                &[
                    "transaction",
                    "evidence-transaction",
                    "challenge",
                    "?origin",
                    "?relying-party",
                    "?signature",
                    "?user",
                ],
            ),
            (
                "the challenge",
                |_, it| flip_client_data(it, "challenge"),
                &["challenge", "?origin", "?relying-party", "?signature", "?user"],
            ),
            (
                "R",
                |_, it| it.random.0[31] ^= 1,
                &["challenge", "?origin", "?relying-party", "?signature", "?user"],
            ),
            (
                "the origin in the client data",
                |_, it| flip_client_data(it, "origin"),
                &["origin", "?relying-party", "?signature", "?user"],
            ),
            (
                "the origin that it was to be",
                |_, it| it.origin.push('x'),
                &["origin", "?relying-party", "?signature", "?user"],
            ),
            (
                "the relying party that it was for",
                |_, it| it.proof.authenticator_data.0[0] ^= 1,
                &["relying-party", "?signature", "?user"],
            ),
            ("the relying party", |_, it| it.rp_id.push('x'), &["relying-party", "?signature", "?user"]),
            ("the user's presence", |_, it| it.proof.authenticator_data.0[32] ^= 1, &["signature", "?user"]),
            (
                "the user's verification",
                |_, it| it.proof.authenticator_data.0[32] ^= 4,
                &["signature", "?user"],
            ),
            ("the security key's signature", |_, it| flip(&mut it.proof.signature), &["signature", "?user"]),
            (
                "the credential's public key",
                |_, it| *it.proof.public_key.0.last_mut().unwrap() ^= 1,
                &["signature", "?user"],
            ),
            ("the device's report key", |_, it| it.report_key.0[64] ^= 1, &["evidence-signature"]),
            ("the verdict", |_, it| it.ear = it.ear.replacen('.', ".e", 1), &["verdict"]),
            ("the key that signed the verdict", |_, it| it.ear_keys.keys.clear(), &["verdict"]),
            ("the device", |it, _| it.device.0[0] ^= 1, &["evidence-device", "verdict"]),
            ("the person", |_, it| it.user = "nurse-8".into(), &["transaction"]),
        ];
        let (fixture, good) = approved().await;
        let key = fixture.verifier().audit.key();
        let known = KnownKeys { log: vec![key], witnesses: Vec::new() };
        assert!(prove_with(&good, &known).is_proven());
        assert_eq!(broken(&good), Vec::<String>::new());
        assert_eq!(hash(&good), good.hash);
        for (name, change, expected) in cases {
            let mut changed = good.clone();
            let mut proven: Proven = serde_json::from_str(&changed.body).unwrap();
            change(&mut changed, &mut proven);
            changed.body = serde_json::to_string(&proven).unwrap();
            // In the stored log, the log's own link breaks as well.
            let in_log: Vec<&str> = ["audit-log"].into_iter().chain(expected.iter().copied()).collect();
            assert_eq!(broken(&changed), in_log, "{name}");
            // An attacker who has a log still cannot forge the other links.
            forge_log(&mut changed);
            assert_eq!(broken(&changed), *expected, "{name}");
            let forged = prove_with(&changed, &known);
            assert!(!forged.is_logged(), "{name}: another log's key");
        }
    }

    #[tokio::test]
    async fn an_entry_that_proves_nothing_is_said_to() {
        let (fixture, good) = approved().await;
        for body in ["", "{}", "[]", "null"] {
            let changed = Exported { body: body.into(), ..good.clone() };
            let broken = broken(&changed);
            assert_eq!(broken[..2], ["audit-log", "record"]);
            assert!(broken[2..].iter().all(|link| link.starts_with('?')), "{broken:?}");
        }
        let enrolled =
            fixture.verifier().store().audit(fixture.at.device.enrolment, 0, 1).await.unwrap().remove(0);
        let exported = fixture.verifier().audit.export(enrolled.seq, NOW).await.unwrap().unwrap();
        let broken = broken(&exported);
        assert_eq!(broken[0], "record", "its own link holds");
        let audit = &fixture.verifier().audit;
        for seq in [0, 9999] {
            assert!(audit.export(seq, NOW).await.unwrap().is_none(), "{seq}");
        }
        assert_eq!(audit.export(1, NOW).await.unwrap().unwrap().seq, 1);
    }

    #[tokio::test]
    async fn exported_approval_reads_back() {
        let (fixture, good) = approved().await;
        let text = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<Exported>(&text).unwrap(), good);
        let findings = serde_json::to_value(prove(&good)).unwrap();
        assert_eq!(findings["says"]["transaction"]["message"], "EHR: sign order 4711");
        assert_eq!(findings["says"]["user"], USER);
        assert_eq!(findings["says"]["time"], NOW);
        assert_eq!(findings["says"]["model"], "Test Key");
        assert_eq!(findings["says"]["device"], fixture.at.device.enrolment.unwrap().to_string());
        let links = findings["links"].as_array().unwrap();
        assert!(links.iter().all(|link| link["ok"] == Value::Bool(true)), "{links:?}");
        assert_eq!(links.len(), 12);
    }

    #[tokio::test]
    async fn another_host_name_needs_new_registrations_only() {
        const RENAMED: &str = "https://new.example";
        let (mut fixture, before) = approved().await;
        let name = fixture.verifier().audit.key();
        let config = Config { origin: Some(RENAMED.parse().unwrap()), ..fixture.verifier().config().clone() };
        fixture.lab.verifier = Arc::new(Verifier::open(config, NOW).await.unwrap());
        // Reports go on, with the same keys.
        let report = fixture.at.device.report();
        let answer = fixture.verifier().attestation.report(&report, NOW).await.unwrap();
        fixture.at.device.nonce = answer.nonce;
        fixture.at.channel = None;

        // A key that was registered for the former name signs nothing for this one.
        let (_, asking, options) = fixture.ready(Acr::HardwareKey).await;
        assert_eq!(options["rpId"], "new.example");
        let tapped = fixture.key.get(&options, ORIGIN).unwrap();
        assert_ne!(fixture.assert(&asking.id, tapped).await.ok(), Some(StepUpResult::Approved));

        // Registered again, it does; and both approvals are proven.
        fixture.key = fixture.maker.key();
        register_at(&fixture.lab.verifier, USER, &fixture.at, &mut fixture.key, RENAMED).await;
        let (begun, asking, options) = fixture.ready(Acr::HardwareKey).await;
        let tapped = fixture.key.get(&options, RENAMED).unwrap();
        assert_eq!(fixture.assert(&asking.id, tapped).await.unwrap(), StepUpResult::Approved);
        let StepUpStatus::Approved(approval) = fixture.standing(&begun).await else { panic!() };
        let after = fixture.verifier().audit.export(approval.audit, NOW).await.unwrap().unwrap();
        let again = fixture.verifier().audit.export(before.seq, NOW).await.unwrap().unwrap();
        for exported in [&before, &again, &after] {
            let findings = prove_with(exported, &KnownKeys { log: vec![name.clone()], witnesses: vec![] });
            assert!(findings.is_proven(), "{findings:?}");
        }
    }
}
