//! Streams of the audit log to a SIEM: over real TLS, with receivers that fail, and each event against the published schema.

mod support;

#[cfg(test)]
mod tests {
    use super::support::step_up::*;
    use super::support::{Lab, NOW, process};
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::server::WebPkiClientVerifier;
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    use serde_json::{Value, json};
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;
    use tokio::sync::watch;
    use tokio::task::JoinHandle;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::server::TlsStream;
    use vitalsign_protocol::device_names::{DeviceNames, HostName};
    use vitalsign_protocol::evidence::{Claims, IntendedUse};
    use vitalsign_protocol::id::Digest;
    use vitalsign_protocol::step_up::Acr;
    use vitalsign_verifier::audit::{Kind, Logged};
    use vitalsign_verifier::config::{SiemHttps, SiemSettings, SiemSyslog, TlsFiles};
    use vitalsign_verifier::server::tls;
    use vitalsign_verifier::siem::Stream;
    use vitalsign_verifier::siem::ocsf::{self, EventSource};
    use vitalsign_verifier::store::Store;

    /// A receiver's side of TLS.
    struct Receiver {
        listener: TcpListener,
        acceptor: TlsAcceptor,
        /// Root of its certificate.
        roots: PathBuf,
    }

    impl Receiver {
        async fn start(folder: &Path) -> Self {
            let made = tls::self_signed(folder, "localhost").unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(tls::read(&made.files).unwrap()));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            Self { listener, acceptor, roots: made.anchor }
        }

        fn server(&self) -> String {
            format!("localhost:{}", self.listener.local_addr().unwrap().port())
        }

        fn syslog(&self) -> SiemSettings {
            let syslog = SiemSyslog { server: self.server(), roots: self.roots.clone(), client: None };
            SiemSettings { syslog: Some(syslog), https: None }
        }

