//! Test agent with a fake clock, and a fake verifier.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use std::time::Duration;
use vitalsign_agent_core::{
    Agent, ChannelEffect, DeviceEffect, Effect, Event, LocalEffect, Now, RecordEffect, RequestError, Saved,
    SignedEvidence, Signing, Transition, VerifierEffect,
};
use vitalsign_ipc::AgentState;
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::ear::{self, Appraisal, Ear, Tier, Trust, TrustVector};
use vitalsign_protocol::fact::Fact;
use vitalsign_protocol::id::{Base64Url, Digest, EnrolmentId, Nonce, Secret, Thumbprint};
use vitalsign_protocol::jwt::{self, Jwk, JwkSet};
use vitalsign_protocol::message::{
    DeviceSession, EncryptedCredential, Enrolled, EnrolmentChallenge, EnrolmentKeys, NonceAnswer,
    ReportAnswer,
};
use vitalsign_protocol::posture::Posture;
use vitalsign_protocol::problem::{Problem, ProblemType};
use vitalsign_protocol::sse::Message;

pub(crate) const DEVICE: EnrolmentId = EnrolmentId([7; 16]);
pub(crate) const KID: Thumbprint = Thumbprint([2; 32]);

/// The other side: signs verdicts.
pub(crate) struct Verifier {
    pair: EcdsaKeyPair,
    key: PublicKey,
    /// Reports open a session.
    pub(crate) sessions: bool,
    /// Version of the organisation's words that reports announce.
    pub(crate) words: Option<Digest>,
}

impl Verifier {
    /// Creates a verifier whose reports open a session.
    pub(crate) fn with_sessions() -> Self {
        Self { sessions: true, ..Self::new() }
    }

    pub(crate) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let key = PublicKey::from_point(pair.public_key().as_ref()).unwrap();
        Self { pair, key, sessions: false, words: None }
    }

    pub(crate) fn answer(
        &self,
        nonce: Option<Nonce>,
        evidence: Option<Digest>,
        change: impl FnOnce(&mut Ear),
    ) -> ReportAnswer {
        let vector = TrustVector { configuration: Some(Trust(2)), ..Default::default() };
        let mut ear = Ear {
            eat_profile: ear::PROFILE.into(),
            ear_status: Some(Tier::Affirming),
            eat_nonce: nonce,
            vitalsign_device: Some(DEVICE),
            vitalsign_evidence: evidence,
            ..Ear::default()
        };
        ear.submods.insert("os".into(), Appraisal::new(vector, Vec::new(), "test"));
        change(&mut ear);
        let sign = |input: &[u8]| -> Result<[u8; 64], jwt::Error> {
            Ok(self.pair.sign(&SystemRandom::new(), input).unwrap().as_ref().try_into().unwrap())
        };
        ReportAnswer {
            ear: jwt::sign(&ear, ear::TYP, &self.key.thumbprint().to_string(), sign).unwrap(),
            nonce: Nonce([9; 32]),
            nonce_seconds: 900.into(),
            report_seconds: 300.into(),
            quote: false,
            session: self.sessions.then(|| DeviceSession(Secret::new(vec![8; 32]))),
            organisation: self.words,
            key_rollovers: Vec::new(),
        }
    }

    pub(crate) fn enrolled(&self) -> Enrolled {
        Enrolled {
            enrolment: DEVICE,
            ear_keys: JwkSet { keys: vec![Jwk::new(&self.key)] },
            rp_id: "verifier.example".into(),
            origin: "https://verifier.example".into(),
            report: self.answer(None, None, |_| {}),
        }
    }
}

/// An agent and its fake clock.
pub(crate) struct Harness {
    pub(crate) agent: Agent,
    pub(crate) millis: u64,
    pub(crate) wall: u64,
    pub(crate) random: u64,
    pub(crate) out: Vec<Effect>,
    pub(crate) saved: Option<Saved>,
    pub(crate) notes: Vec<Transition>,
    /// The channel that was opened last.
    pub(crate) channel: u64,
    /// Number of facts that were collected: no two collections are the same.
    collected: u64,
}

