//! Rows for the details of a transaction: names and values instead of JSON.

use super::value::quantity;
use super::{DetailsField, DetailsSchema, FieldKind, type_of};
use crate::text::escape;
use serde_json::Value;
use std::collections::BTreeMap;

/// Shown for a value that the application left empty, or made of blanks.
const NOTHING: &str = "–";

/// Name and value, or a heading of the rows below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailsRow {
    /// The label, or the member's name with spaces for `_` and `-` where that is missing.
    pub name: String,
    /// The value as it is signed; none for a heading.
    pub value: Option<String>,
    /// Number of headings that the row is below.
    pub depth: u32,
}

/// Returns every value with its name in a language (`de`), displayable. Nothing that is signed is left out: a member without
/// a label has a row with its own name.
#[must_use]
pub fn rows(details: &Value, schemas: &BTreeMap<String, DetailsSchema>, language: &str) -> Vec<DetailsRow> {
    let mut rows = Rows { language, rows: Vec::new() };
    match details {
        // One object needs no number.
        Value::Array(items) if items.len() == 1 => items.iter().for_each(|it| rows.detail("", it, schemas)),
        Value::Array(items) if items.iter().all(Value::is_object) => {
            for (place, item) in items.iter().enumerate() {
                rows.detail(&place.saturating_add(1).to_string(), item, schemas);
            }
        }
        details => rows.add("", details, 0),
    }
    rows.rows
}

struct Rows<'a> {
    language: &'a str,
    rows: Vec<DetailsRow>,
}

impl Rows<'_> {
    /// Adds a detail, by its schema if it has one.
    fn detail(&mut self, number: &str, detail: &Value, schemas: &BTreeMap<String, DetailsSchema>) {
        let found = type_of(detail).and_then(|name| Some((name, schemas.get(name)?)));
        let Some((name, schema)) = found else { return self.add(number, detail, 0) };
        let depth = self.heading(number, 0);
        // The type is signed as well, and tells more than its label.
        self.value(plain(schema.labels.in_language(self.language)), plain(name), depth);
        self.members(&schema.fields, detail, Some("type"), depth);
    }

    fn members(&mut self, fields: &[DetailsField], object: &Value, constant: Option<&str>, depth: u32) {
        let Some(members) = object.as_object() else { return self.add("", object, depth) };
        for field in fields {
            if let Some(value) = members.get(&field.name) {
                self.field(field, value, depth);
            }
        }
        let known = |name: &str| Some(name) == constant || fields.iter().any(|field| field.name == name);
        for (name, value) in members.iter().filter(|(name, _)| !known(name)) {
            self.add(name, value, depth);
        }
    }

    fn field(&mut self, field: &DetailsField, value: &Value, depth: u32) {
        let name = plain(field.labels.in_language(self.language));
        match (field.kind, value, quantity(value)) {
            (FieldKind::Quantity, _, Some((number, unit))) => {
                self.value(name, format!("{} {}", plain(&number), plain(unit)), depth);
            }
            (FieldKind::List, Value::Array(items), _) if !field.fields.is_empty() => {
                for (place, item) in items.iter().enumerate() {
                    let heading = format!("{name} {}", place.saturating_add(1));
                    self.rows.push(DetailsRow { name: heading, value: None, depth });
                    self.members(&field.fields, item, None, depth.saturating_add(1));
                }
            }
            (FieldKind::List, Value::Array(items), _) if items.iter().all(|it| !is_nested(it)) => {
                // A row for each: a comma may be part of an item.
                for (place, item) in items.iter().enumerate() {
                    self.value(format!("{name} {}", place.saturating_add(1)), text(item), depth);
                }
            }
            (_, value, _) if is_nested(value) => self.nested(name, value, depth),
            (_, value, _) => self.value(name, text(value), depth),
        }
    }

    /// Adds a value without a schema.
    fn add(&mut self, name: &str, value: &Value, depth: u32) {
        self.nested(plain(&name.replace(['_', '-'], " ")), value, depth);
    }

    fn nested(&mut self, name: String, value: &Value, depth: u32) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                let below = self.heading(&name, depth);
                fields.iter().for_each(|(name, value)| self.add(name, value, below));
            }
            Value::Array(items) if items.iter().any(is_nested) => {
                for (place, item) in items.iter().enumerate() {
                    let number = format!("{name} {}", place.saturating_add(1));
                    self.nested(number.trim_start().to_owned(), item, depth);
                }
            }
            value => self.value(name, text(value), depth),
        }
    }

    fn value(&mut self, name: String, value: String, depth: u32) {
        self.rows.push(DetailsRow { name, value: Some(value), depth });
    }

    /// Adds a heading, if there is a name for it, and returns the depth below it.
    fn heading(&mut self, name: &str, depth: u32) -> u32 {
        if name.is_empty() {
            return depth;
        }
        self.rows.push(DetailsRow { name: name.to_owned(), value: None, depth });
        depth.saturating_add(1)
    }
}

fn is_nested(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn text(value: &Value) -> String {
    let text = match value {
        Value::Null | Value::Object(_) => String::new(),
        Value::String(text) => plain(text),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    };
    if text.chars().all(is_blank) { NOTHING.to_owned() } else { text }
}

/// Returns whether a character draws nothing: white space, or the Braille pattern without dots.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{2800}'
}

/// Text from elsewhere, in one line.
fn plain(text: &str) -> String {
    escape(text).replace('\n', " ")
}
