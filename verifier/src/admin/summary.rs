//! Audit entries as one line each, for people. `--json` has everything.

use super::table;
use serde_json::Value;
use vitalsign_protocol::step_up::{Acr, Transaction};
use vitalsign_protocol::text::escape;
use vitalsign_verifier::admin_api::EntryView;
use vitalsign_verifier::audit::{Actor, Kind};

/// Describes an entry in one line.
pub(super) fn summary(entry: &EntryView) -> String {
    if entry.pruned {
        return "(pruned)".to_owned();
    }
    let body = &entry.body;
    let Some(kind) = Kind::named(&entry.kind) else { return one_line(&body.to_string()) };
    let by = match (Actor::name_in(body), Actor::tap_in(body)) {
        (Some(name), Some(user)) => format!(" (by {name}, with a tap of {user})"),
        (Some(name), None) => format!(" (by {name})"),
        (None, _) => String::new(),
    };
    one_line(&format!("{}{by}", describe(kind, &Body(body))))
}

/// The JSON object of an entry. Entries of earlier versions may lack members.
struct Body<'a>(&'a Value);

impl Body<'_> {
    fn text(&self, member: &str) -> &str {
        self.0.get(member).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, member: &str) -> u64 {
        self.0.get(member).and_then(Value::as_u64).unwrap_or_default()
    }

    /// The reason that an administrator gave, if they gave one.
    fn reason(&self) -> String {
        match self.text("reason") {
            "" => String::new(),
            reason => format!(": {reason}"),
        }
    }

    /// The text that the person was shown, with the application's name.
    fn message(&self) -> String {
        match Transaction::read(self.text("transaction")) {
            Ok(transaction) => format!("{:?} of {}", transaction.message, transaction.application),
            Err(_) => "a transaction that cannot be read".to_owned(),
        }
    }

    fn level(&self) -> String {
        let acr = self.0.get("acr").and_then(|acr| serde_json::from_value::<Acr>(acr.clone()).ok());
        acr.map(|acr| acr.urn().rsplit(':').next().unwrap_or_default().to_owned()).unwrap_or_default()
    }

    fn failed_checks(&self) -> String {
        let checks = self.0.get("checks").and_then(Value::as_object);
        let failed = checks.into_iter().flatten().filter(|(_, status)| *status != "affirming");
        list(failed.map(|(check, _)| check.as_str()))
    }

    fn reasons(&self) -> String {
        list(self.0.get("reasons").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str))
    }
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() { String::new() } else { format!(": {}", items.join(", ")) }
}

fn describe(kind: Kind, body: &Body<'_>) -> String {
    let (user, client) = (body.text("user"), body.text("client"));
    let time = |member| table::time(body.number(member));
    match kind {
        Kind::Report => format!("{}{}", body.text("status"), body.failed_checks()),
        Kind::Heartbeats => {
            let (count, status) = (body.number("count"), body.text("status"));
            let reports = if count == 1 { "report" } else { "reports" };
            format!("{status}, {count} {reports} since {}", time("first"))
        }
        Kind::Enrolled | Kind::EnrolledAgain => format!("{}{}", body.text("status"), body.failed_checks()),
        Kind::DeviceRevoked => format!("revoked{}", body.reason()),
        Kind::DeviceReadmitted => format!("may enrol again{}", body.reason()),
        Kind::DeviceLabelled => match body.text("label") {
            "" => "no label".to_owned(),
            label => format!("is {label}"),
        },
        Kind::DeviceNamed if body.0.get("forgotten").is_some() => {
            format!("names of {} devices are forgotten", body.number("forgotten"))
        }
        Kind::DeviceNamed => match (body.text("host_name"), body.text("asset_tag")) {
            ("", "") => "says no names".to_owned(),
            (host_name, "") => format!("says {host_name}"),
            ("", asset_tag) => format!("says asset tag {asset_tag}"),
            (host_name, asset_tag) => format!("says {host_name}, asset tag {asset_tag}"),
        },
        Kind::TokenCreated => {
            let (token, uses) = (body.number("token"), body.number("uses"));
            let devices = if uses == 1 { "device" } else { "devices" };
            format!("token {token} for {uses} {devices}, until {}", time("expires"))
        }
        Kind::TokenRevoked => format!("token {}", body.number("token")),
        Kind::KeyRotated if body.0.get("sealed_now").is_some() => {
            format!(
                "keys are sealed by {}, before by {}",
                body.text("sealed_now"),
                body.text("sealed_before")
            )
        }
        Kind::KeyRotated if body.0.get("withdrawn").is_some() => {
            format!("{} is not published for {} any more", body.text("withdrawn"), body.text("signs"))
        }
        Kind::KeyRotated if body.0.get("compromised").is_some() => {
            format!(
                "{} are signed with {} at once, because {} was compromised",
                body.text("signs"),
                body.text("now"),
                body.text("before")
            )
        }
        Kind::KeyRotated => {
            format!("{} are signed with {} from {}", body.text("signs"), body.text("now"), time("from"))
        }
        Kind::PolicyChanged => {
            let policies =
                format!("appraisal by {}, step-up by {}", body.text("policy"), body.text("step_up_policy"));
            let policies = match body.text("organisation") {
                "" => policies,
                version => format!("{policies}, the organisation's words {version}"),
            };
            match body.0.get("admin_tap").and_then(|rules| rules.get("actions")).and_then(Value::as_array) {
                None => policies,
                Some(actions) => {
                    let actions = list(actions.iter().filter_map(Value::as_str));
                    format!("{policies}, taps of administrators needed{actions}")
                }
            }
        }
        Kind::ClientAdded => format!("{client}, {:?}, {}", body.text("name"), body.text("method")),
        Kind::ClientDisabled | Kind::ClientEnabled => client.to_owned(),
        Kind::ClientConfigured => format!("{client}, audience {}", body.text("audience")),
        Kind::ClientCredentialReplaced => format!("{client}, {}", body.text("method")),
        Kind::StepUpApproved => {
            format!("{user} approved {} at {}, with {}", body.message(), body.level(), body.text("model"))
        }
        Kind::StepUpClosed => {
            let over = body.0.get("over").and_then(Value::as_bool).unwrap_or(true);
            let scope = if over { "" } else { " at this device" };
            let alert = if body.0.get("alert").is_some() { "ALERT " } else { "" };
            let (end, reasons) = (body.text("end"), body.reasons());
            format!("{alert}{end}{scope}{reasons}; {user} was asked {}", body.message())
        }
        Kind::UserAdded | Kind::UserDisabled | Kind::UserEnabled => user.to_owned(),
        Kind::UserAliasAdded | Kind::UserAliasRemoved => format!("{user}, {}", body.text("alias")),
        Kind::UserDeviceAdded | Kind::UserDeviceRemoved => user.to_owned(),
        Kind::KeyCodeCreated => {
            format!("code {} for {user}, until {}", body.number("code"), time("expires"))
        }
        Kind::KeyRegistered => {
            format!("key {} of {user}, {:?}, {}", body.number("key"), body.text("name"), body.text("model"))
        }
        Kind::KeyRevoked => {
            format!("key {} of {user}, {:?}{}", body.number("key"), body.text("name"), body.reason())
        }
        Kind::Pruned => format!(
            "payloads of {} entries of the kind {}, {} to {}",
            body.number("count"),
            body.text("pruned"),
            body.number("first"),
            body.number("last")
        ),
        Kind::StoreMigrated => format!("schema version {} to {}", body.number("from"), body.number("to")),
        Kind::BackedUp => body.text("file").to_owned(),
        Kind::Restored => format!("from a backup of entry {}", body.text("head")),
        Kind::DiagnosticsReceived => format!("{}, {} bytes", body.text("reference"), body.number("bytes")),
    }
}

