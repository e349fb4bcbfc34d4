//! `vitalsign-verifier signing-key`: lists, rotates and withdraws signing keys, and seals them by another key.

use super::table;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::kek::KekSource;
use vitalsign_verifier::keyring::Keyring;
use vitalsign_verifier::signing_keys::KnownKey;
use vitalsign_verifier::store::key::KeyPurpose;

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

pub(crate) async fn run(config: &Path, command: Command) -> anyhow::Result<bool> {
    let now = now();
    let of = |tokens| if tokens { KeyPurpose::Tokens } else { KeyPurpose::Verdicts };
    if let Command::Rewrap { from } = command {
        return rewrap(config, from, now).await;
    }
    let keyring = super::keyring(config).await?;
    match command {
        Command::Rotate { tokens, delay } => {
            let begins = now.saturating_add(delay);
            let keys = keyring.rotate(of(tokens), now, begins).await?;
            let kid = keys.next().map_or(&keys.current().kid, |(next, _)| &next.kid);
            println!("From {} on, {} are signed with {kid}.", table::time(begins), of(tokens).as_str());
        }
        Command::Replace { compromised: false, .. } => {
            anyhow::bail!(
                "after this every device must enrol again; for a routine change use `rotate`, and if others may have \
                 the key, add --compromised"
            );
        }
        Command::Replace { tokens, compromised: true } => {
            let keys = keyring.replace_compromised(of(tokens), now).await?;
            println!("From now on {} are signed with {}.", of(tokens).as_str(), keys.current().kid);
            if !tokens {
                println!("Every device must enrol again: create tokens with `enrol-token create --uses N`.");
            }
        }
        Command::Withdraw { kid, tokens } => {
            keyring.withdraw(of(tokens), &kid, now).await?;
            println!("{kid} is not published any more.");
        }
        Command::Rewrap { .. } => {}
        Command::List { tokens, json: true } => {
            super::print_json(&keyring.signing_keys(of(tokens)).await?.published(now))?;
        }
        Command::List { tokens, json: false } => {
            let keys = keyring.signing_keys(of(tokens)).await?;
            let rows: Vec<_> = keys.all().iter().rev().map(|key| row(key, now)).collect();
            table::print(["KEY", "STATE", ""], &rows);
        }
    }
    keyring.store().close().await;
    Ok(true)
}

/// Returns a key, its state and what that means.
fn row(key: &KnownKey, now: u64) -> [String; 3] {
    let means = match (key.published_until(), key.withdrawn) {
        (_, Some(withdrawn)) => format!("since {}", table::time(withdrawn)),
        (Some(until), None) if until > now => format!("published until {}", table::time(until)),
        (Some(until), None) => format!("published until {}, no more", table::time(until)),
        (None, None) if key.begins > now => format!("signs from {}", table::time(key.begins)),
        (None, None) => "signs".to_owned(),
    };
    [key.jwk.kid.clone(), key.state.as_str().to_owned(), means]
}

async fn rewrap(path: &Path, from: PathBuf, now: u64) -> anyhow::Result<bool> {
    let to = Config::read(path)?.kek();
    let keyring = Keyring::reopen(Arc::new(super::store(path).await?), &KekSource::File(from)).await?;
    keyring.rewrap(to.read_or_create()?, now).await?;
    println!(
        "The keys are sealed by the key-encryption key at {to}. Restart the verifier if its configuration changed."
    );
    keyring.store().close().await;
    Ok(true)
}
