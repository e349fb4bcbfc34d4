//! Diagnostics for IT: the text, and what became of it.

use serde::Serialize;
use ts_rs::TS;

/// Diagnostics as they are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct DiagnosticsText {
    /// Lines of plain text. Contains no secrets.
    pub text: String,
    /// The service can send exactly this text.
    pub sendable: bool,
}

/// Result of sending them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DiagnosticsSent {
    Sent {
        /// Number to tell IT: `R-0471`.
        reference: String,
    },
    /// The verifier was not reached. Nothing was sent.
    Offline,
    /// The verifier accepts no more for now.
    TooOften,
    /// They were refused.
    Failed,
}
