//! Ceremonies with a real CTAP2 authenticator: `fido-authenticator`, by USB/IP and by PC/SC.
//!
//! A test whose name begins with `nfc_` uses the machine's one smart card service.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod nfc;
mod person;
mod usb;
