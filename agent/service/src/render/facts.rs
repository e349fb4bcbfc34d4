//! A posture as a table: what was seen, what this system does not have, and what could not be read and why. No
//! judgement: that is the verifier's.

use super::style::{Paint, Style};
use super::table::{Cell, paragraph, rows};
use super::{plain, when};
use std::fmt::Display;
use vitalsign_platform_api::collect::Timing;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::{
    Agent, Boot, Disk, Edr, EdrProduct, Firewall, Key, Lock, Os, PortRange, Posture, Volume,
};

/// Row of the table of facts.
struct Row {
    name: String,
    seen: Fact<String>,
}

/// The table, with a line at its end that counts the three states.
pub(crate) fn posture(posture: &Posture, style: Style, now: u64) -> String {
    let groups = groups(posture, now);
    let mut out = String::new();
    let (mut known, mut unsupported, mut unreadable) = (0, 0, 0);
    for (title, facts) in &groups {
        out.push_str(&style.paint(Paint::Bold, title));
        out.push('\n');
        let mut lines = Vec::new();
        for Row { name, seen } in facts {
            let cell = match seen {
                Fact::Known(text) => {
                    known += 1;
                    Cell::new(Paint::Plain, plain(text))
                }
                Fact::Unsupported => {
                    unsupported += 1;
                    Cell::new(Paint::Dim, "– not on this system")
                }
                Fact::Unreadable(reason) => {
                    unreadable += 1;
                    Cell::new(Paint::Attention, format!("? {}", unread(*reason)))
                }
            };
            lines.push(vec![Cell::new(Paint::Dim, plain(name)), cell]);
        }
        out.push_str(&rows(style, &[28], &lines));
        out.push('\n');
    }
    let all: usize = known + unsupported + unreadable;
    let sum = format!(
        "{all} facts: {known} read, {unsupported} not on this system, {unreadable} could not be read."
    );
    out.push_str(&paragraph(&sum, style));
    out.push('\n');
    out
}

/// Formats how long each probe took, the slowest first.
pub(crate) fn timings(timings: &[Timing], style: Style) -> String {
    let mut sorted: Vec<_> = timings.iter().collect();
    sorted.sort_by_key(|timing| std::cmp::Reverse(timing.took.unwrap_or(std::time::Duration::MAX)));
    let line = |timing: &&Timing| {
        let took = match timing.took {
            Some(took) => Cell::new(Paint::Plain, format!("{:>8.1} ms", took.as_secs_f64() * 1000.0)),
            None => Cell::new(Paint::Attention, "? no answer in time"),
        };
        vec![Cell::new(Paint::Dim, timing.name), took]
    };
    let lines: Vec<_> = sorted.iter().map(line).collect();
    format!("{}\n{}", style.paint(Paint::Bold, "Time taken"), rows(style, &[28], &lines))
}

fn unread(reason: Reason) -> String {
    match reason {
        Reason::Failed => "could not be read".to_owned(),
        other => format!("could not be read: {other}"),
    }
}

/// Groups the facts for people. Each group names every field of its record without `..`, so that a new fact does not
/// compile until it has a row.
fn groups(posture: &Posture, now: u64) -> Vec<(&'static str, Vec<Row>)> {
    let Posture { os, disk, edr, firewall, lock, boot, key, agent } = posture;
    vec![
        ("Operating system", os_rows(os, now)),
        ("Disk encryption", volumes(disk)),
        ("Endpoint protection", products(edr, now)),
        ("Firewall", firewall_rows(firewall)),
        ("Screen lock", lock_rows(lock)),
        ("Boot", boot_rows(boot)),
        ("Report key", key_rows(key)),
        ("Agent", agent_rows(agent)),
    ]
}

fn os_rows(os: &Os, now: u64) -> Vec<Row> {
    let Os {
        name,
        version,
        build,
        kernel,
        kernel_installed,
        arch,
        security_updates,
        security_updates_since,
        security_updates_held,
        updates_source,
        updates_checked,
        reboot_required,
        last_update,
        automatic_updates,
        support_ends,
    } = os;
    vec![
        row("Product", joined(&[text(name), text(version), text(build)])),
        row("Kernel", text(kernel)),
        row("Newest kernel installed", text(kernel_installed)),
        row("Architecture", text(arch)),
        row("Security updates waiting", text(security_updates)),
        row("Longest waiting since", time(security_updates_since, now)),
        row("Held or pinned", text(security_updates_held)),
        row("Updates known from", text(updates_source)),
        row("Lists last refreshed", time(updates_checked, now)),
        row("Restart needed", yes_no(reboot_required)),
        row("Last update installed", time(last_update, now)),
        row("Automatic updates", on_off(automatic_updates)),
        row("Supported until", support_ends.clone().map(when::date)),
    ]
}

