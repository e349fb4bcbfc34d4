//! The language that a Vitalsign agent and a verifier speak. `docs/protocol.md` is its text; this crate is its code.
//!
//! Invariants: no I/O, no clock, no operating system, no async. Time, nonces and signatures are arguments. Bytes from
//! outside are length-capped before they are parsed, and parsed into types.

#![warn(missing_docs)]

pub mod calendar;
pub mod cbor;
pub mod check;
pub mod cose;
pub mod details;
pub mod device_code;
pub mod device_names;
pub mod diagnostics;
pub mod ear;
pub mod evidence;
pub mod fact;
pub mod id;
pub mod jose;
pub mod jwt;
pub mod message;
pub mod organisation;
pub mod origin;
pub mod posture;
pub mod problem;
pub mod rollover;
pub mod seconds;
pub mod sse;
pub mod step_up;
pub mod text;
