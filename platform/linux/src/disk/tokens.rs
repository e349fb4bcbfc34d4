//! LUKS2 tokens: what releases the key of a key slot, as each enrolling program records it.
//!
//! Sources: `tpm2_make_luks2_json` of systemd's `tpm2-util.c`; `luksview` and `keydata.go` of secboot; the
//! `clevis-encrypt-*` programs; `fdectl-grub-tpm2.c` of fde-tools; `cryptsetup-token-ssh`.

use super::pcrs::{BootPcrs, records_boot};
use serde_json::Value;
use std::path::PathBuf;
use vitalsign_protocol::fact::Reason;
use vitalsign_protocol::id::Base64Url;
use vitalsign_protocol::posture::Protector;

/// Deeper than anyone nests Shamir's scheme.
const MAX_DEPTH: u8 = 4;
/// Folder of the keys to which secboot's `plainkey` refers, of which it names none.
pub(crate) const SNAPD_KEYS: &str = "/var/lib/snapd/device/fde";

/// Key or secret that opens a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opener {
    Protector(Protector),
    /// A key in a file or folder, which is as safe as the volume that it lies on.
    KeyFile(PathBuf),
    /// A key of snapd's: sealed in a file, or, for the volume that keeps state beside the data, in the clear on the data's.
    Snapd,
}

/// Returns what a token says of its key slots; none for tokens that only remember where the password is asked for.
///
/// # Errors
/// [`Reason::Malformed`] for tokens of programs that this version does not know.
pub(crate) fn opener(token: &Value, pcrs: BootPcrs<'_>) -> Result<Option<Opener>, Reason> {
    let protector = match token.get("type").and_then(Value::as_str).ok_or(Reason::Malformed)? {
        "luks2-keyring" => return Ok(None),
        "systemd-tpm2" => systemd_tpm2(token, pcrs)?,
        "systemd-fido2" | "systemd-pkcs11" => Protector::Token,
        "systemd-recovery" | "ubuntu-fde-recovery" => Protector::Recovery,
        // Up to 24.04, snapd keeps the key data in files, and the token has no more than a name.
        "ubuntu-fde" => {
            return token.get("ubuntu_fde_data").map_or(Ok(Opener::Snapd), ubuntu).map(Some);
        }
        // The token has no more than its slots: the sealed key lies beside the boot loader, and fde-tools seals to
        // PCRs always.
        "grub-tpm2" => Protector::Tpm,
        "clevis" => {
            let header = token.pointer("/jwe/protected").and_then(Value::as_str).ok_or(Reason::Malformed)?;
            return clevis_opener(header, pcrs).map(Some);
        }
        "ssh" => Protector::Network,
        _ => return Err(Reason::Malformed),
    };
    Ok(Some(Opener::Protector(protector)))
}

/// `tpm2-pcrs` are PCR values, `tpm2_pubkey_pcrs` PCRs under a signed policy, and `tpm2_pcrlock` a policy in the TPM's
/// own memory.
fn systemd_tpm2(token: &Value, pcrs: BootPcrs<'_>) -> Result<Protector, Reason> {
    if set(token, &["tpm2-pin"]) {
        return Ok(Protector::TpmAndPin);
    }
    let values = pcrs.any_binds(&list(token.get("tpm2-pcrs").ok_or(Reason::Malformed)?)?);
    // The TPM accepts signed values only, and the value of a PCR without measurements is not one.
    let signed = token.get("tpm2_pubkey_pcrs").map_or(Ok(Vec::new()), list)?.into_iter().any(records_boot);
    let locked = set(token, &["tpm2_pcrlock", "tpm2-pcrlock"]);
    Ok(if values || signed || locked { Protector::Tpm } else { Protector::TpmUnbound })
}

fn set(token: &Value, names: &[&str]) -> bool {
    names.iter().any(|name| token.get(name).and_then(Value::as_bool) == Some(true))
}

/// A list of PCRs.
fn list(pcrs: &Value) -> Result<Vec<u64>, Reason> {
    let pcrs = pcrs.as_array().ok_or(Reason::Malformed)?;
    pcrs.iter().map(Value::as_u64).collect::<Option<_>>().ok_or(Reason::Malformed)
}

