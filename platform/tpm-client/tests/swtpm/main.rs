//! The client against a real software TPM, and what it gives against the verifier's checks.

#![cfg(all(test, unix))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod bus;

use std::time::{Duration, SystemTime};
use vitalsign_platform_api::{DeviceKey, KeyError};
use vitalsign_protocol::evidence::{BootEvidence, certify_extra_data};
use vitalsign_protocol::id::{Base64Url, Digest, Secret};
use vitalsign_protocol::message::{EncryptedCredential, EnrolmentKeys};
use vitalsign_tpm::attest::{self, AttestationKey, Quote, verify_certify, verify_quote};
use vitalsign_tpm::credential;
use vitalsign_tpm::endorsement::{self, Anchors};
use vitalsign_tpm::eventlog::EventLog;
use vitalsign_tpm::hash::Hash;
use vitalsign_tpm::public::{self, Public};
use vitalsign_tpm_client::testing::Swtpm;
use vitalsign_tpm_client::{TpmKey, open, set_aside};

struct Fixture {
    folder: tempfile::TempDir,
    tpm: Swtpm,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tpm = Swtpm::start(&folder.path().join("t"));
        Self { folder, tpm }
    }
    fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }
    fn open(&self) -> TpmKey {
        open(&self.tpm.spec, &self.state(), None).unwrap()
    }
    fn anchors(&self) -> Anchors {
        let mut anchors = Anchors::default();
        assert_eq!(anchors.add_roots(&self.tpm.ca_root_pem).unwrap(), 1);
        assert_eq!(anchors.add_intermediates(&self.tpm.ca_intermediate_pem).unwrap(), 1);
        anchors
    }
}

/// An enrolment's keys, taken apart.
struct Keys {
    ek_certificates: Vec<Vec<u8>>,
    ek: Public,
    ak: Public,
    report_key: Public,
    certify: Vec<u8>,
    signature: Vec<u8>,
}

fn keys(key: &mut TpmKey) -> Keys {
    let EnrolmentKeys::Tpm {
        ek_certificates,
        ek_public,
        ak_public,
        report_key_public,
        certify,
        certify_signature,
    } = key.enrolment_keys().unwrap()
    else {
        panic!("keys in a TPM")
    };
    Keys {
        ek_certificates: ek_certificates.into_iter().map(|it| it.0).collect(),
        ek: Public::parse(&ek_public.0).unwrap(),
        ak: Public::parse(&ak_public.0).unwrap(),
        report_key: Public::parse(&report_key_public.0).unwrap(),
        certify: certify.0,
        signature: certify_signature.0,
    }
}

fn secret() -> Secret {
    let mut bytes = vec![0; 32];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    Secret::new(bytes)
}

/// The verifier's part of an enrolment, and the TPM's answer to it.
fn enrol(bench: &Fixture, key: &mut TpmKey) -> Keys {
    let keys = keys(key);
    let found =
        endorsement::verify(&keys.ek_certificates, &keys.ek, &bench.anchors(), SystemTime::now()).unwrap();
    println!("endorsed by {found:?}");
    assert!(found.manufacturer.is_some() && found.model.is_some() && found.version.is_some());
    let ak = AttestationKey::P256(keys.ak.attestation_key().unwrap());
    let report_key = keys.report_key.report_key().unwrap();
    assert_eq!(&report_key, key.public());
    let extra_data = certify_extra_data(&report_key.thumbprint());
    verify_certify(&ak, &keys.certify, &keys.signature, extra_data.as_bytes(), &keys.report_key.name())
        .unwrap();

    let secret = secret();
    let credential = credential::make(&keys.ek, &keys.ak.name(), &secret).unwrap();
    assert!(key.activate(&credential).unwrap().matches(secret.expose()));

    let digest = Digest::of(b"evidence");
    report_key.verify(b"evidence", &key.sign(&digest).unwrap()).unwrap();
    let extra_data = Digest::of(b"nonce and thumbprint");
    let boot = key.quote(&extra_data).unwrap();
    let quote = verify_quote(&ak, &boot, &extra_data).unwrap();
    assert_eq!(quote.pcrs, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 14]);
    keys
}

