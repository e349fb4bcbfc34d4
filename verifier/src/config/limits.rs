//! Limits of what devices and applications can use.

use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Maximum number of connections. Fewer where the process may open fewer files.
    pub connections: usize,
    /// Maximum number of connections of one IPv4 address or IPv6 /64 on which no device and no application has
    /// authenticated yet.
    pub unauthenticated_per_address: usize,
    /// Memory in bytes for all request bodies that are being received or handled.
    pub body_bytes: usize,
    /// Reports that a device may send at once, beyond those that its pace allows.
    pub report_burst: u32,
    /// Seconds after which a device may send one more report.
    pub report_pace_seconds: u64,
    /// Time limit in seconds for a TLS handshake, for a request's head, for its body, and for a client that reads
    /// nothing of an answer.
    pub request_seconds: u64,
    /// Devices remembered in memory, about 2 KiB each.
    pub remembered_devices: usize,
    /// Maximum number of concurrent event channels, each of which needs a connection; by default three quarters of the
    /// connections, which leaves the others for reports.
    pub event_channels: Option<usize>,
    /// Maximum number of pending step-ups of one person, of all applications together.
    pub step_ups_per_user: u64,
    /// Maximum number of pending step-ups of one person that one application requested.
    pub step_ups_per_client_and_user: u64,
    /// Step-ups that one application may request in a minute.
    pub step_ups_per_minute: u32,
    /// Seconds for which an application may not ask a person again who has declined.
    pub declined_pause_seconds: u64,
    /// Seconds for which an application may not ask a person again who did not start the request.
    pub not_mine_pause_seconds: u64,
    /// Pages of 4 KiB to which the store may grow; no limit by default.
    pub store_pages: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            unauthenticated_per_address: 64,
            body_bytes: 64 * 1024 * 1024,
            report_burst: 30,
            report_pace_seconds: 5,
            request_seconds: 15,
            remembered_devices: 262_144,
            event_channels: None,
            // Three applications together cannot use them up.
            step_ups_per_user: 8,
            step_ups_per_client_and_user: 2,
            step_ups_per_minute: 600,
            declined_pause_seconds: 10,
            not_mine_pause_seconds: 300,
            store_pages: None,
        }
    }
}

impl Limits {
    /// Returns the maximum number of concurrent event channels.
    #[must_use]
    pub fn event_channels(&self) -> usize {
        let default = self.connections - self.connections / 4;
        self.event_channels.map_or(default, |channels| channels.min(self.connections))
    }

    /// Lowers the number of connections to what the process can open.
    pub fn fit(&mut self, open_files: usize) {
        if open_files < self.connections {
            tracing::warn!(
                configured = self.connections,
                connections = open_files,
                "this process may open too few files for the configured connections; raise LimitNOFILE"
            );
            self.connections = open_files;
        }
    }

    /// Returns the maximum number of token requests that wait for a result: half of the connections that event channels
    /// leave. Further requests are answered at once.
    #[must_use]
    pub fn held_polls(&self) -> usize {
        self.connections.saturating_sub(self.event_channels()) / 2
    }
}
