//! The thread of the link.

use super::VerifierLink;
use super::channel::listen;
use super::security_keys::{ForwardedRequest, answer_request, refusal};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, JoinSet};
use vitalsign_agent_core::{ChannelEffect, Event, RequestError, VerifierEffect};
use vitalsign_ipc::Answer;
use vitalsign_protocol::problem::Action;

/// A verifier says something every 15 seconds, if only that it is there.
const CHANNEL_IDLE_TIMEOUT: Duration = Duration::from_secs(45);
/// Maximum number of concurrent requests about security keys.
pub(super) const MAX_FORWARDED: usize = 8;
const STACK: usize = 512 * 1024;

/// Input of the thread.
pub(crate) enum LinkInput {
    Request(VerifierEffect),
    Channel(ChannelEffect),
    Forward(ForwardedRequest),
}

struct LinkThread<Deliver> {
    link: VerifierLink,
    silence: Duration,
    channel: Option<AbortHandle>,
    forwarded: Arc<Semaphore>,
    tasks: JoinSet<()>,
    deliver: Deliver,
}

/// Starts the thread. It executes its inputs concurrently and delivers the resulting events. It ends when a request
/// panics, because the agent would wait for its event forever.
pub(crate) fn start(
    link: VerifierLink,
    deliver: impl Fn(Event) + Clone + Send + Sync + 'static,
) -> io::Result<UnboundedSender<LinkInput>> {
    start_with(link, CHANNEL_IDLE_TIMEOUT, deliver)
}

pub(super) fn start_with(
    link: VerifierLink,
    silence: Duration,
    deliver: impl Fn(Event) + Clone + Send + Sync + 'static,
) -> io::Result<UnboundedSender<LinkInput>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, inputs) = unbounded_channel();
    let forwarded = Arc::new(Semaphore::new(MAX_FORWARDED));
    let thread = LinkThread { link, silence, channel: None, forwarded, tasks: JoinSet::new(), deliver };
    let run = move || runtime.block_on(thread.run(inputs));
    std::thread::Builder::new().name("verifier".into()).stack_size(STACK).spawn(run)?;
    Ok(sender)
}

impl<Deliver: Fn(Event) + Clone + Send + Sync + 'static> LinkThread<Deliver> {
    async fn run(mut self, mut inputs: UnboundedReceiver<LinkInput>) {
        loop {
            let input = tokio::select! {
                input = inputs.recv() => input,
                Some(ended) = self.tasks.join_next() => {
                    if ended.is_err_and(|error| error.is_panic()) {
                        return;
                    }
                    continue;
                }
            };
            match input {
                None => return,
                Some(LinkInput::Request(effect)) => {
                    let (answer, deliver) = (self.link.request(effect), self.deliver.clone());
                    self.tasks.spawn(async move { deliver(answer.await) });
                }
                Some(LinkInput::Channel(effect)) => self.channel(effect),
                Some(LinkInput::Forward(request)) => self.forward(request),
            }
        }
    }

    fn channel(&mut self, effect: ChannelEffect) {
        if let Some(channel) = self.channel.take() {
            channel.abort();
        }
        match effect {
            ChannelEffect::Close => {}
            ChannelEffect::Open { number, session, after } => {
                let (client, silence) = (self.link.reloaded_client(), self.silence);
                let deliver = self.deliver.clone();
                let listening = self.tasks.spawn(async move {
                    let why = match client {
                        Ok(client) => match client.events(&session, after).await {
                            Ok(stream) => listen(stream, number, silence, &deliver).await,
                            Err(failure) => failure,
                        },
                        Err(failure) => failure,
                    };
                    deliver(Event::ChannelClosed(number, why));
                });
                self.channel = Some(listening);
            }
        }
    }

    fn forward(&mut self, forwarded: ForwardedRequest) {
        // Without a free slot the request is dropped, which answers `Busy`.
        let Ok(slot) = Arc::clone(&self.forwarded).try_acquire_owned() else { return };
        let (client, deliver) = (self.link.client(), self.deliver.clone());
        self.tasks.spawn(async move {
            let answer = match client {
                Ok(client) => answer_request(&client, &forwarded).await,
                Err(failure) => Err(failure),
            };
            if let Err(RequestError::Problem(problem)) = &answer
                && problem.action() == Action::Report
            {
                deliver(Event::SessionRefused);
            }
            let answer = answer.unwrap_or_else(|failure| Answer::Refused(refusal(failure)));
            forwarded.incoming.answer(answer);
            drop(slot);
        });
    }
}
