//! Tests the default policy row by row, and properties of every policy.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what it is for"
)]

mod contract;
mod default_policy;
mod device;
mod memory;
mod step_up;
