//! Every setting of the agent: the one source of the checks, of `vitalsign config` and of the templates for device
//! management in `installers/managed`, which the tests generate from it.

use serde::Serialize;

/// A setting of `agent.toml`.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct AgentSetting {
    /// Name with its table: `support.phone`.
    pub(crate) name: &'static str,
    /// Title in English; `managed/german.rs` has the other language of the templates.
    pub(crate) title: &'static str,
    /// Description in English.
    pub(crate) help: &'static str,
    pub(crate) kind: ValueKind,
    /// Value in force if no source sets it.
    pub(crate) default: Option<&'static str>,
    /// Example as TOML.
    pub(crate) example: &'static str,
    /// Version that has it first.
    pub(crate) since: &'static str,
    /// Never shown.
    pub(crate) secret: bool,
    pub(crate) set_by: SetBy,
    pub(crate) platforms: &'static [Platform],
}

/// Values that a setting takes. Lengths are in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ValueKind {
    /// Text that matches the regular expression, with the most characters.
    Text { most: u32, pattern: Option<&'static str> },
    /// Text of several lines, with the most characters.
    Lines { most: u32 },
    /// Absolute path.
    Path,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// Whole number in this range, with its unit.
    Integer { least: u32, most: u32, unit: &'static str },
    /// Names of checks.
    Checks { most: u32 },
}

/// Sources that a setting may have, beside those that come before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SetBy {
    /// The managed configuration only.
    Management,
    /// The managed configuration, and `vitalsign enrol` where that does not set it.
    ManagementOrEnrol,
    /// The managed configuration. It is for tests, or for packages of other layouts: no template has it.
    Expert,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Platform {
    Linux,
    Windows,
    Macos,
    Android,
    Ios,
}

use Platform::{Android, Ios, Linux, Macos, Windows};

const ALL: &[Platform] = &[Linux, Windows, Macos, Android, Ios];
const DESKTOPS: &[Platform] = &[Linux, Windows, Macos];

const TIME: ValueKind = ValueKind::Text { most: 5, pattern: Some("^([01][0-9]|2[0-3]):[0-5][0-9]$") };

/// Every setting, in the order in which people read them.
pub(crate) const SETTINGS: &[AgentSetting] = &[
    AgentSetting {
        name: "verifier",
        title: "Verifier",
        help: "Address of the verifier: https://HOST or https://HOST:PORT.",
        kind: ValueKind::Text { most: 300, pattern: Some("^https://") },
        default: None,
        example: "\"https://verifier.example\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::ManagementOrEnrol,
        platforms: ALL,
    },
    AgentSetting {
        name: "ca-certificates",
        title: "Certificates of the verifier's certificate authority",
        help: "The verifier's certificate must chain to one of these, as PEM. No others are trusted. Set this or ca-file.",
        kind: ValueKind::Lines { most: 32_768 },
        default: None,
        example: "\"\"\"\n-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n\"\"\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "ca-file",
        title: "File with the certificates of the verifier's certificate authority",
        help: "The verifier's certificate must chain to one of these, as PEM. No others are trusted.",
        kind: ValueKind::Path,
        default: None,
        example: "\"/etc/vitalsign/verifier-ca.pem\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::ManagementOrEnrol,
        platforms: DESKTOPS,
    },
    AgentSetting {
        name: "enrolment-token",
        title: "Enrolment token",
        help: "Enrols this device without a command, once. Limit its number of uses and its lifetime at the verifier, because \
             it stays in the managed configuration.",
        kind: ValueKind::Text { most: 4096, pattern: Some("^[A-Za-z0-9._~+/=-]+$") },
        default: None,
        example: "\"vse_…\"",
        since: "0.1.0",
        secret: true,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "token-file",
        title: "File with the enrolment token",
        help: "The service removes the file once the device is enrolled, which it can in its state folder only. A new token \
             there is used if the device must enrol again.",
        kind: ValueKind::Path,
        default: None,
        example: "\"/var/lib/vitalsign/enrolment-token\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::ManagementOrEnrol,
        platforms: DESKTOPS,
    },
    AgentSetting {
        name: "key",
        title: "Report key",
        help: "This machine's TPM (auto), a TPM's address, or software, which the verifier's policy must allow.",
        kind: ValueKind::Text { most: 300, pattern: None },
        default: Some("auto"),
        example: "\"auto\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::ManagementOrEnrol,
        platforms: DESKTOPS,
    },
    AgentSetting {
        name: "user-may-fix",
        title: "Checks that the person may fix",
        help: "Names of checks that the person at this device may fix. IT fixes the others.",
        kind: ValueKind::Checks { most: 100 },
        default: None,
        example: "[\"os-updates\", \"os-reboot\"]",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "share-names",
        title: "Names that the device tells IT",
        help: "Which names this device sends to the verifier, so that IT knows which device it is. They can contain the name \
             of a person.",
        kind: ValueKind::Choice(&["none", "host-name", "asset-tag", "both"]),
        default: Some("none"),
        example: "\"both\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "asset-tag",
        title: "Asset tag",
        help: "Number of this device at IT. Takes the place of the asset tag in the firmware, and is sent only if share-names \
             allows it.",
        kind: ValueKind::Text { most: 64, pattern: None },
        default: None,
        example: "\"IT-004711\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "support.name",
        title: "Name of IT",
        help: "Shown wherever IT is named.",
        kind: ValueKind::Text { most: 40, pattern: None },
        default: None,
        example: "\"Service desk\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "support.phone",
        title: "Telephone number of IT",
        help: "As people dial it.",
        kind: ValueKind::Text { most: 40, pattern: None },
        default: None,
        example: "\"ext. 1234\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "support.text",
        title: "More about IT",
        help: "For example, when IT can be reached.",
        kind: ValueKind::Text { most: 200, pattern: None },
        default: None,
        example: "\"Day and night.\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "support.url",
        title: "Address of IT",
        help: "Begins with https://, mailto: or tel:.",
        kind: ValueKind::Text { most: 200, pattern: Some("^(https://|mailto:|tel:)") },
        default: None,
        example: "\"https://it.example\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "organisation.name",
        title: "Name of the organisation",
        help: "Shown above each page of the app.",
        kind: ValueKind::Text { most: 60, pattern: None },
        default: None,
        example: "\"St. Example Hospital\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "organisation.colour",
        title: "Colour of the organisation",
        help: "As #RRGGBB.",
        kind: ValueKind::Text { most: 7, pattern: Some("^#[0-9A-Fa-f]{6}$") },
        default: None,
        example: "\"#005eb8\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "organisation.logo",
        title: "Logo of the organisation",
        help: "A PNG file of at most 32 KiB and 400 x 200 pixels.",
        kind: ValueKind::Path,
        default: None,
        example: "\"/etc/vitalsign/logo.png\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: DESKTOPS,
    },
    AgentSetting {
        name: "display.theme",
        title: "Colours of the app",
        help: "As the desktop (system), light, dark, or by schedule: dark at night and light by day.",
        kind: ValueKind::Choice(&["system", "light", "dark", "schedule"]),
        default: Some("system"),
        example: "\"schedule\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "display.dark-from",
        title: "Begin of the night",
        help: "Local time, as HH:MM.",
        kind: TIME,
        default: Some("19:00"),
        example: "\"19:00\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "display.dark-until",
        title: "End of the night",
        help: "Local time, as HH:MM.",
        kind: TIME,
        default: Some("07:00"),
        example: "\"07:00\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "display.night-volume",
        title: "Loudness at night",
        help: "In percent of the loudness by day; 0 is silent.",
        kind: ValueKind::Integer { least: 0, most: 100, unit: "percent" },
        default: Some("100"),
        example: "50",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Management,
        platforms: ALL,
    },
    AgentSetting {
        name: "state",
        title: "State folder",
        help: "Folder of the enrolment and the keys; private to the service.",
        kind: ValueKind::Path,
        default: Some("/var/lib/vitalsign"),
        example: "\"/var/lib/vitalsign\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Expert,
        platforms: DESKTOPS,
    },
    AgentSetting {
        name: "socket",
        title: "Socket",
        help: "Socket at which the service answers the app and commands.",
        kind: ValueKind::Path,
        default: Some("/run/vitalsign/agent.sock"),
        example: "\"/run/vitalsign/agent.sock\"",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Expert,
        platforms: DESKTOPS,
    },
    AgentSetting {
        name: "report-seconds",
        title: "Report interval",
        help: "Seconds between reports, whatever the verifier asks: for tests.",
        kind: ValueKind::Integer { least: 0, most: 86_400, unit: "seconds" },
        default: None,
        example: "60",
        since: "0.1.0",
        secret: false,
        set_by: SetBy::Expert,
        platforms: DESKTOPS,
    },
];

/// Returns the setting of this name.
pub(crate) fn setting(name: &str) -> Option<&'static AgentSetting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// Returns whether this is a table of settings.
pub(crate) fn is_table(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.name.split_once('.').is_some_and(|(table, _)| table == name))
}

