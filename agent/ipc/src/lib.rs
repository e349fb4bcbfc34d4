//! vitalsign-ipc
