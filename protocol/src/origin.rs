//! Origins (RFC 6454): scheme, host and port, in the one spelling that browsers use.

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};

/// More bytes than an origin has: a scheme, a domain of 253 bytes and a port.
const MAX_BYTES: usize = 272;
/// The most bytes of a domain, and of each of its labels (RFC 1035 section 2.3.4).
const MAX_DOMAIN_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// Reason why a text is not an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Another scheme than `https`, or `http` for another host than `localhost`.
    #[error("the scheme must be https; only localhost may have http")]
    Scheme,
    /// Not a host, or not in the spelling of browsers. This includes a user name, a path and a final dot.
    #[error(
        "the host must be a domain in lower case (xn-- for international names) or an IP address, with nothing after it"
    )]
    Host,
    /// Not a port, or the default port, which browsers leave out.
    #[error("the port must be a number up to 65535 and not the scheme's default")]
    Port,
}

/// Scheme of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Https,
    Http,
}

impl Scheme {
    const ALL: [Self; 2] = [Self::Https, Self::Http];

    fn prefix(self) -> &'static str {
        match self {
            Self::Https => "https://",
            Self::Http => "http://",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }
}

/// Origin of a secure context: `https://HOST[:PORT]`, or `http://localhost[:PORT]`.
///
/// Origins are equal exactly if their texts are, because other spellings are refused. An `xn--` label is accepted
/// without decoding it.
///
/// ```
/// use vitalsign_protocol::origin::{Origin, OriginError};
///
/// let origin = Origin::parse("https://verifier.example:8443")?;
/// assert_eq!((origin.domain(), origin.port()), (Some("verifier.example"), 8443));
/// assert_eq!(Origin::parse("https://verifier.example/"), Err(OriginError::Host));
/// assert_eq!(Origin::parse("https://verifier.example:443"), Err(OriginError::Port));
/// # Ok::<(), OriginError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Origin {
    text: String,
    scheme: Scheme,
    host: String,
    is_domain: bool,
    port: u16,
}

impl Origin {
    /// Parses an origin in the spelling of browsers.
    ///
    /// # Errors
    /// Names the part that is not as expected.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let SplitOrigin { scheme, host, port } = SplitOrigin::of(text)?;
        let is_domain = match host.strip_prefix('[') {
            Some(address) => {
                check_ipv6(address.strip_suffix(']').ok_or(OriginError::Host)?)?;
                false
            }
            None => is_domain(host)?,
        };
        if scheme == Scheme::Http && host != "localhost" {
            return Err(OriginError::Scheme);
        }
        let port = match port {
            None => scheme.default_port(),
            Some(port) => {
                let number = port.parse::<u16>().map_err(|_| OriginError::Port)?;
                if number == scheme.default_port() || number.to_string() != port {
                    return Err(OriginError::Port);
                }
                number
            }
        };
        Ok(Self { text: text.to_owned(), scheme, host: host.to_owned(), is_domain, port })
    }

    /// Parses an origin that a person typed: upper case, the default port and one slash at the end are dropped.
    ///
    /// # Errors
    /// Those of [`Origin::parse`].
    pub fn normalize(text: &str) -> Result<Self, OriginError> {
        let text = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
        let SplitOrigin { scheme, host, port } = SplitOrigin::of(&text)?;
        let default = scheme.default_port().to_string();
        match port.filter(|port| **port != default) {
            None => Self::parse(&format!("{}{host}", scheme.prefix())),
            Some(port) => Self::parse(&format!("{}{host}:{port}", scheme.prefix())),
        }
    }

    /// Returns the origin's only spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether the scheme is `https`; otherwise it is `http`, for `localhost`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// Returns the host: a domain, or an IP address. An IPv6 address has its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the host if it is a domain. Only a domain can be a relying party's ID.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        Some(self.host.as_str()).filter(|_| self.is_domain)
    }

    /// Returns the port, also where it is the scheme's default.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.text)
    }
}

impl std::str::FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Origin {
    type Error = OriginError;

