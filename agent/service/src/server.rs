//! Local socket for the app and the command line. This module answers requests for the status; others go to
//! the agent's loop. A client that violates the protocol loses its own connection only.
//!
//! Only the user in front of the device and administrators see step-ups, use security keys and ask for reports.

use crate::pin_period::PinPeriods;
use crate::session_lock::{ClaimResult, SessionLocks};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vitalsign_ipc::{Answer, Error, Hello, Inbox, Refusal, Reply, Request, Status, encode};
use vitalsign_os::{Listener, Peer, PeerId, SocketStream};

/// Maximum number of clients, in total and for one user, so that no user can lock out the others.
const MAX_CLIENTS: usize = 32;
const MAX_CLIENTS_OF_ONE: usize = 8;
/// Maximum number of clients of users who neither administer nor are in front of the device. A user can have many user IDs
/// (subuid(5)), and must not take the places of the person who answers step-ups.
const MAX_BACKGROUND_CLIENTS: usize = 16;
/// Minimum interval between two messages about clients that are sent away: users must not fill the log.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// Time limit for the client's greeting and for each write to a client.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages that wait for a slow reader before it is let go.
const BACKLOG: usize = 16;
/// Maximum number of requests of one client that wait for the agent's loop.
const MAX_UNANSWERED: usize = 16;
const STACK: usize = 256 * 1024;
/// Message after which nothing more is written to a client. No frame is empty.
const END: &[u8] = &[];

/// Request for the agent's loop, from an authorised client; never [`Request::Status`] or
/// [`Request::Subscribe`]. It is answered exactly once: dropping it answers `Busy`.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) request: Request,
    /// The client's user has administration rights.
    pub(crate) may_administer: bool,
    to: Option<Outbox>,
    _client: Arc<ClientSlot>,
}

impl Incoming {
    pub(crate) fn answer(mut self, answer: Answer) {
        if let Some(to) = self.to.take() {
            to.send(&Reply::Answer(answer));
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(to) = self.to.take() {
            to.send(&Reply::Answer(Answer::Refused(Refusal::Busy)));
        }
    }
}

/// Place of a client among those that are served. Its reader and each of its unanswered requests hold it, so that a
/// client that reconnects gets no more of them.
struct ClientSlot {
    server: Server,
    number: u64,
}

impl std::fmt::Debug for ClientSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSlot").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        let mut shared = self.server.lock();
        shared.clients.retain(|client| client.number != self.number);
        shared.session_locks.ended(self.number);
        shared.pin_periods.disconnected(self.number);
    }
}

#[derive(Clone)]
pub(crate) struct Server(Arc<Mutex<ServerState>>);

struct ServerState {
    /// Last published status.
    status: Option<Arc<Status>>,
    /// Returns whether this user's session is in front of the device.
    in_front: Box<dyn Fn(PeerId) -> bool + Send>,
    session_locks: SessionLocks,
    pin_periods: PinPeriods,
    clients: Vec<Connection>,
    next_client: u64,
    /// Time of the last message about clients that were sent away, and the number of those since.
    warned_at: Option<Instant>,
    sent_away: u64,
}

struct Connection {
    number: u64,
    /// Its user neither administers nor was in front of the device when it connected.
    is_background: bool,
    peer: Peer,
    outbox: Outbox,
    subscribed: bool,
    /// Status that was last sent to this client.
    shown: Option<Arc<Status>>,
}

impl ServerState {
    /// Returns whether this client may see and answer step-ups, use security keys and ask for reports.
    fn is_in_front(&self, peer: &Peer) -> bool {
        peer.may_administer || (self.in_front)(peer.id)
    }

    /// Returns whether one more client of this user has room, and whether it is in the background.
    fn room_for(&self, peer: &Peer) -> Option<bool> {
        let count =
            |counts: &dyn Fn(&Connection) -> bool| self.clients.iter().filter(|it| counts(it)).count();
        if self.clients.len() >= MAX_CLIENTS || count(&|it| it.peer.id == peer.id) >= MAX_CLIENTS_OF_ONE {
            return None;
        }
        // Where no seats are kept, every user is in front: administrators have room all the same.
        let users = count(&|it| !it.peer.may_administer);
        if !peer.may_administer && users >= MAX_CLIENTS - MAX_CLIENTS_OF_ONE {
            return None;
        }
        let is_background = !self.is_in_front(peer);
        (!is_background || count(&|it| it.is_background) < MAX_BACKGROUND_CLIENTS).then_some(is_background)
    }

