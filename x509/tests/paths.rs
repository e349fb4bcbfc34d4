//! Paths, revocation lists and PEM files, good and bad, from certificates that are made here.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DnType, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use std::time::Duration;
use vitalsign_x509::{Anchors, Certificate, CrlError, Error, PemError, certificates, next_update};

/// 2026-01-01.
const NOW: Duration = Duration::from_secs(1_767_225_600);

/// Changes a certificate before it is made.
type Bend = fn(&mut CertificateParams);

/// A certificate and its key.
struct Made {
    der: Vec<u8>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Made {
    fn certificate(&self) -> Certificate {
        Certificate::parse(&self.der, "a test's").unwrap()
    }
}

fn params(name: &str, is_ca: IsCa, serial: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(serial));
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params.is_ca = is_ca;
    params
}

fn ca(name: &str, serial: u64) -> CertificateParams {
    let mut params = params(name, IsCa::Ca(BasicConstraints::Unconstrained), serial);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn make(params: CertificateParams, by: Option<&Made>) -> Made {
    let key = KeyPair::generate().unwrap();
    let certificate = match by {
        Some(by) => params.signed_by(&key, &by.issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    Made { der: certificate.der().to_vec(), pem: certificate.pem(), issuer: Issuer::new(params, key) }
}

fn leaf(by: &Made) -> Made {
    make(params("leaf", IsCa::ExplicitNoCa, 77), Some(by))
}

fn root_of(anchors: &[&Made], leaf: &Made, others: &[&Made]) -> Result<String, Error> {
    let anchors = Anchors::of(anchors.iter().map(|it| it.certificate()).collect());
    let others: Vec<_> = others.iter().map(|it| it.certificate()).collect();
    anchors.root_of(&leaf.certificate(), &others, NOW).map(|root| root.subject().to_owned())
}

/// The shapes of roots in the FIDO metadata list that RFC 5280 permits for trust anchors.
#[test]
fn accepts_anchors_of_every_permitted_shape() {
    let bare = |is_ca| make(params("root", is_ca, 1), None);
    for (what, root) in [
        ("no key usage", bare(IsCa::Ca(BasicConstraints::Unconstrained))),
        ("no basic constraints", bare(IsCa::NoCa)),
        ("path length 0", bare(IsCa::Ca(BasicConstraints::Constrained(0)))),
    ] {
        let leaf = leaf(&root);
        assert_eq!(root_of(&[&root], &leaf, &[]), Ok("CN=root".into()), "{what}");
        // The root that comes along is not a CA on the way.
        assert_eq!(root_of(&[&root], &leaf, &[&root]), Ok("CN=root".into()), "{what}, sent along");
        assert_eq!(root_of(&[&leaf], &leaf, &[]), Ok("CN=leaf".into()), "{what}, the leaf is listed");
        assert!(root.certificate().usable_as_anchor(NOW).is_ok(), "{what}");
        assert!(leaf.certificate().usable_as_anchor(NOW).is_ok(), "{what}");
    }
}

#[test]
fn rejects_paths_that_anchors_do_not_permit() {
    let good = make(ca("root", 1), None);
    let middle = make(ca("middle", 2), Some(&good));
    let end = leaf(&middle);
    assert!(root_of(&[&good], &end, &[&middle]).is_ok());
    // Another key under the same name: the signature decides.
    let fake = make(ca("root", 1), None);
    assert_eq!(root_of(&[&fake], &end, &[&middle]), Err(Error::Untrusted("CN=middle".into())));
    assert_eq!(root_of(&[], &end, &[&middle, &good]), Err(Error::Untrusted("CN=middle".into())));
    assert_eq!(root_of(&[&good], &end, &[]), Err(Error::Untrusted("CN=middle".into())));

    let issuer = |params: CertificateParams| {
        let middle = make(params, Some(&good));
        root_of(&[&good], &leaf(&middle), &[&middle])
    };
    let bent = |bend: fn(&mut CertificateParams)| {
        let mut params = ca("middle", 2);
        bend(&mut params);
        issuer(params)
    };
    let not_ca = Err(Error::Issuer("it is not a CA"));
    assert_eq!(bent(|it| it.is_ca = IsCa::NoCa), not_ca, "only an anchor needs no basic constraints");
    assert_eq!(bent(|it| it.is_ca = IsCa::ExplicitNoCa), not_ca);
    assert_eq!(
        bent(|it| it.key_usages = vec![KeyUsagePurpose::DigitalSignature]),
        Err(Error::Issuer("its key usage lacks keyCertSign"))
    );
    assert!(matches!(bent(|it| it.not_after = date_time_ymd(2025, 1, 1)), Err(Error::Expired { .. })));
    assert!(matches!(bent(|it| it.not_before = date_time_ymd(2030, 1, 1)), Err(Error::NotYetValid(_))));
    let unknown = bent(|it| {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        it.custom_extensions.push(extension);
    });
    assert!(matches!(unknown, Err(Error::Critical(_, oid)) if oid == "1.2.3.4"));

    let cases: [(&str, Bend); 3] = [
        ("path length", |it| it.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))),
        ("key usage", |it| it.key_usages = vec![KeyUsagePurpose::CrlSign]),
        ("not a CA", |it| it.is_ca = IsCa::ExplicitNoCa),
    ];
    for (what, bend) in cases {
        let mut params = ca("root", 1);
        bend(&mut params);
        let root = make(params, None);
        let middle = make(ca("middle", 2), Some(&root));
        let done = root_of(&[&root], &leaf(&middle), &[&middle]);
        assert!(matches!(done, Err(Error::Issuer(_))), "{what}: {done:?}");
    }
    let mut old = ca("root", 1);
    old.not_after = date_time_ymd(2025, 1, 1);
    let old = make(old, None);
    assert!(matches!(root_of(&[&old], &leaf(&old), &[]), Err(Error::Expired { .. })));
    assert!(matches!(old.certificate().usable_as_anchor(NOW), Err(Error::Expired { .. })));
}

fn list(by: &Made, serials: &[u64], next: i32) -> Vec<u8> {
    let revoked = |serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2024, 1, 1),
        reason_code: Some(RevocationReason::KeyCompromise),
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2024, 1, 1),
        next_update: date_time_ymd(next, 1, 1),
        crl_number: SerialNumber::from(1u64),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(&by.issuer).unwrap().der().to_vec()
}