/// Reads the key data of secboot, whose TPM keys have a PCR policy.
pub(crate) fn ubuntu(data: &Value) -> Result<Opener, Reason> {
    let asks =
        ["passphrase_params", "pin_params"].iter().any(|name| data.get(name).is_some_and(Value::is_object));
    match data.get("platform_name").and_then(Value::as_str) {
        Some("tpm2" | "tpm2-legacy") if asks => Ok(Opener::Protector(Protector::TpmAndPin)),
        Some("tpm2" | "tpm2-legacy") => Ok(Opener::Protector(Protector::Tpm)),
        Some("tpm2-fido2") => Ok(Opener::Protector(Protector::Token)),
        Some("plainkey") => Ok(Opener::KeyFile(SNAPD_KEYS.into())),
        _ => Err(Reason::Malformed),
    }
}

/// Reads the protected header of a clevis JWE (base64url, RFC 7516).
fn clevis_header(header: &str) -> Option<Value> {
    let header: Base64Url = serde_json::from_value(Value::String(header.to_owned())).ok()?;
    let header: Value = serde_json::from_slice(&header.0).ok()?;
    header.get("clevis").cloned()
}

/// Reads what opens a key slot from the protected header of its JWE.
pub(crate) fn clevis_opener(header: &str, pcrs: BootPcrs<'_>) -> Result<Opener, Reason> {
    let clevis = clevis_header(header).ok_or(Reason::Malformed)?;
    let file = clevis.pointer("/file/name").and_then(Value::as_str);
    match (clevis.get("pin").and_then(Value::as_str), file) {
        (Some("file"), Some(name)) if name.starts_with('/') => Ok(Opener::KeyFile(name.into())),
        _ => pin(&clevis, pcrs, MAX_DEPTH).map(Opener::Protector),
    }
}

fn pin(clevis: &Value, pcrs: BootPcrs<'_>, depth: u8) -> Result<Protector, Reason> {
    let depth = depth.checked_sub(1).ok_or(Reason::Malformed)?;
    Ok(match clevis.get("pin").and_then(Value::as_str) {
        Some(pin @ ("tpm2" | "tpm1")) => clevis_tpm(clevis.get(pin).unwrap_or(&Value::Null), pcrs)?,
        Some("tang" | "tang-pqc") => Protector::Network,
        Some("fido2" | "pkcs11") => Protector::Token,
        // The pins of clevis' own tests: the key is in the header.
        Some("null" | "test") => Protector::Clear,
        Some("sss") => shares(clevis.get("sss").ok_or(Reason::Malformed)?, pcrs, depth)?,
        _ => return Err(Reason::Malformed),
    })
}

/// `pcr_ids` is a text, `7` or `0,7`; clevis-pin-tpm2 also writes a list, or names the key of a signed policy.
fn clevis_tpm(pin: &Value, pcrs: BootPcrs<'_>) -> Result<Protector, Reason> {
    let values = match pin.get("pcr_ids") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(ids)) => ids.iter().map(pcr_ids).collect::<Result<Vec<_>, _>>()?.concat(),
        Some(one) => pcr_ids(one)?,
    };
    let values = pcrs.any_binds(&values);
    let signed = pin.get("policy_pubkey_path").is_some_and(Value::is_string);
    Ok(if values || signed { Protector::Tpm } else { Protector::TpmUnbound })
}

fn pcr_ids(value: &Value) -> Result<Vec<u64>, Reason> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let ids = text.split(',').map(str::trim).filter(|pcr| !pcr.is_empty());
    ids.map(str::parse).collect::<Result<_, _>>().map_err(|_| Reason::Malformed)
}

/// Of several shares, `t` are needed: the key is as safe as the strongest of the `t` weakest.
fn shares(sss: &Value, pcrs: BootPcrs<'_>, depth: u8) -> Result<Protector, Reason> {
    let needed = sss.get("t").and_then(Value::as_u64).and_then(|t| usize::try_from(t).ok());
    let jwes = sss.get("jwe").and_then(Value::as_array).ok_or(Reason::Malformed)?;
    // In compact serialization, the header ends at the first dot.
    let headers = jwes.iter().map(|jwe| jwe.as_str()?.split('.').next());
    let mut found = Vec::new();
    for header in headers {
        let clevis = header.and_then(clevis_header).ok_or(Reason::Malformed)?;
        found.push(pin(&clevis, pcrs, depth)?);
    }
    found.sort_by_key(strength);
    let last = needed.and_then(|needed| needed.checked_sub(1)).ok_or(Reason::Malformed)?;
    found.get(last).copied().ok_or(Reason::Malformed)
}

