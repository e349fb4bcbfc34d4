//! Finds connected security keys.
//!
//! A scan is cheap enough for several times a second: it lists raw HID devices and the smart card service's
//! reader states. Devices are opened only after a change.

use crate::ceremony::Transport;
use libwebauthn::transport::hid::HidDevice;
use libwebauthn::transport::hid::device::HidBackendDevice;
use libwebauthn::transport::nfc::pcsc::Info;
use libwebauthn::transport::nfc::{NfcDevice, NfcDeviceSliceExt};
use pcsc::{Context, ReaderState, Scope, State};
use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const HIDRAW: &str = "/sys/class/hidraw";

/// Attachment of a key: stable until it is removed, and different after it is connected again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum AttachPoint {
    /// A raw HID device: its node, and the system's name for this one attachment of it.
    Hid(CString, PathBuf),
    /// A reader, and how many cards came and went there.
    Reader(CString, u32),
    /// A key of a [`KeySource`], with the number of its connection.
    Source(u64),
}

/// A key that is there; in a reader, it may turn out to be a card of another kind.
#[derive(Clone, Debug)]
pub(super) struct FoundKey {
    pub(super) place: AttachPoint,
    /// Name given by the vendor or the reader.
    pub(super) name: String,
    pub(super) device: KeyDevice,
}

/// Handle for opening a key.
#[derive(Clone, Debug)]
pub(super) enum KeyDevice {
    Hid(HidDevice),
    Nfc(NfcDevice),
    Source(Arc<dyn OpenKey>),
}

/// A source of keys besides raw HID devices and readers. Only test builds have one.
pub(super) trait KeySource: Send {
    /// Returns the connected key, if there is one, with a number that changes with each connection.
    fn look(&mut self) -> Option<(u64, Arc<dyn OpenKey>)>;
}

/// A connected key of a [`KeySource`].
pub(super) trait OpenKey: Debug + Send + Sync {
    fn name(&self) -> String;

    /// Opens the key as a HID device that cancels its operation once `stop` is set.
    fn open(&self, stop: Arc<AtomicBool>) -> HidDevice;
}

/// Makes a [`KeySource`] for each finder.
pub(super) trait NewKeySource: Debug + Send + Sync {
    fn start(&self) -> Box<dyn KeySource>;

    /// Returns whether the key is connected, without using it.
    fn is_there(&self) -> bool;
}