    /// Logs that a client is sent away, if the last message about that is not too recent.
    fn warn_sent_away(&mut self, peer: &Peer, now: Instant) {
        self.sent_away += 1;
        if self.warned_at.is_none_or(|warned_at| now.duration_since(warned_at) >= WARNING_INTERVAL) {
            let clients = std::mem::take(&mut self.sent_away);
            tracing::warn!(peer = peer.name, clients, "too many clients: some are sent away, this one last");
            self.warned_at = Some(now);
        }
    }

    /// Returns the status with only what this client may see.
    fn status_for(&self, peer: &Peer) -> Option<Arc<Status>> {
        let status = self.status.as_ref()?;
        if status.step_ups.is_empty() || self.is_in_front(peer) {
            return Some(Arc::clone(status));
        }
        Some(Arc::new(Status { step_ups: Vec::new(), ..Status::clone(status) }))
    }

    /// Shows every subscriber what it has not been shown yet.
    fn show(&mut self) {
        let now: Vec<_> = self.clients.iter().map(|client| self.status_for(&client.peer)).collect();
        for (client, now) in self.clients.iter_mut().zip(now) {
            if let Some(now) = now.filter(|now| client.subscribed && client.shown.as_ref() != Some(now)) {
                client.outbox.send(&Reply::Event(Box::new(Status::clone(&now))));
                client.shown = Some(now);
            }
        }
    }
}

