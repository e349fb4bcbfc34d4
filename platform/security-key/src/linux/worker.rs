//! Communicates with one key in a separate thread, because some transports block without a way to interrupt
//! them.

use super::finder::{FoundKey, KeyDevice};
use crate::ceremony::Failure;
use crate::prompt::Pin;
use libwebauthn::UvUpdate;
use libwebauthn::ops::webauthn::{
    GetAssertionRequest, JsonFormat, MakeCredentialRequest, UserVerificationRequirement,
    WebAuthnIDLResponse as _,
};
use libwebauthn::pin::PinManagement as _;
use libwebauthn::proto::CtapError;
use libwebauthn::proto::ctap2::Ctap2;
use libwebauthn::proto::ctap2::preflight::ctap2_preflight;
use libwebauthn::transport::hid::channel::{HidChannel, HidChannelHandle};
use libwebauthn::transport::nfc::channel::NfcChannel;
use libwebauthn::transport::nfc::{Context, NfcDevice};
use libwebauthn::transport::{Channel, ChannelSettings, Device as _};
use libwebauthn::webauthn::WebAuthn;
use libwebauthn::webauthn::error::{PlatformError, WebAuthnError};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, mpsc, oneshot};

/// Delay before a key that reports a user timeout is asked again.
const RETRY_DELAY: Duration = Duration::from_millis(250);

/// A key that waited so long for a touch and then says that the operation was denied was not touched: CTAP has keys report
/// the end of the wait so as well (CTAP 2.1 sections 6.1.2 and 6.2.2), and none waits for less than 10 seconds.
const LEAST_TOUCH_WAIT: Duration = Duration::from_secs(9);

/// Operation that is sent to every key.
#[derive(Debug)]
pub(super) enum CeremonyRequest {
    Create(MakeCredentialRequest),
    Get(GetAssertionRequest),
}

/// Command to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Wait for a touch that selects this key.
    Select,
    Perform,
}

#[derive(Debug)]
pub(super) enum WorkerEvent {
    /// It can be spoken to.
    Ready {
        updates: broadcast::Receiver<UvUpdate>,
        handle: Option<HidChannelHandle>,
    },
    Selected,
    /// It wants something of the person.
    Update(UvUpdate),
    /// It requires another PIN than it has: a new one is needed, which the key has `rejected` before.
    NewPin {
        rejected: bool,
        reply: oneshot::Sender<Pin>,
    },
    /// It asks for a PIN that has been chosen, or for its length.
    LeastPin(u32),
    Ended(CandidateResult),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum CandidateResult {
    Done(Value),
    /// It is no security key, or speaks no FIDO2.
    NoKey,
    /// It could not be opened.
    Closed(String),
    /// It went away, or talks nonsense.
    Lost(String),
    /// It was told to stop.
    Stopped,
    /// It answered, and the answer is no.
    Failed(Failure),
}

#[derive(Debug, Default)]
pub(super) struct WorkerState {
    /// It is to stop. The test build's link looks at it too.
    pub(super) stop: Arc<AtomicBool>,
    /// The last PIN was wrong.
    pub(super) pin_was_wrong: AtomicBool,
    /// The person would not say the PIN.
    pub(super) refused: AtomicBool,
    /// PIN request of the key that is not answered yet.
    pub(super) asked: Mutex<Option<UvUpdate>>,
    /// Time of the last answer to such a request.
    answered: Mutex<Option<Instant>>,
}

impl WorkerState {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
    /// Takes the pending PIN request, which can be answered once.
    pub(super) fn take_asked(&self) -> Option<UvUpdate> {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
    /// Returns whether a key that was asked at `begun` has had the time to wait for a touch in vain.
    fn waited_for_touch(&self, begun: Instant) -> bool {
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.map_or(begun, |answered| answered.max(begun)).elapsed() >= LEAST_TOUCH_WAIT
    }
    pub(super) fn keep_asked(&self, update: UvUpdate) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(update);
    }
}

/// Number of keys in use.
#[derive(Debug, Default)]
pub(super) struct ActiveKeys {
    count: Mutex<usize>,
    changed: Condvar,
}

impl ActiveKeys {
    fn change(&self, by: impl FnOnce(usize) -> usize) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = by(*count);
        self.changed.notify_all();
    }
    /// Waits until no key is in use.
    pub(super) fn wait(&self, patience: Duration) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.changed.wait_timeout_while(count, patience, |count| *count > 0);
    }
}

