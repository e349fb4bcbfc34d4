//! Device sessions: who holds one, and for how long.

mod support;

#[cfg(test)]
mod tests {
    use super::support::{Device, Lab, NOW, problem};
    use vitalsign_protocol::message::DeviceSession;
    use vitalsign_protocol::problem::ProblemType::*;

    #[tokio::test]
    async fn report_opens_session_for_its_nonces_lifetime() {
        let lab = Lab::open().await;
        let mut device = Device::new();
        let enrolled = device.enrol(&lab.verifier, &lab.token(1).await, NOW).await.unwrap();
        let first = enrolled.report.session.unwrap().bearer();
        let answer = lab.verifier.attestation.report(&device.report(), NOW + 10).await.unwrap();
        let second = answer.session.unwrap().bearer();
        assert_ne!(first, second);
        for (bearer, until) in [(&first, NOW + 900), (&second, NOW + 910)] {
            let held = lab.verifier.attestation.session_device(Some(bearer.as_str()), until).await.unwrap();
            assert_eq!(Some(held.enrolment), device.enrolment);
            let late = lab.verifier.attestation.session_device(Some(bearer.as_str()), until + 1).await;
            assert_eq!(problem(late), SessionInvalid);
        }
    }

    #[tokio::test]
    async fn rejects_every_other_session_token() {
        let lab = Lab::open().await;
        let (mut device, other) = (Device::new(), lab.device().await);
        let enrolled = device.enrol(&lab.verifier, &lab.token(1).await, NOW).await.unwrap();
        let session = enrolled.report.session.unwrap();
        let with = |kid: &[u8], sealed: &[u8]| {
            let bytes = [kid, sealed].concat();
            DeviceSession(vitalsign_protocol::id::Secret::new(bytes)).bearer().to_string()
        };
        let (kid, sealed) = session.0.expose().split_at(32);
        for header in [
            None,
            Some(String::new()),
            Some("Bearer".into()),
            Some("Bearer ".into()),
            Some(session.bearer().replace("Bearer", "DPoP")),
            Some(format!("{}A", *session.bearer())),
            // Another device's name before our seal, a nonce of ours that is no session, one of no verifier.
            Some(with(other.kid().as_bytes(), sealed)),
            Some(with(kid, device.nonce.as_bytes())),
            Some(with(kid, &[7; 32])),
            Some(with(&[7; 32], sealed)),
        ] {
            let outcome = lab.verifier.attestation.session_device(header.as_deref(), NOW).await;
            assert_eq!(problem(outcome), SessionInvalid, "{header:?}");
        }
        let every_bit = session.0.expose();
        for bit in 0..every_bit.len() * 8 {
            let mut forged = every_bit.to_vec();
            forged[bit / 8] ^= 1 << (bit % 8);
            let forged = with(&forged, &[]);
            assert_eq!(
                problem(lab.verifier.attestation.session_device(Some(forged.as_str()), NOW).await),
                SessionInvalid,
                "bit {bit}"
            );
        }
        lab.verifier.attestation.session_device(Some(session.bearer().as_str()), NOW).await.unwrap();
    }

    #[tokio::test]
    async fn cached_revoked_devices_session_ends() {
        let lab = Lab::open().await;
        let mut device = Device::new();
        let token = lab.token(1).await;
        let enrolled = device.enrol(&lab.verifier, &token, NOW).await.unwrap();
        let bearer = enrolled.report.session.unwrap().bearer();
        let answer = lab.verifier.attestation.report(&device.report(), NOW).await.unwrap();
        lab.verifier.attestation.session_device(Some(bearer.as_str()), NOW).await.unwrap();
        // As the command does it: another process with a separate connection.
        let other = vitalsign_verifier::store::Store::open(&lab.verifier.config().store()).await.unwrap();
        other.revoke_device(device.enrolment.unwrap(), "lost", NOW).await.unwrap();
        for session in [bearer, answer.session.unwrap().bearer()] {
            let outcome = lab.verifier.attestation.session_device(Some(session.as_str()), NOW).await;
            assert_eq!(problem(outcome), DeviceRevoked);
        }
    }
}
