//! The link to the verifier: executes requests, keeps the event channel, forwards requests about security keys.
//!
//! One thread runs all of them concurrently (`thread.rs`), so that a slow answer does not delay another.

mod channel;
mod security_keys;
mod thread;

pub(crate) use security_keys::ForwardedRequest;
pub(crate) use thread::{LinkInput, start};

use crate::config::VerifierSettings;
use crate::config_source::ConfigSource;
use crate::verifier::VerifierClient;
use std::sync::Arc;
use vitalsign_agent_core::{Event, RequestError, VerifierEffect};
use vitalsign_protocol::message::EnrolmentRequest;

/// Content of the file of trust anchors: it may change under the same name.
type Anchors = Option<Vec<u8>>;

/// The verifier of the configuration. Its connections are kept while its settings stay the same.
pub(crate) struct VerifierLink {
    source: Arc<ConfigSource>,
    client: Option<(VerifierSettings, Anchors, Arc<VerifierClient>)>,
}

impl VerifierLink {
    /// Creates a link that connects with its first request.
    pub(crate) fn new(source: Arc<ConfigSource>) -> Self {
        Self { source, client: None }
    }

    /// Sends a request. The future resolves to the event with the answer.
    pub(crate) fn request(&mut self, effect: VerifierEffect) -> impl Future<Output = Event> + Send + use<> {
        request(effect, self.client(), Arc::clone(&self.source))
    }

    /// Returns the client for the configuration as it was read last.
    fn client(&mut self) -> Result<Arc<VerifierClient>, RequestError> {
        self.client_for(self.source.current().verifier)
    }

    /// Returns the client for the configuration as it is on disk.
    fn reloaded_client(&mut self) -> Result<Arc<VerifierClient>, RequestError> {
        self.client_for(self.source.reload().verifier)
    }

    fn client_for(
        &mut self,
        settings: Option<VerifierSettings>,
    ) -> Result<Arc<VerifierClient>, RequestError> {
        let settings = settings.ok_or(RequestError::NoToken)?;
        let anchors = settings.anchors.read().ok();
        match &self.client {
            Some((before, file, client)) if (before, file) == (&settings, &anchors) => Ok(Arc::clone(client)),
            _ => {
                let client = VerifierClient::new(&settings)
                    .map_err(|error| RequestError::Untrusted(error.to_string()))?;
                let (_, _, client) = self.client.insert((settings, anchors, Arc::new(client)));
                Ok(Arc::clone(client))
            }
        }
    }
}

async fn request(
    effect: VerifierEffect,
    client: Result<Arc<VerifierClient>, RequestError>,
    source: Arc<ConfigSource>,
) -> Event {
    match effect {
        VerifierEffect::FetchNonce(kid) => Event::Nonce(async { client?.nonce(kid).await }.await),
        VerifierEffect::SendReport { evidence, pinned } => {
            Event::Reported(async { client?.report(evidence, &pinned).await.map(Box::new) }.await)
        }
        VerifierEffect::BeginEnrolment(keys) => Event::EnrolmentBegun(
            async {
                let token = source.take_token()?;
                let token = String::from_utf8_lossy(token.expose()).into_owned();
                client?.begin_enrolment(&EnrolmentRequest { token, keys: *keys }).await
            }
            .await,
        ),
        VerifierEffect::FinishEnrolment { enrolment, proof } => Event::EnrolmentFinished(
            async { client?.finish_enrolment(enrolment, &proof).await.map(Box::new) }.await,
        ),
        VerifierEffect::FetchOrganisation(version, session) => Event::OrganisationFetched(
            async { client?.organisation(version, &session).await.map(Arc::new) }
                .await
                .inspect_err(|error| tracing::warn!(?error, "the organisation's document is not fetched")),
        ),
        VerifierEffect::SendStepUpEvidence(step_up, evidence) => Event::EvidenceAnswered(
            step_up,
            async { client?.step_up_evidence(step_up, evidence).await.map(Box::new) }.await,
        ),
        VerifierEffect::SendAssertion(step_up, assertion, session) => Event::AssertionAnswered(
            step_up,
            async { client?.assertion(step_up, assertion, &session).await }.await,
        ),
        VerifierEffect::SendEnd(step_up, end, session) => {
            Event::EndAnswered(step_up, async { client?.end_step_up(step_up, end, &session).await }.await)
        }
    }
}

#[cfg(test)]
mod tests;