/// A key's side of a ceremony.
pub(super) struct Worker {
    /// By which it is called in its events.
    pub(super) id: u64,
    pub(super) found: FoundKey,
    pub(super) request: Arc<CeremonyRequest>,
    pub(super) until: Instant,
    pub(super) shared: Arc<WorkerState>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) events: mpsc::UnboundedSender<(u64, WorkerEvent)>,
}

impl Worker {
    /// Begins. Whatever happens to the thread, its end is told.
    pub(super) fn start(self, busy: &Arc<ActiveKeys>) {
        busy.change(|count| count + 1);
        let end =
            EndGuard { busy: Arc::clone(busy), id: self.id, events: self.events.clone(), outcome: None };
        let thread = std::thread::Builder::new().name("security key".to_owned());
        // Where there is no thread, the closure is dropped, and with it the end is told.
        let _ = thread.spawn(move || {
            let mut end = end;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            end.outcome = Some(match runtime {
                Ok(runtime) => runtime.block_on(self.run()),
                Err(error) => CandidateResult::Closed(error.to_string()),
            });
        });
    }

    async fn run(mut self) -> CandidateResult {
        let settings = ChannelSettings::default();
        match self.found.device.clone() {
            KeyDevice::Hid(mut device) => match device.channel(settings).await {
                Ok(mut channel) => self.serve(&mut channel, |channel| Some(channel.get_handle())).await,
                Err(error) => CandidateResult::Closed(error.to_string()),
            },
            KeyDevice::Nfc(mut device) => match device.channel(settings).await {
                Ok(mut channel) => self.serve(&mut channel, |_| None).await,
                // A card of another kind says no, and so does a key that has come this moment: it is tried again.
                Err(error) => CandidateResult::Lost(error.to_string()),
            },
            KeyDevice::Source(key) => {
                let mut device = key.open(Arc::clone(&self.shared.stop));
                match device.channel(settings).await {
                    Ok(mut channel) => self.serve(&mut channel, |_| None).await,
                    Err(error) => CandidateResult::Closed(error.to_string()),
                }
            }
        }
    }

    async fn serve<C: KeyChannel>(
        &mut self,
        channel: &mut C,
        handle: impl FnOnce(&C) -> Option<HidChannelHandle>,
    ) -> CandidateResult {
        if !channel.supported_protocols().await.is_ok_and(|protocols| protocols.fido2) {
            return CandidateResult::NoKey;
        }
        let least = match channel.ctap2_get_info().await {
            Ok(info) => info.min_pin_length.unwrap_or(4),
            Err(error) => return CandidateResult::Lost(error.to_string()),
        };
        self.tell(WorkerEvent::LeastPin(least));
        self.tell(WorkerEvent::Ready { updates: channel.get_ux_update_receiver(), handle: handle(channel) });
        let mut touched = false;
        while let Some(command) = self.commands.recv().await {
            match command {
                Command::Select => match self.select(channel).await {
                    Ok(()) => {
                        touched = true;
                        self.tell(WorkerEvent::Selected);
                    }
                    Err(outcome) => return outcome,
                },
                Command::Perform => return self.perform(channel, touched).await,
            }
        }
        CandidateResult::Stopped
    }

    /// Waits for a touch, for as long as there is time.
    async fn select<C: KeyChannel>(&self, channel: &mut C) -> Result<(), CandidateResult> {
        loop {
            let begun = Instant::now();
            match channel.touched(self.left()).await {
                Ok(()) => return Ok(()),
                Err(error) => self.again(error, begun).await?,
            }
        }
    }

    async fn perform<C: KeyChannel>(&self, channel: &mut C, touched: bool) -> CandidateResult {
        if let Err(outcome) = self.change_pin(channel).await {
            return outcome;
        }
        loop {
            let begun = Instant::now();
            let answer = match &*self.request {
                CeremonyRequest::Create(request) => create(channel, request).await,
                CeremonyRequest::Get(request) => self.get(channel, request, touched).await,
            };
            match answer {
                Ok(Some(answer)) => return CandidateResult::Done(answer),
                Ok(None) => return CandidateResult::Lost("its answer cannot be read".to_owned()),
                Err(error) => match self.again(error, begun).await {
                    Ok(()) => {}
                    Err(outcome) => return outcome,
                },
            }
        }
    }

