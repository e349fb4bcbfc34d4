//! The firmware's event log (TCG PC Client platform firmware profile, clause 10), read strictly, and replayed to the
//! PCR values that it explains. The log is a claim: only what replays to quoted values, and whose data has the digest
//! that was extended, is believed.

use crate::hash::Hash;
use std::collections::BTreeMap;

/// More bytes than are read.
pub const MAX_LOG_BYTES: usize = 4 * 1024 * 1024;
/// More events than are read.
pub const MAX_EVENTS: usize = 32 * 1024;

const EV_NO_ACTION: u32 = 3;
const EV_SEPARATOR: u32 = 4;
const EV_EFI_VARIABLE_DRIVER_CONFIG: u32 = 0x8000_0001;
const EV_EFI_HCRTM_EVENT: u32 = 0x8000_0010;
const EV_EFI_VARIABLE_AUTHORITY: u32 = 0x8000_00e0;
const CRYPTO_AGILE: &[u8; 16] = b"Spec ID Event03\0";
const STARTUP_LOCALITY: &[u8; 16] = b"StartupLocality\0";
/// 8be4df61-93ca-11d2-aa0d-00e098032b8c, as it lies in memory.
const EFI_GLOBAL_VARIABLE: [u8; 16] =
    [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
/// 605dab50-e046-4300-abb6-3dd810dd8b23, shim's variables.
const SHIM_LOCK: [u8; 16] =
    [0x50, 0xab, 0x5d, 0x60, 0x46, 0xe0, 0x00, 0x43, 0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23];
/// PCRs that a reset sets to ones; only a dynamic launch sets them to zeros (PC Client Platform TPM Profile, 4.6).
const DYNAMIC_PCRS: std::ops::RangeInclusive<u32> = 17..=22;

/// Reason why an event log was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More bytes or events than are read.
    #[error("the event log is larger than is read")]
    TooLarge,
    /// It ends inside an event.
    #[error("the event log is truncated at byte {0}")]
    Truncated(usize),
    /// The log contains a structure that no firmware writes.
    #[error("the event log is malformed at byte {0}: {1}")]
    Malformed(usize, &'static str),
    /// No event extends a PCR.
    #[error("the event log has no measurement")]
    Empty,
}

/// Parsed TCG event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLog<'a> {
    /// The banks that it has digests for, in its own order.
    pub banks: Vec<Hash>,
    /// `TPM_ALG_ID` of banks that were skipped, because their algorithm is not known here.
    pub skipped_banks: Vec<u16>,
    /// The events, with the header's first.
    pub events: Vec<LogEvent<'a>>,
    /// The log is of the old form, which knows SHA-1 only: not to be trusted.
    pub sha1_only: bool,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent<'a> {
    /// The PCR. `0xffff_ffff` in some events that extend nothing.
    pub pcr: u32,
    /// Event type (TCG PFP section 10.4.1).
    pub event_type: u32,
    /// Extended digests by bank.
    pub digests: Vec<(Hash, &'a [u8])>,
    /// The event's data. Its digest is not always what was extended.
    pub data: &'a [u8],
}

impl LogEvent<'_> {
    /// Returns the digest that was extended into this bank.
    #[must_use]
    pub fn digest(&self, bank: Hash) -> Option<&[u8]> {
        self.digests.iter().find(|(hash, _)| *hash == bank).map(|(_, digest)| *digest)
    }

    /// Informative: the event is in the log, and its digests were not extended.
    #[must_use]
    pub fn extends_nothing(&self) -> bool {
        self.event_type == EV_NO_ACTION
    }

    /// The digest that was extended is the data's.
    #[must_use]
    pub fn data_is_measured(&self, bank: Hash) -> bool {
        self.digest(bank).is_some_and(|digest| digest == bank.digest(&[self.data]))
    }
}

