//! Reads GVDB files, the format of dconf's compiled databases (`gvdb-format.h` of GLib): a header, and a hash table whose
//! items have a name, a parent that holds the beginning of the name, and a value or another table.

use std::collections::BTreeMap;

const SIGNATURE: &[u8] = b"GVariant";
/// Size of an item of a hash table in bytes.
const ITEM: usize = 24;
/// The parent of an item without one.
const NO_PARENT: u32 = u32::MAX;
/// The most levels of a name.
const MAX_DEPTH: usize = 64;
/// The longest name in bytes; longer ones are not ours.
const MAX_NAME: usize = 1024;

/// Value of a key, of the types that settings of the screen lock have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Bool(bool),
    /// A number of type `u`.
    Number(u64),
    /// A number of type `i`. It is not the same: GSettings ignores a value of another type than the schema's.
    Int(i32),
    /// Another type.
    Other,
}

/// A hash table: values and tables by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) values: BTreeMap<String, Value>,
    pub(super) tables: BTreeMap<String, Table>,
}

/// Returns whether the bytes begin as a file of this format on this kind of machine.
pub(super) fn is_database(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

/// Parses a file. `None` if it is damaged, or of another version or byte order.
pub(super) fn parse(bytes: &[u8]) -> Option<Table> {
    let version = number(bytes, SIGNATURE.len())?;
    if !is_database(bytes) || version != 0 || cfg!(target_endian = "big") {
        return None;
    }
    table(bytes, pointed(bytes, bytes, SIGNATURE.len() + 8)?, true)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn index(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(number(bytes, at)?).ok()
}

/// The bytes of the file that the pointer (start and end) at this place of a record points to.
fn pointed<'a>(file: &'a [u8], record: &[u8], at: usize) -> Option<&'a [u8]> {
    file.get(index(record, at)?..index(record, at.checked_add(4)?)?)
}

/// Parses a hash table. Its bloom filter and buckets only speed up a search. `nested` is whether it may contain tables;
/// those may not.
fn table(file: &[u8], table: &[u8], nested: bool) -> Option<Table> {
    // The upper five bits are a parameter of the filter.
    let bloom_words = index(table, 0)? & 0x07ff_ffff;
    let buckets = index(table, 4)?;
    let items = table.get(bloom_words.checked_add(buckets)?.checked_mul(4)?.checked_add(8)?..)?;
    let items: Vec<_> = items.chunks_exact(ITEM).collect();
    let mut found = Table::default();
    for item in &items {
        let name = name(file, &items, item)?;
        match item.get(14)? {
            b'v' => drop(found.values.insert(name, value(pointed(file, item, 16)?))),
            b'H' if nested => {
                let inner = self::table(file, pointed(file, item, 16)?, false)?;
                found.tables.insert(name, inner);
            }
            _ => {}
        }
    }
    Some(found)
}

/// The whole name of an item, from its parents' names and its own.
fn name(file: &[u8], items: &[&[u8]], item: &[u8]) -> Option<String> {
    let (mut parts, mut length, mut item) = (Vec::new(), 0, item);
    loop {
        let start = index(item, 8)?;
        let size = usize::from(u16::from_le_bytes(*item.get(12..)?.first_chunk()?));
        length += size;
        parts.push(file.get(start..start.checked_add(size)?)?);
        if parts.len() > MAX_DEPTH || length > MAX_NAME {
            return None;
        }
        match number(item, 4)? {
            NO_PARENT => break,
            parent => item = items.get(usize::try_from(parent).ok()?)?,
        }
    }
    parts.reverse();
    String::from_utf8(parts.concat()).ok()
}

/// A serialized variant: the value, a zero byte, the type.
fn value(variant: &[u8]) -> Value {
    match variant {
        [bool @ (0 | 1), 0, b'b'] => Value::Bool(*bool == 1),
        [a, b, c, d, 0, b'u'] => Value::Number(u32::from_le_bytes([*a, *b, *c, *d]).into()),
        [a, b, c, d, 0, b'i'] => Value::Int(i32::from_le_bytes([*a, *b, *c, *d])),
        _ => Value::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compiled by dconf 0.40 from the key files beside it.
    const COMPILED: &[u8] = include_bytes!("../../tests/trees/debian-desktop/etc/dconf/db/local");

    #[test]
    fn reads_compiled_database() {
        let table = parse(COMPILED).unwrap();
        let values: Vec<_> = table.values.iter().map(|(name, value)| (&**name, *value)).collect();
        assert_eq!(
            values,
            [
                ("/org/gnome/desktop/screensaver/lock-delay", Value::Number(10)),
                ("/org/gnome/desktop/screensaver/lock-enabled", Value::Bool(true)),
                ("/org/gnome/desktop/session/idle-delay", Value::Number(600)),
            ]
        );
        let locks: Vec<_> = table.tables[".locks"].values.keys().collect();
        assert_eq!(
            locks,
            ["/org/gnome/desktop/screensaver/lock-enabled", "/org/gnome/desktop/session/idle-delay"]
        );
    }

    #[test]
    fn damaged_database_never_panics() {
        for end in 0..COMPILED.len() {
            parse(&COMPILED[..end]);
        }
        for at in 0..COMPILED.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = COMPILED.to_vec();
                damaged[at] = value;
                parse(&damaged);
            }
        }
        assert_eq!(parse(b"GVariant"), None);
        assert_eq!(parse(&COMPILED[..COMPILED.len() / 2]), None);
    }

    #[test]
    fn variants_of_other_types_are_other() {
        for (bytes, expected) in [
            (&b"\x01\0b"[..], Value::Bool(true)),
            (b"\x02\0b", Value::Other),
            (b"\x2c\x01\0\0\0u", Value::Number(300)),
            (b"\x2c\x01\0\0\0i", Value::Int(300)),
            (b"\xff\xff\xff\xff\0i", Value::Int(-1)),
            (b"x\0\0s", Value::Other),
            (b"", Value::Other),
        ] {
            assert_eq!(value(bytes), expected, "{bytes:?}");
        }
    }
}