    /// Changes the PIN of a key that requires that (`forcePINChange`). Until then such a key may refuse every command, also
    /// the one that looks for a credential without a PIN.
    async fn change_pin<C: KeyChannel>(&self, channel: &mut C) -> Result<(), CandidateResult> {
        if !channel.ctap2_get_info().await.is_ok_and(|info| info.force_pin_change == Some(true)) {
            return Ok(());
        }
        let mut pin = None;
        let mut rejected = false;
        loop {
            let new = match pin.take() {
                Some(pin) => pin,
                None => {
                    let (reply, chosen) = oneshot::channel();
                    self.tell(WorkerEvent::NewPin { rejected, reply });
                    chosen.await.map_err(|_| CandidateResult::Failed(Failure::Cancelled))?
                }
            };
            match channel.change_pin(new.expose().to_owned(), self.left()).await {
                Ok(()) => return Ok(()),
                Err(
                    WebAuthnError::Platform(PlatformError::PinTooShort | PlatformError::PinTooLong)
                    | WebAuthnError::Ctap(CtapError::PINPolicyViolation),
                ) => rejected = true,
                Err(error) => {
                    // The former PIN was wrong; the new one stays.
                    self.again(error, Instant::now()).await?;
                    pin = Some(new);
                }
            }
        }
    }

    /// Requests an assertion. A key without a matching credential is detected before a PIN is entered, but
    /// reported only after a touch, so that a forgotten key of another person does not end the ceremony.
    async fn get<C: KeyChannel>(
        &self,
        channel: &mut C,
        request: &GetAssertionRequest,
        touched: bool,
    ) -> Result<Option<Value>, WebAuthnError<C::TransportError>> {
        let (hash, rp_id) = (request.client_data_hash(), &request.relying_party_id);
        let found = ctap2_preflight(channel, &request.allow, &hash, rp_id).await?;
        if found.is_empty() {
            if !touched {
                self.tell(WorkerEvent::Update(UvUpdate::PresenceRequired));
                channel.touched(self.left()).await?;
            }
            return Err(WebAuthnError::Ctap(CtapError::NoCredentials));
        }
        // The word to stop may have come when there was nothing to cancel. The key must not begin to wait for a touch then.
        if self.shared.stopped() {
            return Err(WebAuthnError::Ctap(CtapError::KeepAliveCancel));
        }
        let required = GetAssertionRequest {
            user_verification: UserVerificationRequirement::Required,
            ..request.clone()
        };
        // Without the PIN, only the first credential can be used (docs/protocol.md, section 6).
        let is_first = found.first().map(|found| &found.id) == request.allow.first().map(|first| &first.id);
        let response = match channel.webauthn_get_assertion(if is_first { request } else { &required }).await
        {
            // Some keys are set to verify their user always (CTAP 2.2 section 6.11.3, alwaysUv).
            Err(WebAuthnError::Ctap(CtapError::PINRequired))
                if is_first && request.user_verification.is_discouraged() =>
            {
                channel.webauthn_get_assertion(&required).await?
            }
            answer => answer?,
        };
        let first = response.assertions.first();
        Ok(first.and_then(|assertion| value(assertion.to_json_string(request, JsonFormat::Minified))))
    }

    /// Returns whether to ask the key again because the person must act; every other error ends the ceremony. `begun` is the
    /// time at which the key was asked.
    async fn again<E: std::error::Error>(
        &self,
        error: WebAuthnError<E>,
        begun: Instant,
    ) -> Result<(), CandidateResult> {
        if self.shared.stopped() {
            return Err(CandidateResult::Stopped);
        }
        match error {
            WebAuthnError::Ctap(CtapError::PINInvalid) => {
                self.shared.pin_was_wrong.store(true, Ordering::SeqCst);
                Ok(())
            }
            // A key waits for a touch for less time than the ceremony may take. A key that reports this at
            // once is not retried endlessly.
            WebAuthnError::Ctap(
                CtapError::UVInvalid
                | CtapError::UserActionTimeout
                | CtapError::ActionTimeout
                | CtapError::UserActionPending,
            ) => self.later().await,
            WebAuthnError::Ctap(CtapError::OperationDenied) if self.shared.waited_for_touch(begun) => {
                self.later().await
            }
            error => Err(self.end(&error)),
        }
    }

    /// Waits before the key is asked again, if there is time left.
    async fn later(&self) -> Result<(), CandidateResult> {
        tokio::time::sleep(RETRY_DELAY).await;
        if Instant::now() < self.until { Ok(()) } else { Err(CandidateResult::Failed(Failure::TimedOut)) }
    }

