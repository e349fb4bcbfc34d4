//! A LUKS2 header ("LUKS2 On-Disk Format Specification" 1.1) whose only key slot a TPM opens.

use serde_json::json;
use vitalsign_protocol::id::Digest;

/// Bytes of the binary header, and of the JSON area after it.
const BINARY: usize = 4096;
const JSON: usize = 12_288;
const HEADER: usize = BINARY + JSON;
/// Bytes of an image with room for both headers, the key slots and a little data.
const IMAGE: usize = 32 * 1024 * 1024;

/// Returns an image as `cryptsetup luksFormat` and `systemd-cryptenroll --tpm2-device=auto` leave it, with fixed bytes for
/// the keys.
pub(crate) fn bound_to_tpm() -> Vec<u8> {
    // The secondary header follows the primary one.
    let mut image = Vec::new();
    for (offset, magic) in [(0_u64, b"LUKS\xba\xbe"), (16_384, b"SKUL\xba\xbe")] {
        // The checksum covers the header and the JSON area, with zeros for itself.
        let checksum = Digest::of(&header(offset, magic, &[]));
        image.extend(header(offset, magic, checksum.as_bytes()));
    }
    image.resize(IMAGE, 0);
    image
}

fn header(offset: u64, magic: &[u8], checksum: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    let mut put = |at: usize, bytes: &[u8]| {
        header.resize(at, 0);
        header.extend_from_slice(bytes);
    };
    put(0, magic);
    put(6, &2_u16.to_be_bytes());
    put(8, &16_384_u64.to_be_bytes());
    // Sequence number, label, algorithm of the checksum, salt, UUID.
    put(16, &1_u64.to_be_bytes());
    put(72, b"sha256");
    put(104, &[7; 64]);
    put(168, b"6f3ec9a0-5f0b-4b0c-8f6a-6f4ad3a2a111");
    put(256, &offset.to_be_bytes());
    put(448, checksum);
    put(BINARY, metadata().as_bytes());
    header.resize(HEADER, 0);
    header
}

fn metadata() -> String {
    let salt = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    json!({
        "keyslots": { "0": {
            "type": "luks2",
            "key_size": 64,
            "af": { "type": "luks1", "stripes": 4000, "hash": "sha256" },
            "area": {
                "type": "raw", "offset": "32768", "size": "258048", "encryption": "aes-xts-plain64", "key_size": 64,
            },
            "kdf": { "type": "pbkdf2", "hash": "sha512", "iterations": 1000, "salt": salt },
        } },
        "tokens": { "0": {
            "type": "systemd-tpm2",
            "keyslots": ["0"],
            "tpm2-blob": "AAAA",
            "tpm2-pcrs": [7],
            "tpm2-pcr-bank": "sha256",
            "tpm2-primary-alg": "ecc",
            "tpm2-policy-hash": "00",
            "tpm2-pin": false,
        } },
        "segments": { "0": {
            "type": "crypt", "offset": "16777216", "size": "dynamic", "iv_tweak": "0", "encryption": "aes-xts-plain64",
            "sector_size": 512,
        } },
        "digests": { "0": {
            "type": "pbkdf2", "keyslots": ["0"], "segments": ["0"], "hash": "sha256", "iterations": 1000, "salt": salt,
            "digest": salt,
        } },
        "config": { "json_size": "12288", "keyslots_size": "16744448" },
    })
    .to_string()
}
