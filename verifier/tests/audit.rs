//! The audit log: what it contains, how changes of it are found, and what remains after pruning, a crash, a full disk, and
//! an upgrade from the hash chain of earlier versions.

mod support;

#[cfg(test)]
mod tests {
    use super::support::process::{Serving, configure, run as command, stdout};
    use super::support::step_up::*;
    use super::support::{Device, Lab, NOW};
    use serde_json::{Value, json};
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
    use std::path::Path;
    use std::sync::Arc;
    use vitalsign_protocol::fact::Fact;
    use vitalsign_protocol::id::Digest;
    use vitalsign_protocol::step_up::{Acr, StepUpResult};
    use vitalsign_verifier::Verifier;
    use vitalsign_verifier::audit::checkpoint::Checkpoint;
    use vitalsign_verifier::audit::note::{NoteError, NoteKey, SignatureType, SignedNote, VerifierKey};
    use vitalsign_verifier::audit::prove::{Exported, KnownKeys, prove, prove_with};
    use vitalsign_verifier::audit::tree::{Frontier, hash_leaf};
    use vitalsign_verifier::audit::{Broken, Head, Kind, Logged};
    use vitalsign_verifier::audit_log::CheckpointError;
    use vitalsign_verifier::step_up::StepUpStatus;
    use vitalsign_verifier::store::Store;
    use vitalsign_verifier::store::schema;

    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;

    async fn raw(store: &Store) -> SqliteConnection {
        SqliteConnectOptions::new().filename(store.path()).connect().await.unwrap()
    }

    async fn run(connection: &mut SqliteConnection, statement: &str) {
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(connection).await.unwrap();
    }

    async fn entries(store: &Store, kind: &str) -> Vec<(Logged, Value)> {
        let all = store.audit(None, 0, 10_000).await.unwrap().into_iter().filter(|it| it.kind == kind);
        all.map(|it| (it.clone(), serde_json::from_str(&it.body).unwrap())).collect()
    }

    /// Reports at a time of a device that does not change.
    async fn report(verifier: &Verifier, device: &mut Device, now: u64) {
        device.nonce = verifier.attestation.nonce(&device.kid(), now).unwrap().nonce;
        verifier.attestation.report(&device.report(), now).await.unwrap();
    }

    /// Fills the log with administrative entries.
    async fn fill(store: &Store, count: usize) {
        for number in 0..count {
            store.log_maintenance(Kind::KeyRotated, &json!({ "number": number }), NOW).await.unwrap();
        }
    }

    /// Makes the checks change, in either direction.
    fn change(device: &mut Device) {
        let lock = &mut device.posture.lock;
        lock.automatic = Fact::Known(lock.automatic != Fact::Known(true));
        (lock.idle_seconds, lock.grace_seconds) = (Fact::Known(60), Fact::Known(0));
    }

    #[tokio::test]
    async fn heartbeats_of_an_hour_are_one_entry() {
        let lab = Lab::open().await;
        let (verifier, store) = (&lab.verifier, lab.verifier.store());
        let (mut device, mut other) = (lab.device().await, lab.device().await);
        let start = NOW / HOUR * HOUR;
        for round in 1..=12 {
            report(verifier, &mut device, start + round * 290).await;
            report(verifier, &mut other, start + round * 290).await;
        }
        assert_eq!(entries(store, "heartbeats").await.len(), 0);
        assert_eq!(store.collected_reports().await.unwrap(), 24);
        // Nothing is due within the hour; after it, also of a device that reports no more.
        verifier.audit.maintain(start + HOUR - 1).await;
        assert_eq!(store.collected_reports().await.unwrap(), 24);
        report(verifier, &mut device, start + HOUR + 5).await;
        assert_eq!(entries(store, "heartbeats").await.len(), 1);
        verifier.audit.maintain(start + HOUR + 10).await;
        let logged = entries(store, "heartbeats").await;
        assert_eq!(logged.len(), 2);
        for (entry, body) in &logged {
            assert_eq!((&body["count"], &body["first"]), (&json!(12), &json!(start + 290)));
            assert_eq!((&body["last"], entry.time), (&json!(start + 12 * 290), start + 12 * 290));
            assert_eq!(body["policy"], json!(verifier.attestation.policy_id()));
            assert!(entry.evidence.is_empty() && body["status"].is_string());
        }
        assert_eq!(store.collected_reports().await.unwrap(), 1);
        // The digests of the evidence cannot be swapped afterwards.
        assert_ne!(logged[0].1["evidence"], logged[1].1["evidence"]);
        store.verify_audit(None).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn changes_are_entries_after_earlier_heartbeats() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        for _ in 0..3 {
            report(&lab.verifier, &mut device, NOW).await;
        }
        change(&mut device);
        report(&lab.verifier, &mut device, NOW + 1).await;
        report(&lab.verifier, &mut device, NOW + 2).await;
        let logged = lab.verifier.store().audit(device.enrolment, 0, 100).await.unwrap();
        let kinds: Vec<_> = logged.iter().map(|it| it.kind.as_str()).collect();
        assert_eq!(kinds, ["enrolled", "heartbeats", "report"]);
        assert!(logged[1].body.contains("\"count\":3"));
        assert_eq!(lab.verifier.store().collected_reports().await.unwrap(), 1);
    }

