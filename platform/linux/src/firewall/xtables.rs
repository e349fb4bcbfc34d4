//! Extensions of iptables in nf_tables rules: their data as the kernel has it (linux/netfilter/xt_*.h).

use super::expression::{AddressOperand, Expression, TRANSPORT_HEADER, ValueSource, Verdict, native};
use super::netlink::Attributes;
use super::packets::{Doubt, Property};
use super::ranges::Ranges;
use super::value::number;

/// A register that no expression of nf_tables can use.
const SCRATCH: u32 = 64;
const META_MARK: u32 = 3;
const META_PACKET_TYPE: u32 = 19;
const CT_MARK: u32 = 3;

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
            let mask = (mask & 0x3f) | if mask & 0x40 == 0 { 0 } else { 0x100 };
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
                0 => within(port(0), 2, ranges, negated, to),
                1 => within(port(2), 2, ranges, negated, to),
                // Of either port the sender chooses one.
                _ => to.push(Expression::Doubtful(Doubt::Sender)),
            }
        }
        ("tcp", _) => {
            let invert = fields.byte(11)?;
            within(port(0), 2, fields.ports(0)?, invert & 1 != 0, to);
            within(port(2), 2, fields.ports(4)?, invert & 2 != 0, to);
            if fields.byte(8)? != 0 {
                to.push(Expression::Doubtful(Doubt::Sender));
            }
            let (mask, flags) = (fields.byte(9)?, fields.byte(10)?);
            if mask != 0 {
                let source = ValueSource::Header { base: TRANSPORT_HEADER, offset: 13, length: 1 };
                masked(source, &[mask], &[flags], invert & 4 != 0, to);
            }
        }
        ("udp", _) => {
            let invert = fields.byte(8)?;
            within(port(0), 2, fields.ports(0)?, invert & 1 != 0, to);
            within(port(2), 2, fields.ports(4)?, invert & 2 != 0, to);
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
            within(
                ValueSource::Meta(META_PACKET_TYPE),
                1,
                Ranges::range(kind, kind),
                fields.word(4)? != 0,
                to,
            );
        }
        ("mark" | "connmark", 1) => {
            let source = if name == "mark" {
                ValueSource::Meta(META_MARK)
            } else {
                ValueSource::Connection { key: CT_MARK, direction: None }
            };
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
        // Fields of the packet, its rate, or chance: the sender can choose them or try again.
        (
            "limit" | "hashlimit" | "connlimit" | "statistic" | "length" | "ttl" | "hl" | "tos" | "dscp"
            | "ecn" | "string" | "u32" | "tcpmss" | "rpfilter" | "frag" | "rt" | "hbh" | "dst" | "eui64"
            | "osf",
            _,
        ) => to.push(Expression::Doubtful(Doubt::Sender)),
        _ => to.push(Expression::Doubtful(Doubt::Unknown)),
    }
    Some(())
}

