//! Extensions of iptables in nf_tables rules: their data as the kernel has it (linux/netfilter/xt_*.h).

use super::condition::{
    CONNECTION_MARK, CONNECTION_STATUS, DESTINATION_PORT, MARK, ORIGINAL_PORT, PACKET_TYPE, PROTOCOL,
    SOURCE_PORT, STATE_UNTRACKED, TCP_FLAGS, address_type, any_bit, masked, never, translate, undecided,
    verdict, within,
};
use super::expression::{AddressOperand, Expression, NETWORK_HEADER, ValueSource, Verdict};
use super::netlink::Attributes;
use super::packets::{Doubt, Property};
use super::ranges::Ranges;
use super::value::number;

/// Fields of a structure in the machine's byte order. A field beyond its end is absent.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn byte(self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }
    fn half(self, at: usize) -> Option<u16> {
        Some(u16::from_ne_bytes(*self.0.get(at..)?.first_chunk()?))
    }
    fn word(self, at: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(*self.0.get(at..)?.first_chunk()?))
    }
    /// A range of ports.
    fn ports(self, at: usize) -> Option<Ranges> {
        Some(Ranges::range(self.half(at)?.into(), self.half(at + 2)?.into()))
    }
    /// A number in network byte order.
    fn big(self, at: usize, length: usize) -> Option<u128> {
        self.0.get(at..at + length).map(number)
    }
}

/// Reads a match. None if it is damaged; one that is not known is doubtful.
pub(super) fn read_match(data: Attributes<'_>, to: &mut Vec<Expression>) -> Option<()> {
    let (name, revision) = (data.text(1)?, data.be32(2).unwrap_or(0));
    let fields = Fields(data.get(3)?);
    match (name, revision) {
        ("comment", _) => {}
        ("conntrack", 1..=3) => connection(fields, revision, to)?,
        ("state", _) => {
            // Its bit for untracked packets is another.
            let mask = fields.word(0)?;
            let mask = (mask & 0x3f) | if mask & 0x40 == 0 { 0 } else { STATE_UNTRACKED };
            any_bit(ValueSource::XtState, mask, false, to);
        }
        ("multiport", 1) => {
            let count = usize::from(fields.byte(1)?).min(15);
            let (mut ranges, mut at) = (Vec::new(), 0);
            while at < count {
                let first = fields.half(2 + 2 * at)?;
                let is_range = fields.byte(32 + at)? != 0;
                at += usize::from(is_range);
                ranges.push((first.into(), fields.half(2 + 2 * at)?.into()));
                at += 1;
            }
            let (ranges, negated) = (Ranges::new(ranges), fields.byte(47)? != 0);
            match fields.byte(0)? {
                0 => within(SOURCE_PORT, 2, ranges, negated, to),
                1 => within(DESTINATION_PORT, 2, ranges, negated, to),
                // Of either port the sender chooses one.
                _ => to.push(Expression::Doubtful(Doubt::Sender)),
            }
        }
        ("tcp", _) => {
            let invert = fields.byte(11)?;
            within(SOURCE_PORT, 2, fields.ports(0)?, invert & 1 != 0, to);
            within(DESTINATION_PORT, 2, fields.ports(4)?, invert & 2 != 0, to);
            if fields.byte(8)? != 0 {
                to.push(Expression::Doubtful(Doubt::Sender));
            }
            let (mask, flags) = (fields.byte(9)?, fields.byte(10)?);
            if mask != 0 {
                masked(TCP_FLAGS, &[mask], &[flags], invert & 4 != 0, to);
            }
        }
        ("udp", _) => {
            let invert = fields.byte(8)?;
            within(SOURCE_PORT, 2, fields.ports(0)?, invert & 1 != 0, to);
            within(DESTINATION_PORT, 2, fields.ports(4)?, invert & 2 != 0, to);
        }
        ("addrtype", 0) => {
            let (source, destination) = (fields.half(0)?, fields.half(2)?);
            address_type(Property::Source, source, fields.word(4)? != 0, to);
            address_type(Property::Destination, destination, fields.word(8)? != 0, to);
        }
        ("addrtype", 1) => {
            let (source, destination, flags) = (fields.half(0)?, fields.half(2)?, fields.word(4)?);
            address_type(Property::Source, source, flags & 1 != 0, to);
            address_type(Property::Destination, destination, flags & 2 != 0, to);
        }
        ("pkttype", _) => {
            let kind = u128::from(fields.word(0)?);
            within(PACKET_TYPE, 1, Ranges::range(kind, kind), fields.word(4)? != 0, to);
        }
        ("mark" | "connmark", 1) => {
            let source = if name == "mark" { MARK } else { CONNECTION_MARK };
            let (mark, mask) = (fields.word(0)?.to_ne_bytes(), fields.word(4)?.to_ne_bytes());
            masked(source, &mask, &mark, fields.byte(8)? != 0, to);
        }
        ("iprange", 1) => ip_range(fields, to)?,
        ("mac", _) => {
            let address = fields.big(0, 6)?;
            let source = ValueSource::Header { base: 0, offset: 6, length: 6 };
            within(source, 6, Ranges::range(address, address), fields.word(8)? != 0, to);
        }
        // Whether IPsec protected the packet: one from anywhere has no protection.
        ("policy", 0) if fields.half(304)? & 4 != 0 => {}
        ("policy", 0) => never(to),
        _ => undecided(name, to),
    }
    Some(())
}

