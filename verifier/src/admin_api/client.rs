//! Client of the API, over the socket on this machine or by HTTPS.

use super::{APPROVAL_HEADER, Method, OneTimeSecret, Operation, TapNeeded};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use vitalsign_protocol::problem::Problem;

/// Header in which a command says the user who logged in, by number. Accepted on the socket only.
pub const STATED_LOGIN_UID: &str = "vitalsign-login-uid";
/// Header in which a command says the user who called sudo.
pub const STATED_SUDO_USER: &str = "vitalsign-sudo-user";

/// Time limit for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Number of times that a request waits for its turn, and the longest wait.
const MAX_WAITS: usize = 10;
const MAX_WAIT: Duration = Duration::from_secs(10);
/// The most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// Reason why an operation has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No verifier listens on the socket.
    #[error(
        "the verifier is not running: nothing answers at {0} ({1}); start it with `systemctl start vitalsign-verifier` or \
         `vitalsign-verifier serve`, and read its log if it does not start"
    )]
    NotRunning(PathBuf, std::io::Error),
    /// The system refuses this user the socket.
    #[error("cannot use {0}: {1}; run as root or as the verifier's user, for example with sudo")]
    Denied(PathBuf, std::io::Error),
    /// The verifier cannot be reached by HTTPS.
    #[error("cannot reach {0}: {1}")]
    Unreachable(String, String),
    /// The verifier refused the operation.
    #[error("{}", .0.detail.as_deref().unwrap_or(&.0.title))]
    Refused(Problem),
    /// A person must confirm the operation; see [`AdminClient::call_confirmed`].
    #[error("{}", .0.detail)]
    TapNeeded(Box<TapNeeded>),
    #[error("the verifier's answer cannot be read: {0}; have program and verifier the same version?")]
    Answer(String),
    /// A certificate, key or token cannot be used.
    #[error("{0}")]
    Credential(String),
    /// No URL can name it.
    #[error("{0:?} cannot be named in a request")]
    Name(String),
}

/// Certificate, key and trust for HTTPS.
#[derive(Clone, Debug, Default)]
pub struct RemoteCredential {
    /// PEM with certificates that are trusted, instead of the system's.
    pub roots: Option<Vec<u8>>,
    /// PEM with the administrator's certificate chain and its private key.
    pub identity: Option<zeroize::Zeroizing<Vec<u8>>>,
    /// Access token.
    pub token: Option<zeroize::Zeroizing<String>>,
}

/// Client of one verifier.
pub struct AdminClient {
    http: reqwest::Client,
    base: reqwest::Url,
    headers: HeaderMap,
    socket: Option<PathBuf>,
}

impl AdminClient {
    /// Returns the client for the socket of the verifier on this machine.
    ///
    /// # Errors
    /// The socket does not exist, nothing listens on it, or it may not be used.
    #[cfg(unix)]
    pub fn local(socket: &Path) -> Result<Self, CallError> {
        use crate::audit::Stated;
        if let Err(error) = std::os::unix::net::UnixStream::connect(socket) {
            return Err(match error.kind() {
                std::io::ErrorKind::PermissionDenied => CallError::Denied(socket.to_owned(), error),
                _ => CallError::NotRunning(socket.to_owned(), error),
            });
        }
        let mut headers = HeaderMap::new();
        let Stated { login_uid, sudo } = Stated::by_this_process();
        if let Some(uid) = login_uid {
            headers.insert(STATED_LOGIN_UID, HeaderValue::from(uid));
        }
        if let Some(Ok(sudo)) = sudo.map(|name| HeaderValue::from_str(&name)) {
            headers.insert(STATED_SUDO_USER, sudo);
        }
        let builder = builder().unix_socket(socket);
        Self::new(builder, "http://localhost/", headers, Some(socket.to_owned()))
    }

    /// There are no such sockets here.
    #[cfg(not(unix))]
    pub fn local(socket: &Path) -> Result<Self, CallError> {
        let error = std::io::Error::other("this system has no such socket");
        Err(CallError::NotRunning(socket.to_owned(), error))
    }

