//! The backchannel authentication endpoint, `/bc-authorize`: requests authentication of a person (CIBA section 7).
//! `/bc-cancel` cancels the request.

use super::{Code, Form, OAuthError, Provider, Request, details};
use crate::step_up::StepUpRequest;
use crate::store::client::Client;
use serde::Serialize;
use vitalsign_protocol::id::EnrolmentId;
use vitalsign_protocol::step_up::Acr;
use vitalsign_protocol::text::is_plain;

/// The longest message, in characters.
pub const MAX_MESSAGE_CHARS: usize = 1000;
/// The longest name of a user, in bytes.
const MAX_HINT_BYTES: usize = 256;
/// Default and maximum lifetime of a request, in seconds.
const EXPIRY: u64 = 120;
const MAX_EXPIRY: u64 = 300;

/// Authentication request acknowledgement (CIBA section 7.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthRequested {
    /// Identifier of the request; a secret of the application.
    pub auth_req_id: String,
    /// Seconds until the request expires.
    pub expires_in: u64,
    /// Minimum interval between two polls, in seconds.
    pub interval: u64,
}

impl Provider {
    /// Begins a step-up for an authentication request.
    ///
    /// # Errors
    /// An error of CIBA section 13, which does not reveal whether the user exists.
    pub async fn authorize(&self, request: &Request, now: u64) -> Result<AuthRequested, OAuthError> {
        let client = self.authenticate(request, now).await?;
        let begun = self.step_ups.request(step_up_request(client, &request.form)?, now).await?;
        Ok(AuthRequested {
            auth_req_id: begun.auth_req_id,
            expires_in: begun.expires_in,
            interval: self.config.oidc.interval_seconds,
        })
    }

    /// Cancels a request; devices stop prompting.
    ///
    /// # Errors
    /// [`Code::InvalidGrant`] if no such request is pending.
    pub async fn cancel(&self, request: &Request, now: u64) -> Result<(), OAuthError> {
        let client = self.authenticate(request, now).await?;
        let name = super::token::auth_req_id(&request.form)?;
        if self.step_ups.cancel(&client.id, name, now).await? {
            return Ok(());
        }
        Err(OAuthError::new(Code::InvalidGrant, "No request of this client's with this auth_req_id waits."))
    }
}

/// Validates all parameters of an authentication request.
fn step_up_request(client: Client, form: &Form) -> Result<StepUpRequest, OAuthError> {
    let invalid = |why: &str| Err(OAuthError::new(Code::InvalidRequest, why));
    if form.get("request").is_some() || form.get("request_uri").is_some() {
        return invalid("Signed requests are not supported.");
    }
    if !form.get("scope").is_some_and(|scope| scope.split(' ').any(|one| one == "openid")) {
        return Err(OAuthError::new(Code::InvalidScope, "scope does not contain openid."));
    }
    if form.get("id_token_hint").is_some() || form.get("login_hint_token").is_some() {
        return invalid("Exactly one hint is required, and only login_hint is supported.");
    }
    let Some(login_hint) = form.get("login_hint") else { return invalid("login_hint is missing.") };
    if login_hint.len() > MAX_HINT_BYTES || !is_plain(login_hint) {
        return invalid("login_hint is no name: at most 256 bytes without control characters.");
    }
    let device = match form.get("vitalsign_device").map(str::parse::<EnrolmentId>) {
        None => None,
        Some(Ok(device)) => Some(device),
        Some(Err(_)) => return invalid("vitalsign_device is no enrolment id."),
    };
    let acr = acr(form, &client)?;
    let details = details::read(form, &client.settings)?;
    Ok(StepUpRequest {
        client: client.id,
        application: client.name,
        login_hint: login_hint.to_owned(),
        message: message(form)?,
        acr,
        authorization_details: details.values,
        details_schemas: details.schemas,
        device,
        expires_in: expiry(form)?,
    })
}

/// Returns the binding message. CIBA makes it optional; here it is required, because the person confirms what
/// they read.
fn message(form: &Form) -> Result<String, OAuthError> {
    let invalid = |why: &str| Err(OAuthError::new(Code::InvalidBindingMessage, why));
    let message = form.get("binding_message").unwrap_or_default();
    match () {
        () if message.trim().is_empty() => {
            invalid("binding_message is missing: the person is to read what for.")
        }
        () if message.chars().count() > MAX_MESSAGE_CHARS => {
            invalid("binding_message has more than 1000 characters.")
        }
        () if !is_plain(message) => {
            invalid("binding_message has control characters, or such as hide or reorder text.")
        }
        () => Ok(message.to_owned()),
    }
}

