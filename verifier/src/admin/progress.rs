//! Progress of waiting for a person's tap.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Additional time after the request's expiry for an answer that is on its way.
const GRACE: Duration = Duration::from_secs(5);

/// Progress output while the person is awaited.
pub(super) struct Progress {
    until: Instant,
    /// On a terminal, updates the time that is left; in a log, writes one line.
    terminal: bool,
}

impl Progress {
    pub(super) fn begin(expires_in: u64) -> Self {
        let progress = Self {
            until: Instant::now() + Duration::from_secs(expires_in),
            terminal: std::io::stderr().is_terminal(),
        };
        if !progress.terminal {
            eprintln!("asked; waiting for the tap, {expires_in} s left");
        }
        progress
    }

    /// Shows the time that is left, until [`GRACE`] after it is over.
    pub(super) async fn show(&self) {
        while !self.is_over() {
            if self.terminal {
                let left = self.until.saturating_duration_since(Instant::now()).as_secs();
                eprint!("\rasked; waiting for the tap, {left} s left ");
                let _ = std::io::stderr().flush();
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() > self.until + GRACE
    }

    pub(super) fn note(&self, text: &str) {
        self.end();
        eprintln!("{text}");
    }

    pub(super) fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}
