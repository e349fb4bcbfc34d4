//! The kernel's packet filter, independent of configuration files: the nf_tables ruleset, read over netlink and
//! evaluated for unsolicited packets from outside. Needs `CAP_NET_ADMIN`.
//!
//! The result is a function of the ruleset: `evaluate.rs` follows sets of packets through its hooks, chains, sets and maps.
//! What cannot be decided makes the fact unreadable, unless the rest of the ruleset decides it.
//!
//! Tables of legacy iptables exist beside nf_tables, and a packet has to pass both. Where they cannot be read, facts that
//! they could change are unreadable.

mod condition;
mod evaluate;
mod exposure;
mod expression;
mod interfaces;
mod legacy;
pub(crate) mod netlink;
mod packets;
mod ranges;
mod ruleset;
mod senders;
mod set;
mod value;
mod xtables;

use crate::Root;
use crate::run::Commands;
use evaluate::Unread;
use exposure::{Exposure, base_chains};
use interfaces::Network;
use legacy::Legacy;
use netlink::NetlinkError;
use ranges::Ranges;
use ruleset::{Hook, IPV4, IPV6, Ruleset};
use rustix::io::Errno;
use std::time::Duration;
use vitalsign_platform_api::Probe;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::{Firewall, MAX_PORT_RANGES, PortRange};

/// The probe of the packet filter. It asks the live kernel: a recorded tree has none.
pub fn probes(root: &Root) -> Vec<Probe> {
    let (root, commands) = (root.clone(), Commands::of(root));
    vec![Probe::new(
        "firewall",
        Duration::from_secs(10),
        move || read(&root, &commands),
        |posture, seen| {
            posture.firewall = seen.unwrap_or_else(|reason| Firewall {
                inbound_blocked: Fact::Unreadable(reason),
                engine: Fact::Unreadable(reason),
                manager: Fact::Unreadable(reason),
                profiles: Fact::Unreadable(reason),
                open_tcp: Fact::Unreadable(reason),
                open_tcp_count: Fact::Unreadable(reason),
                open_udp: Fact::Unreadable(reason),
                open_udp_count: Fact::Unreadable(reason),
                published_tcp: Fact::Unreadable(reason),
                published_udp: Fact::Unreadable(reason),
            });
        },
    )]
}

fn read(root: &Root, commands: &Commands) -> Result<Firewall, Reason> {
    if !root.is_live() {
        return Err(Reason::NotRead);
    }
    let ruleset = match Ruleset::read() {
        // A kernel without nf_tables has no rules in it.
        Err(NetlinkError::Refused(Errno::INVAL | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT)) => None,
        read => Some(read.map_err(reason)?),
    };
    let mut ruleset = ruleset.unwrap_or_default();
    let of_nftables = base_chains(&ruleset);
    // A kernel that speaks no IPv6 lets none in.
    let families: &[u8] = if root.exists("/proc/thread-self/net/if_inet6") { &[IPV4, IPV6] } else { &[IPV4] };
    let (mut unread, mut is_legacy) = (Vec::new(), false);
    for family in families {
        let legacy = Legacy::read(root, commands, *family)?;
        is_legacy |= !legacy.names.is_empty();
        match legacy.tables {
            Ok(tables) => {
                ruleset.legacy.extend(tables.into_iter().map(|(name, table)| ((*family, name), table)));
            }
            Err(reason) => unread.push((*family, legacy.names, reason)),
        }
    }
    let network = Network::read().map_err(reason)?;
    let exposed = families.iter().map(|family| {
        let hidden = unread.iter().find(|(of, ..)| of == family).map(|(_, names, _)| names.as_slice());
        let exposure = exposure(&ruleset, &network, *family, hidden.unwrap_or_default());
        if forwards(root, &network, *family) { exposure } else { exposure.without_published() }
    });
    let exposed = exposed.fold(Exposure::default(), |all, of_family| all.union(&of_family));
    // The engine whose chains filter, which can be both.
    let only_legacy = of_nftables == 0 && is_legacy;
    let engine = if only_legacy { "iptables" } else { "nftables" };
    let hidden = unread.first().map(|(_, _, reason)| *reason);
    let named = |name: Option<&'static str>| match (name, hidden) {
        (None, Some(reason)) if only_legacy => Fact::Unreadable(reason),
        (name, _) => Fact::or_unsupported(name.map(str::to_owned)),
    };
    let profiles = match hidden {
        Some(reason) if only_legacy => Fact::Unreadable(reason),
        _ => Fact::or_unsupported(u64::try_from(base_chains(&ruleset)).ok()),
    };
    let undecided = hidden.unwrap_or(Reason::Malformed);
    Ok(Firewall {
        inbound_blocked: decided(exposed.blocked(), undecided),
        engine: Fact::Known(engine.to_owned()),
        manager: named(manager(&ruleset)),
        profiles,
        open_tcp: decided(exposed.tcp.ports().map(list), undecided),
        open_tcp_count: decided(exposed.tcp.ports().map(count), undecided),
        open_udp: decided(exposed.udp.ports().map(list), undecided),
        open_udp_count: decided(exposed.udp.ports().map(count), undecided),
        published_tcp: decided(exposed.published_tcp.ports().map(list), undecided),
        published_udp: decided(exposed.published_udp.ports().map(list), undecided),
    })
}

