//! `vitalsign-verifier device`: lists, labels, revokes and readmits enrolled devices.

use super::connection::VerifierConnection;
use super::diagnostics::{self, DiagnosticsArg};
use super::{csv_file, print_json, span, table};
use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::path::{Path, PathBuf};
use vitalsign_protocol::check;
use vitalsign_protocol::text::escape;
use vitalsign_verifier::admin_api::{
    Because, CheckDevice, DeviceLabel, DeviceLabels, DeviceQuery, DeviceRef, DeviceStatus, DeviceTarget,
    DeviceView, DiagnosticsView, Label, LabelDevices, ListDevices, ListDiagnostics, Nothing, ReadmitDevice,
    Reason, RevokeDevice, ShowDevice,
};
use vitalsign_verifier::clock::now;

const EXAMPLES: &str = "\
Examples:
  Which devices are not encrypted:
    vitalsign-verifier device list --check disk-encryption
  Which have not reported for a week:
    vitalsign-verifier device list --silent 7d
  The devices of a ward, and those that a token enrolled which became known to others:
    vitalsign-verifier device list --label \"Ward 3\"
    vitalsign-verifier device list --token 17
  The device that says the host name ward3-pc12:
    vitalsign-verifier device list --host-name ward3-pc12
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
        #[arg(long, value_parser = statuses())]
        status: Option<DeviceStatus>,
        /// Only devices that fail this check, such as disk-encryption
        #[arg(long)]
        check: Option<String>,
        /// Only devices that have not reported for this long, such as 7d
        #[arg(long, value_name = "DURATION", value_parser = span::seconds)]
        silent: Option<u64>,
        /// Only devices whose label contains this text, in any case
        #[arg(long)]
        label: Option<String>,
        /// Only devices that say a host name that contains this text, in any case
        #[arg(long, value_name = "TEXT")]
        host_name: Option<String>,
        /// Only devices that say an asset tag that contains this text, in any case
        #[arg(long, value_name = "TEXT")]
        asset_tag: Option<String>,
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
        #[arg(required_unless_present_any = ["clear", "file"], conflicts_with = "file")]
        label: Option<Label>,
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
        reason: Reason,
    },
    /// Revoke a device
    Revoke {
        /// Code or enrolment ID, as shown by `list`
        #[arg(allow_hyphen_values = true)]
        device: DeviceRef,
        /// Reason for the audit log
        #[arg(long, default_value = "")]
        reason: Reason,
    },
}

/// Parses a status.
fn statuses() -> impl TypedValueParser<Value = DeviceStatus> {
    let names = PossibleValuesParser::new(DeviceStatus::ALL.map(DeviceStatus::as_str));
    names.try_map(|name| DeviceStatus::ALL.into_iter().find(|it| it.as_str() == name).ok_or("no status"))
}

pub(crate) async fn run(connection: &VerifierConnection, command: Command) -> anyhow::Result<bool> {
    match command {
        Command::List { status, check, silent, label, host_name, asset_tag, token, json } => {
            let not_since = silent.map(|ago| now().saturating_sub(ago));
            let query =
                DeviceQuery { status, check, not_since, label, host_name, asset_tag, token, after: None };
            list(connection, query, json).await?;
        }
        Command::Show { device, json } => {
            let (verifier, target) = (connection.open()?, DeviceTarget { device });
            let device = verifier.call::<ShowDevice>(&target, &Nothing {}).await?;
            if json {
                print_json(&device)?;
            } else {
                show(&device, &verifier.call::<ListDiagnostics>(&target, &Nothing {}).await?);
            }
        }
        Command::Diagnostics { which, json } => diagnostics::show(connection, which, json).await?,
        Command::Check { device } => {
            let asked = connection.call::<CheckDevice>(&DeviceTarget { device }, &Nothing {}).await?;
            println!("Device {} is asked to report.", asked.device);
        }
        Command::Label { device, label, clear: _, file, dry_run } => {
            let labels = match (device, &file) {
                (_, Some(file)) => labels_in(file)?,
                (Some(device), None) => vec![DeviceLabel { device, label, line: None }],
                (None, None) => Vec::new(),
            };
            let labelled =
                connection.call::<LabelDevices>(&Nothing {}, &DeviceLabels { labels, dry_run }).await;
            let count = match file {
                Some(file) => labelled.with_context(|| file.display().to_string())?,
                None => labelled?,
            };
            if dry_run {
                println!("{} devices would be labelled. Nothing was written.", count.labels);
            } else {
                println!("{} of {} labels changed.", count.changed, count.labels);
            }
        }
        Command::Readmit { device, reason } => {
            let readmitted =
                connection.call::<ReadmitDevice>(&DeviceTarget { device }, &Because { reason }).await?;
            println!(
                "Device {} may enrol again, with a new token (enrol-token create) and, at the device: vitalsign enrol --again",
                readmitted.device
            );
        }
        Command::Revoke { device, reason } => {
            let revoked =
                connection.call::<RevokeDevice>(&DeviceTarget { device }, &Because { reason }).await?;
            println!("Device {} is revoked.", revoked.device);
        }
    }
    Ok(true)
}

