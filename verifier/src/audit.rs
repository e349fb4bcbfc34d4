//! The audit log: a hash chain in which each entry's hash covers the entry and the previous hash, so that changing,
//! removing or inserting an entry changes every later hash. Truncation is detected with a head that was recorded
//! elsewhere ([`Head`], printed by `audit verify`).
//!
//! ```text
//! hash = SHA-256("vitalsign-audit-v1" || 0x00 || previous hash (32 zero bytes before the first)
//!                || seq u64 BE || time u64 BE || len u32 BE || kind || len u32 BE || device || len u32 BE || body
//!                || SHA-256(evidence))            device and evidence: empty if absent
//! ```

mod actor;
mod entry;
pub mod prove;

pub use actor::Actor;
pub use entry::{AuditEntry, Broken, Head, Kind, Logged};

pub(crate) use entry::chain;
