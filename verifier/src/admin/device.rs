//! `vitalsign-verifier device`: lists, labels, revokes and readmits enrolled devices.

use super::device_ref::{DeviceRef, find};
use super::diagnostics::{self, DiagnosticsArg};
use super::{csv_file, label, span, table};
use anyhow::Context;
use clap::builder::PossibleValuesParser;
use serde_json::json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use vitalsign_protocol::check;
use vitalsign_protocol::device_code::DeviceCode;
use vitalsign_protocol::diagnostics::DiagnosticsRef;
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::id::EnrolmentId;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::config::Config;
use vitalsign_verifier::store::Store;
use vitalsign_verifier::store::device::Device;
use vitalsign_verifier::store::diagnostics::Diagnostics;

/// Devices read at one time.
const PAGE: u32 = 1000;

/// Statuses by which `list` selects.
const STATUSES: [&str; 5] = ["affirming", "warning", "contraindicated", "none", "revoked"];

const EXAMPLES: &str = "\
Examples:
  Which devices are not encrypted:
    vitalsign-verifier device list --check disk-encryption
  Which have not reported for a week:
    vitalsign-verifier device list --silent 7d
  The devices of a ward, and those that a token enrolled which became known to others:
    vitalsign-verifier device list --label \"Ward 3\"
    vitalsign-verifier device list --token 17
  The device whose code someone reads to you:
    vitalsign-verifier device show 7ZA-3T9-KWJ";

const LABEL_EXAMPLES: &str = "\
Examples:
  One device:
    vitalsign-verifier device label 7ZA-3T9-KWJ \"Ward 3 PC 12\"
  Many, from a file whose first line is device,label:
    vitalsign-verifier device label --file labels.csv --dry-run";

const READMIT_EXAMPLES: &str = "\
Examples:
  A laptop that was found again:
    vitalsign-verifier device readmit 7ZA-3T9-KWJ --reason \"found in the taxi\"
    vitalsign-verifier enrol-token create
  Then, at the device:
    vitalsign enrol --again";