    fn try_from(text: String) -> Result<Self, OriginError> {
        Self::parse(&text)
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.text
    }
}

/// An origin's text, split into its parts; only the scheme has been checked.
struct SplitOrigin<'a> {
    scheme: Scheme,
    host: &'a str,
    port: Option<&'a str>,
}

impl<'a> SplitOrigin<'a> {
    fn of(text: &'a str) -> Result<Self, OriginError> {
        if text.len() > MAX_BYTES {
            return Err(OriginError::Host);
        }
        let parts = Scheme::ALL.into_iter().find_map(|it| Some((it, text.strip_prefix(it.prefix())?)));
        let (scheme, authority) = parts.ok_or(OriginError::Scheme)?;
        // The colons of an IPv6 address are within brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        Ok(Self { scheme, host, port })
    }
}

/// Returns whether the host is a domain, which is false for an IPv4 address.
fn is_domain(host: &str) -> Result<bool, OriginError> {
    let last = host.rsplit('.').next().unwrap_or_default();
    // Browsers read a host that ends in a number as an IPv4 address, also in other notations (URL section 3.5).
    let hexadecimal =
        last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return host.parse::<Ipv4Addr>().map(|_| false).map_err(|_| OriginError::Host);
    }
    let good = host.len() <= MAX_DOMAIN_BYTES && host.split('.').all(is_label);
    if good { Ok(true) } else { Err(OriginError::Host) }
}

fn is_label(label: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_LABEL_BYTES).contains(&label.len())
        && label.bytes().all(known)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Checks that an IPv6 address is in the spelling of RFC 5952.
