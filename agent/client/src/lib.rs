//! Sends requests to the running service over its socket; and what its client programs have in common.

pub mod program;
pub mod session_command;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vitalsign_ipc::{Answer, Hello, Inbox, Reply, Request, Status, encode};
use vitalsign_os::SocketStream;

/// Maximum time to wait for an answer.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to the service.
#[derive(Debug)]
pub struct ServiceClient {
    stream: SocketStream,
    inbox: Inbox<Reply>,
    /// Events that came while an answer was awaited.
    events: std::collections::VecDeque<Status>,
}

/// Sends requests on the connection of a [`ServiceClient`]. Dropping it ends the connection.
#[derive(Debug)]
pub struct RequestSender(SocketStream);

impl RequestSender {
    /// Sends a request without waiting for its answer.
    pub fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        self.0.write_all(&encode(request)?).map_err(failed)
    }
}

impl Drop for RequestSender {
    fn drop(&mut self) {
        // Fails if the connection has ended.
        let _ = self.0.close();
    }
}

/// Reason why the service did not answer a request.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No service listens at this socket.
    #[error("the Vitalsign service is not running: no listener at {0}")]
    NotRunning(PathBuf),
    /// The socket belongs to another user, or may not be opened by this one.
    #[error("{0} is not used: {1}")]
    Foreign(PathBuf, io::Error),
    /// The peer's message violates the protocol.
    #[error("the service: {0}")]
    Protocol(#[from] vitalsign_ipc::Error),
    /// The service has hung up.
    #[error("the service has ended the connection: it stops, or talks to too many")]
    Closed,
    /// No answer came in time.
    #[error("the service did not answer in time")]
    TimedOut,
    #[error("the service cannot be asked: {0}")]
    Io(io::Error),
}

impl ServiceClient {
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = vitalsign_os::connect(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NotRunning(path.to_owned())
            }
            io::ErrorKind::PermissionDenied => ClientError::Foreign(path.to_owned(), error),
            _ => ClientError::Io(error),
        })?;
        stream.set_write_timeout(Some(REPLY_TIMEOUT)).map_err(ClientError::Io)?;
        let mut client = Self { stream, inbox: Inbox::default(), events: std::collections::VecDeque::new() };
        client.send(&encode(&Hello::ours())?)?;
        Ok(client)
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, request: Request) -> Result<Answer, ClientError> {
        self.send(&encode(&request)?)?;
        let until = Instant::now() + REPLY_TIMEOUT;
        loop {
            match self.reply(until)? {
                Reply::Answer(answer) => return Ok(answer),
                Reply::Event(status) => self.events.push_back(*status),
            }
        }
    }

    /// Returns a sender for requests whose answers another thread waits for with [`Self::answer`].
    pub fn sender(&self) -> Result<RequestSender, ClientError> {
        self.stream.try_clone().map(RequestSender).map_err(ClientError::Io)
    }

    /// The next answer, skipping events. Waits until the connection ends.
    pub fn answer(&mut self) -> Result<Answer, ClientError> {
        loop {
            match self.reply(Instant::now() + REPLY_TIMEOUT) {
                Ok(Reply::Answer(answer)) => return Ok(answer),
                Ok(Reply::Event(_)) | Err(ClientError::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next change, after [`Request::Subscribe`].
    pub fn event(&mut self, patience: Duration) -> Result<Status, ClientError> {
        if let Some(status) = self.events.pop_front() {
            return Ok(status);
        }
        let until = Instant::now() + patience;
        loop {
            // Skips answers to requests that timed out.
            if let Reply::Event(status) = self.reply(until)? {
                return Ok(*status);
            }
        }
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), ClientError> {
        self.stream.write_all(frame).map_err(failed)
    }

    fn reply(&mut self, until: Instant) -> Result<Reply, ClientError> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(reply) = self.inbox.take()? {
                return Ok(reply);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ClientError::TimedOut);
            }
            self.stream.set_read_timeout(Some(left)).map_err(ClientError::Io)?;
            match self.stream.read(&mut chunk).map_err(failed)? {
                0 => return Err(ClientError::Closed),
                read => self.inbox.feed(chunk.get(..read).unwrap_or_default()),
            }
        }
    }
}

fn failed(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::TimedOut,
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => {
            ClientError::Closed
        }
        _ => ClientError::Io(error),
    }
}
