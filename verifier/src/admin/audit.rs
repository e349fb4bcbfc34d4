//! `vitalsign-verifier audit`: reads, verifies and exports the audit log.

use super::device_ref::{DeviceRef, find};
use super::summary::summary;
use super::{WrongUse, span, table};
use anyhow::Context;
use clap::builder::PossibleValuesParser;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use vitalsign_protocol::id::{Digest, EnrolmentId, StepUpId, hex};
use vitalsign_protocol::text::escape;
use vitalsign_verifier::audit::prove::{self, Exported};
use vitalsign_verifier::audit::{Head, Kind, Logged};
use vitalsign_verifier::store::Store;
use vitalsign_verifier::store::audit::AuditFilter;

/// Entries read at one time.
const PAGE: u32 = 1000;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Verify the whole chain, and print its head to record elsewhere
    Verify {
        /// Also check that this earlier head, SEQ:HASH, is still part of the chain
        #[arg(long, value_parser = anchor)]
        anchor: Option<Head>,
    },
    /// Verify one approved step-up again, link by link, from its audit entry. Exits with 1 if a link is invalid
    #[command(after_help = PROVE_EXAMPLES)]
    Prove {
        /// Sequence number of the entry, or the step-up's ID
        #[arg(required_unless_present = "file", allow_hyphen_values = true)]
        which: Option<Which>,
        /// File with an exported approval; needs neither the store nor the verifier
        #[arg(long, value_name = "FILE", conflicts_with = "which")]
        file: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Export one approved step-up, to verify it elsewhere
    Export {
        /// Sequence number of the entry, or the step-up's ID
        #[arg(allow_hyphen_values = true)]
        which: Which,
    },
    /// List step-ups that people reported as not started by them, newest first
    Alerts(ListArgs),
    /// List entries, newest first
    #[command(after_help = EXAMPLES)]
    List {
        /// Only entries of this kind
        #[arg(long, value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)))]
        kind: Option<String>,
        #[command(flatten)]
        args: ListArgs,
    },
}

const PROVE_EXAMPLES: &str = "\
Examples:
  The approval that a token names in vitalsign_audit:
    vitalsign-verifier audit prove 4711
  An exported one, without the store:
    vitalsign-verifier audit prove --file approval.json";

const EXAMPLES: &str = "\
Examples:
  What happened with one user since yesterday:
    vitalsign-verifier audit list --user nurse-7 --since 24h
  All approvals of a month:
    vitalsign-verifier audit list --kind step-up-approved --since 2026-11-01 --until 2026-12-01 --limit 100000
  What is new after entry 4711, oldest first, for another program:
    vitalsign-verifier audit list --after 4711 --json";

/// Selection and form of a list of entries.
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Only entries of this device
    #[arg(long, allow_hyphen_values = true)]
    device: Option<DeviceRef>,
    /// Only entries about this user
    #[arg(long)]
    user: Option<String>,
    /// Only entries about this application: its `client_id`
    #[arg(long, allow_hyphen_values = true)]
    client: Option<String>,
    /// Earliest time: how long ago, as 24h or 7d, or a date
    #[arg(long, value_name = "TIME", value_parser = span::instant)]
    since: Option<u64>,
    /// Latest time
    #[arg(long, value_name = "TIME", value_parser = span::instant)]
    until: Option<u64>,
    /// Only entries after this one, oldest first
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// Maximum number of entries
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print JSON, one entry a line, with the evidence that was kept
    #[arg(long)]
    json: bool,
}

/// Identifies an approval.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    Seq(u64),
    StepUp(StepUpId),
}

impl FromStr for Which {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seq = text.parse().map(Self::Seq);
        seq.or_else(|_| text.parse().map(Self::StepUp))
            .map_err(|_| "the number of an entry or the ID of a step-up was expected")
    }
}

pub(crate) async fn run(config: &Path, command: Command) -> anyhow::Result<bool> {
    // An exported approval is verified without the store.
    if let Command::Prove { file: Some(file), json, .. } = &command {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let exported = serde_json::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
        return print_proof(&exported, *json);
    }
    let store = super::store(config).await?;
    let so = match command {
        Command::Prove { which, json, .. } => {
            print_proof(&export(&store, &which.context("name an entry or a step-up")?).await?, json)?
        }
        Command::Export { which } => {
            super::print_json(&export(&store, &which).await?)?;
            true
        }
        Command::Verify { anchor } => match store.verify_audit(anchor).await? {
            Ok(head) => {
                println!("The audit log is valid: {} entries.", head.seq);
                println!("head {head}");
                true
            }
            Err(broken) => {
                eprintln!("The audit log is invalid: {broken}.");
                false
            }
        },
        Command::Alerts(args) => list(&store, None, args, true).await?,
        Command::List { kind, args } => {
            list(&store, kind.as_deref().and_then(Kind::named), args, false).await?
        }
    };
    store.close().await;
    Ok(so)
}

