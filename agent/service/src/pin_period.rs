//! PIN period: the time in which taps at the level badge may rest on one with a PIN. Evidence for a step-up names it, and the
//! verifier compares.
//!
//! Its ID is in memory only and is replaced when the screen locks or unlocks, a security key is removed, the machine sleeps
//! or another session comes to the front. The session in front must have a program that watches its keys and its lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vitalsign_os::PeerId;
use vitalsign_platform_api::Change;
use vitalsign_protocol::id::PinPeriodId;
use zeroize::Zeroizing;

/// Returns the users in front of the device; `None` if the system does not say.
type InFront = Box<dyn Fn() -> Option<Vec<PeerId>> + Send>;

/// The PIN period of the session in front.
#[derive(Clone)]
pub(crate) struct PinPeriods(Arc<Mutex<State>>);

struct State {
    in_front: InFront,
    /// Connections of programs that watch keys and lock, by number. The places for clients limit them.
    watchers: HashMap<u64, PeerId>,
    /// `None` if there are no random numbers.
    id: Option<Zeroizing<[u8; 16]>>,
    on_end: Box<dyn Fn() + Send>,
}

/// Returns whether a change of the system ends the period. [`PinPeriods::end`] is then due.
pub(crate) fn ends_period(change: Change) -> bool {
    matches!(change, Change::Seat | Change::Locked | Change::Sleep | Change::Wake)
}

impl PinPeriods {
    pub(crate) fn new(in_front: impl Fn() -> Option<Vec<PeerId>> + Send + 'static) -> Self {
        let state = State {
            in_front: Box::new(in_front),
            watchers: HashMap::new(),
            id: new_id(),
            on_end: Box::new(|| {}),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Calls this after each end of a period. It must not block.
    pub(crate) fn on_end(&self, on_end: impl Fn() + Send + 'static) {
        self.lock().on_end = Box::new(on_end);
    }

    /// A program watches keys and lock on this connection, or has seen a removal or a lock. Users in the background cannot
    /// end the period of the user in front.
    pub(crate) fn begin(&self, user: PeerId, client: u64) {
        let mut state = self.lock();
        state.watchers.insert(client, user);
        if state.is_in_front(user) {
            state.end();
        }
    }

    /// A connection has ended, and with it the watch.
    pub(crate) fn disconnected(&self, client: u64) {
        let mut state = self.lock();
        if state.watchers.remove(&client).is_some_and(|user| state.is_in_front(user)) {
            state.end();
        }
    }

    /// Ends the period; another begins.
    pub(crate) fn end(&self) {
        self.lock().end();
    }

    /// The period now: only while exactly one user is in front, and a program of that user watches.
    pub(crate) fn current(&self) -> Option<PinPeriodId> {
        let state = self.lock();
        let watched = state.watchers.values().any(|user| state.is_in_front(*user));
        state.id.as_ref().filter(|_| watched).map(|id| PinPeriodId(**id))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_in_front(&self, user: PeerId) -> bool {
        (self.in_front)().is_some_and(|users| users == [user])
    }

    fn end(&mut self) {
        self.id = new_id();
        (self.on_end)();
    }
}

fn new_id() -> Option<Zeroizing<[u8; 16]>> {
    let mut id = Zeroizing::new([0; 16]);
    match getrandom::fill(id.as_mut()) {
        Ok(()) => Some(id),
        Err(error) => {
            tracing::warn!(%error, "no random numbers: every tap needs the PIN");
            None
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    const NURSE: u32 = 1;
    const OTHER: u32 = 2;

    struct Bench {
        periods: PinPeriods,
        front: Arc<Mutex<Option<Vec<u32>>>>,
        ends: Arc<AtomicU32>,
    }

    impl Bench {
        fn new() -> Self {
            let front = Arc::new(Mutex::new(Some(vec![NURSE])));
            let users = Arc::clone(&front);
            let periods = PinPeriods::new(move || {
                let users = users.lock().unwrap_or_else(PoisonError::into_inner).clone();
                users.map(|users| users.into_iter().map(PeerId::of_user).collect())
            });
            let ends = Arc::new(AtomicU32::new(0));
            let counted = Arc::clone(&ends);
            periods.on_end(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            });
            Self { periods, front, ends }
        }

        fn put(&self, users: Option<&[u32]>) {
            let mut front = self.front.lock().unwrap_or_else(PoisonError::into_inner);
            *front = users.map(<[u32]>::to_vec);
        }

        fn begin(&self, user: u32, client: u64) {
            self.periods.begin(PeerId::of_user(user), client);
        }
    }

    #[test]
    fn period_needs_a_watcher_of_the_one_in_front() {
        let bench = Bench::new();
        assert_eq!(bench.periods.current(), None, "nothing watches the keys");
        bench.begin(OTHER, 1);
        assert_eq!(bench.periods.current(), None, "a program in the background watches");
        bench.begin(NURSE, 2);
        let first = bench.periods.current();
        assert!(first.is_some());
        assert_eq!(bench.periods.current(), first);
        for front in [None, Some(&[][..]), Some(&[NURSE, OTHER])] {
            bench.put(front);
            assert_eq!(bench.periods.current(), None, "{front:?}");
        }
    }

    #[test]
    fn period_ends_with_lock_key_watcher_and_seat() {
        let bench = Bench::new();
        bench.begin(NURSE, 1);
        let mut seen = vec![bench.periods.current()];
        type End = (&'static str, fn(&Bench));
        let ends: [End; 4] = [
            ("a key was removed or the screen locked", |bench| bench.begin(NURSE, 1)),
            ("logind said so", |bench| bench.periods.end()),
            ("a second program began to watch", |bench| bench.begin(NURSE, 2)),
            ("one of two watching programs ended", |bench| bench.periods.disconnected(2)),
        ];
        for (number, (what, end)) in (1..).zip(ends) {
            end(&bench);
            let now = bench.periods.current();
            assert!(now.is_some() && !seen.contains(&now), "{what}");
            assert_eq!(bench.ends.load(Ordering::SeqCst), number + 1, "{what}");
            seen.push(now);
        }
        bench.periods.disconnected(1);
        assert_eq!(bench.periods.current(), None, "nothing watches any more");
    }

    #[test]
    fn users_in_the_background_end_no_period() {
        let bench = Bench::new();
        bench.begin(NURSE, 1);
        let (before, ends) = (bench.periods.current(), bench.ends.load(Ordering::SeqCst));
        bench.begin(OTHER, 2);
        bench.periods.disconnected(2);
        bench.periods.disconnected(9);
        assert_eq!(bench.periods.current(), before);
        assert_eq!(bench.ends.load(Ordering::SeqCst), ends);
    }

    #[test]
    fn lock_sleep_and_another_session_end_it() {
        let ending = [Change::Seat, Change::Locked, Change::Sleep, Change::Wake];
        let others = [Change::Os, Change::Disk, Change::Edr, Change::Firewall, Change::Lock, Change::Network];
        assert!(ending.into_iter().all(ends_period) && !others.into_iter().any(ends_period));
    }
}
