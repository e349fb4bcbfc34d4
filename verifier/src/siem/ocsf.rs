//! Entries of the audit log as events of the Open Cybersecurity Schema Framework, version 1.8.0 (`docs/siem.md`).
//!
//! An event contains no text of a transaction, which may be about a patient: it has the transaction's digest.

use crate::audit::{Actor, Kind, Logged};
use serde_json::{Map, Value, json};
use vitalsign_protocol::id::{Digest, EnrolmentId};

/// Version of the schema.
const VERSION: &str = "1.8.0";
/// Activity or type that the schema does not list.
const OTHER: u64 = 99;
/// Members of a step-up's entry that an event has as they are.
const STEP_UP_MEMBERS: [&str; 8] = ["step_up", "acr", "end", "over", "reasons", "model", "aaguid", "policy"];

/// Log that events come from.
#[derive(Clone, Debug)]
pub struct EventSource {
    /// Name of the audit log.
    log: String,
}

impl EventSource {
    /// `log` is the name of the audit log.
    #[must_use]
    pub fn new(log: &str) -> Self {
        Self { log: log.to_owned() }
    }
}

/// Event of OCSF.
#[derive(Clone, Debug)]
pub struct Event {
    /// Sequence number of the entry.
    pub seq: u64,
    /// Time in seconds since 1970.
    pub time: u64,
    /// Kind of the entry.
    pub kind: String,
    /// `severity_id`.
    pub severity: u8,
    pub json: Value,
}

impl Event {
    /// Returns the event without what its class does not have, for receivers with a limit.
    #[must_use]
    pub fn without_details(&self) -> Value {
        let mut json = self.json.clone();
        if let Some(event) = json.as_object_mut() {
            event.remove("unmapped");
            if let Some(metadata) = event.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.insert("is_truncated".into(), true.into());
            }
        }
        json
    }
}

/// Class of OCSF with an activity.
#[derive(Clone, Copy)]
struct Activity {
    class: u64,
    id: u64,
    name: &'static str,
}

const ACCOUNT_CHANGE: u64 = 3001;
const AUTHENTICATION: u64 = 3002;
const ENTITY_MANAGEMENT: u64 = 3004;
const EVENT_LOG_ACTIVITY: u64 = 1008;
const DEVICE_CONFIG_STATE_CHANGE: u64 = 5019;

/// Returns the class and activity of a kind.
fn activity(kind: Kind) -> Activity {
    let (class, id, name) = match kind {
        Kind::Report => (DEVICE_CONFIG_STATE_CHANGE, 1, "Log"),
        Kind::Heartbeats | Kind::DiagnosticsReceived | Kind::DeviceNamed => {
            (DEVICE_CONFIG_STATE_CHANGE, 2, "Collect")
        }
        Kind::Enrolled | Kind::EnrolledAgain => (ENTITY_MANAGEMENT, 6, "Enroll"),
        Kind::DeviceRevoked => (ENTITY_MANAGEMENT, 7, "Unenroll"),
        Kind::DeviceReadmitted => (ENTITY_MANAGEMENT, OTHER, "Readmit"),
        Kind::DeviceLabelled => (ENTITY_MANAGEMENT, 3, "Update"),
        Kind::TokenCreated | Kind::ClientAdded => (ENTITY_MANAGEMENT, 1, "Create"),
        Kind::TokenRevoked => (ENTITY_MANAGEMENT, 4, "Delete"),
        Kind::KeyRotated
        | Kind::PolicyChanged
        | Kind::ClientConfigured
        | Kind::ClientCredentialReplaced
        | Kind::StoreMigrated => (ENTITY_MANAGEMENT, 3, "Update"),
        Kind::ClientDisabled => (ENTITY_MANAGEMENT, 9, "Disable"),
        Kind::ClientEnabled => (ENTITY_MANAGEMENT, 8, "Enable"),
        Kind::StepUpApproved | Kind::StepUpClosed => (AUTHENTICATION, OTHER, "Step-up"),
        Kind::UserAdded => (ACCOUNT_CHANGE, 1, "Create"),
        Kind::UserDisabled => (ACCOUNT_CHANGE, 5, "Disable"),
        Kind::UserEnabled => (ACCOUNT_CHANGE, 2, "Enable"),
        Kind::KeyRegistered => (ACCOUNT_CHANGE, 10, "MFA Factor Enable"),
        Kind::KeyRevoked => (ACCOUNT_CHANGE, 11, "MFA Factor Disable"),
        Kind::UserAliasAdded => (ACCOUNT_CHANGE, OTHER, "Alias Add"),
        Kind::UserAliasRemoved => (ACCOUNT_CHANGE, OTHER, "Alias Remove"),
        Kind::UserDeviceAdded => (ACCOUNT_CHANGE, OTHER, "Device Link"),
        Kind::UserDeviceRemoved => (ACCOUNT_CHANGE, OTHER, "Device Unlink"),
        Kind::KeyCodeCreated => (ACCOUNT_CHANGE, OTHER, "Registration Code Create"),
        Kind::Pruned => (EVENT_LOG_ACTIVITY, 2, "Delete"),
        Kind::BackedUp => (EVENT_LOG_ACTIVITY, 3, "Export"),
        Kind::Restored => (EVENT_LOG_ACTIVITY, OTHER, "Restore"),
    };
    Activity { class, id, name }
}

