//! A provider that runs, and the applications that talk to it.

use super::support::{Answer, Client, Lab};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use form_urlencoded::byte_serialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Mutex;
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::jwt::{Jwk, JwkSet};
use vitalsign_verifier::Verifier;
use vitalsign_verifier::clock::{Clock, now};
use vitalsign_verifier::config::Config;
use vitalsign_verifier::oidc::{self, CIBA_GRANT, JWT_BEARER};
use vitalsign_verifier::server::{Server, tls};
use vitalsign_verifier::store::client::{
    AddedClient, Client as Registered, ClientCredential, ClientSettings, DetailsTypes,
};
use vitalsign_webauthn::Aaguid;
use vitalsign_webauthn::testing::KeyVendor;

pub(crate) const ISSUER: &str = "https://localhost";
/// Every appraised device meets every level.
const POLICY: &str = r#"package vitalsign.step_up
import rego.v1
refused contains "judgement" if input.device.status == "none"
"#;
/// The model of the security keys.
const MODEL: Aaguid = Aaguid([0x5f; 16]);
const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) type Form<'a> = Vec<(&'a str, String)>;

pub(crate) struct Provider {
    pub(crate) lab: Lab,
    pub(crate) anchor: PathBuf,
    pub(crate) address: SocketAddr,
    /// Vendor of the accepted security keys.
    pub(crate) maker: KeyVendor,
    server: Mutex<Option<Server>>,
}

impl Provider {
    /// A provider without held polls, a rate limit and nonces for DPoP proofs.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let maker = KeyVendor::new(MODEL);
        let lab = Lab::with(|config| {
            (config.oidc.interval_seconds, config.oidc.hold_seconds) = (0, 0);
            config.oidc.dpop_nonces = false;
            let metadata = config.data.join("metadata.json");
            std::fs::write(&metadata, maker.metadata("2999-01-01").to_string()).unwrap();
            config.security_keys.metadata = Some(metadata);
            // The device of these tests has its key in software, and no good facts to show.
            let policy = config.data.join("step_up.rego");
            std::fs::write(&policy, POLICY).unwrap();
            config.step_up_policy = Some(policy);
            change(config);
        })
        .await;
        Self::serve(lab, maker).await
    }

    async fn serve(lab: Lab, maker: KeyVendor) -> Self {
        let made = tls::self_signed(&lab.folder.path().join("tls"), "localhost").unwrap();
        let server = Server::start(lab.verifier.clone(), tls::read(&made.files).unwrap(), Clock::default())
            .await
            .unwrap();
        Self { lab, anchor: made.anchor, address: server.address(), maker, server: Mutex::new(Some(server)) }
    }

    pub(crate) async fn end(&self) {
        self.server.lock().await.take().unwrap().shutdown().await;
    }

    /// Stops it, and restarts it on the same data.
    pub(crate) async fn restart(self) -> Self {
        self.end().await;
        let Self { lab, maker, .. } = self;
        let config = lab.verifier.config().clone();
        drop(lab.verifier);
        let verifier = Arc::new(Verifier::open(config, now()).await.unwrap());
        Self::serve(Lab { verifier, ..lab }, maker).await
    }

    /// Registers an application that shows a secret.
    pub(crate) async fn with_secret(&self, id: &str) -> App {
        let (secret, digest) = oidc::new_secret().unwrap();
        self.register(id, digest.into()).await;
        App { id: id.to_owned(), shows: Shows::Secret(secret) }
    }

    /// Registers an application that signs.
    pub(crate) async fn with_key(&self, id: &str) -> App {
        let pair = pair();
        self.register(id, ClientCredential::Keys(JwkSet { keys: vec![Jwk::new(&public(&pair))] }.into()))
            .await;
        App { id: id.to_owned(), shows: Shows::Key(Box::new(pair)) }
    }

    pub(crate) async fn register(&self, id: &str, credential: ClientCredential) {
        let client = Registered {
            id: id.to_owned(),
            name: id.to_uppercase(),
            audience: format!("urn:{id}:api"),
            created: now(),
            disabled_at: None,
            credential,
            settings: settings(),
        };
        assert_eq!(self.lab.verifier.store().add_client(&client).await.unwrap(), AddedClient::Added);
    }

    /// Changes an application's settings.
    pub(crate) async fn configure(&self, app: &App, change: impl FnOnce(&mut ClientSettings)) {
        let configure = |client: &mut Registered| change(&mut client.settings);
        let store = self.lab.verifier.store();
        store.configure_client(&app.id, configure, now()).await.unwrap().unwrap();
    }

    /// Sends a request unchanged, on a new connection.
    pub(crate) async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut client = Client::connect(self.address, &self.anchor, "localhost").await.unwrap();
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        client.send(&[head.as_bytes(), body].concat()).await.unwrap();
        client.receive().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], form: &Form<'_>) -> Answer {
        let headers = [&[("content-type", FORM)], headers].concat();
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.raw("POST", path, &headers, encoded.as_bytes()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.raw("GET", path, &[], b"").await.json()
    }
}

