//! The report key in a TPM. It stays loaded, so that a report costs one command.

use super::device::{OWNER, TpmDevice, handle, password, split};
use super::endorser::Endorser;
use super::failure::CommandError;
use super::state::{self, Blob, StoredKeys};
use super::template::storage_root_template;
use super::transport::Address;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tpm2_protocol::data::{
    Tpm2bData, Tpm2bDigest, Tpm2bPublic, Tpm2bSensitiveCreate, TpmAlgId, TpmCap, TpmPt, TpmRh, TpmSt,
    TpmlPcrSelection, TpmsPcrSelect, TpmsPcrSelection, TpmtPublic, TpmtSigScheme, TpmtTkHashcheck,
    TpmuCapabilities,
};
use tpm2_protocol::frame::{
    TpmCertifyCommand, TpmCreateCommand, TpmGetCapabilityCommand, TpmGetCapabilityResponse, TpmLoadCommand,
    TpmPcrReadCommand, TpmPcrReadResponse, TpmQuoteCommand, TpmReadClockCommand, TpmReadClockResponse,
    TpmSignCommand,
};
use vitalsign_platform_api::{DeviceKey, KeyError};
use vitalsign_protocol::cose::PublicKey;
use vitalsign_protocol::evidence::{self, BootEvidence};
use vitalsign_protocol::fact::Fact;
use vitalsign_protocol::id::{Base64Url, Digest, Secret};
use vitalsign_protocol::message::{EncryptedCredential, EnrolmentKeys};
use vitalsign_protocol::posture::{Key, KeyStorage};
use vitalsign_tpm::attest::{AttestationKey, es256, verify_certify};
use vitalsign_tpm::codec;
use vitalsign_tpm::eventlog::MAX_LOG_BYTES;
use vitalsign_tpm::public::{Public, signing_template};

/// Firmware, boot loader and what they hand over to; the unified kernel image; shim's keys.
const QUOTED_PCRS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 14];
/// Persistent handle of the storage root key on PCs, if provisioned.
const STORAGE_ROOT: u32 = 0x8100_0001;
/// The kernel's copy of the firmware's event log.
const EVENT_LOG: &str = "/sys/kernel/security/tpm0/binary_bios_measurements";
/// PCRs that change while we read them are read again so often.
const QUOTE_TRIES: usize = 5;

/// Options for opening a key.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that keeps the key blobs.
    pub state: PathBuf,
    /// The firmware's event log, where the TPM is the machine's own.
    pub event_log: Option<PathBuf>,
    /// Time limit of one command. Vendors' own limits are up to several seconds.
    pub deadline: Duration,
}

/// A report key in a TPM.
pub struct TpmKey {
    device: TpmDevice,
    options: Options,
    state: StoredKeys,
    public: PublicKey,
    /// The report key's handle, and the connection that it belongs to.
    loaded: Option<(u32, u64)>,
    endorser: Option<Endorser>,
    properties: Properties,
}

/// Opens the TPM that `spec` names (see [`Address`]) and the keys whose blobs are in the folder `state`; makes them, when
/// there are none. Without an `event_log` the log is the kernel's, for a TPM that is a device of this machine.
///
/// # Errors
/// [`KeyError::Lost`] when the TPM no longer has the keys: call [`set_aside`], and enrol again.
pub fn open(spec: &str, state: &Path, event_log: Option<&Path>) -> Result<TpmKey, KeyError> {
    let address: Address = spec.parse()?;
    let kernel = matches!(address, Address::TpmDevice(_)).then(|| PathBuf::from(EVENT_LOG));
    let event_log = event_log.map(Path::to_path_buf).or(kernel);
    TpmKey::open(
        address,
        Options { state: state.to_path_buf(), event_log, deadline: Duration::from_secs(20) },
    )
}

/// Sets lost keys aside, so that the next opening makes new ones.
///
/// # Errors
/// The state folder cannot be written.
pub fn set_aside(state: &Path) -> Result<(), KeyError> {
    state::set_aside(state).map_err(KeyError::from)
}

/// Replaces the keys by those that were set aside, and returns whether there were any.
///
/// # Errors
/// The state folder cannot be written.
pub fn restore(state: &Path) -> Result<bool, KeyError> {
    state::restore(state).map_err(KeyError::from)
}

/// Removes keys that were set aside.
///
/// # Errors
/// The state folder cannot be written.
pub fn drop_aside(state: &Path) -> Result<(), KeyError> {
    state::drop_aside(state).map_err(KeyError::from)
}

