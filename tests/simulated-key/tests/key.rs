//! The simulated key, through a client that others wrote, against our relying party.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use vitalsign_protocol::id::{Digest, Nonce};
use vitalsign_protocol::step_up;
use vitalsign_simulated_key::{
    KeyVendor, Options, Pcscd, PythonFido2, Refused, SimulatedKey, Tap, Transport,
};
use vitalsign_webauthn::{
    AssertionError, Models, Registered, RegistrationError, RelyingParty, User, UserVerification,
};

const RP_ID: &str = "verifier.example";
const ORIGIN: &str = "https://verifier.example";
const PIN: &str = "123456";

/// A relying party that knows one maker of keys.
struct Office {
    party: RelyingParty,
    models: Models,
    maker: KeyVendor,
    folder: tempfile::TempDir,
}

impl Office {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let maker = KeyVendor::in_folder(&folder.path().join("maker")).unwrap();
        let metadata = folder.path().join("metadata.json");
        maker.metadata_file(&metadata).unwrap();
        let models = Models::load(&metadata, None, None, now()).unwrap();
        Self { party: RelyingParty::new(RP_ID, ORIGIN).unwrap(), models, maker, folder }
    }

    /// A key of the maker, and the client that goes to it.
    fn key(&self, transport: Transport, change: impl FnOnce(&mut Options)) -> (SimulatedKey, PythonFido2) {
        let mut options = Options::new(transport, &self.maker);
        options.tap = Tap::Auto;
        change(&mut options);
        let key = SimulatedKey::start(options).unwrap();
        let client = PythonFido2::of(&key).unwrap();
        (key, client)
    }

    fn begin(&self) -> (Value, String) {
        let user = User { handle: [7; 16], name: "nurse-7" };
        self.party.begin_registration(user, &[], &self.models, now()).unwrap()
    }

    fn register(&self, client: &PythonFido2) -> Result<Registered, RegistrationError> {
        let (options, state) = self.begin();
        let answer = client.create(ORIGIN, PIN, &options).unwrap().unwrap();
        self.party.finish_registration(&state, &answer, &self.models, now())
    }

    fn ask(&self, registered: &Registered, challenge: &Digest) -> Value {
        self.party
            .request(std::slice::from_ref(&registered.passkey), challenge, 60, UserVerification::Required)
            .unwrap()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn ctap(refused: Result<Value, Refused>) -> String {
    let refused = refused.unwrap_err();
    refused.ctap.clone().unwrap_or_else(|| panic!("not the key's error: {refused:?}"))
}

/// Performs the operations of a step-up: registers, and signs over evidence and transaction.
fn registers_and_signs(transport: Transport) {
    let office = Office::new();
    let (_key, client) = office.key(transport, |_| {});
    let registered = office.register(&client).unwrap();
    assert_eq!(registered.aaguid.0, office.maker.aaguid());
    assert_eq!(registered.model, office.maker.model());

    let transaction = step_up::transaction_digest("{\"message\":\"EHR: sign order 4711\"}");
    let challenge = step_up::challenge(&Nonce([1; 32]), b"evidence", &transaction);
    let options = office.ask(&registered, &challenge);
    let answer = client.get(ORIGIN, PIN, &options).unwrap().unwrap();
    let keys = [registered.passkey.clone()];
    let asserted = office.party.verify(&keys, &challenge, &answer, UserVerification::Required).unwrap();
    assert!(asserted.user_verified && !asserted.backup_eligible);
    asserted.proof.check(RP_ID, ORIGIN, &challenge, UserVerification::Required).unwrap();

    let other = step_up::challenge(&Nonce([1; 32]), b"other evidence", &transaction);
    assert!(matches!(
        office.party.verify(&keys, &other, &answer, UserVerification::Required),
        Err(AssertionError::ClientData(_))
    ));
    assert!(asserted.proof.check(RP_ID, ORIGIN, &other, UserVerification::Required).is_err());

    // The client itself refuses a page that is somewhere else.
    let elsewhere = client.get("https://verifier.example.net", PIN, &options).unwrap().unwrap_err();
    assert_eq!(elsewhere.ctap, None, "{elsewhere:?}");
    // And an assertion for another origin of the same rpId is not one for ours.
    let beside = client.get("https://other.verifier.example", PIN, &options).unwrap().unwrap();
    assert!(matches!(
        office.party.verify(&keys, &challenge, &beside, UserVerification::Required),
        Err(AssertionError::ClientData(_))
    ));
}

#[test]
fn nfc_python_fido2_registers_and_signs() {
    let _pcscd = Pcscd::start().unwrap();
    registers_and_signs(Transport::Nfc);
}

#[test]
fn usb_python_fido2_registers_and_signs() {
    registers_and_signs(Transport::Usb);
}

/// Without a touch there is no signature; a removed key gives none either, until it returns.
fn waits_for_a_tap(transport: Transport) {
    let office = Office::new();
    let (mut key, client) = office.key(transport, |options| options.tap = Tap::ByHand);
    let registered = std::thread::scope(|threads| {
        let registering = threads.spawn(|| office.register(&client));
        key.tap().unwrap();
        registering.join().unwrap().unwrap()
    });
    let challenge = Digest([5; 32]);
    let options = office.ask(&registered, &challenge);
    let wanted = key.taps_wanted();
    std::thread::scope(|threads| {
        let signing = threads.spawn(|| client.get(ORIGIN, PIN, &options).unwrap());
        key.until_tap_is_wanted().unwrap();
        key.unplug().unwrap();
        signing.join().unwrap().unwrap_err();
    });
    assert_eq!(key.taps_wanted(), wanted + 1);
    key.until_no_tap_is_wanted().unwrap();
    key.plug_in().unwrap();
    let answer = std::thread::scope(|threads| {
        let signing = threads.spawn(|| client.get(ORIGIN, PIN, &options).unwrap());
        key.tap().unwrap();
        signing.join().unwrap().unwrap()
    });
    office.party.verify(&[registered.passkey], &challenge, &answer, UserVerification::Required).unwrap();
}

#[test]
fn nfc_waits_for_a_tap_and_can_be_pulled_out() {
    let _pcscd = Pcscd::start().unwrap();
    waits_for_a_tap(Transport::Nfc);
}

#[test]
fn usb_waits_for_a_tap_and_can_be_pulled_out() {
    waits_for_a_tap(Transport::Usb);
}

#[test]
fn wrong_pin_costs_an_attempt_and_last_one_blocks() {
    let office = Office::new();
    let (mut key, client) = office.key(Transport::Usb, |options| options.pin_attempts = 2);
    let left = || client.info().unwrap().unwrap()["pin_retries"].clone();
    let (options, _) = office.begin();
    assert_eq!(left(), 2);
    assert_eq!(ctap(client.create(ORIGIN, "654321", &options).unwrap()), "PIN_INVALID");
    assert_eq!(left(), 1);
    // The right one gives all attempts back; three wrong ones in a row want the key to be pulled out.
    let registered = office.register(&client).unwrap();
    assert_eq!(left(), 8);
    let options = office.ask(&registered, &Digest([5; 32]));
    let wrong = || ctap(client.get(ORIGIN, "654321", &options).unwrap());
    for expected in ["PIN_INVALID", "PIN_INVALID", "PIN_AUTH_BLOCKED", "PIN_AUTH_BLOCKED"] {
        assert_eq!(wrong(), expected);
    }
    for expected in ["PIN_INVALID", "PIN_INVALID", "PIN_AUTH_BLOCKED"] {
        if expected == "PIN_INVALID" && left() == 5 {
            key.unplug().unwrap();
            key.plug_in().unwrap();
        }
        assert_eq!(wrong(), expected);
    }
    key.unplug().unwrap();
    key.plug_in().unwrap();
    assert_eq!(wrong(), "PIN_INVALID");
    assert_eq!(wrong(), "PIN_BLOCKED");
    assert_eq!(left(), 0);
    assert_eq!(ctap(client.get(ORIGIN, PIN, &options).unwrap()), "PIN_BLOCKED");
}

#[test]
fn key_names_its_vendor_and_is_marked_simulated() {
    let office = Office::new();
    let impostor = office.maker.impostor(&office.folder.path().join("impostor")).unwrap();
    let (_key, client) = office.key(Transport::Usb, |options| options.maker = impostor);
    let info = client.info().unwrap().unwrap();
    assert_eq!(info["aaguid"], office.maker.aaguid_text());
    assert_eq!(info["product"], "Vitalsign simulated security key");
    assert!(matches!(office.register(&client), Err(RegistrationError::Attestation(_))));

    let stranger = KeyVendor::in_folder(&office.folder.path().join("stranger")).unwrap();
    let (_key, client) = office.key(Transport::Usb, |options| options.maker = stranger);
    assert!(matches!(office.register(&client), Err(RegistrationError::ModelUnknown(_))));
    assert!(office.maker.model().contains("simulated"));
}

#[test]
fn key_persists_credentials_and_starts_without_pin() {
    let office = Office::new();
    let file = office.folder.path().join("key");
    let (key, client) = office.key(Transport::Usb, |options| options.state = Some(file.clone()));
    let registered = office.register(&client).unwrap();
    drop(key);
    let (_key, client) = office.key(Transport::Usb, |options| options.state = Some(file.clone()));
    let challenge = Digest([6; 32]);
    let answer = client.get(ORIGIN, PIN, &office.ask(&registered, &challenge)).unwrap().unwrap();
    office
        .party
        .verify(std::slice::from_ref(&registered.passkey), &challenge, &answer, UserVerification::Required)
        .unwrap();

    let (_other, client) = office.key(Transport::Usb, |options| options.pin = None);
    assert_eq!(client.info().unwrap().unwrap()["options"]["clientPin"], json!(false));
    // Another key, though of the same maker, has not these credentials.
    let refused = client.get(ORIGIN, PIN, &office.ask(&registered, &challenge)).unwrap();
    assert!(refused.is_err());
}
