//! Tests of the names that devices say: they are kept, found and forgotten, and decide nothing.

mod support;

#[cfg(test)]
mod tests {
    use super::support::{Device, Lab, NOW, config, problem, process, verdict};
    use serde_json::{Value, json};
    use std::sync::Arc;
    use vitalsign_protocol::cbor::Value as Cbor;
    use vitalsign_protocol::cose::{Sign1, to_be_signed};
    use vitalsign_protocol::device_names::{AssetTag, DeviceNames, HostName};
    use vitalsign_protocol::evidence::{Claims, IntendedUse};
    use vitalsign_protocol::id::{Base64Url, Digest, EnrolmentId};
    use vitalsign_protocol::message::EnrolmentProof;
    use vitalsign_protocol::problem::ProblemType::{ClaimsInvalid, DeviceRevoked};
    use vitalsign_verifier::Verifier;
    use vitalsign_verifier::store::device::By;

    fn names(host_name: &str, asset_tag: &str) -> DeviceNames {
        DeviceNames {
            host_name: HostName::try_from(host_name.to_owned()).ok(),
            asset_tag: AssetTag::try_from(asset_tag.to_owned()).ok(),
        }
    }

    /// Evidence for a report that says names.
    fn report(device: &mut Device, names: Option<DeviceNames>) -> Vec<u8> {
        let claims = Claims { names, ..device.claims(IntendedUse::Report) };
        device.sign(&claims)
    }

    async fn accept(verifier: &Verifier, device: &mut Device, names: Option<DeviceNames>, now: u64) {
        let evidence = report(device, names);
        device.nonce = verifier.attestation.report(&evidence, now).await.unwrap().nonce;
    }

    /// Enrols with names.
    async fn enrol(lab: &Lab, device: &mut Device, names: Option<DeviceNames>) -> EnrolmentId {
        let token = lab.token(1).await;
        let enrolment = &lab.verifier.enrolment;
        let challenge = enrolment.begin(&device.request(&token), NOW).await.unwrap();
        device.nonce = challenge.nonce;
        let claims = Claims { enrolment: None, names, ..device.claims(IntendedUse::Registration) };
        let proof = EnrolmentProof { secret: None, evidence: Base64Url(device.sign(&claims)) };
        let enrolled = enrolment.complete(&challenge.enrolment, &proof, NOW).await.unwrap();
        device.enrolment = Some(enrolled.enrolment);
        device.nonce = enrolled.report.nonce;
        enrolled.enrolment
    }

    async fn kept(verifier: &Verifier, device: &Device) -> DeviceNames {
        let id = device.enrolment.unwrap();
        verifier.store().device(By::Enrolment(&id)).await.unwrap().unwrap().names
    }

    /// Bodies of the log's entries about names.
    async fn logged(verifier: &Verifier) -> Vec<Value> {
        let log = verifier.store().audit(None, 0, 1000).await.unwrap();
        let named = log.iter().filter(|entry| entry.kind == "device-named");
        named.map(|entry| serde_json::from_str(&entry.body).unwrap()).collect()
    }

    #[tokio::test]
    async fn reported_names_replace_those_of_before() {
        let lab = Lab::open().await;
        let verifier = &*lab.verifier;
        let (mut device, other) = (lab.device().await, lab.device().await);
        assert_eq!(kept(verifier, &device).await, DeviceNames::default());
        let steps = [
            (Some(names("ward3-pc12", "4711")), names("ward3-pc12", "4711")),
            // The same again, and a report without the claim.
            (Some(names("ward3-pc12", "4711")), names("ward3-pc12", "4711")),
            (None, names("ward3-pc12", "4711")),
            (Some(names("ward3-pc12", "")), names("ward3-pc12", "")),
            (Some(DeviceNames::default()), DeviceNames::default()),
            (None, DeviceNames::default()),
        ];
        for (at, (said, then)) in (1..).zip(steps) {
            accept(verifier, &mut device, said.clone(), NOW + 10 * at).await;
            assert_eq!(kept(verifier, &device).await, then, "{said:?}");
        }
        assert_eq!(kept(verifier, &other).await, DeviceNames::default());
        // An entry for each change.
        let entries = [
            json!({ "host_name": "ward3-pc12", "asset_tag": "4711" }),
            json!({ "host_name": "ward3-pc12" }),
            json!({}),
        ];
        assert_eq!(logged(verifier).await, entries);
    }

