//! Follows sets of packets through the hooks that a packet from outside passes: ingress, prerouting, then input or
//! forward, each in the order of priorities. A rule's test splits a set; where a test cannot be decided, both parts have
//! all packets.

use super::expression::{
    AddressOperand, Data, Expression, LINK_HEADER, NETWORK_HEADER, Rule, TRANSPORT_HEADER, ValueSource,
    Verdict, native,
};
use super::interfaces::{Interface, Network};
use super::packets::{Doubt, Packets, Property, Test};
use super::ranges::Ranges;
use super::ruleset::{Base, Chain, Hook, INET, IPV4, NETDEV, Policy, Ruleset, Table};
use super::senders::Addresses;
use super::set::Set;
use super::value::{Content, Part, Registers, all_within, doubtful, number, ones};

/// Bits of connection states, `NF_CT_STATE_BIT(IP_CT_NEW)` and others.
const STATE_INVALID: u32 = 1;
const STATE_NEW: u32 = 8;
const STATE_UNTRACKED: u32 = 64;
/// The iptables match `conntrack` has two bits more, and another for untracked packets.
const XT_STATE_DNAT: u32 = 1 << 7;
const XT_STATE_UNTRACKED: u32 = 1 << 8;
/// `IPS_DST_NAT`.
const STATUS_DNAT: u32 = 1 << 5;
/// Bits of the status that are known of a new connection: expected, seen reply, assured, source and destination
/// translated.
const STATUS_KNOWN: u32 = 1 | 2 | 4 | 1 << 4 | STATUS_DNAT;
/// Priority at which conntrack looks at packets.
const CONNTRACK: i32 = -200;
/// Deeper than the kernel lets chains jump (`NFT_JUMP_STACK_SIZE`).
const MAX_DEPTH: usize = 32;
/// More steps than any sane ruleset takes: chains that jump often to one another multiply.
const MAX_STEPS: usize = 400_000;

/// The evaluation took too many steps to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooComplex;

/// Packets by their destination or end.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// Delivered to this machine.
    pub(crate) delivered: Vec<Packets>,
    /// Sent on to another address, to which a rule has redirected them.
    pub(crate) forwarded: Vec<Packets>,
    pub(crate) dropped: Vec<Packets>,
}

/// Packets that a chain has not dropped.
#[derive(Default)]
struct Passed {
    accepted: Vec<Packets>,
    undecided: Vec<Packets>,
}

/// Effects that tables which cannot be read may have on packets before these rules see them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unread {
    pub(crate) marks: bool,
    /// Takes packets out of connection tracking.
    pub(crate) tracking: bool,
}

struct Evaluation<'a> {
    unread: Unread,
    ruleset: &'a Ruleset,
    network: &'a Network,
    addresses: &'a Addresses,
    family: u8,
    hook: Hook,
    priority: i32,
    steps: usize,
    dropped: Vec<Packets>,
}

/// Follows packets of a family from outside to where they end.
pub(crate) fn follow(
    ruleset: &Ruleset,
    network: &Network,
    addresses: &Addresses,
    family: u8,
    unread: Unread,
) -> Result<Ends, TooComplex> {
    let mut packets = addresses.packets(network);
    for packets in packets.iter_mut().filter(|_| unread.marks) {
        (packets.mark, packets.connection_mark) = (None, None);
    }
    let mut evaluation = Evaluation {
        unread,
        ruleset,
        network,
        addresses,
        family,
        hook: Hook::Ingress,
        priority: 0,
        steps: MAX_STEPS,
        dropped: Vec::new(),
    };
    let packets = evaluation.hook(Hook::Ingress, packets)?;
    let packets = evaluation.hook(Hook::Prerouting, packets)?;
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for packets in packets {
        if !packets.knows(Property::Destination) {
            others.push(packets.clone().unsure());
            own.push(packets.unsure());
            continue;
        }
        let (here, elsewhere) = packets.split(Some(&Test::on(Property::Destination, addresses.delivered())));
        own.extend(here);
        others.extend(elsewhere);
    }
    let delivered = evaluation.hook(Hook::Input, own)?;
    let forwarded = evaluation.hook(Hook::Forward, others)?;
    Ok(Ends { delivered, forwarded, dropped: evaluation.dropped })
}