/// Describes an entry as an event, with the host name that its device says, if one is known. An entry of a kind of a later
/// version is an unknown activity of the log.
#[must_use]
pub fn event(entry: &Logged, host_name: Option<&str>, source: &EventSource) -> Event {
    let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
    let kind = Kind::named(&entry.kind);
    let unknown = Activity { class: EVENT_LOG_ACTIVITY, id: OTHER, name: "Unknown Entry" };
    let Activity { class, id, name } = kind.map_or(unknown, activity);
    let severity = severity(kind, &body);
    // Extensions of a class that the event uses.
    let mut profiles = Vec::new();
    let mut event = Map::new();
    let mut set = |name: &str, value: Value| event.insert(name.to_owned(), value);
    set("class_uid", class.into());
    set("category_uid", (class / 1000).into());
    set("activity_id", id.into());
    set("activity_name", name.into());
    set("type_uid", (class * 100 + id).into());
    set("time", milliseconds(entry.time));
    set("severity_id", severity.into());
    set("message", format!("{}: {}", entry.kind, name).into());
    let device = EnrolmentId::from_slice(&entry.device);
    let host_name = host_name.filter(|name| is_host_name(name));
    let device = device.map(|device| {
        let mut described = json!({ "uid": device.to_string(), "type_id": 0 });
        if let (Some(described), Some(name)) = (described.as_object_mut(), host_name) {
            described.insert("hostname".to_owned(), name.into());
        }
        described
    });
    if let Some(actor) = actor(&body) {
        set("actor", actor);
    }
    match class {
        AUTHENTICATION => {
            let approved = kind == Some(Kind::StepUpApproved);
            set("user", user(&body));
            set("service", json!({ "uid": text(&body, "client") }));
            set("is_mfa", true.into());
            set("status_id", if approved { 1 } else { 2 }.into());
            if !approved {
                set("status_detail", text(&body, "end").into());
            }
            if body.get("alert").is_some() {
                set("is_alert", true.into());
                profiles.push("security_control");
            }
        }
        ACCOUNT_CHANGE => {
            set("user", user(&body));
        }
        ENTITY_MANAGEMENT => {
            set("entity", entity(kind, entry, &body));
        }
        DEVICE_CONFIG_STATE_CHANGE => {
            if let Some((level, name)) = security_level(text(&body, "status")) {
                set("security_level_id", level.into());
                set("security_level", name.into());
            }
            for (member, value) in [
                ("count", number(&body, "count")),
                ("start_time", milliseconds_of(&body, "first")),
                ("end_time", milliseconds_of(&body, "last")),
            ] {
                if let Some(value) = value.filter(|_| kind == Some(Kind::Heartbeats)) {
                    set(member, value);
                }
            }
        }
        _ => {
            set("log_name", source.log.clone().into());
        }
    }
    if let Some(device) = device {
        set("device", device);
        profiles.push("host");
    } else if class == DEVICE_CONFIG_STATE_CHANGE {
        set("device", json!({ "uid": "unknown", "type_id": 0 }));
    }
    set(
        "metadata",
        json!({
            "version": VERSION,
            "product": {
                "name": "Vitalsign verifier", "vendor_name": "Vitalsign", "version": env!("CARGO_PKG_VERSION")
            },
            "profiles": profiles,
            "log_name": source.log,
            "uid": entry.seq.to_string(),
            "event_code": entry.kind,
        }),
    );
    set("unmapped", details(kind, body));
    Event { seq: entry.seq, time: entry.time, kind: entry.kind.clone(), severity, json: Value::Object(event) }
}

