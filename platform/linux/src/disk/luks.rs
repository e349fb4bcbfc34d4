//! LUKS headers ("LUKS2 On-Disk Format Specification" 1.1, "LUKS1 On-Disk Format Specification" 1.2.3): what releases the
//! key, and whether everything on the volume is encrypted. Reads the primary header only, and nothing secret: the key
//! slots' own area is not touched.

use super::luks1;
use super::pcrs::BootPcrs;
use super::tokens::{Opener, opener};
use crate::Root;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use vitalsign_protocol::fact::Reason;
use vitalsign_protocol::posture::Protector;

const MAGIC: &[u8; 6] = b"LUKS\xba\xbe";
/// Offset of the JSON area of LUKS2 in bytes.
const BINARY_HEADER: u64 = 4096;
/// The largest header that the format allows.
const MAX_HEADER: u64 = 4 * 1024 * 1024;

/// Parsed LUKS header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Everything that opens the volume.
    pub(crate) openers: Result<Vec<Opener>, Reason>,
    /// Conversion has begun and is not finished; none for LUKS1, which is converted offline only.
    pub(crate) converting: Option<bool>,
    pub(crate) cover: Cover,
}

/// Part of a volume that is encrypted, according to its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cover {
    Everything,
    /// A segment is stored as it is.
    Part,
    /// The null cipher: nothing is encrypted.
    Nothing,
    /// A segment is left to the drive (OPAL), and nothing shows whether the drive encrypts it.
    Drive,
}

/// Reads the header on a device, or in a separate file.
pub(crate) fn read(root: &Root, device: &Path) -> Result<Header, Reason> {
    let (mut device, pcrs) = (root.open(device)?, BootPcrs(root));
    let mut binary = [0; 16];
    device.read_exact(&mut binary)?;
    if !binary.starts_with(MAGIC) {
        return Err(Reason::Malformed);
    }
    match binary.get(6..8) {
        Some([0, 1]) => luks1::read(&device, pcrs),
        Some([0, 2]) => {
            let size = json_size(&binary).ok_or(Reason::Malformed)?;
            let mut rest = Vec::new();
            device.take(BINARY_HEADER - 16 + size).read_to_end(&mut rest)?;
            let json = usize::try_from(BINARY_HEADER - 16).ok().and_then(|at| rest.get(at..));
            luks2(json.ok_or(Reason::Malformed)?, pcrs).ok_or(Reason::Malformed)
        }
        _ => Err(Reason::Malformed),
    }
}

/// Returns whether a cipher's name, or its specification, is that of the cipher that leaves data as it is.
pub(crate) fn null_cipher(cipher: &str) -> bool {
    cipher.contains("cipher_null") || cipher == "null"
}

fn json_size(binary: &[u8; 16]) -> Option<u64> {
    let size = u64::from_be_bytes(*binary.get(8..)?.first_chunk()?);
    size.checked_sub(BINARY_HEADER).filter(|_| size <= MAX_HEADER)
}

#[derive(Deserialize)]
struct Metadata {
    keyslots: BTreeMap<String, Keyslot>,
    #[serde(default)]
    tokens: BTreeMap<String, serde_json::Value>,
    segments: BTreeMap<String, Segment>,
    digests: BTreeMap<String, Digest>,
    config: LuksConfig,
}

#[derive(Deserialize)]
struct Keyslot {
    #[serde(rename = "type")]
    kind: String,
}

