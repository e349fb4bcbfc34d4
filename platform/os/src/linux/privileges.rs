//! Least privilege: what the probes need, and nothing that a mistake could use.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};
use std::io;

/// Capabilities that probes need: `NET_ADMIN`, because the kernel shows packet filter rules to no other
/// process; `DAC_READ_SEARCH`, because only root may read the firmware's event log and some products' status
/// files.
const NEEDED: CapabilitySet = CapabilitySet::NET_ADMIN.union(CapabilitySet::DAC_READ_SEARCH);

/// Drops every capability that no probe needs, and the possibility to gain others, for this thread and its
/// children: call it before other threads exist. Returns the remaining capabilities for the log.
pub fn limit_privileges() -> io::Result<String> {
    set_no_new_privs(true)?;
    let held = capabilities(None)?;
    let kept = held.permitted & NEEDED;
    set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: held.inheritable & kept },
    )?;
    let name = |capability: CapabilitySet, name| kept.contains(capability).then_some(name);
    let names = [
        name(CapabilitySet::NET_ADMIN, "NET_ADMIN"),
        name(CapabilitySet::DAC_READ_SEARCH, "DAC_READ_SEARCH"),
    ];
    let names: Vec<_> = names.into_iter().flatten().collect();
    Ok(if names.is_empty() { "no capabilities".to_owned() } else { names.join(", ") })
}