impl TpmKey {
    /// As [`open`], with every choice.
    pub fn open(address: Address, options: Options) -> Result<Self, KeyError> {
        let mut device = TpmDevice::new(address, options.deadline);
        Self::prepare(&mut device, &options)
            .map(|(state, public, properties)| Self {
                device,
                options,
                state,
                public,
                loaded: None,
                endorser: None,
                properties,
            })
            .and_then(|mut key| key.load().map(|_| key))
            .map_err(KeyError::from)
    }

    fn prepare(
        device: &mut TpmDevice,
        options: &Options,
    ) -> Result<(StoredKeys, PublicKey, Properties), CommandError> {
        device.connect()?;
        let properties = Properties::read(device)?;
        let state = match state::read(&options.state)? {
            Some(state) => state,
            None => {
                let state = with_storage_root(device, None, |device, root, parent| {
                    Ok(StoredKeys {
                        parent: parent.name(),
                        attestation_key: create(device, root, signing_template(true))?,
                        report_key: create(device, root, signing_template(false))?,
                    })
                })?;
                state::write(&options.state, &state)?;
                state
            }
        };
        let damaged = |_| KeyError::Lost("the stored public keys are not of our kind".into());
        let public = Public::parse(&state.report_key.public)
            .and_then(|public| public.report_key())
            .map_err(damaged)?;
        let ak = Public::parse(&state.attestation_key.public).and_then(|public| public.attestation_key());
        ak.map_err(damaged)?;
        Ok((state, public, properties))
    }

    /// The TPM is a program, not a chip: nothing that it says is proof of hardware.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        ["SW   TPM", "xCG fTPM"].iter().any(|simulator| self.properties.model.contains(simulator))
    }

    /// The report key's handle: loaded if it is not, or was in a connection that is gone.
    fn load(&mut self) -> Result<u32, CommandError> {
        self.device.connect()?;
        if let Some((handle, connection)) = self.loaded
            && connection == self.device.connections
        {
            return Ok(handle);
        }
        let Self { device, state, .. } = self;
        let handle = with_storage_root(device, Some(&state.parent), |device, root, _| {
            load(device, root, &state.report_key)
        })?;
        device.hold(handle);
        self.loaded = Some((handle, device.connections));
        Ok(handle)
    }

    /// Runs `use_it` with the report key's handle, and once more if the TPM has lost what was loaded (hibernation).
    fn with_report_key<T>(
        &mut self,
        use_it: impl Fn(&mut TpmDevice, u32) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let loaded = self.load()?;
        match use_it(&mut self.device, loaded) {
            Err(CommandError::Refused(_, rc)) if rc.is_unloaded() => {
                self.device.release(loaded);
                self.loaded = None;
                let loaded = self.load()?;
                use_it(&mut self.device, loaded)
            }
            other => other,
        }
    }

    /// Runs `use_it` with the attestation key loaded, which it is only as long as it is needed.
    pub(crate) fn with_attestation_key<T>(
        &mut self,
        use_it: impl FnOnce(&mut TpmDevice, u32) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let Self { device, state, .. } = self;
        let loaded = with_storage_root(device, Some(&state.parent), |device, root, _| {
            load(device, root, &state.attestation_key)
        })?;
        device.with(loaded, use_it)
    }

    fn endorser(&mut self) -> Result<Endorser, CommandError> {
        if let Some(endorser) = &self.endorser {
            return Ok(endorser.clone());
        }
        let endorser = Endorser::find(&mut self.device)?;
        self.endorser = Some(endorser.clone());
        Ok(endorser)
    }

    fn certified(&mut self) -> Result<EnrolmentKeys, CommandError> {
        let endorser = self.endorser()?;
        let report_key = self.load()?;
        let extra_data = evidence::certify_extra_data(&self.public.thumbprint());
        let (attest, signature) = self.with_attestation_key(|device, ak| {
            let command = TpmCertifyCommand {
                handles: [handle(report_key), handle(ak)],
                qualifying_data: codec::buffer(extra_data.as_bytes())?,
                in_scheme: TpmtSigScheme::default(),
            };
            let parameters = device.parameters(&command, &[password(), password()])?;
            let (attest, signature) = codec::split_sized(&parameters)?;
            Ok((attest.to_vec(), signature.to_vec()))
        })?;
        let name = Public::parse(&self.state.report_key.public)?.name();
        let ak = AttestationKey::P256(Public::parse(&self.state.attestation_key.public)?.attestation_key()?);
        verify_certify(&ak, &attest, &signature, extra_data.as_bytes(), &name)
            .map_err(|_| CommandError::Garbled("an invalid certification"))?;
        Ok(EnrolmentKeys::Tpm {
            ek_certificates: endorser.certificates,
            ek_public: Base64Url(endorser.public.bytes().to_vec()),
            ak_public: Base64Url(self.state.attestation_key.public.clone()),
            report_key_public: Base64Url(self.state.report_key.public.clone()),
            certify: Base64Url(attest),
            certify_signature: Base64Url(signature),
        })
    }

    fn quoted(&mut self, extra_data: &Digest) -> Result<BootEvidence, CommandError> {
        // Without its log the boot is quoted all the same; the verifier sees that it is missing.
        let log = self.options.event_log.as_deref().and_then(read_log);
        self.with_attestation_key(|device, ak| {
            for _ in 0..QUOTE_TRIES {
                let (before, pcrs) = read_pcrs(device)?;
                let (quote, signature) = quote(device, ak, extra_data, selection(&QUOTED_PCRS)?)?;
                let (after, again) = read_pcrs(device)?;
                if before == after && pcrs == again {
                    return Ok(BootEvidence { quote, signature, pcrs, log });
                }
            }
            Err(CommandError::Key(KeyError::Unavailable("the PCRs keep changing while they are read".into())))
        })
    }
}