        async fn accept(&self) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
            let (stream, _) = self.listener.accept().await.unwrap();
            self.acceptor.accept(stream).await
        }

        /// Reads a batch of syslog to its end, and closes.
        async fn read_syslog(&self) -> Vec<String> {
            let mut stream = self.accept().await.unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            frames(&bytes)
        }
    }

    /// Messages by octet counting (RFC 5425, section 4.3).
    fn frames(mut bytes: &[u8]) -> Vec<String> {
        let mut messages = Vec::new();
        while !bytes.is_empty() {
            let space = bytes.iter().position(|byte| *byte == b' ').unwrap();
            let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
            let message = &bytes[space + 1..space + 1 + length];
            messages.push(String::from_utf8(message.to_vec()).unwrap());
            bytes = &bytes[space + 1 + length..];
        }
        messages
    }

    /// Sequence number in a message of syslog.
    fn sequence(message: &str) -> u64 {
        let json = &message[message.find("] {").unwrap() + 2..];
        let event: Value = serde_json::from_str(json).unwrap();
        event["metadata"]["uid"].as_str().unwrap().parse().unwrap()
    }

    async fn fill(store: &Store, count: u64) {
        for number in 0..count {
            store
                .log_maintenance(Kind::KeyRotated, &json!({ "now": number.to_string() }), NOW)
                .await
                .unwrap();
        }
    }

    fn start(settings: &SiemSettings, store: &Arc<Store>) -> (JoinHandle<()>, watch::Sender<bool>) {
        let stream = Stream::open_all(settings, store, "verifier.example/audit").unwrap().pop().unwrap();
        let (end, ended) = watch::channel(false);
        (tokio::spawn(stream.run(ended)), end)
    }

    #[tokio::test]
    async fn syslog_resumes_and_loses_nothing() {
        let lab = Lab::open().await;
        let (store, folder) = (lab.verifier.store(), tempfile::tempdir().unwrap());
        fill(store, 3).await;
        let receiver = Receiver::start(folder.path()).await;
        let settings = receiver.syslog();
        // A new stream begins with the next entry.
        assert_eq!(store.stream_cursor("syslog").await.unwrap(), 3);
        fill(store, 300).await;
        let (task, end) = start(&settings, store);
        // The receiver breaks off before it has read: the batch comes again.
        drop(receiver.accept().await.unwrap());
        let first = receiver.read_syslog().await;
        assert_eq!(
            first.iter().map(|message| sequence(message)).collect::<Vec<_>>(),
            (4..=259).collect::<Vec<_>>()
        );
        assert!(first[0].starts_with("<110>1 2027-01-15T08:00:00Z verifier.example vitalsign-verifier "));
        let second = receiver.read_syslog().await;
        assert_eq!(
            second.iter().map(|message| sequence(message)).collect::<Vec<_>>(),
            (260..=303).collect::<Vec<_>>()
        );
        // The verifier ends while a batch is not confirmed.
        fill(store, 2).await;
        let unconfirmed = receiver.accept().await.unwrap();
        end.send_replace(true);
        task.await.unwrap();
        drop(unconfirmed);
        let (task, end) = start(&settings, store);
        let third = receiver.read_syslog().await;
        assert_eq!(third.iter().map(|message| sequence(message)).collect::<Vec<_>>(), [304, 305]);
        // The cursor moves after the confirmation.
        while store.stream_cursor("syslog").await.unwrap() < 305 {
            tokio::task::yield_now().await;
        }
        end.send_replace(true);
        task.await.unwrap();
    }

    #[tokio::test]
    async fn running_verifier_streams_what_commands_log() {
        let (folder, receiving) = (process::configure(), tempfile::tempdir().unwrap());
        let receiver = Receiver::start(receiving.path()).await;
        let config = folder.path().join("verifier.toml");
        let settings = std::fs::read_to_string(&config).unwrap();
        let (server, roots) = (receiver.server(), receiver.roots.display());
        let siem = format!("{settings}siem.syslog.server = {server:?}\nsiem.syslog.roots = \"{roots}\"\n");
        std::fs::write(&config, siem).unwrap();
        let serving = process::Serving::start(folder.path());
        process::stdout(&process::run(folder.path(), &["enrol-token", "create"]));
        // The start is an entry too, and may come in another batch.
        while !receiver.read_syslog().await.iter().any(|message| message.contains("token-created")) {}
        drop(serving);
    }

    #[tokio::test]
    async fn stream_has_the_host_name_that_a_device_says() {
        let lab = Lab::open().await;
        let (store, folder) = (lab.verifier.store(), tempfile::tempdir().unwrap());
        let mut device = lab.device().await;
        let receiver = Receiver::start(folder.path()).await;
        store.stream_cursor("syslog").await.unwrap();
        let names =
            DeviceNames { host_name: HostName::try_from("ward3-pc12".to_owned()).ok(), asset_tag: None };
        let claims = Claims { names: Some(names), ..device.claims(IntendedUse::Report) };
        lab.verifier.attestation.report(&device.sign(&claims), NOW).await.unwrap();
        store.revoke_device(device.enrolment.unwrap(), "lost", NOW).await.unwrap();
        let (task, end) = start(&receiver.syslog(), store);
        let messages = receiver.read_syslog().await;
        assert_eq!(messages.len(), 2, "{messages:?}");
        for (message, kind) in messages.iter().zip(["device-named", "device-revoked"]) {
            assert!(message.contains(kind) && message.contains("\"hostname\":\"ward3-pc12\""), "{message}");
        }
        end.send_replace(true);
        task.await.unwrap();
    }

    #[tokio::test]
    async fn receiver_of_another_ca_gets_nothing() {
        let lab = Lab::open().await;
        let (store, folder) = (lab.verifier.store(), tempfile::tempdir().unwrap());
        let receiver = Receiver::start(&folder.path().join("a")).await;
        let other = Receiver::start(&folder.path().join("b")).await;
        assert_eq!(store.stream_cursor("syslog").await.unwrap(), 0);
        fill(store, 1).await;
        let mut settings = receiver.syslog();
        settings.syslog.as_mut().unwrap().roots = other.roots;
        let (task, end) = start(&settings, store);
        // The stream ends the handshake.
        assert!(receiver.accept().await.is_err());
        // Nothing waits for the stream.
        fill(store, 1).await;
        end.send_replace(true);
        task.await.unwrap();
        assert_eq!(store.stream_cursor("syslog").await.unwrap(), 0);
    }

    /// An authority for clients of a receiver.
    struct ClientAuthority(CertifiedIssuer<'static, KeyPair>);

    impl ClientAuthority {
        fn new() -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
        }

        /// Writes a certificate of the verifier that expires in this year, and its key.
        fn issue(&self, files: &TlsFiles, year: i32) {
            let mut params = CertificateParams::new(vec!["verifier.example".to_owned()]).unwrap();
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            let key = KeyPair::generate().unwrap();
            std::fs::write(&files.certificate, params.signed_by(&key, &self.0).unwrap().pem()).unwrap();
            std::fs::write(&files.key, key.serialize_pem()).unwrap();
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&files.key, private).unwrap();
        }
    }

    /// A receiver that requires a certificate of an authority.
    async fn strict_receiver(folder: &Path, authority: &ClientAuthority) -> Receiver {
        let receiver = Receiver::start(folder).await;
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(&read("localhost.pem")).collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(&read("localhost.key")).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key)
            .unwrap();
        Receiver { acceptor: TlsAcceptor::from(Arc::new(config)), ..receiver }
    }

    #[tokio::test]
    async fn refused_certificates_lose_no_events() {
        let lab = Lab::open().await;
        let (store, folder) = (lab.verifier.store(), tempfile::tempdir().unwrap());
        let (authority, other) = (ClientAuthority::new(), ClientAuthority::new());
        let receiver = strict_receiver(folder.path(), &authority).await;
        let path = |name: &str| folder.path().join(name);
        let files = TlsFiles { certificate: path("client.pem"), key: path("client.key") };
        let mut settings = receiver.syslog();
        assert_eq!(store.stream_cursor("syslog").await.unwrap(), 0);
        fill(store, 2).await;
        // Without a certificate, with one of another authority, and with an expired one.
        let (task, end) = start(&settings, store);
        assert!(receiver.accept().await.is_err());
        end.send_replace(true);
        task.await.unwrap();
        settings.syslog.as_mut().unwrap().client = Some(files.clone());
        other.issue(&files, 2090);
        let (task, end) = start(&settings, store);
        assert!(receiver.accept().await.is_err());
        authority.issue(&files, 2020);
        assert!(receiver.accept().await.is_err());
        fill(store, 1).await;
        assert_eq!(store.stream_cursor("syslog").await.unwrap(), 0, "nothing counts as sent");
        // The stream tries again by itself, and reads the new certificate.
        authority.issue(&files, 2090);
        let mut stream = receiver.accept().await.unwrap();
        assert!(stream.get_ref().1.peer_certificates().is_some_and(|chain| chain.len() == 1));
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let first: Vec<_> = frames(&bytes).iter().map(|message| sequence(message)).collect();
        assert_eq!(first, [1, 2, 3]);
        while store.stream_cursor("syslog").await.unwrap() < 3 {
            tokio::task::yield_now().await;
        }
        end.send_replace(true);
        task.await.unwrap();
    }

    /// With TLS 1.3 the client may send before the receiver refuses its certificate.
    #[tokio::test]
    async fn silent_refusal_confirms_nothing() {
        let lab = Lab::open().await;
        let (store, folder) = (lab.verifier.store(), tempfile::tempdir().unwrap());
        let authority = ClientAuthority::new();
        let receiver = strict_receiver(folder.path(), &authority).await;
        let path = |name: &str| folder.path().join(name);
        let files = TlsFiles { certificate: path("client.pem"), key: path("client.key") };
        authority.issue(&files, 2090);
        let mut settings = receiver.syslog();
        settings.syslog.as_mut().unwrap().client = Some(files);
        assert_eq!(store.stream_cursor("syslog").await.unwrap(), 0);
        fill(store, 1).await;
        let (task, end) = start(&settings, store);
        // It reads everything, and closes the connection without a word of TLS.
        let mut stream = receiver.accept().await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let (mut tcp, _) = stream.into_inner();
        tcp.shutdown().await.unwrap();
        drop(tcp);
        // The event comes again.
        let again = tokio::time::timeout(Duration::from_secs(60), receiver.read_syslog()).await;
        assert_eq!(again.unwrap().len(), 1);
        end.send_replace(true);
        task.await.unwrap();
    }

    #[tokio::test]
    async fn https_batches_are_repeated_until_taken() {
        let lab = Lab::open().await;
        let (store, folder) = (lab.verifier.store(), tempfile::tempdir().unwrap());
        let receiver = Receiver::start(folder.path()).await;
        let token = folder.path().join("token");
        std::fs::write(&token, "secret\n").unwrap();
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&token, permissions).unwrap();
        let url = format!("https://{}/events", receiver.server());
        let https = SiemHttps { url, roots: receiver.roots.clone(), token: Some(token) };
        let settings = SiemSettings { syslog: None, https: Some(https) };
        assert_eq!(store.stream_cursor("https").await.unwrap(), 0);
        fill(store, 2).await;
        let (task, end) = start(&settings, store);
        let mut bodies = Vec::new();
        for status in ["503 Service Unavailable", "302 Found", "200 OK"] {
            let mut stream = BufReader::new(receiver.accept().await.unwrap());
            let (mut length, mut authorized) = (0, false);
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                let line = line.trim_end().to_lowercase();
                if line.is_empty() {
                    break;
                }
                authorized |= line == "authorization: bearer secret";
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                }
            }
            assert!(authorized);
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            bodies.push(serde_json::from_slice::<Value>(&body).unwrap());
            let answer = format!(
                "HTTP/1.1 {status}\r\nlocation: https://localhost:1/\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]), "the same batch");
        assert_eq!(bodies[0].as_array().unwrap().len(), 2);
        while store.stream_cursor("https").await.unwrap() < 2 {
            tokio::task::yield_now().await;
        }
        end.send_replace(true);
        task.await.unwrap();
    }

    /// Python with what `scripts/setup.sh` put beside it.
    fn python() -> Command {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers");
        let requirements = std::fs::read(peers.join("requirements.txt")).unwrap();
        let name = Digest::of(&requirements).hex()[..16].to_owned();
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"), PathBuf::from);
        let python = cache.join("vitalsign/python").join(name).join("bin/python");
        assert!(python.exists(), "run scripts/setup.sh: there is no {}", python.display());
        let mut command = Command::new(python);
        command.arg(peers.join("ocsf.py"));
        command
    }

    fn validate(events: &[Value]) -> Result<String, String> {
        let mut python = python();
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        // Fails if it has ended with an error already.
        let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
        let output = child.wait_with_output().unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned()),
            false => Err(String::from_utf8(output.stderr).unwrap()),
        }
    }

    fn entry(kind: &str, body: &Value) -> Logged {
        Logged {
            seq: 1,
            time: NOW,
            kind: kind.to_owned(),
            device: Vec::new(),
            body: body.to_string(),
            evidence: Vec::new(),
            salt: Vec::new(),
            pruned: None,
            hash: Vec::new(),
        }
    }

    #[tokio::test]
    async fn events_of_each_kind_fit_the_schema() {
        // Real entries of a ward: enrolment, heartbeats, users, keys, applications, an approval and a decline.
        let mut fixture = StepUpFixture::new().await;
        let (_, asking, options) = fixture.ready(Acr::HardwareKey).await;
        let tapped = fixture.key.get(&options, ORIGIN).unwrap();
        fixture.assert(&asking.id, tapped).await.unwrap();
        let verifier = fixture.verifier();
        let device = fixture.at.device.enrolment.unwrap();
        let store = Store::open(verifier.store().path()).await.unwrap();
        let store = store.acting_as(vitalsign_verifier::audit::Actor::of_this_process());
        assert!(store.revoke_device(device, "lost", NOW).await.unwrap());
        verifier.audit.maintain(NOW + 4000).await;
        let mut entries = store.audit(None, 0, 1000).await.unwrap();
        let real: Vec<_> = entries.iter().map(|entry| entry.kind.clone()).collect();
        for kind in
            ["enrolled", "user-added", "key-registered", "client-added", "step-up-approved", "device-revoked"]
        {
            assert!(real.iter().any(|it| it == kind), "{kind}: {real:?}");
        }
        // The others, and entries that have nothing: those of other versions may have other members.
        let bodies = [
            (
                "report",
                json!({ "status": "contraindicated", "checks": { "firewall-inbound": "contraindicated" } }),
            ),
            ("heartbeats", json!({ "count": 12, "first": NOW, "last": NOW + 1, "status": "warning" })),
            (
                "step-up-ended",
                json!({ "user": "nurse-7", "client": "ehr", "end": "not-mine", "alert": true }),
            ),
            ("pruned", json!({ "pruned": "heartbeats", "count": 4, "before": NOW, "first": 1, "last": 9 })),
            ("key-rotated", json!({ "signs": "verdicts", "now": "kid", "compromised": true })),
            ("of-a-later-version", json!({ "x": [1] })),
        ];
        entries.extend(bodies.iter().map(|(kind, body)| entry(kind, body)));
        entries.extend(Kind::ALL.iter().map(|kind| entry(kind.as_str(), &json!({}))));
        let source = EventSource::new("verifier.example/audit");
        let mut events: Vec<_> =
            entries.iter().map(|entry| ocsf::event(entry, Some("ward3-pc12"), &source).json).collect();
        events.push(ocsf::event(&entries[0], None, &source).without_details());
        assert_eq!(validate(&events), Ok(events.len().to_string()));

        // The text of a transaction is not sent.
        let sent = events.iter().map(Value::to_string).collect::<String>();
        assert!(
            entries.iter().any(|entry| entry.body.contains("order 4711")) && !sent.contains("order 4711")
        );
        let approved =
            events.iter().find(|event| event["metadata"]["event_code"] == "step-up-approved").unwrap();
        assert_eq!((&approved["user"]["name"], &approved["status_id"]), (&json!(USER), &json!(1)));
        assert_eq!(approved["device"]["uid"], json!(device.to_string()));
        let alert = events.iter().find(|event| event["is_alert"] == json!(true)).unwrap();
        assert_eq!((&alert["severity_id"], &alert["status_detail"]), (&json!(4), &json!("not-mine")));
        let revoked =
            events.iter().find(|event| event["metadata"]["event_code"] == "device-revoked").unwrap();
        assert!(revoked["actor"]["user"]["name"].is_string(), "{revoked}");

        // The device's word, and only what the schema takes for a host name.
        let of_device = entries.iter().find(|entry| !entry.device.is_empty()).unwrap();
        let hostname =
            |name| ocsf::event(of_device, Some(name), &source).json["device"].get("hostname").cloned();
        assert_eq!(hostname("ward3-pc12.example"), Some(json!("ward3-pc12.example")));
        for name in ["Pädiatrie 1", "ward_3", "-a", "a..b", ""] {
            assert_eq!(hostname(name), None, "{name}");
        }

        // The judge refuses what is wrong.
        for (member, value) in [
            ("activity_id", json!(77)),
            ("time", json!("today")),
            ("type_uid", json!(1)),
            ("user", Value::Null),
        ] {
            let mut wrong = approved.clone();
            wrong[member] = value;
            assert!(validate(&[wrong]).is_err(), "{member}");
        }
    }
}
