//! Cache of devices that reported recently, so that a report reads no device from the store. Entries may be outdated;
//! the store's transaction detects that.

use crate::generations::Generations;
use crate::store::device::Device;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vitalsign_protocol::id::Thumbprint;

/// Devices by report key.
pub(super) struct DeviceCache(Mutex<Generations<Thumbprint, Arc<Device>>>);

impl DeviceCache {
    /// Creates a cache of at most `capacity` devices.
    pub(super) fn new(capacity: usize) -> Self {
        Self(Mutex::new(Generations::new(capacity)))
    }

    pub(super) fn get(&self, kid: &Thumbprint) -> Option<Arc<Device>> {
        self.lock().get(kid).cloned()
    }

    pub(super) fn put(&self, device: Arc<Device>) {
        self.lock().insert(device.identity.kid, device);
    }

    pub(super) fn forget(&self, kid: &Thumbprint) {
        self.lock().remove(kid);
    }

    /// A panic cannot leave the maps half-updated, so the poison is ignored.
    fn lock(&self) -> MutexGuard<'_, Generations<Thumbprint, Arc<Device>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
