//! One rule of legacy iptables, as `iptables-legacy-save` writes it.

use super::Protocols;
use super::words::Word;
use crate::firewall::condition::{
    CONNECTION_MARK, CONNECTION_STATUS, DESTINATION_PORT, INPUT_NAME, MARK, ORIGINAL_PORT, OUTPUT_NAME,
    PACKET_TYPE, PROTOCOL, SOURCE_PORT, STATE_UNTRACKED, TCP_FLAGS, address_type, any_bit, masked, never,
    translate, undecided, verdict, within,
};
use crate::firewall::expression::{
    AddressOperand, Expression, LINK_HEADER, NETWORK_HEADER, Rule, ValueSource, Verdict,
};
use crate::firewall::packets::{Doubt, Property};
use crate::firewall::ranges::Ranges;
use crate::firewall::ruleset::{Chain, IPV4, IPV6};
use crate::firewall::value::ones;
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Length of an interface's name in bytes, with the zeros after it.
const NAME: usize = 16;
/// Options with one word of free text, which can look like an option.
const WITH_TEXT: [&str; 7] =
    ["--comment", "--log-prefix", "--nflog-prefix", "--string", "--hex-string", "--name", "--hashlimit-name"];
/// Names of `RTN_UNSPEC` and the types after it.
const ADDRESS_TYPES: [&str; 12] = [
    "UNSPEC",
    "UNICAST",
    "LOCAL",
    "BROADCAST",
    "ANYCAST",
    "MULTICAST",
    "BLACKHOLE",
    "UNREACHABLE",
    "PROHIBIT",
    "THROW",
    "NAT",
    "XRESOLVE",
];
const TCP_FLAG_NAMES: [(&str, u8); 8] =
    [("FIN", 1), ("SYN", 2), ("RST", 4), ("PSH", 8), ("ACK", 16), ("URG", 32), ("ALL", 63), ("NONE", 0)];
/// Bits of connection states in [`ValueSource::XtState`].
const STATES: [(&str, u32); 7] = [
    ("INVALID", 1),
    ("ESTABLISHED", 2),
    ("RELATED", 4),
    ("NEW", 8),
    ("SNAT", 64),
    ("DNAT", 128),
    ("UNTRACKED", STATE_UNTRACKED),
];
/// Bits of `enum ip_conntrack_status`.
const STATUSES: [(&str, u32); 4] = [("EXPECTED", 1), ("SEEN_REPLY", 2), ("ASSURED", 4), ("CONFIRMED", 8)];

/// One option of a match or target with its values.
struct RuleOption<'a> {
    negated: bool,
    name: &'a str,
    values: Vec<&'a str>,
}

impl<'a> RuleOption<'a> {
    fn value(&self) -> Option<&'a str> {
        match *self.values.as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }
}

/// Reads the words after the chain's name. None if they are not understood.
pub(super) fn read(
    words: &[Word],
    family: u8,
    protocols: &Protocols,
    chains: &HashMap<String, Chain>,
) -> Option<Rule> {
    let mut reader = RuleReader { left: words, family, protocols };
    let mut to = Vec::new();
    while let Some((negated, option)) = reader.option()? {
        match option {
            "-s" | "-d" => reader.address(option == "-s", negated, &mut to)?,
            "-i" => interface(INPUT_NAME, reader.word()?, negated, &mut to)?,
            "-o" => interface(OUTPUT_NAME, reader.word()?, negated, &mut to)?,
            "-p" => {
                let number = reader.protocol()?.into();
                within(PROTOCOL, 1, Ranges::range(number, number), negated, &mut to);
            }
            // A later part of a packet that was sent in parts: no first packet.
            "-f" if negated => {}
            "-f" => never(&mut to),
            "-m" => {
                let name = reader.word()?;
                let options = reader.options()?;
                condition(name, &options, reader.protocols, &mut to)?;
            }
            "-j" | "-g" => {
                let name = reader.word()?;
                let options = reader.options()?;
                let is_chain = chains.contains_key(name);
                let effect = match (option, is_chain) {
                    ("-j", true) => Expression::Verdict(Verdict::Jump(name.to_owned())),
                    ("-g", true) => Expression::Verdict(Verdict::Goto(name.to_owned())),
                    ("-j", false) => target(name, &options, family, &mut to)?,
                    _ => return None,
                };
                to.push(effect);
                return reader.left.is_empty().then(|| Rule::of(to));
            }
            _ => return None,
        }
    }
    Some(Rule::of(to))
}

