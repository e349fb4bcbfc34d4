//! Fuzzes TPM structures from other machines.

#[cfg(test)]
mod tpm {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use std::path::Path;
    use vitalsign_fuzz::fuzz;
    use vitalsign_protocol::cose::PublicKey;
    use vitalsign_protocol::id::Secret;
    use vitalsign_tpm::attest::{self, AttestationKey};
    use vitalsign_tpm::eventlog::{EventLog, MAX_EVENTS};
    use vitalsign_tpm::hash::Hash;
    use vitalsign_tpm::public::Public;
    use vitalsign_tpm::{credential, endorsement};

    /// Integers at a border, in both byte orders, and ids that mean something.
    const WORDS: &[&[u8]] = &[
        &[0, 0, 0, 0],
        &[255, 255, 255, 255],
        &[0, 0, 0, 128],
        &[128, 0, 0, 0],
        &[0, 1],
        &[1, 0],
        &[0, 4],
        &[4, 0],
        &[0, 0x0b],
        &[0x0b, 0],
        &[0, 0x10],
        &[0, 0x18],
        &[0, 0x23],
        &[0x0c, 0],
        &[0x80, 0x17],
        &[0x80, 0x18],
        &[0xff, 0x54, 0x43, 0x47],
        &[3, 0, 0, 0],
        &[4, 0, 0, 0],
        b"Spec ID Event03\0",
        b"StartupLocality\0\x03",
    ];

    fn le(n: usize) -> [u8; 4] {
        u32::try_from(n).unwrap().to_le_bytes()
    }

    /// A crypto-agile log with a SHA-1 and a SHA-256 bank.
    fn log() -> Vec<u8> {
        let mut spec = b"Spec ID Event03\0".to_vec();
        spec.extend([0, 0, 0, 0, 0, 2, 0, 2, 2, 0, 0, 0, 4, 0, 20, 0, 0x0b, 0, 32, 0, 0]);
        let mut log = [&le(0)[..], &le(3), &[0; 20], &le(spec.len()), &spec].concat();
        for (pcr, event_type, data) in
            [(0, 3, &b"StartupLocality\0\x03"[..]), (0, 8, b"1.0"), (7, 4, &[0; 4])]
        {
            log.extend([&le(pcr)[..], &le(event_type), &le(2)].concat());
            log.extend(
                [&[4, 0][..], &Hash::Sha1.digest(&[data]), &[0x0b, 0], &Hash::Sha256.digest(&[data])]
                    .concat(),
            );
            log.extend([&le(data.len())[..], data].concat());
        }
        log
    }

    /// Logs of real machines, where the vectors are at hand: the small ones, which bend fastest.
    fn published_logs() -> Vec<Vec<u8>> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
        let root = std::env::var_os("VITALSIGN_VECTORS").map_or(beside, Into::into);
        let folder = root.join("tpm2-tools/test/integration/fixtures");
        let Ok(entries) = std::fs::read_dir(&folder) else {
            eprintln!("fuzz: no published event logs at {}", folder.display());
            return Vec::new();
        };
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let small = |path: &Path| {
            path.extension().is_some_and(|it| it == "bin") && path.metadata().unwrap().len() < 16_384
        };
        files.iter().filter(|path| small(path)).map(|path| std::fs::read(path).unwrap()).collect()
    }

    #[test]
    fn event_logs_are_read_whole_or_not_at_all() {
        let mut good = published_logs();
        good.push(log());
        fuzz("event log", &good, WORDS, |input| {
            let Ok(log) = EventLog::parse(input) else { return false };
            assert!(log.events.len() <= MAX_EVENTS);
            assert!(log.events.iter().map(|event| event.data.len()).sum::<usize>() < input.len());
            for bank in Hash::ALL {
                for value in log.replay(bank).values() {
                    assert_eq!(value.len(), bank.size());
                }
                let _ = log.boot_facts(bank);
            }
            let _ = log.unexplained(&[(0, [0; 32]), (7, [1; 32]), (23, [2; 32])]);
            true
        });
    }

    fn pair() -> (EcdsaKeyPair, PublicKey) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public = PublicKey::from_point(pair.public_key().as_ref()).unwrap();
        (pair, public)
    }

    /// A TPMT_PUBLIC: ECC, SHA-256, and the attributes of a report key.
    fn public(key: &PublicKey) -> Vec<u8> {
        let (x, y) = key.coordinates();
        let head = [0, 0x23, 0, 0x0b, 0, 4, 4, 0x72, 0, 0, 0, 0x10, 0, 0x18, 0, 0x0b, 0, 3, 0, 0x10];
        [&head[..], &[0, 32], x, &[0, 32], y].concat()
    }

    #[test]
    fn public_areas_are_read_as_they_were_spelled() {
        let good = public(&pair().1);
        fuzz("public area", &[good], WORDS, |input| {
            let Ok(area) = Public::parse(input) else { return false };
            assert_eq!(area.bytes(), input);
            assert_eq!(Public::parse(area.bytes()).unwrap().name(), area.name());
            let _ = (area.report_key(), area.attestation_key(), AttestationKey::any(&area));
            let _ = credential::make(&area, &area.name(), &Secret::new(vec![7; 16]));
            true
        });
    }

    /// A TPMS_ATTEST: a quote of PCRs 0 and 7 of the SHA-256 bank.
    fn quote() -> Vec<u8> {
        let head = [0xff, 0x54, 0x43, 0x47, 0x80, 0x18, 0, 4, 0, 0x0b, 1, 2, 0, 2, 9, 9];
        let clock_and_firmware = [[0; 8], [0; 8]].concat();
        let selection = [0, 0, 0, 1, 0, 0x0b, 3, 0x81, 0, 0];
        [&head[..], &clock_and_firmware, &[1], &[0; 8], &selection, &[0, 32], &[5; 32]].concat()
    }

    #[test]
    fn signed_attestations_are_still_validated() {
        let (pair, key) = pair();
        let (ak, random) = (AttestationKey::P256(key), SystemRandom::new());
        fuzz("attestation", &[quote()], WORDS, |input| {
            let signature = pair.sign(&random, input).unwrap();
            let (r, s) = signature.as_ref().split_at(32);
            let signature = [&[0, 0x18, 0, 0x0b, 0, 32][..], r, &[0, 32], s].concat();
            let _ = attest::verify_certify(&ak, input, &signature, b"", b"");
            let Ok(quote) = attest::inspect_quote(&ak, input, &signature) else { return false };
            assert!(quote.pcrs.is_sorted());
            assert!(attest::inspect_quote(&ak, &[input, &[0]].concat(), &signature).is_err());
            true
        });
    }

    #[test]
    fn signatures_are_read_or_refused() {
        let good = [&[0, 0x18, 0, 0x0b, 0, 32][..], &[1; 32], &[0, 32], &[2; 32]].concat();
        fuzz("signature", &[good], WORDS, |input| attest::es256(input).is_ok());
    }

    #[test]
    fn certificates_never_make_a_reader_panic() {
        let area = Public::parse(&public(&pair().1)).unwrap();
        let padded = [&[0x30, 0x03, 0x02, 0x01, 0x05][..], &[0; 16]].concat();
        fuzz(
            "certificate",
            &[padded],
            &[&[0x30, 0x80], &[0x30, 0x82, 255, 255], &[0x06, 0x03, 0x55, 0x1d, 0x11]],
            |input| {
                let _ = endorsement::certifies(input, &area);
                let parts = endorsement::split_padded(input);
                assert!(parts.iter().map(|part| part.len()).sum::<usize>() <= input.len());
                !parts.is_empty()
            },
        );
    }
}
