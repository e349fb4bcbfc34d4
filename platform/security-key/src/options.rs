//! Checks the options of a ceremony against the pinned relying party, before any key is contacted.

use crate::ceremony::{Ceremony, Failure, Operation};
use serde_json::Value;
use std::time::Duration;
use vitalsign_protocol::origin::Origin;

/// The most bytes of options: a registration that excludes a hundred keys is not half of it.
const MAX_BYTES: usize = 64 * 1024;
/// Timeout of a ceremony whose options specify none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);
/// And where they do, at the least and at the most.
const MIN_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_TIMEOUT: Duration = Duration::from_secs(600);

#[derive(Debug)]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "there is no client of security keys to give them to yet")
)]
pub(crate) struct CheckedOptions {
    pub(crate) json: String,
    /// Timeout of the ceremony.
    pub(crate) timeout: Duration,
}

/// Rejects options that name another relying party, are too large, or let the key choose a credential.
pub(crate) fn check(ceremony: &Ceremony) -> Result<CheckedOptions, Failure> {
    let refused = |why: &str| Failure::Refused(why.to_owned());
    let (options, named) = match &ceremony.operation {
        Operation::Create(options) => (options, options.pointer("/rp/id")),
        Operation::Get(options) => (options, options.get("rpId")),
    };
    let json = options.to_string();
    if json.len() > MAX_BYTES {
        return Err(refused("its options are too large"));
    }
    let origin = Origin::parse(&ceremony.origin).ok().filter(Origin::is_https);
    if origin.as_ref().and_then(Origin::domain) != Some(ceremony.rp_id.as_str()) {
        return Err(refused("the origin is not the relying party's"));
    }
    if named.and_then(Value::as_str) != Some(ceremony.rp_id.as_str()) {
        return Err(refused("its options name another relying party"));
    }
    if let Operation::Get(options) = &ceremony.operation {
        let named = options.get("allowCredentials").and_then(Value::as_array);
        if named.is_none_or(Vec::is_empty) {
            return Err(refused("its options name no credential"));
        }
    }
    let asked = options.get("timeout").and_then(Value::as_u64).map(Duration::from_millis);
    Ok(CheckedOptions {
        json,
        timeout: asked.map_or(DEFAULT_TIMEOUT, |asked| asked.clamp(MIN_TIMEOUT, MAX_TIMEOUT)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn get(origin: &str, options: Value) -> Result<CheckedOptions, Failure> {
        let (origin, rp_id) = (origin.to_owned(), "verifier.example".to_owned());
        check(&Ceremony { origin, rp_id, operation: Operation::Get(options) })
    }

    fn create(options: Value) -> Result<CheckedOptions, Failure> {
        let (origin, rp_id) = ("https://verifier.example".to_owned(), "verifier.example".to_owned());
        check(&Ceremony { origin, rp_id, operation: Operation::Create(options) })
    }

    #[test]
    fn only_the_pinned_relying_party_is_asked_for() {
        let credentials = json!([{"type": "public-key", "id": "AA"}]);
        let good = json!({"rpId": "verifier.example", "allowCredentials": credentials, "challenge": "AA"});
        assert!(get("https://verifier.example", good.clone()).is_ok());
        assert!(get("https://verifier.example:8443", good.clone()).is_ok());
        for origin in [
            "https://other.example",
            "https://sub.verifier.example",
            "https://verifier.example.evil.example",
            "https://verifier.example@evil.example",
            "https://verifier.example/",
            "https://verifier.example:",
            "https://verifier.example:070",
            "https://verifier.example:443",
            "https://verifier.example.",
            "https://verifier.example:99999",
            "https://VERIFIER.example",
            "http://verifier.example",
            "http://localhost",
            "verifier.example",
            "",
        ] {
            assert!(matches!(get(origin, good.clone()), Err(Failure::Refused(_))), "{origin}");
        }
        for options in [
            json!({"rpId": "other.example", "allowCredentials": credentials}),
            json!({"rpId": "example", "allowCredentials": credentials}),
            json!({"rpId": 7, "allowCredentials": credentials}),
            json!({"allowCredentials": credentials}),
            json!({"rpId": "verifier.example", "allowCredentials": []}),
            json!({"rpId": "verifier.example"}),
            json!([]),
        ] {
            let end = get("https://verifier.example", options.clone());
            assert!(matches!(end, Err(Failure::Refused(_))), "{options}");
        }
        assert!(create(json!({"rp": {"id": "verifier.example"}})).is_ok());
        for options in
            [json!({"rp": {"id": "other.example"}}), json!({"rp": {}}), json!({"rp": "x"}), json!(null)]
        {
            assert!(matches!(create(options.clone()), Err(Failure::Refused(_))), "{options}");
        }
    }

    #[test]
    fn options_are_capped_in_size_and_in_time() {
        let large = json!({"rp": {"id": "verifier.example"}, "challenge": "A".repeat(MAX_BYTES)});
        assert!(matches!(create(large), Err(Failure::Refused(_))));
        for (asked, given) in
            [(json!(30_000), 30), (json!(0), 1), (json!(86_400_000), 600), (json!("soon"), 120)]
        {
            let checked = create(json!({"rp": {"id": "verifier.example"}, "timeout": asked})).unwrap();
            assert_eq!(checked.timeout, Duration::from_secs(given));
        }
    }
}
