//! Client authentication: exactly one of `client_secret_basic` (RFC 6749 section 2.3.1) and `private_key_jwt`
//! (RFC 7523 section 3).
//!
//! Unknown clients, disabled clients and wrong secrets get the same answer. The time that it takes may tell them apart,
//! because the number and type of a client's keys differ; a `client_id` is no secret.

use super::jws::{Jws, is_jti};
use super::numeric_date;
use super::{Code, JWT_BEARER, OAuthError, Provider, Request, form, path};
use crate::caller;
use crate::client_keys::ALGORITHMS;
use crate::store::client::{Client, ClientCredential};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use vitalsign_protocol::id::Digest;
use zeroize::Zeroizing;

/// Maximum clock difference between client and verifier, in seconds.
const SKEW: u64 = 30;
/// Maximum lifetime of an assertion, in seconds: Authlib's default. Each is accepted once, however long it lives.
const LIFETIME: u64 = 3600;

enum PresentedCredential<'a> {
    Secret(String, Zeroizing<String>),
    Assertion(Box<(Jws<'a>, Assertion)>),
}

/// The claims of a client assertion (RFC 7523 section 3).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assertion {
    pub iss: String,
    pub sub: String,
    /// The provider: its issuer, or one of its endpoints.
    pub aud: Audience,
    /// Expiry in seconds since 1970.
    #[serde(deserialize_with = "numeric_date::required")]
    pub exp: u64,
    /// Start of validity in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "numeric_date::optional")]
    pub nbf: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "numeric_date::optional")]
    pub iat: Option<u64>,
    pub jti: String,
}

/// Audience (`aud`): one value or several.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn is_only(&self, expected: &str) -> bool {
        matches!(self, Self::One(one) if one == expected)
    }

    pub(super) fn any(&self, of: &[String]) -> bool {
        match self {
            Self::One(one) => of.contains(one),
            Self::Many(many) => many.iter().any(|it| of.contains(it)),
        }
    }
}

/// Generates a secret of 256 random bits; returns it with the digest under which it is stored.
pub fn new_secret() -> Result<(String, Digest), OAuthError> {
    let secret = format!("vsc_{}", super::random_name::<32>()?);
    let digest = secret_digest(&secret);
    Ok((secret, digest))
}

/// Digest under which a secret is stored. A slow hash is unnecessary for 256 random bits.
fn secret_digest(secret: &str) -> Digest {
    Digest::labelled("vitalsign-client-secret-v1", &[secret.as_bytes()])
}

impl Provider {
    /// Authenticates the application that sent this request.
    ///
    /// # Errors
    /// [`Code::InvalidClient`], or [`Code::InvalidRequest`] if it uses two authentication methods.
    pub(super) async fn authenticate(&self, request: &Request, now: u64) -> Result<Client, OAuthError> {
        match presented(request)? {
            PresentedCredential::Secret(name, secret) => {
                named_alike(request, &name)?;
                caller::client(&name);
                let found = self.usable_client(&name).await?;
                let given = secret_digest(&secret);
                let is_given = |expected: Digest| {
                    aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), expected.as_bytes())
                        .is_ok()
                };
                let proven = |client: &Client| match &client.credential {
                    ClientCredential::Secret(secrets) => secrets.accepted(now).any(is_given),
                    ClientCredential::Keys(_) | ClientCredential::Remote(_) => false,
                };
                found.filter(proven).ok_or_else(refused)
            }
            PresentedCredential::Assertion(shown) => {
                let (jws, assertion) = *shown;
                named_alike(request, &assertion.sub)?;
                caller::client(&assertion.sub);
                let client = self.usable_client(&assertion.sub).await?.ok_or_else(refused)?;
                let proven = match &client.credential {
                    ClientCredential::Secret(_) => false,
                    ClientCredential::Keys(keys) => jws.verify_by_client(keys).is_ok(),
                    ClientCredential::Remote(remote) => {
                        self.verify_by_remote(&client.id, remote, &jws, now).await?
                    }
                };
                if !proven {
                    return Err(refused());
                }
                // From here on the client is authenticated, so errors may be specific.
                self.check_assertion(&client, &assertion, now)?;
                let name = Digest::labelled(
                    "vitalsign-client-assertion-v1",
                    &[client.id.as_bytes(), &[0], assertion.jti.as_bytes()],
                );
                if !self.store.use_jti(&name, assertion.exp.saturating_add(SKEW)).await? {
                    return Err(unusable("its jti was used before"));
                }
                Ok(client)
            }
        }
    }

    async fn usable_client(&self, id: &str) -> Result<Option<Client>, OAuthError> {
        Ok(self.store.client(id).await?.filter(|client| client.disabled_at.is_none()))
    }

    fn check_assertion(&self, client: &Client, assertion: &Assertion, now: u64) -> Result<(), OAuthError> {
        let Assertion { iss, sub, aud, exp, nbf, iat, jti } = assertion;
        let (issuer, _) = self.config.origin();
        let accepted =
            [issuer.to_owned(), format!("{issuer}{}", path::TOKEN), format!("{issuer}{}", path::AUTHORIZE)];
        let to_come = |time: &Option<u64>| time.is_some_and(|time| time > now.saturating_add(SKEW));
        match () {
            () if iss != sub => Err(unusable("iss and sub are not the same")),
            () if client.settings.strict_audience && !aud.is_only(issuer) => {
                Err(unusable("aud must be the issuer alone, as a string"))
            }
            () if !aud.any(&accepted) => Err(unusable("aud is not this provider")),
            () if exp.saturating_add(SKEW) <= now => Err(unusable("it has expired")),
            () if *exp > now.saturating_add(LIFETIME + SKEW) => Err(unusable("it lives longer than an hour")),
            () if to_come(nbf) || to_come(iat) => Err(unusable("its time is still to come")),
            () if !is_jti(jti) => Err(unusable("its jti is not 1 to 256 characters")),
            () => Ok(()),
        }
    }
}

