//! Bounds what a check has seen: a device chooses its facts, and an answer repeats those that led to a result.

use serde_json::{Map, Value};

/// Maximum number of members of a list.
const MAX_ITEMS: usize = 16;
/// Maximum number of characters of a text.
const MAX_CHARS: usize = 256;
/// Maximum length in bytes of all that one check has seen, as JSON.
const MAX_BYTES: usize = 4096;
/// Member that says how many items of lists were left out.
const LEFT_OUT: &str = "left_out";

/// Shortens lists and texts. Adds `left_out`, the number of list members that are missing, if there are any; what is
/// still too long is left out as a whole.
pub(super) fn bounded(seen: Map<String, Value>) -> Map<String, Value> {
    let mut left_out = 0;
    let mut seen: Map<_, _> =
        seen.into_iter().map(|(name, value)| (name, shortened(value, &mut left_out))).collect();
    let length =
        |seen: &Map<String, Value>| serde_json::to_string(seen).map_or(usize::MAX, |text| text.len());
    if length(&seen) > MAX_BYTES {
        left_out += seen.len();
        seen.clear();
    }
    if left_out > 0 {
        seen.insert(LEFT_OUT.into(), left_out.into());
    }
    seen
}

fn shortened(value: Value, left_out: &mut usize) -> Value {
    match value {
        Value::String(text) => match text.char_indices().nth(MAX_CHARS) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
            None => text.into(),
        },
        Value::Array(items) => {
            *left_out += items.len().saturating_sub(MAX_ITEMS);
            items.into_iter().take(MAX_ITEMS).map(|item| shortened(item, left_out)).collect()
        }
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, shortened(value, left_out))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(value: Value) -> Value {
        let Value::Object(seen) = value else { panic!("an object") };
        bounded(seen).into()
    }

    #[test]
    fn ordinary_facts_stay_as_they_are() {
        let seen = json!({ "open": [22, 80], "product": { "name": "x", "running": true }, "days": 14 });
        assert_eq!(of(seen.clone()), seen);
    }

    #[test]
    fn long_lists_and_texts_are_shortened() {
        let seen = of(json!({ "open": (0..100).collect::<Vec<_>>(), "name": "ä".repeat(1000) }));
        assert_eq!(seen["open"].as_array().unwrap().len(), MAX_ITEMS);
        assert_eq!(seen["left_out"], 84);
        assert_eq!(seen["name"].as_str().unwrap().chars().count(), MAX_CHARS + 1);
    }

    #[test]
    fn wide_and_deep_facts_keep_to_the_bound() {
        let wide: Map<_, _> = (0..500).map(|n| (format!("name-{n}"), json!("x".repeat(200)))).collect();
        let deep = (0..3).fold(json!("xxx"), |value, _| json!(vec![value; 40]));
        for seen in [Value::Object(wide), json!({ "deep": deep })] {
            let text = of(seen).to_string();
            assert!(text.len() <= MAX_BYTES + 64, "{} bytes", text.len());
            assert!(text.contains("left_out"));
        }
    }
}
