//! Managed configurations for Android: `app_restrictions.xml` and its resources.

use super::super::settings::{Platform, ValueKind};
use super::{Xml, settings};
use vitalsign_protocol::check::TEXTS;

/// Returns the restrictions.
pub(super) fn restrictions() -> String {
    let mut xml = Xml::new();
    xml.begin("restrictions", &[("xmlns:android", "http://schemas.android.com/apk/res/android")]);
    for setting in settings(Platform::Android) {
        let id = setting.identifier();
        let kind = match setting.kind {
            ValueKind::Integer { .. } => "integer",
            ValueKind::Choice(_) => "choice",
            ValueKind::Checks { .. } => "multi-select",
            _ => "string",
        };
        let (title, help) = (format!("@string/{id}_title"), format!("@string/{id}_help"));
        let values = format!("@array/{id}_values");
        let mut attributes = vec![
            ("android:key", setting.name),
            ("android:title", &title),
            ("android:description", &help),
            ("android:restrictionType", kind),
        ];
        if matches!(setting.kind, ValueKind::Choice(_) | ValueKind::Checks { .. }) {
            attributes.extend([("android:entries", &*values), ("android:entryValues", &values)]);
        }
        match setting.kind {
            ValueKind::Checks { .. } => attributes.push(("android:defaultValue", "@array/none")),
            _ => attributes.extend(setting.default.map(|it| ("android:defaultValue", it))),
        }
        xml.empty("restriction", &attributes);
    }
    xml.finish()
}

/// Returns the resources in a language. Values are the same in every language.
pub(super) fn strings(language: usize) -> String {
    let mut xml = Xml::new();
    xml.begin("resources", &[]);
    for setting in settings(Platform::Android) {
        let id = setting.identifier();
        for (end, text) in [("title", setting.title_in(language)), ("help", setting.help_in(language))] {
            // Apostrophes and quotes have a meaning in Android's resources.
            let text = text.replace('\'', "\\'").replace('"', "\\\"");
            xml.text("string", &[("name", &format!("{id}_{end}"))], &text);
        }
        let checks = || TEXTS.iter().map(|text| text.check).collect();
        let values: Vec<&str> = match setting.kind {
            ValueKind::Choice(values) => values.to_vec(),
            ValueKind::Checks { .. } => checks(),
            _ => continue,
        };
        if language == 0 {
            let name = format!("{id}_values");
            xml.begin("string-array", &[("name", &name), ("translatable", "false")]);
            values.iter().for_each(|value| xml.text("item", &[], value));
            xml.end();
        }
    }
    if language == 0 {
        xml.empty("string-array", &[("name", "none"), ("translatable", "false")]);
    }
    xml.finish()
}
