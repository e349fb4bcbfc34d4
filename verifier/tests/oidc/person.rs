//! A person at a device of theirs, with a security key: both in software, which the policy of these tests accepts.

use super::application::Provider;
use super::support::Device;
use vitalsign_protocol::evidence::{Claims, IntendedUse};
use vitalsign_protocol::id::{EnrolmentId, Nonce, Secret, StepUpId};
use vitalsign_protocol::step_up::{
    KeyProof, KeyRequest, StepUpAnswer, StepUpAssertion, StepUpDeclined, StepUpNext, StepUpRequested,
    StepUpResult, Transaction, event, transaction_digest,
};
use vitalsign_verifier::clock::now;
use vitalsign_verifier::step_up::Channel;
use vitalsign_webauthn::testing::SoftKey;

pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) device: Device,
    session: String,
    channel: Channel,
    key: SoftKey,
}

/// Request as the person sees it.
pub(crate) struct AskedFor {
    pub(crate) step_up: StepUpId,
    pub(crate) transaction: Transaction,
    /// The transaction as it is bound.
    pub(crate) text: String,
    nonce: Nonce,
}

impl Person {
    /// A user with a device and a key, who listens.
    pub(crate) async fn at(provider: &Provider, name: &str) -> Self {
        let verifier = &provider.lab.verifier;
        let mut device = Device::new();
        let token = verifier.store().create_token(1, now() + 60, None, now()).await.unwrap().1;
        let enrolled = device.enrol(verifier, &token, now()).await.unwrap();
        let session = serde_json::to_value(enrolled.report.session.unwrap()).unwrap();
        let session = format!("Bearer {}", session.as_str().unwrap());
        let user = verifier.store().add_user(name, now()).await.unwrap().unwrap();
        let code = verifier.store().create_key_code(&user, now() + 60, now()).await.unwrap().1;
        let mut key = provider.maker.key();
        let at = verifier.attestation.session_device(Some(&session), now()).await.unwrap();
        let code = Secret::new(code.into_bytes());
        let begun =
            verifier.security_keys.begin_registration(&at, &KeyRequest { code }, now()).await.unwrap();
        let proof = KeyProof {
            name: "blue".into(),
            credential: key.create(&begun.options, verifier.config().origin().0),
        };
        verifier.security_keys.complete_registration(&at, &begun.registration, &proof, now()).await.unwrap();
        let channel = verifier.step_ups.open_channel(Some(&session), None, now()).await.unwrap();
        Self { name: name.to_owned(), device, session, channel, key }
    }

    pub(crate) fn enrolment(&self) -> EnrolmentId {
        self.device.enrolment.unwrap()
    }

    pub(crate) async fn asked(&mut self, provider: &Provider) -> AskedFor {
        loop {
            let events =
                provider.lab.verifier.step_ups.events(&mut self.channel, now()).await.unwrap().unwrap();
            for told in events {
                if told.name == event::STEP_UP {
                    let asked: StepUpRequested = serde_json::from_str(&told.data).unwrap();
                    let transaction: Transaction = serde_json::from_str(&asked.transaction).unwrap();
                    let step_up = transaction.step_up;
                    return AskedFor { step_up, transaction, text: asked.transaction, nonce: asked.nonce };
                }
            }
            self.channel.woken().await;
        }
    }

    /// Sends what the device is like.
    pub(crate) async fn prove(&mut self, provider: &Provider, asked: &AskedFor) -> StepUpAnswer {
        let digest = transaction_digest(&asked.text);
        let nonces = vec![asked.nonce, Nonce(digest.0)];
        let claims = Claims { nonces, ..self.device.claims(IntendedUse::StepUp) };
        let evidence = self.device.sign(&claims);
        provider.lab.verifier.step_ups.evidence(&asked.step_up, &evidence, now()).await.unwrap()
    }

    /// Proves what the device is like, and taps.
    pub(crate) async fn tap(&mut self, provider: &Provider, asked: &AskedFor) -> StepUpAnswer {
        let answer = self.prove(provider, asked).await;
        let StepUpNext::Tap { options, .. } = &answer.next else { unreachable!("{answer:?}") };
        let verifier = &provider.lab.verifier;
        let origin = verifier.config().origin().0;
        let assertion = StepUpAssertion { assertion: self.key.get(options, origin).unwrap() };
        let at = verifier.attestation.session_device(Some(&self.session), now()).await.unwrap();
        let outcome = verifier.step_ups.assertion(&at, &asked.step_up, &assertion, now()).await.unwrap();
        assert_eq!(outcome.end, StepUpResult::Approved);
        answer
    }

    /// Says how it ended here.
    pub(crate) async fn give_up(&self, provider: &Provider, asked: &AskedFor, end: StepUpResult) {
        let verifier = &provider.lab.verifier;
        let at = verifier.attestation.session_device(Some(&self.session), now()).await.unwrap();
        verifier.step_ups.decline(&at, &asked.step_up, &StepUpDeclined { end }, now()).await.unwrap();
    }
}
