//! The organisation's texts for checks: replacements of the product's texts, and texts for checks that the product does not have.

use super::fits;
use crate::check::{self, Desktop, Fixers, Remediator, Remedy, is_check};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const MAX_CHECKS: usize = 100;
const MAX_STEPS: usize = 8;
const MAX_TITLE: usize = 60;
const MAX_TEXT: usize = 300;

/// The organisation's texts in one language, by check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Texts(BTreeMap<String, OwnText>);

/// The organisation's texts for one check. A part that is not set keeps the product's text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct OwnText {
    /// Title of the check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Reason for which the organisation requires it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Instruction, for every reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Numbered steps. They replace the product's steps; so does a remedy without steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
}

/// Advice about one failed check: the product's remedy, the organisation's texts, and the party that fixes it.
#[derive(Clone, Copy, Debug)]
pub struct Advice<'a> {
    /// The product's remedy.
    pub remedy: &'static Remedy,
    /// The organisation's texts, which take precedence.
    pub own: Option<&'a OwnText>,
    /// Party that fixes it.
    pub remediator: Remediator,
}

impl Advice<'_> {
    /// Returns the product's steps on a desktop, where the person fixes it and the organisation gives no other text.
    #[must_use]
    pub fn steps(&self, desktop: Option<Desktop>) -> &'static [&'static str] {
        if self.is_replaced() || self.remediator == Remediator::It {
            return &[];
        }
        self.remedy.steps.iter().find(|it| Some(it.desktop) == desktop).map_or(&[], |it| it.lines)
    }

    /// Returns whether the organisation tells another way to fix it than the product's steps.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        self.own.is_some_and(|own| own.remedy.is_some() || !own.steps.is_empty())
    }

    /// Returns whether a restart may fix it, as far as the product's own remedy is shown.
    #[must_use]
    pub fn restart(&self) -> bool {
        self.remedy.restart && self.own.is_none_or(|own| own.remedy.is_none())
    }
}

impl Texts {
    /// Returns the texts of a check.
    #[must_use]
    pub fn of(&self, check: &str) -> Option<&OwnText> {
        self.0.get(check)
    }

    /// Returns the number of checks with texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no texts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the advice about a check that failed for this reason.
    #[must_use]
    pub fn advice(&self, fixers: &Fixers, check: &str, reason: &str) -> Advice<'_> {
        let remedy = check::remedy(check, reason);
        let own = self.of(check);
        // The product does not know who can follow the organisation's instruction: the organisation says so.
        let told = own.is_some_and(|own| own.remedy.is_some())
            && fixers.user_may_fix.iter().flatten().any(|it| it == check);
        let remediator = if told { Remediator::You } else { fixers.remediator(check, remedy) };
        Advice { remedy, own, remediator }
    }

    /// Takes from other texts what these lack. A remedy and its steps stay together.
    pub fn fill(&mut self, other: &Self) {
        for (check, from) in &other.0 {
            let own = self.0.entry(check.clone()).or_default();
            own.title = own.title.take().or_else(|| from.title.clone());
            own.why = own.why.take().or_else(|| from.why.clone());
            if own.remedy.is_none() && own.steps.is_empty() {
                own.remedy.clone_from(&from.remedy);
                own.steps.clone_from(&from.steps);
            }
        }
    }

    /// Returns the first check whose texts break a rule, displayable, and the rule.
    pub(super) fn problem(&self) -> Option<(String, &'static str)> {
        if self.0.len() > MAX_CHECKS {
            return Some(("…".to_owned(), "there are more than 100 checks"));
        }
        let problem = |(check, text): (&String, &OwnText)| {
            let why = if is_check(check) { text.problem() } else { Some("this is not the name of a check") };
            why.map(|why| (crate::text::escape(check), why))
        };
        self.0.iter().find_map(problem)
    }
}

impl OwnText {
    fn problem(&self) -> Option<&'static str> {
        let long = [&self.why, &self.remedy];
        if !self.title.as_deref().is_none_or(|text| fits(text, MAX_TITLE)) {
            Some("title must be plain text of 1 to 60 characters")
        } else if !long.into_iter().flatten().chain(&self.steps).all(|text| fits(text, MAX_TEXT)) {
            Some("why, remedy and steps must be plain text of 1 to 300 characters")
        } else if self.steps.len() > MAX_STEPS {
            Some("there are more than 8 steps")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(json: serde_json::Value) -> Texts {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn own_instruction_replaces_remedy_and_steps() {
        let texts = texts(json!({"lock-idle": {"remedy": "x"}, "house-badge": {"remedy": "y"}}));
        let user_may_fix = Some(vec!["house-badge".to_owned()]);
        let (open, own) = (Fixers::default(), Fixers { managed: true, user_may_fix });
        let gnome = Some(Desktop::Gnome);
        assert_eq!(Texts::default().advice(&open, "lock-idle", "off").steps(gnome).len(), 2);
        assert!(Texts::default().advice(&open, "lock-idle", "off").steps(None).is_empty());
        assert!(texts.advice(&open, "lock-idle", "off").steps(gnome).is_empty());
        assert!(Texts::default().advice(&own, "lock-idle", "off").steps(gnome).is_empty());
        assert_eq!(texts.advice(&own, "house-badge", "missing").remediator, Remediator::You);
        assert_eq!(texts.advice(&open, "house-badge", "missing").remediator, Remediator::It);
        assert_eq!(Texts::default().advice(&own, "house-badge", "missing").remediator, Remediator::It);
    }

    #[test]
    fn remedy_and_steps_come_from_one_source() {
        let mut german = texts(json!({"a": {"title": "Eins"}, "b": {"steps": ["Los."]}}));
        german.fill(&texts(json!({
            "a": {"title": "One", "why": "Because.", "remedy": "Do it.", "steps": ["Now."]},
            "b": {"remedy": "Do that."},
            "c": {"title": "Three"},
        })));
        let wanted = json!({
            "a": {"title": "Eins", "why": "Because.", "remedy": "Do it.", "steps": ["Now."]},
            "b": {"steps": ["Los."]},
            "c": {"title": "Three"},
        });
        assert_eq!(serde_json::to_value(&german).unwrap(), wanted);
    }

    #[test]
    fn refuses_texts_that_are_not_plain_or_too_long() {
        let many: serde_json::Map<_, _> =
            (0..101).map(|number| (format!("c{number}"), json!({"title": "x"}))).collect();
        for wrong in [
            json!({"a": {"remedy": "\u{1b}[2J"}}),
            json!({"a": {"remedy": "pay \u{202e}100"}}),
            json!({"a": {"title": "two\nlines"}}),
            json!({"a": {"steps": ["\u{200b}"]}}),
            json!({"a": {"title": ""}}),
            json!({"a b": {"title": "x"}}),
            json!({"a": {"title": "x".repeat(61)}}),
            json!({"a": {"why": "x".repeat(301)}}),
            json!({"a": {"steps": vec!["x"; 9]}}),
            many.into(),
        ] {
            assert!(texts(wrong.clone()).problem().is_some(), "{wrong}");
        }
        assert!(serde_json::from_value::<Texts>(json!({"a": {"html": "<b>"}})).is_err());
        assert_eq!(texts(json!({"a": {"title": "x".repeat(60), "why": "x".repeat(300)}})).problem(), None);
    }
}
