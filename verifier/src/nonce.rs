//! Stateless nonces: each carries its expiry and a seal that only the holder of the nonce key can make. The store
//! enforces single use (table `spent`).
//!
//! ```text
//! expiry u32 BE || 12 random || first 16 of HMAC-SHA256(key, purpose || report key thumbprint || expiry || random)
//! ```

use aws_lc_rs::hmac;
use vitalsign_protocol::id::{Nonce, Thumbprint};
use vitalsign_protocol::problem::{Problem, ProblemType};

/// Purpose of a nonce. A nonce for one purpose is unknown to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Report,
    /// Nonce for the registration evidence of an enrolment.
    Registration,
    Session,
    /// Nonce for DPoP proofs of an application (RFC 9449 section 8). May be used until it expires.
    Dpop,
}

/// Reason why a nonce was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NonceError {
    /// Not sealed by us for this key and purpose.
    #[error("the nonce was not issued by this verifier to this key for this purpose")]
    Unknown,
    /// The nonce expired this many seconds ago.
    #[error("the nonce expired {0} s ago")]
    Expired(u64),
}

/// Stored part of a spent nonce: expiry and random bytes, so that it sorts by expiry.
pub type SpentNonce = [u8; 16];

/// Key that seals nonces. Verifiers that share it accept each other's nonces.
pub struct NonceKey(hmac::Key);

impl NonceKey {
    /// Creates a key from its bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Issues a nonce for the holder of `key` that expires at `expiry`, in seconds since 1970.
    pub fn issue(
        &self,
        purpose: Purpose,
        key: &Thumbprint,
        expiry: u64,
    ) -> Result<Nonce, aws_lc_rs::error::Unspecified> {
        let mut random = [0; 12];
        aws_lc_rs::rand::fill(&mut random)?;
        let expiry = u32::try_from(expiry).unwrap_or(u32::MAX).to_be_bytes();
        let mut nonce = Vec::with_capacity(32);
        nonce.extend_from_slice(&expiry);
        nonce.extend_from_slice(&random);
        let seal = self.seal(purpose, key, &nonce);
        nonce.extend_from_slice(&seal);
        Nonce::from_slice(&nonce).ok_or(aws_lc_rs::error::Unspecified)
    }

    /// Verifies seal and age, and returns the value to record as spent.
    pub fn check(
        &self,
        purpose: Purpose,
        key: &Thumbprint,
        nonce: &Nonce,
        now: u64,
    ) -> Result<SpentNonce, NonceError> {
        let (issued, seal) = nonce.0.split_at(16);
        let issued: SpentNonce = issued.try_into().map_err(|_| NonceError::Unknown)?;
        let expected = self.seal(purpose, key, &issued);
        aws_lc_rs::constant_time::verify_slices_are_equal(seal, &expected)
            .map_err(|_| NonceError::Unknown)?;
        match now.checked_sub(expiry(&issued)) {
            Some(late) if late > 0 => Err(NonceError::Expired(late)),
            _ => Ok(issued),
        }
    }

    fn seal(&self, purpose: Purpose, key: &Thumbprint, issued: &[u8]) -> [u8; 16] {
        let purpose = match purpose {
            Purpose::Report => 1,
            Purpose::Registration => 2,
            Purpose::Session => 3,
            Purpose::Dpop => 4,
        };
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&[purpose]);
        context.update(key.as_bytes());
        context.update(issued);
        let mut seal = [0; 16];
        for (to, from) in seal.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        seal
    }
}

/// Issues the nonces of this verifier and checks those that come back. Errors are problems for the device.
pub(crate) struct Nonces(pub(crate) NonceKey);

impl Nonces {
    /// Issues a nonce that is valid until `expiry`, in seconds since 1970.
    pub(crate) fn issue(&self, purpose: Purpose, kid: &Thumbprint, expiry: u64) -> Result<Nonce, Problem> {
        self.0.issue(purpose, kid, expiry).map_err(|_| {
            tracing::error!("the operating system has no random numbers");
            Problem::new(ProblemType::Internal, "")
        })
    }

