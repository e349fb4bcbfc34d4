//! One TPM, one command at a time: sends it, retries if the TPM requests it, and tracks every handle.

use super::failure::{CommandError, Rc};
use super::transport::{Address, MAX_RESPONSE, Transport};
use std::time::{Duration, Instant};
use tpm2_protocol::TpmWriter;
use tpm2_protocol::basic::TpmHandle;
use tpm2_protocol::data::{
    Tpm2bPublic, TpmCap, TpmCc, TpmSt, TpmaSession, TpmsAuthCommand, TpmtPublic, TpmuCapabilities,
};
use tpm2_protocol::frame::{
    TpmCreatePrimaryCommand, TpmFlushContextCommand, TpmFrame, TpmGetCapabilityCommand,
    TpmGetCapabilityResponse, TpmHeader, TpmNvReadCommand, TpmNvReadPublicCommand, TpmNvReadPublicResponse,
    TpmNvReadResponse, TpmReadPublicCommand, TpmResponse, TpmUnmarshalBody, tpm_marshal_command,
};
use vitalsign_tpm::codec;
use vitalsign_tpm::public::Public;

/// Times that a command is sent before a busy TPM counts as unavailable.
const MOST_TRIES: u32 = 10;
const RS_PW: u32 = 0x4000_0009;
pub(crate) const OWNER: u32 = 0x4000_0001;
pub(crate) const ENDORSEMENT: u32 = 0x4000_000b;
pub(crate) const NULL: u32 = 0x4000_0007;
/// Factor by which deriving a primary key may take longer than another command.
const CREATE_PRIMARY: u32 = 6;
/// Every TPM returns this much of an index at once.
const NV_CHUNK: usize = 512;
/// More bytes than an index with certificates has.
const MAX_NV_BYTES: usize = 16 * 1024;

/// TPM connection. After a failure, the next command connects again.
pub(crate) struct TpmDevice {
    address: Address,
    transport: Option<Box<dyn Transport>>,
    deadline: Duration,
    pub(crate) commands: u64,
    /// Number of connections so far; objects loaded in an earlier one are lost.
    pub(crate) connections: u64,
    /// Transient objects and sessions that we opened and have not flushed.
    ours: Vec<u32>,
}

/// Empty password, which authorises our keys and hierarchies without an owner.
pub(crate) fn password() -> TpmsAuthCommand {
    TpmsAuthCommand {
        session_handle: RS_PW.into(),
        session_attributes: TpmaSession::CONTINUE_SESSION,
        ..TpmsAuthCommand::default()
    }
}

/// A handle's number, as the codec has it.
pub(crate) fn handle(number: u32) -> TpmHandle {
    number.into()
}

impl TpmDevice {
    pub(crate) fn new(address: Address, deadline: Duration) -> Self {
        Self { address, transport: None, deadline, commands: 0, connections: 0, ours: Vec::new() }
    }

    /// Connects if there is no connection. Without a resource manager, objects of a crashed program are
    /// flushed.
    pub(crate) fn connect(&mut self) -> Result<(), CommandError> {
        if self.transport.is_some() {
            return Ok(());
        }
        self.connect_only()?;
        self.flush_strays()
    }

    /// Connects, and leaves everything as it is.
    pub(crate) fn connect_only(&mut self) -> Result<(), CommandError> {
        self.transport = Some(self.address.connect(self.deadline)?);
        self.connections += 1;
        self.ours.clear();
        Ok(())
    }

    /// Sends a command and parses its response.
    pub(crate) fn run<R: TpmUnmarshalBody>(
        &mut self,
        command: &(impl TpmFrame + TpmHeader),
        sessions: &[TpmsAuthCommand],
    ) -> Result<R, CommandError> {
        let response = self.response(command, sessions)?;
        Ok(TpmResponse::cast(&response)?.unmarshal::<R>()?)
    }

    /// Sends a command and returns the response's parameters as received, because signatures cover these
    /// bytes.
    pub(crate) fn parameters<C: TpmFrame + TpmHeader>(
        &mut self,
        command: &C,
        sessions: &[TpmsAuthCommand],
    ) -> Result<Vec<u8>, CommandError> {
        let response = self.response(command, sessions)?;
        let (_, parameters, _) = split(&response, 0)?;
        Ok(parameters.to_vec())
    }

