//! Diagnostics that devices send: who may write them, how many, and for how long they are kept.

mod support;

#[cfg(test)]
mod tests {
    use super::support::{Client, Device, Lab, NOW, problem};
    use std::sync::Arc;
    use vitalsign_protocol::diagnostics::{
        DiagnosticsReceipt, DiagnosticsRef, DiagnosticsReport, MAX_TEXT_BYTES,
    };
    use vitalsign_protocol::id::EnrolmentId;
    use vitalsign_protocol::problem::{Problem, ProblemType::*};
    use vitalsign_verifier::store::device::Device as Enrolled;
    use vitalsign_verifier::store::diagnostics::{
        KEPT_PER_DEVICE, MAX_PER_RATE, RATE_SECONDS, REPEAT_SECONDS,
    };

    async fn enrolled(lab: &Lab) -> Arc<Enrolled> {
        let mut device = Device::new();
        let answer = device.enrol(&lab.verifier, &lab.token(1).await, NOW).await.unwrap();
        let bearer = answer.report.session.unwrap().bearer();
        lab.verifier.attestation.session_device(Some(bearer.as_str()), NOW).await.unwrap()
    }

    async fn send(lab: &Lab, device: &Enrolled, text: &str, now: u64) -> Result<DiagnosticsRef, Problem> {
        let report = DiagnosticsReport { text: text.to_owned() };
        lab.verifier.diagnostics.receive(device, &report, now).await.map(|it| it.reference)
    }

    async fn texts(lab: &Lab, device: EnrolmentId, since: u64) -> Vec<String> {
        let kept = lab.verifier.store().device_diagnostics(device, since).await.unwrap();
        kept.into_iter().map(|it| it.text).collect()
    }

    #[tokio::test]
    async fn each_device_writes_its_own_with_audit_entry() {
        let lab = Lab::open().await;
        let (one, other) = (enrolled(&lab).await, enrolled(&lab).await);
        let reference = send(&lab, &one, "first\nsecond\n", NOW).await.unwrap();
        assert_eq!(texts(&lab, one.enrolment, 0).await, ["first\nsecond\n"]);
        assert_eq!(texts(&lab, other.enrolment, 0).await, [""; 0]);
        let found = lab.verifier.store().diagnostics(reference, 0).await.unwrap().unwrap();
        assert_eq!((found.device, found.received), (one.enrolment, NOW));
        let entry = lab.verifier.store().audit(None, 0, 100).await.unwrap().pop().unwrap();
        assert_eq!(
            (entry.kind.as_str(), entry.device.as_slice()),
            ("diagnostics-received", one.enrolment.as_bytes())
        );
        assert!(
            entry.body.contains(&reference.to_string()) && !entry.body.contains("second"),
            "{}",
            entry.body
        );
    }

    #[tokio::test]
    async fn refuses_what_cannot_be_shown() {
        let lab = Lab::open().await;
        let device = enrolled(&lab).await;
        let before = lab.audit_length().await;
        for text in ["", "a\u{1b}[2Jb", "a\u{202e}b", &"x".repeat(MAX_TEXT_BYTES + 1)] {
            assert_eq!(problem(send(&lab, &device, text, NOW).await), Malformed);
        }
        assert_eq!(texts(&lab, device.enrolment, 0).await, [""; 0]);
        assert_eq!(lab.audit_length().await, before);
    }

    #[tokio::test]
    async fn rate_of_each_device_is_limited() {
        let lab = Lab::open().await;
        let (device, other) = (enrolled(&lab).await, enrolled(&lab).await);
        for number in 0..MAX_PER_RATE {
            send(&lab, &device, &format!("text {number}"), NOW).await.unwrap();
        }
        assert_eq!(problem(send(&lab, &device, "more", NOW + RATE_SECONDS - 1).await), RateLimited);
        send(&lab, &other, "more", NOW).await.unwrap();
        send(&lab, &device, "more", NOW + RATE_SECONDS).await.unwrap();
    }

    #[tokio::test]
    async fn repetition_after_a_lost_answer_is_stored_once() {
        let lab = Lab::open().await;
        let device = enrolled(&lab).await;
        let first = send(&lab, &device, "text", NOW).await.unwrap();
        let length = lab.audit_length().await;
        for _ in 0..=MAX_PER_RATE {
            assert_eq!(send(&lab, &device, "text", NOW + REPEAT_SECONDS - 1).await.unwrap(), first);
        }
        assert_eq!(lab.audit_length().await, length);
        assert_ne!(send(&lab, &device, "text", NOW + REPEAT_SECONDS).await.unwrap(), first);
    }