/// Lists page by page, so that a log of any length needs little memory.
async fn list(store: &Store, kind: Option<Kind>, args: ListArgs, alerts: bool) -> anyhow::Result<bool> {
    let ListArgs { device, user, client, since, until, after, limit, json } = args;
    let device = match &device {
        Some(device) => Some(find(store, device).await?.enrolment),
        None => None,
    };
    let oldest_first = after.is_some();
    let mut filter = AuditFilter { device, kind, user, client, since, until, after, before: None, alerts };
    let all = store.count_audit(&filter).await?;
    let (mut rows, mut shown) = (Vec::new(), 0);
    while shown < limit {
        let size = PAGE.min(limit - shown);
        let page = if oldest_first {
            store.oldest_audit(&filter, size).await?
        } else {
            store.newest_audit(&filter, size).await?
        };
        let Some(last) = page.last() else { break };
        let (next, count) = (Some(last.seq), u32::try_from(page.len()).unwrap_or(u32::MAX));
        if oldest_first {
            filter.after = next
        } else {
            filter.before = next
        }
        shown = shown.saturating_add(count);
        if json {
            page.iter().for_each(|entry| println!("{}", as_json(entry)));
        } else {
            rows.extend(page.iter().map(as_row));
        }
    }
    if !json {
        table::print(["SEQ", "TIME", "KIND", "DEVICE", "WHAT"], &rows);
    }
    // On standard error, so that it is seen and no program takes it for an entry.
    if u64::from(shown) < all {
        let which = if oldest_first { "oldest" } else { "newest" };
        eprintln!(
            "The {which} {shown} of {all} entries. See more with --limit, or fewer with --since or --kind."
        );
    }
    Ok(true)
}

async fn export(store: &Store, which: &Which) -> anyhow::Result<Exported> {
    let seq = match which {
        Which::Seq(seq) => *seq,
        Which::StepUp(id) => {
            store.audit_of_step_up(id).await?.with_context(|| format!("no step-up {id} was approved"))?
        }
    };
    let entry = store.audit_entry(seq).await?;
    let (entry, previous) = entry.with_context(|| format!("the audit log has no entry {seq}"))?;
    if entry.kind != Kind::StepUpApproved.as_str() {
        let kind = &entry.kind;
        return Err(WrongUse(format!(
            "entry {seq} is {kind:?}; only approvals, \"step-up-approved\", have a proof"
        ))
        .into());
    }
    Exported::new(entry, previous).map_err(|what| anyhow::anyhow!("entry {seq}: {what} cannot be read"))
}

fn print_proof(exported: &Exported, json: bool) -> anyhow::Result<bool> {
    let findings = prove::prove(exported);
    let so = findings.is_proven();
    if json {
        super::print_json(&json!({ "seq": exported.seq, "holds": so, "findings": findings }))?;
        return Ok(so);
    }
    println!(
        "{}",
        if so { "PROVEN: every link is valid." } else { "NOT PROVEN: the entry claims this, without proof:" }
    );
    if let Some(says) = &findings.says {
        let claim = if so { "" } else { "claimed: " };
        let device = says.device.map(|device| device.to_string()).unwrap_or_default();
        println!("  {claim}{}: {:?}", escape(&says.transaction.application), says.transaction.message);
        println!(
            "  {claim}by {} with {}, {}",
            escape(&says.user),
            escape(&says.model),
            table::time(says.time)
        );
        println!("  {claim}on device {device}, {}", says.ear_status.unwrap_or_default());
        println!("  {claim}at {}", says.transaction.acr.urn());
    }
    println!();
    for link in &findings.links {
        let state = match link.ok {
            Some(true) => "ok    ",
            Some(false) => "BROKEN",
            None => "?     ",
        };
        let why = link.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        println!("{state}  {:<20}  {}{why}", link.link, link.proves);
    }
    Ok(so)
}

fn as_row(entry: &Logged) -> [String; 5] {
    let device = EnrolmentId::from_slice(&entry.device).map(|device| device.to_string()).unwrap_or_default();
    [entry.seq.to_string(), table::time(entry.time), entry.kind.clone(), device, summary(entry)]
}

fn as_json(entry: &Logged) -> serde_json::Value {
    json!({
        "seq": entry.seq,
        "time": entry.time,
        "kind": entry.kind,
        "device": EnrolmentId::from_slice(&entry.device),
        "body": serde_json::from_str::<serde_json::Value>(&entry.body).unwrap_or_else(|_| entry.body.clone().into()),
        "evidence": Some(&entry.evidence).filter(|it| !it.is_empty()).map(|it| hex(it)),
        "hash": hex(&entry.hash),
    })
}

fn anchor(text: &str) -> anyhow::Result<Head> {
    let (seq, hash) = text.split_once(':').context("SEQ:HASH was expected")?;
    let digits =
        hash.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let hash = digits.collect::<Option<Vec<u8>>>().and_then(|bytes| Digest::from_slice(&bytes));
    Ok(Head { seq: u64::from_str(seq)?, hash: hash.context("the hash has 64 hexadecimal digits")? })
}
