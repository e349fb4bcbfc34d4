//! Runs programs with a deadline, capped output, no input and the C locale, and kills the whole process group
//! when late. For a recorded tree, returns the answer recorded below `.commands/`.

use crate::Root;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use vitalsign_protocol::fact::Reason;

/// The most bytes that [`Commands::output`] takes from a program.
pub const MAX_OUTPUT: usize = 4 * 1024 * 1024;

/// Exit status and standard output of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit status; none when a signal ended it.
    pub status: Option<i32>,
    /// Standard output; invalid UTF-8 is replaced.
    pub text: String,
}

impl Output {
    /// The text of a program that ended well.
    ///
    /// # Errors
    /// [`Reason::Failed`] for any other exit status than zero.
    pub fn success(self) -> Result<String, Reason> {
        if self.status == Some(0) { Ok(self.text) } else { Err(Reason::Failed) }
    }
}

/// Reason why a program gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// There is no such program.
    #[error("there is no such program")]
    Missing,
    /// The system does not let this process run it.
    #[error("permission to run it was denied")]
    Denied,
    /// It did not end before the deadline, and was ended.
    #[error("it did not end in time")]
    TimedOut,
    /// It wrote more than is read.
    #[error("it wrote more than is read")]
    TooMuch,
    /// It could not be started or read.
    #[error("it could not be started or read")]
    Failed,
}

impl From<RunError> for Reason {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Missing | RunError::Failed => Self::Failed,
            RunError::Denied => Self::Denied,
            RunError::TimedOut => Self::TimedOut,
            RunError::TooMuch => Self::Malformed,
        }
    }
}

impl From<std::io::Error> for RunError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing,
            std::io::ErrorKind::PermissionDenied => Self::Denied,
            _ => Self::Failed,
        }
    }
}

impl From<rustix::io::Errno> for RunError {
    fn from(error: rustix::io::Errno) -> Self {
        std::io::Error::from(error).into()
    }
}

#[derive(Clone, Debug)]
pub enum Commands {
    Live,
    /// Nowhere: `<name>` in this folder holds what the program wrote, and `<name>.exit`, when it did not end with
    /// zero, its exit status or `timed-out` or `denied`.
    Recorded(PathBuf),
}

impl Commands {
    /// The commands of a root: live for the machine itself, else those recorded below `.commands/`.
    #[must_use]
    pub fn of(root: &Root) -> Self {
        if root.is_live() { Self::Live } else { Self::Recorded(root.path("/.commands")) }
    }

    /// Runs `program` (an absolute path) and takes its output. `name` is what a recording of it is called.
    pub fn output(
        &self,
        name: &str,
        program: &str,
        args: &[&str],
        deadline: Duration,
    ) -> Result<Output, RunError> {
        let mut bytes = Vec::new();
        let status = self.stream(name, program, args, deadline, &mut |chunk| {
            bytes.extend_from_slice(chunk);
            bytes.len() <= MAX_OUTPUT
        })?;
        Ok(Output { status, text: String::from_utf8_lossy(&bytes).into_owned() })
    }

