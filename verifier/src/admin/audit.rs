//! `vitalsign-verifier audit`: reads, verifies and exports the audit log.

use super::audit_log::{self, read_note};
use super::connection::VerifierConnection;
use super::summary::summary;
use super::{print_json, span, table};
use anyhow::Context;
use clap::builder::PossibleValuesParser;
use serde_json::json;
use std::path::PathBuf;
use vitalsign_protocol::text::escape;
use vitalsign_verifier::admin_api::{
    AuditQuery, DeviceRef, EntryRef, EntryTarget, EntryView, ExportAudit, ListAudit, Nothing, ShowAuditKeys,
    VerificationQuery, VerifiedView, VerifyAudit,
};
use vitalsign_verifier::audit::checkpoint::Cosigned;
use vitalsign_verifier::audit::note::VerifierKey;
use vitalsign_verifier::audit::prove::{self, Exported, Findings, KnownKeys};
use vitalsign_verifier::audit::{Actor, Head, Kind};

/// Entries read at one time.
const PAGE: u32 = 1000;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Verify the whole log: each entry, the tree and all checkpoints. Exits with 1 if something is invalid
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify {
        /// Also check that this earlier head, SEQ:HASH, is still part of the log
        #[arg(long)]
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
        which: Option<EntryRef>,
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
        which: EntryRef,
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

pub(crate) async fn run(connection: &VerifierConnection, command: Command) -> anyhow::Result<bool> {
    match command {
        // Exports and proofs are verified without the verifier.
        Command::Prove { file: Some(file), log_key, witness, json, .. } => {
            let exported = serde_json::from_str(&read_note(&file)?);
            let exported = exported.with_context(|| format!("reading {}", file.display()))?;
            let known = KnownKeys { log: log_key, witnesses: witness };
            print_proof(&exported, &known, json)
        }
        Command::Prove { which, json, .. } => {
            let verifier = connection.open()?;
            let entry = which.context("name an entry or a step-up")?;
            let exported = verifier.call::<ExportAudit>(&EntryTarget { entry }, &Nothing {}).await?.0;
            let keys = verifier.call::<ShowAuditKeys>(&Nothing {}, &Nothing {}).await?;
            let witnesses = keys.witnesses.iter().map(|key| key.parse()).collect::<Result<_, _>>()?;
            print_proof(
                &exported,
                &KnownKeys {
                    log: keys.known.iter().map(|key| key.parse()).collect::<Result<_, _>>()?,
                    witnesses,
                },
                json,
            )
        }
        Command::Export { which } => {
            print_json(&connection.call::<ExportAudit>(&EntryTarget { entry: which }, &Nothing {}).await?)?;
            Ok(true)
        }
        Command::Verify { anchor, json } => {
            let query = VerificationQuery { anchor: anchor.map(|head| head.to_string()) };
            let result = connection.call::<VerifyAudit>(&Nothing {}, &query).await?;
            match result.verified {
                Some(verified) => print_verified(&verified, json)?,
                None => {
                    eprintln!("The audit log is invalid: {}.", result.broken.unwrap_or_default());
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Command::Alerts(args) => list(connection, None, args, true).await,
        Command::List { kind, args } => list(connection, kind, args, false).await,
        Command::Log(command) => audit_log::run(connection, command).await,
    }
}

fn print_verified(log: &VerifiedView, json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(log);
    }
    println!(
        "The audit log is valid: {} entries, {} checkpoints, {} of them cosigned.",
        log.entries, log.checkpoints, log.cosigned
    );
    if log.pruned > 0 {
        let pruned = log.pruned;
        println!(
            "The payloads of {pruned} entries were pruned; the hashes of their payloads are in the log."
        );
    }
    if log.collected_reports > 0 {
        let collected = log.collected_reports;
        println!(
            "Reports that changed nothing since the last entries: {collected}. Their entries are written hourly."
        );
    }
    println!("head {}", log.head);
    Ok(())
}

/// Lists page by page, so that a log of any length needs little memory.
async fn list(
    connection: &VerifierConnection,
    kind: Option<String>,
    args: ListArgs,
    alerts: bool,
) -> anyhow::Result<bool> {
    let verifier = connection.open()?;
    let ListArgs { device, user, client, since, until, after, limit, json, csv } = args;
    let oldest_first = after.is_some();
    let mut query = AuditQuery {
        kind,
        device,
        user,
        client,
        since,
        until,
        after,
        before: None,
        alerts,
        count: true,
        limit: None,
    };
    let (mut rows, mut shown, mut all) = (Vec::new(), 0, 0);
    if csv {
        print!("seq,time,kind,device,by,what\r\n");
    }
    while shown < limit {
        query.limit = Some(PAGE.min(limit - shown));
        let page = verifier.call::<ListAudit>(&Nothing {}, &query).await?;
        all = page.all.unwrap_or(all);
        let page = page.entries;
        let Some(last) = page.last() else { break };
        let (next, count) = (Some(last.seq), u32::try_from(page.len()).unwrap_or(u32::MAX));
        if oldest_first {
            query.after = next
        } else {
            query.before = next
        }
        query.count = false;
        shown = shown.saturating_add(count);
        if json {
            for entry in &page {
                println!("{}", serde_json::to_string(entry)?);
            }
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
    Ok(true)
}

fn print_proof(exported: &Exported, known: &KnownKeys, json: bool) -> anyhow::Result<bool> {
    let findings = prove::prove_with(exported, known);
    let is_approval = exported.is_approval() && exported.pruned.is_none();
    let so = if is_approval { findings.is_proven() } else { findings.is_logged() };
    if json {
        print_json(&json!({
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
fn as_csv(entry: &EntryView) -> String {
    let cells = [
        entry.seq.to_string(),
        table::utc(entry.time),
        entry.kind.clone(),
        entry.device.map(|device| device.to_string()).unwrap_or_default(),
        escape(&Actor::name_in(&entry.body).unwrap_or_default()),
        summary(entry),
    ];
    let cell = |text: &String| {
        let formula = text.starts_with(['=', '+', '-', '@']);
        format!("\"{}{}\"", if formula { "'" } else { "" }, text.replace('"', "\"\""))
    };
    cells.iter().map(cell).collect::<Vec<_>>().join(",")
}

fn as_row(entry: &EntryView) -> [String; 5] {
    let device = entry.device.map(|device| device.to_string()).unwrap_or_default();
    [entry.seq.to_string(), table::time(entry.time), entry.kind.clone(), device, summary(entry)]
}
