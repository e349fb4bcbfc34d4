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
const CRYPTO_AGILE: &[u8; 16] = b"Spec ID Event03\0";
const STARTUP_LOCALITY: &[u8; 16] = b"StartupLocality\0";
/// 8be4df61-93ca-11d2-aa0d-00e098032b8c, as it lies in memory.
const EFI_GLOBAL_VARIABLE: [u8; 16] =
    [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];

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
}

/// Parsed TCG event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLog<'a> {
    /// The banks that it has digests for, in its own order. A bank of another algorithm is skipped.
    pub banks: Vec<Hash>,
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

    /// The digest that was extended is the data's.
    #[must_use]
    pub fn data_is_measured(&self, bank: Hash) -> bool {
        self.digest(bank).is_some_and(|digest| digest == bank.digest(&[self.data]))
    }
}

/// Facts about the boot that the log's measurements confirm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootFacts {
    /// The firmware enforced Secure Boot. None where the log does not say, or its data is not what was measured.
    pub secure_boot: Option<bool>,
    /// The firmware closed PCRs 0 to 7 with separators before it handed over.
    pub separators: bool,
}

impl<'a> EventLog<'a> {
    /// Parses a log.
    ///
    /// # Errors
    /// When it is not a whole, well-formed log.
    pub fn parse(log: &'a [u8]) -> Result<Self, Error> {
        if log.len() > MAX_LOG_BYTES {
            return Err(Error::TooLarge);
        }
        let mut reader = LogReader { log, at: 0 };
        let first = reader.sha1_event()?;
        let Some(header) = first.data.strip_prefix(CRYPTO_AGILE).filter(|_| first.event_type == EV_NO_ACTION)
        else {
            let mut events = vec![first];
            while !reader.at_end() {
                reader.count(&events)?;
                events.push(reader.sha1_event()?);
            }
            return Ok(Self { banks: vec![Hash::Sha1], events, sha1_only: true });
        };
        let sizes = digest_sizes(header)?;
        let banks = sizes.iter().filter_map(|(id, _)| Hash::from_id(*id)).collect();
        let mut events = vec![first];
        while !reader.at_end() {
            reader.count(&events)?;
            events.push(reader.event(&sizes)?);
        }
        Ok(Self { banks, events, sha1_only: false })
    }

    /// The values of the PCRs that the log extends, in this bank.
    #[must_use]
    pub fn replay(&self, bank: Hash) -> BTreeMap<u32, Vec<u8>> {
        let mut pcrs: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        let mut locality = 0;
        for event in &self.events {
            if event.event_type == EV_NO_ACTION {
                // The firmware started the TPM from this locality: PCR 0 began with it (TPM 2.0 part 1, clause 12.2.3).
                if let (0, Some([at])) = (event.pcr, event.data.strip_prefix(STARTUP_LOCALITY)) {
                    locality = *at;
                }
                continue;
            }
            let Some(digest) = event.digest(bank) else { continue };
            let value = pcrs.entry(event.pcr).or_insert_with(|| {
                let mut initial = vec![0; bank.size()];
                if let (0, Some(last)) = (event.pcr, initial.last_mut()) {
                    *last = locality;
                }
                initial
            });
            *value = bank.digest(&[value, digest]);
        }
        pcrs
    }

    /// Returns the firmware's PCRs (0 to 7) whose values the log does not explain. Later software extends the
    /// other PCRs without an entry in this log.
    #[must_use]
    pub fn unexplained(&self, sha256_pcrs: &[(u8, [u8; 32])]) -> Vec<u8> {
        let replayed = self.replay(Hash::Sha256);
        let explains = |(pcr, value): &(u8, [u8; 32])| match replayed.get(&u32::from(*pcr)) {
            Some(replayed) => replayed == value,
            None => *value == [0; 32],
        };
        let firmware = sha256_pcrs.iter().filter(|(pcr, _)| *pcr <= 7);
        firmware.filter(|pcr| !explains(pcr)).map(|(pcr, _)| *pcr).collect()
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
            .find_map(|event| global_variable(event.data, "SecureBoot"));
        BootFacts {
            secure_boot: variable.map(|data| data == [1]),
            separators: (0..=7).all(|pcr| separator(pcr).is_some()),
        }
    }
}

/// The data of this EFI global variable, when a UEFI_VARIABLE_DATA is of it.
fn global_variable<'a>(event: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let rest = event.strip_prefix(&EFI_GLOBAL_VARIABLE)?;
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
    let mut reader = LogReader { log: header, at: 0 };
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
}

impl<'a> LogReader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(length).ok_or(Error::Truncated(self.at))?;
        let taken = self.log.get(self.at..end).ok_or(Error::Truncated(self.at))?;
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

    /// Nothing is left but what firmware fills an unused buffer with.
    fn at_end(&self) -> bool {
        let rest = self.log.get(self.at..).unwrap_or_default();
        rest.iter().all(|byte| *byte == 0) || rest.iter().all(|byte| *byte == 0xff)
    }

    fn count(&self, events: &[LogEvent<'_>]) -> Result<(), Error> {
        if events.len() < MAX_EVENTS { Ok(()) } else { Err(Error::TooLarge) }
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
        Ok(LogEvent { pcr, event_type, digests, data: self.data()? })
    }
}
