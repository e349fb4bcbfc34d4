//! dconf's settings that hold for every user: the system's databases in the user profile, as they are in force, and the
//! keys that they lock (dconf(7)). Key files have no effect until `dconf update` compiles them.

use super::Setting;
use super::gvdb::{self, Value};
use crate::Root;
use std::collections::{BTreeMap, BTreeSet};
use vitalsign_protocol::fact::Reason;

/// Places of the profile that sessions use; the first that exists counts.
const PROFILES: [&str; 3] =
    ["/etc/dconf/profile/user", "/usr/local/share/dconf/profile/user", "/usr/share/dconf/profile/user"];
const DATABASES: &str = "/etc/dconf/db";
/// Table of the locked keys in a compiled database.
const LOCKS: &str = ".locks";

/// Settings and locks of all system databases of the profile.
pub(super) struct Dconf {
    databases: Vec<Database>,
    /// Whether the profile begins with the user's own database.
    users: bool,
}

#[derive(Default)]
struct Database {
    values: BTreeMap<String, Value>,
    locks: BTreeSet<String>,
}

impl Dconf {
    pub(super) fn read(root: &Root) -> Result<Self, Reason> {
        let mut profile = None;
        for path in PROFILES {
            profile = profile.or(root.text_if_there(path)?);
        }
        let profile = profile.unwrap_or_else(|| "user-db:user".to_owned());
        let (mut databases, mut users) = (Vec::new(), false);
        for line in profile.lines().filter_map(|line| line.split('#').next()).map(str::trim) {
            match line.split_once(':') {
                Some(("user-db" | "service-db", _)) => users = true,
                Some(("system-db", name)) => {
                    databases.push(Database::read(root, &format!("{DATABASES}/{name}"))?)
                }
                Some(("file-db", path)) => databases.push(Database::read(root, path)?),
                _ => {}
            }
        }
        Ok(Self { databases, users })
    }

    /// The value of a key that no user can change.
    fn value(&self, key: &str) -> Option<Value> {
        // A lock hides what the databases before its own say; of several, that of the last database counts.
        let locked = self.databases.iter().rposition(|database| database.locks.contains(key));
        let first = locked.or((!self.users).then_some(0))?;
        self.databases.iter().skip(first).find_map(|database| database.values.get(key)).copied()
    }

    pub(super) fn switch(&self, key: &str) -> Setting<bool> {
        self.value(key).map(|value| match value {
            Value::Bool(on) => Ok(on),
            _ => Err(Reason::Malformed),
        })
    }

    /// Minutes of type `i`, in seconds.
    pub(super) fn minutes(&self, key: &str) -> Setting<u64> {
        self.value(key).map(|value| match value {
            Value::Int(minutes) => u64::try_from(minutes).map(|it| it * 60).map_err(|_| Reason::Malformed),
            _ => Err(Reason::Malformed),
        })
    }

    pub(super) fn number(&self, key: &str) -> Setting<u64> {
        self.value(key).map(|value| match value {
            Value::Number(number) => Ok(number),
            _ => Err(Reason::Malformed),
        })
    }
}

impl Database {
    /// Reads the settings of a compiled database; empty if it does not exist.
    fn read(root: &Root, path: &str) -> Result<Self, Reason> {
        let bytes = match root.read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        };
        if gvdb::is_database(&bytes) {
            let mut table = gvdb::parse(&bytes).ok_or(Reason::Malformed)?;
            let locks = table.tables.remove(LOCKS).unwrap_or_default();
            Ok(Self { values: table.values, locks: locks.values.into_keys().collect() })
        } else if root.is_live() {
            Err(Reason::Malformed)
        } else {
            // A recorded tree need not contain the compiled file: its date says whether the key files are in it.
            Self::from_key_files(root, path)
        }
    }

    fn from_key_files(root: &Root, path: &str) -> Result<Self, Reason> {
        let compiled = root.stamp(path)?.modified;
        let (folder, mut database) = (format!("{path}.d"), Self::default());
        let is_newer = |file: &str| root.stamp(file).map(|stamp| stamp.modified > compiled);
        // In the order in which dconf reads them: of several values, the last counts.
        for name in root.names(&folder)?.into_iter().filter(|name| name != "locks") {
            let file = format!("{folder}/{name}");
            if is_newer(&file)? {
                return Ok(Self::default());
            }
            keys(&root.text(&file)?, &mut database.values);
        }
        for name in root.names(format!("{folder}/locks"))? {
            let file = format!("{folder}/locks/{name}");
            if is_newer(&file)? {
                return Ok(Self::default());
            }
            let text = root.text(&file)?;
            database
                .locks
                .extend(text.lines().map(str::trim).filter(|key| key.starts_with('/')).map(str::to_owned));
        }
        Ok(database)
    }
}

/// A dconf key file: `[org/gnome/…]`, then `name=value`.
fn keys(text: &str, values: &mut BTreeMap<String, Value>) {
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            values.insert(format!("/{section}/{}", name.trim()), parse(value));
        }
    }
}

/// A GVariant as text: `true`, `uint32 300`. A number without a type has type `i`.
fn parse(text: &str) -> Value {
    let number = text.trim().strip_prefix("uint32").and_then(|number| number.trim().parse::<u32>().ok());
    if let Ok(int) = text.trim().trim_start_matches("int32").trim().parse() {
        return Value::Int(int);
    }
    match (text.trim(), number) {
        ("true", _) => Value::Bool(true),
        ("false", _) => Value::Bool(false),
        (_, Some(number)) => Value::Number(number.into()),
        _ => Value::Other,
    }
}
