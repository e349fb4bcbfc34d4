//! Formats a verdict as a table: each check with its outcome, reason, observed facts and remedy.

use super::style::{Paint, Style};
use super::table::{Cell, rows, rule};
use super::{plain, when};
use serde_json::Value;
use vitalsign_protocol::check::{self, Remediator};
use vitalsign_protocol::ear::{Check, Ear, Tier};

const WIDTHS: [usize; 3] = [20, 13, 30];

/// Summarises the verdict, and how many of its problems the user can fix.
pub(crate) fn sentence(ear: &Ear) -> String {
    let wrong: Vec<_> = ear.checks().map(|(_, check)| check).filter(|check| needs_attention(check)).collect();
    let unknown = ear.checks().filter(|(_, check)| check.status == Tier::None).count();
    let yours = wrong
        .iter()
        .filter(|it| check::of(&it.check).is_some_and(|text| text.remediator == Remediator::You))
        .count();
    let mut sentence = match (wrong.len(), ear.ear_status.unwrap_or_default()) {
        (0, Tier::Affirming) => "This device is healthy.".to_owned(),
        (0, Tier::None) => "Nothing is known yet about this device's health.".to_owned(),
        (0, _) => "This device is not accepted, and the verifier does not say why.".to_owned(),
        (1, _) => match yours {
            0 => "1 thing needs attention, and IT has to see to it.".to_owned(),
            _ => "1 thing needs attention, and you can fix it now.".to_owned(),
        },
        (count, _) => match yours {
            0 => format!("{count} things need attention, and IT has to see to them."),
            all if all == count => format!("{count} things need attention, and you can fix them now."),
            some => format!("{count} things need attention, {some} you can fix now."),
        },
    };
    if unknown > 0 {
        let things = when::counted(u64::try_from(unknown).unwrap_or_default(), "thing");
        sentence.push_str(&format!(" {things} could not be judged."));
    }
    sentence
}

/// The table, in the order in which checks are listed for people; those of another policy follow.
pub(crate) fn table(ear: &Ear, style: Style, now: u64) -> String {
    let mut checks: Vec<_> = ear.checks().map(|(_, check)| check).collect();
    let place = |name: &str| check::TEXTS.iter().position(|text| text.check == name).unwrap_or(usize::MAX);
    checks.sort_by(|a, b| place(&a.check).cmp(&place(&b.check)).then_with(|| a.check.cmp(&b.check)));

    let heading = ["Check", "Verdict", "Why", "What to do"].map(|text| Cell::new(Paint::Bold, text));
    let mut lines = vec![heading.into(), rule(style, &WIDTHS)];
    lines.extend(checks.into_iter().map(|check| line(check, now)));
    rows(style, &WIDTHS, &lines)
}

/// The colour of a status.
pub(crate) fn paint(tier: Tier) -> Paint {
    match tier {
        Tier::Affirming => Paint::Good,
        Tier::Warning => Paint::Attention,
        Tier::Contraindicated => Paint::Bad,
        Tier::None => Paint::Dim,
    }
}

pub(crate) fn word(tier: Tier) -> &'static str {
    match tier {
        Tier::Affirming => "✓ healthy",
        Tier::Warning => "! attention",
        Tier::Contraindicated => "✗ not healthy",
        Tier::None => "? not known",
    }
}

fn line(check: &Check, now: u64) -> Vec<Cell> {
    let text = check::of(&check.check);
    let title = text.map_or_else(|| plain(&check.check), |text| text.title.to_owned());
    let mut why = Cell::new(Paint::Plain, plain(check::reason(&check.reason)));
    for (name, value) in check.seen.iter().filter(|(_, value)| says_something(value)) {
        why = why.and(Paint::Dim, plain(&seen(name, value, now)));
    }
    let mut remedy = Cell::default();
    if needs_attention(check) {
        if let Some(since) = check.since {
            why = why.and(Paint::Dim, format!("so since {}", when::moment(since)));
        }
        if let Some(deadline) = check.deadline {
            let due = format!("by {} ({})", when::date(deadline), when::relative(deadline, now));
            why = why.and(Paint::Attention, due);
        }
        remedy = match text {
            Some(text) => Cell::new(Paint::Plain, text.remedy).and(Paint::Dim, who(text)),
            None => Cell::new(Paint::Plain, "Contact IT about this check."),
        };
    }
    vec![Cell::new(Paint::Plain, title), Cell::new(paint(check.status), word(check.status)), why, remedy]
}

fn needs_attention(check: &Check) -> bool {
    matches!(check.status, Tier::Warning | Tier::Contraindicated)
}

fn who(text: &check::Text) -> &'static str {
    match (text.remediator, text.restart) {
        (Remediator::You, true) => "You can do this; a restart fixes it.",
        (Remediator::You, false) => "You can do this.",
        (Remediator::It, true) => "Contact IT; a restart may fix it.",
        (Remediator::It, false) => "Contact IT.",
    }
}

