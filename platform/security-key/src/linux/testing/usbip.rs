//! Test builds only: a USB key that another process exports by USB/IP, accessed in user space.
//!
//! Kernels without `vhci-hcd` cannot attach such a device, so this module sends the client's CTAPHID frames
//! in USB requests. It replaces `/dev/hidraw*`; everything above is production code.

use super::super::finder::{KeySource, NewKeySource, OpenKey};
use libwebauthn::transport::hid::framing::{HidCommand, HidMessage, HidMessageParser, HidMessageParserState};
use libwebauthn::transport::hid::{HidDevice, HidPipeBackend, virtual_device};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Address of the device, for example `127.0.0.1:3240`.
const ADDRESS: &str = "VITALSIGN_TEST_USBIP";
const VERSION: u16 = 0x0111;
const LIST: u16 = 0x8005;
const IMPORT: u16 = 0x8003;
const SUBMIT: u32 = 1;
const UNLINK: u32 = 2;
const SUBMITTED: u32 = 3;
const PACKET: usize = 64;
/// Interval at which the socket is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Time limit for an answer that needs no person.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);
/// The key's answer to being cancelled.
const FINAL_READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the device's address from the environment.
pub(in super::super) fn address() -> Option<SocketAddr> {
    std::env::var(ADDRESS).ok()?.parse().ok()
}

/// The device at an address, connected or not.
struct Port {
    address: SocketAddr,
    generation: u64,
    link: Option<Arc<UsbIpLink>>,
}

impl NewKeySource for SocketAddr {
    fn start(&self) -> Box<dyn KeySource> {
        Box::new(Port { address: *self, generation: 0, link: None })
    }

    fn is_there(&self) -> bool {
        devices_at(*self).is_ok_and(|devices| devices > 0)
    }
}

impl KeySource for Port {
    fn look(&mut self) -> Option<(u64, Arc<dyn OpenKey>)> {
        if self.link.as_ref().is_none_or(|link| !link.is_up()) {
            self.link = UsbIpLink::to(self.address).ok().map(Arc::new);
            self.generation += 1;
        }
        let key: Arc<dyn OpenKey> = Arc::new(self.link.clone()?);
        Some((self.generation, key))
    }
}

