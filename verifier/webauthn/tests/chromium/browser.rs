//! Chromium without a window, driven by WebDriver, with its virtual authenticator (WebAuthn Level 3, section 11).
#![allow(dead_code, reason = "each test uses a part")]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A page with a frame of another origin, or none, at a free port of loopback.
pub(crate) fn serve(frame: Option<&str>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let frame = frame.map(|url| format!("<iframe src='{url}' allow='publickey-credentials-get *'></iframe>"));
    let page = format!("<!doctype html><title>page</title>{}", frame.unwrap_or_default());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let page = page.clone();
            // A browser opens connections ahead of need, and says nothing on them.
            std::thread::spawn(move || {
                let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
                while head.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{page}",
                    page.len()
                );
            });
        }
    });
    port
}

pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    authenticator: String,
}

impl Browser {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more arguments than those that it always has.
    pub(crate) fn start_with(more: &[String]) -> Self {
        let mut command = Command::new("chromedriver");
        let command =
            command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver =
            command.spawn().unwrap_or_else(|e| panic!("chromedriver: {e}: run scripts/setup.sh"));
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let said = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        // It says little more; what it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let mut browser =
            Self { driver, port: said.unwrap(), session: String::new(), authenticator: String::new() };
        let mut arguments =
            vec!["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
        arguments.extend(more.iter().map(String::as_str));
        let wanted = json!({ "alwaysMatch": { "goog:chromeOptions": { "args": arguments } } });
        let session = browser.command("POST", "", &json!({ "capabilities": wanted })).unwrap();
        browser.session = format!("/{}", session["sessionId"].as_str().unwrap());
        browser.authenticator = browser
            .post(
                "/webauthn/authenticator",
                &json!({
                    "protocol": "ctap2_1",
                    "transport": "usb",
                    "hasResidentKey": true,
                    "hasUserVerification": true,
                    "isUserConsenting": true,
                    "isUserVerified": true,
                }),
            )
            .as_str()
            .unwrap()
            .to_owned();
        browser
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Looks at the first frame of the page from now on.
    pub(crate) fn enter_frame(&self) {
        self.post("/frame", &json!({ "id": 0 }));
    }

    /// Puts a credential into the authenticator.
    pub(crate) fn add_credential(&self, rp_id: &str, id: &[u8], pkcs8: &[u8]) {
        self.post(
            &format!("/webauthn/authenticator/{}/credential", self.authenticator),
            &json!({
                "credentialId": B64.encode(id),
                "isResidentCredential": false,
                "rpId": rp_id,
                "privateKey": B64.encode(pkcs8),
                "signCount": 0,
            }),
        );
    }

    /// Sets whether the authenticator can verify the user.
    pub(crate) fn set_user_verified(&self, verified: bool) {
        let path = format!("/webauthn/authenticator/{}/uv", self.authenticator);
        self.post(&path, &json!({ "isUserVerified": verified }));
    }

    /// `navigator.credentials.create`: the credential, or the name of the error.
    pub(crate) fn create(&self, options: &Value) -> Result<Value, String> {
        self.credentials("create", "parseCreationOptionsFromJSON", options)
    }

    /// `navigator.credentials.get`: the assertion, or the name of the error.
    pub(crate) fn get(&self, options: &Value) -> Result<Value, String> {
        self.credentials("get", "parseRequestOptionsFromJSON", options)
    }

    fn credentials(&self, method: &str, parse: &str, options: &Value) -> Result<Value, String> {
        let script = format!(
            "const [options, done] = arguments;
             navigator.credentials.{method}({{ publicKey: PublicKeyCredential.{parse}(options) }})
               .then(it => done(it.toJSON()), error => done(error.name));"
        );
        let outcome = self.post("/execute/async", &json!({ "script": script, "args": [options] }));
        outcome.as_str().map_or(Ok(outcome.clone()), |error| Err(error.to_owned()))
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.command("POST", path, body).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let failed = |e: std::io::Error| e.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(failed)?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(failed)?;
        let body = body.to_string();
        let head = format!(
            "{method} /session{}{path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.session,
            self.port,
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).map_err(failed)?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).map_err(failed)?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).map_err(failed)?;
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        match answer["value"].get("error") {
            Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
            None => Ok(answer["value"].clone()),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser itself ends with its session; the driver is ours to end.
        let _ = self.command("DELETE", "", &json!({}));
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
