//! Parses the answers of products' own command-line tools. Each function knows the documented answer of one
//! product; an unknown answer is unreadable, never good.

use super::{ProductAnswer, ProductQuery};
use crate::date;
use serde_json::Value;
use vitalsign_command::Question;
use vitalsign_protocol::calendar;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::EdrMode;

type Answer = Result<ProductAnswer, Reason>;

fn known_or_malformed<T>(value: Option<T>) -> Fact<T> {
    value.map_or(Fact::Unreadable(Reason::Malformed), Fact::Known)
}

/// Whether all conditions hold: one that does not is enough for "no", one that is unknown for "unknown".
fn all<const N: usize>(conditions: [Option<bool>; N]) -> Option<bool> {
    if conditions.contains(&Some(false)) {
        Some(false)
    } else {
        conditions.into_iter().try_fold(true, |_, c| c)
    }
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

/// CrowdStrike: `aid="…", version = 7.10.1, rfm-state=false`. Registered and not in reduced functionality mode. Just
/// started, it says of a value that it `is not set`.
pub(super) fn falcon(ask: &ProductQuery<'_>) -> ProductAnswer {
    let parse = |text: &str| {
        let value = |name: &str| {
            let (_, rest) = text.split_once(name)?;
            let rest = rest.trim_start().strip_prefix('=')?.trim_start().trim_start_matches('"');
            let end = rest.find(|c: char| c == ',' || c == '"' || c.is_whitespace()).unwrap_or(rest.len());
            rest.get(..end).map(|value| value.trim_end_matches('.')).filter(|value| !value.is_empty())
        };
        let reduced = value("rfm-state").and_then(|state| state.parse::<bool>().ok());
        let registered = match value("aid") {
            Some(_) => Some(true),
            None if text.contains("aid is not set") => Some(false),
            None => None,
        };
        let version = value("version");
        if (reduced, registered, version) == (None, None, None) {
            return Err(Reason::Malformed);
        }
        Ok(ProductAnswer {
            version: known_or_malformed(version.map(str::to_owned)),
            protecting: known_or_malformed(all([registered, reduced.map(|reduced| !reduced)])),
            mode: match (reduced, registered) {
                (Some(true), _) => Fact::Known(EdrMode::Reduced),
                (_, Some(false)) => Fact::Known(EdrMode::Disconnected),
                (Some(false), Some(true)) => Fact::Known(EdrMode::Active),
                _ => Fact::Unreadable(Reason::Malformed),
            },
            ..ProductAnswer::NOTHING
        })
    };
    when_running(ask, || ask.answer_to_root(Question::Falcon, parse))
}

/// Microsoft Defender: `mdatp health --output json`. A value may be plain or in an object that names its
/// source; names exist in two spellings. A line about a missing licence may precede the object.
pub(super) fn defender(ask: &ProductQuery<'_>) -> ProductAnswer {
    let parse = |text: &str| {
        let object = text.find('{').and_then(|start| text.get(start..)).ok_or(Reason::Malformed)?;
        let health: Value = serde_json::from_str(object).map_err(|_| Reason::Malformed)?;
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
        let available = switch("realtimeprotectionavailable").or(Some(true));
        let licensed = switch("licensed").or_else(|| Some(!text.contains("No license found")));
        // Older versions do not name the mode: without real-time protection they are passive.
        let passive = switch("passivemodeenabled").or_else(|| realtime.map(|realtime| !realtime));
        let minutes = get("definitionsupdatedminutesago").and_then(number);
        let active = passive.map(|passive| !passive);
        Ok(ProductAnswer {
            version: known_or_malformed(get("appversion").and_then(Value::as_str).map(str::to_owned)),
            protecting: known_or_malformed(all([healthy, realtime, available, licensed, active])),
            mode: match (licensed, passive, realtime, healthy.zip(available)) {
                (Some(false), ..) => Fact::Known(EdrMode::Unlicensed),
                (_, Some(true), ..) | (_, _, Some(false), _) => Fact::Known(EdrMode::Passive),
                (.., Some((false, _) | (_, false))) => Fact::Known(EdrMode::Reduced),
                (_, Some(false), Some(true), Some((true, true))) => Fact::Known(EdrMode::Active),
                _ => Fact::Unreadable(Reason::Malformed),
            },
            signatures: known_or_malformed(
                minutes.and_then(|minutes| ask.now.checked_sub(minutes.checked_mul(60)?)),
            ),
            tamper: switch("tamperprotection").map_or(Fact::Unsupported, Fact::Known),
        })
    };
    when_running(ask, || ask.answer("mdatp-health", "/usr/bin/mdatp", &["health", "--output", "json"], parse))
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// SentinelOne: `sentinelctl control status` says `Agent state  Enabled`.
pub(super) fn sentinelone(ask: &ProductQuery<'_>) -> ProductAnswer {
    let parse = |status: &str| match row(status, "Agent state") {
        Some("Enabled") => Ok(true),
        Some(state) if state.starts_with("Disabled") => Ok(false),
        _ => Err(Reason::Malformed),
    };
    let version = |text: &str| row(text, "Agent version").map(str::to_owned).ok_or(Reason::Malformed);
    when_running(ask, || {
        let enabled = ask.answer_to_root(Question::SentinelOneStatus, parse)?;
        Ok(ProductAnswer {
            version: ask.answer_to_root(Question::SentinelOneVersion, version).into(),
            protecting: Fact::Known(enabled),
            mode: if enabled { Fact::Unsupported } else { Fact::Known(EdrMode::Snoozed) },
            ..ProductAnswer::NOTHING
        })
    })
}

/// Trellix Endpoint Security: `mfetpcli` says whether on-access scan is on, and how old its content is.
pub(super) fn trellix(ask: &ProductQuery<'_>) -> ProductAnswer {
    let scans = |summary: &str| match row(summary, "On-Access Scan") {
        Some("Enabled") => Ok(true),
        Some("Disabled") => Ok(false),
        _ => Err(Reason::Malformed),
    };
    // `22-11-2026`
    let day = |text: &str| {
        let mut parts = row(text, "DAT Date")?.splitn(3, '-').map(|part| part.trim().parse().ok());
        let (day, month, year) = (parts.next()??, parts.next()??, parts.next()??);
        calendar::seconds(year, month, day)
    };
    let about = |text: &str| {
        let version = row(text, "Version").map(str::to_owned);
        match (version, day(text)) {
            (None, None) => Err(Reason::Malformed),
            (version, day) => Ok((known_or_malformed(version), known_or_malformed(day))),
        }
    };
    when_running(ask, || {
        let scans = ask.answer_to_root(Question::TrellixScan, scans)?;
        let about = ask.answer_to_root(Question::TrellixVersion, about);
        let (version, signatures) =
            about.unwrap_or_else(|reason| (Fact::Unreadable(reason), Fact::Unreadable(reason)));
        Ok(ProductAnswer {
            version,
            protecting: Fact::Known(scans),
            mode: Fact::Known(if scans { EdrMode::Active } else { EdrMode::Snoozed }),
            signatures,
            ..ProductAnswer::NOTHING
        })
    })
}

/// Cortex XDR: it lists its processes, but not whether it protects.
pub(super) fn cortex(ask: &ProductQuery<'_>) -> ProductAnswer {
    let parse = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("Cortex XDR")).ok_or(Reason::Malformed)?;
        let version = line.rsplit(' ').next().filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        version.map(str::to_owned).ok_or(Reason::Malformed)
    };
    let info = || ask.answer_to_root(Question::CortexInfo, parse).ok();
    ProductAnswer {
        version: Fact::or_unsupported(if ask.runs { info() } else { None }),
        ..ProductAnswer::NOTHING
    }
}

