//! `vitalsign-verifier signing-key`: lists, rotates and withdraws signing keys, and seals them by another key.

use super::connection::VerifierConnection;
use super::{print_json, table};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vitalsign_verifier::admin_api::{
    KeyReplacement, KeyRotation, KeyWithdrawal, ListSigningKeys, Nothing, ReplaceSigningKey,
    RotateSigningKey, SigningKeyQuery, SigningKeyState, SigningKeyView, WithdrawSigningKey,
};
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::kek::KekSource;
use vitalsign_verifier::keyring::Keyring;

const ROTATE_EXAMPLES: &str = "\
The current key announces the new one and signs until then. A device that reports in that time knows the new key before
it signs; a device that was away longer catches up with its next report. No device has to enrol again.

Examples:
  vitalsign-verifier signing-key rotate             # the new key signs from tomorrow
  vitalsign-verifier signing-key rotate --in 7d";

const REPLACE_EXAMPLES: &str = "\
For a key that others may have. Devices do not trust an announcement by it, so that EVERY DEVICE MUST ENROL AGAIN.
For a routine change of keys use `rotate`.";

const WITHDRAW_EXAMPLES: &str = "\
For a replaced key that others may have, or to cancel a rotation. A device that was away since before the key was replaced
must enrol again. To replace the key that signs, use `signing-key replace`.

Examples:
  vitalsign-verifier signing-key withdraw --tokens Xk2vGm0C9QqVvW1vB0cYbH5o0yT6xZ0mF3Jp8sQdE7A";

const REWRAP_EXAMPLES: &str = "\
The keys stay as they are. Change [keys] in the configuration first, and keep the former file until the verifier has started
with the new one. Backups contain what opens them.

Examples:
  vitalsign-verifier signing-key rewrap --from /var/lib/vitalsign-verifier/kek";

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Announce a new key, which signs from a later time on
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate {
        /// Use the key that signs tokens for applications instead of the key that signs verdicts
        #[arg(long)]
        tokens: bool,
        /// Time until the new key signs
        #[arg(long = "in", value_name = "DURATION", default_value = "24h", value_parser = super::span::seconds)]
        delay: u64,
        /// Accept a time in which not all devices or applications learn the new key
        #[arg(long)]
        force: bool,
    },
    /// Replace a compromised key at once; every device must enrol again
    #[command(after_help = REPLACE_EXAMPLES)]
    Replace {
        /// Use the key that signs tokens for applications instead of the key that signs verdicts
        #[arg(long)]
        tokens: bool,
        /// Confirm that the old key is not to be trusted any more
        #[arg(long)]
        compromised: bool,
    },
    /// Withdraw a key that signs no more or not yet: it is not published from now on
    #[command(after_help = WITHDRAW_EXAMPLES)]
    Withdraw {
        /// Name of the key, as `signing-key list` prints it
        #[arg(value_name = "KEY", allow_hyphen_values = true)]
        kid: String,
        /// Use the keys that sign tokens for applications instead of those that sign verdicts
        #[arg(long)]
        tokens: bool,
    },
    /// Seal all keys by the key-encryption key of the configuration, which is made if its file is missing
    #[command(after_help = REWRAP_EXAMPLES)]
    Rewrap {
        /// File with the former key-encryption key
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
    },
    /// List the keys and their states
    List {
        /// List the keys that sign tokens for applications instead of those that sign verdicts
        #[arg(long)]
        tokens: bool,
        /// Print the set of published keys as JWK
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(connection: &VerifierConnection, command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Rotate { tokens, delay, force } => {
            let rotation = KeyRotation { tokens, delay, force };
            let new = connection.call::<RotateSigningKey>(&Nothing {}, &rotation).await?;
            println!("From {} on, {} are signed with {}.", table::time(new.from), new.signs, new.kid);
        }
        Command::Replace { compromised: false, .. } => {
            anyhow::bail!(
                "after this every device must enrol again; for a routine change use `rotate`, and if others may have \
                 the key, add --compromised"
            );
        }
        Command::Replace { tokens, compromised: true } => {
            let new = connection.call::<ReplaceSigningKey>(&Nothing {}, &KeyReplacement { tokens }).await?;
            println!("From now on {} are signed with {}.", new.signs, new.kid);
            if !tokens {
                println!("Every device must enrol again: create tokens with `enrol-token create --uses N`.");
            }
        }
        Command::Withdraw { kid, tokens } => {
            let withdrawal = KeyWithdrawal { tokens, kid };
            let withdrawn = connection.call::<WithdrawSigningKey>(&Nothing {}, &withdrawal).await?;
            println!("{} is not published any more.", withdrawn.kid);
        }
        Command::Rewrap { from } => rewrap(connection.config(), from).await?,
        Command::List { tokens, json } => {
            let list = connection.call::<ListSigningKeys>(&Nothing {}, &SigningKeyQuery { tokens }).await?;
            if json {
                print_json(&list.jwks)?;
            } else {
                let now = now();
                let rows: Vec<_> = list.keys.iter().map(|key| row(key, now)).collect();
                table::print(["KEY", "STATE", ""], &rows);
            }
        }
    }
    Ok(true)
}

/// Returns a key, its state and what that means.
fn row(key: &SigningKeyView, now: u64) -> [String; 3] {
    let at = key.at.map(table::time).unwrap_or_default();
    let (state, means) = match key.state {
        SigningKeyState::Active => ("active", "signs".to_owned()),
        SigningKeyState::Next => ("next", format!("signs from {at}")),
        SigningKeyState::Retired if key.at > Some(now) => ("retired", format!("published until {at}")),
        SigningKeyState::Retired => ("retired", format!("published until {at}, no more")),
        SigningKeyState::Withdrawn => ("withdrawn", format!("since {at}")),
    };
    [key.kid.clone(), state.to_owned(), means]
}

/// Opens the store itself, because the key-encryption keys are files of this machine.
async fn rewrap(path: &Path, from: PathBuf) -> anyhow::Result<()> {
    let to = Config::read(path)?.kek();
    let keyring = Keyring::reopen(Arc::new(super::store(path).await?), &KekSource::File(from)).await?;
    keyring.rewrap(to.read_or_create()?, now()).await?;
    println!(
        "The keys are sealed by the key-encryption key at {to}. Restart the verifier if its configuration changed."
    );
    keyring.store().close().await;
    Ok(())
}
