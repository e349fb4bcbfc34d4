//! A short code for a device, to read over the telephone: the first 40 bits of its enrolment ID in Crockford's base 32,
//! and a check character by the Luhn mod N algorithm (N = 32), in three groups of three: `0W3-GE1-R7D`. It identifies a
//! device and proves nothing.

use crate::id::EnrolmentId;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// Digits and letters that are not confused with each other: five bits each.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters without the check character.
const CHARACTERS: usize = 8;

/// The code of a device: the first five bytes of its enrolment ID.
///
/// ```
/// use vitalsign_protocol::device_code::DeviceCode;
/// use vitalsign_protocol::id::EnrolmentId;
///
/// let code = DeviceCode::of(&EnrolmentId([7; 16]));
/// assert_eq!(code.to_string(), "0W3-GE1-R7D");
/// // As a person may type it.
/// assert_eq!("ow3 gei r7d".parse(), Ok(code));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceCode([u8; 5]);

/// The text is not a device code, or has a typing error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceCodeError {
    /// It has another length or other characters.
    #[error("a device code has 9 letters and digits")]
    Form,
    /// The check character does not fit.
    #[error("the device code has a typing error: its check character does not fit")]
    Check,
}

impl DeviceCode {
    /// Returns the code of a device.
    #[must_use]
    pub fn of(device: &EnrolmentId) -> Self {
        let [a, b, c, d, e, ..] = device.0;
        Self([a, b, c, d, e])
    }

    /// Returns the bytes with which the device's enrolment ID begins.
    #[must_use]
    pub fn prefix(&self) -> &[u8; 5] {
        &self.0
    }

    /// The eight values of five bits.
    fn values(self) -> [u8; CHARACTERS] {
        let bits = self.0.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        std::array::from_fn(|at| u8::try_from(bits >> (35 - 5 * at) & 31).unwrap_or_default())
    }
}

/// Check value by the Luhn mod N algorithm.
fn check(values: &[u8]) -> u8 {
    let doubled = values.iter().rev().enumerate().map(|(at, value)| {
        let value = u32::from(*value) * if at % 2 == 0 { 2 } else { 1 };
        value / 32 + value % 32
    });
    u8::try_from((32 - doubled.sum::<u32>() % 32) % 32).unwrap_or_default()
}

impl Display for DeviceCode {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let values = self.values();
        let mut text = String::with_capacity(CHARACTERS + 3);
        for (at, value) in values.iter().chain([&check(&values)]).enumerate() {
            if at > 0 && at % 3 == 0 {
                text.push('-');
            }
            text.extend(ALPHABET.get(usize::from(*value)).copied().map(char::from));
        }
        f.pad(&text)
    }
}

impl FromStr for DeviceCode {
    type Err = DeviceCodeError;

    /// Case, dashes, spaces, and letters that resemble digits do not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let value = |c: char| {
            let c = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let at = ALPHABET.iter().position(|it| char::from(*it) == c)?;
            u8::try_from(at).ok()
        };
        let characters = text.chars().filter(|c| !matches!(c, '-' | ' '));
        let values: Vec<u8> = characters.take(CHARACTERS + 2).map_while(value).collect();
        let Some((last, values)) = values.split_last().filter(|(_, values)| values.len() == CHARACTERS)
        else {
            return Err(DeviceCodeError::Form);
        };
        if text.chars().filter(|c| !matches!(c, '-' | ' ')).count() != CHARACTERS + 1 {
            return Err(DeviceCodeError::Form);
        }
        if check(values) != *last {
            return Err(DeviceCodeError::Check);
        }
        let bits = values.iter().fold(0_u64, |bits, value| bits << 5 | u64::from(*value));
        let [_, _, _, bytes @ ..] = bits.to_be_bytes();
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Result<DeviceCode, DeviceCodeError> {
        text.parse()
    }

    #[test]
    fn every_code_is_read_as_written() {
        for seed in 0..=255_u8 {
            let id = EnrolmentId(std::array::from_fn(|at| {
                seed.wrapping_mul(37).wrapping_add(u8::try_from(at * 91 % 256).unwrap())
            }));
            let code = DeviceCode::of(&id);
            assert_eq!(code.to_string().parse(), Ok(code));
            assert_eq!(&id.0[..5], code.prefix());
        }
    }

    #[test]
    fn typing_errors_are_noticed() {
        let text = DeviceCode::of(&EnrolmentId([0x5a; 16])).to_string().replace('-', "");
        for at in 0..text.len() {
            for other in ALPHABET.iter().copied().map(char::from) {
                let mut wrong: Vec<char> = text.chars().collect();
                if wrong[at] == other {
                    continue;
                }
                wrong[at] = other;
                let wrong: String = wrong.into_iter().collect();
                assert_eq!(code(&wrong), Err(DeviceCodeError::Check), "{wrong}");
            }
        }
        let mut swapped: Vec<char> = "7ZA3T9KW".chars().collect();
        let right = check_of(&swapped);
        swapped.swap(2, 3);
        assert_ne!(check_of(&swapped), right);
    }

    fn check_of(characters: &[char]) -> u8 {
        let values: Vec<u8> = characters
            .iter()
            .map(|c| u8::try_from(ALPHABET.iter().position(|it| char::from(*it) == *c).unwrap()).unwrap())
            .collect();
        check(&values)
    }

    #[test]
    fn refuses_other_forms() {
        for text in ["", "7ZA", "7ZA-3T9-KW", "7ZA-3T9-KWXX", "7ZA-3T9-KWÜ", "UUU-UUU-UUU", "7ZA-3T9-KWX!"] {
            assert_eq!(code(text), Err(DeviceCodeError::Form), "{text}");
        }
    }
}
