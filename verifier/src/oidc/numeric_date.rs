//! Times in JWTs: NumericDate (RFC 7519 section 2), seconds since 1970, which may have a fraction.

use serde::{Deserialize, Deserializer, de::Error};

/// Reads a time and drops its fraction.
pub(super) fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    whole(&serde_json::Number::deserialize(deserializer)?)
        .ok_or_else(|| D::Error::custom("a time is not a number of seconds since 1970"))
}

/// Reads a time that may be missing.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    required(deserializer).map(Some)
}

/// Returns the whole seconds of a time.
pub(crate) fn whole(number: &serde_json::Number) -> Option<u64> {
    if let Some(whole) = number.as_u64() {
        return Some(whole);
    }
    // In decimal, because a cast of a float can wrap. A float of this size is printed without an exponent.
    let float = number.as_f64().filter(|float| (0.0..1e15).contains(float))?;
    format!("{:.0}", float.trunc()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<u64> {
        required(&mut serde_json::Deserializer::from_str(json)).ok()
    }

    #[test]
    fn fractions_are_dropped() {
        for (json, time) in [
            ("1800000000", Some(1_800_000_000)),
            ("1800000000.999", Some(1_800_000_000)),
            ("1.8e9", Some(1_800_000_000)),
            ("0.5", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("-1", None),
            ("-0.5", None),
            ("1e300", None),
            ("\"1800000000\"", None),
            ("null", None),
        ] {
            assert_eq!(read(json), time, "{json}");
        }
    }
}
