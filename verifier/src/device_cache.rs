//! Cache of devices that reported recently, so that a report reads no device from the store. It has two
//! generations: when the young one is full, the old one is dropped. Entries may be outdated; the store's
//! transaction detects that.

use crate::store::device::Device;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vitalsign_protocol::id::Thumbprint;

type Generation = HashMap<Thumbprint, Arc<Device>>;

/// A bounded memory of devices by report key.
pub(crate) struct DeviceCache {
    capacity: usize,
    generations: Mutex<(Generation, Generation)>,
}

impl DeviceCache {
    /// Remembers at most `capacity` devices.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, generations: Mutex::default() }
    }

    pub(crate) fn get(&self, kid: &Thumbprint) -> Option<Arc<Device>> {
        let mut generations = self.lock();
        if let Some(device) = generations.0.get(kid) {
            return Some(device.clone());
        }
        let device = generations.1.remove(kid)?;
        self.insert(&mut generations, device.clone());
        Some(device)
    }

    pub(crate) fn put(&self, device: Arc<Device>) {
        self.insert(&mut self.lock(), device);
    }

    pub(crate) fn forget(&self, kid: &Thumbprint) {
        let mut generations = self.lock();
        generations.0.remove(kid);
        generations.1.remove(kid);
    }

    fn insert(&self, generations: &mut (Generation, Generation), device: Arc<Device>) {
        let (young, old) = generations;
        if young.len() >= self.capacity / 2 {
            *old = std::mem::take(young);
        }
        young.insert(device.identity.kid, device);
    }

    /// A panic cannot leave the maps half-updated, so the poison is ignored.
    fn lock(&self) -> MutexGuard<'_, (Generation, Generation)> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
