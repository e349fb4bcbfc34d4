//! Tokens after an approval, and errors otherwise.

use super::application::{App, ISSUER, Provider, pair, poll, public, refusal, refused, request, signed};
use super::person::Person;
use super::support::Answer;
use aws_lc_rs::signature::EcdsaKeyPair;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::jwt::{self, JwkSet};
use vitalsign_protocol::step_up::{StepUpNext, StepUpResult};
use vitalsign_verifier::client_keys::thumbprint;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::oidc::{self, ACCESS_TOKEN_TYP, ID_TOKEN_TYP};

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// Verifies a token's signature and returns its claims.
async fn claims(provider: &Provider, token: &Value, typ: &str) -> Value {
    let keys: JwkSet = serde_json::from_value(provider.get("/jwks").await).unwrap();
    jwt::verify(token.as_str().unwrap(), typ, &keys).unwrap()
}

fn jwk(pair: &EcdsaKeyPair) -> Value {
    let key = public(pair);
    let (x, y) = key.coordinates();
    json!({ "kty": "EC", "crv": "P-256", "x": B64.encode(x), "y": B64.encode(y) })
}

/// A good DPoP proof with this member of its claims another.
fn proof(pair: &EcdsaKeyPair, name: &str, value: Value) -> String {
    let mut claims = json!({
        "htm": "POST", "htu": format!("{ISSUER}/token"), "iat": now(), "jti": oidc::random_name::<16>().unwrap(),
    });
    claims[name] = value;
    signed(&json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk(pair) }), &claims, pair)
}

#[tokio::test]
async fn tap_yields_one_token_pair_with_proven_claims() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let details = json!([{ "type": "order", "number": 4711 }]);
    let more = vec![
        ("acr_values", "urn:vitalsign:acr:healthy-device".to_owned()),
        ("authorization_details", details.to_string()),
    ];
    let answer = ehr.post(&provider, "/bc-authorize", &[request("nurse-7"), more].concat()).await;
    let auth_req_id = answer.json::<Value>()["auth_req_id"].as_str().unwrap().to_owned();
    assert_eq!(refusal(&ehr.poll(&provider, &auth_req_id).await), refused(400, "authorization_pending"));

    let asked = nurse.asked(&provider).await;
    assert_eq!(asked.transaction.application, "EHR");
    assert_eq!(asked.transaction.user, nurse.name);
    assert_eq!(asked.transaction.message, "EHR: sign order 4711");
    assert_eq!(asked.transaction.authorization_details.as_ref(), Some(&details));
    let before = now();
    let ear = nurse.tap(&provider, &asked).await.ear;

    let answer = ehr.poll(&provider, &auth_req_id).await;
    assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
    let tokens: Value = answer.json();
    assert_eq!(
        (&tokens["token_type"], &tokens["expires_in"], &tokens["scope"], &tokens["authorization_details"]),
        (&json!("Bearer"), &json!(300), &json!("openid"), &details)
    );
    let id = claims(&provider, &tokens["id_token"], ID_TOKEN_TYP).await;
    let access = claims(&provider, &tokens["access_token"], ACCESS_TOKEN_TYP).await;
    let user = provider.lab.verifier.store().user("nurse-7").await.unwrap().unwrap();
    for (token, audience) in [(&id, "ehr"), (&access, "urn:ehr:api")] {
        assert_eq!(token["iss"], ISSUER);
        assert_eq!(token["aud"], audience);
        assert_eq!(token["sub"], B64.encode(user.handle));
        assert_eq!(token["acr"], "urn:vitalsign:acr:healthy-device");
        let (iat, exp) = (token["iat"].as_u64().unwrap(), token["exp"].as_u64().unwrap());
        assert!(
            exp == iat + 300 && iat >= before && token["auth_time"].as_u64().unwrap() >= before,
            "{token}"
        );
        assert_eq!(token["amr"], json!(["hwk", "user", "mfa"]));
        assert_eq!(token["vitalsign_ear"]["digest"], json!(Digest::of(ear.as_bytes())));
        assert!(token["vitalsign_ear"]["status"].is_string(), "{token}");
        assert_eq!(token["vitalsign_device"], json!(nurse.enrolment()));
        assert_eq!(token["vitalsign_aaguid"], "5f5f5f5f-5f5f-5f5f-5f5f-5f5f5f5f5f5f");
        let proof = token["vitalsign_audit"].as_u64().unwrap();
        let entry = provider.lab.verifier.store().audit(None, proof - 1, 1).await.unwrap().remove(0);
        assert_eq!(entry.kind, "step-up-approved");
    }
    assert_ne!(id["jti"], access["jti"]);
    assert_eq!((&access["client_id"], &access["scope"]), (&json!("ehr"), &json!("openid")));
    assert_eq!((&access["authorization_details"], access.get("cnf")), (&details, None));
    assert_eq!((id.get("client_id"), id.get("authorization_details"), id.get("cnf")), (None, None, None));

    // Neither token replaces the other, and there is no second pair: a lost answer is given again.
    let keys: JwkSet = serde_json::from_value(provider.get("/jwks").await).unwrap();
    let swapped = jwt::verify::<Value>(tokens["id_token"].as_str().unwrap(), ACCESS_TOKEN_TYP, &keys);
    assert_eq!(swapped, Err(jwt::Error::Header("typ")));
    let again: Value = ehr.poll(&provider, &auth_req_id).await.json();
    assert_eq!(claims(&provider, &again["id_token"], ID_TOKEN_TYP).await, id);
    assert_eq!(claims(&provider, &again["access_token"], ACCESS_TOKEN_TYP).await, access);
}

