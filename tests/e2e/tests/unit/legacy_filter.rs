//! Rules of legacy iptables, which the service has the helper with a network read.

use crate::machine::Machine;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// A network namespace with a card, whose legacy tables let one port in.
const NETWORK: &str = "
    ip netns add filtered
    ip netns exec filtered ip link add eth9 type ifb
    ip netns exec filtered ip link set eth9 up
    for tool in iptables-legacy ip6tables-legacy; do
      ip netns exec filtered $tool -P INPUT DROP
      ip netns exec filtered $tool -A INPUT -p tcp --dport 4711 -j ACCEPT
    done
";
const THERE: &str = "NetworkNamespacePath=/run/netns/filtered";

/// Checks the firewall's facts in the service's sandbox, with the shipped helper, and where it may not run the tool.
pub(crate) fn is_read(machine: &Machine) -> Result<()> {
    let made = machine.run("bash", &["-ec", NETWORK])?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    machine.add("vitalsign-helper-network@.service", THERE)?;
    let facts = || -> Result<Value> {
        let (said, _) = machine.in_sandbox(THERE, "exec vitalsign check --json 2>/dev/null", || Ok(()))?;
        let facts: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
        facts.pointer("/posture/firewall").cloned().context(said)
    };
    let seen = facts()?;
    let port = json!([{ "first": 4711, "last": 4711 }]);
    for (fact, value) in [("inbound_blocked", json!(true)), ("open_tcp", port), ("engine", json!("iptables"))]
    {
        let found = seen.pointer(&format!("/{fact}/known"));
        ensure!(found == Some(&value), "{fact}: {seen}\n{}", machine.console());
    }
    // The helper runs regular files only.
    let hidden = machine.run("mount", &["--bind", "/dev/null", "/usr/sbin/xtables-legacy-multi"])?;
    ensure!(hidden.status.success(), "{}", String::from_utf8_lossy(&hidden.stderr));
    let seen = facts()?;
    ensure!(seen.pointer("/inbound_blocked/unreadable") == Some(&json!("denied")), "{seen}");
    Ok(())
}
