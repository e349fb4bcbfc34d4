//! Tests the server on a real socket with a self-signed certificate.

mod support;

#[cfg(test)]
mod tests {
    use super::support::{Answer, Client, Device, Lab, NOW};
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;
    use vitalsign_protocol::jwt::JwkSet;
    use vitalsign_protocol::message::{
        Enrolled, EnrolmentChallenge, MAX_JSON_BYTES, NonceAnswer, NonceRequest, ReportAnswer,
    };
    use vitalsign_protocol::problem::ProblemType::{self, *};
    use vitalsign_verifier::clock::{Clock, now};
    use vitalsign_verifier::server::{Server, tls};
    use vitalsign_verifier::store::key::KeyPurpose;

    struct Served {
        lab: Lab,
        server: Server,
        anchor: PathBuf,
    }

    impl Served {
        async fn start(change: impl FnOnce(&mut vitalsign_verifier::config::Config)) -> Self {
            Self::at(Clock::default(), change).await
        }

        async fn at(clock: Clock, change: impl FnOnce(&mut vitalsign_verifier::config::Config)) -> Self {
            let lab = Lab::with(change).await;
            let made = tls::self_signed(&lab.folder.path().join("tls"), "localhost").unwrap();
            let tls = tls::read(&made.files).unwrap();
            let server = Server::start(lab.verifier.clone(), tls, clock).await.unwrap();
            Self { lab, server, anchor: made.anchor }
        }

        async fn connect(&self) -> Client {
            Client::connect(self.server.address(), &self.anchor, "localhost").await.unwrap()
        }