#[test]
fn a_device_enrols_with_every_kind_of_endorsement_key() {
    let bench = Fixture::new();
    let mut key = bench.open();
    assert!(key.is_simulated());
    println!("{:?}", key.facts());
    let ecc = enrol(&bench, &mut key);
    drop(key);
    assert!(bench.tpm.loaded().is_empty());

    // Without its certificate the ECC key cannot be used, so the RSA key is.
    bench.tpm.undefine(0x01c0_0016);
    let mut key = bench.open();
    let rsa = enrol(&bench, &mut key);
    assert_ne!(ecc.ek, rsa.ek);
    assert_eq!(ecc.report_key, rsa.report_key);
    drop(key);

    bench.tpm.undefine(0x01c0_0002);
    let mut key = bench.open();
    assert!(matches!(key.enrolment_keys(), Err(KeyError::Unsupported(_))));
    drop(key);
    assert!(bench.tpm.loaded().is_empty());
}

fn quoted(key: &mut TpmKey, ak: &AttestationKey) -> (Quote, BootEvidence) {
    let extra_data = Digest::of(b"request");
    let boot = key.quote(&extra_data).unwrap();
    (verify_quote(ak, &boot, &extra_data).unwrap(), boot)
}

fn attestation_key(key: &mut TpmKey) -> AttestationKey {
    AttestationKey::P256(keys(key).ak.attestation_key().unwrap())
}

#[test]
fn keys_outlive_a_restart_and_boots_are_counted() {
    let mut bench = Fixture::new();
    let mut key = bench.open();
    let public = key.public().clone();
    let ak = attestation_key(&mut key);
    let before = (quoted(&mut key, &ak).0, key.boot_count().unwrap());

    // The connection breaks and loaded objects are lost: the first command fails, the next one recovers.
    bench.tpm.restart();
    assert!(matches!(key.sign(&Digest::of(b"a")), Err(KeyError::Unavailable(_))));
    public.verify(b"a", &key.sign(&Digest::of(b"a")).unwrap()).unwrap();
    let after = (quoted(&mut key, &ak).0, key.boot_count().unwrap());
    assert_eq!(after.1, before.1 + 1);
    assert_eq!(after.0.state.reset_count.wrapping_sub(before.0.state.reset_count), 1);
    drop(key);

    bench.tpm.restart();
    let mut key = bench.open();
    assert_eq!(key.public(), &public);
    public.verify(b"b", &key.sign(&Digest::of(b"b")).unwrap()).unwrap();
}

#[test]
fn cleared_tpm_or_damaged_blob_loses_the_key() {
    let mut bench = Fixture::new();
    let mut key = bench.open();
    let public = key.public().clone();
    drop(key);
    let file = bench.state().join("tpm-keys");
    let whole = std::fs::read(&file).unwrap();
    let lost = |bench: &Fixture| match open(&bench.tpm.spec, &bench.state(), None) {
        Err(KeyError::Lost(_)) => true,
        Err(error) => panic!("{error}"),
        Ok(_) => false,
    };
    // The attestation key's blob is loaded only when it is used, so that its damage shows there.
    for at in (0..whole.len()).step_by(3) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        std::fs::write(&file, &changed).unwrap();
        if !lost(&bench) {
            let used = bench.open().enrolment_keys();
            assert!(matches!(used, Err(KeyError::Lost(_))), "byte {at}: {used:?}");
        }
    }
    std::fs::write(&file, &whole).unwrap();
    assert_eq!(bench.open().public(), &public);

    bench.tpm.clear();
    assert!(lost(&bench));
    bench.tpm.restart();
    assert!(lost(&bench));
    assert!(bench.tpm.loaded().is_empty());
    set_aside(&bench.state()).unwrap();
    key = bench.open();
    assert_ne!(key.public(), &public);
    enrol(&bench, &mut key);
}