/// Returns whether a value adds something to the reason, unlike null and an empty list.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(says_something),
        Value::Object(entries) => entries.values().any(says_something),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Formats an observed fact like `security updates: 3`. Values whose name means a time are formatted as one.
fn seen(name: &str, value: &Value, now: u64) -> String {
    const TIMES: [&str; 5] = ["since", "updated", "checked", "ends", "last_update"];
    let is_time = TIMES.iter().any(|end| name.ends_with(end));
    let shown = match value.as_u64() {
        Some(at) if is_time => format!("{} ({})", when::date(at), when::relative(at, now)),
        _ => words(value),
    };
    format!("{}: {shown}", name.replace(['_', '-'], " "))
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(entries) => {
            let entry = |(name, value): (&String, &Value)| {
                format!("{} {}", name.replace(['_', '-'], " "), words(value))
            };
            entries.iter().map(entry).collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;
    use vitalsign_protocol::ear::{Appraisal, PROFILE, TrustVector};

    pub(crate) const NOW: u64 = 1_795_317_300;
    const STYLE: Style = Style { colour: false, width: 100 };

    fn check(name: &str, status: Tier, reason: &str, seen: Value) -> Check {
        let seen = seen.as_object().cloned().unwrap_or_default();
        Check { check: name.into(), status, reason: reason.into(), seen, since: None, deadline: None }
    }

    pub(crate) fn ear(checks: Vec<Check>) -> Ear {
        let appraisal = Appraisal::new(TrustVector::default(), checks, "default");
        let mut ear = Ear { eat_profile: PROFILE.into(), iat: NOW - 60, ..Ear::default() };
        ear.ear_status = Some(appraisal.ear_status);
        ear.submods.insert("os".into(), appraisal);
        ear
    }

    #[test]
    fn a_verdict_with_everything() {
        let ear = ear(vec![
            check("acme-badge", Tier::Warning, "mis\u{1b}sing", json!({"reader": "\u{202e}none"})),
            check("key-hardware", Tier::Affirming, "ok", json!({"storage": "tpm"})),
            check("disk-encryption", Tier::Contraindicated, "partial", json!({"plain": ["swap", "data"]})),
            check("lock-idle", Tier::None, "unreadable", json!({"idle_seconds": null})),
            Check {
                since: Some(NOW - 16 * 86_400),
                deadline: Some(NOW + 3 * 86_400),
                ..check(
                    "os-updates",
                    Tier::Warning,
                    "grace",
                    json!({"security_updates": 3, "security_updates_since": NOW - 16 * 86_400}),
                )
            },
            Check {
                since: Some(NOW - 7200),
                ..check("os-reboot", Tier::Warning, "required", json!({"reboot_required": true}))
            },
        ]);
        let shown = format!("{}\n\n{}", sentence(&ear), table(&ear, STYLE, NOW));
        assert!(shown.lines().all(|line| line.chars().count() <= STYLE.width), "{shown}");
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn summary_counts_problems_and_user_fixable_ones() {
        let ok = || check("os-updates", Tier::Affirming, "ok", json!({}));
        let yours = || check("os-reboot", Tier::Warning, "required", json!({}));
        let its = || check("disk-encryption", Tier::Contraindicated, "off", json!({}));
        let unknown = || check("lock-idle", Tier::None, "unreadable", json!({}));
        for (checks, wanted) in [
            (vec![ok()], "This device is healthy."),
            (vec![ok(), unknown()], "This device is healthy. 1 thing could not be judged."),
            (vec![ok(), yours()], "1 thing needs attention, and you can fix it now."),
            (vec![its()], "1 thing needs attention, and IT has to see to it."),
            (vec![its(), yours()], "2 things need attention, 1 you can fix now."),
            (vec![yours(), yours()], "2 things need attention, and you can fix them now."),
            (vec![its(), its()], "2 things need attention, and IT has to see to them."),
            (vec![], "Nothing is known yet about this device's health."),
        ] {
            assert_eq!(sentence(&ear(checks)), wanted);
        }
        let mut refused = ear(vec![ok()]);
        refused.ear_status = Some(Tier::Contraindicated);
        assert_eq!(sentence(&refused), "This device is not accepted, and the verifier does not say why.");
    }

    #[test]
    fn colours_change_no_text() {
        let ear = ear(vec![check("disk-encryption", Tier::Contraindicated, "off", json!({"swap": "plain"}))]);
        let coloured = table(&ear, Style { colour: true, ..STYLE }, NOW);
        let mut bare = coloured.clone();
        for code in ["1", "2", "31", "32", "33", "0"] {
            bare = bare.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_ne!(coloured, bare);
        assert_eq!(bare, table(&ear, STYLE, NOW));
    }
}
