//! The signals of systemd and systemd-logind on the system bus: as much of the D-Bus wire (D-Bus specification 0.43) as it
//! takes to subscribe to them and to read them.

use crate::edr::products::PRODUCTS;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use vitalsign_platform_api::Change;

/// The largest message that is kept; theirs are far smaller. Larger ones are skipped: any user can send them.
const MAX_MESSAGE: usize = 64 * 1024;
/// The largest message of the specification.
const MAX_LENGTH: usize = 128 * 1024 * 1024;
/// Time limit for each step of the bus's handshake.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);
const FIXED_HEADER: usize = 16;
/// Property of a session that is true while its screen is locked.
const LOCKED_HINT: &[u8] = b"LockedHint\0";
/// The bus checks a rule's sender for broadcasts only; signals that are addressed to this connection pass all rules.
const SUBSCRIPTIONS: [&str; 4] = [
    "type='signal',sender='org.freedesktop.login1',interface='org.freedesktop.login1.Manager',member='PrepareForSleep'",
    "type='signal',sender='org.freedesktop.login1',interface='org.freedesktop.login1.Session'",
    "type='signal',sender='org.freedesktop.login1',interface='org.freedesktop.DBus.Properties',\
     member='PropertiesChanged',arg0='org.freedesktop.login1.Session'",
    // Units that were started, stopped or restarted (org.freedesktop.systemd1(5)).
    "type='signal',sender='org.freedesktop.systemd1',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'",
];

/// A connection that is subscribed.
pub(super) struct Bus {
    stream: UnixStream,
    received: Vec<u8>,
    /// Bytes of an oversized message that are still to come.
    skip: usize,
}

impl Bus {
    /// Connects to the bus at a socket, says who it is and subscribes.
    pub(super) fn connect(socket: &Path) -> io::Result<Self> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
        stream.set_write_timeout(Some(REPLY_TIMEOUT))?;
        // SASL EXTERNAL: the kernel vouches for the user, whose number is sent as hexadecimal of its decimal digits.
        let user = rustix::process::geteuid().as_raw().to_string();
        let user: String = user.bytes().map(|digit| format!("{digit:02x}")).collect();
        stream.write_all(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes())?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n") {
            let mut byte = [0; 1];
            stream.read_exact(&mut byte)?;
            answer.extend(byte);
            if answer.len() > 256 {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        if !answer.starts_with(b"OK ") {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        stream.write_all(b"BEGIN\r\n")?;
        stream.write_all(&call(1, "Hello", None))?;
        for (serial, rule) in (2..).zip(SUBSCRIPTIONS) {
            stream.write_all(&call(serial, "AddMatch", Some(rule)))?;
        }
        // Without a subscriber systemd sends none. Where it is not the init system, this is answered by an error.
        let systemd = "org.freedesktop.systemd1";
        let fields = [
            (1, 'o', "/org/freedesktop/systemd1"),
            (6, 's', systemd),
            (2, 's', "org.freedesktop.systemd1.Manager"),
            (3, 's', "Subscribe"),
        ];
        stream.write_all(&message(1, 99, &fields, "", &[]))?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, received: Vec::new(), skip: 0 })
    }

    /// Reads what has come; an error when the bus is gone or is not understood.
    pub(super) fn read(&mut self, mut note: impl FnMut(Change)) -> io::Result<()> {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    let skipped = self.skip.min(length);
                    self.skip -= skipped;
                    self.received.extend(bytes.iter().take(length).skip(skipped));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            while let Some(length) = message_length(&self.received)? {
                if length > MAX_MESSAGE {
                    let skipped = self.received.len().min(length);
                    self.received.drain(..skipped);
                    self.skip = length - skipped;
                    continue;
                }
                let Some(message) = self.received.get(..length) else { break };
                change(message).into_iter().for_each(&mut note);
                self.received.drain(..length);
            }
        }
    }
}

