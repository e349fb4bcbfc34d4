//! PCR values from a file, as people have them.

use super::{Unreadable, read as read_file};
use std::collections::BTreeMap;
use std::path::Path;

/// Values by PCR.
pub(super) type PcrValues = BTreeMap<u8, Vec<u8>>;

/// Reads lines "PCR: HEX", other lines being passed over as `tpm2_pcrread` has them, or a JSON object.
pub(super) fn read(path: &Path) -> Result<PcrValues, Unreadable> {
    let malformed = |what: String| Unreadable::Malformed("a list of PCR values", what);
    let text = String::from_utf8(read_file(path)?).map_err(|_| malformed("it is not text".into()))?;
    let mut values = PcrValues::new();
    for (pcr, value) in pairs(&text) {
        let number: u8 = pcr.parse().map_err(|_| malformed(format!("{pcr:?} is not the number of a PCR")))?;
        let value = value.strip_prefix("0x").or(value.strip_prefix("0X")).unwrap_or(&value);
        let value =
            bytes(value).ok_or_else(|| malformed(format!("the value of PCR {number} is not hexadecimal")))?;
        if values.insert(number, value).is_some() {
            return Err(malformed(format!("PCR {number} comes twice; only the quoted bank is wanted")));
        }
    }
    if values.is_empty() { Err(malformed("it has none".into())) } else { Ok(values) }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    if let Ok(object) = serde_json::from_str::<BTreeMap<String, String>>(text) {
        return object.into_iter().collect();
    }
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let pairs = lines.map(|(pcr, value)| (pcr.trim().to_owned(), value.trim().to_owned()));
    // The name of a bank has no value behind it.
    pairs.filter(|(_, value)| !value.is_empty()).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
