//! vitalsign-host