#[test]
fn only_the_right_key_passes_and_only_for_its_request() {
    let bench = Fixture::new();
    let mut key = bench.open();
    let keys = keys(&mut key);
    let ak = AttestationKey::P256(keys.ak.attestation_key().unwrap());
    assert_eq!(keys.ak.report_key(), Err(public::Error::Attributes("a report key")));
    assert_eq!(keys.report_key.attestation_key(), Err(public::Error::Attributes("an attestation key")));
    assert!(keys.ek.report_key().is_err() && keys.ek.attestation_key().is_err());

    let certify = |ak, attest: &[u8], name: &[u8], extra: &[u8]| {
        verify_certify(ak, attest, &keys.signature, extra, name)
    };
    let bound = certify_extra_data(&key.public().thumbprint());
    let bound = bound.as_bytes();
    let name = keys.report_key.name();
    assert!(certify(&ak, &keys.certify, &name, bound).is_ok());
    assert_eq!(certify(&ak, &keys.certify, &keys.ak.name(), bound), Err(attest::Error::OtherKey));
    assert_eq!(certify(&ak, &keys.certify, &name, &[1]), Err(attest::Error::ExtraData));
    let other = AttestationKey::P256(keys.report_key.report_key().unwrap());
    assert_eq!(certify(&other, &keys.certify, &name, bound), Err(attest::Error::Signature));
    for at in 0..keys.certify.len() {
        let mut changed = keys.certify.clone();
        changed[at] ^= 1;
        let wanted = if at < 4 { attest::Error::NotFromTpm } else { attest::Error::Signature };
        assert_eq!(certify(&ak, &changed, &name, bound), Err(wanted), "byte {at}");
    }

    let extra = Digest::of(b"request");
    let boot = key.quote(&extra).unwrap();
    assert!(verify_quote(&ak, &boot, &extra).is_ok());
    assert_eq!(verify_quote(&ak, &boot, &Digest::of(b"other")), Err(attest::Error::ExtraData));
    let changed = |change: &dyn Fn(&mut BootEvidence)| {
        let mut changed = boot.clone();
        change(&mut changed);
        verify_quote(&ak, &changed, &extra)
    };
    assert_eq!(changed(&|it| it.pcrs[3].1[0] ^= 1), Err(attest::Error::PcrDigest));
    assert_eq!(changed(&|it| it.pcrs.truncate(11)), Err(attest::Error::Selection));
    assert_eq!(changed(&|it| it.pcrs.swap(0, 1)), Err(attest::Error::Selection));
    assert_eq!(changed(&|it| it.pcrs[0].0 = 16), Err(attest::Error::Selection));
    let wrong = changed(&|it| (it.quote, it.signature) = (keys.certify.clone(), keys.signature.clone()));
    assert!(
        matches!(wrong, Err(attest::Error::WrongType { wanted: "a quote", found }) if found.contains("TPM2_Certify"))
    );
}

/// Sends commands that our client never sends.
#[test]
fn ak_signs_only_attestations_and_sha1_is_refused() {
    let bench = Fixture::new();
    let mut key = bench.open();
    let ak = attestation_key(&mut key);
    drop(key);
    let extra = Digest::of(b"request");
    let refused = bench.tpm.sign_with_attestation_key(&bench.state(), &Digest::of(b"anything"));
    // TPM_RC_TICKET or TPM_RC_ATTRIBUTES, by the TPM's age.
    assert!(matches!(&refused, Err(KeyError::Hardware(text)) if text.contains("Sign")), "{refused:?}");
    for (bank, wanted) in
        [(Hash::Sha1, Err(attest::Error::Sha1)), (Hash::Sha256, Err(attest::Error::Selection))]
    {
        let (quote, signature) = bench.tpm.quote_bank(&bench.state(), bank, &extra).unwrap();
        let found = attest::inspect_quote(&ak, &quote, &signature).unwrap();
        assert_eq!(found.bank, bank);
        let boot = BootEvidence { quote, signature, pcrs: Vec::new(), log: None };
        assert_eq!(verify_quote(&ak, &boot, &extra).map(|_| ()), wanted);
    }
    assert!(bench.tpm.loaded().is_empty());
}

