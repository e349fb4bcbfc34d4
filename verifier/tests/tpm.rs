//! Devices with a TPM, which is swtpm.

mod support;

#[cfg(test)]
mod tests {
    use super::support::{Lab, problem, verdict};
    use std::path::{Path, PathBuf};
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use vitalsign_platform_api::DeviceKey;
    use vitalsign_protocol::ear::Ear;
    use vitalsign_protocol::evidence::{BootEvidence, Claims, IntendedUse, quote_extra_data};
    use vitalsign_protocol::id::{Base64Url, EnrolmentId, Nonce, Secret};
    use vitalsign_protocol::message::{Enrolled, EnrolmentKeys, EnrolmentProof, EnrolmentRequest};
    use vitalsign_protocol::posture::Posture;
    use vitalsign_protocol::problem::{Problem, ProblemType::*};
    use vitalsign_tpm_client::TpmKey;
    use vitalsign_tpm_client::testing::Swtpm;
    use vitalsign_verifier::Verifier;
    use vitalsign_verifier::clock::now;
    use vitalsign_verifier::config::Config;
    use vitalsign_verifier::store::device::By;

    /// Folder of a TPM's CA.
    #[derive(Clone, Copy)]
    enum Trusted {
        Simulated,
        Genuine,
        Not,
    }

    struct Machine {
        folder: tempfile::TempDir,
        tpm: Swtpm,
        /// One at a time: swtpm serves one client.
        key: Option<TpmKey>,
        enrolment: Option<EnrolmentId>,
        nonce: Nonce,
        /// Seconds by which its clock and the verifier's are ahead.
        ahead: u64,
        /// EK certificates that replace the TPM's: DER.
        certificates: Option<Vec<Vec<u8>>>,
    }

    impl Machine {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let tpm = Swtpm::start(&folder.path().join("t"));
            let mut machine = Self {
                folder,
                tpm,
                key: None,
                enrolment: None,
                nonce: Nonce([0; 32]),
                ahead: 0,
                certificates: None,
            };
            machine.reopen();
            machine
        }

        fn state(&self) -> PathBuf {
            self.folder.path().join("state")
        }

        fn reopen(&mut self) {
            self.key = None;
            self.key = Some(vitalsign_tpm_client::open(&self.tpm.spec, &self.state(), None).unwrap());
        }

        fn key(&mut self) -> &mut TpmKey {
            self.key.as_mut().unwrap()
        }

        fn evidence(&mut self, intended_use: IntendedUse, quote: bool) -> Vec<u8> {
            let boot = quote.then(|| self.quote());
            self.sign(intended_use, boot)
        }

        /// Evidence with a good quote and this event log.
        fn with_log(&mut self, intended_use: IntendedUse, log: Vec<u8>) -> Vec<u8> {
            let boot = BootEvidence { log: Some(log), ..self.quote() };
            self.sign(intended_use, Some(boot))
        }

        fn quote(&mut self) -> BootEvidence {
            let kid = self.key().public().thumbprint();
            let extra_data = quote_extra_data(&self.nonce, &kid);
            self.key().quote(&extra_data).unwrap()
        }

        fn sign(&mut self, intended_use: IntendedUse, boot: Option<BootEvidence>) -> Vec<u8> {
            let kid = self.key().public().thumbprint();
            let claims = Claims {
                issued_at: now() + self.ahead,
                token_id: self.nonce.0[..16].try_into().unwrap(),
                nonces: vec![self.nonce],
                enrolment: self.enrolment.filter(|_| intended_use == IntendedUse::Report),
                uptime: None,
                boot_count: self.key().boot_count(),
                intended_use,
                pin_period: None,
                names: None,
                posture: Posture { key: self.key().facts(), ..Posture::default() },
                boot,
            };
            claims.sign(&kid, |digest| self.key().sign(digest)).unwrap()
        }

