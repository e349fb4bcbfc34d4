//! Settings of the API for administrators.

use super::TlsFiles;
use crate::admin_action::AdminAction;
use crate::scope::Scope;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use vitalsign_protocol::text::is_plain;

/// API for administrators.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminApiSettings {
    /// Socket for root and the verifier's own user; `admin.sock` in the data folder by default.
    pub socket: Option<PathBuf>,
    /// Address for HTTPS; none by default.
    pub listen: Option<SocketAddr>,
    /// Certificate and key for that address; those of the verifier by default.
    pub tls: Option<TlsFiles>,
    /// Roots of the administrators' certificates, PEM.
    pub client_roots: Option<PathBuf>,
    /// OpenID providers whose access tokens are accepted.
    pub issuers: Vec<TokenIssuer>,
    pub administrators: Vec<AdministratorSettings>,
    /// Actions that need a tap of the administrator's security key; none by default.
    pub tap: BTreeSet<AdminAction>,
    /// Users who are asked for taps about commands at the socket, by the account that runs the command or has called sudo.
    pub socket_users: BTreeMap<String, String>,
    /// Whether commands at the socket need no tap.
    pub socket_without_tap: bool,
}

/// OpenID provider whose access tokens (RFC 9068) are accepted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenIssuer {
    /// `iss` of its tokens.
    pub issuer: String,
    /// `aud` of tokens for this verifier.
    pub audience: String,
    /// File with its keys, a JWK set. Read again when it changes.
    pub jwks: PathBuf,
}

/// A named administrator, who shows a certificate or a token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdministratorSettings {
    /// Name in the audit log; of one who shows a token, issuer and subject are.
    #[serde(default)]
    pub name: Option<String>,
    /// Subject alternative name of their certificate: an address of mail, a DNS name or a URI.
    #[serde(default)]
    pub certificate: Option<String>,
    /// `iss` and `sub` of their tokens.
    #[serde(default)]
    pub issuer: Option<String>,
    #[serde(default)]
    pub subject: Option<String>,
    /// Name of the user who is asked for taps about their actions.
    #[serde(default)]
    pub user: Option<String>,
    pub scopes: BTreeSet<Scope>,
}

impl AdministratorSettings {
    /// Returns the name in the audit log; `None` if the settings name no certificate and no token, or both.
    #[must_use]
    pub fn audit_name(&self) -> Option<String> {
        match (&self.name, &self.certificate, &self.issuer, &self.subject) {
            (Some(name), Some(_), None, None) => Some(format!("cert:{name}")),
            (None, None, Some(issuer), Some(subject)) => Some(format!("oidc:{issuer}#{subject}")),
            _ => None,
        }
    }
}

impl AdminApiSettings {
    /// Returns whether a user confirms actions of administrators by taps.
    #[must_use]
    pub fn is_confirming(&self, user: &str) -> bool {
        let users = self.administrators.iter().filter_map(|it| it.user.as_ref());
        users.chain(self.socket_users.values()).any(|name| name == user)
    }

    /// Describes for the audit log which actions need a tap, and of whom; `None` if none does.
    #[must_use]
    pub fn tap_rules(&self) -> Option<Value> {
        if self.tap.is_empty() {
            return None;
        }
        let named = self.administrators.iter();
        let users: BTreeMap<_, _> =
            named.filter_map(|it| Some((it.audit_name()?, it.user.as_deref()?))).collect();
        let socket = if self.socket_without_tap { json!(false) } else { json!(self.socket_users) };
        Some(json!({ "actions": self.tap, "users": users, "socket": socket }))
    }

    /// Returns the first contradiction.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        let has = |issuer: &String| self.issuers.iter().any(|it| it.issuer == *issuer);
        let names: Vec<_> =
            self.administrators.iter().filter_map(AdministratorSettings::audit_name).collect();
        let certificates: BTreeSet<_> =
            self.administrators.iter().filter_map(|it| it.certificate.as_ref()).collect();
        let by_certificate = self.administrators.iter().filter(|it| it.certificate.is_some()).count();
        match () {
            () if self.listen.is_some() && self.client_roots.is_none() && self.issuers.is_empty() => {
                Some("[admin_api] listen needs client_roots or issuers: no administrator could log in")
            }
            () if names.len() != self.administrators.len() => {
                Some("each of [[admin_api.administrators]] needs name and certificate, or issuer and subject")
            }
            () if names.iter().collect::<BTreeSet<_>>().len() != names.len()
                || certificates.len() != by_certificate =>
            {
                Some("two of [[admin_api.administrators]] have the same name or certificate")
            }
            () if self
                .administrators
                .iter()
                .filter_map(|it| it.issuer.as_ref())
                .any(|issuer| !has(issuer)) =>
            {
                Some("an issuer of [[admin_api.administrators]] is not among [[admin_api.issuers]]")
            }
            () if !names.iter().all(|name| is_plain(name))
                || self.administrators.iter().any(|it| it.scopes.is_empty()) =>
            {
                Some("[[admin_api.administrators]] need plain names, and scopes")
            }
            () if self.socket_without_tap && !self.socket_users.is_empty() => {
                Some("[admin_api] has either socket_users or socket_without_tap")
            }
            () if self.tap.is_empty() && (self.socket_without_tap || !self.socket_users.is_empty()) => {
                Some("[admin_api] socket_users and socket_without_tap need tap: actions that need a tap")
            }
            () => None,
        }
    }
}
