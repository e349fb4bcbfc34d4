//! `vitalsign-verifier user`: manages users, their security keys and devices.

use super::connection::VerifierConnection;
use super::{csv_file, print_json, table};
use anyhow::Context;
use serde_json::json;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use vitalsign_verifier::admin_api::{
    AddAlias, AddUser, AddUserDevice, AliasTarget, Because, CreateKeyCode, DeviceRef, DeviceTarget,
    DisableUser, EnableUser, ImportUsers, ListAliases, ListSecurityKeys, ListUserDevices, ListUsers,
    NewAlias, NewKeyCode, NewUser, Nothing, Reason, RemoveAlias, RemoveUserDevice, RevokeSecurityKey,
    SecurityKeyTarget, SecurityKeyView, UserDeviceTarget, UserImport, UserName, UserQuery, UserTarget,
    UserToImport, UserView,
};
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::{Config, SecurityKeySettings};
use vitalsign_webauthn::{ModelStatus, Models};

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
        name: UserName,
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
        #[arg(long, value_name = "NAME", conflicts_with = "remove")]
        add: Option<UserName>,
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
        reason: Reason,
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

pub(crate) async fn run(connection: &VerifierConnection, command: Command) -> anyhow::Result<bool> {
    let target = |user: &str| UserTarget { user: user.to_owned() };
    match command {
        Command::Add { name, json } => {
            let user = connection.call::<AddUser>(&Nothing {}, &NewUser { name }).await?;
            if json {
                print_json(&user)?;
            } else {
                let name = user.user;
                println!("User {name} is added. A code for their first security key: user key-code {name}");
            }
        }
        Command::Import { file, dry_run, json } => import(connection, &file, dry_run, json).await?,
        Command::Alias { name, add, remove, json } => {
            let aliases = match (add, remove) {
                (Some(alias), _) => connection.call::<AddAlias>(&target(&name), &NewAlias { alias }).await?,
                (None, Some(alias)) => {
                    let target = AliasTarget { user: name, alias };
                    connection.call::<RemoveAlias>(&target, &Nothing {}).await?
                }
                (None, None) => connection.call::<ListAliases>(&target(&name), &Nothing {}).await?,
            };
            if json {
                print_json(&aliases)?;
            } else {
                let rows: Vec<_> = aliases.into_iter().map(|alias| [alias]).collect();
                table::print(["ALIAS"], &rows);
            }
        }
        Command::List { json } => list(connection, json).await?,
        Command::Disable { name, json } => {
            let user = connection.call::<DisableUser>(&target(&name), &Nothing {}).await?;
            print_state(&user, "disabled", json)?;
        }
        Command::Enable { name, json } => {
            let user = connection.call::<EnableUser>(&target(&name), &Nothing {}).await?;
            print_state(&user, "enabled", json)?;
        }
        Command::KeyCode { name, expires, json } => {
            let new = NewKeyCode { lifetime: expires };
            let created = connection.call::<CreateKeyCode>(&target(&name), &new).await?;
            if json {
                print_json(&created)?;
            } else {
                println!("{}", created.code.expose());
                eprintln!(
                    "For one security key of {name}, until {}. At a device: vitalsign security-key register\n\
                     It asks for the code, which is not shown again. Create a code for a second key too.",
                    table::time(created.record.expires)
                );
            }
        }
        Command::Keys { name, json } => {
            let keys = connection.call::<ListSecurityKeys>(&target(&name), &Nothing {}).await?;
            if json {
                print_json(&keys)?;
            } else {
                let rows: Vec<_> = keys.iter().map(key_row).collect();
                table::print(["KEY", "NAME", "MODEL", "REGISTERED", "LAST USED", "STATE"], &rows);
            }
        }
        Command::KeyRevoke { id, reason, json } => {
            let target = SecurityKeyTarget { key: id };
            let key = connection.call::<RevokeSecurityKey>(&target, &Because { reason }).await?;
            if json {
                print_json(&key)?;
            } else {
                println!("Key {id}, {:?} of {}, is revoked.", key.name, key.user);
            }
        }
        Command::KeyModels { json } => return models(&Config::read(connection.config())?, json, now()),
        Command::Device { name, add, remove, json } => {
            let devices = match (add, remove) {
                (Some(device), _) => {
                    connection.call::<AddUserDevice>(&target(&name), &DeviceTarget { device }).await?
                }
                (None, Some(device)) => {
                    let target = UserDeviceTarget { user: name, device };
                    connection.call::<RemoveUserDevice>(&target, &Nothing {}).await?
                }
                (None, None) => connection.call::<ListUserDevices>(&target(&name), &Nothing {}).await?,
            };
            if json {
                print_json(&devices)?;
            } else {
                let rows: Vec<_> = devices.0.iter().map(|device| [device.to_string()]).collect();
                table::print(["DEVICE"], &rows);
            }
        }
    }
    Ok(true)
}

