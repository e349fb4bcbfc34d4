//! Event logs with golden PCR values, and a cloud machine's quotes, that others published. Where the vectors are absent
//! each test says so and ends.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vitalsign_protocol::evidence::BootEvidence;
use vitalsign_protocol::id::{Digest, hex};
use vitalsign_tpm::attest::{self, AttestationKey};
use vitalsign_tpm::eventlog::{self, EventLog};
use vitalsign_tpm::hash::Hash;
use vitalsign_tpm::public::{self, Public};

const FIXTURES: &str = "tpm2-tools/test/integration/fixtures";
const GO: &str = "go-tpm-tools/internal/test";

fn vectors() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let path = std::env::var_os("VITALSIGN_VECTORS").map_or(default, PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: no vectors at {}", path.display());
    None
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.extension().is_some_and(|it| it == extension));
    all.sort();
    assert!(!all.is_empty(), "{}", folder.display());
    all
}

/// The section `pcrs:` at the end: bank, PCR, value.
fn golden(yaml: &str) -> Vec<(Hash, u32, String)> {
    let mut bank = None;
    let mut values = Vec::new();
    for line in yaml.lines().skip_while(|line| *line != "pcrs:").skip(1) {
        if let Some((pcr, value)) = line.split_once(" : 0x").or_else(|| line.split_once(": 0x")) {
            values.push((bank.unwrap(), pcr.trim().parse().unwrap(), value.trim().to_owned()));
        } else {
            bank = Hash::ALL.into_iter().find(|hash| hash.name() == line.trim().trim_end_matches(':'));
        }
    }
    values
}

#[test]
fn logs_replay_to_the_golden_pcr_values() {
    let Some(vectors) = vectors() else { return };
    let fixtures = vectors.join(FIXTURES);
    let (mut logs, mut passed) = (0, 0);
    for yaml in files(&fixtures.join("event-raw"), "yaml").into_iter().chain(files(&fixtures, "yaml")) {
        let name =
            yaml.file_stem().unwrap().to_str().unwrap().replace("-hex", ".bin").replace(".bin.bin", ".bin");
        let log = std::fs::read(fixtures.join(&name)).unwrap();
        if name == "specid-vendordata.bin" {
            // It has no PCR values, and its vendor data lie outside of the event that they belong to.
            assert_eq!(EventLog::parse(&log), Err(eventlog::Error::Truncated(21)));
            continue;
        }
        let log = EventLog::parse(&log).unwrap_or_else(|e| panic!("{name}: {e}"));
        let golden = golden(&std::fs::read_to_string(&yaml).unwrap());
        for bank in Hash::ALL {
            let wanted: BTreeMap<u32, String> = golden
                .iter()
                .filter(|(it, ..)| *it == bank)
                .map(|(_, pcr, value)| (*pcr, value.clone()))
                .collect();
            // Some listings leave a bank out that the log has.
            if wanted.is_empty() {
                continue;
            }
            let replayed: BTreeMap<u32, String> =
                log.replay(bank).into_iter().map(|(pcr, value)| (pcr, hex(&value))).collect();
            assert_eq!(replayed, wanted, "{name} {}", bank.name());
            passed += wanted.len();
        }
        assert_eq!(log.sha1_only, name.contains("sha1"), "{name}");
        logs += 1;
    }
    println!("{passed} golden PCR values of {logs} event logs passed");
    assert!(passed >= 118, "{passed}");
}

#[test]
fn logs_of_real_machines_say_what_they_booted_with() {
    let Some(vectors) = vectors() else { return };
    let folder = vectors.join(GO).join("eventlogs");
    let mut facts = Vec::new();
    for path in files(&folder, "bin") {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&path).unwrap();
        let log = EventLog::parse(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        facts.push((name, log.boot_facts(Hash::Sha256)));
    }
    let of = |name: &str| facts.iter().find(|(it, _)| it == name).unwrap().1;
    println!("{} event logs passed: {facts:#?}", facts.len());
    assert_eq!(of("ubuntu-2104-no-secure-boot").secure_boot, Some(false));
    assert_eq!(of("rhel8-uefi").secure_boot, Some(true));
    assert!(of("rhel8-uefi").separators);
    // A log of SHA-1 digests only says nothing that counts.
    assert_eq!(of("debian-10"), eventlog::BootFacts::default());
}

