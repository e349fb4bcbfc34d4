//! The kernel's nf_tables ruleset (linux/netfilter/nf_tables.h), as far as it decides over a packet that comes in.

use super::netlink::{Attributes, Message, NetlinkError, dump, open};
use rustix::net::netlink::NETFILTER;
use std::collections::HashMap;

const SUBSYSTEM: u16 = 10 << 8;
const GET_TABLE: u16 = SUBSYSTEM | 1;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const GET_RULE: u16 = SUBSYSTEM | 7;
/// `struct nfgenmsg`: family, version, generation.
const GENMSG: usize = 4;
const HOOK_LOCAL_IN: u32 = 1;
const TABLE_DORMANT: u32 = 1;
const POLICY_DROP: u32 = 0;
const PAYLOAD_NETWORK: u32 = 1;
/// Maximum number of dumps if the ruleset changes during each.
const TRIES: usize = 5;

/// Protocol families of tables (linux/netfilter.h).
pub(crate) const INET: u8 = 1;
pub(crate) const IPV4: u8 = 2;
pub(crate) const IPV6: u8 = 10;

pub(crate) type TableId = (u8, String);

/// Tables, chains and rules of the families that see IP packets.
#[derive(Debug, Default)]
pub(crate) struct Ruleset {
    /// Active tables, each with its chains.
    pub(crate) tables: HashMap<TableId, HashMap<String, Chain>>,
    /// The rules' generation: another in a second dump means that there was a change between them.
    generation: Option<u16>,
}

#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// For a base chain on the input hook: what becomes of a packet that no rule decides.
    pub(crate) input: Option<Policy>,
    pub(crate) rules: Vec<Vec<Expression>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Accept,
    Drop,
}

/// One instruction of a rule in the kernel's virtual machine. Registers are numbered in units of four bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    Verdict(Verdict),
    /// Loads a property of the packet.
    Load {
        property: Property,
        to: u32,
    },
    /// Goes on if the register's bytes are these (or are not).
    Compare {
        from: u32,
        equal: bool,
        bytes: Vec<u8>,
    },
    /// `to = (from & mask) ^ xor`.
    Bitwise {
        from: u32,
        to: u32,
        mask: Vec<u8>,
        xor: Vec<u8>,
    },
    /// Looks at nothing and decides nothing: counter, log.
    Nothing,
    /// May go on or not, and may write any register.
    Other,
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
    /// A program in user space decides.
    Queue,
}

/// A property of a packet that an evaluation can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    NetworkProtocol,
    TransportProtocol,
    Interface,
    InterfaceName,
    ConnectionState,
    /// Bytes of the network header.
    Payload {
        offset: u32,
        length: u32,
    },
    Unknown,
}

/// Takes one object of a dump in; none when it is not understood.
type Take = fn(&mut Ruleset, u8, Attributes<'_>) -> Option<()>;

impl Ruleset {
    /// Reads it from the kernel, in the network namespace of this thread.
    pub(crate) fn read() -> Result<Self, NetlinkError> {
        for _ in 1..TRIES {
            match Self::read_once() {
                Err(NetlinkError::Interrupted) => {}
                done => return done,
            }
        }
        Self::read_once()
    }

    fn read_once() -> Result<Self, NetlinkError> {
        let socket = open(Some(NETFILTER), 0)?;
        let mut ruleset = Self::default();
        let mut interrupted = false;
        let dumps: [(u16, Take); 3] =
            [(GET_TABLE, Self::take_table), (GET_CHAIN, Self::take_chain), (GET_RULE, Self::take_rule)];
        for (kind, take) in dumps {
            dump(&socket, kind, &[0; GENMSG], |message| {
                let (family, generation, attributes) = genmsg(message)?;
                interrupted |= *ruleset.generation.get_or_insert(generation) != generation;
                take(&mut ruleset, family, attributes)
            })?;
        }
        if interrupted { Err(NetlinkError::Interrupted) } else { Ok(ruleset) }
    }

    fn take_table(&mut self, family: u8, table: Attributes<'_>) -> Option<()> {
        let name = table.text(1)?;
        let dormant = table.be32(2).unwrap_or(0) & TABLE_DORMANT != 0;
        if !dormant && [INET, IPV4, IPV6].contains(&family) {
            self.tables.insert((family, name.to_owned()), HashMap::new());
        }
        Some(())
    }

    fn take_chain(&mut self, family: u8, chain: Attributes<'_>) -> Option<()> {
        let Some(table) = self.tables.get_mut(&(family, chain.text(1)?.to_owned())) else { return Some(()) };
        let hook = chain.nested(4).and_then(|hook| hook.be32(1));
        // A chain of type `nat` sees only packets that begin a connection, and is no place to filter in.
        let filters = hook == Some(HOOK_LOCAL_IN) && chain.text(7) == Some("filter");
        let policy = if chain.be32(5) == Some(POLICY_DROP) { Policy::Drop } else { Policy::Accept };
        table
            .insert(chain.text(3)?.to_owned(), Chain { input: filters.then_some(policy), rules: Vec::new() });
        Some(())
    }

    fn take_rule(&mut self, family: u8, rule: Attributes<'_>) -> Option<()> {
        let table = self.tables.get_mut(&(family, rule.text(1)?.to_owned()));
        let Some(chain) = table.and_then(|table| table.get_mut(rule.text(2)?)) else { return Some(()) };
        let expressions = rule.nested(4).unwrap_or_default();
        chain.rules.push(expressions.map(|(_, bytes)| expression(bytes.into())).collect::<Option<_>>()?);
        Some(())
    }
}

fn genmsg<'a>(message: &Message<'a>) -> Option<(u8, u16, Attributes<'a>)> {
    let [family, _version, high, low] = *message.body.first_chunk()?;
    Some((family, u16::from_be_bytes([high, low]), Attributes::after(message.body, GENMSG)?))
}

