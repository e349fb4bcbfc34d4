//! LUKS1 headers ("LUKS1 On-Disk Format Specification" 1.2.3), and the area behind the key slots in which clevis keeps what
//! opens them (`libluksmeta.c` of luksmeta, version 1).

use super::luks::{Cover, Header, null_cipher};
use super::pcrs::BootPcrs;
use super::tokens::{Opener, clevis_opener};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use vitalsign_protocol::fact::Reason;
use vitalsign_protocol::posture::Protector;

/// Size of the header in bytes.
const HEADER: usize = 592;
/// Offset of the cipher's name in bytes; NUL ends the name.
const CIPHER: std::ops::Range<usize> = 8..40;
/// Offsets of the sector of the encrypted data, and of the size of the key in bytes.
const PAYLOAD: usize = 104;
const KEY_BYTES: usize = 108;
/// Offset, size and number of the key slots.
const SLOTS: usize = 208;
const SLOT: usize = 48;
const SLOT_COUNT: usize = 8;
const SLOT_ENABLED: u32 = 0x00ac_71f3;
const SECTOR: u64 = 512;
/// Key material behind this is not looked for: the largest header ends far before.
const MAX_OFFSET: u64 = 64 * 1024 * 1024;

const META_MAGIC: &[u8; 8] = b"LUKSMETA";
const META_ALIGN: u64 = 4096;
/// Sizes of luksmeta's header and of its description of a slot in bytes.
const META_HEADER: usize = 16;
const META_SLOT: usize = 32;
/// The longest metadata of one slot in bytes; clevis writes about a kilobyte.
const MAX_META: usize = 64 * 1024;
/// Mark of clevis's metadata: cb6e8904-81ff-40da-a84a-07ab9ab5715e.
const CLEVIS: [u8; 16] =
    [0xcb, 0x6e, 0x89, 0x04, 0x81, 0xff, 0x40, 0xda, 0xa8, 0x4a, 0x07, 0xab, 0x9a, 0xb5, 0x71, 0x5e];