/// Returns the first known level that the application may use: applications list them in order of preference.
fn acr(form: &Form, client: &Client) -> Result<Acr, OAuthError> {
    let Some(values) = form.get("acr_values") else { return Ok(Acr::DEFAULT) };
    values.split(' ').filter_map(Acr::from_urn).find(|acr| client.may_use(*acr)).ok_or_else(|| {
        let why =
            "None of acr_values is supported for this application; see acr_values_supported in the metadata.";
        OAuthError::new(Code::UnmetAuthenticationRequirements, why)
    })
}

/// Parses the requested expiry. A longer one is capped, not refused: the answer contains the actual expiry (CIBA
/// section 7.1.1).
fn expiry(form: &Form) -> Result<u64, OAuthError> {
    let Some(asked) = form.get("requested_expiry") else { return Ok(EXPIRY) };
    let digits = asked.bytes().all(|byte| byte.is_ascii_digit());
    match asked.parse::<u64>() {
        Ok(1..) if !digits => {}
        Ok(seconds @ 1..) => return Ok(seconds.min(MAX_EXPIRY)),
        _ => {}
    }
    Err(OAuthError::new(Code::InvalidRequest, "requested_expiry is not a positive number of seconds."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::MAX_DETAILS_BYTES;
    use crate::store::client::{ClientSettings, DetailsTypes};
    use vitalsign_protocol::details::{DetailsField, DetailsSchema, FieldKind, Labels, MAX_SCHEMA_BYTES};
    use vitalsign_protocol::id::Digest;
    use vitalsign_protocol::seconds::StepUpSeconds;
    use vitalsign_protocol::step_up::{StepUpRequested, Transaction, event};

    const GOOD: [(&str, &str); 3] =
        [("scope", "openid"), ("login_hint", "nurse-7"), ("binding_message", "EHR: sign order 4711")];

    fn client() -> Client {
        Client {
            id: "ehr".into(),
            name: "EHR".into(),
            audience: "urn:ehr".into(),
            created: 0,
            disabled_at: None,
            credential: Digest([1; 32]).into(),
            settings: ClientSettings {
                authorization_details_types: DetailsTypes::Any,
                ..ClientSettings::default()
            },
        }
    }

    /// Validates a good request with these parameters replaced.
    fn with(changed: &[(&str, &str)]) -> Result<StepUpRequest, Code> {
        let kept = GOOD.into_iter().filter(|(name, _)| !changed.iter().any(|(it, _)| it == name));
        let parameters: Vec<_> = kept.chain(changed.iter().copied()).collect();
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        step_up_request(client(), &Form::parse(encoded.as_bytes()).unwrap()).map_err(|error| error.code)
    }

    #[test]
    fn lowest_level_needs_permission_and_a_name() {
        let acr = |client: &Client, values: Option<&str>| {
            let values = values.map(|values| ("acr_values", values));
            let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(values).finish();
            super::acr(&Form::parse(encoded.as_bytes()).unwrap(), client).map_err(|error| error.code)
        };
        let (badge, both) = (Acr::Badge.urn(), format!("{} {}", Acr::Badge.urn(), Acr::HealthyDevice.urn()));
        let allowed = Client { settings: ClientSettings { badge: true, ..client().settings }, ..client() };
        assert_eq!(acr(&allowed, Some(badge)), Ok(Acr::Badge));
        assert_eq!(acr(&allowed, None), Ok(Acr::HardwareKey), "it is no default");
        assert_eq!(acr(&client(), Some(badge)), Err(Code::UnmetAuthenticationRequirements));
        assert_eq!(acr(&client(), Some(&both)), Ok(Acr::HealthyDevice), "the next one is used");
        assert_eq!(acr(&client(), None), Ok(Acr::HardwareKey));
    }

    #[test]
    fn a_request_has_defaults() {
        let asked = with(&[]).unwrap();
        assert_eq!(
            asked,
            StepUpRequest {
                client: "ehr".into(),
                application: "EHR".into(),
                login_hint: "nurse-7".into(),
                message: "EHR: sign order 4711".into(),
                acr: Acr::HardwareKey,
                authorization_details: None,
                details_schemas: Default::default(),
                device: None,
                expires_in: 120,
            }
        );
    }

    #[test]
    fn parameters_are_refused_with_standard_errors() {
        let long_message = "x".repeat(MAX_MESSAGE_CHARS + 1);
        let long_hint = "x".repeat(MAX_HINT_BYTES + 1);
        let long_details = format!("[{{\"type\":\"{}\"}}]", "x".repeat(MAX_DETAILS_BYTES));
        let nested = |n| format!("[{{\"type\":\"t\",\"d\":{}{}}}]", "[".repeat(n), "]".repeat(n));
        assert!(with(&[("authorization_details", &nested(14))]).is_ok());
        let spelled_longer = format!("[{{\"type\":\"t\",\"d\":[{}1]}}]", "1e15,".repeat(700));
        let deep = format!("[{{\"type\":\"t\",\"d\":{}{}}}]", "[".repeat(200), "]".repeat(200));
        use Code::*;
        for (name, value, expected) in [
            ("scope", "", InvalidScope),
            ("scope", "profile", InvalidScope),
            ("scope", "openidx", InvalidScope),
            ("scope", "OPENID", InvalidScope),
            ("login_hint", "", InvalidRequest),
            ("login_hint", "a\nb", InvalidRequest),
            ("login_hint", &long_hint, InvalidRequest),
            ("login_hint_token", "x", InvalidRequest),
            ("id_token_hint", "x", InvalidRequest),
            ("request", "x", InvalidRequest),
            ("request_uri", "x", InvalidRequest),
            ("binding_message", "", InvalidBindingMessage),
            ("binding_message", "  ", InvalidBindingMessage),
            ("binding_message", "a\u{1b}[2Jb", InvalidBindingMessage),
            ("binding_message", "a\nb", InvalidBindingMessage),
            ("binding_message", "\u{202e}0001$ yap", InvalidBindingMessage),
            ("binding_message", "a\u{200b}b", InvalidBindingMessage),
            ("binding_message", &long_message, InvalidBindingMessage),
            ("acr_values", "urn:other", UnmetAuthenticationRequirements),
            ("acr_values", "URN:VITALSIGN:ACR:EPCS", UnmetAuthenticationRequirements),
            ("requested_expiry", "0", InvalidRequest),
            ("requested_expiry", "-1", InvalidRequest),
            ("requested_expiry", "+5", InvalidRequest),
            ("requested_expiry", "1.5", InvalidRequest),
            ("requested_expiry", "99999999999999999999", InvalidRequest),
            ("vitalsign_device", "AAAA", InvalidRequest),
            ("authorization_details", "{}", InvalidAuthorizationDetails),
            ("authorization_details", "[]", InvalidAuthorizationDetails),
            ("authorization_details", "[1]", InvalidAuthorizationDetails),
            ("authorization_details", "[{}]", InvalidAuthorizationDetails),
            ("authorization_details", "[{\"type\":1}]", InvalidAuthorizationDetails),
            ("authorization_details", "[{\"type\":\"\"}]", InvalidAuthorizationDetails),
            ("authorization_details", "[{\"type\":\"t\"},{}]", InvalidAuthorizationDetails),
            ("authorization_details", "[{\"type\":\"t\"}", InvalidAuthorizationDetails),
            ("authorization_details", "[{\"type\":\"t\",\"x\":\"\\u202e\"}]", InvalidAuthorizationDetails),
            ("authorization_details", "[{\"type\":\"t\",\"\\u0007\":1}]", InvalidAuthorizationDetails),
            ("authorization_details", &long_details, InvalidAuthorizationDetails),
            ("authorization_details", &deep, InvalidAuthorizationDetails),
            ("authorization_details", &nested(16), InvalidAuthorizationDetails),
            ("authorization_details", &spelled_longer, InvalidAuthorizationDetails),
        ] {
            assert_eq!(with(&[(name, value)]).err(), Some(expected), "{name}={value:.60}");
        }
    }

    #[test]
    fn request_parameters_are_passed_on() {
        let levels = "urn:other urn:vitalsign:acr:epcs urn:vitalsign:acr:hardware-key";
        assert_eq!(with(&[("acr_values", levels)]).unwrap().acr, Acr::Epcs);
        assert_eq!(with(&[("requested_expiry", "1")]).unwrap().expires_in, 1);
        assert_eq!(with(&[("requested_expiry", "86400")]).unwrap().expires_in, MAX_EXPIRY);
        let device = EnrolmentId([7; 16]);
        assert_eq!(with(&[("vitalsign_device", &device.to_string())]).unwrap().device, Some(device));
        let details = r#"[{"type":"order","number":4711}]"#;
        let passed = with(&[("authorization_details", details)]).unwrap().authorization_details;
        assert_eq!(passed, Some(serde_json::json!([{ "type": "order", "number": 4711 }])));
        assert_eq!(with(&[("binding_message", "médicament «Ω» 薬")]).unwrap().message, "médicament «Ω» 薬");
        assert!(with(&[("binding_message", &"é".repeat(MAX_MESSAGE_CHARS))]).is_ok());
        assert!(with(&[("scope", "profile openid")]).is_ok());
        assert!(with(&[("user_code", "x"), ("client_notification_token", "x")]).is_ok());
    }

    /// A schema of nearly the largest size, for details with the one member `a`.
    fn largest_schema() -> DetailsSchema {
        let label = |text: String| Labels([("en".to_owned(), text)].into());
        let field = |name: &str, text: String| DetailsField {
            name: name.to_owned(),
            kind: FieldKind::Text,
            labels: label(text),
            optional: name != "a",
            codes: Vec::new(),
            fields: Vec::new(),
        };
        let mut schema =
            DetailsSchema { labels: label("\"".repeat(40)), fields: vec![field("a", "A".to_owned())] };
        let size = |schema: &DetailsSchema| serde_json::to_vec(schema).unwrap().len();
        for number in 0..20 {
            schema.fields.push(field(&format!("{number:02}"), format!("{number:02}{}", "\"".repeat(38))));
            if size(&schema) > MAX_SCHEMA_BYTES {
                schema.fields.pop();
            }
        }
        let rest = MAX_SCHEMA_BYTES - size(&schema);
        assert!(rest < 170, "{rest}");
        schema.check().unwrap();
        schema
    }

    #[test]
    fn the_largest_request_is_read_by_devices() {
        let quotes = |n: usize| "\"".repeat(n);
        let details = |name: &str| {
            let empty = format!("[{{\"a\":\"\",\"type\":\"{name}\"}}]").len();
            format!("[{{\"a\":\"{}\",\"type\":\"{name}\"}}]", "\\\"".repeat((MAX_DETAILS_BYTES - empty) / 2))
        };
        let mut client = client();
        client.settings.authorization_details_schemas = [("t".to_owned(), largest_schema())].into();
        // Quotes are longest in JSON within JSON, and other characters in the transaction itself.
        for message in [quotes(MAX_MESSAGE_CHARS), "\u{1f48a}".repeat(MAX_MESSAGE_CHARS)] {
            for name in ["t", "u"] {
                let (hint, details) = (quotes(MAX_HINT_BYTES), details(name));
                let asked = [
                    ("scope", "openid"),
                    ("login_hint", &hint),
                    ("binding_message", &message),
                    ("authorization_details", &details),
                ];
                let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(asked).finish();
                let asked = step_up_request(client.clone(), &Form::parse(form.as_bytes()).unwrap()).unwrap();
                assert_eq!(asked.details_schemas.len(), usize::from(name == "t"));
                let transaction = Transaction {
                    step_up: vitalsign_protocol::id::StepUpId([0; 16]),
                    application: quotes(crate::store::client::MAX_NAME_BYTES),
                    user: asked.login_hint,
                    message: asked.message,
                    acr: asked.acr,
                    authorization_details: asked.authorization_details,
                    details_schemas: asked.details_schemas,
                };
                let transaction = serde_json::to_string(&transaction).unwrap();
                Transaction::read(&transaction).unwrap();
                let event = StepUpRequested {
                    transaction,
                    nonce: vitalsign_protocol::id::Nonce([0; 32]),
                    expires: u64::MAX,
                    expires_seconds: StepUpSeconds::MAX,
                };
                assert!(serde_json::to_vec(&event).unwrap().len() < event::MAX_BYTES - 2048);
            }
        }
    }
}
