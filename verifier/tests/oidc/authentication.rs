//! Client authentication: exactly one method, and the same answer for every failure.

use super::application::{
    App, ISSUER, Provider, Shows, asserted, assertion, basic, pair, public, refusal, refused, request, signed,
};
use super::support::Answer;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::jwt::{Jwk, JwkSet};
use vitalsign_verifier::client_keys::ClientKeys;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::oidc::new_secret;
use vitalsign_verifier::store::client::ClientCredential;

const PATHS: [&str; 3] = ["/bc-authorize", "/token", "/bc-cancel"];

fn es256() -> Value {
    json!({ "alg": "ES256" })
}

fn key(app: &App) -> &aws_lc_rs::signature::EcdsaKeyPair {
    let Shows::Key(pair) = &app.shows else { unreachable!("it has a key") };
    pair
}

/// Asks for a person with this assertion, and nothing else to show.
async fn ask_with(provider: &Provider, assertion: String) -> Answer {
    provider.post("/bc-authorize", &[], &[request("nurse-7"), asserted(assertion)].concat()).await
}

#[tokio::test]
async fn both_methods_work_as_the_standards_have_them() {
    let provider = Provider::start().await;
    // A colon and a percent sign: encoded within `Basic`.
    let ehr = provider.with_secret("urn:ehr%").await;
    let pacs = provider.with_key("pacs").await;
    for app in [&ehr, &pacs] {
        let answer = app.post(&provider, "/bc-authorize", &request("nurse-7")).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let named = [request("nurse-7"), vec![("client_id", app.id.clone())]].concat();
        assert_eq!(app.post(&provider, "/bc-authorize", &named).await.status, 200);
    }
    let with = |change: fn(&mut Value)| {
        let mut claims = assertion("pacs");
        change(&mut claims);
        claims
    };
    let kid = Jwk::new(&public(key(&pacs))).kid;
    for (header, claims) in [
        (json!({ "alg": "ES256", "typ": "JWT", "kid": kid }), assertion("pacs")),
        (json!({ "alg": "ES256", "typ": "client-authentication+jwt" }), assertion("pacs")),
        (es256(), with(|it| it["aud"] = json!(format!("{ISSUER}/token")))),
        (es256(), with(|it| it["aud"] = json!(["https://other.example", format!("{ISSUER}/bc-authorize")]))),
        (es256(), with(|it| it["exp"] = json!(now() - 20))),
        (es256(), with(|it| it["iat"] = json!(now() + 20))),
        (es256(), with(|it| it["nbf"] = json!(now() - 20))),
        (es256(), with(|it| drop(it.as_object_mut().unwrap().remove("iat")))),
    ] {
        let answer = ask_with(&provider, signed(&header, &claims, key(&pacs))).await;
        assert_eq!(answer.status, 200, "{header} {claims} {}", String::from_utf8_lossy(&answer.body));
    }
}

#[tokio::test]
async fn failed_client_authentication_is_indistinguishable() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let pacs = provider.with_key("pacs").await;
    let gone = provider.with_secret("gone").await;
    assert!(provider.lab.verifier.store().disable_client("gone", now()).await.unwrap());
    let Shows::Secret(secret) = &ehr.shows else { unreachable!("it has a secret") };
    let Shows::Secret(gone_secret) = &gone.shows else { unreachable!("it has a secret") };
    let by = |id: &str, pair| asserted(signed(&es256(), &assertion(id), pair));
    type Shown<'a> = (&'a str, Vec<(&'a str, String)>, Vec<(&'a str, String)>);
    let header = |value: String| vec![("authorization", value)];
    let cases: Vec<Shown<'_>> = vec![
        ("nothing", vec![], vec![]),
        ("its name alone", vec![], vec![("client_id", "ehr".into())]),
        ("a wrong secret", header(basic("ehr", "wrong")), vec![]),
        ("no secret", header(basic("ehr", "")), vec![]),
        ("an unknown name", header(basic("unknown", secret)), vec![]),
        ("a disabled application", header(basic("gone", gone_secret)), vec![]),
        ("the secret of another", header(basic("gone", secret)), vec![]),
        ("a secret of one that signs", header(basic("pacs", "wrong")), vec![]),
        ("another scheme", header(format!("Bearer {secret}")), vec![]),
        ("no base64", header("Basic !".into()), vec![]),
        (
            "the secret in the form",
            vec![],
            vec![("client_id", "ehr".into()), ("client_secret", secret.clone())],
        ),
        ("two names", header(basic("ehr", secret)), vec![("client_id", "pacs".into())]),
        ("another's key", vec![], by("pacs", &pair())),
        ("an unknown name that signs", vec![], by("unknown", key(&pacs))),
        ("a signature of one with a secret", vec![], by("ehr", key(&pacs))),
        ("two names, signed", vec![], [by("pacs", key(&pacs)), vec![("client_id", "ehr".into())]].concat()),
    ];
    let mut told = None;
    for (what, headers, parameters) in cases {
        for path in PATHS {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let form = [request("nurse-7"), parameters.clone()].concat();
            let answer = provider.post(path, &headers, &form).await;
            assert_eq!(refusal(&answer), refused(401, "invalid_client"), "{what} at {path}");
            assert!(answer.head.contains("www-authenticate: basic realm="), "{what}: {}", answer.head);
            let text = String::from_utf8(answer.body).unwrap();
            assert!(!text.contains(secret), "{what}");
            assert_eq!(*told.get_or_insert(text.clone()), text, "{what} at {path}");
        }
    }
}

