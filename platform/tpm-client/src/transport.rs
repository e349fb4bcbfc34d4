//! Carrying commands to a TPM and responses back, each within a deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};
use vitalsign_platform_api::KeyError;

/// The largest response that is read: what TPMs and the kernel allow.
pub(crate) const MAX_RESPONSE: usize = 4096;
const HEADER: usize = 10;

/// A way to a TPM. The seam for systems that have no file or socket for it.
pub trait Transport: Send {
    /// Sends a whole command and gives the whole response.
    ///
    /// # Errors
    /// `TimedOut` when there is no whole response at the deadline. After any error the transport is not used again.
    fn exchange(&mut self, command: &[u8], deadline: Duration) -> io::Result<Vec<u8>>;

    /// A resource manager keeps our objects apart from others' and flushes them when we go.
    fn managed(&self) -> bool;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    TpmDevice(PathBuf),
    /// swtpm's data channel over TCP: host and port.
    Tcp(String, u16),
    /// swtpm's data channel over a Unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = KeyError;

    /// `auto`, a device's path (`/dev/tpmrm0`), `swtpm:host=127.0.0.1,port=2321` or `swtpm:path=/run/swtpm.sock`.
    fn from_str(spec: &str) -> Result<Self, KeyError> {
        if spec == "auto" {
            return Self::found(Path::new("/dev"));
        }
        let Some(parts) = spec.strip_prefix("swtpm:") else {
            let path = spec.strip_prefix("device:").unwrap_or(spec);
            return match path.starts_with('/') {
                true => Ok(Self::TpmDevice(PathBuf::from(path))),
                false => Err(KeyError::Unavailable(format!(
                    "{spec:?} names no TPM: say auto, a device's path, or swtpm:host=…,port=… or swtpm:path=…"
                ))),
            };
        };
        let part = |name: &str| parts.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        if let Some(path) = part("path") {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let port = part("port").and_then(|port| port.parse().ok());
        let port = port.ok_or_else(|| KeyError::Unavailable(format!("{spec:?} has no port")))?;
        Ok(Self::Tcp(part("host").unwrap_or("127.0.0.1").to_owned(), port))
    }
}

impl Address {
    /// Finds the TPM of this machine: the kernel's resource manager, or else the plain device.
    fn found(devices: &Path) -> Result<Self, KeyError> {
        let all = ["tpmrm0", "tpm0"].map(|name| devices.join(name));
        let found = all.into_iter().find(|path| path.exists());
        found
            .map(Self::TpmDevice)
            .ok_or_else(|| KeyError::Unavailable("this machine has no TPM that is in use".into()))
    }

    pub(crate) fn connect(&self, deadline: Duration) -> io::Result<Box<dyn Transport>> {
        match self {
            Self::TpmDevice(path) => device::open(path),
            Self::Tcp(host, port) => {
                let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
                for address in (host.as_str(), *port).to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, deadline) {
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            return Ok(Box::new(stream));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            Self::Unix(path) => unix::open(path),
        }
    }
}

/// swtpm's data channel: bare commands and responses, one after the other.
trait TpmStream: Read + Write + Send {
    fn limit(&self, remaining: Duration) -> io::Result<()>;
}

impl TpmStream for TcpStream {
    fn limit(&self, remaining: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(remaining))?;
        self.set_write_timeout(Some(remaining))
    }
}

impl<S: TpmStream> Transport for S {
    fn exchange(&mut self, command: &[u8], deadline: Duration) -> io::Result<Vec<u8>> {
        let until = Instant::now() + deadline;
        self.limit(deadline)?;
        self.write_all(command).map_err(late)?;
        let mut response = vec![0; HEADER];
        read(self, &mut response, until)?;
        let size = match response.get(2..6).map(TryInto::try_into) {
            Some(Ok(size)) => usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX),
            _ => 0,
        };
        if !(HEADER..=MAX_RESPONSE).contains(&size) {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("a response claims {size} bytes")));
        }
        response.resize(size, 0);
        read(self, response.get_mut(HEADER..).unwrap_or_default(), until)?;
        Ok(response)
    }

    fn managed(&self) -> bool {
        false
    }
}

fn read(stream: &mut impl TpmStream, mut into: &mut [u8], until: Instant) -> io::Result<()> {
    while !into.is_empty() {
        let remaining = until.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.limit(remaining)?;
        match stream.read(into) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(got) => into = into.get_mut(got..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(late(error)),
        }
    }
    Ok(())
}

