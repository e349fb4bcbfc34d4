//! Describes who runs an administrative command, for the entry that it leaves.

use serde_json::{Map, Value, json};

/// Description of the person who runs this process, by the system.
#[derive(Clone, Debug)]
pub struct Actor(Map<String, Value>);

impl Actor {
    /// Reads it from this process. To be called before the process takes on another user.
    ///
    /// `uid` is the user, and `login_uid` the one who logged in, which the kernel keeps through `su` and `sudo`
    /// (credentials(7), pam_loginuid(8)). `sudo` is the name that sudo gives; another program could have set it.
    #[must_use]
    pub fn of_this_process() -> Self {
        let mut actor = Map::new();
        #[cfg(unix)]
        {
            let uid = rustix::process::getuid().as_raw();
            actor.insert("uid".into(), uid.into());
            actor.extend(account(uid).map(|name| ("user".to_owned(), name.into())));
            let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
            actor.insert("host".into(), host.into());
        }
        let login = std::fs::read_to_string("/proc/self/loginuid").ok();
        let login = login.and_then(|text| text.trim().parse::<u32>().ok()).filter(|uid| *uid != u32::MAX);
        actor.extend(login.map(|uid| ("login_uid".to_owned(), uid.into())));
        let sudo = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty() && name.len() <= 64);
        actor.extend(sudo.map(|name| ("sudo".to_owned(), name.into())));
        Self(actor)
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

    /// Returns the name of who acted, from the member `by` of an entry: who called sudo, or the user.
    #[must_use]
    pub fn name_in(body: &Value) -> Option<String> {
        let by = body.get("by")?;
        let name = by.get("sudo").or_else(|| by.get("user")).and_then(Value::as_str);
        name.map(str::to_owned).or_else(|| Some(format!("uid {}", by.get("uid")?)))
    }
}

/// Returns the name of a local account.
#[cfg(unix)]
fn account(uid: u32) -> Option<String> {
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
            (json!({}), None),
        ] {
            assert_eq!(Actor::name_in(&json!({ "by": by })).as_deref(), name);
        }
        assert_eq!(Actor::name_in(&json!({ "token": 1 })), None);
    }
}