/// Returns whether the schema accepts this text as `hostname_t`: labels of letters, digits and hyphens (RFC 1123 section 2.1).
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let hyphens = label.starts_with('-') || label.ends_with('-');
        !label.is_empty()
            && !hyphens
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.split('.').all(is_label)
}

/// `severity_id`: 1 informational, 2 low, 3 medium, 4 high.
fn severity(kind: Option<Kind>, body: &Value) -> u8 {
    match kind {
        Some(Kind::StepUpClosed) if body.get("alert").is_some() => 4,
        Some(Kind::KeyRotated) if body.get("compromised").is_some() => 4,
        Some(Kind::Report | Kind::Heartbeats | Kind::Enrolled | Kind::EnrolledAgain) => {
            match text(body, "status") {
                "affirming" => 1,
                "warning" => 2,
                _ => 3,
            }
        }
        Some(Kind::DeviceRevoked | Kind::KeyRevoked | Kind::StepUpClosed | Kind::Pruned) => 2,
        _ => 1,
    }
}

/// `security_level_id`, and its name.
fn security_level(status: &str) -> Option<(u64, &'static str)> {
    match status {
        "affirming" => Some((1, "Secure")),
        "warning" | "contraindicated" => Some((2, "At Risk")),
        "none" => Some((0, "Unknown")),
        _ => None,
    }
}

/// The person who ran the command, if an administrator did.
fn actor(body: &Value) -> Option<Value> {
    let name = Actor::name_in(body)?;
    let uid = body.get("by").and_then(|by| by.get("uid")).map(ToString::to_string);
    let mut user = Map::from_iter([("name".to_owned(), name.into())]);
    user.extend(uid.map(|uid| ("uid".to_owned(), uid.into())));
    Some(json!({ "user": user }))
}

fn user(body: &Value) -> Value {
    let mut user = Map::from_iter([("name".to_owned(), text(body, "user").into())]);
    let subject = body.get("subject").filter(|subject| subject.is_string());
    user.extend(subject.map(|subject| ("uid".to_owned(), subject.clone())));
    Value::Object(user)
}

fn entity(kind: Option<Kind>, entry: &Logged, body: &Value) -> Value {
    let named = |kind: &str, uid: String| json!({ "type": kind, "uid": uid });
    match kind {
        Some(Kind::TokenCreated | Kind::TokenRevoked) => {
            named("Enrolment token", number(body, "token").unwrap_or_default().to_string())
        }
        Some(Kind::KeyRotated) => {
            let names = ["now", "withdrawn", "sealed_now"].map(|member| text(body, member));
            let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
            named("Signing key", name.to_owned())
        }
        Some(Kind::PolicyChanged) => named("Policy", text(body, "policy").to_owned()),
        Some(Kind::ClientAdded | Kind::ClientDisabled | Kind::ClientCredentialReplaced) => {
            named("Application", text(body, "client").to_owned())
        }
        _ => {
            let device = EnrolmentId::from_slice(&entry.device).map(|device| device.to_string());
            named("Device", device.unwrap_or_default())
        }
    }
}

/// Returns the members of an entry that its class does not have.
fn details(kind: Option<Kind>, body: Value) -> Value {
    let Value::Object(mut members) = body else { return json!({}) };
    if matches!(kind, Some(Kind::StepUpApproved | Kind::StepUpClosed)) {
        let digest = members.get("transaction").and_then(Value::as_str);
        let digest = digest.map(|text| Digest::of(text.as_bytes()).hex());
        members.retain(|name, _| STEP_UP_MEMBERS.contains(&name.as_str()));
        members.extend(digest.map(|digest| ("transaction_sha256".to_owned(), digest.into())));
    }
    members.remove("by");
    Value::Object(members)
}

fn text<'a>(body: &'a Value, member: &str) -> &'a str {
    body.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn number(body: &Value, member: &str) -> Option<Value> {
    body.get(member).filter(|value| value.is_u64()).cloned()
}

fn milliseconds(seconds: u64) -> Value {
    seconds.saturating_mul(1000).into()
}

fn milliseconds_of(body: &Value, member: &str) -> Option<Value> {
    body.get(member).and_then(Value::as_u64).map(milliseconds)
}
