//! The binding of a tap: the challenge that a security key signs covers the transaction and the evidence.

use crate::id::{Digest, Nonce};

/// `SHA-256("vitalsign-step-up-v1" || 0x00 || R || SHA-256(evidence) || T)`.
///
/// `random` is the verifier's 32 fresh bytes, `evidence` the bytes of the evidence as they came,
/// `transaction` the digest of the canonical transaction.
#[must_use]
pub fn challenge(random: &Nonce, evidence: &[u8], transaction: &Digest) -> Digest {
    let evidence = Digest::of(evidence);
    Digest::labelled(
        "vitalsign-step-up-v1",
        &[random.as_bytes(), evidence.as_bytes(), transaction.as_bytes()],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_changes_the_challenge() {
        let base = challenge(&Nonce([1; 32]), b"evidence", &Digest([2; 32]));
        assert_ne!(base, challenge(&Nonce([0; 32]), b"evidence", &Digest([2; 32])));
        assert_ne!(base, challenge(&Nonce([1; 32]), b"evidencf", &Digest([2; 32])));
        assert_ne!(base, challenge(&Nonce([1; 32]), b"evidence", &Digest([3; 32])));
    }
}