/// Ranks a protector by the effort of an attacker who has the machine. A TPM alone releases the key to anyone
/// who boots it; a password can be attacked offline, and a network's key wherever the network is.
pub(crate) fn strength(protector: &Protector) -> u8 {
    match protector {
        Protector::Clear => 0,
        Protector::TpmUnbound => 1,
        Protector::Password => 2,
        Protector::Network => 3,
        Protector::Tpm => 4,
        Protector::Recovery => 5,
        Protector::Token => 6,
        Protector::TpmAndPin => 7,
        Protector::Random => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Root;
    use serde_json::json;

    fn protected(clevis: &Value) -> String {
        let header = json!({ "alg": "dir", "clevis": clevis, "enc": "A256GCM" }).to_string();
        let encoded = serde_json::to_value(Base64Url(header.into_bytes())).unwrap();
        encoded.as_str().unwrap().to_owned()
    }

    fn bound(clevis: &Value) -> Value {
        json!({ "type": "clevis", "keyslots": ["1"], "jwe": {
            "ciphertext": "AA", "encrypted_key": "", "iv": "AA", "protected": protected(clevis), "tag": "AA",
        } })
    }

    fn share(clevis: &Value) -> String {
        format!("{}..AA.AA.AA", protected(clevis))
    }

    #[test]
    fn token_of_each_enrolling_program_is_read() {
        let systemd = |more: Value| {
            let mut token = json!({ "type": "systemd-tpm2", "keyslots": ["1"], "tpm2-blob": "AA", "tpm2-pcrs": [],
                "tpm2-pcr-bank": "sha256", "tpm2-primary-alg": "ecc", "tpm2-policy-hash": "00", "tpm2-pin": false });
            token.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            token
        };
        let ubuntu = |data: Value| {
            json!({ "type": "ubuntu-fde", "keyslots": ["0"], "ubuntu_fde_name": "default",
            "ubuntu_fde_priority": 0, "ubuntu_fde_data": data })
        };
        let tpm2 = |pcrs: Value| {
            json!({ "pin": "tpm2", "tpm2": { "hash": "sha256", "key": "ecc", "pcr_ids": pcrs,
            "pcr_bank": "sha256", "jwk_pub": "AA", "jwk_priv": "AA" } })
        };
        let no_pcrs = json!({ "pin": "tpm2", "tpm2": { "hash": "sha256", "key": "ecc", "jwk_pub": "A" } });
        let tang = json!({ "pin": "tang", "tang": { "adv": { "keys": [] }, "url": "http://tang" } });
        let sss = |t: u64, pins: &[&Value]| {
            let jwe: Vec<_> = pins.iter().map(|pin| share(pin)).collect();
            json!({ "pin": "sss", "sss": { "p": "AA", "t": t, "jwe": jwe } })
        };
        let both = sss(2, &[&tang, &no_pcrs]);
        let table = [
            (systemd(json!({})), Protector::TpmUnbound),
            (systemd(json!({ "tpm2-pcrs": [7] })), Protector::Tpm),
            (systemd(json!({ "tpm2-pcrs": [16, 23] })), Protector::TpmUnbound),
            (systemd(json!({ "tpm2-pcrs": [16, 7] })), Protector::Tpm),
            // A live system has the same values.
            (systemd(json!({ "tpm2-pcrs": [0, 1, 2, 3] })), Protector::TpmUnbound),
            (systemd(json!({ "tpm2-pcrs": [15] })), Protector::TpmUnbound),
            (systemd(json!({ "tpm2-pcrs": [0, 2, 4] })), Protector::Tpm),
            (systemd(json!({ "tpm2_pubkey_pcrs": [11], "tpm2_pubkey": "AA" })), Protector::Tpm),
            (systemd(json!({ "tpm2_pubkey_pcrs": [] })), Protector::TpmUnbound),
            (systemd(json!({ "tpm2_pcrlock": true, "tpm2_pcrlock_nv": "AA" })), Protector::Tpm),
            (systemd(json!({ "tpm2_pcrlock": false })), Protector::TpmUnbound),
            (systemd(json!({ "tpm2-pin": true })), Protector::TpmAndPin),
            (systemd(json!({ "tpm2-blob": ["AA", "AA"], "tpm2-pcrs": [7] })), Protector::Tpm),
            (json!({ "type": "systemd-fido2", "keyslots": ["1"] }), Protector::Token),
            (json!({ "type": "systemd-pkcs11", "keyslots": ["1"] }), Protector::Token),
            (json!({ "type": "systemd-recovery", "keyslots": ["1"] }), Protector::Recovery),
            (json!({ "type": "ubuntu-fde-recovery", "keyslots": ["1"] }), Protector::Recovery),
            (ubuntu(json!({ "platform_name": "tpm2", "role": "run" })), Protector::Tpm),
            (ubuntu(json!({ "platform_name": "tpm2", "passphrase_params": {} })), Protector::TpmAndPin),
            (ubuntu(json!({ "platform_name": "tpm2", "pin_params": {} })), Protector::TpmAndPin),
            (ubuntu(json!({ "platform_name": "tpm2-fido2" })), Protector::Token),
            (json!({ "type": "grub-tpm2", "keyslots": ["2"], "timestamp": "2024" }), Protector::Tpm),
            (json!({ "type": "ssh", "keyslots": ["2"], "ssh_server": "a" }), Protector::Network),
            (bound(&tpm2(json!("7"))), Protector::Tpm),
            (bound(&tpm2(json!("0, 7"))), Protector::Tpm),
            (bound(&tpm2(json!([7]))), Protector::Tpm),
            (bound(&tpm2(json!(7))), Protector::Tpm),
            (bound(&tpm2(json!(["1", "7"]))), Protector::Tpm),
            (bound(&tpm2(json!([]))), Protector::TpmUnbound),
            (bound(&json!({ "pin": "tpm1", "tpm1": { "pcr_ids": "0", "jwk": "A" } })), Protector::TpmUnbound),
            (bound(&json!({ "pin": "tpm1", "tpm1": { "jwk": "A" } })), Protector::TpmUnbound),
            (bound(&tpm2(json!(""))), Protector::TpmUnbound),
            (bound(&tpm2(json!("23"))), Protector::TpmUnbound),
            (bound(&no_pcrs), Protector::TpmUnbound),
            (bound(&tang), Protector::Network),
            (bound(&json!({ "pin": "null" })), Protector::Clear),
            (bound(&json!({ "pin": "pkcs11", "pkcs11": {} })), Protector::Token),
            // One of the shares is enough, or both are needed.
            (bound(&sss(1, &[&tang, &tpm2(json!("7"))])), Protector::Network),
            (bound(&sss(2, &[&tang, &tpm2(json!("7"))])), Protector::Tpm),
            (bound(&sss(1, &[&tang, &no_pcrs])), Protector::TpmUnbound),
            (bound(&both), Protector::Network),
            (bound(&sss(1, &[&both, &tpm2(json!("7"))])), Protector::Network),
        ];
        let root = Root::at("/nonexistent");
        let opener = |token: &Value| opener(token, BootPcrs(&root));
        for (token, expected) in table {
            assert_eq!(opener(&token), Ok(Some(Opener::Protector(expected))), "{token}");
        }
        assert_eq!(opener(&json!({ "type": "luks2-keyring", "key_description": "x" })), Ok(None));
        let named = json!({ "type": "ubuntu-fde", "keyslots": ["0"], "ubuntu_fde_name": "default" });
        assert_eq!(opener(&named), Ok(Some(Opener::Snapd)));
        let plainkey = ubuntu(json!({ "platform_name": "plainkey" }));
        assert_eq!(opener(&plainkey), Ok(Some(Opener::KeyFile(SNAPD_KEYS.into()))));
        let file = bound(&json!({ "pin": "file", "file": { "name": "/etc/key" } }));
        assert_eq!(opener(&file), Ok(Some(Opener::KeyFile("/etc/key".into()))));
    }

    #[test]
    fn rejects_tokens_that_are_not_understood() {
        let mut nested = json!({ "pin": "tang" });
        for _ in 0..8 {
            nested = json!({ "pin": "sss", "sss": { "t": 1, "jwe": [share(&nested)] } });
        }
        let tang = json!({ "pin": "tang" });
        let root = Root::at("/nonexistent");
        for token in [
            json!({}),
            json!({ "type": "something-new", "keyslots": ["0"] }),
            json!({ "type": "systemd-tpm2", "keyslots": ["0"] }),
            json!({ "type": "systemd-tpm2", "tpm2-pcrs": "7" }),
            json!({ "type": "ubuntu-fde", "ubuntu_fde_data": { "platform_name": "new" } }),
            json!({ "type": "clevis" }),
            json!({ "type": "clevis", "jwe": { "protected": "!" } }),
            bound(&json!({ "pin": "new" })),
            bound(&json!({ "pin": "tpm2", "tpm2": { "pcr_ids": "seven" } })),
            bound(&json!({ "pin": "sss", "sss": { "t": 2, "jwe": [share(&tang)] } })),
            bound(&json!({ "pin": "sss", "sss": { "t": 0, "jwe": [share(&tang)] } })),
            bound(&nested),
        ] {
            assert_eq!(opener(&token, BootPcrs(&root)), Err(Reason::Malformed), "{token}");
        }
    }
}