/// The chains of a hook that see packets of a family, in the order in which the kernel calls them.
fn chains(ruleset: &Ruleset, hook: Hook, family: u8) -> Vec<(&Table, &Chain, &Base)> {
    let tables = ruleset.all().filter(|((of, _), _)| [INET, NETDEV, family].contains(of));
    let mut sorted: Vec<_> = tables
        .flat_map(|(id, table)| table.chains.iter().map(move |(name, chain)| (id, name, table, chain)))
        .filter_map(|(id, name, table, chain)| {
            let base = chain.base.as_ref().filter(|base| base.hook == hook)?;
            Some(((base.priority, id, name), (table, chain, base)))
        })
        .collect();
    // Tables of different families may have the same name, and so may those of legacy iptables.
    sorted.sort_by_key(|(place, _)| *place);
    sorted.into_iter().map(|(_, chain)| chain).collect()
}

impl Evaluation<'_> {
    /// Runs every chain of a hook, and returns the packets that none dropped.
    fn hook(&mut self, hook: Hook, mut packets: Vec<Packets>) -> Result<Vec<Packets>, TooComplex> {
        self.hook = hook;
        for (table, chain, base) in chains(self.ruleset, hook, self.family) {
            if packets.is_empty() {
                break;
            }
            self.priority = base.priority;
            let (concerned, mut passed) = self.concerned(base, packets);
            let ends = self.chain(table, chain, concerned, MAX_DEPTH)?;
            for accepted in ends.accepted {
                accepted.add_to(&mut passed);
            }
            match base.policy {
                Policy::Accept => {
                    ends.undecided.into_iter().for_each(|undecided| undecided.add_to(&mut passed));
                }
                Policy::Drop => self.dropped.extend(ends.undecided),
            }
            packets = passed;
        }
        Ok(packets)
    }

    /// Splits into the packets that pass a base chain and the others.
    fn concerned(&self, base: &Base, packets: Vec<Packets>) -> (Vec<Packets>, Vec<Packets>) {
        if base.translates {
            return packets.into_iter().partition(|packets| !packets.translated && !packets.untracked);
        }
        if base.hook != Hook::Ingress {
            return (packets, Vec::new());
        }
        let names = self.network.inbound.iter().zip(0..);
        let chosen = names.filter(|(interface, _)| base.devices.contains(&interface.name));
        let places = Ranges::new(chosen.map(|(_, place)| (place, place)).collect());
        let test = Test::on(Property::Interface, places);
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        for packets in packets {
            let (passes, rest) = packets.split(Some(&test));
            inside.extend(passes);
            outside.extend(rest);
        }
        (inside, outside)
    }

    fn chain(
        &mut self,
        table: &Table,
        chain: &Chain,
        mut packets: Vec<Packets>,
        depth: usize,
    ) -> Result<Passed, TooComplex> {
        let deeper = depth.checked_sub(1).ok_or(TooComplex)?;
        let mut passed = Passed::default();
        for rule in &chain.rules {
            if packets.is_empty() {
                break;
            }
            let mut next = Vec::with_capacity(packets.len());
            let mut calls: Vec<(&str, bool, Vec<Packets>)> = Vec::new();
            for packets in packets {
                for (packets, verdict) in self.rule(table, rule, packets)? {
                    let (name, returns) = match verdict {
                        None | Some(Verdict::Continue) => {
                            packets.add_to(&mut next);
                            continue;
                        }
                        Some(Verdict::Accept) => {
                            packets.add_to(&mut passed.accepted);
                            continue;
                        }
                        Some(Verdict::Drop) => {
                            self.dropped.push(packets);
                            continue;
                        }
                        Some(Verdict::Return) => {
                            packets.add_to(&mut passed.undecided);
                            continue;
                        }
                        Some(Verdict::Undecided) => {
                            let packets = packets.unsure();
                            self.dropped.push(packets.clone());
                            packets.clone().add_to(&mut passed.accepted);
                            packets.add_to(&mut next);
                            continue;
                        }
                        Some(Verdict::Jump(name)) => (name, true),
                        Some(Verdict::Goto(name)) => (name, false),
                    };
                    match calls.iter_mut().find(|call| (call.0, call.1) == (name, returns)) {
                        Some((_, _, list)) => packets.add_to(list),
                        None => calls.push((name, returns, vec![packets])),
                    }
                }
            }
            for (name, returns, called) in calls {
                let Some(other) = table.chains.get(name) else { return Err(TooComplex) };
                let ends = self.chain(table, other, called, deeper)?;
                ends.accepted.into_iter().for_each(|packets| packets.add_to(&mut passed.accepted));
                let list = if returns { &mut next } else { &mut passed.undecided };
                ends.undecided.into_iter().for_each(|packets| packets.add_to(list));
            }
            packets = next;
        }
        packets.into_iter().for_each(|packets| packets.add_to(&mut passed.undecided));
        Ok(passed)
    }

    fn step(&mut self, count: usize) -> Result<(), TooComplex> {
        self.steps = self.steps.checked_sub(count).ok_or(TooComplex)?;
        Ok(())
    }

    /// Splits packets by the rule's verdict for them, if it has one.
    fn rule<'r>(
        &mut self,
        table: &'r Table,
        rule: &'r Rule,
        packets: Packets,
    ) -> Result<Vec<(Packets, Option<&'r Verdict>)>, TooComplex> {
        self.step(1)?;
        let decides = |expression: &Expression| match expression {
            Expression::Lookup { set, .. } => table.sets.get(set).is_none_or(|set| set.has_verdicts),
            _ => false,
        };
        if !rule.acts && !rule.expressions.iter().any(decides) {
            return Ok(vec![(packets, None)]);
        }
        let mut ends = Vec::new();
        let mut open = vec![(0_usize, packets, Registers::default())];
        while let Some((at, mut packets, mut registers)) = open.pop() {
            self.step(1)?;
            let Some(expression) = rule.expressions.get(at) else {
                ends.push((packets, None));
                continue;
            };
            let (from, length, ranges, negated) = match expression {
                Expression::Verdict(verdict) => {
                    ends.push((packets, Some(verdict)));
                    continue;
                }
                Expression::Lookup { set, from, to, negated } => {
                    let Some(set) = table.sets.get(set) else { return Err(TooComplex) };
                    self.look_up(set, &registers.get(*from, set.key_length), packets, *negated, |part| {
                        match part {
                            Found::Not(packets) => ends.push((packets, None)),
                            Found::Yes(packets, Some(Data::Verdict(verdict))) if to.is_none() => {
                                ends.push((packets, Some(verdict)));
                            }
                            Found::Yes(packets, data) => {
                                let mut registers = registers.clone();
                                match (to, data) {
                                    (Some(to), Some(Data::Bytes(bytes))) => {
                                        registers.set(*to, constant(bytes))
                                    }
                                    (Some(_), _) => registers.forget(),
                                    (None, _) => {}
                                }
                                open.push((at + 1, packets, registers));
                            }
                        }
                    })?;
                    continue;
                }
                Expression::Compare { from, first, last, negated } => {
                    (*from, first.len(), Bounds::Bytes(first, last), *negated)
                }
                Expression::Within { from, length, ranges, negated } => {
                    (*from, *length, Bounds::Ranges(ranges), *negated)
                }
                Expression::Doubtful(doubt) => {
                    let (inside, outside) = packets.split(Some(&Test::doubtful(*doubt)));
                    open.extend(inside.map(|packets| (at + 1, packets, registers)));
                    ends.extend(outside.into_iter().map(|packets| (packets, None)));
                    continue;
                }
                Expression::Unknown => {
                    registers.forget();
                    packets.mark = None;
                    let (inside, outside) = packets.split(Some(&Test::doubtful(Doubt::Unknown)));
                    open.extend(inside.map(|packets| (at + 1, packets, registers)));
                    ends.extend(outside.into_iter().map(|packets| (packets, None)));
                    continue;
                }
                Expression::Translate { address, ports } => {
                    translate(&mut packets, &registers, self.family, *address, *ports, self.addresses);
                    ends.push((packets, Some(&Verdict::Accept)));
                    continue;
                }
                other => {
                    self.change(other, &mut packets, &mut registers);
                    open.push((at + 1, packets, registers));
                    continue;
                }
            };
            let parts = registers.get(from, length);
            let test = ranges.test(&parts);
            let (inside, outside) = packets.split(test.as_ref());
            let mut go_on = |packets| open.push((at + 1, packets, registers.clone()));
            if negated {
                outside.into_iter().for_each(go_on);
                ends.extend(inside.map(|packets| (packets, None)));
            } else {
                inside.into_iter().for_each(&mut go_on);
                ends.extend(outside.into_iter().map(|packets| (packets, None)));
            }
        }
        Ok(ends)
    }

    /// Carries out an expression after which every packet goes on.
    fn change(&self, expression: &Expression, packets: &mut Packets, registers: &mut Registers) {
        let word = |registers: &Registers, from: u32| -> Option<u32> {
            let known = match registers.get(from, 4).as_slice() {
                [part] => part.known()?,
                _ => return None,
            };
            u32::try_from(known).ok().map(|number| u32::from_ne_bytes(number.to_be_bytes()))
        };
        match expression {
            Expression::Load { source, to } => registers.set(*to, self.load(*source, packets)),
            Expression::Constant { to, bytes } => registers.set(*to, constant(bytes)),
            Expression::Bitwise { from, to, mask, xor } => {
                let parts = masked(&registers.get(*from, mask.len()), mask, xor);
                registers.set(*to, parts);
            }
            Expression::ByteOrder { from, to, length, size } => {
                let parts = reversed(&registers.get(*from, *length), *size);
                registers.set(*to, parts);
            }
            Expression::SetMark { from } => packets.mark = word(registers, *from),
            Expression::SetConnectionMark { from } => packets.connection_mark = word(registers, *from),
            Expression::ChangeMark { mask, value } => {
                packets.mark = packets.mark.map(|mark| (mark & !mask) ^ value);
            }
            Expression::ForgetMarks => (packets.mark, packets.connection_mark) = (None, None),
            Expression::Untrack => packets.untracked = true,
            Expression::Forget(property) => packets.forget(*property),
            _ => {}
        }
    }

    fn load(&self, source: ValueSource, packets: &Packets) -> Vec<Part> {
        match source {
            ValueSource::Header { base: NETWORK_HEADER, offset, length } if self.family == IPV4 => header(
                &[
                    (9, Part::property(1, Property::Protocol)),
                    (12, Part::property(4, Property::Source)),
                    (16, Part::property(4, Property::Destination)),
                ],
                offset,
                length,
            ),
            ValueSource::Header { base: NETWORK_HEADER, offset, length } => header(
                &[
                    (6, Part::property(1, Property::Protocol)),
                    (8, Part::property(16, Property::Source)),
                    (24, Part::property(16, Property::Destination)),
                ],
                offset,
                length,
            ),
            ValueSource::Header { base: TRANSPORT_HEADER, offset, length } => header(
                &[
                    (0, Part::property(2, Property::SourcePort)),
                    (2, Part::property(2, Property::Port)),
                    (13, Part::property(1, Property::TcpFlags)),
                ],
                offset,
                length,
            ),
            ValueSource::Header { base: LINK_HEADER, offset, length } => {
                header(&[(6, Part::property(6, Property::Hardware)), (12, self.ethertype())], offset, length)
            }
            ValueSource::Header { length, .. } => header(&[], 0, length),
            ValueSource::Meta(key) => vec![self.meta(key, packets)],
            ValueSource::Connection { key, direction } => self.connection(key, direction, packets),
            ValueSource::XtState => {
                let state = match self.state(packets) {
                    Some(STATE_UNTRACKED) => Some(XT_STATE_UNTRACKED),
                    Some(STATE_NEW) if packets.translated => Some(STATE_NEW | XT_STATE_DNAT),
                    state => state,
                };
                vec![word(state)]
            }
            ValueSource::AddressType(property) => {
                vec![Part::table(4, property, self.addresses.types(property))]
            }
            ValueSource::Doubtful(doubt, length) => {
                let pieces = (0..length).step_by(16);
                pieces.map(|at| Part::doubtful((length - at).min(16), doubt)).collect()
            }
        }
    }

    /// The protocol above the link, as a VLAN's interface has it too.
    fn ethertype(&self) -> Part {
        Part::number(2, if self.family == IPV4 { 0x0800 } else { 0x86dd })
    }

    fn meta(&self, key: u32, packets: &Packets) -> Part {
        let inbound = |length: usize, of: &dyn Fn(&Interface) -> u128| {
            let places = self.network.inbound.iter().zip(0..);
            let rows = places.map(|(interface, place)| (Ranges::range(place, place), of(interface)));
            Part::table(length, Property::Interface, rows.collect())
        };
        let out = |length: usize, of: &dyn Fn(&Interface) -> u128| match self.hook {
            Hook::Forward => match self.way_out(packets) {
                Some(interface) => Part::number(length, of(interface)),
                None => Part::doubtful(length, Doubt::Unknown),
            },
            _ => Part::number(length, 0),
        };
        let index = |interface: &Interface| native(interface.index);
        let name = |interface: &Interface| text(&interface.name);
        match key {
            0 => Part::doubtful(4, Doubt::Sender),
            1 => self.ethertype(),
            3 => word(packets.mark),
            4 => inbound(4, &index),
            5 => out(4, &index),
            6 => inbound(16, &name),
            7 => out(16, &name),
            8 => inbound(2, &|interface| number(&interface.hardware.to_ne_bytes())),
            15 => Part::number(1, self.family.into()),
            16 => Part::property(1, Property::Protocol),
            19 => Part::property(1, Property::PacketType),
            20 | 24 => Part::doubtful(4, Doubt::Sender),
            21 => inbound(4, &|interface| native(interface.group)),
            22 => out(4, &|interface| native(interface.group)),
            // Whether IPsec protected it.
            25 => Part::number(1, 0),
            26 => inbound(16, &|interface| text(interface.kind.as_deref().unwrap_or_default())),
            27 => out(16, &|interface| text(interface.kind.as_deref().unwrap_or_default())),
            _ => Part::doubtful(16, Doubt::Unknown),
        }
    }

    fn connection(&self, key: u32, direction: Option<u32>, packets: &Packets) -> Vec<Part> {
        let original = direction == Some(0) && !packets.translated;
        let address = if self.family == IPV4 { 4 } else { 16 };
        let part = match key {
            0 => word(self.state(packets)),
            1 => Part::number(1, 0),
            2 => {
                let value = if packets.translated { STATUS_DNAT } else { 0 };
                let content =
                    Content::Number { value: native(value), known: native(STATUS_KNOWN) | !ones(32) };
                Part { length: 4, content }
            }
            3 => word(packets.connection_mark),
            7 => Part::number(1, self.family.into()),
            8 | 19 | 21 if original => Part::property(address, Property::Source),
            9 | 20 | 22 if original => Part::property(address, Property::Destination),
            10 => Part::property(1, Property::Protocol),
            11 if original => Part::property(2, Property::SourcePort),
            12 if original => Part::property(2, Property::Port),
            _ => Part::doubtful(16, Doubt::Unknown),
        };
        vec![part]
    }

    /// The bit of the connection's state, if known.
    fn state(&self, packets: &Packets) -> Option<u32> {
        match self.priority.cmp(&CONNTRACK) {
            _ if self.unread.tracking => None,
            _ if packets.untracked => Some(STATE_UNTRACKED),
            _ if self.hook == Hook::Ingress => Some(STATE_INVALID),
            std::cmp::Ordering::Less if self.hook == Hook::Prerouting => Some(STATE_INVALID),
            std::cmp::Ordering::Equal if self.hook == Hook::Prerouting => None,
            _ => Some(STATE_NEW),
        }
    }

    /// The interface on whose subnet the destination is.
    fn way_out(&self, packets: &Packets) -> Option<&Interface> {
        let reached = |address: &&super::interfaces::Address| {
            address.family == self.family && address.subnet.covers(packets.get(Property::Destination))
        };
        let mut found = self.network.addresses.iter().filter(reached).map(|address| address.interface);
        let index = found.next()?;
        let unique = packets.knows(Property::Destination) && found.all(|other| other == index);
        self.network.all.iter().find(|interface| unique && interface.index == index)
    }

    /// Gives each part of the packets to `each`, with what the set has for it.
    fn look_up<'s>(
        &mut self,
        set: &'s Set,
        key: &[Part],
        packets: Packets,
        negated: bool,
        mut each: impl FnMut(Found<'s>),
    ) -> Result<(), TooComplex> {
        let doubt = if set.conditional { Doubt::Sender } else { Doubt::None };
        let mut tests = Vec::new();
        match (key, set.groups(), set.elements()) {
            ([part], Some(groups), _) => {
                tests.extend(groups.iter().map(|(data, ranges)| (part.within(ranges), data.as_ref())));
            }
            (_, _, Some(elements)) => {
                self.step(elements.len())?;
                let test = |element: &'s super::set::Element| {
                    (all_within(key, &element.first, &element.last), element.data.as_ref())
                };
                tests.extend(elements.iter().map(test));
            }
            _ => tests.push((Some(Test::doubtful(Doubt::Unknown)), None)),
        }
        let mut left = vec![packets];
        for (test, data) in tests {
            let Some(mut test) = test else { continue };
            test.doubt = test.doubt.max(doubt);
            self.step(left.len())?;
            let mut rest = Vec::with_capacity(left.len());
            for packets in left {
                let (inside, outside) = packets.split(Some(&test));
                match inside {
                    Some(inside) if negated => each(Found::Not(inside)),
                    Some(inside) => each(Found::Yes(inside, data)),
                    None => {}
                }
                rest.extend(outside);
            }
            left = rest;
        }
        for packets in left {
            if set.filled_by_rules {
                each(if negated { Found::Not(packets.clone()) } else { Found::Yes(packets.clone(), None) });
            }
            each(match &set.other {
                Some(data) if !negated => Found::Yes(packets, data.as_ref()),
                None if negated => Found::Yes(packets, None),
                _ => Found::Not(packets),
            });
        }
        Ok(())
    }
}

