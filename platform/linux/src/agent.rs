//! The agent itself: its version, and the digest of the program that runs.

use crate::Root;
use std::io::Read;
use std::sync::OnceLock;
use std::time::Duration;
use vitalsign_platform_api::Probe;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::id::Digest;

/// The program that runs; it stays the same file when a new one takes its place on disk.
const PROGRAM: &str = "/proc/self/exe";

/// Returns the probe of the submodule `agent`.
#[must_use]
pub fn probes(root: &Root, version: &'static str) -> Vec<Probe> {
    let root = root.clone();
    vec![Probe::new(
        "agent",
        Duration::from_secs(5),
        move || digest(&root),
        move |posture, seen| {
            posture.agent.version = Fact::Known(version.to_owned());
            posture.agent.digest = seen.into();
        },
    )]
}

/// SHA-256 of the running program, in hexadecimal. A process runs one program all its life: it is read once.
pub fn digest(root: &Root) -> Result<String, Reason> {
    static SEEN: OnceLock<String> = OnceLock::new();
    if root.is_live()
        && let Some(seen) = SEEN.get()
    {
        return Ok(seen.clone());
    }
    let mut program = Vec::new();
    root.open(PROGRAM)?.read_to_end(&mut program)?;
    let digest = Digest::of(&program).hex();
    if root.is_live() {
        return Ok(SEEN.get_or_init(|| digest).clone());
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_this_program() {
        let program = std::env::current_exe().unwrap();
        let expected = std::process::Command::new("sha256sum").arg(program).output().unwrap();
        let expected = String::from_utf8(expected.stdout).unwrap();
        for _ in 0..2 {
            assert_eq!(Some(&*digest(&Root::default()).unwrap()), expected.split_ascii_whitespace().next());
        }
    }

    #[test]
    fn a_program_that_cannot_be_read() {
        assert_eq!(digest(&Root::at("/no/such/tree")), Err(Reason::Failed));
    }
}