/// Reads the labels of a file.
fn labels_in(file: &Path) -> anyhow::Result<Vec<DeviceLabel>> {
    let mut labels = Vec::new();
    for csv_file::CsvRow { line, values: [device, text] } in csv_file::read(file, ["device", "label"])? {
        let at = || format!("{}, line {line}", file.display());
        let device: DeviceRef = device.parse().map_err(anyhow::Error::msg).with_context(at)?;
        let label = match text.as_str() {
            "" => None,
            text => Some(text.parse().map_err(anyhow::Error::msg).with_context(at)?),
        };
        labels.push(DeviceLabel { device, label, line: Some(line) });
    }
    Ok(labels)
}

async fn list(connection: &VerifierConnection, mut query: DeviceQuery, json: bool) -> anyhow::Result<()> {
    let verifier = connection.open()?;
    let mut selected = Vec::new();
    let (enrolled, healthy) = loop {
        let page = verifier.call::<ListDevices>(&Nothing {}, &query).await?;
        selected.extend(page.devices);
        query.after = page.next;
        if page.next.is_none() {
            break (page.enrolled, page.healthy);
        }
    };
    if json {
        return print_json(&selected);
    }
    let row = |it: &DeviceView| {
        [
            it.code.clone(),
            it.label.clone().unwrap_or_default(),
            said(it.host_name.as_ref()),
            said(it.asset_tag.as_ref()),
            it.device.to_string(),
            it.key.clone(),
            table::time(it.last_seen),
            it.diagnostics.map(|it| it.to_string()).unwrap_or_default(),
            status(it),
            it.failed_checks().join(" "),
        ]
    };
    let rows: Vec<_> = selected.iter().map(row).collect();
    table::print(
        [
            "CODE",
            "LABEL",
            "HOST NAME*",
            "ASSET TAG*",
            "DEVICE",
            "KEY",
            "LAST REPORT",
            "DIAGNOSTICS",
            "STATUS",
            "FAILED CHECKS",
        ],
        &rows,
    );
    if selected.iter().any(|it| it.host_name.is_some() || it.asset_tag.is_some()) {
        eprintln!("* The device says so. Nothing proves it.");
    }
    let unhealthy = enrolled.saturating_sub(healthy);
    eprintln!("{} listed. {unhealthy} of {enrolled} enrolled devices are not healthy.", selected.len());
    Ok(())
}

fn show(device: &DeviceView, diagnostics: &[DiagnosticsView]) {
    let standing = &device.standing;
    println!("code         {}", device.code);
    if let Some(label) = &device.label {
        println!("label        {label}");
    }
    for (title, name) in [("host name", &device.host_name), ("asset tag", &device.asset_tag)] {
        if name.is_some() {
            println!("{title:<11}  {}, says the device", said(name.as_ref()));
        }
    }
    println!("device       {}", device.device);
    println!("status       {}", status(device));
    match device.token {
        Some(token) => println!("enrolled     {}, with token {token}", table::time(device.enrolled_at)),
        None => println!("enrolled     {}", table::time(device.enrolled_at)),
    }
    println!("last report  {}", table::time(device.last_seen));
    println!("report key   {} ({})", device.report_key, device.key);
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
    let failed = device.failed_checks();
    if failed.iter().any(|check| check::of(check).is_some()) {
        println!("\nWhat to do:");
    }
    for (check, it) in standing.checks.iter().filter(|(check, _)| failed.contains(&check.as_str())) {
        if let Some(text) = check::of(check) {
            println!("  {}: {}", text.title, check::remedy(check, &it.reason).text);
        }
    }
}

/// Returns a name that a device says, on one line, or nothing.
fn said(name: Option<&String>) -> String {
    name.map(|name| escape(name).replace('\n', " ")).unwrap_or_default()
}

fn status(device: &DeviceView) -> String {
    match device.revoked_at {
        Some(at) => match device.readmitted_at {
            Some(_) => format!("revoked {}, may enrol", table::time(at)),
            None => format!("revoked {}", table::time(at)),
        },
        None => device.status.clone(),
    }
}
