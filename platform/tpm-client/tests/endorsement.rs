//! Endorsement certificates as makers get them wrong, or attackers make them, each for a real TPM's key.

#![cfg(all(test, unix))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use vitalsign_platform_api::DeviceKey;
use vitalsign_protocol::message::EnrolmentKeys;
use vitalsign_tpm::endorsement::{Anchors, Endorsement, Error, verify};
use vitalsign_tpm::public::Public;
use vitalsign_tpm_client::open;
use vitalsign_tpm_client::testing::Swtpm;
use vitalsign_x509::Error as PathError;

const LEAF: &str = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,keyAgreement\nextendedKeyUsage=2.23.133.8.1\nsubjectAltName=critical,dirName:tpm\n";
const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";
const NAMES: &str = "[tpm]\na.2.23.133.2.1=id:494E5443\nb.2.23.133.2.2=Model 7\nc.2.23.133.2.3=id:00070002\n";

/// A folder in which openssl is a maker's CA.
struct TpmVendor {
    folder: PathBuf,
}

impl TpmVendor {
    fn openssl(&self, arguments: &str) {
        let run =
            Command::new("openssl").current_dir(&self.folder).args(arguments.split_whitespace()).output();
        let run = run.unwrap_or_else(|error| panic!("openssl must be installed: {error}"));
        assert!(run.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&run.stderr));
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.folder.join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(name)).unwrap()
    }

    /// Creates a separate key for each issuer.
    fn key(&self, name: &str, curve: &str) {
        self.openssl(&format!("ecparam -name {curve} -genkey -noout -out {name}.key"));
        self.openssl(&format!("req -new -key {name}.key -subj /CN={name} -out {name}.csr"));
    }

    /// Certifies `subject` (or the endorsement key) by `issuer`: `NAME.pem`.
    fn issue(&self, name: &str, subject: &str, issuer: &str, extensions: &str, more: &str) {
        self.write("extensions", format!("{extensions}{NAMES}").as_bytes());
        let by = if issuer == name {
            format!("-signkey {name}.key")
        } else {
            format!("-CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial")
        };
        self.openssl(&format!(
            "x509 -req -in {subject}.csr {by} -days 30 -extfile extensions -out {name}.pem {more}"
        ));
    }

    fn leaf(&self, issuer: &str, extensions: &str) -> Vec<u8> {
        self.issue("leaf", "dummy", issuer, extensions, "-force_pubkey ek.pem");
        self.der("leaf")
    }

    fn der(&self, name: &str) -> Vec<u8> {
        self.openssl(&format!("x509 -in {name}.pem -outform DER -out {name}.der"));
        self.read(&format!("{name}.der"))
    }
}

/// The endorsement key of a TPM, and a maker that knows it: `root` certifies `middle`, which certifies `low`.
fn made(folder: &Path) -> (Public, TpmVendor) {
    let tpm = Swtpm::start(&folder.join("t"));
    let mut key = open(&tpm.spec, &folder.join("state"), None).unwrap();
    let EnrolmentKeys::Tpm { ek_certificates, ek_public, .. } = key.enrolment_keys().unwrap() else {
        panic!()
    };
    let maker = TpmVendor { folder: folder.join("maker") };
    std::fs::create_dir_all(&maker.folder).unwrap();
    maker.write("ek.der", &ek_certificates[0].0);
    maker.openssl("x509 -inform DER -in ek.der -noout -pubkey -out ek.pem");
    if maker.read("ek.pem").is_empty() {
        panic!("no public key in the certificate");
    }
    for (name, curve) in
        [("root", "secp384r1"), ("middle", "prime256v1"), ("low", "secp384r1"), ("dummy", "prime256v1")]
    {
        maker.key(name, curve);
    }
    maker.issue("root", "root", "root", CA, "-sha384");
    maker.issue("middle", "middle", "root", CA, "-sha384");
    maker.issue("low", "low", "middle", CA, "-sha256");
    (Public::parse(&ek_public.0).unwrap(), maker)
}

