//! vitalsign-bench
