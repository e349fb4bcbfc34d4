//! Reads products' status files.

use super::{ProductAnswer, ProductQuery};
use crate::Root;
use crate::release::assignments;
use std::io::Read;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::EdrMode;

/// ClamAV: its daemon only answers who asks it. It protects when its on-access scanner runs and prevents access;
/// without prevention it watches. Its databases' headers say when they were made.
pub(super) fn clamav(ask: &ProductQuery<'_>) -> ProductAnswer {
    let root = ask.root;
    let on_access = super::processes::Processes::read(root).map(|processes| processes.any(root, "clamonacc"));
    let prevents =
        ["/etc/clamav/clamd.conf", "/etc/clamd.d/scan.conf", "/etc/clamd.conf"].iter().any(|file| {
            let text = root.text(file).unwrap_or_default();
            text.lines().any(|line| {
                let mut words = line.split_ascii_whitespace();
                words.next() == Some("OnAccessPrevention")
                    && words.next().is_some_and(|word| matches!(word, "yes" | "true" | "1"))
            })
        });
    let version = ask.output("clamscan-version", "/usr/bin/clamscan", &["--version"]).ok();
    // `ClamAV 1.0.7/27400/Mon Sep 16 08:45:00 2026`
    let version = version.and_then(|text| {
        let version = text.strip_prefix("ClamAV ")?.split(['/', '\n']).next()?;
        Some(version.to_owned())
    });
    ProductAnswer {
        version: Fact::or_unsupported(version),
        protecting: on_access.map(|on_access| ask.runs && on_access && prevents).into(),
        mode: match on_access {
            Ok(true) if prevents => Fact::Known(EdrMode::Active),
            Ok(_) => Fact::Known(EdrMode::Passive),
            Err(reason) => Fact::Unreadable(reason),
        },
        signatures: clamav_signatures(root),
        tamper: Fact::Unsupported,
    }
}

/// The newest of its databases: `ClamAV-VDB:day time:version:signatures:level:md5:signature:builder:seconds`.
fn clamav_signatures(root: &Root) -> Fact<u64> {
    let folder = "/var/lib/clamav";
    let names = match root.names(folder) {
        Ok(names) => names,
        Err(error) => return Fact::Unreadable(Reason::from(error)),
    };
    let made = |name: &String| {
        let mut header = Vec::new();
        root.open(format!("{folder}/{name}")).ok()?.take(512).read_to_end(&mut header).ok()?;
        let header = String::from_utf8_lossy(&header).into_owned();
        header.strip_prefix("ClamAV-VDB:")?.split(':').nth(7)?.trim().parse::<u64>().ok()
    };
    let databases: Vec<_> =
        names.iter().filter(|name| name.ends_with(".cvd") || name.ends_with(".cld")).collect();
    match databases.iter().filter_map(|name| made(name)).max() {
        Some(made) => Fact::Known(made),
        None if databases.is_empty() => Fact::Unsupported,
        None => Fact::Unreadable(Reason::Malformed),
    }
}

/// Wazuh: its agent keeps its connection's state in a file. It protects when it is connected and may respond; with
/// active response off it watches.
pub(super) fn wazuh(ask: &ProductQuery<'_>) -> ProductAnswer {
    let root = ask.root;
    let connected =
        root.text("/var/ossec/var/run/wazuh-agentd.state").map_err(Reason::from).and_then(|text| {
            match assignments(&text).get("status").map(String::as_str) {
                Some("connected") => Ok(true),
                Some("disconnected" | "pending") => Ok(false),
                _ => Err(Reason::Malformed),
            }
        });
    let responds = root.text("/var/ossec/etc/ossec.conf").map_err(Reason::from).map(|text| {
        let sections = text
            .split("<active-response>")
            .skip(1)
            .filter_map(|rest| rest.split("</active-response>").next());
        let disabled = |section: &str| {
            let value =
                section.split_once("<disabled>").and_then(|(_, rest)| rest.split("</disabled>").next());
            value.is_some_and(|value| value.trim() == "yes")
        };
        !sections.into_iter().any(disabled)
    });
    let version = root.text("/var/ossec/VERSION.json").ok().and_then(|text| {
        let version: serde_json::Value = serde_json::from_str(&text).ok()?;
        version.get("version")?.as_str().map(str::to_owned)
    });
    let version = version.or_else(|| {
        let text = if ask.runs {
            ask.output("wazuh-control-info", "/var/ossec/bin/wazuh-control", &["info"])
        } else {
            return None;
        };
        assignments(&text.ok()?)
            .get("WAZUH_VERSION")
            .map(|version| version.trim_start_matches('v').to_owned())
    });
    ProductAnswer {
        version: Fact::or_unsupported(version),
        protecting: connected.and_then(|connected| Ok(connected && responds?)).into(),
        mode: responds.map(|responds| if responds { EdrMode::Active } else { EdrMode::Passive }).into(),
        ..ProductAnswer::NOTHING
    }
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
    let healthy =
        root.text("/opt/sophos-spl/base/mcs/status/SHS_status.xml").map_err(Reason::from).and_then(|text| {
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
