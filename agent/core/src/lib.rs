//! vitalsign-agent
