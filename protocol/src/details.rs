//! Schemas of `authorization_details` (RFC 9396): which members a type has, in which order people read them, and the label of
//! each in the languages of the app. An administrator of the verifier registers them; an application cannot send one.
//!
//! The schema travels within the transaction, so the tap covers the labels in every language as it covers the values. A label
//! names a value and never replaces it: each value is displayed as it is signed.

mod rows;
mod value;

pub use rows::{DetailsRow, rows};

use crate::text::is_plain;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Maximum size of a schema as JSON, so that the largest request with one still fits a transaction.
pub const MAX_SCHEMA_BYTES: usize = 3 * 1024;
/// Language that every label has, for languages in which the administrator wrote none.
pub const FALLBACK_LANGUAGE: &str = "en";
/// Maximum numbers of fields of a type or a list, of languages of a label, and of codes of a field.
const MAX_FIELDS: usize = 32;
const MAX_LANGUAGES: usize = 8;
const MAX_CODES: usize = 64;
/// Maximum lengths: of a label in characters, of a member's name and a code in bytes.
const MAX_LABEL: usize = 40;
const MAX_NAME_BYTES: usize = 64;

/// Schema of one type of `authorization_details`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailsSchema {
    /// Name of the type, for people.
    pub labels: Labels,
    /// Members besides `type`, in the order in which people read them.
    pub fields: Vec<DetailsField>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailsField {
    /// Name of the member: ASCII letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// Kind of its value.
    pub kind: FieldKind,
    /// Name for people.
    pub labels: Labels,
    /// The member may be missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Accepted codes, for [`FieldKind::Code`]; every code if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// Members of each item, for [`FieldKind::List`]; the items are texts if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<DetailsField>,
}

/// Kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// A text that is not blank, or an integer.
    Text,
    /// An object with exactly `value`, a decimal number, and `unit`, a text; displayed in one row. The number has neither
    /// an exponent nor a trailing zero nor a bare decimal point, which are misread by a factor of ten.
    Quantity,
    /// A date like `2026-11-30`, or a date and time of RFC 3339; displayed as it is, so that day and month cannot be
    /// confused.
    Date,
    /// One of some words.
    Code,
    /// One or more texts, or objects that all have the same members.
    List,
}

/// A name for people, by language (`en`, `de`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(pub BTreeMap<String, String>);

/// Schema that cannot be used. Messages quote only names that are displayable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The schema is too large.
    #[error("the schema has {0} bytes as JSON; at most {MAX_SCHEMA_BYTES} are accepted")]
    TooLarge(usize),
    /// A field or the schema has unusable labels.
    #[error(
        "{0}: labels must have a text for {FALLBACK_LANGUAGE}, at most {MAX_LANGUAGES} languages such as de, and plain text of \
         1 to {MAX_LABEL} characters"
    )]
    Labels(String),
    /// Two fields have the same label in a language.
    #[error("{0}: another field has this label in language {1}, so that people cannot tell them apart")]
    SameLabel(String, String),
    /// A field's name is not usable, is `type`, or occurs twice.
    #[error(
        "field {0}: a name has 1 to {MAX_NAME_BYTES} ASCII letters, digits, _, - and ., is not type, and occurs once"
    )]
    Name(usize),
    /// A field has parts that its kind does not have, or too many, or is a list in a list.
    #[error("{0}: {1}")]
    Field(String, &'static str),
    /// There are no fields, or too many.
    #[error("there must be 1 to {MAX_FIELDS} fields")]
    Fields,
}

/// Details that do not fit their schema. The name is that of a field, and never of a member that the application made up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DetailsError {
    /// A required member is not there.
    #[error("member {0} is missing")]
    Missing(String),
    /// There is a member that the schema does not have.
    #[error("there is a member that this type does not have")]
    Unknown,
    /// A value is not of its kind.
    #[error("member {0} is not {1}")]
    Kind(String, &'static str),
}

impl Labels {
    /// Returns the label in a language (`de`), or in English.
    #[must_use]
    pub fn in_language(&self, language: &str) -> &str {
        let label = self.0.get(language).or_else(|| self.0.get(FALLBACK_LANGUAGE));
        label.map(String::as_str).unwrap_or_default()
    }

    fn are_usable(&self) -> bool {
        let is_language =
            |it: &str| (2..=3).contains(&it.len()) && it.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_label =
            |it: &str| (1..=MAX_LABEL).contains(&it.chars().count()) && it.trim() == it && is_plain(it);
        self.0.contains_key(FALLBACK_LANGUAGE)
            && self.0.len() <= MAX_LANGUAGES
            && self.0.iter().all(|(language, label)| is_language(language) && is_label(label))
    }
}

