//! Linux: USB HID by `hidraw`, NFC by PC/SC, both through libwebauthn.

mod finder;
mod key_selection;
mod removal;
#[cfg(feature = "testing")]
mod testing;
mod worker;

use crate::cancel::Cancel;
use crate::ceremony::{Attached, Ceremony, Failure, Operation};
use crate::options;
use crate::prompt::Prompt;
use finder::{Finder, KeyDevice, SearchScope};
use key_selection::KeySelection;
use libwebauthn::ops::webauthn::psl::PublicSuffixList;
use libwebauthn::ops::webauthn::{
    GetAssertionRequest, MakeCredentialRequest, OriginValidation, RelatedOrigins, RequestOrigin,
    RequestSettings,
};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use worker::{ActiveKeys, CeremonyRequest};

/// Time for the cancelled keys to stop at the end of a ceremony.
const CANCEL_GRACE: Duration = Duration::from_millis(500);

/// The security keys of this machine.
#[derive(Debug)]
pub struct SecurityKeys {
    busy: Arc<ActiveKeys>,
    scope: SearchScope,
}

impl SecurityKeys {
    /// Makes ready to scope security keys. That none is there, or no reader, is no failure: one may come.
    ///
    /// # Errors
    /// [`Failure::Unavailable`].
    pub fn open() -> Result<Self, Failure> {
        runtime()?;
        Ok(Self { busy: Arc::default(), scope: SearchScope::system() })
    }

    /// Test builds only: creates a client for the USB key at this address, optionally with readers.
    ///
    /// # Errors
    /// [`Failure::Unavailable`].
    #[cfg(feature = "testing")]
    pub fn reaching(usbip: Option<std::net::SocketAddr>, readers: bool) -> Result<Self, Failure> {
        let source = match usbip {
            Some(address) => Some::<Arc<dyn finder::NewKeySource>>(Arc::new(address)),
            None => None,
        };
        Ok(Self { busy: Arc::default(), scope: SearchScope { usb: false, readers, source } })
    }

    /// The security keys that are there now. What lies on a reader is asked whether it is one.
    ///
    /// # Errors
    /// [`Failure::Unavailable`].
    pub fn attached(&self) -> Result<Vec<Attached>, Failure> {
        runtime()?.block_on(async {
            let mut keys = Vec::new();
            for found in Finder::new(&self.scope).look().await {
                let is_key = match &found.device {
                    KeyDevice::Nfc(device) => worker::is_key(&mut device.clone()).await,
                    _ => true,
                };
                if is_key {
                    keys.push(Attached { name: found.name, transport: found.device.transport() });
                }
            }
            Ok(keys)
        })
    }

    /// Calls `removed` each time that a USB key was removed, about a second later. If the watch ends, because of a defect, it
    /// drops `removed`. Cards in readers are not watched.
    ///
    /// # Errors
    /// [`Failure::Unavailable`]: there is no watch.
    pub fn watch_removal(&self, removed: impl Fn() + Send + 'static) -> Result<(), Failure> {
        removal::watch(&self.scope, removed)
    }

    /// Runs a ceremony to its end, on this thread. `prompts` says what the person is to do; it must not wait, least of
    /// all for a PIN, whose answer comes by the prompt's own reply. A prompt takes the place of the one before: a PIN
    /// that is entered for an earlier one goes nowhere.
    ///
    /// The answer is a RegistrationResponseJSON or an AuthenticationResponseJSON (WebAuthn Level 3, section 5.1).
    pub fn perform(
        &self,
        ceremony: &Ceremony,
        prompts: impl FnMut(Prompt) + Send,
        cancel: &Cancel,
    ) -> Result<Value, Failure> {
        let checked = options::check(ceremony)?;
        if cancel.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        let until = Instant::now() + checked.timeout;
        runtime()?.block_on(async {
            let request = prepare(ceremony, &checked).await?;
            KeySelection::new(request, until, prompts, &self.busy, &self.scope).run(cancel).await
        })
    }
}

impl Drop for SecurityKeys {
    /// Cancels the remaining keys; otherwise they would continue to blink.
    fn drop(&mut self) {
        self.busy.wait(CANCEL_GRACE);
    }
}

fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Unavailable(error.to_string()))
}

async fn prepare(ceremony: &Ceremony, checked: &options::CheckedOptions) -> Result<CeremonyRequest, Failure> {
    let refused = |error: &dyn std::fmt::Display| Failure::Refused(error.to_string());
    let origin = RequestOrigin::try_from(ceremony.origin.as_str()).map_err(|error| refused(&error))?;
    let settings = RequestSettings {
        origin: OriginValidation::Validate {
            public_suffix_list: &NoSuffixes,
            related_origins: RelatedOrigins::Disabled,
        },
    };
    match &ceremony.operation {
        Operation::Create(_) => {
            let request = MakeCredentialRequest::prepare(&origin, &checked.json, &settings).await;
            let request = request.map_err(|error| refused(&error))?;
            Ok(CeremonyRequest::Create(MakeCredentialRequest { timeout: checked.timeout, ..request }))
        }
        Operation::Get(_) => {
            let request = GetAssertionRequest::prepare(&origin, &checked.json, &settings).await;
            let request = request.map_err(|error| refused(&error))?;
            Ok(CeremonyRequest::Get(GetAssertionRequest { timeout: checked.timeout, ..request }))
        }
    }
}

/// Empty public suffix list: only the exact host is accepted as the relying party.
struct NoSuffixes;

impl PublicSuffixList for NoSuffixes {
    fn public_suffix(&self, _host: &str) -> Option<String> {
        None
    }
}