    /// Returns the client for a verifier at `url`, `https://HOST:PORT`.
    ///
    /// # Errors
    /// The URL, a certificate, the key or the token cannot be used.
    pub fn remote(url: &str, credential: RemoteCredential) -> Result<Self, CallError> {
        use rustls_pki_types::pem::PemObject;
        use rustls_pki_types::{CertificateDer, PrivateKeyDer};
        let unusable =
            |what: &str, error: &dyn std::fmt::Display| CallError::Credential(format!("{what}: {error}"));
        let certificates = |what: &str, pem: &[u8]| {
            let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            let all = all.map_err(|error| unusable(what, &error))?;
            if all.is_empty() { Err(unusable(what, &"there is no certificate in it")) } else { Ok(all) }
        };
        let mut builder = builder().https_only(true);
        if let Some(pem) = &credential.roots {
            let mut roots = rustls::RootCertStore::empty();
            for certificate in certificates("the trusted certificates", pem)? {
                roots.add(certificate).map_err(|error| unusable("a trusted certificate", &error))?;
            }
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let tls = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| unusable("TLS", &error))?
                .with_root_certificates(roots);
            let tls = match &credential.identity {
                None => tls.with_no_client_auth(),
                Some(pem) => {
                    let chain = certificates("the administrator's certificate", pem)?;
                    let key = PrivateKeyDer::from_pem_slice(pem)
                        .map_err(|error| unusable("the administrator's key", &error))?;
                    tls.with_client_auth_cert(chain, key)
                        .map_err(|error| unusable("the administrator's certificate", &error))?
                }
            };
            builder = builder.tls_backend_preconfigured(tls);
        } else if let Some(pem) = &credential.identity {
            let identity = reqwest::Identity::from_pem(pem);
            builder = builder
                .identity(identity.map_err(|error| unusable("the administrator's certificate", &error))?);
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = &credential.token {
            let bearer = zeroize::Zeroizing::new(format!("Bearer {}", token.trim()));
            let mut value =
                HeaderValue::from_str(&bearer).map_err(|error| unusable("the access token", &error))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Self::new(builder, url, headers, None)
    }

    fn new(
        builder: reqwest::ClientBuilder,
        base: &str,
        headers: HeaderMap,
        socket: Option<PathBuf>,
    ) -> Result<Self, CallError> {
        let http = builder.build().map_err(|error| CallError::Credential(error.to_string()))?;
        let base = reqwest::Url::parse(base)
            .map_err(|error| CallError::Unreachable(base.to_owned(), error.to_string()))?;
        Ok(Self { http, base, headers, socket })
    }

    /// Calls an operation.
    ///
    /// # Errors
    /// It has no answer.
    pub async fn call<O: Operation>(
        &self,
        target: &O::Target,
        input: &O::Input,
    ) -> Result<O::Answer, CallError> {
        self.call_confirmed::<O>(target, input, None).await
    }

    /// Calls an operation for which a tap was requested, by its `approval`. Waits some seconds for the person.
    ///
    /// # Errors
    /// It has no answer; [`CallError::TapNeeded`] if the person has not decided yet.
    pub async fn call_confirmed<O: Operation>(
        &self,
        target: &O::Target,
        input: &O::Input,
        approval: Option<&OneTimeSecret>,
    ) -> Result<O::Answer, CallError> {
        let body = serde_json::to_value(input).map_err(|error| CallError::Answer(error.to_string()))?;
        let mut url = self.url(O::PATH, &members(target)?)?;
        let method = match O::METHOD {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut request = match O::METHOD {
            Method::Post => {
                self.http.post(url).header(CONTENT_TYPE, "application/json").body(body.to_string())
            }
            Method::Get | Method::Delete => {
                for (name, value) in members(input)?.iter().filter(|(_, value)| !value.is_null()) {
                    url.query_pairs_mut().append_pair(name, &text(value));
                }
                self.http.request(method, url)
            }
        };
        request = request.headers(self.headers.clone());
        if let Some(approval) = approval {
            let value = HeaderValue::from_str(approval.expose());
            let mut value = value.map_err(|error| CallError::Answer(error.to_string()))?;
            value.set_sensitive(true);
            request = request.header(APPROVAL_HEADER, value);
        }
        let request = request.build().map_err(|error| self.unreachable(&error))?;
        let answer = self.send(request).await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let body = read(answer).await.map_err(|error| self.unreachable(&error))?;
        let body = body.ok_or_else(|| CallError::Answer("it is too long".to_owned()))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| CallError::Answer(error.to_string()));
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if problem.problem_type == TapNeeded::TYPE => match serde_json::from_slice(&body) {
                Ok(needed) => Err(CallError::TapNeeded(needed)),
                Err(error) => Err(CallError::Answer(error.to_string())),
            },
            Ok(problem) => Err(CallError::Refused(problem)),
            Err(_) => Err(CallError::Answer(format!("status {status}"))),
        }
    }

    /// Sends a request, and again when the verifier says that it comes too early: a command may need many.
    async fn send(&self, request: reqwest::Request) -> Result<reqwest::Response, reqwest::Error> {
        for _ in 0..MAX_WAITS {
            let Some(copy) = request.try_clone() else { break };
            let answer = self.http.execute(copy).await?;
            let wait = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            match wait {
                Some(seconds) if answer.status() == reqwest::StatusCode::TOO_MANY_REQUESTS => {
                    tokio::time::sleep(Duration::from_secs(seconds).min(MAX_WAIT)).await;
                }
                _ => return Ok(answer),
            }
        }
        self.http.execute(request).await
    }

    fn url(&self, template: &str, target: &Map<String, Value>) -> Result<reqwest::Url, CallError> {
        let mut url = self.base.clone();
        {
            let mut path = url.path_segments_mut().map_err(|()| CallError::Name(self.base.to_string()))?;
            path.clear();
            for part in template.split('/').skip(1) {
                let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
                let value = name.map(|name| target.get(name).map(text).unwrap_or_default());
                let segment = value.unwrap_or_else(|| part.to_owned());
                // A path has no segments of these names.
                if segment.is_empty() || segment == "." || segment == ".." {
                    return Err(CallError::Name(segment));
                }
                path.push(&segment);
            }
        }
        Ok(url)
    }

    fn unreachable(&self, error: &reqwest::Error) -> CallError {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        match &self.socket {
            Some(socket) => CallError::Unreachable(socket.display().to_string(), text),
            None => CallError::Unreachable(self.base.to_string(), text),
        }
    }
}

fn builder() -> reqwest::ClientBuilder {
    // An error says that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Verifying a long log takes a while, so that only the connection has a time limit.
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
}

async fn read(mut answer: reqwest::Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn members(value: &impl serde::Serialize) -> Result<Map<String, Value>, CallError> {
    match serde_json::to_value(value) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(CallError::Name(String::new())),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