fn check_ipv6(text: &str) -> Result<(), OriginError> {
    let address = text.parse::<Ipv6Addr>().map_err(|_| OriginError::Host)?;
    // Browsers write a mapped IPv4 address in hexadecimal, the standard library in decimal.
    if address.to_ipv4_mapped().is_some() || address.to_string() != text {
        return Err(OriginError::Host);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_scheme_host_and_port() {
        for (text, domain, host, port) in [
            ("https://verifier.example", true, "verifier.example", 443),
            ("https://verifier.example:8443", true, "verifier.example", 8443),
            ("https://verifier.example:80", true, "verifier.example", 80),
            ("https://a-b.c1.example:65535", true, "a-b.c1.example", 65535),
            ("https://localhost", true, "localhost", 443),
            ("https://localhost:0", true, "localhost", 0),
            ("http://localhost", true, "localhost", 80),
            ("http://localhost:1234", true, "localhost", 1234),
            ("http://localhost:443", true, "localhost", 443),
            ("https://xn--bcher-kva.example", true, "xn--bcher-kva.example", 443),
            ("https://127.0.0.1:8443", false, "127.0.0.1", 8443),
            ("https://[::1]", false, "[::1]", 443),
            ("https://[2001:db8::1]:8443", false, "[2001:db8::1]", 8443),
        ] {
            let origin = Origin::parse(text).unwrap();
            assert_eq!((origin.host(), origin.port()), (host, port), "{text}");
            assert_eq!(origin.domain(), Some(host).filter(|_| domain), "{text}");
            assert_eq!(origin.is_https(), text.starts_with("https"), "{text}");
            assert_eq!((origin.as_str(), origin.to_string().as_str()), (text, text));
            assert_eq!(Origin::normalize(text), Ok(origin));
        }
    }

    #[test]
    fn rejects_what_is_not_an_origin() {
        use OriginError::{Host, Port, Scheme};
        let label = "a".repeat(64);
        let long_label = format!("https://{label}.example");
        let long_domain = format!("https://{}a", "a.".repeat(127));
        let longer = format!("https://{}a", "a.".repeat(200));
        for (text, expected) in [
            ("", Scheme),
            ("verifier.example", Scheme),
            ("//verifier.example", Scheme),
            ("HTTPS://verifier.example", Scheme),
            (" https://verifier.example", Scheme),
            ("ftp://verifier.example", Scheme),
            ("https:/verifier.example", Scheme),
            ("https:verifier.example", Scheme),
            ("null", Scheme),
            ("http://verifier.example", Scheme),
            ("http://localhost.example", Scheme),
            ("http://a.localhost", Scheme),
            ("http://127.0.0.1", Scheme),
            ("http://[::1]", Scheme),
            ("https://", Host),
            ("https://.", Host),
            ("https://:8443", Host),
            ("https://VERIFIER.example", Host),
            ("https://verifier.example.", Host),
            ("https://verifier..example", Host),
            ("https://.verifier.example", Host),
            ("https://-a.example", Host),
            ("https://a-.example", Host),
            ("https://a_b.example", Host),
            ("https://user@verifier.example", Host),
            ("https://user:password@verifier.example", Port),
            ("https://verifier.example@evil.example", Host),
            ("https://verifier.example:8443@evil.example", Port),
            ("https://verifier.example/", Host),
            ("https://verifier.example:8443/", Port),
            ("https://verifier.example/path", Host),
            ("https://verifier.example\\path", Host),
            ("https://verifier.example?q", Host),
            ("https://verifier.example#f", Host),
            ("https://verifier.example ", Host),
            ("https://verifier.example\n", Host),
            ("https://verifier\t.example", Host),
            ("https://verifier%2eexample", Host),
            ("https://b\u{fc}cher.example", Host),
            ("https://verifier\u{3002}example", Host),
            (&long_label, Host),
            (&long_domain, Host),
            (&longer, Host),
            ("https://127.0.0.01", Host),
            ("https://127.1", Host),
            ("https://2130706433", Host),
            ("https://0x7f000001", Host),
            ("https://127.0.0.0x1", Host),
            ("https://a.0x", Host),
            ("https://verifier.1", Host),
            ("https://256.0.0.1", Host),
            ("https://::1", Host),
            ("https://[::1", Host),
            ("https://[::01]", Host),
            ("https://[0:0:0:0:0:0:0:1]", Host),
            ("https://[2001:DB8::1]", Host),
            ("https://[fe80::1%25eth0]", Host),
            ("https://[::ffff:127.0.0.1]", Host),
            ("https://[::ffff:7f00:1]", Host),
            ("https://[verifier.example]", Host),
            ("https://[127.0.0.1]", Host),
            ("https://[]", Host),
            ("https://[::1]a", Host),
            ("https://verifier.example:", Port),
            ("https://verifier.example:443", Port),
            ("http://localhost:80", Port),
            ("https://verifier.example:070", Port),
            ("https://verifier.example:+70", Port),
            ("https://verifier.example:65536", Port),
            ("https://verifier.example:8443 ", Port),
            ("https://verifier.example:8443:8443", Host),
            ("https://[::1]:443", Port),
        ] {
            assert_eq!(Origin::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn typed_origins_are_brought_into_one_spelling() {
        for (typed, expected) in [
            ("https://Verifier.Example", "https://verifier.example"),
            ("HTTPS://verifier.example:443/", "https://verifier.example"),
            ("https://verifier.example:8443/", "https://verifier.example:8443"),
            ("https://[2001:DB8::1]:443", "https://[2001:db8::1]"),
            ("http://LOCALHOST:80", "http://localhost"),
        ] {
            assert_eq!(Origin::normalize(typed).unwrap().as_str(), expected, "{typed}");
        }
        for typed in [
            "",
            "/",
            "https://",
            "https:///",
            "verifier.example",
            "http://verifier.example",
            "https://verifier.example//",
            "https://verifier.example/path",
            "https://verifier.example/?q",
            "https://user@verifier.example",
            "https://verifier.example.",
            "https://verifier.example:0443",
            "https://b\u{fc}cher.example",
        ] {
            assert!(Origin::normalize(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn origins_are_checked_when_they_are_deserialized() {
        let json = r#""https://verifier.example""#;
        let origin: Origin = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&origin).unwrap(), json);
        assert!(serde_json::from_str::<Origin>(r#""https://verifier.example/""#).is_err());
    }
}
