//! Listens on the event channel.

use crate::verifier::Events;
use std::time::Duration;
use vitalsign_agent_core::{Event, RequestError};
use vitalsign_protocol::sse::{self, TooLong};

/// Listens until the channel ends, and says why it did.
pub(super) async fn listen(
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