fn expression(outer: Attributes<'_>) -> Option<Expression> {
    let data = outer.nested(2).unwrap_or_default();
    Some(match outer.text(1)? {
        "counter" | "log" | "last" => Expression::Nothing,
        "match" if data.text(1)? == "comment" => Expression::Nothing,
        "reject" => Expression::Verdict(Verdict::Drop),
        // Extensions of iptables: what they are called is all that can be known of them.
        "target" => match data.text(1)? {
            "REJECT" | "DROP" => Expression::Verdict(Verdict::Drop),
            "NFQUEUE" => Expression::Verdict(Verdict::Queue),
            _ => Expression::Nothing,
        },
        "queue" => Expression::Verdict(Verdict::Queue),
        "immediate" => match data.nested(2)?.nested(2) {
            Some(verdict) => Expression::Verdict(verdict_of(verdict)?),
            None => Expression::Other,
        },
        "meta" => match data.be32(1) {
            Some(to) => Expression::Load { property: meta(data.be32(2)?), to: register(to) },
            None => Expression::Nothing,
        },
        "ct" => match data.be32(1) {
            Some(to) => {
                let state = data.be32(2)? == 0;
                let property = if state { Property::ConnectionState } else { Property::Unknown };
                Expression::Load { property, to: register(to) }
            }
            None => Expression::Nothing,
        },
        "payload" => match data.be32(1) {
            Some(to) => {
                let network = data.be32(2)? == PAYLOAD_NETWORK;
                let payload = Property::Payload { offset: data.be32(3)?, length: data.be32(4)? };
                let property = if network { payload } else { Property::Unknown };
                Expression::Load { property, to: register(to) }
            }
            None => Expression::Nothing,
        },
        "cmp" => {
            let equal = match data.be32(2)? {
                0 => true,
                1 => false,
                _ => return Some(Expression::Other),
            };
            let bytes = data.nested(3)?.get(1)?.to_vec();
            Expression::Compare { from: register(data.be32(1)?), equal, bytes }
        }
        "bitwise" if data.be32(6).unwrap_or(0) == 0 => Expression::Bitwise {
            from: register(data.be32(1)?),
            to: register(data.be32(2)?),
            mask: data.nested(4)?.get(1)?.to_vec(),
            xor: data.nested(5)?.get(1)?.to_vec(),
        },
        // Among them sets and maps: which packets they hold for is not known.
        _ => Expression::Other,
    })
}

fn verdict_of(verdict: Attributes<'_>) -> Option<Verdict> {
    let chain = || verdict.text(2).map(str::to_owned);
    Some(match i32::from_ne_bytes(verdict.be32(1)?.to_ne_bytes()) {
        0 => Verdict::Drop,
        1 => Verdict::Accept,
        3 => Verdict::Queue,
        -1 => Verdict::Continue,
        -2 | -5 => Verdict::Return,
        -3 => Verdict::Jump(chain()?),
        -4 => Verdict::Goto(chain()?),
        _ => return None,
    })
}

/// Registers 1 to 4 have sixteen bytes, and overlay those from 8 on, which have four.
fn register(number: u32) -> u32 {
    if number < 8 { number.saturating_sub(1) * 4 } else { number - 8 }
}

fn meta(key: u32) -> Property {
    match key {
        4 => Property::Interface,
        6 => Property::InterfaceName,
        15 => Property::NetworkProtocol,
        16 => Property::TransportProtocol,
        _ => Property::Unknown,
    }
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

    #[test]
    fn expressions_are_read() {
        assert_eq!(expression(accept().as_slice().into()), Some(Expression::Verdict(Verdict::Accept)));
        let counter = attribute(1, b"counter\0");
        assert_eq!(expression(counter.as_slice().into()), Some(Expression::Nothing));
        let unheard_of = attribute(1, b"from-the-future\0");
        assert_eq!(expression(unheard_of.as_slice().into()), Some(Expression::Other));
    }

    #[test]
    fn rejects_truncated_or_damaged_verdicts() {
        let whole = accept();
        for length in 0..whole.len() {
            assert_eq!(expression(whole[..length].into()), None, "{length}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                // Whatever it says, it is said without a crash, and it is not "drop" but where the code itself is 0.
                let read = expression(bytes.as_slice().into());
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
