//! Managed preferences for macOS: a manifest (ProfileManifests), a schema for Jamf Pro, and an example of a profile. For iOS,
//! the specification of the managed app configuration (AppConfig).

use super::super::settings::{AgentSetting, Platform, ValueKind};
use super::{BUNDLE, DOMAIN, LANGUAGES, Xml, escape, settings};
use serde_json::{Map, Value, json};

/// Identifiers of the example. Each organisation makes its own.
const UUIDS: [&str; 2] = ["6F3B9A52-6C0E-4D0B-9F0A-2E6D1C5B7A01", "6F3B9A52-6C0E-4D0B-9F0A-2E6D1C5B7A02"];
/// Date of the manifest's last change, which its format requires.
const LAST_MODIFIED: &str = "2026-11-30T00:00:00Z";

/// A property list.
struct Plist(Xml);

impl Plist {
    fn new() -> Self {
        let mut xml = Xml::new();
        let document = "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">";
        xml.line(document);
        xml.begin("plist", &[("version", "1.0")]);
        xml.begin("dict", &[]);
        Self(xml)
    }

    fn key(&mut self, key: &str) {
        self.0.text("key", &[], key);
    }

    fn string(&mut self, key: &str, value: &str) {
        self.key(key);
        self.0.text("string", &[], value);
    }

    fn integer(&mut self, key: &str, value: u32) {
        self.key(key);
        self.0.text("integer", &[], &value.to_string());
    }

    fn strings(&mut self, key: &str, values: &[&str]) {
        self.key(key);
        self.0.begin("array", &[]);
        values.iter().for_each(|value| self.0.text("string", &[], value));
        self.0.end();
    }
}

/// Returns the manifest.
pub(super) fn manifest() -> String {
    let mut plist = Plist::new();
    plist.string("pfm_description", "Settings of the Vitalsign agent");
    plist.string("pfm_domain", DOMAIN);
    plist.integer("pfm_format_version", 1);
    plist.key("pfm_last_modified");
    plist.0.text("date", &[], LAST_MODIFIED);
    plist.strings("pfm_platforms", &["macOS"]);
    plist.key("pfm_subkeys");
    plist.0.begin("array", &[]);
    let common = [
        ("PayloadDescription", "Payload Description", "Settings of the Vitalsign agent"),
        ("PayloadDisplayName", "Payload Display Name", "Vitalsign"),
        ("PayloadIdentifier", "Payload Identifier", DOMAIN),
        ("PayloadType", "Payload Type", DOMAIN),
        ("PayloadUUID", "Payload UUID", ""),
        ("PayloadOrganization", "Payload Organization", ""),
    ];
    for (name, title, default) in common {
        plist.0.begin("dict", &[]);
        plist.string("pfm_default", default);
        plist.string("pfm_name", name);
        if name != "PayloadDescription" && name != "PayloadOrganization" {
            plist.string("pfm_require", "always");
        }
        plist.string("pfm_title", title);
        plist.string("pfm_type", "string");
        plist.0.end();
    }
    plist.0.begin("dict", &[]);
    plist.integer("pfm_default", 1);
    plist.string("pfm_name", "PayloadVersion");
    plist.string("pfm_require", "always");
    plist.string("pfm_title", "Payload Version");
    plist.string("pfm_type", "integer");
    plist.0.end();
    for setting in settings(Platform::Macos) {
        plist.0.begin("dict", &[]);
        subkey(&mut plist, setting);
        plist.0.end();
    }
    plist.0.end();
    plist.strings("pfm_targets", &["system"]);
    plist.string("pfm_title", "Vitalsign");
    plist.key("pfm_unique");
    plist.0.line("<true/>");
    plist.integer("pfm_version", 1);
    plist.0.finish()
}

fn subkey(plist: &mut Plist, setting: &AgentSetting) {
    plist.string("pfm_app_min", setting.since);
    plist.string("pfm_description", setting.help);
    plist.string("pfm_name", setting.name);
    plist.string("pfm_title", setting.title);
    match setting.kind {
        ValueKind::Integer { least, most, unit } => {
            if let Some(default) = setting.default.and_then(|it| it.parse().ok()) {
                plist.integer("pfm_default", default);
            }
            plist.integer("pfm_range_max", most);
            plist.integer("pfm_range_min", least);
            plist.string("pfm_type", "integer");
            plist.string("pfm_value_unit", unit);
        }
        ValueKind::Checks { .. } => {
            plist.key("pfm_subkeys");
            plist.0.begin("array", &[]);
            plist.0.begin("dict", &[]);
            plist.string("pfm_title", setting.title);
            plist.string("pfm_type", "string");
            plist.0.end();
            plist.0.end();
            plist.string("pfm_type", "array");
        }
        kind => {
            if let Some(default) = setting.default {
                plist.string("pfm_default", default);
            }
            match kind {
                ValueKind::Choice(values) => plist.strings("pfm_range_list", values),
                ValueKind::Text { pattern: Some(pattern), .. } => plist.string("pfm_format", pattern),
                _ => {}
            }
            if setting.secret {
                plist.key("pfm_sensitive");
                plist.0.line("<true/>");
            }
            plist.string("pfm_type", "string");
        }
    }
}

