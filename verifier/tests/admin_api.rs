//! The API for administrators as it is served: who may call it, and what the audit log says of them.

mod support;

#[cfg(test)]
mod tests {
    use super::support::process::{Serving, configure, run, stdout};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    use serde_json::{Value, json};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::sync::Arc;
    use vitalsign_protocol::cose::PublicKey;
    use vitalsign_protocol::jwt::{Jwk, JwkSet};
    use vitalsign_verifier::admin_api::{OPERATIONS, Scope};
    use vitalsign_verifier::clock::now;

    const ISSUER: &str = "https://idp.example";
    const AUDIENCE: &str = "vitalsign-admin";
    /// An unprivileged user ID that no account uses.
    const STRANGER: u32 = 64_812;

    /// A verifier with the API by HTTPS, and those who administer it.
    struct Site {
        folder: tempfile::TempDir,
        serving: Serving,
        authority: CertifiedIssuer<'static, KeyPair>,
        /// Key of the OpenID provider.
        provider: EcdsaKeyPair,
    }

    impl Site {
        fn start() -> Self {
            let folder = configure();
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            std::fs::write(folder.path().join("clients.pem"), authority.pem()).unwrap();
            let provider = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let public = PublicKey::from_point(provider.public_key().as_ref()).unwrap();
            let keys = serde_json::to_string(&JwkSet { keys: vec![Jwk::new(&public)] }).unwrap();
            std::fs::write(folder.path().join("idp.jwks.json"), keys).unwrap();
            let mut settings = std::fs::read_to_string(folder.path().join("verifier.toml")).unwrap();
            settings
                .push_str("admin_api.listen = \"127.0.0.1:0\"\nadmin_api.client_roots = \"clients.pem\"\n");
            settings.push_str(&format!(
                "[[admin_api.issuers]]\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\njwks = \"idp.jwks.json\"\n"
            ));
            let mut administrator = |identity: &str, scopes: &[Scope]| {
                let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
                settings
                    .push_str(&format!("[[admin_api.administrators]]\n{identity}\nscopes = {scopes:?}\n"));
            };
            administrator("name = \"anna\"\ncertificate = \"anna@hospital.example\"", &Scope::ALL);
            administrator(
                &format!("issuer = \"{ISSUER}\"\nsubject = \"ben\""),
                &[Scope::Read, Scope::Operate],
            );
            for lacking in Scope::ALL {
                let name = format!("without-{}", lacking.as_str());
                let others: Vec<_> = Scope::ALL.into_iter().filter(|scope| *scope != lacking).collect();
                administrator(
                    &format!("name = \"{name}\"\ncertificate = \"{name}@hospital.example\""),
                    &others,
                );
            }
            std::fs::write(folder.path().join("verifier.toml"), settings).unwrap();
            let serving = Serving::start(folder.path());
            Self { folder, serving, authority, provider }
        }

        fn path(&self) -> &Path {
            self.folder.path()
        }

        fn url(&self, path: &str) -> String {
            format!("https://localhost:{}{path}", self.serving.admin_api.unwrap().port())
        }

        /// Certificate and key for a mail address, PEM.
        fn certificate(&self, mail: &str) -> String {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.subject_alt_names = vec![SanType::Rfc822Name(mail.try_into().unwrap())];
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &self.authority).unwrap();
            format!("{}{}", certificate.pem(), key.serialize_pem())
        }

