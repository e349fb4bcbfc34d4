//! Random bytes.

use vitalsign_protocol::problem::{Problem, ProblemType};

/// Returns random bytes.
///
/// # Errors
/// `internal` if the operating system has none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| {
        tracing::error!("the operating system has no random numbers");
        Problem::new(ProblemType::Internal, "")
    })?;
    Ok(bytes)
}
