//! Interfaces and addresses of this thread's network namespace (rtnetlink(7)).

use super::netlink::{Attributes, NetlinkError, ROUTE, dump, open};
use super::ranges::Ranges;
use super::value::{number, ones};

const GET_LINK: u16 = 18;
const GET_ADDRESS: u16 = 22;
/// Size of `struct ifinfomsg` in bytes.
const IFINFOMSG: usize = 16;
/// Size of `struct ifaddrmsg` in bytes.
const IFADDRMSG: usize = 8;
const UP: u32 = 1;
const LOOPBACK: u32 = 8;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// `veth`, `bridge`, `tun`; none for hardware.
    pub(crate) kind: Option<String>,
    /// Hardware type (`ARPHRD_ETHER`).
    pub(crate) hardware: u16,
    pub(crate) group: u32,
}

/// An address of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Index of its interface.
    pub(crate) interface: u32,
    /// `AF_INET` or `AF_INET6`, which are also the families of tables.
    pub(crate) family: u8,
    pub(crate) number: u128,
    pub(crate) broadcast: Option<u128>,
    /// Addresses that are reached directly.
    pub(crate) subnet: Ranges,
}

#[derive(Debug, Default)]
pub(crate) struct Network {
    /// Interfaces by which packets come in from elsewhere.
    pub(crate) inbound: Vec<Interface>,
    /// Every interface.
    pub(crate) all: Vec<Interface>,
    /// Every address, except those of the loopback interface that are reached only from inside.
    pub(crate) addresses: Vec<Address>,
}

pub(super) struct NetworkLink {
    interface: Interface,
    up: bool,
    /// Index of the bridge or bond that it is a port of.
    master: Option<u32>,
}

impl Network {
    /// Reads the interfaces and addresses of this thread's network namespace.
    pub(crate) fn read() -> Result<Self, NetlinkError> {
        let socket = open(ROUTE, 0)?;
        let mut links = Vec::new();
        dump(&socket, GET_LINK, &[0; IFINFOMSG], |message| {
            links.push(read_link(message.body)?);
            Some(())
        })?;
        let mut addresses = Vec::new();
        dump(&socket, GET_ADDRESS, &[0; IFADDRMSG], |message| {
            addresses.extend(read_address(message.body)?);
            Some(())
        })?;
        let all = links.iter().map(|link| link.interface.clone()).collect();
        Ok(Self { inbound: lead_out(&links), all, addresses })
    }
}

pub(super) fn read_link(body: &[u8]) -> Option<NetworkLink> {
    let index = u32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
    let flags = u32::from_ne_bytes(*body.get(8..)?.first_chunk()?);
    let link = Attributes::after(body, IFINFOMSG)?;
    let word =
        |kind| link.get(kind).and_then(|bytes| bytes.first_chunk()).map(|word| u32::from_ne_bytes(*word));
    Some(NetworkLink {
        interface: Interface {
            index,
            name: link.text(3)?.to_owned(),
            kind: link.nested(18).and_then(|info| info.text(1)).map(str::to_owned),
            hardware: u16::from_ne_bytes(*body.get(2..)?.first_chunk()?),
            group: word(27).unwrap_or(0),
        },
        up: flags & UP != 0 && flags & LOOPBACK == 0,
        master: word(10),
    })
}

/// Reads an address; `Some(None)` if nothing from outside can be sent to it.
pub(super) fn read_address(body: &[u8]) -> Option<Option<Address>> {
    let [family, prefix, ..] = *body.first_chunk::<8>()?;
    let interface = u32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
    let attributes = Attributes::after(body, IFADDRMSG)?;
    let length = match family {
        2 => 4,
        10 => 16,
        _ => return Some(None),
    };
    let get = |kind| attributes.get(kind).filter(|bytes| bytes.len() == length).map(number);
    // On a line with two ends, the first is that of the other.
    let Some(own) = get(2).or(get(1)) else { return Some(None) };
    if (length == 4 && own >> 24 == 127) || (length == 16 && own == 1) {
        return Some(None);
    }
    let width = u32::try_from(length * 8).unwrap_or(128);
    let rest = ones(width.saturating_sub(prefix.into()));
    let reached = get(1).unwrap_or(own);
    let subnet = Ranges::range(reached & !rest, reached | rest);
    // The kernel adds the last address of a subnet by itself.
    let broadcast = get(4).or((length == 4 && prefix < 31).then_some(reached | rest));
    Some(Some(Address { interface, family, number: own, broadcast, subnet }))
}

/// The interfaces that are up and lead out of the machine: no loopback, no ports (their bridge or bond represents
/// them), and no bridge that connects only local containers and guests.
fn lead_out(links: &[NetworkLink]) -> Vec<Interface> {
    let is = |link: &NetworkLink, kinds: &[&str]| {
        link.interface.kind.as_deref().is_some_and(|kind| kinds.contains(&kind))
    };
    let joined: Vec<u32> =
        links.iter().filter(|link| !is(link, &["veth", "tun"])).filter_map(|link| link.master).collect();
    let leads_out = |link: &&NetworkLink| {
        let inside =
            is(link, &["veth"]) || (is(link, &["bridge"]) && !joined.contains(&link.interface.index));
        link.up && link.master.is_none() && !inside
    };
    let mut outward: Vec<_> = links.iter().filter(leads_out).map(|link| link.interface.clone()).collect();
    if outward.is_empty() {
        // Inside a container, the line to its host leads out.
        let line = links.iter().filter(|link| link.up && link.master.is_none() && is(link, &["veth"]));
        outward.extend(line.map(|link| link.interface.clone()));
    }
    if outward.is_empty() {
        // None is up: packets of an interface for which no rule is made.
        outward.push(Interface::default());
    }
    outward
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leads_out_of_the_machine_counts() {
        // Index, kind, master, up; expected.
        let table = [
            (2, None, None, true, true),             // a network card
            (3, None, None, false, false),           // switched off
            (4, Some("bridge"), None, true, true),   // bridge over card 5
            (5, None, Some(4), true, false),         // port of that bridge
            (6, Some("bridge"), None, true, false),  // bridge of containers
            (7, Some("veth"), Some(6), true, false), // a container's
            (8, Some("bridge"), None, true, false),  // bridge of guests
            (9, Some("tun"), Some(8), true, false),  // a guest's
            (10, Some("wireguard"), None, true, true),
        ];
        let link =
            |(index, kind, master, up, _): &(u32, Option<&str>, Option<u32>, bool, bool)| NetworkLink {
                interface: Interface {
                    index: *index,
                    name: format!("if{index}"),
                    kind: kind.map(str::to_owned),
                    ..Interface::default()
                },
                up: *up,
                master: *master,
            };
        let found: Vec<u32> =
            lead_out(&table.iter().map(link).collect::<Vec<_>>()).iter().map(|i| i.index).collect();
        let expected: Vec<u32> = table.iter().filter(|row| row.4).map(|row| row.0).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn this_machine_answers() {
        assert!(Network::read().is_ok());
    }
}