impl Harness {
    pub(crate) fn new(saved: Saved) -> Self {
        let wall = 1_800_000_000;
        Self {
            agent: Agent::new(saved),
            millis: 60_000,
            wall,
            random: 100,
            out: Vec::new(),
            saved: None,
            notes: Vec::new(),
            channel: 0,
            collected: 0,
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now { elapsed: Duration::from_millis(self.millis), wall: self.wall, random: self.random }
    }

    pub(crate) fn give(&mut self, event: Event) -> &mut Self {
        self.out = self.agent.handle(event, self.now());
        for effect in &self.out {
            match effect {
                Effect::Record(RecordEffect::Save(saved)) => self.saved = Some((**saved).clone()),
                Effect::Record(RecordEffect::LogTransition(note)) => self.notes.push(note.clone()),
                _ => {}
            }
        }
        self
    }

    pub(crate) fn pass(&mut self, seconds: u64) -> &mut Self {
        self.millis += seconds * 1000;
        self.wall += seconds;
        self
    }

    pub(crate) fn wake_at(&self) -> Option<u64> {
        self.wakes_at().map(|at| at.as_secs())
    }

    pub(crate) fn wakes_at(&self) -> Option<Duration> {
        self.out.iter().find_map(|it| match it {
            Effect::Local(LocalEffect::WakeAt(at)) => Some(*at),
            _ => None,
        })
    }

    pub(crate) fn collects(&self) -> bool {
        self.has(|it| matches!(it, Effect::Device(DeviceEffect::Collect)))
    }

    pub(crate) fn has(&self, wanted: fn(&Effect) -> bool) -> bool {
        self.out.iter().any(wanted)
    }

    pub(crate) fn standing(&self) -> AgentState {
        self.agent.status(self.now()).standing
    }

    /// Collects facts that differ by this number.
    pub(crate) fn collect(&mut self, number: u64) -> &mut Self {
        let mut posture = Posture::default();
        posture.os.security_updates = Fact::Known(number);
        self.give(Event::Collected(Box::new(posture)))
    }

    /// From `Collect` to the evidence that is sent; says whether a nonce was fetched on the way.
    pub(crate) fn walk_to_sending(&mut self) -> (Nonce, Digest, bool) {
        assert!(self.collects(), "{:?}", self.out);
        self.collected += 1;
        self.collect(self.collected);
        let fetched = self.has(|it| matches!(it, Effect::Device(DeviceEffect::IdentifyKey)));
        if fetched {
            self.give(identified());
            assert!(self.has(|it| matches!(it, Effect::Verifier(VerifierEffect::FetchNonce(KID)))));
            self.give(Event::Nonce(Ok(NonceAnswer { nonce: Nonce([3; 32]), nonce_seconds: 60.into() })));
        }
        let nonce = self.out.iter().find_map(|it| {
            if let Effect::Device(DeviceEffect::Sign(s)) = it { Some(s.nonces[0]) } else { None }
        });
        let evidence = nonce.expect("something to sign").as_bytes().to_vec();
        self.give(signed(&evidence));
        assert!(self.has(|it| matches!(it, Effect::Verifier(VerifierEffect::SendReport { .. }))));
        (nonce.unwrap(), Digest::of(&evidence), fetched)
    }

    /// Returns what the agent wants to have signed.
    pub(crate) fn signing(&self) -> Option<Signing> {
        self.out.iter().find_map(|it| match it {
            Effect::Device(DeviceEffect::Sign(signing)) => Some((**signing).clone()),
            _ => None,
        })
    }

    /// Answers the pending request to open a channel; returns its number and the last event ID.
    pub(crate) fn open(&mut self) -> (u64, Option<u64>) {
        let after = self.out.iter().find_map(|it| match it {
            Effect::Channel(ChannelEffect::Open { after, .. }) => *after,
            _ => None,
        });
        let number = self.opening().unwrap_or_else(|| panic!("no channel is opened: {:?}", self.out));
        self.channel = number;
        self.give(Event::ChannelOpened(number));
        assert!(self.agent.status(self.now()).listening);
        (number, after)
    }

    /// Returns the number of the channel that the agent wants to open.
    pub(crate) fn opening(&self) -> Option<u64> {
        self.out.iter().find_map(|it| {
            if let Effect::Channel(ChannelEffect::Open { number, .. }) = it { Some(*number) } else { None }
        })
    }

    pub(crate) fn tell(&mut self, id: u64, name: &str, data: String) -> &mut Self {
        self.give(Event::ChannelMessage(self.channel, Message { id: Some(id), name: name.into(), data }))
    }

    pub(crate) fn report(&mut self, verifier: &Verifier) -> bool {
        let (nonce, evidence, fetched) = self.walk_to_sending();
        self.give(Event::Reported(Ok(Box::new(verifier.answer(Some(nonce), Some(evidence), |_| {})))));
        assert_eq!(self.standing(), AgentState::Reporting);
        fetched
    }
}

/// An agent to which the verifier can speak.
pub(crate) fn listening(verifier: &Verifier) -> Harness {
    assert!(verifier.sessions);
    let mut bench = reporting(verifier);
    bench.open();
    bench
}

/// An agent that is enrolled and has sent its first report.
pub(crate) fn reporting(verifier: &Verifier) -> Harness {
    let enrolled = verifier.enrolled();
    let saved = Saved {
        enrolled: Some((&enrolled).into()),
        ear: Some(enrolled.report.ear),
        reported_at: Some(1),
        ..Saved::default()
    };
    let mut bench = Harness::new(saved);
    bench.give(Event::Started);
    assert!(bench.report(verifier), "after a restart there is no nonce in hand");
    bench
}

pub(crate) fn identified() -> Event {
    Event::KeyIdentified(Ok(KID))
}

pub(crate) fn keys() -> Event {
    Event::EnrolmentKeysRead(Ok(Box::new(EnrolmentKeys::Software { report_key: Base64Url(vec![4]) })))
}

pub(crate) fn signed(evidence: &[u8]) -> Event {
    Event::Signed(Ok(SignedEvidence { evidence: evidence.to_vec(), ..SignedEvidence::default() }))
}

pub(crate) fn problem(of: ProblemType) -> RequestError {
    RequestError::Problem(Problem::new(of, "as the test wants"))
}
pub(crate) fn challenge() -> EnrolmentChallenge {
    EnrolmentChallenge { enrolment: DEVICE, nonce: Nonce([1; 32]), credential: None }
}

/// A challenge for a key in a TPM.
pub(crate) fn tpm_challenge() -> EnrolmentChallenge {
    let credential =
        EncryptedCredential { id_object: Base64Url(vec![3]), encrypted_secret: Base64Url(vec![4]) };
    EnrolmentChallenge { credential: Some(credential), ..challenge() }
}
