//! Applications that publish their keys, which the verifier fetches.

use super::application::{ISSUER, Provider, asserted, pair, public, request, signed};
use super::commands::run;
use aws_lc_rs::signature::EcdsaKeyPair;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vitalsign_protocol::jwt::{Jwk, JwkSet};
use vitalsign_verifier::clock::now;
use vitalsign_verifier::oidc::{self, Code, Form};
use vitalsign_verifier::server::tls;

const HOUR: u64 = 3600;

/// A server that answers each request with these bytes; never if there are none.
struct Publisher {
    address: SocketAddr,
    anchor: PathBuf,
    answer: Arc<Mutex<Vec<u8>>>,
    /// Connections so far.
    asked: Arc<AtomicUsize>,
    _folder: tempfile::TempDir,
}

impl Publisher {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = tls::self_signed(folder.path(), "localhost").unwrap();
        let tls = tokio_rustls::TlsAcceptor::from(Arc::new(tls::read(&made.files).unwrap()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, asked) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let publisher = Self {
            address,
            anchor: made.anchor,
            answer: answer.clone(),
            asked: asked.clone(),
            _folder: folder,
        };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                asked.fetch_add(1, Ordering::SeqCst);
                let (tls, answer) = (tls.clone(), answer.lock().unwrap().clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = tls.accept(stream).await else { return };
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = stream.read_u8().await else { return };
                        head.push(byte);
                    }
                    if answer.is_empty() {
                        std::future::pending::<()>().await;
                    }
                    // The other end may have read enough.
                    let _ = stream.write_all(&answer).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        publisher
    }

