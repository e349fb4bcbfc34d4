//! Refusals that only this API has, as problems (RFC 9457).

use vitalsign_protocol::problem::Problem;

/// Reason why an operation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminProblem {
    /// The caller showed nothing that names an administrator.
    Unauthenticated,
    /// The administrator lacks the scope.
    Forbidden,
    /// The input contradicts itself, or a limit.
    Invalid,
    /// The thing that is named does not exist.
    Unknown,
    /// It is so already, or something else is in the way.
    Conflict,
    /// The action needs a tap, which no one can give or was not given for it.
    TapRefused,
    /// The administrator sends more than their pace allows.
    TooMany,
}

impl AdminProblem {
    fn parts(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Unauthenticated => ("unauthenticated", 401, "An administrator's identity is needed."),
            Self::Forbidden => ("forbidden", 403, "The administrator may not do this."),
            Self::Invalid => ("invalid", 422, "The input cannot be used."),
            Self::Unknown => ("unknown", 404, "There is no such thing."),
            Self::Conflict => ("conflict", 409, "The present state does not allow this."),
            Self::TapRefused => ("tap-refused", 403, "The action needs a tap that it does not have."),
            Self::TooMany => ("too-many", 429, "The administrator sends more often than is accepted."),
        }
    }

    /// Returns the problem with a sentence for the administrator.
    #[must_use]
    pub fn because(self, detail: impl Into<String>) -> Problem {
        let (name, status, title) = self.parts();
        Problem {
            problem_type: format!("urn:vitalsign:problem:admin:{name}"),
            title: title.to_owned(),
            status,
            detail: Some(detail.into()),
            retry_after: None,
        }
    }
}
