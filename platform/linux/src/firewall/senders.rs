//! Packets that senders outside can send: new connections from addresses that are not of this machine or this link.

use super::expression::native;
use super::interfaces::Network;
use super::packets::{PROPERTIES, Packets, Property};
use super::ranges::Ranges;
use super::ruleset::IPV4;

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
const ICMP: u128 = 1;
const ICMPV6: u128 = 58;
/// Types of addresses in the routing table (`RTN_UNICAST` and others).
const UNICAST: u32 = 1;
const LOCAL: u32 = 2;
const BROADCAST: u32 = 3;
const MULTICAST: u32 = 5;

/// Addresses of a family, by what the routing table says of them.
pub(crate) struct Addresses {
    /// Addresses of this machine.
    pub(crate) own: Ranges,
    broadcast: Ranges,
    multicast: Ranges,
    /// Addresses outside, without those of the link.
    outside: Ranges,
    loopback: Ranges,
    all: Ranges,
}

impl Addresses {
    pub(crate) fn of(network: &Network, family: u8) -> Self {
        let (all, multicast, loopback, outside) = if family == IPV4 {
            (0xffff_ffff, (0xe000_0000, 0xefff_ffff), (0x7f00_0000, 0x7fff_ffff), outside_ipv4())
        } else {
            (u128::MAX, (0xff << 120, u128::MAX), (1, 1), outside_ipv6())
        };
        let [multicast, loopback] = [multicast, loopback].map(|(first, last)| Ranges::range(first, last));
        let addresses = || network.addresses.iter().filter(|address| address.family == family);
        let mut own = Ranges::new(addresses().map(|address| (address.number, address.number)).collect());
        let mut broadcast: Vec<_> = addresses().filter_map(|it| it.broadcast).map(|it| (it, it)).collect();
        if family == IPV4 {
            broadcast.push((0xffff_ffff, 0xffff_ffff));
        }
        if own.is_empty() {
            // It has no address yet, and may have any.
            own = outside.clone();
        }
        let broadcast = Ranges::new(broadcast).without(&own);
        Self { own, broadcast, multicast, outside, loopback, all: Ranges::range(0, all) }
    }

    /// Destinations at which this machine receives packets.
    pub(crate) fn received(&self) -> Ranges {
        self.own.union(&self.broadcast).union(&self.multicast)
    }

    /// Destinations at which a packet stays on this machine. A rule can redirect one to a loopback address, where it arrives
    /// if `route_localnet` is set.
    pub(crate) fn delivered(&self) -> Ranges {
        self.received().union(&self.loopback)
    }

    /// Addresses and the numbers of their types, as a register has them.
    pub(crate) fn types(&self, property: Property) -> Vec<(Ranges, u128)> {
        let rest = self.all.without(&self.received());
        if property == Property::Source {
            // One of the machine's own as source would not be accepted.
            return vec![(self.all.clone(), native(UNICAST))];
        }
        vec![
            (self.own.clone(), native(LOCAL)),
            (self.broadcast.clone(), native(BROADCAST)),
            (self.multicast.clone(), native(MULTICAST)),
            (rest, native(UNICAST)),
        ]
    }

    /// Every first packet that a sender outside can send to this machine: of TCP, UDP and other protocols. ICMP is
    /// left out, because IP does not work without it.
    pub(crate) fn packets(&self, network: &Network) -> Vec<Packets> {
        let number = |number: u8| Ranges::range(number.into(), number.into());
        let besides = [ICMP, TCP.into(), UDP.into(), ICMPV6].map(|protocol| (protocol, protocol));
        let others = Ranges::range(0, 0xff).without(&Ranges::new(besides.to_vec()));
        // A packet that begins a connection has SYN set, and FIN, RST and ACK clear.
        let begins = (0..=0xff_u128).filter(|flags| flags & 0b1_0111 == 0b0_0010);
        let begins = Ranges::new(begins.map(|flags| (flags, flags)).collect());
        let any_byte = Ranges::range(0, 0xff);
        let any_kind = Ranges::range(0, 2);
        let interfaces = u128::try_from(network.inbound.len().saturating_sub(1)).unwrap_or(0);
        let packets = |protocol, destination, kind, flags| {
            let any_port = || Ranges::range(0, 0xffff);
            let properties: [Ranges; PROPERTIES] = [
                Ranges::range(0, interfaces),
                protocol,
                any_port(),
                any_port(),
                self.outside.clone(),
                destination,
                kind,
                flags,
                Ranges::range(0, 0xffff_ffff_ffff),
            ];
            Packets::new(properties)
        };
        vec![
            packets(number(TCP), self.own.clone(), number(0), begins),
            packets(number(UDP), self.received(), any_kind.clone(), any_byte.clone()),
            packets(others, self.received(), any_kind, any_byte),
        ]
    }
}

/// Unicast addresses without this network, loopback and link-local ones.
fn outside_ipv4() -> Ranges {
    Ranges::new(vec![(0x0100_0000, 0x7eff_ffff), (0x8000_0000, 0xa9fd_ffff), (0xa9ff_0000, 0xdfff_ffff)])
}

fn outside_ipv6() -> Ranges {
    let link_local = Ranges::range(0xfe80 << 112, (0xfec0 << 112) - 1);
    Ranges::range(2, (0xff << 120) - 1).without(&link_local)
}