#[tokio::test]
async fn only_who_asked_is_given_anything() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let pacs = provider.with_key("pacs").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let auth_req_id = ehr.ask(&provider, "nurse-7").await;
    let unknown = refused(400, "invalid_grant");
    assert_eq!(refusal(&pacs.poll(&provider, &auth_req_id).await), unknown);
    let asked = nurse.asked(&provider).await;
    nurse.tap(&provider, &asked).await;
    assert_eq!(refusal(&pacs.poll(&provider, &auth_req_id).await), unknown);
    // A name of its right length that was never given out, no name, and a long one.
    assert_eq!(refusal(&ehr.poll(&provider, &B64.encode([7; 32])).await), unknown);
    assert_eq!(refusal(&ehr.poll(&provider, &"x".repeat(300)).await), unknown);
    assert_eq!(refusal(&ehr.poll(&provider, "").await), refused(400, "invalid_request"));
    let cases: [(&str, &str); 3] = [
        ("", "invalid_request"),
        ("authorization_code", "unsupported_grant_type"),
        ("client_credentials", "unsupported_grant_type"),
    ];
    for (grant, error) in cases {
        let form = vec![("grant_type", grant.to_owned()), ("auth_req_id", auth_req_id.clone())];
        assert_eq!(refusal(&ehr.post(&provider, "/token", &form).await), refused(400, error), "{grant}");
    }
    // None of these spent what is the asker's.
    assert_eq!(ehr.poll(&provider, &auth_req_id).await.status, 200);
}

#[tokio::test]
async fn however_many_ask_at_once_one_is_given_the_tokens() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let auth_req_id = ehr.ask(&provider, "nurse-7").await;
    let asked = nurse.asked(&provider).await;
    nurse.tap(&provider, &asked).await;
    let polls = || ehr.poll(&provider, &auth_req_id);
    let (a, b, c, d) = tokio::join!(polls(), polls(), polls(), polls());
    let mut given = Vec::new();
    for answer in [a, b, c, d] {
        let tokens: Value = answer.json();
        given.push(claims(&provider, &tokens["access_token"], ACCESS_TOKEN_TYP).await);
    }
    given.dedup();
    assert_eq!(given.len(), 1, "one pair of tokens: {given:?}");
}

#[tokio::test]
async fn approval_survives_restart_and_is_redeemed_once() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let waiting = ehr.ask(&provider, "nurse-8").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let approved = ehr.ask(&provider, "nurse-7").await;
    let asked = nurse.asked(&provider).await;
    nurse.tap(&provider, &asked).await;
    let provider = provider.restart().await;
    assert_eq!(refusal(&ehr.poll(&provider, &waiting).await), refused(400, "authorization_pending"));
    let tokens: Value = ehr.poll(&provider, &approved).await.json();
    let given = claims(&provider, &tokens["access_token"], ACCESS_TOKEN_TYP).await;
    let provider = provider.restart().await;
    let tokens: Value = ehr.poll(&provider, &approved).await.json();
    assert_eq!(claims(&provider, &tokens["access_token"], ACCESS_TOKEN_TYP).await, given);
}

