//! The verdict to which an access token refers, and claims about the transaction.

use super::application::{App, ISSUER, Provider, Shows, basic, pair, poll, public, request, signed};
use super::person::Person;
use super::support::Answer;
use aws_lc_rs::signature::EcdsaKeyPair;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};
use vitalsign_protocol::ear;
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::jwt::{self, JwkSet};
use vitalsign_protocol::step_up::Transaction;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::oidc::{self, ACCESS_TOKEN_TYP, ID_TOKEN_TYP};

/// Tokens after a tap, and the verdict that the device was sent.
async fn approved(
    provider: &Provider,
    app: &App,
    nurse: &mut Person,
    proof: Option<&EcdsaKeyPair>,
) -> (Value, String) {
    let auth_req_id = app.ask(provider, &nurse.name).await;
    let asked = nurse.asked(provider).await;
    let ear = nurse.tap(provider, &asked).await.ear;
    let proof = proof.map(|pair| dpop(pair, "POST", &format!("{ISSUER}/token"), None));
    let headers: Vec<_> = proof.iter().map(|proof| ("dpop", proof.as_str())).collect();
    (app.post_with(provider, "/token", &headers, &poll(&auth_req_id)).await.json(), ear)
}

fn dpop(pair: &EcdsaKeyPair, method: &str, address: &str, token: Option<&str>) -> String {
    let key = public(pair);
    let (x, y) = key.coordinates();
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": B64.encode(x), "y": B64.encode(y) });
    let mut claims = json!({
        "htm": method, "htu": address, "iat": now(), "jti": oidc::random_name::<16>().unwrap(),
    });
    if let Some(token) = token {
        claims["ath"] = json!(Digest::of(token.as_bytes()));
    }
    signed(&json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk }), &claims, pair)
}

async fn claims(provider: &Provider, token: &Value, typ: &str) -> Value {
    let keys: JwkSet = serde_json::from_value(provider.get("/jwks").await).unwrap();
    jwt::verify(token.as_str().unwrap(), typ, &keys).unwrap()
}

async fn fetch(provider: &Provider, digest: &str, headers: &[(&str, &str)]) -> Answer {
    provider.raw("GET", &format!("/v1/ears/{digest}"), headers, b"").await
}

#[tokio::test]
async fn holder_of_the_token_fetches_its_verdict() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let (tokens, told) = approved(&provider, &ehr, &mut nurse, None).await;
    let access = claims(&provider, &tokens["access_token"], ACCESS_TOKEN_TYP).await;
    let digest = access["vitalsign_ear"]["digest"].as_str().unwrap();
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let answer = fetch(&provider, digest, &[("authorization", &bearer)]).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert!(answer.head.contains("content-type: application/eat+jwt"), "{}", answer.head);
    assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
    assert_eq!(String::from_utf8(answer.body).unwrap(), told);
    // It verifies with the published keys, like any verdict.
    let keys: JwkSet = serde_json::from_value(provider.get("/.well-known/jwks.json").await).unwrap();
    let verdict: ear::Ear = jwt::verify(&told, ear::TYP, &keys).unwrap();
    assert_eq!(json!(verdict.ear_status), access["vitalsign_ear"]["status"]);

    // The token opens no other verdict, whether it exists or not.
    let (_, other) = approved(&provider, &ehr, &mut nurse, None).await;
    for digest in [Digest::of(other.as_bytes()).to_string(), Digest([7; 32]).to_string(), "x".into()] {
        let answer = fetch(&provider, &digest, &[("authorization", &bearer)]).await;
        assert_eq!((answer.status, answer.problem().urn()), (404, "urn:vitalsign:problem:not-found"));
    }

    let Shows::Secret(secret) = &ehr.shows else { unreachable!("it has a secret") };
    let basic = basic("ehr", secret);
    let id_token = format!("Bearer {}", tokens["id_token"].as_str().unwrap());
    let ear = format!("Bearer {told}");
    let cut = &bearer[..bearer.len() - 4];
    let as_dpop = bearer.replacen("Bearer", "DPoP", 1);
    for (what, headers) in [
        ("nothing", vec![]),
        ("the client's secret", vec![("authorization", basic.as_str())]),
        ("an ID token", vec![("authorization", id_token.as_str())]),
        ("a verdict", vec![("authorization", ear.as_str())]),
        ("a changed token", vec![("authorization", cut)]),
        ("the scheme of a bound token", vec![("authorization", as_dpop.as_str())]),
    ] {
        let answer = fetch(&provider, digest, &headers).await;
        assert_eq!(answer.status, 401, "{what}");
        assert!(answer.head.contains("www-authenticate: bearer error=\"invalid_token\""), "{}", answer.head);
    }
    let store = provider.lab.verifier.store();
    assert!(store.disable_client("ehr", now()).await.unwrap());
    assert_eq!(fetch(&provider, digest, &[("authorization", &bearer)]).await.status, 401);
}

