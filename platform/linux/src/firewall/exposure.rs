//! Ports and protocols at which the ruleset lets unsolicited packets in.

use super::evaluate::{Ends, TooComplex, Unread, follow};
use super::interfaces::Network;
use super::packets::{Packets, Property};
use super::ranges::Ranges;
use super::ruleset::{Hook, IPV4, Ruleset};
use super::senders::{Addresses, TCP, UDP};

/// Maximum number of sources in a narrow exception: a /16 of IPv4, a /48 of IPv6.
const NARROW_IPV4_SOURCES: u128 = 1 << 16;
const NARROW_IPV6_SOURCES: u128 = 1 << 80;
/// Maximum number of network cards in a narrow exception: those of one maker's prefix.
const NARROW_HARDWARE: u128 = 1 << 24;
/// Narrow exceptions open at most so many ports of a transport protocol, and so many of the ports of system services.
const NARROW_PORTS: u128 = 4096;
const NARROW_SYSTEM_PORTS: u128 = 256;
const LAST_SYSTEM_PORT: u128 = 1023;
/// Maximum number of protocols besides TCP, UDP and ICMP that narrow exceptions let in.
const NARROW_PROTOCOLS: u128 = 16;
/// Maximum number of comparisons of sets of packets with one another.
const MAX_COMPARISONS: usize = 1_000_000;

/// Ports, or protocols, that accept packets from more than narrow sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Surely accept.
    pub(crate) open: Ranges,
    /// Accept, or cannot be decided.
    pub(crate) possible: Ranges,
}

/// Everything that the ruleset lets in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exposure {
    pub(crate) tcp: Reach,
    pub(crate) udp: Reach,
    /// Other protocols.
    pub(crate) protocols: Reach,
    /// Ports that are redirected to another address and let through.
    pub(crate) published_tcp: Reach,
    pub(crate) published_udp: Reach,
}

impl Reach {
    fn undecided(&self) -> bool {
        self.open != self.possible
    }

    fn union(&self, other: &Self) -> Self {
        Self { open: self.open.union(&other.open), possible: self.possible.union(&other.possible) }
    }

    /// Another filter may refuse what this lets in.
    fn refusable(&self) -> Self {
        Self { open: Ranges::EMPTY, possible: self.possible.clone() }
    }

    fn unknown() -> Self {
        Self { open: Ranges::EMPTY, possible: Ranges::range(0, 0xffff) }
    }

    /// The ports, where one that cannot be decided counts as open. None if too many cannot be decided.
    pub(crate) fn ports(&self) -> Option<&Ranges> {
        (!self.undecided() || narrow(&self.possible)).then_some(&self.possible)
    }
}

fn narrow(ports: &Ranges) -> bool {
    let system = ports.intersection(&Ranges::range(0, LAST_SYSTEM_PORT));
    system.count() <= NARROW_SYSTEM_PORTS && ports.count() <= NARROW_PORTS
}

impl Exposure {
    /// Evaluates the ruleset for packets of a family.
    pub(crate) fn of(
        ruleset: &Ruleset,
        network: &Network,
        family: u8,
        unread: Unread,
    ) -> Result<Self, TooComplex> {
        let addresses = Addresses::of(network, family);
        let ends = follow(ruleset, network, &addresses, family, unread)?;
        let reach = |delivered: bool, protocol: Option<u8>| reach(&ends, delivered, protocol, family);
        Ok(Self {
            tcp: reach(true, Some(TCP))?,
            udp: reach(true, Some(UDP))?,
            protocols: reach(true, None)?,
            published_tcp: reach(false, Some(TCP))?,
            published_udp: reach(false, Some(UDP))?,
        })
    }

    /// An evaluation that failed.
    pub(crate) fn unknown() -> Self {
        let unknown = Reach::unknown;
        Self {
            tcp: unknown(),
            udp: unknown(),
            protocols: unknown(),
            published_tcp: unknown(),
            published_udp: unknown(),
        }
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        Self {
            tcp: self.tcp.union(&other.tcp),
            udp: self.udp.union(&other.udp),
            protocols: self.protocols.union(&other.protocols),
            published_tcp: self.published_tcp.union(&other.published_tcp),
            published_udp: self.published_udp.union(&other.published_udp),
        }
    }

    /// Packets are not sent on.
    pub(crate) fn without_published(self) -> Self {
        Self { published_tcp: Reach::default(), published_udp: Reach::default(), ..self }
    }

    /// Tables that cannot be read are in use too: they may refuse what these let in.
    pub(crate) fn refusable(&self) -> Self {
        Self {
            tcp: self.tcp.refusable(),
            udp: self.udp.refusable(),
            protocols: self.protocols.refusable(),
            published_tcp: self.published_tcp.refusable(),
            published_udp: self.published_udp.refusable(),
        }
    }