#[test]
fn accepts_only_ek_certificates_of_permitted_cas() {
    let folder = tempfile::tempdir().unwrap();
    let (ek, maker) = made(folder.path());
    let mut anchors = Anchors::default();
    anchors.add_roots(&maker.read("root.pem")).unwrap();
    // Certificates issued from now on must be valid.
    let now = SystemTime::now() + Duration::from_secs(3600);
    let check = |certificates: &[Vec<u8>]| verify(certificates, &ek, &anchors, now);
    let (middle, low) = (maker.der("middle"), maker.der("low"));

    let good = maker.leaf("low", LEAF);
    let valid_until = vitalsign_x509::Certificate::parse(&good, "it").unwrap().not_after();
    let wanted = Endorsement {
        manufacturer: Some("INTC".into()),
        model: Some("Model 7".into()),
        version: Some("id:00070002".into()),
        root: "CN=root".into(),
        valid_until,
    };
    // In whatever order they come along; each of them is needed.
    for along in [[&middle, &low], [&low, &middle]] {
        assert_eq!(check(&[good.clone(), along[0].clone(), along[1].clone()]), Ok(wanted.clone()));
    }
    for along in [&middle, &low] {
        assert!(matches!(check(&[good.clone(), along.clone()]), Err(Error::Path(PathError::Untrusted(_)))));
    }

    let chain = |leaf: Vec<u8>| check(&[leaf, middle.clone(), low.clone()]);
    for (what, extensions, refused) in [
        ("no usage", LEAF.replace("extendedKeyUsage=2.23.133.8.1\n", ""), "lacks the key usage"),
        ("another usage", LEAF.replace("2.23.133.8.1", "serverAuth"), "lacks the key usage"),
        ("a CA", LEAF.replace("CA:FALSE", "CA:TRUE"), "it is a CA's"),
        ("a signing key", LEAF.replace("keyAgreement", "digitalSignature"), "not for encryption"),
        (
            "an unknown extension",
            format!("{LEAF}1.2.3.4=critical,DER:0500\n"),
            "extension that is not known here: 1.2.3.4",
        ),
        (
            "another name",
            LEAF.replace("dirName:tpm", "DNS:tpm"),
            "extension that is not known here: 2.5.29.17",
        ),
    ] {
        let error = chain(maker.leaf("low", &extensions)).unwrap_err();
        assert!(error.to_string().contains(refused), "{what}: {error}");
    }
    // A non-critical unknown extension may be ignored.
    assert!(chain(maker.leaf("low", &format!("{LEAF}1.2.3.4=DER:0500\n"))).is_ok());
    assert_eq!(
        chain(maker.leaf("low", &LEAF.replace("critical,dirName:tpm", "DNS:tpm"))).unwrap().model,
        None
    );

    for (what, extensions, good) in [
        ("no CA", CA.replace("CA:TRUE", "CA:FALSE"), false),
        ("may not sign", CA.replace("keyCertSign", "cRLSign"), false),
        ("an unknown extension", format!("{CA}1.2.3.4=critical,DER:0500\n"), false),
        ("names are constrained", format!("{CA}nameConstraints=critical,permitted;DNS:a\n"), false),
        ("allows no CA below", CA.replace("CA:TRUE", "CA:TRUE,pathlen:0"), false),
        ("allows one CA below", CA.replace("CA:TRUE", "CA:TRUE,pathlen:1"), true),
    ] {
        maker.issue("middle2", "middle", "root", &extensions, "-sha384");
        let done = check(&[maker.leaf("low", LEAF), maker.der("middle2"), low.clone()]);
        assert_eq!(done.is_ok(), good, "{what}: {done:?}");
        assert!(!matches!(done, Err(Error::Path(PathError::Untrusted(_)))), "{what}: the reason is told");
    }

    // Another key, under the same names: the signature decides.
    maker.key("fake", "prime256v1");
    maker.openssl("req -new -key fake.key -subj /CN=middle -out fake.csr");
    maker.issue("fake", "fake", "root", CA, "-sha384");
    assert!(matches!(
        check(&[good.clone(), maker.der("fake"), low.clone()]),
        Err(Error::Path(PathError::Untrusted(_)))
    ));

    let later = now + Duration::from_secs(40 * 24 * 3600);
    let certificates = [good, middle.clone(), low.clone()];
    assert!(matches!(
        verify(&certificates, &ek, &anchors, later),
        Err(Error::Path(PathError::Expired { .. }))
    ));
}

