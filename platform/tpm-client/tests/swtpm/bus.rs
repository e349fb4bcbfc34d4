//! Messages between client and TPM: recorded, delayed, changed and damaged.

use super::{Fixture, attestation_key, enrol, keys, secret};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vitalsign_platform_api::{DeviceKey, KeyError};
use vitalsign_protocol::id::Digest;
use vitalsign_tpm::attest::verify_quote;
use vitalsign_tpm::credential;
use vitalsign_tpm_client::testing::{Pass, Proxy, Way, address, options};
use vitalsign_tpm_client::{TpmKey, open, set_aside};

#[test]
fn a_key_lost_while_it_is_open_is_lost() {
    let bench = Fixture::new();
    let proxy = Proxy::start(&bench.tpm, |_, _| Pass::On);
    let mut key = open(&proxy.spec, &bench.state(), None).unwrap();
    proxy.set(|_, _| Pass::Close);
    assert!(matches!(key.sign(&Digest::of(b"a")), Err(KeyError::Unavailable(_))));
    bench.tpm.clear();
    proxy.set(|_, _| Pass::On);
    assert!(matches!(key.sign(&Digest::of(b"a")), Err(KeyError::Lost(_))));
    drop(key);
    set_aside(&bench.state()).unwrap();
    let mut key = bench.open();
    enrol(&bench, &mut key);
}

#[test]
fn bus_listener_cannot_read_or_change_the_secret() {
    let bench = Fixture::new();
    for rsa in [false, true] {
        if rsa {
            bench.tpm.undefine(0x01c0_0016);
        }
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let listening = Arc::clone(&heard);
        let proxy = Proxy::start(&bench.tpm, move |_, message| {
            listening.lock().unwrap().extend_from_slice(message);
            Pass::On
        });
        let mut key = open(&proxy.spec, &bench.state(), None).unwrap();
        let keys = keys(&mut key);
        let secret = secret();
        let credential = credential::make(&keys.ek, &keys.ak.name(), &secret).unwrap();
        assert!(key.activate(&credential).unwrap().matches(secret.expose()));
        let heard = heard.lock().unwrap().clone();
        let on_the_bus = |bytes: &[u8]| heard.windows(bytes.len()).any(|it| it == bytes);
        assert!(on_the_bus(&credential.id_object.0), "the listener hears everything");
        for part in secret.expose().chunks(8) {
            assert!(!on_the_bus(part));
        }

        // Every byte of the response with the secret: its parameter, nonces, attributes and HMAC.
        let activate = 0x0000_0147u32.to_be_bytes();
        for at in 10..130 {
            let mut answering = false;
            let touched = Arc::new(Mutex::new(false));
            let seen = Arc::clone(&touched);
            proxy.set(move |way, message| {
                match way {
                    Way::Command => answering = message[6..10] == activate,
                    Way::Response if answering && message.len() > at => {
                        message[at] ^= 1;
                        *seen.lock().unwrap() = true;
                    }
                    Way::Response => {}
                }
                Pass::On
            });
            let answer = key.activate(&credential);
            if *touched.lock().unwrap() {
                // What belongs to the other session of the command says nothing of the secret.
                if let Ok(answer) = &answer {
                    assert!(at > 80 && answer.matches(secret.expose()), "byte {at}");
                }
            }
        }
        proxy.set(|_, _| Pass::On);
        assert!(key.activate(&credential).unwrap().matches(secret.expose()));
    }
}

#[test]
fn flushes_objects_of_a_crashed_predecessor() {
    let bench = Fixture::new();
    for _ in 0..5 {
        // Not dropped: as if the process had been killed, with its key loaded.
        let proxy = Proxy::start(&bench.tpm, |_, _| Pass::On);
        let key = open(&proxy.spec, &bench.state(), None).unwrap();
        proxy.set(|_, _| Pass::Close);
        drop(key);
    }
    assert!(!bench.tpm.loaded().is_empty());
    let mut key = bench.open();
    enrol(&bench, &mut key);
    drop(key);
    assert!(bench.tpm.loaded().is_empty());
}

