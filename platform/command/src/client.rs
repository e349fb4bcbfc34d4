//! Asks the helper. The helper is trusted because of who it is: its socket and the socket's folder belong to root, and
//! the kernel says that root listens there. Another local user cannot answer in its place.

use crate::frame::{self, AnswerFrame};
use crate::{Question, RunError, Surroundings};
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_peercred};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Returns the socket of the helper in the surroundings that a question needs. The units in `installers/linux` have the
/// same paths.
#[must_use]
pub fn socket(question: Question) -> &'static Path {
    Path::new(match question.surroundings() {
        Surroundings::Apart => "/run/vitalsign-helper/socket",
        Surroundings::Network => "/run/vitalsign-helper/network",
    })
}

/// Time for the helper to start and to end, in addition to the program's.
const MARGIN: Duration = Duration::from_secs(2);
const WRITABLE_FOR_OTHERS: u32 = 0o022;

/// Asks the helper at `socket`. Returns `None` if there is no helper.
#[must_use]
pub fn ask(socket: &Path, question: Question) -> Option<AnswerFrame> {
    let deadline = Instant::now() + question.deadline() + MARGIN;
    match exchange(socket, question, deadline) {
        Ok(answer) => Some(answer),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        // A socket without a listener is left over.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => None,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Some(Err(RunError::Denied)),
        Err(error) => Some(Err(error.into())),
    }
}

fn exchange(socket: &Path, question: Question, deadline: Instant) -> io::Result<AnswerFrame> {
    let mut stream = connect_to_root(socket, deadline)?;
    stream.write_all(&frame::request(question))?;
    frame::read_answer(&mut Until { stream, deadline })
}

/// Connects, and checks that only root can listen there.
fn connect_to_root(path: &Path, deadline: Instant) -> io::Result<UnixStream> {
    let denied = || io::Error::from(ErrorKind::PermissionDenied);
    let folder = path.parent().ok_or_else(denied)?.symlink_metadata()?;
    if !folder.is_dir() || folder.uid() != 0 || folder.mode() & WRITABLE_FOR_OTHERS != 0 {
        return Err(denied());
    }
    let found = path.symlink_metadata()?;
    if !found.file_type().is_socket() || found.uid() != 0 {
        return Err(denied());
    }
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    // Also limits how long `connect` waits when too many clients are waiting.
    set_socket_timeout(&socket, Timeout::Send, Some(left))?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    // The user that called listen(2): the service manager, for a socket that starts the helper.
    if !socket_peercred(&socket)?.uid.is_root() {
        return Err(denied());
    }
    Ok(socket.into())
}

/// A stream that is read until a deadline, however slowly bytes arrive.
struct Until {
    stream: UnixStream,
    deadline: Instant,
}

impl Read for Until {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::Uid;
    use rustix::thread::set_thread_res_uid;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::net::UnixListener;

    const REASON: &str = "the tests run as root";
    const OTHER: u32 = 65534;
    const QUESTION: Question = Question::Falcon;

    /// A folder of root's with a socket at which `answer` is sent to each client.
    fn answering(answer: &'static [u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        serve(UnixListener::bind(folder.path().join("socket")).unwrap(), answer);
        folder
    }

    fn serve(listener: UnixListener, answer: &'static [u8]) {
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; frame::REQUEST_BYTES];
                if stream.read_exact(&mut request).is_ok() {
                    assert_eq!(frame::read_request(request), Some(QUESTION));
                    let _ = stream.write_all(answer);
                }
            }
        });
    }

    fn asked(folder: &tempfile::TempDir) -> Option<AnswerFrame> {
        ask(&folder.path().join("socket"), QUESTION)
    }

    const AID: &[u8] = b"VA\x01\x00\x00\x00\x00\x00\x00\x00\x00\x03aid";

    #[test]
    fn takes_the_answer_of_root() {
        let bytes = b"aid".to_vec();
        assert_eq!(asked(&answering(AID)), Some(Ok(crate::RawOutput { status: Some(0), bytes })));
        assert_eq!(asked(&answering(b"VA\x01\x03\0\0\0\0\0\0\0\0")), Some(Err(RunError::Denied)));
        assert_eq!(asked(&answering(&AID[..14])), Some(Err(RunError::Failed)));
        assert_eq!(asked(&answering(b"")), Some(Err(RunError::Failed)));
    }

    #[test]
    fn has_no_answer_without_a_helper() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(asked(&folder), None);
        drop(UnixListener::bind(folder.path().join("socket")).unwrap());
        assert_eq!(asked(&folder), None, "nothing listens at a socket that was left over");
    }

    #[test]
    fn trusts_only_a_socket_of_root() {
        let denied = Some(Err(RunError::Denied));
        let folder = answering(AID);
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(asked(&folder), denied, "others can replace the socket");

        let folder = answering(AID);
        chown(folder.path(), Some(OTHER), None).expect(REASON);
        assert_eq!(asked(&folder), denied, "another user owns the folder");

        let folder = answering(AID);
        chown(folder.path().join("socket"), Some(OTHER), None).expect(REASON);
        assert_eq!(asked(&folder), denied, "another user owns the socket");

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("socket"), AID).unwrap();
        assert_eq!(asked(&folder), denied, "a file is not a socket");
    }

    /// All else looks as if root listened there: only the kernel knows better.
    #[test]
    fn trusts_only_root_as_listener() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        chown(folder.path(), Some(OTHER), None).expect(REASON);
        let path = socket.clone();
        let listening = std::thread::spawn(move || {
            let uid = Uid::from_raw(OTHER);
            set_thread_res_uid(uid, uid, uid).expect(REASON);
            UnixListener::bind(path).unwrap()
        });
        serve(listening.join().unwrap(), AID);
        chown(folder.path(), Some(0), None).expect(REASON);
        chown(&socket, Some(0), None).expect(REASON);
        assert_eq!(asked(&folder), Some(Err(RunError::Denied)));
    }
}
