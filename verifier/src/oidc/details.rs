//! `authorization_details` of a request (RFC 9396): parses them and checks them against the types that are registered for the
//! application.

use super::{Code, Form, OAuthError};
use crate::store::client::ClientSettings;
use serde_json::Value;
use std::collections::BTreeMap;
use vitalsign_protocol::details::DetailsSchema;
use vitalsign_protocol::jose::Unique;
use vitalsign_protocol::text::is_plain;

/// The longest `authorization_details`, in bytes.
pub const MAX_BYTES: usize = 4096;
/// The deepest `authorization_details`: arrays and objects within each other.
const MAX_DEPTH: usize = 16;

/// Validated details, and the schemas of their types, if they have one.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Details {
    pub(super) values: Option<Value>,
    pub(super) schemas: BTreeMap<String, DetailsSchema>,
}

/// Validates an array of objects with a `type` each (RFC 9396 section 2), of a type that is registered for the
/// application, and with the members that its schema has (section 5).
pub(super) fn read(form: &Form, settings: &ClientSettings) -> Result<Details, OAuthError> {
    let Some(text) = form.get("authorization_details") else { return Ok(Details::default()) };
    if text.len() > MAX_BYTES {
        return invalid("has more than 4096 bytes.");
    }
    // Readers differ in which of two members they take: the application could mean another value than the person reads.
    let Ok(Unique(Value::Array(details))) = serde_json::from_str(text) else {
        return invalid("is not a JSON array, or an object has two members of the same name.");
    };
    fn named(detail: &Value) -> Option<&str> {
        detail.get("type").and_then(Value::as_str).filter(|name| !name.is_empty())
    }
    let names: Vec<&str> = details.iter().filter_map(named).collect();
    if names.is_empty() || names.len() != details.len() {
        return invalid("is not a list of objects with a type each.");
    }
    if !names.iter().all(|name| settings.allows_details(name)) {
        return invalid("has a type that is not registered for this client.");
    }
    let mut schemas = BTreeMap::new();
    for (name, detail) in names.iter().zip(&details) {
        let Some(schema) = settings.authorization_details_schemas.get(*name) else { continue };
        if let Err(error) = schema.check_detail(detail) {
            return invalid(&format!("does not fit the schema of its type: {error}."));
        }
        schemas.insert((*name).to_owned(), schema.clone());
    }
    let details = Value::Array(details);
    // The device shows this encoding, and reads no longer ones.
    if details.to_string().len() > MAX_BYTES || depth(&details) > MAX_DEPTH {
        return invalid("is longer than 4096 bytes or deeper than 16.");
    }
    if !all_plain(&details) {
        return invalid("has control characters, or such as hide or reorder text.");
    }
    Ok(Details { values: Some(details), schemas })
}

fn invalid(why: &str) -> Result<Details, OAuthError> {
    Err(OAuthError::new(Code::InvalidAuthorizationDetails, format!("authorization_details {why}")))
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn all_plain(value: &Value) -> bool {
    match value {
        Value::String(text) => is_plain(text),
        Value::Array(items) => items.iter().all(all_plain),
        Value::Object(members) => members.iter().all(|(name, value)| is_plain(name) && all_plain(value)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::client::DetailsTypes;
    use serde_json::json;

    fn of(settings: &ClientSettings, details: &str) -> Result<Details, OAuthError> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("authorization_details", details)
            .finish();
        read(&Form::parse(form.as_bytes()).unwrap(), settings)
    }

    fn only(types: &[&str]) -> ClientSettings {
        let types = types.iter().map(|name| (*name).to_owned()).collect();
        ClientSettings { authorization_details_types: DetailsTypes::Only(types), ..ClientSettings::default() }
    }

    fn with_schema() -> ClientSettings {
        let schema = json!({
            "labels": {"en": "Order"},
            "fields": [
                {"name": "dose", "kind": "quantity", "labels": {"en": "Dose", "de": "Dosis"}},
                {"name": "note", "kind": "text", "labels": {"en": "Note"}, "optional": true},
            ],
        });
        let schemas = [("order".to_owned(), serde_json::from_value(schema).unwrap())].into();
        ClientSettings { authorization_details_schemas: schemas, ..only(&["report"]) }
    }

    #[test]
    fn only_registered_types_of_details_are_accepted() {
        let of = |types: &[&str], details: &str| of(&only(types), details).map_err(|error| error.code);
        let (one, two) = (r#"[{"type":"order"}]"#, r#"[{"type":"order"},{"type":"report"}]"#);
        assert!(of(&["order"], one).is_ok());
        assert!(of(&["report", "order"], two).is_ok());
        let refused = Err(Code::InvalidAuthorizationDetails);
        assert_eq!(of(&["order"], two), refused);
        assert_eq!(of(&["Order", "orders", ""], one), refused);
        assert_eq!(of(&[], one), refused);
    }

    #[test]
    fn details_fit_the_schema_of_their_type() {
        let settings = with_schema();
        let good = r#"{"type":"order","dose":{"value":5,"unit":"mg"}}"#;
        let read = of(&settings, &format!(r#"[{good},{{"type":"report","x":[]}}]"#)).unwrap();
        assert_eq!(read.schemas, settings.authorization_details_schemas, "a schema allows its type");
        assert!(
            of(&settings, r#"[{"type":"report"}]"#).unwrap().schemas.is_empty(),
            "only those that are used"
        );
        for (details, wanted) in [
            (r#"[{"type":"order"}]"#, "member dose is missing"),
            (
                r#"[{"type":"order","dose":{"value":5,"unit":"mg"},"hidden":1}]"#,
                "a member that this type does not",
            ),
            (r#"[{"type":"order","dose":"5 mg"}]"#, "member dose is not a quantity"),
            (r#"[{"type":"order","dose":{"value":1e1,"unit":"mg"}}]"#, "member dose is not a quantity"),
            (r#"[{"type":"order","dose":{"value":5,"unit":"mg"},"note":""}]"#, "member note is not a text"),
            // The second of two, and what another reader would not see.
            (&format!(r#"[{good},{{"type":"order"}}]"#), "member dose is missing"),
            (
                r#"[{"type":"order","dose":{"value":5,"value":50,"unit":"mg"}}]"#,
                "two members of the same name",
            ),
            (
                r#"[{"type":"report","type":"order","dose":{"value":5,"unit":"mg"}}]"#,
                "two members of the same name",
            ),
        ] {
            let error = of(&settings, details).unwrap_err();
            assert_eq!(error.code, Code::InvalidAuthorizationDetails, "{details}");
            assert!(error.description().contains(wanted), "{}: {details}", error.description());
            // RFC 6749 section 5.2.
            let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
            assert!(error.description().chars().all(allowed), "{}", error.description());
        }
        // Where every type is accepted, one with a schema still has to fit it.
        let any = ClientSettings { authorization_details_types: DetailsTypes::Any, ..settings };
        assert!(of(&any, r#"[{"type":"else"}]"#).is_ok());
        assert!(of(&any, r#"[{"type":"order"}]"#).is_err());
    }
}
