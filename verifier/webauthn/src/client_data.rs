//! Checks client data: the ceremony, challenge and origin that the client reports (WebAuthn Level 3, section
//! 5.8.1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

/// More bytes than client data have.
pub(crate) const MAX_BYTES: usize = 8 * 1024;

/// Reason why client data was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientDataError {
    /// Too long, or not the JSON that was expected.
    #[error("the client data cannot be read: {0}")]
    Malformed(&'static str),
    /// The client data is from another ceremony type.
    #[error("the client data are of type {0:?}")]
    Type(String),
    /// The client data answers another challenge.
    #[error("the client data answer another challenge")]
    Challenge,
    /// The client data is from another origin.
    #[error("the client data come from the origin {0:?}")]
    Origin(String),
    /// The client data is from a cross-origin frame.
    #[error("the client data come from a frame within another origin's page")]
    CrossOrigin,
    /// The client data names a top-level origin, so it is from a frame.
    #[error("the client data name a top origin")]
    TopOrigin,
}

/// Ceremony type in client data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CeremonyType {
    Create,
    Get,
}

impl CeremonyType {
    fn type_(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

/// The members that decide. A member that comes twice is an error; members that are not known are passed over, as
/// the standard wants it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    type_: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    #[serde(default, deserialize_with = "present")]
    top_origin: bool,
}

/// Deserialises any value as `true`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Checks that `bytes` are the client data of this ceremony, with this challenge, at exactly this origin.
pub(crate) fn check(
    bytes: &[u8],
    ceremony: CeremonyType,
    challenge: &[u8],
    origin: &str,
) -> Result<(), ClientDataError> {
    if bytes.len() > MAX_BYTES {
        return Err(ClientDataError::Malformed("too long"));
    }
    let data: ClientData = serde_json::from_slice(bytes)
        .map_err(|_| ClientDataError::Malformed("not the JSON that is expected"))?;
    if data.type_ != ceremony.type_() {
        return Err(ClientDataError::Type(data.type_));
    }
    if data.challenge != B64.encode(challenge) {
        return Err(ClientDataError::Challenge);
    }
    if data.origin != origin {
        return Err(ClientDataError::Origin(data.origin));
    }
    if data.cross_origin {
        return Err(ClientDataError::CrossOrigin);
    }
    if data.top_origin {
        return Err(ClientDataError::TopOrigin);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_decides() {
        let challenge = B64.encode([7; 32]);
        let good =
            format!(r#""type":"webauthn.get","challenge":"{challenge}","origin":"https://verifier.example""#);
        let other = B64.encode([8; 32]);
        let with = |members: &str| format!("{{{members}}}");
        use ClientDataError::{Challenge, CrossOrigin, Malformed, TopOrigin};
        let not_json = Malformed("not the JSON that is expected");
        for (text, expected) in [
            (with(&good), Ok(())),
            (with(&format!(r#"{good},"crossOrigin":false"#)), Ok(())),
            (with(&format!(r#"{good},"crossOrigin":false,"later":{{"a":[1]}}"#)), Ok(())),
            (with(&format!(r#"{good},"crossOrigin":true"#)), Err(CrossOrigin)),
            (with(&format!(r#"{good},"topOrigin":"https://verifier.example""#)), Err(TopOrigin)),
            (with(&format!(r#"{good},"topOrigin":null"#)), Err(TopOrigin)),
            (with(&format!(r#"{good},"crossOrigin":null"#)), Err(not_json.clone())),
            (with(&format!(r#"{good},"crossOrigin":"false""#)), Err(not_json.clone())),
            (with(&format!(r#"{good},"origin":"https://verifier.example""#)), Err(not_json.clone())),
            (with(&good.replace(&challenge, &other)), Err(Challenge)),
            (with(&good.replace(&challenge, &format!("{challenge}="))), Err(Challenge)),
            (
                with(&good.replace("webauthn.get", "payment.get")),
                Err(ClientDataError::Type("payment.get".into())),
            ),
            (
                with(&good.replace("verifier.example", "verifier.example:8443")),
                Err(ClientDataError::Origin("https://verifier.example:8443".into())),
            ),
            (
                with(&good.replace("verifier.example", "verifier.example/")),
                Err(ClientDataError::Origin("https://verifier.example/".into())),
            ),
            (format!("{{{good}}} "), Ok(())),
            (format!("{{{good}}}{{}}"), Err(not_json.clone())),
            (String::new(), Err(not_json)),
            (" ".repeat(MAX_BYTES + 1), Err(Malformed("too long"))),
        ] {
            let outcome = check(text.as_bytes(), CeremonyType::Get, &[7; 32], "https://verifier.example");
            assert_eq!(outcome, expected, "{text}");
        }
    }
}