/// Facts about the boot that the log's measurements confirm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootFacts {
    /// Signatures of boot loaders and kernel were verified: by the firmware, and by shim if it ran. None where the log
    /// does not say, or its data is not what was measured.
    pub secure_boot: Option<bool>,
    /// The firmware's variable `SecureBoot` alone.
    pub firmware_secure_boot: Option<bool>,
    /// The firmware closed PCRs 0 to 7 with separators before it handed over.
    pub separators: bool,
}

impl<'a> EventLog<'a> {
    /// Parses a log.
    ///
    /// # Errors
    /// When it is not a whole, well-formed log.
    pub fn parse(log: &'a [u8]) -> Result<Self, Error> {
        Self::parse_counted(log).0
    }

    /// Parses a log and counts the bytes that were looked at. Their number grows with the log's size only, whatever the
    /// log contains.
    fn parse_counted(log: &'a [u8]) -> (Result<Self, Error>, usize) {
        if log.len() > MAX_LOG_BYTES {
            return (Err(Error::TooLarge), 0);
        }
        let mut reader = LogReader::new(log);
        let parsed = Self::read(&mut reader);
        (parsed, reader.looked_at)
    }

    fn read(reader: &mut LogReader<'a>) -> Result<Self, Error> {
        let first = reader.sha1_event()?;
        let header = first.data.strip_prefix(CRYPTO_AGILE).filter(|_| first.event_type == EV_NO_ACTION);
        let sizes = header.map(digest_sizes).transpose()?;
        let banks = match &sizes {
            Some(sizes) => sizes.iter().filter_map(|(id, _)| Hash::from_id(*id)).collect(),
            None => vec![Hash::Sha1],
        };
        let ids = sizes.iter().flatten().map(|(id, _)| *id);
        let skipped_banks = ids.filter(|id| Hash::from_id(*id).is_none()).collect();
        let mut events = vec![first];
        while !reader.at_end() {
            if events.len() >= MAX_EVENTS {
                return Err(Error::TooLarge);
            }
            events.push(match &sizes {
                Some(sizes) => reader.event(sizes)?,
                None => reader.sha1_event()?,
            });
        }
        if events.iter().all(LogEvent::extends_nothing) {
            return Err(Error::Empty);
        }
        Ok(Self { banks, skipped_banks, events, sha1_only: sizes.is_none() })
    }

    /// The values of the PCRs that the log extends, in this bank.
    #[must_use]
    pub fn replay(&self, bank: Hash) -> BTreeMap<u32, Vec<u8>> {
        let mut pcrs: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for event in self.events.iter().filter(|event| !event.extends_nothing()) {
            let Some(digest) = event.digest(bank) else { continue };
            let value = pcrs.entry(event.pcr).or_insert_with(|| self.initial(event.pcr, bank));
            *value = bank.digest(&[value, digest]);
        }
        pcrs
    }

    /// The value of a PCR before its first event.
    #[must_use]
    pub fn initial(&self, pcr: u32, bank: Hash) -> Vec<u8> {
        let mut value = vec![if DYNAMIC_PCRS.contains(&pcr) { 0xff } else { 0 }; bank.size()];
        if let (0, Some(last)) = (pcr, value.last_mut()) {
            *last = self.startup_locality();
        }
        value
    }

    /// The locality from which the TPM was started; PCR 0 begins with it (TPM 2.0 Part 1, clause 34.3). An H-CRTM starts
    /// it from locality 4, and then the locality of the firmware's own TPM2_Startup changes nothing.
    fn startup_locality(&self) -> u8 {
        let mut before = None;
        let mut extended = false;
        for event in self.events.iter().filter(|event| event.pcr == 0) {
            match (event.event_type, event.data.strip_prefix(STARTUP_LOCALITY)) {
                (EV_EFI_HCRTM_EVENT, _) => return 4,
                (EV_NO_ACTION, Some([at @ (0 | 3 | 4)])) if !extended => before = Some(*at),
                (EV_NO_ACTION, _) => {}
                _ => extended = true,
            }
        }
        before.unwrap_or(0)
    }