impl KeyDevice {
    pub(super) fn transport(&self) -> Transport {
        match self {
            Self::Hid(_) | Self::Source(_) => Transport::Usb,
            Self::Nfc(_) => Transport::Nfc,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct SearchScope {
    /// Among the raw HID devices.
    pub(super) usb: bool,
    pub(super) readers: bool,
    pub(super) source: Option<Arc<dyn NewKeySource>>,
}

impl SearchScope {
    /// Wherever this system has keys. A test build that was given an address looks there alone, so that a key of the
    /// person who runs the tests is not asked.
    pub(super) fn system() -> Self {
        #[cfg(feature = "testing")]
        if let Some(address) = super::testing::usbip::address() {
            return Self { usb: false, readers: false, source: Some(Arc::new(address)) };
        }
        Self { usb: true, readers: true, source: None }
    }
}

/// Looks again and again, and remembers what it saw.
pub(super) struct Finder {
    scope: SearchScope,
    nodes: BTreeMap<String, PathBuf>,
    hid: Vec<HidDevice>,
    cards: Option<Context>,
    /// Whether a reader belongs to a key that is already reached by USB.
    duplicates: HashMap<CString, bool>,
    source: Option<Box<dyn KeySource>>,
}

impl Finder {
    /// Creates a finder without known keys.
    pub(super) fn new(scope: &SearchScope) -> Self {
        Self {
            scope: scope.clone(),
            nodes: BTreeMap::new(),
            hid: Vec::new(),
            cards: None,
            duplicates: HashMap::new(),
            source: scope.source.as_ref().map(|source| source.start()),
        }
    }

    /// The keys that are there now.
    pub(super) async fn look(&mut self) -> Vec<FoundKey> {
        if self.scope.usb {
            self.look_at_usb().await;
        }
        let mut found: Vec<FoundKey> = self.hid.iter().filter_map(|device| self.by_usb(device)).collect();
        if self.scope.readers {
            found.extend(self.in_readers());
        }
        if let Some((connection, key)) = self.source.as_mut().and_then(|source| source.look()) {
            let place = AttachPoint::Source(connection);
            found.push(FoundKey { place, name: key.name(), device: KeyDevice::Source(key) });
        }
        found
    }

    async fn look_at_usb(&mut self) {
        let nodes = nodes();
        if nodes == self.nodes {
            return;
        }
        match libwebauthn::transport::hid::list_devices().await {
            Ok(devices) => {
                self.hid = devices;
                self.nodes = nodes;
                self.duplicates.clear();
            }
            Err(error) => tracing::warn!(%error, "USB devices cannot be listed"),
        }
    }

    fn by_usb(&self, device: &HidDevice) -> Option<FoundKey> {
        let path = match &device.backend {
            HidBackendDevice::HidApiDevice(info) => info.path().to_owned(),
            #[cfg(feature = "testing")]
            HidBackendDevice::VirtualDevice(_) => return None,
        };
        let node = path.to_str().ok()?.rsplit('/').next()?;
        let attachment = self.nodes.get(node)?.clone();
        let (place, name) = (AttachPoint::Hid(path, attachment), device.to_string());
        Some(FoundKey { place, name, device: KeyDevice::Hid(device.clone()) })
    }

    /// The readers with a card in them. No card service, no reader and no card are all the same: nothing is there.
    fn in_readers(&mut self) -> Vec<FoundKey> {
        let Some(states) = self.readers() else {
            self.cards = None;
            return Vec::new();
        };
        let with_card = states.into_iter().filter(|reader| {
            // A card that did not respond at first may respond now.
            let state = reader.event_state();
            state.contains(State::PRESENT) && !state.contains(State::EXCLUSIVE)
        });
        let found = with_card.map(|reader| {
            let name = reader.name().to_owned();
            let device = NfcDevice::new_pcsc(Info::new(&name));
            let place = AttachPoint::Reader(name.clone(), reader.event_count());
            (
                name.clone(),
                FoundKey { place, name: name.to_string_lossy().into_owned(), device: KeyDevice::Nfc(device) },
            )
        });
        let found: Vec<_> = found.collect();
        let kept = found.into_iter().filter(|(name, found)| !self.is_duplicate(name, &found.device));
        kept.map(|(_, found)| found).collect()
    }

    fn readers(&mut self) -> Option<Vec<ReaderState>> {
        let context = match self.cards.take() {
            Some(context) => context,
            None => Context::establish(Scope::User).ok()?,
        };
        let names = context.list_readers_owned().ok()?;
        let mut states: Vec<_> =
            names.into_iter().map(|name| ReaderState::new(name, State::UNAWARE)).collect();
        if !states.is_empty() {
            context.get_status_change(Duration::ZERO, &mut states).ok()?;
        }
        self.cards = Some(context);
        Some(states)
    }

    fn is_duplicate(&mut self, name: &CString, device: &KeyDevice) -> bool {
        let KeyDevice::Nfc(device) = device else { return false };
        let hid = &self.hid;
        *self.duplicates.entry(name.clone()).or_insert_with(|| {
            !hid.is_empty() && std::slice::from_ref(device).without_hid_duplicates(hid).is_empty()
        })
    }
}

/// The raw HID devices, each with the system's name for this one attachment of it.
fn nodes() -> BTreeMap<String, PathBuf> {
    let entries = std::fs::read_dir(HIDRAW).into_iter().flatten().flatten();
    let nodes = entries.filter_map(|entry| {
        let attachment = std::fs::read_link(entry.path()).ok()?;
        Some((entry.file_name().into_string().ok()?, attachment))
    });
    nodes.collect()
}
