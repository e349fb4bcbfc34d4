//! `audit`.

use super::table;
use anyhow::Context;
use serde_json::json;
use std::path::Path;
use std::str::FromStr;
use vitalsign_protocol::id::{Digest, EnrolmentId, hex};
use vitalsign_verifier::store::audit::{Head, Logged};

/// Entries read at one time.
const PAGE: u32 = 1000;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Walk the whole chain: does every entry hold? Prints its head, to be written down elsewhere.
    Verify {
        /// A head that was written down before, SEQ:HASH: is it still part of the chain?
        #[arg(long, value_parser = anchor)]
        anchor: Option<Head>,
    },
    /// The entries, oldest first.
    List {
        /// Of this device only.
        #[arg(long)]
        device: Option<EnrolmentId>,
        /// After this entry.
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Print JSON, one entry a line, with the evidence that was kept.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(config: &Path, command: Command) -> anyhow::Result<bool> {
    let store = super::store(config).await?;
    let so = match command {
        Command::Verify { anchor } => match store.verify_audit(anchor).await? {
            Ok(head) => {
                println!("The audit log holds: {} entries.", head.seq);
                println!("head {head}");
                true
            }
            Err(broken) => {
                eprintln!("The audit log does not hold: {broken}.");
                false
            }
        },
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
