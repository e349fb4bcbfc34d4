//! Tests of labels and aliases, of imports, and of revoked devices that come back.

mod support;

#[cfg(test)]
mod tests {
    use super::support::process;
    use super::support::step_up::{Asking, StepUpFixture, USER, asked};
    use super::support::{Lab, NOW, problem};
    use serde_json::Value;
    use vitalsign_protocol::id::EnrolmentId;
    use vitalsign_protocol::problem::ProblemType::{Busy, DeviceRevoked};
    use vitalsign_protocol::step_up::{Acr, Transaction};
    use vitalsign_verifier::step_up::StepUpRequest;
    use vitalsign_verifier::store::user::{ImportCount, ImportedUser};

    async fn kinds(lab: &Lab) -> Vec<String> {
        let log = lab.verifier.store().audit(None, 0, 100).await.unwrap();
        log.into_iter().map(|entry| entry.kind).collect()
    }

    #[tokio::test]
    async fn readmitted_device_reports_after_it_enrolled_again() {
        let lab = Lab::open().await;
        let (store, attestation) = (lab.verifier.store(), &lab.verifier.attestation);
        let mut device = lab.device().await;
        let id = device.enrolment.unwrap();
        assert!(!store.readmit_device(id, "never revoked", NOW).await.unwrap());
        assert!(!store.readmit_device(EnrolmentId([9; 16]), "unknown", NOW).await.unwrap());
        assert!(store.revoke_device(id, "lost", NOW).await.unwrap());
        assert_eq!(problem(attestation.report(&device.report(), NOW).await), DeviceRevoked);
        assert!(store.readmit_device(id, "found", NOW).await.unwrap());
        assert!(!store.readmit_device(id, "found", NOW).await.unwrap());

        // It has to prove its keys again, with a new token.
        assert_eq!(problem(attestation.report(&device.report(), NOW).await), DeviceRevoked);
        let token = lab.token(1).await;
        device.enrol(&lab.verifier, &token, NOW).await.unwrap();
        assert_eq!(device.enrolment, Some(id), "it is the same device");
        attestation.report(&device.report(), NOW).await.unwrap();

        // Another revocation shuts it out again.
        assert!(store.revoke_device(id, "lost again", NOW).await.unwrap());
        let token = lab.token(1).await;
        assert_eq!(problem(device.enrol(&lab.verifier, &token, NOW).await), DeviceRevoked);
        let log = kinds(&lab).await;
        assert_eq!(log.iter().filter(|kind| *kind == "device-readmitted").count(), 1, "{log:?}");
    }

