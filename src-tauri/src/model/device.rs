//! The device, as the service last told: its headline, its checks, its state in the tray.

use super::Tray;
use super::words::{escape, plain};
use crate::view::{
    Check, CheckTexts, Contact, DeviceSettings, DeviceView, DisconnectReason, Headline, Remediator, Seen,
    SeenValue, SettingsPage, Support, Tone,
};
use serde_json::Value;
use vitalsign_ipc::{AgentState, SettingsState, Status};
use vitalsign_protocol::check::{self, Desktop};
use vitalsign_protocol::device_code::DeviceCode;
use vitalsign_protocol::ear::{self, Ear, Tier};
use vitalsign_protocol::organisation::{self, Texts};

/// Names that mean a time.
const TIMES: [&str; 5] = ["since", "updated", "checked", "ends", "last_update"];

/// Texts and desktop that decide which remedy a person reads.
#[derive(Debug, Default)]
pub(super) struct Advisor {
    /// The organisation's texts in the app's language.
    pub(super) texts: Texts,
    pub(super) desktop: Option<Desktop>,
    /// Pages of the desktop's settings that can be opened.
    pub(super) settings: Vec<SettingsPage>,
}

pub(super) fn device(
    name: &str,
    status: Option<&Status>,
    advisor: &Advisor,
    lost: Option<DisconnectReason>,
    now: u64,
) -> DeviceView {
    let ear = status.and_then(|status| status.ear.as_ref());
    let fixers = status.map(|status| status.guidance.fixers.clone()).unwrap_or_default();
    let judged = ear.iter().flat_map(|ear| ear.checks()).map(|(_, it)| it);
    let mut checks: Vec<Check> = judged.map(|it| check(it, advisor, &fixers)).collect();
    let place = |code: &str| check::TEXTS.iter().position(|text| text.check == code).unwrap_or(usize::MAX);
    checks.sort_by(|a, b| {
        let wrong = |it: &Check| matches!(it.tone, Tone::Attention | Tone::Blocked);
        let its = |it: &Check| wrong(it) && it.remediator == Remediator::It;
        let key = |it: &Check| (!wrong(it), its(it), order(it.tone), place(&it.code));
        key(a).cmp(&key(b)).then_with(|| a.code.cmp(&b.code))
    });
    let headline = headline(status, &checks, lost, now);
    DeviceView {
        name: plain(name),
        device_code: status.and_then(|status| status.enrolment).map(|it| DeviceCode::of(&it).to_string()),
        code: headline.code().filter(|_| lost != Some(DisconnectReason::Starting)).map(str::to_owned),
        tone: tone(&headline, ear),
        headline,
        unknown: count(&checks, |it| it.tone == Tone::Unknown),
        checks,
        contact: contact(status, lost.is_some()),
        reported_at: status.and_then(|status| status.reported_at),
        holds_until: ear.and_then(|ear| ear.exp),
        busy: status.is_some_and(|status| status.busy) && lost.is_none(),
        support: status.map(|status| support(&status.guidance.support)).unwrap_or_default(),
        settings: status.map(|status| settings(&status.settings)).unwrap_or_default(),
    }
}

fn settings(state: &SettingsState) -> DeviceSettings {
    match state {
        SettingsState { refused: Some(_), .. } => DeviceSettings::Refused,
        SettingsState { managed, .. } if managed.is_empty() => DeviceSettings::Unmanaged,
        SettingsState { .. } => DeviceSettings::Managed,
    }
}

pub(super) fn tray(status: Option<&Status>, lost: Option<DisconnectReason>, now: u64) -> Tray {
    let device = device("", status, &Advisor::default(), lost, now);
    match (&device.headline, device.tone) {
        (Headline::NoService | Headline::NoVerdict | Headline::Expired | Headline::Enrolling, _) => {
            Tray::Offline
        }
        _ if matches!(device.contact, Contact::Offline { .. }) => Tray::Offline,
        (_, Tone::Good) => Tray::Healthy,
        (_, Tone::Blocked) => Tray::Blocked,
        (_, Tone::Attention) => Tray::Attention,
        (_, Tone::Unknown) => Tray::Offline,
    }
}

