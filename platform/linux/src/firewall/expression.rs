//! Expressions of nf_tables rules (linux/netfilter/nf_tables.h): instructions of the kernel's virtual machine.

use super::netlink::Attributes;
use super::packets::{Doubt, Property};
use super::ranges::Ranges;
use super::value::number;
use super::xtables;

/// One instruction of a rule. Registers are numbered in units of four bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    Verdict(Verdict),
    /// Loads something of the packet.
    Load {
        source: ValueSource,
        to: u32,
    },
    /// Loads a constant.
    Constant {
        to: u32,
        bytes: Vec<u8>,
    },
    /// Goes on if the register's bytes are between these, which both count (or are not).
    Compare {
        from: u32,
        first: Vec<u8>,
        last: Vec<u8>,
        negated: bool,
    },
    /// Goes on if the number in so many bytes of the register is in the ranges (or is not).
    Within {
        from: u32,
        length: usize,
        ranges: Ranges,
        negated: bool,
    },
    /// `to = (from & mask) ^ xor`.
    Bitwise {
        from: u32,
        to: u32,
        mask: Vec<u8>,
        xor: Vec<u8>,
    },
    /// Reverses the bytes of each number of `size` bytes.
    ByteOrder {
        from: u32,
        to: u32,
        length: usize,
        size: usize,
    },
    /// Goes on if the set has the key (or has not). A map has a value for the key: a verdict, or bytes for a register.
    Lookup {
        set: String,
        from: u32,
        to: Option<u32>,
        negated: bool,
    },
    /// Adds what the packet has to a set.
    Fill {
        set: String,
    },
    /// Goes on or not.
    Doubtful(Doubt),
    SetMark {
        from: u32,
    },
    SetConnectionMark {
        from: u32,
    },
    /// `mark = (mark & !mask) ^ value`.
    ChangeMark {
        mask: u32,
        value: u32,
    },
    /// Changes marks in an unknown way.
    ForgetMarks,
    Untrack,
    /// Changes a header in an unknown way.
    Forget(Property),
    /// Replaces the destination: by the address in a register or by one of the machine's own, with the ports from one
    /// register to another.
    Translate {
        address: Option<AddressOperand>,
        ports: Option<(u32, u32)>,
    },
    /// Looks at nothing and decides nothing: counter, log.
    Nothing,
    /// May go on or not, and may write any register.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressOperand {
    Register(u32),
    Constant(u128),
}

/// Verdict of a rule for the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    Drop,
    Continue,
    Return,
    Jump(String),
    Goto(String),
    /// Something else decides: a program in user space, or a target that is not known.
    Undecided,
}

/// Something that a rule loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueSource {
    /// Bytes of a header.
    Header {
        base: u32,
        offset: usize,
        length: usize,
    },
    Meta(u32),
    Connection {
        key: u32,
        direction: Option<u32>,
    },
    /// State of the connection as the iptables match `conntrack` has it.
    XtState,
    /// Type of an address in the routing table.
    AddressType(Property),
    Doubtful(Doubt, usize),
}

/// Data of a set's elements and of constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    Verdict(Verdict),
    Bytes(Vec<u8>),
}

pub(crate) const LINK_HEADER: u32 = 0;
pub(crate) const NETWORK_HEADER: u32 = 1;
pub(crate) const TRANSPORT_HEADER: u32 = 2;
const META_MARK: u32 = 3;
const META_PACKET_TYPE: u32 = 19;
const CT_MARK: u32 = 3;
/// Longest value of a register in bytes.
const MAX_VALUE: usize = 64;

/// The expressions of a rule, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) expressions: Vec<Expression>,
    /// Whether it can do more than to look, count and log. A lookup is left out: only the set tells.
    pub(crate) acts: bool,
}

impl Rule {
    /// Reads the list of a rule's expressions; none if it is damaged.
    pub(crate) fn read(list: Attributes<'_>) -> Option<Self> {
        let mut expressions = Vec::new();
        for (_, bytes) in list {
            read(bytes.into(), &mut expressions)?;
        }
        Some(Self::of(expressions))
    }