fn print_state(user: &UserView, state: &str, json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(user);
    }
    println!("User {} is {state}.", user.user);
    Ok(())
}

fn key_row(key: &SecurityKeyView) -> [String; 6] {
    let used = key.last_used.map_or_else(|| "never".to_owned(), table::time);
    let state = match key.revoked_at {
        Some(at) => format!("revoked {}", table::time(at)),
        None => "good".to_owned(),
    };
    [key.key.to_string(), key.name.clone(), key.model.clone(), table::time(key.registered), used, state]
}

/// Returns whether security keys can be registered now.
fn models(config: &Config, json: bool, now: u64) -> anyhow::Result<bool> {
    let SecurityKeySettings { metadata, metadata_roots, models: allowed } = &config.security_keys;
    let Some(metadata) = metadata else {
        eprintln!("The configuration names no metadata file ([security_keys] metadata).");
        return Ok(false);
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
        print_json(&json!({
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

async fn import(
    connection: &VerifierConnection,
    file: &Path,
    dry_run: bool,
    json: bool,
) -> anyhow::Result<()> {
    let mut users = Vec::new();
    for row in csv_file::read(file, ["name", "aliases", "devices"])? {
        let csv_file::CsvRow { line, values: [name, aliases, devices] } = row;
        let at = || format!("{}, line {line}", file.display());
        users.push(UserToImport {
            line,
            name: name.parse().map_err(anyhow::Error::msg).with_context(at)?,
            aliases: parts(&aliases).with_context(at)?,
            devices: parts(&devices).with_context(at)?,
        });
    }
    let lines = users.len();
    let imported = connection.call::<ImportUsers>(&Nothing {}, &UserImport { users, dry_run }).await;
    let imported = imported.with_context(|| file.display().to_string())?;
    if json {
        return print_json(&imported);
    }
    let (added, verb) = (imported.added, if dry_run { "would be added" } else { "were added" });
    println!(
        "{} users, {} aliases and {} devices {verb}, from {lines} lines.",
        added.users, added.aliases, added.devices
    );
    Ok(())
}

/// Parses the parts of a value.
fn parts<T: FromStr<Err: Display>>(value: &str) -> anyhow::Result<Vec<T>> {
    csv_file::parts(value).map(|part| part.parse().map_err(|error| anyhow::anyhow!("{error}"))).collect()
}

async fn list(connection: &VerifierConnection, json: bool) -> anyhow::Result<()> {
    let verifier = connection.open()?;
    let (mut users, mut query) = (Vec::new(), UserQuery::default());
    loop {
        let page = verifier.call::<ListUsers>(&Nothing {}, &query).await?;
        users.extend(page.users);
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    if json {
        return print_json(&users);
    }
    let row = |user: &UserView| {
        let state = match user.disabled_at {
            Some(at) => format!("disabled {}", table::time(at)),
            None => "good".to_owned(),
        };
        let (keys, devices) = (user.keys.to_string(), user.devices.to_string());
        [user.user.clone(), table::time(user.created), keys, devices, state]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    table::print(["USER", "CREATED", "KEYS", "DEVICES", "STATE"], &rows);
    Ok(())
}