/// Settings with which applications can do everything.
pub(crate) fn settings() -> ClientSettings {
    ClientSettings {
        strict_audience: false,
        authorization_details_types: DetailsTypes::Any,
        ..ClientSettings::default()
    }
}

pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) shows: Shows,
}

pub(crate) enum Shows {
    Secret(String),
    Key(Box<EcdsaKeyPair>),
}

impl App {
    /// Posts a form, and shows who it is.
    pub(crate) async fn post(&self, provider: &Provider, path: &str, form: &Form<'_>) -> Answer {
        self.post_with(provider, path, &[], form).await
    }

    pub(crate) async fn post_with(
        &self,
        provider: &Provider,
        path: &str,
        headers: &[(&str, &str)],
        form: &Form<'_>,
    ) -> Answer {
        match &self.shows {
            Shows::Secret(secret) => {
                let basic = basic(&self.id, secret);
                provider.post(path, &[&[("authorization", basic.as_str())], headers].concat(), form).await
            }
            Shows::Key(pair) => {
                let assertion = signed(&json!({ "alg": "ES256" }), &assertion(&self.id), pair);
                provider.post(path, headers, &[form.clone(), asserted(assertion)].concat()).await
            }
        }
    }

    /// Asks for a person: the `auth_req_id`.
    pub(crate) async fn ask(&self, provider: &Provider, user: &str) -> String {
        let answer = self.post(provider, "/bc-authorize", &request(user)).await;
        answer.json::<Value>()["auth_req_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn poll(&self, provider: &Provider, auth_req_id: &str) -> Answer {
        self.post(provider, "/token", &poll(auth_req_id)).await
    }
}

/// A good request for a person.
pub(crate) fn request(user: &str) -> Form<'static> {
    vec![
        ("scope", "openid".into()),
        ("login_hint", user.into()),
        ("binding_message", "EHR: sign order 4711".into()),
    ]
}

/// A good request for a token.
pub(crate) fn poll(auth_req_id: &str) -> Form<'static> {
    vec![("grant_type", CIBA_GRANT.into()), ("auth_req_id", auth_req_id.into())]
}

pub(crate) fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

/// The claims of a good client assertion.
pub(crate) fn assertion(id: &str) -> Value {
    json!({
        "iss": id, "sub": id, "aud": ISSUER, "iat": now(), "exp": now() + 60,
        "jti": oidc::random_name::<16>().unwrap(),
    })
}

/// Returns the number in the header `Retry-After`.
#[track_caller]
pub(crate) fn retry_after(answer: &Answer) -> u64 {
    let value = answer.head.lines().find_map(|line| line.strip_prefix("retry-after: "));
    value.unwrap_or_else(|| unreachable!("{}", answer.head)).parse().unwrap()
}

/// The parameters with which a client assertion is sent.
pub(crate) fn asserted(assertion: String) -> Form<'static> {
    vec![("client_assertion_type", JWT_BEARER.into()), ("client_assertion", assertion)]
}

pub(crate) fn pair() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

pub(crate) fn public(pair: &EcdsaKeyPair) -> PublicKey {
    PublicKey::from_point(pair.public_key().as_ref()).unwrap()
}

/// A JWT, whatever its header says.
pub(crate) fn signed(header: &Value, claims: &Value, pair: &EcdsaKeyPair) -> String {
    let input = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
    let signature = pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    format!("{input}.{}", B64.encode(signature))
}

/// The status and the error of a refusal, which is as OAuth has it.
#[track_caller]
pub(crate) fn refusal(answer: &Answer) -> (u16, String) {
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(answer.status >= 400, "{body}");
    assert!(body["error_description"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    (answer.status, body["error"].as_str().unwrap().to_owned())
}

/// `refused(400, "invalid_request")`
pub(crate) fn refused(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}