    pub(crate) fn of(expressions: Vec<Expression>) -> Self {
        let looks = |expression: &Expression| {
            matches!(
                expression,
                Expression::Nothing
                    | Expression::Load { .. }
                    | Expression::Constant { .. }
                    | Expression::Compare { .. }
                    | Expression::Within { .. }
                    | Expression::Bitwise { .. }
                    | Expression::ByteOrder { .. }
                    | Expression::Lookup { .. }
                    | Expression::Fill { .. }
                    | Expression::Doubtful(_)
            )
        };
        let acts = !expressions.iter().all(looks);
        Self { expressions, acts }
    }
}

/// Reads an expression that adds an element to a set or removes it. With expressions for the element, it goes on as they
/// say, usually by rate.
fn read_dynset(data: Attributes<'_>, to: &mut Vec<Expression>) -> Option<()> {
    const DELETE: u32 = 2;
    if data.be32(3) != Some(DELETE) {
        to.push(Expression::Fill { set: data.text(1)?.to_owned() });
    }
    if data.get(7).or(data.get(10)).is_some() {
        to.push(Expression::Doubtful(Doubt::Sender));
    }
    Some(())
}

/// Reads one expression. None if it is damaged; an expression that is not known is [`Expression::Unknown`].
fn read(outer: Attributes<'_>, to: &mut Vec<Expression>) -> Option<()> {
    let data = outer.nested(2).unwrap_or_default();
    let target = |kind: u16| data.be32(kind).map(register);
    let load = |kind: u16, source: ValueSource| match target(kind) {
        Some(to) => Expression::Load { source, to },
        None => Expression::Nothing,
    };
    to.push(match outer.text(1)? {
        "counter" | "log" | "last" | "masq" | "dup" => Expression::Nothing,
        "match" => return xtables::read_match(data, to),
        "target" => return xtables::read_target(data, to),
        "reject" => Expression::Verdict(Verdict::Drop),
        "queue" | "synproxy" | "fwd" => Expression::Verdict(Verdict::Undecided),
        "notrack" => Expression::Untrack,
        "immediate" => match read_data(data.nested(2)?)? {
            Data::Verdict(verdict) => Expression::Verdict(verdict),
            Data::Bytes(bytes) => Expression::Constant { to: target(1)?, bytes },
        },
        "meta" => match (target(1), data.be32(2)?, target(3)) {
            (Some(to), key, _) => Expression::Load { source: ValueSource::Meta(key), to },
            (None, META_MARK, Some(from)) => Expression::SetMark { from },
            (None, META_PACKET_TYPE, _) => Expression::Forget(Property::PacketType),
            _ => Expression::Nothing,
        },
        "ct" => match (target(1), data.be32(2)?, target(4)) {
            (Some(to), key, _) => {
                let direction = data.get(3).and_then(|bytes| bytes.first()).map(|byte| u32::from(*byte));
                Expression::Load { source: ValueSource::Connection { key, direction }, to }
            }
            (None, CT_MARK, Some(from)) => Expression::SetConnectionMark { from },
            _ => Expression::Nothing,
        },
        "payload" => return read_payload(data, to),
        "exthdr" => load(1, ValueSource::Doubtful(Doubt::Sender, MAX_VALUE)),
        "numgen" | "osf" => load(1, ValueSource::Doubtful(Doubt::Sender, 16)),
        "hash" => load(2, ValueSource::Doubtful(Doubt::Sender, 4)),
        "socket" => load(2, ValueSource::Doubtful(Doubt::Unknown, 16)),
        "rt" | "tunnel" | "xfrm" => load(1, ValueSource::Doubtful(Doubt::Unknown, 16)),
        "fib" => load(1, fib(data.be32(2)?, data.be32(3)?)),
        "cmp" => compare(register(data.be32(1)?), data.be32(2)?, constant(data, 3)?)?,
        "range" => Expression::Compare {
            from: register(data.be32(1)?),
            first: constant(data, 3)?.to_vec(),
            last: constant(data, 4)?.to_vec(),
            negated: data.be32(2)? != 0,
        },
        "bitwise" if data.be32(6).unwrap_or(0) == 0 => Expression::Bitwise {
            from: register(data.be32(1)?),
            to: register(data.be32(2)?),
            mask: constant(data, 4)?.to_vec(),
            xor: constant(data, 5)?.to_vec(),
        },
        "bitwise" => {
            let length = usize::try_from(data.be32(3)?).ok()?.min(MAX_VALUE);
            Expression::Load { source: ValueSource::Doubtful(Doubt::Unknown, length), to: target(2)? }
        }
        "byteorder" => Expression::ByteOrder {
            from: register(data.be32(1)?),
            to: register(data.be32(2)?),
            length: usize::try_from(data.be32(4)?).ok()?.min(MAX_VALUE),
            size: usize::try_from(data.be32(5)?).ok()?.clamp(1, 16),
        },
        "lookup" => Expression::Lookup {
            set: data.text(1)?.to_owned(),
            from: register(data.be32(2)?),
            // Register 0 holds verdicts.
            to: data.be32(3).filter(|to| *to != 0).map(register),
            negated: data.be32(5).unwrap_or(0) & 1 != 0,
        },
        "dynset" => return read_dynset(data, to),
        "limit" | "connlimit" => Expression::Doubtful(Doubt::Sender),
        "quota" => Expression::Doubtful(Doubt::Unknown),
        "objref" => match data.be32(1) {
            // Counter, helper, timeout, security mark, expectation.
            Some(1 | 3 | 7 | 8 | 9) => Expression::Nothing,
            Some(4 | 5) => Expression::Doubtful(Doubt::Sender),
            _ => Expression::Verdict(Verdict::Undecided),
        },
        "nat" if data.be32(1)? == 1 => {
            let first = target(5);
            Expression::Translate {
                address: target(3).map(AddressOperand::Register),
                ports: first.zip(target(6).or(first)),
            }
        }
        "nat" => Expression::Nothing,
        "redir" => {
            let first = target(1);
            to.push(Expression::Translate { address: None, ports: first.zip(target(2).or(first)) });
            return Some(());
        }
        _ => Expression::Unknown,
    });
    Some(())
}