/// Whether a lookup goes on.
enum Found<'a> {
    Yes(Packets, Option<&'a Data>),
    Not(Packets),
}

enum Bounds<'a> {
    Bytes(&'a [u8], &'a [u8]),
    Ranges(&'a Ranges),
}

impl Bounds<'_> {
    fn test(&self, parts: &[Part]) -> Option<Test> {
        match (self, parts) {
            (Bounds::Ranges(ranges), [part]) => part.within(ranges),
            (Bounds::Bytes(first, last), [part]) => part.within(&Ranges::range(number(first), number(last))),
            (Bounds::Bytes(first, last), parts) if first == last => all_within(parts, first, last),
            _ => Some(Test::doubtful(Doubt::Unknown)),
        }
    }
}

/// Replaces the destination of packets.
fn translate(
    packets: &mut Packets,
    registers: &Registers,
    family: u8,
    address: Option<AddressOperand>,
    ports: Option<(u32, u32)>,
    addresses: &Addresses,
) {
    packets.translated = true;
    let known = |from: u32, length: usize| match registers.get(from, length).as_slice() {
        [part] => part.known(),
        _ => None,
    };
    if let Some((first, last)) = ports {
        let ports = known(first, 2).zip(known(last, 2)).map(|(first, last)| Ranges::range(first, last));
        match ports {
            Some(ports) => packets.replace_port(Some(ports)),
            None => packets.forget(Property::Port),
        }
    }
    match address {
        None => packets.replace_destination(addresses.own.clone()),
        Some(AddressOperand::Constant(number)) => packets.replace_destination(Ranges::range(number, number)),
        Some(AddressOperand::Register(from)) => match known(from, if family == IPV4 { 4 } else { 16 }) {
            Some(number) => packets.replace_destination(Ranges::range(number, number)),
            None => packets.forget(Property::Destination),
        },
    }
}