    /// Runs `program` and hands on its output as it comes, until `take` says that it is enough. Answers the exit
    /// status.
    ///
    /// # Errors
    /// See [`RunError`]; `TooMuch` when `take` had enough.
    pub fn stream(
        &self,
        name: &str,
        program: &str,
        args: &[&str],
        deadline: Duration,
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<Option<i32>, RunError> {
        match self {
            Self::Live => live(program, args, Instant::now() + deadline, take),
            Self::Recorded(folder) => {
                let exit = std::fs::read_to_string(folder.join(format!("{name}.exit"))).unwrap_or_default();
                match exit.trim() {
                    "timed-out" => return Err(RunError::TimedOut),
                    "denied" => return Err(RunError::Denied),
                    _ => {}
                }
                if !take(&std::fs::read(folder.join(name))?) {
                    return Err(RunError::TooMuch);
                }
                Ok(Some(exit.trim().parse().unwrap_or(0)))
            }
        }
    }
}

fn live(
    program: &str,
    args: &[&str],
    deadline: Instant,
    take: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<Option<i32>, RunError> {
    let mut command = Command::new(program);
    command.args(args).env("LC_ALL", "C").env_remove("LANGUAGE").process_group(0);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut group = Group(child);
    let stdout = group.0.stdout.take().ok_or(RunError::Failed)?;
    group.read(stdout, deadline, take)?;
    // It may have closed its output before it ends.
    while !group.has_ended()? {
        if Instant::now() >= deadline {
            return Err(RunError::TimedOut);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    group.end()
}

/// A child with its process group: nothing of it outlives this value.
struct Group(Child);

impl Group {
    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.0.id()).ok().and_then(Pid::from_raw)
    }

    fn read(
        &mut self,
        mut stdout: ChildStdout,
        deadline: Instant,
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), RunError> {
        let mut chunk = [0; 16 * 1024];
        let mut ended = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RunError::TimedOut);
            }
            // A grandchild may keep the pipe open: after the child has exited, only data already in the pipe
            // counts.
            let wait = if ended { Duration::ZERO } else { left.min(Duration::from_millis(50)) };
            let timeout = rustix::event::Timespec::try_from(wait).map_err(|_| RunError::Failed)?;
            let ready = poll(&mut [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::IN)], Some(&timeout));
            match ready {
                Ok(0) if ended => return Ok(()),
                Ok(0) => ended = self.has_ended()?,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => match stdout.read(&mut chunk)? {
                    0 => return Ok(()),
                    n if take(chunk.get(..n).unwrap_or_default()) => {}
                    _ => return Err(RunError::TooMuch),
                },
            }
        }
    }

    /// Returns whether the child has exited; it stays a zombie, so that its ID is not reused yet.
    fn has_ended(&self) -> Result<bool, RunError> {
        let Some(pid) = self.pid() else { return Ok(true) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(rustix::process::waitid(WaitId::Pid(pid), options)?.is_some())
    }

    /// Kills the rest of the process group and returns the child's exit status.
    fn end(&mut self) -> Result<Option<i32>, RunError> {
        if let Some(pid) = self.pid() {
            // Fails if the group is already empty.
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
        Ok(self.0.wait()?.code())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            let _ = self.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn sh(script: &str, deadline: Duration) -> Result<Output, RunError> {
        Commands::Live.output("sh", "/bin/sh", &["-c", script], deadline)
    }

    #[test]
    fn a_program_answers() {
        assert_eq!(sh("echo hello; exit 3", LONG), Ok(Output { status: Some(3), text: "hello\n".into() }));
        assert_eq!(sh("printf %s \"$LC_ALL\"; cat", LONG), Ok(Output { status: Some(0), text: "C".into() }));
        assert_eq!(sh("kill -9 $$", LONG), Ok(Output { status: None, text: String::new() }));
        assert_eq!(sh("echo 1; exec >&-; echo 2 >/dev/null", LONG).unwrap().text, "1\n");
    }

    #[test]
    fn a_program_that_is_not_there_or_not_ours() {
        let run = |program| Commands::Live.output("x", program, &[], LONG);
        assert_eq!(run("/no/such/program"), Err(RunError::Missing));
        assert_eq!(run("/etc/passwd"), Err(RunError::Denied));
    }

    #[test]
    fn a_program_that_hangs_ends_with_all_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        let script = format!("sleep 1000 & echo $! $$ > {}; wait", pids.display());
        assert_eq!(sh(&script, Duration::from_millis(500)), Err(RunError::TimedOut));
        let pids = std::fs::read_to_string(pids).unwrap();
        assert_eq!(pids.split_ascii_whitespace().count(), 2);
        for pid in pids.split_ascii_whitespace() {
            gone(pid);
        }
    }

    #[test]
    fn a_daemon_that_keeps_the_pipe_is_not_waited_for() {
        let output = sh("echo started; sleep 1000 & echo $!", LONG).unwrap();
        let pid = output.text.lines().nth(1).unwrap().to_owned();
        gone(&pid);
    }

    #[test]
    fn output_without_end_is_cut() {
        assert_eq!(sh("exec yes", LONG), Err(RunError::TooMuch));
    }

    /// Waits until a process is gone, or is a zombie that its own parent has not taken yet.
    fn gone(pid: &str) {
        let until = Instant::now() + LONG;
        while let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            if stat.contains(") Z ") {
                return;
            }
            assert!(Instant::now() < until, "process {pid} outlived its command");
            std::thread::yield_now();
        }
    }
}
