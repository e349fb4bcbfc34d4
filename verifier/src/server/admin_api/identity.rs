//! Caller of the caller: the user at the socket, a certificate, or an access token.

use super::super::connections::Peer;
use super::super::http::authorization;
use crate::admin_api::{AdminProblem, Scope};
#[cfg(unix)]
use crate::admin_api::{STATED_LOGIN_UID, STATED_SUDO_USER};
use crate::audit::Actor;
#[cfg(unix)]
use crate::audit::{Stated, account};
use crate::config::{AdminApiSettings, AdministratorSettings, TokenIssuer};
use crate::oidc::AdministratorToken;
use axum::http::HeaderMap;
#[cfg(unix)]
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use vitalsign_protocol::problem::Problem;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Place from which a request comes.
#[derive(Clone)]
pub(super) enum Origin {
    /// The socket, by this user; `None` if the system did not say which.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has such sockets"))]
    Socket(Option<u32>),
    /// The network.
    Remote {
        address: Arc<str>,
        /// Subject alternative names of the certificate that the peer has proven.
        names: Arc<[String]>,
        peer: Peer,
    },
}

/// An administrator.
pub(super) struct Caller {
    /// Name in the audit log.
    pub(super) name: String,
    pub(super) scopes: BTreeSet<Scope>,
    pub(super) actor: Actor,
    pub(super) confirming: Confirming,
    /// Account of a caller at the socket, as the command says or the system knows it.
    account: Option<String>,
}

/// Person whose tap confirms a caller's actions.
pub(super) enum Confirming {
    User(String),
    /// The configuration names no one.
    Nobody,
    #[cfg_attr(not(unix), expect(dead_code, reason = "only a socket can be exempt"))]
    NotNeeded,
}

impl Caller {
    /// Returns the account of a caller at the socket.
    pub(super) fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }
}

/// Everyone who may call.
pub(super) struct Identities {
    administrators: Vec<AdministratorSettings>,
    issuers: Vec<TokenIssuer>,
    #[cfg(unix)]
    socket_users: BTreeMap<String, String>,
    #[cfg(unix)]
    socket_without_tap: bool,
    /// The verifier's own user.
    #[cfg(unix)]
    own: u32,
}

impl Identities {
    pub(super) fn of(settings: &AdminApiSettings) -> Self {
        Self {
            administrators: settings.administrators.clone(),
            issuers: settings.issuers.clone(),
            #[cfg(unix)]
            socket_users: settings.socket_users.clone(),
            #[cfg(unix)]
            socket_without_tap: settings.socket_without_tap,
            #[cfg(unix)]
            own: rustix::process::geteuid().as_raw(),
        }
    }

    /// Returns the administrator who sends a request.
    pub(super) fn identify(&self, origin: &Origin, headers: &HeaderMap, now: u64) -> Result<Caller, Problem> {
        match origin {
            Origin::Socket(uid) => self.at_socket(*uid, headers),
            Origin::Remote { address, names, peer } => {
                let refused = |why: String| AdminProblem::Unauthenticated.because(why);
                let administrator = match (names.is_empty(), authorization(headers)) {
                    (false, None) => self.with_certificate(names),
                    (true, Some(header)) => self.with_token(header, now),
                    (true, None) => Err("Show a certificate or an access token.".to_owned()),
                    (false, Some(_)) => Err("Show a certificate or an access token, not both.".to_owned()),
                }
                .map_err(refused)?;
                let name =
                    administrator.audit_name().ok_or_else(|| refused("They have no name.".to_owned()))?;
                peer.authenticated();
                let actor = Actor::named(&name, address);
                let confirming = administrator.user.clone().map_or(Confirming::Nobody, Confirming::User);
                Ok(Caller { name, scopes: administrator.scopes.clone(), actor, confirming, account: None })
            }
        }
    }

    #[cfg(unix)]
    fn at_socket(&self, uid: Option<u32>, headers: &HeaderMap) -> Result<Caller, Problem> {
        let Some(uid) = uid.filter(|uid| *uid == 0 || *uid == self.own) else {
            let own = self.own;
            return Err(AdminProblem::Unauthenticated
                .because(format!("Only root and the verifier's own user, {own}, may use the socket.")));
        };
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let stated = Stated::read(header(STATED_LOGIN_UID), header(STATED_SUDO_USER));
        let scopes = BTreeSet::from(Scope::ALL);
        // Who can open the socket can state another name, and is then answered for by that person's tap.
        let account = stated.sudo.clone().or_else(|| account(uid)).unwrap_or_else(|| format!("uid {uid}"));
        let confirming = match self.socket_users.get(&account) {
            _ if self.socket_without_tap => Confirming::NotNeeded,
            Some(user) => Confirming::User(user.clone()),
            None => Confirming::Nobody,
        };
        let actor = Actor::at_socket(uid, stated);
        Ok(Caller { name: format!("uid:{uid}"), scopes, actor, confirming, account: Some(account) })
    }

    #[cfg(not(unix))]
    fn at_socket(&self, _: Option<u32>, _: &HeaderMap) -> Result<Caller, Problem> {
        Err(AdminProblem::Unauthenticated.because("This system has no such socket."))
    }

    fn with_certificate(&self, names: &[String]) -> Result<&AdministratorSettings, String> {
        let has =
            |it: &&AdministratorSettings| it.certificate.as_ref().is_some_and(|name| names.contains(name));
        let mut found = self.administrators.iter().filter(has);
        match (found.next(), found.next()) {
            (Some(administrator), None) => Ok(administrator),
            (Some(_), Some(_)) => Err("The certificate has the names of two administrators.".to_owned()),
            (None, _) => Err(format!("No administrator has the certificate of {}.", names.join(", "))),
        }
    }

    fn with_token(&self, header: &str, now: u64) -> Result<&AdministratorSettings, String> {
        let token = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = token.ok_or("The authorization must be Bearer and an access token.")?;
        let token = AdministratorToken::verify(token.trim(), &self.issuers, now)?;
        let is = |it: &&AdministratorSettings| {
            it.issuer.as_ref() == Some(&token.issuer) && it.subject.as_ref() == Some(&token.subject)
        };
        let found = self.administrators.iter().find(is);
        found.ok_or_else(|| format!("{} of {} is no administrator.", token.subject, token.issuer))
    }
}

/// Reads the mail addresses, DNS names and URIs for which a certificate was issued.
pub(super) fn names_of(certificate: &[u8]) -> Vec<String> {
    let parsed = CertificateInner::<Raw>::from_der(certificate).ok();
    let names = parsed.and_then(|it| Some(it.tbs_certificate().get_extension::<SubjectAltName>().ok()??.1.0));
    let name = |name: GeneralName| match name {
        GeneralName::Rfc822Name(name) => Some(name.to_string()),
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::UniformResourceIdentifier(name) => Some(name.to_string()),
        _ => None,
    };
    names.into_iter().flatten().filter_map(name).collect()
}
