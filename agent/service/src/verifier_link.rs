//! Requests to the verifier outside the report cycle: the event channel, messages of step-ups, and requests
//! about security keys. One thread runs all of them concurrently, so that a slow answer does not delay
//! another.

use crate::config;
use crate::device::ReadConfig;
use crate::server::Incoming;
use crate::verifier::{Events, VerifierClient};
use serde_json::Value;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use vitalsign_agent_core::{ChannelEffect, Event, RequestError, VerifierEffect};
use vitalsign_ipc::{Answer, Refusal, Request, StepUpCeremony};
use vitalsign_protocol::message::DeviceSession;
use vitalsign_protocol::problem::{Action, Problem};
use vitalsign_protocol::sse::{self, TooLong};
use vitalsign_protocol::step_up::{KeyProof, KeyRequest};

/// A verifier says something every 15 seconds, if only that it is there.
const CHANNEL_IDLE_TIMEOUT: Duration = Duration::from_secs(45);
/// Maximum number of concurrent requests about security keys.
const MAX_ASKED: usize = 8;
const STACK: usize = 512 * 1024;

/// Input of the thread.
pub(crate) enum LinkInput {
    Request(VerifierEffect),
    Channel(ChannelEffect),
    Forward(ForwardedRequest),
}

/// A client's request about security keys, to forward: [`Request::BeginKey`], [`Request::FinishKey`] or
/// [`Request::Keys`].
pub(crate) struct ForwardedRequest {
    pub(crate) incoming: Incoming,
    pub(crate) session: DeviceSession,
    /// The relying-party id and the origin that were pinned.
    pub(crate) rp_id: String,
    pub(crate) origin: String,
}

struct VerifierLink<Deliver> {
    read_config: ReadConfig,
    silence: Duration,
    verifier: Option<(config::VerifierSettings, Arc<VerifierClient>)>,
    channel: Option<AbortHandle>,
    asked: Arc<Semaphore>,
    deliver: Deliver,
}

/// Starts the thread. What it is given is carried out side by side, and what comes of it is delivered.
pub(crate) fn start(
    read_config: ReadConfig,
    deliver: impl Fn(Event) + Clone + Send + Sync + 'static,
) -> io::Result<UnboundedSender<LinkInput>> {
    start_with(read_config, CHANNEL_IDLE_TIMEOUT, deliver)
}

fn start_with(
    read_config: ReadConfig,
    silence: Duration,
    deliver: impl Fn(Event) + Clone + Send + Sync + 'static,
) -> io::Result<UnboundedSender<LinkInput>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, inputs) = unbounded_channel();
    let asked = Arc::new(Semaphore::new(MAX_ASKED));
    let line = VerifierLink { read_config, silence, verifier: None, channel: None, asked, deliver };
    let run = move || runtime.block_on(line.run(inputs));
    std::thread::Builder::new().name("verifier".into()).stack_size(STACK).spawn(run)?;
    Ok(sender)
}