    #[tokio::test]
    async fn names_never_change_a_verdict() {
        let lab = Lab::open().await;
        let (mut silent, mut named) = (lab.device().await, lab.device().await);
        let reports = async |kind: &str| {
            let log = lab.verifier.store().audit(None, 0, 1000).await.unwrap();
            log.into_iter().filter(|entry| entry.kind == kind).count()
        };
        let before = reports("report").await;
        for (at, host_name) in (1..).zip(["ward3-pc12", "affirming", "os-updates", "0"]) {
            let now = NOW + 10 * at;
            let evidence = [report(&mut silent, None), report(&mut named, Some(names(host_name, host_name)))];
            let mut verdicts = Vec::new();
            for (device, evidence) in [&mut silent, &mut named].into_iter().zip(evidence) {
                let answer = lab.verifier.attestation.report(&evidence, now).await.unwrap();
                device.nonce = answer.nonce;
                let ear = verdict(&lab.verifier, &answer, now);
                verdicts.push((ear.ear_status, ear.submods));
            }
            assert_eq!(verdicts[0], verdicts[1], "{host_name}");
        }
        // A name is no change of the device's state, and no unknown claim.
        assert_eq!(reports("report").await, before);
        for device in lab.verifier.store().devices(10, 0).await.unwrap() {
            assert!(device.standing().unknown.is_empty());
        }
    }

    #[tokio::test]
    async fn enrolment_replaces_names() {
        let lab = Lab::open().await;
        let mut device = Device::new();
        let first = enrol(&lab, &mut device, Some(names("ward3-pc12", "4711"))).await;
        assert_eq!(kept(&lab.verifier, &device).await, names("ward3-pc12", "4711"));
        // The agent was installed again, and may not say names any more.
        assert_eq!(enrol(&lab, &mut device, None).await, first);
        assert_eq!(kept(&lab.verifier, &device).await, DeviceNames::default());
        assert_eq!(logged(&lab.verifier).await.len(), 2);
    }

