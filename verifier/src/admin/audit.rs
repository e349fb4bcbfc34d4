//! `vitalsign-verifier audit`: reads, verifies and exports the audit log.

use super::audit_log::{self, read_note};
use super::device_ref::{DeviceRef, find};
use super::summary::summary;
use super::{span, table};
use anyhow::Context;
use clap::builder::PossibleValuesParser;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use vitalsign_protocol::id::{Digest, EnrolmentId, StepUpId, hex};
use vitalsign_protocol::text::escape;
use vitalsign_verifier::audit::checkpoint::Cosigned;
use vitalsign_verifier::audit::note::VerifierKey;
use vitalsign_verifier::audit::prove::{self, Exported, Findings, KnownKeys};
use vitalsign_verifier::audit::{Actor, Head, Kind, Logged};
use vitalsign_verifier::audit_log::AuditLog;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::store::Store;
use vitalsign_verifier::store::audit::AuditFilter;
use vitalsign_verifier::store::audit_tree::VerifiedLog;

/// Entries read at one time.
const PAGE: u32 = 1000;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Verify the whole log: each entry, the tree and all checkpoints. Exits with 1 if something is invalid
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify {
        /// Also check that this earlier head, SEQ:HASH, is still part of the log
        #[arg(long, value_parser = anchor)]
        anchor: Option<Head>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Prove that an entry is in the log, and verify an approved step-up link by link. Exits with 1 if a link is invalid
    #[command(after_help = PROVE_EXAMPLES)]
    Prove {
        /// Sequence number of the entry, or the step-up's ID
        #[arg(required_unless_present = "file", allow_hyphen_values = true)]
        which: Option<Which>,
        /// File with an exported entry; needs neither the store nor the verifier
        #[arg(long, value_name = "FILE", conflicts_with = "which")]
        file: Option<PathBuf>,
        /// The log's key that you know from elsewhere, as `audit key` prints it; may be repeated
        #[arg(long, value_name = "KEY", requires = "file")]
        log_key: Vec<VerifierKey>,
        /// Key of a witness that you know; may be repeated
        #[arg(long, value_name = "KEY", requires = "file")]
        witness: Vec<VerifierKey>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Export an entry with the proof that it is in the log, to verify it elsewhere
    Export {
        /// Sequence number of the entry, or the step-up's ID
        #[arg(allow_hyphen_values = true)]
        which: Which,
    },
    #[command(flatten)]
    Log(audit_log::Command),
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

const VERIFY_EXAMPLES: &str = "\
Examples:
  vitalsign-verifier audit verify
  vitalsign-verifier audit verify --json";

const PROVE_EXAMPLES: &str = "\
Examples:
  The approval that a token names in vitalsign_audit:
    vitalsign-verifier audit prove 4711
  An exported one, without the store:
    vitalsign-verifier audit prove --file approval.json
  One that must be in the log whose key you recorded:
    vitalsign-verifier audit prove --file approval.json --log-key verifier.example/audit+50f1ad90+AXMwCHH0TBaOfJSd4sdQ5gwsm7j/UwAXxaJnI06ctNuO";

const EXAMPLES: &str = "\
Examples:
  What happened with one user since yesterday:
    vitalsign-verifier audit list --user nurse-7 --since 24h
  All approvals of a month:
    vitalsign-verifier audit list --kind step-up-approved --since 2026-11-01 --until 2026-12-01 --limit 100000
  The same for a spreadsheet:
    vitalsign-verifier audit list --kind step-up-approved --since 2026-11-01 --limit 100000 --csv
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
    /// Print comma-separated values (RFC 4180), with times in UTC
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Identifies an entry.
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
    // Exports and proofs are verified without the store.
    match &command {
        Command::Prove { file: Some(file), log_key, witness, json, .. } => {
            let exported = serde_json::from_str(&read_note(file)?);
            let exported = exported.with_context(|| format!("reading {}", file.display()))?;
            let known = KnownKeys { log: log_key.clone(), witnesses: witness.clone() };
            return print_proof(&exported, &known, *json);
        }
        Command::Log(audit_log::Command::Consistency { file: Some(file), log_key, .. }) => {
            return audit_log::verify_consistency(file, log_key);
        }
        _ => {}
    }
    // Not opened for lists, which need no key.
    let log = audit_log::open(config);
    let (store, so) = match command {
        Command::Alerts(args) => list(config, None, args, true).await?,
        Command::List { kind, args } => {
            list(config, kind.as_deref().and_then(Kind::named), args, false).await?
        }
        Command::Prove { which, json, .. } => {
            let log = log.await?;
            let exported = export(&log, &which.context("name an entry or a step-up")?).await?;
            (log.store().clone(), print_proof(&exported, &log.known_keys(), json)?)
        }
        Command::Export { which } => {
            let log = log.await?;
            super::print_json(&export(&log, &which).await?)?;
            (log.store().clone(), true)
        }
        Command::Verify { anchor, json } => {
            let log = log.await?;
            let verified = log.verify(anchor).await?;
            match &verified {
                Ok(verified) => print_verified(verified, json)?,
                Err(broken) => eprintln!("The audit log is invalid: {broken}."),
            }
            (log.store().clone(), verified.is_ok())
        }
        Command::Log(command) => {
            let log = log.await?;
            (log.store().clone(), audit_log::run(&log, command).await?)
        }
    };
    store.close().await;
    Ok(so)
}

fn print_verified(log: &VerifiedLog, json: bool) -> anyhow::Result<()> {
    let VerifiedLog { head, former, pruned, checkpoints, cosigned, collected } = log;
    if json {
        return super::print_json(&json!({
            "entries": head.seq,
            "head": head.to_string(),
            "former_chain": former,
            "pruned": pruned,
            "checkpoints": checkpoints,
            "cosigned": cosigned,
            "collected_reports": collected,
        }));
    }
    println!(
        "The audit log is valid: {} entries, {checkpoints} checkpoints, {cosigned} of them cosigned.",
        head.seq
    );
    if *pruned > 0 {
        println!(
            "The payloads of {pruned} entries were pruned; the hashes of their payloads are in the log."
        );
    }
    if *collected > 0 {
        println!(
            "Reports that changed nothing since the last entries: {collected}. Their entries are written hourly."
        );
    }
    println!("head {head}");
    Ok(())
}

/// Lists page by page, so that a log of any length needs little memory.
async fn list(
    config: &Path,
    kind: Option<Kind>,
    args: ListArgs,
    alerts: bool,
) -> anyhow::Result<(Arc<Store>, bool)> {
    let store = Arc::new(super::store(config).await?);
    let ListArgs { device, user, client, since, until, after, limit, json, csv } = args;
    let device = match &device {
        Some(device) => Some(find(&store, device).await?.enrolment),
        None => None,
    };
    let oldest_first = after.is_some();
    let mut filter = AuditFilter { device, kind, user, client, since, until, after, before: None, alerts };
    let all = store.count_audit(&filter).await?;
    let (mut rows, mut shown) = (Vec::new(), 0);
    if csv {
        print!("seq,time,kind,device,by,what\r\n");
    }
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
        } else if csv {
            page.iter().for_each(|entry| print!("{}\r\n", as_csv(entry)));
        } else {
            rows.extend(page.iter().map(as_row));
        }
    }
    if !json && !csv {
        table::print(["SEQ", "TIME", "KIND", "DEVICE", "WHAT"], &rows);
    }
    // On standard error, so that it is seen and no program takes it for an entry.
    if u64::from(shown) < all {
        let which = if oldest_first { "oldest" } else { "newest" };
        eprintln!(
            "The {which} {shown} of {all} entries. See more with --limit, or fewer with --since or --kind."
        );
    }
    Ok((store, true))
}

