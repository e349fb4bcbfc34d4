//! The kernel's packet filter, independent of configuration files: the nf_tables ruleset, read over netlink.
//! Needs `CAP_NET_ADMIN`.
//!
//! Tables of legacy iptables exist beside nf_tables and can be read only by its own tools. Where they are in
//! use and nf_tables does not block by itself, the fact is unreadable.

mod inbound;
mod interfaces;
pub(crate) mod netlink;
mod ruleset;

use crate::Root;
use netlink::NetlinkError;
use ruleset::{IPV4, IPV6, Ruleset};
use rustix::io::Errno;
use std::time::Duration;
use vitalsign_platform_api::Probe;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::Firewall;

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
                ..Firewall::default()
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
    let interfaces = interfaces::inbound().map_err(reason)?;
    let nft = ruleset.unwrap_or_default();
    let blocks = |family, legacy: bool| match inbound::blocked(&nft, family, &interfaces) {
        Ok(false) | Err(inbound::TooComplex) if legacy => Err(Reason::Malformed),
        Ok(blocked) => Ok(blocked),
        Err(inbound::TooComplex) => Err(Reason::Malformed),
    };
    let ipv4 = blocks(IPV4, legacy.ipv4);
    // A kernel that speaks no IPv6 lets none in.
    let ipv6 =
        if root.exists("/proc/thread-self/net/if_inet6") { blocks(IPV6, legacy.ipv6) } else { Ok(true) };
    let inbound_blocked = match (ipv4, ipv6) {
        // Open for one is open, whatever the other is.
        (Ok(false), _) | (_, Ok(false)) => Fact::Known(false),
        (Err(reason), _) | (_, Err(reason)) => Fact::Unreadable(reason),
        (Ok(true), Ok(true)) => Fact::Known(true),
    };
    let profiles = inbound::base_chains(&nft);
    let only_legacy = profiles == 0 && (legacy.ipv4 || legacy.ipv6);
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
    let engine = Fact::Known(engine.to_owned());
    Ok(Firewall { inbound_blocked, engine, manager, profiles, ..Firewall::default() })
}

fn reason(error: NetlinkError) -> Reason {
    match error {
        NetlinkError::Refused(Errno::PERM) => Reason::Denied,
        error => std::io::Error::from(error).into(),
    }
}

/// Detects whether legacy iptables has a filter table in use.
struct Legacy {
    ipv4: bool,
    ipv6: bool,
}

impl Legacy {
    fn read(root: &Root) -> Result<Self, Reason> {
        // The tables of this network namespace, which is that of the reading thread.
        let filter = |path| -> Result<bool, Reason> {
            let names = root.text_if_there(path)?.unwrap_or_default();
            Ok(names.lines().any(|name| name == "filter"))
        };
        Ok(Self {
            ipv4: filter("/proc/thread-self/net/ip_tables_names")?,
            ipv6: filter("/proc/thread-self/net/ip6_tables_names")?,
        })
    }
}

/// Returns the program that created the input chains.
fn manager(ruleset: &Ruleset) -> Option<&'static str> {
    let filtering =
        || ruleset.tables.iter().filter(|(_, chains)| chains.values().any(|chain| chain.input.is_some()));
    if filtering().any(|((_, name), _)| name == "firewalld") {
        return Some("firewalld");
    }
    let is_ufw = |name: &String| name.starts_with("ufw-") || name.starts_with("ufw6-");
    filtering().any(|(_, chains)| chains.keys().any(is_ufw)).then_some("ufw")
}
