//! Runs programs for their answers. For a recorded tree, returns the answer recorded below `.commands/`.

use crate::Root;
use std::path::PathBuf;
use std::time::Duration;
use vitalsign_command::{MAX_OUTPUT, Question, RawOutput, client, run};
use vitalsign_protocol::fact::Reason;

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

impl From<vitalsign_command::RunError> for RunError {
    fn from(error: vitalsign_command::RunError) -> Self {
        use vitalsign_command::RunError as Error;
        match error {
            Error::Missing => Self::Missing,
            Error::Denied | Error::Untrusted => Self::Denied,
            Error::TimedOut => Self::TimedOut,
            Error::TooMuch => Self::TooMuch,
            Error::Failed => Self::Failed,
        }
    }
}

#[derive(Clone, Debug)]
pub enum Commands {
    Live,
    /// As [`Self::Live`] for other users than root, with the helper's socket at this path.
    Helped(PathBuf),
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

    /// Asks a question that root should ask: directly as root, else through the helper. Without a helper, asks directly
    /// if other users may get an answer.
    ///
    /// # Errors
    /// See [`RunError`]; `Denied` if only root may ask and there is no helper.
    pub fn ask(&self, question: Question) -> Result<Output, RunError> {
        let socket = match self {
            Self::Recorded(_) => return self.output(question.name(), "", &[], question.deadline()),
            Self::Live if rustix::process::geteuid().is_root() => return Ok(run::answer(question)?.into()),
            Self::Live => client::socket(question),
            Self::Helped(socket) => socket,
        };
        match client::ask(socket, question) {
            Some(answer) => Ok(answer?.into()),
            None if question.only_root() => Err(RunError::Denied),
            None => Ok(run::answer(question)?.into()),
        }
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
            Self::Live | Self::Helped(_) => Ok(run::run(program, args, deadline, take)?),
            Self::Recorded(folder) => {
                let exit = std::fs::read_to_string(folder.join(format!("{name}.exit"))).unwrap_or_default();
                match exit.trim() {
                    "timed-out" => return Err(RunError::TimedOut),
                    "denied" => return Err(RunError::Denied),
                    _ => {}
                }
                let bytes = std::fs::read(folder.join(name)).map_err(vitalsign_command::RunError::from)?;
                if !take(&bytes) {
                    return Err(RunError::TooMuch);
                }
                Ok(Some(exit.trim().parse().unwrap_or(0)))
            }
        }
    }
}

impl From<RawOutput> for Output {
    fn from(output: RawOutput) -> Self {
        Self {
            status: output.status.map(i32::from),
            text: String::from_utf8_lossy(&output.bytes).into_owned(),
        }
    }
}
