//! Bytes to TPM structures and back, whole and nothing but whole.

use tpm2_protocol::{TpmMarshal, TpmUnmarshal, TpmWriter, basic::TpmBuffer};

/// Room for any structure: larger than any command.
const MOST: usize = 4096;

/// The bytes are not the structure they were taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Encodes a structure in TPM byte order.
pub fn encode(value: &impl TpmMarshal) -> Result<Vec<u8>, Malformed> {
    let mut buffer = vec![0; MOST];
    let mut writer = TpmWriter::new(&mut buffer);
    value.marshal(&mut writer).map_err(|_| Malformed)?;
    let length = writer.len();
    buffer.truncate(length);
    Ok(buffer)
}

/// The structure that fills `bytes`.
pub fn decode<T: TpmUnmarshal>(bytes: &[u8]) -> Result<T, Malformed> {
    match T::unmarshal(bytes) {
        Ok((value, [])) if bytes.len() <= MOST => Ok(value),
        _ => Err(Malformed),
    }
}

/// Returns the content of a sized buffer.
pub fn buffer<const N: usize>(bytes: &[u8]) -> Result<TpmBuffer<N>, Malformed> {
    TpmBuffer::try_from(bytes).map_err(|_| Malformed)
}

/// `TPM2B`: a length of two bytes, then as many bytes.
pub fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

/// Splits the content of a `TPM2B` off.
pub fn split_sized(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (length, rest) = bytes.split_first_chunk::<2>().ok_or(Malformed)?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(Malformed)
}

/// A number in exactly `N` bytes: a TPM strips leading zeros from what ECC gives.
pub fn pad<const N: usize>(number: &[u8]) -> Result<[u8; N], Malformed> {
    let mut out = [0; N];
    let start = N.checked_sub(number.len()).ok_or(Malformed)?;
    out.get_mut(start..).ok_or(Malformed)?.copy_from_slice(number);
    Ok(out)
}