/// The bytes of a header, with the offsets of its fields.
fn header(fields: &[(usize, Part)], offset: usize, length: usize) -> Vec<Part> {
    let (mut parts, mut at, end) = (Vec::new(), offset, offset.saturating_add(length));
    while at < end {
        let field = fields.iter().find(|(start, field)| (*start..start + field.length).contains(&at));
        let part = match field {
            Some((start, field)) => field.slice(at - start, end - at),
            None => {
                let next = fields.iter().map(|(start, ..)| *start).filter(|start| *start > at).min();
                Part::doubtful((next.unwrap_or(end).min(end) - at).min(16), Doubt::Sender)
            }
        };
        at += part.length;
        parts.push(part);
    }
    parts
}

fn constant(bytes: &[u8]) -> Vec<Part> {
    bytes.chunks(16).map(Part::bytes).collect()
}

fn masked(parts: &[Part], mask: &[u8], xor: &[u8]) -> Vec<Part> {
    let mut at = 0;
    let mut change = |part: &Part| {
        let of = |bytes: &[u8]| number(bytes.get(at..at + part.length).unwrap_or_default());
        let part = part.masked(of(mask), of(xor));
        at += part.length;
        part
    };
    parts.iter().map(&mut change).collect()
}

/// Reverses the bytes of each number of `size` bytes.
fn reversed(parts: &[Part], size: usize) -> Vec<Part> {
    if parts.iter().all(|part| matches!(part.content, Content::Doubtful(_))) {
        return parts.to_vec();
    }
    let length = parts.iter().map(|part| part.length).sum();
    // The kernel leaves the bytes after the last whole number as they are.
    if length < size {
        return parts.to_vec();
    }
    let [Part { length: whole, content: Content::Number { value, known } }] = parts else {
        return doubtful(length);
    };
    let reverse = |number: u128| {
        let bytes = number.to_be_bytes();
        let own = bytes.get(16_usize.saturating_sub(*whole)..).unwrap_or_default();
        let reversed: Vec<u8> = own.chunks(size).flat_map(|chunk| chunk.iter().rev().copied()).collect();
        super::value::number(&reversed)
    };
    let known = reverse(*known) | !ones(u32::try_from(whole * 8).unwrap_or(128));
    vec![Part { length: *whole, content: Content::Number { value: reverse(*value), known } }]
}

fn word(number: Option<u32>) -> Part {
    number.map_or(Part::doubtful(4, Doubt::Unknown), |number| Part::number(4, native(number)))
}

/// An interface's name or kind, padded with zeros.
fn text(name: &str) -> u128 {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    number(&bytes)
}