#[tokio::test]
async fn bound_token_opens_its_verdict_with_a_proof() {
    let provider = Provider::start().await;
    let pacs = provider.with_key("pacs").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let key = pair();
    let (tokens, told) = approved(&provider, &pacs, &mut nurse, Some(&key)).await;
    let token = tokens["access_token"].as_str().unwrap();
    let digest = Digest::of(told.as_bytes()).to_string();
    let (bound, bearer) = (format!("DPoP {token}"), format!("Bearer {token}"));
    let address = format!("{ISSUER}/v1/ears/{digest}");
    let good = dpop(&key, "GET", &address, Some(token));
    let cases = [
        ("no proof", 401, bearer.as_str(), None),
        ("no scheme of a bound token", 401, bearer.as_str(), Some(good.clone())),
        ("no proof", 400, bound.as_str(), None),
        ("another's proof", 400, bound.as_str(), Some(dpop(&pair(), "GET", &address, Some(token)))),
        ("a proof for another method", 400, bound.as_str(), Some(dpop(&key, "POST", &address, Some(token)))),
        (
            "a proof for /token",
            400,
            bound.as_str(),
            Some(dpop(&key, "GET", &format!("{ISSUER}/token"), Some(token))),
        ),
        ("a proof without the token", 400, bound.as_str(), Some(dpop(&key, "GET", &address, None))),
        ("a proof for another token", 400, bound.as_str(), Some(dpop(&key, "GET", &address, Some("x")))),
        ("the good one", 200, bound.as_str(), Some(good.clone())),
        ("the good one again", 400, bound.as_str(), Some(good.clone())),
    ];
    for (what, status, authorization, proof) in cases {
        let mut headers = vec![("authorization", authorization)];
        headers.extend(proof.as_deref().map(|proof| ("dpop", proof)));
        let answer = fetch(&provider, &digest, &headers).await;
        assert_eq!(answer.status, status, "{what}: {}", String::from_utf8_lossy(&answer.body));
    }
}

#[tokio::test]
async fn tokens_say_what_was_approved() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    for with_text in [false, true] {
        provider
            .configure(&ehr, |settings| {
                (settings.transaction_text, settings.preferred_username) = (with_text, with_text);
            })
            .await;
        let mut form = request("nurse-7");
        form.retain(|(name, _)| *name != "binding_message");
        form.push(("binding_message", "EHR: sign order 9".into()));
        let answer: Value = ehr.post(&provider, "/bc-authorize", &form).await.json();
        let asked = nurse.asked(&provider).await;
        nurse.tap(&provider, &asked).await;
        let tokens: Value = ehr.poll(&provider, answer["auth_req_id"].as_str().unwrap()).await.json();
        for (name, typ) in [("id_token", ID_TOKEN_TYP), ("access_token", ACCESS_TOKEN_TYP)] {
            let claims = claims(&provider, &tokens[name], typ).await;
            let claim = &claims["vitalsign_transaction"];
            // T, which a service can compute again from the text.
            assert_eq!(claim["digest"], json!(Digest::of(asked.text.as_bytes())), "{claims}");
            if with_text {
                assert_eq!(claim["text"], asked.text);
                let shown: Transaction = serde_json::from_str(claim["text"].as_str().unwrap()).unwrap();
                assert_eq!(shown.message, "EHR: sign order 9");
                assert_eq!(claims["preferred_username"], "nurse-7");
            } else {
                assert_eq!((claim.get("text"), claims.get("preferred_username")), (None, None));
            }
        }
    }
}
