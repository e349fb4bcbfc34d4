//! `vitalsign-verifier restore`: restores a backup.

use super::table;
use anyhow::Context;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use vitalsign_protocol::id::Digest;
use vitalsign_verifier::age::Identity;
use vitalsign_verifier::backup::{self, RestoreOptions, Restored};
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::files;
use vitalsign_verifier::kek::KekSource;
use zeroize::Zeroizing;

const EXAMPLES: &str = "\
Stop the verifier first. Restores into the data folder of the configuration, or with --data into another one. Files of the
configuration are put into `restored-configuration` in it, for you to compare and move.

A restore cannot bring back what happened since the backup. It ends what may have been used since then: nonces, sessions,
enrolment tokens, codes for security keys, and step-ups. Devices that enrolled since must enrol again; the others continue.
REVOCATIONS SINCE THE BACKUP ARE UNDONE: repeat them.

Examples:
  vitalsign-verifier restore monday.age --identity backup-key.txt --dry-run
  vitalsign-verifier restore monday.age --identity - < backup-key.txt
  vitalsign-verifier restore monday.age --identity backup-key.txt --replace --keep-keys";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// The backup
    file: PathBuf,
    /// File with the key that decrypts it; - reads it from standard input
    #[arg(long, value_name = "KEYFILE")]
    identity: PathBuf,
    /// Expected SHA-256 of the backup, as `backup` printed it
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    sha256: Option<Digest>,
    /// Data folder to restore into, instead of the one in the configuration
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// Set the present store and keys aside, in a folder beside them
    #[arg(long)]
    replace: bool,
    /// Keep the present signing keys, which are newer than the backup's if one was rotated since
    #[arg(long, requires = "replace")]
    keep_keys: bool,
    /// Check the backup and say what a restore would do, but restore nothing
    #[arg(long)]
    dry_run: bool,
    #[arg(skip)]
    inputs: Option<Inputs>,
}

/// Files of the person who restores.
struct Inputs {
    backup: File,
    identity: Identity,
}

impl RestoreArgs {
    /// Opens the backup and its key. To be called before the process takes on another user.
    pub(crate) fn open_inputs(&mut self) -> anyhow::Result<()> {
        let backup = File::open(&self.file).with_context(|| format!("reading {}", self.file.display()))?;
        let text = if self.identity.as_os_str() == "-" {
            let mut text = Zeroizing::new(Vec::new());
            std::io::stdin().take(64 * 1024).read_to_end(&mut text)?;
            text
        } else {
            files::read_secret(&self.identity)?
        };
        let text = std::str::from_utf8(&text).context("the identity is not text")?;
        let identity = Identity::from_file(text).context("the identity has no line AGE-SECRET-KEY-1...")?;
        self.inputs = Some(Inputs { backup, identity });
        Ok(())
    }
}

fn sha256(text: &str) -> Result<Digest, String> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes = digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect::<Option<Vec<u8>>>();
    let expected = || "64 hexadecimal digits were expected".to_owned();
    bytes.and_then(|bytes| Digest::from_slice(&bytes)).ok_or_else(expected)
}

pub(crate) async fn run(config: &Path, arguments: RestoreArgs) -> anyhow::Result<bool> {
    let Inputs { backup, identity } = arguments.inputs.context("the backup was not opened")?;
    let (data, kek) = match arguments.data {
        Some(data) => {
            let kek = KekSource::beside(&data);
            (data, kek)
        }
        None => {
            let config =
                Config::read(config).context("without a configuration, say where with --data FOLDER")?;
            let kek = config.kek();
            (config.data, kek)
        }
    };
    let options = RestoreOptions {
        data: &data,
        identity: &identity,
        kek: &kek,
        expected: arguments.sha256,
        replace: arguments.replace,
        keep_keys: arguments.keep_keys,
        dry_run: arguments.dry_run,
    };
    let restored = backup::restore(backup, &arguments.file, options, super::actor(), now()).await?;
    report(&restored, &data, arguments.dry_run);
    if !arguments.dry_run {
        println!("The keys are sealed by the key-encryption key at {kek}.");
    }
    Ok(true)
}

fn report(restored: &Restored, data: &Path, dry_run: bool) {
    let Restored { made_at, digest, head, devices, invalidated, lost, aside, configuration } = restored;
    println!("The backup of {} is whole.", table::time(*made_at));
    println!("sha256 {}", digest.hex());
    println!("head {head}");
    let done = if dry_run { "A restore would end" } else { "Ended" };
    println!("{devices} devices are enrolled in it; those that enrolled later must enrol again.");
    println!(
        "{done}: all nonces and sessions, {} enrolment tokens, {} codes for security keys, {} step-ups.",
        invalidated.enrolment_tokens,
        invalidated.key_codes,
        invalidated.step_ups.len()
    );
    if dry_run {
        println!("Nothing was restored.");
        return;
    }
    match lost {
        Some(lost) if lost.is_empty() => println!("The replaced store has no entry that the backup lacks."),
        Some(lost) => {
            println!("Entries of the audit log that only the replaced store has:");
            lost.iter().for_each(|(kind, count)| println!("  {count:>8}  {kind}"));
        }
        None => println!("What happened after the backup is not known here."),
    }
    println!("Revocations and changes since the backup are undone: repeat them.");
    println!("Restored to {}.", data.display());
    if let Some(aside) = aside {
        println!("The former data are in {}. Delete them when all is well.", aside.display());
    }
    if let Some(configuration) = configuration {
        println!("Files of the configuration are in {}.", configuration.display());
    }
}
