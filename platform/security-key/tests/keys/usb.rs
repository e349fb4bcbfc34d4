//! Ceremonies with simulated keys over USB.

use crate::person::{self, ORIGIN, PIN, RP_ID, begin, creation, nobodys, request};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use vitalsign_security_key::{
    Attached, Cancel, Ceremony, Failure, Operation, PinReason, SecurityKeys, Transport as By,
};
use vitalsign_simulated_key::{Options, PythonFido2, SimulatedKey, Tap, Transport};

/// A key with a PIN that is touched by hand, or as `change` makes it.
pub(crate) fn start(change: impl FnOnce(&mut Options)) -> SimulatedKey {
    person::start(Transport::Usb, change)
}

fn keys(key: &SimulatedKey) -> SecurityKeys {
    SecurityKeys::reaching(Some(key.usb_address()), false).unwrap()
}

fn create(key: &mut SimulatedKey) -> Value {
    let running = begin(keys(key), creation());
    assert_eq!(running.enter(PIN).0, PinReason::Needed);
    running.touch();
    key.tap().unwrap();
    running.end().unwrap()
}

#[test]
fn a_key_is_registered_and_used() {
    let mut key = start(|_| {});
    let created = create(&mut key);
    assert_eq!(created["type"], "public-key");
    assert_eq!(created["response"]["transports"].as_array().map(Vec::is_empty), Some(false));

    let running = begin(keys(&key), request(&[&nobodys(), &created]));
    assert_eq!(running.enter(PIN), (PinReason::Needed, Some(8)));
    assert_eq!(running.touch(), 1);
    key.tap().unwrap();
    let signed = running.end().unwrap();
    assert_eq!(signed["id"], created["id"]);
    assert!(signed["response"]["signature"].is_string());
}

#[test]
fn lists_attached_keys() {
    let mut key = start(|_| {});
    let attached = keys(&key).attached().unwrap();
    assert!(matches!(&*attached, [Attached { transport: By::Usb, .. }]), "{attached:?}");
    key.unplug().unwrap();
    assert_eq!(keys(&key).attached().unwrap(), []);
}

#[test]
fn wrong_pin_prompts_again_with_attempts_left() {
    let mut key = start(|_| {});
    let created = create(&mut key);
    let running = begin(keys(&key), request(&[&created]));
    assert_eq!(running.enter("654321"), (PinReason::Needed, Some(8)));
    assert_eq!(running.enter("111111"), (PinReason::Wrong, Some(7)));
    assert_eq!(running.enter(PIN), (PinReason::Wrong, Some(6)));
    running.touch();
    key.tap().unwrap();
    assert!(running.end().is_ok());
}

#[test]
fn three_wrong_pins_require_reinsertion() {
    let key = start(|_| {});
    let running = begin(keys(&key), creation());
    for _ in 0..3 {
        running.enter("000000");
    }
    assert_eq!(running.end(), Err(Failure::PinBlocked { until_reinserted: true }));
    // And only once it was: until then no PIN is asked for.
    let running = begin(keys(&key), creation());
    running.enter(PIN);
    assert_eq!(running.end(), Err(Failure::PinBlocked { until_reinserted: true }));
}

#[test]
fn a_blocked_key_is_said_to_be_blocked() {
    let key = start(|key| key.pin_attempts = 1);
    let running = begin(keys(&key), creation());
    assert_eq!(running.enter("000000"), (PinReason::Needed, Some(1)));
    assert_eq!(running.end(), Err(Failure::PinBlocked { until_reinserted: false }));
}

#[test]
fn a_pin_that_is_refused_or_empty_costs_no_attempt() {
    let key = start(|_| {});
    let running = begin(keys(&key), creation());
    running.pin().2.refuse();
    assert_eq!(running.end(), Err(Failure::Cancelled));

    let running = begin(keys(&key), creation());
    assert_eq!(running.enter(""), (PinReason::Needed, Some(8)));
    assert_eq!(running.end(), Err(Failure::Cancelled));

    // The prompt is dropped without an answer.
    let running = begin(keys(&key), creation());
    let (_, attempts_left, reply) = running.pin();
    assert_eq!(attempts_left, Some(8));
    drop(reply);
    assert_eq!(running.end(), Err(Failure::Cancelled));
}

