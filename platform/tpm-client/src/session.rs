//! Session with a salt that only the TPM can decrypt (TPM 2.0 part 1, clauses 19 and 21): commands and
//! responses carry HMACs, and the response's first parameter is encrypted, so that an attacker on the bus can
//! neither read nor change it.

use super::device::{NULL, TpmDevice, handle, split};
use super::failure::CommandError;
use aws_lc_rs::cipher::{DecryptingKey, DecryptionContext};
use aws_lc_rs::iv::FixedLength;
use tpm2_protocol::TpmWriter;
use tpm2_protocol::data::{
    Tpm2bEncryptedSecret, TpmAlgId, TpmSe, TpmaSession, TpmsAuthCommand, TpmtSymDef, TpmuSymKeyBits,
    TpmuSymMode,
};
use tpm2_protocol::frame::{TpmFrame, TpmHeader, TpmStartAuthSessionCommand, TpmStartAuthSessionResponse};
use vitalsign_tpm::codec;
use vitalsign_tpm::hash::Hash;
use vitalsign_tpm::seed::{Recipient, cipher_key};
use zeroize::Zeroizing;

const HASH: Hash = Hash::Sha256;
const BITS: u32 = 256;
const ATTRIBUTES: TpmaSession = TpmaSession::ENCRYPT;

/// The session, for one command: with it the TPM ends the session.
pub(crate) struct ParameterSession {
    handle: u32,
    key: Zeroizing<Vec<u8>>,
    nonce_tpm: Vec<u8>,
}

/// Uses a session salted for the key at `salt_key`.
pub(crate) fn salted<T>(
    device: &mut TpmDevice,
    salt_key: u32,
    recipient: &Recipient,
    use_it: impl FnOnce(&mut TpmDevice, ParameterSession) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let (salt, encrypted) = recipient.seal("SECRET")?;
    let symmetric = TpmtSymDef {
        algorithm: TpmAlgId::Aes,
        key_bits: TpmuSymKeyBits::Aes(128.into()),
        mode: TpmuSymMode::Aes(TpmAlgId::Cfb),
    };
    let encrypted: Tpm2bEncryptedSecret = codec::buffer(&encrypted)?;
    let (opened, nonce_tpm, nonce_caller) = start(device, salt_key, encrypted, TpmSe::Hmac, symmetric)?;
    let key = HASH.kdfa(&salt, "ATH", &nonce_tpm, &nonce_caller, BITS);
    device.with(opened, |device, handle| use_it(device, ParameterSession { handle, key, nonce_tpm }))
}

/// Uses a policy session that nothing has been asserted in yet.
pub(crate) fn policy<T>(
    device: &mut TpmDevice,
    use_it: impl FnOnce(&mut TpmDevice, u32) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let (opened, _, _) =
        start(device, NULL, Tpm2bEncryptedSecret::default(), TpmSe::Policy, TpmtSymDef::default())?;
    device.with(opened, use_it)
}

fn start(
    device: &mut TpmDevice,
    salt_key: u32,
    encrypted_salt: Tpm2bEncryptedSecret,
    session_type: TpmSe,
    symmetric: TpmtSymDef,
) -> Result<(u32, Vec<u8>, [u8; 32]), CommandError> {
    let mut nonce_caller = [0; 32];
    aws_lc_rs::rand::fill(&mut nonce_caller)?;
    let command = TpmStartAuthSessionCommand {
        handles: [handle(salt_key), handle(NULL)],
        nonce_caller: codec::buffer(&nonce_caller)?,
        encrypted_salt,
        session_type,
        symmetric,
        auth_hash: TpmAlgId::Sha256,
    };
    let response: TpmStartAuthSessionResponse = device.run(&command, &[])?;
    let [opened] = response.handles;
    Ok((opened.value(), response.nonce_tpm.to_vec(), nonce_caller))
}

impl ParameterSession {
    /// Runs a command whose first handle this session authorises (its object has an empty authorisation) and whose
    /// second `other` does. `names` are the handles' names. Gives the first parameter of the response, decrypted.
    pub(crate) fn run<C: TpmFrame + TpmHeader>(
        self,
        device: &mut TpmDevice,
        command: &C,
        names: &[&[u8]],
        other: TpmsAuthCommand,
    ) -> Result<Zeroizing<Vec<u8>>, CommandError> {
        let mut nonce_caller = [0; 32];
        aws_lc_rs::rand::fill(&mut nonce_caller)?;
        let code = C::CC.value().to_be_bytes();
        let mut buffer = vec![0; 4096];
        let mut writer = TpmWriter::new(&mut buffer);
        command.marshal_parameters(&mut writer)?;
        let cp_hash = HASH.digest(&[&code, &names.concat(), writer.as_bytes()]);
        let attributes = [ATTRIBUTES.bits()];
        let hmac = HASH.hmac(&self.key, &[&cp_hash, &nonce_caller, &self.nonce_tpm, &attributes]);
        let ours = TpmsAuthCommand {
            session_handle: handle(self.handle),
            nonce: codec::buffer(&nonce_caller)?,
            session_attributes: ATTRIBUTES,
            hmac: codec::buffer(&hmac)?,
        };
        let response = device.response(command, &[ours, other])?;
        // The session is not continued: the TPM has ended it with this success.
        device.release(self.handle);

        let (_, parameters, sessions) = split(&response, 0)?;
        let (nonce_tpm, rest) = codec::split_sized(sessions)?;
        let (attributes, rest) = rest.split_first_chunk::<1>().ok_or(codec::Malformed)?;
        let (hmac, _) = codec::split_sized(rest)?;
        let rp_hash = HASH.digest(&[&[0; 4], &code, parameters]);
        let wanted = HASH.hmac(&self.key, &[&rp_hash, nonce_tpm, &nonce_caller, attributes]);
        aws_lc_rs::constant_time::verify_slices_are_equal(&wanted, hmac).map_err(|_| {
            CommandError::Garbled("an HMAC that is not its own: something on the way changed the response")
        })?;
        if *attributes != [ATTRIBUTES.bits()] {
            return Err(CommandError::Garbled("a response that is not encrypted"));
        }
        let (encrypted, _) = codec::split_sized(parameters)?;
        let mut first = Zeroizing::new(encrypted.to_vec());
        self.decrypt(&mut first, nonce_tpm, &nonce_caller)?;
        Ok(first)
    }

    fn decrypt(&self, data: &mut [u8], nonce_tpm: &[u8], nonce_caller: &[u8]) -> Result<(), CommandError> {
        let derived = HASH.kdfa(&self.key, "CFB", nonce_tpm, nonce_caller, 128 + 128);
        let (key, iv) = derived.split_at_checked(16).ok_or(codec::Malformed)?;
        let iv: [u8; 16] = iv.try_into().map_err(|_| codec::Malformed)?;
        let key = DecryptingKey::cfb128(cipher_key(key)?)?;
        key.decrypt(data, DecryptionContext::Iv128(FixedLength::from(iv)))?;
        Ok(())
    }
}
