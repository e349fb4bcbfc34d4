//! Runs all benchmarks and prints each figure beside a limit that was measured in the same run on the same
//! machine.
//!
//! `vitalsign-bench AGENT VERIFIER APP REPORT.json IDLE_SECONDS`; `tests/bench/run.sh` builds what it needs.

mod agent;
mod app;
mod device;
mod event_log;
mod firewall;
mod fleet;
mod limit;
mod service;
mod stats;
mod step_up;
mod verifier;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// A line of the table.
struct Row {
    what: &'static str,
    /// Key in the report.
    key: &'static str,
    value: f64,
    unit: &'static str,
    /// Limit, as text.
    limit: String,
    /// Whether the figure is within its limit.
    holds: bool,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        // This program again, held to one core.
        ["verifier", devices, reports] => verifier::measure(devices.parse()?, reports.parse()?),
        // For those who work on the verifier.
        ["reports", agent, verifier] => show(&verifier_rows(Path::new(agent), Path::new(verifier))?),
        // This program again, in a network namespace.
        ["firewall"] => firewall::inside(),
        // For those who work on the probes.
        ["posture"] => show(&posture_rows()?),
        // For those who work on the service.
        ["service", agent, verifier, idle] => {
            show(&service_rows(Path::new(agent), Path::new(verifier), idle.parse()?)?)
        }
        ["fleet", agent, verifier] => {
            show(&fleet_rows(step_up::measure(Path::new(agent), Path::new(verifier))?.logged_bytes)?)
        }
        // For those who work on the app.
        ["app", agent, verifier, app] => {
            show(&app_rows(Path::new(agent), Path::new(verifier), Path::new(app))?)
        }
        [agent, verifier, app, report, idle] => {
            run([Path::new(agent), Path::new(verifier), Path::new(app)], Path::new(report), idle.parse()?)
        }
        _ => anyhow::bail!("usage: vitalsign-bench AGENT VERIFIER APP REPORT.json IDLE_SECONDS"),
    }
}

fn run([agent, verifier, app]: [&Path; 3], report: &Path, idle_seconds: u64) -> Result<()> {
    let mut figures = Map::new();
    let mut rows = Vec::new();

    eprintln!("bench: signing evidence against a bare TPM2_Sign (software TPM)");
    let sign = agent::sign()?;
    let posture = posture_rows()?;
    eprintln!("bench: the verifier on one core, against openssl on the same core");
    let verifier_rows = verifier_rows(agent, verifier)?;
    eprintln!("bench: step-ups, with a finger on the simulated security key");
    let step_up = step_up::measure(agent, verifier)?;
    let app = app_rows(agent, verifier, app)?;
    let service = service_rows(agent, verifier, idle_seconds)?;

    let mut row = |what, key, value: f64, unit, limit: String, holds| {
        rows.push(Row { what, key, value, unit, limit, holds });
    };
    row("bare TPM2_Sign", "tpm_sign_ms", sign.bare_ms, "ms", "the hardware's own time".into(), true);
    row(
        "evidence: build and sign, beyond that",
        "sign_overhead_ms",
        sign.overhead_ms,
        "ms",
        "< 2".into(),
        sign.overhead_ms < 2.0,
    );
    row("security key: PIN and signature", "key_ms", step_up.key_ms, "ms", "the key's own time".into(), true);
    row(
        "step-up: request to prompt",
        "request_to_prompt_ms",
        step_up.request_to_prompt_ms,
        "ms",
        "< 150".into(),
        step_up.request_to_prompt_ms < 150.0,
    );
    row(
        "step-up: tap to approved, median of 40",
        "tap_to_token_ms",
        step_up.tap_to_token_ms,
        "ms",
        "< 30".into(),
        step_up.tap_to_token_ms < 30.0,
    );
    row(
        "  the slowest of 40 in a row",
        "slowest_tap_to_token_ms",
        step_up.slowest_tap_to_token_ms,
        "ms",
        "< 300".into(),
        step_up.slowest_tap_to_token_ms < 300.0,
    );
    row(
        "step-up: PIN and tap to token",
        "pin_to_token_ms",
        step_up.pin_to_token_ms,
        "ms",
        String::new(),
        true,
    );
    rows.extend(verifier_rows);
    rows.extend(fleet_rows(step_up.logged_bytes)?);
    rows.extend(service);
    rows.extend(posture);
    rows.extend(app);
    for Row { key, value, .. } in &rows {
        figures.insert((*key).to_owned(), json!(round(*value)));
    }
    show(&rows)?;
    if let Some(folder) = report.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let json = serde_json::to_string_pretty(&Value::Object(figures))?;
    std::fs::write(report, json + "\n").with_context(|| format!("writing {}", report.display()))?;
    println!("\nwritten to {}", PathBuf::from(report).display());
    Ok(())
}

