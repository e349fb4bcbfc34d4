//! Sets and maps of nf_tables.

use super::expression::{Data, read_data};
use super::netlink::Attributes;
use super::ranges::Ranges;
use super::value::{number, ones};

const INTERVAL: u32 = 4;
const END_OF_INTERVAL: u32 = 1;
const CATCH_ALL: u32 = 2;
/// Longest key in bytes: `NFT_DATA_VALUE_MAXLEN`.
const MAX_KEY: usize = 64;
/// Longest key in bytes that counts as a number.
const MAX_NUMBER: usize = 16;
const COUNTER: [&str; 2] = ["counter", "last"];

/// Keys with the same data.
type Group<Keys> = (Option<Data>, Keys);

/// A set, or a map with data for each key.
#[derive(Debug, Default)]
pub(crate) struct Set {
    /// Length of a key in bytes.
    pub(crate) key_length: usize,
    intervals: bool,
    /// Whether an element has a range for each of several fields.
    concatenated: bool,
    elements: Vec<Element>,
    /// Data of every key that no element has.
    pub(crate) other: Option<Option<Data>>,
    /// Whether what an element counts, such as a rate, decides with it.
    pub(crate) conditional: bool,
    /// Whether rules add elements: a sender can bring about that an element is there.
    pub(crate) filled_by_rules: bool,
    /// Whether its data are verdicts.
    pub(crate) has_verdicts: bool,
    /// Keys as numbers, grouped by their data.
    groups: Option<Vec<Group<Ranges>>>,
}

#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) first: Vec<u8>,
    pub(crate) last: Vec<u8>,
    pub(crate) data: Option<Data>,
    is_end: bool,
}

impl Set {
    /// Reads a set's description, without its elements.
    pub(crate) fn read(set: Attributes<'_>) -> Option<Self> {
        let key_length =
            usize::try_from(set.be32(5)?).ok().filter(|length| (1..=MAX_KEY).contains(length))?;
        Some(Self { key_length, intervals: set.be32(3).unwrap_or(0) & INTERVAL != 0, ..Self::default() })
    }

    /// Takes a list of elements in, and returns how many.
    pub(crate) fn take(&mut self, list: Attributes<'_>) -> Option<usize> {
        let mut count = 0;
        for (_, bytes) in list {
            let element = Attributes::from(bytes);
            let flags = element.be32(3).unwrap_or(0);
            let data = element.nested(2).map(|data| read_data(data).ok_or(())).transpose().ok()?;
            self.has_verdicts |= matches!(data, Some(Data::Verdict(_)));
            self.conditional |= expressions(element).any(|name| !COUNTER.contains(&name));
            count += 1;
            if flags & CATCH_ALL != 0 {
                self.other = Some(data);
                continue;
            }
            let key = |kind: u16| {
                let key = element.nested(kind)?.get(1)?;
                (key.len() == self.key_length).then(|| key.to_vec())
            };
            let first = key(1)?;
            self.concatenated |= element.get(10).is_some();
            let last = if element.get(10).is_some() { key(10)? } else { first.clone() };
            self.elements.push(Element { first, last, data, is_end: flags & END_OF_INTERVAL != 0 });
        }
        Some(count)
    }

    /// Completes the set after its last element.
    pub(crate) fn complete(&mut self) {
        if self.key_length > MAX_NUMBER || self.concatenated {
            return;
        }
        let greatest = ones(u32::try_from(self.key_length * 8).unwrap_or(128));
        let mut keys: Vec<_> = self.elements.iter().collect();
        // One interval can end where the next begins.
        keys.sort_by(|one, other| (&one.first, !one.is_end).cmp(&(&other.first, !other.is_end)));
        let mut groups: Vec<Group<Vec<(u128, u128)>>> = Vec::new();
        for (at, element) in keys.iter().enumerate() {
            if element.is_end {
                continue;
            }
            let first = number(&element.first);
            let last = match keys.get(at + 1) {
                _ if !self.intervals => first,
                None => greatest,
                Some(next) => number(&next.first).saturating_sub(1),
            };
            match groups.iter_mut().find(|(data, _)| *data == element.data) {
                Some((_, ranges)) => ranges.push((first, last)),
                None => groups.push((element.data.clone(), vec![(first, last)])),
            }
        }
        self.groups = Some(groups.into_iter().map(|(data, ranges)| (data, Ranges::new(ranges))).collect());
    }

    /// Keys as numbers, grouped by their data; none if keys are too long or have several fields.
    pub(crate) fn groups(&self) -> Option<&[Group<Ranges>]> {
        self.groups.as_deref()
    }

    /// Every element; none if intervals are stored as beginning and end.
    pub(crate) fn elements(&self) -> Option<&[Element]> {
        (!self.intervals || self.groups.is_none()).then_some(&self.elements)
    }
}

/// Names of the expressions of an element.
fn expressions(element: Attributes<'_>) -> impl Iterator<Item = &str> {
    let one = element.nested(7).and_then(|expression| expression.text(1));
    let list = element.nested(11).unwrap_or_default();
    one.into_iter().chain(list.map(|(_, bytes)| Attributes::from(bytes).text(1).unwrap_or_default()))
}
