//! Provider metadata and key sets.

use super::application::Provider;
use serde_json::{Value, json};
use vitalsign_verifier::clock::now;
use vitalsign_verifier::store::key::KeyPurpose;

#[tokio::test]
async fn the_metadata_name_what_there_is_and_nothing_else() {
    let provider =
        Provider::with(|config| config.origin = Some("https://localhost:8443".parse().unwrap())).await;
    let metadata = provider.get("/.well-known/openid-configuration").await;
    assert_eq!(
        metadata,
        json!({
            "issuer": "https://localhost:8443",
            "jwks_uri": "https://localhost:8443/jwks",
            "token_endpoint": "https://localhost:8443/token",
            "backchannel_authentication_endpoint": "https://localhost:8443/bc-authorize",
            "vitalsign_backchannel_cancel_endpoint": "https://localhost:8443/bc-cancel",
            "vitalsign_ear_endpoint": "https://localhost:8443/v1/ears/",
            "backchannel_token_delivery_modes_supported": ["poll"],
            "backchannel_user_code_parameter_supported": false,
            "grant_types_supported": ["urn:openid:params:grant-type:ciba"],
            "response_types_supported": ["none"],
            "scopes_supported": ["openid"],
            "subject_types_supported": ["public"],
            "acr_values_supported": [
                "urn:vitalsign:acr:badge", "urn:vitalsign:acr:hardware-key", "urn:vitalsign:acr:healthy-device", "urn:vitalsign:acr:epcs",
            ],
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256", "ES384", "PS256", "RS384", "EdDSA", "Ed25519"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "dpop_signing_alg_values_supported": ["ES256"],
            "claims_supported": [
                "iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "jti",
                "preferred_username",
                "vitalsign_ear", "vitalsign_device", "vitalsign_aaguid", "vitalsign_audit", "vitalsign_transaction",
            ],
            "claims_parameter_supported": false,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
        })
    );
    // RFC 8414 for clients of OAuth: the same document.
    assert_eq!(provider.get("/.well-known/oauth-authorization-server").await, metadata);
    // Every address leads somewhere: there is another method, or an answer.
    for (name, address) in metadata.as_object().unwrap() {
        let Some(path) = address.as_str().and_then(|it| it.strip_prefix("https://localhost:8443/")) else {
            continue;
        };
        // A prefix, to which a digest is appended.
        let path = if name == "vitalsign_ear_endpoint" { format!("{path}x") } else { path.to_owned() };
        let answer = provider.raw("GET", &format!("/{path}"), &[], b"").await;
        assert_ne!(answer.status, 404, "{name}");
    }
}

#[tokio::test]
async fn tokens_use_separate_keys_and_follow_rotation() {
    let provider = Provider::start().await;
    let before = provider.get("/jwks").await;
    assert_eq!(before["keys"].as_array().unwrap().len(), 1);
    assert_ne!(before, provider.get("/.well-known/jwks.json").await);
    assert!(before["keys"][0].get("d").is_none());

    provider.lab.verifier.keyring().rotate(KeyPurpose::Tokens, now(), now()).await.unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let after: Value = loop {
        let keys = provider.get("/jwks").await;
        if keys["keys"].as_array().unwrap().len() == 2 {
            break keys;
        }
        assert!(std::time::Instant::now() < deadline, "the new key was not taken up");
        tokio::task::yield_now().await;
    };
    assert_eq!(after["keys"][1], before["keys"][0]);
}
