//! Problems that several operations of a device share.

use vitalsign_protocol::cose;
use vitalsign_protocol::evidence;
use vitalsign_protocol::problem::{Problem, ProblemType};

pub(crate) fn revoked() -> Problem {
    Problem::new(ProblemType::DeviceRevoked, "An administrator revoked this device.")
}

/// Maps an evidence error to a problem.
pub(crate) fn of_evidence(error: evidence::Error) -> Problem {
    let problem = match error {
        evidence::Error::TooLarge(..) => ProblemType::TooLarge,
        evidence::Error::Cose(cose::Error::Signature) | evidence::Error::OtherKey => {
            ProblemType::SignatureInvalid
        }
        evidence::Error::Cose(_) | evidence::Error::Header(_) => ProblemType::Malformed,
        evidence::Error::Claim(_) => ProblemType::ClaimsInvalid,
    };
    Problem::new(problem, error.to_string())
}
