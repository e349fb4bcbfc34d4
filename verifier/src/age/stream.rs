//! The payload: chunks of 64 KiB, each encrypted with a counter and a flag that marks the last one.

use super::{Error, FileKey};
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use std::io::{Read, Write};
use zeroize::Zeroizing;

const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
/// Length of the nonce from which the payload's key is derived.
pub(super) const NONCE: usize = 16;

struct Chunks {
    key: LessSafeKey,
    count: u64,
}

impl Chunks {
    fn new(file_key: &FileKey, nonce: &[u8; NONCE]) -> Result<Self, Error> {
        let key = file_key.derive(nonce, b"payload")?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &*key).map_err(|_| Error::Crypto)?;
        Ok(Self { key: LessSafeKey::new(key), count: 0 })
    }

    fn nonce(&mut self, last: bool) -> Nonce {
        let mut nonce = [0; 12];
        let (_, counter) = nonce.split_at_mut(3);
        for (to, from) in counter.iter_mut().zip(self.count.to_be_bytes()) {
            *to = from;
        }
        let [.., flag] = &mut nonce;
        *flag = u8::from(last);
        self.count += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Encrypts everything that `from` has.
pub(super) fn seal(
    from: &mut impl Read,
    to: &mut impl Write,
    file_key: &FileKey,
    nonce: &[u8; NONCE],
) -> Result<(), Error> {
    let mut chunks = Chunks::new(file_key, nonce)?;
    let mut chunk = fill(from, CHUNK)?;
    loop {
        // Read ahead, to know whether this is the last one.
        let next = if chunk.len() == CHUNK { fill(from, CHUNK)? } else { Zeroizing::default() };
        let nonce = chunks.nonce(next.is_empty());
        chunks.key.seal_in_place_append_tag(nonce, Aad::empty(), &mut *chunk).map_err(|_| Error::Crypto)?;
        to.write_all(&chunk)?;
        if next.is_empty() {
            return Ok(());
        }
        chunk = next;
    }
}

/// Decrypts everything that `from` has. What was written to `to` is valid only if this succeeds.
pub(super) fn open(
    from: &mut impl Read,
    to: &mut impl Write,
    file_key: &FileKey,
    nonce: &[u8; NONCE],
) -> Result<(), Error> {
    let mut chunks = Chunks::new(file_key, nonce)?;
    let mut chunk = fill(from, CHUNK + TAG)?;
    loop {
        let next = if chunk.len() == CHUNK + TAG { fill(from, CHUNK + TAG)? } else { Zeroizing::default() };
        let (first, nonce) = (chunks.count == 0, chunks.nonce(next.is_empty()));
        let plain = chunks.key.open_in_place(nonce, Aad::empty(), &mut chunk).map_err(|_| Error::Damaged)?;
        // Only an empty payload ends with an empty chunk.
        if plain.is_empty() && !first {
            return Err(Error::Damaged);
        }
        to.write_all(plain)?;
        if next.is_empty() {
            return Ok(());
        }
        chunk = next;
    }
}

/// Reads until there are `most` bytes or `from` ends.
fn fill(from: &mut impl Read, most: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    // With room for the tag, so that the plaintext is not copied to another place.
    let mut chunk = Zeroizing::new(Vec::with_capacity(most + TAG));
    from.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut chunk)?;
    Ok(chunk)
}
