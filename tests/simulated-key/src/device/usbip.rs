//! A USB device's end of the bus, with the host at the other end of a TCP connection: the USB/IP protocol
//! (Documentation/usb/usbip_protocol.rst of Linux), version 1.1.1, one device, one host at a time.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use usb_device::bus::{PollResult, UsbBus};
use usb_device::endpoint::{EndpointAddress, EndpointType};
use usb_device::{Result as UsbResult, UsbDirection, UsbError};

/// The endpoints that can be had: control, and one each way for the class.
const ENDPOINTS: usize = 4;
/// No transfer of a security key is longer.
const LONGEST: u32 = 4096;
/// The bus, and the device on it, that the key says it is at.
const BUS_ID: &[u8] = b"1-1";
/// EPIPE and ECONNRESET, as Linux numbers them.
const STALLED: i32 = -32;
const UNLINKED: i32 = -104;

/// Identity of the device before it is attached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) vendor: u16,
    pub(super) product: u16,
}

/// The bus, from the device's side.
#[derive(Clone)]
pub(super) struct Bus(Arc<Wire>);

struct Wire {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    endpoints: [Endpoint; ENDPOINTS],
    /// Connection to the host that attached the device.
    host: Option<TcpStream>,
    /// A host has come or gone, which the device has not been told.
    reset: bool,
}

#[derive(Default)]
struct Endpoint {
    size_in: Option<u16>,
    size_out: Option<u16>,
    stalled: bool,
    /// Packets from the host, and the requests that are answered once the device has read them.
    received: VecDeque<(Option<u32>, Vec<u8>)>,
    /// A packet that the host has not asked for yet.
    ready: Option<Vec<u8>>,
    /// Requests of the host that wait for a packet.
    asked: VecDeque<u32>,
    /// The host has taken a packet, which the device has not been told.
    sent: bool,
    /// Control transfers: the one under way, and those after it.
    control: VecDeque<Control>,
}

struct Control {
    sequence: u32,
    setup: [u8; 8],
    /// The device has read the setup packet.
    begun: bool,
    /// Answer of the device, up to the requested length.
    data: Vec<u8>,
    length: usize,
    incoming: bool,
}

impl Bus {
    /// A bus with nothing on it.
    pub(super) fn new() -> Self {
        Self(Arc::new(Wire { state: Mutex::default(), changed: Condvar::new() }))
    }

    /// Waits until something happened on the bus, at most so long.
    pub(super) fn wait(&self, limit: Duration) {
        let state = self.0.lock();
        if !state.pending() {
            drop(self.0.changed.wait_timeout(state, limit));
        }
    }

    /// Serves hosts until the listener fails or says so.
    pub(super) fn serve(
        &self,
        listener: &TcpListener,
        identity: Identity,
        goes_on: &(dyn Fn() -> bool + Sync),
    ) {
        while let Ok((host, _)) = listener.accept() {
            if !goes_on() {
                return;
            }
            let bus = self.clone();
            std::thread::spawn(move || {
                // A host that says something else than USB/IP, or nothing, is left.
                let _ = bus.host(host, identity);
            });
        }
    }

    /// The device is pulled out: the host's connection ends.
    pub(super) fn cut(&self) {
        let state = self.0.lock();
        if let Some(host) = &state.host {
            let _ = host.shutdown(Shutdown::Both);
        }
    }

