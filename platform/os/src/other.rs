//! Systems without support yet: functions of the standard library, and `Unsupported` for the rest.

use crate::Peer;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Runs another program in place of this one, and waits for its end.
///
/// # Errors
/// When that program cannot be run.
pub fn become_program(program: &mut Command) -> io::Result<ExitStatus> {
    program.status()
}

/// Time since the program started.
#[must_use]
pub fn elapsed() -> Duration {
    START.elapsed()
}

/// Creates a file that must not exist yet, to be written.
pub fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Makes a folder, with those above it.
pub fn private_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Not checked on this system.
///
/// # Errors
/// `Unsupported`.
pub fn is_private(_: &Path) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Does nothing: files inherit the folder's owner, or the system has no owners.
pub fn give_to_owner_of(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

/// Returns `false`, because this system has no check.
#[must_use]
pub fn is_ours(_: &Path) -> bool {
    false
}

/// Returns `None`: the folder's access control list, which its installer sets, keeps other users out.
///
/// # Errors
/// The file cannot be examined.
pub fn exposure(path: &Path, _or_ours: bool) -> io::Result<Option<String>> {
    path.metadata().map(|_| None)
}

/// Returns `false`, because this system has no check.
#[must_use]
pub fn is_readable_by_all(_: &Path) -> bool {
    false
}

/// Returns an empty string: this system's identifier is not read yet.
#[must_use]
pub fn machine_id() -> String {
    String::new()
}

/// Names in folders last by themselves, or there is no way to ask for it.
pub fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// There is no service manager to tell.
///
/// # Errors
/// `Unsupported`.
pub fn notify_manager(_: &OsStr, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing is given up.
///
/// # Errors
/// `Unsupported`.
pub fn limit_privileges() -> io::Result<String> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There is no other end yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerId(());

#[derive(Debug)]
pub enum Listener {}

impl Listener {
    /// Sockets are not supported on this system.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn bind(_: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Never called: there is no listener.
    pub fn accept(&self) -> io::Result<(SocketStream, Peer)> {
        match *self {}
    }
}

/// There is no service to connect to.
///
/// # Errors
/// `Unsupported`.
pub fn connect(_: &Path) -> io::Result<SocketStream> {
    Err(io::ErrorKind::Unsupported.into())
}

#[derive(Debug)]
pub enum SocketStream {}

impl SocketStream {
    pub fn try_clone(&self) -> io::Result<Self> {
        match *self {}
    }
    pub fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        match *self {}
    }
    pub fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        match *self {}
    }
    pub fn close(&self) -> io::Result<()> {
        match *self {}
    }
}

impl Read for SocketStream {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }
}

impl Write for SocketStream {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }
    fn flush(&mut self) -> io::Result<()> {
        match *self {}
    }
}

/// Terminals are not supported on this system.
#[derive(Debug)]
pub enum Terminal {}

impl Terminal {
    pub fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
    pub fn read_line(
        &mut self,
        _secret: bool,
        _go_on: impl FnMut() -> bool,
    ) -> io::Result<Option<zeroize::Zeroizing<String>>> {
        match *self {}
    }
}
