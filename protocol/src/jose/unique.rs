//! JSON in which no object has a member twice.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// JSON value in which no object has a member twice, at any depth (RFC 7515 section 4, RFC 7517 section 4). A plain
/// [`Value`] silently keeps the last of two.
///
/// ```
/// use vitalsign_protocol::jose::Unique;
///
/// assert!(serde_json::from_str::<Unique>(r#"{"kty":"EC","crv":"P-256"}"#).is_ok());
/// assert!(serde_json::from_str::<Unique>(r#"{"kty":"EC","kty":"oct"}"#).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique(pub Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Unique(value))) = members.next_entry::<String, Unique>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_same_as_a_plain_value() {
        for json in [
            "null",
            "true",
            "-1",
            "18446744073709551615",
            "1.5",
            r#""\u00e9\n""#,
            r#"[1,["a"],{"b":{}}]"#,
            "{}",
        ] {
            let plain: Value = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::from_str::<Unique>(json).unwrap(), Unique(plain), "{json}");
        }
        for json in ["", "{", "1 1", "[1,]", r#"{"a":1,}"#, r#"{"a":NaN}"#] {
            assert!(serde_json::from_str::<Unique>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn refuses_repeated_members_at_any_depth() {
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":3}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"[[{"x":[{"a":null,"a":null}]}]]"#,
        ] {
            assert!(serde_json::from_str::<Value>(json).is_ok(), "{json}");
            assert!(serde_json::from_str::<Unique>(json).is_err(), "{json}");
        }
        // The same name in two objects is not a repetition.
        assert!(serde_json::from_str::<Unique>(r#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#).is_ok());
    }
}