    /// Tables that cannot be read may redirect any port: to one that is open, or to another address.
    pub(crate) fn redirectable(&self) -> Self {
        let any = |reach: &Reach| {
            if reach.possible.is_empty() { reach.clone() } else { reach.union(&Reach::unknown()) }
        };
        Self {
            tcp: any(&self.tcp),
            udp: any(&self.udp),
            protocols: self.protocols.clone(),
            published_tcp: Reach::unknown(),
            published_udp: Reach::unknown(),
        }
    }

    /// Returns whether unsolicited packets are refused, narrow exceptions apart. None if it cannot be decided.
    pub(crate) fn blocked(&self) -> Option<bool> {
        let all_narrow = |of: fn(&Reach) -> &Ranges| {
            narrow(of(&self.tcp)) && narrow(of(&self.udp)) && of(&self.protocols).count() <= NARROW_PROTOCOLS
        };
        match (all_narrow(|reach| &reach.open), all_narrow(|reach| &reach.possible)) {
            (false, _) => Some(false),
            (true, true) => Some(true),
            (true, false) => None,
        }
    }
}

/// Ports of a transport protocol, or other protocols, at which packets are delivered or forwarded.
fn reach(ends: &Ends, delivered: bool, protocol: Option<u8>, family: u8) -> Result<Reach, TooComplex> {
    let is_of = |packets: &&Packets| {
        let of = |protocol: u8| packets.get(Property::Protocol).contains(protocol.into());
        match protocol {
            Some(protocol) => of(protocol),
            None => !of(TCP) && !of(UDP),
        }
    };
    let numbers = |packets: &Packets| match protocol {
        Some(_) => packets.original_ports().clone(),
        None => packets.get(Property::Protocol).clone(),
    };
    let (here, elsewhere) =
        if delivered { (&ends.delivered, &ends.forwarded) } else { (&ends.forwarded, &ends.delivered) };
    let here: Vec<&Packets> = here.iter().filter(|it| delivered || it.translated).filter(is_of).collect();
    let doubts: Vec<&Packets> =
        ends.dropped.iter().chain(elsewhere).filter(|packets| !packets.sure).filter(is_of).collect();
    if here.len().saturating_mul(doubts.len()) > MAX_COMPARISONS {
        return Err(TooComplex);
    }
    let (mut sure, mut possible) = (Vec::new(), Vec::new());
    for packets in here {
        let all = numbers(packets);
        if packets.sure {
            sure.push((all.clone(), packets));
        } else {
            // Sure even so, if all that may have become of them is the same.
            let doubtful = doubts.iter().filter(|doubt| packets.may_share_a_packet_with(doubt));
            let rest = doubtful.fold(all.clone(), |rest, doubt| rest.without(&numbers(doubt)));
            sure.push((rest, packets));
        }
        possible.push((all, packets));
    }
    Ok(Reach { open: from_anywhere(&sure, family)?, possible: from_anywhere(&possible, family)? })
}

/// The ports that are open for more than narrow sources.
fn from_anywhere(open: &[(Ranges, &Packets)], family: u8) -> Result<Ranges, TooComplex> {
    let limit = if family == IPV4 { NARROW_IPV4_SOURCES } else { NARROW_IPV6_SOURCES };
    let (mut wide, mut narrow) = (Vec::new(), Vec::new());
    for (ports, packets) in open {
        if packets.get(Property::Hardware).count() <= NARROW_HARDWARE {
            continue;
        }
        if packets.get(Property::Source).count() > limit {
            wide.extend(ports.iter());
        } else {
            narrow.push((ports, packets.get(Property::Source)));
        }
    }
    let wide = Ranges::new(wide);
    // Sources that are narrow each may not be so together. Between two borders all ports are alike.
    narrow.retain(|(ports, _)| !wide.covers(ports));
    let mut borders: Vec<u128> = narrow
        .iter()
        .flat_map(|(ports, _)| ports.iter())
        .flat_map(|(first, last)| [first, last + 1])
        .collect();
    borders.sort_unstable();
    borders.dedup();
    if borders.len().saturating_mul(narrow.len()) > MAX_COMPARISONS {
        return Err(TooComplex);
    }
    let mut together = Vec::new();
    for (first, end) in borders.iter().zip(borders.iter().skip(1)) {
        let sources = narrow.iter().filter(|(ports, _)| ports.contains(*first));
        let sources = Ranges::new(sources.flat_map(|(_, sources)| sources.iter()).collect());
        if sources.count() > limit {
            together.push((*first, end - 1));
        }
    }
    Ok(wide.union(&Ranges::new(together)))
}

/// Returns the number of base chains that filter on the input hook.
pub(crate) fn base_chains(ruleset: &Ruleset) -> usize {
    let chains = ruleset.all().flat_map(|(_, table)| table.chains.values());
    let bases = chains.filter_map(|chain| chain.base.as_ref());
    bases.filter(|base| base.hook == Hook::Input && !base.translates).count()
}