impl DeviceKey for TpmKey {
    fn storage(&self) -> KeyStorage {
        KeyStorage::Tpm
    }

    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn facts(&self) -> Key {
        Key {
            storage: Fact::Known(KeyStorage::Tpm),
            manufacturer: Fact::Known(self.properties.manufacturer.clone()),
            firmware: Fact::Known(self.properties.firmware.clone()),
            model: Fact::Known(self.properties.model.clone()),
        }
    }

    fn sign(&mut self, digest: &Digest) -> Result<[u8; 64], KeyError> {
        let signature = self.with_report_key(|device, key| sign(device, key, digest))?;
        es256(&signature).map_err(|_| KeyError::Hardware("the TPM answered with no ECDSA signature".into()))
    }

    fn enrolment_keys(&mut self) -> Result<EnrolmentKeys, KeyError> {
        Ok(self.certified()?)
    }

    fn activate(&mut self, credential: &EncryptedCredential) -> Result<Secret, KeyError> {
        let endorser = self.endorser()?;
        let name = Public::parse(&self.state.attestation_key.public).map_err(CommandError::from)?.name();
        // An attacker on the bus could have substituted the salt key; both values come from one reading, and
        // the verifier checks the certificate.
        Ok(self.with_attestation_key(|device, ak| endorser.activate(device, (ak, &name), credential))?)
    }

    fn quote(&mut self, extra_data: &Digest) -> Result<BootEvidence, KeyError> {
        Ok(self.quoted(extra_data)?)
    }

    fn boot_count(&mut self) -> Option<u64> {
        let clock: TpmReadClockResponse = self.device.run(&TpmReadClockCommand { handles: [] }, &[]).ok()?;
        Some(u64::from(clock.current_time.clock_info.reset_count.value()))
    }

    fn commands(&self) -> u64 {
        self.device.commands
    }
}

impl Drop for TpmKey {
    /// A resource manager would do it for us; swtpm would keep the slot.
    fn drop(&mut self) {
        if let Some((handle, connection)) = self.loaded
            && connection == self.device.connections
        {
            // Errors are ignored: the next program that opens the TPM flushes leftover objects.
            let _ = self.device.flush(handle);
        }
    }
}

struct Properties {
    manufacturer: String,
    firmware: String,
    model: String,
}

impl Properties {
    fn read(device: &mut TpmDevice) -> Result<Self, CommandError> {
        let command = TpmGetCapabilityCommand {
            handles: [],
            cap: TpmCap::TpmProperties,
            property: TpmPt::Manufacturer.value().into(),
            property_count: 8.into(),
        };
        let response: TpmGetCapabilityResponse = device.run(&command, &[])?;
        let TpmuCapabilities::TpmProperties(found) = &response.capability_data.data else {
            return Err(CommandError::Garbled("another capability"));
        };
        let of = |wanted: TpmPt| {
            let property = found.iter().find(|property| property.property == wanted);
            property.map_or(0, |property| property.value.value())
        };
        let text = |wanted: TpmPt| {
            let bytes = of(wanted).to_be_bytes().into_iter().filter(|byte| (b' '..=b'~').contains(byte));
            bytes.map(char::from).collect::<String>()
        };
        let half = |value: u32| (value >> 16, value & 0xffff);
        let ((major, minor), (patch, build)) =
            (half(of(TpmPt::FirmwareVersion1)), half(of(TpmPt::FirmwareVersion2)));
        let model = [TpmPt::VendorString1, TpmPt::VendorString2, TpmPt::VendorString3, TpmPt::VendorString4];
        Ok(Self {
            manufacturer: format!("{:<4}", text(TpmPt::Manufacturer)),
            firmware: format!("{major}.{minor}.{patch}.{build}"),
            model: model.map(text).concat().trim().to_owned(),
        })
    }
}

