//! Processes that are asked to end before they are made to, with all that they started.

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Command;
use std::time::Duration;
use vitalsign_e2e::{Child, wait_for};

/// Time limit for a process to end on request.
const GRACE: Duration = Duration::from_secs(5);

/// A process of ours. When this goes, it and its children are gone.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        Ok(Self(Child::start(command)?))
    }

    /// Starts it and reads what it says until a line begins with `word`: that line.
    ///
    /// # Errors
    /// When it ends before.
    pub fn start_until(command: &mut Command, word: &str) -> Result<(Self, String)> {
        let (child, mut lines) = Child::start_until(command, word)?;
        Ok((Self(child), lines.pop().unwrap_or_default()))
    }

    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn runs(&mut self) -> bool {
        self.0.runs()
    }

    /// Kills it: no warning, no clean-up.
    pub fn kill(&mut self) {
        self.0.kill();
    }

    /// Stops it without its knowledge, until [`Self::resume`].
    pub fn pause(&self) {
        signal(self.id(), Signal::STOP);
    }

    pub fn resume(&self) {
        signal(self.id(), Signal::CONT);
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it does not.
    pub fn until_ended(&mut self) -> Result<()> {
        wait_for("a process to end", crate::LIMIT, || Ok((!self.0.runs()).then_some(())))
    }

    /// Returns all descendants of the process.
    #[must_use]
    pub fn family(&self) -> Vec<Relative> {
        let everybody: Vec<Relative> = std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| Relative::read(entry.ok()?.file_name().to_str()?.parse().ok()?))
            .collect();
        let mut family: Vec<Relative> = Vec::new();
        let mut parents = vec![self.id()];
        while let Some(parent) = parents.pop() {
            for child in everybody.iter().filter(|it| it.parent == parent) {
                parents.push(child.id);
                family.push(child.clone());
            }
        }
        family
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let family = self.family();
        ask_to_end(self.id());
        // In vain is no failure of a test.
        let _ = wait_for("an end", GRACE, || Ok((!self.0.runs()).then_some(())));
        self.0.kill();
        for one in family {
            one.end();
        }
    }
}

/// Descendant process, identified by ID and start time, because IDs are reused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relative {
    pub id: u32,
    pub name: String,
    parent: u32,
    started: String,
}

impl Relative {
    fn read(id: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // proc_pid_stat(5): the name is in parentheses and may contain some.
        let (before, after) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after.split_whitespace().collect();
        if *fields.first()? == "Z" {
            return None;
        }
        let name = before.split_once('(')?.1.to_owned();
        Some(Self { id, name, parent: fields.get(1)?.parse().ok()?, started: (*fields.get(19)?).to_owned() })
    }

    #[must_use]
    pub fn runs(&self) -> bool {
        Self::read(self.id).is_some_and(|now| now.started == self.started)
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it does not.
    pub fn until_ended(&self) -> Result<()> {
        wait_for(&format!("{} to end", self.name), crate::LIMIT, || Ok((!self.runs()).then_some(())))
    }

    fn end(&self) {
        if self.runs() {
            ask_to_end(self.id);
        }
        let _ = wait_for("an end", GRACE, || Ok((!self.runs()).then_some(())));
        if self.runs() {
            signal(self.id, Signal::KILL);
        }
    }
}

fn ask_to_end(id: u32) {
    signal(id, Signal::TERM);
}

fn signal(id: u32, signal: Signal) {
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(id, signal);
    }
}