/// Returns the number of devices that are exported at an address (OP_REQ_DEVLIST).
fn devices_at(address: SocketAddr) -> io::Result<usize> {
    let mut stream = TcpStream::connect_timeout(&address, REPLY_TIMEOUT)?;
    stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
    let request = [VERSION.to_be_bytes(), LIST.to_be_bytes(), [0; 2], [0; 2]].concat();
    stream.write_all(&request)?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    usize::try_from(word(&answer, 8)).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// A connection to the device.
#[derive(Debug)]
struct UsbIpLink(Mutex<Wire>);

#[derive(Debug)]
struct Wire {
    stream: TcpStream,
    device: u32,
    sequence: u32,
    /// Endpoints of reports: to the host, to the device.
    endpoints: (u32, u32),
    /// The request for a report that has no answer yet.
    asked: Option<u32>,
    reports: VecDeque<Vec<u8>>,
    up: bool,
}

impl UsbIpLink {
    fn to(address: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, REPLY_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
        let mut import = Vec::new();
        import.extend(VERSION.to_be_bytes());
        import.extend(IMPORT.to_be_bytes());
        import.extend(0_u32.to_be_bytes());
        let mut bus = [0; 32];
        bus.iter_mut().zip(b"1-1").for_each(|(to, from)| *to = *from);
        import.extend(bus);
        stream.write_all(&import)?;
        let mut answer = [0; 8 + 312];
        stream.read_exact(&mut answer)?;
        if word(&answer, 4) != 0 {
            return Err(io::ErrorKind::NotFound.into());
        }
        let device = word(&answer, 8 + 288) << 16 | word(&answer, 8 + 292);
        let mut wire = Wire {
            stream,
            device,
            sequence: 0,
            endpoints: (0, 0),
            asked: None,
            reports: VecDeque::new(),
            up: true,
        };
        let configuration = wire.control([0x80, 6, 0, 2, 0, 0, 0, 1], 256)?;
        wire.endpoints = endpoints(&configuration).ok_or(io::ErrorKind::InvalidData)?;
        wire.control([0, 9, 1, 0, 0, 0, 0, 0], 0)?;
        Ok(Self(Mutex::new(wire)))
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_up(&self) -> bool {
        self.wire().look_for_end()
    }
}

impl OpenKey for Arc<UsbIpLink> {
    fn name(&self) -> String {
        "security key at the test's USB/IP address".to_owned()
    }

    fn open(&self, stop: Arc<AtomicBool>) -> HidDevice {
        virtual_device(Pipe { link: Arc::clone(self), stop, channel: 0, last: None })
    }
}

impl Wire {
    /// Returns whether the connection was closed; received data is kept.
    fn look_for_end(&mut self) -> bool {
        if self.up {
            let mut byte = [0];
            let _ = self.stream.set_nonblocking(true);
            let seen = self.stream.peek(&mut byte);
            let _ = self.stream.set_nonblocking(false);
            self.up = match seen {
                Ok(read) => read > 0,
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            };
        }
        self.up
    }

    fn submit(
        &mut self,
        in_: bool,
        endpoint: u32,
        setup: [u8; 8],
        length: usize,
        data: &[u8],
    ) -> io::Result<u32> {
        self.sequence += 1;
        let length = u32::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut urb = Vec::new();
        for field in [SUBMIT, self.sequence, self.device, u32::from(in_), endpoint, 0, length, 0, 0, 0] {
            urb.extend(field.to_be_bytes());
        }
        urb.extend(setup);
        urb.extend(data);
        // In one piece: the other end takes a header for one read.
        self.stream.write_all(&urb).inspect_err(|_| self.up = false)?;
        Ok(self.sequence)
    }

    fn control(&mut self, setup: [u8; 8], length: usize) -> io::Result<Vec<u8>> {
        let sequence = self.submit(length > 0, 0, setup, length, &[])?;
        let (answered, data) = self.answer()?;
        if answered == sequence { Ok(data) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// The next answer: to which request, and its data.
    fn answer(&mut self) -> io::Result<(u32, Vec<u8>)> {
        let mut header = [0; 48];
        self.stream.read_exact(&mut header)?;
        let (command, sequence, length) = (word(&header, 0), word(&header, 4), word(&header, 24));
        // Only what was read from the device has data behind it.
        let reads = Some(sequence) == self.asked || self.endpoints == (0, 0) && command == SUBMITTED;
        let mut data = vec![0; if reads { usize::try_from(length).unwrap_or(0).min(64 * 1024) } else { 0 }];
        self.stream.read_exact(&mut data)?;
        Ok((sequence, data))
    }

    fn write(&mut self, report: &[u8]) -> io::Result<()> {
        let sequence = self.submit(false, self.endpoints.1, [0; 8], report.len(), report)?;
        let until = Instant::now() + REPLY_TIMEOUT;
        while Instant::now() < until {
            if self.take(REPLY_TIMEOUT)? == Some(sequence) {
                return Ok(());
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// The next report, if one comes soon.
    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.reports.is_empty() {
            if self.asked.is_none() {
                self.asked = Some(self.submit(true, self.endpoints.0, [0; 8], PACKET, &[])?);
            }
            self.take(POLL_INTERVAL)?;
        }
        Ok(self.reports.pop_front())
    }

    /// Takes one answer, if one comes soon: to which request it was.
    fn take(&mut self, patience: Duration) -> io::Result<Option<u32>> {
        self.stream.set_read_timeout(Some(patience))?;
        let mut byte = [0];
        match self.stream.peek(&mut byte) {
            Ok(0) => {
                self.up = false;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Ok(None);
            }
            Err(error) => {
                self.up = false;
                return Err(error);
            }
        }
        self.stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
        let (sequence, data) = self.answer().inspect_err(|_| self.up = false)?;
        if Some(sequence) == self.asked {
            self.asked = None;
            self.reports.extend(data.chunks(PACKET).map(<[u8]>::to_vec));
        }
        Ok(Some(sequence))
    }
}

impl Drop for Wire {
    /// Takes back the request for a report: the other end would answer it after we have gone.
    fn drop(&mut self) {
        let Some(asked) = self.asked.filter(|_| self.up) else { return };
        self.sequence += 1;
        let mut urb = Vec::new();
        for field in [UNLINK, self.sequence, self.device, 0, self.endpoints.0, asked] {
            urb.extend(field.to_be_bytes());
        }
        urb.resize(48, 0);
        if self.stream.write_all(&urb).is_ok() {
            let unlink = self.sequence;
            while matches!(self.take(REPLY_TIMEOUT), Ok(Some(sequence)) if sequence != unlink) {}
        }
    }
}

#[derive(Debug)]
struct Pipe {
    link: Arc<UsbIpLink>,
    stop: Arc<AtomicBool>,
    channel: u32,
    /// It was told to stop: until when its last word is awaited.
    last: Option<Instant>,
}

impl Pipe {
    fn transmit(&self, message: &HidMessage) {
        let Ok(packets) = message.packets(PACKET) else { return };
        for mut report in packets {
            report.resize(PACKET, 0);
            // The end of the link is seen when an answer is awaited.
            let _ = self.link.wire().write(&report);
        }
    }
}

impl HidPipeBackend for Pipe {
    fn send(&mut self, message: &HidMessage) {
        self.channel = message.cid;
        // The key would wait for a touch after everything has been told to stop.
        if self.last.is_none() {
            self.transmit(message);
        }
    }

    /// The next message. The trait knows no failure: an empty one is not an answer to anything, and is taken for what
    /// it is, a key that is no longer there.
    fn recv(&mut self) -> HidMessage {
        let gone = HidMessage::new(self.channel, HidCommand::Cbor, &[]);
        let mut parser = HidMessageParser::new();
        loop {
            if self.last.is_none() && self.stop.load(Ordering::SeqCst) {
                self.last = Some(Instant::now() + FINAL_READ_TIMEOUT);
            }
            // Again and again: a key that has not begun with a command yet has nothing to cancel.
            if self.last.is_some() {
                self.transmit(&HidMessage::new(self.channel, HidCommand::Cancel, &[]));
            }
            if self.last.is_some_and(|until| Instant::now() > until) {
                return gone;
            }
            let Ok(report) = self.link.wire().read() else { return gone };
            // What another channel of this process has left is not ours.
            let Some(report) = report.filter(|report| word(report, 0) == self.channel) else { continue };
            match parser.update(&report) {
                Ok(HidMessageParserState::Done) => return parser.message().unwrap_or(gone),
                Ok(HidMessageParserState::MorePacketsExpected) => {}
                Err(_) => return gone,
            }
        }
    }
}

/// Interrupt endpoints of a configuration descriptor: to the host, to the device.
fn endpoints(descriptors: &[u8]) -> Option<(u32, u32)> {
    const ENDPOINT: u8 = 5;
    let (mut to_host, mut to_device, mut rest) = (None, None, descriptors);
    while let [length, kind, address, ..] = rest {
        match (*kind, address & 0x80 != 0) {
            (ENDPOINT, true) => to_host = Some(u32::from(address & 15)),
            (ENDPOINT, false) => to_device = Some(u32::from(address & 15)),
            _ => {}
        }
        rest = rest.get(usize::from(*length).max(1)..)?;
    }
    to_host.zip(to_device)
}

/// Four bytes, the first one the highest.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
}
