//! vitalsign-fuzz
