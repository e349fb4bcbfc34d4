//! Provider metadata (OpenID Connect Discovery 1.0 section 3, CIBA section 4).

use super::{CIBA_GRANT, Provider, path};
use serde_json::{Value, json};
use vitalsign_protocol::step_up::Acr;

impl Provider {
    /// Returns the provider's metadata. There is no authorization endpoint, because no browser is involved.
    #[must_use]
    pub fn metadata(&self) -> Value {
        let (issuer, _) = self.config.origin();
        let at = |path: &str| format!("{issuer}{path}");
        json!({
            "issuer": issuer,
            "jwks_uri": at(path::JWKS),
            "token_endpoint": at(path::TOKEN),
            "backchannel_authentication_endpoint": at(path::AUTHORIZE),
            "vitalsign_backchannel_cancel_endpoint": at(path::CANCEL),
            "backchannel_token_delivery_modes_supported": ["poll"],
            "backchannel_user_code_parameter_supported": false,
            "grant_types_supported": [CIBA_GRANT],
            "response_types_supported": [],
            "scopes_supported": ["openid"],
            "subject_types_supported": ["public"],
            "acr_values_supported": Acr::ALL.map(Acr::urn),
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "dpop_signing_alg_values_supported": ["ES256"],
            "claims_supported": [
                "iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "jti",
                "vitalsign_ear", "vitalsign_device", "vitalsign_aaguid", "vitalsign_audit",
            ],
            "claims_parameter_supported": false,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
        })
    }
}
