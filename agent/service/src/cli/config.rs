//! `vitalsign config`: each setting in force, and where it comes from.

use super::{Output, PathArgs, say, say_json};
use crate::config::{ConfigLayer, EffectiveSetting, effective};
use crate::render::style::Paint;
use crate::render::table::{Cell, rows};
use crate::render::{Style, plain, standing};
use vitalsign_client::program::ExitStatus;

/// Longest value in the table, in characters: certificates are longer.
const MAX_CHARACTERS: usize = 60;

pub(crate) fn run(place: &PathArgs, output: Output) -> anyhow::Result<ExitStatus> {
    let flags = place.layer(ConfigLayer::default());
    let (all, refused) = effective(place.config.as_deref(), &flags).map_err(|error| {
        let is_denied = error.is_denied();
        let error = anyhow::Error::from(error);
        if is_denied { error.context("run this as root") } else { error }
    })?;
    if output.json {
        say_json(&serde_json::json!({ "refused": refused, "settings": all }))?;
    } else {
        say(&page(&all, refused.as_deref(), Style::of_stdout()));
    }
    Ok(if refused.is_none() { ExitStatus::Success } else { ExitStatus::Rejected })
}

fn page(all: &[EffectiveSetting], refused: Option<&str>, style: Style) -> String {
    let line = |setting: &EffectiveSetting| {
        let value = setting.value.as_deref().map_or_else(|| "–".to_owned(), shortened);
        let managed = if setting.managed { " (managed)" } else { "" };
        vec![
            Cell::new(Paint::Plain, setting.setting.name),
            Cell::new(Paint::Bold, value),
            Cell::new(Paint::Dim, format!("{}{managed}", plain(&setting.source))),
        ]
    };
    let table = rows(style, &[22, 34], &all.iter().map(line).collect::<Vec<_>>());
    refused.map_or(table.clone(), |why| format!("{}\n\n{table}", standing::refused(why)))
}

/// Returns a value in one line. Text of several lines is cut.
fn shortened(value: &str) -> String {
    let text = plain(value);
    if text.chars().count() <= MAX_CHARACTERS {
        return text;
    }
    text.chars().take(MAX_CHARACTERS).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_shows_values_sources_and_the_refusal() {
        let setting = |name, value: Option<&str>, source: &str, managed| EffectiveSetting {
            setting: crate::config::setting(name).unwrap(),
            value: value.map(str::to_owned),
            source: source.to_owned(),
            managed,
        };
        let all = [
            setting("verifier", Some("\"https://v.example\""), "/etc/vitalsign/agent.d/10.toml:2", true),
            setting("ca-certificates", Some(&"A".repeat(400)), "/etc/vitalsign/agent.toml:1", true),
            setting("key", Some("auto"), "default", false),
            setting("support.phone", None, "not set", false),
        ];
        let style = Style { colour: false, width: 140 };
        insta::assert_snapshot!(page(&all, Some("/etc/x.toml:1:2: a\u{1b}[2J"), style));
    }
}