struct RuleReader<'a> {
    left: &'a [Word],
    family: u8,
    protocols: &'a Protocols,
}

impl<'a> RuleReader<'a> {
    fn word(&mut self) -> Option<&'a str> {
        let (word, left) = self.left.split_first()?;
        self.left = left;
        Some(&word.text)
    }

    /// Takes an option, and whether it is negated; `Some(None)` at the end.
    fn option(&mut self) -> Option<Option<(bool, &'a str)>> {
        let negated = self.left.first().is_some_and(|word| word.option() == Some("!"));
        if negated {
            self.word()?;
        }
        if self.left.is_empty() {
            return (!negated).then_some(None);
        }
        let option = self.left.first()?.option().filter(|option| option.starts_with('-'))?;
        self.word()?;
        Some(Some((negated, option)))
    }

    /// Takes the options of a match or target, which begin with two dashes.
    fn options(&mut self) -> Option<Vec<RuleOption<'a>>> {
        let mut options = Vec::new();
        while let Some(at) = self.left.iter().take(2).position(|word| word.option() != Some("!"))
            && self.left.get(at).and_then(Word::option).is_some_and(|option| option.starts_with("--"))
        {
            let (negated, name) = self.option()??;
            let mut values = Vec::new();
            while let Some(next) = self.left.first()
                && (values.is_empty() && WITH_TEXT.contains(&name)
                    || next.option().is_none_or(|option| !option.starts_with('-') && option != "!"))
            {
                values.push(self.word()?);
            }
            options.push(RuleOption { negated, name, values });
        }
        Some(options)
    }

    fn address(&mut self, is_source: bool, negated: bool, to: &mut Vec<Expression>) -> Option<()> {
        let word = self.word()?;
        let (address, mask) = word.split_once('/').unwrap_or((word, ""));
        let (length, bits) = if self.family == IPV4 { (4, 32) } else { (16, 128) };
        let mask = match (mask, mask.parse::<u32>()) {
            ("", _) => ones(bits),
            (_, Ok(prefix)) => ones(bits) & !ones(bits.checked_sub(prefix)?),
            (mask, Err(_)) => number(mask, self.family)?,
        };
        let offset = match (self.family, is_source) {
            (IPV4, true) => 12,
            (IPV4, false) => 16,
            (_, true) => 8,
            (_, false) => 24,
        };
        let source = ValueSource::Header { base: NETWORK_HEADER, offset, length };
        let bytes = |number: u128| Some(number.to_be_bytes().get(16 - length..)?.to_vec());
        masked(source, &bytes(mask)?, &bytes(number(address, self.family)?)?, negated, to);
        Some(())
    }

    fn protocol(&mut self) -> Option<u8> {
        protocol(self.word()?, self.protocols)
    }
}

fn protocol(name: &str, protocols: &Protocols) -> Option<u8> {
    name.parse().ok().or_else(|| protocols.get(name).copied())
}

/// An address as a number.
fn number(text: &str, family: u8) -> Option<u128> {
    if family == IPV4 {
        text.parse::<Ipv4Addr>().ok().map(|address| address.to_bits().into())
    } else {
        text.parse::<Ipv6Addr>().ok().map(Ipv6Addr::to_bits)
    }
}

/// Goes on if the interface has this name, or one that begins with it before a `+`.
fn interface(source: ValueSource, name: &str, negated: bool, to: &mut Vec<Expression>) -> Option<()> {
    let (name, compared) = match name.strip_suffix('+') {
        Some(name) => (name, name.len()),
        None => (name, NAME),
    };
    let mut bytes = name.as_bytes().to_vec();
    if bytes.len() >= NAME {
        return None;
    }
    bytes.resize(NAME, 0);
    let mut mask = vec![0xff; compared];
    mask.resize(NAME, 0);
    masked(source, &mask, &bytes, negated, to);
    Some(())
}