    fn host(&self, mut host: TcpStream, identity: Identity) -> std::io::Result<()> {
        host.set_nodelay(true)?;
        host.set_write_timeout(Some(Duration::from_secs(5)))?;
        let mut operation = [0; 8];
        host.read_exact(&mut operation)?;
        let [_, _, high, low, ..] = operation;
        match u16::from_be_bytes([high, low]) {
            // OP_REQ_DEVLIST
            0x8005 => {
                let mut answer = vec![0x01, 0x11, 0x00, 0x05, 0, 0, 0, 0, 0, 0, 0, 1];
                answer.extend(device(identity));
                // bInterfaceClass HID, and no more.
                answer.extend([3, 0, 0, 0]);
                host.write_all(&answer)
            }
            // OP_REQ_IMPORT
            0x8003 => {
                let mut bus_id = [0; 32];
                host.read_exact(&mut bus_id)?;
                if !bus_id.starts_with(BUS_ID) || !self.attach(&host)? {
                    return host.write_all(&[0x01, 0x11, 0x00, 0x03, 0, 0, 0, 1]);
                }
                let mut answer = vec![0x01, 0x11, 0x00, 0x03, 0, 0, 0, 0];
                answer.extend(device(identity));
                let ended = host.write_all(&answer).and_then(|()| self.requests(&mut host));
                self.detach();
                ended
            }
            _ => Ok(()),
        }
    }

    /// Attaches the device to this host. Returns `false` if another host keeps it.
    fn attach(&self, host: &TcpStream) -> std::io::Result<bool> {
        let end = Instant::now() + Duration::from_secs(2);
        let mut state = self.0.lock();
        while state.host.is_some() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.forget();
        state.host = Some(host.try_clone()?);
        self.0.changed.notify_all();
        Ok(true)
    }

    fn detach(&self) {
        let mut state = self.0.lock();
        state.forget();
        state.host = None;
        self.0.changed.notify_all();
    }

    /// The host's requests, until it goes.
    fn requests(&self, host: &mut TcpStream) -> std::io::Result<()> {
        loop {
            let mut header = [0; 48];
            host.read_exact(&mut header)?;
            let word = |at: usize| {
                let bytes = header.get(4 * at..4 * at + 4).and_then(|bytes| bytes.try_into().ok());
                bytes.map_or(0, u32::from_be_bytes)
            };
            let (command, sequence, incoming, number) = (word(0), word(1), word(3) == 1, word(4));
            match command {
                // USBIP_CMD_SUBMIT
                1 => {
                    let length = word(6).min(LONGEST);
                    let mut data = vec![0; if incoming { 0 } else { usize::try_from(length).unwrap_or(0) }];
                    host.read_exact(&mut data)?;
                    let setup =
                        header.get(40..48).and_then(|setup| setup.try_into().ok()).unwrap_or_default();
                    let length = usize::try_from(length).unwrap_or(0);
                    let request = Request { sequence, incoming, length, data, setup };
                    self.0.lock().submit(usize::try_from(number).unwrap_or(ENDPOINTS), request);
                }
                // USBIP_CMD_UNLINK
                2 => self.0.lock().unlink(sequence, word(5)),
                _ => return Ok(()),
            }
            self.0.changed.notify_all();
        }
    }
}

struct Request {
    sequence: u32,
    incoming: bool,
    length: usize,
    data: Vec<u8>,
    setup: [u8; 8],
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns whether the device has pending work.
    fn pending(&self) -> bool {
        self.reset
            || self.endpoints.iter().any(|endpoint| {
                endpoint.sent
                    || !endpoint.received.is_empty()
                    || endpoint.control.front().is_some_and(|it| !it.begun)
            })
    }

    /// Drops requests of the previous host.
    fn forget(&mut self) {
        for endpoint in &mut self.endpoints {
            let (size_in, size_out) = (endpoint.size_in, endpoint.size_out);
            *endpoint = Endpoint { size_in, size_out, ..Endpoint::default() };
        }
        self.reset = true;
    }

    fn submit(&mut self, number: usize, request: Request) {
        let Request { sequence, incoming, length, data, setup } = request;
        let Some(endpoint) = self.endpoints.get_mut(number) else {
            return self.answer(sequence, STALLED, 0, &[]);
        };
        if number == 0 {
            if !incoming && !data.is_empty() {
                endpoint.received.push_back((None, data));
            }
            endpoint.control.push_back(Control {
                sequence,
                setup,
                begun: false,
                data: Vec::new(),
                length,
                incoming,
            });
        } else if incoming {
            endpoint.asked.push_back(sequence);
            if let Some(packet) = endpoint.ready.take() {
                self.hand_over(number, &packet);
            }
        } else {
            endpoint.received.push_back((Some(sequence), data));
        }
    }

