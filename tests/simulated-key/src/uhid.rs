//! Plugging a USB/IP security key into this machine's kernel without a USB bus: `/dev/uhid` makes a HID device of its
//! reports, so that it has a `/dev/hidraw` and the rights that udev gives it. The interface is that of the kernel's
//! `include/uapi/linux/uhid.h`.

use crate::vhci;
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

const UHID_DESTROY: u32 = 1;
const UHID_OUTPUT: u32 = 6;
const UHID_CREATE2: u32 = 11;
const UHID_INPUT2: u32 = 12;
/// Bytes of an event: its type, and the largest request, `uhid_create2_req`.
const EVENT: usize = 4 + 276 + DATA;
const DATA: usize = 4096;
const BUS_USB: u16 = 3;
/// Bytes of a report of a security key (CTAP 2.2 section 11.2.4).
const REPORT: usize = 64;
/// The endpoints of CTAPHID, one each way, and the control endpoint.
const CTAPHID: u32 = 1;
const CONTROL: u32 = 0;
/// Sequence number of the request for the next report; those of reports to the key come after it.
const NEXT_REPORT: u32 = 3;

/// Is the host of the device `1-1` of the server at this address, and hands its reports on, until one side goes.
///
/// # Errors
/// The device is missing, the kernel refuses it, or one of them says something else.
pub fn serve(server: SocketAddr) -> Result<()> {
    let (mut key, identity) = vhci::import(server)?;
    // SET_CONFIGURATION, and GET_DESCRIPTOR of the reports (USB 2.0 section 9.4, HID 1.11 section 7.1.1).
    submit(&mut key, 1, CONTROL, 0, [0, 9, 1, 0, 0, 0, 0, 0], &[])?;
    returned(&mut key)?;
    submit(&mut key, 2, CONTROL, 256, [0x81, 6, 0, 0x22, 0, 0, 0, 1], &[])?;
    let (_, descriptor) = returned(&mut key)?;
    ensure!(!descriptor.is_empty(), "the key describes no reports");

    let mut kernel = File::options().read(true).write(true).open("/dev/uhid").context("/dev/uhid")?;
    kernel.write_all(&create(identity, &descriptor)?)?;
    let link = Arc::new(Mutex::new(key.try_clone()?));
    let (mut events, to_key) = (kernel.try_clone()?, Arc::clone(&link));
    let ended = key.try_clone()?;
    std::thread::spawn(move || {
        let end = reports_to_key(&mut events, &to_key);
        if let Err(error) = end {
            eprintln!("/dev/uhid: {error:#}");
        }
        let _ = ended.shutdown(Shutdown::Both);
    });
    let end = reports_to_kernel(&mut key, &link, &mut kernel);
    // The other thread has the file open too, and waits for events.
    kernel.write_all(&event(UHID_DESTROY, &[]))?;
    end
}

/// Hands the key's reports to the programs that read them.
fn reports_to_kernel(key: &mut TcpStream, link: &Mutex<TcpStream>, kernel: &mut File) -> Result<()> {
    let ask = || {
        let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
        submit(&mut link, NEXT_REPORT, CTAPHID, REPORT, [0; 8], &[])
    };
    ask()?;
    loop {
        let (sequence, report) = returned(key)?;
        if sequence == NEXT_REPORT {
            let size = u16::try_from(report.len())?.to_ne_bytes();
            kernel.write_all(&event(UHID_INPUT2, &[&size, &*report].concat()))?;
            ask()?;
        }
    }
}

fn event(kind: u32, request: &[u8]) -> Vec<u8> {
    let mut event = [&kind.to_ne_bytes(), request].concat();
    event.resize(EVENT, 0);
    event
}

/// Hands the reports that programs write to the key.
fn reports_to_key(events: &mut File, link: &Mutex<TcpStream>) -> Result<()> {
    let mut sequence = NEXT_REPORT;
    loop {
        let mut event = [0; EVENT];
        let count = events.read(&mut event)?;
        let (kind, rest) = event.split_at(4);
        if count < 4 || u32::from_ne_bytes(kind.try_into()?) != UHID_OUTPUT {
            continue;
        }
        let (data, size) = rest.split_at(DATA);
        let size = size.first_chunk().map_or(0, |size| u16::from_ne_bytes(*size)).into();
        let data = data.get(..size).context("a report without end")?;
        // Reports without a number have number 0 in front.
        let report = if size > REPORT { data.get(1..).unwrap_or_default() } else { data };
        sequence = sequence.wrapping_add(1).max(NEXT_REPORT + 1);
        let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
        submit(&mut link, sequence, CTAPHID, report.len(), [0; 8], report)?;
    }
}

/// Writes a USBIP_CMD_SUBMIT. A request without data is one for data.
fn submit(
    key: &mut TcpStream,
    sequence: u32,
    endpoint: u32,
    length: usize,
    setup: [u8; 8],
    data: &[u8],
) -> Result<()> {
    let incoming = u32::from(data.is_empty() && length > 0);
    let mut message = Vec::with_capacity(48 + data.len());
    // Command, sequence number, device, direction, endpoint, flags, length, and what only isochronous transfers have.
    for word in [1, sequence, 0x0001_0002, incoming, endpoint, 0, u32::try_from(length)?, 0, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    message.extend(setup);
    message.extend(data);
    Ok(key.write_all(&message)?)
}

/// Reads a USBIP_RET_SUBMIT: the sequence number of its request, and the data that the key sent.
fn returned(key: &mut TcpStream) -> Result<(u32, Vec<u8>)> {
    let mut header = [0; 48];
    key.read_exact(&mut header).context("the key is gone")?;
    let word = |at: usize| {
        let bytes = header.get(4 * at..4 * at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    };
    let (command, sequence, status, length) = (word(0), word(1), word(5), usize::try_from(word(6))?);
    ensure!(command == 3 && status == 0, "the key refuses request {sequence}: {status:#x}");
    // Requests that send data are answered with its length alone.
    let is_answer = sequence <= NEXT_REPORT;
    ensure!(length <= DATA, "{length} bytes of data");
    let mut data = vec![0; if is_answer { length } else { 0 }];
    key.read_exact(&mut data)?;
    Ok((sequence, data))
}

/// The event with which a device begins.
fn create((vendor, product): (u16, u16), descriptor: &[u8]) -> Result<Vec<u8>> {
    ensure!(descriptor.len() <= DATA, "a long descriptor");
    // Name; physical path and serial number are empty.
    let mut request = b"Vitalsign simulated security key".to_vec();
    request.resize(128 + 64 + 64, 0);
    request.extend(u16::try_from(descriptor.len())?.to_ne_bytes());
    request.extend(BUS_USB.to_ne_bytes());
    // Vendor, product, version, country.
    for number in [u32::from(vendor), u32::from(product), 0, 0] {
        request.extend(number.to_ne_bytes());
    }
    request.extend(descriptor);
    Ok(event(UHID_CREATE2, &request))
}
