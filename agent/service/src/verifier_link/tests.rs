//! Against a server with TLS that does what a test tells it.

use super::thread::{MAX_FORWARDED, start_with};
use super::*;
use crate::config::Config;
use crate::server::Server as Socket;
use crate::session_lock::SessionLocks;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use vitalsign_agent_core::ChannelEffect;
use vitalsign_client::ServiceClient;
use vitalsign_ipc::{Answer, Hello, Inbox, Refusal, Reply, Request, encode};
use vitalsign_protocol::id::{Base64Url, Digest, Nonce, RegistrationId, Secret, StepUpId, Thumbprint};
use vitalsign_protocol::message::{DeviceSession, EnrolmentKeys};
use vitalsign_protocol::organisation::MAX_DOCUMENT_BYTES;
use vitalsign_protocol::problem::{self, Action, Problem, ProblemType};
use vitalsign_protocol::sse::Message;
use vitalsign_protocol::step_up::{StepUpNext, StepUpOutcome, StepUpResult, event};

const PATIENCE: Duration = Duration::from_secs(30);
const ID: StepUpId = StepUpId([5; 16]);

/// Request that waits for its answer. Dropping it closes the connection.
struct Exchange {
    head: String,
    body: Vec<u8>,
    stream: StreamOwned<ServerConnection, TcpStream>,
}

impl Exchange {
    fn read(mut stream: StreamOwned<ServerConnection, TcpStream>) -> io::Result<Self> {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body)?;
        Ok(Self { head, body, stream })
    }

    fn is(&self, request: &str) -> bool {
        self.head.starts_with(&request.to_lowercase())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Answers, keeps the connection and waits for the next request on it.
    fn answer_and_read(mut self, body: &str) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(head.as_bytes());
        self.stream.sock.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::read(self.stream).unwrap()
    }

    fn answer(mut self, status: &str, media: &str, body: &str) {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        self.stream.write_all(head.as_bytes()).and_then(|()| self.stream.write_all(body.as_bytes())).unwrap();
        self.stream.conn.send_close_notify();
        let _ = self.stream.flush();
    }

    fn refuse(self, kind: ProblemType) {
        let body = serde_json::to_string(&Problem::new(kind, "as the test wants")).unwrap();
        self.answer(&format!("{} No", kind.status()), problem::MEDIA_TYPE, &body);
    }

    fn open(&mut self) {
        self.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\n\r\n");
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).unwrap();
    }

    /// Waits until the other side hangs up.
    fn wait_for_end(mut self) {
        self.stream.sock.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut rest = Vec::new();
        if let Err(error) = self.stream.read_to_end(&mut rest) {
            assert!(!matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{error}");
        }
        assert!(rest.is_empty());
    }
}

struct Place {
    config: Config,
    requests: Receiver<Exchange>,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, cert.pem()).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let tls = Arc::new(tls);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (tls, sender) = (tls.clone(), sender.clone());
                let stream = StreamOwned::new(ServerConnection::new(tls).unwrap(), connection.unwrap());
                std::thread::spawn(move || {
                    // Ignores connections without a request.
                    if let Ok(exchange) = Exchange::read(stream) {
                        let _ = sender.send(exchange);
                    }
                });
            }
        });
        let config = Config {
            verifier: Some(VerifierSettings { url, anchors: crate::config::TrustAnchors::File(ca_file) }),
            token_files: Vec::new(),
            key: "software".into(),
            state: folder.path().into(),
            socket: folder.path().join("agent.sock"),
            report_seconds: None,
            managed: crate::config::ManagedConfig::default(),
        };
        Self { config, requests, _folder: folder }
    }

    fn next(&self) -> Exchange {
        self.requests.recv_timeout(PATIENCE).expect("a request")
    }
}

/// The thread, and what it brings.
struct Harness {
    calls: UnboundedSender<LinkInput>,
    events: Receiver<Event>,
    config: Arc<Mutex<Config>>,
    source: Arc<ConfigSource>,
}

impl Harness {
    fn new(place: &Place) -> Self {
        Self::with_silence(place, PATIENCE)
    }

    fn with_silence(place: &Place, silence: Duration) -> Self {
        let (sender, events) = channel();
        let config = Arc::new(Mutex::new(place.config.clone()));
        let read = config.clone();
        let source = Arc::new(ConfigSource::new(move || Ok(read.lock().unwrap().clone())).unwrap());
        let link = VerifierLink::new(Arc::clone(&source));
        let deliver = move |event| drop(sender.send(event));
        Self { calls: start_with(link, silence, deliver).unwrap(), events, config, source }
    }

