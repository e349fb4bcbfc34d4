//! The LUKS2 header ("LUKS2 On-Disk Format Specification" 1.1): what releases the key, and whether the volume is being
//! converted. Reads the primary header only, and nothing secret: the key slots' own area is not touched.

use crate::Root;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use vitalsign_protocol::fact::Reason;
use vitalsign_protocol::posture::Protector;

const MAGIC: &[u8; 6] = b"LUKS\xba\xbe";
const VERSION: u16 = 2;
/// Offset of the JSON area in bytes.
const BINARY_HEADER: u64 = 4096;
/// The largest header that the format allows.
const MAX_HEADER: u64 = 4 * 1024 * 1024;

/// Parsed LUKS2 header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Luks2 {
    /// The weakest thing that releases the key.
    pub(crate) protector: Result<Protector, Reason>,
    /// Conversion has begun and is not finished.
    pub(crate) converting: bool,
    /// A segment is stored as it is: not encrypted at all, or by the null cipher.
    pub(crate) clear: bool,
}

/// Reads the header on a device.
pub(crate) fn read(root: &Root, device: &Path) -> Result<Luks2, Reason> {
    let mut device = root.open(device)?;
    let mut binary = [0; 16];
    device.read_exact(&mut binary)?;
    let size = json_size(&binary).ok_or(Reason::Malformed)?;
    let mut rest = Vec::new();
    device.take(BINARY_HEADER - 16 + size).read_to_end(&mut rest)?;
    let json =
        usize::try_from(BINARY_HEADER - 16).ok().and_then(|at| rest.get(at..)).ok_or(Reason::Malformed)?;
    parse(json).ok_or(Reason::Malformed)
}

fn json_size(binary: &[u8; 16]) -> Option<u64> {
    let version = u16::from_be_bytes(*binary.get(6..)?.first_chunk()?);
    let size = u64::from_be_bytes(*binary.get(8..)?.first_chunk()?);
    let fits = binary.starts_with(MAGIC) && version == VERSION && size <= MAX_HEADER;
    size.checked_sub(BINARY_HEADER).filter(|_| fits)
}

#[derive(Deserialize)]
struct Metadata {
    keyslots: BTreeMap<String, serde::de::IgnoredAny>,
    #[serde(default)]
    tokens: BTreeMap<String, Token>,
    segments: BTreeMap<String, Segment>,
    config: LuksConfig,
}

#[derive(Deserialize)]
struct Token {
    #[serde(rename = "type")]
    kind: String,
    keyslots: Vec<String>,
    #[serde(rename = "tpm2-pin", default)]
    tpm2_pin: bool,
    jwe: Option<Jwe>,
}

#[derive(Deserialize)]
struct Jwe {
    protected: String,
}

#[derive(Deserialize)]
struct Segment {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    encryption: String,
    #[serde(default)]
    flags: Vec<String>,
}

#[derive(Deserialize)]
struct LuksConfig {
    #[serde(default)]
    requirements: Option<Requirements>,
}

#[derive(Deserialize)]
struct Requirements {
    #[serde(default)]
    mandatory: Vec<String>,
}

fn parse(json: &[u8]) -> Option<Luks2> {
    let text = json.split(|byte| *byte == 0).next()?;
    let metadata: Metadata = serde_json::from_slice(text).ok()?;
    let mandatory =
        metadata.config.requirements.map(|requirements| requirements.mandatory).unwrap_or_default();
    // Segments marked for the end or the beginning of a conversion are not in use.
    let in_use = || {
        metadata.segments.values().filter(|segment| !segment.flags.iter().any(|f| f.starts_with("backup-")))
    };
    let clear = |segment: &Segment| segment.kind == "linear" || segment.encryption.contains("cipher_null");
    Some(Luks2 {
        protector: protector(&metadata.keyslots.into_keys().collect::<Vec<_>>(), &metadata.tokens),
        converting: mandatory.iter().any(|requirement| requirement.contains("reencrypt")),
        clear: in_use().any(clear),
    })
}

/// The weakest of what opens the key slots: a slot that no token speaks of is a password's or a key file's.
fn protector(slots: &[String], tokens: &BTreeMap<String, Token>) -> Result<Protector, Reason> {
    let mut found = Vec::new();
    for slot in slots {
        let mut of_slot = Vec::new();
        for token in tokens.values().filter(|token| token.keyslots.contains(slot)) {
            of_slot.extend(token_protector(token)?);
        }
        found.push(of_slot.into_iter().min_by_key(strength).unwrap_or(Protector::Password));
    }
    found.into_iter().min_by_key(strength).ok_or(Reason::Malformed)
}

/// None for tokens that only remember where the password is asked for.
fn token_protector(token: &Token) -> Result<Option<Protector>, Reason> {
    Ok(match token.kind.as_str() {
        "systemd-tpm2" if token.tpm2_pin => Some(Protector::TpmAndPin),
        "systemd-tpm2" => Some(Protector::Tpm),
        "systemd-fido2" | "systemd-pkcs11" => Some(Protector::Token),
        "systemd-recovery" => Some(Protector::Recovery),
        "luks2-keyring" => None,
        "clevis" => match token.jwe.as_ref().and_then(clevis_pin).as_deref() {
            Some("tpm2") => Some(Protector::Tpm),
            // Released by a server of the network, or by some of several: there is no word for it.
            _ => return Err(Reason::Malformed),
        },
        _ => return Err(Reason::Malformed),
    })
}

/// The `clevis.pin` of a JWE's protected header (base64url, RFC 7516).
fn clevis_pin(jwe: &Jwe) -> Option<String> {
    use serde_json::Value;
    let text = Value::String(jwe.protected.clone());
    let header: vitalsign_protocol::id::Base64Url = serde_json::from_value(text).ok()?;
    let header: Value = serde_json::from_slice(&header.0).ok()?;
    Some(header.get("clevis")?.get("pin")?.as_str()?.to_owned())
}

