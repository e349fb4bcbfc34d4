//! Batches of events as JSON arrays by HTTPS.

use super::ocsf::Event;
use crate::client_tls;
use crate::config::SiemHttps;
use crate::files::{self, FileError};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::Value;

pub(super) struct HttpsSink {
    client: reqwest::Client,
    url: String,
    authorization: Option<HeaderValue>,
}

impl HttpsSink {
    pub(super) fn open(settings: &SiemHttps) -> Result<Self, FileError> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(client_tls::configure(&settings.roots, None)?);
        let builder = builder.https_only(true).no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = builder.build().map_err(|e| FileError::new("reading", &settings.roots, e))?;
        let authorization = settings.token.as_ref().map(|path| {
            let token = files::read_secret(path)?;
            let token = String::from_utf8_lossy(&token);
            let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
            let mut value =
                value.map_err(|_| FileError::new("reading", path, "this is not a bearer token"))?;
            value.set_sensitive(true);
            Ok::<_, FileError>(value)
        });
        Ok(Self { client, url: settings.url.clone(), authorization: authorization.transpose()? })
    }

    /// Sends a batch. A status of success confirms it.
    pub(super) async fn send(&self, events: &[Event]) -> Result<(), String> {
        let events: Value = events.iter().map(|event| event.json.clone()).collect();
        let mut request = self.client.post(&self.url).header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let answer =
            request.body(events.to_string()).send().await.map_err(|e| e.without_url().to_string())?;
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(format!("the receiver answered {}", answer.status())),
        }
    }
}