impl AsFd for Bus {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// A call of the bus itself, with one text or nothing.
fn call(serial: u32, member: &str, text: Option<&str>) -> Vec<u8> {
    let bus = "org.freedesktop.DBus";
    let fields = [(1, 'o', "/org/freedesktop/DBus"), (6, 's', bus), (2, 's', bus), (3, 's', member)];
    message(1, serial, &fields, text.map_or("", |_| "s"), &text.map(string).unwrap_or_default())
}

/// A message of a type, with header fields (code, type, value), and a body of a signature.
fn message(kind: u8, serial: u32, fields: &[(u8, char, &str)], signature: &str, body: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    for (code, of, value) in fields {
        pad(&mut header, 8);
        header.extend([*code, 1]);
        header.extend(of.to_string().bytes());
        header.push(0);
        pad(&mut header, 4);
        header.extend(string(value));
    }
    if let Ok(length @ 1..) = u8::try_from(signature.len()) {
        pad(&mut header, 8);
        header.extend([8, 1, b'g', 0, length]);
        header.extend(signature.bytes());
        header.push(0);
    }
    let mut message = vec![b'l', kind, 0, 1];
    for number in [length(body), serial, length(&header)] {
        message.extend(number.to_le_bytes());
    }
    message.extend(header);
    pad(&mut message, 8);
    message.extend(body);
    message
}

fn string(text: &str) -> Vec<u8> {
    [&length(text.as_bytes()).to_le_bytes(), text.as_bytes(), &[0]].concat()
}

/// Only names and rules of this file are written: none is near the end of a `u32`.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

/// Returns the length of the first message in bytes, once its fixed header is complete.
fn message_length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let Some(header) = bytes.first_chunk::<FIXED_HEADER>() else { return Ok(None) };
    let reader = MessageReader::new(header).ok_or(io::ErrorKind::InvalidData)?;
    let parts = (reader.u32_at(4), reader.u32_at(12));
    let (Some(body), Some(fields)) = parts else { return Err(io::ErrorKind::InvalidData.into()) };
    let length =
        FIXED_HEADER.saturating_add(fields).checked_next_multiple_of(8).and_then(|end| end.checked_add(body));
    length.filter(|length| *length <= MAX_LENGTH).map(Some).ok_or(io::ErrorKind::InvalidData.into())
}

/// Parses a complete message; `None` for answers, other signals, unknown content, and signals that are addressed to this
/// connection: any user can send those, and systemd and logind broadcast.
fn change(message: &[u8]) -> Option<Change> {
    const SIGNAL: u8 = 4;
    let reader = MessageReader::new(message)?;
    if message.get(1) != Some(&SIGNAL) {
        return None;
    }
    let (mut interface, mut member) = ("", "");
    let end = FIXED_HEADER.checked_add(reader.u32_at(12)?)?;
    let mut at = FIXED_HEADER;
    while at < end {
        at = at.next_multiple_of(8);
        let (code, kind) = (*message.get(at)?, *message.get(at + 2)?);
        at += 4;
        match kind {
            b's' | b'o' => {
                let text = reader.text_at(at)?;
                match code {
                    2 => interface = text,
                    3 => member = text,
                    6 => return None,
                    _ => {}
                }
                at = at.checked_add(text.len())?.checked_add(5)?;
            }
            b'g' => at = at.checked_add(usize::from(*message.get(at)?))?.checked_add(2)?,
            b'u' => at += 4,
            _ => return None,
        }
    }
    match (interface, member) {
        ("org.freedesktop.login1.Manager", "PrepareForSleep") => {
            let begins = reader.u32_at(end.next_multiple_of(8))? != 0;
            Some(if begins { Change::Sleep } else { Change::Wake })
        }
        ("org.freedesktop.login1.Session", "Lock" | "Unlock") => Some(Change::Locked),
        // Desktops that lock the screen themselves set this property.
        ("org.freedesktop.DBus.Properties", "PropertiesChanged") => {
            let names_lock = message.windows(LOCKED_HINT.len()).any(|part| part == LOCKED_HINT);
            Some(if names_lock { Change::Locked } else { Change::Lock })
        }
        ("org.freedesktop.systemd1.Manager", "JobRemoved") => names_product(message).then_some(Change::Edr),
        _ => None,
    }
}

/// Returns whether a message names a unit of an endpoint product.
fn names_product(message: &[u8]) -> bool {
    let texts: Vec<&[u8]> = message.split(|byte| *byte == 0).collect();
    let mut units = PRODUCTS.iter().flat_map(|product| product.units);
    units.any(|unit| texts.iter().any(|text| text.ends_with(unit.as_bytes())))
}