impl Server {
    /// Listens at `path` and serves clients in separate threads. `in_front` tells whether a user is in front
    /// of the device; `deliver` passes a request to the agent's loop and must not block.
    pub(crate) fn start(
        path: &Path,
        in_front: impl Fn(PeerId) -> bool + Send + 'static,
        session_locks: SessionLocks,
        pin_periods: PinPeriods,
        deliver: impl Fn(Incoming) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let listener = Listener::bind(path)?;
        let in_front = Box::new(in_front);
        let shared = ServerState {
            status: None,
            in_front,
            session_locks,
            pin_periods,
            clients: Vec::new(),
            next_client: 0,
            warned_at: None,
            sent_away: 0,
        };
        let server = Self(Arc::new(Mutex::new(shared)));
        let accepting = server.clone();
        thread("socket", move || {
            loop {
                match listener.accept() {
                    Ok((stream, peer)) => {
                        if let Err(error) = accepting.welcome(stream, peer, deliver.clone()) {
                            tracing::warn!(%error, "a client could not be served");
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a client was not let in");
                        // Out of file descriptors, most likely: some will come back.
                        std::thread::sleep(Duration::from_millis(100));
                    }
                }
            }
        })?;
        Ok(server)
    }

    /// Sends the status to subscribers.
    pub(crate) fn publish(&self, status: Status) {
        let mut shared = self.lock();
        if shared.status.as_deref() == Some(&status) {
            return;
        }
        shared.status = Some(Arc::new(status));
        shared.show();
    }

    /// Sends the status again after another session came to the front, and forgets what the one before it claimed.
    pub(crate) fn seat_changed(&self) {
        let mut shared = self.lock();
        shared.session_locks.seat_changed();
        shared.show();
    }

    fn welcome(
        &self,
        stream: SocketStream,
        peer: Peer,
        deliver: impl Fn(Incoming) + Send + 'static,
    ) -> io::Result<()> {
        let mut shared = self.lock();
        let Some(is_background) = shared.room_for(&peer) else {
            shared.warn_sent_away(&peer, Instant::now());
            return stream.close();
        };
        stream.set_read_timeout(Some(HELLO_TIMEOUT))?;
        stream.set_write_timeout(Some(HELLO_TIMEOUT))?;
        let (outbox, waiting) = Outbox::new(stream.try_clone()?);
        let writing = stream.try_clone()?;
        let writer = thread("socket-write", move || write(writing, &waiting))?;
        let number = shared.next_client;
        shared.next_client += 1;
        shared.clients.push(Connection {
            number,
            is_background,
            peer: peer.clone(),
            outbox: outbox.clone(),
            subscribed: false,
            shown: None,
        });
        drop(shared);

        outbox.send(&Hello::ours());
        let slot = ClientSlot { server: self.clone(), number };
        thread("socket-read", move || {
            let slot = Arc::new(slot);
            if let Err(error) = slot.server.serve(&stream, &slot, &peer, &outbox, &deliver) {
                tracing::debug!(peer = peer.name, %error, "a client's connection ended");
            }
            // The client holds its place until both threads have ended, so that the places limit the threads.
            outbox.end();
            let _ = writer.join();
        })?;
        Ok(())
    }

    fn serve(
        &self,
        stream: &SocketStream,
        slot: &Arc<ClientSlot>,
        peer: &Peer,
        outbox: &Outbox,
        deliver: &impl Fn(Incoming),
    ) -> io::Result<()> {
        let (mut inbox, mut chunk) = (Inbox::<Request>::default(), [0; 4096]);
        let mut reader = stream.try_clone()?;
        loop {
            let read = reader.read(&mut chunk)?;
            if read == 0 {
                return Ok(());
            }
            inbox.feed(chunk.get(..read).unwrap_or_default());
            loop {
                match inbox.take() {
                    Ok(None) => break,
                    // A client that asks faster than it is answered does not fill the loop's queue.
                    Ok(Some(_)) if Arc::strong_count(slot) > MAX_UNANSWERED => {
                        outbox.send(&Reply::Answer(Answer::Refused(Refusal::Busy)));
                    }
                    Ok(Some(request)) => self.ask(request, slot, peer, outbox, deliver),
                    Err(Error::NotUnderstood(why)) => {
                        tracing::debug!(peer = peer.name, why, "a request was not understood");
                        outbox.send(&Reply::Answer(Answer::Refused(Refusal::NotUnderstood)));
                    }
                    Err(fatal) => return Err(io::Error::new(io::ErrorKind::InvalidData, fatal)),
                }
            }
            if inbox.greeted() {
                reader.set_read_timeout(None)?;
            }
        }
    }

    fn ask(
        &self,
        request: Request,
        slot: &Arc<ClientSlot>,
        peer: &Peer,
        outbox: &Outbox,
        deliver: &impl Fn(Incoming),
    ) {
        match request {
            Request::Status | Request::Subscribe => {
                // Answered under the lock, so that no event comes before the snapshot that it changes.
                let mut shared = self.lock();
                let status = shared.status_for(peer);
                let shown = status.as_deref().map(|status| Answer::Status(Box::new(status.clone())));
                outbox.send(&Reply::Answer(shown.unwrap_or(Answer::Refused(Refusal::Busy))));
                if matches!(request, Request::Subscribe)
                    && let Some(client) =
                        shared.clients.iter_mut().find(|client| client.number == slot.number)
                {
                    (client.subscribed, client.shown) = (true, status);
                }
            }
            // A client that may not see step-ups gets the same answer as if there were none.
            Request::Ceremony(_) | Request::Tapped { .. } | Request::GiveUp { .. }
                if !self.lock().is_in_front(peer) =>
            {
                outbox.send(&Reply::Answer(Answer::Refused(Refusal::Over)));
            }
            Request::CheckNow
            | Request::DiagnosticsText { .. }
            | Request::SendDiagnostics { .. }
            | Request::Keys
            | Request::BeginKey { .. }
            | Request::FinishKey { .. }
                if !self.lock().is_in_front(peer) =>
            {
                outbox.send(&Reply::Answer(Answer::Refused(Refusal::NotInFront)));
            }
            Request::Enrol | Request::Diagnostics if !peer.may_administer => {
                outbox.send(&Reply::Answer(Answer::Refused(Refusal::NotAllowed)));
            }
            Request::PinPeriod => {
                self.lock().pin_periods.begin(peer.id, slot.number);
                outbox.send(&Reply::Answer(Answer::Accepted));
            }
            Request::SessionLock(ref lock) => {
                let locks = self.lock().session_locks.clone();
                let answer = match locks.claim(peer.id, slot.number, lock.clone(), Instant::now()) {
                    ClaimResult::Refused => Answer::Refused(Refusal::NotAllowed),
                    ClaimResult::Unchanged => Answer::Accepted,
                    ClaimResult::Changed => {
                        let (to, may_administer) = (Some(outbox.clone()), peer.may_administer);
                        return deliver(Incoming { request, may_administer, to, _client: Arc::clone(slot) });
                    }
                };
                outbox.send(&Reply::Answer(answer));
            }
            _ => {
                let (to, may_administer) = (Some(outbox.clone()), peer.may_administer);
                deliver(Incoming { request, may_administer, to, _client: Arc::clone(slot) });
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, ServerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Queue of messages to one client.
#[derive(Clone, Debug)]
struct Outbox {
    frames: SyncSender<Vec<u8>>,
    connection: Arc<SocketStream>,
}

impl Outbox {
    fn new(connection: SocketStream) -> (Self, Receiver<Vec<u8>>) {
        let (frames, waiting) = sync_channel(BACKLOG);
        (Self { frames, connection: Arc::new(connection) }, waiting)
    }

    /// Never waits: a client that does not read is let go.
    fn send<T: serde::Serialize>(&self, message: &T) {
        let sent = encode(message).map(|frame| self.frames.try_send(frame));
        match sent {
            Ok(Ok(()) | Err(TrySendError::Disconnected(_))) => {}
            Ok(Err(TrySendError::Full(_))) => {
                tracing::debug!("a client does not read what it asked for: it is let go");
                let _ = self.connection.close();
            }
            Err(error) => tracing::error!(%error, "a message could not be sent"),
        }
    }

    /// Ends the thread that writes, after what waits, or at once if the queue is full.
    fn end(&self) {
        if self.frames.try_send(END.to_vec()).is_err() {
            let _ = self.connection.close();
        }
    }
}

fn write(mut stream: SocketStream, waiting: &Receiver<Vec<u8>>) {
    while let Ok(frame) = waiting.recv() {
        if frame == END || stream.write_all(&frame).is_err() {
            let _ = stream.close();
            return;
        }
    }
    let _ = stream.close();
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use vitalsign_client::{ClientError, ServiceClient as Asking};
    use vitalsign_ipc::AgentState;

    fn status(standing: AgentState) -> Status {
        Status {
            standing,
            enrolment: None,
            ear: None,
            reported_at: None,
            posture: None,
            busy: false,
            next_report_seconds: 0,
            cost: None,
            listening: false,
            step_ups: Vec::new(),
            guidance: vitalsign_ipc::Guidance::default(),
            settings: vitalsign_ipc::SettingsState::default(),
        }
    }

    fn server() -> (tempfile::TempDir, std::path::PathBuf, Server, Receiver<Incoming>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let (sender, requests) = channel();
        let locks = SessionLocks::new(|| None);
        let server = Server::start(
            &path,
            |_| true,
            locks,
            PinPeriods::new(|| None),
            move |incoming| sender.send(incoming).unwrap(),
        )
        .unwrap();
        (folder, path, server, requests)
    }

    #[test]
    fn a_subscriber_sees_a_snapshot_and_then_every_change() {
        let (_folder, path, server, requests) = server();
        let mut client = Asking::connect(&path).unwrap();
        assert_eq!(client.ask(Request::Status).unwrap(), Answer::Refused(Refusal::Busy));
        server.publish(status(AgentState::Enrolling));
        let first = client.ask(Request::Subscribe).unwrap();
        assert_eq!(first, Answer::Status(Box::new(status(AgentState::Enrolling))));
        server.publish(status(AgentState::Enrolling));
        server.publish(status(AgentState::Reporting));
        assert_eq!(client.event(HELLO_TIMEOUT).unwrap(), status(AgentState::Reporting));

        let asked = std::thread::spawn(move || client.ask(Request::CheckNow));
        let incoming = requests.recv().unwrap();
        assert_eq!(incoming.request, Request::CheckNow);
        incoming.answer(Answer::Accepted);
        assert_eq!(asked.join().unwrap().unwrap(), Answer::Accepted);
    }

    #[test]
    fn a_request_that_the_loop_drops_is_answered() {
        let (_folder, path, _server, requests) = server();
        let mut client = Asking::connect(&path).unwrap();
        let asked = std::thread::spawn(move || client.ask(Request::CheckNow));
        drop(requests.recv().unwrap());
        assert_eq!(asked.join().unwrap().unwrap(), Answer::Refused(Refusal::Busy));
    }

    #[test]
    fn garbage_ends_its_own_connection_only() {
        let (_folder, path, server, _requests) = server();
        server.publish(status(AgentState::Reporting));
        let mut good = Asking::connect(&path).unwrap();
        for garbage in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[0xff; 64], &[0, 0, 0, 2, b'{', b'}']] {
            let mut bad = vitalsign_os::connect(&path).unwrap();
            bad.write_all(garbage).unwrap();
            let mut answer = Vec::new();
            bad.set_read_timeout(Some(HELLO_TIMEOUT)).unwrap();
            // The service's greeting, then the end.
            let _ = bad.read_to_end(&mut answer);
            assert!(answer.len() < 64, "{answer:?}");
        }
        assert!(matches!(good.ask(Request::Status).unwrap(), Answer::Status(_)));
    }

    #[test]
    fn unanswered_requests_of_a_client_are_limited() {
        let (_folder, path, _server, requests) = server();
        let mut client = vitalsign_os::connect(&path).unwrap();
        client.write_all(&encode(&Hello::ours()).unwrap()).unwrap();
        let keys = encode(&Request::Keys).unwrap();
        // The loop is busy and answers nothing, and the client reads nothing: it is let go.
        let sent = (0..10_000).take_while(|_| client.write_all(&keys).is_ok()).count();
        assert!(sent > MAX_UNANSWERED);
        // Nor does it get more of them by further connections.
        for _ in 1..2 * MAX_CLIENTS_OF_ONE {
            let mut client = vitalsign_os::connect(&path).unwrap();
            client.set_read_timeout(Some(HELLO_TIMEOUT)).unwrap();
            let _ = client.write_all(&[encode(&Hello::ours()).unwrap(), keys.clone()].concat());
            // The service's greeting, or the end.
            let _ = client.read(&mut [0; 64]);
        }
        let most = MAX_UNANSWERED + MAX_CLIENTS_OF_ONE - 1;
        let held: Vec<Incoming> = (0..most).map(|_| requests.recv_timeout(HELLO_TIMEOUT).unwrap()).collect();
        assert_eq!(requests.try_iter().count(), 0);
        drop(held);
    }

    #[test]
    fn background_users_leave_places_to_others() {
        let (_folder, path, server, _requests) = server();
        server.publish(status(AgentState::Reporting));
        let mut client = Asking::connect(&path).unwrap();
        client.ask(Request::Status).unwrap();
        let mut shared = server.lock();
        let peer = |uid: u32| Peer {
            id: vitalsign_os::PeerId::of_user(uid),
            name: format!("uid {uid}"),
            may_administer: uid == 0,
        };
        let person = peer(1000);
        shared.in_front = Box::new(|id| id == vitalsign_os::PeerId::of_user(1000));
        let outbox = shared.clients.first().unwrap().outbox.clone();
        let connect = |shared: &mut ServerState, peer: Peer| {
            let is_background = shared.room_for(&peer)?;
            let (outbox, number) = (outbox.clone(), u64::MAX);
            shared.clients.push(Connection {
                number,
                is_background,
                peer,
                outbox,
                subscribed: false,
                shown: None,
            });
            Some(is_background)
        };
        // One person with many user IDs.
        let hostile = |shared: &mut ServerState| {
            (100_000..100_100).filter_map(|uid| connect(shared, peer(uid))).count()
        };
        assert_eq!(hostile(&mut shared), MAX_BACKGROUND_CLIENTS);
        let more = (0..100).filter_map(|_| connect(&mut shared, person.clone())).count();
        assert_eq!(more, MAX_CLIENTS_OF_ONE, "one user's limit");
        assert_eq!(connect(&mut shared, peer(0)), Some(false));
        // Without seats.
        shared.in_front = Box::new(|_| true);
        shared.clients.clear();
        assert_eq!(hostile(&mut shared), MAX_CLIENTS - MAX_CLIENTS_OF_ONE);
        let administrator = (0..100).filter_map(|_| connect(&mut shared, peer(0))).count();
        assert_eq!(administrator, MAX_CLIENTS_OF_ONE);
    }

    #[test]
    fn sent_away_clients_do_not_fill_the_log() {
        let (_folder, _path, server, _requests) = server();
        let mut shared = server.lock();
        let begin = Instant::now();
        let id = vitalsign_os::PeerId::of_user(1000);
        let peer = Peer { id, name: "uid 1000".into(), may_administer: false };
        let mut messages = 0;
        for millis in 0..130_000 {
            shared.warn_sent_away(&peer, begin + Duration::from_millis(millis));
            messages += u32::from(shared.sent_away == 0);
        }
        assert_eq!(messages, 3);
    }

    #[test]
    fn a_client_holds_its_place_while_it_is_written_to() {
        let (_folder, path, server, _requests) = server();
        server.publish(status(AgentState::Reporting));
        let mut client = Asking::connect(&path).unwrap();
        client.ask(Request::Status).unwrap();
        // As long as there is an outbox, the thread that writes has something to wait for.
        let outbox = server.lock().clients.first().unwrap().outbox.clone();
        drop(client);
        let begin = Instant::now();
        while !server.lock().clients.is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(60), "it still has its place");
            std::thread::yield_now();
        }
        let sent = outbox.frames.try_send(vec![1]);
        assert!(matches!(sent, Err(TrySendError::Disconnected(_))), "the thread lives on: {sent:?}");
    }

    #[test]
    fn limits_connections_per_user() {
        let (_folder, path, server, _requests) = server();
        server.publish(status(AgentState::Reporting));
        let mut held: Vec<_> = (0..MAX_CLIENTS_OF_ONE).map(|_| Asking::connect(&path).unwrap()).collect();
        assert!(held.iter_mut().all(|client| client.ask(Request::Status).is_ok()));
        let refused = Asking::connect(&path).and_then(|mut client| client.ask(Request::Status));
        assert!(matches!(refused, Err(ClientError::Closed | ClientError::Io(_))), "{refused:?}");
    }
}
