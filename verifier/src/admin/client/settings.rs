//! Settings of an application as arguments.

use anyhow::Context;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use vitalsign_protocol::details::{DetailsField, DetailsSchema, Labels};
use vitalsign_protocol::text::is_plain;
use vitalsign_verifier::admin_api::SettingsChange;
use vitalsign_verifier::store::client::{ClientSettings, DetailsTypes};

/// The longest name of a type, in bytes.
const MAX_TYPE_BYTES: usize = 128;
/// Names that stand for every type, and for no type.
const ANY: &str = "any";
const NO_TYPE: &str = "none";
/// The largest file with a schema, in bytes.
const MAX_SCHEMA_FILE_BYTES: u64 = 16 * 1024;

#[derive(clap::Args)]
pub(crate) struct SettingsArgs {
    /// Accept client assertions (private_key_jwt) for the issuer alone; off also accepts the endpoints' URLs [default: on]
    #[arg(long, value_name = "on|off", value_parser = switch)]
    strict_audience: Option<bool>,
    /// A type of authorization_details that it may send; can be repeated. `any` for every type, `none` for no type
    /// [default: none]
    #[arg(long = "details-type", value_name = "TYPE", value_parser = details_type)]
    details_types: Vec<String>,
    /// A schema of a type of authorization_details (TOML, see docs/integrate.md): the members that it may send, and their labels
    /// in the languages of people. Can be repeated, and replaces all schemas of the application; `none` for no schema
    #[arg(long = "details-schema", value_name = "FILE")]
    details_schemas: Vec<PathBuf>,
    /// Refuse token requests without a DPoP proof, so that every access token is bound to a key [default: off]
    #[arg(long, value_name = "on|off", value_parser = switch)]
    dpop_bound: Option<bool>,
    /// Put the text of the transaction into tokens, and not only its digest [default: off]
    #[arg(long, value_name = "on|off", value_parser = switch)]
    transaction_text: Option<bool>,
    /// Allow the level badge, at which not every tap needs a PIN [default: off]
    #[arg(long, value_name = "on|off", value_parser = switch)]
    badge: Option<bool>,
    /// Put the user's name into tokens (preferred_username) [default: off]
    #[arg(long, value_name = "on|off", value_parser = switch)]
    preferred_username: Option<bool>,
}

impl SettingsArgs {
    /// Reads the files of schemas.
    pub(super) fn change(self) -> anyhow::Result<SettingsChange> {
        let Self {
            strict_audience,
            details_types,
            details_schemas,
            dpop_bound,
            transaction_text,
            badge,
            preferred_username,
        } = self;
        let types = match details_types.as_slice() {
            [] => None,
            names if names.iter().any(|name| name == ANY) => Some(DetailsTypes::Any),
            _ => Some(DetailsTypes::Only(details_types.into_iter().filter(|name| name != NO_TYPE).collect())),
        };
        Ok(SettingsChange {
            strict_audience,
            authorization_details_types: types,
            authorization_details_schemas: read_schemas(&details_schemas)?,
            dpop_bound_access_tokens: dpop_bound,
            transaction_text,
            badge,
            preferred_username,
        })
    }
}

/// Content of a file with a schema.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaFile {
    r#type: String,
    labels: Labels,
    fields: Vec<DetailsField>,
}

/// Reads schemas, and checks them here already, so that the error names the file.
fn read_schemas(files: &[PathBuf]) -> anyhow::Result<Option<BTreeMap<String, DetailsSchema>>> {
    if files.is_empty() {
        return Ok(None);
    }
    let mut schemas = BTreeMap::new();
    for path in files.iter().filter(|path| path.as_os_str() != NO_TYPE) {
        let SchemaFile { r#type, labels, fields } = read_schema(path)?;
        let schema = DetailsSchema { labels, fields };
        schema.check().with_context(|| path.display().to_string())?;
        if schemas.insert(r#type, schema).is_some() {
            anyhow::bail!("{}: another file has a schema for this type", path.display());
        }
    }
    Ok(Some(schemas))
}

fn read_schema(path: &Path) -> anyhow::Result<SchemaFile> {
    let mut text = String::new();
    let reading = || format!("cannot read {}", path.display());
    let file = std::fs::File::open(path).with_context(reading)?;
    file.take(MAX_SCHEMA_FILE_BYTES.saturating_add(1)).read_to_string(&mut text).with_context(reading)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_SCHEMA_FILE_BYTES) {
        anyhow::bail!("{}: it is larger than {MAX_SCHEMA_FILE_BYTES} bytes", path.display());
    }
    toml::from_str(&text).with_context(|| path.display().to_string())
}

/// Formats settings in one line, in the words of the arguments.
pub(super) fn summary(settings: &ClientSettings) -> String {
    let types = match &settings.authorization_details_types {
        DetailsTypes::Any => ANY.to_owned(),
        DetailsTypes::Only(names) if names.is_empty() => NO_TYPE.to_owned(),
        DetailsTypes::Only(names) => names.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
    };
    let switches = [
        ("strict-audience", settings.strict_audience),
        ("dpop-bound", settings.dpop_bound_access_tokens),
        ("transaction-text", settings.transaction_text),
        ("badge", settings.badge),
        ("preferred-username", settings.preferred_username),
    ];
    let switches = switches.map(|(name, on)| format!("{name} {}", if on { "on" } else { "off" }));
    let schemas = settings.authorization_details_schemas.keys().map(|name| format!(" {name}"));
    let schemas = schemas.collect::<String>();
    let schemas = if schemas.is_empty() { schemas } else { format!("details-schema{schemas}, ") };
    format!("details-type {types}, {schemas}{}", switches.join(", "))
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off was expected".to_owned()),
    }
}

fn details_type(text: &str) -> Result<String, String> {
    let good = (1..=MAX_TYPE_BYTES).contains(&text.len()) && is_plain(text);
    good.then(|| text.to_owned())
        .ok_or_else(|| format!("1 to {MAX_TYPE_BYTES} bytes without control characters were expected"))
}