/// Ranks a protector by the effort of an attacker who has the machine. A TPM alone releases the key to anyone
/// who boots it; a password can be attacked offline.
pub(crate) fn strength(protector: &Protector) -> u8 {
    match protector {
        Protector::Clear => 0,
        Protector::TpmUnbound => 1,
        Protector::Password => 2,
        Protector::Network => 3,
        Protector::Tpm => 4,
        Protector::Recovery => 5,
        Protector::Token => 6,
        Protector::TpmAndPin => 7,
        Protector::Random => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(slots: &str, tokens: &str, segment: &str, config: &str) -> String {
        format!(
            r#"{{"keyslots":{{{slots}}},"tokens":{{{tokens}}},"segments":{{"0":{{{segment}}}}},"digests":{{}},"config":{{{config}}}}}"#
        )
    }
    const CRYPT: &str = r#""type":"crypt","encryption":"aes-xts-plain64""#;
    const CONFIG: &str = r#""json_size":"12288""#;

    #[test]
    fn the_weakest_protector_counts() {
        let tpm = r#"{"type":"systemd-tpm2","keyslots":["0"],"tpm2-pin":false}"#;
        let pin = r#"{"type":"systemd-tpm2","keyslots":["0"],"tpm2-pin":true}"#;
        let fido = r#"{"type":"systemd-fido2","keyslots":["0"]}"#;
        let recovery = r#"{"type":"systemd-recovery","keyslots":["1"]}"#;
        let clevis =
            r#"{"type":"clevis","keyslots":["0"],"jwe":{"protected":"eyJjbGV2aXMiOnsicGluIjoidHBtMiJ9fQ"}}"#;
        let tang =
            r#"{"type":"clevis","keyslots":["0"],"jwe":{"protected":"eyJjbGV2aXMiOnsicGluIjoidGFuZyJ9fQ"}}"#;
        let keyring = r#"{"type":"luks2-keyring","keyslots":["0"],"key_description":"x"}"#;
        let one = r#""0":{}"#;
        let two = r#""0":{},"1":{}"#;
        let with = |tokens: &[&str]| {
            let numbered = tokens.iter().enumerate().map(|(number, token)| format!(r#""{number}":{token}"#));
            numbered.collect::<Vec<_>>().join(",")
        };
        let table = [
            (one, with(&[]), Ok(Protector::Password)),
            (one, with(&[tpm]), Ok(Protector::Tpm)),
            (one, with(&[pin]), Ok(Protector::TpmAndPin)),
            (one, with(&[fido]), Ok(Protector::Token)),
            (one, with(&[clevis]), Ok(Protector::Tpm)),
            (one, with(&[tang]), Err(Reason::Malformed)),
            (one, with(&[keyring]), Ok(Protector::Password)),
            (two, with(&[tpm]), Ok(Protector::Password)),
            (two, with(&[tpm, recovery]), Ok(Protector::Tpm)),
            (two, with(&[fido, recovery]), Ok(Protector::Recovery)),
            ("", with(&[]), Err(Reason::Malformed)),
        ];
        for (slots, tokens, expected) in table {
            let read = parse(metadata(slots, &tokens, CRYPT, CONFIG).as_bytes()).unwrap();
            assert_eq!(read.protector, expected, "{tokens}");
            assert!(!read.converting && !read.clear);
        }
    }

    #[test]
    fn conversion_and_null_ciphers_are_seen() {
        let converting = r#""requirements":{"mandatory":["online-reencrypt-v2"]}"#;
        assert!(parse(metadata(r#""0":{}"#, "", CRYPT, converting).as_bytes()).unwrap().converting);
        let null = r#""type":"crypt","encryption":"cipher_null-ecb""#;
        assert!(parse(metadata(r#""0":{}"#, "", null, CONFIG).as_bytes()).unwrap().clear);
        let linear = r#""type":"linear""#;
        assert!(parse(metadata(r#""0":{}"#, "", linear, CONFIG).as_bytes()).unwrap().clear);
        let backup = r#""type":"linear","flags":["backup-previous"]"#;
        assert!(!parse(metadata(r#""0":{}"#, "", backup, CONFIG).as_bytes()).unwrap().clear);
    }

    #[test]
    fn rejects_a_malformed_luks_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device");
        let binary = |version: u16, size: u64, json: &[u8]| {
            let mut bytes = [MAGIC.as_slice(), &version.to_be_bytes(), &size.to_be_bytes()].concat();
            bytes.resize(4096, 0);
            [bytes, json.to_vec()].concat()
        };
        let good = metadata(r#""0":{}"#, "", CRYPT, CONFIG).into_bytes();
        let mut cut = good.clone();
        cut.truncate(40);
        let table: [(Vec<u8>, Result<(), Reason>); 8] = [
            (binary(2, 16384, &good), Ok(())),
            (binary(1, 16384, &good), Err(Reason::Malformed)),
            (binary(2, u64::MAX, &good), Err(Reason::Malformed)),
            (binary(2, 16, &good), Err(Reason::Malformed)),
            (binary(2, 16384, &cut), Err(Reason::Malformed)),
            (binary(2, 16384, b"\xff\xff"), Err(Reason::Malformed)),
            (vec![0; 100], Err(Reason::Malformed)),
            (vec![], Err(Reason::Failed)),
        ];
        for (at, (bytes, expected)) in table.into_iter().enumerate() {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read(&Root::default(), &path).map(|_| ()), expected, "{at}");
        }
    }
}
