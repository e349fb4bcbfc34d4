//! Prompts to the person during a ceremony.

use zeroize::Zeroizing;

/// Instruction to the person.
#[derive(Debug)]
pub enum Prompt {
    /// No security key is there: plug one in, or hold it to the reader.
    Insert,
    /// Touch the security key, or one of several.
    Touch {
        keys: usize,
    },
    Pin(PinRequest),
    /// Nothing: the key is at work.
    Working,
}

/// PIN prompt (CTAP 2.2 section 6.5, `authenticatorClientPIN`). Dropped without an answer, it cancels the ceremony.
#[derive(Debug)]
pub struct PinRequest {
    pub reason: PinReason,
    /// Attempts before the key is blocked, where it says so.
    pub attempts_left: Option<u32>,
    pub reply: PinReply,
}

/// Reason why a PIN is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinReason {
    /// The key requires user verification.
    Needed,
    /// The last one was wrong.
    Wrong,
    /// The key has no PIN yet: choose one of at least this many characters.
    New { least: u32 },
    /// The key takes its PIN only once more, to change it (CTAP 2.2 section 6.4, `forcePINChange`): choose another one of at
    /// least this many characters.
    Change { least: u32 },
    /// The PIN that the new one replaces.
    Former,
    /// The chosen PIN is too short, too long, or rejected by the key: choose one of at least this many characters.
    Unsuitable { least: u32 },
}

/// A PIN. It does not print, and is overwritten when it goes.
pub struct Pin(Zeroizing<String>);

impl Pin {
    #[must_use]
    pub fn new(pin: String) -> Self {
        Self(Zeroizing::new(pin))
    }
    /// Returns the PIN; the call site must say why.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pin(…)")
    }
}

/// Sends a PIN to the key, at most once. Dropping it refuses.
pub struct PinReply(Option<Box<dyn FnOnce(Option<Pin>) + Send>>);

impl PinReply {
    /// A reply that hands the PIN, or none for a refusal, to `take`.
    pub fn new(take: impl FnOnce(Option<Pin>) + Send + 'static) -> Self {
        Self(Some(Box::new(take)))
    }
    /// The PIN. An empty one is never sent to a key: it is taken as a refusal.
    pub fn enter(mut self, pin: Pin) {
        let given = !pin.expose().is_empty();
        self.give(given.then_some(pin));
    }
    /// The person will not say.
    pub fn refuse(self) {
        drop(self);
    }

    fn give(&mut self, pin: Option<Pin>) {
        if let Some(take) = self.0.take() {
            take(pin);
        }
    }
}

impl Drop for PinReply {
    fn drop(&mut self) {
        self.give(None);
    }
}

impl std::fmt::Debug for PinReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PinReply")
    }
}
