//! Nonces for DPoP proofs of token requests.

use super::application::{App, ISSUER, Provider, pair, poll, public, refusal, refused, signed};
use super::person::Person;
use super::support::Answer;
use aws_lc_rs::signature::EcdsaKeyPair;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};
use std::time::Instant;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::oidc::{self, Code, Form, OAuthError};

async fn start() -> Provider {
    Provider::with(|config| config.oidc.dpop_nonces = true).await
}

fn proof(pair: &EcdsaKeyPair, nonce: Option<&str>, at: u64) -> String {
    let key = public(pair);
    let (x, y) = key.coordinates();
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": B64.encode(x), "y": B64.encode(y) });
    let mut claims = json!({
        "htm": "POST", "htu": format!("{ISSUER}/token"), "iat": at, "jti": oidc::random_name::<16>().unwrap(),
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = json!(nonce);
    }
    signed(&json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk }), &claims, pair)
}

/// Returns the header `DPoP-Nonce`, whose value `Answer` has in lower case.
fn has_nonce(answer: &Answer) -> bool {
    answer.head.contains("\r\ndpop-nonce: ")
}

/// Polls at the provider itself, at a time: the nonce of the answer.
async fn poll_at(
    provider: &Provider,
    app: &App,
    auth_req_id: &str,
    proof: String,
    at: u64,
) -> Result<Option<String>, OAuthError> {
    let super::application::Shows::Secret(secret) = &app.shows else { unreachable!("it has a secret") };
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(poll(auth_req_id)).finish();
    let request = oidc::Request {
        authorization: Some(super::application::basic(&app.id, secret)),
        dpop: vec![proof],
        form: Form::parse(form.as_bytes()).unwrap(),
    };
    let poll = provider.lab.verifier.oidc.poll(&request, at, Instant::now()).await?;
    Ok(poll.next_nonce().map(str::to_owned))
}

/// Returns the nonce that a refusal brings.
async fn nonce_at(provider: &Provider, app: &App, at: u64) -> String {
    let error = poll_at(provider, app, "x", proof(&pair(), None, at), at).await.unwrap_err();
    assert_eq!(error.code, Code::UseDpopNonce);
    error.dpop_nonce.unwrap().into()
}

#[tokio::test]
async fn proof_without_nonce_is_asked_for_one() {
    let provider = start().await;
    let ehr = provider.with_secret("ehr").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let auth_req_id = ehr.ask(&provider, "nurse-7").await;
    let asked = nurse.asked(&provider).await;
    nurse.tap(&provider, &asked).await;
    let key = pair();
    let with =
        async |proof: &str| ehr.post_with(&provider, "/token", &[("dpop", proof)], &poll(&auth_req_id)).await;
    let answer = with(&proof(&key, None, now())).await;
    assert_eq!(refusal(&answer), refused(400, "use_dpop_nonce"));
    assert!(has_nonce(&answer), "{}", answer.head);
    // The approval is not spent: the same key gets the tokens.
    let good = proof(&key, Some(&nonce_at(&provider, &ehr, now()).await), now());
    let answer = with(&good).await;
    assert_eq!(answer.json::<Value>()["token_type"], "DPoP");
    assert!(!has_nonce(&answer), "the one that it has is good for longer");
    assert_eq!(refusal(&with(&good).await), refused(400, "invalid_dpop_proof"), "replayed");
    // Without a proof there is no nonce.
    let plain = ehr.poll(&provider, &auth_req_id).await;
    assert_eq!(refusal(&plain), refused(400, "invalid_grant"));
    assert!(!has_nonce(&plain));
}

#[tokio::test]
async fn nonce_is_for_one_client_and_five_minutes() {
    let provider = start().await;
    let (ehr, other) = (provider.with_secret("ehr").await, provider.with_secret("other").await);
    let auth_req_id = ehr.ask(&provider, "nurse-7").await;
    let (key, at) = (pair(), now());
    let nonce = nonce_at(&provider, &ehr, at).await;
    let polled = async |app: &App, nonce: &str, at: u64| {
        poll_at(&provider, app, &auth_req_id, proof(&key, Some(nonce), at), at)
            .await
            .map_err(|error| error.code)
    };
    // Many polls have the same one, until half of its life is over.
    for later in [0, 0, 100, 149] {
        assert_eq!(polled(&ehr, &nonce, at + later).await, Ok(None), "{later}");
    }
    let next = polled(&ehr, &nonce, at + 200).await.unwrap().unwrap();
    assert_ne!(next, nonce);
    assert_eq!(polled(&ehr, &next, at + 201).await, Ok(None));
    assert!(polled(&ehr, &nonce, at + 300).await.unwrap().is_some());
    let mut changed = B64.decode(&nonce).unwrap();
    changed[0] ^= 1;
    for (what, app, nonce, at) in [
        ("expired", &ehr, nonce.as_str(), at + 301),
        ("of another client", &other, nonce.as_str(), at),
        ("changed", &ehr, B64.encode(changed).as_str(), at),
        ("no nonce", &ehr, "x", at),
        ("empty", &ehr, "", at),
        ("long", &ehr, "A".repeat(1000).as_str(), at),
    ] {
        assert_eq!(polled(app, nonce, at).await, Err(Code::UseDpopNonce), "{what}");
    }
    // A nonce does not replace any other check.
    let old = proof(&key, Some(&next), at);
    let refused = poll_at(&provider, &ehr, &auth_req_id, old, at + 202).await;
    assert_eq!(refused.map_err(|error| error.code), Err(Code::InvalidDpopProof));
    // Nor is a nonce of a device one of these.
    let kid = vitalsign_protocol::id::Thumbprint([7; 32]);
    let device = provider.lab.verifier.attestation.nonce(&kid, at).unwrap().nonce.to_string();
    assert_eq!(polled(&ehr, &device, at).await, Err(Code::UseDpopNonce));
}