/// Extracts the client's credential from the request.
fn presented(request: &Request) -> Result<PresentedCredential<'_>, OAuthError> {
    let Request { authorization, form, .. } = request;
    let assertion = form.get("client_assertion");
    let ways = [authorization.is_some(), assertion.is_some(), form.get("client_secret").is_some()];
    if ways.iter().filter(|way| **way).count() > 1 {
        return Err(OAuthError::new(Code::InvalidRequest, "The client authenticates in more than one way."));
    }
    match (authorization, assertion) {
        (Some(header), _) => {
            let (name, secret) = basic(header).ok_or_else(refused)?;
            Ok(PresentedCredential::Secret(name, secret))
        }
        (None, Some(_)) if form.get("client_assertion_type") != Some(JWT_BEARER) => {
            Err(unusable("client_assertion_type is not jwt-bearer"))
        }
        (None, Some(token)) => {
            let jws = Jws::parse(token, &ALGORITHMS).map_err(unusable)?;
            let typ = jws.header().typ.as_deref().unwrap_or("JWT");
            if !typ.eq_ignore_ascii_case("JWT") && typ != "client-authentication+jwt" {
                return Err(unusable("its typ is not JWT"));
            }
            let claims = jws.unverified().map_err(unusable)?;
            Ok(PresentedCredential::Assertion(Box::new((jws, claims))))
        }
        (None, None) if form.get("client_secret").is_some() => Err(refused().logged(
            "The client sent its secret in the body (client_secret_post), which is not supported: configure it for \
             client_secret_basic.",
        )),
        (None, None) => Err(refused()),
    }
}

/// Parses name and password of `Basic`, which are form-encoded (RFC 6749 section 2.3.1).
fn basic(header: &str) -> Option<(String, Zeroizing<String>)> {
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(credentials.trim()).ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (name, secret) = decoded.split_at_checked(colon)?;
    let secret = Zeroizing::new(form::decode(secret.get(1..)?)?);
    Some((form::decode(name)?, secret))
}

/// Checks that an optional `client_id` in the form names the authenticated application.
fn named_alike(request: &Request, name: &str) -> Result<(), OAuthError> {
    match request.form.get("client_id") {
        Some(other) if other != name => Err(refused()),
        _ => Ok(()),
    }
}

fn refused() -> OAuthError {
    OAuthError::new(Code::InvalidClient, "The client is not known, or did not prove who it is.")
}

fn unusable(why: impl std::fmt::Display) -> OAuthError {
    OAuthError::new(Code::InvalidClient, format!("Invalid client assertion: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::Form;

    #[test]
    fn secret_in_the_body_is_named_in_the_log_only() {
        let form = Form::parse(b"client_id=ehr&client_secret=s3cret").unwrap();
        let request = Request { authorization: None, dpop: Vec::new(), form };
        let error = presented(&request).err().unwrap();
        assert_eq!((error.code, error.description()), (Code::InvalidClient, refused().description()));
        assert!(error.log_description().contains("client_secret_post"), "{}", error.log_description());
        assert!(!error.log_description().contains("s3cret"));
    }

    #[test]
    fn basic_is_decoded_twice() {
        let header = |text: &[u8]| format!("Basic {}", STANDARD.encode(text));
        let read = |header: &str| basic(header).map(|(name, secret)| (name, secret.to_string()));
        let pair = |name: &str, secret: &str| Some((name.to_owned(), secret.to_owned()));
        assert_eq!(read(&header(b"ehr:s3cret")), pair("ehr", "s3cret"));
        assert_eq!(read(&header(b"urn%3Aehr:a%3Ab+c:d")), pair("urn:ehr", "a:b c:d"));
        assert_eq!(read(&header(b"ehr:").replace("Basic", "bASIC")), pair("ehr", ""));
        for bad in [
            "Basic",
            "Basic !",
            "Basic",
            "Bearer ZWhyOnM=",
            &header(b"ehr"),
            &header(b"ehr:%zz"),
            &header(b"\xff:s"),
            &header(b"ehr:\xff"),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