    /// Returns the firmware's PCRs (0 to 7) whose values the log does not explain. Later software extends the
    /// other PCRs without an entry in this log.
    #[must_use]
    pub fn unexplained(&self, sha256_pcrs: &[(u8, [u8; 32])]) -> Vec<u8> {
        self.unexplained_in(Hash::Sha256, sha256_pcrs.iter().map(|(pcr, value)| (*pcr, value.as_slice())))
    }

    /// As [`EventLog::unexplained`], for the PCRs of any bank.
    pub fn unexplained_in<'v>(&self, bank: Hash, pcrs: impl Iterator<Item = (u8, &'v [u8])>) -> Vec<u8> {
        let replayed = self.replay(bank);
        let explains = |(pcr, value): &(u8, &[u8])| match replayed.get(&u32::from(*pcr)) {
            Some(replayed) => replayed == value,
            None => self.initial(u32::from(*pcr), bank) == *value,
        };
        pcrs.filter(|(pcr, _)| *pcr <= 7).filter(|pcr| !explains(pcr)).map(|(pcr, _)| pcr).collect()
    }

    /// Extracts facts about the boot, using only data whose digest was extended into this bank.
    #[must_use]
    pub fn boot_facts(&self, bank: Hash) -> BootFacts {
        let separator = |pcr: u32| {
            self.events.iter().position(|event| {
                event.event_type == EV_SEPARATOR && event.pcr == pcr && event.data_is_measured(bank)
            })
        };
        // Software that runs after the separator could extend another value and add a matching event.
        let before = self.events.get(..separator(7).unwrap_or(self.events.len())).unwrap_or_default();
        let driver_config =
            before.iter().filter(|event| event.event_type == EV_EFI_VARIABLE_DRIVER_CONFIG && event.pcr == 7);
        let variable = driver_config
            .filter(|event| event.data_is_measured(bank))
            .find_map(|event| variable(event.data, &EFI_GLOBAL_VARIABLE, "SecureBoot"));
        let firmware_secure_boot = variable.map(|data| data == [1]);
        BootFacts {
            secure_boot: firmware_secure_boot.map(|on| on && !self.shim_is_insecure(bank)),
            firmware_secure_boot,
            separators: (0..=7).all(|pcr| separator(pcr).is_some()),
        }
    }

    /// Returns whether shim measured that a person switched its validation off. Shim measures its state into PCR 7 if
    /// the variable exists; no software can take that back.
    fn shim_is_insecure(&self, bank: Hash) -> bool {
        let authority =
            |event: &&LogEvent<'_>| event.event_type == EV_EFI_VARIABLE_AUTHORITY && event.pcr == 7;
        let measured = self.events.iter().filter(authority).filter(|event| event.data_is_measured(bank));
        let mut states = measured.filter_map(|event| variable(event.data, &SHIM_LOCK, "MokSBState"));
        states.any(|state| matches!(state, [insecure] if *insecure != 0))
    }
}

/// The data of this EFI variable, when a UEFI_VARIABLE_DATA is of it.
fn variable<'a>(event: &'a [u8], vendor: &[u8; 16], name: &str) -> Option<&'a [u8]> {
    let rest = event.strip_prefix(vendor)?;
    let (name_length, rest) = rest.split_first_chunk::<8>()?;
    let (data_length, rest) = rest.split_first_chunk::<8>()?;
    let utf16: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let characters = usize::try_from(u64::from_le_bytes(*name_length)).ok()?;
    let (found, data) = rest.split_at_checked(characters.checked_mul(2)?)?;
    let length = usize::try_from(u64::from_le_bytes(*data_length)).ok()?;
    (found == utf16 && data.len() == length).then_some(data)
}