    /// Sends a command; the response is a success, and whole.
    pub(crate) fn response<C: TpmFrame + TpmHeader>(
        &mut self,
        command: &C,
        sessions: &[TpmsAuthCommand],
    ) -> Result<Vec<u8>, CommandError> {
        match self.once(command, sessions) {
            // Objects that a crashed predecessor left, or another program beside us.
            Err(CommandError::Refused(_, rc)) if rc.is_full() && self.flush_strays().is_ok() => {
                self.once(command, sessions)
            }
            other => other,
        }
    }

    fn once<C: TpmFrame + TpmHeader>(
        &mut self,
        command: &C,
        sessions: &[TpmsAuthCommand],
    ) -> Result<Vec<u8>, CommandError> {
        let mut buffer = vec![0; MAX_RESPONSE];
        let mut writer = TpmWriter::new(&mut buffer);
        let tag = if sessions.is_empty() { TpmSt::NoSessions } else { TpmSt::Sessions };
        tpm_marshal_command(command, tag, sessions, &mut writer)?;
        self.send(C::CC, writer.as_bytes())
    }

    fn send(&mut self, code: TpmCc, command: &[u8]) -> Result<Vec<u8>, CommandError> {
        self.connect()?;
        let deadline =
            if code == TpmCc::CreatePrimary { self.deadline * CREATE_PRIMARY } else { self.deadline };
        let until = Instant::now() + deadline;
        let mut pause = Duration::from_millis(2);
        for tries in 1.. {
            let transport =
                self.transport.as_mut().ok_or(CommandError::Io(std::io::ErrorKind::NotConnected.into()))?;
            self.commands += 1;
            let answer = transport.exchange(command, until.saturating_duration_since(Instant::now()));
            let checked =
                answer.map_err(CommandError::from).and_then(|answer| Ok((response_code(&answer)?, answer)));
            let (rc, answer) = match checked {
                Ok(checked) => checked,
                Err(error) => {
                    // Whatever comes now could be the answer to this command: never take it for the next one's.
                    self.transport = None;
                    return Err(error);
                }
            };
            if rc == Rc(0) {
                return Ok(answer);
            }
            if !rc.retry() || tries >= MOST_TRIES || Instant::now() + pause >= until {
                return Err(CommandError::Refused(code, rc));
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
        Err(CommandError::Garbled("nothing"))
    }

    /// Takes note of an object or session that a command has opened, for as long as `use_it` runs.
    pub(crate) fn with<T>(
        &mut self,
        opened: u32,
        use_it: impl FnOnce(&mut Self, u32) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        self.hold(opened);
        let done = use_it(self, opened);
        let flushed = if self.ours.contains(&opened) { self.flush(opened) } else { Ok(()) };
        done.and_then(|value| flushed.map(|()| value))
    }

    /// Takes note of an object or session that stays.
    pub(crate) fn hold(&mut self, opened: u32) {
        self.ours.push(opened);
    }

    /// The TPM has flushed it by itself.
    pub(crate) fn release(&mut self, opened: u32) {
        self.ours.retain(|it| *it != opened);
    }

    pub(crate) fn flush(&mut self, opened: u32) -> Result<(), CommandError> {
        self.release(opened);
        // A connection that is gone took the object along, or the next one flushes it as a stray.
        if self.transport.is_none() {
            return Ok(());
        }
        self.response(&TpmFlushContextCommand { handles: [], flush_handle: handle(opened) }, &[]).map(|_| ())
    }

    /// Without a resource manager: flushes every object and session that is not ours.
    fn flush_strays(&mut self) -> Result<(), CommandError> {
        if self.transport.as_ref().is_none_or(|transport| transport.managed()) {
            return Ok(());
        }
        for first in [0x8000_0000, 0x0200_0000, 0x0300_0000] {
            for stray in self.handles(first)? {
                if !self.ours.contains(&stray) {
                    self.once(&TpmFlushContextCommand { handles: [], flush_handle: handle(stray) }, &[])?;
                }
            }
        }
        Ok(())
    }

    /// The handles in use, from this one on, of its kind.
    pub(crate) fn handles(&mut self, first: u32) -> Result<Vec<u32>, CommandError> {
        let command = TpmGetCapabilityCommand {
            handles: [],
            cap: TpmCap::Handles,
            property: first.into(),
            property_count: 128.into(),
        };
        // Room is made with what this finds: it must not ask for room itself.
        let response = self.once(&command, &[])?;
        let response: TpmGetCapabilityResponse = TpmResponse::cast(&response)?.unmarshal()?;
        match &response.capability_data.data {
            TpmuCapabilities::Handles(found) => {
                // The list may go on into the next kind.
                Ok(found.iter().map(|it| it.value()).filter(|it| it >> 24 == first >> 24).collect())
            }
            _ => Err(CommandError::Garbled("another capability")),
        }
    }

    /// Makes a primary key and uses it.
    pub(crate) fn with_primary<T>(
        &mut self,
        hierarchy: u32,
        template: TpmtPublic,
        use_it: impl FnOnce(&mut Self, u32, Public) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let command = TpmCreatePrimaryCommand {
            handles: [handle(hierarchy)],
            in_sensitive: tpm2_protocol::data::Tpm2bSensitiveCreate::default(),
            in_public: Tpm2bPublic { inner: template },
            outside_info: tpm2_protocol::data::Tpm2bData::default(),
            creation_pcr: tpm2_protocol::data::TpmlPcrSelection::default(),
        };
        let response = self.response(&command, &[password()])?;
        let (opened, parameters, _) = split(&response, 1)?;
        let opened = *opened.first().ok_or(CommandError::Garbled("no handle"))?;
        let public = codec::split_sized(parameters).map(|(public, _)| public.to_vec());
        self.with(opened, |device, opened| use_it(device, opened, Public::parse(&public?)?))
    }

    /// Reads the public area of a loaded or persistent object; `None` if the object does not exist.
    pub(crate) fn read_public(&mut self, object: u32) -> Result<Option<Public>, CommandError> {
        match self.parameters(&TpmReadPublicCommand { handles: [handle(object)] }, &[]) {
            Ok(parameters) => {
                let (public, _) = codec::split_sized(&parameters)?;
                // What others left there may be of a kind that we do not know.
                Ok(Public::parse(public).ok())
            }
            Err(CommandError::Refused(_, rc)) if rc.is_unloaded() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads an NV index that needs no authorisation.
    pub(crate) fn nv_read(&mut self, index: u32) -> Result<Vec<u8>, CommandError> {
        let public: TpmNvReadPublicResponse =
            self.run(&TpmNvReadPublicCommand { handles: [handle(index)] }, &[])?;
        let size = usize::from(public.nv_public.inner.data_size.value());
        if size > MAX_NV_BYTES {
            return Err(CommandError::Garbled("an index larger than certificates are"));
        }
        let mut content = Vec::new();
        while content.len() < size {
            let chunk = u16::try_from((size - content.len()).min(NV_CHUNK)).unwrap_or_default();
            let offset = u16::try_from(content.len()).map_err(|_| codec::Malformed)?;
            let command = TpmNvReadCommand {
                handles: [handle(index), handle(index)],
                size: chunk.into(),
                offset: offset.into(),
            };
            let response: TpmNvReadResponse = self.run(&command, &[password()])?;
            if response.data.is_empty() {
                return Err(CommandError::Garbled("an empty part of an index"));
            }
            content.extend_from_slice(&response.data);
        }
        Ok(content)
    }
}

/// A response's code, if the response is as long as it says.
fn response_code(response: &[u8]) -> Result<Rc, CommandError> {
    let short = || CommandError::Garbled("too few bytes");
    let (header, _) = response.split_first_chunk::<10>().ok_or_else(short)?;
    let [_, _, s0, s1, s2, s3, r0, r1, r2, r3] = *header;
    let size = usize::try_from(u32::from_be_bytes([s0, s1, s2, s3])).unwrap_or(usize::MAX);
    if size != response.len() {
        return Err(CommandError::Garbled("another length than it says"));
    }
    Ok(Rc(u32::from_be_bytes([r0, r1, r2, r3])))
}

type Parts<'a> = (Vec<u32>, &'a [u8], &'a [u8]);

pub(crate) fn split(response: &[u8], handles: usize) -> Result<Parts<'_>, CommandError> {
    let short = || CommandError::Garbled("too few bytes");
    let sessions = response.starts_with(&TpmSt::Sessions.value().to_be_bytes());
    let mut rest = response.get(10..).ok_or_else(short)?;
    let mut found = Vec::new();
    for _ in 0..handles {
        let (number, behind) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        found.push(u32::from_be_bytes(*number));
        rest = behind;
    }
    if !sessions {
        return Ok((found, rest, &[]));
    }
    let (size, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let size = usize::try_from(u32::from_be_bytes(*size)).map_err(|_| short())?;
    let (parameters, sessions) = rest.split_at_checked(size).ok_or_else(short)?;
    Ok((found, parameters, sessions))
}