        /// Asks for the verifier's health once a connection is accepted.
        async fn health_when_free(&self) -> u16 {
            loop {
                let connected = Client::connect(self.server.address(), &self.anchor, "localhost").await;
                if let Ok(mut client) = connected
                    && let Ok(answer) = client.request("GET", "/healthz", "", b"").await
                {
                    return answer.status;
                }
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn a_device_enrols_and_reports_over_one_connection() {
        let served = Served::start(|_| {}).await;
        let mut client = served.connect().await;
        let token = served.lab.verifier.store().create_token(1, now() + 60, None, now()).await.unwrap().1;
        let mut device = Device::new();
        let answer = client.post_json("/v1/enrolments", &device.request(&token)).await.unwrap();
        assert_eq!(answer.status, 201);
        let challenge: EnrolmentChallenge = answer.json();
        let path = format!("/v1/enrolments/{}", challenge.enrolment);
        let enrolled: Enrolled = client.post_json(&path, &device.proof(&challenge)).await.unwrap().json();
        device.enrolment = Some(enrolled.enrolment);
        device.nonce = enrolled.report.nonce;

        let answer: ReportAnswer = client.report(&device.report()).await.unwrap().json();
        super::support::verdict(&served.lab.verifier, &answer, now());
        assert_eq!(client.report(&device.report()).await.unwrap().problem(), NonceUsed);
        let asked = client.post_json("/v1/nonces", &NonceRequest { kid: device.kid() }).await.unwrap();
        device.nonce = asked.json::<NonceAnswer>().nonce;
        client.report(&device.report()).await.unwrap().json::<ReportAnswer>();

        let keys = client.request("GET", "/.well-known/jwks.json", "", b"").await.unwrap();
        assert_eq!(keys.json::<JwkSet>(), enrolled.ear_keys);
        let health = client.request("GET", "/healthz", "", b"").await.unwrap();
        assert_eq!(health.json::<serde_json::Value>(), serde_json::json!({ "status": "ok" }));
        served.server.shutdown().await;
    }

    #[tokio::test]
    async fn the_server_follows_its_clock() {
        let time = Arc::new(AtomicU64::new(NOW));
        let clock = Clock::new({
            let time = time.clone();
            move || time.load(Ordering::Relaxed)
        });
        let served = Served::at(clock, |_| {}).await;
        let mut device = served.lab.device().await;
        let mut client = served.connect().await;
        let nonce = client.post_json("/v1/nonces", &NonceRequest { kid: device.kid() }).await.unwrap();
        let NonceAnswer { nonce, nonce_seconds } = nonce.json();
        device.nonce = nonce;
        time.fetch_add(nonce_seconds.get() + 1, Ordering::Relaxed);
        assert_eq!(client.report(&device.report()).await.unwrap().problem(), NonceExpired);
        time.fetch_sub(1, Ordering::Relaxed);
        client.report(&device.report()).await.unwrap().json::<ReportAnswer>();
    }

    #[tokio::test]
    async fn every_refusal_is_a_problem() {
        let served = Served::start(|_| {}).await;
        let json = "application/json";
        let huge = vec![b'x'; MAX_JSON_BYTES + 1];
        type Case<'a> = (&'a str, &'a str, &'a str, &'a [u8], u16, ProblemType);
        let cases: &[Case<'_>] = &[
            ("GET", "/", "", b"", 404, NotFound),
            ("POST", "/v1/reports/", "application/eat+cwt", b"", 404, NotFound),
            ("GET", "/v1/reports", "", b"", 405, MethodNotAllowed),
            ("DELETE", "/v1/enrolments/AAAA", "", b"", 405, MethodNotAllowed),
            ("POST", "/healthz", json, b"{}", 405, MethodNotAllowed),
            ("POST", "/v1/reports", json, b"{}", 415, MediaType),
            ("POST", "/v1/nonces", "text/plain", b"{}", 415, MediaType),
            ("POST", "/v1/nonces", json, b"{", 400, Malformed),
            ("POST", "/v1/nonces", json, b"{\"kid\":\"AAAA\"}", 400, Malformed),
            ("POST", "/v1/nonces", json, b"{\"kid\":1,\"more\":2}", 400, Malformed),
            ("POST", "/v1/enrolments", json, b"{\"token\":\"t\"}", 400, Malformed),
            ("POST", "/v1/enrolments/not-a-name", json, b"{}", 404, EnrolmentUnknown),
            ("POST", "/v1/reports", "application/eat+cwt; x=y", b"junk", 400, Malformed),
            ("POST", "/v1/nonces", json, &huge, 413, TooLarge),
        ];
        for (method, path, media_type, body, status, expected) in cases {
            // One connection each: after a body that is not read, the server ends it.
            let answer = served.connect().await.request(method, path, media_type, body).await.unwrap();
            assert_eq!((answer.status, answer.problem()), (*status, *expected), "{method} {path}");
            assert!(!String::from_utf8_lossy(&answer.body).contains("AAAA"), "what was sent is not repeated");
        }
    }

    #[tokio::test]
    async fn a_body_without_a_length_is_capped_while_it_comes() {
        let served = Served::start(|_| {}).await;
        let mut client = served.connect().await;
        let head = "POST /v1/nonces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        client.send(head.as_bytes()).await.unwrap();
        let chunk = [format!("{:x}\r\n", 0x4000).as_bytes(), &[b' '; 0x4000], b"\r\n"].concat();
        for _ in 0..5 {
            client.send(&chunk).await.unwrap();
        }
        let answer = client.receive().await.unwrap();
        assert_eq!((answer.status, answer.problem()), (413, TooLarge));
    }

    #[tokio::test]
    async fn slow_clients_are_cut_off_and_others_served() {
        let served = Served::start(|config| {
            config.limits.request_seconds = 1;
            config.limits.connections = 6;
        })
        .await;
        let no_handshake = tokio::net::TcpStream::connect(served.server.address()).await.unwrap();
        let mut half_a_head = served.connect().await;
        half_a_head.send(b"POST /v1/nonces HTTP/1.1\r\nhost:").await.unwrap();
        let mut half_a_body = served.connect().await;
        let head = b"POST /v1/nonces HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
        half_a_body.send(head).await.unwrap();
        // Every place is taken until the slow ones have been cut off.
        assert!(Client::connect(served.server.address(), &served.anchor, "localhost").await.is_err());
        assert_eq!(served.health_when_free().await, 200);
        let answer: Answer = half_a_body.receive().await.unwrap();
        assert_eq!(answer.problem(), Malformed);
        drop(no_handshake);
    }

    #[tokio::test]
    async fn sender_of_too_large_a_body_reads_the_answer() {
        let served = Served::start(|_| {}).await;
        let length = 200 * 1024;
        let head = format!(
            "POST /v1/nonces HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        let mut client = served.connect().await;
        client.send(head.as_bytes()).await.unwrap();
        // Until the verifier has had the time to refuse by the head alone.
        for _ in 0..3 {
            assert_eq!(served.connect().await.request("GET", "/healthz", "", b"").await.unwrap().status, 200);
        }
        for _ in 0..length / 1024 {
            client.send(&[b' '; 1024]).await.unwrap();
        }
        assert_eq!(client.receive().await.unwrap().problem(), TooLarge);
        // One that is longer still gets no more of the verifier's time.
        let mut client = served.connect().await;
        client.send(head.replace(&length.to_string(), "9000000").as_bytes()).await.unwrap();
        assert_eq!(client.receive().await.unwrap().problem(), TooLarge);
    }

    #[tokio::test]
    async fn address_has_few_connections_until_one_is_known() {
        let served = Served::start(|config| config.limits.unauthenticated_per_address = 2).await;
        let mut device = served.lab.device_at(now()).await;
        let (mut first, mut second) = (served.connect().await, served.connect().await);
        for client in [&mut first, &mut second] {
            assert_eq!(client.request("GET", "/healthz", "", b"").await.unwrap().status, 200);
        }
        let third = Client::connect(served.server.address(), &served.anchor, "localhost").await;
        assert!(third.is_err(), "a third was accepted");
        first.report(&device.report()).await.unwrap().json::<ReportAnswer>();
        let mut third = served.connect().await;
        assert_eq!(third.request("GET", "/healthz", "", b"").await.unwrap().status, 200);
    }

    /// Sends the head of a report of this length and the beginning of its body.
    async fn begin_report(client: &mut Client, length: usize, start: &[u8]) {
        let head = format!(
            "POST /v1/reports HTTP/1.1\r\nhost: l\r\ncontent-type: application/eat+cwt\r\ncontent-length: {length}\r\n\r\n"
        );
        client.send(&[head.as_bytes(), start].concat()).await.unwrap();
    }

    #[tokio::test]
    async fn event_log_is_received_from_an_enrolled_device_only() {
        let served = Served::start(|_| {}).await;
        let mut device = served.lab.device_at(now()).await;
        let length = 4 * 1024 * 1024;
        for (start, expected) in
            [(vec![0; 100], Malformed), (Device::new().report(), DeviceUnknown), (device.report(), Busy)]
        {
            let start = [start, vec![0; 65 * 1024]].concat();
            // Keeps the device's log under way.
            let mut under_way = served.connect().await;
            let own = [device.report(), vec![0; 65 * 1024]].concat();
            begin_report(&mut under_way, length, &own).await;
            let mut client = served.connect().await;
            begin_report(&mut client, length, &start).await;
            // Either of the two may come first.
            let answer = tokio::select! {
                answer = client.receive() => answer,
                answer = under_way.receive(), if expected == Busy => answer,
            };
            assert_eq!(answer.unwrap().problem(), expected);
        }
    }

    #[tokio::test]
    async fn bodies_of_all_connections_share_a_budget() {
        let served = Served::start(|config| {
            config.limits.body_bytes = 16 * 1024 * 1024;
            config.limits.unauthenticated_per_address = 1000;
        })
        .await;
        let mut held = Vec::new();
        let mut refused = 0;
        // Each sends all but one byte of a small report, 18 MiB together.
        for _ in 0..300 {
            let mut client = served.connect().await;
            begin_report(&mut client, 60 * 1024, &[0; 60 * 1024 - 1]).await;
            held.push(client);
        }
        for client in &mut held {
            let answer = tokio::time::timeout(Duration::from_millis(10), client.receive()).await;
            if let Ok(answer) = answer {
                assert_eq!(answer.unwrap().problem(), Busy);
                refused += 1;
            }
        }
        assert!((10..100).contains(&refused), "{refused} refused");
        drop(held);
        // The budget comes back with the connections.
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while served.connect().await.report(&[0; 100]).await.unwrap().problem() == Busy {
            assert!(std::time::Instant::now() < deadline, "the budget stays used up");
        }
    }

    #[tokio::test]
    async fn clients_that_never_read_are_cut_off() {
        let served = Served::start(|config| {
            config.limits.request_seconds = 1;
            config.limits.connections = 4;
        })
        .await;
        let requests = b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1024);
        let mut deaf = [served.connect().await, served.connect().await];
        for client in &mut deaf {
            // Until the buffers of both ends are full.
            while let Ok(sent) =
                tokio::time::timeout(Duration::from_millis(500), client.send(&requests)).await
            {
                sent.unwrap();
            }
        }
        let served_in_time = tokio::time::timeout(Duration::from_secs(20), served.health_when_free());
        assert_eq!(served_in_time.await.expect("every place stays taken"), 200);
        drop(deaf);
    }

    #[tokio::test]
    async fn a_rotated_key_is_taken_up_while_running() {
        let served = Served::start(|_| {}).await;
        let before = served.lab.verifier.attestation.jwks(now());
        let keyring = served.lab.verifier.keyring();
        keyring.rotate(KeyPurpose::Verdicts, now(), now()).await.unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let mut client = served.connect().await;
        loop {
            let keys: JwkSet = client.request("GET", "/.well-known/jwks.json", "", b"").await.unwrap().json();
            if keys.keys.len() == 2 {
                assert_eq!(keys.keys[1], before.keys[0]);
                break;
            }
            assert!(std::time::Instant::now() < deadline, "the new key was not taken up");
            tokio::task::yield_now().await;
        }
    }
}
