//! Child processes that end with their parent, and waiting for conditions.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A process of ours. It is killed when this goes.
#[derive(Debug)]
pub struct Child(std::process::Child);

impl Child {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).spawn();
        Ok(Self(child.with_context(|| format!("starting {}", command.get_program().to_string_lossy()))?))
    }

    /// Starts it with its standard output held, and reads that until a line begins with `word`: all lines until then.
    ///
    /// # Errors
    /// When it ends before.
    pub fn start_until(command: &mut Command, word: &str) -> Result<(Self, Vec<String>)> {
        let mut child = Self::start(command.stdout(Stdio::piped()))?;
        let output = child.0.stdout.take().context("no standard output")?;
        let mut lines = Vec::new();
        for line in BufReader::new(output).lines() {
            let line = line?;
            let found = line.starts_with(word);
            lines.push(line);
            if found {
                return Ok((child, lines));
            }
        }
        bail!("{} ended early: {lines:?}", command.get_program().to_string_lossy())
    }

    /// Starts it with its standard input and output held.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_talking(command: &mut Command) -> Result<(Self, ChildStdin, ChildStdout)> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let name = command.get_program().to_string_lossy();
        let mut child = Self(child.with_context(|| format!("starting {name}"))?);
        let input = child.0.stdin.take().context("no standard input")?;
        let output = child.0.stdout.take().context("no standard output")?;
        Ok((child, input, output))
    }

    /// Starts it with its standard output held, and its input as the command has it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_heard(command: &mut Command) -> Result<(Self, ChildStdout)> {
        let child = command.stdout(Stdio::piped()).spawn();
        let name = command.get_program().to_string_lossy();
        let mut child = Self(child.with_context(|| format!("starting {name}"))?);
        let output = child.0.stdout.take().context("no standard output")?;
        Ok((child, output))
    }

    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn runs(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Kills it: no warning, no clean-up.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until `look` sees something, at most `limit`.
///
/// # Errors
/// When it does not in that time.
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        if Instant::now() > end {
            bail!("waited {limit:?} in vain for {what}");
        }
        // Between two looks, not instead of one.
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the path of a program of this workspace, beside the running one.
///
/// # Errors
/// It has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let found = here.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built: run `cargo build --workspace --bins`"))
}
