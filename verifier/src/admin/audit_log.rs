//! `vitalsign-verifier audit`: the log's key, checkpoints, proofs, tiles and retention.

use super::connection::VerifierConnection;
use super::{print_json, table};
use anyhow::Context;
use std::io::Read;
use std::path::{Path, PathBuf};
use vitalsign_protocol::text::escape;
use vitalsign_verifier::admin_api::{
    AddCosignatures, AdminClient, AuditKeyRotation, AuditKeys, LeavesTarget, ListLeaves, Note, Nothing,
    ProveConsistency, PruneAudit, Pruning, ReplaceAuditKey, RotateAuditKey, ShowAuditKeys, ShowTile,
    SignCheckpoint, TileQuery, TileTarget,
};
use vitalsign_verifier::audit::checkpoint::{Checkpoint, ConsistencyProof, Cosigned};
use vitalsign_verifier::audit::note::{SignedNote, VerifierKey};
use vitalsign_verifier::audit::tree::{TILE_HEIGHT, TILE_WIDTH};
use vitalsign_verifier::clock::now;
use vitalsign_verifier::files;

/// The most bytes that are read of a file with a note or proof.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Print the key that verifies the log's checkpoints, to record elsewhere; and its announced successor, if there is one
    Key,
    /// Announce a new key for checkpoints. Until it signs alone, they have the signatures of both
    #[command(after_help = ROTATE_EXAMPLES)]
    RotateKey {
        /// Time until the new key signs alone, in which auditors and witnesses record it
        #[arg(long = "in", value_name = "DURATION", default_value = "90d", value_parser = super::span::seconds)]
        delay: u64,
    },
    /// Replace a compromised key at once; auditors and witnesses must get the new one by other means
    #[command(after_help = REPLACE_EXAMPLES)]
    ReplaceKey {
        /// Confirm that the old key is not to be trusted any more
        #[arg(long)]
        compromised: bool,
    },
    /// Sign the log's state and print it, to record elsewhere
    #[command(after_help = CHECKPOINT_EXAMPLES)]
    Checkpoint,
    /// Prove that the log contains everything that an earlier checkpoint does. Exits with 1 if it was rewritten
    #[command(after_help = CONSISTENCY_EXAMPLES)]
    Consistency {
        /// File with the earlier checkpoint
        #[arg(required_unless_present = "file")]
        old: Option<PathBuf>,
        /// File with a proof; needs neither the store nor the verifier
        #[arg(long, value_name = "FILE", conflicts_with = "old", requires = "log_key")]
        file: Option<PathBuf>,
        /// The log's key that you know from elsewhere, as `audit key` prints it; may be repeated
        #[arg(long, value_name = "KEY", requires = "file")]
        log_key: Vec<VerifierKey>,
    },
    /// Store the cosignatures of witnesses on a checkpoint
    #[command(after_help = COSIGN_EXAMPLES)]
    Cosign {
        /// File with the cosigned checkpoint
        file: PathBuf,
    },
    /// Write the newest checkpoint and the tree as files, for a web server or a witness. They contain no payloads
    Tiles {
        /// Folder; existing tiles stay
        folder: PathBuf,
    },
    /// Remove payloads whose retention has ended. The verifier does the same daily
    #[command(after_help = PRUNE_EXAMPLES)]
    Prune {
        /// Only print what would be removed
        #[arg(long)]
        dry_run: bool,
    },
}

const ROTATE_EXAMPLES: &str = "\
Who knows the present key finds the new one beside it: `audit key` prints both, and both sign each checkpoint until then.

Examples:
  vitalsign-verifier audit rotate-key               # the new key signs alone from 90 days on
  vitalsign-verifier audit rotate-key --in 30d";

const REPLACE_EXAMPLES: &str = "\
For a key that others may have: they can sign another log. Tell auditors and witnesses the new key by other means. Checkpoints
that they recorded can still be compared with `audit consistency`.

Examples:
  vitalsign-verifier audit replace-key --compromised";

const CHECKPOINT_EXAMPLES: &str = "\
Examples:
  vitalsign-verifier audit checkpoint > 2026-11.checkpoint";