/// Returns the name that was probably meant: a setting, or a table, in the same table as the given name.
pub(crate) fn suggestion(name: &str) -> Option<&'static str> {
    let closeness = |known: &&'static str| strsim::jaro_winkler(known, name);
    let names = SETTINGS.iter().map(|setting| setting.name);
    let tables = SETTINGS.iter().filter_map(|setting| Some(setting.name.split_once('.')?.0));
    let close = names.chain(tables).filter(|known| closeness(known) > 0.8);
    close.max_by(|a, b| closeness(a).total_cmp(&closeness(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigLayer;
    use std::path::Path;

    #[test]
    fn examples_are_accepted_and_defaults_are_true() {
        for setting in SETTINGS {
            let text = match setting.name.split_once('.') {
                Some((table, name)) => format!("[{table}]\n{name} = {}", setting.example),
                None => format!("{} = {}", setting.name, setting.example),
            };
            // An example of a secret or a certificate is not one.
            let is_cut = setting.example.contains('…');
            let parsed = ConfigLayer::parse(Path::new("agent.toml"), &text);
            assert_eq!(parsed.is_ok(), !setting.secret, "{text}: {parsed:?}");
            assert!(!is_cut || setting.secret || setting.name == "ca-certificates", "{}", setting.name);
        }
        let defaults = toml::Table::try_from(vitalsign_ipc::Display::default()).unwrap();
        for (name, value) in defaults {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(setting(&format!("display.{name}")).unwrap().default, Some(value.as_str()), "{name}");
        }
    }

    #[test]
    fn every_setting_of_the_file_is_listed() {
        // The error lists the names that the types know; a table's are listed in its own error.
        let fields = |text: &str| {
            let error = toml::from_str::<ConfigLayer>(text).unwrap_err();
            let listed = error.message().split("expected one of ").nth(1).unwrap().to_owned();
            listed.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut known = Vec::new();
        for name in fields("x = 1") {
            match is_table(&name) {
                true => {
                    known.extend(fields(&format!("{name}.x = 1")).iter().map(|it| format!("{name}.{it}")))
                }
                false => known.push(name),
            }
        }
        known.sort();
        let mut listed: Vec<_> = SETTINGS.iter().map(|setting| setting.name.to_owned()).collect();
        listed.sort();
        assert_eq!(known, listed);
    }

    #[test]
    fn suggests_the_name_that_was_meant() {
        for (given, meant) in [
            ("verifer", Some("verifier")),
            ("ca_file", Some("ca-file")),
            ("enrollment-token", Some("enrolment-token")),
            ("organization", Some("organisation")),
            ("support.telephone", Some("support.phone")),
            ("xyz", None),
        ] {
            assert_eq!(suggestion(given), meant, "{given}");
        }
    }
}