    /// Checks the single nonce of evidence and returns it with the value to record as spent.
    pub(crate) fn check(
        &self,
        purpose: Purpose,
        kid: &Thumbprint,
        nonces: &[Nonce],
        now: u64,
    ) -> Result<(Nonce, SpentNonce), Problem> {
        let [nonce] = nonces else {
            return Err(Problem::new(ProblemType::ClaimsInvalid, "eat_nonce: one nonce was expected"));
        };
        let spent = self.0.check(purpose, kid, nonce, now).map_err(|error| {
            let problem = match error {
                NonceError::Unknown => ProblemType::NonceUnknown,
                NonceError::Expired(_) => ProblemType::NonceExpired,
            };
            Problem::new(problem, error.to_string())
        })?;
        Ok((*nonce, spent))
    }

    /// Checks the seal of a session and returns its expiry, in seconds since 1970.
    pub(crate) fn check_session(
        &self,
        kid: &Thumbprint,
        sealed: &Nonce,
        now: u64,
    ) -> Result<u64, NonceError> {
        Ok(expiry(&self.0.check(Purpose::Session, kid, sealed, now)?))
    }
}

/// Returns the expiry in seconds since 1970.
#[must_use]
pub fn expiry(issued: &SpentNonce) -> u64 {
    let [a, b, c, d, ..] = *issued;
    u64::from(u32::from_be_bytes([a, b, c, d]))
}

/// Returns the smallest spent nonce that may still be valid at `now`; smaller ones can be deleted.
#[must_use]
pub fn oldest_alive(now: u64) -> SpentNonce {
    let mut nonce = [0; 16];
    for (to, from) in nonce.iter_mut().zip(u32::try_from(now).unwrap_or(u32::MAX).to_be_bytes()) {
        *to = from;
    }
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn a_nonce_holds_for_its_key_its_purpose_and_its_time() {
        let (ours, other) = (NonceKey::new(&[1; 32]), NonceKey::new(&[2; 32]));
        let (kid, kid2) = (Thumbprint([3; 32]), Thumbprint([4; 32]));
        let nonce = ours.issue(Purpose::Report, &kid, NOW).unwrap();
        let check =
            |key: &NonceKey, purpose, kid: &Thumbprint, now| key.check(purpose, kid, &nonce, now).map(|_| ());
        assert_eq!(check(&ours, Purpose::Report, &kid, NOW - 900), Ok(()));
        assert_eq!(check(&ours, Purpose::Report, &kid, NOW), Ok(()));
        assert_eq!(check(&ours, Purpose::Report, &kid, NOW + 7), Err(NonceError::Expired(7)));
        assert_eq!(check(&ours, Purpose::Report, &kid2, NOW), Err(NonceError::Unknown));
        assert_eq!(check(&ours, Purpose::Registration, &kid, NOW), Err(NonceError::Unknown));
        assert_eq!(check(&ours, Purpose::Session, &kid, NOW), Err(NonceError::Unknown));
        assert_eq!(check(&other, Purpose::Report, &kid, NOW), Err(NonceError::Unknown));
    }

    #[test]
    fn every_bit_of_a_nonce_counts() {
        let key = NonceKey::new(&[1; 32]);
        let kid = Thumbprint([3; 32]);
        let nonce = key.issue(Purpose::Report, &kid, NOW).unwrap();
        for bit in 0..256 {
            let mut forged = nonce;
            forged.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.check(Purpose::Report, &kid, &forged, NOW), Err(NonceError::Unknown), "bit {bit}");
        }
    }

    #[test]
    fn forgotten_nonces_have_expired() {
        let key = NonceKey::new(&[1; 32]);
        let kid = Thumbprint([3; 32]);
        for (expiry, forgotten) in [(NOW - 1, true), (NOW, false), (NOW + 1, false)] {
            let nonce = key.issue(Purpose::Report, &kid, expiry).unwrap();
            let spent = key.check(Purpose::Report, &kid, &nonce, 0).unwrap();
            assert_eq!(spent < oldest_alive(NOW), forgotten, "{expiry}");
        }
    }
}
