//! The key: `fido-authenticator` with a file system, random numbers, a finger, and a plug.

mod control;
mod nfc;
mod pin;
mod usb;
mod usbip;

use anyhow::{Context, Result};
use clap::Parser;
use control::{Control, Finger};
use fido_authenticator::{Authenticator, Config, Conforming, FirmwareVersion};
use littlefs2_core::{Path as InKey, path};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use trussed::backend::BackendId;
use trussed::pipe::{ServiceEndpoint, TrussedChannel};
use trussed::service::Service;
use trussed::store::Store as _;
use trussed::types::CoreContext;
use trussed::virt::{StorageConfig, Store, StoreConfig};
use trussed::{ClientImplementation, platform};
use trussed_core::InterruptFlag;
use trussed_staging::virt::{BackendIds, Dispatcher};
use vitalsign_simulated_key::KeyVendor;

/// A security key in software, for tests and demonstrations. It protects nothing.
///
/// Its state is told on standard output, one line each: `ready nfc|usb ADDRESS`, `unplugged`, `tap: press Enter`
/// (`tap: wanted`), `tap: given`, `tap: no longer wanted`. It is told what to do on standard input, one line each: `tap`
/// or an empty line, `unplug`, `plug in`. It ends when its input ends.
#[derive(Debug, Parser)]
#[command(name = "vitalsign-simulated-key", version)]
#[command(group = clap::ArgGroup::new("transport").required(true))]
struct Arguments {
    /// Be a contactless key, in the virtual reader of vsmartcard-vpcd at this address.
    #[arg(long, group = "transport", value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:35963")]
    nfc: Option<SocketAddr>,
    /// Be a USB key, exported by USB/IP at this address; port 0 chooses a free one
    #[arg(long, group = "transport", value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:3240")]
    usb: Option<SocketAddr>,
    /// Be a USB key of this machine's kernel, through `/dev/uhid`, which needs root
    #[arg(long, group = "transport")]
    uhid: bool,
    /// Set this PIN unless the key has one
    #[arg(long, value_name = "PIN")]
    pin: Option<String>,
    /// Remaining PIN attempts: the others are used up before the key is ready
    #[arg(long, value_name = "NUMBER", default_value = "8", requires = "pin", value_parser = clap::value_parser!(u8).range(1..=8))]
    pin_attempts: u8,
    /// Source of touches: `auto`, `ask` (a line on standard input), or a file that appears and is then
    /// removed
    #[arg(long, value_name = "auto|ask|FILE", default_value = "ask")]
    tap: Finger,
    /// Time for which it waits for a touch, in milliseconds [default: 30000]
    #[arg(long, value_name = "NUMBER")]
    touch_timeout: Option<u32>,
    /// Report the end of that time as OPERATION_DENIED, as some makers' keys do, and not as USER_ACTION_TIMEOUT. USB only
    #[arg(long)]
    denies_late: bool,
    /// Folder of the key's vendor; an empty one gets a new vendor
    #[arg(long, value_name = "FOLDER")]
    maker: PathBuf,
    /// Keep credentials and PIN in this file.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// Runs the program.
///
/// # Errors
/// When the key cannot be made or reached.
pub(crate) fn run() -> Result<()> {
    let arguments = Arguments::parse();
    // Its threads wait for each other: with one gone there is no key.
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::exit(101);
    }));
    let maker = KeyVendor::in_folder(&arguments.maker)?;
    let mut storage = StoreConfig::ram();
    if let Some(file) = &arguments.state {
        storage.internal = StorageConfig::filesystem(file.clone());
    }
    storage.with_store(|store| {
        provision(store, &maker)?;
        let control = Control::start(arguments.tap.clone());
        let (touch_timeout, denies_late) = (arguments.touch_timeout, arguments.denies_late);
        let key = Key { store, control, touch_timeout, denies_late };
        if let Some(pin) = &arguments.pin {
            key.preset(pin, arguments.pin_attempts)?;
        }
        match (arguments.nfc, arguments.usb) {
            (Some(reader), _) => nfc::run(&key, reader),
            (_, Some(address)) => usb::run(&key, address, false),
            (None, None) => usb::run(&key, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), true),
        }
    })
}

