//! Event channels: which devices listen, and how they are woken. The events themselves are in the store.

use super::StepUps;
use crate::attestation::OpenSession;
use crate::store::device::Device;
use crate::store::event::StoredEvent;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_protocol::step_up::{StepUpRequested, event};

/// Seconds for which the verifier remembers that a device listened, longer than any query needs.
const REMEMBERED_SECONDS: u64 = 3600;

/// Open channels, at most one per device.
pub(super) struct Channels {
    most: usize,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    by_device: HashMap<i64, Slot>,
    open: usize,
    closed: bool,
}

struct Slot {
    /// `None` if the slot is free.
    signal: Option<Arc<Signal>>,
    /// Time at which the device last listened, in seconds since 1970.
    last: u64,
}

#[derive(Default)]
struct Signal {
    wake: Notify,
    over: AtomicBool,
}

impl Signal {
    fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

/// Receiving side of a device's event channel. It closes when the session expires, the device is revoked, the device
/// opens another channel, or the verifier shuts down.
pub struct Channel {
    channels: Arc<Channels>,
    signal: Arc<Signal>,
    device: Arc<Device>,
    after: u64,
    /// Expiry of the session, in seconds since 1970.
    expires: u64,
}

impl Channels {
    pub(super) fn new(most: usize) -> Self {
        Self { most, slots: Mutex::default() }
    }

    fn open(
        self: &Arc<Self>,
        OpenSession { device, expires }: OpenSession,
        after: u64,
        now: u64,
    ) -> Option<Channel> {
        let mut slots = self.lock();
        let taken = slots.by_device.get(&device.id).is_some_and(|slot| slot.signal.is_some());
        if slots.closed || (!taken && slots.open >= self.most) {
            return None;
        }
        let signal = Arc::new(Signal::default());
        let slot = Slot { signal: Some(signal.clone()), last: now };
        match slots.by_device.insert(device.id, slot).and_then(|before| before.signal) {
            Some(before) => before.end(),
            None => slots.open += 1,
        }
        drop(slots);
        Some(Channel { channels: self.clone(), signal, device, after, expires })
    }

    /// Wakes devices that have new events in the store.
    pub(super) fn wake(&self, devices: &[i64]) {
        let slots = self.lock();
        let signals = devices.iter().filter_map(|device| slots.by_device.get(device)?.signal.as_ref());
        signals.for_each(|signal| signal.wake.notify_one());
    }

    pub(super) fn count(&self) -> usize {
        self.lock().open
    }

    pub(super) fn listens(&self, device: i64) -> bool {
        self.lock().by_device.get(&device).is_some_and(|slot| slot.signal.is_some())
    }

    /// Returns whether a device is listening, or was at any time after `since`.
    pub(super) fn listened(&self, device: i64, since: u64) -> bool {
        let slots = self.lock();
        slots.by_device.get(&device).is_some_and(|slot| slot.signal.is_some() || slot.last >= since)
    }

    /// Closes all channels and refuses new ones.
    pub(super) fn close(&self) {
        let mut slots = self.lock();
        slots.closed = true;
        slots.by_device.values().filter_map(|slot| slot.signal.as_ref()).for_each(|signal| signal.end());
    }

    /// Removes devices that have not listened recently.
    pub(super) fn forget(&self, now: u64) {
        let before = now.saturating_sub(REMEMBERED_SECONDS);
        self.lock().by_device.retain(|_, slot| slot.signal.is_some() || slot.last >= before);
    }

    /// A panic cannot leave the map half-updated, so the poison is ignored.
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    /// Returns the expiry of the channel's session, in seconds since 1970.
    #[must_use]
    pub fn expires(&self) -> u64 {
        self.expires
    }

    /// Waits until there may be new events, or the channel closes.
    pub async fn woken(&self) {
        self.signal.wake.notified().await;
    }

    fn is_mine(&self, slot: &Slot) -> bool {
        slot.signal.as_ref().is_some_and(|signal| Arc::ptr_eq(signal, &self.signal))
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let mut slots = self.channels.lock();
        let mine = slots.by_device.get_mut(&self.device.id).filter(|slot| self.is_mine(slot));
        if mine.map(|slot| slot.signal = None).is_some() {
            slots.open = slots.open.saturating_sub(1);
        }
    }
}

impl StepUps {
    /// Opens a device's event channel, starting after the event with sequence number `after`. Closes the
    /// device's previous channel.
    ///
    /// # Errors
    /// The session is invalid, or too many devices are listening.
    pub async fn open_channel(
        &self,
        authorization: Option<&str>,
        after: Option<u64>,
        now: u64,
    ) -> Result<Channel, Problem> {
        let opened = self.attestation.session(authorization, now).await?;
        // After a restore from backup, sequence numbers are lower than the device's last one.
        let after = after.unwrap_or(0).min(self.store.newest_event().await?);
        self.channels
            .open(opened, after, now)
            .ok_or_else(|| Problem::new(ProblemType::Busy, "Too many devices listen. Try again later."))
    }

    /// Waits for the next events and returns them in order, possibly none; `None` when the channel is closed.
    pub async fn events(&self, channel: &mut Channel, now: u64) -> Result<Option<Vec<StoredEvent>>, Problem> {
        if now >= channel.expires || channel.signal.over.load(Ordering::Acquire) {
            return Ok(None);
        }
        let device = (channel.device.id, channel.device.generation);
        let Some(mut events) = self.store.events(device, channel.after, now).await? else { return Ok(None) };
        if let Some(slot) = self.channels.lock().by_device.get_mut(&channel.device.id) {
            slot.last = slot.last.max(now);
        }
        for event in &mut events {
            channel.after = event.seq;
            if event.name == event::STEP_UP {
                event.data = asked_now(&event.data, now)?;
            }
        }
        Ok(Some(events))
    }

    /// Returns the number of devices that listen.
    pub(crate) fn open_channels(&self) -> usize {
        self.channels.count()
    }

    /// Closes every event channel, because the verifier is shutting down.
    pub fn close_channels(&self) {
        self.channels.close();
    }
}

/// Returns the event with the remaining time as of now.
fn asked_now(data: &str, now: u64) -> Result<String, Problem> {
    let internal = |_| Problem::new(ProblemType::Internal, "an event cannot be read");
    let mut asked: StepUpRequested = serde_json::from_str(data).map_err(internal)?;
    asked.expires_seconds = asked.expires.saturating_sub(now).into();
    serde_json::to_string(&asked).map_err(internal)
}