/// The digests' sizes by algorithm, from TCG_EfiSpecIDEvent behind its signature.
fn digest_sizes(header: &[u8]) -> Result<Vec<(u16, usize)>, Error> {
    let mut reader = LogReader::new(header);
    // platformClass, specVersionMinor, specVersionMajor, specErrata, uintnSize
    reader.take(8)?;
    let count = reader.u32()?;
    if !(1..=16).contains(&count) {
        return Err(Error::Malformed(reader.at, "the number of algorithms"));
    }
    let mut sizes: Vec<(u16, usize)> = Vec::new();
    for _ in 0..count {
        let (id, size) = (reader.u16()?, usize::from(reader.u16()?));
        let known = Hash::from_id(id);
        if sizes.iter().any(|(other, _)| *other == id)
            || known.is_some_and(|hash| hash.size() != size)
            || size > 64
        {
            return Err(Error::Malformed(reader.at, "an algorithm's digest size"));
        }
        sizes.push((id, size));
    }
    let [vendor] = reader.array()?;
    reader.take(usize::from(vendor))?;
    if reader.at == header.len() { Ok(sizes) } else { Err(Error::Malformed(reader.at, "the header's size")) }
}

struct LogReader<'a> {
    log: &'a [u8],
    at: usize,
    /// Behind this index is only what firmware fills an unused buffer with: zeros or ones.
    padding: usize,
    /// Bytes looked at so far, some more than once.
    looked_at: usize,
}

impl<'a> LogReader<'a> {
    fn new(log: &'a [u8]) -> Self {
        let filled = |with: u8| log.iter().rev().take_while(|byte| **byte == with).count();
        let length = filled(0).max(filled(0xff));
        Self { log, at: 0, padding: log.len().saturating_sub(length), looked_at: length }
    }

    fn at_end(&self) -> bool {
        self.at >= self.padding
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(length).ok_or(Error::Truncated(self.at))?;
        let taken = self.log.get(self.at..end).ok_or(Error::Truncated(self.at))?;
        self.looked_at = self.looked_at.saturating_add(length);
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| Error::Truncated(at))
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    /// PCR and type: only an event that extends nothing may name no PCR.
    fn head(&mut self) -> Result<(u32, u32), Error> {
        let at = self.at;
        let (pcr, event_type) = (self.u32()?, self.u32()?);
        if pcr > 23 && (pcr != u32::MAX || event_type != EV_NO_ACTION) {
            return Err(Error::Malformed(at, "the PCR"));
        }
        Ok((pcr, event_type))
    }

