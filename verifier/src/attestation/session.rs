//! Device sessions: bearer tokens that authenticate a device's requests between two reports. A signed report opens one.
//! The verifier stores none: a session is the report key's thumbprint and a seal that only the holder of the nonce key
//! can make, and expires with the report's nonce.
//!
//! ```text
//! report key thumbprint (32) || nonce with purpose `Session` (32)
//! ```

use super::{Attestation, problem};
use crate::caller;
use crate::nonce::Purpose;
use crate::store::device::{By, Device};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use std::sync::Arc;
use vitalsign_protocol::id::{Nonce, Secret, Thumbprint};
use vitalsign_protocol::message::DeviceSession;
use vitalsign_protocol::problem::{Problem, ProblemType};
use zeroize::Zeroizing;

/// Length of a session, in bytes.
const BYTES: usize = 64;

/// Valid device session, with its expiry in seconds since 1970.
pub(crate) struct OpenSession {
    pub(crate) device: Arc<Device>,
    pub(crate) expires: u64,
}

impl Attestation {
    pub(super) fn open_session(&self, kid: &Thumbprint, expires: u64) -> Result<DeviceSession, Problem> {
        let sealed = self.nonces.issue(Purpose::Session, kid, expires)?;
        Ok(DeviceSession(Secret::new([kid.as_bytes(), sealed.as_bytes()].concat())))
    }

    /// Returns the device whose session is in an `Authorization` header.
    ///
    /// # Errors
    /// `session-invalid` without a valid session; `device-revoked` once the revocation is committed.
    pub async fn session_device(
        &self,
        authorization: Option<&str>,
        now: u64,
    ) -> Result<Arc<Device>, Problem> {
        Ok(self.session(authorization, now).await?.device)
    }

    pub(crate) async fn session(
        &self,
        authorization: Option<&str>,
        now: u64,
    ) -> Result<OpenSession, Problem> {
        let invalid = |why: &str| Problem::new(ProblemType::SessionInvalid, why);
        let (kid, sealed) = authorization.and_then(parse).ok_or_else(|| invalid(""))?;
        let expires = self.nonces.check_session(&kid, &sealed, now).map_err(|e| invalid(&e.to_string()))?;
        let device = self.device_now(&kid).await?;
        let device = device.ok_or_else(|| invalid("no device is enrolled with this key"))?;
        caller::device(&device.enrolment);
        Ok(OpenSession { device, expires })
    }

    /// Reads the device with this report key from the store, because the cache may be outdated.
    pub(crate) async fn device_now(&self, kid: &Thumbprint) -> Result<Option<Arc<Device>>, Problem> {
        let Some((generation, revoked)) = self.store.device_state(kid).await? else { return Ok(None) };
        if let Some(device) = self.devices.get(kid).filter(|it| it.generation == generation && !revoked) {
            return Ok(Some(device));
        }
        self.devices.forget(kid);
        let Some(device) = self.store.device(By::Kid(kid)).await? else { return Ok(None) };
        if device.revoked_at.is_some() {
            return Err(problem::revoked());
        }
        let device = Arc::new(device);
        self.devices.put(device.clone());
        Ok(Some(device))
    }
}

/// Parses the value of an `Authorization` header: `Bearer` and a session (RFC 6750 section 2.1).
fn parse(authorization: &str) -> Option<(Thumbprint, Nonce)> {
    let (scheme, text) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") || text.len() != (BYTES * 4).div_ceil(3) {
        return None;
    }
    let bytes = Zeroizing::new(B64.decode(text).ok()?);
    let (kid, sealed) = bytes.split_at_checked(BYTES / 2)?;
    Some((Thumbprint::from_slice(kid)?, Nonce::from_slice(sealed)?))
}