    fn call(&self, call: LinkInput) {
        assert!(self.calls.send(call).is_ok());
    }

    fn request(&self, effect: VerifierEffect) {
        self.call(LinkInput::Request(effect));
    }

    fn open(&self, number: u64, after: Option<u64>) {
        self.call(LinkInput::Channel(ChannelEffect::Open { number, session: session(), after }));
    }

    /// Opens the channel: the server's end of it.
    fn opened(&self, place: &Place, number: u64) -> Exchange {
        self.open(number, None);
        let mut exchange = place.next();
        exchange.open();
        assert!(matches!(self.next(), Event::ChannelOpened(opened) if opened == number));
        exchange
    }

    fn next(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }
}

fn session() -> DeviceSession {
    DeviceSession(Secret::new(vec![8; 32]))
}

fn told(event: Event) -> Message {
    match event {
        Event::ChannelMessage(_, message) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reassembles_events_split_at_any_byte() {
    let (place, long) = (Place::new(), "x".repeat(event::MAX_BYTES + 1));
    let bench = Harness::new(&place);
    bench.open(7, Some(41));
    let mut exchange = place.next();
    assert!(exchange.is("GET /v1/events HTTP/1.1"), "{}", exchange.head);
    let bearer = session().bearer().to_lowercase();
    for header in
        [format!("authorization: {bearer}"), "last-event-id: 41".into(), "accept: text/event-stream".into()]
    {
        assert!(exchange.head.contains(&header), "{header} in {}", exchange.head);
    }
    exchange.open();
    assert!(matches!(bench.next(), Event::ChannelOpened(7)));
    for byte in b": hello\n\nid: 42\nevent: step-up\ndata: {\"a\":1}\n\n" {
        exchange.send(&[*byte]);
    }
    let message = Message { id: Some(42), name: "step-up".into(), data: "{\"a\":1}".into() };
    assert_eq!(told(bench.next()), message);
    exchange.send(format!("data: {long}\n\nid: 44\nevent: check\ndata: {{}}\n\n").as_bytes());
    assert_eq!(told(bench.next()).id, Some(44), "the one that is too long is passed over");
    drop(exchange);
    assert!(matches!(bench.next(), Event::ChannelClosed(7, RequestError::Unreachable(_))));
}

#[test]
fn a_channel_that_is_not_opened_says_why() {
    let place = Place::new();
    let bench = Harness::new(&place);
    let closed = || match bench.next() {
        Event::ChannelClosed(1, failure) => failure,
        other => panic!("{other:?}"),
    };
    bench.open(1, None);
    place.next().refuse(ProblemType::SessionInvalid);
    assert!(matches!(closed(), RequestError::Problem(problem) if problem.action() == Action::Report));
    type Answer = (&'static str, &'static str, fn(&RequestError) -> bool);
    let answers: [Answer; 4] = [
        ("200 OK", "text/html", |it| matches!(it, RequestError::InvalidAnswer(_))),
        ("302 Found", "text/event-stream", |it| matches!(it, RequestError::InvalidAnswer(_))),
        ("502 Bad Gateway", "text/html", |it| matches!(it, RequestError::Unreachable(_))),
        ("401 Unauthorized", "application/problem+json", |it| matches!(it, RequestError::InvalidAnswer(_))),
    ];
    for (status, media, wanted) in answers {
        bench.open(1, None);
        place.next().answer(status, media, "nothing");
        let failure = closed();
        assert!(wanted(&failure), "{status} {media}: {failure:?}");
    }
    bench.open(1, None);
    drop(place.next());
    assert!(matches!(closed(), RequestError::Unreachable(_)));

    let stranger = Place::new();
    bench.config.lock().unwrap().verifier.as_mut().unwrap().anchors =
        stranger.config.verifier.clone().unwrap().anchors;
    bench.open(1, None);
    assert!(matches!(closed(), RequestError::Untrusted(_)), "another authority's");
    bench.config.lock().unwrap().verifier = None;
    bench.open(1, None);
    assert!(matches!(closed(), RequestError::NoToken));
}

#[test]
fn a_channel_that_falls_silent_is_closed() {
    let place = Place::new();
    let bench = Harness::with_silence(&place, Duration::from_millis(100));
    let silent = bench.opened(&place, 1);
    assert!(matches!(bench.next(), Event::ChannelClosed(1, RequestError::Unreachable(_))));
    silent.wait_for_end();
}

#[test]
fn closed_or_replaced_nothing_more_comes_from_it() {
    let place = Place::new();
    let bench = Harness::new(&place);
    let first = bench.opened(&place, 1);
    let second = bench.opened(&place, 2);
    first.wait_for_end();
    bench.call(LinkInput::Channel(ChannelEffect::Close));
    second.wait_for_end();
    bench.opened(&place, 3).send(b"event: check\ndata: {}\n\n");
    assert!(matches!(bench.next(), Event::ChannelMessage(3, _)), "and no word of the others");
}

#[test]
fn other_settings_hold_from_the_next_opening_on() {
    let (before, after) = (Place::new(), Place::new());
    let bench = Harness::new(&before);
    let first = bench.opened(&before, 1);
    *bench.config.lock().unwrap() = after.config.clone();
    let _second = bench.opened(&after, 2);
    first.wait_for_end();
    bench.request(VerifierEffect::SendEnd(ID, StepUpResult::Declined, session()));
    after.next().answer("200 OK", "application/json", r#"{"end":"declined"}"#);
    assert!(matches!(bench.next(), Event::EndAnswered(ID, Ok(_))));
}

#[test]
fn enrols_with_the_reloaded_token_and_verifier() {
    let (before, after) = (Place::new(), Place::new());
    let bench = Harness::new(&before);
    bench.request(VerifierEffect::FetchNonce(Thumbprint([2; 32])));
    let exchange = before.next();
    assert!(exchange.is("POST /v1/nonces "));
    let nonce = json!({"nonce": Nonce([1; 32]), "nonce_seconds": 60});
    exchange.answer("200 OK", "application/json", &nonce.to_string());
    assert!(matches!(bench.next(), Event::Nonce(Ok(_))));

    let keys = Box::new(EnrolmentKeys::Software { report_key: Base64Url(vec![4]) });
    bench.request(VerifierEffect::BeginEnrolment(keys.clone()));
    assert!(matches!(bench.next(), Event::EnrolmentBegun(Err(RequestError::NoToken))));

    let token_file = after.config.state.join("token");
    std::fs::write(&token_file, "once\n").unwrap();
    *bench.config.lock().unwrap() = Config { token_files: vec![token_file], ..after.config.clone() };
    bench.source.reload();
    bench.source.read_token().unwrap();
    bench.request(VerifierEffect::BeginEnrolment(keys));
    let exchange = after.next();
    assert!(exchange.is("POST /v1/enrolments "));
    assert_eq!(exchange.json()["token"], "once");
    exchange.refuse(ProblemType::Busy);
    assert!(matches!(bench.next(), Event::EnrolmentBegun(Err(RequestError::Problem(_)))));
}

#[test]
fn a_request_on_a_lost_connection_is_sent_once_more() {
    let place = Place::new();
    let harness = Harness::new(&place);
    let nonce = json!({ "nonce": Nonce([3; 32]), "nonce_seconds": 60 }).to_string();
    let ask = || harness.request(VerifierEffect::FetchNonce(Thumbprint([1; 32])));
    // The verifier closes the kept connection while the next request is under way.
    ask();
    let first = place.next();
    let kept = std::thread::scope(|scope| {
        let kept = scope.spawn(|| first.answer_and_read(&nonce));
        assert!(matches!(harness.next(), Event::Nonce(Ok(_))));
        ask();
        kept.join().unwrap()
    });
    drop(kept);
    place.next().answer("200 OK", "application/json", &nonce);
    assert!(matches!(harness.next(), Event::Nonce(Ok(_))));
    // Not more than once.
    ask();
    drop(place.next());
    drop(place.next());
    assert!(matches!(harness.next(), Event::Nonce(Err(RequestError::Unreachable(_)))));
    assert!(place.requests.try_recv().is_err(), "a third try");
}

#[test]
fn thread_ends_when_a_request_panics() {
    let place = Place::new();
    let read = place.config.clone();
    let source = Arc::new(ConfigSource::new(move || Ok(read.clone())).unwrap());
    let calls = start_with(VerifierLink::new(source), PATIENCE, |_| panic!("a defect")).unwrap();
    assert!(calls.send(LinkInput::Request(VerifierEffect::FetchNonce(Thumbprint([2; 32])))).is_ok());
    place.next().refuse(ProblemType::Busy);
    let begun = std::time::Instant::now();
    while !calls.is_closed() {
        assert!(begun.elapsed() < PATIENCE, "the thread waits on");
        std::thread::yield_now();
    }
}

#[test]
fn an_answer_that_is_slow_holds_up_no_other() {
    let place = Place::new();
    let bench = Harness::new(&place);
    let mut channel = bench.opened(&place, 1);
    bench.request(VerifierEffect::SendStepUpEvidence(ID, b"evidence".to_vec()));
    let slow = place.next();
    assert!(slow.is(&format!("POST /v1/step-ups/{ID}/evidence ")) && slow.body == b"evidence");
    assert!(slow.head.contains("content-type: application/eat+cwt") && !slow.head.contains("authorization"));

    bench.request(VerifierEffect::SendAssertion(ID, json!({"id": "AQID"}), session()));
    let tap = place.next();
    assert!(tap.is(&format!("POST /v1/step-ups/{ID}/assertion ")));
    assert!(tap.head.contains(&format!("authorization: {}", session().bearer().to_lowercase())));
    assert_eq!(tap.json(), json!({"assertion": {"id": "AQID"}}));
    tap.answer("200 OK", "application/json", r#"{"end":"approved"}"#);
    let approved = StepUpOutcome { end: StepUpResult::Approved };
    assert!(matches!(bench.next(), Event::AssertionAnswered(ID, Ok(outcome)) if outcome == approved));

    bench.request(VerifierEffect::SendEnd(ID, StepUpResult::NotMine, session()));
    let end = place.next();
    assert!(end.is(&format!("POST /v1/step-ups/{ID}/end ")));
    assert_eq!(end.json(), json!({"end": "not-mine"}));
    end.refuse(ProblemType::StepUpOver);
    assert!(matches!(bench.next(), Event::EndAnswered(ID, Err(RequestError::Problem(_)))));

    channel.send(b"event: check\ndata: {}\n\n");
    assert!(matches!(bench.next(), Event::ChannelMessage(1, _)));
    let answer = json!({"ear": "a.b.c", "next": {"tap": {"random": Nonce([1; 32]), "options": {}}}});
    slow.answer("200 OK", "application/json", &answer.to_string());
    let Event::EvidenceAnswered(ID, Ok(answer)) = bench.next() else { panic!("no answer") };
    assert!(matches!(answer.next, StepUpNext::Tap { .. }));
}

#[test]
fn answers_security_key_requests_to_their_clients() {
    let place = Place::new();
    let bench = Harness::new(&place);
    let calls = bench.calls.clone();
    let _socket = Socket::start(
        &place.config.socket,
        |_| true,
        SessionLocks::new(|| None),
        crate::pin_period::PinPeriods::new(|| None),
        move |incoming| {
            let (rp_id, origin) = ("verifier.example".into(), "https://verifier.example".into());
            assert!(
                calls
                    .send(LinkInput::Forward(ForwardedRequest {
                        incoming,
                        session: session(),
                        rp_id,
                        origin
                    }))
                    .is_ok()
            );
        },
    )
    .unwrap();
    let ask = |request: Request| {
        let mut client = ServiceClient::connect(&place.config.socket).unwrap();
        std::thread::spawn(move || client.ask(request).unwrap())
    };
    let code = Secret::new(b"code".to_vec());
    let begin = || ask(Request::BeginKey { code: code.clone() });
    let challenge = |rp: &str| {
        json!({
            "registration": RegistrationId([3; 16]), "user": "nurse-7",
            "options": {"rp": {"id": rp, "name": "Vitalsign"}},
        })
        .to_string()
    };
    let key = json!({"id": 1, "user": "nurse-7", "name": "blue", "model": "Model", "registered": 9});

    let asked = begin();
    let exchange = place.next();
    assert!(exchange.is("POST /v1/keys "));
    assert_eq!(exchange.json(), json!({"code": code}));
    exchange.answer("201 Created", "application/json", &challenge("verifier.example"));
    let Answer::Registration { registration, user, ceremony } = asked.join().unwrap() else { panic!("no") };
    assert_eq!((registration, user.as_str()), (RegistrationId([3; 16]), "nurse-7"));
    assert_eq!(
        (ceremony.rp_id.as_str(), ceremony.origin.as_str()),
        ("verifier.example", "https://verifier.example")
    );

    let asked = ask(Request::FinishKey { registration, name: "blue".into(), credential: json!({"id": "x"}) });
    let exchange = place.next();
    assert!(exchange.is(&format!("POST /v1/keys/{registration} ")));
    assert_eq!(exchange.json(), json!({"name": "blue", "credential": {"id": "x"}}));
    exchange.answer("200 OK", "application/json", &key.to_string());
    assert!(matches!(asked.join().unwrap(), Answer::Keys(keys) if keys.len() == 1));

    let asked = ask(Request::Keys);
    let exchange = place.next();
    assert!(exchange.is("GET /v1/keys ") && exchange.head.contains("authorization: bearer"));
    exchange.answer("200 OK", "application/json", &json!({"keys": [key]}).to_string());
    assert!(matches!(asked.join().unwrap(), Answer::Keys(keys) if keys[0].name == "blue"));

    let asked = begin();
    place.next().answer("201 Created", "application/json", &challenge("other.example"));
    let Answer::Refused(Refusal::Verifier { problem: None, .. }) = asked.join().unwrap() else {
        panic!("options for another relying party are passed on")
    };
    let asked = begin();
    place.next().refuse(ProblemType::KeyCodeUnknown);
    let Answer::Refused(Refusal::Verifier { problem: Some(problem), detail }) = asked.join().unwrap() else {
        panic!("no refusal")
    };
    assert_eq!((problem.as_str(), detail.as_str()), (ProblemType::KeyCodeUnknown.urn(), "as the test wants"));
    let asked = begin();
    place.next().refuse(ProblemType::SessionInvalid);
    assert!(matches!(asked.join().unwrap(), Answer::Refused(Refusal::Verifier { .. })));
    assert!(matches!(bench.next(), Event::SessionRefused), "a report brings another session");
}

#[test]
fn a_slow_verifier_does_not_hold_more_than_so_many() {
    let place = Place::new();
    let bench = Harness::new(&place);
    let calls = bench.calls.clone();
    let _socket = Socket::start(
        &place.config.socket,
        |_| true,
        SessionLocks::new(|| None),
        crate::pin_period::PinPeriods::new(|| None),
        move |incoming| {
            let (rp_id, origin) = (String::new(), String::new());
            assert!(
                calls
                    .send(LinkInput::Forward(ForwardedRequest {
                        incoming,
                        session: session(),
                        rp_id,
                        origin
                    }))
                    .is_ok()
            );
        },
    )
    .unwrap();
    let mut client = vitalsign_os::connect(&place.config.socket).unwrap();
    client.write_all(&encode(&Hello::ours()).unwrap()).unwrap();
    for _ in 0..=MAX_FORWARDED {
        client.write_all(&encode(&Request::Keys).unwrap()).unwrap();
    }
    let held: Vec<Exchange> = (0..MAX_FORWARDED).map(|_| place.next()).collect();
    let (mut inbox, mut chunk) = (Inbox::<Reply>::default(), [0; 4096]);
    let mut reply = || loop {
        if let Some(reply) = inbox.take().unwrap() {
            break reply;
        }
        let read = client.read(&mut chunk).unwrap();
        inbox.feed(&chunk[..read]);
    };
    assert_eq!(reply(), Reply::Answer(Answer::Refused(Refusal::Busy)), "one too many");
    drop(held);
    for _ in 0..MAX_FORWARDED {
        assert!(matches!(reply(), Reply::Answer(Answer::Refused(Refusal::Verifier { problem: None, .. }))));
    }
}

#[test]
fn words_are_the_announced_ones_within_limits() {
    let place = Place::new();
    let bench = Harness::new(&place);
    let words = r#"{"support":{"phone":"ext. 1234"}}"#;
    let fetched = |announced: &str, body: &str| {
        let version = Digest::of(announced.as_bytes());
        bench.request(VerifierEffect::FetchOrganisation(version, session()));
        let exchange = place.next();
        assert!(exchange.is("GET /v1/organisation HTTP/1.1"), "{}", exchange.head);
        let bearer = format!("authorization: {}", *session().bearer()).to_lowercase();
        assert!(exchange.head.contains(&bearer), "{}", exchange.head);
        exchange.answer("200 OK", "application/json", body);
        match bench.next() {
            Event::OrganisationFetched(answer) => answer,
            other => panic!("{other:?}"),
        }
    };
    let document = fetched(words, words).unwrap();
    assert_eq!(document.content().support.phone.as_deref(), Some("ext. 1234"));
    let hostile = r#"{"support":{"phone":"1\u202e2"}}"#;
    let large = format!("{words}{}", " ".repeat(MAX_DOCUMENT_BYTES));
    let other = r#"{"support":{"phone":"ext. 6666"}}"#;
    for (announced, body) in [(words, other), (hostile, hostile), (&large, &large), ("<html>", "<html>")] {
        assert!(matches!(fetched(announced, body), Err(RequestError::InvalidAnswer(_))), "{:.40}", body);
    }
}