    fn data(&mut self) -> Result<&'a [u8], Error> {
        let at = self.at;
        let length = usize::try_from(self.u32()?).map_err(|_| Error::Truncated(at))?;
        self.take(length)
    }

    /// Parses a TCG_PCClientPCREvent.
    fn sha1_event(&mut self) -> Result<LogEvent<'a>, Error> {
        let (pcr, event_type) = self.head()?;
        let digests = vec![(Hash::Sha1, self.take(Hash::Sha1.size())?)];
        Ok(LogEvent { pcr, event_type, digests, data: self.data()? })
    }

    /// Parses a TCG_PCR_EVENT2.
    fn event(&mut self, sizes: &[(u16, usize)]) -> Result<LogEvent<'a>, Error> {
        let (pcr, event_type) = self.head()?;
        let at = self.at;
        let count = self.u32()?;
        if usize::try_from(count).map_or(true, |count| count > sizes.len()) {
            return Err(Error::Malformed(at, "the number of digests"));
        }
        let mut digests: Vec<(Hash, &'a [u8])> = Vec::new();
        for _ in 0..count {
            let at = self.at;
            let id = self.u16()?;
            let declared = sizes.iter().find(|(declared, _)| *declared == id);
            let (_, size) = declared.ok_or(Error::Malformed(at, "a digest's algorithm"))?;
            let digest = self.take(*size)?;
            let Some(hash) = Hash::from_id(id) else { continue };
            if digests.iter().any(|(other, _)| *other == hash) {
                return Err(Error::Malformed(at, "a digest's algorithm comes twice"));
            }
            digests.push((hash, digest));
        }
        let data = self.data()?;
        // Zeros in the middle of a log are no events, and cost 16 bytes each.
        if (event_type, count, data) == (0, 0, &[]) {
            return Err(Error::Malformed(at, "an empty event"));
        }
        Ok(LogEvent { pcr, event_type, digests, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header for SHA-256 only: TCG_PCClientPCREvent with a TCG_EfiSpecIDEvent.
    fn header() -> Vec<u8> {
        let spec_id = [&CRYPTO_AGILE[..], &[0, 0, 0, 0, 0, 2, 0, 2, 1, 0, 0, 0, 0x0b, 0, 32, 0, 0]].concat();
        let size = u32::try_from(spec_id.len()).unwrap().to_le_bytes();
        [&[0; 4][..], &EV_NO_ACTION.to_le_bytes(), &[0; 20], &size, &spec_id].concat()
    }

    fn event(pcr: u32, event_type: u32, data: &[u8]) -> Vec<u8> {
        let digest = if event_type == EV_NO_ACTION { vec![0; 32] } else { Hash::Sha256.digest(&[data]) };
        let size = u32::try_from(data.len()).unwrap().to_le_bytes();
        let head = [pcr.to_le_bytes(), event_type.to_le_bytes(), 1u32.to_le_bytes()].concat();
        [&head, &[0x0b, 0][..], &digest, &size, data].concat()
    }

    fn log(events: &[Vec<u8>]) -> Vec<u8> {
        [header(), events.concat()].concat()
    }

    fn efi_variable(vendor: [u8; 16], name: &str, data: &[u8]) -> Vec<u8> {
        let lengths = [name.len().to_le_bytes(), data.len().to_le_bytes()].concat();
        [&vendor[..], &lengths, &name.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(), data]
            .concat()
    }

    #[test]
    fn pcr_0_begins_with_the_startup_locality() {
        let version = event(0, 8, b"1.0");
        let locality = |at: u8| event(0, EV_NO_ACTION, &[&STARTUP_LOCALITY[..], &[at]].concat());
        let hcrtm = event(0, EV_EFI_HCRTM_EVENT, b"HCRTM");
        for (events, first) in [
            (vec![version.clone()], 0),
            (vec![locality(3), version.clone()], 3),
            (vec![locality(4), version.clone()], 4),
            (vec![hcrtm.clone(), version.clone()], 4),
            // The firmware's own TPM2_Startup follows the H-CRTM and changes nothing.
            (vec![locality(3), hcrtm.clone(), version.clone()], 4),
            (vec![locality(0), hcrtm, version.clone()], 4),
            // It is too late when PCR 0 is extended already, and no other locality starts a TPM.
            (vec![version.clone(), locality(3)], 0),
            (vec![locality(2), version.clone()], 0),
        ] {
            let bytes = log(&events);
            let log = EventLog::parse(&bytes).unwrap();
            assert_eq!(log.initial(0, Hash::Sha256), [&[0; 31][..], &[first]].concat());
            let mut value = log.initial(0, Hash::Sha256);
            for event in log.events.iter().filter(|event| !event.extends_nothing()) {
                value = Hash::Sha256.digest(&[&value, event.digest(Hash::Sha256).unwrap()]);
            }
            assert_eq!(log.replay(Hash::Sha256).get(&0), Some(&value));
            let quoted = [(0, <[u8; 32]>::try_from(value).unwrap())];
            assert_eq!(log.unexplained(&quoted), Vec::<u8>::new());
        }
    }

    /// `swtpm_ioctl -h HCRTM-CODE`, then TPM2_Startup: the TPM's own value of PCR 0.
    #[test]
    fn hcrtm_gives_the_value_of_a_tpm() {
        let bytes = log(&[event(0, EV_EFI_HCRTM_EVENT, b"HCRTM-CODE")]);
        let pcrs = EventLog::parse(&bytes).unwrap().replay(Hash::Sha256);
        assert_eq!(pcrs[&0][..4], [0x17, 0xa6, 0xfe, 0x61]);
    }

    #[test]
    fn dynamic_pcrs_begin_with_ones() {
        let bytes = log(&[event(0, 8, b"1.0")]);
        let log = EventLog::parse(&bytes).unwrap();
        for pcr in 0..24 {
            let first = if (17..=22).contains(&pcr) { 0xff } else { 0 };
            assert_eq!(log.initial(pcr, Hash::Sha384), vec![first; 48], "PCR {pcr}");
        }
    }

    #[test]
    fn padding_is_looked_at_once() {
        let start = log(&[event(0, 8, b"1.0")]);
        for filling in [0, 0xff] {
            for last in [None, Some(1)] {
                let mut bytes = start.clone();
                bytes.resize(MAX_LOG_BYTES - 1, filling);
                bytes.extend(last);
                let (parsed, looked_at) = EventLog::parse_counted(&bytes);
                assert_eq!(parsed.is_ok(), last.is_none(), "{filling} {last:?}");
                assert!(looked_at <= 2 * bytes.len(), "{looked_at} of {} bytes", bytes.len());
            }
        }
        // The longest run of events that are not empty.
        let mut bytes = start;
        while bytes.len() < MAX_LOG_BYTES {
            bytes.extend([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        bytes.truncate(MAX_LOG_BYTES);
        let (parsed, looked_at) = EventLog::parse_counted(&bytes);
        assert_eq!(parsed, Err(Error::TooLarge));
        assert!(looked_at <= 2 * bytes.len());
    }

    #[test]
    fn data_that_end_like_padding_are_whole() {
        for data in [&[7, 0, 0, 0][..], &[0; 8], &[0xff; 8]] {
            for filling in [&[][..], &[0; 64], &[0xff; 64]] {
                let bytes = [log(&[event(0, 8, data)]), filling.to_vec()].concat();
                let log = EventLog::parse(&bytes).unwrap();
                assert_eq!(log.events.len(), 2, "{data:?} {filling:?}");
                assert_eq!(log.events[1].data, data);
            }
        }
    }

    #[test]
    fn refuses_log_without_measurements() {
        let locality = event(0, EV_NO_ACTION, &[&STARTUP_LOCALITY[..], &[3]].concat());
        for events in [vec![], vec![locality]] {
            for filling in [&[][..], &[0; 64], &[0xff; 64]] {
                let bytes = [log(&events), filling.to_vec()].concat();
                assert_eq!(EventLog::parse(&bytes), Err(Error::Empty));
            }
        }
        assert_eq!(EventLog::parse(&[]), Err(Error::Truncated(0)));
    }

    #[test]
    fn shim_without_validation_is_no_secure_boot() {
        let secure = |on: u8| efi_variable(EFI_GLOBAL_VARIABLE, "SecureBoot", &[on]);
        let state = |value: &[u8]| efi_variable(SHIM_LOCK, "MokSBState", value);
        let separator = || event(7, EV_SEPARATOR, &[0; 4]);
        let firmware = |on| vec![event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, &secure(on)), separator()];
        let mut unmeasured = event(7, EV_EFI_VARIABLE_AUTHORITY, &state(&[0]));
        *unmeasured.last_mut().unwrap() = 1;
        for (on, shim, expected) in [
            (1, vec![], true),
            (0, vec![], false),
            (1, vec![event(7, EV_EFI_VARIABLE_AUTHORITY, &state(&[1]))], false),
            (1, vec![event(7, EV_EFI_VARIABLE_AUTHORITY, &state(&[0]))], true),
            (
                1,
                vec![event(
                    7,
                    EV_EFI_VARIABLE_AUTHORITY,
                    &efi_variable(EFI_GLOBAL_VARIABLE, "MokSBState", &[1]),
                )],
                true,
            ),
            (1, vec![event(8, EV_EFI_VARIABLE_AUTHORITY, &state(&[1]))], true),
            (1, vec![unmeasured], true),
        ] {
            let bytes = log(&[firmware(on), shim].concat());
            let facts = EventLog::parse(&bytes).unwrap().boot_facts(Hash::Sha256);
            assert_eq!((facts.firmware_secure_boot, facts.secure_boot), (Some(on == 1), Some(expected)));
        }
    }
}
