//! Reads products' status files.

use super::{ProductAnswer, ProductQuery};
use crate::release::assignments;
use std::time::Duration;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::EdrMode;

/// The longest that Wazuh's agent leaves its state file as it is while it runs: it writes it every 5 s.
const MAX_STATE_AGE: Duration = Duration::from_secs(10 * 60);

/// Wazuh: its agent keeps its connection's state in a file. It protects when it is connected and may respond; with
/// active response off, or without the program that carries it out, it watches.
pub(super) fn wazuh(ask: &ProductQuery<'_>) -> ProductAnswer {
    let root = ask.root;
    let state = ask.state("/var/ossec/var/run/wazuh-agentd.state", Some(MAX_STATE_AGE));
    let connected = state.and_then(|text| match assignments(&text).get("status").map(String::as_str) {
        Some("connected") => Ok(true),
        Some("disconnected" | "pending") => Ok(false),
        _ => Err(Reason::Malformed),
    });
    let executes = !ask.processes.program(root, ask.product, "wazuh-execd").is_empty();
    let config = root.text("/var/ossec/etc/ossec.conf").map_err(Reason::from);
    let responds = config.and_then(|text| Ok(responds(&text)? && executes));
    let version = root.text("/var/ossec/VERSION.json").ok().and_then(|text| {
        let version: serde_json::Value = serde_json::from_str(&text).ok()?;
        version.get("version")?.as_str().map(str::to_owned)
    });
    let version = version.or_else(|| {
        let parse = |text: &str| {
            let version = assignments(text).get("WAZUH_VERSION")?.trim_start_matches('v').to_owned();
            Some(version)
        };
        let parse = |text: &str| parse(text).ok_or(Reason::Malformed);
        let ask_it =
            || ask.answer("wazuh-control-info", "/var/ossec/bin/wazuh-control", &["info"], parse).ok();
        if ask.runs { ask_it() } else { None }
    });
    ProductAnswer {
        version: Fact::or_unsupported(version),
        protecting: match (connected, responds) {
            (Ok(false), _) | (_, Ok(false)) => Fact::Known(false),
            (Ok(true), Ok(true)) => Fact::Known(true),
            (Err(reason), _) | (_, Err(reason)) => Fact::Unreadable(reason),
        },
        mode: match (connected, responds) {
            (_, Ok(false)) => Fact::Known(EdrMode::Passive),
            (Ok(false), _) => Fact::Known(EdrMode::Disconnected),
            (Ok(true), Ok(true)) => Fact::Known(EdrMode::Active),
            (Err(reason), _) | (_, Err(reason)) => Fact::Unreadable(reason),
        },
        ..ProductAnswer::NOTHING
    }
}

/// Returns whether no section of the configuration disables active response. Comments are no sections.
fn responds(config: &str) -> Result<bool, Reason> {
    let mut rest = config;
    let mut text = String::new();
    while let Some((before, comment)) = rest.split_once("<!--") {
        text.push_str(before);
        rest = comment.split_once("-->").ok_or(Reason::Malformed)?.1;
    }
    text.push_str(rest);
    let sections = text.split("<active-response>").skip(1);
    let mut responds = true;
    for section in sections.filter_map(|rest| rest.split("</active-response>").next()) {
        let value = section.split_once("<disabled>").and_then(|(_, rest)| rest.split("</disabled>").next());
        match value.map(str::trim) {
            Some("no") | None => {}
            Some("yes") => responds = false,
            Some(_) => return Err(Reason::Malformed),
        }
    }
    Ok(responds)
}

/// Sophos Protection for Linux: its own health says when a service of it is not well, and its scanner's configuration
/// whether it scans on access.
pub(super) fn sophos(ask: &ProductQuery<'_>) -> ProductAnswer {
    let root = ask.root;
    let version = root.text("/opt/sophos-spl/base/VERSION.ini").ok().and_then(|text| {
        let value = |line: &str| {
            Some(line.strip_prefix("PRODUCT_VERSION")?.trim().strip_prefix('=')?.trim().to_owned())
        };
        text.lines().find_map(value)
    });
    // It writes this file when it starts and when its health changes.
    let healthy = ask.state("/opt/sophos-spl/base/mcs/status/SHS_status.xml", None).and_then(|text| {
        let (_, service) = text.split_once("<item name=\"service\" value=\"").ok_or(Reason::Malformed)?;
        Ok(service.starts_with("1\""))
    });
    let scans = root.text("/opt/sophos-spl/plugins/av/var/soapd_config.json").map_err(Reason::from).and_then(
        |text| {
            let config: serde_json::Value = serde_json::from_str(&text).map_err(|_| Reason::Malformed)?;
            match config.get("enabled") {
                Some(serde_json::Value::Bool(on)) => Ok(*on),
                Some(serde_json::Value::String(word)) => word.parse().map_err(|_| Reason::Malformed),
                _ => Err(Reason::Malformed),
            }
        },
    );
    ProductAnswer {
        version: Fact::or_unsupported(version),
        protecting: match (healthy, scans) {
            (Ok(healthy), Ok(scans)) => Fact::Known(healthy && scans),
            (Ok(false), _) | (_, Ok(false)) => Fact::Known(false),
            (Err(reason), _) | (_, Err(reason)) => Fact::Unreadable(reason),
        },
        mode: match (healthy, scans) {
            (_, Ok(false)) => Fact::Known(EdrMode::Passive),
            (Ok(true), Ok(true)) => Fact::Known(EdrMode::Active),
            (Ok(false), Ok(true)) => Fact::Known(EdrMode::Reduced),
            (Err(reason), _) | (_, Err(reason)) => Fact::Unreadable(reason),
        },
        ..ProductAnswer::NOTHING
    }
}
