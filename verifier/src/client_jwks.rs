//! Keys of applications that the verifier fetches from their `jwks_uri` (OpenID Connect Registration, section 2).
//!
//! An administrator chooses the address, so that it is treated as an attacker's: HTTPS only, by the configured roots; no
//! redirect; no address of this machine or this link, also if the name resolves to it; and few bytes in little time.

use crate::client_keys::{ClientKeys, JwkError, MAX_SET_BYTES};
use crate::client_tls;
use crate::config::ClientKeySettings;
use crate::files::FileError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Url, redirect};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Time limits for the connection and for the whole exchange.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const FETCH_TIMEOUT: Duration = Duration::from_secs(4);
/// The longest address, in bytes.
const MAX_URI_BYTES: usize = 512;

/// Address of an application's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JwksUri(Url);

impl std::fmt::Display for JwksUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl From<JwksUri> for String {
    fn from(uri: JwksUri) -> Self {
        uri.0.into()
    }
}

impl TryFrom<String> for JwksUri {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl std::str::FromStr for JwksUri {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "an address was expected: https://HOST/PATH, without user, password and fragment, up to 512 bytes";
        let url = Url::parse(text).map_err(|_| wrong)?;
        let plain = url.scheme() == "https"
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none();
        if plain && text.len() <= MAX_URI_BYTES { Ok(Self(url)) } else { Err(wrong) }
    }
}

/// Reason why keys were not fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("[client_keys] roots is not set in the configuration, so that the verifier fetches no keys")]
    Off,
    #[error("{0} is an address of this machine or this link; [client_keys] allow_local would permit it")]
    Local(String),
    #[error("{0} is not reached: {1}")]
    Unreachable(JwksUri, String),
    #[error("{0} answers with status {1}")]
    Status(JwksUri, u16),
    #[error("the answer of {0} has more than {MAX_SET_BYTES} bytes")]
    TooLong(JwksUri),
    #[error("the answer of {0} cannot be used: {1}")]
    Keys(JwksUri, JwkError),
}

/// Fetches keys of applications.
pub(crate) struct JwksFetcher {
    /// `None` if the configuration names no roots.
    http: Option<reqwest::Client>,
    allow_local: bool,
}

impl JwksFetcher {
    pub(crate) fn open(settings: &ClientKeySettings) -> Result<Self, FileError> {
        let allow_local = settings.allow_local;
        let Some(roots) = &settings.roots else { return Ok(Self { http: None, allow_local }) };
        let builder =
            reqwest::Client::builder().tls_backend_preconfigured(client_tls::configure(roots, None)?);
        let builder = builder.https_only(true).no_proxy().redirect(redirect::Policy::none());
        let builder = builder.connect_timeout(CONNECT_TIMEOUT).timeout(FETCH_TIMEOUT);
        // Each fetch resolves the name again.
        let builder = builder.pool_max_idle_per_host(0).dns_resolver(Arc::new(Resolver { allow_local }));
        let http = builder.build().map_err(|e| FileError::new("reading", roots, e))?;
        Ok(Self { http: Some(http), allow_local })
    }

    /// Fetches the keys at this address.
    ///
    /// # Errors
    /// [`FetchError`].
    pub(crate) async fn fetch(&self, uri: &JwksUri) -> Result<ClientKeys, FetchError> {
        let http = self.http.as_ref().ok_or(FetchError::Off)?;
        // A client does not resolve literal addresses.
        let host = uri.0.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = host.parse::<IpAddr>()
            && !self.allow_local
            && is_local(address)
        {
            return Err(FetchError::Local(host.to_owned()));
        }
        let unreachable = |error: reqwest::Error| {
            let mut text = error.without_url().to_string();
            if text.len() > MAX_URI_BYTES {
                text.truncate(text.floor_char_boundary(MAX_URI_BYTES));
            }
            FetchError::Unreachable(uri.clone(), text)
        };
        let mut answer = http.get(uri.0.clone()).send().await.map_err(unreachable)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(uri.clone(), answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_SET_BYTES {
                return Err(FetchError::TooLong(uri.clone()));
            }
            body.extend_from_slice(&chunk);
        }
        ClientKeys::parse(&body).map_err(|error| FetchError::Keys(uri.clone(), error))
    }
}

/// Resolves names by the system, without the addresses that are not to be reached.
struct Resolver {
    allow_local: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_local = self.allow_local;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let usable: Vec<_> = found.into_iter().filter(|it| allow_local || !is_local(it.ip())).collect();
            if usable.is_empty() {
                return Err(FetchError::Local(name.as_str().to_owned()).into());
            }
            let addresses: Addrs = Box::new(usable.into_iter());
            Ok(addresses)
        })
    }
}

/// Returns whether an address belongs to this machine or this link, or to no single machine (RFC 6890). Addresses of private
/// networks are a hospital's own.
fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_local_v4(address),
        IpAddr::V6(address) => {
            let [head, second, third, .., high, low] = address.segments();
            // Addresses that contain one of IPv4: NAT64 (RFC 6052), 6to4 (RFC 3056), and IPv4-compatible ones.
            let embedded = |high: u16, low: u16| {
                let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
                is_local_v4(Ipv4Addr::new(a, b, c, d))
            };
            address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unicast_link_local()
                || (head == 0x64 && second == 0xff9b && embedded(high, low))
                || (head == 0x2002 && embedded(second, third))
                || (address.segments().iter().take(6).all(|part| *part == 0) && embedded(high, low))
        }
    }
}

fn is_local_v4(address: Ipv4Addr) -> bool {
    address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.octets().first() == Some(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_recognised() {
        for local in [
            "127.0.0.1",
            "127.255.0.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::127.0.0.1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "::127.0.0.1",
        ] {
            assert!(is_local(local.parse().unwrap()), "{local}");
        }
        for other in [
            "10.1.2.3",
            "192.168.0.9",
            "172.16.0.1",
            "203.0.113.7",
            "fd00::1",
            "2001:db8::1",
            "64:ff9b::10.0.0.1",
        ] {
            assert!(!is_local(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn addresses_of_keys_are_plain_https() {
        assert!("https://ehr.example/jwks.json?x=1".parse::<JwksUri>().is_ok());
        let long = format!("https://ehr.example/{}", "x".repeat(500));
        for text in [
            "http://ehr.example/jwks",
            "https://a@ehr.example/",
            "https://a:b@ehr.example/",
            "https://ehr.example/#x",
            "file:///etc/passwd",
            "https:",
            "ehr.example",
            "",
            &long,
        ] {
            assert!(text.parse::<JwksUri>().is_err(), "{text}");
        }
    }
}
