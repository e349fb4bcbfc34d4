//! A question that only root may ask, from the sandboxed service through the shipped helper.

use crate::machine::{LIMIT, Machine, Setup};
use anyhow::{Result, ensure};
use vitalsign_e2e::wait_for;
use vitalsign_protocol::fact::Fact;
use vitalsign_protocol::posture::EdrMode;

/// An imitation of an endpoint product's service.
const SENSOR: (&str, &str) = ("/opt/CrowdStrike/falcon-sensor", "#!/bin/sh\nsleep infinity\n:\n");
const SENSOR_UNIT: (&str, &str) =
    ("falcon-sensor.service", "[Service]\nExecStart=/opt/CrowdStrike/falcon-sensor\n");
/// An imitation of the program that asks this service. It says that the product protects only if it runs as root, without
/// capabilities, without a network, and where it cannot write.
const FALCONCTL: (&str, &str) = (
    "/opt/CrowdStrike/falconctl",
    r#"#!/bin/bash
reduced=true
status=$(</proc/self/status)
interfaces=$(grep -c : /proc/self/net/dev)
if [ "$EUID" = 0 ] && [[ $status =~ CapEff:[[:space:]]*0000000000000000 ]] && [ "$interfaces" = 1 ] &&
  ! touch /etc/written 2>/dev/null; then
  reduced=false
fi
echo "aid=\"0a1b\", version = 7.10.1, rfm-state=$reduced"
"#,
);

pub(crate) const SETUP: Setup =
    Setup { service: "", programs: &[SENSOR, FALCONCTL], units: &[SENSOR_UNIT], without_agent: false };

/// Checks that the product's answer has become a fact, and that no helper runs afterwards.
pub(crate) fn product_answers_root(machine: &Machine) -> Result<()> {
    let mut seen = None;
    wait_for("the product's answer", LIMIT, || {
        seen = machine.status()?.and_then(|status| status.posture).map(|facts| facts.edr.products);
        let mut products = seen.iter().filter_map(Fact::known).flatten();
        let falcon = products.find(|product| product.id == "crowdstrike-falcon");
        if falcon.is_some_and(|falcon| {
            falcon.protecting == Fact::Known(true) && falcon.mode == Fact::Known(EdrMode::Active)
        }) {
            return Ok(Some(()));
        }
        machine.run("vitalsign", &["report"])?;
        Ok(None)
    })
    .map_err(|error| error.context(format!("{seen:?}\n{}\n{}", machine.console(), machine.log())))?;
    let accepted = machine.property("vitalsign-helper.socket", "NAccepted")?;
    ensure!(accepted.parse::<u32>().is_ok_and(|accepted| accepted > 0), "{accepted} connections");
    wait_for("the helper's end", LIMIT, || {
        Ok((machine.property("vitalsign-helper.socket", "NConnections")? == "0").then_some(()))
    })
}