/// Adds the conditions of a match. None if its values are not understood; a match or an option that is not known is
/// doubtful.
fn condition(
    name: &str,
    options: &[RuleOption<'_>],
    protocols: &Protocols,
    to: &mut Vec<Expression>,
) -> Option<()> {
    if name == "policy" {
        // Whether IPsec protected the packet: one from anywhere has no protection.
        let is_none =
            |it: &RuleOption<'_>| (it.name, it.value(), it.negated) == ("--pol", Some("none"), false);
        if !options.iter().any(is_none) {
            never(to);
        }
        return Some(());
    }
    let mut is_known = !options.is_empty() || ["tcp", "udp"].contains(&name);
    for option in options {
        let (negated, value) = (option.negated, option.value());
        match (name, option.name) {
            ("comment", _) => {}
            ("conntrack", "--ctstate") | ("state", "--state") => {
                any_bit(ValueSource::XtState, bits(value?, &STATES)?, negated, to);
            }
            ("conntrack", "--ctstatus") if value != Some("NONE") => {
                any_bit(CONNECTION_STATUS, bits(value?, &STATUSES)?, negated, to);
            }
            ("conntrack", "--ctproto") => {
                let number = protocol(value?, protocols)?.into();
                within(PROTOCOL, 1, Ranges::range(number, number), negated, to);
            }
            ("conntrack", "--ctorigdstport") => within(ORIGINAL_PORT, 2, ports(value?)?, negated, to),
            ("conntrack", "--ctdir") => {
                // A new connection has the original direction.
                if (value? == "ORIGINAL") == negated {
                    never(to);
                }
            }
            ("tcp" | "udp", "--sport") | ("multiport", "--sports") => {
                within(SOURCE_PORT, 2, ports(value?)?, negated, to);
            }
            ("tcp" | "udp", "--dport") | ("multiport", "--dports") => {
                within(DESTINATION_PORT, 2, ports(value?)?, negated, to);
            }
            // Of either port the sender chooses one, and of the options of TCP all.
            ("multiport", "--ports") | ("tcp", "--tcp-option") => {
                to.push(Expression::Doubtful(Doubt::Sender));
            }
            ("tcp", "--tcp-flags") => {
                let [mask, flags] = *option.values.as_slice() else { return None };
                masked(
                    TCP_FLAGS,
                    &[bits(mask, &TCP_FLAG_NAMES)?],
                    &[bits(flags, &TCP_FLAG_NAMES)?],
                    negated,
                    to,
                );
            }
            ("addrtype", "--src-type" | "--dst-type") => {
                let place = |word| ADDRESS_TYPES.iter().position(|name| *name == word);
                let mut types = 0;
                for word in value?.split(',') {
                    types |= 1 << place(word)?;
                }
                let property =
                    if option.name == "--src-type" { Property::Source } else { Property::Destination };
                address_type(property, types, negated, to);
            }
            ("addrtype", "--limit-iface-in" | "--limit-iface-out") => {}
            ("pkttype", "--pkt-type") => {
                let kinds = ["unicast", "broadcast", "multicast"];
                let kind = u128::try_from(kinds.iter().position(|name| Some(*name) == value)?).ok()?;
                within(PACKET_TYPE, 1, Ranges::range(kind, kind), negated, to);
            }
            ("mark" | "connmark", "--mark") => {
                let (mark, mask) = mark(value?)?;
                let source = if name == "mark" { MARK } else { CONNECTION_MARK };
                masked(source, &mask.to_ne_bytes(), &mark.to_ne_bytes(), negated, to);
            }
            ("iprange", "--src-range" | "--dst-range") => {
                let (first, last) = value?.split_once('-')?;
                let family = if first.contains(':') { IPV6 } else { IPV4 };
                let ranges = Ranges::range(number(first, family)?, number(last, family)?);
                let is_source = option.name == "--src-range";
                let (length, offset) = if family == IPV4 {
                    (4, if is_source { 12 } else { 16 })
                } else {
                    (16, if is_source { 8 } else { 24 })
                };
                let source = ValueSource::Header { base: NETWORK_HEADER, offset, length };
                within(source, length, ranges, negated, to);
            }
            ("mac", "--mac-source") => {
                let address = u64::from_str_radix(&value?.replace(':', ""), 16).ok()?.into();
                let source = ValueSource::Header { base: LINK_HEADER, offset: 6, length: 6 };
                within(source, 6, Ranges::range(address, address), negated, to);
            }
            _ => is_known = false,
        }
    }
    if !is_known {
        undecided(name, to);
    }
    Some(())
}

/// Effect of a target that is not a chain. None if its values are not understood; one that is not known is undecided.
fn target(
    name: &str,
    options: &[RuleOption<'_>],
    family: u8,
    to: &mut Vec<Expression>,
) -> Option<Expression> {
    let option = |name: &str| options.iter().find(|option| option.name == name);
    if let Some(expression) = verdict(name) {
        return Some(expression);
    }
    Some(match name {
        "ACCEPT" => Expression::Verdict(Verdict::Accept),
        "RETURN" => Expression::Verdict(Verdict::Return),
        "MARK" => match option("--set-xmark") {
            Some(option) => {
                let (value, mask) = mark(option.value()?)?;
                Expression::ChangeMark { value, mask }
            }
            None => Expression::ForgetMarks,
        },
        "CT" if option("--notrack").is_some() => Expression::Untrack,
        "CT" => Expression::Nothing,
        "REDIRECT" => {
            let ports = option("--to-ports").map(|option| port_range(option.value()?));
            translate(None, optional(ports)?, to)
        }
        "DNAT" => {
            let (address, ports) = destination(option("--to-destination")?.value()?, family)?;
            translate(address, ports, to)
        }
        _ => Expression::Verdict(Verdict::Undecided),
    })
}

/// Turns a value that failed into none, and one that is absent into `Some(None)`.
fn optional<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        Some(None) => None,
        Some(value) => Some(value),
        None => Some(None),
    }
}

