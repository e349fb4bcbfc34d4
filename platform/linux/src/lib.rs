//! Reading a Linux device's vital signs.
//!
//! Every probe reads below a [`Root`]: `/` on a real machine, a recorded tree in a test.
#![cfg(target_os = "linux")]

pub mod date;
pub mod edr;
pub mod firewall;
pub mod os;
pub mod root;
pub mod run;
pub mod updates;

pub use root::Root;
