//! By NFC, alone and beside a USB key.

use crate::person::{self, PIN, begin, creation, nobodys, request};
use crate::usb;
use serde_json::Value;
use std::time::Duration;
use vitalsign_security_key::{Attached, Failure, Pin, PinReason, SecurityKeys, Transport as By};
use vitalsign_simulated_key::process::wait_for;
use vitalsign_simulated_key::{Options, Pcscd, SimulatedKey, Transport};

/// A key with a PIN that is touched by hand, or as `change` makes it.
fn start(change: impl FnOnce(&mut Options)) -> SimulatedKey {
    person::start(Transport::Nfc, change)
}

fn readers() -> SecurityKeys {
    SecurityKeys::reaching(None, true).unwrap()
}

/// Waits until this many keys are attached: the service polls its readers at intervals.
fn seen(keys: &SecurityKeys, count: usize) -> Vec<Attached> {
    let look = || Ok(Some(keys.attached()?).filter(|attached| attached.len() == count));
    wait_for("the keys to be seen", Duration::from_secs(20), look).unwrap()
}

fn create(keys: SecurityKeys, key: &mut SimulatedKey) -> Value {
    let running = begin(keys, creation());
    running.enter(PIN);
    running.touch();
    key.tap().unwrap();
    running.end().unwrap()
}

#[test]
fn nfc_a_key_is_registered_and_used() {
    let _pcscd = Pcscd::start().unwrap();
    let mut key = start(|_| {});
    let attached = seen(&readers(), 1);
    assert!(matches!(&*attached, [Attached { transport: By::Nfc, .. }]), "{attached:?}");
    let created = create(readers(), &mut key);

    let running = begin(readers(), request(&[&created]));
    assert_eq!(running.enter("654321"), (PinReason::Needed, Some(8)));
    assert_eq!(running.enter(PIN), (PinReason::Wrong, Some(7)));
    running.touch();
    key.tap().unwrap();
    assert_eq!(running.end().unwrap()["id"], created["id"]);
}

#[test]
fn nfc_a_wrong_key_and_a_blocked_one() {
    let _pcscd = Pcscd::start().unwrap();
    let mut key = start(|key| key.pin_attempts = 1);
    let running = begin(readers(), request(&[&nobodys()]));
    running.touch();
    key.tap().unwrap();
    assert_eq!(running.end(), Err(Failure::WrongKey));
    let running = begin(readers(), creation());
    running.enter("000000");
    assert_eq!(running.end(), Err(Failure::PinBlocked { until_reinserted: false }));
}

#[test]
fn nfc_cancelled_at_any_moment() {
    let _pcscd = Pcscd::start().unwrap();
    // Before a key is there.
    let running = begin(readers(), creation());
    running.insert();
    running.cancel.cancel();
    assert_eq!(running.end(), Err(Failure::Cancelled));
    // While its PIN is asked for.
    let mut key = start(|_| {});
    let running = begin(readers(), creation());
    let _unanswered = running.pin();
    running.cancel.cancel();
    assert_eq!(running.end(), Err(Failure::Cancelled));
    // The reader cannot cancel the key, which continues to wait, but the ceremony ends.
    let running = begin(readers(), creation());
    running.enter(PIN);
    running.touch();
    key.until_tap_is_wanted().unwrap();
    running.cancel.cancel();
    assert_eq!(running.end(), Err(Failure::Cancelled));
    key.tap().unwrap();
}

#[test]
fn nfc_a_key_comes_and_goes() {
    let _pcscd = Pcscd::start().unwrap();
    let mut key = start(|_| {});
    key.unplug().unwrap();
    let running = begin(readers(), creation());
    running.insert();
    key.plug_in().unwrap();
    let (_, _, reply) = running.pin_of_card(&mut key);
    key.unplug().unwrap();
    running.insert();
    drop(reply);
    key.plug_in().unwrap();
    let (_, _, reply) = running.pin_of_card(&mut key);
    reply.enter(Pin::new(PIN.to_owned()));
    running.touch();
    key.tap().unwrap();
    assert!(running.end().is_ok());
}

#[test]
fn nfc_and_usb_first_touched_key_wins() {
    let _pcscd = Pcscd::start().unwrap();
    let mut near = start(|_| {});
    let plugged = usb::start(|_| {});
    let keys = SecurityKeys::reaching(Some(plugged.usb_address()), true).unwrap();
    seen(&keys, 2);
    let running = begin(keys, creation());
    assert_eq!(running.touch(), 2);
    plugged.until_tap_is_wanted().unwrap();
    // The touched key asks for its PIN; the other one was cancelled.
    near.tap().unwrap();
    running.enter(PIN);
    assert_eq!(running.touch(), 1);
    plugged.until_no_tap_is_wanted().unwrap();
    near.tap().unwrap();
    running.end().unwrap();
}

#[test]
fn nfc_wrong_key_of_two_leaves_the_other_prompted() {
    let _pcscd = Pcscd::start().unwrap();
    let mut plugged = usb::start(|_| {});
    let created = create(SecurityKeys::reaching(Some(plugged.usb_address()), false).unwrap(), &mut plugged);
    let mut near = start(|_| {});
    let keys = SecurityKeys::reaching(Some(plugged.usb_address()), true).unwrap();
    seen(&keys, 2);
    let running = begin(keys, request(&[&created]));
    assert_eq!(running.touch(), 2);
    near.tap().unwrap();
    running.enter(PIN);
    assert_eq!(running.touch(), 1);
    plugged.tap().unwrap();
    assert_eq!(running.end().unwrap()["id"], created["id"]);
}

#[test]
fn nfc_second_key_joins_a_running_ceremony() {
    let _pcscd = Pcscd::start().unwrap();
    let mut near = start(|_| {});
    let created = create(readers(), &mut near);
    let plugged = usb::start(|_| {});
    near.unplug().unwrap();
    let keys = SecurityKeys::reaching(Some(plugged.usb_address()), true).unwrap();
    let running = begin(keys, request(&[&created]));
    assert_eq!(running.touch(), 1);
    near.plug_in().unwrap();
    assert_eq!(running.touch(), 2);
    near.tap().unwrap();
    running.enter(PIN);
    near.tap().unwrap();
    assert_eq!(running.end().unwrap()["id"], created["id"]);
}
