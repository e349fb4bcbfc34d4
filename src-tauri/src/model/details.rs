//! Rows for the details of a transaction (`authorization_details`, RFC 9396): names and values instead of JSON.

use super::words::plain;
use crate::view::Detail;
use serde_json::Value;

/// Shown for a value that the application left empty, or made of blanks.
const NOTHING: &str = "–";

/// Returns every value with its name; nothing is left out.
pub(super) fn rows(details: &Value) -> Vec<Detail> {
    let mut rows = Vec::new();
    match details {
        // One object needs no number.
        Value::Array(items) if items.len() == 1 => items.iter().for_each(|item| add("", item, 0, &mut rows)),
        details => add("", details, 0, &mut rows),
    }
    rows
}

fn add(name: &str, value: &Value, depth: u32, rows: &mut Vec<Detail>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let below = heading(name, depth, rows);
            fields.iter().for_each(|(name, value)| add(name, value, below, rows));
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (place, item) in items.iter().enumerate() {
                let number = format!("{name} {}", place.saturating_add(1));
                add(number.trim_start(), item, depth, rows);
            }
        }
        value => rows.push(Detail { name: label(name), value: Some(text(value)), depth }),
    }
}

/// Adds a heading, if there is a name for it, and returns the depth below it.
fn heading(name: &str, depth: u32, rows: &mut Vec<Detail>) -> u32 {
    if name.is_empty() {
        return depth;
    }
    rows.push(Detail { name: label(name), value: None, depth });
    depth.saturating_add(1)
}

fn label(name: &str) -> String {
    plain(&name.replace(['_', '-'], " "))
}

fn text(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => plain(text),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(_) => String::new(),
        value => value.to_string(),
    };
    if text.chars().all(is_blank) { NOTHING.to_owned() } else { text }
}

/// Returns whether a character draws nothing: white space, or the Braille pattern without dots.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{2800}'
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(details: &Value) -> Vec<String> {
        let line = |row: Detail| {
            let indent = "  ".repeat(usize::try_from(row.depth).unwrap());
            format!("{indent}{}{}", row.name, row.value.map(|it| format!(": {it}")).unwrap_or_default())
        };
        rows(details).into_iter().map(line).collect()
    }

    #[test]
    fn every_value_has_a_row() {
        let order = json!([{
            "type": "medication_order",
            "order": 4711,
            "items": [
                {"name": "heparin", "dose": "5000 IU", "times": ["08:00", "20:00"]},
                {"name": "paracetamol", "dose": "1 g"},
            ],
            "patient": {"record_number": "20417", "consent": true},
            "replaces": null,
        }]);
        let lines = lines(&order);
        for line in [
            "type: medication_order",
            "order: 4711",
            "items 1",
            "  name: heparin",
            "  times: 08:00, 20:00",
            "items 2",
            "  dose: 1 g",
            "patient",
            "  record number: 20417",
            "  consent: true",
            "replaces: –",
        ] {
            assert!(lines.iter().any(|it| it == line), "{line} is not in {lines:#?}");
        }
        assert_eq!(lines.len(), 13);
    }

    #[test]
    fn odd_details_are_shown_whole() {
        assert_eq!(lines(&json!([{"a": 1}, {"a": 2}])), ["1", "  a: 1", "2", "  a: 2"]);
        assert_eq!(lines(&json!([["x"], ["y", "z"]])), ["1: x", "2: y, z"]);
        assert_eq!(lines(&json!({"empty": {}, "none": []})), ["empty: –", "none: –"]);
        assert_eq!(lines(&json!({"blank": "  ", "dots": "\u{2800}\u{2800}"})), ["blank: –", "dots: –"]);
        assert_eq!(lines(&json!("text")), [": text"]);
        let steering = lines(&json!([{"no\u{202e}te": "a\nb\u{1b}"}]));
        assert!(!steering.join("").contains(['\u{202e}', '\u{1b}', '\n']), "{steering:?}");
    }
}
