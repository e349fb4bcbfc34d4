//! A posture as a table: what was seen, what this system does not have, and what could not be read and why. No
//! judgement: that is the verifier's.

use super::style::{Paint, Style};
use super::table::{Cell, rows};
use super::{plain, when};
use std::fmt::Display;
use vitalsign_platform_api::collect::Timing;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::{Disk, Edr, EdrProduct, Posture, Volume};

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
    out.push_str(&format!(
        "{all} facts: {known} read, {unsupported} not on this system, {unreadable} could not be read.\n"
    ));
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

fn groups(posture: &Posture, now: u64) -> Vec<(&'static str, Vec<Row>)> {
    let Posture { os, disk, edr, firewall, lock, boot, key, agent } = posture;
    vec![
        (
            "Operating system",
            vec![
                row("Product", joined(&[text(&os.name), text(&os.version), text(&os.build)])),
                row("Kernel", text(&os.kernel)),
                row("Newest kernel installed", text(&os.kernel_installed)),
                row("Architecture", text(&os.arch)),
                row("Security updates waiting", text(&os.security_updates)),
                row("Longest waiting since", time(&os.security_updates_since, now)),
                row("Updates known from", text(&os.updates_source)),
                row("Lists last refreshed", time(&os.updates_checked, now)),
                row("Restart needed", yes_no(&os.reboot_required)),
                row("Last update installed", time(&os.last_update, now)),
                row("Automatic updates", on_off(&os.automatic_updates)),
                row("Supported until", os.support_ends.clone().map(when::date)),
            ],
        ),
        ("Disk encryption", volumes(disk)),
        ("Endpoint protection", products(edr, now)),
        (
            "Firewall",
            vec![
                row("Unsolicited connections", says(&firewall.inbound_blocked, "refused", "let in")),
                row("Engine", text(&firewall.engine)),
                row("Managed by", text(&firewall.manager)),
                row("Inbound chains or profiles", text(&firewall.profiles)),
            ],
        ),
        (
            "Screen lock",
            vec![
                row("Locks by itself", yes_no(&lock.automatic)),
                row("After", lock.idle_seconds.clone().map(when::span)),
                row("Password asked after", lock.grace_seconds.clone().map(when::span)),
            ],
        ),
        (
            "Boot",
            vec![
                row("Secure Boot", on_off(&boot.secure_boot)),
                row("Firmware in setup mode", yes_no(&boot.setup_mode)),
                row("Kernel lockdown", text(&boot.lockdown)),
                row("Measured into a TPM", yes_no(&boot.measured_boot)),
                row("Event log", yes_no(&boot.event_log)),
                row("Virtual machine", text(&boot.hypervisor)),
                row("Unsigned drivers accepted", yes_no(&boot.test_signing)),
                row("System integrity protection", on_off(&boot.integrity_protection)),
            ],
        ),
        (
            "Report key",
            vec![
                row("Lives in", text(&key.storage)),
                row("TPM maker", key.manufacturer.clone().map(|maker| maker.trim().to_owned())),
                row("TPM firmware", text(&key.firmware)),
                row("TPM model", text(&key.model)),
            ],
        ),
        (
            "Agent",
            vec![row("Version", text(&agent.version)), row("SHA-256 of the program", text(&agent.digest))],
        ),
    ]
}

fn volumes(disk: &Disk) -> Vec<Row> {
    match &disk.volumes {
        Fact::Known(volumes) if volumes.is_empty() => vec![row("Volumes", Fact::Known("none".to_owned()))],
        Fact::Known(volumes) => volumes.iter().map(volume).collect(),
        other => vec![row("Volumes", other.clone().map(|_| String::new()))],
    }
}

fn volume(volume: &Volume) -> Row {
    let encrypted = volume.encrypted.clone().map(|encrypted| {
        let mut words = vec![if encrypted { "encrypted" } else { "not encrypted" }.to_owned()];
        words.extend(volume.method.known().filter(|method| *method != "none").cloned());
        words.extend(volume.protector.known().map(|protector| format!("key from {}", protector.as_str())));
        if volume.suspended.known() == Some(&true) {
            words.push("suspended or not finished".to_owned());
        }
        words.join(" · ")
    });
    let role = volume.role.as_str();
    let (first, rest) = role.split_at(1);
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
    let state = |fact: &Fact<bool>, yes: &str, no: &str, unknown: &str| match fact {
        Fact::Known(true) => yes.to_owned(),
        Fact::Known(false) => no.to_owned(),
        Fact::Unsupported => String::new(),
        Fact::Unreadable(reason) => format!("{unknown}? ({reason})"),
    };
    let mut words = vec![
        product.version.known().cloned().unwrap_or_default(),
        state(&product.running, "running", "not running", "running"),
        state(&product.protecting, "protecting", "not protecting", "protecting"),
    ];
    words.extend(product.mode.known().map(|mode| format!("mode {}", mode.as_str())));
    words.extend(
        (product.signatures_updated.known())
            .map(|at| format!("signatures from {}", when::relative(*at, now))),
    );
    words.push(state(&product.tamper_protection, "tamper protection on", "tamper protection off", ""));
    words.retain(|word| !word.is_empty() && !word.starts_with('?'));
    row(product.id.clone(), Fact::Known(words.join(" · ")))
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
    use vitalsign_protocol::posture::{Boot, EdrMode, Key, KeyStorage, Os, Protector, VolumeRole};

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
    }

    #[test]
    fn renders_unread_facts_as_unknown() {
        let shown = posture(&Posture::default(), STYLE, NOW);
        assert!(
            shown.ends_with("35 facts: 0 read, 0 not on this system, 35 could not be read.\n"),
            "{shown}"
        );
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
