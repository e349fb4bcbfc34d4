//! Reads docs/protocol.md on standard input and writes it again, its byte-exact examples made anew:
//!
//! ```text
//! cargo run -p vitalsign-protocol --example golden <docs/protocol.md >new.md
//! ```
//!
//! Signatures are random, so every run changes them. The test `golden` holds what stands in the document.

#[path = "../tests/golden/inputs.rs"]
mod inputs;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::EcdsaKeyPair;
use std::collections::HashMap;
use std::error::Error;
use std::io::{Read, Write};
use vitalsign_protocol::cbor::Value;
use vitalsign_protocol::cose::{self, Sign1};
use vitalsign_protocol::id::hex;
use vitalsign_protocol::jwt::{self, Jwk, JwkSet};
use vitalsign_protocol::{ear, evidence, step_up};

fn main() -> Result<(), Box<dyn Error>> {
    let blocks = blocks()?;
    let mut document = String::new();
    std::io::stdin().read_to_string(&mut document)?;
    let mut out = String::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        out += line;
        out.push('\n');
        // A block within a list is indented as the list is.
        let fence = line.trim_start();
        let indent = line.strip_suffix(fence).unwrap_or_default();
        let name = fence.strip_prefix("```").and_then(|info| info.split_once(' '));
        if let Some(block) = name.and_then(|(_, name)| blocks.get(name)) {
            for line in block.lines().chain(["```"]) {
                out += &format!("{indent}{line}\n");
            }
            lines.by_ref().find(|line| line.trim_start() == "```").ok_or("a block does not end")?;
        }
    }
    Ok(std::io::stdout().write_all(out.as_bytes())?)
}

/// Content of each named block.
fn blocks() -> Result<HashMap<&'static str, String>, Box<dyn Error>> {
    let (pair, public) = inputs::key(&inputs::REPORT_KEY)?;
    let kid = public.thumbprint();
    let claims = inputs::claims();
    let evidence = claims.sign(&kid, |_| Ok::<_, Box<dyn Error>>([0; 64]))?;
    let Sign1 { protected, payload, .. } = Sign1::parse(&evidence)?;
    let signed = cose::to_be_signed(&protected, &[], &payload);
    let evidence = Sign1::encode(&protected, &payload, &sign(&pair, &signed)?);

    let (ear_pair, ear_public) = inputs::key(&inputs::EAR_KEY)?;
    let ear = inputs::ear(&evidence);
    let jwk = Jwk::new(&ear_public);
    let kid_of_ear = jwk.kid.clone();
    let token = jwt::sign(&ear, ear::TYP, &kid_of_ear, |input| {
        sign(&ear_pair, input).map_err(|_| jwt::Error::Signature)
    })?;

    let transaction = step_up::transaction_digest(inputs::TRANSACTION);

    Ok(HashMap::from([
        ("report-key-d", lines(&inputs::REPORT_KEY)),
        ("report-key-point", lines(public.point())),
        ("report-key-thumbprint", lines(kid.as_bytes())),
        ("profile-oid", lines(&evidence::PROFILE_OID)),
        ("evidence-protected", lines(&protected)),
        ("evidence-claims", diagnostic(&Value::decode(&payload)?, "")),
        ("evidence-sig-structure", lines(&signed)),
        ("evidence", lines(&evidence)),
        ("quote-extra-data", lines(evidence::quote_extra_data(&inputs::NONCE, &kid).as_bytes())),
        ("certify-extra-data", lines(evidence::certify_extra_data(&kid).as_bytes())),
        ("transaction", inputs::TRANSACTION.to_owned()),
        ("transaction-digest", lines(transaction.as_bytes())),
        ("step-up-challenge", lines(step_up::challenge(&inputs::RANDOM, &evidence, &transaction).as_bytes())),
        ("ear-claims", serde_json::to_string_pretty(&ear)?),
        ("ear-keys", serde_json::to_string_pretty(&JwkSet { keys: vec![jwk] })?),
        ("ear-jwt", wrapped(&token, 96)),
    ]))
}

fn sign(pair: &EcdsaKeyPair, message: &[u8]) -> Result<[u8; 64], Box<dyn Error>> {
    Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().try_into()?)
}

fn lines(bytes: &[u8]) -> String {
    wrapped(&hex(bytes), 64)
}

/// ASCII text in lines of `width`.
fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    for (at, character) in text.chars().enumerate() {
        if at > 0 && at % width == 0 {
            out.push('\n');
        }
        out.push(character);
    }
    out
}

/// Formats a value in diagnostic notation (RFC 8949 section 8); short items on one line.
fn diagnostic(value: &Value<'_>, indent: &str) -> String {
    let (open, close, parts): (_, _, Vec<_>) = match value {
        Value::Unsigned(n) => return n.to_string(),
        Value::Negative(n) => return format!("-{}", u128::from(*n) + 1),
        Value::Bytes(bytes) => return format!("h'{}'", hex(bytes)),
        Value::Text(text) => return serde_json::Value::from(text.as_ref()).to_string(),
        Value::Bool(truth) => return truth.to_string(),
        Value::Null => return "null".to_owned(),
        Value::Tag(tag, item) => return format!("{tag}({})", diagnostic(item, indent)),
        Value::Array(items) => ("[", "]", items.iter().map(|item| (None, item)).collect()),
        Value::Map(entries) => ("{", "}", entries.iter().map(|(key, item)| (Some(key), item)).collect()),
    };
    let deeper = format!("{indent}  ");
    let parts: Vec<String> = (parts.iter())
        .map(|(key, item)| {
            let key = key.map(|key| format!("{}: ", diagnostic(key, indent))).unwrap_or_default();
            key + &diagnostic(item, &deeper)
        })
        .collect();
    let line = format!("{open}{}{close}", parts.join(", "));
    if line.len() + indent.len() <= 110 && !line.contains('\n') {
        return line;
    }
    format!("{open}\n{deeper}{}\n{indent}{close}", parts.join(&format!(",\n{deeper}")))
}