/// Reads a target. None if it is damaged.
pub(super) fn read_target(data: Attributes<'_>, to: &mut Vec<Expression>) -> Option<()> {
    let (name, revision) = (data.text(1)?, data.be32(2).unwrap_or(0));
    let fields = Fields(data.get(3).unwrap_or_default());
    let expression = match (name, revision) {
        ("REJECT" | "DROP" | "TARPIT", _) => Expression::Verdict(Verdict::Drop),
        (
            "LOG" | "NFLOG" | "ULOG" | "TRACE" | "AUDIT" | "TCPMSS" | "CLASSIFY" | "TOS" | "DSCP" | "SECMARK"
            | "CONNSECMARK" | "IDLETIMER" | "LED" | "TEE" | "CHECKSUM" | "HL" | "TTL" | "ECN" | "RATEEST"
            | "SET" | "TCPOPTSTRIP" | "MASQUERADE" | "SNAT" | "HMARK",
            _,
        ) => Expression::Nothing,
        ("MARK", 2) => Expression::ChangeMark { value: fields.word(0)?, mask: fields.word(4)? },
        ("MARK" | "CONNMARK", _) => Expression::ForgetMarks,
        ("NOTRACK", _) => Expression::Untrack,
        ("CT", _) => {
            if fields.half(0)? & 1 != 0 {
                Expression::Untrack
            } else {
                Expression::Nothing
            }
        }
        ("REDIRECT", 0) => translate(None, fields.word(4)?, 16, fields, to)?,
        ("DNAT", 0) => {
            translate(Some(AddressOperand::Constant(fields.big(8, 4)?)), fields.word(4)?, 16, fields, to)?
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
    translate(address.map(AddressOperand::Constant), fields.word(0)?, 36, fields, to)
}

/// A translation to the ports at a place of its structure.
fn translate(
    address: Option<AddressOperand>,
    flags: u32,
    ports_at: usize,
    fields: Fields<'_>,
    to: &mut Vec<Expression>,
) -> Option<Expression> {
    const MAPS_ADDRESSES: u32 = 1;
    const SPECIFIES_PORTS: u32 = 2;
    const SHIFTS_PORTS: u32 = 1 << 5;
    let specified = flags & SPECIFIES_PORTS != 0;
    let ports = if specified {
        let port = |at| Some(u16::try_from(fields.big(at, 2)?).ok()?.to_be_bytes().to_vec());
        let (first, last) = if flags & SHIFTS_PORTS == 0 {
            (port(ports_at)?, port(ports_at + 2)?)
        } else {
            (vec![0, 0], vec![0xff, 0xff])
        };
        to.push(Expression::Constant { to: SCRATCH, bytes: first });
        to.push(Expression::Constant { to: SCRATCH + 1, bytes: last });
        Some((SCRATCH, SCRATCH + 1))
    } else {
        None
    };
    let address = address.filter(|_| flags & MAPS_ADDRESSES != 0);
    Some(Expression::Translate { address, ports })
}

/// `struct xt_conntrack_mtinfo1` to `3`.
fn connection(fields: Fields<'_>, revision: u32, to: &mut Vec<Expression>) -> Option<()> {
    const STATE: u16 = 1;
    const PROTOCOL: u16 = 1 << 1;
    const STATUS: u16 = 1 << 6;
    const DESTINATION_PORT: u16 = 1 << 9;
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
    if flags & PROTOCOL != 0 {
        let protocol = u128::from(fields.half(136)?);
        within(ValueSource::Meta(16), 1, Ranges::range(protocol, protocol), invert & PROTOCOL != 0, to);
    }
    if flags & STATUS != 0 {
        let source = ValueSource::Connection { key: 2, direction: None };
        if status == 0 {
            // No bit at all.
            to.push(Expression::Doubtful(Doubt::Unknown));
        } else {
            any_bit(source, status.into(), invert & STATUS != 0, to);
        }
    }
    if flags & DESTINATION_PORT != 0 {
        let (first, last) = if revision == 3 {
            (fields.half(140)?.into(), fields.half(156)?.into())
        } else {
            (fields.big(140, 2)?, fields.big(140, 2)?)
        };
        let source = ValueSource::Connection { key: 12, direction: Some(0) };
        within(source, 2, Ranges::range(first, last), invert & DESTINATION_PORT != 0, to);
    }
    if flags & DIRECTION != 0 {
        // A new connection has the original direction; inverted means the reply.
        if invert & DIRECTION != 0 {
            never(to);
        }
    }
    if flags & !(STATE | PROTOCOL | STATUS | DESTINATION_PORT | DIRECTION | STATE_ALIAS) != 0 {
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
                ValueSource::Header { base: 1, offset, length },
                length,
                ranges,
                flags & inverted != 0,
                to,
            );
        }
    }
    Some(())
}

fn port(offset: usize) -> ValueSource {
    ValueSource::Header { base: TRANSPORT_HEADER, offset, length: 2 }
}

fn within(source: ValueSource, length: usize, ranges: Ranges, negated: bool, to: &mut Vec<Expression>) {
    to.push(Expression::Load { source, to: SCRATCH });
    to.push(Expression::Within { from: SCRATCH, length, ranges, negated });
}

fn masked(source: ValueSource, mask: &[u8], value: &[u8], negated: bool, to: &mut Vec<Expression>) {
    to.push(Expression::Load { source, to: SCRATCH });
    let xor = vec![0; mask.len()];
    to.push(Expression::Bitwise { from: SCRATCH, to: SCRATCH, mask: mask.to_vec(), xor });
    to.push(Expression::Compare { from: SCRATCH, first: value.to_vec(), last: value.to_vec(), negated });
}

/// Goes on if any bit of the mask is set (or none).
fn any_bit(source: ValueSource, mask: u32, negated: bool, to: &mut Vec<Expression>) {
    masked(source, &mask.to_ne_bytes(), &[0; 4], !negated, to);
}

fn never(to: &mut Vec<Expression>) {
    to.push(Expression::Constant { to: SCRATCH, bytes: vec![0] });
    to.push(Expression::Within { from: SCRATCH, length: 1, ranges: Ranges::EMPTY, negated: false });
}

/// Goes on if the address has one of the types, which are bits of a mask; zero means any.
fn address_type(property: Property, types: u16, negated: bool, to: &mut Vec<Expression>) {
    if types == 0 {
        return;
    }
    let chosen = (0..16_u32).filter(|kind| types & (1 << kind) != 0);
    let ranges = Ranges::new(chosen.map(|kind| (native(kind), native(kind))).collect());
    within(ValueSource::AddressType(property), 4, ranges, negated, to);
}
