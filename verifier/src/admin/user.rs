//! `vitalsign-verifier user`: manages users, their security keys and devices.

use super::device_ref::{DeviceRef, find};
use super::{csv_file, table};
use anyhow::Context;
use serde_json::json;
use std::path::{Path, PathBuf};
use vitalsign_protocol::id::Base64Url;
use vitalsign_protocol::text::is_plain;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::{Config, SecurityKeySettings};
use vitalsign_verifier::store::Store;
use vitalsign_verifier::store::security_key::SecurityKey;
use vitalsign_verifier::store::user::{DeviceLink, ImportedUser, User};
use vitalsign_webauthn::{ModelStatus, Models};

/// The most characters of a user's name.
const MAX_NAME_CHARACTERS: usize = 200;

const EXAMPLES: &str = "\
Examples:
  Which security keys can be registered here:
    vitalsign-verifier user key-models
  A user, and a code with which they register a security key at a device:
    vitalsign-verifier user add nurse-7
    vitalsign-verifier user key-code nurse-7 --expires 15m
  The device at which they are asked, besides those where they registered a key:
    vitalsign-verifier user device nurse-7 --add 7ZA-3T9-KWJ
  Everyone of a directory, from a file whose first line is name,aliases,devices:
    vitalsign-verifier user import people.csv --dry-run
    vitalsign-verifier user import people.csv
  The name under which another application knows them:
    vitalsign-verifier user alias nurse-7 --add nurse.seven@example.org
  A key that was lost:
    vitalsign-verifier user keys nurse-7
    vitalsign-verifier user key-revoke 3 --reason \"lost in a taxi\"";

