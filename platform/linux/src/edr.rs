//! Endpoint detection and anti-malware products: which are installed, which run, and which say that they protect.
//! Running is not protecting, and what a product has no documented way to say stays unsupported.

mod answers;
mod clamav;
mod files;
mod processes;
pub mod products;
mod recent;

pub use recent::RecentAnswers;

use crate::run::{Commands, Output, RunError};
use crate::updates::apt;
use crate::{Root, date};
use processes::Processes;
use products::{PRODUCTS, Product};
use std::time::{Duration, SystemTime};
use vitalsign_command::Question;
use vitalsign_platform_api::Probe;
use vitalsign_protocol::fact::{Fact, MAX_TEXT, Reason};
use vitalsign_protocol::posture::{EdrMode, EdrProduct};

/// Time limit for one answer of a product.
const DEADLINE: Duration = Duration::from_secs(5);

/// Seconds by which the times of processes and files may differ: the clock may be set after the start.
const CLOCK_SLACK: u64 = 60;

/// Returns the probe of the submodule `edr`.
#[must_use]
pub fn probes(root: &Root) -> Vec<Probe> {
    let root = root.clone();
    static RECENT: RecentAnswers = RecentAnswers::new();
    let read = move || {
        let now = date::seconds(SystemTime::now());
        if root.is_live() {
            read_with(&root, &Commands::Live, now, &RECENT)
        } else {
            read(&root, &Commands::of(&root), now)
        }
    };
    vec![Probe::new("edr.products", Duration::from_secs(20), read, |posture, seen| {
        posture.edr.products = seen.into()
    })]
}

/// Every product found.
///
/// # Errors
/// When the processes cannot be listed.
pub fn read(root: &Root, commands: &Commands, now: u64) -> Result<Vec<EdrProduct>, Reason> {
    read_with(root, commands, now, &RecentAnswers::new())
}

/// Every product found; answers that are recent enough are used again.
///
/// # Errors
/// When the processes cannot be listed.
pub fn read_with(
    root: &Root,
    commands: &Commands,
    now: u64,
    recent: &RecentAnswers,
) -> Result<Vec<EdrProduct>, Reason> {
    let processes = Processes::read(root)?;
    let processes = &processes;
    let found = |product: &'static Product| {
        let pids = processes.of(root, product);
        let installed = product.markers.iter().any(|marker| root.exists(marker));
        (installed || !pids.is_empty()).then_some((product, pids))
    };
    let found: Vec<_> = PRODUCTS.iter().filter_map(found).collect();
    // One product's slow answer is not to delay another's.
    Ok(std::thread::scope(|scope| {
        let ask = |(product, pids): (&'static Product, Vec<i32>)| {
            let query = ProductQuery {
                root,
                commands,
                now,
                recent,
                runs: !pids.is_empty(),
                pids,
                processes,
                product,
            };
            (product, scope.spawn(move || describe(&query)))
        };
        let asked: Vec<_> = found.into_iter().map(ask).collect();
        let unreadable =
            |product: &Product| EdrProduct { id: product.id.to_owned(), ..EdrProduct::default() };
        asked
            .into_iter()
            .map(|(product, thread)| thread.join().unwrap_or_else(|_| unreadable(product)))
            .collect()
    }))
}

/// Processes that every product needs in order to protect: when one ends, something has changed.
#[must_use]
pub fn running_pids(root: &Root) -> Vec<i32> {
    let Ok(processes) = Processes::read(root) else { return Vec::new() };
    let mut pids = Vec::new();
    for product in PRODUCTS {
        pids.extend(processes.of(root, product));
        pids.extend(product.others.iter().flat_map(|name| processes.program(root, product, name)));
    }
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// Context for querying a product.
struct ProductQuery<'a> {
    root: &'a Root,
    commands: &'a Commands,
    now: u64,
    recent: &'a RecentAnswers,
    product: &'static Product,
    processes: &'a Processes,
    /// Processes of the product's main service.
    pids: Vec<i32>,
    runs: bool,
}

impl ProductQuery<'_> {
    /// Runs a program and returns what `parse` makes of its output, whatever its exit status: some products say with it
    /// that they are not well. `name` identifies a recording.
    fn answer<T>(
        &self,
        name: &str,
        program: &str,
        args: &[&str],
        parse: impl FnOnce(&str) -> Result<T, Reason>,
    ) -> Result<T, Reason> {
        Self::parsed(&self.commands.output(name, program, args, DEADLINE)?, parse)
    }

    /// As [`Self::answer`], for a tool that may answer root only.
    fn answer_to_root<T>(
        &self,
        question: Question,
        parse: impl FnOnce(&str) -> Result<T, Reason>,
    ) -> Result<T, Reason> {
        let ask = || self.commands.ask(question);
        Self::parsed(&self.recent.get(question, &self.pids, self.now, ask)?, parse)
    }

    fn parsed<T>(output: &Output, parse: impl FnOnce(&str) -> Result<T, Reason>) -> Result<T, Reason> {
        parse(&output.text).map_err(|reason| if output.status == Some(0) { reason } else { Reason::Failed })
    }

    /// Reads a state file that the product's main service wrote. Without a service, or if the file is older than it, what
    /// the file says is past. `max_age` is for files that the service writes regularly.
    fn state(&self, path: &str, max_age: Option<Duration>) -> Result<String, Reason> {
        let written = self.root.stamp(path)?.modified;
        let started = self.pids.iter().filter_map(|pid| processes::started(self.root, *pid)).min();
        let aged = |limit: Duration| self.now.abs_diff(written) > limit.as_secs();
        let before = |started: u64| written.saturating_add(CLOCK_SLACK) < started;
        let stale = !self.runs || started.is_some_and(before) || max_age.is_some_and(aged);
        if stale { Err(Reason::Stale) } else { Ok(self.root.text(path)?) }
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

fn describe(ask: &ProductQuery<'_>) -> EdrProduct {
    let product = ask.product;
    let said = (product.ask)(ask);
    let running = match (ask.runs, ask.processes.complete) {
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
