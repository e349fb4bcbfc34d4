//! Sets the key's PIN before use: authenticatorClientPIN with protocol one (CTAP 2.1 section 6.5).

use anyhow::{Context, Result, anyhow, bail, ensure};
use aws_lc_rs::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::SystemRandom;
use ctaphid_dispatch::app::{App, Command};
use trussed_core::types::Message;
use vitalsign_protocol::cbor::{MapBuilder, Value};

const CLIENT_PIN: u8 = 0x06;
const PIN_INVALID: u8 = 0x31;
const PIN_AUTH_INVALID: u8 = 0x33;

/// Sets the PIN and sends this many wrong ones. A key with a PIN keeps it and its attempts.
///
/// # Errors
/// The authenticator rejects the PIN.
pub(super) fn set(key: &mut dyn App<'static>, pin: &str, attempts: u8) -> Result<u8> {
    ensure!((4..=63).contains(&pin.len()), "a PIN has 4 to 63 bytes");
    let (secret, ours) = agree(key)?;
    let mut padded = pin.as_bytes().to_vec();
    padded.resize(64, 0);
    let encrypted = encrypt(&secret, &padded)?;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), &encrypted);
    let tag = tag.as_ref().get(..16).context("a tag has 32 bytes")?.to_vec();
    let request = subcommand(3).with(3i64, ours).with(4i64, tag).with(5i64, encrypted);
    match ask(key, request)? {
        Ok(_) => Ok(8u8.saturating_sub(attempts)),
        // Section 6.5.5.5, step 3: there is one already.
        Err(PIN_AUTH_INVALID) => Ok(0),
        Err(code) => bail!("the key does not take the PIN: CTAP error {code:#04x}"),
    }
}

/// Tells the key a PIN that is not its own.
///
/// # Errors
/// When it does not say that the PIN is wrong.
pub(super) fn mistake(key: &mut dyn App<'static>, pin: &str) -> Result<()> {
    let (secret, ours) = agree(key)?;
    let wrong = digest(&SHA256, format!("not {pin}").as_bytes());
    let wrong = encrypt(&secret, wrong.as_ref().get(..16).context("a digest has 32 bytes")?)?;
    match ask(key, subcommand(5).with(3i64, ours).with(6i64, wrong))? {
        Err(PIN_INVALID) => Ok(()),
        other => bail!("the key did not say that the PIN is wrong: {other:?}"),
    }
}

fn subcommand(number: i64) -> MapBuilder<'static> {
    MapBuilder::default().with(1i64, 1i64).with(2i64, number)
}

/// Sends a request; the answer, or the key's error.
fn ask(key: &mut dyn App<'static>, request: MapBuilder<'_>) -> Result<Result<Vec<u8>, u8>> {
    let mut message = vec![CLIENT_PIN];
    message.extend(request.build().encode());
    let mut answer = Message::new();
    let called = key.call(Command::Cbor, &message, answer.as_mut_view());
    called.map_err(|error| anyhow!("the key did not take a command: {error:?}"))?;
    let (status, answer) = answer.split_first().context("the key gave an empty answer")?;
    Ok(if *status == 0 { Ok(answer.to_vec()) } else { Err(*status) })
}

/// A secret shared with the key, and our half of it as a COSE key.
fn agree(key: &mut dyn App<'static>) -> Result<(Vec<u8>, Value<'static>)> {
    let answer =
        ask(key, subcommand(2))?.map_err(|code| anyhow!("no key agreement: CTAP error {code:#04x}"))?;
    let answer = Value::decode_preferred(&answer)?;
    let theirs = answer.get(1).context("no key agreement key")?;
    let mut point = vec![4];
    for coordinate in [-2, -3] {
        point.extend(theirs.get(coordinate).and_then(Value::bytes).context("not a P-256 key")?);
    }
    let private = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())?;
    let public = private.compute_public_key()?;
    let (x, y) =
        public.as_ref().get(1..).and_then(|both| both.split_at_checked(32)).context("not a P-256 key")?;
    let ours = MapBuilder::default()
        .with(1i64, 2i64)
        .with(3i64, -25i64)
        .with(-1i64, 1i64)
        .with(-2i64, x.to_vec())
        .with(-3i64, y.to_vec());
    let secret =
        agree_ephemeral(private, UnparsedPublicKey::new(&ECDH_P256, point), Unspecified, |shared| {
            Ok(digest(&SHA256, shared).as_ref().to_vec())
        })?;
    Ok((secret, ours.build()))
}

/// AES-256-CBC with an initial vector of zeros and no padding, as protocol one has it.
fn encrypt(secret: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, secret)?)?;
    let mut text = plain.to_vec();
    key.less_safe_encrypt(&mut text, EncryptionContext::Iv128(FixedLength::from([0; 16])))?;
    // The last block is padding alone.
    text.truncate(plain.len());
    Ok(text)
}