        fn client(&self, identity: Option<&str>) -> reqwest::Client {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(&self.serving.anchor).unwrap()).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let tls = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots);
            let tls = match identity {
                None => tls.with_no_client_auth(),
                Some(pem) => {
                    let chain = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
                    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
                    tls.with_client_auth_cert(vec![chain], key).unwrap()
                }
            };
            reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
        }

        /// Access token with these claims instead of the usual ones.
        fn token(&self, typ: &str, other: &Value) -> String {
            let mut claims =
                json!({ "iss": ISSUER, "sub": "ben", "aud": AUDIENCE, "exp": now() + 300, "iat": now() });
            claims.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
            let header = json!({ "alg": "ES256", "typ": typ });
            let input = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
            let signature = self.provider.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
            format!("{input}.{}", B64.encode(signature))
        }

        /// Returns who did the last thing of a kind, as the audit log has it.
        fn actor(&self, kind: &str) -> Value {
            let listed =
                stdout(&run(self.path(), &["audit", "list", "--kind", kind, "--limit", "1", "--json"]));
            serde_json::from_str::<Value>(&listed).unwrap()["body"]["by"].clone()
        }
    }

    /// Sends a request to each operation; the answers must have this status, and the type of problem.
    async fn walk(site: &Site, client: &reqwest::Client, scopes: &[Scope], expected: (u16, &str)) -> usize {
        let description = client_of_description(site).await;
        let mut walked = 0;
        for (path, methods) in description["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                let (_, _, scope) =
                    OPERATIONS.iter().find(|(name, ..)| methods[method]["operationId"] == **name).unwrap();
                if !scopes.contains(scope) {
                    continue;
                }
                let url = site.url(&path.replace(['{', '}'], ""));
                let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let answer = client.request(method, url).send().await.unwrap();
                assert_eq!(answer.status(), expected.0, "{path}");
                assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
                let problem: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
                assert_eq!(problem["type"], format!("urn:vitalsign:problem:admin:{}", expected.1), "{path}");
                walked += 1;
            }
        }
        walked
    }

    async fn client_of_description(site: &Site) -> Value {
        let anna = site.client(Some(&site.certificate("anna@hospital.example")));
        let answer = anna.get(site.url("/admin/v1/openapi.json")).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn every_operation_needs_identity_and_scope() {
        let site = Site::start();
        let anonymous = site.client(None);
        assert_eq!(walk(&site, &anonymous, &Scope::ALL, (401, "unauthenticated")).await, OPERATIONS.len());
        let stranger = site.client(Some(&site.certificate("mallory@hospital.example")));
        assert_eq!(walk(&site, &stranger, &Scope::ALL, (401, "unauthenticated")).await, OPERATIONS.len());
        let mut walked = 0;
        for lacking in Scope::ALL {
            let mail = format!("without-{}@hospital.example", lacking.as_str());
            let client = site.client(Some(&site.certificate(&mail)));
            walked += walk(&site, &client, &[lacking], (403, "forbidden")).await;
            // The others are allowed to be sent.
            let allowed =
                if lacking == Scope::Read { "/admin/v1/devices/x/check" } else { "/admin/v1/users" };
            let answer = match lacking {
                Scope::Read => client.post(site.url(allowed)).send().await.unwrap(),
                _ => client.get(site.url(allowed)).send().await.unwrap(),
            };
            assert_ne!(answer.status(), 403, "{mail}");
        }
        assert_eq!(walked, OPERATIONS.len());
        // A certificate of another authority does not pass TLS.
        let other = Site::start();
        let foreign = site.client(Some(&other.certificate("anna@hospital.example")));
        assert!(foreign.get(site.url("/admin/v1/users")).send().await.is_err());
    }

    #[tokio::test]
    async fn audit_log_names_certificate_token_and_user() {
        let site = Site::start();
        let (anna, anonymous) =
            (site.client(Some(&site.certificate("anna@hospital.example"))), site.client(None));
        let add = |client: &reqwest::Client, name: &str| {
            let body = json!({ "name": name }).to_string();
            client.post(site.url("/admin/v1/users")).header("content-type", "application/json").body(body)
        };
        let added = add(&anna, "nurse-1").send().await.unwrap();
        assert_eq!(added.status(), 200);
        let by = site.actor("user-added");
        assert_eq!(by, json!({ "admin": "cert:anna", "address": "127.0.0.1" }));
        let line = stdout(&run(site.path(), &["audit", "list", "--kind", "user-added"]));
        assert!(line.contains("nurse-1 (by cert:anna)"), "{line}");

        let token = site.token("at+jwt", &json!({}));
        let added = add(&anonymous, "nurse-2").bearer_auth(&token).send().await.unwrap();
        assert_eq!(added.status(), 200, "{}", added.text().await.unwrap());
        assert_eq!(site.actor("user-added")["admin"], format!("oidc:{ISSUER}#ben"));
        // Its scopes are those of the configuration.
        let disabled =
            anonymous.post(site.url("/admin/v1/clients/x/disable")).bearer_auth(&token).send().await.unwrap();
        assert_eq!(disabled.status(), 403);

        stdout(&run(site.path(), &["user", "add", "nurse-3"]));
        let by = site.actor("user-added");
        assert_eq!(by["admin"], format!("uid:{}", by["uid"]));

        let stolen = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let forged = {
            let (input, _) = token.rsplit_once('.').unwrap();
            let signature = stolen.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
            format!("{input}.{}", B64.encode(signature))
        };
        let unsigned = format!(
            "{}.{}.",
            B64.encode(r#"{"alg":"none","typ":"at+jwt"}"#),
            token.split('.').nth(1).unwrap()
        );
        for (token, why) in [
            (site.token("JWT", &json!({})), "typ"),
            (site.token("at+jwt", &json!({ "aud": "another" })), "aud"),
            (site.token("at+jwt", &json!({ "iss": "https://other.example" })), "issuer"),
            (site.token("at+jwt", &json!({ "exp": now() - 60 })), "expired"),
            (site.token("at+jwt", &json!({ "nbf": now() + 300 })), "still to come"),
            (site.token("at+jwt", &json!({ "cnf": { "jkt": "x" } })), "bound"),
            (site.token("at+jwt", &json!({ "sub": "mallory" })), "no administrator"),
            (forged, "signature"),
            (unsigned, "alg"),
            ("x".to_owned(), "JWT"),
        ] {
            let refused = add(&anonymous, "nurse-4").bearer_auth(&token).send().await.unwrap();
            assert_eq!(
                (refused.status().as_u16(), refused.headers()["www-authenticate"].as_bytes()),
                (401, &b"Bearer"[..])
            );
            let text = refused.text().await.unwrap();
            assert!(text.contains(why), "{why}: {text}");
        }
        let both = add(&anna, "nurse-4").bearer_auth(&token).send().await.unwrap();
        assert_eq!(both.status(), 401, "one identity at a time");
        assert!(!stdout(&run(site.path(), &["user", "list"])).contains("nurse-4"));
    }

    #[tokio::test]
    async fn administrators_keep_to_pace_and_limits() {
        let site = Site::start();
        let anna = site.client(Some(&site.certificate("anna@hospital.example")));
        let post = |path: &str, body: String| {
            anna.post(site.url(path)).header("content-type", "application/json").body(body)
        };
        let long = format!("{{\"name\": \"{}\"}}", "x".repeat(256 * 1024));
        assert_eq!(post("/admin/v1/users", long).send().await.unwrap().status(), 413);
        assert_eq!(
            post("/admin/v1/users", r#"{"name": "a", "more": 1}"#.into()).send().await.unwrap().status(),
            400
        );
        assert_eq!(post("/admin/v1/users", r#"{"name": " a"}"#.into()).send().await.unwrap().status(), 400);
        assert_eq!(anna.put(site.url("/admin/v1/users")).send().await.unwrap().status(), 405);
        assert_eq!(anna.get(site.url("/admin/v1/no")).send().await.unwrap().status(), 404);
        assert_eq!(anna.get(site.url("/admin/v1/step-ups?limit=x")).send().await.unwrap().status(), 400);
        let mut refused = anna.get(site.url("/admin/v1/administrator")).send().await.unwrap();
        for _ in 0..2000 {
            if refused.status() != 200 {
                break;
            }
            refused = anna.get(site.url("/admin/v1/administrator")).send().await.unwrap();
        }
        assert_eq!(refused.status(), 429);
        assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
        // The socket has no pace.
        for _ in 0..3 {
            stdout(&run(site.path(), &["user", "list"]));
        }
    }

    #[test]
    fn commands_administer_another_machine() {
        let site = Site::start();
        let folder = site.path();
        std::fs::write(folder.join("anna.pem"), site.certificate("anna@hospital.example")).unwrap();
        std::fs::write(folder.join("reader.pem"), site.certificate("without-operate@hospital.example"))
            .unwrap();
        std::fs::write(folder.join("token"), site.token("at+jwt", &json!({}))).unwrap();
        let (url, ca) = (site.url(""), site.serving.anchor.to_str().unwrap().to_owned());
        let remote = |identity: &[&str], command: &[&str]| {
            run(folder, &[command, &["--server", &url, "--server-ca", &ca], identity].concat())
        };
        let token = stdout(&remote(&["--server-cert", "anna.pem"], &["enrol-token", "create"]));
        assert!(token.starts_with("vse_"), "{token}");
        let listed = stdout(&remote(&["--server-token", "token"], &["enrol-token", "list", "--json"]));
        assert!(!listed.contains(token.trim()) && listed.contains("\"uses\": 1"), "{listed}");
        let refused = remote(&["--server-cert", "reader.pem"], &["enrol-token", "revoke", "1"]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("cert:without-operate lacks the scope operate"), "{said}");
        let nowhere = run(folder, &["user", "list", "--server", "https://localhost:1", "--server-ca", &ca]);
        assert_eq!(nowhere.status.code(), Some(3), "{nowhere:?}");
    }

    #[test]
    fn socket_is_for_root_and_the_verifier_alone() {
        let folder = configure();
        let serving = Serving::start(folder.path());
        let socket = folder.path().join("data/admin.sock");
        assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        let ask = |uid: Option<u32>| {
            let mut curl = std::process::Command::new("curl");
            curl.args(["--silent", "--show-error", "--max-time", "30", "--unix-socket"]).arg(&socket);
            curl.arg("http://localhost/admin/v1/administrator").current_dir("/");
            if let Some(uid) = uid {
                curl.uid(uid).gid(uid);
            }
            curl.output()
        };
        let mine = String::from_utf8(ask(None).unwrap().stdout).unwrap();
        assert!(mine.contains("\"name\":\"uid:"), "{mine}");
        // Even if someone opens it to everyone.
        for path in [folder.path(), &folder.path().join("data")] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
        match ask(Some(STRANGER)) {
            Err(error) => eprintln!("not run: becoming another user needs root: {error}"),
            Ok(output) => {
                let said = String::from_utf8(output.stdout).unwrap();
                assert!(said.contains("admin:unauthenticated") && said.contains("Only root"), "{said}");
            }
        }

        // A second verifier does not take the socket over, and one that was killed leaves it to the next.
        let second = run(folder.path(), &["serve", "--self-signed", "localhost"]);
        assert_eq!(second.status.code(), Some(1));
        drop(serving);
        assert!(socket.exists(), "it was killed");
        let gone = run(folder.path(), &["user", "list"]);
        let said = String::from_utf8(gone.stderr).unwrap();
        assert!(
            gone.status.code() == Some(3) && said.contains("systemctl start vitalsign-verifier"),
            "{said}"
        );
        let mut again = Serving::start(folder.path());
        stdout(&run(folder.path(), &["user", "list"]));
        let ended = std::process::Command::new("kill").arg(again.child.id().to_string()).status().unwrap();
        assert!(ended.success() && again.child.wait().unwrap().success());
        assert!(!socket.exists(), "it was removed at the end");
    }
}
