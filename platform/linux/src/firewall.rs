//! The kernel's packet filter, independent of configuration files: the nf_tables ruleset, read over netlink and
//! evaluated for unsolicited packets from outside. Needs `CAP_NET_ADMIN`.
//!
//! The result is a function of the ruleset: `evaluate.rs` follows sets of packets through its hooks, chains, sets and maps.
//! What cannot be decided makes the fact unreadable, unless the rest of the ruleset decides it.
//!
//! Tables of legacy iptables exist beside nf_tables and can be read only by its own tools. Where they are in
//! use and nf_tables does not block by itself, the fact is unreadable.

mod evaluate;
mod exposure;
mod expression;
mod interfaces;
pub(crate) mod netlink;
mod packets;
mod ranges;
mod ruleset;
mod senders;
mod set;
mod value;
mod xtables;

use crate::Root;
use evaluate::Unread;
use exposure::{Exposure, Reach, base_chains};
use interfaces::Network;
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
    let root = root.clone();
    vec![Probe::new(
        "firewall",
        Duration::from_secs(5),
        move || read(&root),
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

fn read(root: &Root) -> Result<Firewall, Reason> {
    if !root.is_live() {
        return Err(Reason::NotRead);
    }
    let ruleset = match Ruleset::read() {
        // A kernel without nf_tables has no rules in it.
        Err(NetlinkError::Refused(Errno::INVAL | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT)) => None,
        read => Some(read.map_err(reason)?),
    };
    let legacy = Legacy::read(root)?;
    let network = Network::read().map_err(reason)?;
    let nft = ruleset.unwrap_or_default();
    let forwards = |path: &str| root.text(path).map_or(true, |setting| setting != "0");
    let exposure = |family, legacy: &[String], forwarding: &str| {
        let has = |name: &str| legacy.iter().any(|table| table == name);
        let unread = Unread { marks: has("mangle"), tracking: has("raw") };
        let mut exposure = Exposure::of(&nft, &network, family, unread)
            .unwrap_or_else(|evaluate::TooComplex| Exposure::unknown());
        if !legacy.is_empty() {
            exposure = exposure.refusable();
        }
        if legacy.iter().any(|table| table != "filter") {
            exposure = exposure.redirectable();
        }
        if !forwards(forwarding) {
            (exposure.published_tcp, exposure.published_udp) = (Reach::default(), Reach::default());
        }
        exposure
    };
    let mut exposed = exposure(IPV4, &legacy.ipv4, "/proc/sys/net/ipv4/ip_forward");
    // A kernel that speaks no IPv6 lets none in.
    if root.exists("/proc/thread-self/net/if_inet6") {
        let ipv6 = exposure(IPV6, &legacy.ipv6, "/proc/sys/net/ipv6/conf/all/forwarding");
        exposed = exposed.union(&ipv6);
    }
    let profiles = base_chains(&nft);
    let only_legacy = profiles == 0 && !(legacy.ipv4.is_empty() && legacy.ipv6.is_empty());
    let engine = if only_legacy { "iptables" } else { "nftables" };
    let manager = match manager(&nft) {
        None if only_legacy => Fact::Unreadable(Reason::Malformed),
        name => Fact::or_unsupported(name.map(str::to_owned)),
    };
    let profiles = if only_legacy {
        Fact::Unreadable(Reason::Malformed)
    } else {
        Fact::or_unsupported(u64::try_from(profiles).ok())
    };
    Ok(Firewall {
        inbound_blocked: decided(exposed.blocked()),
        engine: Fact::Known(engine.to_owned()),
        manager,
        profiles,
        open_tcp: decided(exposed.tcp.ports().map(list)),
        open_tcp_count: decided(exposed.tcp.ports().map(count)),
        open_udp: decided(exposed.udp.ports().map(list)),
        open_udp_count: decided(exposed.udp.ports().map(count)),
        published_tcp: decided(exposed.published_tcp.ports().map(list)),
        published_udp: decided(exposed.published_udp.ports().map(list)),
    })
}

fn decided<T>(value: Option<T>) -> Fact<T> {
    value.map_or(Fact::Unreadable(Reason::Malformed), Fact::Known)
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

/// The tables of legacy iptables that are in use.
struct Legacy {
    ipv4: Vec<String>,
    ipv6: Vec<String>,
}

impl Legacy {
    fn read(root: &Root) -> Result<Self, Reason> {
        // The tables of this network namespace, which is that of the reading thread.
        let tables = |path| -> Result<Vec<String>, Reason> {
            let names = root.text_if_there(path)?.unwrap_or_default();
            Ok(names.lines().map(str::to_owned).collect())
        };
        Ok(Self {
            ipv4: tables("/proc/thread-self/net/ip_tables_names")?,
            ipv6: tables("/proc/thread-self/net/ip6_tables_names")?,
        })
    }
}

/// Returns the program that created the input chains.
fn manager(ruleset: &Ruleset) -> Option<&'static str> {
    let filters = |chain: &ruleset::Chain| {
        chain.base.as_ref().is_some_and(|base| base.hook == Hook::Input && !base.translates)
    };
    let filtering = || ruleset.tables.iter().filter(|(_, table)| table.chains.values().any(filters));
    if filtering().any(|((_, name), _)| name == "firewalld") {
        return Some("firewalld");
    }
    let is_ufw = |name: &String| name.starts_with("ufw-") || name.starts_with("ufw6-");
    filtering().any(|(_, table)| table.chains.keys().any(is_ufw)).then_some("ufw")
}
