//! Event channels: which devices listen, and how they are woken. What they are told lies in the store.

use crate::session::Opened;
use crate::store::device::Device;
use crate::store::event::Event;
use crate::verifier::Verifier;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_protocol::step_up::{StepUpAsked, event};

/// A device that listened is remembered for so long, in seconds: longer than anybody asks whether it did.
const REMEMBERED_SECONDS: u64 = 3600;

/// The channels of all devices: at most one each.
pub(crate) struct Channels {
    most: usize,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    by_device: HashMap<i64, Seat>,
    open: usize,
    closed: bool,
}

struct Seat {
    /// None when nobody sits there any more.
    signal: Option<Arc<Signal>>,
    /// When the device last listened, in seconds since 1970.
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

/// A device's end of the event channel. Ends when the session does, when the device is revoked, when the device opens
/// another, and when the verifier ends.
pub struct Channel {
    channels: Arc<Channels>,
    signal: Arc<Signal>,
    device: Arc<Device>,
    after: u64,
    /// When the session ends, in seconds since 1970.
    expires: u64,
}

impl Channels {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, seats: Mutex::default() }
    }

    fn open(self: &Arc<Self>, Opened { device, expires }: Opened, after: u64, now: u64) -> Option<Channel> {
        let mut seats = self.lock();
        let taken = seats.by_device.get(&device.id).is_some_and(|seat| seat.signal.is_some());
        if seats.closed || (!taken && seats.open >= self.most) {
            return None;
        }
        let signal = Arc::new(Signal::default());
        let seat = Seat { signal: Some(signal.clone()), last: now };
        match seats.by_device.insert(device.id, seat).and_then(|before| before.signal) {
            Some(before) => before.end(),
            None => seats.open += 1,
        }
        drop(seats);
        Some(Channel { channels: self.clone(), signal, device, after, expires })
    }

    /// Wakes these devices: there is something for them in the store.
    pub(crate) fn wake(&self, devices: &[i64]) {
        let seats = self.lock();
        let signals = devices.iter().filter_map(|device| seats.by_device.get(device)?.signal.as_ref());
        signals.for_each(|signal| signal.wake.notify_one());
    }

    /// Whether a device listens.
    pub(crate) fn listens(&self, device: i64) -> bool {
        self.lock().by_device.get(&device).is_some_and(|seat| seat.signal.is_some())
    }

    /// Whether a device listens, or did since then.
    pub(crate) fn listened(&self, device: i64, since: u64) -> bool {
        let seats = self.lock();
        seats.by_device.get(&device).is_some_and(|seat| seat.signal.is_some() || seat.last >= since)
    }

    /// Ends all channels, and opens no more.
    pub(crate) fn close(&self) {
        let mut seats = self.lock();
        seats.closed = true;
        seats.by_device.values().filter_map(|seat| seat.signal.as_ref()).for_each(|signal| signal.end());
    }

    /// Forgets who has not listened for long.
    pub(crate) fn forget(&self, now: u64) {
        let before = now.saturating_sub(REMEMBERED_SECONDS);
        self.lock().by_device.retain(|_, seat| seat.signal.is_some() || seat.last >= before);
    }

    /// Whoever panicked while holding it left a whole map.
    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    /// Until when its session holds, in seconds since 1970.
    #[must_use]
    pub fn expires(&self) -> u64 {
        self.expires
    }

    /// Waits until there may be something to tell.
    pub async fn woken(&self) {
        self.signal.wake.notified().await;
    }

    fn is_mine(&self, seat: &Seat) -> bool {
        seat.signal.as_ref().is_some_and(|signal| Arc::ptr_eq(signal, &self.signal))
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let mut seats = self.channels.lock();
        let mine = seats.by_device.get_mut(&self.device.id).filter(|seat| self.is_mine(seat));
        if mine.map(|seat| seat.signal = None).is_some() {
            seats.open = seats.open.saturating_sub(1);
        }
    }
}

impl Verifier {
    /// Opens a device's event channel. It begins after the event of place `after`, the last one that the device had.
    /// Another channel of the same device ends.
    ///
    /// # Errors
    /// When the session does not hold, or too many devices listen.
    pub async fn open_channel(
        &self,
        authorization: Option<&str>,
        after: Option<u64>,
        now: u64,
    ) -> Result<Channel, Problem> {
        let opened = self.session(authorization, now).await?;
        // After a restore the numbers begin lower than what a device remembers.
        let after = after.unwrap_or(0).min(self.store.newest_event().await?);
        self.channels
            .open(opened, after, now)
            .ok_or_else(|| Problem::new(ProblemType::Busy, "Too many devices listen. Try again later."))
    }

    /// What is to be told now, in order; nothing may be. None when the channel is over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn events(&self, channel: &mut Channel, now: u64) -> Result<Option<Vec<Event>>, Problem> {
        if now >= channel.expires || channel.signal.over.load(Ordering::Acquire) {
            return Ok(None);
        }
        let device = (channel.device.id, channel.device.generation);
        let Some(mut events) = self.store.events(device, channel.after, now).await? else { return Ok(None) };
        if let Some(seat) = self.channels.lock().by_device.get_mut(&channel.device.id) {
            seat.last = seat.last.max(now);
        }
        for event in &mut events {
            channel.after = event.seq;
            if event.name == event::STEP_UP {
                event.data = asked_now(&event.data, now)?;
            }
        }
        Ok(Some(events))
    }

    /// Ends every event channel: the verifier is about to end.
    pub fn close_channels(&self) {
        self.channels.close();
    }
}

/// The event with the time that is left from now on.
fn asked_now(data: &str, now: u64) -> Result<String, Problem> {
    let internal = |_| Problem::new(ProblemType::Internal, "an event cannot be read");
    let mut asked: StepUpAsked = serde_json::from_str(data).map_err(internal)?;
    asked.expires_seconds = asked.expires.saturating_sub(now);
    serde_json::to_string(&asked).map_err(internal)
}
