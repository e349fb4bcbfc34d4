//! Ending a ceremony from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Ends a ceremony at any moment: before a key is there, while a PIN is asked for, while a touch is awaited. A clone
/// ends the same one.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    cancelled: AtomicBool,
    changed: Notify,
}

impl Cancel {
    /// Creates a handle that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the ceremony, or keeps it from beginning.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }

    /// Returns whether the ceremony was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Waits until it is used.
    pub async fn cancelled(&self) {
        let changed = self.0.changed.notified();
        let mut changed = std::pin::pin!(changed);
        // Listening begins before the look, so that nothing falls between the two.
        changed.as_mut().enable();
        if !self.is_cancelled() {
            changed.await;
        }
    }
}
