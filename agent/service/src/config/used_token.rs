//! Memory of the enrolment token in the managed configuration that this device has used: the service cannot remove it from
//! there, and must not try it for ever.
//!
//! The state folder holds a digest over the token and the machine's ID. On a clone of this machine's image the digest is
//! another one, so that the clone enrols with the same token; so does a machine that was installed again.

use super::read_capped;
use crate::store::write_whole;
use std::io;
use std::path::Path;
use vitalsign_protocol::id::{Digest, Secret};

const FILE: &str = "enrolment-token.used";
const LABEL: &str = "vitalsign-used-token";
const MAX_BYTES: u64 = 100;

/// Returns the digest under which a token is remembered on this machine.
pub(crate) fn digest_of(token: &Secret) -> Digest {
    digest(token, &vitalsign_os::machine_id())
}

fn digest(token: &Secret, machine: &str) -> Digest {
    // The separator keeps a part of one from counting as a part of the other.
    Digest::labelled(LABEL, &[machine.as_bytes(), &[0], token.expose()])
}

/// Returns whether this machine has enrolled with the token of this digest.
pub(crate) fn is_used(state: &Path, digest: &Digest) -> bool {
    let kept = read_capped(&state.join(FILE), MAX_BYTES);
    kept.is_ok_and(|kept| kept.is_some_and(|kept| kept.trim() == digest.hex()))
}

/// Remembers that this machine has enrolled with the token of this digest.
pub(crate) fn remember(state: &Path, digest: &Digest) -> io::Result<()> {
    write_whole(&state.join(FILE), digest.hex().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_used_on_one_machine_only() {
        let folder = tempfile::tempdir().unwrap();
        let token = |text: &str| Secret::new(text.as_bytes().to_vec());
        let used = digest(&token("vse_a"), "machine-1");
        assert!(!is_used(folder.path(), &used));
        remember(folder.path(), &used).unwrap();
        assert!(is_used(folder.path(), &digest(&token("vse_a"), "machine-1")));
        for (other, machine) in [("vse_b", "machine-1"), ("vse_a", "machine-2"), ("1vse_a", "machine-")] {
            assert!(!is_used(folder.path(), &digest(&token(other), machine)), "{other} {machine}");
        }
        let kept = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(!kept.contains("vse_a") && !kept.contains("machine"), "{kept}");
    }
}