type Destination = (Option<AddressOperand>, Option<(u16, u16)>);

/// Reads `address-address:port-port`, of which all but one part can be absent, with brackets around IPv6 addresses
/// before a port.
fn destination(text: &str, family: u8) -> Option<Destination> {
    let (addresses, ports) = match text.strip_prefix('[').map(|text| text.split_once(']')) {
        Some(parts) => {
            let (addresses, rest) = parts?;
            (addresses, rest.strip_prefix(':'))
        }
        None if family == IPV4 => {
            text.split_once(':').map_or((text, None), |(first, last)| (first, Some(last)))
        }
        None => (text, None),
    };
    let ports = optional(ports.map(|ports| match ports.split_once('/') {
        // Shifted by as much as the port lies above a base.
        Some(_) => Some((0, u16::MAX)),
        None => port_range(ports),
    }))?;
    let address = match addresses.split_once('-') {
        _ if addresses.is_empty() => None,
        None => Some(AddressOperand::Constant(number(addresses, family)?)),
        // One of several: of a register that nothing has loaded, nothing is known.
        Some((first, last)) => {
            number(first, family).and(number(last, family))?;
            Some(AddressOperand::Register(u32::MAX))
        }
    };
    Some((address, ports))
}

/// Reads `first-last`, or one port.
fn port_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// Reads a list of ports and of ranges with a colon.
fn ports(text: &str) -> Option<Ranges> {
    let range = |word: &str| {
        let (first, last) = word.split_once(':').unwrap_or((word, word));
        Some((u128::from(first.parse::<u16>().ok()?), u128::from(last.parse::<u16>().ok()?)))
    };
    text.split(',').map(range).collect::<Option<Vec<_>>>().map(Ranges::new)
}

/// Reads a list of names of bits.
fn bits<T: Copy + Default + std::ops::BitOr<Output = T>>(text: &str, names: &[(&str, T)]) -> Option<T> {
    let find = |word| names.iter().find(|(name, _)| *name == word).map(|(_, bit)| *bit);
    text.split(',').try_fold(T::default(), |all, word| Some(all | find(word)?))
}

/// Reads a mark and the mask after a slash.
fn mark(text: &str) -> Option<(u32, u32)> {
    let word = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    match text.split_once('/') {
        Some((mark, mask)) => Some((word(mark)?, word(mask)?)),
        None => Some((word(text)?, u32::MAX)),
    }
}