#[derive(clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Add a user, with the name that applications send as login_hint
    Add {
        /// User name (`login_hint`)
        #[arg(value_parser = name)]
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add the users of a CSV file, all or none
    ///
    /// The first line names the columns: name, and optionally aliases and devices, whose values are separated by
    /// semicolons. Users, aliases and devices that are there already stay as they are, so that a file can be imported again.
    Import {
        /// The file; - for standard input
        file: PathBuf,
        /// Check the file and say what would be added, and write nothing
        #[arg(long)]
        dry_run: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the names that also stand for a user in login_hint, or add or remove one
    Alias {
        /// User name
        name: String,
        /// Let applications send this name too, such as a user principal name or a badge number
        #[arg(long, value_name = "NAME", value_parser = name, conflicts_with = "remove")]
        add: Option<String>,
        /// Remove this name
        #[arg(long, value_name = "NAME")]
        remove: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List all users, with the number of their keys and devices
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Disable a user: no prompts and no registration of keys until they are enabled again
    Disable {
        /// User name
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Enable a disabled user
    Enable {
        /// User name
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Create a one-time code with which a user registers a security key, and print it once
    ///
    /// Register two keys for every user, so that a lost key does not lock them out.
    KeyCode {
        /// User name
        name: String,
        /// Lifetime, such as 15m, 12h or 7d
        #[arg(long, default_value = "15m", value_parser = super::span::seconds)]
        expires: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List a user's security keys
    Keys {
        /// User name
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a security key for good
    KeyRevoke {
        /// Number, as shown by `keys`
        id: i64,
        /// Reason for the audit log
        #[arg(long, default_value = "")]
        reason: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the models that can be registered, from the configured metadata file
    KeyModels {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the devices at which a user is prompted, or add or remove one
    Device {
        /// User name
        name: String,
        /// Also prompt at this device
        #[arg(long, value_name = "DEVICE", allow_hyphen_values = true, conflicts_with = "remove")]
        add: Option<DeviceRef>,
        /// Stop prompting at this device
        #[arg(long, value_name = "DEVICE", allow_hyphen_values = true)]
        remove: Option<DeviceRef>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(config: &Path, command: Command) -> anyhow::Result<bool> {
    // Creates the store, because users may be added before the first device enrols.
    let config = Config::read(config)?;
    if let Command::KeyModels { json } = command {
        return models(&config, json, now());
    }
    vitalsign_verifier::files::create_folder(&config.data)?;
    let store = super::new_store(&config).await?;
    let done = execute(&store, command).await;
    store.close().await;
    done
}

async fn execute(store: &Store, command: Command) -> anyhow::Result<bool> {
    let now = now();
    match command {
        Command::Add { name, json } => match store.add_user(&name, now).await? {
            Some(user) if json => super::print_json(&as_json(&user))?,
            Some(_) => {
                println!("User {name} is added. A code for their first security key: user key-code {name}")
            }
            None => {
                return refuse(format!(
                    "There is a user {name} already, or one whose name differs in case or form only; see `user list`."
                ));
            }
        },
        Command::Import { file, dry_run, json } => return import(store, &file, dry_run, json, now).await,
        Command::Alias { name, add, remove, json } => {
            let user = user(store, &name).await?;
            if let Some(alias) = add
                && !store.add_alias(&user, &alias, now).await?
            {
                return refuse(format!("{alias} stands for a user already; see `user list`."));
            }
            if let Some(alias) = remove
                && !store.remove_alias(&user, &alias, now).await?
            {
                return refuse(format!("{} has no alias {alias}.", user.name));
            }
            let aliases = store.aliases(&user).await?;
            if json {
                super::print_json(&aliases)?;
            } else {
                let rows: Vec<_> = aliases.into_iter().map(|alias| [alias]).collect();
                table::print(["ALIAS"], &rows);
            }
        }
        Command::List { json } => list(store, json).await?,
        Command::Disable { name, json } => return enable(store, &name, false, json, now).await,
        Command::Enable { name, json } => return enable(store, &name, true, json, now).await,
        Command::KeyCode { name, expires, json } => {
            let user = user(store, &name).await?;
            if user.disabled_at.is_some() {
                return refuse(format!("User {name} is disabled."));
            }
            let (record, code) = store.create_key_code(&user, now.saturating_add(expires), now).await?;
            if json {
                super::print_json(&json!({ "code": code, "record": record }))?;
            } else {
                println!("{code}");
                eprintln!(
                    "For one security key of {name}, until {}. At a device: vitalsign security-key register\n\
                     It asks for the code, which is not shown again. Create a code for a second key too.",
                    table::time(record.expires)
                );
            }
        }
        Command::Keys { name, json } => {
            let keys = store.all_security_keys(user(store, &name).await?.id).await?;
            if json {
                super::print_json(&keys.iter().map(key_as_json).collect::<Vec<_>>())?;
            } else {
                let row = |key: &SecurityKey| {
                    let used = key.last_used.map_or_else(|| "never".to_owned(), table::time);
                    let state = match key.revoked_at {
                        Some(at) => format!("revoked {}", table::time(at)),
                        None => "good".to_owned(),
                    };
                    let registered = table::time(key.registered);
                    [key.id.to_string(), key.name.clone(), key.model.clone(), registered, used, state]
                };
                let rows: Vec<_> = keys.iter().map(row).collect();
                table::print(["KEY", "NAME", "MODEL", "REGISTERED", "LAST USED", "STATE"], &rows);
            }
        }
        Command::KeyRevoke { id, reason, json } => match store.revoke_security_key(id, &reason, now).await? {
            Some(key) if json => super::print_json(&key_as_json(&key))?,
            Some(key) => println!("Key {id}, {:?} of {}, is revoked.", key.name, key.user_name),
            None => return refuse(format!("There is no key {id} that is valid; see `user keys`.")),
        },
        // Needs no store.
        Command::KeyModels { .. } => {}
        Command::Device { name, add, remove, json } => {
            let user = user(store, &name).await?;
            let adds = add.is_some();
            if let Some(device) = add.or(remove) {
                let device = find(store, &device).await?.enrolment;
                match store.join_device(&user, device, adds, now).await? {
                    DeviceLink::Done => {}
                    DeviceLink::AlreadySo if adds => {
                        return refuse(format!("{name} is asked at {device} already."));
                    }
                    DeviceLink::AlreadySo => return refuse(format!("{name} was not asked at {device}.")),
                    DeviceLink::NoDevice => return refuse(format!("Device {device} was revoked.")),
                }
            }
            let devices = store.user_devices(user.id).await?;
            if json {
                super::print_json(&devices)?;
            } else {
                let rows: Vec<_> = devices.iter().map(|device| [device.to_string()]).collect();
                table::print(["DEVICE"], &rows);
            }
        }
    }
    Ok(true)
}

/// Returns whether security keys can be registered now.
fn models(config: &Config, json: bool, now: u64) -> anyhow::Result<bool> {
    let SecurityKeySettings { metadata, metadata_roots, models: allowed } = &config.security_keys;
    let Some(metadata) = metadata else {
        return refuse("The configuration names no metadata file ([security_keys] metadata).".into());
    };
    let models = Models::load(metadata, metadata_roots.as_deref(), allowed.as_deref(), now)?;
    let listed = models.aaguids().map(|aaguid| {
        let (name, state) = match models.of(aaguid, now) {
            ModelStatus::Accepted(model) => {
                let obstacle = models.obstacle(aaguid, now);
                (model.name, obstacle.map_or_else(|| "accepted".to_owned(), |why| why.to_string()))
            }
            ModelStatus::Withdrawn { model, status } => (model, status),
            ModelStatus::ListExpired { model } => (model, "the list has expired".to_owned()),
            ModelStatus::Unknown => (String::new(), "unknown".to_owned()),
        };
        [aaguid.to_string(), name, state]
    });
    let rows: Vec<_> = listed.collect();
    let accepted = rows.iter().filter(|[_, _, state]| state == "accepted").count();
    if json {
        let rows = rows
            .iter()
            .map(|[aaguid, name, state]| json!({ "aaguid": aaguid, "model": name, "state": state }));
        super::print_json(&json!({
            "due": models.due(),
            "older_protocols": models.older_protocols(),
            "models": rows.collect::<Vec<_>>(),
        }))?;
    } else {
        table::print(["AAGUID", "MODEL", "STATE"], &rows);
        eprintln!(
            "{accepted} of {} models can be registered. {} entries for U2F and UAF, which cannot, are not shown.\n\
             A newer list is due by {}.",
            rows.len(),
            models.older_protocols(),
            table::time(models.due())
        );
    }
    Ok(accepted > 0)
}

async fn import(store: &Store, file: &Path, dry_run: bool, json: bool, now: u64) -> anyhow::Result<bool> {
    let mut users = Vec::new();
    for row in csv_file::read(file, ["name", "aliases", "devices"])? {
        let csv_file::CsvRow { line, values: [own, aliases, devices] } = row;
        let at = || format!("{}, line {line}", file.display());
        let checked = |text: &str| name(text).map_err(anyhow::Error::msg).with_context(at);
        let mut found = Vec::new();
        for device in csv_file::parts(&devices) {
            let device: DeviceRef = device.parse().map_err(anyhow::Error::msg).with_context(at)?;
            found.push(find(store, &device).await.with_context(at)?.enrolment);
        }
        users.push(ImportedUser {
            line,
            name: checked(&own)?,
            aliases: csv_file::parts(&aliases).map(checked).collect::<Result<_, _>>()?,
            devices: found,
        });
    }
    let count = match store.import_users(&users, dry_run, now).await? {
        Ok(count) => count,
        Err(refused) => return refuse(format!("{}: {refused}. Nothing was imported.", file.display())),
    };
    if json {
        super::print_json(&json!({ "dry_run": dry_run, "added": count }))?;
    } else {
        let verb = if dry_run { "would be added" } else { "were added" };
        println!(
            "{} users, {} aliases and {} devices {verb}, from {} lines.",
            count.users,
            count.aliases,
            count.devices,
            users.len()
        );
    }
    Ok(true)
}

async fn list(store: &Store, json: bool) -> anyhow::Result<()> {
    let mut shown = Vec::new();
    let mut rows = Vec::new();
    for user in store.users().await? {
        let keys = store.security_keys(user.id).await?.len();
        let devices = store.user_devices(user.id).await?.len();
        let mut value = as_json(&user);
        if let Some(value) = value.as_object_mut() {
            value.insert("keys".into(), keys.into());
            value.insert("devices".into(), devices.into());
        }
        shown.push(value);
        let state = match user.disabled_at {
            Some(at) => format!("disabled {}", table::time(at)),
            None => "good".to_owned(),
        };
        rows.push([user.name, table::time(user.created), keys.to_string(), devices.to_string(), state]);
    }
    if json {
        super::print_json(&shown)?;
    } else {
        table::print(["USER", "CREATED", "KEYS", "DEVICES", "STATE"], &rows);
    }
    Ok(())
}

async fn enable(store: &Store, name: &str, enabled: bool, json: bool, now: u64) -> anyhow::Result<bool> {
    let state = if enabled { "enabled" } else { "disabled" };
    let name = user(store, name).await?.name;
    if !store.enable_user(&name, enabled, now).await? {
        return refuse(format!("User {name} was {state} before."));
    }
    if json {
        super::print_json(&as_json(&user(store, &name).await?))?;
    } else {
        println!("User {name} is {state}.");
    }
    Ok(true)
}

async fn user(store: &Store, name: &str) -> anyhow::Result<User> {
    store.user(name).await?.with_context(|| format!("there is no user {name}; see `user list`"))
}

fn refuse(why: String) -> anyhow::Result<bool> {
    eprintln!("{why}");
    Ok(false)
}

fn as_json(user: &User) -> serde_json::Value {
    json!({
        "user": user.name,
        "subject": Base64Url(user.handle.to_vec()),
        "created": user.created,
        "disabled_at": user.disabled_at,
    })
}

fn key_as_json(key: &SecurityKey) -> serde_json::Value {
    json!({
        "key": key.id,
        "user": key.user_name,
        "name": key.name,
        "model": key.model,
        "aaguid": key.aaguid,
        "credential": Base64Url(key.credential.clone()),
        "registered": key.registered,
        "last_used": key.last_used,
        "revoked_at": key.revoked_at,
    })
}

fn name(text: &str) -> Result<String, String> {
    let good = text == text.trim()
        && !text.is_empty()
        && text.chars().count() <= MAX_NAME_CHARACTERS
        && is_plain(text);
    good.then(|| text.to_owned()).ok_or_else(|| {
        format!("1 to {MAX_NAME_CHARACTERS} visible characters were expected, without blanks around them")
    })
}