/// Puts the attestation where the authenticator looks for it.
fn provision(store: Store<'_>, maker: &KeyVendor) -> Result<()> {
    let (certificate, private_key) = maker.attestation()?;
    let files = store.ifs();
    let put = |folder: &InKey, file: &InKey, content: &[u8]| {
        files.create_dir_all(folder).and_then(|()| files.write(file, content))
    };
    put(path!("fido/x5c"), path!("fido/x5c/00"), &certificate)
        .and_then(|()| put(path!("fido/sec"), path!("fido/sec/00"), &private_key))
        .map_err(|error| anyhow::anyhow!("giving the key its attestation: {error:?}"))
}

/// Interrupts the authenticator while it waits for a touch.
static INTERRUPT: InterruptFlag = InterruptFlag::new();

static BACKENDS: &[BackendId<BackendIds>] = &[BackendId::Custom(BackendIds::StagingBackend), BackendId::Core];

/// Full type of the authenticator.
type Fido<'a> = Authenticator<Conforming, ClientImplementation<'a, Doorbell, Dispatcher>>;

/// The key as it lies there: what it remembers, and who may touch it.
struct Key<'s> {
    store: Store<'s>,
    control: Arc<Control>,
    touch_timeout: Option<u32>,
    denies_late: bool,
}

impl Key<'_> {
    /// Lets current flow through the key for as long as `during` takes.
    fn powered<R>(&self, nfc: bool, during: impl FnOnce(&mut Fido<'_>) -> R) -> Result<R> {
        let pipe = TrussedChannel::new();
        let (requests, answers) = pipe.split().context("the pipe is new")?;
        let client = path!("fido");
        let endpoint = ServiceEndpoint::new(
            answers,
            CoreContext::with_interrupt(client.into(), Some(&INTERRUPT)),
            BACKENDS,
        );
        let parts = Parts {
            random: ChaCha8Rng::from_entropy(),
            store: self.store,
            presence: control::Presence::new(Arc::clone(&self.control)),
        };
        let mut service = Service::with_dispatch(parts, Dispatcher::default());
        let mut config = Config::new(3072);
        config.nfc_transport = nfc;
        config.firmware_version = Some(FirmwareVersion::new(1));
        config.max_resident_credential_count = Some(20);
        config.fido2_up_timeout = self.touch_timeout;
        Ok(std::thread::scope(|threads| {
            let (doorbell, rings) = channel();
            threads.spawn(move || {
                let mut endpoints = [endpoint];
                for () in rings {
                    service.process(&mut endpoints);
                }
            });
            let client = ClientImplementation::new(requests, Doorbell(doorbell), Some(&INTERRUPT));
            // The doorbell goes with it, and so does the thread.
            during(&mut Authenticator::new(client, Conforming {}, config))
        }))
    }

    /// Sets a missing PIN, and uses up attempts.
    fn preset(&self, pin: &str, attempts: u8) -> Result<()> {
        let mut wrong = self.powered(false, |fido| pin::set(fido, pin, attempts))??;
        while wrong > 0 {
            // Three in a row, and it wants to be pulled out first.
            let now = wrong.min(2);
            self.powered(false, |fido| (0..now).try_for_each(|_| pin::mistake(fido, pin)))??;
            wrong -= now;
        }
        Ok(())
    }
}

/// Platform for Trussed.
struct Parts<'s> {
    random: ChaCha8Rng,
    store: Store<'s>,
    presence: control::Presence,
}

impl<'s> platform::Platform for Parts<'s> {
    type R = ChaCha8Rng;
    type S = Store<'s>;
    type UI = control::Presence;

    fn rng(&mut self) -> &mut Self::R {
        &mut self.random
    }

    fn store(&self) -> Self::S {
        self.store
    }

    fn user_interface(&mut self) -> &mut Self::UI {
        &mut self.presence
    }
}

/// Tells the service that there is a request.
struct Doorbell(Sender<()>);

impl platform::Syscall for Doorbell {
    fn syscall(&mut self) {
        // Fails once the power is off.
        let _ = self.0.send(());
    }
}