#[tokio::test]
async fn every_end_is_told_by_its_name() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    for end in StepUpResult::ALL.into_iter().filter(|end| end.is_the_devices_to_say()) {
        let auth_req_id = ehr.ask(&provider, "nurse-7").await;
        let asked = nurse.asked(&provider).await;
        nurse.give_up(&provider, &asked, end).await;
        for _ in 0..2 {
            let answer = ehr.poll(&provider, &auth_req_id).await;
            assert_eq!(refusal(&answer), refused(400, "access_denied"), "{end}");
            let body = body(&answer);
            assert_eq!(body["vitalsign_end"], end.as_str());
            assert!(body["error_description"].as_str().unwrap().starts_with(end.as_str()), "{body}");
            assert_eq!(body.get("vitalsign_reasons"), None, "{end}");
        }
    }
}

#[tokio::test]
async fn a_device_that_is_not_healthy_enough_is_told_apart() {
    let provider = Provider::with(|config| {
        let policy = config.data.join("refuse.rego");
        std::fs::write(
            &policy,
            "package vitalsign.step_up\nimport rego.v1\nrefused := {\"disk-encryption\"}\n",
        )
        .unwrap();
        config.step_up_policy = Some(policy);
    })
    .await;
    let ehr = provider.with_secret("ehr").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let auth_req_id = ehr.ask(&provider, "nurse-7").await;
    let asked = nurse.asked(&provider).await;
    let answer = nurse.prove(&provider, &asked).await;
    let StepUpNext::Unhealthy { reasons } = answer.next else { panic!("{answer:?}") };
    assert_eq!(reasons, ["disk-encryption"]);
    let answer = ehr.poll(&provider, &auth_req_id).await;
    assert_eq!(refusal(&answer), refused(400, "access_denied"));
    assert_eq!(body(&answer)["vitalsign_end"], "unhealthy");
    assert_eq!(body(&answer)["vitalsign_reasons"], serde_json::json!(reasons));
}

#[tokio::test]
async fn a_request_whose_time_is_over_is_told_apart() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let form = [request("unknown"), vec![("requested_expiry", "5".to_owned())]].concat();
    let answer = ehr.post(&provider, "/bc-authorize", &form).await;
    let auth_req_id = answer.json::<Value>()["auth_req_id"].as_str().unwrap().to_owned();
    provider.lab.verifier.step_ups.maintain(now() + 6).await.unwrap();
    let answer = ehr.poll(&provider, &auth_req_id).await;
    assert_eq!(refusal(&answer), refused(400, "expired_token"));
    assert_eq!(body(&answer)["vitalsign_end"], "timed-out");
}

#[tokio::test]
async fn fast_polling_slows_only_that_client() {
    let provider = Provider::with(|config| config.oidc.interval_seconds = 60).await;
    let ehr = provider.with_secret("ehr").await;
    let pacs = provider.with_key("pacs").await;
    let (one, other) = (ehr.ask(&provider, "nurse-7").await, ehr.ask(&provider, "nurse-8").await);
    // Another application's poll gets an error, and slows no other client.
    assert_eq!(refusal(&pacs.poll(&provider, &one).await), refused(400, "invalid_grant"));
    assert_eq!(refusal(&ehr.poll(&provider, &one).await), refused(400, "authorization_pending"));
    for _ in 0..2 {
        assert_eq!(refusal(&ehr.poll(&provider, &one).await), refused(400, "slow_down"));
    }
    assert_eq!(refusal(&ehr.poll(&provider, &other).await), refused(400, "authorization_pending"));
}

#[tokio::test]
async fn a_poll_is_held_until_the_step_up_has_ended() {
    // Longer than this test may take: an answer before that was not given for the time that went by.
    let provider = Provider::with(|config| config.oidc.hold_seconds = 3600).await;
    let ehr = provider.with_secret("ehr").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let auth_req_id = ehr.ask(&provider, "nurse-7").await;
    let asked = nurse.asked(&provider).await;
    let (answer, _) = tokio::join!(ehr.poll(&provider, &auth_req_id), nurse.tap(&provider, &asked));
    assert_eq!(answer.status, 200);

    let auth_req_id = ehr.ask(&provider, "nurse-7").await;
    let asked = nurse.asked(&provider).await;
    let (answer, ()) = tokio::join!(
        ehr.poll(&provider, &auth_req_id),
        nurse.give_up(&provider, &asked, StepUpResult::Declined)
    );
    assert_eq!(refusal(&answer), refused(400, "access_denied"));
}