const CONSISTENCY_EXAMPLES: &str = "\
Examples:
  Against a checkpoint that was recorded earlier:
    vitalsign-verifier audit consistency 2026-11.checkpoint > proof.json
  On another machine:
    vitalsign-verifier audit consistency --file proof.json --log-key verifier.example/audit+50f1ad90+AXMwCHH0TBaOfJSd4sdQ5gwsm7j/UwAXxaJnI06ctNuO";

const COSIGN_EXAMPLES: &str = "\
Examples:
  vitalsign-verifier audit cosign cosigned.checkpoint

The configuration names the witnesses:
  [audit]
  witnesses = [\"witness.example/w1+1a2b3c4d+BA...\"]";

const PRUNE_EXAMPLES: &str = "\
Examples:
  vitalsign-verifier audit prune --dry-run

The configuration has the retention in days, by kind of entry. Without it, payloads are kept for ever:
  [audit.retention]
  default = 2557                          # seven years
  heartbeats = 90";

/// Reads a file with a note or proof.
pub(super) fn read_note(path: &Path) -> anyhow::Result<String> {
    let reading = || format!("reading {}", path.display());
    let file = std::fs::File::open(path).with_context(reading)?;
    let mut text = String::new();
    let read = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).with_context(reading)?;
    anyhow::ensure!(u64::try_from(read)? <= MAX_FILE_BYTES, "{}: the file is too long", path.display());
    Ok(text)
}

pub(super) async fn run(connection: &VerifierConnection, command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Consistency { file: Some(file), log_key: keys, .. } => {
            return verify_consistency(&file, &keys);
        }
        Command::Key => print_keys(&connection.call::<ShowAuditKeys>(&Nothing {}, &Nothing {}).await?),
        Command::RotateKey { delay } => {
            let begins = now().saturating_add(delay);
            let keys = connection.call::<RotateAuditKey>(&Nothing {}, &AuditKeyRotation { delay }).await?;
            println!("From {} on, the second of these keys signs alone:", table::time(begins));
            print_keys(&keys);
        }
        Command::ReplaceKey { compromised } => {
            anyhow::ensure!(
                compromised,
                "for a routine change of keys use `rotate-key`, and if others may have the key, add --compromised"
            );
            let keys = connection.call::<ReplaceAuditKey>(&Nothing {}, &Nothing {}).await?;
            println!("From now on this key signs:");
            print_keys(&keys);
        }
        Command::Checkpoint => {
            print!("{}", connection.call::<SignCheckpoint>(&Nothing {}, &Nothing {}).await?.note);
        }
        Command::Consistency { old, .. } => {
            let path = old.context("name the file of the earlier checkpoint")?;
            let proof = connection.call::<ProveConsistency>(&Nothing {}, &note_in(&path)?).await;
            print_json(&proof.with_context(|| path.display().to_string())?)?;
        }
        Command::Cosign { file } => {
            let cosigned = connection.call::<AddCosignatures>(&Nothing {}, &note_in(&file)?).await;
            print_cosigned(&cosigned.with_context(|| file.display().to_string())?);
        }
        Command::Tiles { folder } => write_tiles(&connection.open()?, &folder).await?,
        Command::Prune { dry_run } => prune(connection, dry_run).await?,
    }
    Ok(true)
}

/// Reads a file with a note.
fn note_in(path: &Path) -> anyhow::Result<Note> {
    let note = read_note(path)?;
    note.parse::<SignedNote>().with_context(|| path.display().to_string())?;
    Ok(Note { note })
}

fn print_keys(keys: &AuditKeys) {
    keys.log.iter().for_each(|key| println!("{}", escape(key)));
}

fn print_cosigned(cosigned: &[Cosigned]) {
    for Cosigned { witness, time } in cosigned {
        println!("cosigned by {}, {}", escape(witness), table::time(*time));
    }
}

/// Verifies a proof of `audit consistency` by itself.
fn verify_consistency(file: &Path, keys: &[VerifierKey]) -> anyhow::Result<bool> {
    let proof: ConsistencyProof =
        serde_json::from_str(&read_note(file)?).with_context(|| file.display().to_string())?;
    match proof.verify(keys, &[]) {
        Ok((old, new, _)) => {
            println!(
                "CONSISTENT: {} leaves of {} contain the {} of the earlier checkpoint.",
                new.size,
                escape(&new.origin),
                old.size
            );
            Ok(true)
        }
        Err(error) => {
            println!("NOT PROVEN: {}", escape(&error.to_string()));
            Ok(false)
        }
    }
}