fn verifier_rows(agent: &Path, verifier: &Path) -> Result<Vec<Row>> {
    let speed = verifier::compare(agent, verifier)?;
    let pairs = speed.p256_pairs_per_s;
    let row =
        |what, key, value: f64, limit: String, holds| Row { what, key, value, unit: "/s", limit, holds };
    let half = |value: f64| format!(">= 50 % of the pairs: {:.0} %", 100.0 * value / pairs);
    let flat = speed.reports_per_s_100k / speed.reports_per_s;
    let (verifies, reports, https, new, many) = (
        speed.p256_verifies_per_s,
        speed.reports_per_s,
        speed.https_reports_per_s,
        speed.new_facts_per_s,
        speed.reports_per_s_100k,
    );
    Ok(vec![
        row("openssl: P-256 verifies on a core", "p256_verifies_per_s", verifies, "the limit".into(), true),
        row("  pairs of verify and sign", "p256_pairs_per_s", pairs, "the limit".into(), true),
        row(
            "verifier: reports on a core",
            "verifier_reports_per_s_core",
            reports,
            half(reports),
            reports >= pairs / 2.0,
        ),
        row("  over HTTPS", "verifier_https_reports_per_s_core", https, half(https), https >= pairs / 2.0),
        row(
            "  with a fact never seen before",
            "verifier_new_facts_per_s_core",
            new,
            ">= 4000".into(),
            new >= 4000.0,
        ),
        row(
            "  with 100,000 devices enrolled",
            "verifier_reports_per_s_core_100k",
            many,
            format!(">= 95 % of 1,000: {:.0} %", flat * 100.0),
            flat >= 0.95,
        ),
    ])
}

/// `tap` is the bytes of one.
fn fleet_rows(tap: f64) -> Result<Vec<Row>> {
    eprintln!("bench: the disk that a fleet takes");
    let bytes = fleet::measure()?;
    let row = |what, key, value, unit| Row { what, key, value, unit, limit: String::new(), holds: true };
    let (reports, taps) = bytes.gigabytes(tap, 3000.0, 90.0);
    let total = reports + taps;
    Ok(vec![
        row("disk: a device", "stored_bytes_device", bytes.device, "bytes"),
        row("  a day of its heartbeats", "stored_bytes_heartbeats", bytes.heartbeats, "bytes"),
        row("  a change", "stored_bytes_change", bytes.change, "bytes"),
        row("  a tap, in the audit log", "logged_bytes_tap", tap, "bytes"),
        row("3,000 devices, 90 days: reports", "fleet_reports_gb", reports, "GB"),
        Row {
            limit: "< 10".into(),
            holds: total < 10.0,
            ..row("  with 40 taps a day", "fleet_gb", total, "GB")
        },
    ])
}

fn service_rows(agent: &Path, verifier: &Path, idle_seconds: u64) -> Result<Vec<Row>> {
    eprintln!("bench: the idle service, for {idle_seconds} s");
    let idle = service::idle(agent, verifier, idle_seconds)?;
    let binary_mb = stats::float(agent.metadata()?.len()) / 1e6;
    let row = |what, key, value, unit, limit: &str, holds| {
        let limit = limit.to_owned();
        Row { what, key, value, unit, limit, holds }
    };
    let (bytes, trips, commands) = (idle.evidence_bytes, idle.round_trips, idle.tpm_commands);
    Ok(vec![
        row("evidence without quote", "evidence_bytes", bytes, "bytes", "< 1229 (1.2 KiB)", bytes < 1228.8),
        row("requests a report", "round_trips_per_report", trips, "", "1", trips <= 1.0),
        row("TPM commands a report", "tpm_commands_per_report", commands, "", "1", commands <= 1.0),
        row(
            "service, idle: memory (PSS)",
            "service_idle_pss_mib",
            idle.pss_mib,
            "MiB",
            "< 10",
            idle.pss_mib < 10.0,
        ),
        row(
            "service, idle: CPU",
            "service_idle_cpu_percent",
            idle.cpu_percent,
            "%",
            "< 0.1",
            idle.cpu_percent < 0.1,
        ),
        row("service binary", "service_binary_mb", binary_mb, "MB", "< 6", binary_mb < 6.0),
    ])
}

