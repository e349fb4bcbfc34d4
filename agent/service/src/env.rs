//! Every environment variable that the program reads, except `VITALSIGN_LOG`, which [`vitalsign_client::program`]
//! reads. Flags win over these, these over files.

/// The configuration file, instead of `/etc/vitalsign/agent.toml`.
pub(crate) const CONFIG: &str = "VITALSIGN_CONFIG";
/// Overrides `verifier` of the configuration.
pub(crate) const VERIFIER: &str = "VITALSIGN_VERIFIER";
/// Overrides `ca-file` of the configuration.
pub(crate) const CA_FILE: &str = "VITALSIGN_CA_FILE";
/// Overrides `token-file` of the configuration.
pub(crate) const TOKEN_FILE: &str = "VITALSIGN_TOKEN_FILE";
/// Overrides `key` of the configuration.
pub(crate) const KEY: &str = "VITALSIGN_KEY";
/// Overrides `state` of the configuration.
pub(crate) const STATE: &str = "VITALSIGN_STATE";
/// Overrides `socket` of the configuration.
pub(crate) const SOCKET: &str = vitalsign_client::program::SOCKET_VARIABLE;
/// Overrides `report-seconds` of the configuration.
pub(crate) const REPORT_SECONDS: &str = "VITALSIGN_REPORT_SECONDS";
/// Names of the desktop, by the desktop's session.
pub(crate) const CURRENT_DESKTOP: &str = "XDG_CURRENT_DESKTOP";
/// Set to anything: no colours (no-color.org).
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// Columns to fill, instead of the terminal's.
pub(crate) const COLUMNS: &str = "COLUMNS";
pub(crate) const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// Microseconds after which systemd takes a silent service for dead.
pub(crate) const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
/// The process that the watchdog is for.
pub(crate) const WATCHDOG_PID: &str = "WATCHDOG_PID";
/// Set by systemd when standard error goes to its journal.
pub(crate) const JOURNAL_STREAM: &str = "JOURNAL_STREAM";