#[test]
fn endorsement_needs_key_trusted_vendor_and_validity() {
    let bench = Fixture::new();
    let other = Fixture::new();
    let keys = keys(&mut bench.open());
    let anchors = bench.anchors();
    let now = SystemTime::now();
    let verify = |certificates: &[Vec<u8>], anchors: &Anchors, now| {
        endorsement::verify(certificates, &keys.ek, anchors, now)
    };
    assert!(verify(&keys.ek_certificates, &anchors, now).is_ok());

    use endorsement::Error;
    use vitalsign_x509::Error as PathError;
    assert!(matches!(
        verify(&keys.ek_certificates, &other.anchors(), now),
        Err(Error::Path(PathError::Untrusted(_)))
    ));
    assert!(matches!(
        verify(&keys.ek_certificates, &Anchors::default(), now),
        Err(Error::Path(PathError::Untrusted(_)))
    ));
    let year = Duration::from_secs(366 * 24 * 3600);
    assert!(matches!(
        verify(&keys.ek_certificates, &anchors, SystemTime::UNIX_EPOCH),
        Err(Error::Path(PathError::NotYetValid(_)))
    ));
    assert!(matches!(
        verify(&keys.ek_certificates, &anchors, now - year),
        Err(Error::Path(PathError::NotYetValid(_)))
    ));
    assert_eq!(verify(&[], &anchors, now), Err(Error::Count));
    assert_eq!(verify(&vec![keys.ek_certificates[0].clone(); 9], &anchors, now), Err(Error::Count));
    let theirs = self::keys(&mut other.open());
    assert_eq!(verify(&theirs.ek_certificates, &anchors, now), Err(Error::OtherKey));

    // The intermediate may come along instead; a root that comes along is not believed.
    let mut roots = Anchors::default();
    roots.add_roots(&bench.tpm.ca_root_pem).unwrap();
    assert!(matches!(verify(&keys.ek_certificates, &roots, now), Err(Error::Path(PathError::Untrusted(_)))));
    let intermediate = der(&bench.tpm.ca_intermediate_pem);
    let mut along = vec![keys.ek_certificates[0].clone(), intermediate.clone()];
    assert!(verify(&along, &roots, now).is_ok());
    along.push(der(&bench.tpm.ca_root_pem));
    assert!(matches!(verify(&along, &Anchors::default(), now), Err(Error::Path(PathError::Untrusted(_)))));

    // Whatever NV memory has behind it, and whatever byte is changed.
    let mut padded = keys.ek_certificates.clone();
    padded[0].extend([0xff; 200]);
    assert!(verify(&padded, &anchors, now).is_ok());
    for at in 0..keys.ek_certificates[0].len() {
        let mut changed = keys.ek_certificates.clone();
        changed[0][at] ^= 1;
        assert!(verify(&changed, &anchors, now).is_err(), "byte {at}");
    }
}

fn der(pem: &[u8]) -> Vec<u8> {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::from_pem_slice(pem).unwrap().to_vec()
}

