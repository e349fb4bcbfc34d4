//! Reading a Linux device's vital signs.
//!
//! Every probe reads below a [`Root`]: `/` on a real machine, a recorded tree in a test.
#![cfg(target_os = "linux")]

pub mod root;

pub use root::Root;
