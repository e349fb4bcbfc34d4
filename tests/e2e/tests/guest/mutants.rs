//! Probes that are broken on purpose: patches in `tests/vm/mutants`, each of which names the rows that have to catch it, and the
//! outcome that it brings there. `tests/vm/mutants.sh` builds the programs with a set of patches and runs the guest with them.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time for which an outcome has to stay wrong after a report that was asked for. That has read everything but the screen lock
/// of a session, which looks every ten seconds whether an idle daemon was started.
const REPORTED_LIMIT: Duration = Duration::from_secs(15);
/// The same where no report is asked for. The agent lets a change wait for 30 s if there were many of its kind.
const UNNOTICED_LIMIT: Duration = Duration::from_secs(40);

/// One patch.
struct Mutant {
    name: String,
    patch: PathBuf,
    rows: Vec<Catch>,
}

/// A row that has to catch a mutant.
pub(crate) struct Catch {
    row: String,
    /// Outcome of the row with the mutant.
    pub(crate) outcome: String,
    /// The change is not noticed, and a report that is asked for would be right.
    pub(crate) unnoticed: bool,
}

impl Catch {
    /// `Row: row -> outcome` or `Unnoticed: row -> outcome`.
    fn parse(line: &str) -> Option<Result<Self>> {
        let (kind, rest) = line.split_once(": ").filter(|(kind, _)| ["Row", "Unnoticed"].contains(kind))?;
        let parts = rest.split_once(" -> ").with_context(|| line.to_owned());
        let unnoticed = kind == "Unnoticed";
        Some(parts.map(|(row, outcome)| Self { row: row.to_owned(), outcome: outcome.to_owned(), unnoticed }))
    }

    /// Time for which the outcome has to stay wrong.
    pub(crate) fn limit(&self) -> Duration {
        if self.unnoticed { UNNOTICED_LIMIT } else { REPORTED_LIMIT }
    }
}

/// Mutants that are built together.
pub(crate) struct Mutants(Vec<Mutant>);

impl Mutants {
    /// Those of the programs under test, which are none without the variable.
    pub(crate) fn under_test() -> Result<Self> {
        match std::env::var_os("VITALSIGN_MUTANTS") {
            Some(set) => Self::read(&top().join(set)),
            None => Ok(Self(Vec::new())),
        }
    }

    fn read(set: &Path) -> Result<Self> {
        let mut mutants = Vec::new();
        for entry in std::fs::read_dir(set).with_context(|| set.display().to_string())? {
            let patch = entry?.path();
            let text = std::fs::read_to_string(&patch)?;
            let name = patch.file_stem().and_then(|name| name.to_str()).context("no name")?.to_owned();
            let rows: Vec<_> = text.lines().filter_map(Catch::parse).collect::<Result<_>>()?;
            ensure!(!rows.is_empty(), "{name} names no row");
            mutants.push(Mutant { name, patch, rows });
        }
        mutants.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self(mutants))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the mutant that a row has to catch.
    pub(crate) fn of_row(&self, row: &str) -> Option<(&str, &Catch)> {
        self.0.iter().find_map(|mutant| {
            mutant.rows.iter().find(|it| it.row == row).map(|catch| (&*mutant.name, catch))
        })
    }
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every set, with its folder.
fn sets() -> Result<Vec<(PathBuf, Mutants)>> {
    let mut sets = Vec::new();
    for entry in std::fs::read_dir(top().join("tests/vm/mutants"))? {
        let folder = entry?.path();
        let set = Mutants::read(&folder)?;
        sets.push((folder, set));
    }
    Ok(sets)
}

/// Rows of the tables, and those beside them.
fn rows() -> Vec<&'static str> {
    use super::cases::{CASES, CUT_OFF, POWER_CUT, RESTART, STEP_UP, UNPROTECTED};
    let tables = CASES.iter().chain(UNPROTECTED).map(|case| case.name);
    tables.chain([RESTART, STEP_UP, CUT_OFF.name, POWER_CUT]).collect()
}

#[test]
fn every_row_has_a_mutant() -> Result<()> {
    let (rows, sets) = (rows(), sets()?);
    for row in &rows {
        ensure!(rows.iter().filter(|other| *other == row).count() == 1, "two rows are called {row}");
        ensure!(sets.iter().any(|(_, set)| set.of_row(row).is_some()), "no mutant has to be caught by {row}");
    }
    for (folder, Mutants(set)) in &sets {
        let mut named: Vec<_> = set.iter().flat_map(|mutant| &mutant.rows).map(|catch| &catch.row).collect();
        for row in &named {
            ensure!(rows.contains(&row.as_str()), "{}: there is no row {row}", folder.display());
        }
        let count = named.len();
        named.sort();
        named.dedup();
        // Which of two a row has caught could not be told.
        ensure!(named.len() == count, "{}: two mutants name the same row", folder.display());
    }
    Ok(())
}

#[test]
fn every_mutant_applies() -> Result<()> {
    for (_, Mutants(set)) in sets()? {
        let tree = tempfile::tempdir()?;
        for Mutant { patch, .. } in set {
            let text = std::fs::read_to_string(&patch)?;
            for file in text.lines().filter_map(|line| line.strip_prefix("--- a/")) {
                let copy = tree.path().join(file);
                std::fs::create_dir_all(copy.parent().context("no folder")?)?;
                if !copy.exists() {
                    std::fs::copy(top().join(file), copy).with_context(|| file.to_owned())?;
                }
            }
            let mut apply = std::process::Command::new("patch");
            apply.args([
                "--strip=1",
                "--fuzz=0",
                "--batch",
                "--no-backup-if-mismatch",
                "--reject-file=-",
                "--input",
            ]);
            super::guest::run(apply.arg(&patch).arg("--directory").arg(tree.path()))?;
        }
    }
    Ok(())
}
