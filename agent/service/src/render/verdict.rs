//! Formats a verdict as a table: each check with its outcome, reason, observed facts and remedy.

use super::style::{Paint, Style};
use super::table::{Cell, rows, rule};
use super::{plain, when};
use serde_json::Value;
use vitalsign_ipc::Guidance;
use vitalsign_protocol::check::{self, Desktop, Remediator};
use vitalsign_protocol::ear::{Check, Ear, Tier};
use vitalsign_protocol::organisation::{Advice, Texts};

const WIDTHS: [usize; 3] = [20, 13, 30];
/// Widths on a narrow terminal, where the reason and the remedy share a column.
const NARROW_WIDTHS: [usize; 2] = [14, 13];
const NARROW: usize = 96;

/// Everything that decides what people are told to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Advisor {
    pub(crate) guidance: Guidance,
    /// The organisation's texts.
    pub(crate) texts: Texts,
    pub(crate) desktop: Option<Desktop>,
}

impl Advisor {
    fn advice(&self, check: &Check) -> Advice<'_> {
        self.texts.advice(&self.guidance.fixers, &check.check, &check.reason)
    }

    fn is_yours(&self, check: &Check) -> bool {
        self.advice(check).remediator == Remediator::You
    }
}

/// Summarises the verdict, and how many of its problems the user can fix.
pub(crate) fn sentence(ear: &Ear, advisor: &Advisor) -> String {
    let wrong: Vec<_> = ear.checks().map(|(_, check)| check).filter(|check| needs_attention(check)).collect();
    let unknown = ear.checks().filter(|(_, check)| check.status == Tier::None).count();
    let yours = wrong.iter().filter(|it| advisor.is_yours(it)).count();
    let mut sentence = match (wrong.len(), ear.ear_status.unwrap_or_default()) {
        (0, Tier::Affirming) => "This device is healthy.".to_owned(),
        (0, Tier::None) => "Nothing is known yet about this device's health.".to_owned(),
        (0, _) => "This device is not accepted, and the verifier does not say why.".to_owned(),
        (1, _) => match yours {
            0 => "1 thing needs attention, and IT fixes it.".to_owned(),
            _ => "1 thing needs attention, and you can fix it now.".to_owned(),
        },
        (count, _) => match yours {
            0 => format!("{count} things need attention, and IT fixes them."),
            all if all == count => format!("{count} things need attention, and you can fix them now."),
            some => format!("{count} things need attention, {some} you can fix now."),
        },
    };
    if unknown > 0 {
        let things = when::counted(u64::try_from(unknown).unwrap_or_default(), "check");
        sentence.push_str(&format!(" {things} could not be completed."));
    }
    sentence
}