impl DetailsSchema {
    /// Checks sizes, names, labels and that each field has the parts of its kind.
    ///
    /// # Errors
    /// The first part that cannot be used.
    pub fn check(&self) -> Result<(), SchemaError> {
        let size = serde_json::to_vec(self).map_or(usize::MAX, |json| json.len());
        if size > MAX_SCHEMA_BYTES {
            return Err(SchemaError::TooLarge(size));
        }
        if !self.labels.are_usable() {
            return Err(SchemaError::Labels("the type".to_owned()));
        }
        check_fields(&self.fields, false)
    }

    /// Checks that a detail of this type has the members of the schema, each of its kind, and no others.
    ///
    /// # Errors
    /// The first member that does not fit.
    pub fn check_detail(&self, detail: &Value) -> Result<(), DetailsError> {
        value::check_members(&self.fields, detail, Some("type"), "")
    }

    /// Returns every label of a language, by the list that it belongs to: labels of one list stand together.
    #[must_use]
    pub fn labels_together(&self, language: &str) -> Vec<Vec<&str>> {
        let nested = self.fields.iter().map(|field| &field.fields);
        let lists = std::iter::once(&self.fields).chain(nested);
        lists.map(|fields| fields.iter().map(|it| it.labels.in_language(language)).collect()).collect()
    }

    /// Returns the languages of all labels.
    #[must_use]
    pub fn languages(&self) -> BTreeSet<&str> {
        languages(&self.fields)
    }
}

fn languages(fields: &[DetailsField]) -> BTreeSet<&str> {
    fields.iter().flat_map(|it| it.labels.0.keys().map(String::as_str).chain(languages(&it.fields))).collect()
}

fn check_fields(fields: &[DetailsField], in_list: bool) -> Result<(), SchemaError> {
    if !(1..=MAX_FIELDS).contains(&fields.len()) {
        return Err(SchemaError::Fields);
    }
    let mut names = BTreeSet::new();
    for (number, field) in fields.iter().enumerate() {
        let is_type = field.name == "type" && !in_list;
        if !is_name(&field.name) || is_type || !names.insert(&field.name) {
            return Err(SchemaError::Name(number.saturating_add(1)));
        }
        if !field.labels.are_usable() {
            return Err(SchemaError::Labels(field.name.clone()));
        }
        let refused = |why| Err(SchemaError::Field(field.name.clone(), why));
        match field.kind {
            FieldKind::Code if field.codes.len() > MAX_CODES => {
                return refused("there are more than 64 codes");
            }
            FieldKind::Code if !field.codes.iter().all(|code| value::is_code(code)) => {
                return refused("a code is one word of 1 to 64 bytes, without spaces and control characters");
            }
            FieldKind::Code => {}
            _ if !field.codes.is_empty() => return refused("only the kind code has codes"),
            _ => {}
        }
        match field.kind {
            FieldKind::List if in_list => return refused("a list within a list is not supported"),
            FieldKind::List if !field.fields.is_empty() => check_fields(&field.fields, true)?,
            FieldKind::List => {}
            _ if !field.fields.is_empty() => return refused("only the kind list has fields"),
            _ => {}
        }
    }
    for language in languages(fields) {
        let mut labels = BTreeSet::new();
        for field in fields {
            if !labels.insert(field.labels.in_language(language).to_lowercase()) {
                return Err(SchemaError::SameLabel(field.name.clone(), language.to_owned()));
            }
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// Checks that each schema is usable and belongs to a detail, and that all details of its type fit it.
///
/// # Errors
/// A sentence that quotes nothing of the details.
pub(crate) fn check_details(
    details: Option<&Value>,
    schemas: &BTreeMap<String, DetailsSchema>,
) -> Result<(), &'static str> {
    let details = details.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (name, schema) in schemas {
        schema.check().map_err(|_| "a schema cannot be used")?;
        let mut of_type = details.iter().filter(|it| type_of(it) == Some(name.as_str())).peekable();
        of_type.peek().ok_or("a schema has no details")?;
        of_type.try_for_each(|it| schema.check_detail(it)).map_err(|_| "details do not fit their schema")?;
    }
    Ok(())
}

/// Returns the type of a detail.
fn type_of(detail: &Value) -> Option<&str> {
    detail.get("type").and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