/// Uses the storage root key: with this name, or where there is no name yet whichever is of our template.
fn with_storage_root<T>(
    device: &mut TpmDevice,
    name: Option<&[u8]>,
    use_it: impl FnOnce(&mut TpmDevice, u32, Public) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let ours = |public: &Public| name.is_none_or(|name| public.name() == name);
    if let Some(public) = device.read_public(STORAGE_ROOT)?
        && public.is_from(&storage_root_template())
        && ours(&public)
    {
        return use_it(device, STORAGE_ROOT, public);
    }
    device.with_primary(OWNER, storage_root_template(), |device, made, public| {
        if !ours(&public) {
            return Err(keys_lost());
        }
        use_it(device, made, public)
    })
}

fn keys_lost() -> CommandError {
    CommandError::Key(KeyError::Lost("the TPM was cleared or replaced since the keys were made".into()))
}

fn create(device: &mut TpmDevice, parent: u32, template: TpmtPublic) -> Result<Blob, CommandError> {
    let command = TpmCreateCommand {
        handles: [handle(parent)],
        in_sensitive: Tpm2bSensitiveCreate::default(),
        in_public: Tpm2bPublic { inner: template },
        outside_info: Tpm2bData::default(),
        creation_pcr: TpmlPcrSelection::default(),
    };
    let parameters = device.parameters(&command, &[password()])?;
    let (private, rest) = codec::split_sized(&parameters)?;
    let (public, _) = codec::split_sized(rest)?;
    Ok(Blob { public: public.to_vec(), private: private.to_vec() })
}

/// Loads a key. The TPM takes its blob only if it made it itself, and nothing was changed.
fn load(device: &mut TpmDevice, parent: u32, blob: &Blob) -> Result<u32, CommandError> {
    let damaged = |_| keys_lost();
    let command = TpmLoadCommand {
        handles: [handle(parent)],
        in_private: codec::buffer(&blob.private).map_err(damaged)?,
        in_public: Tpm2bPublic { inner: codec::decode(&blob.public).map_err(damaged)? },
    };
    let response = match device.response(&command, &[password()]) {
        Err(CommandError::Refused(_, rc)) if !rc.is_full() && !rc.retry() && rc.is_about_the_blob() => {
            return Err(keys_lost());
        }
        other => other?,
    };
    let (handles, ..) = split(&response, 1)?;
    handles.first().copied().ok_or(CommandError::Garbled("no handle"))
}

/// TPMT_SIGNATURE over a digest from outside.
pub(crate) fn sign(device: &mut TpmDevice, key: u32, digest: &Digest) -> Result<Vec<u8>, CommandError> {
    let command = TpmSignCommand {
        handles: [handle(key)],
        digest: codec::buffer(digest.as_bytes())?,
        in_scheme: TpmtSigScheme::default(),
        validation: TpmtTkHashcheck {
            tag: TpmSt::HashCheck,
            hierarchy: TpmRh::Null,
            digest: Tpm2bDigest::default(),
        },
    };
    device.parameters(&command, &[password()])
}

/// TPMS_ATTEST and TPMT_SIGNATURE of a quote.
pub(crate) fn quote(
    device: &mut TpmDevice,
    ak: u32,
    extra_data: &Digest,
    pcr_select: TpmlPcrSelection,
) -> Result<(Vec<u8>, Vec<u8>), CommandError> {
    let command = TpmQuoteCommand {
        handles: [handle(ak)],
        qualifying_data: codec::buffer(extra_data.as_bytes())?,
        in_scheme: TpmtSigScheme::default(),
        pcr_select,
    };
    let parameters = device.parameters(&command, &[password()])?;
    let (quote, signature) = codec::split_sized(&parameters)?;
    Ok((quote.to_vec(), signature.to_vec()))
}