/// Reads numbers in the byte order that the message names.
struct MessageReader<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl<'a> MessageReader<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let big = match bytes.first()? {
            b'l' => false,
            b'B' => true,
            _ => return None,
        };
        Some(Self { bytes, big })
    }

    fn u32_at(&self, at: usize) -> Option<usize> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        usize::try_from(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }).ok()
    }

    fn text_at(&self, at: usize) -> Option<&'a str> {
        let begin = at.checked_add(4)?;
        std::str::from_utf8(self.bytes.get(begin..begin.checked_add(self.u32_at(at)?)?)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::watch;
    use super::*;
    use crate::Root;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::sync::mpsc::{Receiver, channel};

    /// Takes logind's name on a bus, and sends signals from there.
    struct Logind(Bus);

    impl Logind {
        fn new(socket: &Path) -> Self {
            Self::named(Bus::connect(socket).unwrap())
        }

        fn named(mut bus: Bus) -> Self {
            let name = [string("org.freedesktop.login1"), vec![0; 5]].concat();
            let dbus = "org.freedesktop.DBus";
            let fields =
                [(1, 'o', "/org/freedesktop/DBus"), (6, 's', dbus), (2, 's', dbus), (3, 's', "RequestName")];
            bus.stream.write_all(&message(1, 9, &fields, "su", &name)).unwrap();
            Self(bus)
        }

        fn emit(&mut self, interface: &str, member: &str, signature: &str, body: &[u8]) {
            let fields = [(1, 'o', "/org/freedesktop/login1"), (2, 's', interface), (3, 's', member)];
            self.0.stream.write_all(&message(4, 10, &fields, signature, body)).unwrap();
        }
    }

    const MANAGER: &str = "org.freedesktop.login1.Manager";
    const SESSION: &str = "org.freedesktop.login1.Session";

    fn signal(interface: &str, member: &str, body: &[u8]) -> Vec<u8> {
        let fields = [(1, 'o', "/x"), (2, 's', interface), (7, 's', ":1.5"), (3, 's', member)];
        message(4, 7, &fields, if body.is_empty() { "" } else { "b" }, body)
    }

    /// A finished job of systemd.
    fn job_removed(unit: &str) -> Vec<u8> {
        let mut body = 7_u32.to_le_bytes().to_vec();
        for text in ["/org/freedesktop/systemd1/job/7", unit, "done"] {
            pad(&mut body, 4);
            body.extend(string(text));
        }
        let manager = "org.freedesktop.systemd1.Manager";
        let fields = [
            (1, 'o', "/org/freedesktop/systemd1"),
            (2, 's', manager),
            (7, 's', ":1.0"),
            (3, 's', "JobRemoved"),
        ];
        message(4, 7, &fields, "uoss", &body)
    }

    #[test]
    fn signals_are_told_apart() {
        let properties = "org.freedesktop.DBus.Properties";
        let table = [
            (signal(MANAGER, "PrepareForSleep", &[1, 0, 0, 0]), Some(Change::Sleep)),
            (signal(MANAGER, "PrepareForSleep", &[0, 0, 0, 0]), Some(Change::Wake)),
            (signal(MANAGER, "PrepareForSleep", &[]), None),
            (signal(MANAGER, "PrepareForShutdown", &[1, 0, 0, 0]), None),
            (signal(SESSION, "Lock", &[]), Some(Change::Locked)),
            (signal(SESSION, "Unlock", &[]), Some(Change::Locked)),
            (signal(SESSION, "PauseDevice", &[]), None),
            (signal(properties, "PropertiesChanged", &[]), Some(Change::Lock)),
            (signal(properties, "PropertiesChanged", &string("IdleHint")), Some(Change::Lock)),
            (signal(properties, "PropertiesChanged", &string("LockedHint")), Some(Change::Locked)),
            (job_removed("clamav-daemon.service"), Some(Change::Edr)),
            (job_removed("cron.service"), None),
            (call(1, "Hello", None), None),
        ];
        for (message, expected) in table {
            assert_eq!(message_length(&message).unwrap(), Some(message.len()));
            assert_eq!(change(&message), expected, "{}", String::from_utf8_lossy(&message));
        }
    }

    #[test]
    fn ignores_truncated_and_damaged_bus_messages() {
        let whole = signal(MANAGER, "PrepareForSleep", &[1, 0, 0, 0]);
        for length in 0..whole.len() {
            assert_eq!(change(&whole[..length]), None, "{length}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let _ = (message_length(&bytes), change(&bytes));
            }
        }
        let mut huge = whole.clone();
        huge[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(message_length(&huge).is_err());
        assert!(message_length(&[0; 16]).is_err());
        assert_eq!(message_length(&whole[..15]).unwrap(), None);
    }

    /// A bus of the test's own, at its place below a root.
    struct Daemon(Child);

    impl Daemon {
        fn start(folder: &Path) -> Self {
            let socket = folder.join("run/dbus/system_bus_socket");
            std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
            let _ = std::fs::remove_file(&socket);
            let config = folder.join("bus.conf");
            let text = format!(
                r#"<busconfig><listen>unix:path={}</listen><policy context="default"><allow user="*"/><allow own="*"/>
                   <allow send_type="*"/><allow receive_type="*"/></policy></busconfig>"#,
                socket.display()
            );
            std::fs::write(&config, text).unwrap();
            let daemon = Command::new("dbus-daemon")
                .arg(format!("--config-file={}", config.display()))
                .args(["--nofork", "--print-address"])
                .stdout(Stdio::piped())
                .spawn();
            let mut daemon = daemon.expect("dbus-daemon is installed");
            let mut address = String::new();
            BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
            Self(daemon)
        }
    }

    impl Drop for Daemon {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn next(changes: &Receiver<Change>) -> Change {
        changes.recv_timeout(Duration::from_secs(20)).expect("a change")
    }

    #[test]
    fn reports_sleep_wake_and_lock_across_bus_restart() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("run/dbus/system_bus_socket");
        let daemon = Daemon::start(folder.path());
        let (sender, changes) = channel();
        let watcher = watch(&Root::at(folder.path()), Vec::new, sender).unwrap();
        assert_eq!(watcher.blind(), []);

        let mut logind = Logind::new(&socket);
        logind.emit(MANAGER, "PrepareForSleep", "b", &[1, 0, 0, 0]);
        assert_eq!(next(&changes), Change::Sleep);
        logind.emit(MANAGER, "PrepareForSleep", "b", &[0, 0, 0, 0]);
        assert_eq!(next(&changes), Change::Wake);
        logind.emit(SESSION, "Lock", "", &[]);
        assert_eq!(next(&changes), Change::Locked);
        // An irrelevant signal on the same connection must not count as the awaited one.
        logind.emit(MANAGER, "SessionNew", "", &[]);
        logind.emit("org.freedesktop.DBus.Properties", "PropertiesChanged", "s", &string(SESSION));
        assert_eq!(next(&changes), Change::Lock);

        drop((logind, daemon));
        // Without the bus, a lock goes unseen.
        assert_eq!(next(&changes), Change::Locked);
        let _daemon = Daemon::start(folder.path());
        assert_eq!(next(&changes), Change::Locked, "it may have locked meanwhile");
        // When the watcher is back cannot be seen from here: signals are sent until it hears one.
        let mut logind = Logind::new(&socket);
        let heard = (0..200).find_map(|_| {
            logind.emit(SESSION, "Unlock", "", &[]);
            changes.recv_timeout(Duration::from_millis(100)).ok()
        });
        assert_eq!(heard, Some(Change::Locked));
    }

    #[test]
    fn ignores_signals_not_sent_by_logind() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("run/dbus/system_bus_socket");
        let _daemon = Daemon::start(folder.path());
        let (sender, changes) = channel();
        let _watcher = watch(&Root::at(folder.path()), Vec::new, sender).unwrap();
        let mut other = Bus::connect(&socket).unwrap();
        let forged = message(
            4,
            10,
            &[(1, 'o', "/x"), (2, 's', MANAGER), (3, 's', "PrepareForSleep")],
            "b",
            &[1, 0, 0, 0],
        );
        other.stream.write_all(&forged).unwrap();
        // The bus keeps order: the forged signal would have come before this one.
        let mut logind = Logind::named(other);
        logind.emit(SESSION, "Lock", "", &[]);
        assert_eq!(next(&changes), Change::Locked);
    }

    #[test]
    fn ignores_signals_addressed_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("run/dbus/system_bus_socket");
        let _daemon = Daemon::start(folder.path());
        let (sender, changes) = channel();
        let _watcher = watch(&Root::at(folder.path()), Vec::new, sender).unwrap();
        let mut other = Bus::connect(&socket).unwrap();
        // The bus numbers its clients from zero: the watcher was the first.
        let fields = [(1, 'o', "/x"), (6, 's', ":1.0"), (2, 's', MANAGER), (3, 's', "PrepareForSleep")];
        other.stream.write_all(&message(4, 10, &fields, "b", &[1, 0, 0, 0])).unwrap();
        // The bus keeps order: the forged signal would have come before this one.
        let mut logind = Logind::named(other);
        logind.emit(SESSION, "Lock", "", &[]);
        assert_eq!(next(&changes), Change::Locked);
    }

    #[test]
    fn skips_oversized_messages_of_other_users() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("run/dbus/system_bus_socket");
        let _daemon = Daemon::start(folder.path());
        let (sender, changes) = channel();
        let _watcher = watch(&Root::at(folder.path()), Vec::new, sender).unwrap();
        let mut other = Bus::connect(&socket).unwrap();
        other.stream.set_nonblocking(false).unwrap();
        for size in [MAX_MESSAGE, 40 * MAX_MESSAGE] {
            let fields = [(1, 'o', "/x"), (6, 's', ":1.0"), (2, 's', "a.b"), (3, 's', "C")];
            let body = [length(&vec![0; size]).to_le_bytes().as_slice(), &vec![0; size]].concat();
            other.stream.write_all(&message(4, 10, &fields, "ay", &body)).unwrap();
        }
        // The bus keeps order: a watcher that lost its connection would not hear this.
        let mut logind = Logind::named(other);
        logind.emit(SESSION, "Lock", "", &[]);
        assert_eq!(next(&changes), Change::Locked);
    }
}
