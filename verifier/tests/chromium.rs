//! An independent peer: Chromium, at the verifier's own origin, gives the tap of a step-up.

mod support;

#[path = "../webauthn/tests/chromium/browser.rs"]
#[cfg(test)]
mod browser;

#[cfg(test)]
mod tests {
    use super::browser::Browser;
    use super::support::NOW;
    use super::support::step_up::StepUpFixture;
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    use vitalsign_protocol::id::Digest;
    use vitalsign_protocol::step_up::{Acr, StepUpResult};
    use vitalsign_verifier::clock::Clock;
    use vitalsign_verifier::server::{Server, tls};
    use vitalsign_verifier::step_up::StepUpStatus;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn browser_approves_step_up_at_verifiers_origin() {
        let mut fixture = StepUpFixture::new().await;
        let made = tls::self_signed(&fixture.lab.folder.path().join("tls"), "localhost").unwrap();
        let server =
            Server::start(fixture.lab.verifier.clone(), tls::read(&made.files).unwrap(), Clock::default())
                .await
                .unwrap();

        // It trusts this one key, and finds the origin's port where the server is.
        let certificate = CertificateDer::from_pem_file(&made.files.certificate).unwrap();
        let certificate = webpki::EndEntityCert::try_from(&certificate).unwrap();
        let key = Digest::of(&certificate.subject_public_key_info());
        let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key.0);
        let browser = Browser::start_with(&[
            format!("--user-data-dir={}", fixture.lab.folder.path().join("browser").display()),
            format!("--ignore-certificate-errors-spki-list={key}"),
            format!("--host-resolver-rules=MAP localhost:443 {}", server.address()),
        ]);
        for (id, pkcs8) in fixture.key.credentials() {
            browser.add_credential("localhost", &id, &pkcs8);
        }
        browser.open("https://localhost/healthz");

        // What another asked for is not what this one is about.
        let (_, _, other) = fixture.ready(Acr::HardwareKey).await;
        let (begun, asking, options) = fixture.ready(Acr::HardwareKey).await;
        let assertion = browser.get(&options).unwrap();
        assert_eq!(fixture.assert(&asking.id, assertion).await.unwrap(), StepUpResult::Approved);
        let StepUpStatus::Approved(approval) = fixture.standing(&begun).await else { panic!("not approved") };
        assert_eq!((approval.auth_time, approval.user.as_str()), (NOW, "nurse-7"));

        let (begun, asking, _) = fixture.ready(Acr::HardwareKey).await;
        let assertion = browser.get(&other).unwrap();
        assert_eq!(fixture.assert(&asking.id, assertion).await.unwrap(), StepUpResult::WrongKey);
        assert_eq!(fixture.standing(&begun).await, StepUpStatus::Ended(StepUpResult::WrongKey, vec![]));
        drop(browser);
        server.shutdown().await;
    }
}
