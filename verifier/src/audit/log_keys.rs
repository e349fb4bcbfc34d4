//! Keys of the audit log: those that sign its checkpoints now, and those that did.

use super::checkpoint::Checkpoint;
use super::note::{NoteKey, SignedNote, VerifierKey};
use vitalsign_protocol::id::Digest;

/// Keys of the log. While a next key is announced, it signs beside the active one, so that who knows one of them learns of the
/// other.
pub struct LogKeys {
    active: NoteKey,
    next: Option<NoteKey>,
    known: Vec<VerifierKey>,
}

impl LogKeys {
    /// Takes the key that signs, the announced one, and the former ones.
    #[must_use]
    pub fn new(active: NoteKey, next: Option<NoteKey>, former: Vec<VerifierKey>) -> Self {
        let mut keys = Self { active, next, known: Vec::new() };
        keys.known = keys.signing().into_iter().cloned().chain(former).collect();
        keys
    }

    /// Returns the public half of the key that signs.
    #[must_use]
    pub fn current(&self) -> &VerifierKey {
        self.active.public()
    }

    /// Returns the key that signs, and the announced one.
    #[must_use]
    pub fn signing(&self) -> Vec<&VerifierKey> {
        [Some(&self.active), self.next.as_ref()].into_iter().flatten().map(NoteKey::public).collect()
    }

    /// Returns the key that signs, then the announced one, then the former ones.
    #[must_use]
    pub fn known(&self) -> &[VerifierKey] {
        &self.known
    }

    /// Signs a state of the log.
    #[must_use]
    pub fn sign(&self, size: u64, root: Digest, now: u64) -> SignedNote {
        let origin = self.current().name().to_owned();
        let mut note = Checkpoint { origin, size, root }.sign(&self.active, now);
        note.signatures.extend(self.next.as_ref().map(|next| next.sign(&note.text, now)));
        note
    }
}