    fn uri(&self) -> String {
        format!("https://localhost:{}/jwks.json", self.address.port())
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn set(&self, status: &str, headers: &str, body: &[u8]) {
        let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
        *self.answer.lock().unwrap() = [head.as_bytes(), body].concat();
    }

    fn publish(&self, keys: &[&EcdsaKeyPair]) {
        let keys = keys.iter().map(|pair| Jwk::new(&public(pair))).collect();
        self.set("200 OK", "", &serde_json::to_vec(&JwkSet { keys }).unwrap());
    }
}

/// A provider that fetches keys, with an application that publishes those of `pair`.
async fn start(publisher: &Publisher, pair: &EcdsaKeyPair) -> Provider {
    publisher.publish(&[pair]);
    let provider = Provider::with(|config| {
        config.client_keys.roots = Some(publisher.anchor.clone());
        config.client_keys.allow_local = true;
        (config.limits.step_ups_per_user, config.limits.step_ups_per_client_and_user) = (10_000, 10_000);
    })
    .await;
    let add =
        ["client", "add", "RIS", "--id", "ris", "--audience", "urn:ris", "--jwks-uri", &publisher.uri()];
    let added = run(&provider, &add).await;
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    provider
}

/// Returns whether an assertion by this key is accepted at this time.
async fn accepts(provider: &Provider, pair: &EcdsaKeyPair, at: u64) -> bool {
    let claims = json!({
        "iss": "ris", "sub": "ris", "aud": ISSUER, "iat": at, "exp": at + 60,
        "jti": oidc::random_name::<16>().unwrap(),
    });
    let header = json!({ "alg": "ES256", "kid": Jwk::new(&public(pair)).kid });
    let form = [request("nurse-7"), asserted(signed(&header, &claims, pair))].concat();
    let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let form = Form::parse(encoded.as_bytes()).unwrap();
    let request = oidc::Request { authorization: None, dpop: Vec::new(), form };
    match provider.lab.verifier.oidc.authorize(&request, at).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.code, Code::InvalidClient, "{error}");
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_keys_are_fetched_and_removed_ones_end() {
    let (publisher, old, new) = (Publisher::start().await, pair(), pair());
    let provider = start(&publisher, &old).await;
    let begun = now();
    assert!(accepts(&provider, &old, begun).await);
    assert_eq!(publisher.asked(), 1, "when it was registered");
    publisher.publish(&[&old, &new]);
    assert!(accepts(&provider, &new, begun).await);
    assert!(accepts(&provider, &old, begun).await && accepts(&provider, &new, begun).await);
    assert_eq!(publisher.asked(), 2);
    // It survives a restart without another fetch.
    let provider = provider.restart().await;
    assert!(accepts(&provider, &new, begun).await);
    assert_eq!(publisher.asked(), 2);
    publisher.publish(&[&new]);
    assert!(accepts(&provider, &old, begun + HOUR - 60).await, "known for less than an hour");
    assert!(!accepts(&provider, &old, begun + HOUR + 60).await);
    assert!(accepts(&provider, &new, begun + HOUR + 60).await);
    let log = provider.lab.verifier.store().audit(None, 0, 1000).await.unwrap();
    let changes: Vec<Value> = log
        .iter()
        .filter(|entry| entry.kind == "client-credential-replaced")
        .map(|entry| serde_json::from_str(&entry.body).unwrap())
        .collect();
    let kids = |pairs: &[&EcdsaKeyPair]| {
        json!(pairs.iter().map(|pair| Jwk::new(&public(pair)).kid).collect::<Vec<_>>())
    };
    assert_eq!((&changes[0]["kids"], &changes[1]["kids"]), (&kids(&[&old, &new]), &kids(&[&new])));
    assert_eq!((changes.len(), &changes[1]["jwks_uri"]), (2, &json!(publisher.uri())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_fetches_keep_keys_for_a_day() {
    let (publisher, old) = (Publisher::start().await, pair());
    let provider = start(&publisher, &old).await;
    let begun = now();
    let good = publisher.answer.lock().unwrap().clone();
    let long = vec![b' '; 64 * 1024 + 1];
    let mut at = begun + 2 * HOUR;
    let elsewhere = format!("location: {}\r\n", publisher.uri());
    for (status, headers, body) in [
        ("500 Oops", "", b"{}".as_slice()),
        ("302 Found", elsewhere.as_str(), b""),
        ("200 OK", "", b"<html>"),
        ("200 OK", "", br#"{"keys":[]}"#),
        ("200 OK", "", &long),
        ("204 None", "", b""),
    ] {
        publisher.set(status, headers, body);
        let asked = publisher.asked();
        assert!(accepts(&provider, &old, at).await, "{status}");
        assert_eq!(publisher.asked(), asked + 1, "{status}: one attempt, no other address");
        at += 300;
    }
    // It accepts connections and says nothing.
    publisher.answer.lock().unwrap().clear();
    let started = std::time::Instant::now();
    assert!(accepts(&provider, &old, at).await);
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
    assert!(accepts(&provider, &old, begun + 23 * HOUR).await);
    assert!(!accepts(&provider, &old, begun + 24 * HOUR + 60).await, "too old");
    *publisher.answer.lock().unwrap() = good;
    assert!(accepts(&provider, &old, begun + 25 * HOUR).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_keys_cause_few_fetches() {
    let (publisher, own) = (Publisher::start().await, pair());
    let provider = start(&publisher, &own).await;
    let (at, asked) = (now(), publisher.asked());
    for _ in 0..20 {
        assert!(!accepts(&provider, &pair(), at).await);
    }
    assert_eq!(publisher.asked(), asked + 2);
    assert!(accepts(&provider, &own, at).await, "known keys need no fetch");
    assert!(!accepts(&provider, &pair(), at + 61).await);
    assert_eq!(publisher.asked(), asked + 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_addresses_need_permission() {
    let publisher = Publisher::start().await;
    publisher.publish(&[&pair()]);
    let port = publisher.address.port();
    let add = async |provider: &Provider, uri: &str| {
        let add = ["client", "add", "RIS", "--id", "ris", "--audience", "urn:ris", "--jwks-uri", uri];
        let added = run(provider, &add).await;
        (added.code, added.stderr)
    };
    let off = Provider::start().await;
    let (code, said) = add(&off, &publisher.uri()).await;
    assert!(code == Some(1) && said.contains("[client_keys] roots"), "{said}");
    let provider = Provider::with(|config| config.client_keys.roots = Some(publisher.anchor.clone())).await;
    for uri in [
        publisher.uri(),
        format!("https://127.0.0.1:{port}/jwks.json"),
        format!("https://2130706433:{port}/jwks.json"),
        format!("https://[::1]:{port}/jwks.json"),
        format!("https://[::ffff:127.0.0.1]:{port}/jwks.json"),
        format!("https://0.0.0.0:{port}/jwks.json"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        let (code, said) = add(&provider, &uri).await;
        assert!(code == Some(1), "{uri}: {said}");
        assert!(
            said.contains("of this machine or this link") || said.contains("is not reached"),
            "{uri}: {said}"
        );
    }
    assert_eq!(publisher.asked(), 0);
    for uri in ["http://localhost/jwks", "https://a:b@localhost/jwks", "file:///etc/passwd"] {
        assert_eq!(add(&provider, uri).await.0, Some(2), "{uri}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_move_to_an_address() {
    let (publisher, first, second) = (Publisher::start().await, pair(), pair());
    let provider = start(&publisher, &first).await;
    let pacs = provider.with_key("pacs").await;
    publisher.publish(&[&second]);
    let set = run(&provider, &["client", "set-keys", &pacs.id, "--jwks-uri", &publisher.uri()]).await;
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    let listed: Value = run(&provider, &["client", "list", "--json"]).await.json();
    let pacs = listed.as_array().unwrap().iter().find(|client| client["id"] == "pacs").unwrap().clone();
    assert_eq!((&pacs["jwks_uri"], &pacs["method"]), (&json!(publisher.uri()), &json!("private_key_jwt")));
    assert_eq!(pacs["jwks"]["keys"].as_array().unwrap().len(), 1);
    let file = provider.lab.folder.path().join("more.jwks.json");
    std::fs::write(&file, serde_json::to_vec(&JwkSet { keys: vec![Jwk::new(&public(&first))] }).unwrap())
        .unwrap();
    let refused = run(&provider, &["client", "set-keys", "pacs", "--add", file.to_str().unwrap()]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("change them there"), "{}", refused.stderr);
    provider.with_secret("ehr").await;
    let refused = run(&provider, &["client", "set-keys", "ehr", "--jwks-uri", &publisher.uri()]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("shows a secret"), "{}", refused.stderr);
}