fn firewall_rows(firewall: &Firewall) -> Vec<Row> {
    let Firewall {
        inbound_blocked,
        engine,
        manager,
        profiles,
        open_tcp,
        open_tcp_count,
        open_udp,
        open_udp_count,
        published_tcp,
        published_udp,
    } = firewall;
    vec![
        row("Unsolicited connections", says(inbound_blocked, "refused", "let in")),
        row("Engine", text(engine)),
        row("Managed by", text(manager)),
        row("Inbound chains or profiles", text(profiles)),
        row("Open TCP ports", ports(open_tcp, Some(open_tcp_count))),
        row("Open UDP ports", ports(open_udp, Some(open_udp_count))),
        row("Published TCP ports", ports(published_tcp, None)),
        row("Published UDP ports", ports(published_udp, None)),
    ]
}

fn lock_rows(lock: &Lock) -> Vec<Row> {
    let Lock { automatic, idle_seconds, grace_seconds, source } = lock;
    vec![
        row("Locks by itself", yes_no(automatic)),
        row("After", idle_seconds.clone().map(when::span)),
        row("Password asked after", grace_seconds.clone().map(when::span)),
        row("Set by", source.clone().map(|source| source.to_string())),
    ]
}

fn boot_rows(boot: &Boot) -> Vec<Row> {
    let Boot {
        secure_boot,
        setup_mode,
        lockdown,
        measured_boot,
        event_log,
        hypervisor,
        test_signing,
        integrity_protection,
    } = boot;
    vec![
        row("Secure Boot", on_off(secure_boot)),
        row("Firmware in setup mode", yes_no(setup_mode)),
        row("Kernel lockdown", text(lockdown)),
        row("Measured into a TPM", yes_no(measured_boot)),
        row("Event log", yes_no(event_log)),
        row("Virtual machine", text(hypervisor)),
        row("Unsigned drivers accepted", yes_no(test_signing)),
        row("System integrity protection", on_off(integrity_protection)),
    ]
}

fn key_rows(key: &Key) -> Vec<Row> {
    let Key { storage, manufacturer, firmware, model } = key;
    vec![
        row("Lives in", text(storage)),
        row("TPM maker", manufacturer.clone().map(|maker| maker.trim().to_owned())),
        row("TPM firmware", text(firmware)),
        row("TPM model", text(model)),
    ]
}

fn agent_rows(agent: &Agent) -> Vec<Row> {
    let Agent { version, digest } = agent;
    vec![row("Version", text(version)), row("SHA-256 of the program", text(digest))]
}

/// Formats ranges of ports like `3 (22, 5900-5901)`.
fn ports(ranges: &Fact<Vec<PortRange>>, count: Option<&Fact<u64>>) -> Fact<String> {
    ranges.clone().map(|ranges| {
        let range = |PortRange { first, last }: &PortRange| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        let listed = ranges.iter().map(range).collect::<Vec<_>>().join(", ");
        match count.and_then(Fact::known) {
            _ if ranges.is_empty() => "none".to_owned(),
            Some(count) => format!("{count} ({listed})"),
            None => listed,
        }
    })
}

fn volumes(disk: &Disk) -> Vec<Row> {
    match &disk.volumes {
        Fact::Known(volumes) if volumes.is_empty() => vec![row("Volumes", Fact::Known("none".to_owned()))],
        Fact::Known(volumes) => volumes.iter().map(volume).collect(),
        other => vec![row("Volumes", other.clone().map(|_| String::new()))],
    }
}

fn volume(volume: &Volume) -> Row {
    let Volume { role, encrypted, method, protector, suspended } = volume;
    let encrypted = encrypted.clone().map(|encrypted| {
        let mut words = vec![if encrypted { "encrypted" } else { "not encrypted" }.to_owned()];
        words.extend(method.known().filter(|method| *method != "none").cloned());
        words.extend(protector.known().map(|protector| format!("key from {}", protector.as_str())));
        if suspended.known() == Some(&true) {
            words.push("suspended or not finished".to_owned());
        }
        words.join(" · ")
    });
    let (first, rest) = role.as_str().split_at(1);
    row(format!("{}{rest}", first.to_uppercase()), encrypted)
}

fn products(edr: &Edr, now: u64) -> Vec<Row> {
    match &edr.products {
        Fact::Known(products) if products.is_empty() => {
            vec![row("Products", Fact::Known("none found".to_owned()))]
        }
        Fact::Known(products) => products.iter().map(|it| product(it, now)).collect(),
        other => vec![row("Products", other.clone().map(|_| String::new()))],
    }
}

fn product(product: &EdrProduct, now: u64) -> Row {
    let EdrProduct { id, version, running, protecting, mode, signatures_updated, tamper_protection } =
        product;
    let state = |fact: &Fact<bool>, yes: &str, no: &str, unknown: &str| match fact {
        Fact::Known(true) => yes.to_owned(),
        Fact::Known(false) => no.to_owned(),
        Fact::Unsupported => String::new(),
        Fact::Unreadable(reason) => format!("{unknown}? ({reason})"),
    };
    let mut words = vec![
        version.known().cloned().unwrap_or_default(),
        state(running, "running", "not running", "running"),
        state(protecting, "protecting", "not protecting", "protecting"),
    ];
    words.extend(mode.known().map(|mode| format!("mode {}", mode.as_str())));
    words.extend(
        (signatures_updated.known()).map(|at| format!("signatures from {}", when::relative(*at, now))),
    );
    words.push(state(tamper_protection, "tamper protection on", "tamper protection off", ""));
    words.retain(|word| !word.is_empty() && !word.starts_with('?'));
    row(id.clone(), Fact::Known(words.join(" · ")))
}

