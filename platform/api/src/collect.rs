//! Collects the posture: runs all probes at once, each in its own thread with its own deadline, so that a slow probe
//! delays no other. A probe that misses its deadline leaves its facts unreadable; one that still hangs is not started
//! again.
//!
//! ```
//! use std::time::Duration;
//! use vitalsign_platform_api::{Collector, Probe};
//! use vitalsign_protocol::fact::{Fact, Reason};
//!
//! let kernel = Probe::new(
//!     "kernel",
//!     Duration::from_secs(1),
//!     || Ok::<_, Reason>("6.1.0".to_owned()),
//!     |posture, read| posture.os.kernel = read.map_or_else(Fact::Unreadable, Fact::Known),
//! );
//! let posture = Collector::default().collect(vec![kernel], |_| {});
//! assert_eq!(posture.os.kernel, Fact::Known("6.1.0".to_owned()));
//! ```

use std::collections::HashSet;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use vitalsign_protocol::fact::Reason;
use vitalsign_protocol::posture::Posture;

/// Writes the facts of one probe into the posture.
type Patch = Box<dyn FnOnce(&mut Posture) + Send>;
/// Marks the facts of one probe as unreadable.
type Fail = Box<dyn Fn(&mut Posture, Reason) + Send>;

/// Reads one or more facts.
pub struct Probe {
    /// For people and logs: `os.updates`.
    pub name: &'static str,
    /// Maximum duration of the reading.
    pub deadline: Duration,
    read: Box<dyn FnOnce() -> Patch + Send>,
    fail: Fail,
}

impl Probe {
    /// Creates a probe. `read` runs in a separate thread and may block; `put` writes its result, or the
    /// error, into the posture. `put` must write only the facts of this probe.
    pub fn new<T: Send + 'static>(
        name: &'static str,
        deadline: Duration,
        read: impl FnOnce() -> Result<T, Reason> + Send + 'static,
        put: impl Fn(&mut Posture, Result<T, Reason>) + Send + Clone + 'static,
    ) -> Self {
        let put_late = put.clone();
        Self {
            name,
            deadline,
            read: Box::new(move || {
                let seen = read();
                Box::new(move |posture| put(posture, seen))
            }),
            fail: Box::new(move |posture, reason| put_late(posture, Err(reason))),
        }
    }
}

/// Duration of one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Name of the probe.
    pub name: &'static str,
    /// Duration of the reading; `None` if it missed its deadline.
    pub took: Option<Duration>,
}

/// Runs probes. Keep one for the life of the program: it remembers which probes still hang.
#[derive(Clone, Default)]
pub struct Collector {
    hanging: Arc<Mutex<HashSet<&'static str>>>,
}

impl Collector {
    /// Collects all facts: waits for every probe, or for its deadline. Calls `seen` as each probe ends, for
    /// progress.
    pub fn collect(&self, probes: Vec<Probe>, mut seen: impl FnMut(&Timing)) -> Posture {
        let mut posture = Posture::default();
        let (answers, inbox) = channel::<(&'static str, Patch)>();
        let start = Instant::now();
        let mut waiting = Vec::new();
        for Probe { name, deadline, read, fail } in probes {
            if !self.lock().insert(name) {
                fail(&mut posture, Reason::Busy);
                continue;
            }
            let (answers, hanging) = (answers.clone(), self.clone());
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                let ended = EndGuard(hanging, name);
                let patch = read();
                // Before its answer, so that the next collection finds it ended.
                drop(ended);
                // Fails if the probe missed its deadline.
                let _ = answers.send((name, patch));
            });
            match thread {
                Ok(_) => waiting.push((name, start + deadline, fail)),
                Err(error) => {
                    self.lock().remove(name);
                    fail(&mut posture, Reason::from(&error));
                }
            }
        }
        drop(answers);
        while let Some(next) = waiting.iter().map(|(_, deadline, _)| *deadline).min() {
            match inbox.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok((name, patch)) => {
                    if let Some(at) = waiting.iter().position(|(waiting, ..)| *waiting == name) {
                        let _answered = waiting.swap_remove(at);
                        patch(&mut posture);
                        seen(&Timing { name, took: Some(start.elapsed()) });
                    }
                }
                Err(end) => {
                    // Every sender gone means that the probes left have panicked: they will not answer any more.
                    let all = end == RecvTimeoutError::Disconnected;
                    let now = Instant::now();
                    let reason = if all { Reason::Failed } else { Reason::TimedOut };
                    let (late, still): (Vec<_>, Vec<_>) =
                        waiting.into_iter().partition(|(_, deadline, _)| all || *deadline <= now);
                    waiting = still;
                    for (name, _, fail) in late {
                        fail(&mut posture, reason);
                        seen(&Timing { name, took: None });
                    }
                }
            }
        }
        posture
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<&'static str>> {
        self.hanging.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes that a probe's thread has ended, whatever way it ended.
struct EndGuard(Collector, &'static str);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.lock().remove(self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::Receiver;
    use vitalsign_protocol::fact::Fact;

    const SOON: Duration = Duration::from_millis(30);
    const LATE: Duration = Duration::from_secs(60);

    fn name(deadline: Duration, read: impl FnOnce() -> Result<String, Reason> + Send + 'static) -> Probe {
        Probe::new("os.name", deadline, read, |posture, seen| posture.os.name = seen.into())
    }
    fn reboot(deadline: Duration, read: impl FnOnce() -> Result<bool, Reason> + Send + 'static) -> Probe {
        Probe::new("os.reboot", deadline, read, |posture, seen| posture.os.reboot_required = seen.into())
    }
    fn hang(until: Receiver<()>) -> Result<String, Reason> {
        let _ = until.recv();
        Ok("late".into())
    }

    #[test]
    fn collections_may_follow_at_once() {
        let collector = Collector::default();
        for _ in 0..2000 {
            let posture = collector.collect(vec![name(LATE, || Ok("probe".to_owned()))], |_| ());
            assert_eq!(posture.os.name, Fact::Known("probe".to_owned()));
        }
    }

    #[test]
    fn hanging_probe_delays_no_other_and_runs_once() {
        let collector = Collector::default();
        let (release, until) = channel();
        let posture =
            collector.collect(vec![name(SOON, move || hang(until)), reboot(LATE, || Ok(true))], |_| {});
        assert_eq!(posture.os.name, Fact::Unreadable(Reason::TimedOut));
        assert_eq!(posture.os.reboot_required, Fact::Known(true));

        let again = collector.collect(vec![name(LATE, || Ok("never run".into()))], |_| {});
        assert_eq!(again.os.name, Fact::Unreadable(Reason::Busy));

        release.send(()).unwrap();
        while collector.lock().contains("os.name") {
            std::thread::yield_now();
        }
        let posture = collector.collect(vec![name(LATE, || Ok("debian".into()))], |_| {});
        assert_eq!(posture.os.name, Fact::Known("debian".into()));
    }

    #[test]
    fn a_probe_that_panics_is_unreadable() {
        let collector = Collector::default();
        let panics = name(LATE, || panic!("a bug in a probe"));
        let posture = collector.collect(vec![panics, reboot(LATE, || Ok(false))], |_| {});
        assert_eq!(posture.os.name, Fact::Unreadable(Reason::Failed));
        assert_eq!(posture.os.reboot_required, Fact::Known(false));
        assert!(collector.lock().is_empty());
    }
}
