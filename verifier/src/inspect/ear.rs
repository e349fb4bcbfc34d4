//! Inspects a verdict (EAR) and its signature.

use super::{Holds, Inspection, Unreadable};
use crate::oidc::numeric_date;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::{Map, Value, json};
use vitalsign_protocol::check;
use vitalsign_protocol::ear::{Ear, TYP};
use vitalsign_protocol::id::Nonce;
use vitalsign_protocol::jwt::{self, JwkSet};

pub(super) fn inspect(
    bytes: &[u8],
    keys: Option<&JwkSet>,
    nonce: Option<&Nonce>,
    at: u64,
) -> Result<Inspection, Unreadable> {
    let malformed = |what: String| Unreadable::Malformed("a verdict", what);
    let token = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?.trim();
    if token.len() > jwt::MAX_BYTES {
        return Err(malformed(format!(
            "{} bytes are more than the {} that are read",
            token.len(),
            jwt::MAX_BYTES
        )));
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, _] = *parts else { return Err(malformed("it has not three parts".into())) };
    let decode = |name: &str, part: &str| -> Result<Value, Unreadable> {
        let json = B64.decode(part).map_err(|error| malformed(format!("{name}: {error}")))?;
        serde_json::from_slice(&json).map_err(|error| malformed(format!("{name}: {error}")))
    };
    let header = decode("header", header)?;
    if header.get("alg").and_then(Value::as_str).is_some_and(|alg| alg.eq_ignore_ascii_case("none")) {
        return Err(malformed("it is not signed: its header has alg \"none\"".into()));
    }
    let mut claims = decode("claims", claims)?;
    let foreign_nonce = normalise(&mut claims).map_err(|what| malformed(what.into()))?;
    let ear: Ear = serde_json::from_value(claims).map_err(|error| malformed(format!("claims: {error}")))?;
    let holds = match (keys.map(|keys| jwt::verify::<Value>(token, TYP, keys)), ear.validate(), nonce) {
        (Some(Err(error)), ..) => Holds::No(error.to_string()),
        (_, Err(why), _) => Holds::No(why.to_owned()),
        (_, _, Some(nonce)) if ear.eat_nonce != Some(*nonce) => Holds::No("it is about another nonce".into()),
        _ if ear.exp.is_some_and(|end| end <= at) => Holds::No("it has expired".into()),
        (Some(Ok(_)), ..) => Holds::Yes,
        (None, ..) => Holds::NotChecked("no keys were given, so the signer is unknown"),
    };
    Ok(Inspection { holds, says: says(&header, &ear, foreign_nonce, token.len()) })
}

/// Brings what draft-ietf-rats-ear-03 permits to the form in which this verifier writes it: times lose their fraction
/// (RFC 7519 section 2), and a nonce of another length (RFC 9711 section 4.1) is taken out and returned.
fn normalise(claims: &mut Value) -> Result<Option<Value>, &'static str> {
    let Some(claims) = claims.as_object_mut() else { return Ok(None) };
    for name in ["iat", "exp"] {
        if let Some(Value::Number(number)) = claims.get(name) {
            let whole = numeric_date::whole(number).ok_or("a time is not a number of seconds since 1970")?;
            claims.insert(name.to_owned(), whole.into());
        }
    }
    let Some(nonce) = claims.get("eat_nonce") else { return Ok(None) };
    if serde_json::from_value::<Nonce>(nonce.clone()).is_ok() {
        return Ok(None);
    }
    let fits = |nonce: &Value| nonce.as_str().is_some_and(|text| (8..=88).contains(&text.len()));
    let valid = match nonce {
        Value::Array(nonces) => nonces.len() >= 2 && nonces.iter().all(fits),
        nonce => fits(nonce),
    };
    if valid {
        Ok(claims.remove("eat_nonce"))
    } else {
        Err("eat_nonce is not a text of 8 to 88 bytes, or a list of such")
    }
}

fn says(header: &Value, ear: &Ear, foreign_nonce: Option<Value>, bytes: usize) -> Vec<(&'static str, Value)> {
    let (mut claims, mut checks) = (Map::new(), Map::new());
    for (submodule, appraisal) in &ear.submods {
        for (claim, trust) in appraisal.ear_trustworthiness_vector.iter().flat_map(|vector| vector.claims()) {
            claims.insert(format!("{submodule}.{claim}"), format!("{} ({})", trust.0, trust.tier()).into());
        }
    }
    for (_, found) in ear.checks() {
        checks.insert(
            found.check.clone(),
            json!({
                "status": found.status,
                "reason": check::reason(&found.reason),
                "seen": found.seen,
                "since": found.since,
                "deadline": found.deadline,
            }),
        );
    }
    vec![
        ("bytes", bytes.into()),
        ("algorithm", header.get("alg").cloned().unwrap_or_default()),
        ("key", header.get("kid").cloned().unwrap_or_default()),
        ("status", json!(ear.ear_status)),
        ("issued_at", ear.iat.into()),
        ("expires_at", json!(ear.exp)),
        ("verifier", json!(format!("{} {}", ear.ear_verifier_id.developer, ear.ear_verifier_id.build))),
        ("device", json!(ear.vitalsign_device)),
        ("nonce", foreign_nonce.unwrap_or_else(|| json!(ear.eat_nonce))),
        ("evidence", json!(ear.vitalsign_evidence.map(|digest| digest.hex()))),
        ("policies", policies(ear)),
        ("unknown_claims", ear.other.keys().cloned().collect()),
        ("trust", Value::Object(claims)),
        ("checks", Value::Object(checks)),
    ]
}

fn policies(ear: &Ear) -> Value {
    let mut all: Vec<&str> = (ear.submods.values())
        .flat_map(|appraisal| appraisal.ear_appraisal_policy_ids.iter().map(String::as_str))
        .collect();
    all.sort_unstable();
    all.dedup();
    json!(all)
}
