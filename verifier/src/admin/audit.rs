//! `vitalsign-verifier audit`: reads, verifies and exports the audit log.

use super::table;
use anyhow::Context;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use vitalsign_protocol::id::{Digest, EnrolmentId, StepUpId, hex};
use vitalsign_protocol::step_up::Transaction;
use vitalsign_verifier::audit::prove::{self, Exported};
use vitalsign_verifier::audit::{Head, Logged};
use vitalsign_verifier::store::Store;

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
    /// List step-ups that people reported as not started by them, oldest first
    Alerts {
        /// Only alerts after this entry
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// Maximum number of entries
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Print JSON, one entry a line.
        #[arg(long)]
        json: bool,
    },
    /// List entries, oldest first
    List {
        /// Only entries of this device
        #[arg(long, allow_hyphen_values = true)]
        device: Option<EnrolmentId>,
        /// Only entries after this one
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// Maximum number of entries
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Print JSON, one entry a line, with the evidence that was kept.
        #[arg(long)]
        json: bool,
    },
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
            .map_err(|_| "the place of an entry, or a step-up's name")
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
        Command::Alerts { after, limit, json } => {
            let alerts = store.alerts(after, limit).await?;
            if json {
                alerts.iter().for_each(|entry| println!("{}", as_json(entry)));
            } else {
                let rows: Vec<_> = alerts.iter().map(as_alert).collect();
                table::print(["SEQ", "TIME", "DEVICE", "USER", "CLIENT", "MESSAGE"], &rows);
            }
            true
        }
        Command::List { device, after, limit, json } => {
            let (mut after, mut left) = (after, limit);
            let mut rows = Vec::new();
            while left > 0 {
                let page = store.audit(device, after, left.min(PAGE)).await?;
                let Some(last) = page.last() else { break };
                after = last.seq;
                left = left.saturating_sub(u32::try_from(page.len()).unwrap_or(u32::MAX));
                if json {
                    page.iter().for_each(|entry| println!("{}", as_json(entry)));
                } else {
                    rows.extend(page.into_iter().map(as_row));
                }
            }
            if !json {
                table::print(["SEQ", "TIME", "KIND", "DEVICE", "WHAT"], &rows);
            }
            true
        }
    };
    store.close().await;
    Ok(so)
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
    Exported::new(entry, previous).map_err(|what| anyhow::anyhow!("entry {seq}: {what} cannot be read"))
}

fn print_proof(exported: &Exported, json: bool) -> anyhow::Result<bool> {
    let findings = prove::prove(exported);
    let so = findings.is_proven();
    if json {
        super::print_json(&json!({ "seq": exported.seq, "holds": so, "findings": findings }))?;
        return Ok(so);
    }
    if let Some(says) = &findings.says {
        let device = says.device.map(|device| device.to_string()).unwrap_or_default();
        println!("{}: {:?}", says.transaction.application, says.transaction.message);
        println!("  by {} with {}, {}", says.user, says.model, table::time(says.time));
        println!("  on device {device}, {}", says.ear_status.unwrap_or_default());
        println!("  at {}\n", says.transaction.acr.urn());
    }
    for link in &findings.links {
        let state = match link.ok {
            Some(true) => "ok    ",
            Some(false) => "BROKEN",
            None => "?     ",
        };
        let why = link.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        println!("{state}  {:<20}  {}{why}", link.link, link.proves);
    }
    println!("\n{}", if so { "Every link is valid." } else { "Invalid: this does not prove the approval." });
    Ok(so)
}

fn as_alert(entry: &Logged) -> [String; 6] {
    let device = EnrolmentId::from_slice(&entry.device).map(|device| device.to_string()).unwrap_or_default();
    let body: serde_json::Value = serde_json::from_str(&entry.body).unwrap_or_default();
    let said = |name: &str| body.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let message = Transaction::read(said("transaction")).map(|it| it.message).unwrap_or_default();
    let (user, client) = (said("user").to_owned(), said("client").to_owned());
    [entry.seq.to_string(), table::time(entry.time), device, user, client, message]
}

fn as_row(entry: Logged) -> [String; 5] {
    let device = EnrolmentId::from_slice(&entry.device).map(|device| device.to_string()).unwrap_or_default();
    [entry.seq.to_string(), table::time(entry.time), entry.kind, device, entry.body]
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
