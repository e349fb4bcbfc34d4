//! The kernel's ruleset, as far as it decides over a packet that comes in: nf_tables, as read over netlink, and with it the
//! tables of legacy iptables.

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
    /// Tables of legacy iptables, which nf_tables may have the names of.
    pub(crate) legacy: HashMap<TableId, Table>,
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
    /// Every table, of nf_tables and of legacy iptables.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&TableId, &Table)> {
        self.tables.iter().chain(&self.legacy)
    }

    /// Reads nf_tables from the kernel, in the network namespace of this thread.
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
            table.mark_filled();
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
    /// Marks the sets to which rules add elements.
    fn mark_filled(&mut self) {
        let rules = self.chains.values().flat_map(|chain| &chain.rules);
        for expression in rules.flat_map(|rule| &rule.expressions) {
            if let Expression::Fill { set } = expression
                && let Some(set) = self.sets.get_mut(set)
            {
                set.filled_by_rules = true;
            }
        }
    }

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

#[cfg(test)]
mod tests {
    use super::super::interfaces::{read_address, read_link};
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).unwrap();
        let mut bytes = [&length.to_ne_bytes(), &kind.to_ne_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
    fn nested(kind: u16, values: &[Vec<u8>]) -> Vec<u8> {
        attribute(kind, &values.concat())
    }
    fn word(kind: u16, value: u32) -> Vec<u8> {
        attribute(kind, &value.to_be_bytes())
    }
    fn expression(name: &str, data: &[Vec<u8>]) -> Vec<u8> {
        nested(1, &[attribute(1, name.as_bytes()), nested(2, data)])
    }
    fn extension(kind: &str, name: &str, revision: u32, length: usize) -> Vec<u8> {
        expression(kind, &[attribute(1, name.as_bytes()), word(2, revision), attribute(3, &vec![1; length])])
    }

    /// Rules, sets, elements, links and addresses as the kernel sends them.
    fn messages() -> Vec<Vec<u8>> {
        let constant = |kind: u16, bytes: &[u8]| nested(kind, &[attribute(1, bytes)]);
        let expressions = [
            expression("meta", &[word(1, 1), word(2, 16)]),
            expression("payload", &[word(1, 1), word(2, 2), word(3, 2), word(4, 2)]),
            expression("payload", &[word(5, 1), word(2, 1), word(3, 12), word(4, 8)]),
            expression("ct", &[word(1, 1), word(2, 0)]),
            expression("cmp", &[word(1, 1), word(2, 3), constant(3, &[0, 22])]),
            expression("range", &[word(1, 1), word(2, 0), constant(3, &[0, 22]), constant(4, &[0, 30])]),
            expression(
                "bitwise",
                &[word(1, 1), word(2, 1), word(3, 4), constant(4, &[255; 4]), constant(5, &[0; 4])],
            ),
            expression("byteorder", &[word(1, 1), word(2, 1), word(3, 1), word(4, 4), word(5, 4)]),
            expression("lookup", &[attribute(1, b"s"), word(2, 1), word(3, 0), word(5, 1)]),
            expression("dynset", &[attribute(1, b"s"), word(4, 1)]),
            expression("fib", &[word(1, 1), word(2, 3), word(3, 2)]),
            expression("immediate", &[word(1, 1), constant(2, &[10, 0, 0, 1])]),
            expression("nat", &[word(1, 1), word(2, 2), word(3, 1), word(5, 2), word(6, 2)]),
            expression("redir", &[word(1, 1)]),
            extension("match", "conntrack", 3, 168),
            extension("match", "multiport", 1, 48),
            extension("match", "addrtype", 1, 8),
            extension("match", "tcp", 0, 12),
            extension("match", "iprange", 1, 72),
            extension("match", "policy", 0, 312),
            extension("target", "DNAT", 2, 48),
            extension("target", "REDIRECT", 0, 24),
            extension("target", "MARK", 2, 8),
        ];
        let rule = [attribute(1, b"t"), attribute(2, b"c"), nested(4, &expressions)].concat();
        let set = [attribute(1, b"t"), attribute(2, b"s"), word(3, 4), word(5, 4)].concat();
        let element = |key: u8, flags: u32| nested(1, &[constant(1, &[key, 0, 0, 0]), word(3, flags)]);
        let elements = nested(3, &[element(3, 0), element(9, 1), element(0, 2)]);
        let link = [vec![0; 16], attribute(3, b"eth0"), nested(18, &[attribute(1, b"veth")])].concat();
        let address =
            [vec![2, 24, 0, 0, 1, 0, 0, 0], attribute(1, &[10, 0, 0, 1]), attribute(4, &[9; 4])].concat();
        vec![rule, set, elements, link, address]
    }

    fn ruleset() -> Ruleset {
        let mut table = Table::default();
        table.chains.insert("c".to_owned(), Chain::default());
        Ruleset { tables: HashMap::from([((INET, "t".to_owned()), table)]), ..Ruleset::default() }
    }

    /// Reads bytes as each kind of message; returns whether one was understood.
    fn read_all(bytes: &[u8]) -> bool {
        let mut rules = ruleset();
        let rule = rules.take_rule(INET, bytes.into());
        let set = rules.take_set(INET, bytes.into());
        let mut elements = Set::read(word(5, 4).as_slice().into()).unwrap();
        let list = Attributes::from(bytes).nested(3).unwrap_or_default();
        let count = elements.take(list).filter(|count| *count > 0);
        elements.complete();
        let chain = read_base(INET, bytes.into(), bytes.into());
        let all = [rule, set, count.map(drop), chain.map(drop), read_link(bytes).map(drop)];
        all.into_iter().flatten().count() > 0 || read_address(bytes).is_some()
    }

    #[test]
    fn reads_messages_of_every_kind() {
        let mut rules = ruleset();
        assert_eq!(rules.take_rule(INET, messages()[0].as_slice().into()), Some(()));
        let expressions = &rules.tables[&(INET, "t".to_owned())].chains["c"].rules[0].expressions;
        assert!(!expressions.contains(&Expression::Unknown), "{expressions:?}");
        assert!(messages().iter().all(|bytes| read_all(bytes)));
    }

    #[test]
    fn damaged_messages_end_in_an_error() {
        let mut state: u64 = 1;
        let mut below = move |end: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % end.max(1)
        };
        for message in messages() {
            for length in 0..message.len() {
                read_all(&message[..length]);
            }
            for _ in 0..4_000 {
                let mut bytes = message.clone();
                for _ in 0..=below(3) {
                    let at = below(bytes.len());
                    bytes[at] = [0, 1, 0x7f, 0x80, 0xff, u8::try_from(below(256)).unwrap()][below(6)];
                }
                read_all(&bytes);
            }
        }
    }
}