/// Exports an approval, with the one on which it rests if it does.
async fn export(log: &AuditLog, which: &Which) -> anyhow::Result<Exported> {
    let seq = match which {
        Which::Seq(seq) => *seq,
        Which::StepUp(id) => {
            let seq = log.store().audit_of_step_up(id).await?;
            seq.with_context(|| format!("no step-up {id} was approved, or its entry was pruned"))?
        }
    };
    log.export(seq, now()).await?.with_context(|| format!("the audit log has no entry {seq}"))
}

fn print_proof(exported: &Exported, known: &KnownKeys, json: bool) -> anyhow::Result<bool> {
    let findings = prove::prove_with(exported, known);
    let is_approval = exported.is_approval() && exported.pruned.is_none();
    let so = if is_approval { findings.is_proven() } else { findings.is_logged() };
    if json {
        super::print_json(&json!({
            "seq": exported.seq,
            "kind": exported.kind,
            "pruned": exported.pruned.is_some(),
            "holds": so,
            "findings": findings,
        }))?;
        return Ok(so);
    }
    if !is_approval {
        let (seq, kind, time) = (exported.seq, escape(&exported.kind), table::time(exported.time));
        println!("{}: entry {seq}, {kind}, {time}", if so { "IN THE LOG" } else { "NOT PROVEN" });
        if exported.pruned.is_some() {
            println!("  Its payload was pruned. `audit list --kind pruned` says when.");
            if exported.former.is_some() {
                println!("  Kind, time and device of a pruned entry of the former chain cannot be verified.");
            }
        } else {
            println!("  Only approvals carry a proof of the person's security key.");
        }
        print_log(&findings);
        for link in findings.links.iter().take(1).filter(|_| !so) {
            println!("BROKEN  {}: {}", link.link, link.why.as_deref().unwrap_or_default());
        }
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
        if let Some(pin) = says.pin {
            println!("  {claim}PIN entered {}, entry {}", table::time(pin.time), pin.seq);
        }
    }
    print_log(&findings);
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

fn print_log(findings: &Findings) {
    let Some(log) = &findings.log else { return };
    println!("  in the log {} of {} leaves", escape(&log.origin), log.size);
    for Cosigned { witness, time } in &log.cosigned {
        println!("  cosigned by {}, {}", escape(witness), table::time(*time));
    }
    if !log.known {
        println!("  signed by {}", escape(&log.key));
        println!("  Compare this key with the one that you recorded, or give that with --log-key.");
    }
}

/// Formats an entry as a record of RFC 4180. A spreadsheet takes no cell for a formula.
fn as_csv(entry: &Logged) -> String {
    let body = serde_json::from_str(&entry.body).unwrap_or_default();
    let device = EnrolmentId::from_slice(&entry.device).map(|device| device.to_string());
    let cells = [
        entry.seq.to_string(),
        table::utc(entry.time),
        entry.kind.clone(),
        device.unwrap_or_default(),
        escape(&Actor::name_in(&body).unwrap_or_default()),
        summary(entry),
    ];
    let cell = |text: &String| {
        let formula = text.starts_with(['=', '+', '-', '@']);
        format!("\"{}{}\"", if formula { "'" } else { "" }, text.replace('"', "\"\""))
    };
    cells.iter().map(cell).collect::<Vec<_>>().join(",")
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
        "pruned": entry.pruned.is_some(),
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
