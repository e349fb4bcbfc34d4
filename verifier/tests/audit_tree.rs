//! The audit log's tree and notes, against published values and a naive implementation of RFC 6962.

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use vitalsign_protocol::id::Digest;
    use vitalsign_verifier::audit::checkpoint::{Checkpoint, ConsistencyProof, InclusionProof};
    use vitalsign_verifier::audit::note::{
        MAX_SIGNATURES, NoteError, NoteKey, NoteSignature, SignatureType, SignedNote, VerifierKey,
    };
    use vitalsign_verifier::audit::tree::*;

    /// MTH of RFC 6962, section 2.1, as it is written there.
    fn naive(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                hash_children(&naive(left), &naive(right))
            }
        }
    }

    /// PATH of RFC 6962, section 2.1.1.
    fn naive_path(index: usize, leaves: &[Digest]) -> Vec<Digest> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let middle = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(middle);
        if index < middle {
            [naive_path(index, left), vec![naive(right)]].concat()
        } else {
            [naive_path(index - middle, right), vec![naive(left)]].concat()
        }
    }

    /// SUBPROOF of RFC 6962, section 2.1.2.
    fn naive_subproof(old: usize, leaves: &[Digest], known: bool) -> Vec<Digest> {
        if old == leaves.len() {
            return if known { Vec::new() } else { vec![naive(leaves)] };
        }
        let middle = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(middle);
        if old <= middle {
            [naive_subproof(old, left, known), vec![naive(right)]].concat()
        } else {
            [naive_subproof(old - middle, right, false), vec![naive(left)]].concat()
        }
    }

    fn leaves(count: u32) -> Vec<Digest> {
        (0..count).map(|number| hash_leaf(&number.to_be_bytes())).collect()
    }

    /// Hash of a range, by way of its perfect subtrees.
    fn range(leaves: &[Digest], range: Range<u64>) -> Digest {
        let parts: Vec<_> = subtrees(range)
            .into_iter()
            .map(|Subtree { height, number }| {
                let (start, end) = (number << height, (number + 1) << height);
                naive(&leaves[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()])
            })
            .collect();
        join(&parts)
    }

    fn ranges(leaves: &[Digest], paths: Vec<Range<u64>>) -> Vec<Digest> {
        paths.into_iter().map(|it| range(leaves, it)).collect()
    }

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        // Test data of the reference implementation (google/certificate-transparency, merkle_tree_test).
        let inputs: [&[u8]; 8] = [
            &[],
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();
        assert_eq!(frontier.root().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (input, root) in inputs.iter().zip(roots) {
            frontier.push(hash_leaf(input));
            assert_eq!(frontier.root().hex(), root);
        }
    }

    #[test]
    fn proofs_are_those_of_a_naive_implementation() {
        for size in 1..=70_u32 {
            let leaves = leaves(size);
            let (size, root) = (u64::from(size), naive(&leaves));
            for (index, leaf) in (0..).zip(&leaves) {
                let proof = ranges(&leaves, inclusion_path(index, size));
                assert_eq!(proof, naive_path(usize::try_from(index).unwrap(), &leaves), "{index} of {size}");
                assert!(includes(leaf, index, &proof, size, &root), "{index} of {size}");
            }
            for old in 0..=size {
                let before = &leaves[..usize::try_from(old).unwrap()];
                let proof = ranges(&leaves, consistency_path(old, size));
                if old > 0 {
                    assert_eq!(proof, naive_subproof(before.len(), &leaves, true), "{old} of {size}");
                }
                assert!(extends((old, &naive(before)), (size, &root), &proof), "{old} of {size}");
            }
        }
    }

    #[test]
    fn changed_proofs_are_refused() {
        for size in [2_u32, 3, 7, 8, 13, 37] {
            let leaves = leaves(size);
            let (size, root) = (u64::from(size), naive(&leaves));
            let other = Digest([7; 32]);
            // A node is no leaf, although its hash leads to the root.
            assert!(!includes(&root, 0, &[], size, &root));
            for (index, leaf) in (0..).zip(&leaves) {
                let good = ranges(&leaves, inclusion_path(index, size));
                for (wrong, wrong_size) in [(index + 1, size), (size, size), (index, index), (u64::MAX, size)]
                {
                    assert!(!includes(leaf, wrong, &good, wrong_size, &root), "{wrong} of {wrong_size}");
                }
                assert!(!includes(&other, index, &good, size, &root));
                assert!(!includes(leaf, index, &good, size, &other));
                for bad in changed(&good) {
                    assert!(!includes(leaf, index, &bad, size, &root), "{index} of {size}");
                }
            }
            for old in 1..size {
                let before = naive(&leaves[..usize::try_from(old).unwrap()]);
                let good = ranges(&leaves, consistency_path(old, size));
                assert!(!extends((old, &other), (size, &root), &good));
                assert!(!extends((old, &before), (size, &other), &good));
                assert!(!extends((old + 1, &before), (size, &root), &good), "{old} of {size}");
                assert!(!extends((size, &root), (old, &before), &good));
                for bad in changed(&good) {
                    assert!(!extends((old, &before), (size, &root), &bad), "{old} of {size}");
                }
            }
            assert!(!extends((0, &other), (size, &root), &[]));
            assert!(!extends((size, &other), (size, &root), &[]));
        }
    }

    /// A proof with one hash changed, missing, or too much.
    fn changed(good: &[Digest]) -> Vec<Vec<Digest>> {
        let mut all = Vec::new();
        for at in 0..good.len() {
            for byte in 0..32 {
                let mut bad = good.to_vec();
                bad[at].0[byte] ^= 1;
                all.push(bad);
            }
            let mut bad = good.to_vec();
            bad.remove(at);
            all.push(bad);
        }
        for at in 0..=good.len() {
            let mut bad = good.to_vec();
            bad.insert(at, Digest([0; 32]));
            all.push(bad);
        }
        all
    }

    #[test]
    fn frontier_tells_complete_tiles() {
        let leaves = leaves(70_000);
        let mut frontier = Frontier::default();
        let complete: Vec<_> = leaves.iter().flat_map(|leaf| frontier.push(*leaf)).collect();
        assert_eq!((frontier.size(), complete.len()), (70_000, 273 + 1));
        for (Subtree { height, number }, hash) in complete {
            let width = 1_usize << height;
            let start = usize::try_from(number).unwrap() * width;
            assert_eq!(hash, naive(&leaves[start..start + width]));
        }
        assert_eq!(frontier.root(), naive(&leaves));
    }

    /// Note of the documentation of Go's package `golang.org/x/mod/sumdb/note`.
    const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\u{2014} PeterNeumann \
        x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn note_of_another_implementation_verifies() {
        let key: VerifierKey = GO_KEY.parse().unwrap();
        assert_eq!(key.to_string(), GO_KEY);
        let note: SignedNote = GO_NOTE.parse().unwrap();
        assert_eq!(note.to_string(), GO_NOTE);
        assert_eq!(key.verify(&note), Ok(None));
        for at in 0..GO_KEY.len() {
            let mut bytes = GO_KEY.as_bytes().to_vec();
            bytes[at] ^= 1;
            let other = String::from_utf8(bytes).unwrap().parse::<VerifierKey>();
            assert!(other.is_err_and(|error| matches!(error, NoteError::Key(_))), "byte {at}");
        }
    }

    fn key(name: &str, kind: SignatureType) -> NoteKey {
        let (_, private) = NoteKey::generate().unwrap();
        NoteKey::from_pkcs8(&private, name, kind).unwrap()
    }

    #[test]
    fn byte_of_a_checkpoint_changed_is_noticed() {
        let log = key("log.example/audit", SignatureType::Ed25519);
        let witness = key("witness.example", SignatureType::Cosignature);
        let checkpoint = Checkpoint { origin: "log.example/audit".into(), size: 300, root: Digest([5; 32]) };
        let mut note = checkpoint.sign(&log, 0);
        note.signatures.push(witness.sign(&note.text, 1_800_000_000));
        let (log, witnesses) = (std::slice::from_ref(log.public()), [witness.public().clone()]);
        let text = note.to_string();
        let (opened, cosigned) = Checkpoint::open(&text.parse().unwrap(), log, &witnesses).unwrap();
        assert_eq!(opened, checkpoint);
        assert_eq!((cosigned.len(), cosigned[0].time), (1, 1_800_000_000));
        for at in 0..text.len() {
            for bit in [0x01, 0x10, 0x80] {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] ^= bit;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                let opened =
                    changed.parse().and_then(|note: SignedNote| Checkpoint::open(&note, log, &witnesses));
                // A line whose key is not known any more is ignored, as the format requires.
                assert!(!opened.is_ok_and(|(_, cosigned)| cosigned.len() == 1), "byte {at}: {changed}");
            }
        }
    }

    #[test]
    fn notes_are_bounded_and_strict() {
        let log = key("log.example/audit", SignatureType::Ed25519);
        let checkpoint = Checkpoint { origin: "log.example/audit".into(), size: 0, root: Digest::of(b"") };
        let mut note = checkpoint.sign(&log, 0);
        let one = note.signatures[0].clone();
        note.signatures = vec![NoteSignature { name: "other".into(), ..one.clone() }; MAX_SIGNATURES - 1];
        note.signatures.push(one.clone());
        let good = note.to_string();
        assert!(Checkpoint::open(&good.parse().unwrap(), std::slice::from_ref(log.public()), &[]).is_ok());
        note.signatures.push(one);
        for bad in [
            note.to_string(),
            good.replace('\n', "\r\n"),
            good.trim_end().to_owned(),
            good.replace("\u{2014} other", "\u{2014}  other"),
            "x".repeat(70_000),
            String::new(),
            "a\n\n".into(),
        ] {
            assert!(matches!(bad.parse::<SignedNote>(), Err(NoteError::Malformed(_))));
        }
        for text in [
            "",
            "a\n1\n",
            "a\n01\nAAAA\n",
            "a\n+1\nAAAA\n",
            "\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        ] {
            assert!(Checkpoint::read(text).is_err(), "{text:?}");
        }
        let extended = format!("{}extension\n", checkpoint.text());
        assert!(Checkpoint::read(&extended).is_err());
        // Of another log, although its key signed it.
        let other = Checkpoint { origin: "other.example".into(), ..checkpoint }.sign(&log, 0);
        assert_eq!(
            Checkpoint::open(&other, std::slice::from_ref(log.public()), &[]).unwrap_err(),
            NoteError::Origin("other.example".into())
        );
    }

    #[test]
    fn forged_consistency_is_refused() {
        let log = key("log.example/audit", SignatureType::Ed25519);
        let attacker = key("log.example/audit", SignatureType::Ed25519);
        let (leaves, mut rewritten) = (leaves(20), leaves(20));
        rewritten[3] = Digest([9; 32]);
        let note = |leaves: &[Digest], size: usize, key: &NoteKey| {
            let (origin, root) = ("log.example/audit".to_owned(), naive(&leaves[..size]));
            Checkpoint { origin, size: u64::try_from(size).unwrap(), root }.sign(key, 0).to_string()
        };
        let proof = |leaves: &[Digest]| ranges(leaves, consistency_path(13, 20));
        let good = ConsistencyProof {
            old: note(&leaves, 13, &log),
            new: note(&leaves, 20, &log),
            proof: proof(&leaves),
        };
        let (old, new, _) = good.verify(std::slice::from_ref(log.public()), &[]).unwrap();
        assert_eq!((old.size, new.size), (13, 20));
        let forged = [
            // The log rewrote an entry that the earlier checkpoint contains, and signs that.
            ConsistencyProof { new: note(&rewritten, 20, &log), ..good.clone() },
            ConsistencyProof { new: note(&rewritten, 20, &log), proof: proof(&rewritten), ..good.clone() },
            ConsistencyProof { old: note(&rewritten, 13, &log), proof: proof(&rewritten), ..good.clone() },
            // It was cut off.
            ConsistencyProof { old: good.new.clone(), new: good.old.clone(), proof: Vec::new() },
            ConsistencyProof { proof: Vec::new(), ..good.clone() },
            ConsistencyProof { proof: vec![Digest([0; 32]); 100_000], ..good.clone() },
            // Another key signed it.
            ConsistencyProof { new: note(&leaves, 20, &attacker), ..good.clone() },
            ConsistencyProof { old: note(&leaves, 13, &attacker), ..good.clone() },
        ];
        for (number, forged) in forged.iter().enumerate() {
            assert!(forged.verify(std::slice::from_ref(log.public()), &[]).is_err(), "{number}");
        }
    }

    #[test]
    fn inclusion_proofs_read_back() {
        let log = key("log.example/audit", SignatureType::Ed25519);
        let leaves = leaves(9);
        let checkpoint = Checkpoint { origin: "log.example/audit".into(), size: 9, root: naive(&leaves) };
        for index in [0, 8] {
            let path = ranges(&leaves, inclusion_path(index, 9));
            let proof = InclusionProof { index, path, note: checkpoint.sign(&log, 0) };
            let text = proof.to_string();
            assert!(text.starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {index}\n")));
            assert_eq!(text.parse::<InclusionProof>().unwrap(), proof);
            assert!(proof.includes(&leaves[usize::try_from(index).unwrap()], &checkpoint));
            for bad in [
                text.replace("@v1", "@v2"),
                text.replace("index ", "index 0"),
                text.replacen("\n\n", "\n", 1),
                text.replacen('\n', &format!("\n{}", "AAAA\n".repeat(3)), 2),
            ] {
                assert!(bad.parse::<InclusionProof>().is_err(), "{bad}");
            }
        }
    }
}
