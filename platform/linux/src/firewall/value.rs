//! Values in the registers of a rule, as functions of a packet.

use super::packets::{Doubt, Property, Test};
use super::ranges::Ranges;
use std::rc::Rc;

/// Consecutive bytes of a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Length in bytes, at most sixteen.
    pub(crate) length: usize,
    pub(crate) content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A number of which the bits in `known` are known.
    Number {
        value: u128,
        known: u128,
    },
    /// A property with so many bits, after a change.
    Property {
        property: Property,
        bits: u32,
        change: ValueChange,
    },
    /// A number that depends on a property: the interface's name, the type of an address.
    Table {
        property: Property,
        rows: Rc<Vec<(Ranges, u128)>>,
        change: ValueChange,
    },
    Doubtful(Doubt),
}

/// A change of a number: shift to the right, mask, exclusive or.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ValueChange {
    shift: u32,
    mask: u128,
    xor: u128,
}

/// Properties with at most so many bits are tried value by value if their change cannot be inverted.
const SMALL: u32 = 16;

/// Mask of the lowest `bits` bits.
pub(crate) fn ones(bits: u32) -> u128 {
    1_u128.checked_shl(bits).map_or(u128::MAX, |bit| bit - 1)
}

fn bits(length: usize) -> u32 {
    u32::try_from(length.saturating_mul(8)).unwrap_or(u32::MAX).min(128)
}

/// The number in at most sixteen bytes in network byte order.
pub(crate) fn number(bytes: &[u8]) -> u128 {
    bytes.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}

impl ValueChange {
    fn none(length: usize) -> Self {
        Self { shift: 0, mask: ones(bits(length)), xor: 0 }
    }

    fn of(self, number: u128) -> u128 {
        (number.checked_shr(self.shift).unwrap_or(0) & self.mask) ^ self.xor
    }

    fn then(self, mask: u128, xor: u128) -> Self {
        Self { shift: self.shift, mask: self.mask & mask, xor: (self.xor & mask) ^ xor }
    }

    /// Keeps so many of the bits, after dropping the lowest.
    fn then_slice(self, dropped: u32, kept: u32) -> Self {
        let slice = |number: u128| number.checked_shr(dropped).unwrap_or(0) & ones(kept);
        Self { shift: self.shift + dropped, mask: slice(self.mask), xor: slice(self.xor) }
    }

    /// The numbers of so many bits that the change brings into the ranges, if they can be told.
    fn inverse(self, width: u32, ranges: &Ranges) -> Option<Ranges> {
        let rest = ones(width.checked_sub(self.shift)?);
        let low = rest & !self.mask;
        // The mask has to keep the highest bits and drop the lowest.
        if self.xor == 0 && low & low.wrapping_add(1) == 0 && self.mask & rest == rest & !low {
            let invert = |(first, last): (u128, u128)| {
                let first = first.checked_add(low)? & !low;
                let last = (last.min(rest) & !low) | low;
                (first <= last).then(|| {
                    let first = first.checked_shl(self.shift).unwrap_or(0);
                    (first, last.checked_shl(self.shift).unwrap_or(0) | ones(self.shift))
                })
            };
            return Some(Ranges::new(ranges.iter().filter_map(invert).collect()));
        }
        (width <= SMALL).then(|| {
            let fits = (0..=ones(width)).filter(|number| ranges.contains(self.of(*number)));
            Ranges::new(fits.map(|number| (number, number)).collect())
        })
    }
}