/// The table: first the problems that the person can fix, then IT's, then the other checks. Within each group, checks
/// are in the order in which they are listed for people; those of another policy follow.
pub(crate) fn table(ear: &Ear, advisor: &Advisor, style: Style, now: u64) -> String {
    let mut checks: Vec<_> = ear.checks().map(|(_, check)| check).collect();
    let place = |name: &str| check::TEXTS.iter().position(|text| text.check == name).unwrap_or(usize::MAX);
    let group = |it: &Check| {
        let wrong = needs_attention(it);
        (!wrong, !(wrong && advisor.is_yours(it)), place(&it.check))
    };
    checks.sort_by(|a, b| group(a).cmp(&group(b)).then_with(|| a.check.cmp(&b.check)));

    let heading = |texts: &[&str]| texts.iter().map(|text| Cell::new(Paint::Bold, *text)).collect();
    if style.width < NARROW {
        let mut lines =
            vec![heading(&["Check", "Verdict", "Why, and what to do"]), rule(style, &NARROW_WIDTHS)];
        lines.extend(checks.into_iter().map(|check| {
            let [title, verdict, why, remedy] = line(check, advisor, now);
            vec![title, verdict, why.then(remedy)]
        }));
        return rows(style, &NARROW_WIDTHS, &lines);
    }
    let mut lines = vec![heading(&["Check", "Verdict", "Why", "What to do"]), rule(style, &WIDTHS)];
    lines.extend(checks.into_iter().map(|check| line(check, advisor, now).to_vec()));
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

fn line(check: &Check, advisor: &Advisor, now: u64) -> [Cell; 4] {
    let text = check::of(&check.check);
    let own = advisor.texts.of(&check.check);
    let title = own.and_then(|own| own.title.clone()).or_else(|| text.map(|text| text.title.to_owned()));
    let title = title.unwrap_or_else(|| plain(&check.check));
    let mut why = Cell::new(Paint::Plain, plain(check::reason(&check.reason)));
    for (name, value) in check.seen.iter().filter(|(_, value)| says_something(value)) {
        why = why.and(Paint::Dim, plain(&seen(name, value, now)));
    }
    let mut remedy = Cell::default();
    if needs_attention(check) {
        if let Some(since) = check.since {
            why = why.and(Paint::Dim, format!("failing since {}", when::moment(since)));
        }
        if let Some(deadline) = check.deadline {
            let due = format!("fix by {} ({})", when::date(deadline), when::relative(deadline, now));
            why = why.and(Paint::Attention, due);
        }
        let purpose = own.and_then(|own| own.why.clone()).or_else(|| text.map(|text| text.why.to_owned()));
        remedy = instruction(check, advisor).and(Paint::Dim, purpose.unwrap_or_default());
    }
    [Cell::new(Paint::Plain, title), Cell::new(paint(check.status), word(check.status)), why, remedy]
}

/// The remedy, its steps, and who follows them.
fn instruction(check: &Check, advisor: &Advisor) -> Cell {
    let advice = advisor.advice(check);
    let own = advice.own.and_then(|own| own.remedy.clone());
    let mut cell = Cell::new(Paint::Plain, own.unwrap_or_else(|| advice.remedy.text.to_owned()));
    let steps = advice.own.map(|own| own.steps.iter().map(String::as_str)).into_iter().flatten();
    for (number, step) in steps.chain(advice.steps(advisor.desktop).iter().copied()).enumerate() {
        cell = cell.and(Paint::Plain, format!("{}. {step}", number + 1));
    }
    let who = match advice.remediator {
        Remediator::You => "You can do this.".to_owned(),
        Remediator::It => advisor.guidance.support.instruction(),
    };
    let restart =
        if advice.restart() && advice.remediator == Remediator::It { " A restart may fix it." } else { "" };
    cell.and(Paint::Bold, format!("{who}{restart}"))
}

fn needs_attention(check: &Check) -> bool {
    matches!(check.status, Tier::Warning | Tier::Contraindicated)
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
        let advisor = Advisor { desktop: Some(Desktop::Gnome), ..Advisor::default() };
        let shown = format!("{}\n\n{}", sentence(&ear, &advisor), table(&ear, &advisor, STYLE, NOW));
        assert!(shown.lines().all(|line| line.chars().count() <= STYLE.width), "{shown}");
        insta::assert_snapshot!(shown);
        for width in [60, 80, 140] {
            let shown = table(&ear, &advisor, Style { width, ..STYLE }, NOW);
            assert!(shown.lines().all(|line| line.chars().count() <= width), "{width}:\n{shown}");
            insta::assert_snapshot!(format!("verdict-{width}"), shown);
        }
        // Without a terminal no paragraph is broken.
        let shown = table(&ear, &advisor, Style { width: super::super::style::UNLIMITED, ..STYLE }, NOW);
        assert!(shown.contains("security updates since: 2026-11-06 (16 days ago)"), "{shown}");
        insta::assert_snapshot!("verdict-unlimited", shown);
    }

    #[test]
    fn summary_counts_problems_and_user_fixable_ones() {
        let ok = || check("os-updates", Tier::Affirming, "ok", json!({}));
        let yours = || check("os-reboot", Tier::Warning, "required", json!({}));
        let its = || check("disk-encryption", Tier::Contraindicated, "off", json!({}));
        let unknown = || check("lock-idle", Tier::None, "unreadable", json!({}));
        for (checks, wanted) in [
            (vec![ok()], "This device is healthy."),
            (vec![ok(), unknown()], "This device is healthy. 1 check could not be completed."),
            (vec![ok(), yours()], "1 thing needs attention, and you can fix it now."),
            (vec![its()], "1 thing needs attention, and IT fixes it."),
            (vec![its(), yours()], "2 things need attention, 1 you can fix now."),
            (vec![yours(), yours()], "2 things need attention, and you can fix them now."),
            (vec![its(), its()], "2 things need attention, and IT fixes them."),
            (vec![], "Nothing is known yet about this device's health."),
        ] {
            assert_eq!(sentence(&ear(checks), &Advisor::default()), wanted);
        }
        let mut refused = ear(vec![ok()]);
        refused.ear_status = Some(Tier::Contraindicated);
        assert_eq!(
            sentence(&refused, &Advisor::default()),
            "This device is not accepted, and the verifier does not say why."
        );
    }

    #[test]
    fn own_problems_come_first_and_it_is_named() {
        let ear = ear(vec![
            check("os-updates", Tier::Affirming, "ok", json!({})),
            check("disk-encryption", Tier::Contraindicated, "off", json!({})),
            check("lock-idle", Tier::Contraindicated, "off", json!({})),
            check("edr-protecting", Tier::Contraindicated, "missing", json!({})),
        ]);
        let order = |advisor: &Advisor| {
            let shown = table(&ear, advisor, Style { width: 200, ..STYLE }, NOW);
            let titles = ["Security updates", "Disk encryption", "Screen lock", "Endpoint protection"];
            let mut found: Vec<_> = titles.iter().map(|it| (shown.find(&format!("\n  {it}")), *it)).collect();
            found.sort();
            (found.into_iter().map(|(_, title)| title).collect::<Vec<_>>(), shown)
        };
        let (titles, _) = order(&Advisor::default());
        assert_eq!(titles, ["Screen lock", "Disk encryption", "Endpoint protection", "Security updates"]);
        let mut managed = Advisor::default();
        managed.guidance.fixers.managed = true;
        managed.guidance.support.phone = Some("ext. 1234".into());
        let (titles, shown) = order(&managed);
        assert_eq!(titles, ["Disk encryption", "Endpoint protection", "Screen lock", "Security updates"]);
        assert_eq!(shown.matches("Call IT (ext. 1234).").count(), 3, "{shown}");
        assert!(
            !shown.contains("You can do this") && shown.contains("Install the endpoint protection."),
            "{shown}"
        );
    }

    #[test]
    fn colours_change_no_text() {
        let ear = ear(vec![check("disk-encryption", Tier::Contraindicated, "off", json!({"swap": "plain"}))]);
        let advisor = Advisor::default();
        let coloured = table(&ear, &advisor, Style { colour: true, ..STYLE }, NOW);
        let mut bare = coloured.clone();
        for code in ["1", "2", "31", "32", "33", "0"] {
            bare = bare.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_ne!(coloured, bare);
        assert_eq!(bare, table(&ear, &advisor, STYLE, NOW));
    }
}
