//! Thresholds of the appraisal policy. The default file is also the schema: another file may set its values,
//! in the same type, and add sections for checks that the default policy does not have.

use super::{DEFAULT_THRESHOLDS, LoadError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// Settings by check. As the policy reads it: `data.thresholds["os-updates"].max_days`.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Thresholds {
    sections: BTreeMap<String, BTreeMap<String, Setting>>,
    /// Sections of the file, with their line numbers.
    #[serde(skip)]
    written: Vec<(String, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Setting {
    Switch(bool),
    Number(u32),
    Text(String),
}

type Written = BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, Spanned<toml::Value>>>;

impl Thresholds {
    pub(super) fn parse(text: &str) -> Result<Self, LoadError> {
        let mut thresholds = Self { sections: BTreeMap::new(), written: Vec::new() };
        thresholds.overlay(DEFAULT_THRESHOLDS, |_, _, _| Ok(()))?;
        thresholds.written.clear();
        let defaults = thresholds.sections.clone();
        thresholds.overlay(text, |section, key, setting| match defaults.get(section) {
            // A section for a custom check.
            None => Ok(()),
            Some(known) => match known.get(key) {
                None => {
                    let keys: Vec<&str> = known.keys().map(String::as_str).collect();
                    Err(format!("[{section}] has no setting {key}; it has {}", keys.join(", ")))
                }
                Some(default) if std::mem::discriminant(default) != std::mem::discriminant(setting) => {
                    Err(format!("[{section}] {key} must be {}", default.kind()))
                }
                Some(_) => Ok(()),
            },
        })?;
        Ok(thresholds)
    }

    fn overlay(
        &mut self,
        text: &str,
        check: impl Fn(&str, &str, &Setting) -> Result<(), String>,
    ) -> Result<(), LoadError> {
        let line_of = |start: usize| text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
        let refused = |start, what| LoadError::Thresholds { line: line_of(start), what };
        let written: Written = toml::from_str(text).map_err(|error| {
            refused(error.span().map_or(0, |span| span.start), error.message().to_owned())
        })?;
        for (section, settings) in written {
            let at = section.span().start;
            let section = section.into_inner();
            self.written.push((section.clone(), line_of(at)));
            for (key, value) in settings {
                let at = key.span().start;
                let key = key.into_inner();
                let setting = Setting::of(&key, value.into_inner())
                    .ok_or_else(|| format!("[{section}] {key} must be {}", Setting::kinds(&key)))
                    .and_then(|setting| check(&section, &key, &setting).map(|()| setting))
                    .map_err(|what| refused(at, what))?;
                self.sections.entry(section.clone()).or_default().insert(key, setting);
            }
        }
        Ok(())
    }

    /// Refuses a section for a check that the policy does not have, because a typo would otherwise go unnoticed.
    pub(super) fn match_checks(&self, checks: &BTreeSet<String>) -> Result<(), LoadError> {
        match self.written.iter().find(|(section, _)| !checks.contains(section)) {
            None => Ok(()),
            Some((section, line)) => {
                let checks: Vec<&str> = checks.iter().map(String::as_str).collect();
                let what = format!("the policy has no check {section}; it has {}", checks.join(", "));
                Err(LoadError::Thresholds { line: *line, what })
            }
        }
    }

    pub(super) fn accepts_software_keys(&self) -> bool {
        let setting = self.sections.get("key-hardware").and_then(|it| it.get("accept_software_keys"));
        setting == Some(&Setting::Switch(true))
    }
}

impl Setting {
    fn of(key: &str, value: toml::Value) -> Option<Self> {
        match value {
            toml::Value::String(word) if key != "unsupported" || matches!(&*word, "none" | "warning") => {
                Some(Self::Text(word))
            }
            toml::Value::Boolean(switch) if key != "unsupported" => Some(Self::Switch(switch)),
            toml::Value::Integer(number) if key != "unsupported" => {
                u32::try_from(number).ok().map(Self::Number)
            }
            _ => None,
        }
    }

    fn kinds(key: &str) -> &'static str {
        if key == "unsupported" {
            r#""none" or "warning""#
        } else {
            "a whole number from 0 to 4294967295, true, false, or a text"
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Switch(_) => "true or false",
            Self::Number(_) => "a whole number",
            Self::Text(_) => "a text in quotes",
        }
    }
}
