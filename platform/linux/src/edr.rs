//! Endpoint detection and anti-malware products: which are installed, which run, and which say that they protect.
//! Running is not protecting, and what a product has no documented way to say stays unsupported.

mod answers;
mod files;
mod processes;
pub mod products;

use crate::run::{Commands, RunError};
use crate::updates::apt;
use crate::{Root, date};
use processes::Processes;
use products::{PRODUCTS, Product};
use std::time::{Duration, SystemTime};
use vitalsign_platform_api::Probe;
use vitalsign_protocol::fact::{Fact, MAX_TEXT, Reason};
use vitalsign_protocol::posture::{EdrMode, EdrProduct};

/// Time limit for one answer of a product.
const DEADLINE: Duration = Duration::from_secs(5);

/// Returns the probe of the submodule `edr`.
#[must_use]
pub fn probes(root: &Root) -> Vec<Probe> {
    let root = root.clone();
    let read = move || read(&root, &Commands::of(&root), date::seconds(SystemTime::now()));
    vec![Probe::new("edr.products", Duration::from_secs(20), read, |posture, seen| {
        posture.edr.products = seen.into()
    })]
}

/// Every product found.
///
/// # Errors
/// When the processes cannot be listed.
pub fn read(root: &Root, commands: &Commands, now: u64) -> Result<Vec<EdrProduct>, Reason> {
    let processes = Processes::read(root)?;
    let found = |product: &'static Product| {
        let pids = processes.of(root, product);
        let installed = product.markers.iter().any(|marker| root.exists(marker));
        (installed || !pids.is_empty()).then_some((product, !pids.is_empty()))
    };
    let found: Vec<_> = PRODUCTS.iter().filter_map(found).collect();
    // One product's slow answer is not to delay another's.
    Ok(std::thread::scope(|scope| {
        let ask = |(product, runs)| {
            let complete = processes.complete;
            scope.spawn(move || describe(&ProductQuery { root, commands, now, runs }, product, complete))
        };
        let asked: Vec<_> =
            found.into_iter().map(|(product, runs)| (product, ask((product, runs)))).collect();
        let unreadable =
            |product: &Product| EdrProduct { id: product.id.to_owned(), ..EdrProduct::default() };
        asked
            .into_iter()
            .map(|(product, thread)| thread.join().unwrap_or_else(|_| unreadable(product)))
            .collect()
    }))
}

/// Processes of every product that runs: when one ends, something has changed.
#[must_use]
pub fn running_pids(root: &Root) -> Vec<i32> {
    let Ok(processes) = Processes::read(root) else { return Vec::new() };
    let mut pids: Vec<_> = PRODUCTS.iter().flat_map(|product| processes.of(root, product)).collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// Context for querying a product.
struct ProductQuery<'a> {
    root: &'a Root,
    commands: &'a Commands,
    now: u64,
    runs: bool,
}

impl ProductQuery<'_> {
    /// Runs a program and returns its output; `name` identifies a recording of it.
    fn output(&self, name: &str, program: &str, args: &[&str]) -> Result<String, Reason> {
        self.commands.output(name, program, args, DEADLINE)?.success()
    }
}

/// Answer of a product about itself.
struct ProductAnswer {
    version: Fact<String>,
    protecting: Fact<bool>,
    mode: Fact<EdrMode>,
    signatures: Fact<u64>,
    tamper: Fact<bool>,
}

impl ProductAnswer {
    /// Nothing: the product has no documented way to say it.
    const NOTHING: Self = Self {
        version: Fact::Unsupported,
        protecting: Fact::Unsupported,
        mode: Fact::Unsupported,
        signatures: Fact::Unsupported,
        tamper: Fact::Unsupported,
    };

    /// It would say whether it protects, but could not be asked.
    fn unreadable(reason: Reason) -> Self {
        Self { protecting: Fact::Unreadable(reason), mode: Fact::Unreadable(reason), ..Self::NOTHING }
    }
}

fn describe(ask: &ProductQuery<'_>, product: &Product, complete: bool) -> EdrProduct {
    let said = (product.ask)(ask);
    let running = match (ask.runs, complete) {
        (true, _) => Fact::Known(true),
        (false, true) => Fact::Known(false),
        (false, false) => Fact::Unreadable(Reason::Denied),
    };
    let stopped = running == Fact::Known(false);
    EdrProduct {
        id: product.id.to_owned(),
        version: match said.version {
            Fact::Known(version) if !version.is_empty() && version.len() <= MAX_TEXT => Fact::Known(version),
            said => package_version(ask, product).map_or(said, Fact::Known),
        },
        running,
        protecting: if stopped { Fact::Known(false) } else { said.protecting },
        mode: if stopped { Fact::Unsupported } else { said.mode },
        signatures_updated: said.signatures,
        tamper_protection: said.tamper,
    }
}

/// The version of the product's package.
fn package_version(ask: &ProductQuery<'_>, product: &Product) -> Option<String> {
    if product.packages.is_empty() {
        return None;
    }
    if let Ok(Some(version)) = apt::version_of(ask.root, product.packages) {
        return Some(version);
    }
    let mut args = vec!["-q", "--qf", "%{VERSION}-%{RELEASE}\\n"];
    args.extend(product.packages);
    // It fails when one of several names is not installed, and still answers for the others.
    let output = match ask.commands.output(&format!("rpm-{}", product.id), "/usr/bin/rpm", &args, DEADLINE) {
        Err(RunError::Missing) => return None,
        output => output.ok()?,
    };
    let version = output.text.lines().find(|line| !line.contains(' ') && !line.is_empty());
    version.filter(|version| version.len() <= MAX_TEXT).map(str::to_owned)
}