fn posture_rows() -> Result<Vec<Row>> {
    eprintln!("bench: reading the posture of this machine, cold and warm");
    let collect = agent::collect()?;
    eprintln!("bench: the packet filter with rules that take long");
    let firewall = firewall::measure()?;
    eprintln!("bench: event logs of 4 MiB against a scan of as many bytes");
    let log = event_log::measure()?;
    let row = |what, key, value, unit, limit: &str, holds| {
        let limit = limit.to_owned();
        Row { what, key, value, unit, limit, holds }
    };
    let ratio = log.worst_ms / log.scan_ms;
    let mut rows = vec![
        row("posture, warm", "collect_warm_ms", collect.warm_ms, "ms", "< 10", collect.warm_ms < 10.0),
        row("posture, cold", "collect_cold_ms", collect.cold_ms, "ms", "< 60", collect.cold_ms < 60.0),
        row("a scan of 4 MiB", "log_scan_ms", log.scan_ms, "ms", "the limit", true),
        row("event log of 4 MiB: parse, replay", "event_log_ms", log.worst_ms, "ms", "", true),
        row("  in scans", "event_log_scans", ratio, "", "< 12", ratio < 12.0),
    ];
    if let Some(cost) = firewall {
        rows.push(row("firewall without rules", "firewall_empty_ms", cost.empty_ms, "ms", "", true));
        // The probe's deadline is 5 s.
        let holds = cost.worst_ms < 1000.0;
        rows.push(row("firewall, worst rules", "firewall_worst_ms", cost.worst_ms, "ms", "< 1000", holds));
    }
    Ok(rows)
}

fn app_rows(agent: &Path, verifier: &Path, app: &Path) -> Result<Vec<Row>> {
    eprintln!("bench: the app on a private display: first window, step-ups, idle");
    let measured = app::measure(agent, verifier, app)?;
    let binary_mb = stats::float(app.metadata()?.len()) / 1e6;
    let pages_kb = app::pages_kb(&app::pages())?;
    let row = |what, key, value, unit, limit: f64| {
        let holds = value < limit;
        let limit = if limit.is_finite() { format!("< {limit}") } else { String::new() };
        Row { what, key, value, unit, limit, holds }
    };
    let none = f64::INFINITY;
    Ok(vec![
        row("app, cold: words in its window", "app_first_words_ms", measured.first_words_ms, "ms", none),
        row("app, cold: first paint of its page", "app_first_page_ms", measured.first_page_ms, "ms", 1500.0),
        row(
            "app: tap asked to prompt readable",
            "app_prompt_words_ms",
            measured.prompt_words_ms,
            "ms",
            300.0,
        ),
        row(
            "app: request to prompt readable",
            "app_request_to_prompt_ms",
            measured.request_words_ms,
            "ms",
            none,
        ),
        row("app: tap asked to its page", "app_prompt_page_ms", measured.prompt_page_ms, "ms", none),
        row("app, no window: memory (PSS)", "app_idle_pss_mib", measured.idle_pss_mib, "MiB", 90.0),
        row("app, no window: CPU", "app_idle_cpu_percent", measured.idle_cpu_percent, "%", 0.05),
        row("app binary", "app_binary_mb", binary_mb, "MB", 8.0),
        row("app's pages, gzipped", "app_pages_kb", pages_kb, "kB", 30.0),
    ])
}

fn show(rows: &[Row]) -> Result<()> {
    println!("\n{:<40} {:>12} {:<6} {:<28}", "measured", "value", "", "limit");
    println!("{}", "-".repeat(92));
    for Row { what, value, unit, limit, holds, .. } in rows {
        let mark = if *holds { "" } else { "  NOT HELD" };
        println!("{what:<40} {:>12} {unit:<6} {limit:<28}{mark}", shown(*value));
    }
    Ok(())
}

fn shown(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
