//! The audit log: an append-only Merkle tree (RFC 6962), whose state the verifier signs as checkpoints. Changing,
//! removing or inserting an entry changes every later root; a checkpoint that is known elsewhere detects it, and
//! truncation as well.
//!
//! ```text
//! leaf hash = SHA-256(0x00 || leaf)                       RFC 6962, section 2.1
//! leaf      = "vitalsign-audit-v2" || 0x00 || seq u64 BE || time u64 BE || len u32 BE || kind
//!             || len u32 BE || device || payload          device: empty if absent
//! payload   = SHA-256("vitalsign-audit-payload-v1" || 0x00 || len u32 BE || salt || len u32 BE || body
//!             || SHA-256(evidence))                       evidence: empty if absent
//! leaf 0    = "vitalsign-audit-chain-v1" || 0x00 || seq u64 BE || hash || root
//! ```
//!
//! Leaf 0 is the end of the hash chain that earlier versions wrote ([`FormerChain`]); entry `n` is leaf `n - seq`.
//! Pruning removes salt, body and evidence, and keeps the payload's digest, so that leaves and proofs stay as they are.

mod actor;
pub mod checkpoint;
mod entry;
pub mod log_keys;
pub mod note;
pub mod prove;
pub mod tree;

#[cfg(unix)]
pub(crate) use actor::account;
pub use actor::{Actor, Stated};
pub use entry::{AuditEntry, Broken, FormerChain, Head, Kind, Logged};

pub(crate) use entry::{chain, leaf, payload};