fn support(support: &organisation::Support) -> Support {
    let shown = |text: &Option<String>| text.as_deref().map(plain);
    let organisation::Support { name, phone, text, url } = support;
    Support { name: shown(name), phone: shown(phone), text: shown(text), url: shown(url) }
}

/// A check that a step-up was refused for, with its outcome; by its name alone if the verdict has no such check, or calls it
/// affirming: a step-up policy may refuse a level for an affirming check.
pub(super) fn refused(code: &str, status: Option<&Status>, advisor: &Advisor) -> Check {
    let fixers = status.map(|status| status.guidance.fixers.clone()).unwrap_or_default();
    let ear = status.and_then(|status| status.ear.as_ref());
    let judged = ear.and_then(|ear| ear.checks().map(|(_, it)| it).find(|it| it.check == code));
    let judged = judged.filter(|it| it.status != Tier::Affirming);
    judged.map(|it| check(it, advisor, &fixers)).unwrap_or_else(|| {
        let unnamed = ear::Check {
            check: code.to_owned(),
            status: Tier::Contraindicated,
            reason: String::new(),
            seen: serde_json::Map::new(),
            since: None,
            deadline: None,
        };
        check(&unnamed, advisor, &fixers)
    })
}

fn check(judged: &ear::Check, advisor: &Advisor, fixers: &check::Fixers) -> Check {
    let advice = advisor.texts.advice(fixers, &judged.check, &judged.reason);
    let remedy = check::message(&judged.check, advice.remedy);
    let steps = advice.steps(advisor.desktop).len();
    let desktop = advisor.desktop.map(Desktop::code).unwrap_or_default();
    let by_person = advice.remediator == check::Remediator::You && !advice.is_replaced();
    let settings = settings_page(&judged.check).filter(|it| by_person && advisor.settings.contains(it));
    let own = advice.own.cloned().unwrap_or_default();
    let seen = judged
        .seen
        .iter()
        .filter_map(|(name, value)| Some(Seen { name: plain(name), value: seen(name, value)? }));
    Check {
        code: plain(&judged.check),
        known: check::of(&judged.check).is_some(),
        tone: match judged.status {
            Tier::Affirming => Tone::Good,
            Tier::Warning => Tone::Attention,
            Tier::Contraindicated => Tone::Blocked,
            Tier::None => Tone::Unknown,
        },
        reason: plain(&judged.reason),
        reason_known: check::REASONS.iter().any(|(known, _)| *known == judged.reason),
        seen: seen.collect(),
        since: judged.since,
        deadline: judged.deadline,
        steps: (1..=steps).map(|number| format!("{remedy}-{desktop}-{number}")).collect(),
        remedy,
        own: CheckTexts { title: own.title, why: own.why, remedy: own.remedy, steps: own.steps },
        remediator: match advice.remediator {
            check::Remediator::You => Remediator::You,
            check::Remediator::It => Remediator::It,
        },
        restart: advice.restart(),
        settings,
    }
}

/// Returns the page of the desktop's settings on which a person can fix a check.
fn settings_page(check: &str) -> Option<SettingsPage> {
    match check {
        "os-updates" => Some(SettingsPage::Updates),
        "firewall-inbound" => Some(SettingsPage::Firewall),
        "lock-idle" => Some(SettingsPage::ScreenLock),
        _ => None,
    }
}

/// Converts a fact; `None` for null and empty lists, which the reason already expresses.
fn seen(name: &str, value: &Value) -> Option<SeenValue> {
    let is_time = TIMES.iter().any(|end| name.ends_with(end));
    match value {
        Value::Null => None,
        Value::Bool(flag) => Some(SeenValue::Flag(*flag)),
        Value::Number(number) => match number.as_u64() {
            Some(at) if is_time => Some(SeenValue::Times(vec![at])),
            _ => number.as_f64().map(SeenValue::Number),
        },
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(SeenValue::Text(escape(text))),
        Value::Array(items) if is_time && items.iter().any(Value::is_u64) => {
            Some(SeenValue::Times(items.iter().filter_map(Value::as_u64).collect()))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(words).collect();
            (!items.is_empty()).then_some(SeenValue::List(items))
        }
        Value::Object(entries) if let Some(Value::String(why)) = entries.get("unreadable") => {
            Some(SeenValue::Unreadable(plain(why)))
        }
        Value::Object(_) => words(value).map(SeenValue::Text),
    }
}