#[test]
fn revocation_lists_revoke_what_their_issuer_signed() {
    let root = make(ca("root", 1), None);
    let middle = make(ca("middle", 2), Some(&root));
    let end = leaf(&middle);
    let outcome = |lists: &[Vec<u8>]| {
        let mut anchors = Anchors::default();
        anchors.add_roots(root.pem.as_bytes()).unwrap();
        anchors.add_intermediates(middle.pem.as_bytes()).unwrap();
        lists.iter().for_each(|list| assert!(anchors.add_revocation_list(list).is_ok()));
        anchors.root_of(&end.certificate(), &[], NOW).map(|_| ())
    };
    assert_eq!(
        outcome(&[list(&root, &[77], 2027), list(&middle, &[78, 2], 2027)]),
        Ok(()),
        "serials of others"
    );
    assert_eq!(outcome(&[list(&middle, &[5, 77], 2027)]), Err(Error::Revoked("of \"CN=leaf\"".into())));
    assert_eq!(outcome(&[list(&root, &[2], 2027)]), Err(Error::Revoked("of \"CN=middle\"".into())));
    // What an old list revokes stays revoked.
    assert_eq!(outcome(&[list(&middle, &[77], 2025)]), Err(Error::Revoked("of \"CN=leaf\"".into())));
    assert_eq!(next_update(&list(&middle, &[77], 2025)), Ok(Some(1_735_689_600)));

    let mut anchors = Anchors::default();
    anchors.add_roots(root.pem.as_bytes()).unwrap();
    let unknown = anchors.add_revocation_list(&list(&middle, &[77], 2027)).unwrap_err();
    assert_eq!(unknown, CrlError::UnknownIssuer("CN=middle".into()));
    let fake = make(ca("root", 1), None);
    let forged = anchors.add_revocation_list(&list(&fake, &[2], 2027)).unwrap_err();
    assert_eq!(forged, CrlError::Signature("CN=root".into()));
    let good = list(&root, &[2], 2027);
    for at in (0..good.len()).step_by(7) {
        let mut altered = good.clone();
        altered[at] ^= 1;
        assert!(anchors.add_revocation_list(&altered).is_err(), "byte {at}");
    }
    assert_eq!(anchors.add_revocation_list(b"-----BEGIN").unwrap_err(), CrlError::Malformed);
}

#[test]
fn pem_files_are_read_whole_or_not_at_all() {
    let (one, two) = (make(ca("one", 1), None).pem, make(ca("two", 2), None).pem);
    let read = |pem: &str| certificates(pem.as_bytes()).map(|all| all.len());
    assert_eq!(read(&format!("# a comment\n{one}text between\n{two}")), Ok(2));
    assert_eq!(read(&format!("{one}{two}").replace('\n', "\r\n")), Ok(2));
    // As `cat` leaves it, if the first file does not end in a newline.
    let joined = format!("{}{two}", one.trim_end());
    assert!(matches!(read(&joined), Err(PemError::Boundary(_))), "{:?}", read(&joined));
    assert_eq!(read(""), Err(PemError::Empty));
    let short = format!("{one}{}", two.replace("-----END CERTIFICATE-----", ""));
    assert!(read(&short).is_err());
    let damaged = one.replacen("MII", "AII", 1);
    assert_eq!(read(&format!("{two}{damaged}")), Err(PemError::Certificate(2)));
}
