//! Lines from a real pseudo-terminal.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use vitalsign_os::Terminal;

/// A pseudo-terminal: the side of the person's hands and eyes, and that of a program.
fn pair() -> (File, Terminal) {
    let hands = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&hands).unwrap();
    unlockpt(&hands).unwrap();
    let name = ptsname(&hands, Vec::new()).unwrap();
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(name.as_bytes()));
    (File::from(hands), Terminal::at(&path).unwrap())
}

/// Reads the screen up to and including `last`.
fn screen(hands: &mut File, last: &str) -> String {
    let mut seen = String::new();
    while !seen.ends_with(last) {
        let mut byte = [0];
        hands.read_exact(&mut byte).unwrap();
        seen.push(char::from(byte[0]));
    }
    seen
}

#[test]
fn a_secret_is_read_and_not_shown() {
    let (mut hands, mut terminal) = pair();
    let mut typed = false;
    // Typed once the terminal hides it: what comes before is thrown away.
    let line = terminal.read_line(true, || {
        if !std::mem::replace(&mut typed, true) {
            hands.write_all(b"314159\n").unwrap();
        }
        true
    });
    assert_eq!(line.unwrap().unwrap().as_str(), "314159");
    hands.write_all(b"n\n").unwrap();
    assert_eq!(terminal.read_line(false, || true).unwrap().unwrap().as_str(), "n");
    assert_eq!(screen(&mut hands, "n\r\n"), "\r\nn\r\n");
}

#[test]
fn reading_ends_on_request_and_at_end_of_input() {
    let (mut hands, mut terminal) = pair();
    assert_eq!(terminal.read_line(true, || false).unwrap(), None);
    hands.write_all(b"\x04").unwrap();
    assert!(terminal.read_line(false, || true).is_err());
}
