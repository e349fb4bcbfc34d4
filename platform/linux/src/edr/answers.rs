//! Parses the answers of products' own command-line tools. Each function knows the documented answer of one
//! product; an unknown answer is unreadable, never good.

use super::{ProductAnswer, ProductQuery};
use crate::date;
use serde_json::Value;
use vitalsign_protocol::calendar;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::EdrMode;

type Answer = Result<ProductAnswer, Reason>;

fn known_or_malformed<T>(value: Option<T>) -> Fact<T> {
    value.map_or(Fact::Unreadable(Reason::Malformed), Fact::Known)
}

/// Queries a product only if its service runs.
fn when_running(ask: &ProductQuery<'_>, answer: impl FnOnce() -> Answer) -> ProductAnswer {
    if ask.runs { answer().unwrap_or_else(ProductAnswer::unreadable) } else { ProductAnswer::NOTHING }
}

/// `name: value` or `name   value` in a table for people, by the name's beginning and without case.
fn row<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let line = line.trim_start_matches([' ', '\t', '-', '*']);
        let (head, value) = line.split_at_checked(name.len())?;
        let value = value.trim_start_matches([' ', '\t']);
        let value = value.strip_prefix(':').unwrap_or(value);
        head.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// The date that begins a text: `2026-11-22 10:00:00`.
fn leading_date(text: &str) -> Option<u64> {
    date::iso(text.get(..10)?)
}

/// CrowdStrike: `aid="…", version = 7.10.1, rfm-state=false`. Registered and not in reduced functionality mode.
pub(super) fn falcon(ask: &ProductQuery<'_>) -> ProductAnswer {
    when_running(ask, || {
        let text = ask.output(
            "falconctl",
            "/opt/CrowdStrike/falconctl",
            &["-g", "--aid", "--rfm-state", "--version"],
        )?;
        let value = |name: &str| {
            let (_, rest) = text.split_once(name)?;
            let rest = rest.trim_start().strip_prefix('=')?.trim_start().trim_start_matches('"');
            let end = rest.find(|c: char| c == ',' || c == '"' || c.is_whitespace()).unwrap_or(rest.len());
            rest.get(..end).map(|value| value.trim_end_matches('.')).filter(|value| !value.is_empty())
        };
        let reduced =
            value("rfm-state").and_then(|state| state.parse::<bool>().ok()).ok_or(Reason::Malformed)?;
        let registered = match value("aid") {
            Some(_) => true,
            None if text.contains("aid is not set") => false,
            None => return Err(Reason::Malformed),
        };
        Ok(ProductAnswer {
            version: known_or_malformed(value("version").map(str::to_owned)),
            protecting: Fact::Known(registered && !reduced),
            mode: Fact::Known(if reduced { EdrMode::Reduced } else { EdrMode::Active }),
            ..ProductAnswer::NOTHING
        })
    })
}

