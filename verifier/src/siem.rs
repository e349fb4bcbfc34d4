//! Streams of the audit log to a SIEM: events in OCSF, by syslog over TLS or in HTTPS batches.
//!
//! Each stream has a cursor in the store, which moves when the receiver has taken a batch: events arrive at least once and
//! in order, also after a restart of either end. A stream only reads the log, and never delays it.

mod https;
pub mod ocsf;
mod syslog;

use crate::audit::Logged;
use crate::config::SiemSettings;
use crate::files::FileError;
use crate::store::{Store, StoreError};
use https::HttpsSink;
use ocsf::{Event, EventSource};
use std::sync::Arc;
use std::time::Duration;
use syslog::SyslogSink;
use tokio::sync::watch;

/// The most events of a batch.
const BATCH: u32 = 256;
/// Interval of looking for new entries.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Time limit for sending a batch, with connecting and the receiver's confirmation.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
const FIRST_RETRY_DELAY: Duration = Duration::from_secs(1);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(300);

/// A batch was not sent, and will be again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Connection(String),
    #[error("no confirmation within 30 s")]
    TimedOut,
}

enum Sink {
    Syslog(SyslogSink),
    Https(HttpsSink),
}

/// A stream to one receiver.
pub struct Stream {
    /// Name of the cursor.
    name: &'static str,
    store: Arc<Store>,
    source: EventSource,
    sink: Sink,
}

impl Stream {
    /// Opens the streams that the configuration names. `log` is the name of the audit log.
    ///
    /// # Errors
    /// A certificate, key or token cannot be read.
    pub fn open_all(settings: &SiemSettings, store: &Arc<Store>, log: &str) -> Result<Vec<Self>, FileError> {
        let mut streams = Vec::new();
        let stream = |name, sink| Self { name, store: store.clone(), source: EventSource::new(log), sink };
        if let Some(syslog) = &settings.syslog {
            streams.push(stream("syslog", Sink::Syslog(SyslogSink::open(syslog, log)?)));
        }
        if let Some(https) = &settings.https {
            streams.push(stream("https", Sink::Https(HttpsSink::open(https)?)));
        }
        Ok(streams)
    }

    /// Sends new entries until the server ends. What could not be sent then is sent after the next start.
    pub async fn run(self, mut ended: watch::Receiver<bool>) {
        let mut delay = FIRST_RETRY_DELAY;
        loop {
            // A batch that is given up is sent again after the next start.
            let sent = tokio::select! {
                sent = self.send_batch() => sent,
                Ok(_) = ended.wait_for(|ended| *ended) => return,
            };
            let wait = match sent {
                Ok(0) => POLL_INTERVAL,
                Ok(_) => {
                    delay = FIRST_RETRY_DELAY;
                    Duration::ZERO
                }
                Err(error) => {
                    tracing::warn!(stream = self.name, %error, seconds = delay.as_secs(), "the SIEM was not reached; retrying");
                    let wait = delay;
                    delay = (delay * 2).min(MAX_RETRY_DELAY);
                    wait
                }
            };
            let over = tokio::select! {
                () = tokio::time::sleep(wait) => false,
                Ok(_) = ended.wait_for(|ended| *ended) => true,
            };
            if over {
                return;
            }
        }
    }

    /// Sends the entries after the cursor, and moves it. Returns how many there were.
    async fn send_batch(&self) -> Result<usize, StreamError> {
        let after = self.store.stream_cursor(self.name).await?;
        let entries = self.store.audit(None, after, BATCH).await?;
        let Some(last) = entries.last() else { return Ok(0) };
        // A pruned entry has nothing to tell any more.
        let sent: Vec<_> = entries.iter().filter(|entry| entry.pruned.is_none()).collect();
        let host_names = self.store.host_names(sent.iter().map(|entry| &*entry.device)).await?;
        let event = |entry: &&Logged| {
            ocsf::event(entry, host_names.get(&entry.device).map(String::as_str), &self.source)
        };
        let events: Vec<Event> = sent.iter().map(event).collect();
        if !events.is_empty() {
            let sending = async {
                match &self.sink {
                    Sink::Syslog(sink) => sink.send(&events).await,
                    Sink::Https(sink) => sink.send(&events).await,
                }
            };
            let sent = tokio::time::timeout(SEND_TIMEOUT, sending).await;
            sent.map_err(|_| StreamError::TimedOut)?.map_err(StreamError::Connection)?;
        }
        self.store.move_stream_cursor(self.name, last.seq).await?;
        Ok(entries.len())
    }
}