impl<Deliver: Fn(Event) + Clone + Send + Sync + 'static> VerifierLink<Deliver> {
    async fn run(mut self, mut inputs: UnboundedReceiver<LinkInput>) {
        while let Some(input) = inputs.recv().await {
            match input {
                LinkInput::Request(effect) => self.request(effect),
                LinkInput::Channel(effect) => self.channel(effect),
                LinkInput::Forward(request) => self.forward(request),
            }
        }
    }

    fn request(&mut self, effect: VerifierEffect) {
        match effect {
            VerifierEffect::SendStepUpEvidence(step_up, evidence) => self.ask(
                async move |verifier| verifier.step_up_evidence(step_up, evidence).await.map(Box::new),
                move |answer| Event::EvidenceAnswered(step_up, answer),
            ),
            VerifierEffect::SendAssertion(step_up, assertion, session) => self.ask(
                async move |verifier| verifier.assertion(step_up, assertion, &session).await,
                move |answer| Event::AssertionAnswered(step_up, answer),
            ),
            VerifierEffect::SendEnd(step_up, end, session) => self.ask(
                async move |verifier| verifier.end_step_up(step_up, end, &session).await,
                move |answer| Event::EndAnswered(step_up, answer),
            ),
        }
    }

    fn channel(&mut self, effect: ChannelEffect) {
        self.close();
        match effect {
            ChannelEffect::Close => {}
            ChannelEffect::Open { number, session, after } => {
                // There may be other settings since the last time.
                let (verifier, silence) = (self.verifier_anew(), self.silence);
                let deliver = self.deliver.clone();
                let listening = tokio::spawn(async move {
                    let why = match verifier {
                        Ok(verifier) => match verifier.events(&session, after).await {
                            Ok(stream) => listen(stream, number, silence, &deliver).await,
                            Err(failure) => failure,
                        },
                        Err(failure) => failure,
                    };
                    deliver(Event::ChannelClosed(number, why));
                });
                self.channel = Some(listening.abort_handle());
            }
        }
    }

    fn forward(&mut self, request: ForwardedRequest) {
        let ForwardedRequest { incoming, session, rp_id, origin } = request;
        // Without a free slot the request is dropped, which answers `Busy`.
        let Ok(place) = Arc::clone(&self.asked).try_acquire_owned() else { return };
        let (verifier, deliver) = (self.verifier(), self.deliver.clone());
        tokio::spawn(async move {
            let answer = match verifier {
                Ok(verifier) => keys(&verifier, &incoming.request, &session, &rp_id, origin).await,
                Err(failure) => Err(failure),
            };
            if let Err(RequestError::Problem(problem)) = &answer
                && problem.action() == Action::Report
            {
                deliver(Event::SessionRefused);
            }
            incoming.answer(answer.unwrap_or_else(|failure| Answer::Refused(refusal(failure))));
            drop(place);
        });
    }

    /// Asks the verifier, and delivers what comes of it.
    fn ask<T, Call, Answering>(
        &mut self,
        call: Call,
        answered: impl FnOnce(Result<T, RequestError>) -> Event + Send + 'static,
    ) where
        Call: FnOnce(Arc<VerifierClient>) -> Answering + Send + 'static,
        Answering: Future<Output = Result<T, RequestError>> + Send,
        T: Send,
    {
        let (verifier, deliver) = (self.verifier(), self.deliver.clone());
        tokio::spawn(async move {
            let answer = match verifier {
                Ok(verifier) => call(verifier).await,
                Err(failure) => Err(failure),
            };
            deliver(answered(answer));
        });
    }

    fn close(&mut self) {
        if let Some(channel) = self.channel.take() {
            channel.abort();
        }
    }

    /// The verifier of the settings as they are now; its connections are kept where it is the same.
    fn verifier_anew(&mut self) -> Result<Arc<VerifierClient>, RequestError> {
        let config = (self.read_config)().map_err(|error| {
            tracing::error!(%error, "the settings cannot be used");
            RequestError::Unreachable(error.to_string())
        })?;
        let settings = config.verifier.ok_or(RequestError::NoToken)?;
        match &self.verifier {
            Some((before, verifier)) if *before == settings => Ok(Arc::clone(verifier)),
            _ => {
                let verifier = VerifierClient::new(&settings)
                    .map(Arc::new)
                    .map_err(|error| RequestError::Untrusted(error.to_string()))?;
                self.verifier = Some((settings, Arc::clone(&verifier)));
                Ok(verifier)
            }
        }
    }

    fn verifier(&mut self) -> Result<Arc<VerifierClient>, RequestError> {
        match &self.verifier {
            Some((_, verifier)) => Ok(Arc::clone(verifier)),
            None => self.verifier_anew(),
        }
    }
}

/// Listens until the channel ends, and says why it did.
async fn listen(
    mut stream: Events,
    number: u64,
    silence: Duration,
    deliver: &impl Fn(Event),
) -> RequestError {
    deliver(Event::ChannelOpened(number));
    let mut reader = sse::Reader::default();
    loop {
        let part = match tokio::time::timeout(silence, stream.next()).await {
            Ok(Ok(Some(part))) => part,
            Ok(Ok(None)) => {
                return RequestError::Unreachable("the verifier closed the event channel".to_owned());
            }
            Ok(Err(failure)) => return failure,
            Err(_) => return RequestError::Unreachable("the event channel fell silent".to_owned()),
        };
        for event in reader.feed(part.as_ref()) {
            match event {
                Ok(message) => deliver(Event::ChannelMessage(number, message)),
                Err(TooLong) => tracing::warn!("{TooLong}: it is passed over"),
            }
        }
    }
}

/// Forwards a request about security keys to the verifier.
async fn keys(
    verifier: &VerifierClient,
    request: &Request,
    session: &DeviceSession,
    rp_id: &str,
    origin: String,
) -> Result<Answer, RequestError> {
    match request {
        Request::BeginKey { code } => {
            let begun = verifier.begin_key(&KeyRequest { code: code.clone() }, session).await?;
            let named = begun.options.get("rp").and_then(|rp| rp.get("id")).and_then(Value::as_str);
            if named != Some(rp_id) {
                return Err(RequestError::InvalidAnswer(
                    "the verifier's request is for another relying party than the pinned one".to_owned(),
                ));
            }
            let ceremony = StepUpCeremony { origin, rp_id: rp_id.to_owned(), options: begun.options };
            Ok(Answer::Registration {
                registration: begun.registration,
                user: begun.user,
                ceremony: Box::new(ceremony),
            })
        }
        Request::FinishKey { registration, name, credential } => {
            let proof = KeyProof { name: name.clone(), credential: credential.clone() };
            Ok(Answer::Keys(vec![verifier.finish_key(registration, &proof, session).await?]))
        }
        Request::Keys => Ok(Answer::Keys(verifier.keys(session).await?.keys)),
        _ => Ok(Answer::Refused(Refusal::NotUnderstood)),
    }
}

/// Converts a failed request into an answer for the client.
fn refusal(failure: RequestError) -> Refusal {
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

#[cfg(test)]
mod tests;