#[test]
fn a_credential_opens_for_its_keys_only() {
    let bench = Fixture::new();
    let mut key = bench.open();
    let keys = keys(&mut key);
    let secret = secret();
    let good = credential::make(&keys.ek, &keys.ak.name(), &secret).unwrap();
    let mut wrong_name = keys.ak.name();
    wrong_name[5] ^= 1;
    let refused = credential::make(&keys.ek, &wrong_name, &secret).unwrap();
    assert!(matches!(key.activate(&refused), Err(KeyError::Hardware(_))));
    for at in (0..good.id_object.0.len()).step_by(7) {
        let mut changed = good.clone();
        changed.id_object.0[at] ^= 1;
        assert!(key.activate(&changed).is_err(), "byte {at}");
    }
    for at in (0..good.encrypted_secret.0.len()).step_by(11) {
        let mut changed = good.clone();
        changed.encrypted_secret.0[at] ^= 1;
        assert!(key.activate(&changed).is_err(), "byte {at}");
    }
    let long = EncryptedCredential {
        id_object: Base64Url(vec![0; 9000]),
        encrypted_secret: Base64Url(vec![0; 9000]),
    };
    assert!(key.activate(&long).is_err());
    // Nothing of this was left behind, and nothing is locked.
    assert!(key.activate(&good).unwrap().matches(secret.expose()));
    assert!(credential::make(&keys.ak, &keys.ak.name(), &secret).is_err(), "no signing key is endorsed");
    assert!(credential::make(&keys.ek, &keys.ak.name(), &Secret::new(vec![0; 65])).is_err());
    assert!(credential::make(&keys.ek, &keys.ak.name(), &Secret::new(Vec::new())).is_err());
    drop(key);
    assert!(bench.tpm.loaded().is_empty());
}

#[test]
fn a_report_is_one_command_and_nothing_leaks() {
    let bench = Fixture::new();
    let mut key = bench.open();
    let before = key.commands();
    for _ in 0..1000 {
        key.sign(&Digest::of(b"report")).unwrap();
    }
    assert_eq!(key.commands() - before, 1000);
    drop(key);
    assert!(bench.tpm.loaded().is_empty());
}

#[test]
fn quote_equals_replay_of_the_measured_log() {
    let default = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let vectors = std::env::var_os("VITALSIGN_VECTORS").map_or(default, Into::into);
    let path = vectors.join("go-tpm-tools/internal/test/eventlogs/rhel8-uefi.bin");
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("skipped: no vectors at {}", vectors.display());
        return;
    };
    let log = EventLog::parse(&bytes).unwrap();
    let bench = Fixture::new();
    let mut extended = 0;
    for pcr in 0..=14 {
        let events = log.events.iter().filter(|event| event.pcr == pcr && event.event_type != 3);
        let digests: Vec<[u8; 32]> =
            events.map(|event| event.digest(Hash::Sha256).unwrap().try_into().unwrap()).collect();
        extended += digests.len();
        bench.tpm.extend(pcr, digests);
    }
    let mut key = open(&bench.tpm.spec, &bench.state(), Some(&path)).unwrap();
    let ak = attestation_key(&mut key);
    let (_, boot) = quoted(&mut key, &ak);
    let sent = boot.log.unwrap();
    assert_eq!(sent, bytes);
    let log = EventLog::parse(&sent).unwrap();
    assert_eq!(log.unexplained(&boot.pcrs), Vec::<u8>::new());
    let replayed = log.replay(Hash::Sha256);
    for (pcr, value) in &boot.pcrs {
        assert_eq!(
            &value[..],
            replayed.get(&u32::from(*pcr)).map_or(&[0; 32][..], Vec::as_slice),
            "PCR {pcr}"
        );
    }
    println!("{extended} events measured, {} quoted PCRs equal the replay", boot.pcrs.len());

    drop(key);
    bench.tpm.extend(4, [[7; 32]]);
    let mut key = open(&bench.tpm.spec, &bench.state(), Some(&path)).unwrap();
    let (_, boot) = quoted(&mut key, &ak);
    assert_eq!(log.unexplained(&boot.pcrs), [4]);
}

#[test]
fn missing_and_forbidden_tpm_are_distinct_errors() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = format!("swtpm:path={}", folder.path().join("none").display());
    for spec in [&nowhere, "swtpm:host=127.0.0.1,port=1", "/dev/no-such-tpm", "nonsense"] {
        assert!(matches!(open(spec, folder.path(), None), Err(KeyError::Unavailable(_))), "{spec}");
    }
}
