//! A person at a ceremony: what they are asked, and what they answer.

use serde_json::{Value, json};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vitalsign_security_key::{
    Cancel, Ceremony, Failure, Operation, Pin, PinReason, PinReply, Prompt, SecurityKeys,
};
use vitalsign_simulated_key::{KeyVendor, Options, SimulatedKey, Transport};

pub(crate) const RP_ID: &str = "verifier.example";
pub(crate) const ORIGIN: &str = "https://verifier.example:8443";
pub(crate) const PIN: &str = "123456";
/// Nothing here takes so long.
const LIMIT: Duration = Duration::from_secs(40);

/// A ceremony that is under way.
pub(crate) struct Running {
    pub(crate) cancel: Cancel,
    prompts: Receiver<Prompt>,
    thread: JoinHandle<Result<Value, Failure>>,
}

pub(crate) fn begin(keys: SecurityKeys, operation: Operation) -> Running {
    let (sender, prompts) = mpsc::channel();
    let cancel = Cancel::new();
    let shared = cancel.clone();
    let thread = std::thread::spawn(move || {
        let ceremony = Ceremony { origin: ORIGIN.to_owned(), rp_id: RP_ID.to_owned(), operation };
        keys.perform(&ceremony, |prompt| drop(sender.send(prompt)), &shared)
    });
    Running { cancel, prompts, thread }
}

impl Running {
    /// The next prompt that is more than that the key is at work.
    pub(crate) fn prompt(&self) -> Prompt {
        loop {
            match self.prompts.recv_timeout(LIMIT) {
                Ok(Prompt::Working) => {}
                Ok(prompt) => return prompt,
                Err(RecvTimeoutError::Timeout) => panic!("no prompt came"),
                Err(RecvTimeoutError::Disconnected) => panic!("the ceremony is over"),
            }
        }
    }

    /// Waits until a PIN is asked for: why, and how many attempts are left.
    pub(crate) fn pin(&self) -> (PinReason, Option<u32>, PinReply) {
        loop {
            if let Prompt::Pin(pin) = self.prompt() {
                return (pin.reason, pin.attempts_left, pin.reply);
            }
        }
    }

    /// The same for a card: if nothing happens, removes and reinserts it, as people do. The reader's daemon
    /// sometimes gets no answer from a card.
    pub(crate) fn pin_of_card(&self, key: &mut SimulatedKey) -> (PinReason, Option<u32>, PinReply) {
        for _ in 0..3 {
            let end = Instant::now() + LIMIT / 3;
            while let Ok(prompt) = self.prompts.recv_timeout(end.saturating_duration_since(Instant::now())) {
                if let Prompt::Pin(pin) = prompt {
                    return (pin.reason, pin.attempts_left, pin.reply);
                }
            }
            key.unplug().unwrap();
            key.plug_in().unwrap();
        }
        self.pin()
    }

    /// Enters a PIN, once it is asked for.
    pub(crate) fn enter(&self, pin: &str) -> (PinReason, Option<u32>) {
        let (reason, attempts_left, reply) = self.pin();
        reply.enter(Pin::new(pin.to_owned()));
        (reason, attempts_left)
    }

    /// Waits until a touch is asked for: of how many keys.
    pub(crate) fn touch(&self) -> usize {
        loop {
            if let Prompt::Touch { keys } = self.prompt() {
                return keys;
            }
        }
    }

    /// Waits until a key is asked for.
    pub(crate) fn insert(&self) {
        while !matches!(self.prompt(), Prompt::Insert) {}
    }

    pub(crate) fn end(self) -> Result<Value, Failure> {
        self.thread.join().unwrap()
    }
}

/// Registration options of a relying party.
pub(crate) fn creation() -> Operation {
    Operation::Create(json!({
        "rp": {"id": RP_ID, "name": "Verifier"},
        "user": {"id": "AAECAwQFBgcICQoLDA0ODw", "name": "nurse-7", "displayName": "nurse-7"},
        "challenge": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
        "timeout": 60_000,
        "attestation": "direct",
        "authenticatorSelection": {"userVerification": "required", "residentKey": "discouraged"},
    }))
}

/// Authentication options of a relying party for these credentials.
pub(crate) fn request(credentials: &[&Value]) -> Operation {
    let allowed = |created: &&Value| json!({"type": "public-key", "id": created["id"]});
    Operation::Get(json!({
        "rpId": RP_ID,
        "challenge": "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA",
        "allowCredentials": credentials.iter().map(allowed).collect::<Vec<_>>(),
        "userVerification": "required",
        "timeout": 60_000,
    }))
}

/// A credential that no key holds.
pub(crate) fn nobodys() -> Value {
    json!({"id": "A".repeat(86)})
}

/// A key that was made for this test alone.
pub(crate) fn start(transport: Transport, change: impl FnOnce(&mut Options)) -> SimulatedKey {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(transport, &KeyVendor::in_folder(folder.path()).unwrap());
    change(&mut options);
    SimulatedKey::start(options).unwrap()
}
