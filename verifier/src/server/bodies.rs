//! Memory of request bodies: each is capped, and all together have a budget, so that many peers that send slowly or
//! much cannot exhaust it.

use axum::body::Body;
use http_body_util::BodyExt;
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Budget of bytes for bodies that are being received or handled.
#[derive(Clone)]
pub(super) struct BodyBudget(Arc<Semaphore>);

/// A body, with its bytes of the budget.
pub(super) struct ReceivedBody {
    bytes: Vec<u8>,
    taken: Option<OwnedSemaphorePermit>,
}

/// Reason why a body was not received.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    TooLarge,
    /// The connection ended, or the framing is wrong.
    Incomplete,
    /// The budget is used up.
    OverBudget,
}

impl BodyBudget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Begins a body.
    pub(super) fn empty(&self) -> ReceivedBody {
        ReceivedBody { bytes: Vec::new(), taken: None }
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, BodyError> {
        let bytes = u32::try_from(bytes).map_err(|_| BodyError::OverBudget)?;
        self.0.clone().try_acquire_many_owned(bytes).map_err(|_| BodyError::OverBudget)
    }

    /// Receives the rest of `body` until `received` has more than `limit` bytes or the body has ended.
    pub(super) async fn receive(
        &self,
        body: &mut Body,
        received: &mut ReceivedBody,
        limit: usize,
    ) -> Result<(), BodyError> {
        while let Some(frame) = body.frame().await {
            // Trailers say nothing that is used here.
            let Ok(data) = frame.map_err(|_| BodyError::Incomplete)?.into_data() else { continue };
            let length = received.bytes.len() + data.len();
            let taken = self.take(data.len())?;
            match &mut received.taken {
                Some(all) => all.merge(taken),
                none => *none = Some(taken),
            }
            received.bytes.extend_from_slice(&data);
            if length > limit {
                return Err(BodyError::TooLarge);
            }
        }
        Ok(())
    }
}

impl Deref for ReceivedBody {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;
    use futures_util::stream;

    fn body(chunks: usize, bytes: usize) -> Body {
        let chunk = Bytes::from(vec![7; bytes]);
        Body::from_stream(stream::iter((0..chunks).map(move |_| Ok::<_, std::io::Error>(chunk.clone()))))
    }

    #[tokio::test]
    async fn bodies_together_keep_to_the_budget() {
        let budget = BodyBudget::new(1000);
        let mut first = budget.empty();
        budget.receive(&mut body(8, 100), &mut first, 900).await.unwrap();
        assert_eq!(first.len(), 800);
        let mut second = budget.empty();
        assert_eq!(budget.receive(&mut body(3, 100), &mut second, 900).await, Err(BodyError::OverBudget));
        drop(second);
        drop(first);
        assert_eq!(budget.0.available_permits(), 1000);
        let mut third = budget.empty();
        assert_eq!(budget.receive(&mut body(99, 100), &mut third, 900).await, Err(BodyError::TooLarge));
        assert!(third.len() <= 1000);
    }

    #[tokio::test]
    async fn a_body_that_passes_a_limit_can_be_received_on() {
        let budget = BodyBudget::new(1000);
        let (mut source, mut received) = (body(9, 100), budget.empty());
        assert_eq!(budget.receive(&mut source, &mut received, 250).await, Err(BodyError::TooLarge));
        budget.receive(&mut source, &mut received, 900).await.unwrap();
        assert_eq!(received.len(), 900);
    }
}
