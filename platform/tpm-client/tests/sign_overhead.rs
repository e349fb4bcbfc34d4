//! Measures the overhead of a report's signature beyond the software TPM's own time.

#![cfg(all(test, unix))]
#![allow(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use vitalsign_platform_api::DeviceKey;
use vitalsign_protocol::id::Digest;
use vitalsign_tpm_client::testing::{Pass, Proxy, Swtpm, Way};

const ROUNDS: usize = 500;

fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = std::iter::repeat_with(|| {
        let start = Instant::now();
        run();
        start.elapsed()
    })
    .take(ROUNDS)
    .collect();
    times.sort();
    times.get(ROUNDS / 2).copied().unwrap_or_default()
}

#[test]
fn a_signature_is_one_command_and_little_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let tpm = Swtpm::start(&folder.path().join("t"));
    let state = folder.path().join("state");
    let digest = Digest::of(b"report");

    // The very command that a signature is, to be sent again without anything of ours.
    let (said, heard) = std::sync::mpsc::channel();
    let proxy = Proxy::start(&tpm, move |way, message| {
        if way == Way::Command {
            // Fails at the end of the test, when the receiver is gone.
            let _ = said.send(message.clone());
        }
        Pass::On
    });
    let mut key = vitalsign_tpm_client::open(&proxy.spec, &state, None).unwrap();
    key.sign(&digest).unwrap();
    let command = heard.try_iter().last().unwrap();
    // As if it had been killed: the key stays loaded for the bare commands.
    proxy.set(|_, _| Pass::Close);
    drop(key);

    let mut bare = UnixStream::connect(tpm.dir.join("tpm.sock")).unwrap();
    let mut response = [0; 4096];
    let bare_sign = median(|| {
        bare.write_all(&command).unwrap();
        let got = bare.read(&mut response).unwrap();
        assert!(got > 10, "the TPM refused");
    });
    drop(bare);

    let mut key = vitalsign_tpm_client::open(&tpm.spec, &state, None).unwrap();
    let before = key.commands();
    let sign = median(|| {
        key.sign(&digest).unwrap();
    });
    let commands = key.commands() - before;
    println!("bare TPM2_Sign median {bare_sign:?}, TpmKey::sign median {sign:?}, of {ROUNDS}");
    assert_eq!(commands, u64::try_from(ROUNDS).unwrap());
    println!("{commands} commands for {ROUNDS} signatures");
}
