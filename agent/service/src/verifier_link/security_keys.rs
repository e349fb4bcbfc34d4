//! Requests of clients about security keys and diagnostics, which the verifier answers.

use crate::server::Incoming;
use crate::verifier::VerifierClient;
use serde_json::Value;
use vitalsign_agent_core::RequestError;
use vitalsign_ipc::{Answer, Refusal, Request, StepUpCeremony};
use vitalsign_protocol::diagnostics::DiagnosticsReport;
use vitalsign_protocol::message::DeviceSession;
use vitalsign_protocol::problem::Problem;
use vitalsign_protocol::step_up::{KeyProof, KeyRequest};

/// A client's request to forward: [`Request::BeginKey`], [`Request::FinishKey`], [`Request::Keys`] or
/// [`Request::SendDiagnostics`].
pub(crate) struct ForwardedRequest {
    pub(crate) incoming: Incoming,
    pub(crate) session: DeviceSession,
    /// The relying-party id and the origin that were pinned.
    pub(crate) rp_id: String,
    pub(crate) origin: String,
}

/// Forwards a request to the verifier.
pub(super) async fn answer_request(
    client: &VerifierClient,
    forwarded: &ForwardedRequest,
) -> Result<Answer, RequestError> {
    let ForwardedRequest { incoming, session, rp_id, origin } = forwarded;
    match &incoming.request {
        Request::BeginKey { code } => {
            let begun = client.begin_key(&KeyRequest { code: code.clone() }, session).await?;
            let named = begun.options.get("rp").and_then(|rp| rp.get("id")).and_then(Value::as_str);
            if named != Some(rp_id.as_str()) {
                return Err(RequestError::InvalidAnswer(
                    "the verifier's request is for another relying party than the pinned one".to_owned(),
                ));
            }
            let ceremony =
                StepUpCeremony { origin: origin.clone(), rp_id: rp_id.clone(), options: begun.options };
            Ok(Answer::Registration {
                registration: begun.registration,
                user: begun.user,
                ceremony: Box::new(ceremony),
            })
        }
        Request::FinishKey { registration, name, credential } => {
            let proof = KeyProof { name: name.clone(), credential: credential.clone() };
            Ok(Answer::Keys(vec![client.finish_key(registration, &proof, session).await?]))
        }
        Request::SendDiagnostics { text } => {
            let report = DiagnosticsReport { text: text.clone() };
            let receipt = client.send_diagnostics(&report, session).await?;
            Ok(Answer::DiagnosticsSent { reference: receipt.reference })
        }
        Request::Keys => Ok(Answer::Keys(client.keys(session).await?.keys)),
        _ => Ok(Answer::Refused(Refusal::NotUnderstood)),
    }
}

/// Converts a failed request into an answer for the client.
pub(super) fn refusal(failure: RequestError) -> Refusal {
    match failure {
        RequestError::Problem(Problem { problem_type, title, detail, .. }) => {
            Refusal::Verifier { problem: Some(problem_type), detail: detail.unwrap_or(title) }
        }
        RequestError::Unreachable(detail)
        | RequestError::Untrusted(detail)
        | RequestError::InvalidAnswer(detail) => Refusal::Verifier { problem: None, detail },
        RequestError::NoToken | RequestError::Key(_) => Refusal::Settings,
    }
}