    fn unlink(&mut self, sequence: u32, gone: u32) {
        let mut found = false;
        for endpoint in &mut self.endpoints {
            let before = endpoint.asked.len() + endpoint.control.len() + endpoint.received.len();
            endpoint.asked.retain(|asked| *asked != gone);
            endpoint.control.retain(|control| control.sequence != gone);
            endpoint.received.retain(|(asked, _)| *asked != Some(gone));
            found |= before != endpoint.asked.len() + endpoint.control.len() + endpoint.received.len();
        }
        let status = if found { UNLINKED } else { 0 };
        // USBIP_RET_UNLINK
        self.send(&reply(4, sequence, status, 0, &[]));
    }

    /// Gives the host a packet that it waits for.
    fn hand_over(&mut self, number: usize, packet: &[u8]) {
        let Some(endpoint) = self.endpoints.get_mut(number) else { return };
        if let Some(sequence) = endpoint.asked.pop_front() {
            endpoint.sent = true;
            self.answer(sequence, 0, packet.len(), packet);
        }
    }

    fn answer(&mut self, sequence: u32, status: i32, length: usize, data: &[u8]) {
        self.send(&reply(3, sequence, status, length, data));
    }

    fn send(&mut self, message: &[u8]) {
        // A closed connection is detected by the reader of its requests.
        if let Some(host) = &mut self.host {
            let _ = host.write_all(message);
        }
    }
}