#[test]
fn a_slow_or_busy_tpm_is_unavailable() {
    let bench = Fixture::new();
    let proxy = Proxy::start(&bench.tpm, |_, _| Pass::On);
    let slow = options(&bench.state(), Duration::from_millis(200));
    let mut key = TpmKey::open(address(&proxy.spec), slow).unwrap();
    let digest = Digest::of(b"report");
    proxy.set(|way, _| if way == Way::Response { Pass::Never } else { Pass::On });
    let late = key.sign(&digest);
    assert!(matches!(&late, Err(KeyError::Unavailable(text)) if text.contains("in time")), "{late:?}");
    // The late answer is not taken for the next command's.
    proxy.set(|_, _| Pass::On);
    key.public().clone().verify(b"report", &key.sign(&digest).unwrap()).unwrap();

    // TPM_RC_RETRY, first without end, then twice only.
    let busy = |message: &mut Vec<u8>| *message = response(0x922);
    proxy.set(move |way, message| {
        if way == Way::Response {
            busy(message);
        }
        Pass::On
    });
    assert!(matches!(key.sign(&digest), Err(KeyError::Unavailable(_))));
    let mut times = 2;
    proxy.set(move |way, message| {
        if way == Way::Response && times > 0 {
            times -= 1;
            busy(message);
        }
        Pass::On
    });
    let before = key.commands();
    key.sign(&digest).unwrap();
    assert_eq!(key.commands() - before, 3);
}

fn response(code: u32) -> Vec<u8> {
    [&[0x80, 0x01, 0, 0, 0, 10][..], &code.to_be_bytes()].concat()
}

#[test]
fn response_codes_decide_what_is_done() {
    let bench = Fixture::new();
    let proxy = Proxy::start(&bench.tpm, |_, _| Pass::On);
    let mut key = open(&proxy.spec, &bench.state(), None).unwrap();
    let mut answer = |code: u32| {
        proxy.set(move |way, message| {
            if way == Way::Response {
                *message = response(code);
            }
            Pass::On
        });
        key.sign(&Digest::of(b"report")).unwrap_err()
    };
    assert!(matches!(answer(0x921), KeyError::LockedOut(_)));
    assert!(matches!(answer(0x902), KeyError::Unavailable(_)));
    assert!(matches!(answer(0x101), KeyError::Hardware(_)));
    assert!(matches!(answer(0xffff_ffff), KeyError::Hardware(_)));
}

#[test]
fn quote_is_repeated_until_its_pcr_values_match() {
    let bench = Fixture::new();
    let proxy = Proxy::start(&bench.tpm, |_, _| Pass::On);
    let mut key = open(&proxy.spec, &bench.state(), None).unwrap();
    let ak = attestation_key(&mut key);
    // Changes the PCR update counter a number of times, then without end.
    let mut change = |times: u32| {
        let (mut reading, mut left) = (false, times);
        proxy.set(move |way, message| {
            match way {
                Way::Command => reading = message[6..10] == 0x0000_017eu32.to_be_bytes(),
                Way::Response if reading && left > 0 => {
                    left -= 1;
                    message[10..14].copy_from_slice(&left.to_be_bytes());
                }
                Way::Response => {}
            }
            Pass::On
        });
        key.quote(&Digest::of(b"request"))
    };
    let boot = change(5).unwrap();
    verify_quote(&ak, &boot, &Digest::of(b"request")).unwrap();
    assert!(matches!(change(u32::MAX), Err(KeyError::Unavailable(_))));
    drop(key);
    assert!(bench.tpm.loaded().is_empty());
}

/// An attacker on the bus has no certificate for a substituted key.
#[test]
fn uncertified_endorsement_key_is_not_used() {
    let bench = Fixture::new();
    let proxy = Proxy::start(&bench.tpm, |_, _| Pass::On);
    let mut key = open(&proxy.spec, &bench.state(), None).unwrap();
    let theirs = Interposer::default();
    proxy.set(move |way, message| theirs.swap(way, message));
    assert!(matches!(key.enrolment_keys(), Err(KeyError::Unsupported(_) | KeyError::Hardware(_))));
}

