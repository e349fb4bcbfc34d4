//! FIDO2 security keys, as a client: one trait, a transport for each system.
//!
//! A ceremony is begun once and ends once. While it runs, prompts say what the person is to do; one that asks for a PIN
//! carries its own reply, which can be given once. Nothing is retried by program: a wrong PIN is asked for again, with
//! the attempts that are left, and a person answers.

use serde_json::Value;
use zeroize::Zeroizing;

/// What a security key is to do, and for whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceremony {
    /// The origin that `clientDataJSON` names. It is the one that was pinned at enrolment.
    pub origin: String,
    /// The relying-party id that was pinned; options that name another are refused.
    pub rp_id: String,
    /// What it is to do.
    pub operation: Operation,
}

/// What a security key is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Make a credential: PublicKeyCredentialCreationOptionsJSON.
    Create(Value),
    /// Sign with one: PublicKeyCredentialRequestOptionsJSON, with a list of credentials that is not empty.
    Get(Value),
}

/// What the person is to do now.
#[derive(Debug)]
pub enum Prompt {
    /// No security key is there: plug one in, or hold it to the reader.
    Insert,
    /// Touch the security key, or one of so many.
    Touch {
        /// How many are there.
        keys: usize,
    },
    /// Enter the PIN.
    Pin(PinRequest),
    /// Nothing: the key is at work.
    Working,
}

/// A PIN is asked for. Dropped without an answer, the ceremony is cancelled.
#[derive(Debug)]
pub struct PinRequest {
    /// Why.
    pub reason: PinReason,
    /// Attempts before the key is blocked, where it says so.
    pub attempts_left: Option<u32>,
    /// Where the answer goes.
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
    New {
        /// Characters.
        least: u32,
    },
    /// The one that was chosen is too short, too long, or refused by the key.
    Unsuitable,
}

/// A PIN. It does not print, and is overwritten when it goes.
pub struct Pin(Zeroizing<String>);

impl Pin {
    /// Takes it.
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

/// Where a PIN goes, once.
pub struct PinReply(Box<dyn FnOnce(Option<Pin>) + Send>);

impl PinReply {
    /// A reply that hands the PIN, or none for a refusal, to `take`.
    pub fn new(take: impl FnOnce(Option<Pin>) + Send + 'static) -> Self {
        Self(Box::new(take))
    }
    /// The PIN. An empty one is never sent to a key: it is taken as a refusal.
    pub fn enter(self, pin: Pin) {
        let given = !pin.expose().is_empty();
        (self.0)(given.then_some(pin));
    }
    /// The person will not say.
    pub fn refuse(self) {
        (self.0)(None);
    }
}

impl std::fmt::Debug for PinReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PinReply")
    }
}

/// A security key that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// What its maker or reader calls it.
    pub name: String,
    /// How it is reached.
    pub transport: Transport,
}

/// How a security key is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// USB HID.
    Usb,
    /// NFC, by a reader of the system (PC/SC).
    Nfc,
}

/// Why a ceremony did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It was cancelled, or a PIN was refused.
    #[error("cancelled")]
    Cancelled,
    /// Nobody touched a key in time.
    #[error("no security key was touched in time")]
    TimedOut,
    /// None of the credentials is on this key: it is another person's, or was never registered.
    #[error("this security key is not registered for this person")]
    WrongKey,
    /// The key takes no more PINs: it has to be reset, or, where `until_reinserted`, taken out and put in again.
    #[error("the security key takes no more PINs")]
    PinBlocked {
        /// Taking it out and putting it in again helps.
        until_reinserted: bool,
    },
    /// The key cannot verify who is there, and no PIN can be set.
    #[error("this security key cannot ask who is there: it has no PIN")]
    NoUserVerification,
    /// The key holds a credential of this person already.
    #[error("this security key is registered already")]
    AlreadyRegistered,
    /// The options name another relying party, or are not what they are to be. No key was asked.
    #[error("the request is refused: {0}")]
    Refused(String),
    /// This system cannot reach security keys now.
    #[error("security keys cannot be reached: {0}")]
    Unavailable(String),
}
