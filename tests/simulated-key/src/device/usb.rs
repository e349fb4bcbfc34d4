//! The key as a USB device: CTAPHID as a real one speaks it, on a bus that is reached by USB/IP.

use super::usbip::{Bus, Identity};
use super::{Fido, Key, control};
use anyhow::{Context, Result, anyhow};
use ctaphid_dispatch::app::{App, Command, Error};
use ctaphid_dispatch::{Channel, DEFAULT_MESSAGE_SIZE, Dispatch};
use heapless_bytes::BytesView;
use ref_swap::OptionRefSwap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use trussed_core::InterruptFlag;
use usb_device::LangID;
use usb_device::bus::UsbBusAllocator;
use usb_device::device::{StringDescriptors, UsbDeviceBuilder, UsbVidPid};
use usbd_ctaphid::CtapHid;
use usbd_ctaphid::types::Status;
use vitalsign_simulated_key::uhid;

/// pid.codes keeps this number for tests that leave no room.
const IDENTITY: Identity = Identity { vendor: 0x1209, product: 0x0001 };

/// Status codes (CTAP 2.2 section 8.2).
const OPERATION_DENIED: u8 = 0x27;
const USER_ACTION_TIMEOUT: u8 = 0x2f;

/// Flag of the request that a cancellation interrupts.
static WORKING: OptionRefSwap<'static, InterruptFlag> = OptionRefSwap::new(None);

/// Is in a port of the bus at that address, whenever it is plugged in; or in this machine's kernel.
pub(super) fn run(key: &Key<'_>, address: SocketAddr, in_kernel: bool) -> Result<()> {
    let mut address = address;
    while key.control.until_plugged_in() {
        let listener = TcpListener::bind(address).with_context(|| format!("listening at {address}"))?;
        // The next time it is the same port.
        address = listener.local_addr()?;
        let bus = Bus::new();
        std::thread::scope(|threads| {
            let control = &*key.control;
            let goes_on = || control.plugged();
            threads.spawn({
                let bus = bus.clone();
                move || bus.serve(&listener, IDENTITY, &goes_on)
            });
            if in_kernel {
                // It ends when the key is pulled out.
                threads.spawn(move || {
                    let end = uhid::serve(address);
                    if control.plugged() {
                        end.inspect_err(|error| eprintln!("uhid: {error:#}")).ok();
                    }
                });
            }
            control::say(&format!("ready usb {address}"));
            let ended = key.powered(false, |fido| be_in_port(key, fido, &bus));
            bus.cut();
            // The server waits for a host; this connection makes it check whether the device still exists.
            drop(TcpStream::connect(address));
            ended
        })??;
        control::say("unplugged");
    }
    Ok(())
}

fn be_in_port(key: &Key<'_>, fido: &mut Fido<'_>, bus: &Bus) -> Result<()> {
    let channel = Channel::<DEFAULT_MESSAGE_SIZE>::new();
    let (requests, answers) = channel.split().context("the channel is new")?;
    let allocator = UsbBusAllocator::new(bus.clone());
    let mut ctaphid = CtapHid::with_interrupt(&allocator, requests, Some(&WORKING), 0)
        .implements_ctap1()
        .implements_ctap2()
        .implements_wink();
    let strings = StringDescriptors::new(LangID::EN_US)
        .manufacturer("Vitalsign simulated")
        .product("Vitalsign simulated security key");
    let mut device = UsbDeviceBuilder::new(&allocator, UsbVidPid(IDENTITY.vendor, IDENTITY.product))
        .strings(&[strings])
        .map_err(|error| anyhow!("the key's names: {error:?}"))?
        .max_packet_size_0(64)
        .map_err(|error| anyhow!("the key's packets: {error:?}"))?
        .build();
    let off = AtomicBool::new(false);
    let denies_late = key.denies_late;
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut dispatch = Dispatch::with_interrupt(answers, Some(&WORKING));
            let mut fido = Maker { fido, denies_late };
            while !off.load(Ordering::Relaxed) {
                dispatch.poll(&mut [&mut fido]);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let mut keepalive = Keepalive::default();
        while key.control.plugged() {
            ctaphid.check_for_app_response();
            device.poll(&mut [&mut ctaphid]);
            keepalive.look(&mut ctaphid);
            bus.wait(Duration::from_millis(1));
        }
        off.store(true, Ordering::Relaxed);
    });
    Ok(())
}

/// The authenticator with its maker's choice of errors.
struct Maker<'a, 'f> {
    fido: &'a mut Fido<'f>,
    denies_late: bool,
}

impl App<'static> for Maker<'_, '_> {
    fn commands(&self) -> &'static [Command] {
        App::commands(self.fido)
    }

    fn call(&mut self, command: Command, request: &[u8], response: &mut BytesView) -> Result<(), Error> {
        App::call(self.fido, command, request, response)?;
        if self.denies_late && command == Command::Cbor && response[..] == [USER_ACTION_TIMEOUT] {
            response.clear();
            response.push(OPERATION_DENIED).map_err(|_| Error::NoResponse)?;
        }
        Ok(())
    }

    fn interrupt(&self) -> Option<&'static InterruptFlag> {
        App::interrupt(self.fido)
    }
}

/// Time of the next keepalive to the host (CTAP 2.1 section 11.2.9.1.5).
#[derive(Default)]
struct Keepalive(Option<Instant>);

impl Keepalive {
    fn look<const N: usize>(&mut self, ctaphid: &mut CtapHid<'_, '_, '_, Bus, N>) {
        let next = |status| match status {
            Status::ReceivedData(pause) => Some(Instant::now() + Duration::from_millis(pause.0.into())),
            Status::Idle => None,
        };
        match self.0 {
            None => self.0 = next(ctaphid.did_start_processing()),
            Some(due) if Instant::now() >= due => {
                let waits = control::WAITS_FOR_TAP.load(Ordering::Relaxed);
                self.0 = next(ctaphid.send_keepalive(waits));
            }
            Some(_) => {}
        }
    }
}