/// Elastic Defend: the agent says how its endpoint component is, and ends with 1 when any component of it is not well.
/// States are those of the agent's control protocol: 2 is healthy, 3 degraded.
pub(super) fn elastic(ask: &ProductQuery<'_>) -> ProductAnswer {
    let parse = |text: &str| {
        let status: Value = serde_json::from_str(text).map_err(|_| Reason::Malformed)?;
        let components = match status.get("components").ok_or(Reason::Malformed)? {
            Value::Null => &[],
            components => components.as_array().ok_or(Reason::Malformed)?.as_slice(),
        };
        let named = |component: &&Value| component.get("name").and_then(Value::as_str) == Some("endpoint");
        let endpoints: Vec<_> = components.iter().filter(named).collect();
        let version =
            endpoints.iter().find_map(|endpoint| endpoint.pointer("/version_info/meta/build_version"));
        let version = version.or_else(|| status.pointer("/info/version")).and_then(Value::as_str);
        let version = known_or_malformed(version.map(str::to_owned));
        // No policy asks the endpoint to protect.
        if endpoints.is_empty() {
            return Ok(ProductAnswer { version, protecting: Fact::Known(false), ..ProductAnswer::NOTHING });
        }
        let state = |endpoint: &Value| endpoint.get("state")?.as_u64().filter(|state| *state <= LAST_STATE);
        let states: Option<Vec<_>> = endpoints.into_iter().map(state).collect();
        let malformed = Reason::Malformed;
        Ok(ProductAnswer {
            version,
            protecting: known_or_malformed(
                states.as_ref().map(|states| states.iter().all(|state| *state == HEALTHY)),
            ),
            mode: match &states {
                None => Fact::Unreadable(malformed),
                Some(states) if states.contains(&DEGRADED) => Fact::Known(EdrMode::Reduced),
                Some(_) => Fact::Unsupported,
            },
            ..ProductAnswer::NOTHING
        })
    };
    when_running(ask, || ask.answer_to_root(Question::ElasticStatus, parse))
}