    #[tokio::test]
    async fn change_of_any_row_or_hash_is_found() {
        let lab = Lab::open().await;
        let mut device = lab.device().await;
        for _ in 0..4 {
            change(&mut device);
            device.nonce = lab.verifier.attestation.report(&device.report(), NOW).await.unwrap().nonce;
        }
        let store = lab.verifier.store();
        fill(store, 300).await;
        let checkpoint = lab.verifier.audit.checkpoint(NOW).await.unwrap();
        let size = Checkpoint::read(&checkpoint.text).unwrap().size;
        fill(store, 3).await;
        let head = store.verify_audit(None).await.unwrap().unwrap();
        assert_eq!((head.seq, size), (309, 307));
        assert_eq!(store.verify_audit(Some(head)).await.unwrap(), Ok(head));
        let verify = async || lab.verifier.audit.verify(None).await.unwrap();
        assert_eq!(verify().await.unwrap().checkpoints, 1);

        let mut raw = raw(store).await;
        let columns = [
            "time = time + 1",
            "kind = 'enrolled'",
            "body = body || ' '",
            "evidence = x'00'",
            "device = NULL",
            "salt = x'00'",
            "hash = zeroblob(32)",
            "hash = x''",
            "pruned = zeroblob(32)",
            "device = x'01'",
        ];
        for change in columns {
            run(&mut raw, "CREATE TABLE kept AS SELECT * FROM audit WHERE seq = 4").await;
            run(&mut raw, &format!("UPDATE audit SET {change} WHERE seq = 4")).await;
            assert_eq!(verify().await, Err(Broken::Changed(4)), "{change}");
            run(&mut raw, "REPLACE INTO audit SELECT * FROM kept").await;
            run(&mut raw, "DROP TABLE kept").await;
        }
        verify().await.unwrap();
        // A stored hash of the tree; one that is missing; one too many.
        for (change, undo) in [
            (
                "UPDATE audit_nodes SET hash = zeroblob(32)",
                "UPDATE audit_nodes SET hash = (SELECT hash FROM was)",
            ),
            ("DELETE FROM audit_nodes", "INSERT INTO audit_nodes SELECT * FROM was"),
            (
                "INSERT INTO audit_nodes VALUES (1, 1, 1, zeroblob(32))",
                "DELETE FROM audit_nodes WHERE number = 1",
            ),
        ] {
            run(&mut raw, "CREATE TABLE was AS SELECT * FROM audit_nodes").await;
            run(&mut raw, change).await;
            assert!(matches!(verify().await, Err(Broken::Node { level: 1, .. })), "{change}");
            run(&mut raw, undo).await;
            run(&mut raw, "DROP TABLE was").await;
        }
        run(&mut raw, "UPDATE audit_log SET chain_root = zeroblob(32)").await;
        assert_eq!(verify().await, Err(Broken::FormerChain));
        let root = Digest::of(b"").hex();
        run(&mut raw, &format!("UPDATE audit_log SET chain_root = x'{root}'")).await;
        verify().await.unwrap();

        // A byte of the checkpoint.
        let note = checkpoint.to_string();
        let update = async |raw: &mut SqliteConnection, note: &str| {
            let update = sqlx::query("UPDATE audit_checkpoints SET note = ?1").bind(note);
            update.execute(raw).await.unwrap();
        };
        for at in (0..note.len()).filter(|at| note.is_char_boundary(*at) && note.is_char_boundary(at + 1)) {
            let mut changed = note.clone().into_bytes();
            changed[at] ^= 1;
            update(&mut raw, &String::from_utf8(changed).unwrap()).await;
            assert!(matches!(verify().await, Err(Broken::Checkpoint(307, _))), "byte {at}");
        }
        update(&mut raw, &note).await;
        verify().await.unwrap();

        // The checkpoint of another size.
        run(&mut raw, "UPDATE audit_checkpoints SET size = 306").await;
        assert!(matches!(verify().await, Err(Broken::Checkpoint(306, _))));
        run(&mut raw, "UPDATE audit_checkpoints SET size = 307").await;
        // The end cut off: behind the checkpoint, only a head that was recorded tells.
        run(&mut raw, "DELETE FROM audit WHERE seq > 308").await;
        assert_eq!(verify().await.unwrap().head.seq, 308);
        assert_eq!(store.verify_audit(Some(head)).await.unwrap(), Err(Broken::Missing(309)));
        let other = Head { seq: 200, ..head };
        assert_eq!(store.verify_audit(Some(other)).await.unwrap(), Err(Broken::NotAnchored(200)));
        run(&mut raw, "DELETE FROM audit WHERE seq > 300").await;
        assert_eq!(verify().await, Err(Broken::Missing(301)));
        // Such a log is not signed.
        let refused = lab.verifier.audit.checkpoint(NOW).await;
        assert!(matches!(refused, Err(CheckpointError::Broken(Broken::Missing(_)))), "{refused:?}");
        run(&mut raw, "DELETE FROM audit WHERE seq = 2").await;
        assert_eq!(verify().await, Err(Broken::Missing(2)));
    }

