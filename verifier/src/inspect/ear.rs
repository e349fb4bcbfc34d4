//! Inspects a verdict (EAR) and its signature.

use super::{Holds, Inspection, Unreadable};
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
    let claims = decode("claims", claims)?;
    let ear: Ear = serde_json::from_value(claims).map_err(|error| malformed(format!("claims: {error}")))?;
    let holds = match (keys.map(|keys| jwt::verify::<Ear>(token, TYP, keys)), ear.validate(), nonce) {
        (Some(Err(error)), ..) => Holds::No(error.to_string()),
        (_, Err(why), _) => Holds::No(why.to_owned()),
        (_, _, Some(nonce)) if ear.eat_nonce != Some(*nonce) => Holds::No("it is about another nonce".into()),
        (Some(Ok(_)), ..) => Holds::Yes,
        (None, ..) => Holds::NotChecked("no keys were given, so the signer is unknown"),
    };
    Ok(Inspection { holds, says: says(&header, &ear, token.len()) })
}

fn says(header: &Value, ear: &Ear, bytes: usize) -> Vec<(&'static str, Value)> {
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
        ("nonce", json!(ear.eat_nonce)),
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