/// As several makers' newer chips have it: an authority on P-521 that signs with SHA-512 or, Nuvoton's, with SHA-384.
#[test]
fn accepts_cas_with_p521_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (ek, maker) = made(folder.path());
    maker.key("large", "secp521r1");
    maker.issue("large", "large", "large", CA, "-sha512");
    let mut anchors = Anchors::default();
    anchors.add_roots(&maker.read("large.pem")).unwrap();
    let now = SystemTime::now() + Duration::from_secs(3600);
    for hash in ["-sha256", "-sha384", "-sha512"] {
        maker.issue("middle", "middle", "large", CA, hash);
        let done = verify(&[maker.leaf("middle", LEAF), maker.der("middle")], &ek, &anchors, now);
        assert!(done.is_ok(), "{hash}: {done:?}");
    }
}

/// STMicro's authority calls itself by PrintableStrings, and the certificates that it issues call it by UTF8Strings.
#[test]
fn finds_issuers_by_text_not_by_string_type() {
    let folder = tempfile::tempdir().unwrap();
    let (ek, maker) = made(folder.path());
    // The root's key under the root's name, as another type of string.
    maker.write("printable.key", &maker.read("root.key"));
    maker.write("printable.cnf", b"[req]\nstring_mask=MASK:2\ndistinguished_name=dn\n[dn]\n");
    maker.openssl("req -new -key printable.key -subj /CN=root -config printable.cnf -out printable.csr");
    maker.issue("printable", "printable", "printable", CA, "-sha384");
    let mut anchors = Anchors::default();
    anchors.add_roots(&maker.read("printable.pem")).unwrap();
    let certificates = [maker.leaf("low", LEAF), maker.der("middle"), maker.der("low")];
    let done = verify(&certificates, &ek, &anchors, SystemTime::now() + Duration::from_secs(3600));
    assert!(done.is_ok(), "{done:?}");
}

#[test]
fn a_certificate_without_an_end_is_valid_now() {
    let folder = tempfile::tempdir().unwrap();
    let (ek, maker) = made(folder.path());
    let mut anchors = Anchors::default();
    anchors.add_roots(&maker.read("root.pem")).unwrap();
    // The last of several durations counts: this one ends in the year 9992.
    maker.issue("end", "dummy", "root", LEAF, "-force_pubkey ek.pem -days 2910000");
    let certificate = maker.der("end");
    for days in [0, 20, 29] {
        let then = SystemTime::now() + Duration::from_secs(3600 + days * 24 * 3600);
        let done = verify(std::slice::from_ref(&certificate), &ek, &anchors, then);
        assert!(done.is_ok(), "{done:?}");
    }
}

/// Certificates of TPMs live ten years, and their chips longer.
#[test]
fn accepts_expired_ek_certificate_and_tells_so() {
    let folder = tempfile::tempdir().unwrap();
    let (ek, maker) = made(folder.path());
    let mut anchors = Anchors::default();
    anchors.add_roots(&maker.read("root.pem")).unwrap();
    maker.issue("short", "dummy", "root", LEAF, "-force_pubkey ek.pem -days 5");
    let certificates = [maker.der("short")];
    let after = |days: u64| SystemTime::now() + Duration::from_secs(days * 24 * 3600 + 3600);
    let until = |days| {
        let until = verify(&certificates, &ek, &anchors, after(days)).unwrap().valid_until;
        SystemTime::UNIX_EPOCH + Duration::from_secs(until)
    };
    assert!(until(4) > after(4));
    assert!(until(6) < after(6));
    // Its issuers must not have expired.
    let late = verify(&certificates, &ek, &anchors, after(40)).unwrap_err();
    assert!(matches!(late, Error::Path(PathError::Expired { .. })), "{late}");
}

#[test]
fn names_sha1_although_the_issuer_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let (ek, maker) = made(folder.path());
    let mut anchors = Anchors::default();
    anchors.add_roots(&maker.read("root.pem")).unwrap();
    maker.issue("weak", "dummy", "root", LEAF, "-force_pubkey ek.pem -sha1");
    let now = SystemTime::now() + Duration::from_secs(3600);
    let error = verify(&[maker.der("weak")], &ek, &anchors, now).unwrap_err();
    assert!(matches!(error, Error::Path(PathError::Sha1(_))), "{error}");
}