    #[tokio::test]
    async fn revocation_after_readmission_ends_it() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        let (store, id) = (lab.verifier.store(), device.enrolment.unwrap());
        store.revoke_device(id, "lost", NOW).await.unwrap();
        store.readmit_device(id, "found", NOW).await.unwrap();
        assert!(store.revoke_device(id, "not the same laptop", NOW).await.unwrap());
        let token = lab.token(1).await;
        assert_eq!(problem(device.enrol(&lab.verifier, &token, NOW).await), DeviceRevoked);
    }

    #[tokio::test]
    async fn device_has_a_label_and_its_token_is_known() {
        let lab = Lab::open().await;
        let store = lab.verifier.store();
        let (token, secret) = store.create_token(5, NOW + 60, Some("Ward 3"), NOW).await.unwrap();
        let mut ids = Vec::new();
        for _ in 0..2 {
            let mut device = super::support::Device::new();
            device.enrol(&lab.verifier, &secret, NOW).await.unwrap();
            ids.push(device.enrolment.unwrap());
        }
        let labels = async || {
            let devices = store.devices(10, 0).await.unwrap();
            assert!(devices.iter().all(|device| device.token == Some(token.id)));
            devices.into_iter().map(|device| device.label.unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(labels().await, ["Ward 3", "Ward 3"]);
        let cart = Some("Ward 3 cart 2".to_owned());
        assert_eq!(store.label_devices(&[(ids[1], cart.clone())], NOW).await.unwrap(), 1);
        assert_eq!(store.label_devices(&[(ids[1], cart.clone())], NOW).await.unwrap(), 0, "nothing changed");
        assert_eq!(labels().await, ["Ward 3", "Ward 3 cart 2"]);

        // All or none.
        let unknown = [(ids[0], cart), (EnrolmentId([9; 16]), None)];
        store.label_devices(&unknown, NOW).await.unwrap_err();
        assert_eq!(labels().await, ["Ward 3", "Ward 3 cart 2"]);
        assert_eq!(store.label_devices(&[(ids[1], None), (ids[0], None)], NOW).await.unwrap(), 1);
        assert_eq!(labels().await, ["Ward 3", "Ward 3"]);

        let log = store.audit(None, 0, 100).await.unwrap();
        let enrolled = log.iter().filter(|entry| entry.kind == "enrolled");
        for entry in enrolled {
            let body: Value = serde_json::from_str(&entry.body).unwrap();
            assert_eq!(body["token"], token.id);
        }
        assert_eq!(log.iter().filter(|entry| entry.kind == "device-labelled").count(), 2);
    }

    fn by(hint: &str) -> StepUpRequest {
        StepUpRequest { login_hint: hint.into(), ..asked(Acr::HardwareKey) }
    }

    #[tokio::test]
    async fn aliases_prompt_the_person_under_one_name() {
        let mut fixture = StepUpFixture::with(|config| config.limits.step_ups_per_user = 3).await;
        let store = fixture.lab.verifier.store();
        let user = store.user(USER).await.unwrap().unwrap();
        store.add_user("other", NOW).await.unwrap().unwrap();
        assert!(store.add_alias(&user, "Nurse.Seven@example.org", NOW).await.unwrap());
        for taken in ["nurse.seven@EXAMPLE.org", "OTHER", "Nurse-7"] {
            assert!(!store.add_alias(&user, taken, NOW).await.unwrap(), "{taken}");
        }
        assert!(
            store.add_user("NURSE.seven@example.org", NOW).await.unwrap().is_none(),
            "an alias is a name"
        );

        for hint in ["nurse.seven@example.org", "NURSE-7", USER] {
            fixture.lab.verifier.step_ups.request(by(hint), NOW).await.unwrap();
            let events = fixture.at.hear(&fixture.lab.verifier, NOW).await;
            let asking = Asking::of(events.last().unwrap());
            let transaction = Transaction::read(&asking.asked.transaction).unwrap();
            assert_eq!(transaction.user, USER, "{hint}");
        }
        // Another spelling gives no further place in the queue.
        let spelling = fixture.lab.verifier.step_ups.request(by("nursE-7"), NOW).await;
        assert_eq!(problem(spelling), Busy);

        let store = fixture.lab.verifier.store();
        assert!(!store.remove_alias(&user, USER, NOW).await.unwrap(), "the name itself stays");
        let other = store.user("other").await.unwrap().unwrap();
        assert!(!store.remove_alias(&other, "nurse.seven@example.org", NOW).await.unwrap());
        assert!(store.remove_alias(&user, "nurse.seven@example.org", NOW).await.unwrap());
        assert_eq!(store.user("nurse.seven@example.org").await.unwrap(), None);
    }

    fn imported(line: usize, name: &str, aliases: &[&str], devices: &[EnrolmentId]) -> ImportedUser {
        let aliases = aliases.iter().map(ToString::to_string).collect();
        ImportedUser { line, name: name.into(), aliases, devices: devices.to_vec() }
    }

    #[tokio::test]
    async fn import_writes_everything_or_nothing() {
        let lab = Lab::open().await;
        let device = lab.device().await.enrolment.unwrap();
        let store = lab.verifier.store();
        let file = [imported(2, "ann", &["ann@example.org", "4711"], &[device]), imported(3, "bo", &[], &[])];
        let all = ImportCount { users: 2, aliases: 2, devices: 1 };
        let before = lab.audit_length().await;
        assert_eq!(store.import_users(&file, true, NOW).await.unwrap(), Ok(all));
        assert_eq!(
            (store.users(100, "").await.unwrap().len(), lab.audit_length().await),
            (0, before),
            "a dry run"
        );

        let clash = [file[0].clone(), imported(7, "cy", &["ANN@example.org"], &[])];
        let refused = store.import_users(&clash, false, NOW).await.unwrap().unwrap_err();
        assert_eq!(refused.to_string(), "line 7: ANN@example.org stands for ann already");
        let unknown = [file[0].clone(), imported(8, "cy", &[], &[EnrolmentId([9; 16])])];
        assert_eq!(store.import_users(&unknown, false, NOW).await.unwrap().unwrap_err().line, 8);
        assert_eq!(
            (store.users(100, "").await.unwrap().len(), lab.audit_length().await),
            (0, before),
            "nothing"
        );

        assert_eq!(store.import_users(&file, false, NOW).await.unwrap(), Ok(all));
        assert_eq!(store.import_users(&file, false, NOW).await.unwrap(), Ok(ImportCount::default()), "again");
        let ann = store.user("4711").await.unwrap().unwrap();
        assert_eq!((ann.name.as_str(), store.user_devices(ann.id).await.unwrap()), ("ann", vec![device]));
        assert_eq!(lab.audit_length().await, before + 5);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn administrator_labels_readmits_and_imports() {
        let lab = Lab::open().await;
        let server = lab.serve().await;
        let device = lab.device().await.enrolment.unwrap();
        let folder = lab.folder.path();
        let config = folder.join("verifier.toml");
        std::fs::write(
            &config,
            format!("data = {folder:?}\nthresholds = \"thresholds.toml\"\norigin = \"https://localhost\"\n"),
        )
        .unwrap();
        let run = |arguments: &[&str]| {
            let output = process::run(folder, arguments);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
        };
        let labels = folder.join("labels.csv");
        let path = labels.to_str().unwrap();
        std::fs::write(&labels, format!("device,label\n{device},Ward 3 PC 12\n")).unwrap();
        let (status, said, _) = run(&["device", "label", "--file", path, "--dry-run"]);
        assert_eq!((status, said.trim()), (0, "1 devices would be labelled. Nothing was written."));
        assert_eq!(run(&["device", "label", "--file", path]).0, 0);
        for (part, listed) in [("ward 3", true), ("Ward 4", false)] {
            let (status, said, _) = run(&["device", "list", "--label", part, "--json"]);
            assert_eq!((status, said.contains("Ward 3 PC 12")), (0, listed), "{said}");
        }
        std::fs::write(&labels, format!("device,label\n{device},x\n{device},y\n")).unwrap();
        let (status, _, said) = run(&["device", "label", "--file", path]);
        assert!(status != 0 && said.contains("line 3: the device is there twice"), "{said}");

        let people = folder.join("people.csv");
        std::fs::write(&people, format!("name,devices,aliases\nann,{device},4711;ann@example.org\n"))
            .unwrap();
        let (status, said, _) = run(&["user", "import", people.to_str().unwrap()]);
        assert_eq!((status, said.trim()), (0, "1 users, 2 aliases and 1 devices were added, from 1 lines."));
        let (status, said, _) = run(&["user", "alias", "4711", "--json"]);
        assert_eq!(
            (status, serde_json::from_str(&said).ok()),
            (0, Some(serde_json::json!(["4711", "ann@example.org"])))
        );

        let id = device.to_string();
        assert_eq!(run(&["device", "revoke", &id]).0, 0);
        let (status, said, _) = run(&["device", "readmit", &id, "--reason", "found"]);
        assert!(status == 0 && said.contains("vitalsign enrol --again"), "{said}");
        assert!(run(&["device", "show", &id]).1.contains("may enrol"));
        assert_eq!(run(&["device", "readmit", &id, "--reason", "found"]).0, 1);
        server.shutdown().await;
    }
}
