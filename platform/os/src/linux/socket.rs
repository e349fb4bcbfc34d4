//! The local socket: a Unix socket, where the kernel says who the other side is (`SO_PEERCRED`, unix(7)).

use crate::Peer;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use std::fs::Permissions;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The user whose program is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerId(u32);

impl PeerId {
    /// Identifies the user with this user ID.
    #[must_use]
    pub fn of_user(uid: u32) -> Self {
        Self(uid)
    }

    #[must_use]
    pub fn uid(self) -> u32 {
        self.0
    }
}

#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens at `path`. Any local user may connect; the peer is checked for each request. Replaces the
    /// socket of a service that has ended, but not of one that answers.
    ///
    /// # Errors
    /// `AddrInUse` if another service runs.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match path.symlink_metadata() {
            Ok(there) if there.file_type().is_socket() => match UnixStream::connect(path) {
                Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
                Err(_) => std::fs::remove_file(path)?,
            },
            // Whatever else it is, it is not ours to remove.
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let socket = UnixListener::bind(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o666))?;
        Ok(Self { socket, path: path.to_owned() })
    }

    /// Waits for the next client, and asks the kernel who it is.
    ///
    /// # Errors
    /// As the system says; a client of whom the kernel does not tell is not let in.
    pub fn accept(&self) -> io::Result<(SocketStream, Peer)> {
        let stream = self.socket.accept()?.0;
        let uid = peer(&stream)?;
        let may_administer = uid == 0 || uid == geteuid().as_raw();
        Ok((SocketStream(stream), Peer { id: PeerId(uid), name: format!("uid {uid}"), may_administer }))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Left behind, it would be replaced at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Connects to the service and checks the peer: it must run as root, as this user, or as the owner of the
/// socket's folder, which must not be writable for others.
///
/// # Errors
/// `PermissionDenied` if the peer is another user.
pub fn connect(path: &Path) -> io::Result<SocketStream> {
    let stream = UnixStream::connect(path)?;
    let uid = peer(&stream)?;
    let folder = path.parent().unwrap_or(Path::new("/")).metadata()?;
    let owns_folder = uid == folder.uid() && folder.mode() & 0o022 == 0;
    if uid == 0 || uid == geteuid().as_raw() || owns_folder {
        Ok(SocketStream(stream))
    } else {
        let who = format!("the program that answers there runs as uid {uid}, which is not the service's");
        Err(io::Error::new(io::ErrorKind::PermissionDenied, who))
    }
}

fn peer(stream: &UnixStream) -> io::Result<u32> {
    Ok(socket_peercred(stream)?.uid.as_raw())
}

#[derive(Debug)]
pub struct SocketStream(UnixStream);

impl SocketStream {
    /// Duplicates the connection: one to read from, one to write to.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Sets the time limit for reads; `None` means no limit.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(timeout)
    }

    /// Sets the time limit for writes; `None` means no limit.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_write_timeout(timeout)
    }

    /// Closes the connection for every clone.
    pub fn close(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Both)
    }
}

impl Read for SocketStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for SocketStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_a_dead_services_socket_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let first = Listener::bind(&path).unwrap();
        assert_eq!(Listener::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);

        let mut client = connect(&path).unwrap();
        // The first connection is the look of the second `bind`.
        drop(first.accept().unwrap());
        let (mut service, peer) = first.accept().unwrap();
        assert!(peer.may_administer, "{peer:?}");
        client.write_all(b"ping").unwrap();
        let mut heard = [0; 4];
        service.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"ping");

        // A service that was killed leaves its socket behind.
        let left = folder.path().join("left.sock");
        drop(UnixListener::bind(&left).unwrap());
        assert!(left.exists());
        drop(Listener::bind(&left).unwrap());
        assert!(!left.exists());
    }

    #[test]
    fn a_file_in_the_way_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        std::fs::write(&path, "other content").unwrap();
        assert_eq!(Listener::bind(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"other content");
    }
}