/// Assigns key slots to the segments that their key encrypts.
#[derive(Deserialize)]
struct Digest {
    keyslots: Vec<String>,
    segments: Vec<String>,
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

fn luks2(json: &[u8], pcrs: BootPcrs<'_>) -> Option<Header> {
    let text = json.split(|byte| *byte == 0).next()?;
    let metadata: Metadata = serde_json::from_slice(text).ok()?;
    let requirements = metadata.config.requirements.as_ref();
    let mandatory = requirements.map(|requirements| requirements.mandatory.as_slice()).unwrap_or_default();
    let reencrypts = mandatory.iter().any(|requirement| requirement.contains("reencrypt"))
        || metadata.keyslots.values().any(|slot| slot.kind == "reencrypt");
    Some(Header {
        openers: openers(&metadata, pcrs),
        converting: Some(reencrypts),
        cover: cover(&metadata.segments)?,
    })
}

/// Segments marked for the end or the beginning of a conversion are not in use.
fn cover(segments: &BTreeMap<String, Segment>) -> Option<Cover> {
    let in_use = segments.values().filter(|segment| !segment.flags.iter().any(|f| f.starts_with("backup-")));
    let covers = in_use.map(|segment| match segment.kind.as_str() {
        "crypt" | "hw-opal-crypt" if null_cipher(&segment.encryption) => Cover::Nothing,
        "crypt" | "hw-opal-crypt" => Cover::Everything,
        "hw-opal" => Cover::Drive,
        // `linear`, and what a later format may add.
        _ => Cover::Part,
    });
    covers.max_by_key(|cover| match cover {
        Cover::Everything => 0,
        Cover::Drive => 1,
        Cover::Part => 2,
        Cover::Nothing => 3,
    })
}

/// Returns what opens the key slots. A slot that no token speaks of is a password's or a key file's. A slot without a
/// segment (unbound) opens nothing, and neither does the one in which a conversion keeps its progress.
fn openers(metadata: &Metadata, pcrs: BootPcrs<'_>) -> Result<Vec<Opener>, Reason> {
    let bound = |slot: &String| {
        metadata.digests.values().any(|digest| digest.keyslots.contains(slot) && !digest.segments.is_empty())
    };
    let mut found = Vec::new();
    for (slot, _) in metadata.keyslots.iter().filter(|(slot, it)| it.kind != "reencrypt" && bound(slot)) {
        let mut of_slot = Vec::new();
        for token in metadata.tokens.values().filter(|token| speaks_of(token, slot)) {
            of_slot.extend(opener(token, pcrs)?);
        }
        if of_slot.is_empty() {
            of_slot.push(Opener::Protector(Protector::Password));
        }
        found.extend(of_slot);
    }
    if found.is_empty() { Err(Reason::Malformed) } else { Ok(found) }
}

fn speaks_of(token: &serde_json::Value, slot: &str) -> bool {
    let slots = token.get("keyslots").and_then(serde_json::Value::as_array);
    slots.is_some_and(|slots| slots.iter().any(|it| it.as_str() == Some(slot)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRYPT: &str = r#""type":"crypt","encryption":"aes-xts-plain64""#;
    const CONFIG: &str = r#""json_size":"12288""#;
    const SLOT: &str = r#""0":{"type":"luks2"}"#;
    const BOUND: &str = r#""0":{"keyslots":["0","1"],"segments":["0"]}"#;

    fn metadata(slots: &str, tokens: &str, digests: &str, segments: &str, config: &str) -> String {
        format!(
            r#"{{"keyslots":{{{slots}}},"tokens":{{{tokens}}},"segments":{{{segments}}},"digests":{{{digests}}},"config":{{{config}}}}}"#
        )
    }

    fn one_segment(segment: &str) -> String {
        format!(r#""0":{{{segment}}}"#)
    }

    #[test]
    fn openers_are_those_of_bound_slots() {
        let tpm = r#"{"type":"systemd-tpm2","keyslots":["0"],"tpm2-pcrs":[7],"tpm2-pin":false}"#;
        let fido = r#"{"type":"systemd-fido2","keyslots":["0"]}"#;
        let recovery = r#"{"type":"systemd-recovery","keyslots":["1"]}"#;
        let keyring = r#"{"type":"luks2-keyring","keyslots":["0"],"key_description":"x"}"#;
        let unknown = r#"{"type":"unknown","keyslots":["1"]}"#;
        let two = r#""0":{"type":"luks2"},"1":{"type":"luks2"}"#;
        let progress = r#""0":{"type":"luks2"},"1":{"type":"reencrypt"}"#;
        let unbound = r#""0":{"keyslots":["0"],"segments":["0"]},"1":{"keyslots":["1"],"segments":[]}"#;
        let in_no_digest = r#""0":{"keyslots":["0"],"segments":["0"]}"#;
        let with = |tokens: &[&str]| {
            let numbered = tokens.iter().enumerate().map(|(number, token)| format!(r#""{number}":{token}"#));
            numbered.collect::<Vec<_>>().join(",")
        };
        let some = |protectors: &[Protector]| {
            Ok(protectors.iter().map(|protector| Opener::Protector(*protector)).collect::<Vec<_>>())
        };
        let (password, by_tpm) = (some(&[Protector::Password]), some(&[Protector::Tpm]));
        let table = [
            (SLOT, with(&[]), BOUND, password.clone()),
            (SLOT, with(&[tpm]), BOUND, by_tpm.clone()),
            (SLOT, with(&[keyring]), BOUND, password),
            (SLOT, with(&[tpm, fido]), BOUND, some(&[Protector::Tpm, Protector::Token])),
            (two, with(&[tpm]), BOUND, some(&[Protector::Tpm, Protector::Password])),
            (two, with(&[tpm, recovery]), BOUND, some(&[Protector::Tpm, Protector::Recovery])),
            (two, with(&[tpm]), unbound, by_tpm.clone()),
            (two, with(&[tpm]), in_no_digest, by_tpm.clone()),
            (two, with(&[tpm, unknown]), BOUND, Err(Reason::Malformed)),
            (two, with(&[tpm, unknown]), unbound, by_tpm.clone()),
            (progress, with(&[tpm]), BOUND, by_tpm),
            ("", with(&[]), BOUND, Err(Reason::Malformed)),
            (SLOT, with(&[]), "", Err(Reason::Malformed)),
        ];
        let root = Root::at("/nonexistent");
        for (slots, tokens, digests, expected) in table {
            let json = metadata(slots, &tokens, digests, &one_segment(CRYPT), CONFIG);
            let read = luks2(json.as_bytes(), BootPcrs(&root)).unwrap();
            assert_eq!(read.openers, expected, "{slots} {tokens} {digests}");
            assert_eq!(read.converting, Some(slots == progress));
            assert_eq!(read.cover, Cover::Everything);
        }
    }

    #[test]
    fn segments_tell_how_much_is_encrypted() {
        let backup = r#""type":"linear","flags":["backup-previous"]"#;
        let halves = format!(r#""0":{{{CRYPT}}},"1":{{"type":"linear"}},"2":{{{backup}}}"#);
        let whole = format!(r#""0":{{{CRYPT}}},"1":{{{backup}}}"#);
        let table = [
            (whole, Some(Cover::Everything)),
            (halves, Some(Cover::Part)),
            (one_segment(r#""type":"linear""#), Some(Cover::Part)),
            (one_segment(r#""type":"crypt","encryption":"cipher_null-ecb""#), Some(Cover::Nothing)),
            (
                one_segment(r#""type":"crypt","encryption":"capi:ecb(cipher_null)-plain""#),
                Some(Cover::Nothing),
            ),
            (one_segment(r#""type":"hw-opal","opal_segment_number":1"#), Some(Cover::Drive)),
            (
                one_segment(r#""type":"hw-opal-crypt","encryption":"aes-xts-plain64""#),
                Some(Cover::Everything),
            ),
            (one_segment(backup), None),
        ];
        let root = Root::at("/nonexistent");
        for (segments, expected) in table {
            let json = metadata(SLOT, "", BOUND, &segments, CONFIG);
            assert_eq!(
                luks2(json.as_bytes(), BootPcrs(&root)).map(|header| header.cover),
                expected,
                "{segments}"
            );
        }
        let converting = r#""requirements":{"mandatory":["online-reencrypt-v2"]}"#;
        let json = metadata(SLOT, "", BOUND, &one_segment(CRYPT), converting);
        assert_eq!(luks2(json.as_bytes(), BootPcrs(&root)).unwrap().converting, Some(true));
    }

    #[test]
    fn luks1_header_names_its_cipher() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device");
        let header = |cipher: &[u8]| {
            let mut bytes = [MAGIC.as_slice(), &[0, 1], cipher].concat();
            bytes.resize(592, 0);
            bytes
        };
        let table = [
            (header(b"aes"), Ok(Cover::Everything)),
            (header(b"cipher_null"), Ok(Cover::Nothing)),
            (header(b""), Err(Reason::Malformed)),
            (header(b"aes")[..20].to_vec(), Err(Reason::Failed)),
        ];
        for (bytes, expected) in table {
            std::fs::write(&path, bytes).unwrap();
            let read = read(&Root::default(), &path);
            let password = Ok(vec![Opener::Protector(Protector::Password)]);
            assert!(read.as_ref().map_or(true, |header| header.openers == password));
            assert_eq!(read.map(|header| header.cover), expected);
        }
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
        let good = metadata(SLOT, "", BOUND, &one_segment(CRYPT), CONFIG).into_bytes();
        let mut cut = good.clone();
        cut.truncate(40);
        let table: [(Vec<u8>, Result<(), Reason>); 8] = [
            (binary(2, 16384, &good), Ok(())),
            (binary(3, 16384, &good), Err(Reason::Malformed)),
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