/// Writes the files of C2SP tlog-tiles: `checkpoint`, `tile/L/N` and `tile/entries/N`. The checkpoint comes last, so that
/// a reader never sees one whose tiles are missing.
async fn write_tiles(verifier: &AdminClient, folder: &Path) -> anyhow::Result<()> {
    let note = verifier.call::<SignCheckpoint>(&Nothing {}, &Nothing {}).await?.note;
    let note: SignedNote = note.parse()?;
    let size = Checkpoint::read(&note.text)?.size;
    let mut written = 0;
    let (mut level, mut width) = (0, size);
    while width > 0 {
        for number in 0..width.div_ceil(TILE_WIDTH) {
            let count = TILE_WIDTH.min(width - number * TILE_WIDTH);
            let path = folder.join(tile_path(&level.to_string(), number, count));
            if !path.exists() {
                let target = TileTarget { level, number };
                let tile = verifier.call::<ShowTile>(&target, &TileQuery { width: count }).await?;
                let hashes: Vec<u8> = tile.hashes.iter().flat_map(|hash| hash.0).collect();
                files::replace(&path, &hashes, 0o644)?;
                written += 1;
            }
            if level == 0 {
                let path = folder.join(tile_path("entries", number, count));
                if !path.exists() {
                    let mut bundle = Vec::new();
                    let query = TileQuery { width: count };
                    for leaf in verifier.call::<ListLeaves>(&LeavesTarget { number }, &query).await?.leaves {
                        bundle
                            .extend(u16::try_from(leaf.0.len()).context("a leaf is too long")?.to_be_bytes());
                        bundle.extend(leaf.0);
                    }
                    files::replace(&path, &bundle, 0o644)?;
                    written += 1;
                }
            }
        }
        (level, width) = (level + 1, width >> TILE_HEIGHT);
    }
    files::replace(&folder.join("checkpoint"), note.to_string().as_bytes(), 0o644)?;
    println!("{size} leaves; {written} new files in {}", folder.display());
    Ok(())
}

/// Path of a tile: `tile/0/x001/x234/067`, and with `.p/WIDTH` if it is partial.
fn tile_path(level: &str, number: u64, width: u64) -> PathBuf {
    let mut path = Path::new("tile").join(level);
    let digits = format!("{number:03}");
    let digits = format!("{}{digits}", "0".repeat((3 - digits.len() % 3) % 3));
    let groups = digits.len() / 3;
    for (index, group) in digits.as_bytes().chunks(3).map(String::from_utf8_lossy).enumerate() {
        let last = index + 1 == groups;
        let partial = if last && width < TILE_WIDTH { ".p" } else { "" };
        path.push(format!("{}{group}{partial}", if last { "" } else { "x" }));
    }
    if width < TILE_WIDTH { path.join(width.to_string()) } else { path }
}

async fn prune(connection: &VerifierConnection, dry_run: bool) -> anyhow::Result<()> {
    let pruned = connection.call::<PruneAudit>(&Nothing {}, &Pruning { dry_run }).await?;
    for (kind, days) in &pruned.short {
        eprintln!(
            "warning: {kind} is kept for {days} days, less than the six years of 45 CFR 164.316(b)(2)(i)"
        );
    }
    if pruned.payloads.is_empty() {
        println!("There is nothing to prune.");
    }
    for (kind, count) in &pruned.payloads {
        let verb = if dry_run { "would be removed" } else { "were removed" };
        println!("{kind}: {count} payloads {verb}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tile_paths_follow_the_layout() {
        for (number, width, expected) in [
            (0, 256, "tile/0/000"),
            (0, 1, "tile/0/000.p/1"),
            (1_234_067, 256, "tile/0/x001/x234/067"),
            (1_234_067, 8, "tile/0/x001/x234/067.p/8"),
            (999, 255, "tile/0/999.p/255"),
            (1000, 256, "tile/0/x001/000"),
        ] {
            assert_eq!(tile_path("0", number, width), Path::new(expected), "{number}");
        }
    }
}
