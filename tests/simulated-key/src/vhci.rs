//! Plugging a USB/IP device into this machine's kernel (`vhci-hcd`), so that it is a device like any other: `usbhid` takes
//! it, and it has a `/dev/hidraw`. The protocol is that of the kernel's Documentation/usb/usbip_protocol.rst.

use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};

const PORTS: &str = "/sys/devices/platform/vhci_hcd.0";
const VERSION: u16 = 0x0111;
const IMPORT: u16 = 0x8003;
const IMPORT_REPLY: u16 = 0x0003;
/// The kernel's number for full speed, which USB security keys run at.
const FULL_SPEED: u32 = 2;

/// Returns whether this is the guest of `tests/vm`, whose kernel accepts USB devices over the network. Other
/// kernels are left alone, because their devices belong to others.
#[must_use]
pub fn is_there() -> bool {
    std::env::var_os("VITALSIGN_GUEST").is_some()
}

/// A device that is plugged in. Unplugged when this goes.
#[derive(Debug)]
pub struct Plugged {
    port: u32,
    /// Keeps the device attached; the kernel holds a separate reference.
    _connection: TcpStream,
}

impl Plugged {
    /// Attaches the device `1-1` of the server at this address.
    ///
    /// # Errors
    /// The device is missing, or the kernel rejects it.
    pub fn into_this_kernel(server: SocketAddr) -> Result<Self> {
        let (connection, device) = imported(server)?;
        let (bus, device_number) =
            number(&device, 288).zip(number(&device, 292)).context("no device number")?;
        let port = free_port()?;
        let device_id = (bus << 16) | device_number;
        let line = format!("{port} {} {device_id} {FULL_SPEED}", connection.as_raw_fd());
        std::fs::write(Path::new(PORTS).join("attach"), line)
            .context("the kernel does not take the device")?;
        Ok(Self { port, _connection: connection })
    }
}

/// Becomes the host of the device `1-1` of the server at this address; returns its vendor and product too.
pub(crate) fn import(server: SocketAddr) -> Result<(TcpStream, (u16, u16))> {
    let (connection, device) = imported(server)?;
    let identity = number(&device, 300).context("no identity")?.to_be_bytes();
    let [a, b, c, d] = identity;
    Ok((connection, (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))))
}

/// Returns the connection to the device, and its entry.
fn imported(server: SocketAddr) -> Result<(TcpStream, [u8; 312])> {
    let mut connection = TcpStream::connect(server)?;
    connection.set_nodelay(true)?;
    let mut request = Vec::with_capacity(40);
    request.extend_from_slice(&VERSION.to_be_bytes());
    request.extend_from_slice(&IMPORT.to_be_bytes());
    request.extend_from_slice(&[0; 4]);
    request.extend_from_slice(b"1-1");
    request.resize(40, 0);
    connection.write_all(&request)?;
    let mut reply = [0; 8];
    connection.read_exact(&mut reply)?;
    let accepted = [VERSION.to_be_bytes(), IMPORT_REPLY.to_be_bytes(), [0; 2], [0; 2]].concat();
    ensure!(reply == *accepted, "the USB/IP server refuses: {reply:?}");
    let mut device = [0; 312];
    connection.read_exact(&mut device)?;
    Ok((connection, device))
}

fn number(device: &[u8; 312], at: usize) -> Option<u32> {
    device.get(at..at + 4).and_then(|it| it.try_into().ok()).map(u32::from_be_bytes)
}

impl Drop for Plugged {
    fn drop(&mut self) {
        // It may be gone already: then there is nothing to unplug.
        let _ = std::fs::write(Path::new(PORTS).join("detach"), self.port.to_string());
    }
}

/// The first high-speed port to which nothing is plugged. Lines are `hs  0000 004 …`: hub, port, status; 4 is free.
fn free_port() -> Result<u32> {
    let status = std::fs::read_to_string(Path::new(PORTS).join("status"))?;
    let free = status.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let (hub, port, state) = (fields.next()?, fields.next()?, fields.next()?);
        (hub == "hs" && state == "004").then(|| port.parse().ok())?
    });
    free.context("no port is free")
}

/// Runs a test of this test program, by its full name, in a guest whose kernel takes such devices (`tests/vm`).
///
/// # Errors
/// When the guest does not start, or the test fails there.
pub fn in_a_guest(test: &str) -> Result<()> {
    let run = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../vm/run.sh"));
    let mut command = Command::new(run);
    command.arg(std::env::current_exe()?).args(["--exact", test, "--nocapture", "--test-threads=1"]);
    let output = command.stdin(Stdio::null()).output().context("tests/vm/run.sh")?;
    let (said, heard) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{test} in a guest: {}\n{said}\n{heard}", output.status);
    // A name that fits no test would pass as well.
    ensure!(said.contains("1 passed"), "{test} did not run in the guest:\n{said}");
    Ok(())
}
