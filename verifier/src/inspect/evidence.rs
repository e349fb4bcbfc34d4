//! Inspects evidence: claims, facts and signature.

use super::{Holds, Inspection, Unreadable};
use serde_json::{Map, Value, json};
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::evidence::{self, MAX_BYTES_WITH_LOG};
use vitalsign_protocol::id::{Nonce, hex};
use vitalsign_protocol::posture::Posture;

pub(super) fn inspect(
    bytes: &[u8],
    key: Option<&PublicKey>,
    nonce: Option<&Nonce>,
) -> Result<Inspection, Unreadable> {
    let malformed = |error: &dyn std::fmt::Display| Unreadable::Malformed("evidence", error.to_string());
    let evidence = evidence::parse(bytes, MAX_BYTES_WITH_LOG).map_err(|error| malformed(&error))?;
    let (claims, unknown) = evidence.claims_unverified();
    let boot = claims.boot.as_ref().map(|boot| {
        json!({
            "quote_bytes": boot.quote.len(),
            "signature_bytes": boot.signature.len(),
            "pcrs": boot.pcrs.iter().map(|(pcr, _)| pcr).collect::<Vec<_>>(),
            "log_bytes": boot.log.as_ref().map(Vec::len),
        })
    });
    let says = vec![
        ("bytes", bytes.len().into()),
        ("key", evidence.kid().to_string().into()),
        ("intended_use", json!(claims.intended_use)),
        ("issued_at", claims.issued_at.into()),
        ("token_id", hex(&claims.token_id).into()),
        ("nonces", claims.nonces.iter().map(Nonce::to_string).collect()),
        ("enrolment", claims.enrolment.map(|id| id.to_string()).into()),
        ("uptime", claims.uptime.into()),
        ("boot_count", claims.boot_count.into()),
        ("pin_period", claims.pin_period.map(|period| period.to_string()).into()),
        ("names", json!(claims.names)),
        ("unknown_claims", unknown.to_vec().into()),
        ("boot_evidence", boot.unwrap_or_default()),
        ("facts", facts(&claims.posture).map_err(|error| malformed(&error))?),
    ];
    let other_nonce = nonce.is_some_and(|nonce| !claims.nonces.contains(nonce));
    let holds = match key.map(|key| evidence.verify(key)) {
        Some(Err(error)) => Holds::No(error.to_string()),
        _ if other_nonce => Holds::No("it was made for another nonce".into()),
        Some(Ok(_)) => Holds::Yes,
        None => Holds::NotChecked("no key was given, so the signer is unknown"),
    };
    Ok(Inspection { holds, says })
}

/// Facts by name: `os.security_updates`, `disk.volumes.0.encrypted`.
fn facts(posture: &Posture) -> serde_json::Result<Value> {
    let mut out = Map::new();
    flatten(String::new(), serde_json::to_value(posture)?, &mut out);
    Ok(Value::Object(out))
}

fn flatten(name: String, value: Value, out: &mut Map<String, Value>) {
    let below = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
    match value {
        Value::Object(mut fields) if fields.len() == 1 && fields.contains_key("known") => {
            flatten(name, fields.remove("known").unwrap_or_default(), out);
        }
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("unreadable") => {
            out.insert(name, Value::Object(fields));
        }
        Value::Object(fields) => {
            fields.into_iter().for_each(|(key, value)| flatten(below(&key), value, out));
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let items = items.into_iter().enumerate();
            items.for_each(|(index, value)| flatten(below(&index.to_string()), value, out));
        }
        other => {
            out.insert(name, other);
        }
    }
}
