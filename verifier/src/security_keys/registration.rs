//! Registers security keys of accepted models at a device, with a one-time code.

use super::SecurityKeyRegistry;
use crate::random::random;
use crate::store::device::Device;
use crate::store::security_key::{PendingRegistration, RegistrationOutcome, SecurityKey};
use vitalsign_protocol::id::RegistrationId;
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_protocol::step_up::{KeyChallenge, KeyProof, KeyRequest, RegisteredKey, RegisteredKeys};
use vitalsign_protocol::text::is_plain;
use vitalsign_webauthn::{RegistrationError, User};

/// Lifetime of a registration, in seconds: time to find the key and choose a PIN.
const REGISTRATION_SECONDS: u64 = 300;
/// Longer codes are rejected unread, however they are written.
const MAX_CODE_BYTES: usize = 64;
/// The most characters of a key's name.
const MAX_NAME_CHARACTERS: usize = 64;

impl SecurityKeyRegistry {
    /// Begins the registration of a security key for the user of the code.
    ///
    /// # Errors
    /// `key-code-unknown` if the code is wrong, used or expired, or its user disabled; `key-untrusted` if no model is
    /// accepted at present.
    pub async fn begin_registration(
        &self,
        device: &Device,
        request: &KeyRequest,
        now: u64,
    ) -> Result<KeyChallenge, Problem> {
        if self.attempts.too_many(device.id, now) {
            return Err(Problem::new(ProblemType::Busy, "Too many wrong codes. Try again in 15 minutes."));
        }
        let code = request.code.expose();
        let code = std::str::from_utf8(code).ok().filter(|code| code.len() <= MAX_CODE_BYTES);
        let found = match code {
            Some(code) => self.store.key_code(code, now).await?,
            None => None,
        };
        let Some((code, user)) = found else {
            let wrong = self.attempts.count(device.id, now);
            tracing::warn!(device = %device.enrolment, wrong, "a wrong key code");
            return Err(Problem::new(ProblemType::KeyCodeUnknown, ""));
        };
        let keys = self.store.security_keys(user.id).await?;
        let exclude: Vec<_> = keys.into_iter().map(|key| key.credential).collect();
        let whose = User { handle: user.handle, name: &user.name };
        let begun = self.relying_party.begin_registration(whose, &exclude, &self.models.current(), now);
        let (options, state) = begun.map_err(|error| refused(device, &error))?;
        let registration = RegistrationId(random()?);
        let pending = PendingRegistration { code, state };
        self.store
            .begin_registration(&registration, device, &pending, now + REGISTRATION_SECONDS, now)
            .await?;
        Ok(KeyChallenge { registration, user: user.name, options })
    }

    /// Completes a registration that was begun at this device.
    ///
    /// # Errors
    /// `registration-unknown` if no such registration is pending at this device; `key-code-unknown` if its code was
    /// used meanwhile; `key-untrusted` or `assertion-invalid` if the security key's answer is not accepted;
    /// `key-known` if it is registered already.
    pub async fn complete_registration(
        &self,
        device: &Device,
        registration: &RegistrationId,
        proof: &KeyProof,
        now: u64,
    ) -> Result<RegisteredKey, Problem> {
        let name = proof.name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARACTERS || !is_plain(name) {
            let detail = format!("A key's name has 1 to {MAX_NAME_CHARACTERS} visible characters.");
            return Err(Problem::new(ProblemType::Malformed, detail));
        }
        let unknown = || Problem::new(ProblemType::RegistrationUnknown, "");
        let pending = self.store.registration(registration, device, now).await?.ok_or_else(unknown)?;
        let finished = self.relying_party.finish_registration(
            &pending.state,
            &proof.credential,
            &self.models.current(),
            now,
        );
        let registered = finished.map_err(|error| refused(device, &error))?;
        match self.store.end_registration(registration, device, &registered, name, now).await? {
            RegistrationOutcome::Registered(key) => Ok(registered_key(*key)),
            RegistrationOutcome::Unknown => Err(unknown()),
            RegistrationOutcome::CodeSpent => Err(Problem::new(ProblemType::KeyCodeUnknown, "")),
            RegistrationOutcome::Known => Err(Problem::new(ProblemType::KeyKnown, "")),
        }
    }

    /// Returns the security keys of a device's users.
    pub async fn of_device(&self, device: &Device) -> Result<RegisteredKeys, Problem> {
        let keys = self.store.security_keys_at(device.id).await?;
        Ok(RegisteredKeys { keys: keys.into_iter().map(registered_key).collect() })
    }
}

fn registered_key(key: SecurityKey) -> RegisteredKey {
    RegisteredKey {
        id: key.id.unsigned_abs(),
        user: key.user_name,
        name: key.name,
        model: key.model,
        registered: key.registered,
        last_used: key.last_used,
    }
}

fn refused(device: &Device, error: &RegistrationError) -> Problem {
    use RegistrationError as E;
    tracing::warn!(device = %device.enrolment, %error, "a security key was refused");
    let problem = match error {
        E::NoModels
        | E::ListExpired
        | E::ModelUnknown(_)
        | E::ModelWithdrawn { .. }
        | E::Unregistrable { .. }
        | E::NotAttested(_)
        | E::Attestation(_)
        | E::BackupEligible => ProblemType::KeyUntrusted,
        E::ClientData(_) | E::UserNotVerified => ProblemType::AssertionInvalid,
        E::Malformed(_) => ProblemType::Malformed,
        E::Known => ProblemType::KeyKnown,
        E::State(_) => return Problem::new(ProblemType::Internal, ""),
    };
    Problem::new(problem, error.to_string())
}
