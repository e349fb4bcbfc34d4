//! Monitoring of a verifier that runs: health, metrics, the log, and expiries.

mod support;

#[cfg(test)]
mod tests {
    use super::support::process::{Serving, configure, enrol, run, stdout};
    use super::support::{Client, Device};
    use serde_json::Value;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::path::Path;
    use std::time::{Duration, Instant};
    use vitalsign_protocol::fact::Fact;
    use vitalsign_protocol::message::ReportAnswer;

    fn configured(more: &str) -> tempfile::TempDir {
        let folder = configure();
        let config = folder.path().join("verifier.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, format!("{text}admin.listen = \"127.0.0.1:0\"\n{more}")).unwrap();
        folder
    }

    /// Asks the administrators' listener: the status and the body.
    fn ask(serving: &Serving, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(serving.admin.unwrap()).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn token(folder: &Path) -> String {
        stdout(&run(folder, &["enrol-token", "create", "--uses", "9"])).trim().to_owned()
    }

    async fn report(client: &mut Client, device: &mut Device) -> u16 {
        let answer = client.report(&device.report()).await.unwrap();
        if answer.status == 200 {
            device.nonce = answer.json::<ReportAnswer>().nonce;
        }
        answer.status
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn metrics_count_outcomes_and_bound_their_series() {
        let folder = configured("");
        let serving = Serving::start(folder.path());
        let token = token(folder.path());
        let mut client = serving.connect().await;
        let mut device = enrol(&mut client, &token).await;
        let old = device.report();
        for _ in 0..3 {
            assert_eq!(report(&mut client, &mut device).await, 200);
        }
        let mut stale = Device::new();
        stale.enrolment = device.enrolment;
        assert_ne!(client.report(&stale.report()).await.unwrap().status, 200, "an unknown key");
        drop(old);
        for n in 0..50 {
            client.request("GET", &format!("/made-up/{n}"), "", b"").await.unwrap();
            client.post_json(&format!("/v1/enrolments/{n}"), &Value::Null).await.unwrap();
        }
        let (status, text) = ask(&serving, "/metrics");
        assert_eq!(status, 200);
        for line in [
            "vitalsign_reports_total{outcome=\"ok\"} 3",
            "vitalsign_reports_total{outcome=\"device-unknown\"} 1",
            "vitalsign_requests_total{route=\"(none)\",outcome=\"not-found\"} 50",
            "vitalsign_requests_total{route=\"/v1/enrolments/{enrolment}\",outcome=\"enrolment-unknown\"} 50",
            "vitalsign_ready 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
        assert!(!text.contains("made-up"), "{text}");
        for name in ["store_bytes", "disk_free_bytes", "connections", "event_channels", "report_queue"] {
            assert!(text.contains(&format!("\nvitalsign_{name} ")), "{name}: {text}");
        }
        for labelled in [
            "devices{status=",
            "expiry_timestamp_seconds{kind=\"tls-certificate\"}",
            "signing_key_created_timestamp_seconds{kind=\"verdicts\"}",
            "request_duration_seconds_bucket{",
        ] {
            assert!(text.contains(&format!("\nvitalsign_{labelled}")), "{labelled}: {text}");
        }
        assert!(text.ends_with("# EOF\n"));
        // Not on the port of devices.
        assert_eq!(client.request("GET", "/metrics", "", b"").await.unwrap().status, 404);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn full_store_is_not_ready() {
        // Some pages more than an empty store has.
        let folder = configured("limits.store_pages = 100\n");
        let serving = Serving::start(folder.path());
        let token = token(folder.path());
        let mut client = serving.connect().await;
        assert_eq!(client.request("GET", "/health/ready", "", b"").await.unwrap().status, 200);
        let mut device = enrol(&mut client, &token).await;
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut count = 0_u64;
        // Each has another fact, so that its evidence is kept.
        loop {
            count += 1;
            device.posture.os.version = Fact::Known(format!("{count}"));
            let status = report(&mut client, &mut device).await;
            if status == 503 {
                break;
            }
            assert!(Instant::now() < deadline, "the store is never full: {status} for report {count}");
        }
        // A result is remembered for a moment.
        while client.request("GET", "/health/ready", "", b"").await.unwrap().status != 503 {
            assert!(Instant::now() < deadline, "still ready, although reports are refused");
            report(&mut client, &mut device).await;
        }
        assert_eq!(client.request("GET", "/healthz", "", b"").await.unwrap().status, 503);
        assert_eq!(client.request("GET", "/health/live", "", b"").await.unwrap().status, 200);
        let (status, body) = ask(&serving, "/health/ready");
        assert_eq!(status, 503);
        assert!(body.contains("the store cannot be written"), "{body}");
        assert!(ask(&serving, "/metrics").1.contains("\nvitalsign_ready 0\n"));
        // The public answer has no details.
        let public = client.request("GET", "/health/ready", "", b"").await.unwrap();
        assert!(!String::from_utf8_lossy(&public.body).contains("store"), "{public:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn log_has_a_line_for_each_request_and_no_secret() {
        for format in ["json", "logfmt", "text"] {
            let folder = configured(&format!("log.format = \"{format}\"\n"));
            let path = folder.path().join("log");
            let serving = Serving::start_logging(folder.path(), std::fs::File::create(&path).unwrap().into());
            let token = token(folder.path());
            let mut client = serving.connect().await;
            let mut device = enrol(&mut client, &token).await;
            let answer = client.report(&device.report()).await.unwrap();
            let id =
                answer.head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap().to_owned();
            let session = answer.json::<ReportAnswer>().session.unwrap().bearer().to_string();
            let (name, secret) = ("ehr", "vsc_wrong-secret");
            let basic = base64::Engine::encode(
                &base64::engine::general_purpose::STANDARD,
                format!("{name}:{secret}"),
            );
            let headers = [("authorization", format!("Basic {basic}"))];
            let headers = [
                ("authorization", headers[0].1.as_str()),
                ("content-type", "application/x-www-form-urlencoded"),
            ];
            client.ask(("POST", "/token"), &headers, b"grant_type=x").await.unwrap();
            assert_eq!(client.receive().await.unwrap().status, 401);

            let log = std::fs::read_to_string(&path).unwrap();
            let line = |route: &str| {
                log.lines()
                    .find(|it| it.contains(route) && it.contains("answered"))
                    .unwrap_or_else(|| panic!("{route}: {log}"))
                    .to_owned()
            };
            let reported = line("/v1/reports");
            let enrolment = device.enrolment.unwrap().to_string();
            for word in [id.as_str(), &enrolment, "127.0.0.1:", "ok", "200", "POST"] {
                assert!(reported.contains(word), "{word}: {reported}");
            }
            let refused = line("/token");
            assert!(refused.contains(name) && refused.contains("invalid_client"), "{refused}");
            for secret in [token.as_str(), secret, &basic, session.trim_start_matches("Bearer ")] {
                assert!(!log.contains(secret), "{secret}: {log}");
            }
            if format == "json" {
                let line: Value = serde_json::from_str(&reported).unwrap();
                assert_eq!(
                    (&line["fields"]["outcome"], &line["span"]["device"]),
                    (&"ok".into(), &enrolment.into())
                );
            }
        }
    }

    #[test]
    fn doctor_names_what_expires() {
        let folder = configure();
        let path = folder.path();
        let certificate = path.join("chain.pem");
        let write = |days: u64| {
            let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_after = (std::time::SystemTime::now() + Duration::from_secs(days * 86_400)).into();
            let key = rcgen::KeyPair::generate().unwrap();
            std::fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
        };
        let text = std::fs::read_to_string(path.join("verifier.toml")).unwrap();
        let tls = "tls.certificate = \"chain.pem\"\ntls.key = \"key.pem\"\n";
        std::fs::write(path.join("verifier.toml"), format!("{text}{tls}")).unwrap();
        for (days, healthy) in [(90, true), (20, false), (3, false), (0, false)] {
            write(days);
            let found = run(path, &["doctor"]);
            let said = String::from_utf8(found.stdout).unwrap();
            assert!(found.status.code() == Some(1) && said.contains("the verifier is not running"), "{said}");
            assert_eq!(said.contains("chain.pem"), !healthy, "{said}");
        }
        std::fs::write(&certificate, "no certificate").unwrap();
        let said = String::from_utf8(run(path, &["doctor"]).stdout).unwrap();
        assert!(said.contains("UNREADABLE"), "{said}");
        write(90);
        // The running verifier knows its own certificate.
        let _serving = Serving::start(path);
        assert_eq!(stdout(&run(path, &["doctor"])).trim(), "Nothing needs attention.");
        let all: Value = serde_json::from_str(&stdout(&run(path, &["doctor", "--all", "--json"]))).unwrap();
        assert_eq!(all["expiring"][0]["urgency"], "later");
    }

    #[test]
    fn administrators_listener_is_on_loopback_only() {
        let folder = configured("");
        let config = folder.path().join("verifier.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(
            &config,
            text.replace("127.0.0.1:0\"\n", "0.0.0.0:0\"\n").replacen("0.0.0.0:0", "127.0.0.1:0", 1),
        )
        .unwrap();
        let refused = run(folder.path(), &["serve", "--self-signed", "localhost"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("loopback"), "{refused:?}");
    }
}
