//! Screen lock by the settings of users' sessions, which only their own programs can read.
//!
//! A claim lives in memory, as long as the connection that brought it. It counts while its user is in front of the
//! device, and only for what the system's enforced settings leave open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use vitalsign_ipc::SessionLock;
use vitalsign_os::PeerId;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::posture::{Lock, LockSource};

/// Age at which a claim expires, unless its program repeats it. Sleep of the machine does not count.
const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// Result of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimResult {
    /// The user is not in front of the device.
    Refused,
    /// The facts stay as they were last read.
    Unchanged,
    /// The facts have to be read again.
    Changed,
}

/// Returns the users in front of the device; `None` if the system does not say.
type InFront = Box<dyn Fn() -> Option<Vec<PeerId>> + Send>;

/// The claims of all sessions.
#[derive(Clone)]
pub(crate) struct SessionLocks(Arc<Mutex<State>>);

struct State {
    in_front: InFront,
    /// By user. Only users in front can add one, so there are at most as many as seats.
    claims: HashMap<PeerId, Claim>,
    /// Facts as they were last read: as the service saw them, and with the claim.
    last: Option<(Lock, Lock)>,
}

struct Claim {
    /// Connection that brought it.
    client: u64,
    lock: SessionLock,
    at: Instant,
}

impl SessionLocks {
    pub(crate) fn new(in_front: impl Fn() -> Option<Vec<PeerId>> + Send + 'static) -> Self {
        let state = State { in_front: Box::new(in_front), claims: HashMap::new(), last: None };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Takes the claim of a connection; it replaces an earlier one of the same user.
    pub(crate) fn claim(&self, user: PeerId, client: u64, lock: SessionLock, now: Instant) -> ClaimResult {
        let mut state = self.lock();
        if !(state.in_front)().is_some_and(|users| users.contains(&user)) {
            return ClaimResult::Refused;
        }
        state.claims.insert(user, Claim { client, lock, at: now });
        let changed = state.last.as_ref().is_none_or(|(own, shown)| {
            let claim = state.in_force(now);
            merge(own.clone(), claim) != *shown
        });
        if changed { ClaimResult::Changed } else { ClaimResult::Unchanged }
    }

    /// Forgets the claim of a connection that has ended.
    pub(crate) fn ended(&self, client: u64) {
        self.lock().claims.retain(|_, claim| claim.client != client);
    }

    /// Forgets the claims of users who are no longer in front.
    pub(crate) fn seat_changed(&self) {
        let mut state = self.lock();
        let users = (state.in_front)().unwrap_or_default();
        state.claims.retain(|user, _| users.contains(user));
    }

    /// Fills in what the service could not see for lack of a session.
    pub(crate) fn complete(&self, own: Lock, now: Instant) -> Lock {
        let mut state = self.lock();
        let shown = merge(own.clone(), state.in_force(now));
        state.last = Some((own, shown.clone()));
        shown
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The claim of the user in front. With several seats, all their users must claim the same.
    fn in_force(&self, now: Instant) -> Option<&SessionLock> {
        let users = (self.in_front)()?;
        let mut claims = users.iter().map(|user| {
            let claim = self.claims.get(user)?;
            (now.saturating_duration_since(claim.at) < MAX_AGE).then_some(&claim.lock)
        });
        let first = claims.next()??;
        claims.all(|claim| claim == Some(first)).then_some(first)
    }
}

/// Fills the gaps of `own` from a claim: what needs a session. All that the service read itself stays.
fn merge(own: Lock, claim: Option<&SessionLock>) -> Lock {
    let Some(claim) = claim else { return own };
    let never = claim.automatic == Fact::Known(false);
    let automatic = match (&own.automatic, &own.source) {
        // The claim is of a session without the enforced lock: it says nothing about that lock's grace period.
        (Fact::Known(true), Fact::Known(LockSource::Enforced)) if never => return own,
        // The user turned off a lock whose times are enforced.
        (Fact::Known(true), _) if never => Fact::Known(false),
        _ => fill(own.automatic.clone(), claim.automatic.clone()),
    };
    let (idle_seconds, grace_seconds) = match automatic {
        Fact::Known(false) => (Fact::Unsupported, Fact::Unsupported),
        _ => (
            fill(own.idle_seconds.clone(), claim.idle_seconds.clone().map(u64::from)),
            fill(own.grace_seconds.clone(), claim.grace_seconds.clone().map(u64::from)),
        ),
    };
    let merged = Lock { automatic, idle_seconds, grace_seconds, source: own.source.clone() };
    if merged == own {
        return own;
    }
    let source = merged.automatic.clone().map(|_| LockSource::Session);
    Lock { source, ..merged }
}

fn fill<T>(own: Fact<T>, claim: Fact<T>) -> Fact<T> {
    if matches!(own, Fact::Unreadable(Reason::NoSession)) { claim } else { own }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const OPEN: Fact<u64> = Fact::Unreadable(Reason::NoSession);

    /// Facts that the service reads itself.
    fn lock(automatic: Fact<bool>, idle: Fact<u64>, grace: Fact<u64>) -> Lock {
        let source = automatic.clone().map(|_| LockSource::Enforced);
        Lock { automatic, idle_seconds: idle, grace_seconds: grace, source }
    }
    /// The same facts, if one of them is from a session.
    fn told(lock: Lock) -> Lock {
        Lock { source: Fact::Known(LockSource::Session), ..lock }
    }
    /// Facts of a system that enforces nothing.
    fn open() -> Lock {
        lock(Fact::Unreadable(Reason::NoSession), OPEN, OPEN)
    }
    fn claim(idle: u32) -> SessionLock {
        let automatic = Fact::Known(true);
        SessionLock { automatic, idle_seconds: Fact::Known(idle), grace_seconds: Fact::Known(0) }
    }
    fn shown(idle: u64) -> Lock {
        told(lock(Fact::Known(true), Fact::Known(idle), Fact::Known(0)))
    }

    /// Claims of a device with these users in front.
    fn store() -> (SessionLocks, impl Fn(Option<&[u32]>)) {
        let front = Arc::new(Mutex::new(None));
        let users = Arc::clone(&front);
        let locks = SessionLocks::new(move || users.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let put = move |users: Option<&[u32]>| {
            *front.lock().unwrap_or_else(PoisonError::into_inner) =
                users.map(|users| users.iter().copied().map(PeerId::of_user).collect());
        };
        (locks, put)
    }

    #[test]
    fn only_the_user_in_front_can_claim() {
        let (locks, put) = store();
        let (nurse, other, now) = (PeerId::of_user(1), PeerId::of_user(2), Instant::now());
        for front in [None, Some(&[][..]), Some(&[2][..])] {
            put(front);
            assert_eq!(locks.claim(nurse, 1, claim(300), now), ClaimResult::Refused, "{front:?}");
            assert_eq!(locks.complete(open(), now), open(), "{front:?}");
        }
        put(Some(&[1]));
        assert_eq!(locks.claim(nurse, 1, claim(300), now), ClaimResult::Changed);
        assert_eq!(locks.claim(other, 2, claim(60), now), ClaimResult::Refused);
        assert_eq!(locks.complete(open(), now), shown(300));
    }

    #[test]
    fn claim_ends_with_connection_seat_and_age() {
        let (locks, put) = store();
        let (nurse, now) = (PeerId::of_user(1), Instant::now());
        let claimed = || {
            put(Some(&[1]));
            assert_ne!(locks.claim(nurse, 7, claim(300), now), ClaimResult::Refused);
            assert_eq!(locks.complete(open(), now), shown(300));
        };
        claimed();
        locks.ended(6);
        assert_eq!(locks.complete(open(), now), shown(300), "another connection ended");
        locks.ended(7);
        assert_eq!(locks.complete(open(), now), open());

        claimed();
        put(Some(&[2]));
        assert_eq!(locks.complete(open(), now), open(), "a claim of a user in the background");
        locks.seat_changed();
        put(Some(&[1]));
        assert_eq!(locks.complete(open(), now), open(), "a claim from before the switch");

        claimed();
        put(Some(&[]));
        locks.seat_changed();
        put(Some(&[1]));
        assert_eq!(locks.complete(open(), now), open(), "a claim from before the logout");

        claimed();
        assert_eq!(locks.complete(open(), now + MAX_AGE - Duration::from_secs(1)), shown(300));
        assert_eq!(locks.complete(open(), now + MAX_AGE), open());
        // A connection that repeats its claim keeps it, also after it was replaced by another.
        claimed();
        locks.claim(nurse, 8, claim(300), now);
        locks.ended(7);
        assert_eq!(locks.complete(open(), now), shown(300));
    }

    #[test]
    fn every_seat_has_to_claim_the_same() {
        let (locks, put) = store();
        let (first, second, now) = (PeerId::of_user(1), PeerId::of_user(2), Instant::now());
        put(Some(&[1, 2]));
        locks.claim(first, 1, claim(300), now);
        assert_eq!(locks.complete(open(), now), open());
        locks.claim(second, 2, claim(301), now);
        assert_eq!(locks.complete(open(), now), open());
        locks.claim(second, 2, claim(300), now);
        assert_eq!(locks.complete(open(), now), shown(300));
    }

    #[test]
    fn enforced_settings_outrank_a_claim() {
        let now = Instant::now();
        let none = || Fact::Unsupported;
        let failed = || Fact::Unreadable(Reason::Malformed);
        let off = lock(Fact::Known(false), none(), none());
        let on = |grace| lock(Fact::Known(true), Fact::Known(600), grace);
        let never = SessionLock {
            automatic: Fact::Known(false),
            idle_seconds: Fact::Unsupported,
            grace_seconds: Fact::Unsupported,
        };
        for (own, claim, wanted) in [
            (off.clone(), claim(300), off.clone()),
            (on(Fact::Known(5)), claim(300), on(Fact::Known(5))),
            (on(OPEN), claim(300), told(on(Fact::Known(0)))),
            (on(OPEN), never.clone(), on(OPEN)),
            (told(on(Fact::Known(5))), never.clone(), told(off.clone())),
            (open(), never, told(off)),
            (
                lock(Fact::Unreadable(Reason::NoSession), Fact::Known(900), OPEN),
                claim(300),
                told(lock(Fact::Known(true), Fact::Known(900), Fact::Known(0))),
            ),
            // What the service failed to read may be an enforced "off".
            (
                lock(Fact::Unreadable(Reason::Malformed), failed(), failed()),
                claim(300),
                lock(Fact::Unreadable(Reason::Malformed), failed(), failed()),
            ),
            (lock(Fact::Unsupported, none(), none()), claim(300), lock(Fact::Unsupported, none(), none())),
        ] {
            let (locks, put) = store();
            put(Some(&[1]));
            locks.claim(PeerId::of_user(1), 1, claim.clone(), now);
            assert_eq!(locks.complete(own.clone(), now), wanted, "{own:?} with {claim:?}");
        }
    }

    #[test]
    fn repeated_claim_changes_no_fact() {
        let (locks, put) = store();
        let (nurse, now) = (PeerId::of_user(1), Instant::now());
        put(Some(&[1]));
        assert_eq!(locks.claim(nurse, 1, claim(300), now), ClaimResult::Changed);
        locks.complete(open(), now);
        assert_eq!(locks.claim(nurse, 1, claim(300), now), ClaimResult::Unchanged);
        // Its program restarts: it is a new connection with the same settings.
        locks.ended(1);
        assert_eq!(locks.claim(nurse, 2, claim(300), now), ClaimResult::Unchanged);
        assert_eq!(locks.claim(nurse, 2, claim(301), now), ClaimResult::Changed);
        // An enforced setting hides the change.
        locks.complete(lock(Fact::Known(false), Fact::Unsupported, Fact::Unsupported), now);
        assert_eq!(locks.claim(nurse, 2, claim(300), now), ClaimResult::Unchanged);
    }
}
