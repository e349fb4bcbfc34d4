//! What a person is asked while a ceremony runs.

use zeroize::Zeroizing;

/// What the person is to do now.
#[derive(Debug)]
pub enum Prompt {
    /// No security key is there: plug one in, or hold it to the reader.
    Insert,
    /// Touch the security key, or one of so many.
    Touch {
        keys: usize,
    },
    Pin(PinRequest),
    /// Nothing: the key is at work.
    Working,
}

/// A PIN is asked for. Dropped without an answer, the ceremony is cancelled.
#[derive(Debug)]
pub struct PinRequest {
    pub reason: PinReason,
    /// Attempts before the key is blocked, where it says so.
    pub attempts_left: Option<u32>,
    pub reply: PinReply,
}

/// Why a PIN is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinReason {
    /// The key asks who is there.
    Needed,
    /// The last one was wrong.
    Wrong,
    /// The key has none yet: choose one, of at least so many characters.
    New { least: u32 },
    /// The one that was chosen is too short, too long, or refused by the key.
    Unsuitable,
}

/// A PIN. It does not print, and is overwritten when it goes.
pub struct Pin(Zeroizing<String>);

impl Pin {
    #[must_use]
    pub fn new(pin: String) -> Self {
        Self(Zeroizing::new(pin))
    }
    /// Its characters: say why at the call.
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

/// Where a PIN goes, once. Dropped, it is a refusal.
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
