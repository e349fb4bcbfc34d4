//! Registers a security key: code, ceremony, proof.

use crate::agent::{SecurityKeyClient, Service, ServiceConnector};
use vitalsign_client::ClientError;
use vitalsign_ipc::{Answer, Refusal, Request};
use vitalsign_protocol::id::Secret;
use vitalsign_protocol::step_up::RegisteredKey;
use vitalsign_security_key::{Cancel, Ceremony, Failure, Operation, Prompt};

/// Reason why a key was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The service was not reached.
    #[error(transparent)]
    Service(#[from] ClientError),
    /// The service, or the verifier behind it, refuses.
    #[error(transparent)]
    Refused(Refusal),
    /// The security key was not used.
    #[error(transparent)]
    Key(Failure),
    /// The service sent an unexpected answer.
    #[error("{}", crate::texts::ODD)]
    Odd,
}

/// Registers the key that the person will touch, for the user that the code was given to. `begun` is told whose it
/// will be.
pub fn register(
    agent: &impl ServiceConnector,
    keys: &impl SecurityKeyClient,
    code: Secret,
    name: &str,
    begun: impl FnOnce(&str),
    prompts: &mut (dyn FnMut(Prompt) + Send),
    cancel: &Cancel,
) -> Result<RegisteredKey, RegisterError> {
    let mut service: Box<dyn Service> = agent.connect()?;
    let (registration, user, ceremony) = match service.ask(Request::BeginKey { code })? {
        Answer::Registration { registration, user, ceremony } => (registration, user, ceremony),
        other => return Err(refused(other)),
    };
    begun(&user);
    let operation = Operation::Create(ceremony.options);
    let ceremony = Ceremony { origin: ceremony.origin, rp_id: ceremony.rp_id, operation };
    let credential = keys.perform(&ceremony, prompts, cancel).map_err(RegisterError::Key)?;
    // The person took their time; the service may have closed the connection meanwhile.
    let mut service = agent.connect()?;
    match service.ask(Request::FinishKey { registration, name: name.to_owned(), credential })? {
        Answer::Keys(keys) => keys.into_iter().next().ok_or(RegisterError::Odd),
        other => Err(refused(other)),
    }
}

fn refused(answer: Answer) -> RegisterError {
    match answer {
        Answer::Refused(refusal) => RegisterError::Refused(refusal),
        _ => RegisterError::Odd,
    }
}