#[tokio::test]
async fn two_ways_at_once_are_refused() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let pacs = provider.with_key("pacs").await;
    let Shows::Secret(secret) = &ehr.shows else { unreachable!("it has a secret") };
    let signed = asserted(signed(&es256(), &assertion("pacs"), key(&pacs)));
    for path in PATHS {
        for extra in [signed.clone(), vec![("client_secret", secret.clone())]] {
            let answer = ehr.post(&provider, path, &[request("nurse-7"), extra].concat()).await;
            assert_eq!(refusal(&answer), refused(400, "invalid_request"), "{path}");
        }
    }
    let twice = basic("ehr", secret);
    let headers = [("authorization", twice.as_str()), ("authorization", twice.as_str())];
    let answer = provider.post("/bc-authorize", &headers, &request("nurse-7")).await;
    assert_eq!(refusal(&answer), refused(400, "invalid_request"));
}

#[tokio::test]
async fn every_bad_assertion_is_refused() {
    let provider = Provider::start().await;
    let pacs = provider.with_key("pacs").await;
    let pair = key(&pacs);
    let with = |name: &str, value: Value| {
        let mut claims = assertion("pacs");
        claims[name] = value;
        signed(&es256(), &claims, pair)
    };
    let without = |name: &str| {
        let mut claims = assertion("pacs");
        claims.as_object_mut().unwrap().remove(name);
        signed(&es256(), &claims, pair)
    };
    let good = signed(&es256(), &assertion("pacs"), pair);
    let none = format!("{}.{}.", B64.encode(r#"{"alg":"none"}"#), B64.encode(assertion("pacs").to_string()));
    // The public key as an HMAC key: what mixes up algorithms accepts.
    let hs256 = {
        let input =
            format!("{}.{}", B64.encode(r#"{"alg":"HS256"}"#), B64.encode(assertion("pacs").to_string()));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public(pair).point());
        format!("{input}.{}", B64.encode(aws_lc_rs::hmac::sign(&key, input.as_bytes())))
    };
    let cut = good.rsplit_once('.').unwrap().0.to_owned() + ".";
    for (what, assertion) in [
        ("alg none", none),
        ("HS256 with the public key", hs256),
        ("no signature", cut),
        ("a critical header", signed(&json!({ "alg": "ES256", "crit": ["x"] }), &assertion("pacs"), pair)),
        ("another typ", signed(&json!({ "alg": "ES256", "typ": "at+jwt" }), &assertion("pacs"), pair)),
        ("another kid", signed(&json!({ "alg": "ES256", "kid": "other" }), &assertion("pacs"), pair)),
        ("expired", with("exp", json!(now() - 31))),
        ("too long a life", with("exp", json!(now() + 3700))),
        ("no end", without("exp")),
        ("a string as its end", with("exp", json!("9999999999"))),
        ("from the future", with("iat", json!(now() + 100))),
        ("not before the future", with("nbf", json!(now() + 100))),
        ("another audience", with("aud", json!("https://other.example"))),
        ("no audience", without("aud")),
        ("an empty list of audiences", with("aud", json!([]))),
        ("another issuer", with("iss", json!("ehr"))),
        ("no subject", without("sub")),
        ("no name", without("jti")),
        ("an empty name", with("jti", json!(""))),
        ("a long name", with("jti", json!("x".repeat(257)))),
        ("not a JWT", "x".into()),
        ("too long a JWT", with("more", json!("x".repeat(9000)))),
    ] {
        let answer = ask_with(&provider, assertion).await;
        assert_eq!(refusal(&answer), refused(401, "invalid_client"), "{what}");
    }
    let other_type = vec![("client_assertion_type", "urn:other".into()), ("client_assertion", good.clone())];
    let answer = provider.post("/bc-authorize", &[], &[request("nurse-7"), other_type].concat()).await;
    assert_eq!(refusal(&answer), refused(401, "invalid_client"));
    // A time may have a fraction (RFC 7519 section 2).
    let fraction = |seconds: u64| serde_json::from_str::<Value>(&format!("{seconds}.75")).unwrap();
    assert_eq!(ask_with(&provider, with("exp", fraction(now() + 60))).await.status, 200);
    // The good one was not spent by any of these.
    assert_eq!(ask_with(&provider, good).await.status, 200);
}

#[tokio::test]
async fn strict_audience_is_the_issuer_alone() {
    let provider = Provider::start().await;
    let pacs = provider.with_key("pacs").await;
    let ask = async |audience: &Value| {
        let mut claims = assertion("pacs");
        claims["aud"] = audience.clone();
        ask_with(&provider, signed(&es256(), &claims, key(&pacs))).await
    };
    // The audiences that another server could have made the application sign.
    let loose = [
        json!(format!("{ISSUER}/token")),
        json!(format!("{ISSUER}/bc-authorize")),
        json!([ISSUER]),
        json!([ISSUER, "https://other.example"]),
    ];
    for strict in [false, true] {
        provider.configure(&pacs, |settings| settings.strict_audience = strict).await;
        for audience in &loose {
            let answer = ask(audience).await;
            if strict {
                assert_eq!(refusal(&answer), refused(401, "invalid_client"), "{audience}");
            } else {
                assert_eq!(answer.status, 200, "{audience}");
            }
        }
        assert_eq!(ask(&json!(ISSUER)).await.status, 200, "{strict}");
        assert_eq!(ask(&json!(format!("{ISSUER}/"))).await.status, 401, "{strict}");
    }
}

/// Makes a JWT with a signature by another algorithm than ES256.
fn jwt(header: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let input = format!("{}.{}", B64.encode(header.to_string()), B64.encode(assertion("pacs").to_string()));
    let signature = sign(input.as_bytes());
    format!("{input}.{}", B64.encode(signature))
}

#[tokio::test]
async fn assertions_are_signed_by_the_algorithm_of_a_key() {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RSA_PKCS1_SHA384, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
    };
    let provider = Provider::start().await;
    let random = SystemRandom::new();
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let (x, y) = p384.public_key().as_ref()[1..].split_at(48);
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    // Before the modulus are the heads of SEQUENCE and INTEGER, and a sign; after it is 65537.
    let modulus = &rsa.public_key().as_ref()[9..][..rsa.public_modulus_len()];
    let jwks = json!({ "keys": [
        { "kty": "EC", "crv": "P-384", "x": B64.encode(x), "y": B64.encode(y), "kid": "p384" },
        { "kty": "OKP", "crv": "Ed25519", "x": B64.encode(ed25519.public_key()), "kid": "ed25519" },
        { "kty": "RSA", "n": B64.encode(modulus), "e": "AQAB", "kid": "rsa" },
    ] });
    let keys = ClientKeys::parse(jwks.to_string().as_bytes()).unwrap();
    let pacs = provider.with_key("pacs").await;
    let credential = ClientCredential::Keys(keys);
    let store = provider.lab.verifier.store();
    assert!(store.replace_client_credential(&pacs.id, &credential, now()).await.unwrap());

    let by_p384 = |input: &[u8]| p384.sign(&random, input).unwrap().as_ref().to_vec();
    let by_ed25519 = |input: &[u8]| ed25519.sign(input).as_ref().to_vec();
    let by_rsa = |padding: &'static dyn RsaEncoding| {
        let (rsa, random) = (&rsa, &random);
        move |input: &[u8]| {
            let mut signature = vec![0; rsa.public_modulus_len()];
            rsa.sign(padding, random, input, &mut signature).unwrap();
            signature
        }
    };
    let header = |alg: &str, kid: &str| json!({ "alg": alg, "kid": kid });
    for (what, assertion) in [
        ("ES384", jwt(&header("ES384", "p384"), by_p384)),
        ("EdDSA", jwt(&header("EdDSA", "ed25519"), by_ed25519)),
        ("Ed25519", jwt(&header("Ed25519", "ed25519"), by_ed25519)),
        ("PS256", jwt(&header("PS256", "rsa"), by_rsa(&RSA_PSS_SHA256))),
        ("RS384", jwt(&header("RS384", "rsa"), by_rsa(&RSA_PKCS1_SHA384))),
        ("without kid", jwt(&json!({ "alg": "RS384" }), by_rsa(&RSA_PKCS1_SHA384))),
    ] {
        let answer = ask_with(&provider, assertion).await;
        assert_eq!(answer.status, 200, "{what}: {}", String::from_utf8_lossy(&answer.body));
    }
    for (what, assertion) in [
        ("RS256", jwt(&header("RS256", "rsa"), by_rsa(&RSA_PKCS1_SHA256))),
        ("PKCS #1 named PSS", jwt(&header("PS256", "rsa"), by_rsa(&RSA_PKCS1_SHA384))),
        ("another key's kid", jwt(&header("ES384", "rsa"), by_p384)),
        ("another type's alg", jwt(&header("ES256", "p384"), by_p384)),
        ("a lower-case alg", jwt(&header("eddsa", "ed25519"), by_ed25519)),
    ] {
        assert_eq!(refusal(&ask_with(&provider, assertion).await), refused(401, "invalid_client"), "{what}");
    }
}

#[tokio::test]
async fn two_secrets_are_accepted_until_one_expires() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let store = provider.lab.verifier.store();
    let new_secret = |expires: Option<u64>| async move {
        let (secret, digest) = new_secret().unwrap();
        assert!(store.rotate_client_secret("ehr", &digest, expires, now()).await.unwrap());
        App { id: "ehr".into(), shows: Shows::Secret(secret) }
    };
    let status = async |app: &App| app.post(&provider, "/bc-authorize", &request("nurse-7")).await.status;
    let second = new_secret(Some(now() + 3600)).await;
    assert_eq!((status(&ehr).await, status(&second).await), (200, 200));
    // The one before the previous one is not accepted any longer.
    let third = new_secret(Some(now() + 3600)).await;
    assert_eq!((status(&ehr).await, status(&second).await, status(&third).await), (401, 200, 200));
    let fourth = new_secret(None).await;
    assert_eq!((status(&third).await, status(&fourth).await), (401, 200));
    // Expired in this second.
    let fifth = new_secret(Some(now())).await;
    assert_eq!((status(&fourth).await, status(&fifth).await), (401, 200));
    // A client with keys has no secret to replace.
    provider.with_key("pacs").await;
    assert!(!store.rotate_client_secret("pacs", &Digest([1; 32]), None, now()).await.unwrap());
}

#[tokio::test]
async fn client_assertion_is_single_use_across_restarts() {
    let provider = Provider::start().await;
    let pacs = provider.with_key("pacs").await;
    let assertion = signed(&es256(), &assertion("pacs"), key(&pacs));
    assert_eq!(ask_with(&provider, assertion.clone()).await.status, 200);
    for path in PATHS {
        let answer =
            provider.post(path, &[], &[request("nurse-7"), asserted(assertion.clone())].concat()).await;
        assert_eq!(refusal(&answer), refused(401, "invalid_client"), "{path}");
    }
    let provider = provider.restart().await;
    assert_eq!(refusal(&ask_with(&provider, assertion).await), refused(401, "invalid_client"));
}

#[tokio::test]
async fn replaced_or_disabled_credential_fails_at_once() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    assert_eq!(ehr.post(&provider, "/bc-authorize", &request("nurse-7")).await.status, 200);
    let store = provider.lab.verifier.store();
    let new = pair();
    let keys = ClientCredential::Keys(JwkSet { keys: vec![Jwk::new(&public(&new))] }.into());
    assert!(store.replace_client_credential("ehr", &keys, now()).await.unwrap());
    let answer = ehr.post(&provider, "/bc-authorize", &request("nurse-7")).await;
    assert_eq!(refusal(&answer), refused(401, "invalid_client"));
    let ehr = App { id: "ehr".into(), shows: Shows::Key(Box::new(new)) };
    assert_eq!(ehr.post(&provider, "/bc-authorize", &request("nurse-7")).await.status, 200);
    assert!(store.disable_client("ehr", now()).await.unwrap());
    let answer = ehr.post(&provider, "/bc-authorize", &request("nurse-7")).await;
    assert_eq!(refusal(&answer), refused(401, "invalid_client"));
    let kinds: Vec<_> =
        store.audit(None, 0, 100).await.unwrap().into_iter().map(|entry| entry.kind).collect();
    for kind in ["client-added", "client-credential-replaced", "client-disabled"] {
        assert!(kinds.iter().any(|it| it == kind), "{kinds:?}");
    }
}
