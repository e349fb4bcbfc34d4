//! The audit log: a chain in which each entry's hash covers the entry and the hash before it, so that nothing can be
//! changed, left out or put in without every later hash changing. Cutting off the end is seen against a head that was
//! written down elsewhere ([`Head`], printed by `audit verify`).
//!
//! ```text
//! hash = SHA-256("vitalsign-audit-v1" || 0x00 || previous hash (32 zero bytes before the first)
//!                || seq u64 BE || time u64 BE || len u32 BE || kind || len u32 BE || device || len u32 BE || body
//!                || SHA-256(evidence))            device and evidence: empty if absent
//! ```

mod entry;
pub mod prove;

pub use entry::{AuditEntry, Broken, Head, Kind, Logged};

pub(crate) use entry::chain;