/// Changes the last byte of every endorsement key that is read or made.
#[derive(Default)]
struct Interposer {
    code: Mutex<[u8; 4]>,
}

impl Interposer {
    fn swap(&self, way: Way, message: &mut [u8]) -> Pass {
        let mut code = self.code.lock().unwrap();
        if way == Way::Command {
            // ReadPublic of a persistent endorsement key, or CreatePrimary in the endorsement hierarchy.
            let read = message[6..10] == 0x0000_0173u32.to_be_bytes() && message[10..12] == [0x81, 0x01];
            let make =
                message[6..10] == 0x0000_0131u32.to_be_bytes() && message[10..14] == [0x40, 0, 0, 0x0b];
            *code = if read || make { message[6..10].try_into().unwrap() } else { [0; 4] };
        } else if *code != [0; 4] && message.len() > 40 {
            // Behind the handle and the parameters' size, where there are any, is the public area.
            let start = if u32::from_be_bytes(*code) == 0x173 { 10 } else { 18 };
            let length = usize::from(u16::from_be_bytes([message[start], message[start + 1]]));
            message[start + 1 + length] ^= 1;
        }
        Pass::On
    }
}

#[test]
fn an_object_that_the_tpm_forgot_is_loaded_again() {
    let bench = Fixture::new();
    let proxy = Proxy::start(&bench.tpm, |_, _| Pass::On);
    let mut key = open(&proxy.spec, &bench.state(), None).unwrap();
    for code in [0x18b, 0x910] {
        let mut once = true;
        proxy.set(move |way, message| {
            if way == Way::Response && std::mem::take(&mut once) {
                *message = response(code);
            }
            Pass::On
        });
        key.sign(&Digest::of(b"report")).unwrap_or_else(|e| panic!("{code:x}: {e}"));
    }
}

#[test]
fn garbage_from_the_tpm_is_an_error_and_no_more() {
    let bench = Fixture::new();
    let proxy = Proxy::start(&bench.tpm, |_, _| Pass::On);
    let quick = options(&bench.state(), Duration::from_millis(60));
    let mut seed = 1u64;
    let mut errors = 0;
    for _ in 0..300 {
        // xorshift: the same damage in every run.
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let nth = random() % 24;
        let (kind, place, byte) = (random() % 5, random(), u8::try_from(random() % 256).unwrap());
        seed = random();
        let mut count = 0;
        proxy.set(move |way, message| {
            if way == Way::Command {
                return Pass::On;
            }
            count += 1;
            if count - 1 != nth {
                return Pass::On;
            }
            let at = usize::try_from(place).unwrap_or(0) % message.len();
            match kind {
                0 => message[at] ^= byte | 1,
                1 => message.truncate(at),
                2 => message.fill(byte),
                3 => {
                    // Cut short, and saying so.
                    let at = at.max(10);
                    message.truncate(at);
                    message[2..6].copy_from_slice(&u32::try_from(at).unwrap().to_be_bytes());
                }
                _ => message[2..6].copy_from_slice(&u32::MAX.to_be_bytes()),
            }
            Pass::On
        });
        let done = TpmKey::open(address(&proxy.spec), quick.clone()).and_then(|mut key| {
            key.enrolment_keys()?;
            key.quote(&Digest::of(b"request"))?;
            key.sign(&Digest::of(b"report"))
        });
        if let Err(error) = done {
            assert!(!error.to_string().is_empty());
            errors += 1;
        }
    }
    println!("{errors} of 300 damaged conversations ended in an error, none in a panic");
    assert!(errors > 100);
    proxy.set(|_, _| Pass::On);
    set_aside(&bench.state()).unwrap();
    drop(proxy);
    let mut key = bench.open();
    enrol(&bench, &mut key);
}
