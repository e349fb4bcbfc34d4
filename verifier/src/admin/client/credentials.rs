//! Replacing an application's secret or keys.

use crate::admin::connection::VerifierConnection;
use crate::admin::{print_json, span, table};
use vitalsign_verifier::admin_api::{
    ChangeClientKeys, ClientTarget, KeyChange, RotateClientSecret, SecretRotation,
};

/// Parses the time for which a replaced secret is accepted, in seconds.
pub(super) fn overlap(text: &str) -> Result<u64, String> {
    let seconds = span::seconds(text)?;
    if seconds > SecretRotation::MAX_OVERLAP { Err("30d is the longest".to_owned()) } else { Ok(seconds) }
}

pub(super) async fn rotate_secret(
    connection: &VerifierConnection,
    client: String,
    overlap: Option<u64>,
    json: bool,
) -> anyhow::Result<()> {
    let rotated =
        connection.call::<RotateClientSecret>(&ClientTarget { client }, &SecretRotation { overlap }).await?;
    if json {
        return print_json(&rotated);
    }
    println!("client_secret  {}", rotated.secret.expose());
    let previous = match rotated.previous_secret_expires {
        Some(at) => format!("is accepted until {}", table::time(at)),
        None => "is invalid".to_owned(),
    };
    eprintln!("The secret is not shown again; the previous one {previous}.");
    Ok(())
}

pub(super) async fn set_keys(
    connection: &VerifierConnection,
    client: String,
    change: KeyChange,
    json: bool,
) -> anyhow::Result<()> {
    let changed = connection.call::<ChangeClientKeys>(&ClientTarget { client }, &change).await?;
    if json {
        return print_json(&changed);
    }
    println!("Client {} signs with {}.", changed.client.id, changed.kids.join(", "));
    Ok(())
}