fn reply(command: u32, sequence: u32, status: i32, length: usize, data: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(48 + data.len());
    for word in [command, sequence, 0, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    message.extend(status.to_be_bytes());
    message.extend(u32::try_from(length).unwrap_or(0).to_be_bytes());
    message.resize(48, 0);
    message.extend(data);
    message
}

/// A device's entry: path, bus id, bus, device, speed, and what its descriptors say.
fn device(identity: Identity) -> Vec<u8> {
    let mut entry = b"/sys/devices/vitalsign-simulated/usb1/1-1".to_vec();
    entry.resize(256, 0);
    entry.extend(BUS_ID);
    entry.resize(256 + 32, 0);
    // Full speed, which is all that a security key needs.
    for word in [1u32, 2, 2] {
        entry.extend(word.to_be_bytes());
    }
    entry.extend(identity.vendor.to_be_bytes());
    entry.extend(identity.product.to_be_bytes());
    // bcdDevice, class, subclass and protocol by interface, configuration value, configurations, interfaces.
    entry.extend([0, 0x10, 0, 0, 0, 0, 1, 1]);
    entry
}

impl UsbBus for Bus {
    fn alloc_ep(
        &mut self,
        direction: UsbDirection,
        address: Option<EndpointAddress>,
        _: EndpointType,
        size: u16,
        _: u8,
    ) -> UsbResult<EndpointAddress> {
        let mut state = self.0.lock();
        let numbers = address.map_or(1..ENDPOINTS, |address| address.index()..address.index() + 1);
        for number in numbers {
            let endpoint = state.endpoints.get_mut(number).ok_or(UsbError::EndpointOverflow)?;
            let place = match direction {
                UsbDirection::In => &mut endpoint.size_in,
                UsbDirection::Out => &mut endpoint.size_out,
            };
            if place.is_none() {
                *place = Some(size);
                return Ok(EndpointAddress::from_parts(number, direction));
            }
        }
        Err(if address.is_some() { UsbError::InvalidEndpoint } else { UsbError::EndpointOverflow })
    }

    fn enable(&mut self) {}

    fn reset(&self) {}

    fn set_device_address(&self, _: u8) {}

    fn write(&self, address: EndpointAddress, packet: &[u8]) -> UsbResult<usize> {
        let mut state = self.0.lock();
        if state.host.is_none() {
            // Lost, as on a bus without a host.
            return Ok(packet.len());
        }
        let number = address.index();
        let endpoint = state.endpoints.get_mut(number).ok_or(UsbError::InvalidEndpoint)?;
        if number == 0 {
            endpoint.sent = true;
            let full = endpoint.size_in.is_some_and(|size| packet.len() == usize::from(size));
            // A packet of none after the last one of a transfer that is answered already belongs to no other.
            let Some(control) = endpoint.control.front_mut().filter(|control| control.begun) else {
                return Ok(packet.len());
            };
            control.data.extend(packet);
            if !control.incoming || !full || control.data.len() >= control.length {
                let Some(control) = endpoint.control.pop_front() else { return Ok(packet.len()) };
                let length = if control.incoming { control.data.len() } else { control.length };
                state.answer(control.sequence, 0, length, &control.data);
            }
        } else if !endpoint.asked.is_empty() {
            state.hand_over(number, packet);
        } else if endpoint.ready.is_none() {
            endpoint.ready = Some(packet.to_vec());
        } else {
            return Err(UsbError::WouldBlock);
        }
        Ok(packet.len())
    }

    fn read(&self, address: EndpointAddress, buffer: &mut [u8]) -> UsbResult<usize> {
        let mut state = self.0.lock();
        let endpoint = state.endpoints.get_mut(address.index()).ok_or(UsbError::InvalidEndpoint)?;
        if let Some(control) = endpoint.control.front_mut().filter(|control| !control.begun) {
            control.begun = true;
            buffer.get_mut(..8).ok_or(UsbError::BufferOverflow)?.copy_from_slice(&control.setup);
            return Ok(8);
        }
        let (sequence, packet) = endpoint.received.pop_front().ok_or(UsbError::WouldBlock)?;
        if let Some(sequence) = sequence {
            state.answer(sequence, 0, packet.len(), &[]);
        }
        buffer.get_mut(..packet.len()).ok_or(UsbError::BufferOverflow)?.copy_from_slice(&packet);
        Ok(packet.len())
    }

    fn set_stalled(&self, address: EndpointAddress, stalled: bool) {
        let mut state = self.0.lock();
        let Some(endpoint) = state.endpoints.get_mut(address.index()) else { return };
        endpoint.stalled = stalled;
        let refused = stalled && address.index() == 0 && endpoint.control.front().is_some_and(|it| it.begun);
        if refused && let Some(control) = endpoint.control.pop_front() {
            endpoint.received.clear();
            state.answer(control.sequence, STALLED, 0, &[]);
        }
    }

    fn is_stalled(&self, address: EndpointAddress) -> bool {
        self.0.lock().endpoints.get(address.index()).is_some_and(|endpoint| endpoint.stalled)
    }

    fn suspend(&self) {}

    fn resume(&self) {}

    fn poll(&self) -> PollResult {
        let mut state = self.0.lock();
        if std::mem::take(&mut state.reset) {
            return PollResult::Reset;
        }
        let (mut ep_out, mut ep_in_complete, mut ep_setup) = (0u16, 0u16, 0u16);
        for (number, endpoint) in state.endpoints.iter_mut().enumerate() {
            let bit = 1u16 << number;
            if endpoint.control.front().is_some_and(|control| !control.begun) {
                ep_setup |= bit;
            } else if !endpoint.received.is_empty() {
                ep_out |= bit;
            }
            if std::mem::take(&mut endpoint.sent) {
                ep_in_complete |= bit;
            }
        }
        if ep_out | ep_in_complete | ep_setup == 0 {
            return PollResult::None;
        }
        PollResult::Data { ep_out, ep_in_complete, ep_setup }
    }
}