#[test]
fn registration_sets_a_pin_on_a_key_without_one() {
    let mut key = start(|key| key.pin = None);
    let running = begin(keys(&key), creation());
    assert_eq!(running.enter("1"), (PinReason::New { least: 4 }, None));
    // It is not asked for a second time: it was chosen a moment ago.
    assert_eq!(running.enter("271828"), (PinReason::Unsuitable { least: 4 }, None));
    running.touch();
    key.tap().unwrap();
    let created = running.end().unwrap();

    let running = begin(keys(&key), request(&[&created]));
    running.enter("271828");
    running.touch();
    key.tap().unwrap();
    assert!(running.end().is_ok());
}

#[test]
fn required_pin_change_asks_new_then_former() {
    let mut key = start(|_| {});
    let created = create(&mut key);
    let forced = PythonFido2::of(&key).unwrap().require_pin_change(PIN, 7).unwrap().unwrap();
    assert_eq!(forced, json!({"least": 7, "change": true}));
    let running = begin(keys(&key), request(&[&created]));
    assert_eq!(running.enter("271828"), (PinReason::Change { least: 7 }, None));
    assert_eq!(running.enter("2718281"), (PinReason::Unsuitable { least: 7 }, None));
    // The new PIN is not asked for again, however often the former one is wrong.
    assert_eq!(running.enter("000000"), (PinReason::Former, Some(8)));
    assert_eq!(running.enter(PIN), (PinReason::Wrong, Some(7)));
    running.touch();
    key.tap().unwrap();
    assert!(running.end().is_ok());

    let running = begin(keys(&key), request(&[&created]));
    assert_eq!(running.enter("2718281"), (PinReason::Needed, Some(8)));
    running.touch();
    key.tap().unwrap();
    assert!(running.end().is_ok());
}

#[test]
fn former_pin_is_refused_as_new_one() {
    let mut key = start(|_| {});
    let created = create(&mut key);
    PythonFido2::of(&key).unwrap().require_pin_change(PIN, 4).unwrap().unwrap();
    let running = begin(keys(&key), request(&[&created]));
    assert_eq!(running.enter(PIN).0, PinReason::Change { least: 4 });
    assert_eq!(running.enter(PIN).0, PinReason::Former);
    assert_eq!(running.enter("2718281").0, PinReason::Unsuitable { least: 4 });
    assert_eq!(running.enter(PIN).0, PinReason::Former);
    running.touch();
    key.tap().unwrap();
    assert!(running.end().is_ok());
}

#[test]
fn a_key_without_a_pin_cannot_say_who_is_there() {
    let mut key = start(|key| key.pin = None);
    let Operation::Create(mut asked) = creation() else { panic!() };
    asked["authenticatorSelection"]["userVerification"] = json!("discouraged");
    let running = begin(keys(&key), Operation::Create(asked));
    running.touch();
    key.tap().unwrap();
    let created = running.end().unwrap();
    let running = begin(keys(&key), request(&[&created]));
    assert_eq!(running.end(), Err(Failure::NoUserVerification));
}

#[test]
fn wrong_key_is_detected_on_touch_before_pin() {
    let mut key = start(|_| {});
    let running = begin(keys(&key), request(&[&nobodys()]));
    assert_eq!(running.touch(), 1);
    key.tap().unwrap();
    assert_eq!(running.end(), Err(Failure::WrongKey));
}

#[test]
fn a_key_is_not_registered_twice() {
    let mut key = start(|_| {});
    let created = create(&mut key);
    let Operation::Create(mut asked) = creation() else { panic!() };
    asked["excludeCredentials"] = json!([{"type": "public-key", "id": created["id"]}]);
    let running = begin(keys(&key), Operation::Create(asked));
    running.enter(PIN);
    running.touch();
    key.tap().unwrap();
    assert_eq!(running.end(), Err(Failure::AlreadyRegistered));
}

#[test]
fn cancelled_before_a_key_is_there() {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let running = begin(SecurityKeys::reaching(Some(nobody), false).unwrap(), creation());
    running.insert();
    running.cancel.cancel();
    assert_eq!(running.end(), Err(Failure::Cancelled));
}

#[test]
fn cancelled_while_a_pin_is_awaited() {
    let key = start(|_| {});
    let running = begin(keys(&key), creation());
    let (_, _, reply) = running.pin();
    running.cancel.cancel();
    assert_eq!(running.end(), Err(Failure::Cancelled));
    // The PIN is discarded.
    reply.enter(vitalsign_security_key::Pin::new("000000".to_owned()));
    let running = begin(keys(&key), creation());
    assert_eq!(running.pin().1, Some(8));
    running.cancel.cancel();
    assert_eq!(running.end(), Err(Failure::Cancelled));
}

