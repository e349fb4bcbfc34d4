//! Provider metadata (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2, CIBA section 4).

use super::{CIBA_GRANT, OAuthError, Provider, path};
use crate::client_keys::ALGORITHMS;
use serde_json::{Value, json};
use vitalsign_protocol::jose::Algorithm;
use vitalsign_protocol::step_up::Acr;

impl Provider {
    /// Returns the provider's metadata, the same for OpenID Connect and OAuth. There is no authorization endpoint, because
    /// no browser is involved.
    ///
    /// Two requirements do not fit this provider. `response_types_supported` is required and must not be empty (RFC 8414
    /// sections 2 and 3.2), so it contains `none`: the one registered value that promises no code and no token. And OpenID
    /// Connect Discovery requires RS256 in `id_token_signing_alg_values_supported`, which would be untrue: every token
    /// is signed with ES256.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn metadata(&self) -> Result<Value, OAuthError> {
        let (issuer, _) = self.config.origin();
        let at = |path: &str| format!("{issuer}{path}");
        let details_types = self.store.details_types().await?;
        let mut metadata = json!({
            "issuer": issuer,
            "jwks_uri": at(path::JWKS),
            "token_endpoint": at(path::TOKEN),
            "backchannel_authentication_endpoint": at(path::AUTHORIZE),
            "vitalsign_backchannel_cancel_endpoint": at(path::CANCEL),
            "vitalsign_ear_endpoint": at(path::EARS),
            "backchannel_token_delivery_modes_supported": ["poll"],
            "backchannel_user_code_parameter_supported": false,
            "grant_types_supported": [CIBA_GRANT],
            "response_types_supported": ["none"],
            "scopes_supported": ["openid"],
            "subject_types_supported": ["public"],
            "acr_values_supported": Acr::ALL.map(Acr::urn),
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic"],
            "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS.map(Algorithm::as_str),
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
        });
        // RFC 9396 section 10. A list without elements must be omitted.
        if !details_types.is_empty()
            && let Some(metadata) = metadata.as_object_mut()
        {
            metadata.insert("authorization_details_types_supported".into(), json!(details_types));
        }
        Ok(metadata)
    }
}
