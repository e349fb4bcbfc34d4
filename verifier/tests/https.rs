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
    use vitalsign_verifier::signing_keys::{SigningKeys, Signs};

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
    }

    #[tokio::test]
    async fn a_device_enrols_and_reports_over_one_connection() {
        let served = Served::start(|_| {}).await;
        let mut client = served.connect().await;
        let token = served.lab.verifier.store().create_token(1, now() + 60, now()).await.unwrap().1;
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
            ("GET", "/v1/reports", "", b"", 405, NotFound),
            ("DELETE", "/v1/enrolments/AAAA", "", b"", 405, NotFound),
            ("POST", "/healthz", json, b"{}", 405, NotFound),
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
            config.limits.connections = 3;
        })
        .await;
        let no_handshake = tokio::net::TcpStream::connect(served.server.address()).await.unwrap();
        let mut half_a_head = served.connect().await;
        half_a_head.send(b"POST /v1/nonces HTTP/1.1\r\nhost:").await.unwrap();
        let mut half_a_body = served.connect().await;
        let head = b"POST /v1/nonces HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
        half_a_body.send(head).await.unwrap();
        // Every place is taken; this one is served when the slow ones have been cut off.
        let health = served.connect().await.request("GET", "/healthz", "", b"").await.unwrap();
        assert_eq!(health.status, 200);
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
    async fn clients_that_never_read_are_cut_off() {
        let served = Served::start(|config| {
            config.limits.request_seconds = 1;
            config.limits.connections = 2;
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
        let served_in_time = tokio::time::timeout(Duration::from_secs(20), async {
            served.connect().await.request("GET", "/healthz", "", b"").await.unwrap().status
        });
        assert_eq!(served_in_time.await.expect("every place stays taken"), 200);
        drop(deaf);
    }

    #[tokio::test]
    async fn a_rotated_key_is_taken_up_while_running() {
        let served = Served::start(|_| {}).await;
        let before = served.lab.verifier.attestation.jwks(now());
        let folder = served.lab.verifier.config().keys();
        SigningKeys::rotate(&folder, Signs::Verdicts, now(), now()).unwrap();
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
