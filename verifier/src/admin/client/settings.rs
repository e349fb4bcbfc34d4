//! Settings of an application as arguments.

use vitalsign_protocol::text::is_plain;
use vitalsign_verifier::admin_api::SettingsChange;
use vitalsign_verifier::store::client::{ClientSettings, DetailsTypes};

/// The longest name of a type, in bytes.
const MAX_TYPE_BYTES: usize = 128;
/// Names that stand for every type, and for no type.
const ANY: &str = "any";
const NO_TYPE: &str = "none";

#[derive(clap::Args)]
pub(crate) struct SettingsArgs {
    /// Accept client assertions (private_key_jwt) for the issuer alone; off also accepts the endpoints' URLs [default: on]
    #[arg(long, value_name = "on|off", value_parser = switch)]
    strict_audience: Option<bool>,
    /// A type of authorization_details that it may send; can be repeated. `any` for every type, `none` for no type
    /// [default: none]
    #[arg(long = "details-type", value_name = "TYPE", value_parser = details_type)]
    details_types: Vec<String>,
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
    pub(super) fn change(self) -> SettingsChange {
        let Self { strict_audience, details_types, dpop_bound, transaction_text, badge, preferred_username } =
            self;
        let types = match details_types.as_slice() {
            [] => None,
            names if names.iter().any(|name| name == ANY) => Some(DetailsTypes::Any),
            _ => Some(DetailsTypes::Only(details_types.into_iter().filter(|name| name != NO_TYPE).collect())),
        };
        SettingsChange {
            strict_audience,
            authorization_details_types: types,
            dpop_bound_access_tokens: dpop_bound,
            transaction_text,
            badge,
            preferred_username,
        }
    }
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
    format!("details-type {types}, {}", switches.join(", "))
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
