//! A value that is replaced as a whole while others use it.

use std::sync::{Arc, PoisonError, RwLock};

pub(crate) struct Live<T>(RwLock<Arc<T>>);

impl<T> Live<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    /// Returns the current value, which the caller can use for as long as it likes.
    pub(crate) fn get(&self) -> Arc<T> {
        // The value is replaced in one step, so the poison is ignored.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}
