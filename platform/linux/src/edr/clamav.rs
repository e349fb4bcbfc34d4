//! ClamAV: its daemon scans only what it is asked to. It protects when its on-access scanner (clamonacc) runs and may
//! block, for everybody's files. What it may do follows from several options of clamd.conf(5) together.

use super::{ProductAnswer, ProductQuery};
use crate::Root;
use std::io::Read;
use std::path::Path;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::EdrMode;

/// Configurations of distributions, in the order in which the scanner's build may know them.
const CONFIGS: [&str; 5] = [
    "/etc/clamav/clamd.conf",
    "/etc/clamd.d/scan.conf",
    "/etc/clamd.conf",
    "/usr/local/etc/clamav/clamd.conf",
    "/usr/local/etc/clamd.conf",
];
/// Users that the daemon runs as in distributions.
const DAEMON_USERS: [&str; 5] = ["clamav", "clamscan", "clamd", "vscan", "_clamav"];
/// First user ID of human accounts.
const FIRST_USER: u32 = 1000;

pub(super) fn clamav(ask: &ProductQuery<'_>) -> ProductAnswer {
    let root = ask.root;
    // `ClamAV 1.0.7/27400/Mon Sep 16 08:45:00 2026`
    let version = |text: &str| {
        let version = text.strip_prefix("ClamAV ").and_then(|rest| rest.split(['/', '\n']).next());
        version.map(str::to_owned).ok_or(Reason::Malformed)
    };
    let version = ask.answer("clamscan-version", "/usr/bin/clamscan", &["--version"], version).ok();
    let scanner = ask.processes.program(root, ask.product, "clamonacc").first().copied();
    let arguments = scanner.map(|pid| arguments(root, pid)).unwrap_or_default();
    let config = ClamdConfig::read(root, &arguments);
    let mode = match (&config, scanner) {
        (_, None) => Ok(EdrMode::Passive),
        (Ok(config), Some(_)) => on_access(root, config, &arguments),
        (Err(reason), Some(_)) => Err(*reason),
    };
    let databases = config.ok().and_then(|config| config.last("DatabaseDirectory").map(str::to_owned));
    ProductAnswer {
        version: Fact::or_unsupported(version),
        protecting: mode.map(|mode| mode == EdrMode::Active).into(),
        mode: mode.into(),
        signatures: signatures(root, databases.as_deref().unwrap_or("/var/lib/clamav")),
        tamper: Fact::Unsupported,
    }
}

/// Options of clamd.conf(5), in order.
struct ClamdConfig(Vec<(String, String)>);

impl ClamdConfig {
    /// Reads the configuration that the scanner was started with.
    fn read(root: &Root, arguments: &[String]) -> Result<Self, Reason> {
        let known = CONFIGS.into_iter().find(|path| root.exists(path));
        let path = argument(arguments, "--config-file", "-c").or(known).ok_or(Reason::Failed)?;
        let text = root.text(path)?;
        let option = |line: &str| {
            let (name, value) = line.split_once(char::is_whitespace)?;
            Some((name.to_owned(), value.trim().trim_matches('"').to_owned()))
        };
        Ok(Self(
            text.lines().map(str::trim).filter(|line| !line.starts_with('#')).filter_map(option).collect(),
        ))
    }

    fn all<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| &**value)
    }

    fn last(&self, name: &'static str) -> Option<&str> {
        self.all(name).last()
    }

    /// A switch; off if it is not set.
    fn on(&self, name: &'static str) -> Result<bool, Reason> {
        match self.last(name).map(str::to_ascii_lowercase).as_deref() {
            Some("yes" | "true" | "1") => Ok(true),
            Some("no" | "false" | "0") | None => Ok(false),
            Some(_) => Err(Reason::Malformed),
        }
    }
}