fn read_payload(data: Attributes<'_>, to: &mut Vec<Expression>) -> Option<()> {
    let base = data.be32(2)?;
    let offset = usize::try_from(data.be32(3)?).ok()?;
    let length = usize::try_from(data.be32(4)?).ok()?.min(MAX_VALUE);
    if let Some(register_to) = data.be32(1) {
        let source = ValueSource::Header { base, offset, length };
        to.push(Expression::Load { source, to: register(register_to) });
    } else if base == NETWORK_HEADER && offset.saturating_add(length) > 8 {
        to.extend([Property::Source, Property::Destination].map(Expression::Forget));
    } else if base != NETWORK_HEADER && base != LINK_HEADER && offset < 4 {
        to.extend([Property::SourcePort, Property::Port].map(Expression::Forget));
    }
    Some(())
}

fn fib(result: u32, flags: u32) -> ValueSource {
    const ADDRESS_TYPE: u32 = 3;
    const OF_SOURCE: u32 = 1;
    match result {
        ADDRESS_TYPE if flags & OF_SOURCE != 0 => ValueSource::AddressType(Property::Source),
        ADDRESS_TYPE => ValueSource::AddressType(Property::Destination),
        // By which way an answer would go: the sender can choose the source.
        _ => ValueSource::Doubtful(Doubt::Sender, 16),
    }
}

