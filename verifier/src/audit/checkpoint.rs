//! Checkpoints (C2SP tlog-checkpoint): signed notes with the size and root of the log, and proofs that refer to them.

use super::note::{NoteError, NoteKey, SignedNote, VerifierKey};
use super::tree;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use vitalsign_protocol::id::Digest;

/// State of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    pub root: Digest,
}

/// A witness's statement that it saw no other log before this checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cosigned {
    /// Name of the witness.
    pub witness: String,
    /// Time in seconds since 1970, by the witness's clock.
    pub time: u64,
}

impl Checkpoint {
    /// Returns the text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.as_bytes()))
    }

    /// Reads the text of a note. Refuses extension lines, which this log never writes.
    ///
    /// # Errors
    /// It is not a checkpoint.
    pub fn read(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(NoteError::Checkpoint("three lines were expected"));
        };
        let size: u64 = decimal(size).ok_or(NoteError::Checkpoint("the size"))?;
        let root = digest(root).ok_or(NoteError::Checkpoint("the root"))?;
        if origin.is_empty() {
            return Err(NoteError::Checkpoint("the origin"));
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Signs it as a note.
    #[must_use]
    pub fn sign(&self, key: &NoteKey, now: u64) -> SignedNote {
        let text = self.text();
        let signatures = vec![key.sign(&text, now)];
        SignedNote { text, signatures }
    }

    /// Opens a note that one of the log's keys signed. Returns the cosignatures of known witnesses as well.
    ///
    /// # Errors
    /// The log has not signed it, or a signature of a known key is invalid.
    pub fn open(
        note: &SignedNote,
        log: &[VerifierKey],
        witnesses: &[VerifierKey],
    ) -> Result<(Self, Vec<Cosigned>), NoteError> {
        let signer = note.signer(log)?;
        let checkpoint = Self::read(&note.text)?;
        if checkpoint.origin != signer.name() {
            return Err(NoteError::Origin(checkpoint.origin));
        }
        let mut cosigned = Vec::new();
        for witness in witnesses {
            match witness.verify(note) {
                Ok(time) => cosigned
                    .push(Cosigned { witness: witness.name().to_owned(), time: time.unwrap_or_default() }),
                Err(NoteError::Unsigned(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((checkpoint, cosigned))
    }
}

/// Parses a number without leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text && i64::try_from(number).is_ok()).then_some(number)
}

fn digest(text: &str) -> Option<Digest> {
    Digest::from_slice(&STANDARD.decode(text).ok()?)
}

/// First line of a proof (C2SP tlog-proof).
const PROOF_HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Proof that a leaf is in the log, with the checkpoint that it refers to (C2SP tlog-proof).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// Index of the leaf.
    pub index: u64,
    pub path: Vec<Digest>,
    pub note: SignedNote,
}

impl InclusionProof {
    /// Returns whether the leaf is in the tree of a checkpoint, which the caller has opened.
    #[must_use]
    pub fn includes(&self, leaf: &Digest, checkpoint: &Checkpoint) -> bool {
        tree::includes(leaf, self.index, &self.path, checkpoint.size, &checkpoint.root)
    }
}

impl fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PROOF_HEADER}\nindex {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", STANDARD.encode(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.note)
    }
}

impl FromStr for InclusionProof {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (head, note) = text.split_once("\n\n").ok_or(NoteError::Malformed("the proof has no note"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(PROOF_HEADER) {
            return Err(NoteError::Malformed("the proof's first line"));
        }
        let index = lines.next().and_then(|line| decimal(line.strip_prefix("index ")?));
        let index = index.ok_or(NoteError::Malformed("the proof's index"))?;
        let path: Vec<Digest> =
            lines.map(digest).collect::<Option<_>>().ok_or(NoteError::Malformed("a hash of the proof"))?;
        if path.len() > tree::MAX_PROOF {
            return Err(NoteError::Malformed("the proof has too many hashes"));
        }
        Ok(Self { index, path, note: note.parse()? })
    }
}

/// Proof that a later checkpoint contains everything that an earlier one does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// The earlier checkpoint, a signed note.
    pub old: String,
    /// The later checkpoint, a signed note.
    pub new: String,
    pub proof: Vec<Digest>,
}

impl ConsistencyProof {
    /// Verifies both checkpoints and the proof. Returns the earlier checkpoint, the later one, and who cosigned that.
    ///
    /// # Errors
    /// A signature or the proof is invalid.
    pub fn verify(
        &self,
        log: &[VerifierKey],
        witnesses: &[VerifierKey],
    ) -> Result<(Checkpoint, Checkpoint, Vec<Cosigned>), NoteError> {
        let (old, _) = Checkpoint::open(&self.old.parse()?, log, witnesses)?;
        let (new, cosigned) = Checkpoint::open(&self.new.parse()?, log, witnesses)?;
        let fits = self.proof.len() <= tree::MAX_PROOF;
        if !fits || !tree::extends((old.size, &old.root), (new.size, &new.root), &self.proof) {
            return Err(NoteError::Checkpoint(
                "the log was rewritten: the later state does not contain the earlier",
            ));
        }
        Ok((old, new, cosigned))
    }
}
