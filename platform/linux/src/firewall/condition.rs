//! Conditions and targets that rules of iptables have, in nf_tables and in legacy tables, as expressions.

use super::expression::{AddressOperand, Expression, TRANSPORT_HEADER, ValueSource, Verdict, native};
use super::packets::{Doubt, Property};
use super::ranges::Ranges;

/// Registers that no expression of nf_tables can use.
const SCRATCH: u32 = 64;
const SCRATCH_TOO: u32 = 65;

pub(super) const MARK: ValueSource = ValueSource::Meta(3);
pub(super) const INPUT_NAME: ValueSource = ValueSource::Meta(6);
pub(super) const OUTPUT_NAME: ValueSource = ValueSource::Meta(7);
pub(super) const PROTOCOL: ValueSource = ValueSource::Meta(16);
pub(super) const PACKET_TYPE: ValueSource = ValueSource::Meta(19);
pub(super) const CONNECTION_STATUS: ValueSource = ValueSource::Connection { key: 2, direction: None };
pub(super) const CONNECTION_MARK: ValueSource = ValueSource::Connection { key: 3, direction: None };
/// Destination port of the connection's first packet.
pub(super) const ORIGINAL_PORT: ValueSource = ValueSource::Connection { key: 12, direction: Some(0) };
pub(super) const SOURCE_PORT: ValueSource =
    ValueSource::Header { base: TRANSPORT_HEADER, offset: 0, length: 2 };
pub(super) const DESTINATION_PORT: ValueSource =
    ValueSource::Header { base: TRANSPORT_HEADER, offset: 2, length: 2 };
pub(super) const TCP_FLAGS: ValueSource =
    ValueSource::Header { base: TRANSPORT_HEADER, offset: 13, length: 1 };
/// The bit of [`ValueSource::XtState`] for untracked packets.
pub(super) const STATE_UNTRACKED: u32 = 1 << 8;

/// Goes on if the number is in the ranges (or not).
pub(super) fn within(
    source: ValueSource,
    length: usize,
    ranges: Ranges,
    negated: bool,
    to: &mut Vec<Expression>,
) {
    to.push(Expression::Load { source, to: SCRATCH });
    to.push(Expression::Within { from: SCRATCH, length, ranges, negated });
}

/// Goes on if the bytes below the mask are these (or not).
pub(super) fn masked(
    source: ValueSource,
    mask: &[u8],
    value: &[u8],
    negated: bool,
    to: &mut Vec<Expression>,
) {
    to.push(Expression::Load { source, to: SCRATCH });
    let xor = vec![0; mask.len()];
    to.push(Expression::Bitwise { from: SCRATCH, to: SCRATCH, mask: mask.to_vec(), xor });
    to.push(Expression::Compare { from: SCRATCH, first: value.to_vec(), last: value.to_vec(), negated });
}

/// Goes on if any bit of the mask is set (or none).
pub(super) fn any_bit(source: ValueSource, mask: u32, negated: bool, to: &mut Vec<Expression>) {
    masked(source, &mask.to_ne_bytes(), &[0; 4], !negated, to);
}

pub(super) fn never(to: &mut Vec<Expression>) {
    to.push(Expression::Constant { to: SCRATCH, bytes: vec![0] });
    to.push(Expression::Within { from: SCRATCH, length: 1, ranges: Ranges::EMPTY, negated: false });
}

/// Goes on if the address has one of the types, which are bits of a mask; zero means any.
pub(super) fn address_type(property: Property, types: u16, negated: bool, to: &mut Vec<Expression>) {
    if types == 0 {
        return;
    }
    let chosen = (0..16_u32).filter(|kind| types & (1 << kind) != 0);
    let ranges = Ranges::new(chosen.map(|kind| (native(kind), native(kind))).collect());
    within(ValueSource::AddressType(property), 4, ranges, negated, to);
}

/// A match that looks at something else than the evaluation follows.
pub(super) fn undecided(name: &str, to: &mut Vec<Expression>) {
    to.push(Expression::Doubtful(match name {
        // Fields of the packet, its rate, or chance: the sender can choose them or try again.
        "limit" | "hashlimit" | "connlimit" | "statistic" | "length" | "ttl" | "hl" | "tos" | "dscp"
        | "ecn" | "string" | "u32" | "tcpmss" | "rpfilter" | "frag" | "rt" | "hbh" | "dst" | "eui64"
        | "osf" => Doubt::Sender,
        _ => Doubt::Unknown,
    }));
}

/// Effect of a target whose options make no difference to it.
pub(super) fn verdict(target: &str) -> Option<Expression> {
    Some(match target {
        "REJECT" | "DROP" | "TARPIT" => Expression::Verdict(Verdict::Drop),
        "LOG" | "NFLOG" | "ULOG" | "TRACE" | "AUDIT" | "TCPMSS" | "CLASSIFY" | "TOS" | "DSCP" | "SECMARK"
        | "CONNSECMARK" | "IDLETIMER" | "LED" | "TEE" | "CHECKSUM" | "HL" | "TTL" | "ECN" | "RATEEST"
        | "SET" | "TCPOPTSTRIP" | "MASQUERADE" | "SNAT" | "HMARK" => Expression::Nothing,
        "CONNMARK" => Expression::ForgetMarks,
        "NOTRACK" => Expression::Untrack,
        _ => return None,
    })
}

/// Replaces the destination by an address, or one of the machine's own, and the port by one of a range.
pub(super) fn translate(
    address: Option<AddressOperand>,
    ports: Option<(u16, u16)>,
    to: &mut Vec<Expression>,
) -> Expression {
    let mut constant = |register, port: u16| {
        to.push(Expression::Constant { to: register, bytes: port.to_be_bytes().to_vec() });
        register
    };
    let ports = ports.map(|(first, last)| (constant(SCRATCH, first), constant(SCRATCH_TOO, last)));
    Expression::Translate { address, ports }
}
