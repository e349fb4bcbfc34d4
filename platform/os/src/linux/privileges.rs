//! Least privilege: what the probes need, and nothing that a mistake could use.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};
use std::io;

/// What probes need, each with its reason:
/// `NET_ADMIN` the kernel gives its packet filter's rules to nobody else;
/// `DAC_READ_SEARCH` the firmware's event log and several products' own status files are readable by root only.
const NEEDED: CapabilitySet = CapabilitySet::NET_ADMIN.union(CapabilitySet::DAC_READ_SEARCH);

/// Gives up every capability that no probe needs, and the chance to gain others, for this thread and all that it
/// starts: call it before there are other threads. What is left is what it answers, for the log.
///
/// # Errors
/// As the kernel says.
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
