//! Bech32 (BIP 173) of 32 bytes, without its limit of 90 characters.

const CHARSET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const CHECKSUM: usize = 6;

/// Encodes 32 bytes after a prefix in lower case.
pub(super) fn encode(prefix: &str, bytes: &[u8; 32]) -> String {
    let mut data = regroup(bytes, 8, 5, true).unwrap_or_default();
    let mut checked = expand(prefix);
    checked.extend(&data);
    checked.extend([0; CHECKSUM]);
    let checksum = polymod(&checked) ^ 1;
    data.extend((0..CHECKSUM).rev().map(|n| u8::try_from((checksum >> (5 * n)) & 31).unwrap_or_default()));
    let digits = data.iter().filter_map(|digit| CHARSET.get(usize::from(*digit)));
    format!("{prefix}1{}", digits.map(|digit| char::from(*digit)).collect::<String>())
}

/// Decodes 32 bytes after this prefix; the text is in lower or in upper case.
pub(super) fn decode(prefix: &str, text: &str) -> Option<[u8; 32]> {
    let lower = text.to_ascii_lowercase();
    if text != lower && text != text.to_ascii_uppercase() {
        return None;
    }
    let digits = lower.strip_prefix(prefix)?.strip_prefix('1')?;
    let value = |digit: u8| CHARSET.iter().position(|it| *it == digit).and_then(|at| u8::try_from(at).ok());
    let data: Vec<u8> = digits.bytes().map(value).collect::<Option<_>>()?;
    let mut checked = expand(prefix);
    checked.extend(&data);
    if polymod(&checked) != 1 {
        return None;
    }
    let data = data.get(..data.len().checked_sub(CHECKSUM)?)?;
    regroup(data, 5, 8, false)?.try_into().ok()
}

fn expand(prefix: &str) -> Vec<u8> {
    let high = prefix.bytes().map(|it| it >> 5);
    high.chain([0]).chain(prefix.bytes().map(|it| it & 31)).collect()
}

fn polymod(values: &[u8]) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.iter().fold(1, |checksum: u32, value| {
        let top = checksum >> 25;
        let next = ((checksum & 0x01ff_ffff) << 5) ^ u32::from(*value);
        let terms = GENERATOR.iter().enumerate().filter(|(bit, _)| (top >> bit) & 1 == 1);
        terms.fold(next, |next, (_, term)| next ^ term)
    })
}

/// Regroups bits. Without padding, the bits that are left must be fewer than a group, and zero.
fn regroup(data: &[u8], from: u32, to: u32, pad: bool) -> Option<Vec<u8>> {
    let (mut bits, mut held, mut out) = (0u32, 0u32, Vec::new());
    for value in data {
        bits = ((bits << from) | u32::from(*value)) & 0xfff;
        held += from;
        while held >= to {
            held -= to;
            out.push(u8::try_from((bits >> held) & ((1 << to) - 1)).ok()?);
        }
    }
    let rest = bits & ((1 << held) - 1);
    match pad {
        true if held > 0 => out.push(u8::try_from((rest << (to - held)) & ((1 << to) - 1)).ok()?),
        false if held >= from || rest != 0 => return None,
        _ => {}
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_detects_every_changed_digit() {
        let bytes: [u8; 32] = std::array::from_fn(|n| u8::try_from(n * 37 % 256).unwrap());
        let text = encode("age", &bytes);
        assert_eq!(decode("age", &text), Some(bytes));
        assert_eq!(decode("age", &text.to_uppercase()), Some(bytes));
        assert_eq!(decode("agf", &text), None);
        for at in 4..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'q' { b'p' } else { b'q' };
            assert_eq!(decode("age", &String::from_utf8(changed).unwrap()), None, "{at}");
        }
        let mixed = format!("{}{}", &text[..10], text[10..].to_uppercase());
        assert_eq!(decode("age", &mixed), None);
        assert_eq!(decode("age", ""), None);
        assert_eq!(decode("age", "age1"), None);
    }
}
