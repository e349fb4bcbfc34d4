//! HTTPS client that plays an application: talks to a running verifier like any other application.

use anyhow::{Context, bail, ensure};
use form_urlencoded::byte_serialize;
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vitalsign_protocol::jwt::{self, JwkSet};
use vitalsign_protocol::step_up::StepUpResult;
use vitalsign_verifier::admin_api::{AdminClient, Nothing, SignAssertion};
use vitalsign_verifier::clock::now;
use vitalsign_verifier::oidc::{self, AccessClaims, Administrator, IdClaims, Tokens, path};

/// Time limit for one request; the verifier defers the answer to a token request for up to 25 seconds.
const CALL: Duration = Duration::from_secs(60);
/// Maximum clock difference to the verifier, in seconds.
const SKEW: u64 = 60;

/// Credential with which the application authenticates.
pub(super) enum ApplicationCredential {
    /// The verifier signs.
    Administrator(Box<AdminClient>),
    Secret {
        client_id: String,
        secret: zeroize::Zeroizing<String>,
    },
}

impl ApplicationCredential {
    fn client_id(&self) -> &str {
        match self {
            Self::Administrator(_) => Administrator::CLIENT_ID,
            Self::Secret { client_id, .. } => client_id,
        }
    }
}

/// An application at a provider.
pub(super) struct Application {
    http: reqwest::Client,
    base: String,
    issuer: String,
    credential: ApplicationCredential,
}

/// Answer of `/bc-authorize`.
#[derive(Deserialize)]
pub(super) struct AuthRequested {
    pub(super) auth_req_id: String,
    pub(super) expires_in: u64,
    pub(super) interval: u64,
}

/// A refusal, as it came.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) error: String,
    #[serde(default)]
    pub(super) error_description: String,
    #[serde(default)]
    pub(super) vitalsign_end: Option<StepUpResult>,
    #[serde(default)]
    pub(super) vitalsign_reasons: Vec<String>,
}

/// The tokens' claims, once they have been checked.
pub(super) struct Checked {
    pub(super) id: IdClaims,
    pub(super) access: AccessClaims,
}

impl Application {
    /// Fetches the metadata of the provider at `base`.
    pub(super) async fn discover(
        base: &str,
        ca: Option<&Path>,
        credential: ApplicationCredential,
    ) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Provider {
            issuer: String,
        }
        let http = client(ca)?;
        let base = base.trim_end_matches('/').to_owned();
        let url = format!("{base}{}", path::CONFIGURATION);
        let answer = http.get(&url).send().await;
        let answer = answer.with_context(|| format!("asking the verifier at {base}: does it run there?"))?;
        ensure!(answer.status().is_success(), "{url} answered {}", answer.status());
        let provider: Provider =
            serde_json::from_slice(&answer.bytes().await?).with_context(|| format!("{url}: no such JSON"))?;
        Ok(Self { http, base, issuer: provider.issuer, credential })
    }

    pub(super) async fn ask(
        &self,
        parameters: &[(&str, &str)],
    ) -> anyhow::Result<Result<AuthRequested, Refusal>> {
        self.post(path::AUTHORIZE, parameters).await
    }

    /// Requests the tokens. The verifier answers when the step-up has ended, or after 25 s.
    pub(super) async fn poll(&self, auth_req_id: &str) -> anyhow::Result<Result<Tokens, Refusal>> {
        self.post(path::TOKEN, &[("grant_type", oidc::CIBA_GRANT), ("auth_req_id", auth_req_id)]).await
    }

    pub(super) async fn cancel(
        &self,
        auth_req_id: &str,
    ) -> anyhow::Result<Result<serde_json::Value, Refusal>> {
        self.post(path::CANCEL, &[("auth_req_id", auth_req_id)]).await
    }

    /// Checks the tokens with the provider's keys.
    pub(super) async fn check(&self, tokens: &Tokens) -> anyhow::Result<Checked> {
        let keys = self.http.get(format!("{}{}", self.base, path::JWKS)).send().await?.error_for_status()?;
        let keys: JwkSet = serde_json::from_slice(&keys.bytes().await?).context("the verifier's keys")?;
        let id: IdClaims =
            jwt::verify(&tokens.id_token, oidc::ID_TOKEN_TYP, &keys).context("the ID token")?;
        let access: AccessClaims =
            jwt::verify(&tokens.access_token, oidc::ACCESS_TOKEN_TYP, &keys).context("the access token")?;
        for claims in [&id, &access.id] {
            ensure!(claims.iss == self.issuer, "a token is by another issuer: {}", claims.iss);
            ensure!(claims.exp.saturating_add(SKEW) > now(), "a token has expired: is the clock right?");
        }
        let client_id = self.credential.client_id();
        ensure!(id.aud == client_id && access.client_id == client_id, "a token is for another application");
        Ok(Checked { id, access })
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> anyhow::Result<Result<T, Refusal>> {
        let mut parameters = parameters.to_vec();
        let mut request = self.http.post(format!("{}{path}", self.base));
        let assertion;
        match &self.credential {
            ApplicationCredential::Administrator(verifier) => {
                assertion = verifier.call::<SignAssertion>(&Nothing {}, &Nothing {}).await?.assertion;
                parameters.push(("client_assertion_type", oidc::JWT_BEARER));
                parameters.push(("client_assertion", assertion.expose()));
            }
            ApplicationCredential::Secret { client_id, secret } => {
                // Each is encoded before they are joined (RFC 6749 section 2.3.1).
                let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let secret = zeroize::Zeroizing::new(encode(secret));
                request = request.basic_auth(encode(client_id), Some(secret.as_str()));
            }
        }
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&parameters).finish();
        let answer = request.body(form).send().await.context("asking the verifier")?;
        let status = answer.status();
        let body = answer.bytes().await.context("the verifier's answer")?;
        if status.is_success() {
            return Ok(Ok(serde_json::from_slice(&body).context("the verifier's answer")?));
        }
        match serde_json::from_slice(&body) {
            Ok(refusal) => Ok(Err(refusal)),
            Err(_) => bail!("the verifier answered {status}"),
        }
    }
}

fn client(ca: Option<&Path>) -> anyhow::Result<reqwest::Client> {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = match ca {
        Some(path) => {
            let mut roots = rustls::RootCertStore::empty();
            for certificate in
                CertificateDer::pem_file_iter(path).with_context(|| format!("reading {}", path.display()))?
            {
                roots.add(certificate.with_context(|| path.display().to_string())?)?;
            }
            ensure!(!roots.is_empty(), "{} holds no certificate", path.display());
            let tls = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?;
            let tls = tls.with_root_certificates(roots).with_no_client_auth();
            reqwest::Client::builder().tls_backend_preconfigured(tls)
        }
        // The system's roots. An error says that one is installed already.
        None => {
            let _ = rustls::crypto::CryptoProvider::install_default((*provider).clone());
            reqwest::Client::builder()
        }
    };
    let builder = builder.https_only(true).no_proxy().redirect(reqwest::redirect::Policy::none());
    Ok(builder.timeout(CALL).build()?)
}
