//! The person at the terminal: their PIN, and what they say instead of tapping.

use super::output::say;
use anyhow::{Context, bail};
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use vitalsign_client::session_command::PinSource;
use vitalsign_os::Terminal;
use vitalsign_security_key::{Pin, PinReason, PinReply, PinRequest};
use vitalsign_session::flow::Choice;
use zeroize::Zeroizing;

/// No key takes a shorter PIN (CTAP 2.1 section 6.5.1), so that a shorter one is a slip, or a choice.
const SHORTEST_PIN: usize = 4;
const MAX_PIN_FILE: u64 = 256;

/// User at the terminal, or a file that answers for them.
pub(super) struct Person {
    shared: Arc<SharedPrompt>,
    /// The PIN of the file, until it turns out to be wrong.
    file: Mutex<Option<Zeroizing<String>>>,
    reader: Option<JoinHandle<()>>,
}

struct SharedPrompt {
    state: Mutex<PromptState>,
    said: Box<dyn Fn(Choice) + Send + Sync>,
}

#[derive(Default)]
struct PromptState {
    /// Number of the current question; a reader for an earlier question stops.
    question: u64,
    pin: Option<PinReply>,
    closed: bool,
}

impl Person {
    /// The one at the terminal, where there is one. What they say instead of tapping goes to `said`.
    pub(super) fn new(
        source: &PinSource,
        said: impl Fn(Choice) + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let file = source.pin_file.as_deref().map(read_pin).transpose()?;
        let shared = Arc::new(SharedPrompt { state: Mutex::default(), said: Box::new(said) });
        // Without a terminal for its input it may run in the background, where reading from one would stop it.
        let terminal = if std::io::stdin().is_terminal() { Terminal::open().ok() } else { None };
        let reading = Arc::clone(&shared);
        let reader = terminal.map(|terminal| std::thread::spawn(move || reading.read(terminal)));
        Ok(Self { shared, file: Mutex::new(file), reader })
    }

    /// Returns whether a terminal or a PIN file is available.
    pub(super) fn is_there(&self) -> bool {
        self.reader.is_some()
    }

    /// Returns whether the PIN file answers this request. A PIN that was wrong is not sent again, and the present PIN is not
    /// the new one.
    pub(super) fn has_pin(&self, reason: PinReason) -> bool {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.is_some()
            && !matches!(reason, PinReason::Wrong | PinReason::Change { .. } | PinReason::Unsuitable { .. })
    }

    /// A PIN is asked for.
    pub(super) fn ask(&self, asked: PinRequest) {
        let from_file = self.has_pin(asked.reason);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        match &*file {
            Some(pin) if from_file => return asked.reply.enter(Pin::new(pin.to_string())),
            _ => *file = None,
        }
        if self.is_there() {
            let mut state = self.shared.lock();
            state.question += 1;
            let before = state.pin.replace(asked.reply);
            drop(state);
            // Drops the lock before the callbacks run.
            drop(before);
        } else {
            (self.shared.said)(Choice::NoPin);
            asked.reply.refuse();
        }
    }

    /// No PIN is asked for any more. Whether one was.
    pub(super) fn forget(&self) -> bool {
        let mut state = self.shared.lock();
        let before = state.pin.take();
        state.question += u64::from(before.is_some());
        drop(state);
        before.is_some()
    }
}

impl Drop for Person {
    /// Stops reading and restores the terminal's echo.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl SharedPrompt {
    fn lock(&self) -> MutexGuard<'_, PromptState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until the person leaves.
    fn read(&self, mut terminal: Terminal) {
        loop {
            let (question, secret) = {
                let state = self.lock();
                if state.closed {
                    return;
                }
                (state.question, state.pin.is_some())
            };
            let same = || {
                let state = self.lock();
                !state.closed && state.question == question && state.pin.is_some() == secret
            };
            match terminal.read_line(secret, same) {
                Ok(Some(line)) => self.took(&line, question, secret),
                Ok(None) => {}
                // The terminal has gone, or the person has ended the input: nothing more will be said.
                Err(_) => {
                    if self.forget(question) {
                        (self.said)(Choice::NoPin);
                    }
                    return;
                }
            }
        }
    }

    fn took(&self, line: &str, question: u64, secret: bool) {
        match line.trim() {
            "n" | "N" => return (self.said)(Choice::Decline),
            "x" | "X" => return (self.said)(Choice::NotMine),
            _ => {}
        }
        if !secret {
            return;
        }
        if line.chars().count() < SHORTEST_PIN {
            return say("  A PIN has at least 4 characters, and this was not sent. PIN: ");
        }
        let mut state = self.lock();
        let reply = if state.question == question { state.pin.take() } else { None };
        drop(state);
        if let Some(reply) = reply {
            reply.enter(Pin::new(line.to_owned()));
        }
    }

    fn forget(&self, question: u64) -> bool {
        let mut state = self.lock();
        let reply = if state.question == question { state.pin.take() } else { None };
        drop(state);
        reply.is_some()
    }
}

/// Reads the PIN from a file that must be readable by its owner only.
fn read_pin(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let shown = path.display();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {shown}"))?;
    if !vitalsign_os::is_private(path).with_context(|| format!("cannot look at {shown}"))? {
        bail!("{shown} can be read by others: give it mode 0600");
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_PIN_FILE).read_to_string(&mut text).with_context(|| format!("cannot read {shown}"))?;
    let pin = Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned());
    if pin.chars().count() < SHORTEST_PIN {
        bail!("{shown} holds no PIN");
    }
    Ok(pin)
}

/// Calls `leave` when the person presses Ctrl-C.
pub(super) fn on_ctrl_c(leave: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    std::thread::spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            leave();
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn source(text: &str, private: bool) -> (tempfile::TempDir, PinSource) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        if private {
            drop(vitalsign_os::create_private(&path).unwrap());
        }
        std::fs::write(&path, text).unwrap();
        (folder, PinSource { pin_file: Some(path) })
    }

    fn ask(person: &Person, reason: PinReason) -> Option<String> {
        let (sender, receiver) = mpsc::channel();
        let reply = PinReply::new(move |pin| {
            let _ = sender.send(pin.map(|pin| pin.expose().to_owned()));
        });
        person.ask(PinRequest { reason, attempts_left: None, reply });
        receiver.recv().unwrap()
    }

    #[test]
    fn a_wrong_pin_of_a_file_is_not_sent_again() {
        let (_folder, source) = source("123456\n", true);
        let (sender, said) = mpsc::channel();
        let person = Person::new(&source, move |choice| sender.send(choice).unwrap()).unwrap();
        assert_eq!(ask(&person, PinReason::Needed).as_deref(), Some("123456"));
        assert_eq!(ask(&person, PinReason::Needed).as_deref(), Some("123456"));
        assert_eq!(ask(&person, PinReason::Wrong), None);
        assert_eq!(ask(&person, PinReason::Needed), None);
        assert_eq!(said.try_iter().collect::<Vec<_>>(), [Choice::NoPin, Choice::NoPin]);
    }

    #[test]
    fn rejects_pin_files_that_are_readable_or_empty() {
        for (text, private) in [("123456", false), ("", true), ("123", true)] {
            let (_folder, source) = source(text, private);
            assert!(Person::new(&source, |_| {}).is_err(), "{text:?}");
        }
        let nowhere = PinSource { pin_file: Some("/nowhere/pin".into()) };
        assert!(Person::new(&nowhere, |_| {}).is_err());
    }
}
