//! `vitalsign-verifier device`: lists and revokes enrolled devices.

use super::table;
use serde_json::json;
use std::path::Path;
use vitalsign_protocol::id::EnrolmentId;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::store::device::{By, Device};

/// Devices read at one time.
const PAGE: u32 = 1000;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List all devices with their keys, last reports and statuses
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one device with each check
    Show {
        /// Enrolment ID, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        device: EnrolmentId,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Request a report with all facts: at once if the device listens, otherwise when it returns
    Check {
        /// Enrolment ID, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        device: EnrolmentId,
    },
    /// Revoke a device for good
    Revoke {
        /// Enrolment ID, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        device: EnrolmentId,
        /// Reason for the audit log
        #[arg(long, default_value = "")]
        reason: String,
    },
}

pub(crate) async fn run(config: &Path, command: Command) -> anyhow::Result<bool> {
    let store = super::store(config).await?;
    match command {
        Command::List { json } => {
            let mut devices = Vec::new();
            let mut offset = 0;
            loop {
                let page = store.devices(PAGE, offset).await?;
                if page.is_empty() {
                    break;
                }
                devices.extend(page);
                offset += PAGE;
            }
            if json {
                super::print_json(&devices.iter().map(as_json).collect::<Vec<_>>())?;
            } else {
                let rows: Vec<_> = devices
                    .iter()
                    .map(|it| {
                        [it.enrolment.to_string(), key(it).to_owned(), table::time(it.last_seen), status(it)]
                    })
                    .collect();
                table::print(["DEVICE", "KEY", "LAST REPORT", "STATUS"], &rows);
            }
        }
        Command::Show { device, json } => {
            let Some(device) = store.device(By::Enrolment(&device)).await? else {
                eprintln!("There is no device {device}.");
                return Ok(false);
            };
            if json {
                super::print_json(&as_json(&device))?;
            } else {
                show(&device);
            }
        }
        Command::Check { device } => {
            if !store.ask_to_report(device, now()).await? {
                eprintln!("There is no device {device}, or it was revoked.");
                return Ok(false);
            }
            println!("Device {device} is asked to report.");
        }
        Command::Revoke { device, reason } => {
            if !store.revoke_device(device, &reason, now()).await? {
                eprintln!("There is no device {device}, or it was revoked before.");
                return Ok(false);
            }
            println!("Device {device} is revoked.");
        }
    }
    store.close().await;
    Ok(true)
}

fn show(device: &Device) {
    let standing = device.standing();
    println!("device       {}", device.enrolment);
    println!("status       {}", status(device));
    println!("enrolled     {}", table::time(device.enrolled_at));
    println!("last report  {}", table::time(device.last_seen));
    println!("report key   {} ({})", device.identity.kid, key(device));
    match &standing.boot {
        Some(boot) => {
            let log = if boot.log.is_some() { "with its event log" } else { "without an event log" };
            println!("last quote   {}, {log}", table::time(boot.at));
        }
        None => println!("last quote   none"),
    }
    if !standing.unknown.is_empty() {
        println!("unknown      {}", standing.unknown.join(", "));
    }
    println!();
    let rows: Vec<_> = (standing.checks.iter())
        .map(|(check, it)| [check.clone(), it.status.to_string(), table::time(it.since)])
        .collect();
    table::print(["CHECK", "STATUS", "SINCE"], &rows);
}

fn as_json(device: &Device) -> serde_json::Value {
    json!({
        "device": device.enrolment,
        "status": device.status,
        "revoked_at": device.revoked_at,
        "enrolled_at": device.enrolled_at,
        "last_seen": device.last_seen,
        "report_key": device.identity.kid,
        "key": key(device),
        "standing": *device.standing(),
    })
}

fn key(device: &Device) -> &'static str {
    match &device.identity.tpm {
        Some(tpm) if tpm.genuine => "TPM",
        Some(_) => "simulated TPM",
        None => "software",
    }
}

fn status(device: &Device) -> String {
    match device.revoked_at {
        Some(at) => format!("revoked {}", table::time(at)),
        None => device.status.clone(),
    }
}
