//! Strict, deterministic CBOR (RFC 8949 section 4.2.1): definite lengths, shortest forms, sorted map keys, no
//! duplicates, no floats, bounded depth. What does not re-encode to the same bytes is not accepted, so evidence has
//! one spelling only.
//!
//! A decoded [`Value`] borrows its byte and text strings from the input.

use std::borrow::Cow;

/// Deepest nesting accepted. Evidence needs 8.
pub const MAX_DEPTH: usize = 16;

/// A data item. Only what evidence and COSE need.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value<'a> {
    /// Unsigned integer (major type 0).
    Unsigned(u64),
    /// Major type 1: the integer is `-1 - n`.
    Negative(u64),
    /// Byte string (major type 2).
    Bytes(Cow<'a, [u8]>),
    /// Text string (major type 3).
    Text(Cow<'a, str>),
    /// Array (major type 4).
    Array(Vec<Value<'a>>),
    /// Major type 5, in the order of the encoded keys.
    Map(Vec<(Value<'a>, Value<'a>)>),
    /// Tagged item (major type 6).
    Tag(u64, Box<Value<'a>>),
    /// Simple values 20 and 21.
    Bool(bool),
    /// `null` (simple value 22).
    Null,
}

/// Reason why bytes were rejected as CBOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The input ends inside an item.
    #[error("the CBOR is truncated")]
    Truncated,
    /// Further bytes follow the item.
    #[error("bytes follow the CBOR item")]
    Trailing,
    /// An integer or length is not in its shortest form.
    #[error("an integer or length is not in its shortest form")]
    NotShortest,
    /// Indefinite lengths are not accepted.
    #[error("indefinite lengths are not accepted")]
    Indefinite,
    /// Map keys are not in bytewise order.
    #[error("map keys are not sorted")]
    Unsorted,
    /// A map key appears twice.
    #[error("a map key appears twice")]
    Duplicate,
    /// A text string is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// A float, undefined, or another simple value.
    #[error("floats and simple values other than true, false and null are not accepted")]
    Simple,
    /// Items are nested deeper than [`MAX_DEPTH`].
    #[error("nested too deeply")]
    Depth,
}

/// A map under construction; keys are sorted when it is turned into a [`Value`].
#[derive(Default)]
pub struct MapBuilder<'a>(Vec<(Value<'a>, Value<'a>)>);

impl<'a> MapBuilder<'a> {
    /// Adds an entry. The caller must not add a key twice.
    #[must_use]
    pub fn with(mut self, key: impl Into<Value<'a>>, value: impl Into<Value<'a>>) -> Self {
        self.push(key, value);
        self
    }

    /// Adds an entry in place.
    pub fn push(&mut self, key: impl Into<Value<'a>>, value: impl Into<Value<'a>>) {
        self.0.push((key.into(), value.into()));
    }

    /// Returns the map with its keys in deterministic order.
    #[must_use]
    pub fn build(mut self) -> Value<'a> {
        self.0.sort_by_cached_key(|(key, _)| key.encode());
        Value::Map(self.0)
    }
}

impl<'a> Value<'a> {
    /// Returns the deterministic encoding (RFC 8949 section 4.2.1).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unsigned(n) => head(out, 0, *n),
            Self::Negative(n) => head(out, 1, *n),
            Self::Bytes(b) => {
                head(out, 2, length(b.len()));
                out.extend_from_slice(b);
            }
            Self::Text(t) => {
                head(out, 3, length(t.len()));
                out.extend_from_slice(t.as_bytes());
            }
            Self::Array(items) => {
                head(out, 4, length(items.len()));
                items.iter().for_each(|item| item.encode_into(out));
            }
            Self::Map(entries) => {
                head(out, 5, length(entries.len()));
                for (key, value) in entries {
                    key.encode_into(out);
                    value.encode_into(out);
                }
            }
            Self::Tag(tag, item) => {
                head(out, 6, *tag);
                item.encode_into(out);
            }
            Self::Bool(false) => out.push(0xf4),
            Self::Bool(true) => out.push(0xf5),
            Self::Null => out.push(0xf6),
        }
    }

    /// Decodes exactly one item that fills `input`.
    ///
    /// # Errors
    /// When `input` is not one strict, deterministic item.
    pub fn decode(input: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader { rest: input, order: Order::Sorted };
        let value = reader.item(0)?;
        if reader.rest.is_empty() { Ok(value) } else { Err(Error::Trailing) }
    }

    /// As [`Value::decode`], but map keys may come in any order (RFC 8949 section 4.1, preferred serialisation):
    /// for COSE that others made. Duplicates are still refused.
    ///
    /// # Errors
    /// When `input` is not one item in preferred serialisation.
    pub fn decode_preferred(input: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader { rest: input, order: Order::Any };
        let value = reader.item(0)?;
        if reader.rest.is_empty() { Ok(value) } else { Err(Error::Trailing) }
    }

    /// The value under `key`, when this is a map that has it.
    #[must_use]
    pub fn get(&self, key: i64) -> Option<&Value<'a>> {
        let wanted = Value::from(key);
        self.entries()?.iter().find(|(k, _)| *k == wanted).map(|(_, v)| v)
    }

    /// The entries, when this is a map.
    #[must_use]
    pub fn entries(&self) -> Option<&[(Value<'a>, Value<'a>)]> {
        if let Self::Map(entries) = self { Some(entries) } else { None }
    }

    /// The items, when this is an array.
    #[must_use]
    pub fn items(&self) -> Option<&[Value<'a>]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The bytes, when this is a byte string.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The text, when this is a text string.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Returns the integer, if the item is one that fits `i64`.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Unsigned(n) => i64::try_from(*n).ok(),
            Self::Negative(n) => i64::try_from(*n).ok().map(|n| -1 - n),
            _ => None,
        }
    }
}