    #[tokio::test]
    async fn keeps_the_newest_of_each_device() {
        let lab = Lab::open().await;
        let (device, other) = (enrolled(&lab).await, enrolled(&lab).await);
        send(&lab, &other, "of another device", NOW).await.unwrap();
        let last = u64::try_from(KEPT_PER_DEVICE).unwrap() + 2;
        for number in 0..=last {
            send(&lab, &device, &format!("text {number}"), NOW + number * RATE_SECONDS).await.unwrap();
        }
        let wanted: Vec<_> = (3..=last).rev().map(|number| format!("text {number}")).collect();
        assert_eq!(texts(&lab, device.enrolment, 0).await, wanted);
        assert_eq!(texts(&lab, other.enrolment, 0).await, ["of another device"]);
    }

    #[tokio::test]
    async fn all_texts_are_limited_in_bytes() {
        let lab = Lab::with(|config| config.diagnostics.max_bytes = 1000).await;
        let devices = [enrolled(&lab).await, enrolled(&lab).await, enrolled(&lab).await];
        for device in &devices {
            send(&lab, device, &"x".repeat(450), NOW).await.unwrap();
        }
        let mut kept = Vec::new();
        for device in &devices {
            kept.push(texts(&lab, device.enrolment, 0).await.len());
        }
        assert_eq!(kept, [0, 1, 1]);
        // The newest stays whatever its size, and references are never used again.
        let reference = send(&lab, &devices[0], &"y".repeat(2000), NOW).await.unwrap();
        assert_eq!(reference, DiagnosticsRef(4));
        assert_eq!(
            texts(&lab, devices[1].enrolment, 0).await.len()
                + texts(&lab, devices[2].enrolment, 0).await.len(),
            0
        );
    }

    #[tokio::test]
    async fn old_ones_are_neither_shown_nor_kept() {
        let lab = Lab::with(|config| config.diagnostics.keep_days = 2).await;
        let (device, other) = (enrolled(&lab).await, enrolled(&lab).await);
        let reference = send(&lab, &device, "old", NOW).await.unwrap();
        let day = 24 * 3600;
        let settings = lab.verifier.config().diagnostics;
        let store = lab.verifier.store();
        assert!(store.diagnostics(reference, settings.since(NOW + 2 * day)).await.unwrap().is_some());
        assert!(store.diagnostics(reference, settings.since(NOW + 2 * day + 1)).await.unwrap().is_none());
        assert_eq!(store.newest_diagnostics(settings.since(NOW + 2 * day + 1)).await.unwrap(), []);
        send(&lab, &other, "new", NOW + 2 * day + 1).await.unwrap();
        assert_eq!(texts(&lab, device.enrolment, 0).await, [""; 0]);
    }

    #[tokio::test]
    async fn only_a_session_of_the_device_may_send() {
        use vitalsign_verifier::clock::Clock;
        use vitalsign_verifier::server::{Server, tls};
        let lab = Lab::open().await;
        let mut device = Device::new();
        let answer = device.enrol(&lab.verifier, &lab.token(1).await, NOW).await.unwrap();
        let session = answer.report.session.unwrap().bearer().to_string();
        let made = tls::self_signed(&lab.folder.path().join("tls"), "localhost").unwrap();
        let tls = tls::read(&made.files).unwrap();
        let server = Server::start(lab.verifier.clone(), tls, Clock::new(|| NOW)).await.unwrap();
        let mut client = Client::connect(server.address(), &made.anchor, "localhost").await.unwrap();
        let mut post = async |authorization: &str, body: &[u8]| {
            let head = format!(
                "POST /v1/diagnostics HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                 {authorization}content-length: {}\r\n\r\n",
                body.len()
            );
            client.send(&[head.as_bytes(), body].concat()).await.unwrap();
            client.receive().await.unwrap()
        };
        let report =
            serde_json::to_vec(&DiagnosticsReport { text: "\n\"".repeat(MAX_TEXT_BYTES / 2) }).unwrap();
        let bearer = format!("authorization: {session}\r\n");
        assert_eq!(post("", &report).await.problem(), SessionInvalid);
        assert_eq!(post("authorization: Bearer AAAA\r\n", &report).await.problem(), SessionInvalid);
        let answer = post(&bearer, &report).await;
        assert_eq!((answer.status, answer.json::<DiagnosticsReceipt>().reference), (201, DiagnosticsRef(1)));
        assert_eq!(post(&bearer, &vec![b' '; 200_000]).await.problem(), TooLarge);
        lab.verifier.store().revoke_device(device.enrolment.unwrap(), "", NOW).await.unwrap();
        assert_eq!(post(&bearer, &report).await.problem(), DeviceRevoked);
        server.shutdown().await;
    }
}
