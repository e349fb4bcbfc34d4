//! Tells the service the screen lock of this session, which the service cannot read: at once, after each change, and
//! when the session comes to the front.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use vitalsign_client::{ClientError, RequestSender, ServiceClient};
use vitalsign_ipc::{Answer, Refusal, Request, SessionLock};
use vitalsign_protocol::fact::Fact;
use vitalsign_protocol::posture::Lock;
use vitalsign_session_settings::LockSettings;

/// Delay before reconnecting to the service.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);
/// Interval at which settings are read even without a change: nothing tells that an idle daemon was started.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// The same while nothing locks the screen, so that the remedy is seen soon.
const REMEDY_INTERVAL: Duration = Duration::from_secs(10);

/// Input of [`share`].
#[derive(Debug)]
pub(crate) enum Input {
    /// The service must know this: now, and after each reconnection.
    Send(Request),
    /// The service answered on the connection of this number.
    Answered(u64, Answer),
    /// The connection of this number has ended.
    Closed(u64),
    /// The service must not rely on this program any more.
    Stop,
}

/// Shares this session's screen lock with the service for as long as the process runs. Does nothing in a session
/// without a desktop.
pub fn share_session_lock(socket: PathBuf) {
    let (inputs, inbox) = channel();
    let mut settings = match LockSettings::of_this_session() {
        Ok(Some(settings)) => settings,
        // Without a watch, changes would go unnoticed: the service then uses what it reads itself.
        Ok(None) | Err(_) => return,
    };
    let readings = inputs.clone();
    std::thread::spawn(move || {
        loop {
            let lock = settings.read();
            let locks = lock.automatic != Fact::Known(false);
            let said = readings.send(Input::Send(Request::SessionLock(claim(lock))));
            let patience = if locks { REFRESH_INTERVAL } else { REMEDY_INTERVAL };
            if said.is_err() || settings.wait(patience).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || share(&socket, &inputs, &inbox));
}

/// Converts the facts; times of more than 136 years are cut.
fn claim(lock: Lock) -> SessionLock {
    let seconds = |time: Fact<u64>| time.map(|time| u32::try_from(time).unwrap_or(u32::MAX));
    SessionLock {
        automatic: lock.automatic,
        idle_seconds: seconds(lock.idle_seconds),
        grace_seconds: seconds(lock.grace_seconds),
    }
}

/// Sends each request, and the last one again on each new connection.
pub(crate) fn share(socket: &Path, inputs: &Sender<Input>, inbox: &Receiver<Input>) {
    let mut last: Option<Request> = None;
    let mut connection: Option<RequestSender> = None;
    let mut number = 0;
    loop {
        let waits = connection.is_none() && last.is_some();
        match inbox.recv_timeout(if waits { RECONNECT_DELAY } else { REFRESH_INTERVAL }) {
            Ok(Input::Send(request)) => {
                let request = last.insert(request);
                // A connection that fails ends, which its reader says.
                if let Some(connection) = &mut connection {
                    let _ = connection.send(request);
                    continue;
                }
            }
            // The service starts or has much to do. Other refusals hold until the session comes to the front, which
            // is another reading, or until a newer service has started.
            Ok(Input::Answered(of, Answer::Refused(Refusal::Busy))) | Ok(Input::Closed(of))
                if of == number =>
            {
                connection = None;
                continue;
            }
            Ok(Input::Answered(..) | Input::Closed(_)) => continue,
            Err(RecvTimeoutError::Timeout) if waits => {}
            Err(RecvTimeoutError::Timeout) => continue,
            Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
        if let Some(request) = &last {
            number += 1;
            connection = connect(socket, number, request, inputs).ok();
        }
    }
}

/// Connects, sends the request, and has a thread forward the answers until the connection ends.
fn connect(
    socket: &Path,
    number: u64,
    request: &Request,
    inputs: &Sender<Input>,
) -> Result<RequestSender, ClientError> {
    let mut client = ServiceClient::connect(socket)?;
    let mut sender = client.sender()?;
    sender.send(request)?;
    let inputs = inputs.clone();
    std::thread::spawn(move || {
        while let Ok(answer) = client.answer() {
            if inputs.send(Input::Answered(number, answer)).is_err() {
                return;
            }
        }
        let _ = inputs.send(Input::Closed(number));
    });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use vitalsign_ipc::{Hello, Inbox, Reply, encode};
    use vitalsign_os::{Listener, SocketStream};

    fn reading(idle: u32) -> SessionLock {
        let automatic = Fact::Known(true);
        SessionLock { automatic, idle_seconds: Fact::Known(idle), grace_seconds: Fact::Known(0) }
    }

    /// The service's end of a connection.
    struct ServiceEnd(SocketStream, Inbox<Request>);

    impl ServiceEnd {
        fn accept(listener: &Listener) -> Self {
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(&encode(&Hello::ours()).unwrap()).unwrap();
            Self(stream, Inbox::default())
        }

        fn request(&mut self) -> Option<Request> {
            let mut chunk = [0; 512];
            loop {
                if let Some(request) = self.1.take().unwrap() {
                    return Some(request);
                }
                match self.0.read(&mut chunk).unwrap() {
                    0 => return None,
                    read => self.1.feed(&chunk[..read]),
                }
            }
        }

        fn answer(&mut self, answer: Answer) {
            self.0.write_all(&encode(&Reply::Answer(answer)).unwrap()).unwrap();
        }
    }

    #[test]
    fn sends_changes_and_repeats_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let listener = Listener::bind(&path).unwrap();
        let (inputs, inbox) = channel();
        let (socket, own) = (path.clone(), inputs.clone());
        std::thread::spawn(move || share(&socket, &own, &inbox));
        let read = |idle| inputs.send(Input::Send(Request::SessionLock(reading(idle)))).unwrap();
        let wanted = |idle| Some(Request::SessionLock(reading(idle)));

        read(300);
        let mut service = ServiceEnd::accept(&listener);
        assert_eq!(service.request(), wanted(300));
        service.answer(Answer::Accepted);
        read(600);
        assert_eq!(service.request(), wanted(600), "a change on the same connection");
        // In the background; the reading that follows when it comes to the front is sent as any other.
        service.answer(Answer::Refused(Refusal::NotAllowed));
        read(600);
        assert_eq!(service.request(), wanted(600));
        service.answer(Answer::Refused(Refusal::Busy));
        assert_eq!(service.request(), None, "it hangs up");
        let mut service = ServiceEnd::accept(&listener);
        assert_eq!(service.request(), wanted(600));

        drop((service, listener));
        let listener = Listener::bind(&path).unwrap();
        let mut service = ServiceEnd::accept(&listener);
        assert_eq!(service.request(), wanted(600), "a service that has restarted");
    }
}
