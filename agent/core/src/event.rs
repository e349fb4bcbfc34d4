//! Events that the agent reacts to.

#[cfg(doc)]
use crate::{ChannelEffect, DeviceEffect, LocalEffect, VerifierEffect};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use vitalsign_platform_api::{Change, KeyError};
use vitalsign_protocol::id::{Secret, StepUpId, Thumbprint};
use vitalsign_protocol::message::{Enrolled, EnrolmentChallenge, EnrolmentKeys, NonceAnswer, ReportAnswer};
use vitalsign_protocol::organisation::OrganisationDocument;
use vitalsign_protocol::posture::Posture;
use vitalsign_protocol::problem::Problem;
use vitalsign_protocol::sse::Message;
use vitalsign_protocol::step_up::{StepUpAnswer, StepUpOutcome, StepUpResult};

/// The time, and a random number for jitter.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Time since boot, sleep included (CLOCK_BOOTTIME). Never goes back.
    pub elapsed: Duration,
    /// Seconds since 1970, by the device's clock. May be wrong, and may jump.
    pub wall: u64,
    pub random: u64,
}

#[derive(Clone, Debug)]
pub enum Event {
    Started,
    /// The time of the last [`LocalEffect::WakeAt`] has come.
    Due,
    /// The system says that something changed.
    Changed(Change),
    /// An administrator requests a report with fresh facts.
    CheckNow,
    /// A user without administration rights requests one: at most every 10 s, see [`crate::Agent::check_delay`].
    PacedCheck,
    /// A user or program requests enrolment, usually with a new token.
    EnrolNow,
    /// Answer to [`DeviceEffect::Collect`].
    Collected(Box<Posture>),
    /// Answer to [`DeviceEffect::IdentifyKey`].
    KeyIdentified(Result<Thumbprint, KeyError>),
    /// Answer to [`VerifierEffect::FetchNonce`].
    Nonce(Result<NonceAnswer, RequestError>),
    /// Answer to [`DeviceEffect::Sign`].
    Signed(Result<SignedEvidence, KeyError>),
    /// Answer to [`VerifierEffect::SendReport`].
    Reported(Result<Box<ReportAnswer>, RequestError>),
    /// Answer to [`DeviceEffect::ReadEnrolmentKeys`].
    EnrolmentKeysRead(Result<Box<EnrolmentKeys>, RequestError>),
    /// Answer to [`VerifierEffect::BeginEnrolment`].
    EnrolmentBegun(Result<EnrolmentChallenge, RequestError>),
    /// Answer to [`DeviceEffect::Activate`]: the secret in the credential.
    Activated(Result<Secret, KeyError>),
    /// Answer to [`VerifierEffect::FinishEnrolment`].
    EnrolmentFinished(Result<Box<Enrolled>, RequestError>),
    /// The event channel of this number is open.
    ChannelOpened(u64),
    /// It was not opened, or is closed, and not by [`ChannelEffect::Close`].
    ChannelClosed(u64, RequestError),
    /// The verifier says something on the event channel of this number.
    ChannelMessage(u64, Message),
    /// The verifier does not accept the session, for something that the agent did not ask itself.
    SessionRefused,
    /// Answer to [`VerifierEffect::FetchOrganisation`].
    OrganisationFetched(Result<Arc<OrganisationDocument>, RequestError>),
    /// Answer to [`VerifierEffect::SendStepUpEvidence`].
    EvidenceAnswered(StepUpId, Result<Box<StepUpAnswer>, RequestError>),
    /// The security key's answer: AuthenticationResponseJSON.
    AssertionReceived(StepUpId, Value),
    /// Answer to [`VerifierEffect::SendAssertion`].
    AssertionAnswered(StepUpId, Result<StepUpOutcome, RequestError>),
    /// There will be no tap; see [`StepUpResult::is_the_devices_to_say`].
    StepUpDeclined(StepUpId, StepUpResult),
    /// The PIN period of the session in front ended: a tap that was prepared in it needs the PIN.
    PinPeriodEnded,
    /// Answer to [`VerifierEffect::SendEnd`].
    EndAnswered(StepUpId, Result<StepUpOutcome, RequestError>),
}

/// Evidence, and the cost of making it.
#[derive(Clone, Debug, Default)]
pub struct SignedEvidence {
    pub evidence: Vec<u8>,
    /// Microseconds that the last [`DeviceEffect::Collect`] took.
    pub collect_micros: u64,
    /// Microseconds that signing took, the hardware's own time included.
    pub sign_micros: u64,
    /// Commands to the key's hardware since the facts were collected.
    pub hardware_commands: u64,
}

/// Reason why the verifier did not give a usable answer.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestError {
    /// No connection, or no answer in time.
    Unreachable(String),
    /// The peer's certificate or signature is not the pinned verifier's.
    Untrusted(String),
    Problem(Problem),
    /// The answer is not what the protocol says.
    InvalidAnswer(String),
    /// There is no enrolment token to enrol with.
    NoToken,
    /// The key could not be opened.
    Key(KeyError),
}