const DIAGNOSTICS_EXAMPLES: &str = "\
Examples:
  The diagnostics whose number someone reads to you:
    vitalsign-verifier device diagnostics R-0471
  The newest of a device:
    vitalsign-verifier device diagnostics 7ZA-3T9-KWJ";

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List devices with their keys, last reports, statuses and failed checks
    #[command(after_help = EXAMPLES)]
    List {
        /// Only devices with this status: affirming, warning, contraindicated, none or revoked
        #[arg(long, value_parser = PossibleValuesParser::new(STATUSES))]
        status: Option<String>,
        /// Only devices that fail this check, such as disk-encryption
        #[arg(long)]
        check: Option<String>,
        /// Only devices that have not reported for this long, such as 7d
        #[arg(long, value_name = "DURATION", value_parser = span::seconds)]
        silent: Option<u64>,
        /// Only devices whose label contains this text, in any case
        #[arg(long)]
        label: Option<String>,
        /// Only devices that this token enrolled, by number
        #[arg(long, value_name = "NUMBER")]
        token: Option<i64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one device with each check, the reason, and what to do
    Show {
        /// Code or enrolment ID, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        device: DeviceRef,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the diagnostics that a person sent from a device
    #[command(after_help = DIAGNOSTICS_EXAMPLES)]
    Diagnostics {
        /// Reference that the person reads to you, or the device's code or enrolment ID
        #[arg(allow_hyphen_values = true)]
        which: DiagnosticsArg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Request a report with all facts: at once if the device listens, otherwise when it returns
    Check {
        /// Code or enrolment ID, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        device: DeviceRef,
    },
    /// Label a device, so that you know which one it is
    #[command(after_help = LABEL_EXAMPLES)]
    Label {
        /// Code or enrolment ID, as shown by `list`
        #[arg(allow_hyphen_values = true, required_unless_present = "file", conflicts_with = "file")]
        device: Option<DeviceRef>,
        /// The label
        #[arg(value_parser = label::parse, required_unless_present_any = ["clear", "file"], conflicts_with = "file")]
        label: Option<String>,
        /// Remove the label; the device is then shown with that of its token
        #[arg(long, conflicts_with_all = ["label", "file"])]
        clear: bool,
        /// Label the devices of this CSV file, with columns device and label; - for standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Check the file, and write nothing
        #[arg(long, requires = "file")]
        dry_run: bool,
    },
    /// Let a revoked device enrol again
    ///
    /// It needs a new enrolment token. Until it has enrolled, nothing is accepted from it.
    #[command(after_help = READMIT_EXAMPLES)]
    Readmit {
        /// Code or enrolment ID, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        device: DeviceRef,
        /// Reason for the audit log
        #[arg(long)]
        reason: String,
    },
    /// Revoke a device
    Revoke {
        /// Code or enrolment ID, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        device: DeviceRef,
        /// Reason for the audit log
        #[arg(long, default_value = "")]
        reason: String,
    },
}

pub(crate) async fn run(config: &Path, command: Command) -> anyhow::Result<bool> {
    let store = super::store(config).await?;
    let since = Config::read(config)?.diagnostics.since(now());
    match command {
        Command::List { status, check, silent, label, token, json } => {
            let not_since = silent.map(|ago| now().saturating_sub(ago));
            let label = label.map(|text| text.to_lowercase());
            let filter = DeviceFilter { status, check, not_since, label, token };
            list(&store, &filter, since, json).await?;
        }
        Command::Show { device, json } => {
            let device = find(&store, &device).await?;
            let diagnostics = store.device_diagnostics(device.enrolment, since).await?;
            if json {
                super::print_json(&as_json(&device, diagnostics.first().map(|it| it.reference)))?;
            } else {
                show(&device, &diagnostics);
            }
        }
        Command::Diagnostics { which, json } => diagnostics::show(&store, &which, since, json).await?,
        Command::Check { device } => {
            let device = find(&store, &device).await?.enrolment;
            if !store.ask_to_report(device, now()).await? {
                eprintln!("Device {device} was revoked.");
                return Ok(false);
            }
            println!("Device {device} is asked to report.");
        }
        Command::Label { device, label, clear: _, file, dry_run } => {
            let labels = match (device, file) {
                (_, Some(file)) => labels_in(&store, &file).await?,
                (Some(device), None) => vec![(find(&store, &device).await?.enrolment, label)],
                (None, None) => Vec::new(),
            };
            if dry_run {
                println!("{} devices would be labelled. Nothing was written.", labels.len());
            } else {
                let changed = store.label_devices(&labels, now()).await?;
                println!("{changed} of {} labels changed.", labels.len());
            }
        }
        Command::Readmit { device, reason } => {
            let device = find(&store, &device).await?.enrolment;
            if !store.readmit_device(device, &reason, now()).await? {
                eprintln!("Device {device} is not revoked, or may enrol already.");
                return Ok(false);
            }
            println!(
                "Device {device} may enrol again, with a new token (enrol-token create) and, at the device: vitalsign enrol --again"
            );
        }
        Command::Revoke { device, reason } => {
            let device = find(&store, &device).await?.enrolment;
            if !store.revoke_device(device, &reason, now()).await? {
                eprintln!("Device {device} was revoked before.");
                return Ok(false);
            }
            println!("Device {device} is revoked.");
        }
    }
    store.close().await;
    Ok(true)
}

/// Selects devices: those that have all the properties that are given.
struct DeviceFilter {
    status: Option<String>,
    /// A check that they fail.
    check: Option<String>,
    /// Latest time of their last report, in seconds since 1970.
    not_since: Option<u64>,
    /// Part of their label, in lower case.
    label: Option<String>,
    token: Option<i64>,
}

impl DeviceFilter {
    fn selects(&self, device: &Device) -> bool {
        let status = if device.revoked_at.is_some() { "revoked" } else { device.status.as_str() };
        self.status.as_deref().is_none_or(|wanted| wanted == status)
            && self
                .check
                .as_deref()
                .is_none_or(|wanted| failed_checks(device).iter().any(|check| check == wanted))
            && self.not_since.is_none_or(|time| device.last_seen < time)
            && self.token.is_none_or(|token| device.token == Some(token))
            && (self.label.as_deref()).is_none_or(|part| {
                device.label.as_ref().is_some_and(|label| label.to_lowercase().contains(part))
            })
    }
}

/// Reads the labels of a file.
async fn labels_in(store: &Store, file: &Path) -> anyhow::Result<Vec<(EnrolmentId, Option<String>)>> {
    let mut labels = Vec::new();
    for csv_file::CsvRow { line, values: [device, text] } in csv_file::read(file, ["device", "label"])? {
        let at = || format!("{}, line {line}", file.display());
        let device: DeviceRef = device.parse().map_err(anyhow::Error::msg).with_context(at)?;
        let device = find(store, &device).await.with_context(at)?.enrolment;
        if labels.iter().any(|(other, _)| *other == device) {
            anyhow::bail!("{}: the device is there twice", at());
        }
        let text = match text.as_str() {
            "" => None,
            text => Some(label::parse(text).map_err(anyhow::Error::msg).with_context(at)?),
        };
        labels.push((device, text));
    }
    Ok(labels)
}

async fn list(store: &Store, filter: &DeviceFilter, since: u64, json: bool) -> anyhow::Result<()> {
    let (mut selected, mut offset) = (Vec::new(), 0);
    let (mut all, mut healthy) = (0_usize, 0_usize);
    let sent: HashMap<_, _> = store.newest_diagnostics(since).await?.into_iter().collect();
    loop {
        let page = store.devices(PAGE, offset).await?;
        if page.is_empty() {
            break;
        }
        offset += PAGE;
        let enrolled = page.iter().filter(|device| device.revoked_at.is_none());
        all += enrolled.clone().count();
        healthy += enrolled.filter(|device| device.status == Tier::Affirming.as_str()).count();
        selected.extend(page.into_iter().filter(|device| filter.selects(device)));
    }
    if json {
        return super::print_json(
            &selected.iter().map(|it| as_json(it, sent.get(&it.enrolment).copied())).collect::<Vec<_>>(),
        );
    }
    let row = |it: &Device| {
        let (code, id) = (DeviceCode::of(&it.enrolment).to_string(), it.enrolment.to_string());
        let sent = sent.get(&it.enrolment).map(ToString::to_string).unwrap_or_default();
        [
            code,
            it.label.clone().unwrap_or_default(),
            id,
            key(it).to_owned(),
            table::time(it.last_seen),
            sent,
            status(it),
            failed_checks(it).join(" "),
        ]
    };
    let rows: Vec<_> = selected.iter().map(row).collect();
    table::print(
        ["CODE", "LABEL", "DEVICE", "KEY", "LAST REPORT", "DIAGNOSTICS", "STATUS", "FAILED CHECKS"],
        &rows,
    );
    eprintln!("{} listed. {} of {all} enrolled devices are not healthy.", selected.len(), all - healthy);
    Ok(())
}

/// Names of the checks that are not affirming.
fn failed_checks(device: &Device) -> Vec<String> {
    let checks = &device.standing().checks;
    checks.iter().filter(|(_, it)| it.status != Tier::Affirming).map(|(check, _)| check.clone()).collect()
}

fn show(device: &Device, diagnostics: &[Diagnostics]) {
    let standing = device.standing();
    println!("code         {}", DeviceCode::of(&device.enrolment));
    if let Some(label) = &device.label {
        println!("label        {label}");
    }
    println!("device       {}", device.enrolment);
    println!("status       {}", status(device));
    match device.token {
        Some(token) => println!("enrolled     {}, with token {token}", table::time(device.enrolled_at)),
        None => println!("enrolled     {}", table::time(device.enrolled_at)),
    }
    println!("last report  {}", table::time(device.last_seen));
    println!("report key   {} ({})", device.identity.kid, key(device));
    match &standing.boot {
        Some(boot) => {
            let log = if boot.log.is_some() { "with its event log" } else { "without an event log" };
            println!("last quote   {}, {log}", table::time(boot.at));
        }
        None => println!("last quote   none"),
    }
    for sent in diagnostics {
        println!("diagnostics  {}, received {}", sent.reference, table::time(sent.received));
    }
    if !standing.unknown.is_empty() {
        println!("unknown      {}", standing.unknown.join(", "));
    }
    println!();
    let rows: Vec<_> = (standing.checks.iter())
        .map(|(check, it)| {
            [check.clone(), it.status.to_string(), it.reason.to_string(), table::time(it.since)]
        })
        .collect();
    table::print(["CHECK", "STATUS", "REASON", "SINCE"], &rows);
    let failed = failed_checks(device);
    if failed.iter().any(|check| check::of(check).is_some()) {
        println!("\nWhat to do:");
    }
    for (check, it) in standing.checks.iter().filter(|(check, _)| failed.contains(check)) {
        if let Some(text) = check::of(check) {
            println!("  {}: {}", text.title, check::remedy(check, &it.reason).text);
        }
    }
}

fn as_json(device: &Device, diagnostics: Option<DiagnosticsRef>) -> serde_json::Value {
    json!({
        "device": device.enrolment,
        "code": DeviceCode::of(&device.enrolment).to_string(),
        "label": device.label,
        "status": device.status,
        "revoked_at": device.revoked_at,
        "readmitted_at": device.readmitted_at,
        "token": device.token,
        "enrolled_at": device.enrolled_at,
        "last_seen": device.last_seen,
        "report_key": device.identity.kid,
        "key": key(device),
        "diagnostics": diagnostics,
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
        Some(at) => match device.readmitted_at {
            Some(_) => format!("revoked {}, may enrol", table::time(at)),
            None => format!("revoked {}", table::time(at)),
        },
        None => device.status.clone(),
    }
}