/// Reads a target. None if it is damaged.
pub(super) fn read_target(data: Attributes<'_>, to: &mut Vec<Expression>) -> Option<()> {
    let (name, revision) = (data.text(1)?, data.be32(2).unwrap_or(0));
    let fields = Fields(data.get(3).unwrap_or_default());
    if let Some(expression) = verdict(name) {
        to.push(expression);
        return Some(());
    }
    let expression = match (name, revision) {
        ("MARK", 2) => Expression::ChangeMark { value: fields.word(0)?, mask: fields.word(4)? },
        ("MARK", _) => Expression::ForgetMarks,
        ("CT", _) => {
            if fields.half(0)? & 1 != 0 {
                Expression::Untrack
            } else {
                Expression::Nothing
            }
        }
        ("REDIRECT", 0) => read_translation(None, fields.word(4)?, 16, fields, to)?,
        ("DNAT", 0) => {
            let address = AddressOperand::Constant(fields.big(8, 4)?);
            read_translation(Some(address), fields.word(4)?, 16, fields, to)?
        }
        _ => read_wide_target(name, fields, to)?,
    };
    to.push(expression);
    Some(())
}

/// Translations of revision 1 and 2 have room for IPv6 addresses, and do not say of which kind theirs are.
fn read_wide_target(name: &str, fields: Fields<'_>, to: &mut Vec<Expression>) -> Option<Expression> {
    let address = match name {
        "REDIRECT" => None,
        // An IPv4 address is followed by zeros.
        "DNAT" if fields.big(8, 12)? == 0 => Some(fields.big(4, 4)?),
        "DNAT" => Some(fields.big(4, 16)?),
        _ => return Some(Expression::Verdict(Verdict::Undecided)),
    };
    read_translation(address.map(AddressOperand::Constant), fields.word(0)?, 36, fields, to)
}

/// Reads a translation to the ports at a place of its structure.
fn read_translation(
    address: Option<AddressOperand>,
    flags: u32,
    ports_at: usize,
    fields: Fields<'_>,
    to: &mut Vec<Expression>,
) -> Option<Expression> {
    const MAPS_ADDRESSES: u32 = 1;
    const SPECIFIES_PORTS: u32 = 2;
    const SHIFTS_PORTS: u32 = 1 << 5;
    let port = |at| u16::try_from(fields.big(at, 2)?).ok();
    let ports = match flags & (SPECIFIES_PORTS | SHIFTS_PORTS) {
        SPECIFIES_PORTS => Some((port(ports_at)?, port(ports_at + 2)?)),
        flags if flags & SPECIFIES_PORTS != 0 => Some((0, u16::MAX)),
        _ => None,
    };
    Some(translate(address.filter(|_| flags & MAPS_ADDRESSES != 0), ports, to))
}

/// `struct xt_conntrack_mtinfo1` to `3`.
fn connection(fields: Fields<'_>, revision: u32, to: &mut Vec<Expression>) -> Option<()> {
    const STATE: u16 = 1;
    const OF_PROTOCOL: u16 = 1 << 1;
    const STATUS: u16 = 1 << 6;
    const PORT: u16 = 1 << 9;
    const DIRECTION: u16 = 1 << 12;
    const STATE_ALIAS: u16 = 1 << 13;
    let (flags, invert) = (fields.half(146)?, fields.half(148)?);
    let (state, status) = if revision == 1 {
        (fields.byte(150)?.into(), fields.byte(151)?.into())
    } else {
        (fields.half(150)?, fields.half(152)?)
    };
    if flags & STATE != 0 {
        any_bit(ValueSource::XtState, state.into(), invert & STATE != 0, to);
    }
    if flags & OF_PROTOCOL != 0 {
        let protocol = u128::from(fields.half(136)?);
        within(PROTOCOL, 1, Ranges::range(protocol, protocol), invert & OF_PROTOCOL != 0, to);
    }
    if flags & STATUS != 0 {
        if status == 0 {
            // No bit at all.
            to.push(Expression::Doubtful(Doubt::Unknown));
        } else {
            any_bit(CONNECTION_STATUS, status.into(), invert & STATUS != 0, to);
        }
    }
    if flags & PORT != 0 {
        let (first, last) = if revision == 3 {
            (fields.half(140)?.into(), fields.half(156)?.into())
        } else {
            (fields.big(140, 2)?, fields.big(140, 2)?)
        };
        within(ORIGINAL_PORT, 2, Ranges::range(first, last), invert & PORT != 0, to);
    }
    if flags & DIRECTION != 0 {
        // A new connection has the original direction; inverted means the reply.
        if invert & DIRECTION != 0 {
            never(to);
        }
    }
    if flags & !(STATE | OF_PROTOCOL | STATUS | PORT | DIRECTION | STATE_ALIAS) != 0 {
        to.push(Expression::Doubtful(Doubt::Unknown));
    }
    Some(())
}

/// `struct xt_iprange_mtinfo`. IPv4 addresses are followed by the zeros of longer ones.
fn ip_range(fields: Fields<'_>, to: &mut Vec<Expression>) -> Option<()> {
    let flags = fields.byte(64)?;
    let is_short = fields.big(4, 12)? == 0
        && fields.big(20, 12)? == 0
        && fields.big(36, 12)? == 0
        && fields.big(52, 12)? == 0;
    let length = if is_short { 4 } else { 16 };
    for (used, inverted, at, offset) in [(1, 16, 0, (12, 8)), (2, 32, 32, (16, 24))] {
        if flags & used != 0 {
            let ranges = Ranges::range(fields.big(at, length)?, fields.big(at + 16, length)?);
            let offset = if is_short { offset.0 } else { offset.1 };
            within(
                ValueSource::Header { base: NETWORK_HEADER, offset, length },
                length,
                ranges,
                flags & inverted != 0,
                to,
            );
        }
    }
    Some(())
}