#[tokio::test]
async fn client_says_how_long_it_waits() {
    let provider = Provider::with(|config| {
        (config.oidc.hold_seconds, config.oidc.interval_seconds) = (3600, 1);
    })
    .await;
    let ehr = provider.with_secret("ehr").await;
    let asked = ehr.post(&provider, "/bc-authorize", &request("nurse-7")).await;
    let asked = asked.json::<Value>();
    assert_eq!(asked["interval"], 1);
    let auth_req_id = asked["auth_req_id"].as_str().unwrap();
    // A poll that was held for the configured time would outlive the test.
    let prefer = [("prefer", "respond-async, wait=0")];
    let answer = ehr.post_with(&provider, "/token", &prefer, &poll(auth_req_id)).await;
    assert_eq!(refusal(&answer), refused(400, "authorization_pending"));
    assert!(answer.head.contains("preference-applied: wait=0"), "{}", answer.head);
}

#[tokio::test]
async fn polls_that_are_held_leave_connections_to_others() {
    let provider = Provider::with(|config| {
        config.oidc.hold_seconds = 3600;
        (config.limits.connections, config.limits.event_channels) = (8, Some(6));
    })
    .await;
    let ehr = provider.with_secret("ehr").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let auth_req_id = ehr.ask(&provider, "nurse-7").await;
    let asked = nurse.asked(&provider).await;
    // The verifier defers one of the two polls and answers the other at once.
    let mut one = Box::pin(ehr.poll(&provider, &auth_req_id));
    let mut other = Box::pin(ehr.poll(&provider, &auth_req_id));
    let (answer, held) = tokio::select! {
        answer = &mut one => (answer, other),
        answer = &mut other => (answer, one),
    };
    assert_eq!(refusal(&answer), refused(400, "authorization_pending"));
    let (answer, _) = tokio::join!(held, nurse.tap(&provider, &asked));
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_held_poll_ends_with_the_server() {
    let provider = Provider::with(|config| {
        (config.oidc.hold_seconds, config.oidc.interval_seconds) = (3600, 3600);
    })
    .await;
    let pacs = provider.with_key("pacs").await;
    let auth_req_id = pacs.ask(&provider, "nurse-7").await;
    let mut one = Box::pin(pacs.poll(&provider, &auth_req_id));
    let mut other = Box::pin(pacs.poll(&provider, &auth_req_id));
    // The second poll to arrive gets `slow_down`; by then the verifier defers the first.
    let (answer, held) = tokio::select! {
        answer = &mut one => (answer, other),
        answer = &mut other => (answer, one),
    };
    assert_eq!(refusal(&answer), refused(400, "slow_down"));
    let (answer, ()) = tokio::join!(held, provider.end());
    assert_eq!(refusal(&answer), refused(400, "authorization_pending"));
}

#[tokio::test]
async fn a_token_is_bound_to_the_key_that_was_proven() {
    let provider = Provider::start().await;
    let pacs = provider.with_key("pacs").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let auth_req_id = pacs.ask(&provider, "nurse-7").await;
    let asked = nurse.asked(&provider).await;
    nurse.tap(&provider, &asked).await;
    let key = pair();
    // Normalised (RFC 9449 section 4.3).
    let proof = proof(&key, "htu", json!("HTTPS://LocalHost:443/token?x#y"));
    let answer = pacs.post_with(&provider, "/token", &[("dpop", &proof)], &poll(&auth_req_id)).await;
    let tokens: Value = answer.json();
    assert_eq!(tokens["token_type"], "DPoP");
    let access = claims(&provider, &tokens["access_token"], ACCESS_TOKEN_TYP).await;
    assert_eq!(access["cnf"], json!({ "jkt": thumbprint(&public(&key)) }));
    let again = pacs.post_with(&provider, "/token", &[("dpop", &proof)], &poll(&auth_req_id)).await;
    assert_eq!(refusal(&again), refused(400, "invalid_dpop_proof"), "replayed");
    // The same tokens, with a new proof of the same key only.
    let with = async |headers: &[(&str, &str)]| {
        pacs.post_with(&provider, "/token", headers, &poll(&auth_req_id)).await
    };
    let fresh = self::proof(&key, "htm", json!("POST"));
    let tokens: Value = with(&[("dpop", &fresh)]).await.json();
    assert_eq!(claims(&provider, &tokens["access_token"], ACCESS_TOKEN_TYP).await, access);
    let other = self::proof(&pair(), "htm", json!("POST"));
    assert_eq!(refusal(&with(&[("dpop", &other)]).await), refused(400, "invalid_grant"), "another key");
    assert_eq!(refusal(&with(&[]).await), refused(400, "invalid_grant"), "no key");
}

#[tokio::test]
async fn bound_clients_get_no_token_without_proof() {
    let provider = Provider::start().await;
    let pacs = provider.with_key("pacs").await;
    provider.configure(&pacs, |settings| settings.dpop_bound_access_tokens = true).await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let auth_req_id = pacs.ask(&provider, "nurse-7").await;
    let asked = nurse.asked(&provider).await;
    nurse.tap(&provider, &asked).await;
    // Refused before the approval is looked at, which is not spent.
    assert_eq!(refusal(&pacs.poll(&provider, &auth_req_id).await), refused(400, "invalid_request"));
    let proof = proof(&pair(), "htm", json!("POST"));
    let answer = pacs.post_with(&provider, "/token", &[("dpop", &proof)], &poll(&auth_req_id)).await;
    assert_eq!(answer.json::<Value>()["token_type"], "DPoP");
}

#[tokio::test]
async fn every_bad_proof_is_refused_and_spends_no_token() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let auth_req_id = ehr.ask(&provider, "nurse-7").await;
    let asked = nurse.asked(&provider).await;
    nurse.tap(&provider, &asked).await;
    let key = pair();
    let with_header = |header: Value| {
        let claims = json!({
            "htm": "POST", "htu": format!("{ISSUER}/token"), "iat": now(), "jti": oidc::random_name::<16>().unwrap(),
        });
        signed(&header, &claims, &key)
    };
    let mut private = jwk(&key);
    private["d"] = json!(B64.encode([7; 32]));
    for (what, proof) in [
        ("another method", proof(&key, "htm", json!("GET"))),
        ("another address", proof(&key, "htu", json!(format!("{ISSUER}/bc-authorize")))),
        ("another host", proof(&key, "htu", json!("https://other.example/token"))),
        ("too old", proof(&key, "iat", json!(now() - 90))),
        ("from the future", proof(&key, "iat", json!(now() + 90))),
        ("no name", proof(&key, "jti", json!(""))),
        ("a time that is no integer", proof(&key, "iat", json!(1.5))),
        ("another typ", with_header(json!({ "alg": "ES256", "typ": "JWT", "jwk": jwk(&key) }))),
        ("no typ", with_header(json!({ "alg": "ES256", "jwk": jwk(&key) }))),
        ("alg none", with_header(json!({ "alg": "none", "typ": "dpop+jwt", "jwk": jwk(&key) }))),
        ("HS256", with_header(json!({ "alg": "HS256", "typ": "dpop+jwt", "jwk": jwk(&key) }))),
        ("no key", with_header(json!({ "alg": "ES256", "typ": "dpop+jwt" }))),
        ("a private key", with_header(json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": private }))),
        ("another's key", with_header(json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk(&pair()) }))),
        ("not a JWT", "x".into()),
    ] {
        let answer = ehr.post_with(&provider, "/token", &[("dpop", &proof)], &poll(&auth_req_id)).await;
        assert_eq!(refusal(&answer), refused(400, "invalid_dpop_proof"), "{what}");
    }
    let (one, other) = (proof(&key, "htm", json!("POST")), proof(&key, "htm", json!("POST")));
    let twice = [("dpop", one.as_str()), ("dpop", other.as_str())];
    let answer = ehr.post_with(&provider, "/token", &twice, &poll(&auth_req_id)).await;
    assert_eq!(refusal(&answer), refused(400, "invalid_dpop_proof"), "two proofs");
    assert_eq!(ehr.poll(&provider, &auth_req_id).await.status, 200);
}

#[tokio::test]
async fn clients_cannot_see_or_cancel_others_requests() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let other: App = provider.with_secret("other").await;
    let auth_req_id = ehr.ask(&provider, "nurse-7").await;
    let named = vec![("auth_req_id", auth_req_id.clone())];
    assert_eq!(refusal(&other.post(&provider, "/bc-cancel", &named).await), refused(400, "invalid_grant"));
    assert_eq!(refusal(&other.poll(&provider, &auth_req_id).await), refused(400, "invalid_grant"));
    assert_eq!(refusal(&ehr.poll(&provider, &auth_req_id).await), refused(400, "authorization_pending"));
}
