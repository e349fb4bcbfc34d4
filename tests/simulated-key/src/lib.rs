//! A security key in software, for tests and the demonstration. **It protects nothing.**
//!
//! What answers is `fido-authenticator`, the code in security keys that are sold, in the program
//! `vitalsign-simulated-key`: as a contactless key behind the virtual reader of `vsmartcard-vpcd`, or as a USB key
//! that is reached by USB/IP or is in the kernel through `/dev/uhid`. This library starts that program, touches the key and pulls it out.
#![cfg(target_os = "linux")]

mod key;
mod maker;
mod pcscd;
mod peer;
pub mod process;
pub mod uhid;
pub mod vhci;

pub use key::{Options, SimulatedKey, Tap, Transport};
pub use maker::KeyVendor;
pub use pcscd::Pcscd;
pub use peer::{PythonFido2, Refused};
