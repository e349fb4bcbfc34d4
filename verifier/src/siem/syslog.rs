//! Syslog over TLS (RFC 5425): messages of RFC 5424, each with its length before it.
//!
//! Syslog confirms nothing. Each batch therefore has its own connection: the receiver's end of it, after ours
//! (close_notify, RFC 5425 section 4.4), tells that it has read the batch. The files are read again for each connection, so that
//! another certificate needs no restart.

use super::ocsf::Event;
use crate::client_tls;
use crate::config::SiemSyslog;
use crate::files::FileError;
use jiff::Timestamp;
use rustls_pki_types::ServerName;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Facility "log audit" (RFC 5424, section 6.2.1).
const FACILITY: u8 = 13;
/// Octets that receivers should be able to process (RFC 5425, section 4.3.1).
const MAX_MESSAGE: usize = 8192;
/// Largest `sequenceId` (RFC 5424, section 7.3.1).
const MAX_SEQUENCE_ID: u64 = 2_147_483_647;
/// The most bytes that are read of a receiver, which has nothing to say.
const MAX_ANSWER: u64 = 4096;

pub(super) struct SyslogSink {
    settings: SiemSyslog,
    name: ServerName<'static>,
    /// HOSTNAME of the messages.
    host: String,
}

impl SyslogSink {
    pub(super) fn open(settings: &SiemSyslog, log: &str) -> Result<Self, FileError> {
        connector(settings)?;
        let name = settings.host().to_owned();
        let name = ServerName::try_from(name).map_err(|e| FileError::new("reading", &settings.roots, e))?;
        let host = log.split(['/', ':']).next().unwrap_or_default();
        let host = host.chars().filter(char::is_ascii_graphic).take(255).collect::<String>();
        let host = if host.is_empty() { "-".to_owned() } else { host };
        Ok(Self { settings: settings.clone(), name, host })
    }

    /// Sends a batch, and waits until the receiver has read it.
    pub(super) async fn send(&self, events: &[Event]) -> Result<(), String> {
        let SiemSyslog { server, client, .. } = &self.settings;
        let failed = |e: std::io::Error| format!("{server}: {e}");
        let connector = connector(&self.settings).map_err(|error| error.to_string())?;
        let stream = TcpStream::connect(server).await.map_err(failed)?;
        let mut stream = connector.connect(self.name.clone(), stream).await.map_err(failed)?;
        let mut frames = String::new();
        for event in events {
            let message = message(event, &self.host);
            frames.push_str(&format!("{} {message}", message.len()));
        }
        stream.write_all(frames.as_bytes()).await.map_err(failed)?;
        stream.shutdown().await.map_err(failed)?;
        let mut rest = Vec::new();
        match (&mut stream).take(MAX_ANSWER).read_to_end(&mut rest).await {
            Ok(_) => Ok(()),
            // It closed without close_notify, but after it had read everything: otherwise TCP resets the connection. If it
            // asks for a certificate, it may have read everything before it refused that (RFC 8446 section 4.4.2.4).
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof && client.is_none() => Ok(()),
            Err(e) => Err(failed(e)),
        }
    }
}

fn connector(settings: &SiemSyslog) -> Result<TlsConnector, FileError> {
    let client = settings.client.as_ref().map(|it| (it.certificate.as_path(), it.key.as_path()));
    Ok(TlsConnector::from(Arc::new(client_tls::configure(&settings.roots, client)?)))
}

/// Formats a message of RFC 5424, in ASCII.
fn message(event: &Event, host: &str) -> String {
    let priority = FACILITY * 8 + severity(event.severity);
    let seconds = i64::try_from(event.time).ok();
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let time = time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    let (pid, version) = (std::process::id(), env!("CARGO_PKG_VERSION"));
    let sequence = (event.seq.max(1) - 1) % MAX_SEQUENCE_ID + 1;
    let head = format!(
        "<{priority}>1 {time} {host} vitalsign-verifier {pid} {} \
         [origin software=\"vitalsign-verifier\" swVersion=\"{version}\"][meta sequenceId=\"{sequence}\"] ",
        event.kind
    );
    let json = ascii(&event.json.to_string());
    if head.len() + json.len() <= MAX_MESSAGE {
        return head + &json;
    }
    head + &ascii(&event.without_details().to_string())
}

/// Severity of RFC 5424 for a `severity_id` of OCSF.
fn severity(ocsf: u8) -> u8 {
    match ocsf {
        0 | 1 => 6,
        2 => 5,
        3 => 4,
        4 => 3,
        5 => 2,
        _ => 1,
    }
}

/// Escapes other characters than ASCII in JSON, so that the message needs no byte order mark (RFC 5424, section 6.4).
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_have_the_form_of_rfc_5424() {
        let json = json!({ "message": "Müller \u{1f600}\n", "unmapped": "x" });
        let event = Event { seq: 4711, time: 1_800_000_000, kind: "user-added".into(), severity: 4, json };
        let text = message(&event, "verifier.example");
        let (head, body) = text.split_once("] {").unwrap();
        let (pid, version) = (std::process::id(), env!("CARGO_PKG_VERSION"));
        assert_eq!(
            head,
            format!(
                "<107>1 2027-01-15T08:00:00Z verifier.example vitalsign-verifier {pid} user-added \
                 [origin software=\"vitalsign-verifier\" swVersion=\"{version}\"][meta sequenceId=\"4711\""
            )
        );
        assert!(text.is_ascii() && body.contains(r#"M\u00fcller \ud83d\ude00\n"#), "{body}");
    }

    #[test]
    fn long_messages_lose_their_details() {
        let json = json!({ "metadata": {}, "unmapped": "x".repeat(10_000) });
        let event = Event { seq: u64::MAX, time: u64::MAX, kind: "report".into(), severity: 1, json };
        let text = message(&event, "-");
        assert!(text.len() < MAX_MESSAGE && text.contains("\"is_truncated\":true"), "{text}");
        assert!(text.starts_with("<110>1 - - "), "{text}");
    }
}
