//! Effects that the agent requests, one type for each executor.

#[cfg(doc)]
use crate::Event;
use crate::Saved;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use vitalsign_ipc::{AgentState, Status};
use vitalsign_protocol::device_names::DeviceNames;
use vitalsign_protocol::evidence::{Claims, IntendedUse};
use vitalsign_protocol::id::{Digest, EnrolmentId, Nonce, StepUpId, Thumbprint};
use vitalsign_protocol::message::{DeviceSession, EncryptedCredential, EnrolmentKeys, EnrolmentProof};
use vitalsign_protocol::organisation::OrganisationDocument;
use vitalsign_protocol::posture::Posture;
use vitalsign_protocol::step_up::StepUpResult;

/// Action for an executor. An effect that names an event produces exactly one. Of the effects of a cycle (collect,
/// sign, enrol, report, step-up evidence), at most one is in progress.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Uses the device: reads its facts, uses its key.
    Device(DeviceEffect),
    /// Sends a request to the verifier.
    Verifier(VerifierEffect),
    /// Opens or closes the event channel from the verifier.
    Channel(ChannelEffect),
    /// Records something on disk, before the effects that follow.
    Record(RecordEffect),
    /// Concerns the service's loop and its clients.
    Local(LocalEffect),
}

#[derive(Clone, Debug)]
pub enum DeviceEffect {
    /// Read all facts: [`Event::Collected`].
    Collect,
    /// Name the report key: [`Event::KeyIdentified`].
    IdentifyKey,
    /// Read the public keys for an enrolment, if there is a token for it: [`Event::EnrolmentKeysRead`].
    ReadEnrolmentKeys {
        /// Make a new report key first, because the old one is gone.
        renew_key: bool,
    },
    /// Open the credential that the verifier made for this device's TPM: [`Event::Activated`].
    Activate(Box<EncryptedCredential>),
    /// Sign evidence: [`Event::Signed`].
    Sign(Box<Signing>),
}

#[derive(Clone, Debug)]
pub enum VerifierEffect {
    /// Ask for a nonce for this report key: [`Event::Nonce`].
    FetchNonce(Thumbprint),
    /// Send evidence: [`Event::Reported`].
    SendReport {
        evidence: Vec<u8>,
        /// Names (`kid`) of the pinned keys, so that the verifier can announce newer ones.
        pinned: Vec<String>,
    },
    /// Send the token and the public keys: [`Event::EnrolmentBegun`].
    BeginEnrolment(Box<EnrolmentKeys>),
    /// Send the proof: [`Event::EnrolmentFinished`].
    FinishEnrolment { enrolment: EnrolmentId, proof: Box<EnrolmentProof> },
    /// Get the organisation's document of this version: [`Event::OrganisationFetched`].
    FetchOrganisation(Digest, DeviceSession),
    /// Send a step-up's evidence: [`Event::EvidenceAnswered`].
    SendStepUpEvidence(StepUpId, Vec<u8>),
    /// Send the security key's assertion: [`Event::AssertionAnswered`].
    SendAssertion(StepUpId, Value, DeviceSession),
    /// Say that a step-up ended at this device: [`Event::EndAnswered`].
    SendEnd(StepUpId, StepUpResult, DeviceSession),
}

#[derive(Clone, Debug)]
pub enum ChannelEffect {
    /// Open the event channel and close the previous one. Produces [`Event::ChannelOpened`], then any number of
    /// [`Event::ChannelMessage`], and finally [`Event::ChannelClosed`].
    Open {
        number: u64,
        session: DeviceSession,
        /// Number of the last event that needs not be sent again.
        after: Option<u64>,
    },
    /// Close the event channel. Nothing more comes from it.
    Close,
}

#[derive(Clone, Debug)]
pub enum RecordEffect {
    /// Write the state to disk.
    Save(Box<Saved>),
    /// Keep the organisation's document, or remove it.
    KeepOrganisation(Option<Arc<OrganisationDocument>>),
    /// Remove what was needed to enrol only: the verifier has accepted this device. Follows the save of the enrolment.
    DropEnrolmentLeftovers,
    /// Append to the local audit log.
    LogTransition(Transition),
}

#[derive(Clone, Debug)]
pub enum LocalEffect {
    /// Bring [`Event::Due`] at this time, instead of at any time asked for before.
    WakeAt(Duration),
    /// Show the status to the clients of the service.
    Publish(Box<Status>),
}

impl From<DeviceEffect> for Effect {
    fn from(effect: DeviceEffect) -> Self {
        Self::Device(effect)
    }
}

impl From<VerifierEffect> for Effect {
    fn from(effect: VerifierEffect) -> Self {
        Self::Verifier(effect)
    }
}

impl From<ChannelEffect> for Effect {
    fn from(effect: ChannelEffect) -> Self {
        Self::Channel(effect)
    }
}

impl From<RecordEffect> for Effect {
    fn from(effect: RecordEffect) -> Self {
        Self::Record(effect)
    }
}

impl From<Transition> for Effect {
    fn from(transition: Transition) -> Self {
        RecordEffect::LogTransition(transition).into()
    }
}

impl From<LocalEffect> for Effect {
    fn from(effect: LocalEffect) -> Self {
        Self::Local(effect)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Signing {
    /// The verifier's nonce; at a step-up, the digest of the transaction too.
    pub nonces: Vec<Nonce>,
    pub enrolment: Option<EnrolmentId>,
    pub intended_use: IntendedUse,
    /// Names to say, in a report or a registration.
    pub names: Option<DeviceNames>,
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
            pin_period: None,
            names: self.names,
            posture: self.posture,
            boot: None,
        }
    }
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