fn one_line(text: &str) -> String {
    escape(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: &str, body: &Value) -> String {
        summary(&EntryView {
            seq: 1,
            time: 0,
            kind: kind.to_owned(),
            device: None,
            body: body.clone(),
            evidence: None,
            pruned: false,
            hash: String::new(),
        })
    }

    #[test]
    fn each_kind_has_words() {
        let transaction = include_str!("../../tests/data/approval.json");
        let exported: Value = serde_json::from_str(transaction).unwrap();
        let approval: Value = serde_json::from_str(exported["body"].as_str().unwrap()).unwrap();
        let approved = line("step-up-approved", &approval);
        let Transaction { message, application, .. } =
            Transaction::read(approval["transaction"].as_str().unwrap()).unwrap();
        assert!(approved.contains(&format!("approved {message:?} of {application}")), "{approved}");
        let user = approval["user"].as_str().unwrap();
        assert!(
            approved.starts_with(user) && approved.contains(approval["model"].as_str().unwrap()),
            "{approved}"
        );

        let declined = serde_json::json!({
            "user": user, "client": "ehr", "acr": approval["acr"], "transaction": approval["transaction"],
            "end": "not-mine", "over": true, "alert": true,
        });
        let declined = line("step-up-ended", &declined);
        assert!(declined.starts_with("ALERT not-mine; "), "{declined}");

        let checks = serde_json::json!({ "firewall": "affirming", "os-updates": "warning" });
        let report = serde_json::json!({ "status": "warning", "checks": checks });
        assert_eq!(line("report", &report), "warning: os-updates");
        assert_eq!(line("device-revoked", &serde_json::json!({ "reason": "lost" })), "revoked: lost");
        let by = serde_json::json!({ "uid": 0, "user": "root", "sudo": "anna" });
        let revoked = serde_json::json!({ "reason": "lost", "by": by });
        assert_eq!(line("device-revoked", &revoked), "revoked: lost (by anna)");
        let by = serde_json::json!({ "admin": "cert:anna", "tap": { "user": "a.berg" } });
        let disabled = serde_json::json!({ "user": "nurse-7", "by": by });
        assert_eq!(line("user-disabled", &disabled), "nurse-7 (by cert:anna, with a tap of a.berg)");
        for kind in Kind::ALL {
            // Entries of other versions may have other members.
            line(kind.as_str(), &serde_json::json!({}));
        }
    }

    #[test]
    fn text_from_outside_stays_in_its_line() {
        let body = serde_json::json!({ "user": "nurse\u{1b}[2J\nroot" });
        assert_eq!(line("user-added", &body), "nurse<U+001B>[2J root");
        assert_eq!(line("of-a-later-version", &serde_json::json!({ "a": 1 })), r#"{"a":1}"#);
    }
}