/// Microsoft Defender: `mdatp health --output json`. A value may be plain or in an object that names its
/// source; names exist in two spellings.
pub(super) fn defender(ask: &ProductQuery<'_>) -> ProductAnswer {
    when_running(ask, || {
        let text = ask.output("mdatp-health", "/usr/bin/mdatp", &["health", "--output", "json"])?;
        let health: Value = serde_json::from_str(&text).map_err(|_| Reason::Malformed)?;
        let get = |name: &str| {
            let plain = |key: &str| key.replace('_', "").to_ascii_lowercase();
            let (_, value) = health.as_object()?.iter().find(|(key, _)| plain(key) == name)?;
            Some(value.get("value").or_else(|| value.get("$type")).unwrap_or(value))
        };
        let switch = |name: &str| match get(name)? {
            Value::Bool(on) => Some(*on),
            Value::String(word) => match word.to_ascii_lowercase().as_str() {
                "true" | "enabled" | "block" => Some(true),
                "false" | "disabled" | "audit" | "unavailable" => Some(false),
                _ => None,
            },
            _ => None,
        };
        let (healthy, realtime) = (switch("healthy"), switch("realtimeprotectionenabled"));
        let (healthy, realtime) = (healthy.ok_or(Reason::Malformed)?, realtime.ok_or(Reason::Malformed)?);
        let passive = switch("passivemodeenabled").unwrap_or(!realtime);
        let minutes = get("definitionsupdatedminutesago").and_then(number);
        Ok(ProductAnswer {
            version: known_or_malformed(get("appversion").and_then(Value::as_str).map(str::to_owned)),
            protecting: Fact::Known(healthy && realtime && !passive),
            mode: Fact::Known(match (passive, healthy) {
                (true, _) => EdrMode::Passive,
                (false, true) => EdrMode::Active,
                (false, false) => EdrMode::Reduced,
            }),
            signatures: known_or_malformed(
                minutes.and_then(|minutes| ask.now.checked_sub(minutes.checked_mul(60)?)),
            ),
            tamper: switch("tamperprotection").map_or(Fact::Unsupported, Fact::Known),
        })
    })
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// SentinelOne: `sentinelctl control status` says `Agent state  Enabled`.
pub(super) fn sentinelone(ask: &ProductQuery<'_>) -> ProductAnswer {
    let program = "/opt/sentinelone/bin/sentinelctl";
    when_running(ask, || {
        let status = ask.output("sentinelctl-control-status", program, &["control", "status"])?;
        let enabled = match row(&status, "Agent state").ok_or(Reason::Malformed)? {
            "Enabled" => true,
            state if state.starts_with("Disabled") => false,
            _ => return Err(Reason::Malformed),
        };
        let version = ask.output("sentinelctl-version", program, &["version"]);
        Ok(ProductAnswer {
            version: version.map_or_else(Fact::Unreadable, |text| {
                known_or_malformed(row(&text, "Agent version").map(str::to_owned))
            }),
            protecting: Fact::Known(enabled),
            mode: if enabled { Fact::Unsupported } else { Fact::Known(EdrMode::Snoozed) },
            ..ProductAnswer::NOTHING
        })
    })
}

/// Trellix Endpoint Security: `mfetpcli` says whether on-access scan is on, and how old its content is.
pub(super) fn trellix(ask: &ProductQuery<'_>) -> ProductAnswer {
    let programs = ["/opt/McAfee/ens/tp/bin/mfetpcli", "/opt/trellix/ens/tp/bin/mfetpcli"];
    let program = programs.iter().find(|program| ask.root.exists(program)).unwrap_or(&programs[0]);
    when_running(ask, || {
        let summary = ask.output("mfetpcli-getoasconfig", program, &["--getoasconfig", "--summary"])?;
        let scans = match row(&summary, "On-Access Scan").ok_or(Reason::Malformed)? {
            "Enabled" => true,
            "Disabled" => false,
            _ => return Err(Reason::Malformed),
        };
        let version = ask.output("mfetpcli-version", program, &["--version"]);
        let content = version.as_deref().ok().and_then(|text| row(text, "DAT Date"));
        // `22-11-2026`
        let day = content.and_then(|day| {
            let mut parts = day.splitn(3, '-').map(|part| part.trim().parse().ok());
            let (day, month, year) = (parts.next()??, parts.next()??, parts.next()??);
            calendar::seconds(year, month, day)
        });
        Ok(ProductAnswer {
            protecting: Fact::Known(scans),
            mode: Fact::Known(if scans { EdrMode::Active } else { EdrMode::Snoozed }),
            signatures: match &version {
                Ok(_) => known_or_malformed(day),
                Err(reason) => Fact::Unreadable(*reason),
            },
            version: version.map_or_else(Fact::Unreadable, |text| {
                known_or_malformed(row(&text, "Version").map(str::to_owned))
            }),
            ..ProductAnswer::NOTHING
        })
    })
}

/// Cortex XDR: it lists its processes, but not whether it protects.
pub(super) fn cortex(ask: &ProductQuery<'_>) -> ProductAnswer {
    let info = || {
        let text = ask.output("cytool-info", "/opt/traps/bin/cytool", &["info"]).ok()?;
        let line = text.lines().find(|line| line.starts_with("Cortex XDR"))?;
        line.rsplit(' ')
            .next()
            .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
            .map(str::to_owned)
    };
    ProductAnswer {
        version: Fact::or_unsupported(if ask.runs { info() } else { None }),
        ..ProductAnswer::NOTHING
    }
}

/// Elastic Defend: the agent says how its endpoint component is. Healthy is state 2.
pub(super) fn elastic(ask: &ProductQuery<'_>) -> ProductAnswer {
    when_running(ask, || {
        let programs = ["/opt/Elastic/Agent/elastic-agent", "/usr/bin/elastic-agent"];
        let program = programs.iter().find(|program| ask.root.exists(program)).unwrap_or(&programs[0]);
        let text = ask.output("elastic-agent-status", program, &["status", "--output", "json"])?;
        let status: Value = serde_json::from_str(&text).map_err(|_| Reason::Malformed)?;
        let components = status.get("components").and_then(Value::as_array).ok_or(Reason::Malformed)?;
        let named = |component: &&Value| component.get("name").and_then(Value::as_str) == Some("endpoint");
        let Some(endpoint) = components.iter().find(named) else {
            // No policy asks the endpoint to protect.
            return Ok(ProductAnswer { protecting: Fact::Known(false), ..ProductAnswer::NOTHING });
        };
        let state = endpoint.get("state").and_then(Value::as_u64).ok_or(Reason::Malformed)?;
        let version =
            endpoint.pointer("/version_info/meta/build_version").or_else(|| status.pointer("/info/version"));
        Ok(ProductAnswer {
            version: known_or_malformed(version.and_then(Value::as_str).map(str::to_owned)),
            protecting: Fact::Known(state == 2),
            mode: if state == 3 { Fact::Known(EdrMode::Reduced) } else { Fact::Unsupported },
            ..ProductAnswer::NOTHING
        })
    })
}

/// ESET: `upd` says its version and how old its detection engine is, not whether it protects.
pub(super) fn eset(ask: &ProductQuery<'_>) -> ProductAnswer {
    let programs = ["/opt/eset/efs/bin/upd", "/opt/eset/eea/bin/upd"];
    let Some(program) = programs.iter().find(|program| ask.root.exists(program)) else {
        return ProductAnswer::NOTHING;
    };
    // `EM002  28000 (20261120)  Detection engine`
    let modules = ask.output("eset-upd-list-modules", program, &["--list-modules"]).map(|text| {
        let day = text.lines().find_map(|line| {
            let (_, rest) = line.trim_start().strip_prefix("EM002")?.split_once('(')?;
            let day = rest.split_once(')')?.0;
            let part = |range: std::ops::Range<usize>| day.get(range)?.parse().ok();
            calendar::seconds(part(0..4)?, part(4..6)?, part(6..8)?)
        });
        known_or_malformed(day)
    });
    let version = ask.output("eset-upd-version", program, &["--version"]).ok().and_then(|text| {
        let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
        text.split_ascii_whitespace().find(is_version).map(str::to_owned)
    });
    ProductAnswer {
        version: Fact::or_unsupported(version),
        signatures: modules.unwrap_or_else(Fact::Unreadable),
        ..ProductAnswer::NOTHING
    }
}

/// Parses Bitdefender's `bduitool get ps`.
pub(super) fn bitdefender(ask: &ProductQuery<'_>) -> ProductAnswer {
    when_running(ask, || {
        let program = "/opt/bitdefender-security-tools/bin/bduitool";
        let text = ask.output("bduitool-get-ps", program, &["get", "ps"])?;
        let on = match row(&text, "Antimalware status").ok_or(Reason::Malformed)? {
            "On" => true,
            "Off" => false,
            _ => return Err(Reason::Malformed),
        };
        Ok(ProductAnswer {
            version: known_or_malformed(row(&text, "Product version").map(str::to_owned)),
            protecting: Fact::Known(on),
            mode: Fact::Known(if on { EdrMode::Active } else { EdrMode::Snoozed }),
            signatures: known_or_malformed(row(&text, "Last security content update").and_then(leading_date)),
            ..ProductAnswer::NOTHING
        })
    })
}

/// Kaspersky: `kesl-control --app-info` says its version and the age of its databases, and of its file protection
/// whether it runs.
pub(super) fn kaspersky(ask: &ProductQuery<'_>) -> ProductAnswer {
    when_running(ask, || {
        let text = ask.output("kesl-control", "/opt/kaspersky/kesl/bin/kesl-control", &["--app-info"])?;
        let state = row(&text, "File Threat Protection").map(str::to_ascii_lowercase);
        let protecting = match state.as_deref() {
            Some(state) if state.ends_with("running") && !state.contains("not ") => Fact::Known(true),
            Some(state) if state.contains("stopped") || state.contains("not ") => Fact::Known(false),
            _ => Fact::Unreadable(Reason::Malformed),
        };
        Ok(ProductAnswer {
            version: known_or_malformed(row(&text, "Version").map(str::to_owned)),
            protecting,
            signatures: known_or_malformed(
                row(&text, "Last release date of databases").and_then(leading_date),
            ),
            ..ProductAnswer::NOTHING
        })
    })
}