/// These PCRs of the SHA-256 bank.
pub(crate) fn selection(pcrs: &[u8]) -> Result<TpmlPcrSelection, CommandError> {
    let bits = pcrs.iter().fold(0u32, |bits, pcr| bits | 1 << pcr).to_le_bytes();
    let [low, middle, high, _] = bits;
    let mut list = TpmlPcrSelection::default();
    let pcr_select = TpmsPcrSelect::try_from(&[low, middle, high][..])?;
    list.try_push(TpmsPcrSelection { hash: TpmAlgId::Sha256, pcr_select })?;
    Ok(list)
}

type Pcrs = Vec<(u8, [u8; 32])>;

/// The count of changes so far, and the values.
fn read_pcrs(device: &mut TpmDevice) -> Result<(u32, Pcrs), CommandError> {
    let mut counter = 0;
    let mut values = Vec::new();
    // A TPM gives eight digests at once.
    for chunk in QUOTED_PCRS.chunks(8) {
        let wanted = selection(chunk)?;
        let command = TpmPcrReadCommand { handles: [], pcr_selection_in: wanted };
        let response: TpmPcrReadResponse = device.run(&command, &[])?;
        if response.pcr_selection_out != wanted || response.pcr_values.iter().count() != chunk.len() {
            return Err(CommandError::Key(KeyError::Unsupported("the TPM has no SHA-256 PCR bank")));
        }
        counter = response.pcr_update_counter.value();
        for (pcr, value) in chunk.iter().zip(response.pcr_values.iter()) {
            let value: &[u8] = value;
            values.push((*pcr, value.try_into().map_err(|_| codec::Malformed)?));
        }
    }
    Ok((counter, values))
}

/// Reads the event log; `None` if the firmware provides none, if it cannot be read, or if it is larger than a verifier
/// reads. The fact `event_log` says which.
fn read_log(path: &Path) -> Option<Vec<u8>> {
    let most = u64::try_from(MAX_LOG_BYTES).ok()?;
    let mut log = Vec::new();
    std::fs::File::open(path).ok()?.take(most.saturating_add(1)).read_to_end(&mut log).ok()?;
    (1..=MAX_LOG_BYTES).contains(&log.len()).then_some(log)
}

#[cfg(all(test, feature = "testing", unix))]
mod tests {
    use super::*;
    use crate::device::ENDORSEMENT;
    use crate::template::EndorsementKind;
    use crate::testing::Swtpm;
    use vitalsign_tpm::credential;

    #[test]
    fn reads_no_log_that_cannot_be_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert_eq!(read_log(&path), None, "missing");
        assert_eq!(read_log(folder.path()), None, "not readable");
        for (size, read) in [(0, false), (1, true), (MAX_LOG_BYTES, true), (MAX_LOG_BYTES + 1, false)] {
            std::fs::write(&path, vec![7; size]).unwrap();
            assert_eq!(read_log(&path).is_some(), read, "{size}");
        }
    }

    /// Makers certify one or two kinds of endorsement key; the TPM can make them all.
    #[test]
    fn credentials_open_with_every_template() {
        let folder = tempfile::tempdir().unwrap();
        let tpm = Swtpm::start(&folder.path().join("t"));
        let mut key = open(&tpm.spec, &folder.path().join("state"), None).unwrap();
        let name = Public::parse(&key.state.attestation_key.public).unwrap().name();
        for kind in EndorsementKind::ALL {
            let made = key.device.with_primary(ENDORSEMENT, kind.template(), |_, _, public| Ok(public));
            let public = made.unwrap_or_else(|e| panic!("{kind:?}: {}", KeyError::from(e)));
            let secret = Secret::new(Digest::of(public.bytes()).0.to_vec());
            let credential = credential::make(&public, &name, &secret).unwrap();
            key.endorser = Some(Endorser::made(kind, public));
            assert!(key.activate(&credential).unwrap().matches(secret.expose()), "{kind:?}");
        }
        drop(key);
        assert!(tpm.loaded().is_empty());
    }

    /// The templates produce the keys that the vendor provisioned.
    #[test]
    fn templates_give_the_keys_that_the_maker_left() {
        let folder = tempfile::tempdir().unwrap();
        let tpm = Swtpm::start(&folder.path().join("t"));
        let mut device = TpmDevice::new(tpm.spec.parse().unwrap(), Duration::from_secs(20));
        let mut compared = 0;
        for kind in EndorsementKind::ALL {
            for persistent in kind.persistent_handles() {
                let Some(left) = device.read_public(*persistent).unwrap() else { continue };
                let made =
                    device.with_primary(ENDORSEMENT, kind.template(), |_, _, public| Ok(public)).unwrap();
                assert_eq!(made, left, "{kind:?}");
                compared += 1;
            }
        }
        assert_eq!(compared, 2);
    }
}