const HEALTHY: u64 = 2;
const DEGRADED: u64 = 3;
/// The last state of the protocol, `ROLLBACK`.
const LAST_STATE: u64 = 8;

/// ESET: `upd` says its version and how old its detection engine is, `lic` how long its licence is valid. It does not say
/// whether it protects.
pub(super) fn eset(ask: &ProductQuery<'_>) -> ProductAnswer {
    let folders = ["/opt/eset/efs", "/opt/eset/eea"];
    let Some(folder) = folders.iter().find(|folder| ask.root.exists(format!("{folder}/bin/upd"))) else {
        return ProductAnswer::NOTHING;
    };
    let upd = format!("{folder}/bin/upd");
    // `EM002  28000 (20261120)  Detection engine`
    let engine = |text: &str| {
        let day = text.lines().find_map(|line| {
            let (_, rest) = line.trim_start().strip_prefix("EM002")?.split_once('(')?;
            let day = rest.split_once(')')?.0;
            let part = |range: std::ops::Range<usize>| day.get(range)?.parse().ok();
            calendar::seconds(part(0..4)?, part(4..6)?, part(6..8)?)
        });
        day.ok_or(Reason::Malformed)
    };
    let version = |text: &str| {
        let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
        text.split_ascii_whitespace().find(is_version).map(str::to_owned).ok_or(Reason::Malformed)
    };
    let valid = |text: &str| row(text, "License Validity").and_then(leading_date).ok_or(Reason::Malformed);
    let valid_until = if ask.runs { ask.answer_to_root(Question::EsetLicence, valid).ok() } else { None };
    let expired = valid_until.is_some_and(|day| day < ask.now);
    ProductAnswer {
        version: Fact::or_unsupported(ask.answer("eset-upd-version", &upd, &["--version"], version).ok()),
        protecting: if expired { Fact::Known(false) } else { Fact::Unsupported },
        mode: if expired { Fact::Known(EdrMode::Unlicensed) } else { Fact::Unsupported },
        signatures: ask.answer_to_root(Question::EsetModules, engine).into(),
        ..ProductAnswer::NOTHING
    }
}

/// Parses Bitdefender's `bduitool get ps`.
pub(super) fn bitdefender(ask: &ProductQuery<'_>) -> ProductAnswer {
    let parse = |text: &str| {
        let on = match row(text, "Antimalware status") {
            Some("On") => Some(true),
            Some("Off") => Some(false),
            _ => None,
        };
        let version = row(text, "Product version").map(str::to_owned);
        if (&on, &version) == (&None, &None) {
            return Err(Reason::Malformed);
        }
        Ok(ProductAnswer {
            version: known_or_malformed(version),
            protecting: known_or_malformed(on),
            mode: known_or_malformed(on.map(|on| if on { EdrMode::Active } else { EdrMode::Snoozed })),
            signatures: known_or_malformed(row(text, "Last security content update").and_then(leading_date)),
            ..ProductAnswer::NOTHING
        })
    };
    when_running(ask, || ask.answer_to_root(Question::Bitdefender, parse))
}

/// Kaspersky: `kesl-control --app-info` says its version, the state of its licence and its databases, and of its file
/// protection (before version 11, file monitoring) whether it runs.
pub(super) fn kaspersky(ask: &ProductQuery<'_>) -> ProductAnswer {
    let parse = |text: &str| {
        let either =
            |new: &str, old: &str| row(text, new).or_else(|| row(text, old)).map(str::to_ascii_lowercase);
        let file = either("File Threat Protection", "File monitoring");
        let unlicensed = file.as_deref().is_some_and(|state| state.contains("license"))
            || row(text, "License expiration date").and_then(leading_date).is_some_and(|day| day < ask.now);
        let scans = match file.as_deref() {
            Some("available and running") => Some(true),
            Some(state) if state.contains("stopped") || state.contains("unavailable") => Some(false),
            Some(state) if state.contains("not ") => Some(false),
            _ => None,
        };
        let loaded = match either("Application databases loaded", "Anti-virus databases loaded").as_deref() {
            Some("yes") | None => Some(true),
            Some("no") => Some(false),
            Some(_) => None,
        };
        let version = row(text, "Version").map(str::to_owned);
        if (&version, scans) == (&None, None) {
            return Err(Reason::Malformed);
        }
        Ok(ProductAnswer {
            version: known_or_malformed(version),
            protecting: known_or_malformed(all([scans, loaded, Some(!unlicensed)])),
            mode: match (unlicensed, loaded) {
                (true, _) => Fact::Known(EdrMode::Unlicensed),
                (_, Some(false)) => Fact::Known(EdrMode::Reduced),
                _ => Fact::Unsupported,
            },
            signatures: known_or_malformed(
                row(text, "Last release date of databases").and_then(leading_date),
            ),
            ..ProductAnswer::NOTHING
        })
    };
    when_running(ask, || ask.answer_to_root(Question::Kaspersky, parse))
}
