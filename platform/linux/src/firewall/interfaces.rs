//! The interfaces by which packets come in from elsewhere (rtnetlink(7)).

use super::netlink::{Attributes, NetlinkError, ROUTE, dump, open};

const GET_LINK: u16 = 18;
/// Size of `struct ifinfomsg` in bytes.
const IFINFOMSG: usize = 16;
const UP: u32 = 1;
const LOOPBACK: u32 = 8;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) index: u32,
    pub(crate) name: String,
}

struct NetworkLink {
    interface: Interface,
    up: bool,
    /// `veth`, `bridge`, `tun`; none for hardware.
    kind: Option<String>,
    /// Index of the bridge or bond that it is a port of.
    master: Option<u32>,
}

/// Returns the interfaces of this thread's network namespace that are up and lead out of the machine: no
/// loopback, no ports (their bridge or bond represents them), and no bridge that connects only local
/// containers and guests.
pub(crate) fn inbound() -> Result<Vec<Interface>, NetlinkError> {
    let socket = open(ROUTE, 0)?;
    let mut links = Vec::new();
    dump(&socket, GET_LINK, &[0; IFINFOMSG], |message| {
        let index = u32::from_ne_bytes(*message.body.get(4..)?.first_chunk()?);
        let flags = u32::from_ne_bytes(*message.body.get(8..)?.first_chunk()?);
        let link = Attributes::after(message.body, IFINFOMSG)?;
        let master = link.get(10).and_then(|bytes| bytes.first_chunk());
        links.push(NetworkLink {
            interface: Interface { index, name: link.text(3)?.to_owned() },
            up: flags & UP != 0 && flags & LOOPBACK == 0,
            kind: link.nested(18).and_then(|info| info.text(1)).map(str::to_owned),
            master: master.map(|bytes| u32::from_ne_bytes(*bytes)),
        });
        Some(())
    })?;
    Ok(lead_out(links))
}

fn lead_out(links: Vec<NetworkLink>) -> Vec<Interface> {
    let is =
        |link: &NetworkLink, kinds: &[&str]| link.kind.as_deref().is_some_and(|kind| kinds.contains(&kind));
    let joined: Vec<u32> =
        links.iter().filter(|link| !is(link, &["veth", "tun"])).filter_map(|link| link.master).collect();
    let outward = links.into_iter().filter(|link| {
        let inside =
            is(link, &["veth"]) || (is(link, &["bridge"]) && !joined.contains(&link.interface.index));
        link.up && link.master.is_none() && !inside
    });
    outward.map(|link| link.interface).collect()
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
                interface: Interface { index: *index, name: format!("if{index}") },
                up: *up,
                kind: kind.map(str::to_owned),
                master: *master,
            };
        let found: Vec<u32> = lead_out(table.iter().map(link).collect()).iter().map(|i| i.index).collect();
        let expected: Vec<u32> = table.iter().filter(|row| row.4).map(|row| row.0).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn this_machine_answers() {
        assert!(inbound().is_ok());
    }
}