/// Reads the header on a device or in a file.
pub(super) fn read(device: &File, pcrs: BootPcrs<'_>) -> Result<Header, Reason> {
    let mut header = [0; HEADER];
    device.read_exact_at(&mut header, 0)?;
    let cipher = header.get(CIPHER).and_then(|name| name.split(|byte| *byte == 0).next());
    let cipher = cipher.filter(|name| !name.is_empty()).ok_or(Reason::Malformed)?;
    let null = null_cipher(&String::from_utf8_lossy(cipher));
    Ok(Header {
        openers: openers(device, &header, pcrs),
        converting: None,
        cover: if null { Cover::Nothing } else { Cover::Everything },
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Returns what opens each enabled key slot: a password or key file, unless clevis says otherwise.
fn openers(device: &File, header: &[u8], pcrs: BootPcrs<'_>) -> Result<Vec<Opener>, Reason> {
    let slots: Option<Vec<_>> = (0..SLOT_COUNT).map(|slot| KeySlot::parse(header, slot)).collect();
    let slots = slots.ok_or(Reason::Malformed)?;
    let meta = Meta::read(device, header, &slots)?;
    let mut openers = Vec::new();
    for (slot, _) in slots.iter().enumerate().filter(|(_, slot)| slot.enabled) {
        openers.push(meta.as_ref().map_or(Ok(None), |meta| meta.opener(device, slot, pcrs))?);
    }
    // A header without an enabled slot opens with the key itself.
    let password = || Opener::Protector(Protector::Password);
    let openers: Vec<_> = openers.into_iter().map(|opener| opener.unwrap_or_else(password)).collect();
    Ok(if openers.is_empty() { vec![password()] } else { openers })
}

struct KeySlot {
    enabled: bool,
    /// End of the slot's key material, in bytes from the beginning of the device.
    end: u64,
}

impl KeySlot {
    fn parse(header: &[u8], slot: usize) -> Option<Self> {
        let at = SLOTS + slot * SLOT;
        let (key_bytes, stripes) = (number(header, KEY_BYTES)?, number(header, at + 44)?);
        let material = u64::from(key_bytes).checked_mul(stripes.into())?;
        let end = (u64::from(number(header, at + 40)?) * SECTOR).checked_add(material)?;
        Some(Self { enabled: number(header, at)? == SLOT_ENABLED, end })
    }
}

/// The metadata behind the key slots.
struct Meta {
    /// Offset on the device in bytes.
    start: u64,
    bytes: [u8; META_HEADER + SLOT_COUNT * META_SLOT],
}

impl Meta {
    /// Reads the metadata; `None` without metadata, or room for it.
    fn read(device: &File, header: &[u8], slots: &[KeySlot]) -> Result<Option<Self>, Reason> {
        let end = slots.iter().map(|slot| slot.end).max().unwrap_or_default();
        let start = end.checked_next_multiple_of(META_ALIGN).ok_or(Reason::Malformed)?;
        let payload = u64::from(number(header, PAYLOAD).ok_or(Reason::Malformed)?) * SECTOR;
        if start == 0 || start >= payload || start > MAX_OFFSET {
            return Ok(None);
        }
        let mut bytes = [0; META_HEADER + SLOT_COUNT * META_SLOT];
        match device.read_exact_at(&mut bytes, start) {
            Ok(()) if bytes.starts_with(META_MAGIC) => {}
            Ok(()) => return Ok(None),
            // A copy of the header alone.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        if number(&bytes, 8) == Some(1) { Ok(Some(Self { start, bytes })) } else { Err(Reason::Malformed) }
    }

    /// Returns what opens a slot; `None` if the metadata does not say.
    fn opener(&self, device: &File, slot: usize, pcrs: BootPcrs<'_>) -> Result<Option<Opener>, Reason> {
        let described = self.bytes.get(META_HEADER + slot * META_SLOT..).ok_or(Reason::Malformed)?;
        let (mark, rest) = described.split_first_chunk::<16>().ok_or(Reason::Malformed)?;
        if *mark == [0; 16] {
            return Ok(None);
        }
        let place = number(rest, 0).zip(number(rest, 4)).filter(|_| *mark == CLEVIS);
        let (offset, length) = place.ok_or(Reason::Malformed)?;
        let length = usize::try_from(length).ok().filter(|it| *it <= MAX_META).ok_or(Reason::Malformed)?;
        let mut jwe = vec![0; length];
        device.read_exact_at(&mut jwe, self.start + u64::from(offset))?;
        // In compact serialization, the header ends at the first dot.
        let header = jwe.split(|byte| *byte == b'.').next().and_then(|it| std::str::from_utf8(it).ok());
        clevis_opener(header.ok_or(Reason::Malformed)?, pcrs).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Root;
    use vitalsign_protocol::id::Base64Url;

    /// A header with a password in slot 0 and, in slot 1, what clevis keeps for this pin.
    fn device(pin: &str, change: impl FnOnce(&mut Vec<u8>)) -> File {
        let mut bytes = include_bytes!("../../tests/trees/disk-luks1.header").to_vec();
        bytes.resize(0x20_0000, 0);
        let mut put = |at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        put(PAYLOAD, 4096);
        put(KEY_BYTES, 32);
        for slot in 0..SLOT_COUNT {
            let at = SLOTS + slot * SLOT;
            put(at, if slot < 2 { SLOT_ENABLED } else { 0x0000_dead });
            put(at + 40, 8 + 256 * u32::try_from(slot).unwrap());
            put(at + 44, 4000);
        }
        let header = format!("{{\"alg\":\"dir\",\"clevis\":{pin},\"enc\":\"A256GCM\"}}");
        let header = serde_json::to_value(Base64Url(header.into_bytes())).unwrap();
        let jwe = format!("{}..AA.AA.AA", header.as_str().unwrap());
        // Behind the last slot: sector 8 + 7 × 256, and 128,000 bytes of key material.
        let start = (1800 * 512 + 128_000_usize).next_multiple_of(4096);
        bytes[start..start + 8].copy_from_slice(META_MAGIC);
        bytes[start + 11] = 1;
        let slot = start + META_HEADER + META_SLOT;
        bytes[slot..slot + 16].copy_from_slice(&CLEVIS);
        bytes[slot + 16..slot + 20].copy_from_slice(&4096_u32.to_be_bytes());
        bytes[slot + 20..slot + 24].copy_from_slice(&u32::try_from(jwe.len()).unwrap().to_be_bytes());
        bytes[start + 4096..start + 4096 + jwe.len()].copy_from_slice(jwe.as_bytes());
        change(&mut bytes);
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, &bytes).unwrap();
        file
    }

    #[test]
    fn clevis_opens_the_slots_that_it_names() {
        let with = |protector| Ok(vec![Opener::Protector(Protector::Password), Opener::Protector(protector)]);
        for (pin, expected) in [
            (r#"{"pin":"tang","tang":{"url":"http://tang"}}"#, with(Protector::Network)),
            (r#"{"pin":"tpm2","tpm2":{"pcr_ids":"7"}}"#, with(Protector::Tpm)),
            (r#"{"pin":"tpm2","tpm2":{}}"#, with(Protector::TpmUnbound)),
            (r#"{"pin":"new"}"#, Err(Reason::Malformed)),
        ] {
            let root = Root::at("/nonexistent");
            let read = read(&device(pin, |_| {}), BootPcrs(&root)).unwrap();
            assert_eq!((read.openers, read.cover), (expected, Cover::Everything), "{pin}");
        }
    }

    #[test]
    fn metadata_that_is_not_understood_is_unreadable() {
        let pin = r#"{"pin":"tang","tang":{}}"#;
        let start = (1800 * 512 + 128_000_usize).next_multiple_of(4096);
        let slot = start + META_HEADER + META_SLOT;
        let passwords =
            || Ok(vec![Opener::Protector(Protector::Password), Opener::Protector(Protector::Password)]);
        type Change = Box<dyn FnOnce(&mut Vec<u8>)>;
        type Row = (&'static str, Change, Result<Vec<Opener>, Reason>);
        let rows: Vec<Row> = vec![
            ("another version", Box::new(move |it| it[start + 11] = 2), Err(Reason::Malformed)),
            ("another program", Box::new(move |it| it[slot] = 0), Err(Reason::Malformed)),
            ("too long", Box::new(move |it| it[slot + 20] = 1), Err(Reason::Malformed)),
            ("past the end", Box::new(move |it| it[slot + 16] = 0x7f), Err(Reason::Failed)),
            ("none", Box::new(move |it| it[start] = 0), passwords()),
            ("a copy of the header", Box::new(|it| it.truncate(1024)), passwords()),
            ("no room", Box::new(|it| it[PAYLOAD + 2..PAYLOAD + 4].fill(0)), passwords()),
            ("endless key material", Box::new(|it| it[SLOTS + 40..SLOTS + 48].fill(0xff)), passwords()),
        ];
        let root = Root::at("/nonexistent");
        for (what, change, expected) in rows {
            let read = read(&device(pin, change), BootPcrs(&root)).unwrap();
            assert_eq!(read.openers, expected, "{what}");
        }
    }
}