impl Part {
    pub(crate) fn number(length: usize, value: u128) -> Self {
        Self { length, content: Content::Number { value, known: u128::MAX } }
    }

    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        Self::number(bytes.len(), number(bytes))
    }

    pub(crate) fn property(length: usize, property: Property) -> Self {
        let change = ValueChange::none(length);
        Self { length, content: Content::Property { property, bits: bits(length), change } }
    }

    pub(crate) fn table(length: usize, property: Property, rows: Vec<(Ranges, u128)>) -> Self {
        let change = ValueChange::none(length);
        Self { length, content: Content::Table { property, rows: Rc::new(rows), change } }
    }

    pub(crate) fn doubtful(length: usize, doubt: Doubt) -> Self {
        Self { length, content: Content::Doubtful(doubt) }
    }

    /// So many of its bytes.
    pub(crate) fn slice(&self, start: usize, length: usize) -> Self {
        let length = length.min(self.length.saturating_sub(start));
        let dropped = bits(self.length.saturating_sub(start + length));
        let kept = bits(length);
        let slice = |number: u128| number.checked_shr(dropped).unwrap_or(0) & ones(kept);
        let content = match &self.content {
            Content::Number { value, known } => {
                Content::Number { value: slice(*value), known: slice(*known) | !ones(kept) }
            }
            Content::Property { property, bits, change } => Content::Property {
                property: *property,
                bits: *bits,
                change: change.then_slice(dropped, kept),
            },
            Content::Table { property, rows, change } => Content::Table {
                property: *property,
                rows: Rc::clone(rows),
                change: change.then_slice(dropped, kept),
            },
            Content::Doubtful(doubt) => Content::Doubtful(*doubt),
        };
        Self { length, content }
    }

    /// `(part & mask) ^ xor`.
    pub(crate) fn masked(&self, mask: u128, xor: u128) -> Self {
        let content = match &self.content {
            Content::Number { value, known } => {
                Content::Number { value: (value & mask) ^ xor, known: known | !mask }
            }
            // A mask of zeros makes something known of anything: an address in 0.0.0.0/0.
            _ if mask & ones(bits(self.length)) == 0 => Content::Number { value: xor, known: u128::MAX },
            Content::Property { property, bits, change } => {
                Content::Property { property: *property, bits: *bits, change: change.then(mask, xor) }
            }
            Content::Table { property, rows, change } => {
                Content::Table { property: *property, rows: Rc::clone(rows), change: change.then(mask, xor) }
            }
            Content::Doubtful(doubt) => Content::Doubtful(*doubt),
        };
        Self { length: self.length, content }
    }

    /// The number, if every bit is known.
    pub(crate) fn known(&self) -> Option<u128> {
        let all = ones(bits(self.length));
        match self.content {
            Content::Number { value, known } if known & all == all => Some(value & all),
            _ => None,
        }
    }

    /// The test for packets whose number is in the ranges; none if there are no such packets.
    pub(crate) fn within(&self, ranges: &Ranges) -> Option<Test> {
        let on =
            |property: Property, ranges: Ranges| (!ranges.is_empty()).then(|| Test::on(property, ranges));
        match &self.content {
            Content::Number { value, known } => {
                let value = value & ones(bits(self.length));
                if self.known().is_some() {
                    return ranges.contains(value).then(Test::default);
                }
                let single = (ranges.len() == 1).then(|| ranges.iter().next()).flatten();
                match single {
                    Some((first, last)) if first == last && (first ^ value) & known != 0 => None,
                    _ => Some(Test::doubtful(Doubt::Unknown)),
                }
            }
            Content::Property { property, bits, change } => match change.inverse(*bits, ranges) {
                Some(ranges) => on(*property, ranges),
                // The sender chooses addresses.
                None => Some(Test::doubtful(Doubt::Sender)),
            },
            Content::Table { property, rows, change } => {
                let fits = rows.iter().filter(|(_, number)| ranges.contains(change.of(*number)));
                on(*property, Ranges::new(fits.flat_map(|(numbers, _)| numbers.iter()).collect()))
            }
            Content::Doubtful(doubt) => Some(Test::doubtful(*doubt)),
        }
    }
}

/// The registers of a rule, each with its place in units of four bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registers(Vec<(u32, Vec<Part>)>);

fn length(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.length).sum()
}

fn slots(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(4)).unwrap_or(u32::MAX)
}

impl Registers {
    pub(crate) fn set(&mut self, to: u32, mut parts: Vec<Part>) {
        let written = length(&parts);
        let end = to.saturating_add(slots(written));
        self.0.retain(|(at, old)| at.saturating_add(slots(length(old))) <= to || *at >= end);
        let padding = written.next_multiple_of(4) - written;
        if padding > 0 {
            parts.push(Part::number(padding, 0));
        }
        self.0.push((to, parts));
    }

    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }

    /// Returns the bytes from a register on. Bytes that no expression has loaded are undecided.
    pub(crate) fn get(&self, from: u32, wanted: usize) -> Vec<Part> {
        let (mut found, mut at, mut left) = (Vec::new(), from, wanted);
        while left > 0 {
            let Some((_, parts)) = self.0.iter().find(|(slot, _)| *slot == at) else {
                return doubtful(wanted);
            };
            for part in parts {
                if left == 0 {
                    break;
                }
                let part = if part.length > left { part.slice(0, left) } else { part.clone() };
                left -= part.length;
                found.push(part);
            }
            at = at.saturating_add(slots(length(parts)));
        }
        found
    }
}

/// Unknown bytes.
pub(crate) fn doubtful(bytes: usize) -> Vec<Part> {
    let whole = (0..bytes).step_by(16);
    whole.map(|at| Part::doubtful((bytes - at).min(16), Doubt::Unknown)).collect()
}

/// The test for parts of which each is in its range of bytes: all of them together.
pub(crate) fn all_within(parts: &[Part], first: &[u8], last: &[u8]) -> Option<Test> {
    let (mut all, mut at) = (Test::default(), 0);
    for part in parts {
        let of = |bytes: &[u8]| number(bytes.get(at..at + part.length).unwrap_or_default());
        let test = part.within(&Ranges::range(of(first), of(last)))?;
        all.within.extend(test.within);
        all.doubt = all.doubt.max(test.doubt);
        at += part.length;
    }
    Some(all)
}