fn compare(from: u32, operator: u32, bytes: &[u8]) -> Option<Expression> {
    let compare = |first: Vec<u8>, last: Vec<u8>, negated| Expression::Compare { from, first, last, negated };
    let (own, least, greatest) = (bytes.to_vec(), vec![0; bytes.len()], vec![0xff; bytes.len()]);
    Some(match operator {
        0 => compare(own.clone(), own, false),
        1 => compare(own.clone(), own, true),
        2 => compare(own, greatest, true),
        3 => compare(least, own, false),
        4 => compare(least, own, true),
        5 => compare(own, greatest, false),
        _ => return None,
    })
}

/// Bytes of a constant in an attribute, as many as a register can hold.
fn constant<'a>(data: Attributes<'a>, kind: u16) -> Option<&'a [u8]> {
    value(data.nested(kind)?)
}

fn value<'a>(data: Attributes<'a>) -> Option<&'a [u8]> {
    data.get(1).filter(|bytes| bytes.len() <= MAX_VALUE)
}

/// Reads a constant or the data of an element: bytes, or a verdict.
pub(crate) fn read_data(data: Attributes<'_>) -> Option<Data> {
    match data.nested(2) {
        Some(verdict) => read_verdict(verdict).map(Data::Verdict),
        None => value(data).map(|bytes| Data::Bytes(bytes.to_vec())),
    }
}

fn read_verdict(verdict: Attributes<'_>) -> Option<Verdict> {
    let chain = || verdict.text(2).map(str::to_owned);
    // The lower half says what, the upper half holds the number of a queue.
    Some(match i32::from_ne_bytes(verdict.be32(1)?.to_ne_bytes()) {
        0 => Verdict::Drop,
        1 => Verdict::Accept,
        -1 => Verdict::Continue,
        -2 | -5 => Verdict::Return,
        -3 => Verdict::Jump(chain()?),
        -4 => Verdict::Goto(chain()?),
        code if code & 0xffff == 3 => Verdict::Undecided,
        _ => return None,
    })
}

/// Registers 1 to 4 have sixteen bytes, and overlay those from 8 on, which have four.
pub(crate) fn register(number: u32) -> u32 {
    if number < 8 { number.saturating_sub(1) * 4 } else { number - 8 }
}

/// A number that the kernel has in its own byte order.
pub(crate) fn native(number: u32) -> u128 {
    self::number(&number.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).unwrap();
        let mut bytes = [&length.to_ne_bytes(), &kind.to_ne_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
    fn accept() -> Vec<u8> {
        let verdict = attribute(2, &attribute(2, &attribute(1, &1_u32.to_be_bytes())));
        [attribute(1, b"immediate\0"), attribute(2, &[attribute(1, &[0; 4]), verdict].concat())].concat()
    }
    fn expression(bytes: &[u8]) -> Option<Expression> {
        let mut expressions = Vec::new();
        read(bytes.into(), &mut expressions)?;
        expressions.pop()
    }

    #[test]
    fn expressions_are_read() {
        assert_eq!(expression(&accept()), Some(Expression::Verdict(Verdict::Accept)));
        assert_eq!(expression(&attribute(1, b"counter\0")), Some(Expression::Nothing));
        assert_eq!(expression(&attribute(1, b"from-the-future\0")), Some(Expression::Unknown));
    }

    #[test]
    fn rejects_truncated_or_damaged_verdicts() {
        let whole = accept();
        for length in 0..whole.len() {
            assert_eq!(expression(&whole[..length]), None, "{length}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                // Whatever it says, it is said without a crash, and it is not "drop" but where the code itself is 0.
                let read = expression(&bytes);
                assert!(
                    at == whole.len() - 1 || read != Some(Expression::Verdict(Verdict::Drop)),
                    "{at} {value}"
                );
            }
        }
    }

    #[test]
    fn registers_overlay() {
        let table = [(1, 0), (2, 4), (4, 12), (8, 0), (9, 1), (23, 15), (0, 0)];
        assert!(table.iter().all(|(number, slot)| register(*number) == *slot));
    }
}
