//! The kernel's nf_tables ruleset, as far as it decides over a packet that comes in.

use super::expression::{Expression, Rule};
use super::netlink::{Attributes, Message, NetlinkError, attribute, dump, open};
use super::set::Set;
use rustix::net::netlink::NETFILTER;
use std::collections::{BTreeSet, HashMap};

const SUBSYSTEM: u16 = 10 << 8;
const GET_TABLE: u16 = SUBSYSTEM | 1;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const GET_RULE: u16 = SUBSYSTEM | 7;
const GET_SET: u16 = SUBSYSTEM | 10;
const GET_ELEMENTS: u16 = SUBSYSTEM | 13;
/// `struct nfgenmsg`: family, version, generation.
const GENMSG: usize = 4;
const TABLE_DORMANT: u32 = 1;
const POLICY_DROP: u32 = 0;
/// Maximum number of dumps if the ruleset changes during each.
const TRIES: usize = 5;
/// Maximum number of elements in all sets that rules look up.
const MAX_ELEMENTS: usize = 500_000;

/// Protocol families of tables (linux/netfilter.h).
pub(crate) const INET: u8 = 1;
pub(crate) const IPV4: u8 = 2;
pub(crate) const NETDEV: u8 = 5;
pub(crate) const IPV6: u8 = 10;

pub(crate) type TableId = (u8, String);

/// Tables of the families that see IP packets.
#[derive(Debug, Default)]
pub(crate) struct Ruleset {
    /// Active tables.
    pub(crate) tables: HashMap<TableId, Table>,
    /// The rules' generation: another in a second dump means that there was a change between them.
    generation: Option<u16>,
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) chains: HashMap<String, Chain>,
    pub(crate) sets: HashMap<String, Set>,
}

#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// For a chain that the kernel calls: when, and what becomes of a packet that no rule decides.
    pub(crate) base: Option<Base>,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) hook: Hook,
    pub(crate) priority: i32,
    pub(crate) policy: Policy,
    /// It translates addresses, and is no place to filter in.
    pub(crate) translates: bool,
    /// Interfaces of a chain on the ingress hook.
    pub(crate) devices: Vec<String>,
}

/// Hooks that a packet from outside passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Ingress,
    Prerouting,
    Input,
    Forward,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Accept,
    Drop,
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
        let dumps: [(u16, Take); 4] = [
            (GET_TABLE, Self::take_table),
            (GET_CHAIN, Self::take_chain),
            (GET_RULE, Self::take_rule),
            (GET_SET, Self::take_set),
        ];
        for (kind, take) in dumps {
            dump(&socket, kind, &[0; GENMSG], |message| {
                let (family, generation, attributes) = genmsg(message)?;
                interrupted |= *ruleset.generation.get_or_insert(generation) != generation;
                take(&mut ruleset, family, attributes)
            })?;
        }
        let generation = ruleset.generation;
        let mut left = MAX_ELEMENTS;
        for ((family, name), table) in &mut ruleset.tables {
            for set_name in table.looked_up() {
                let Some(set) = table.sets.get_mut(&set_name) else { return Err(NetlinkError::Interrupted) };
                let body = [vec![*family, 0, 0, 0], attribute(1, name)?, attribute(2, &set_name)?].concat();
                let mut excess = false;
                let read = dump(&socket, GET_ELEMENTS, &body, |message| {
                    let (_, found, attributes) = genmsg(message)?;
                    interrupted |= generation != Some(found);
                    let count = set.take(attributes.nested(3).unwrap_or_default())?;
                    excess |= left < count;
                    left = left.saturating_sub(count);
                    Some(())
                });
                match read {
                    Err(NetlinkError::Refused(rustix::io::Errno::NOENT)) => interrupted = true,
                    read => read?,
                }
                if excess {
                    return Err(NetlinkError::TooLarge);
                }
                set.complete();
            }
        }
        if interrupted { Err(NetlinkError::Interrupted) } else { Ok(ruleset) }
    }

    fn take_table(&mut self, family: u8, table: Attributes<'_>) -> Option<()> {
        let name = table.text(1)?;
        let dormant = table.be32(2).unwrap_or(0) & TABLE_DORMANT != 0;
        if !dormant && [INET, IPV4, IPV6, NETDEV].contains(&family) {
            self.tables.insert((family, name.to_owned()), Table::default());
        }
        Some(())
    }

    fn take_chain(&mut self, family: u8, chain: Attributes<'_>) -> Option<()> {
        let Some(table) = self.tables.get_mut(&(family, chain.text(1)?.to_owned())) else { return Some(()) };
        let base = match chain.nested(4) {
            Some(hook) => read_base(family, hook, chain)?,
            None => None,
        };
        table.chains.insert(chain.text(3)?.to_owned(), Chain { base, rules: Vec::new() });
        Some(())
    }

    fn take_rule(&mut self, family: u8, rule: Attributes<'_>) -> Option<()> {
        let table = self.tables.get_mut(&(family, rule.text(1)?.to_owned()));
        let Some(chain) = table.and_then(|table| table.chains.get_mut(rule.text(2)?)) else {
            return Some(());
        };
        chain.rules.push(Rule::read(rule.nested(4).unwrap_or_default())?);
        Some(())
    }

    fn take_set(&mut self, family: u8, set: Attributes<'_>) -> Option<()> {
        let Some(table) = self.tables.get_mut(&(family, set.text(1)?.to_owned())) else { return Some(()) };
        table.sets.insert(set.text(2)?.to_owned(), Set::read(set)?);
        Some(())
    }
}

impl Table {
    /// Names of the sets that rules look up.
    fn looked_up(&self) -> BTreeSet<String> {
        let rules = self.chains.values().flat_map(|chain| &chain.rules);
        let name = |expression: &Expression| match expression {
            Expression::Lookup { set, .. } => Some(set.clone()),
            _ => None,
        };
        rules.flat_map(|rule| rule.expressions.iter().filter_map(name)).collect()
    }
}

/// Reads a base chain; `Some(None)` if packets that come in do not pass its hook.
fn read_base(family: u8, hook: Attributes<'_>, chain: Attributes<'_>) -> Option<Option<Base>> {
    let place = match (family, hook.be32(1)?) {
        (NETDEV, 0) | (INET, 5) => Hook::Ingress,
        (INET | IPV4 | IPV6, 0) => Hook::Prerouting,
        (INET | IPV4 | IPV6, 1) => Hook::Input,
        (INET | IPV4 | IPV6, 2) => Hook::Forward,
        _ => return Some(None),
    };
    let name =
        |bytes: &[u8]| Some(std::str::from_utf8(bytes.split(|byte| *byte == 0).next()?).ok()?.to_owned());
    let mut devices: Vec<String> = hook.text(3).map(str::to_owned).into_iter().collect();
    for (_, bytes) in hook.nested(4).unwrap_or_default() {
        devices.push(name(bytes)?);
    }
    Some(Some(Base {
        hook: place,
        priority: i32::from_ne_bytes(hook.be32(2)?.to_ne_bytes()),
        policy: if chain.be32(5) == Some(POLICY_DROP) { Policy::Drop } else { Policy::Accept },
        translates: chain.text(7) == Some("nat"),
        devices,
    }))
}

fn genmsg<'a>(message: &Message<'a>) -> Option<(u8, u16, Attributes<'a>)> {
    let [family, _version, high, low] = *message.body.first_chunk()?;
    Some((family, u16::from_be_bytes([high, low]), Attributes::after(message.body, GENMSG)?))
}