#[test]
fn no_damage_to_a_log_makes_the_parser_panic() {
    let Some(vectors) = vectors() else { return };
    let mut tried = 0u32;
    for folder in [FIXTURES, &format!("{GO}/eventlogs")] {
        for path in files(&vectors.join(folder), "bin") {
            let bytes = std::fs::read(&path).unwrap();
            // Every truncation of the front, where the headers are, and a sample of the rest.
            let cuts = (0..bytes.len()).filter(|at| *at < 2048 || at % 61 == 0);
            for at in cuts {
                look(&bytes[..at]);
                let mut changed = bytes.clone();
                for value in [changed[at] ^ 0x80, 0, 0xff, changed[at].wrapping_add(1)] {
                    changed[at] = value;
                    look(&changed);
                    tried += 1;
                }
            }
        }
    }
    println!("{tried} damaged logs were survived");
    assert!(tried > 10_000);
}

fn look(bytes: &[u8]) {
    if let Ok(log) = EventLog::parse(bytes) {
        assert!(log.events.len() <= eventlog::MAX_EVENTS);
        // The whole is hashed in the other tests; here only what decides by the content.
        let _ = log.boot_facts(Hash::Sha1);
    }
}

#[test]
fn a_change_in_what_was_extended_is_seen() {
    let Some(vectors) = vectors() else { return };
    let bytes = std::fs::read(vectors.join(GO).join("eventlogs/rhel8-uefi.bin")).unwrap();
    let log = EventLog::parse(&bytes).unwrap();
    let pcrs: Vec<(u8, [u8; 32])> = log
        .replay(Hash::Sha256)
        .into_iter()
        .map(|(pcr, value)| (u8::try_from(pcr).unwrap(), value.try_into().unwrap()))
        .collect();
    assert_eq!(log.unexplained(&pcrs), Vec::<u8>::new());
    for index in 0..pcrs.len() {
        let mut others = pcrs.clone();
        others[index].1[31] ^= 1;
        let wanted: Vec<u8> = Some(others[index].0).filter(|pcr| *pcr <= 7).into_iter().collect();
        assert_eq!(log.unexplained(&others), wanted);
    }
    // The variable's data is accepted only if its digest was extended.
    let at = bytes.windows(20).position(|it| it == b"S\0e\0c\0u\0r\0e\0B\0o\0o\0t\0").unwrap() + 20;
    let mut lie = bytes.clone();
    lie[at] ^= 1;
    assert_eq!(EventLog::parse(&lie).unwrap().boot_facts(Hash::Sha256).secure_boot, None);
}

/// Just enough of protobuf: the fields of a message, by number.
fn fields(message: &[u8]) -> Vec<(u64, &[u8])> {
    let varint = |bytes: &mut &[u8]| {
        let mut value = 0u64;
        for shift in (0..).step_by(7) {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                break;
            }
        }
        value
    };
    let mut rest = message;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest);
        let content = match key & 7 {
            0 => {
                let before = rest;
                varint(&mut rest);
                &before[..before.len() - rest.len()]
            }
            2 => {
                let length = usize::try_from(varint(&mut rest)).unwrap();
                let (content, behind) = rest.split_at(length);
                rest = behind;
                content
            }
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, content));
    }
    found
}

fn field<'a>(message: &[(u64, &'a [u8])], number: u64) -> &'a [u8] {
    message.iter().find(|(it, _)| *it == number).map_or(&[], |(_, content)| content)
}