/// A value within another one.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then(|| escape(text)),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(words).collect();
            (!items.is_empty()).then(|| items.join(", "))
        }
        Value::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .filter_map(|(name, value)| {
                    Some(format!("{} {}", plain(&name.replace(['_', '-'], " ")), words(value)?))
                })
                .collect();
            (!entries.is_empty()).then(|| entries.join(", "))
        }
    }
}

fn headline(status: Option<&Status>, checks: &[Check], lost: Option<DisconnectReason>, now: u64) -> Headline {
    match lost {
        Some(DisconnectReason::Foreign) => return Headline::ForeignService,
        Some(DisconnectReason::OtherVersion) => return Headline::OtherVersion,
        Some(_) => return Headline::NoService,
        None => {}
    }
    let Some(status) = status else { return Headline::NoService };
    match (&status.standing, &status.ear) {
        (AgentState::Revoked, _) => Headline::Revoked,
        (AgentState::Refused { .. }, _) => Headline::Refused,
        (AgentState::NotEnrolled, _) => Headline::NotEnrolled,
        (_, Some(ear)) if ear.exp.is_some_and(|exp| exp <= now) => Headline::Expired,
        (_, Some(ear)) => {
            let wrong = |it: &Check| matches!(it.tone, Tone::Attention | Tone::Blocked);
            match (count(checks, wrong), ear.ear_status.unwrap_or_default()) {
                (0, Tier::Affirming) => Headline::Healthy,
                (0, Tier::None) => Headline::NoVerdict,
                (0, _) => Headline::NotAccepted,
                (things, _) => {
                    let yours = count(checks, |it| wrong(it) && it.remediator == Remediator::You);
                    Headline::Attention { things, yours }
                }
            }
        }
        (AgentState::Enrolling, None) => Headline::Enrolling,
        (AgentState::KeyTrouble { .. }, None) => Headline::KeyTrouble,
        (_, None) => Headline::NoVerdict,
    }
}

fn tone(headline: &Headline, ear: Option<&Ear>) -> Tone {
    match headline {
        Headline::Healthy => Tone::Good,
        Headline::Attention { .. } => {
            let blocked = ear.and_then(|ear| ear.ear_status) == Some(Tier::Contraindicated);
            if blocked { Tone::Blocked } else { Tone::Attention }
        }
        Headline::NotAccepted | Headline::Revoked | Headline::Refused | Headline::ForeignService => {
            Tone::Blocked
        }
        Headline::KeyTrouble | Headline::NotEnrolled | Headline::Expired | Headline::OtherVersion => {
            Tone::Attention
        }
        Headline::NoVerdict | Headline::Enrolling | Headline::NoService => Tone::Unknown,
    }
}

fn contact(status: Option<&Status>, lost: bool) -> Contact {
    match status.map(|status| &status.standing) {
        _ if lost => Contact::None,
        Some(AgentState::Reporting) => Contact::Reached,
        Some(AgentState::Offline { since, .. }) => Contact::Offline { since: *since },
        _ => Contact::None,
    }
}

/// Sort order: what needs attention first.
fn order(tone: Tone) -> u8 {
    match tone {
        Tone::Blocked => 0,
        Tone::Attention => 1,
        Tone::Unknown => 2,
        Tone::Good => 3,
    }
}

fn count(checks: &[Check], wanted: impl Fn(&Check) -> bool) -> u32 {
    u32::try_from(checks.iter().filter(|it| wanted(it)).count()).unwrap_or(u32::MAX)
}
