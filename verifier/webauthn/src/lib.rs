//! WebAuthn Level 3 as a relying party, for hardware keys with attestation only.