    #[tokio::test]
    async fn revoked_device_changes_no_name() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        accept(&lab.verifier, &mut device, Some(names("ward3-pc12", "")), NOW).await;
        lab.verifier.store().revoke_device(device.enrolment.unwrap(), "lost", NOW).await.unwrap();
        let evidence = report(&mut device, Some(names("ward4-pc1", "")));
        assert_eq!(problem(lab.verifier.attestation.report(&evidence, NOW).await), DeviceRevoked);
        assert_eq!(kept(&lab.verifier, &device).await, names("ward3-pc12", ""));
    }

    #[tokio::test]
    async fn malformed_name_is_refused_and_not_kept() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        for name in ["a\u{202e}b", "a\u{1b}[2Jb", "a\nb", "", &"x".repeat(254)] {
            let evidence = report(&mut device, None);
            let Sign1 { protected, payload, .. } = Sign1::parse(&evidence).unwrap();
            let Cbor::Map(mut claims) = Cbor::decode(&payload).unwrap() else { panic!("no map") };
            claims.push((Cbor::from(-75003_i64), Cbor::Map(vec![(Cbor::from(1_i64), Cbor::from(name))])));
            claims.sort_by_cached_key(|(label, _)| label.encode());
            let payload = Cbor::Map(claims).encode();
            let signature = device.signature(&Digest::of(&to_be_signed(&protected, &[], &payload))).unwrap();
            let evidence = Sign1::encode(&protected, &payload, &signature);
            assert_eq!(
                problem(lab.verifier.attestation.report(&evidence, NOW).await),
                ClaimsInvalid,
                "{name:?}"
            );
        }
        assert_eq!(kept(&lab.verifier, &device).await, DeviceNames::default());
    }

    #[tokio::test]
    async fn verifier_that_keeps_no_names_forgets_them() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        accept(&lab.verifier, &mut device, Some(names("ward3-pc12", "4711")), NOW).await;
        let Lab { folder, verifier } = lab;
        drop(verifier);
        let mut config = config(folder.path());
        config.devices.keep_names = false;
        let verifier = Arc::new(Verifier::open(config.clone(), NOW).await.unwrap());
        assert_eq!(kept(&verifier, &device).await, DeviceNames::default());
        assert_eq!(logged(&verifier).await[1], json!({ "forgotten": 1 }));

        // Neither a report nor an enrolment brings them back, not even in evidence that the audit log keeps.
        let lab = Lab { folder, verifier };
        device.posture.os.security_updates = vitalsign_protocol::fact::Fact::Known(7);
        device.nonce = lab.verifier.attestation.nonce(&device.kid(), NOW + 60).unwrap().nonce;
        accept(&lab.verifier, &mut device, Some(names("secret-host", "secret-tag")), NOW + 60).await;
        let mut new = Device::new();
        enrol(&lab, &mut new, Some(names("secret-host", "secret-tag"))).await;
        for device in [&device, &new] {
            assert_eq!(kept(&lab.verifier, device).await, DeviceNames::default());
        }
        let log = lab.verifier.store().audit(None, 0, 1000).await.unwrap();
        for entry in log {
            let has = |bytes: &[u8]| bytes.windows(7).any(|part| part == b"secret-");
            assert!(!has(entry.body.as_bytes()) && !has(&entry.evidence), "{}", entry.kind);
        }
        assert_eq!(logged(&lab.verifier).await.len(), 2);

        // The next start has nothing to forget.
        let Lab { verifier, folder: _folder } = lab;
        drop(verifier);
        assert_eq!(logged(&Verifier::open(config, NOW).await.unwrap()).await.len(), 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn administrator_finds_devices_by_names() {
        let lab = Lab::open().await;
        let (mut one, mut other, silent) = (lab.device().await, lab.device().await, lab.device().await);
        accept(&lab.verifier, &mut one, Some(names("ward3-pc12", "IT-004711")), NOW).await;
        accept(&lab.verifier, &mut other, Some(names("ward4-pc1", "")), NOW).await;
        let server = lab.serve().await;
        let folder = lab.folder.path();
        std::fs::write(
            folder.join("verifier.toml"),
            format!("data = {folder:?}\norigin = \"https://localhost\"\n"),
        )
        .unwrap();
        let run = |arguments: &[&str]| {
            let output = process::run(folder, arguments);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            (output.status.code(), text(&output.stdout), text(&output.stderr))
        };
        let [one, other, silent] = [&one, &other, &silent].map(|it| it.enrolment.unwrap().to_string());
        for (filter, found) in [
            (vec!["--host-name", "WARD"], vec![&one, &other]),
            (vec!["--host-name", "ward3"], vec![&one]),
            (vec!["--asset-tag", "it-0047"], vec![&one]),
            (vec!["--host-name", "ward4", "--asset-tag", "it"], vec![]),
            (vec!["--host-name", "4711"], vec![]),
            (vec![], vec![&one, &other, &silent]),
        ] {
            let (status, json, _) = run(&[&["device", "list", "--json"], filter.as_slice()].concat());
            let listed: Vec<Value> = serde_json::from_str(&json).unwrap();
            let listed: Vec<_> = listed.iter().map(|it| it["device"].as_str().unwrap().to_owned()).collect();
            assert_eq!((status, listed.iter().collect::<Vec<_>>()), (Some(0), found), "{filter:?}");
        }
        let (_, table, notes) = run(&["device", "list"]);
        assert!(table.contains("ward3-pc12") && table.contains("IT-004711"), "{table}");
        assert!(notes.contains("Nothing proves it."), "{notes}");
        let (_, shown, _) = run(&["device", "show", &one]);
        assert!(shown.contains("host name    ward3-pc12, says the device"), "{shown}");
        assert!(!run(&["device", "show", &silent]).1.contains("says the device"));
        // A device can say the name of another one: no command takes a name for a device.
        for command in ["show", "check", "revoke"] {
            let (status, _, said) = run(&["device", command, "ward3-pc12"]);
            assert!(status != Some(0), "{command}: {said}");
        }
        assert_eq!(run(&["device", "list", "--status", "revoked", "--json"]).1.trim(), "[]");
        server.shutdown().await;
    }
}
