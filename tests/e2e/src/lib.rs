//! vitalsign-e2e
