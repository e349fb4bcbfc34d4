//! Runs a program with a deadline, capped output, no input and the C locale, and kills its whole process group when it
//! ends or is late.

use crate::trust::trusted;
use crate::{MAX_OUTPUT, Question, RawOutput, RunError};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Search path of programs that run as root.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs `program` with this process's environment and hands on its output as it comes, until `take` returns false.
/// Returns the exit status; none when a signal ended it.
///
/// # Errors
/// See [`RunError`]; `TooMuch` when `take` returned false.
pub fn run(
    program: &str,
    args: &[&str],
    deadline: Duration,
    take: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<Option<i32>, RunError> {
    let mut command = Command::new(program);
    command.args(args).env_remove("LANGUAGE");
    supervise(command, Instant::now() + deadline, take)
}

/// Runs the program of a question as this user, with a clean environment: a search path, and the C locale. Only a program
/// that only root can change is run.
///
/// # Errors
/// See [`RunError`].
pub fn answer(question: Question) -> Result<RawOutput, RunError> {
    let found = question.programs().iter().map(|program| trusted(Path::new("/"), Path::new(program)));
    let program =
        found.into_iter().find(|found| *found != Err(RunError::Missing)).ok_or(RunError::Missing)??;
    let mut command = Command::new(program);
    command.args(question.args()).env_clear().env("PATH", PATH).current_dir("/");
    let mut bytes = Vec::new();
    let status = supervise(command, Instant::now() + question.deadline(), &mut |chunk| {
        bytes.extend_from_slice(chunk);
        bytes.len() <= MAX_OUTPUT
    })?;
    Ok(RawOutput { status: status.and_then(|status| u8::try_from(status).ok()), bytes })
}

fn supervise(
    mut command: Command,
    deadline: Instant,
    take: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<Option<i32>, RunError> {
    command.env("LC_ALL", "C").process_group(0);
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

    fn output(program: &str, args: &[&str], deadline: Duration) -> Result<(Option<i32>, String), RunError> {
        let mut bytes = Vec::new();
        let status = run(program, args, deadline, &mut |chunk| {
            bytes.extend_from_slice(chunk);
            bytes.len() <= MAX_OUTPUT
        })?;
        Ok((status, String::from_utf8(bytes).unwrap()))
    }

    fn sh(script: &str, deadline: Duration) -> Result<(Option<i32>, String), RunError> {
        output("/bin/sh", &["-c", script], deadline)
    }

    #[test]
    fn a_program_answers() {
        assert_eq!(sh("echo hello; exit 3", LONG), Ok((Some(3), "hello\n".into())));
        assert_eq!(sh("printf %s \"$LC_ALL\"; cat", LONG), Ok((Some(0), "C".into())));
        assert_eq!(sh("kill -9 $$", LONG), Ok((None, String::new())));
        assert_eq!(sh("echo 1; exec >&-; echo 2 >/dev/null", LONG).unwrap().1, "1\n");
    }

    #[test]
    fn a_program_that_is_not_there_or_not_ours() {
        let run = |program| output(program, &[], LONG);
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
        let pid = output.1.lines().nth(1).unwrap().to_owned();
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