/// A socket's timeout goes by two names.
fn late(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

#[cfg(unix)]
mod unix {
    use super::{Duration, Path, TpmStream, Transport, io};
    use std::os::unix::net::UnixStream;

    pub(crate) fn open(path: &Path) -> io::Result<Box<dyn Transport>> {
        Ok(Box::new(UnixStream::connect(path)?))
    }

    impl TpmStream for UnixStream {
        fn limit(&self, remaining: Duration) -> io::Result<()> {
            self.set_read_timeout(Some(remaining))?;
            self.set_write_timeout(Some(remaining))
        }
    }
}

#[cfg(not(unix))]
mod unix {
    use super::{Path, Transport, io};

    pub(crate) fn open(_: &Path) -> io::Result<Box<dyn Transport>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(unix)]
mod device {
    use super::{Duration, ErrorKind, Instant, MAX_RESPONSE, Path, Read, Transport, Write, io};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::{Mode, OFlags};
    use std::fs::File;

    /// A device file: one write is one command, one read one response.
    pub(crate) struct TpmDevice {
        pub(super) file: File,
        pub(super) managed: bool,
    }

    pub(crate) fn open(path: &Path) -> io::Result<Box<dyn Transport>> {
        // Without O_NONBLOCK the kernel would keep us in write() until the TPM is done.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        let managed =
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("tpmrm"));
        Ok(Box::new(TpmDevice { file, managed }))
    }

    impl Transport for TpmDevice {
        fn exchange(&mut self, command: &[u8], deadline: Duration) -> io::Result<Vec<u8>> {
            let until = Instant::now() + deadline;
            if self.file.write(command)? != command.len() {
                return Err(ErrorKind::WriteZero.into());
            }
            let mut response = vec![0; MAX_RESPONSE];
            loop {
                let remaining = until.saturating_duration_since(Instant::now());
                if remaining.is_zero() {
                    return Err(ErrorKind::TimedOut.into());
                }
                let timeout = Timespec::try_from(remaining).map_err(io::Error::other)?;
                match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&timeout)) {
                    Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                    Ok(_) => {}
                    Err(error) => return Err(error.into()),
                }
                match self.file.read(&mut response) {
                    Ok(got) => {
                        response.truncate(got);
                        return Ok(response);
                    }
                    Err(error) if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => {
                    }
                    Err(error) => return Err(error),
                }
            }
        }

        fn managed(&self) -> bool {
            self.managed
        }
    }
}

#[cfg(not(unix))]
mod device {
    use super::{Path, Transport, io};

    pub(crate) fn open(_: &Path) -> io::Result<Box<dyn Transport>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (spec, address) in [
            ("/dev/tpm0", Some(Address::TpmDevice("/dev/tpm0".into()))),
            ("device:/dev/tpmrm0", Some(Address::TpmDevice("/dev/tpmrm0".into()))),
            ("swtpm:host=::1,port=7", Some(Address::Tcp("::1".into(), 7))),
            ("swtpm:port=7", Some(Address::Tcp("127.0.0.1".into(), 7))),
            ("swtpm:path=/run/s", Some(Address::Unix("/run/s".into()))),
            ("swtpm:port=70000", None),
            ("swtpm:", None),
            ("tpm", None),
            ("", None),
        ] {
            assert_eq!(spec.parse().ok(), address, "{spec}");
        }
    }

    #[test]
    fn the_resource_manager_is_preferred() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Address::found(folder.path()), Err(KeyError::Unavailable(_))));
        for name in ["tpm0", "tpmrm0"] {
            std::fs::write(folder.path().join(name), "").unwrap();
            assert_eq!(Address::found(folder.path()), Ok(Address::TpmDevice(folder.path().join(name))));
        }
    }

    /// Datagrams keep their borders as the device's reads and writes do.
    #[cfg(unix)]
    #[test]
    fn a_device_answers_whole_or_is_late() {
        use std::os::{fd::OwnedFd, unix::net::UnixDatagram};
        let (ours, tpm) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut device = device::TpmDevice { file: OwnedFd::from(ours).into(), managed: true };
        let answering = std::thread::spawn(move || {
            let mut command = [0; 64];
            let got = tpm.recv(&mut command).unwrap();
            tpm.send(&command[..got]).unwrap();
            tpm
        });
        assert_eq!(device.exchange(b"command", Duration::from_secs(30)).unwrap(), b"command");
        let _silent = answering.join().unwrap();
        let error = device.exchange(b"command", Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