/// Mode of a running on-access scanner.
fn on_access(root: &Root, config: &ClamdConfig, arguments: &[String]) -> Result<EdrMode, Reason> {
    // It blocks nothing on any path as soon as it watches one mount.
    if !config.on("OnAccessPrevention")? || config.last("OnAccessMountPath").is_some() {
        return Ok(EdrMode::Passive);
    }
    // Without its directory tracking it sees the named folders' own files only, none below.
    let recursive = !config.on("OnAccessDisableDDD")?;
    let lists = |long: &str, short: &str| match argument(arguments, long, short) {
        Some(path) => root.text(path),
        None => Ok(String::new()),
    };
    let (watched, excluded) = (lists("--watch-list", "-W")?, lists("--exclude-list", "-e")?);
    let excluded: Vec<_> = excluded.lines().chain(config.all("OnAccessExcludePath")).map(Path::new).collect();
    let scans = |path: &str| {
        // It skips the root folder: only a mount can be watched so.
        path.starts_with('/')
            && path != "/"
            && !excluded.iter().any(|excluded| Path::new(path).starts_with(excluded))
    };
    let scans_any = watched.lines().chain(config.all("OnAccessIncludePath")).any(scans);
    let everybodys = !excludes_people(root, config)?;
    Ok(if recursive && scans_any && everybodys { EdrMode::Active } else { EdrMode::Reduced })
}

/// Returns whether people's accesses are allowed unseen. The daemon's own have to be, and administrators' may be.
fn excludes_people(root: &Root, config: &ClamdConfig) -> Result<bool, Reason> {
    let mut people = false;
    for id in config.all("OnAccessExcludeUID") {
        people |= id.parse::<u32>().map_err(|_| Reason::Malformed)? >= FIRST_USER;
    }
    let daemon = config.last("User");
    let accounts = root.text_if_there("/etc/passwd")?.unwrap_or_default();
    let id_of = |name: &str| {
        let mut fields = accounts.lines().map(|line| line.split(':'));
        fields.find_map(|mut line| {
            (line.next() == Some(name)).then(|| line.nth(1)?.parse::<u32>().ok()).flatten()
        })
    };
    people |= config.all("OnAccessExcludeUname").any(|name| {
        let known = name == "root" || Some(name) == daemon || DAEMON_USERS.contains(&name);
        !known && id_of(name).is_none_or(|id| id >= FIRST_USER)
    });
    Ok(people)
}

fn arguments(root: &Root, pid: i32) -> Vec<String> {
    let line = root.read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).trim().to_owned()).collect()
}

/// The value of an option: `--name=value`, `--name value` or `-n value`.
fn argument<'a>(arguments: &'a [String], long: &str, short: &str) -> Option<&'a str> {
    let joined = arguments.iter().find_map(|word| word.strip_prefix(long)?.strip_prefix('='));
    let apart = || {
        let at = arguments.iter().position(|word| word == long || word == short)?;
        arguments.get(at + 1).map(String::as_str)
    };
    joined.or_else(apart)
}

/// The newest daily database, or the newest of all: `ClamAV-VDB:day time:version:signatures:level:md5:signature:builder:
/// seconds`. The others change rarely.
fn signatures(root: &Root, folder: &str) -> Fact<u64> {
    let names = match root.names(folder) {
        Ok(names) => names,
        Err(error) => return Fact::Unreadable(Reason::from(error)),
    };
    let made = |name: &str| {
        let mut header = Vec::new();
        root.open(format!("{folder}/{name}")).ok()?.take(512).read_to_end(&mut header).ok()?;
        let header = String::from_utf8_lossy(&header).into_owned();
        header.strip_prefix("ClamAV-VDB:")?.split(':').nth(7)?.trim().parse::<u64>().ok()
    };
    let databases: Vec<_> =
        names.iter().filter(|name| name.ends_with(".cvd") || name.ends_with(".cld")).collect();
    let daily = databases.iter().any(|name| name.starts_with("daily."));
    let counts = databases.iter().filter(|name| !daily || name.starts_with("daily."));
    match counts.filter_map(|name| made(name)).max() {
        Some(made) => Fact::Known(made),
        None if databases.is_empty() => Fact::Unsupported,
        None => Fact::Unreadable(Reason::Malformed),
    }
}
