//! Administrative templates for Group Policy and Intune. Text of several lines and lists are `REG_MULTI_SZ`.

use super::super::settings::{AgentSetting, Platform, ValueKind};
use super::{LANGUAGES, Xml, settings};

const KEY: &str = "Software\\Policies\\Vitalsign";
const NAMESPACE: &str = "http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions";
/// Identifier, and its text in each language.
const STRINGS: [(&str, [&str; 2]); 2] = [
    ("Category", ["Vitalsign", "Vitalsign"]),
    ("Supported", ["Vitalsign for Windows", "Vitalsign für Windows"]),
];

fn root(xml: &mut Xml, name: &'static str) {
    xml.begin(name, &[("xmlns", NAMESPACE), ("revision", "1.0"), ("schemaVersion", "1.0")]);
}

/// Returns the policies.
pub(super) fn admx() -> String {
    let mut xml = Xml::new();
    root(&mut xml, "policyDefinitions");
    xml.begin("policyNamespaces", &[]);
    xml.empty("target", &[("prefix", "vitalsign"), ("namespace", "Vitalsign.Policies.Agent")]);
    xml.end();
    xml.empty("resources", &[("minRequiredRevision", "1.0")]);
    xml.begin("supportedOn", &[]);
    xml.begin("definitions", &[]);
    xml.empty("definition", &[("name", "Supported"), ("displayName", "$(string.Supported)")]);
    xml.end();
    xml.end();
    xml.begin("categories", &[]);
    xml.empty("category", &[("name", "Vitalsign"), ("displayName", "$(string.Category)")]);
    xml.end();
    xml.begin("policies", &[]);
    for setting in settings(Platform::Windows) {
        let id = setting.identifier();
        xml.begin(
            "policy",
            &[
                ("name", &id),
                ("class", "Machine"),
                ("displayName", &format!("$(string.{id})")),
                ("explainText", &format!("$(string.{id}_help)")),
                ("presentation", &format!("$(presentation.{id})")),
                ("key", KEY),
            ],
        );
        xml.empty("parentCategory", &[("ref", "Vitalsign")]);
        xml.empty("supportedOn", &[("ref", "Supported")]);
        xml.begin("elements", &[]);
        element(&mut xml, setting, &id);
        xml.end();
        xml.end();
    }
    xml.finish()
}

fn element(xml: &mut Xml, setting: &AgentSetting, id: &str) {
    let value = [("id", id), ("valueName", setting.name), ("required", "true")];
    let with = |more: &[(&'static str, String)]| {
        let all: Vec<(&str, String)> = value.iter().map(|(name, it)| (*name, (*it).to_owned())).collect();
        [all, more.iter().map(|(name, it)| (*name, it.clone())).collect()].concat()
    };
    let empty = |xml: &mut Xml, name: &str, attributes: Vec<(&str, String)>| {
        let attributes: Vec<_> = attributes.iter().map(|(name, it)| (*name, it.as_str())).collect();
        xml.empty(name, &attributes);
    };
    match setting.kind {
        ValueKind::Text { most, .. } => empty(xml, "text", with(&[("maxLength", most.to_string())])),
        ValueKind::Path => empty(xml, "text", with(&[("maxLength", "260".to_owned())])),
        ValueKind::Lines { most } => empty(xml, "multiText", with(&[("maxLength", most.to_string())])),
        ValueKind::Checks { most } => {
            empty(xml, "multiText", with(&[("maxLength", "100".into()), ("maxStrings", most.to_string())]))
        }
        ValueKind::Integer { least, most, .. } => {
            empty(xml, "decimal", with(&[("minValue", least.to_string()), ("maxValue", most.to_string())]))
        }
        ValueKind::Choice(values) => {
            xml.begin("enum", &value);
            for choice in values {
                xml.begin("item", &[("displayName", &format!("$(string.{})", choice_id(id, choice)))]);
                xml.begin("value", &[]);
                xml.text("string", &[], choice);
                xml.end();
                xml.end();
            }
            xml.end();
        }
    }
}

/// Returns the identifier of a choice's text, of letters, digits and underscores.
fn choice_id(setting: &str, choice: &str) -> String {
    format!("{setting}_{}", choice.replace('-', "_"))
}

/// Returns the texts in a language.
pub(super) fn adml(language: usize) -> String {
    let mut xml = Xml::new();
    root(&mut xml, "policyDefinitionResources");
    xml.text("displayName", &[], "Vitalsign");
    xml.text("description", &[], &format!("Vitalsign ({})", LANGUAGES[language]));
    xml.begin("resources", &[]);
    xml.begin("stringTable", &[]);
    for (id, texts) in STRINGS {
        xml.text("string", &[("id", id)], texts[language]);
    }
    for setting in settings(Platform::Windows) {
        let id = setting.identifier();
        xml.text("string", &[("id", &id)], setting.title_in(language));
        let example = ["Example", "Beispiel"][language];
        let help = format!("{}\n\n{example}: {}", setting.help_in(language), setting.plain_example().trim());
        xml.text("string", &[("id", &format!("{id}_help"))], &help);
        if let ValueKind::Choice(values) = setting.kind {
            for choice in values {
                xml.text("string", &[("id", &choice_id(&id, choice))], choice);
            }
        }
    }
    xml.end();
    xml.begin("presentationTable", &[]);
    for setting in settings(Platform::Windows) {
        let (id, title) = (setting.identifier(), setting.title_in(language));
        xml.begin("presentation", &[("id", &id)]);
        match setting.kind {
            ValueKind::Text { .. } | ValueKind::Path => {
                xml.begin("textBox", &[("refId", &id)]);
                xml.text("label", &[], title);
                xml.end();
            }
            ValueKind::Lines { .. } | ValueKind::Checks { .. } => {
                xml.text("multiTextBox", &[("refId", &id)], title)
            }
            ValueKind::Integer { .. } => {
                let default = setting.default.unwrap_or("0");
                xml.text("decimalTextBox", &[("refId", &id), ("defaultValue", default)], title);
            }
            ValueKind::Choice(_) => xml.text("dropdownList", &[("refId", &id), ("defaultItem", "0")], title),
        }
        xml.end();
    }
    xml.finish()
}