fn row(name: impl Into<String>, seen: Fact<String>) -> Row {
    Row { name: name.into(), seen }
}

fn text<T: Display>(fact: &Fact<T>) -> Fact<String> {
    match fact {
        Fact::Known(value) => Fact::Known(value.to_string()),
        Fact::Unsupported => Fact::Unsupported,
        Fact::Unreadable(reason) => Fact::Unreadable(*reason),
    }
}

/// Several facts that are read as one: the known ones, or the first when none is.
fn joined(facts: &[Fact<String>]) -> Fact<String> {
    let known: Vec<_> = facts.iter().filter_map(|fact| fact.known().cloned()).collect();
    match facts.first() {
        Some(first) if known.is_empty() => first.clone(),
        _ => Fact::Known(known.join(" ")),
    }
}

fn says(fact: &Fact<bool>, yes: &str, no: &str) -> Fact<String> {
    fact.clone().map(|it| if it { yes } else { no }.to_owned())
}

fn yes_no(fact: &Fact<bool>) -> Fact<String> {
    says(fact, "yes", "no")
}

fn on_off(fact: &Fact<bool>) -> Fact<String> {
    says(fact, "on", "off")
}

fn time(fact: &Fact<u64>, now: u64) -> Fact<String> {
    fact.clone().map(|at| format!("{} ({})", when::moment(at), when::relative(at, now)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use vitalsign_protocol::posture::{EdrMode, KeyStorage, Protector, VolumeRole};

    const NOW: u64 = 1_795_317_300;
    const STYLE: Style = Style { colour: false, width: 100 };

    fn workstation() -> Posture {
        let known = |text: &str| Fact::Known(text.to_owned());
        let volume = |role, encrypted, method| Volume {
            role,
            encrypted,
            method: known(method),
            protector: Fact::Known(Protector::Tpm),
            suspended: Fact::Known(false),
        };
        Posture {
            os: Os {
                name: known("debian"),
                version: known("12"),
                build: Fact::Unsupported,
                kernel: known("6.1.0-18-amd64"),
                kernel_installed: known("6.1.0-20-amd64"),
                arch: known("x86_64"),
                security_updates: Fact::Known(3),
                security_updates_since: Fact::Known(NOW - 21 * 86_400),
                security_updates_held: Fact::Known(1),
                updates_source: known("apt"),
                updates_checked: Fact::Known(NOW - 7200),
                reboot_required: Fact::Known(true),
                last_update: Fact::Known(NOW - 86_400 * 9),
                automatic_updates: Fact::Known(false),
                support_ends: Fact::Unsupported,
            },
            disk: Disk {
                volumes: Fact::Known(vec![
                    volume(VolumeRole::System, Fact::Known(true), "luks2"),
                    volume(VolumeRole::Swap, Fact::Known(false), "none"),
                    volume(VolumeRole::Data, Fact::Unreadable(Reason::Denied), "luks2"),
                ]),
            },
            edr: Edr {
                products: Fact::Known(vec![EdrProduct {
                    id: "clamav\u{1b}[31m".to_owned(),
                    version: known("1.0.7"),
                    running: Fact::Known(true),
                    protecting: Fact::Unreadable(Reason::TimedOut),
                    mode: Fact::Known(EdrMode::Passive),
                    signatures_updated: Fact::Known(NOW - 3 * 86_400),
                    tamper_protection: Fact::Unsupported,
                }]),
            },
            boot: Boot { secure_boot: Fact::Known(true), hypervisor: Fact::Unsupported, ..Boot::default() },
            key: Key { storage: Fact::Known(KeyStorage::Tpm), manufacturer: known("IFX "), ..Key::default() },
            ..Posture::default()
        }
    }

    #[test]
    fn a_workstation() {
        let shown = posture(&workstation(), STYLE, NOW);
        assert!(shown.lines().all(|line| line.chars().count() <= STYLE.width));
        insta::assert_snapshot!(shown);
        for width in [60, 80, 140] {
            let shown = posture(&workstation(), Style { width, ..STYLE }, NOW);
            assert!(shown.lines().all(|line| line.chars().count() <= width), "{width}:\n{shown}");
            insta::assert_snapshot!(format!("facts-{width}"), shown);
        }
    }

    #[test]
    fn renders_unread_facts_as_unknown() {
        let shown = posture(&Posture::default(), STYLE, NOW);
        assert!(shown.contains(" facts: 0 read, 0 not on this system, "), "{shown}");
    }

    #[test]
    fn times_taken() {
        let timings = super::timings(
            &[
                Timing { name: "os.release", took: Some(Duration::from_micros(350)) },
                Timing { name: "os.updates", took: Some(Duration::from_millis(1234)) },
                Timing { name: "edr.falcon", took: None },
            ],
            STYLE,
        );
        insta::assert_snapshot!(timings);
    }
}