/// Returns the schema for a custom schema in Jamf Pro.
pub(super) fn jamf() -> String {
    let mut properties = Map::new();
    for (order, setting) in settings(Platform::Macos).enumerate() {
        let mut schema = match setting.kind {
            ValueKind::Integer { least, most, .. } => {
                json!({ "type": "integer", "minimum": least, "maximum": most })
            }
            ValueKind::Choice(values) => json!({ "type": "string", "enum": values }),
            ValueKind::Checks { .. } => json!({ "type": "array", "items": { "type": "string" } }),
            ValueKind::Lines { most } => json!({ "type": "string", "maxLength": most, "format": "textarea" }),
            ValueKind::Text { most, .. } => json!({ "type": "string", "maxLength": most }),
            ValueKind::Path => json!({ "type": "string" }),
        };
        schema["title"] = setting.title.into();
        schema["description"] = setting.help.into();
        schema["property_order"] = Value::from(order);
        if let Some(default) = setting.default {
            schema["default"] = default.parse::<i64>().map_or_else(|_| Value::from(default), Value::from);
        }
        properties.insert(setting.name.to_owned(), schema);
    }
    let schema = json!({
        "title": format!("Vitalsign ({DOMAIN})"),
        "description": "Settings of the Vitalsign agent. Generated by `make managed`.",
        "__preferencedomain": DOMAIN,
        "type": "object",
        "options": { "remove_empty_properties": true },
        "properties": properties,
    });
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

/// Returns an example of a profile that enrols a device.
pub(super) fn profile() -> String {
    let mut plist = Plist::new();
    let payload = |plist: &mut Plist, kind: &str, identifier: &str, uuid: &str| {
        plist.string("PayloadDisplayName", "Vitalsign");
        plist.string("PayloadIdentifier", identifier);
        plist.string("PayloadType", kind);
        plist.string("PayloadUUID", uuid);
        plist.integer("PayloadVersion", 1);
    };
    plist.key("PayloadContent");
    plist.0.begin("array", &[]);
    plist.0.begin("dict", &[]);
    payload(&mut plist, DOMAIN, "example.vitalsign.settings", UUIDS[0]);
    let shown =
        ["verifier", "ca-certificates", "enrolment-token", "user-may-fix", "support.name", "support.phone"];
    for setting in settings(Platform::Macos).filter(|it| shown.contains(&it.name)) {
        let example = setting.plain_example();
        match setting.kind {
            ValueKind::Checks { .. } => {
                plist.strings(setting.name, &example.split(',').collect::<Vec<_>>());
            }
            _ => plist.string(setting.name, &example),
        }
    }
    plist.0.end();
    plist.0.end();
    payload(&mut plist, "Configuration", "example.vitalsign", UUIDS[1]);
    plist.string("PayloadScope", "System");
    plist.0.finish()
}

/// Returns the specification for iOS.
pub(super) fn specfile() -> String {
    let mut xml = Xml::new();
    xml.begin("managedAppConfiguration", &[]);
    xml.text("version", &[], "1");
    xml.text("bundleId", &[], BUNDLE);
    xml.begin("dict", &[]);
    for setting in settings(Platform::Ios) {
        let name = match setting.kind {
            ValueKind::Integer { .. } => "integer",
            ValueKind::Checks { .. } => "stringArray",
            _ => "string",
        };
        xml.begin(name, &[("keyName", setting.name)]);
        if let Some(default) = setting.default {
            xml.begin("defaultValue", &[]);
            xml.text("value", &[], default);
            xml.end();
        }
        match setting.kind {
            ValueKind::Choice(values) => {
                xml.begin("constraint", &[("nullable", "true")]);
                xml.begin("values", &[]);
                values.iter().for_each(|value| xml.text("value", &[], value));
                xml.end();
                xml.end();
            }
            ValueKind::Integer { least, most, .. } => {
                let (least, most) = (least.to_string(), most.to_string());
                xml.empty("constraint", &[("nullable", "true"), ("min", &least), ("max", &most)]);
            }
            _ => xml.empty("constraint", &[("nullable", "true")]),
        }
        xml.end();
    }
    xml.end();
    xml.begin("presentation", &[("defaultLocale", LANGUAGES[0])]);
    for setting in settings(Platform::Ios) {
        let control = match setting.kind {
            ValueKind::Choice(_) => "select",
            ValueKind::Checks { .. } => "list",
            _ => "input",
        };
        xml.begin("field", &[("keyName", setting.name), ("type", control)]);
        for name in ["label", "description"] {
            xml.begin(name, &[]);
            for (index, language) in LANGUAGES.iter().enumerate() {
                let text = if name == "label" { setting.title_in(index) } else { setting.help_in(index) };
                xml.text("language", &[("value", language)], text);
            }
            xml.end();
        }
        if let ValueKind::Choice(values) = setting.kind {
            xml.begin("options", &[]);
            for value in values {
                xml.begin("option", &[("value", value)]);
                xml.text("language", &[("value", LANGUAGES[0])], value);
                xml.end();
            }
            xml.end();
        }
        xml.end();
    }
    xml.finish()
}

#[test]
fn texts_of_templates_are_escaped() {
    assert_eq!(escape("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;");
}
