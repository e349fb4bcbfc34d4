//! Transports of test builds.

pub(super) mod usbip;
