//! Quotes and event logs, good and bad, each signed by an attestation key that the test holds.

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use vitalsign_protocol::evidence::{BootEvidence, quote_extra_data};
    use vitalsign_protocol::id::{Digest, Nonce, Thumbprint};
    use vitalsign_protocol::problem::ProblemType::{self, *};
    use vitalsign_verifier::appraisal::ReplayedLog;
    use vitalsign_verifier::attestation::boot;

    const SHA1: u16 = 0x0004;
    const SHA256: u16 = 0x000b;
    const NONCE: Nonce = Nonce([5; 32]);
    const KID: Thumbprint = Thumbprint([6; 32]);
    const MEASURED: [u8; 32] = [0xab; 32];

    /// Content of a TPM's quote; each field can be made wrong.
    struct Quote {
        magic: u32,
        kind: u16,
        extra_data: Vec<u8>,
        safe: u8,
        bank: u16,
        select: [u8; 3],
        pcrs: Vec<(u8, [u8; 32])>,
        log: Option<Vec<u8>>,
        tampered: bool,
    }

    impl Quote {
        /// PCR 0 was extended once, by what the log says.
        fn good() -> Self {
            let mut pcrs: Vec<(u8, [u8; 32])> = (0..=7).map(|pcr| (pcr, [0; 32])).collect();
            pcrs[0].1 = Digest::of(&[[0; 32], MEASURED].concat()).0;
            Self {
                magic: 0xff54_4347,
                kind: 0x8018,
                extra_data: quote_extra_data(&NONCE, &KID).0.to_vec(),
                safe: 1,
                bank: SHA256,
                select: [0xff, 0, 0],
                pcrs,
                log: Some(log(SHA256, MEASURED.to_vec())),
                tampered: false,
            }
        }

        fn evidence(self, ak: &EcdsaKeyPair) -> BootEvidence {
            let values: Vec<u8> = self.pcrs.iter().flat_map(|(_, value)| *value).collect();
            let mut quote = self.magic.to_be_bytes().to_vec();
            quote.extend(self.kind.to_be_bytes());
            quote.extend(sized(&[0x00, 0x0b, 1, 2, 3]));
            quote.extend(sized(&self.extra_data));
            // clock, resetCount 7, restartCount, safe, firmwareVersion
            quote.extend(
                [&1u64.to_be_bytes()[..], &7u32.to_be_bytes(), &0u32.to_be_bytes(), &[self.safe]].concat(),
            );
            quote.extend(1u64.to_be_bytes());
            quote.extend(1u32.to_be_bytes());
            quote.extend(self.bank.to_be_bytes());
            quote.push(3);
            quote.extend(self.select);
            quote.extend(sized(&Digest::of(&values).0));
            let signed = ak.sign(&SystemRandom::new(), &quote).unwrap();
            let (r, s) = signed.as_ref().split_at(32);
            let signature = [&[0x00, 0x18, 0x00, 0x0b][..], &sized(r), &sized(s)].concat();
            if self.tampered {
                quote[20] ^= 1;
            }
            BootEvidence { quote, signature, pcrs: self.pcrs, log: self.log }
        }
    }

    fn sized(bytes: &[u8]) -> Vec<u8> {
        [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    /// A TPMT_PUBLIC with these attributes.
    fn public(ak: &EcdsaKeyPair, attributes: u32) -> Vec<u8> {
        let (x, y) = ak.public_key().as_ref()[1..].split_at(32);
        let head = [0x00, 0x23, 0x00, 0x0b];
        let parameters = [0x00, 0x00, 0x00, 0x10, 0x00, 0x18, 0x00, 0x0b, 0x00, 0x03, 0x00, 0x10];
        [&head[..], &attributes.to_be_bytes(), &parameters, &sized(x), &sized(y)].concat()
    }

    /// A crypto-agile log with one event, in PCR 0.
    fn log(algorithm: u16, digest: Vec<u8>) -> Vec<u8> {
        log_of_pcr(0, algorithm, digest)
    }

    fn log_of_pcr(pcr: u32, algorithm: u16, digest: Vec<u8>) -> Vec<u8> {
        let size = u16::try_from(digest.len()).unwrap();
        let mut header = b"Spec ID Event03\0".to_vec();
        header.extend([0, 0, 0, 0, 0, 2, 0, 2]);
        header.extend(1u32.to_le_bytes());
        header.extend([algorithm.to_le_bytes(), size.to_le_bytes()].concat());
        header.push(0);
        let mut log = [0u32.to_le_bytes(), 3u32.to_le_bytes()].concat();
        log.extend([0; 20]);
        log.extend(u32::try_from(header.len()).unwrap().to_le_bytes());
        log.extend(header);
        log.extend([pcr.to_le_bytes(), 1u32.to_le_bytes(), 1u32.to_le_bytes()].concat());
        log.extend(algorithm.to_le_bytes());
        log.extend(digest);
        log.extend(4u32.to_le_bytes());
        log.extend(b"POST");
        log
    }

    type Case = (&'static str, ProblemType, fn(&mut Quote));

    #[test]
    fn quote_must_be_complete_and_match_the_log() {
        let ak = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let area = public(&ak, 0x0005_0472);
        let verify = |quote: Quote| boot::verify(&quote.evidence(&ak), &area, &NONCE, &KID);
        assert_eq!(verify(Quote::good()).unwrap(), Some(ReplayedLog { secure_boot: None }));
        assert_eq!(verify(Quote { log: None, ..Quote::good() }).unwrap(), None);
        // A TPM says so for a while after its power failed; what a quote is fresh by is its nonce.
        assert!(verify(Quote { safe: 0, ..Quote::good() }).is_ok());

        let cases: &[Case] = &[
            ("not by a TPM", QuoteInvalid, |q| q.magic = 0xff54_4348),
            ("a certification", QuoteInvalid, |q| q.kind = 0x8017),
            ("for another nonce", QuoteInvalid, |q| {
                q.extra_data = quote_extra_data(&Nonce([9; 32]), &KID).0.to_vec()
            }),
            ("for another key", QuoteInvalid, |q| {
                q.extra_data = quote_extra_data(&NONCE, &Thumbprint([9; 32])).0.to_vec();
            }),
            ("for nothing", QuoteInvalid, |q| q.extra_data.clear()),
            ("over SHA-1 PCRs", QuoteInvalid, |q| q.bank = SHA1),
            ("without PCR 7", QuoteInvalid, |q| {
                q.select = [0x7f, 0, 0];
                q.pcrs.pop();
            }),
            ("over other PCRs than came", QuoteInvalid, |q| q.select = [0xff, 1, 0]),
            ("over other values than came", QuoteInvalid, |q| q.tampered = true),
            ("over no PCRs", QuoteInvalid, |q| {
                q.select = [0; 3];
                q.pcrs.clear();
            }),
            ("with a log that says something else", LogMismatch, |q| {
                q.log = Some(log(SHA256, vec![0xac; 32]))
            }),
            ("with a PCR the log does not explain", LogMismatch, |q| q.pcrs[4].1 = [1; 32]),
            ("with a log of SHA-1 only", LogMismatch, |q| q.log = Some(log(SHA1, vec![0xab; 20]))),
            ("with an old log", LogMismatch, |q| {
                q.log = Some([[0; 8].as_slice(), &[0; 20], &[0; 4]].concat())
            }),
            ("with a truncated log", LogMismatch, |q| q.log.as_mut().unwrap().truncate(90)),
            ("with a log that leaves the firmware out", LogMismatch, |q| {
                (q.pcrs[4].1, q.pcrs[0].1) = (q.pcrs[0].1, [0; 32]);
                q.log = Some(log_of_pcr(4, SHA256, MEASURED.to_vec()));
            }),
            ("with a log of nothing", LogMismatch, |q| {
                q.pcrs[0].1 = [0; 32];
                q.log.as_mut().unwrap().truncate(65);
            }),
            ("with an empty log", LogMismatch, |q| q.log = Some(Vec::new())),
        ];
        for (name, expected, change) in cases {
            let mut quote = Quote::good();
            change(&mut quote);
            let problem = verify(quote).err().unwrap_or_else(|| panic!("{name} was accepted"));
            assert_eq!(ProblemType::from_urn(&problem.problem_type), Some(*expected), "{name}: {problem:?}");
        }
        // A key that also signs what it is given can be made to sign a quote.
        let unrestricted = public(&ak, 0x0004_0472);
        assert!(boot::verify(&Quote::good().evidence(&ak), &unrestricted, &NONCE, &KID).is_err());
        let other = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        assert!(boot::verify(&Quote::good().evidence(&other), &area, &NONCE, &KID).is_err());
    }
}