        async fn enrol(&mut self, verifier: &Verifier, token: &str) -> Result<Enrolled, Problem> {
            let mut keys = self.key().enrolment_keys().unwrap();
            if let (Some(own), EnrolmentKeys::Tpm { ek_certificates, .. }) = (&self.certificates, &mut keys) {
                *ek_certificates = own.iter().cloned().map(Base64Url).collect();
            }
            let request = EnrolmentRequest { token: token.into(), keys };
            let now = now() + self.ahead;
            let challenge = verifier.enrolment.begin(&request, now).await?;
            let secret = self.key().activate(&challenge.credential.unwrap()).unwrap();
            self.nonce = challenge.nonce;
            let evidence = Base64Url(self.evidence(IntendedUse::Registration, true));
            let proof = EnrolmentProof { secret: Some(secret), evidence };
            let enrolled = verifier.enrolment.complete(&challenge.enrolment, &proof, now).await?;
            self.enrolment = Some(enrolled.enrolment);
            self.nonce = enrolled.report.nonce;
            Ok(enrolled)
        }
    }

    fn trust(roots: &Path, machine: &Machine, trusted: Trusted) {
        let folder = match trusted {
            Trusted::Simulated => roots.join("simulated"),
            Trusted::Genuine => roots.to_owned(),
            Trusted::Not => return,
        };
        let intermediates = roots.join("intermediates");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::create_dir_all(&intermediates).unwrap();
        std::fs::write(folder.join("maker.pem"), &machine.tpm.ca_root_pem).unwrap();
        std::fs::write(intermediates.join("maker.pem"), &machine.tpm.ca_intermediate_pem).unwrap();
    }

    async fn lab(machine: &Machine, trusted: Trusted) -> Lab {
        lab_with(machine, trusted, |_| {}).await
    }

    async fn lab_with(machine: &Machine, trusted: Trusted, change: impl FnOnce(&mut Config)) -> Lab {
        Lab::with(|config| {
            trust(&config.data.join("roots"), machine, trusted);
            change(config);
        })
        .await
    }

    /// A verifier that asks for a quote with every report.
    async fn lab_that_always_asks(machine: &Machine) -> Lab {
        lab_with(machine, Trusted::Simulated, |config| {
            config.quote_seconds = 0;
            config.limits.report_burst = 1000;
        })
        .await
    }

    async fn token(lab: &Lab, uses: u64) -> String {
        lab.verifier.store().create_token(uses, now() + 600, None, now()).await.unwrap().1
    }

    fn hardware(ear: &Ear) -> Option<i8> {
        ear.submods["key"].ear_trustworthiness_vector.and_then(|vector| vector.hardware).map(|trust| trust.0)
    }

    #[tokio::test]
    async fn a_tpm_enrols_reports_and_quotes_when_it_is_asked() {
        let mut machine = Machine::new();
        let lab = lab(&machine, Trusted::Genuine).await;
        let verifier = &lab.verifier;
        let enrolled = machine.enrol(verifier, &token(&lab, 1).await).await.unwrap();
        assert_eq!(hardware(&verdict(verifier, &enrolled.report, now())), Some(2));
        assert!(!enrolled.report.quote);

        let evidence = machine.evidence(IntendedUse::Report, false);
        let answer = verifier.attestation.report(&evidence, now()).await.unwrap();
        assert!(!answer.quote, "this boot was quoted at enrolment");
        machine.nonce = answer.nonce;
        machine.tpm.restart();
        machine.reopen();
        machine.nonce =
            verifier.attestation.nonce(&machine.key().public().thumbprint(), now()).unwrap().nonce;
        let evidence = machine.evidence(IntendedUse::Report, false);
        let answer = verifier.attestation.report(&evidence, now()).await.unwrap();
        assert!(answer.quote, "this boot was not quoted");
        machine.nonce = answer.nonce;
        let evidence = machine.evidence(IntendedUse::Report, true);
        let answer = verifier.attestation.report(&evidence, now()).await.unwrap();
        assert!(!answer.quote, "now it was");
        // Evidence with a quote is kept in full.
        let logged = verifier.store().audit(machine.enrolment, 0, 100).await.unwrap();
        assert_eq!(logged.last().unwrap().evidence, evidence);

        // A quote that was made for the last nonce.
        let (nonce, kid) = (machine.nonce, machine.key().public().thumbprint());
        let extra_data = quote_extra_data(&nonce, &kid);
        let stale = machine.key().quote(&extra_data).unwrap();
        machine.nonce = answer.nonce;
        let claims = Claims {
            issued_at: now(),
            token_id: [1; 16],
            nonces: vec![machine.nonce],
            enrolment: machine.enrolment,
            uptime: None,
            boot_count: None,
            intended_use: IntendedUse::Report,
            pin_period: None,
            names: None,
            posture: Posture::default(),
            boot: Some(stale),
        };
        let evidence = claims.sign(&kid, |digest| machine.key().sign(digest)).unwrap();
        assert_eq!(problem(verifier.attestation.report(&evidence, now()).await), QuoteInvalid);

        // A day later.
        machine.nonce =
            verifier.attestation.nonce(&machine.key().public().thumbprint(), now() + 86_400).unwrap().nonce;
        let evidence = machine.evidence(IntendedUse::Report, false);
        let answer = verifier.attestation.report(&evidence, now() + 86_400).await.unwrap();
        assert!(answer.quote, "the last quote is a day old");
    }

    /// Evidence of a report whose event log was cut.
    fn with_cut_log(machine: &mut Machine) -> Vec<u8> {
        machine.with_log(IntendedUse::Report, b"no event log".to_vec())
    }

    #[tokio::test]
    async fn unasked_quote_is_neither_verified_nor_kept() {
        let mut machine = Machine::new();
        let lab = lab(&machine, Trusted::Simulated).await;
        machine.enrol(&lab.verifier, &token(&lab, 1).await).await.unwrap();
        let attestation = &lab.verifier.attestation;
        for _ in 0..3 {
            let evidence = with_cut_log(&mut machine);
            let answer = attestation.report(&evidence, now()).await.unwrap();
            assert!(!answer.quote);
            machine.nonce = answer.nonce;
        }
        let logged = lab.verifier.store().audit(machine.enrolment, 0, 100).await.unwrap();
        assert_eq!(logged.iter().filter(|it| it.kind == "report" && !it.evidence.is_empty()).count(), 0);
    }

    #[tokio::test]
    async fn refused_quote_spends_the_nonce_of_a_report() {
        let mut machine = Machine::new();
        let lab = lab_that_always_asks(&machine).await;
        machine.enrol(&lab.verifier, &token(&lab, 1).await).await.unwrap();
        let attestation = &lab.verifier.attestation;
        let refused = with_cut_log(&mut machine);
        assert_eq!(problem(attestation.report(&refused, now()).await), LogMismatch);
        for _ in 0..2 {
            assert_eq!(
                problem(attestation.report(&refused, now()).await),
                NonceUsed,
                "it is not verified again"
            );
        }
        // Nor is another report with that nonce accepted.
        let honest = machine.evidence(IntendedUse::Report, false);
        assert_eq!(problem(attestation.report(&honest, now()).await), NonceUsed);

        machine.nonce = attestation.nonce(&machine.key().public().thumbprint(), now()).unwrap().nonce;
        let honest = machine.evidence(IntendedUse::Report, true);
        attestation.report(&honest, now()).await.unwrap();
        // Its answer was lost.
        attestation.report(&honest, now()).await.unwrap();
        let refused = with_cut_log(&mut machine);
        assert_eq!(problem(attestation.report(&refused, now()).await), NonceUsed, "spent by a good report");
    }

    #[tokio::test]
    async fn enrols_and_reports_without_a_readable_log() {
        let mut machine = Machine::new();
        let lab = lab(&machine, Trusted::Simulated).await;
        let token = token(&lab, 1).await;
        let large = machine.folder.path().join("large");
        std::fs::File::create(&large).unwrap().set_len(5 * 1024 * 1024).unwrap();
        // Missing, not readable as a file, and larger than a verifier reads.
        let folder = machine.folder.path().to_owned();
        for log in [folder.join("missing"), folder, large] {
            machine.key = None;
            let key = vitalsign_tpm_client::open(&machine.tpm.spec, &machine.state(), Some(&log));
            machine.key = Some(key.unwrap());
            assert_eq!(machine.quote().log, None, "{}", log.display());
            machine.enrol(&lab.verifier, &token).await.unwrap();
            let report = machine.evidence(IntendedUse::Report, true);
            lab.verifier.attestation.report(&report, now()).await.unwrap();
        }
    }

    /// A request whose client hangs up after so many steps.
    struct HangsUp<F> {
        request: Pin<Box<F>>,
        steps: usize,
    }

    impl<F: Future> Future for HangsUp<F> {
        type Output = Option<F::Output>;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            let Some(steps) = self.steps.checked_sub(1) else { return Poll::Ready(None) };
            self.steps = steps;
            self.request.as_mut().poll(context).map(Some)
        }
    }

    #[tokio::test]
    async fn refused_quote_is_spent_though_the_device_left() {
        let mut machine = Machine::new();
        let lab = lab_that_always_asks(&machine).await;
        machine.enrol(&lab.verifier, &token(&lab, 1).await).await.unwrap();
        let attestation = &lab.verifier.attestation;
        // From here on the device is in memory, and no step is spent on reading it.
        attestation.report(&machine.evidence(IntendedUse::Report, false), now()).await.unwrap();
        let mut spent = 0;
        for steps in 1.. {
            machine.nonce = attestation.nonce(&machine.key().public().thumbprint(), now()).unwrap().nonce;
            let refused = with_cut_log(&mut machine);
            let request = Box::pin(attestation.report(&refused, now()));
            if (HangsUp { request, steps }).await.is_some() {
                break;
            }
            let answer = loop {
                match problem(attestation.report(&refused, now()).await) {
                    Busy => tokio::task::yield_now().await,
                    answer => break answer,
                }
            };
            assert!([NonceUsed, LogMismatch].contains(&answer), "{answer:?}");
            spent += usize::from(answer == NonceUsed);
        }
        assert!(spent > 0, "a quote that is being verified goes on without its device");
    }

    #[tokio::test]
    async fn refused_quote_spends_an_enrolment_and_no_token() {
        let mut machine = Machine::new();
        let lab = lab(&machine, Trusted::Simulated).await;
        let token = token(&lab, 1).await;
        let keys = machine.key().enrolment_keys().unwrap();
        let request = EnrolmentRequest { token: token.clone(), keys };
        let challenge = lab.verifier.enrolment.begin(&request, now()).await.unwrap();
        machine.nonce = challenge.nonce;
        let secret = Some(machine.key().activate(challenge.credential.as_ref().unwrap()).unwrap());
        let evidence = Base64Url(machine.with_log(IntendedUse::Registration, b"no event log".to_vec()));
        let proof = EnrolmentProof { secret: secret.clone(), evidence };
        let complete = || lab.verifier.enrolment.complete(&challenge.enrolment, &proof, now());
        assert_eq!(problem(complete().await), LogMismatch);
        assert_eq!(problem(complete().await), EnrolmentUnknown, "it is not verified again");
        machine.enrol(&lab.verifier, &token).await.unwrap();
    }

    #[tokio::test]
    async fn simulated_tpm_is_not_genuine_unknown_one_rejected() {
        let mut machine = Machine::new();
        let simulated = lab(&machine, Trusted::Simulated).await;
        let enrolled = machine.enrol(&simulated.verifier, &token(&simulated, 1).await).await.unwrap();
        assert_ne!(hardware(&verdict(&simulated.verifier, &enrolled.report, now())), Some(2));
        let device =
            simulated.verifier.store().device(By::Enrolment(&enrolled.enrolment)).await.unwrap().unwrap();
        let tpm = device.identity.tpm.unwrap();
        assert!(tpm.simulated && !tpm.genuine);

        // One that is named twice is simulated: the worse holds.
        let both = Lab::with(|config| {
            trust(&config.data.join("roots"), &machine, Trusted::Simulated);
            trust(&config.data.join("roots"), &machine, Trusted::Genuine);
        })
        .await;
        let enrolled = machine.enrol(&both.verifier, &token(&both, 1).await).await.unwrap();
        assert_ne!(hardware(&verdict(&both.verifier, &enrolled.report, now())), Some(2));

        let unknown = lab(&machine, Trusted::Not).await;
        assert_eq!(
            problem(machine.enrol(&unknown.verifier, &token(&unknown, 1).await).await),
            EndorsementUntrusted
        );
    }

    #[tokio::test]
    async fn same_tpm_with_new_keys_replaces_the_old_key() {
        let mut machine = Machine::new();
        let lab = lab(&machine, Trusted::Simulated).await;
        let token = token(&lab, 2).await;
        let first = machine.enrol(&lab.verifier, &token).await.unwrap();
        let again = machine.enrol(&lab.verifier, &token).await.unwrap();
        assert_eq!(again.enrolment, first.enrolment);
        assert_eq!(lab.verifier.store().tokens().await.unwrap()[0].used, 1);

        let old_report = machine.evidence(IntendedUse::Report, false);
        machine.nonce = lab.verifier.attestation.report(&old_report, now()).await.unwrap().nonce;
        let old_report = machine.evidence(IntendedUse::Report, false);
        let old_kid = machine.key().public().thumbprint();
        vitalsign_tpm_client::set_aside(&machine.state()).unwrap();
        machine.reopen();
        assert_ne!(machine.key().public().thumbprint(), old_kid);
        let renewed = machine.enrol(&lab.verifier, &token).await.unwrap();
        assert_eq!(renewed.enrolment, first.enrolment);
        assert_eq!(problem(lab.verifier.attestation.report(&old_report, now()).await), DeviceUnknown);
        let report = machine.evidence(IntendedUse::Report, false);
        lab.verifier.attestation.report(&report, now()).await.unwrap();
        assert_eq!(lab.verifier.store().devices(10, 0).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_tpm_has_to_prove_that_it_holds_the_keys() {
        let mut machine = Machine::new();
        let mut other = Machine::new();
        let lab = lab(&machine, Trusted::Simulated).await;
        let token = token(&lab, 10).await;
        let keys = machine.key().enrolment_keys().unwrap();
        let request = EnrolmentRequest { token: token.clone(), keys: keys.clone() };
        let challenge = lab.verifier.enrolment.begin(&request, now()).await.unwrap();
        machine.nonce = challenge.nonce;
        for secret in [None, Some(Secret::new(vec![0; 32])), Some(Secret::new(Vec::new()))] {
            let proof = EnrolmentProof {
                secret,
                evidence: Base64Url(machine.evidence(IntendedUse::Registration, true)),
            };
            assert_eq!(
                problem(lab.verifier.enrolment.complete(&challenge.enrolment, &proof, now()).await),
                ActivationFailed
            );
        }
        let secret = Some(machine.key().activate(challenge.credential.as_ref().unwrap()).unwrap());
        let evidence = Base64Url(machine.evidence(IntendedUse::Registration, false));
        let proof = EnrolmentProof { secret, evidence };
        assert_eq!(
            problem(lab.verifier.enrolment.complete(&challenge.enrolment, &proof, now()).await),
            QuoteInvalid
        );

        // The parts of two devices do not make one.
        let theirs = other.key().enrolment_keys().unwrap();
        let parts = |keys: &EnrolmentKeys| match keys.clone() {
            EnrolmentKeys::Tpm {
                ek_certificates,
                ek_public,
                ak_public,
                report_key_public,
                certify,
                certify_signature,
            } => (ek_certificates, ek_public, ak_public, report_key_public, certify, certify_signature),
            EnrolmentKeys::Software { .. } => panic!(),
        };
        type Parts = (Vec<Base64Url>, Base64Url, Base64Url, Base64Url, Base64Url, Base64Url);
        type Mix = fn(&mut Parts, Parts);
        let mixes: [(&str, Mix); 6] = [
            ("EK", |ours, theirs| ours.1 = theirs.1),
            ("attestation key", |ours, theirs| ours.2 = theirs.2),
            ("report key", |ours, theirs| ours.3 = theirs.3),
            ("certification", |ours, theirs| ours.4 = theirs.4),
            ("signature", |ours, theirs| ours.5 = theirs.5),
            ("an attestation key for report key", |ours, _| ours.3 = ours.2.clone()),
        ];
        for (name, mix) in mixes {
            let mut mixed = parts(&keys);
            mix(&mut mixed, parts(&theirs));
            let (ek_certificates, ek_public, ak_public, report_key_public, certify, certify_signature) =
                mixed;
            let keys = EnrolmentKeys::Tpm {
                ek_certificates,
                ek_public,
                ak_public,
                report_key_public,
                certify,
                certify_signature,
            };
            let request = EnrolmentRequest { token: token.clone(), keys };
            let problem = problem(lab.verifier.enrolment.begin(&request, now()).await);
            assert!([KeysInvalid, EndorsementUntrusted].contains(&problem), "{name}: {problem:?}");
        }
        assert!(lab.verifier.store().devices(10, 0).await.unwrap().is_empty());
    }

    /// Makes a maker's root that is valid for 30 days, and a certificate of this TPM's EK that is valid for 5.
    fn maker_of(machine: &mut Machine, roots: &Path) {
        let folder = machine.folder.path().join("maker");
        std::fs::create_dir_all(&folder).unwrap();
        let EnrolmentKeys::Tpm { ek_certificates, .. } = machine.key().enrolment_keys().unwrap() else {
            panic!()
        };
        std::fs::write(folder.join("ek.der"), &ek_certificates[0].0).unwrap();
        std::fs::write(
            folder.join("leaf"),
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,keyEncipherment,keyAgreement\nextendedKeyUsage=2.23.133.8.1\n",
        )
        .unwrap();
        let openssl = |arguments: &str| {
            let run = std::process::Command::new("openssl")
                .current_dir(&folder)
                .args(arguments.split_whitespace())
                .output()
                .unwrap();
            assert!(run.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&run.stderr));
        };
        openssl("x509 -inform DER -in ek.der -noout -pubkey -out ek.pem");
        openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout root.key -subj /CN=maker -days 30 -out root.pem -addext keyUsage=critical,keyCertSign,cRLSign",
        );
        openssl("req -new -key root.key -subj /CN=ek -out ek.csr");
        openssl(
            "x509 -req -in ek.csr -CA root.pem -CAkey root.key -CAcreateserial -days 5 -extfile leaf -force_pubkey ek.pem -outform DER -out leaf.der",
        );
        std::fs::create_dir_all(roots).unwrap();
        std::fs::copy(folder.join("root.pem"), roots.join("maker.pem")).unwrap();
        machine.certificates = Some(vec![std::fs::read(folder.join("leaf.der")).unwrap()]);
    }

    fn key_check(ear: &Ear) -> (String, String) {
        let found = ear.checks().find(|(_, check)| check.check == "key-hardware").unwrap().1;
        (found.status.to_string(), found.reason.clone())
    }

    #[tokio::test]
    async fn expired_ek_certificate_is_a_named_warning() {
        let mut machine = Machine::new();
        let folder = machine.folder.path().join("roots");
        maker_of(&mut machine, &folder);
        let roots = folder.clone();
        let lab = Lab::with(|config| config.roots = Some(roots)).await;
        for (days, outcome) in [(0, ("affirming", "ok")), (6, ("warning", "certificate-expired"))] {
            machine.ahead = days * 86_400;
            let at = now() + machine.ahead;
            let token = lab.verifier.store().create_token(1, at + 3600, None, at).await.unwrap().1;
            let enrolled = machine.enrol(&lab.verifier, &token).await.unwrap();
            let ear = verdict(&lab.verifier, &enrolled.report, at);
            let (status, reason) = key_check(&ear);
            assert_eq!((status.as_str(), reason.as_str()), outcome);
        }
        // The maker's own certificate has to be valid.
        machine.ahead = 31 * 86_400;
        let at = now() + machine.ahead;
        let token = lab.verifier.store().create_token(1, at + 3600, None, at).await.unwrap().1;
        let refused = machine.enrol(&lab.verifier, &token).await.unwrap_err();
        let detail = refused.detail.clone().unwrap_or_default();
        assert!(detail.contains("has expired"), "{detail}");
        assert_eq!(problem::<()>(Err(refused)), EndorsementUntrusted);
    }
}
