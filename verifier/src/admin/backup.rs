//! `vitalsign-verifier backup` and `backup-key`: encrypted backups, and the key that decrypts them.

use anyhow::Context;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use vitalsign_verifier::age::{Identity, Recipient};
use vitalsign_verifier::audit::Kind;
use vitalsign_verifier::backup;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::Config;

const EXAMPLES: &str = "\
The verifier may run. The backup contains the store with the verifier's keys, the key-encryption key that opens them, the
certificates of TPM makers, and the configuration with the files that it names. Keep it on another machine, and write down its SHA-256: who restores
compares it, because anyone who knows the public key could make such a file.

The file has the age format; `age -d -i KEYFILE FILE` decrypts it to an SQLite database.

Examples:
  vitalsign-verifier backup /var/backups/vitalsign/monday.age
  vitalsign-verifier backup monday.age --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

const KEY_EXAMPLES: &str = "\
Do this on another machine than the verifier, and keep the file there, for example on two USB sticks in a safe. Without it no
backup can be restored. The public key that is printed belongs into the configuration of the verifier:
  [backup]
  recipients = [\"age1...\"]

Examples:
  vitalsign-verifier backup-key backup-key.txt";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BackupArgs {
    /// New file to write
    file: PathBuf,
    /// Public key to which the backup is encrypted, instead of those of the configuration
    #[arg(long = "recipient", value_name = "AGE1")]
    recipients: Vec<Recipient>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = KEY_EXAMPLES)]
pub(crate) struct BackupKeyArgs {
    /// New file for the secret key
    file: PathBuf,
}

pub(crate) async fn run(path: &Path, arguments: BackupArgs) -> anyhow::Result<bool> {
    let config = Config::read(path)?;
    let configured = arguments.recipients.is_empty();
    let recipients = if configured { config.backup.recipients.clone() } else { arguments.recipients };
    anyhow::ensure!(
        !recipients.is_empty(),
        "no public key to encrypt to: make one with `vitalsign-verifier backup-key FILE` and put it into [backup] \
         recipients of the configuration, or use --recipient"
    );
    let keyring = super::keyring(path).await?;
    let store = keyring.store();
    let now = now();
    let names: Vec<String> = recipients.iter().map(ToString::to_string).collect();
    let body = json!({ "recipients": names, "file": arguments.file.display().to_string() });
    // Logged first: a backup that its own audit log does not know is not made.
    store.log_maintenance(Kind::BackedUp, &body, now).await?;
    let progress = progress(std::io::stderr().is_terminal());
    let made = backup::make(&config, path, &keyring, &arguments.file, recipients, now, progress).await?;
    store.close().await;
    if arguments.json {
        super::print_json(&json!({
            "file": arguments.file.display().to_string(),
            "sha256": made.digest.hex(),
            "bytes": made.bytes,
            "last_entry": made.last_entry,
            "files": made.files,
            "missing": made.missing,
        }))?;
    } else {
        println!("{}: {} bytes, written and read again.", arguments.file.display(), made.bytes);
        println!("sha256 {}", made.digest.hex());
        println!("last audit entry {}", made.last_entry);
        for path in &made.missing {
            println!("not in it, because it does not exist: {}", path.display());
        }
    }
    Ok(true)
}

/// Shows the progress in steps of ten percent.
fn progress(shown: bool) -> impl FnMut(u64, u64) + Send + 'static {
    let mut last = 0;
    move |bytes, total| {
        let tenths = (bytes * 10).checked_div(total).unwrap_or(10);
        if shown && tenths > last {
            last = tenths;
            // Fails if the terminal is gone, which is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{} %{}", tenths * 10, if tenths >= 10 { "\n" } else { "" });
        }
    }
}

pub(crate) fn make_key(arguments: &BackupKeyArgs) -> anyhow::Result<bool> {
    let identity = Identity::generate()?;
    let file = vitalsign_verifier::files::create_private(&arguments.file)?;
    (&file)
        .write_all(identity.to_file().as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("writing {}", arguments.file.display()))?;
    println!("{}", identity.recipient());
    Ok(true)
}
