//! The superblock of bcachefs (the kernel's `bcachefs_format.h`): whether the file system encrypts, and whether its key is
//! protected.

use crate::Root;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use vitalsign_protocol::fact::Reason;
use vitalsign_protocol::posture::Protector;

/// Offset of the superblock in bytes.
const SUPERBLOCK: u64 = 4096;
/// Bytes of the superblock before its fields.
const FIXED: usize = 752;
/// The most bytes of fields that are read.
const MAX_FIELDS: u64 = 1024 * 1024;
const MAGIC: std::ops::Range<usize> = 24..40;
/// `BCHFS_MAGIC`, and `BCACHE_MAGIC` of older file systems.
const MAGICS: [[u8; 16]; 2] = [
    [0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9, 0xd9, 0x6a, 0x60, 0xcf, 0x80, 0x3d, 0xf7, 0xef],
    [0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81],
];
/// Number of 64-bit words in the fields.
const WORDS: usize = 124;
/// The second word of flags. `BCH_SB_ENCRYPTION_TYPE` is its bits 10 to 13.
const FLAGS: usize = 152;
/// `BCH_SB_FIELD_crypt`.
const CRYPT_FIELD: u32 = 2;
/// Offset of the key in that field, and what it begins with if no passphrase encrypts it (`BCH_KEY_MAGIC`).
const KEY: usize = 24;
const BARE_KEY: &[u8; 8] = b"bch**key";

/// Returns what releases the key of a file system that encrypts; none if it does not.
pub(crate) fn encryption(root: &Root, device: &Path) -> Result<Option<Protector>, Reason> {
    let mut device = root.open(device)?;
    device.seek(SeekFrom::Start(SUPERBLOCK))?;
    let mut fixed = [0; FIXED];
    device.read_exact(&mut fixed)?;
    if !fixed.get(MAGIC).is_some_and(|magic| MAGICS.iter().any(|known| known == magic)) {
        return Err(Reason::Malformed);
    }
    let flags = fixed.get(FLAGS..).and_then(|at| at.first_chunk()).ok_or(Reason::Malformed)?;
    if (u64::from_le_bytes(*flags) >> 10) & 0xf == 0 {
        return Ok(None);
    }
    let words = number(&fixed, WORDS).ok_or(Reason::Malformed)?;
    let mut fields = Vec::new();
    device.take((u64::from(words) * 8).min(MAX_FIELDS)).read_to_end(&mut fields)?;
    let key = crypt_key(&fields).ok_or(Reason::Malformed)?;
    Ok(Some(if key.starts_with(BARE_KEY) { Protector::Clear } else { Protector::Password }))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Each field begins with its size in 64-bit words and its type.
fn crypt_key(mut fields: &[u8]) -> Option<&[u8]> {
    loop {
        let size = usize::try_from(number(fields, 0)?).ok()?.checked_mul(8).filter(|size| *size > 0)?;
        let field = fields.get(..size)?;
        if number(field, 4)? == CRYPT_FIELD {
            return field.get(KEY..KEY + 8);
        }
        fields = fields.get(size..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock(magic: [u8; 16], encryption: u64, key: &[u8; 8]) -> Vec<u8> {
        let mut bytes = vec![0; 4096 + FIXED];
        bytes[4096 + 24..4096 + 40].copy_from_slice(&magic);
        bytes[4096 + FLAGS..4096 + FLAGS + 8].copy_from_slice(&(encryption << 10 | 1).to_le_bytes());
        bytes[4096 + WORDS] = 10;
        let field = |words: u32, kind: u32| [words.to_le_bytes(), kind.to_le_bytes()].concat();
        bytes.extend(
            [field(2, 1), vec![0xff; 8], field(8, 2), vec![0; 16], key.to_vec(), vec![7; 32]].concat(),
        );
        bytes
    }

    #[test]
    fn superblock_tells_whether_the_key_is_protected() {
        let mut unknown = MAGICS[1];
        unknown[15] = 0;
        let mut cut = superblock(MAGICS[1], 1, b"\x01\x02\x03\x04\x05\x06\x07\x08");
        cut.truncate(4096 + FIXED + 20);
        let table = [
            (superblock(MAGICS[1], 1, b"\x01\x02\x03\x04\x05\x06\x07\x08"), Ok(Some(Protector::Password))),
            (superblock(MAGICS[0], 1, b"\x01\x02\x03\x04\x05\x06\x07\x08"), Ok(Some(Protector::Password))),
            (superblock(MAGICS[1], 1, BARE_KEY), Ok(Some(Protector::Clear))),
            (superblock(MAGICS[1], 0, BARE_KEY), Ok(None)),
            (superblock(unknown, 1, BARE_KEY), Err(Reason::Malformed)),
            (cut, Err(Reason::Malformed)),
            (vec![0; 5000], Err(Reason::Malformed)),
            (vec![0; 10], Err(Reason::Failed)),
        ];
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("device");
        for (bytes, expected) in table {
            std::fs::write(&device, bytes).unwrap();
            assert_eq!(encryption(&Root::default(), &device), expected);
        }
    }
}
