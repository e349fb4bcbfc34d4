//! What runs in the session of the person at the device: talks to the service and to security keys.