    #[tokio::test]
    async fn log_that_was_replaced_differs_from_checkpoint() {
        let (lab, other) = (Lab::open().await, Lab::open().await);
        for lab in [&lab, &other] {
            fill(lab.verifier.store(), 300).await;
        }
        lab.verifier.audit.checkpoint(NOW).await.unwrap();
        // Someone who computes every hash again: the log is valid in itself.
        let mut raw = raw(lab.verifier.store()).await;
        run(&mut raw, &format!("ATTACH '{}' AS other", other.verifier.store().path().display())).await;
        for table in ["audit", "audit_nodes"] {
            run(&mut raw, &format!("DELETE FROM main.{table}")).await;
            run(&mut raw, &format!("INSERT INTO main.{table} SELECT * FROM other.{table}")).await;
        }
        let verified = lab.verifier.store().verify_audit(None).await.unwrap();
        assert!(matches!(verified, Err(Broken::Checkpoint(301, _))), "{verified:?}");
        run(&mut raw, "DELETE FROM audit_checkpoints").await;
        lab.verifier.store().verify_audit(None).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn rewritten_log_is_not_signed_again() {
        let lab = Lab::open().await;
        let (store, audit) = (lab.verifier.store(), &lab.verifier.audit);
        fill(store, 5).await;
        let old = audit.checkpoint(NOW).await.unwrap();
        // Someone with the database computes the leaf again.
        let mut raw = raw(store).await;
        run(&mut raw, "UPDATE audit SET hash = zeroblob(32) WHERE seq = 3").await;
        fill(store, 1).await;
        let refused = audit.checkpoint(NOW).await;
        assert!(matches!(refused, Err(CheckpointError::Broken(Broken::Checkpoint(6, _)))), "{refused:?}");
        // And deletes the checkpoint: an auditor who has it finds that the log was rewritten.
        run(&mut raw, "DELETE FROM audit_checkpoints").await;
        audit.checkpoint(NOW).await.unwrap();
        let refused = audit.consistency(&old, NOW).await;
        assert!(matches!(&refused, Err(CheckpointError::Note(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn checkpoints_are_consistent_and_cosigned() {
        let name = "witness.example/w1";
        let [witness, other] = [(); 2].map(|()| note_key(name, SignatureType::Cosignature));
        let public = witness.public().clone();
        let lab = Lab::with(|config| config.audit.witnesses = vec![public.clone()]).await;
        let (store, audit) = (lab.verifier.store(), &lab.verifier.audit);
        let mut all = vec![audit.checkpoint(NOW).await.unwrap()];
        for round in 0..4 {
            fill(store, 150).await;
            all.push(audit.checkpoint(NOW + round).await.unwrap());
        }
        assert_eq!(audit.checkpoint(NOW + 9).await.unwrap(), all[4], "nothing was appended");
        for old in &all {
            let proof = audit.consistency(old, NOW).await.unwrap();
            let (earlier, later, _) = proof.verify(audit.keys().known(), &[]).unwrap();
            assert!(earlier.size <= later.size && later.size == 601);
        }

        let cosign = |note: &SignedNote, key: &NoteKey| {
            let mut note = note.clone();
            note.signatures.push(key.sign(&note.text, NOW));
            note
        };
        // Of a key that is not known: ignored. Of a known one: kept, once.
        assert_eq!(audit.add_cosignatures(&cosign(&all[2], &other)).await.unwrap(), []);
        for _ in 0..2 {
            let cosigned = audit.add_cosignatures(&cosign(&all[2], &witness)).await.unwrap();
            assert_eq!((cosigned.len(), cosigned[0].witness.as_str(), cosigned[0].time), (1, name, NOW));
        }
        let stored = store.checkpoint(301).await.unwrap().unwrap();
        assert_eq!(stored.signatures.len(), 2);
        let mut damaged = cosign(&all[1], &witness);
        damaged.signatures[1].signature[20] ^= 1;
        assert!(audit.add_cosignatures(&damaged).await.is_err());
        // A state that the log's key signed, and that is not this log's.
        let forked = Checkpoint { size: 301, ..Checkpoint::read(&all[1].text).unwrap() };
        let forked = cosign(&audit.keys().sign(forked.size, forked.root, NOW), &witness);
        assert!(matches!(audit.add_cosignatures(&forked).await, Err(CheckpointError::Unknown(301))));
        let verified = audit.verify(None).await.unwrap().unwrap();
        assert_eq!((verified.checkpoints, verified.cosigned), (5, 1));
        // A stored cosignature that was changed.
        let mut damaged = stored;
        damaged.signatures[1].signature[20] ^= 1;
        let update = sqlx::query("UPDATE audit_checkpoints SET note = ?1 WHERE size = 301");
        update.bind(damaged.to_string()).execute(&mut raw(store).await).await.unwrap();
        assert!(matches!(audit.verify(None).await.unwrap(), Err(Broken::Checkpoint(301, _))));
    }

    #[tokio::test]
    async fn log_key_is_replaced_and_all_stays_provable() {
        let begins = NOW + 90 * 24 * HOUR;
        let lab = Lab::open().await;
        let (store, audit) = (lab.verifier.store(), &lab.verifier.audit);
        let old = audit.key();
        fill(store, 10).await;
        let first = audit.checkpoint(NOW).await.unwrap();
        audit.rotate_key(lab.verifier.keyring(), NOW, begins).await.unwrap();
        let refused = audit.rotate_key(lab.verifier.keyring(), NOW, begins).await.err().unwrap().to_string();
        assert!(refused.contains("announced already"), "{refused}");

        // Who knows the former key finds the new one in the log, and on the same checkpoint.
        assert_eq!(audit.key(), old);
        let new = audit.keys().signing()[1].clone();
        let both = store.newest_checkpoint().await.unwrap().unwrap();
        for key in [&old, &new] {
            Checkpoint::open(&both, std::slice::from_ref(key), &[]).unwrap();
        }
        let entry = store.audit(None, 10, 1).await.unwrap().remove(0);
        assert!(entry.kind == "key-rotated" && entry.body.contains(&new.to_string()), "{entry:?}");

        lab.verifier.refresh(begins - 1).await;
        assert_eq!(audit.key(), old);
        lab.verifier.refresh(begins).await;
        assert_eq!(audit.key(), new);
        fill(store, 5).await;
        let alone = audit.checkpoint(begins).await.unwrap();
        assert_eq!(alone.signatures.len(), 1);
        let proof = audit.consistency(&first, begins).await.unwrap();
        assert!(proof.verify(std::slice::from_ref(&old), &[]).is_err());
        proof.verify(&[old.clone(), new.clone()], &[]).unwrap();
        for seq in [1, 16] {
            let exported = audit.export(seq, begins).await.unwrap().unwrap();
            for (key, knows) in [(&new, true), (&old, false)] {
                let known = KnownKeys { log: vec![key.clone()], witnesses: Vec::new() };
                assert_eq!(prove_with(&exported, &known).is_logged(), knows, "{seq}");
            }
        }
        assert_eq!(audit.verify(None).await.unwrap().unwrap().checkpoints, 3);

        // One that others may have, at once. What it signed before is still verified.
        audit.replace_key(lab.verifier.keyring(), begins).await.unwrap();
        let third = audit.key();
        assert!(third != new && audit.keys().signing() == [&third]);
        assert_eq!(audit.verify(None).await.unwrap().unwrap().checkpoints, 4);
        let again = Verifier::open(lab.verifier.config().clone(), begins).await.unwrap();
        assert_eq!(again.audit.key(), third);
        // A checkpoint by any other key is refused.
        let stranger = note_key(third.name(), SignatureType::Ed25519);
        let forged = Checkpoint::read(&first.text).unwrap().sign(&stranger, NOW);
        assert!(matches!(audit.consistency(&forged, begins).await, Err(CheckpointError::Note(_))));
    }

    #[tokio::test]
    async fn log_outlives_a_crash_before_its_checkpoint() {
        let lab = Lab::open().await;
        fill(lab.verifier.store(), 255).await;
        lab.verifier.audit.checkpoint(NOW).await.unwrap();
        fill(lab.verifier.store(), 300).await;
        let (config, name) = (lab.verifier.config().clone(), lab.verifier.audit.key());
        // Nothing is closed.
        std::mem::forget(lab.verifier);
        let verifier = Verifier::open(config, NOW).await.unwrap();
        assert_eq!(verifier.audit.key(), name);
        let note = verifier.audit.checkpoint(NOW).await.unwrap();
        assert_eq!(Checkpoint::read(&note.text).unwrap().size, 556);
        let verified = verifier.audit.verify(None).await.unwrap().unwrap();
        assert_eq!((verified.head.seq, verified.checkpoints), (555, 2));
    }

    #[tokio::test]
    async fn full_disk_stops_the_log_and_loses_nothing() {
        let lab = Lab::with(|config| config.limits.store_pages = Some(90)).await;
        let store = lab.verifier.store();
        let mut length = 0;
        let body = json!({ "text": "x".repeat(1000) });
        while store.log_maintenance(Kind::KeyRotated, &body, NOW).await.is_ok() {
            length += 1;
            assert!(length < 1000, "the store does not get full");
        }
        assert!(store.log_maintenance(Kind::KeyRotated, &body, NOW).await.is_err());
        assert_eq!(store.verify_audit(None).await.unwrap().unwrap().seq, length);
        // Space by pruning: the log goes on where it stopped.
        let mut config = lab.verifier.config().clone();
        config.limits.store_pages = None;
        let verifier = Verifier::open(config, NOW).await.unwrap();
        assert_eq!(verifier.store().prune_audit(Kind::KeyRotated, NOW + 1, NOW).await.unwrap(), length);
        verifier.audit.checkpoint(NOW).await.unwrap();
        verifier.store().verify_audit(None).await.unwrap().unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn concurrent_appends_make_one_tree() {
        let lab = Lab::open().await;
        let path = lab.verifier.config().store();
        let mut tasks = Vec::new();
        for number in 0..4 {
            let (path, verifier) = (path.clone(), lab.verifier.clone());
            tasks.push(tokio::spawn(async move {
                // As commands do it: other processes, with their own connections.
                let store = Store::open(&path).await.unwrap();
                for round in 0..80 {
                    fill(&store, 1).await;
                    if number == 0 && round % 20 == 0 {
                        verifier.audit.checkpoint(NOW + round).await.unwrap();
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let verified = lab.verifier.audit.verify(None).await.unwrap().unwrap();
        assert_eq!((verified.head.seq, verified.checkpoints), (320, 4));
    }

    #[tokio::test]
    async fn pruned_entries_are_proven_without_payload() {
        let lab = Lab::with(|config| {
            config.audit.retention =
                [("heartbeats".to_owned(), 90), ("token-created".to_owned(), 2557)].into();
        })
        .await;
        let (verifier, audit, store) = (&lab.verifier, &lab.verifier.audit, lab.verifier.store());
        let mut device = lab.device().await;
        for hour in 0..6 {
            report(verifier, &mut device, NOW + hour * HOUR).await;
        }
        audit.maintain(NOW + 7 * HOUR).await;
        let before = entries(store, "heartbeats").await;
        assert_eq!(before.len(), 6);
        let old = audit.checkpoint(NOW).await.unwrap();
        let proven = audit.export(before[0].0.seq, NOW).await.unwrap().unwrap();

        assert_eq!(audit.count_prunable(NOW + 90 * DAY).await.unwrap(), []);
        let due = NOW + 90 * DAY + 4 * HOUR;
        assert_eq!(audit.count_prunable(due).await.unwrap(), [(Kind::Heartbeats, 4)]);
        assert_eq!(entries(store, "pruned").await.len(), 0);
        assert_eq!(audit.prune(lab.verifier.store(), due).await.unwrap(), [(Kind::Heartbeats, 4)]);
        assert_eq!(audit.prune(lab.verifier.store(), due).await.unwrap(), []);
        let pruning = entries(store, "pruned").await;
        assert_eq!(pruning.len(), 1);
        assert_eq!((&pruning[0].1["pruned"], &pruning[0].1["count"]), (&json!("heartbeats"), &json!(4)));

        // Nothing of the payloads is left, and no hash has changed.
        let mut raw = raw(store).await;
        let left = "SELECT COUNT(*) FROM audit WHERE pruned IS NOT NULL
                    AND (body <> '{}' OR evidence IS NOT NULL OR salt IS NOT NULL)";
        assert_eq!(sqlx::query(left).fetch_one(&mut raw).await.unwrap().get::<i64, _>(0), 0);
        let verified = audit.verify(None).await.unwrap().unwrap();
        assert_eq!(verified.pruned, 4);
        audit.consistency(&old, due).await.unwrap();
        let known = KnownKeys { log: vec![audit.key()], witnesses: Vec::new() };
        assert!(prove_with(&proven, &known).is_logged(), "an export from before");
        for (entry, _) in &before {
            let exported = audit.export(entry.seq, due).await.unwrap().unwrap();
            assert_eq!(exported.hash, Digest::from_slice(&entry.hash).unwrap());
            assert!(prove_with(&exported, &known).is_logged());
            let is_pruned = entry.time < due - 90 * DAY;
            assert_eq!(exported.pruned.is_some(), is_pruned);
            if is_pruned {
                // It cannot be taken for an entry of another kind, time or device, or be given a payload.
                let forged = [
                    Exported { kind: "step-up-approved".into(), ..exported.clone() },
                    Exported { time: exported.time + 1, ..exported.clone() },
                    Exported { device: Default::default(), ..exported.clone() },
                    Exported { seq: exported.seq + 1, ..exported.clone() },
                    Exported { body: entry.body.clone(), ..exported.clone() },
                    Exported { pruned: Some(Default::default()), ..exported.clone() },
                    Exported { pruned: None, ..exported.clone() },
                    Exported { proof: None, ..exported.clone() },
                ];
                for (number, forged) in forged.iter().enumerate() {
                    assert!(!prove_with(forged, &known).is_logged(), "{number}");
                }
                assert!(!prove(&exported).is_proven(), "it is no approval");
            }
        }
    }

    #[tokio::test]
    async fn pruned_payload_cannot_be_guessed() {
        let lab = Lab::open().await;
        let store = lab.verifier.store();
        for _ in 0..2 {
            store.log_maintenance(Kind::KeyRotated, &json!({ "user": "nurse-7" }), NOW).await.unwrap();
        }
        store.prune_audit(Kind::KeyRotated, NOW + 1, NOW).await.unwrap();
        let pruned: Vec<_> = store.audit(None, 0, 2).await.unwrap().into_iter().map(|it| it.pruned).collect();
        // The same content twice: digests without random bytes would be equal.
        assert_ne!(pruned[0], pruned[1]);
        assert_eq!(pruned[0].as_ref().map(Vec::len), Some(32));
    }

    async fn approved() -> (StepUpFixture, u64) {
        let mut fixture = StepUpFixture::new().await;
        let (begun, asking, options) = fixture.ready(Acr::HardwareKey).await;
        let tapped = fixture.key.get(&options, ORIGIN).unwrap();
        assert_eq!(fixture.assert(&asking.id, tapped).await.unwrap(), StepUpResult::Approved);
        let StepUpStatus::Approved(approval) = fixture.standing(&begun).await else { panic!() };
        (fixture, approval.audit)
    }

    #[tokio::test]
    async fn byte_of_an_export_changed_is_noticed() {
        let (fixture, seq) = approved().await;
        let audit = &fixture.verifier().audit;
        let exported = audit.export(seq, NOW).await.unwrap().unwrap();
        let known = KnownKeys { log: vec![audit.key()], witnesses: Vec::new() };
        assert!(prove_with(&exported, &known).is_proven());
        let text = serde_json::to_string(&exported).unwrap();
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= 1;
            let Ok(changed) = serde_json::from_slice::<Exported>(&bytes) else { continue };
            assert!(!prove_with(&changed, &known).is_logged(), "byte {at}");
        }
    }

    /// A store as the last version with a hash chain left it, with an approval among other entries.
    async fn former_store(path: &Path, approval: &Exported, others: u64) -> Head {
        let mut raw =
            SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap();
        let migrations = [
            include_str!("../src/store/schema.sql"),
            include_str!("../src/store/step_up.sql"),
            include_str!("../src/store/ends.sql"),
            include_str!("../src/store/operation.sql"),
            include_str!("../src/store/diagnostics.sql"),
        ];
        for migration in migrations {
            run_all(&mut raw, migration).await;
        }
        run(&mut raw, "PRAGMA user_version = 5").await;
        run(&mut raw, "BEGIN").await;
        let mut head = Head { seq: 0, hash: Digest([0; 32]) };
        for seq in 1..=others + 1 {
            let length = |part: &[u8]| u32::try_from(part.len()).unwrap().to_be_bytes();
            let (kind, device, body, evidence) = if seq == 7 {
                let Exported { kind, device, body, evidence, .. } = approval.clone();
                (kind, device.0, body, evidence.0)
            } else {
                ("user-added".to_owned(), Vec::new(), format!("{{\"user\":\"nurse-{seq}\"}}"), Vec::new())
            };
            let hash = Digest::labelled(
                "vitalsign-audit-v1",
                &[
                    &head.hash.0,
                    &seq.to_be_bytes(),
                    &NOW.to_be_bytes(),
                    &length(kind.as_bytes()),
                    kind.as_bytes(),
                    &length(&device),
                    &device,
                    &length(body.as_bytes()),
                    body.as_bytes(),
                    &Digest::of(&evidence).0,
                ],
            );
            let insert = sqlx::query(
                "INSERT INTO audit (seq, time, kind, device, body, evidence, hash)
                 VALUES (?1, ?2, ?3, nullif(?4, x''), ?5, nullif(?6, x''), ?7)",
            );
            let insert =
                insert.bind(i64::try_from(seq).unwrap()).bind(i64::try_from(NOW).unwrap()).bind(kind);
            insert.bind(device).bind(body).bind(evidence).bind(&hash.0[..]).execute(&mut raw).await.unwrap();
            head = Head { seq, hash };
        }
        run(&mut raw, "COMMIT").await;
        raw.close().await.unwrap();
        head
    }

    async fn run_all(connection: &mut SqliteConnection, statements: &'static str) {
        sqlx::raw_sql(statements).execute(connection).await.unwrap();
    }

    #[tokio::test]
    async fn former_chain_is_the_first_leaf() {
        let approval: Exported = serde_json::from_str(include_str!("data/approval.json")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = super::support::config(folder.path());
        let head = former_store(&config.store(), &approval, 599).await;
        let migration = schema::due(&config.store()).await.unwrap().unwrap();
        schema::migrate(&config.store(), &migration).await.unwrap();
        let verifier = Arc::new(Verifier::open(config.clone(), NOW).await.unwrap());
        let (store, audit) = (verifier.store(), &verifier.audit);
        // The head that was recorded before is still one.
        assert_eq!(store.verify_audit(Some(head)).await.unwrap().unwrap().seq, 600);
        fill(store, 2).await;
        let checkpoint = audit.checkpoint(NOW).await.unwrap();
        assert_eq!(Checkpoint::read(&checkpoint.text).unwrap().size, 3);
        let verified = audit.verify(Some(head)).await.unwrap().unwrap();
        assert_eq!((verified.head.seq, verified.former), (602, 600));
        let wrong = Head { hash: Digest([1; 32]), ..head };
        assert_eq!(store.verify_audit(Some(wrong)).await.unwrap(), Err(Broken::NotAnchored(600)));

        let known = KnownKeys { log: vec![audit.key()], witnesses: Vec::new() };
        for seq in [1, 2, 6, 7, 8, 255, 256, 257, 599, 600, 601, 602] {
            let exported = audit.export(seq, NOW).await.unwrap().unwrap();
            assert_eq!(exported.former.is_some(), seq <= 600);
            let found = prove_with(&exported, &known);
            assert!(found.is_logged() && found.log.unwrap().known, "{seq}");
            assert_eq!(prove_with(&exported, &known).is_proven(), seq == 7, "{seq}");
            let mut forged = exported.clone();
            forged.seq += 1;
            assert!(!prove_with(&forged, &known).is_logged(), "{seq}");
            if let Some(former) = &exported.former {
                let mut forged = exported.clone();
                forged.body = forged.body.replace("nurse-", "nurse+").replace("order 4711", "order 4712");
                assert!(!prove_with(&forged, &known).is_logged(), "{seq}");
                // Without its position, only the approval itself could be verified.
                let alone = Exported { former: None, previous: Some(former.previous), ..exported.clone() };
                assert!(!prove_with(&alone, &known).is_logged(), "{seq}");
                assert!(!prove(&alone).is_logged(), "{seq}: it has a proof of nothing");
                let alone = Exported { proof: None, log_key: None, ..alone };
                assert!(prove(&alone).is_logged() && !prove_with(&alone, &known).is_logged(), "{seq}");
                let pruned = Exported { pruned: Some(Default::default()), body: "{}".into(), ..alone };
                assert!(!prove(&pruned).is_logged(), "{seq}");
            }
        }

        let mut raw = raw(store).await;
        run(&mut raw, "UPDATE audit SET body = replace(body, 'nurse-3', 'nurse-4') WHERE seq = 3").await;
        assert_eq!(store.verify_audit(None).await.unwrap(), Err(Broken::Changed(3)));
        run(&mut raw, "UPDATE audit SET body = replace(body, 'nurse-4', 'nurse-3') WHERE seq = 3").await;
        // Old entries are pruned as well. The approval stays proven.
        assert_eq!(store.prune_audit(Kind::UserAdded, NOW + 1, NOW).await.unwrap(), 599);
        let verified = audit.verify(Some(head)).await.unwrap().unwrap();
        assert_eq!(verified.pruned, 599);
        assert!(prove_with(&audit.export(7, NOW).await.unwrap().unwrap(), &known).is_proven());
        assert!(prove_with(&audit.export(8, NOW).await.unwrap().unwrap(), &known).is_logged());
        run(&mut raw, "UPDATE audit SET hash = zeroblob(32) WHERE seq = 5").await;
        // Leaf 0 covers the hashes of pruned entries.
        assert_eq!(store.verify_audit(None).await.unwrap(), Err(Broken::Node { level: 1, number: 0 }));
        run(&mut raw, "DELETE FROM audit_nodes").await;
        run(&mut raw, "UPDATE audit SET hash = zeroblob(32) WHERE seq = 599").await;
        assert!(store.verify_audit(None).await.unwrap().is_err());
        raw.close().await.unwrap();
    }

    /// Reads the files of C2SP tlog-tiles as a monitor does. Returns the size that the tiles prove by the checkpoint.
    fn monitor(folder: &Path, key: &VerifierKey) -> Result<u64, String> {
        let note = std::fs::read_to_string(folder.join("checkpoint")).unwrap();
        let note = note.parse().map_err(|e: NoteError| e.to_string())?;
        let (checkpoint, _) =
            Checkpoint::open(&note, std::slice::from_ref(key), &[]).map_err(|e| e.to_string())?;
        let mut width = checkpoint.size;
        let mut below = Vec::new();
        for level in 0.. {
            if width == 0 {
                break;
            }
            let mut hashes = Vec::new();
            for number in 0..width.div_ceil(256) {
                let count = usize::try_from((width - number * 256).min(256)).unwrap();
                let file =
                    if count < 256 { format!("{number:03}.p/{count}") } else { format!("{number:03}") };
                let tile =
                    std::fs::read(folder.join(format!("tile/{level}/{file}"))).map_err(|e| e.to_string())?;
                assert_eq!(tile.len(), count * 32);
                hashes.extend(tile.chunks(32).map(|hash| Digest::from_slice(hash).unwrap()));
                if level == 0 {
                    let bundle = std::fs::read(folder.join(format!("tile/entries/{file}"))).unwrap();
                    let mut rest = &bundle[..];
                    for hash in &hashes[hashes.len() - count..] {
                        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
                        let leaf = rest.get(2..2 + length).ok_or("an entry is too long")?;
                        if hash_leaf(leaf) != *hash {
                            return Err("an entry differs from its hash".into());
                        }
                        rest = &rest[2 + length..];
                    }
                    assert!(rest.is_empty());
                }
            }
            if level > 0 {
                let roots = |leaves: &[Digest]| {
                    let mut frontier = Frontier::default();
                    leaves.iter().for_each(|leaf| drop(frontier.push(*leaf)));
                    frontier.root()
                };
                let full: Vec<_> = below.chunks_exact(256).map(roots).collect();
                if full != hashes {
                    return Err("a tile differs from the one below it".into());
                }
            } else {
                let mut frontier = Frontier::default();
                hashes.iter().for_each(|leaf| drop(frontier.push(*leaf)));
                if frontier.root() != checkpoint.root {
                    return Err("the tiles have another root".into());
                }
            }
            below = hashes;
            width /= 256;
        }
        Ok(checkpoint.size)
    }

    #[tokio::test]
    async fn byte_of_a_tile_changed_is_noticed() {
        let folder = configure();
        let folder = folder.path();
        let _serving = Serving::start(folder);
        drop(stdout(&command(folder, &["enrol-token", "create"])));
        let store = Store::open(&folder.join("data/verifier.db")).await.unwrap();
        fill(&store, 300).await;
        let tiles = folder.join("tiles");
        let key: VerifierKey = stdout(&command(folder, &["audit", "key"])).parse().unwrap();
        stdout(&command(folder, &["audit", "tiles", tiles.to_str().unwrap()]));
        assert_eq!(monitor(&tiles, &key), Ok(303));
        fill(&store, 10).await;
        stdout(&command(folder, &["audit", "tiles", tiles.to_str().unwrap()]));
        assert_eq!(monitor(&tiles, &key), Ok(313));
        for file in ["checkpoint", "tile/0/000", "tile/0/001.p/57", "tile/1/000.p/1", "tile/entries/001.p/57"]
        {
            let path = tiles.join(file);
            let good = std::fs::read(&path).unwrap();
            for at in (0..good.len()).step_by(if good.len() > 4096 { 97 } else { 1 }) {
                let mut bad = good.clone();
                bad[at] ^= 1;
                if std::str::from_utf8(&good).is_ok() && std::str::from_utf8(&bad).is_err() {
                    continue;
                }
                std::fs::write(&path, bad).unwrap();
                assert!(monitor(&tiles, &key).is_err(), "{file}, byte {at}");
            }
            std::fs::write(&path, good).unwrap();
        }
        // No payload is in them.
        let entries = std::fs::read(tiles.join("tile/entries/000")).unwrap();
        assert!(!String::from_utf8_lossy(&entries).contains("number"));
    }

    #[tokio::test]
    async fn commands_prove_the_log_without_the_store() {
        let folder = configure();
        let folder = folder.path();
        let witness = note_key("witness.example/w", SignatureType::Cosignature);
        let mut config = std::fs::read_to_string(folder.join("verifier.toml")).unwrap();
        config +=
            &format!("audit.witnesses = [\"{}\"]\naudit.retention.token-created = 1\n", witness.public());
        std::fs::write(folder.join("verifier.toml"), &config).unwrap();
        let _serving = Serving::start(folder);
        drop(stdout(&command(folder, &["enrol-token", "create"])));
        let key = stdout(&command(folder, &["audit", "key"]));
        let key = key.trim();
        let old = stdout(&command(folder, &["audit", "checkpoint"]));
        std::fs::write(folder.join("old"), &old).unwrap();
        let mut note: SignedNote = old.parse().unwrap();
        note.signatures.push(witness.sign(&note.text, NOW));
        std::fs::write(folder.join("cosigned"), note.to_string()).unwrap();
        assert!(stdout(&command(folder, &["audit", "cosign", "cosigned"])).contains("witness.example/w"));
        assert!(!command(folder, &["audit", "cosign", "old"]).status.success(), "it has no cosignature");
        let export = stdout(&command(folder, &["audit", "export", "2"]));
        std::fs::write(folder.join("export"), export).unwrap();

        let store = Store::open(&folder.join("data/verifier.db")).await.unwrap();
        fill(&store, 3).await;
        let proof = stdout(&command(folder, &["audit", "consistency", "old"]));
        std::fs::write(folder.join("proof"), proof).unwrap();
        let verified = stdout(&command(folder, &["audit", "verify", "--json"]));
        let verified: Value = serde_json::from_str(&verified).unwrap();
        assert_eq!(verified["entries"], 5);
        assert!(verified["checkpoints"].as_u64() >= Some(2), "{verified}");

        // Without the store, with a key that was recorded.
        let elsewhere = tempfile::tempdir().unwrap();
        let elsewhere = elsewhere.path();
        for file in ["export", "proof"] {
            std::fs::copy(folder.join(file), elsewhere.join(file)).unwrap();
        }
        let consistency =
            |key: &str| command(elsewhere, &["audit", "consistency", "--file", "proof", "--log-key", key]);
        assert!(stdout(&consistency(key)).starts_with("CONSISTENT: 6 leaves"));
        let public = witness.public().to_string();
        let prove = |key: &str| {
            let known = ["--log-key", key, "--witness", &public];
            command(elsewhere, &[&["audit", "prove", "--file", "export"][..], &known].concat())
        };
        let proven = stdout(&prove(key));
        assert!(
            proven.starts_with("IN THE LOG: ") && proven.contains("cosigned by witness.example/w"),
            "{proven}"
        );
        let other = note_key("localhost/audit", SignatureType::Ed25519);
        let other = other.public().to_string();
        assert_eq!(prove(&other).status.code(), Some(1));
        assert_eq!(consistency(&other).status.code(), Some(1));
        assert_eq!(command(elsewhere, &["audit", "consistency", "--file", "proof"]).status.code(), Some(2));
        let unknown = stdout(&command(elsewhere, &["audit", "prove", "--file", "export"]));
        assert!(unknown.contains(&format!("signed by {key}")) && unknown.contains("--log-key"), "{unknown}");

        // A successor of the key is announced: who knows the former key goes on with it.
        let rotated = stdout(&command(folder, &["audit", "rotate-key", "--in", "30d"]));
        let [_, current, next] = rotated.lines().collect::<Vec<_>>()[..] else { panic!("{rotated}") };
        assert!(current == key && next != key, "{rotated}");
        assert!(stdout(&command(folder, &["audit", "key"])).ends_with(&format!("{key}\n{next}\n")));
        let proof = stdout(&command(folder, &["audit", "consistency", "old"]));
        std::fs::write(elsewhere.join("proof"), proof).unwrap();
        for key in [key, next] {
            assert_eq!(
                consistency(key).status.success(),
                key == current,
                "the earlier one is by the former key"
            );
        }
        assert_eq!(command(folder, &["audit", "replace-key"]).status.code(), Some(1));

        // Retention.
        let listed = command(folder, &["audit", "prune", "--dry-run"]);
        assert!(String::from_utf8_lossy(&listed.stderr).contains("less than the six years"));
        assert!(stdout(&listed).contains("nothing to prune"), "the token was made today");
        run(&mut raw(&store).await, "UPDATE audit SET time = 1000 WHERE seq = 2").await;
        assert!(
            stdout(&command(folder, &["audit", "prune", "--dry-run"]))
                .contains("token-created: 1 payloads would")
        );
        let broken = command(folder, &["audit", "verify"]);
        assert!(
            String::from_utf8_lossy(&broken.stderr).contains("entry 2 is invalid"),
            "its time was changed"
        );
    }

    #[tokio::test]
    async fn retention_names_kinds_and_days() {
        let folder = tempfile::tempdir().unwrap();
        let check = |kind: &str, days| {
            let mut config = super::support::config(folder.path());
            config.audit.retention = [(kind.to_owned(), days)].into();
            config.check()
        };
        assert!(check("heartbeats", 90).is_ok() && check("default", 2557).is_ok());
        for (kind, days) in [("heartbeat", 90), ("pruned", 90), ("heartbeats", 0)] {
            assert!(check(kind, days).is_err(), "{kind} {days}");
        }
        let config = super::support::config(folder.path());
        assert!(Kind::ALL.iter().all(|kind| config.audit.kept_days(*kind).is_none()), "kept for ever");
    }
}
