//! The terminal of the person who started this program.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// Between one look at whether to go on and the next.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// A terminal gives no longer line than this.
const LINE: usize = 4096;

/// A terminal that lines are read from.
#[derive(Debug)]
pub struct Terminal(File);

impl Terminal {
    /// Opens the controlling terminal, whatever standard input and output are.
    ///
    /// # Errors
    /// The program has no controlling terminal.
    pub fn open() -> io::Result<Self> {
        Self::at(Path::new("/dev/tty"))
    }

    /// Opens the terminal at this path.
    ///
    /// # Errors
    /// The path is not a terminal.
    pub fn at(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        tcgetattr(&file)?;
        Ok(Self(file))
    }

    /// A line, without its end; none once `go_on` says so. A secret one is not shown while it is typed.
    ///
    /// # Errors
    /// When the terminal has gone, or its person has ended the input.
    pub fn read_line(
        &mut self,
        secret: bool,
        mut go_on: impl FnMut() -> bool,
    ) -> io::Result<Option<Zeroizing<String>>> {
        let _unseen = if secret { Some(EchoOff::of(&self.0)?) } else { None };
        let look = POLL_INTERVAL.try_into().map_err(io::Error::other)?;
        while go_on() {
            let mut ready = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut ready, Some(&look)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            let mut bytes = Zeroizing::new([0; LINE]);
            let read = (&self.0).read(&mut *bytes)?;
            let Some(line) = bytes.get(..read).filter(|line| !line.is_empty()) else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            let line = std::str::from_utf8(line).map_err(io::Error::other)?;
            return Ok(Some(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned())));
        }
        Ok(None)
    }
}

/// Disables the terminal's echo until it is dropped.
struct EchoOff<'a> {
    file: &'a File,
    before: Termios,
}

impl<'a> EchoOff<'a> {
    fn of(file: &'a File) -> io::Result<Self> {
        let before = tcgetattr(file)?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        unseen.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON);
        // What was typed before the question was no answer to it.
        tcsetattr(file, OptionalActions::Flush, &unseen)?;
        Ok(Self { file, before })
    }
}

impl Drop for EchoOff<'_> {
    fn drop(&mut self) {
        // Half a secret is not to become the begin of a line that is shown.
        let _ = tcflush(self.file, QueueSelector::IFlush);
        let _ = tcsetattr(self.file, OptionalActions::Now, &self.before);
    }
}
