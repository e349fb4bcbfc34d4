//! Fake service that sends what a real one never does.

use crate::LIMIT;
use anyhow::Result;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vitalsign_e2e::wait_for;
use vitalsign_ipc::{AgentState, Answer, Hello, Inbox, Reply, Request, Status, StepUp, encode};

/// Listening socket. Dropping it removes the file; existing connections stay open.
#[derive(Debug)]
pub struct StandIn {
    socket: PathBuf,
    said: Said,
}

/// Current status, and the subscribers that receive it.
#[derive(Clone, Debug)]
struct Said(Arc<Mutex<(Status, Vec<UnixStream>)>>);

impl StandIn {
    /// Creates a service that treats every client in this way, each in a separate thread.
    ///
    /// # Errors
    /// The socket cannot be created.
    pub fn that(
        folder: &Path,
        treats: impl Fn(UnixStream) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        let socket = folder.join("agent.sock");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket)?;
        let treats = Arc::new(treats);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let treats = Arc::clone(&treats);
                // The thread ends when the client disconnects.
                std::thread::spawn(move || drop(treats(stream)));
            }
        });
        Ok(Self { socket, said: Said(Arc::new(Mutex::new((nothing_known(), Vec::new())))) })
    }

    /// Creates a service that follows the protocol.
    ///
    /// # Errors
    /// The socket cannot be created.
    pub fn proper(folder: &Path) -> Result<Self> {
        let said = Said(Arc::new(Mutex::new((nothing_known(), Vec::new()))));
        let heard = said.clone();
        let mut stand_in = Self::that(folder, move |stream| heard.serve(stream))?;
        stand_in.said = said;
        Ok(stand_in)
    }

    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Changes the status and sends it to subscribers.
    ///
    /// # Errors
    /// The status is too long for a frame.
    pub fn say(&self, change: impl FnOnce(&mut Status)) -> Result<()> {
        let mut said = self.said.lock();
        change(&mut said.0);
        let event = encode(&Reply::Event(Box::new(said.0.clone())))?;
        said.1.retain_mut(|subscriber| subscriber.write_all(&event).is_ok());
        Ok(())
    }

    /// Waits until a client listens.
    ///
    /// # Errors
    /// None does in time.
    pub fn until_subscribed(&self) -> Result<()> {
        wait_for("a client that listens", LIMIT, || Ok((!self.said.lock().1.is_empty()).then_some(())))
    }

    /// Says that this is asked.
    ///
    /// # Errors
    /// When that is too long to say.
    pub fn ask(&self, step_ups: Vec<StepUp>) -> Result<()> {
        self.say(|status| status.step_ups = step_ups)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Said {
    fn lock(&self) -> MutexGuard<'_, (Status, Vec<UnixStream>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: UnixStream) -> Result<()> {
        stream.write_all(&encode(&Hello::ours())?)?;
        let (mut inbox, mut chunk) = (Inbox::<Request>::default(), [0; 4096]);
        loop {
            while let Some(request) = inbox.take()? {
                let mut said = self.lock();
                let answer = match request {
                    Request::Subscribe => {
                        said.1.push(stream.try_clone()?);
                        Answer::Status(Box::new(said.0.clone()))
                    }
                    Request::Status => Answer::Status(Box::new(said.0.clone())),
                    Request::Ceremony(_) => Answer::Refused(vitalsign_ipc::Refusal::Over),
                    Request::Keys => Answer::Keys(Vec::new()),
                    _ => Answer::Accepted,
                };
                stream.write_all(&encode(&Reply::Answer(answer))?)?;
            }
            match stream.read(&mut chunk)? {
                0 => return Ok(()),
                read => inbox.feed(chunk.get(..read).unwrap_or_default()),
            }
        }
    }
}

/// Returns the status of an agent that knows nothing.
#[must_use]
pub fn nothing_known() -> Status {
    Status {
        standing: AgentState::NotEnrolled,
        enrolment: None,
        ear: None,
        reported_at: None,
        posture: None,
        busy: false,
        next_report_seconds: 60,
        cost: None,
        listening: true,
        step_ups: Vec::new(),
        guidance: vitalsign_ipc::Guidance::default(),
        settings: vitalsign_ipc::SettingsState::default(),
    }
}
