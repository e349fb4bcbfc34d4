//! Events that the agent reacts to, and effects that it requests.

use crate::Saved;
use serde_json::Value;
use std::time::Duration;
use vitalsign_ipc::{AgentState, Cost, Status};
use vitalsign_platform_api::{Change, KeyError};
use vitalsign_protocol::evidence::{Claims, IntendedUse};
use vitalsign_protocol::id::{EnrolmentId, Nonce, StepUpId};
use vitalsign_protocol::message::{
    DeviceSession, Enrolled, EnrolmentChallenge, EnrolmentProof, NonceAnswer, ReportAnswer,
};
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
    /// The time of the last [`Effect::WakeAt`] has come.
    Due,
    /// The system says that something changed.
    Changed(Change),
    /// A user or program requests a report with fresh facts.
    CheckNow,
    /// A user or program requests enrolment, usually with a new token.
    EnrolNow,
    /// Answer to [`Effect::Collect`]; comes before the answer to [`Effect::Prove`] as well.
    Collected(Box<Posture>),
    /// Answer to [`Effect::FetchNonce`].
    Nonce(Result<NonceAnswer, RequestError>),
    /// Answer to [`Effect::Sign`]: evidence.
    Signed(Result<Vec<u8>, KeyError>),
    /// Cost of the current report. Precedes the report's answer.
    ReportMeasured(Cost),
    /// Answer to [`Effect::SendReport`].
    Reported(Result<Box<ReportAnswer>, RequestError>),
    /// Answer to [`Effect::BeginEnrolment`].
    EnrolmentBegun(Result<EnrolmentChallenge, RequestError>),
    /// Answer to [`Effect::Prove`].
    EnrolmentProved(Result<Box<EnrolmentProof>, KeyError>),
    /// Answer to [`Effect::FinishEnrolment`].
    EnrolmentFinished(Result<Box<Enrolled>, RequestError>),
    /// The event channel of this number is open.
    ChannelOpened(u64),
    /// It was not opened, or is closed, and not by [`Effect::CloseChannel`].
    ChannelClosed(u64, RequestError),
    /// The verifier says something on the event channel of this number.
    ChannelMessage(u64, Message),
    /// The verifier does not accept the session, for something that the agent did not ask itself.
    SessionRefused,
    /// Answer to [`Effect::SendStepUpEvidence`].
    EvidenceAnswered(StepUpId, Result<Box<StepUpAnswer>, RequestError>),
    /// The security key's answer: AuthenticationResponseJSON.
    AssertionReceived(StepUpId, Value),
    /// Answer to [`Effect::SendAssertion`].
    AssertionAnswered(StepUpId, Result<StepUpOutcome, RequestError>),
    /// There will be no tap; see [`StepUpResult::is_the_devices_to_say`].
    StepUpDeclined(StepUpId, StepUpResult),
    /// Answer to [`Effect::SendEnd`].
    EndAnswered(StepUpId, Result<StepUpOutcome, RequestError>),
}

/// Action for the executor. An effect that names an event produces exactly one. Of the effects of a cycle
/// (collect, sign, enrol, report, step-up evidence), at most one is in progress. [`Effect::OpenChannel`]
/// produces any number.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Read all facts: [`Event::Collected`].
    Collect,
    /// Ask for a nonce: [`Event::Nonce`].
    FetchNonce,
    /// Sign evidence: [`Event::Signed`].
    Sign(Box<Signing>),
    /// Send evidence: [`Event::Reported`].
    SendReport(Vec<u8>),
    /// Send the token and the public keys: [`Event::EnrolmentBegun`]. With `renew_key` the old key is gone: make another.
    BeginEnrolment {
        /// Make a new key first.
        renew_key: bool,
    },
    /// Read all facts, open the credential, quote, and sign the registration: [`Event::EnrolmentProved`].
    Prove(Box<Proof>),
    /// Send the proof: [`Event::EnrolmentFinished`].
    FinishEnrolment {
        enrolment: EnrolmentId,
        proof: Box<EnrolmentProof>,
    },
    /// Opens the event channel and closes the previous one. Produces [`Event::ChannelOpened`], then
    /// [`Event::ChannelMessage`], and finally [`Event::ChannelClosed`].
    OpenChannel {
        number: u64,
        session: DeviceSession,
        /// The last event that needs not be sent again.
        after: Option<u64>,
    },
    /// Close the event channel. Nothing more comes from it.
    CloseChannel,
    /// Send a step-up's evidence: [`Event::EvidenceAnswered`].
    SendStepUpEvidence(StepUpId, Vec<u8>),
    /// Send what the security key answered: [`Event::AssertionAnswered`].
    SendAssertion(StepUpId, Value, DeviceSession),
    /// Say that a step-up ended at this device: [`Event::EndAnswered`].
    SendEnd(StepUpId, StepUpResult, DeviceSession),
    /// Write the state to disk, before anything that follows.
    Save(Box<Saved>),
    /// Bring [`Event::Due`] at this time, instead of at any time asked for before.
    WakeAt(Duration),
    Publish(Box<Status>),
    /// Put into the local audit log.
    LogTransition(Transition),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Signing {
    /// The verifier's nonce; at a step-up, the digest of the transaction too.
    pub nonces: Vec<Nonce>,
    pub enrolment: Option<EnrolmentId>,
    pub intended_use: IntendedUse,
    pub posture: Posture,
    /// With a quote and the event log.
    pub quote: bool,
}

impl Signing {
    /// The claims to sign; the quote is added by who holds the key.
    #[must_use]
    pub fn claims(
        self,
        wall: u64,
        token_id: [u8; 16],
        uptime: Option<u64>,
        boot_count: Option<u64>,
    ) -> Claims {
        Claims {
            issued_at: wall,
            token_id,
            nonces: self.nonces,
            enrolment: self.enrolment,
            uptime,
            boot_count,
            intended_use: self.intended_use,
            posture: self.posture,
            boot: None,
        }
    }
}

/// Input of the proof that completes an enrolment.
#[derive(Clone, Debug)]
pub struct Proof {
    pub challenge: EnrolmentChallenge,
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

/// Entry of the local audit log.
#[derive(Clone, Debug, PartialEq)]
pub enum Transition {
    /// The agent's state changed.
    Standing(AgentState),
    /// The verdict has changed, to this status.
    Verdict(vitalsign_protocol::ear::Tier),
    /// The wall clock was set.
    ClockJumped {
        seconds: i64,
    },
    /// A verdict was rejected because its signature, nonce or evidence digest is wrong.
    VerdictRefused(String),
    Enrolled(EnrolmentId),
    /// A step-up has begun here. No name of a person and no text of an application is kept.
    StepUpRequested(StepUpId),
    StepUpClosed {
        step_up: StepUpId,
        end: StepUpResult,
        reasons: Vec<String>,
    },
    /// A step-up message was rejected because its binding is invalid.
    StepUpRefused(String),
}