/// Evaluates the ruleset beside tables of legacy iptables that are hidden.
fn exposure(ruleset: &Ruleset, network: &Network, family: u8, hidden: &[String]) -> Exposure {
    let has = |name: &str| hidden.iter().any(|table| table == name);
    let unread = Unread { marks: has("mangle"), tracking: has("raw") };
    let mut exposure = Exposure::of(ruleset, network, family, unread)
        .unwrap_or_else(|evaluate::TooComplex| Exposure::unknown());
    if !hidden.is_empty() {
        exposure = exposure.refusable();
    }
    if hidden.iter().any(|table| table != "filter") {
        exposure = exposure.redirectable();
    }
    exposure
}

/// Returns whether a packet that comes in may be sent on. Each interface has a setting of IPv4, which `ip_forward` sets
/// for all.
fn forwards(root: &Root, network: &Network, family: u8) -> bool {
    let is_on = |path: &str, absent: bool| root.text(path).map_or(absent, |setting| setting != "0");
    let mut inbound = network.inbound.iter().map(|interface| &interface.name);
    if family == IPV4 {
        return inbound.any(|name| is_on(&format!("/proc/sys/net/ipv4/conf/{name}/forwarding"), true));
    }
    is_on("/proc/sys/net/ipv6/conf/all/forwarding", true)
        || inbound.any(|name| is_on(&format!("/proc/sys/net/ipv6/conf/{name}/force_forwarding"), false))
}

fn decided<T>(value: Option<T>, undecided: Reason) -> Fact<T> {
    value.map_or(Fact::Unreadable(undecided), Fact::Known)
}

/// The lowest ranges, as many as evidence can carry.
fn list(ports: &Ranges) -> Vec<PortRange> {
    let range = |(first, last)| {
        Some(PortRange { first: u64::try_from(first).ok()?, last: u64::try_from(last).ok()? })
    };
    ports.iter().filter_map(range).take(MAX_PORT_RANGES).collect()
}

fn count(ports: &Ranges) -> u64 {
    u64::try_from(ports.count()).unwrap_or(u64::MAX)
}

fn reason(error: NetlinkError) -> Reason {
    match error {
        NetlinkError::Refused(Errno::PERM) => Reason::Denied,
        error => std::io::Error::from(error).into(),
    }
}

/// Returns the program that created the input chains.
fn manager(ruleset: &Ruleset) -> Option<&'static str> {
    let filters = |chain: &ruleset::Chain| {
        chain.base.as_ref().is_some_and(|base| base.hook == Hook::Input && !base.translates)
    };
    let filtering = || ruleset.all().filter(|(_, table)| table.chains.values().any(filters));
    if filtering().any(|((_, name), _)| name == "firewalld") {
        return Some("firewalld");
    }
    let is_ufw = |name: &String| name.starts_with("ufw-") || name.starts_with("ufw6-");
    filtering().any(|(_, table)| table.chains.keys().any(is_ufw)).then_some("ufw")
}
