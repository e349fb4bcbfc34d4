//! Shows the diagnostics that the service gathers, and has it send them.

use super::{App, lock};
use crate::view::{DiagnosticsSent, DiagnosticsText};
use vitalsign_client::ClientError;
use vitalsign_ipc::{Answer, Refusal, Request};
use vitalsign_protocol::problem::ProblemType;
use vitalsign_session::ServiceConnector;

impl App {
    /// Returns the text to show. Without the service it is the app's own, which cannot be sent.
    pub(crate) fn diagnostics(&self) -> DiagnosticsText {
        let mut notes = vec![format!("vitalsign-app {}", env!("CARGO_PKG_VERSION"))];
        notes.extend(lock(&self.problems).iter().cloned());
        let ask = Request::DiagnosticsText { notes: notes.clone() };
        let why = match self.socket.connect().and_then(|mut service| service.ask(ask)) {
            Ok(Answer::DiagnosticsText(text)) => return DiagnosticsText { text, sendable: true },
            Ok(Answer::Refused(refusal)) => refusal.to_string(),
            Ok(_) => vitalsign_session::texts::ODD.to_owned(),
            Err(error) => error.to_string(),
        };
        notes.push(why);
        DiagnosticsText { text: notes.join("\n"), sendable: false }
    }

    /// Sends the text that was shown.
    pub(crate) fn send_diagnostics(&self, text: String) -> DiagnosticsSent {
        let answer =
            self.socket.connect().and_then(|mut service| service.ask(Request::SendDiagnostics { text }));
        let sent = sent(&answer);
        if let (DiagnosticsSent::Failed, Ok(Answer::Refused(refusal))) = (&sent, &answer) {
            self.note(&refusal.to_string());
        }
        sent
    }
}

fn sent(answer: &Result<Answer, ClientError>) -> DiagnosticsSent {
    match answer {
        Ok(Answer::DiagnosticsSent { reference }) => {
            DiagnosticsSent::Sent { reference: reference.to_string() }
        }
        Ok(Answer::Refused(Refusal::Verifier { problem: Some(problem), .. }))
            if problem == ProblemType::RateLimited.urn() =>
        {
            DiagnosticsSent::TooOften
        }
        // Not reached, or no session yet.
        Ok(Answer::Refused(Refusal::Busy | Refusal::Verifier { problem: None, .. })) | Err(_) => {
            DiagnosticsSent::Offline
        }
        Ok(_) => DiagnosticsSent::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitalsign_protocol::diagnostics::DiagnosticsRef;

    #[test]
    fn each_answer_tells_the_person_what_to_do() {
        let refused = |refusal| Ok(Answer::Refused(refusal));
        let verifier = |problem: Option<ProblemType>| Refusal::Verifier {
            problem: problem.map(|it| it.urn().to_owned()),
            detail: String::new(),
        };
        for (answer, wanted) in [
            (
                Ok(Answer::DiagnosticsSent { reference: DiagnosticsRef(47) }),
                DiagnosticsSent::Sent { reference: "R-0471".into() },
            ),
            (refused(verifier(None)), DiagnosticsSent::Offline),
            (refused(Refusal::Busy), DiagnosticsSent::Offline),
            (Err(ClientError::TimedOut), DiagnosticsSent::Offline),
            (refused(verifier(Some(ProblemType::RateLimited))), DiagnosticsSent::TooOften),
            (refused(verifier(Some(ProblemType::DeviceRevoked))), DiagnosticsSent::Failed),
            (refused(Refusal::NotShown), DiagnosticsSent::Failed),
        ] {
            assert_eq!(sent(&answer), wanted, "{answer:?}");
        }
    }
}
