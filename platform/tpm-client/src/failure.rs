//! Errors of TPM commands, as text (TPM 2.0 part 2, clause 6.6), and the caller's possible reactions.

use std::io::{self, ErrorKind};
use tpm2_protocol::data::TpmCc;
use vitalsign_platform_api::KeyError;
use vitalsign_tpm::codec::Malformed;
use vitalsign_tpm::public;

#[derive(Debug)]
pub(crate) enum CommandError {
    /// The TPM could not be reached, or did not answer in time.
    Io(io::Error),
    /// It refused this command with this response code.
    Refused(TpmCc, Rc),
    /// The response is malformed.
    Garbled(&'static str),
    /// Something that a caller decides by.
    Key(KeyError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rc(pub(crate) u32);

impl Rc {
    /// Without the number of the parameter, handle or session.
    pub(crate) fn base(self) -> u32 {
        if self.0 & 0x80 != 0 { self.0 & 0xbf } else { self.0 & 0xfff }
    }

    /// Returns whether the same command may succeed if it is sent again.
    pub(crate) fn retry(self) -> bool {
        [RC_YIELDED, RC_TESTING, RC_RETRY].contains(&self.base())
    }

    /// There is no room for another object or session.
    pub(crate) fn is_full(self) -> bool {
        (0x902..=0x906).contains(&self.base())
    }

    /// The object is not, or no longer, loaded.
    pub(crate) fn is_unloaded(self) -> bool {
        [RC_HANDLE, RC_REFERENCE_H0].contains(&self.base())
    }

    /// The blob itself was refused: its integrity (TPM_RC_INTEGRITY), its form or its binding to the parent.
    pub(crate) fn is_about_the_blob(self) -> bool {
        [0x084, 0x08a, 0x092, 0x095, 0x09a, 0x09c, 0x09f, 0x0a5].contains(&self.base())
    }

    fn words(self) -> &'static str {
        let found = WORDS.iter().find(|(code, _)| *code == self.base());
        found.map_or("a response code that is not known here", |(_, words)| words)
    }
}

const RC_HANDLE: u32 = 0x08b;
const RC_YIELDED: u32 = 0x908;
const RC_TESTING: u32 = 0x90a;
const RC_REFERENCE_H0: u32 = 0x910;
const RC_NV_RATE: u32 = 0x920;
const RC_LOCKOUT: u32 = 0x921;
const RC_RETRY: u32 = 0x922;
const RC_NV_UNAVAILABLE: u32 = 0x923;

const WORDS: [(u32, &str); 42] = [
    (0x01e, "the command's tag is wrong: this may be a TPM 1.2"),
    (0x100, "the TPM was not started"),
    (0x101, "the TPM has failed and needs a restart"),
    (0x120, "the command is disabled"),
    (0x121, "the session is not exclusive any more"),
    (0x125, "an authorisation is missing"),
    (0x126, "the policy does not allow it"),
    (0x128, "a PCR has changed since the policy was checked"),
    (0x12d, "the TPM waits for a firmware upgrade to end"),
    (0x12e, "too many contexts are saved"),
    (0x12f, "the authorisation cannot be used here"),
    (0x130, "the TPM needs a restart of the machine"),
    (0x142, "the command's size is wrong"),
    (0x143, "the TPM does not have this command"),
    (0x149, "the index does not allow this access"),
    (0x14a, "the index was never written"),
    (0x14b, "there is no room left in NV memory"),
    (0x081, "the algorithm is not supported"),
    (0x082, "the key's attributes do not allow it"),
    (0x083, "the hash algorithm is not supported"),
    (0x084, "a value is out of range"),
    (0x085, "the hierarchy is disabled"),
    (0x08a, "the key is of the wrong type"),
    (0x08b, "there is no object at this handle"),
    (0x08e, "the authorisation is wrong, and it counts towards a lockout"),
    (0x092, "the scheme is not supported"),
    (0x095, "a structure has the wrong size"),
    (0x09b, "the signature is not valid"),
    (0x09c, "the key is not of the right kind"),
    (0x09d, "a policy was not satisfied"),
    (
        0x09f,
        "the integrity check failed: this was made by another TPM, or before it was cleared, or it was changed",
    ),
    (0x0a0, "the ticket is not valid"),
    (0x0a2, "the authorisation is wrong"),
    (0x902, "there is no room for another object"),
    (0x903, "there is no room for another session"),
    (0x904, "there is no memory left"),
    (0x908, "the TPM had more urgent work"),
    (0x90a, "the TPM tests itself"),
    (0x910, "the object is not loaded"),
    (0x920, "the TPM limits how often NV memory is written"),
    (0x921, "too many authorisations failed, and the TPM has locked itself for a while"),
    (0x922, "the TPM is busy"),
];

impl From<CommandError> for KeyError {
    fn from(failure: CommandError) -> Self {
        match failure {
            CommandError::Io(error) => match error.kind() {
                ErrorKind::PermissionDenied => Self::Denied(error.to_string()),
                ErrorKind::TimedOut => Self::Unavailable("the TPM did not answer in time".into()),
                _ => Self::Unavailable(error.to_string()),
            },
            CommandError::Refused(command, rc) => {
                let text = format!("{command:?}: {} (0x{:x})", rc.words(), rc.0);
                match rc.base() {
                    RC_LOCKOUT => Self::LockedOut(text),
                    RC_NV_RATE | RC_NV_UNAVAILABLE => Self::Unavailable(text),
                    _ if rc.retry() || rc.is_full() => Self::Unavailable(text),
                    _ => Self::Hardware(text),
                }
            }
            CommandError::Garbled(what) => Self::Hardware(format!("the TPM answered with {what}")),
            CommandError::Key(error) => error,
        }
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
impl From<KeyError> for CommandError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}
impl From<Malformed> for CommandError {
    fn from(_: Malformed) -> Self {
        Self::Garbled("a structure that is not of its type")
    }
}
impl From<tpm2_protocol::TpmError> for CommandError {
    fn from(_: tpm2_protocol::TpmError) -> Self {
        Malformed.into()
    }
}
impl From<public::Error> for CommandError {
    fn from(_: public::Error) -> Self {
        Self::Garbled("a key that is not of the kind that was asked for")
    }
}
impl From<aws_lc_rs::error::Unspecified> for CommandError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Key(KeyError::Hardware("the system has no random numbers".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide() {
        let of = |rc| KeyError::from(CommandError::Refused(TpmCc::Sign, Rc(rc)));
        assert!(matches!(of(0x921), KeyError::LockedOut(_)));
        for rc in [0x922, 0x908, 0x90a, 0x902, 0x903, 0x920, 0x923] {
            assert!(matches!(of(rc), KeyError::Unavailable(_)), "{rc:x}");
        }
        for rc in [0x1df, 0x101, 0x9a2, 0xdead_beef] {
            assert!(matches!(of(rc), KeyError::Hardware(_)), "{rc:x}");
        }
        let io = |kind: ErrorKind| KeyError::from(CommandError::Io(kind.into()));
        assert!(matches!(io(ErrorKind::PermissionDenied), KeyError::Denied(_)));
        for kind in
            [ErrorKind::NotFound, ErrorKind::TimedOut, ErrorKind::ResourceBusy, ErrorKind::UnexpectedEof]
        {
            assert!(matches!(io(kind), KeyError::Unavailable(_)), "{kind}");
        }
        assert!(of(0x9a2).to_string().contains("the authorisation is wrong"), "{}", of(0x9a2));
        assert!(of(0x1df).to_string().contains("integrity"), "{}", of(0x1df));
    }
}