    fn end<E: std::error::Error>(&self, error: &WebAuthnError<E>) -> CandidateResult {
        CandidateResult::Failed(match error {
            WebAuthnError::Ctap(CtapError::NoCredentials | CtapError::InvalidCredential) => Failure::WrongKey,
            WebAuthnError::Ctap(CtapError::CredentialExcluded) => Failure::AlreadyRegistered,
            WebAuthnError::Ctap(CtapError::PINBlocked | CtapError::UvBlocked) => {
                Failure::PinBlocked { until_reinserted: false }
            }
            WebAuthnError::Ctap(CtapError::PINAuthBlocked) => Failure::PinBlocked { until_reinserted: true },
            WebAuthnError::Ctap(CtapError::PINRequired)
            | WebAuthnError::Platform(PlatformError::Cancelled)
                if self.shared.refused.load(Ordering::SeqCst) =>
            {
                Failure::Cancelled
            }
            WebAuthnError::Ctap(CtapError::PINRequired | CtapError::PINNotSet)
            | WebAuthnError::Platform(
                PlatformError::Cancelled | PlatformError::NoUvAvailable | PlatformError::PinNotSupported,
            ) => Failure::NoUserVerification,
            WebAuthnError::Ctap(CtapError::OperationDenied | CtapError::KeepAliveCancel) => {
                Failure::Cancelled
            }
            WebAuthnError::Ctap(
                error @ (CtapError::PINAuthInvalid
                | CtapError::PINTokenExpired
                | CtapError::InvalidChannel
                | CtapError::InvalidSeq
                | CtapError::ChannelBusy
                | CtapError::Timeout),
            ) => return CandidateResult::Lost(error.to_string()),
            WebAuthnError::Transport(error) => return CandidateResult::Lost(error.to_string()),
            WebAuthnError::Platform(
                error @ (PlatformError::InvalidDeviceResponse | PlatformError::CryptoError(_)),
            ) => {
                return CandidateResult::Lost(error.to_string());
            }
            error => Failure::Unfit(error.to_string()),
        })
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    fn tell(&self, events: WorkerEvent) {
        // Fails if the ceremony has ended.
        let _ = self.events.send((self.id, events));
    }
}

/// Tells the end of a worker when it goes.
struct EndGuard {
    busy: Arc<ActiveKeys>,
    id: u64,
    events: mpsc::UnboundedSender<(u64, WorkerEvent)>,
    outcome: Option<CandidateResult>,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        let outcome =
            self.outcome.take().unwrap_or_else(|| CandidateResult::Lost("its thread ended".to_owned()));
        let _ = self.events.send((self.id, WorkerEvent::Ended(outcome)));
        self.busy.change(|count| count.saturating_sub(1));
    }
}

/// A channel to a key.
trait KeyChannel: Channel<UxUpdate = UvUpdate> {
    /// Waits until it is touched.
    async fn touched(&mut self, timeout: Duration) -> Result<(), WebAuthnError<Self::TransportError>>;
}

impl KeyChannel for HidChannel<'_> {
    async fn touched(&mut self, timeout: Duration) -> Result<(), WebAuthnError<Self::TransportError>> {
        if self.ctap2_get_info().await?.supports_fido_2_1() {
            return self.ctap2_selection(timeout).await;
        }
        // Older keys know no such command: they are given something to do that asks for a touch and does nothing.
        match self.blink_and_wait_for_user_presence(timeout).await? {
            true => Ok(()),
            false => Err(WebAuthnError::Ctap(CtapError::UserActionTimeout)),
        }
    }
}

impl KeyChannel for NfcChannel<Context> {
    async fn touched(&mut self, timeout: Duration) -> Result<(), WebAuthnError<Self::TransportError>> {
        match self.ctap2_get_info().await?.supports_fido_2_1() {
            true => self.ctap2_selection(timeout).await,
            // To hold it to the reader is the gesture.
            false => Ok(()),
        }
    }
}

async fn create<C: KeyChannel>(
    channel: &mut C,
    request: &MakeCredentialRequest,
) -> Result<Option<Value>, WebAuthnError<C::TransportError>> {
    let response = channel.webauthn_make_credential(request).await?;
    Ok(value(response.to_json_string(request, JsonFormat::Minified)))
}

fn value<E>(json: Result<String, E>) -> Option<Value> {
    serde_json::from_str(&json.ok()?).ok()
}

/// Returns whether the card on a reader is a security key.
pub(super) async fn is_key(device: &mut NfcDevice) -> bool {
    match device.channel(ChannelSettings::default()).await {
        Ok(channel) => channel.supported_protocols().await.is_ok_and(|protocols| protocols.fido2),
        Err(_) => false,
    }
}