#[test]
fn cancel_while_waiting_for_touch_reaches_the_key() {
    let mut key = start(|_| {});
    let running = begin(keys(&key), creation());
    running.enter(PIN);
    running.touch();
    key.until_tap_is_wanted().unwrap();
    running.cancel.cancel();
    assert_eq!(running.end(), Err(Failure::Cancelled));
    key.until_no_tap_is_wanted().unwrap();
    // It is as good as before.
    create(&mut key);
}

#[test]
fn a_key_that_comes_later_is_taken_up() {
    let mut key = start(|_| {});
    key.unplug().unwrap();
    let running = begin(keys(&key), creation());
    running.insert();
    key.plug_in().unwrap();
    running.enter(PIN);
    running.touch();
    key.tap().unwrap();
    assert!(running.end().is_ok());
}

#[test]
fn a_key_that_is_taken_away_is_asked_for_again() {
    let mut key = start(|_| {});
    // While its PIN is asked for.
    let running = begin(keys(&key), creation());
    let (_, _, reply) = running.pin();
    key.unplug().unwrap();
    running.insert();
    reply.enter(vitalsign_security_key::Pin::new(PIN.to_owned()));
    key.plug_in().unwrap();
    // While its touch is awaited.
    running.enter(PIN);
    running.touch();
    key.until_tap_is_wanted().unwrap();
    key.unplug().unwrap();
    running.insert();
    key.plug_in().unwrap();
    running.enter(PIN);
    running.touch();
    key.tap().unwrap();
    assert!(running.end().is_ok());
}

#[test]
fn time_is_over_for_whoever_does_not_answer() {
    let key = start(|_| {});
    let Operation::Create(mut asked) = creation() else { panic!() };
    asked["timeout"] = json!(1500);
    let running = begin(keys(&key), Operation::Create(asked.clone()));
    let _unanswered = running.pin();
    assert_eq!(running.end(), Err(Failure::TimedOut));
    let running = begin(keys(&key), Operation::Create(asked));
    running.enter(PIN);
    running.touch();
    assert_eq!(running.end(), Err(Failure::TimedOut));
    key.until_no_tap_is_wanted().unwrap();
}

#[test]
fn key_that_was_not_touched_is_asked_again() {
    // Whatever a key calls the end of its wait, the person has declined nothing.
    for denies_late in [false, true] {
        let mut key = start(|key| (key.touch_timeout, key.denies_late) = (Some(10_000), denies_late));
        let running = begin(keys(&key), creation());
        running.enter(PIN);
        running.touch();
        key.until_tap_is_wanted().unwrap();
        key.until_no_tap_is_wanted().unwrap();
        key.tap().unwrap();
        assert!(running.end().is_ok(), "denies_late {denies_late}");
    }
}

#[test]
fn early_denial_is_the_persons() {
    let key = start(|key| (key.touch_timeout, key.denies_late) = (Some(500), true));
    let running = begin(keys(&key), creation());
    running.enter(PIN);
    running.touch();
    assert_eq!(running.end(), Err(Failure::Cancelled));
}

#[test]
fn rejects_other_relying_party_without_using_the_key() {
    let key = start(|key| key.tap = Tap::Auto);
    let Operation::Create(mut asked) = creation() else { panic!() };
    asked["rp"]["id"] = json!("other.example");
    let ceremony =
        Ceremony { origin: ORIGIN.to_owned(), rp_id: RP_ID.to_owned(), operation: Operation::Create(asked) };
    let end = keys(&key).perform(&ceremony, |prompt| panic!("{prompt:?}"), &Cancel::new());
    assert!(matches!(end, Err(Failure::Refused(_))), "{end:?}");
    assert_eq!(key.taps_wanted(), 0);
}

#[test]
fn options_that_are_none_are_refused() {
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let keys = SecurityKeys::reaching(Some(nobody), false).unwrap();
    let operations = [
        Operation::Create(json!({"rp": {"id": RP_ID, "name": "x"}})),
        Operation::Get(
            json!({"rpId": RP_ID, "allowCredentials": [{"type": "public-key", "id": "!"}], "challenge": "AA"}),
        ),
        Operation::Get(json!({"rpId": RP_ID, "allowCredentials": ["x"], "challenge": 7})),
    ];
    for operation in operations {
        let ceremony = Ceremony { origin: ORIGIN.to_owned(), rp_id: RP_ID.to_owned(), operation };
        let end = keys.perform(&ceremony, |prompt| panic!("{prompt:?}"), &Cancel::new());
        assert!(matches!(end, Err(Failure::Refused(_))), "{end:?}");
    }
}