#[test]
fn real_quotes_verify_and_match_their_log() {
    let Some(vectors) = vectors() else { return };
    let mut quotes = 0;
    for (file, nonce) in [("gce-cos-85-nonce9009", &[0x90, 0x09][..]), ("gce-cos-85-no-nonce", &[])] {
        let message = std::fs::read(vectors.join(GO).join(format!("attestations/{file}.pb"))).unwrap();
        let message = fields(&message);
        let ak = Public::parse(field(&message, 1)).unwrap();
        assert!(ak.report_key().is_err() && ak.attestation_key().is_err(), "an RSA key is not accepted");
        let ak = AttestationKey::any(&ak).unwrap();
        let log = EventLog::parse(field(&message, 3)).unwrap();
        for (_, quote) in message.iter().filter(|(number, _)| *number == 2) {
            let quote = fields(quote);
            let (attest, signature) = (field(&quote, 1), field(&quote, 2));
            let found = attest::inspect_quote(&ak, attest, signature).unwrap();
            assert_eq!(found.extra_data, nonce);
            // Entries of the map: 1 = the PCR, 2 = its value.
            let pcrs =
                fields(field(&quote, 3)).into_iter().filter(|(number, _)| *number == 2).map(|(_, entry)| {
                    let entry = fields(entry);
                    (field(&entry, 1).first().copied().unwrap_or_default(), field(&entry, 2).to_vec())
                });
            let pcrs: BTreeMap<u8, Vec<u8>> = pcrs.collect();
            assert_eq!(found.pcrs, pcrs.keys().copied().collect::<Vec<u8>>());
            let values: Vec<&[u8]> = pcrs.values().map(Vec::as_slice).collect();
            assert_eq!(found.pcr_digest, Hash::Sha256.digest(&values), "{file} {:?}", found.bank);
            let replayed = log.replay(found.bank);
            for (pcr, value) in pcrs.iter().filter(|(pcr, _)| **pcr <= 9) {
                assert_eq!(replayed.get(&u32::from(*pcr)), Some(value), "{file} PCR {pcr}");
            }
            damaged(&ak, attest, signature);
            refused_by_bank(&ak, found.bank, &pcrs, attest, signature);
            quotes += 1;
        }
    }
    println!("{quotes} quotes of a real machine passed");
    assert_eq!(quotes, 6);
}

fn damaged(ak: &AttestationKey, attest: &[u8], signature: &[u8]) {
    for at in 0..attest.len() {
        let mut changed = attest.to_vec();
        changed[at] ^= 1;
        assert!(attest::inspect_quote(ak, &changed, signature).is_err(), "byte {at}");
        assert!(attest::inspect_quote(ak, &attest[..at], signature).is_err(), "cut at {at}");
    }
    for at in 0..signature.len() {
        let mut changed = signature.to_vec();
        changed[at] ^= 1;
        assert!(attest::inspect_quote(ak, attest, &changed).is_err(), "byte {at} of the signature");
    }
}

/// Strict verification asks for 32 bytes of extra data and the SHA-256 bank: none of these can pass, each for its reason.
fn refused_by_bank(
    ak: &AttestationKey,
    bank: Hash,
    pcrs: &BTreeMap<u8, Vec<u8>>,
    attest: &[u8],
    signature: &[u8],
) {
    let pcrs =
        pcrs.iter().filter_map(|(pcr, value)| Some((*pcr, value.as_slice().try_into().ok()?))).collect();
    let boot = BootEvidence { quote: attest.to_vec(), signature: signature.to_vec(), pcrs, log: None };
    assert_eq!(attest::verify_quote(ak, &boot, &Digest([0; 32])), Err(attest::Error::ExtraData), "{bank:?}");
}

#[test]
fn no_damage_to_a_public_area_makes_the_parser_panic() {
    let Some(vectors) = vectors() else { return };
    let template = std::fs::read(vectors.join(FIXTURES).join("ek-template-default.bin")).unwrap();
    assert!(Public::parse(&template).is_ok());
    let mut refused = 0;
    for at in 0..template.len() {
        assert_eq!(Public::parse(&template[..at]), Err(public::Error::Malformed), "cut at {at}");
        for bit in 0..8 {
            let mut changed = template.clone();
            changed[at] ^= 1 << bit;
            refused += u32::from(Public::parse(&changed).is_err());
        }
    }
    println!("{refused} damaged public areas were refused");
}
