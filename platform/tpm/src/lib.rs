//! vitalsign-tpm
