//! Enrolment with a key in software, tokens, and what a full disk does. With a TPM: `tpm.rs`.

mod support;

#[cfg(test)]
mod tests {
    use super::support::{Device, Lab, NOW, problem, verdict};
    use std::collections::BTreeMap;
    use vitalsign_protocol::evidence::{Claims, IntendedUse};
    use vitalsign_protocol::fact::Fact;
    use vitalsign_protocol::id::{Base64Url, EnrolmentId, Nonce};
    use vitalsign_protocol::message::{EnrolmentKeys, EnrolmentRequest};
    use vitalsign_protocol::problem::ProblemType::*;
    use vitalsign_verifier::store::device::By;

    #[tokio::test]
    async fn device_reenrols_under_its_id_and_spends_its_token() {
        let lab = Lab::open().await;
        let token = lab.token(1).await;
        let mut device = Device::new();
        let first = device.enrol(&lab.verifier, &token, NOW).await.unwrap();
        assert_eq!((first.origin.as_str(), first.rp_id.as_str()), ("https://localhost", "localhost"));
        assert_eq!(first.ear_keys, lab.verifier.attestation.jwks(NOW));
        let ear = verdict(&lab.verifier, &first.report, NOW);
        assert_eq!(ear.vitalsign_device, Some(first.enrolment));
        // The answer was lost, and the token is spent: by this device.
        let second = device.enrol(&lab.verifier, &token, NOW + 1).await.unwrap();
        assert_eq!(second.enrolment, first.enrolment);
        lab.verifier.attestation.report(&device.report(), NOW + 2).await.unwrap();
        assert_eq!(problem(Device::new().enrol(&lab.verifier, &token, NOW).await), TokenSpent);
        assert_eq!(lab.verifier.store().tokens().await.unwrap()[0].used, 1);
        assert_eq!(lab.verifier.store().devices(10, 0).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn enrolling_again_keeps_since_of_the_device_only() {
        let lab = Lab::open().await;
        let token = lab.token(3).await;
        let mut device = Device::new();
        device.posture.boot.secure_boot = Fact::Known(false);
        let first = device.enrol(&lab.verifier, &token, NOW).await.unwrap();
        let since = async |enrolment: EnrolmentId| {
            let device = lab.verifier.store().device(By::Enrolment(&enrolment)).await.unwrap().unwrap();
            let checks = device.standing().checks.clone();
            checks.into_iter().map(|(name, it)| (name, (it.status, it.since))).collect::<BTreeMap<_, _>>()
        };
        let before = since(first.enrolment).await;
        assert!(!before.is_empty() && before.values().all(|(_, since)| *since == NOW));
        // One check changes with the second enrolment, and the others stay.
        device.posture.boot.secure_boot = Fact::Known(true);
        let second = device.enrol(&lab.verifier, &token, NOW + 100).await.unwrap();
        let after = since(second.enrolment).await;
        let changed: Vec<_> = after.iter().filter(|(_, (_, since))| *since == NOW + 100).collect();
        for (name, (status, _)) in &changed {
            assert_ne!(before[*name].0, *status, "{name}");
        }
        assert!(!changed.is_empty() && changed.len() < after.len(), "{after:?}");
        // The verdict that the device gets says the same.
        let ear = verdict(&lab.verifier, &second.report, NOW + 100);
        for (_, check) in ear.checks() {
            assert_eq!(check.since, Some(after[&check.check].1), "{}", check.check);
        }
        let entry = lab.verifier.store().audit(None, 0, 100).await.unwrap().pop().unwrap();
        let body: serde_json::Value = serde_json::from_str(&entry.body).unwrap();
        assert_eq!(entry.kind, "enrolled-again");
        assert_eq!(body["since_kept"], serde_json::json!(after.len() - changed.len()));
        assert_eq!(body["checks"].as_object().unwrap().len(), after.len());
        // A third enrolment without a change keeps all of them.
        device.enrol(&lab.verifier, &token, NOW + 200).await.unwrap();
        assert_eq!(since(second.enrolment).await, after);
        // Another key is another device.
        let mut other = Device::new();
        let other = other.enrol(&lab.verifier, &token, NOW + 300).await.unwrap();
        assert!(since(other.enrolment).await.values().all(|(_, since)| *since == NOW + 300));
    }

    #[tokio::test]
    async fn tokens_have_an_end() {
        let lab = Lab::open().await;
        let mut device = Device::new();
        assert_eq!(problem(device.enrol(&lab.verifier, "vse_guess", NOW).await), TokenUnknown);
        let token = lab.token(1).await;
        assert_eq!(problem(device.enrol(&lab.verifier, &token, NOW + 3600).await), TokenExpired);
        assert!(lab.verifier.store().revoke_token(1, NOW).await.unwrap());
        assert!(!lab.verifier.store().revoke_token(1, NOW).await.unwrap());
        assert_eq!(problem(device.enrol(&lab.verifier, &token, NOW).await), TokenExpired);

        // Two begin with the last use, and one ends first.
        let token = lab.token(1).await;
        let (mut fast, mut slow) = (Device::new(), Device::new());
        let begun = lab.verifier.enrolment.begin(&slow.request(&token), NOW).await.unwrap();
        fast.enrol(&lab.verifier, &token, NOW).await.unwrap();
        let proof = slow.proof(&begun);
        assert_eq!(problem(lab.verifier.enrolment.complete(&begun.enrolment, &proof, NOW).await), TokenSpent);
        assert_eq!(lab.verifier.store().devices(10, 0).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_proof_is_of_this_enrolment_and_in_time() {
        let lab = Lab::open().await;
        let token = lab.token(100).await;
        let mut device = Device::new();
        let end = async |enrolment: EnrolmentId, proof, now| {
            lab.verifier.enrolment.complete(&enrolment, &proof, now).await
        };
        let begin =
            async |device: &Device| lab.verifier.enrolment.begin(&device.request(&token), NOW).await.unwrap();

        let begun = begin(&device).await;
        assert_eq!(problem(end(EnrolmentId([1; 16]), device.proof(&begun), NOW).await), EnrolmentUnknown);
        assert_eq!(problem(end(begun.enrolment, device.proof(&begun), NOW + 61).await), EnrolmentUnknown);
        let mut stranger = Device::new();
        assert_eq!(problem(end(begun.enrolment, stranger.proof(&begun), NOW).await), SignatureInvalid);
        for (claims, expected) in [
            (
                Claims { nonces: vec![Nonce([1; 32])], ..device.claims(IntendedUse::Registration) },
                NonceUnknown,
            ),
            (Claims { nonces: vec![begun.nonce], ..device.claims(IntendedUse::Report) }, ClaimsInvalid),
        ] {
            let mut proof = device.proof(&begun);
            proof.evidence = Base64Url(device.sign(&claims));
            assert_eq!(problem(end(begun.enrolment, proof, NOW).await), expected);
        }
        // A report's nonce does not enrol.
        let mut proof = device.proof(&begun);
        let nonce = lab.verifier.attestation.nonce(&device.kid(), NOW).unwrap().nonce;
        let claims = Claims { nonces: vec![nonce], ..device.claims(IntendedUse::Registration) };
        proof.evidence = Base64Url(device.sign(&claims));
        assert_eq!(problem(end(begun.enrolment, proof, NOW).await), NonceUnknown);

        assert!(lab.verifier.store().devices(10, 0).await.unwrap().is_empty());
        let proof = device.proof(&begun);
        end(begun.enrolment, proof.clone(), NOW + 60).await.unwrap();
        assert_eq!(problem(end(begun.enrolment, proof, NOW + 60).await), EnrolmentUnknown);
    }

    #[tokio::test]
    async fn software_keys_are_refused_unless_policy_accepts() {
        let lab = Lab::with(|config| config.thresholds = None).await;
        let token = lab.token(1).await;
        assert_eq!(problem(Device::new().enrol(&lab.verifier, &token, NOW).await), SoftwareKeyRefused);
        let lab = Lab::open().await;
        let token = lab.token(1).await;
        let report_key = Base64Url(vec![4; 65]);
        let request = EnrolmentRequest { token, keys: EnrolmentKeys::Software { report_key } };
        assert_eq!(problem(lab.verifier.enrolment.begin(&request, NOW).await), KeysInvalid);
    }

    #[tokio::test]
    async fn full_disk_loses_nothing_and_verifier_survives() {
        // Room for the schema and a little more.
        let lab = Lab::with(|config| {
            config.limits.store_pages = Some(96);
            config.limits.report_burst = 1000;
        })
        .await;
        let mut device = lab.device().await;
        let (mut accepted, mut refused) = (0u64, 0);
        let before = lab.audit_length().await;
        // Each changes its status, so that its evidence is kept.
        for round in 0u64..400 {
            device.posture.lock.automatic = Fact::Known(round % 2 == 0);
            device.posture.lock.idle_seconds = Fact::Known(60);
            device.posture.lock.grace_seconds = Fact::Known(0);
            match lab.verifier.attestation.report(&device.report(), NOW + round % 100).await {
                Ok(answer) => {
                    accepted += 1;
                    device.nonce = answer.nonce;
                }
                Err(problem) => {
                    assert_eq!(super::support::problem::<()>(Err(problem)), Busy);
                    refused += 1;
                    if refused == 3 {
                        break;
                    }
                }
            }
        }
        assert!(accepted > 0 && refused == 3, "{accepted} accepted, {refused} refused");
        // What was accepted is there and whole, and nothing else is; a refused nonce was not spent.
        assert_eq!(lab.audit_length().await, before + accepted);
        assert!(lab.verifier.store().probe().await.is_err(), "a full store is ready");
        let config = lab.verifier.config().clone();
        let folder = lab.folder;
        drop(lab.verifier);
        let roomy = vitalsign_verifier::config::Config { limits: Default::default(), ..config };
        let verifier = vitalsign_verifier::Verifier::open(roomy, NOW).await.unwrap();
        verifier.attestation.report(&device.report(), NOW + 100).await.unwrap();
        drop(folder);
    }
}