impl From<i64> for Value<'_> {
    fn from(n: i64) -> Self {
        if n < 0 { Self::Negative((!n).unsigned_abs()) } else { Self::Unsigned(n.unsigned_abs()) }
    }
}
impl From<u64> for Value<'_> {
    fn from(n: u64) -> Self {
        Self::Unsigned(n)
    }
}
impl From<bool> for Value<'_> {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}
impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}
impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}
impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}
impl From<Vec<u8>> for Value<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(bytes))
    }
}

fn length(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn head(out: &mut Vec<u8>, major: u8, n: u64) {
    let top = major << 5;
    if let Ok(n) = u8::try_from(n) {
        if n < 24 {
            out.push(top | n);
        } else {
            out.extend_from_slice(&[top | 24, n]);
        }
    } else if let Ok(n) = u16::try_from(n) {
        out.push(top | 25);
        out.extend_from_slice(&n.to_be_bytes());
    } else if let Ok(n) = u32::try_from(n) {
        out.push(top | 26);
        out.extend_from_slice(&n.to_be_bytes());
    } else {
        out.push(top | 27);
        out.extend_from_slice(&n.to_be_bytes());
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Order {
    Sorted,
    Any,
}

struct Reader<'a> {
    rest: &'a [u8],
    order: Order,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: u64) -> Result<&'a [u8], Error> {
        let n = usize::try_from(n).map_err(|_| Error::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Major type and argument, in the shortest form only.
    fn head(&mut self) -> Result<(u8, u8, u64), Error> {
        let [first] = self.number::<1>()?;
        let (major, low) = (first >> 5, first & 0x1f);
        let (argument, least) = match low {
            0..=23 => (u64::from(low), 0),
            24 => (u64::from(u8::from_be_bytes(self.number()?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.number()?)), 0x100),
            26 => (u64::from(u32::from_be_bytes(self.number()?)), 0x1_0000),
            27 => (u64::from_be_bytes(self.number()?), 0x1_0000_0000),
            31 => return Err(Error::Indefinite),
            _ => return Err(Error::Simple),
        };
        // In major type 7, arguments 25 to 27 are floats, for which no shortest form is required.
        if major != 7 && argument < least {
            return Err(Error::NotShortest);
        }
        Ok((major, low, argument))
    }

    fn item(&mut self, depth: usize) -> Result<Value<'a>, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::Depth);
        }
        let (major, low, n) = self.head()?;
        Ok(match major {
            0 => Value::Unsigned(n),
            1 => Value::Negative(n),
            2 => Value::Bytes(Cow::Borrowed(self.take(n)?)),
            3 => Value::Text(Cow::Borrowed(std::str::from_utf8(self.take(n)?).map_err(|_| Error::Utf8)?)),
            4 => {
                // A claimed length costs nothing before its items are there: each is at least a byte.
                self.enough(n)?;
                let mut items = Vec::new();
                for _ in 0..n {
                    items.push(self.item(depth + 1)?);
                }
                Value::Array(items)
            }
            5 => Value::Map(self.map(n, depth)?),
            6 => Value::Tag(n, Box::new(self.item(depth + 1)?)),
            _ => match low {
                20 => Value::Bool(false),
                21 => Value::Bool(true),
                22 => Value::Null,
                _ => return Err(Error::Simple),
            },
        })
    }

    fn map(&mut self, n: u64, depth: usize) -> Result<Vec<(Value<'a>, Value<'a>)>, Error> {
        self.enough(n)?;
        let mut entries: Vec<(Value<'a>, Value<'a>)> = Vec::new();
        let mut keys: Vec<&'a [u8]> = Vec::new();
        for _ in 0..n {
            let before = self.rest;
            let key = self.item(depth + 1)?;
            let spelled = before.get(..before.len() - self.rest.len()).ok_or(Error::Truncated)?;
            match (self.order, keys.last()) {
                (Order::Sorted, Some(last)) if *last == spelled => return Err(Error::Duplicate),
                (Order::Sorted, Some(last)) if *last > spelled => return Err(Error::Unsorted),
                _ => {}
            }
            keys.push(spelled);
            entries.push((key, self.item(depth + 1)?));
        }
        keys.sort_unstable();
        if keys.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(Error::Duplicate);
        }
        Ok(entries)
    }

    fn enough(&self, n: u64) -> Result<(), Error> {
        if n > length(self.rest.len()) { Err(Error::Truncated) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn accepts_deterministic_items_and_gives_them_back() {
        for text in [
            "00",
            "17",
            "1818",
            "18ff",
            "190100",
            "1a00010000",
            "1b0000000100000000",
            "20",
            "3863",
            "40",
            "420102",
            "60",
            "6161",
            "80",
            "83010203",
            "a0",
            "a2012002f6",
            "d28440a04040",
            "f4",
            "f5",
            "f6",
            "a20001616100",
            "3bffffffffffffffff",
        ] {
            let bytes = hex(text);
            let value = Value::decode(&bytes).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(value.encode(), bytes, "{text}");
        }
    }

    #[test]
    fn refuses_every_other_spelling() {
        for (text, error) in [
            ("", Error::Truncated),
            ("1817", Error::NotShortest),
            ("190018", Error::NotShortest),
            ("1a00000100", Error::NotShortest),
            ("1b0000000000010000", Error::NotShortest),
            ("580161", Error::NotShortest),
            ("9f01ff", Error::Indefinite),
            ("bf0102ff", Error::Indefinite),
            ("5f4101ff", Error::Indefinite),
            ("a202010102", Error::Unsorted),
            ("a201010102", Error::Duplicate),
            ("61ff", Error::Utf8),
            ("f97c00", Error::Simple),
            ("fb3ff0000000000000", Error::Simple),
            ("f7", Error::Simple),
            ("f814", Error::Simple),
            ("0000", Error::Trailing),
            ("8201", Error::Truncated),
            ("9bffffffffffffffff", Error::Truncated),
            ("5bffffffffffffffff", Error::Truncated),
            ("1c", Error::Simple),
        ] {
            assert_eq!(Value::decode(&hex(text)), Err(error), "{text}");
        }
        assert_eq!(Value::decode(&[0x81; 40]), Err(Error::Depth));
    }

    #[test]
    fn preferred_order_still_refuses_duplicates() {
        assert!(Value::decode_preferred(&hex("a202010102")).is_ok());
        assert_eq!(Value::decode_preferred(&hex("a3020101020203")), Err(Error::Duplicate));
    }

    #[test]
    fn a_map_is_sorted_by_its_encoded_keys() {
        let map = MapBuilder::default().with("b", 1u64).with(-75000i64, 2u64).with(10i64, 3u64).build();
        assert_eq!(Value::decode(&map.encode()), Ok(map));
    }
}
