//! The folder of TPM makers' certificates, and the certificates that `installers/tpm-makers` has.

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod,
        KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
    };
    use std::path::Path;
    use std::time::Duration;
    use vitalsign_protocol::id::Digest;
    use vitalsign_verifier::endorsers::TpmVendorRoots;
    use vitalsign_x509::{Anchors, Certificate, Error, certificates};

    const MAKERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../installers/tpm-makers");
    /// 2026-06-01.
    const TIME: Duration = Duration::from_secs(1_780_272_000);

    fn files(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let pem = entries.filter(|path| path.extension().is_some_and(|it| it == "pem"));
        let mut files: Vec<_> = pem.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        files.sort();
        files
    }

    /// The SHA-256 above each certificate is its own.
    fn read(file: &str) -> Vec<Certificate> {
        let all = certificates(file.as_bytes()).unwrap();
        let named: Vec<_> = file.lines().filter_map(|line| line.strip_prefix("# SHA-256 ")).collect();
        let found: Vec<_> = all.iter().map(|it| Digest::of(it.der()).hex()).collect();
        assert_eq!(named, found);
        all
    }

    #[test]
    fn makers_certificates_chain_to_their_roots() {
        let folder = Path::new(MAKERS);
        TpmVendorRoots::open(folder).unwrap();
        let (mut anchors, mut intermediates) = (Anchors::default(), Vec::new());
        for file in files(folder) {
            read(&file);
            anchors.add_roots(file.as_bytes()).unwrap();
        }
        for file in files(&folder.join("intermediates")) {
            intermediates.extend(read(&file));
            anchors.add_intermediates(file.as_bytes()).unwrap();
        }
        for root in anchors.roots() {
            assert_eq!(root.usable_as_anchor(TIME), Ok(()), "{}", root.name());
        }
        let failed: Vec<_> = intermediates
            .iter()
            .filter_map(|it| anchors.root_of(it, &[], TIME).err().map(|error| (it.name(), error)))
            .collect();
        assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), intermediates.len());
        assert_eq!((anchors.roots().len(), intermediates.len()), (26, 143));
    }

    struct Maker {
        pem: String,
        issuer: Issuer<'static, KeyPair>,
    }

    fn maker(name: &str) -> Maker {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Maker { pem, issuer: Issuer::new(params, key) }
    }

    fn list(by: &Maker) -> Vec<u8> {
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2025, 1, 1),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&by.issuer).unwrap().der().to_vec()
    }

    #[test]
    fn files_are_loaded_whole_or_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        let open = || TpmVendorRoots::open(folder.path()).map(|_| ()).map_err(|error| error.to_string());
        let (one, two) = (maker("one"), maker("two"));
        put("one.pem", one.pem.as_bytes());
        put("crls/one.crl", &list(&one));
        assert_eq!(open(), Ok(()));
        put("crls/two.crl", &list(&two));
        let unknown = open().unwrap_err();
        assert!(unknown.contains("two.crl") && unknown.contains("add its certificate"), "{unknown}");
        put("simulated/two.pem", two.pem.as_bytes());
        assert_eq!(open(), Ok(()), "its issuer is known now");
        // As `cat` leaves it, if the first file does not end in a newline.
        put("joined.pem", format!("{}{}", one.pem.trim_end(), two.pem).as_bytes());
        let joined = open().unwrap_err();
        assert!(joined.contains("joined.pem") && joined.contains("not a line by itself"), "{joined}");
        put("joined.pem", b"");
        assert!(open().unwrap_err().contains("no certificate"));
    }

    #[test]
    fn rejects_stranger_to_all_makers() {
        let stranger = maker("stranger");
        let certificate = certificates(stranger.pem.as_bytes()).unwrap().remove(0);
        let mut anchors = Anchors::default();
        files(Path::new(MAKERS)).iter().for_each(|file| assert!(anchors.add_roots(file.as_bytes()).is_ok()));
        assert!(matches!(anchors.root_of(&certificate, &[], TIME), Err(Error::Untrusted(_))));
    }
}
