//! vitalsign-verifier
