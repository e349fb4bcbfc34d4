//! Evaluates the ruleset for unsolicited packets: one packet of each kind, of which only the family,
//! transport, interface and connection state (new) are known. A rule whose match these do not decide is an
//! exception for some traffic and is skipped; the result applies to all other traffic.

use super::interfaces::Interface;
use super::ruleset::{Chain, Expression, INET, IPV4, IPV6, Policy, Property, Ruleset, Verdict};
use std::collections::HashMap;

/// Connection state `NF_CT_STATE_BIT(IP_CT_NEW)`.
const STATE_NEW: u32 = 8;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Deeper than the kernel lets chains jump (`NFT_JUMP_STACK_SIZE`).
const MAX_DEPTH: usize = 32;
/// More steps than any sane ruleset takes for one packet: chains that jump often to one another multiply.
const MAX_STEPS: usize = 1_000_000;

/// The evaluation took too many steps to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooComplex;

/// A packet that comes in and belongs to no connection.
struct Packet<'a> {
    family: u8,
    transport: u8,
    interface: Option<&'a Interface>,
}

/// Result of a chain for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChainResult {
    Accepted,
    Dropped,
    Undecided,
}

/// Returns whether every kind of unsolicited packet of a family is dropped on every interface.
pub(crate) fn blocked(ruleset: &Ruleset, family: u8, interfaces: &[Interface]) -> Result<bool, TooComplex> {
    let mut interfaces: Vec<_> = interfaces.iter().map(Some).collect();
    if interfaces.is_empty() {
        interfaces.push(None);
    }
    for interface in interfaces {
        for transport in [TCP, UDP] {
            if !drops(ruleset, &Packet { family, transport, interface })? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Returns the number of base chains on the input hook.
pub(crate) fn base_chains(ruleset: &Ruleset) -> usize {
    ruleset.tables.values().flat_map(HashMap::values).filter(|chain| chain.input.is_some()).count()
}

/// Returns whether any base chain on the hook drops the packet; one is enough.
fn drops(ruleset: &Ruleset, packet: &Packet<'_>) -> Result<bool, TooComplex> {
    let mut steps = MAX_STEPS;
    for ((family, _), chains) in &ruleset.tables {
        if ![INET, packet.family].contains(family) {
            continue;
        }
        for chain in chains.values() {
            let Some(policy) = chain.input else { continue };
            match run(chain, chains, packet, MAX_DEPTH, &mut steps)? {
                ChainResult::Dropped => return Ok(true),
                ChainResult::Undecided if policy == Policy::Drop => return Ok(true),
                ChainResult::Accepted | ChainResult::Undecided => {}
            }
        }
    }
    Ok(false)
}

fn run(
    chain: &Chain,
    chains: &HashMap<String, Chain>,
    packet: &Packet<'_>,
    depth: usize,
    steps: &mut usize,
) -> Result<ChainResult, TooComplex> {
    let deeper = depth.checked_sub(1).ok_or(TooComplex)?;
    for rule in &chain.rules {
        *steps = steps.checked_sub(1).ok_or(TooComplex)?;
        let (name, returns) = match verdict(rule, packet) {
            Some(Verdict::Accept) => return Ok(ChainResult::Accepted),
            // A queue without a listener drops, but a listener may accept: not counted as a drop.
            Some(Verdict::Queue) => return Ok(ChainResult::Accepted),
            Some(Verdict::Drop) => return Ok(ChainResult::Dropped),
            Some(Verdict::Return) => return Ok(ChainResult::Undecided),
            Some(Verdict::Continue) | None => continue,
            Some(Verdict::Jump(name)) => (name, true),
            Some(Verdict::Goto(name)) => (name, false),
        };
        let Some(next) = chains.get(name) else { return Err(TooComplex) };
        match run(next, chains, packet, deeper, steps)? {
            ChainResult::Undecided if returns => {}
            end => return Ok(end),
        }
    }
    Ok(ChainResult::Undecided)
}

/// The rule's verdict, if the packet surely comes to it.
fn verdict<'a>(rule: &'a [Expression], packet: &Packet<'_>) -> Option<&'a Verdict> {
    let mut registers = Registers::default();
    for expression in rule {
        match expression {
            Expression::Verdict(verdict) => return Some(verdict),
            Expression::Nothing => {}
            Expression::Other => return None,
            Expression::Load { property, to } => registers.set(*to, packet.property(*property)),
            Expression::Compare { from, equal, bytes } => {
                // A name with a wildcard is compared up to the wildcard.
                let same = registers.get(*from)?.get(..bytes.len())? == bytes;
                if same != *equal {
                    return None;
                }
            }
            Expression::Bitwise { from, to, mask, xor } => {
                // A mask of zeros makes something known of anything: an address in 0.0.0.0/0.
                let zeros = vec![0; mask.len()];
                let all_masked = mask.iter().all(|byte| *byte == 0);
                let value = registers.get(*from).or(all_masked.then_some(&zeros)).map(|value| {
                    let bits = value.iter().zip(mask).zip(xor);
                    bits.map(|((value, mask), xor)| (value & mask) ^ xor).collect()
                });
                registers.set(*to, value);
            }
        }
    }
    None
}

impl Packet<'_> {
    fn property(&self, property: Property) -> Option<Vec<u8>> {
        Some(match property {
            Property::NetworkProtocol => vec![self.family],
            Property::TransportProtocol => vec![self.transport],
            Property::ConnectionState => STATE_NEW.to_ne_bytes().to_vec(),
            Property::Interface => self.interface?.index.to_ne_bytes().to_vec(),
            Property::InterfaceName => {
                let mut name = self.interface?.name.clone().into_bytes();
                name.resize(16, 0);
                name
            }
            // `ip protocol` and `ip6 nexthdr`, as a payload.
            Property::Payload { offset: 9, length: 1 } if self.family == IPV4 => vec![self.transport],
            Property::Payload { offset: 6, length: 1 } if self.family == IPV6 => vec![self.transport],
            Property::Payload { .. } | Property::Unknown => return None,
        })
    }
}

/// Known values in registers, by offset in units of four bytes.
#[derive(Default)]
struct Registers(Vec<(u32, Vec<u8>)>);

impl Registers {
    fn get(&self, from: u32) -> Option<&Vec<u8>> {
        self.0.iter().find(|(at, _)| *at == from).map(|(_, value)| value)
    }

    fn set(&mut self, to: u32, value: Option<Vec<u8>>) {
        // No value has more than sixteen bytes, four units: what may overlap is forgotten.
        self.0.retain(|(at, _)| at.abs_diff(to) >= 4);
        self.0.extend(value.map(|value| (to, value)));
    }
}
