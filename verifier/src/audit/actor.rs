//! Describes who acts as an administrator, for the entry that it leaves.

use serde_json::{Map, Value, json};
use vitalsign_protocol::id::StepUpId;

/// Description of the administrator: the person who runs this process or is at the other end of the socket, by the
/// system; or a name that the configuration gives them.
#[derive(Clone, Debug)]
pub struct Actor(Map<String, Value>);

impl Actor {
    /// Reads it from this process. To be called before the process takes on another user.
    ///
    /// `uid` is the user, and `login_uid` the one who logged in, which the kernel keeps through `su` and `sudo`
    /// (credentials(7), pam_loginuid(8)). `sudo` is the name that sudo gives; another program could have set it.
    #[must_use]
    pub fn of_this_process() -> Self {
        #[cfg(unix)]
        let actor = user(rustix::process::getuid().as_raw());
        #[cfg(not(unix))]
        let actor = Map::new();
        Self(actor).with(Stated::by_this_process())
    }

    /// Describes the peer of a local socket: its user as the kernel says, and what it states itself.
    #[cfg(unix)]
    #[must_use]
    pub(crate) fn at_socket(uid: u32, stated: Stated) -> Self {
        let mut actor = user(uid);
        actor.insert("admin".into(), format!("uid:{uid}").into());
        Self(actor).with(stated)
    }

    /// Describes an administrator by name, such as `cert:anna`, and the address from which they act.
    #[must_use]
    pub(crate) fn named(name: &str, address: &str) -> Self {
        Self(Map::from_iter([("admin".to_owned(), name.into()), ("address".to_owned(), address.into())]))
    }

    /// Adds the tap by which a person has confirmed the action, by the number of its entry.
    #[must_use]
    pub(crate) fn confirmed(&self, user: &str, step_up: &StepUpId, audit: u64) -> Self {
        let mut actor = self.clone();
        actor.0.insert("tap".into(), json!({ "user": user, "step_up": step_up, "audit": audit }));
        actor
    }

    fn with(mut self, stated: Stated) -> Self {
        let Stated { login_uid, sudo } = stated;
        self.0.extend(login_uid.map(|uid| ("login_uid".to_owned(), uid.into())));
        self.0.extend(sudo.map(|name| ("sudo".to_owned(), name.into())));
        self
    }

    /// Adds the actor to the body of an entry, a JSON object, as its member `by`.
    pub(crate) fn sign(&self, body: &str) -> String {
        match serde_json::from_str(body) {
            Ok(Value::Object(mut members)) => {
                members.insert("by".into(), json!(self.0));
                Value::Object(members).to_string()
            }
            _ => body.to_owned(),
        }
    }

    /// Returns the user whose tap confirmed the action, from the member `by` of an entry.
    #[must_use]
    pub fn tap_in(body: &Value) -> Option<&str> {
        body.get("by")?.get("tap")?.get("user")?.as_str()
    }

    /// Returns the name of who acted, from the member `by` of an entry: who called sudo, the user, or the administrator's.
    #[must_use]
    pub fn name_in(body: &Value) -> Option<String> {
        let by = body.get("by")?;
        let name = ["sudo", "user", "admin"].iter().find_map(|member| by.get(member)).and_then(Value::as_str);
        name.map(str::to_owned).or_else(|| Some(format!("uid {}", by.get("uid")?)))
    }
}

/// Statement of a process about the person who runs it, beyond its user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// User who logged in, which the kernel keeps through `su` and `sudo`.
    pub login_uid: Option<u32>,
    /// Name of the user who called sudo.
    pub sudo: Option<String>,
}

impl Stated {
    /// Reads it from this process.
    #[must_use]
    pub fn by_this_process() -> Self {
        let login = std::fs::read_to_string("/proc/self/loginuid").ok();
        Self::read(login.as_deref(), std::env::var("SUDO_USER").ok().as_deref())
    }

    /// Takes what has the form of a user's number and of an account's name.
    #[must_use]
    pub(crate) fn read(login_uid: Option<&str>, sudo: Option<&str>) -> Self {
        let login_uid =
            login_uid.and_then(|text| text.trim().parse::<u32>().ok()).filter(|uid| *uid != u32::MAX);
        let named =
            |name: &&str| (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_graphic());
        Self { login_uid, sudo: sudo.filter(named).map(str::to_owned) }
    }
}

/// Describes a user of this machine.
#[cfg(unix)]
fn user(uid: u32) -> Map<String, Value> {
    let mut user = Map::new();
    user.insert("uid".into(), uid.into());
    user.extend(account(uid).map(|name| ("user".to_owned(), name.into())));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    user.insert("host".into(), host.into());
    user
}

/// Returns the name of a local account.
#[cfg(unix)]
#[must_use]
pub(crate) fn account(uid: u32) -> Option<String> {
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let name = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    name.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_names_who_acted() {
        let signed = Actor::of_this_process().sign(r#"{"token":1}"#);
        let body: Value = serde_json::from_str(&signed).unwrap();
        assert_eq!(body["token"], 1);
        assert!(body["by"]["host"].is_string(), "{signed}");
        for (by, name) in [
            (json!({ "uid": 0, "user": "root", "sudo": "anna" }), Some("anna")),
            (json!({ "uid": 0, "user": "root" }), Some("root")),
            (json!({ "uid": 1234 }), Some("uid 1234")),
            (json!({ "admin": "cert:anna", "address": "192.0.2.1" }), Some("cert:anna")),
            (json!({}), None),
        ] {
            assert_eq!(Actor::name_in(&json!({ "by": by })).as_deref(), name);
        }
        assert_eq!(Actor::name_in(&json!({ "token": 1 })), None);
    }

    #[test]
    fn statements_must_look_like_accounts() {
        let stated = Stated::read(Some("1000\n"), Some("anna"));
        assert_eq!(stated, Stated { login_uid: Some(1000), sudo: Some("anna".to_owned()) });
        let long = "x".repeat(65);
        for name in ["", "a\nb", "a b", "\u{202e}", &long] {
            assert_eq!(Stated::read(Some("4294967295"), Some(name)), Stated::default(), "{name:?}");
        }
    }
}
