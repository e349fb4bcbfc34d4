//! A software TPM for tests and the demonstration: swtpm with endorsement certificates of a fresh local CA, and a proxy
//! that listens to, delays or changes what passes between it and a client.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test harness fails by panicking"
)]

use crate::device::{TpmDevice, handle, password};
use crate::key::{quote, selection, sign};
use crate::{Address, Options, TpmKey};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tpm2_protocol::basic::TpmBuffer;
use tpm2_protocol::data::{TpmAlgId, TpmlDigestValues, TpmlPcrSelection, TpmsPcrSelection, TpmtHa, TpmuHa};
use tpm2_protocol::frame::{TpmClearCommand, TpmNvUndefineSpaceCommand, TpmPcrExtendCommand};
use vitalsign_platform_api::KeyError;
use vitalsign_protocol::id::Digest;
use vitalsign_tpm::hash::Hash;

const PLATFORM: u32 = 0x4000_000c;
const START: Duration = Duration::from_secs(30);

/// A running software TPM. It ends when this goes.
pub struct Swtpm {
    /// Address to pass to [`crate::open`].
    pub spec: String,
    /// The root of the CA that certified its endorsement keys.
    pub ca_root_pem: Vec<u8>,
    /// The CA between that root and the endorsement certificates.
    pub ca_intermediate_pem: Vec<u8>,
    /// Folder of its state, sockets and CA.
    pub dir: PathBuf,
    process: Child,
}

impl Swtpm {
    /// Starts a TPM with its state in `dir`, and manufactures it if needed. Keep the path short, because it
    /// contains sockets.
    ///
    /// # Panics
    /// swtpm or swtpm_setup is missing or fails.
    #[must_use]
    pub fn start(dir: &Path) -> Self {
        let (ca, state) = (dir.join("ca"), dir.join("tpm"));
        if !state.join("tpm2-00.permall").exists() {
            manufacture(dir, &ca, &state);
        }
        let process = power_on(dir, &state);
        let read = |name: &str| fs::read(ca.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        Self {
            spec: format!("swtpm:path={}", dir.join("tpm.sock").display()),
            ca_root_pem: read("swtpm-localca-rootca-cert.pem"),
            ca_intermediate_pem: read("issuercert.pem"),
            dir: dir.to_path_buf(),
            process,
        }
    }

    /// Takes its power away and gives it back: objects, sessions and PCRs are gone, and another boot is counted.
    pub fn restart(&mut self) {
        self.stop();
        self.process = power_on(&self.dir, &self.dir.join("tpm"));
    }

    /// Clears the TPM as its owner: every key in the storage hierarchy is lost. No other client may be
    /// connected.
    ///
    /// # Panics
    /// The TPM refuses.
    pub fn clear(&self) {
        self.device()
            .response(&TpmClearCommand { handles: [handle(PLATFORM)] }, &[password()])
            .expect("TPM2_Clear");
    }

    /// Extends a PCR of the SHA-256 bank. No other client may be connected.
    ///
    /// # Panics
    /// The TPM refuses.
    pub fn extend(&self, pcr: u32, digests: impl IntoIterator<Item = [u8; 32]>) {
        let mut device = self.device();
        for digest in digests {
            let mut digests = TpmlDigestValues::default();
            let digest = TpmuHa::Digest(TpmBuffer::try_from(&digest[..]).expect("32 bytes fit"));
            digests.try_push(TpmtHa { hash_alg: TpmAlgId::Sha256, digest }).expect("one fits");
            let command = TpmPcrExtendCommand { handles: [handle(pcr)], digests };
            device.response(&command, &[password()]).expect("TPM2_PCR_Extend");
        }
    }

    /// Removes an NV index, for example of an EK certificate. No other client may be connected.
    ///
    /// # Panics
    /// The TPM refuses.
    pub fn undefine(&self, index: u32) {
        let command = TpmNvUndefineSpaceCommand { handles: [handle(PLATFORM), handle(index)] };
        self.device().response(&command, &[password()]).expect("TPM2_NV_UndefineSpace");
    }

    /// Returns the loaded transient objects and sessions. No other client may be connected.
    ///
    /// # Panics
    /// The TPM does not answer.
    #[must_use]
    pub fn loaded(&self) -> Vec<u32> {
        let mut device = self.device_as_it_is();
        [0x8000_0000, 0x0200_0000, 0x0300_0000]
            .into_iter()
            .flat_map(|first| device.handles(first).expect("the handles"))
            .collect()
    }

    /// Asks it to sign a digest of the outside with the attestation key whose blob is in `state`: it is to refuse.
    ///
    /// # Errors
    /// What the TPM says.
    pub fn sign_with_attestation_key(&self, state: &Path, digest: &Digest) -> Result<(), KeyError> {
        let mut key = TpmKey::open(address(&self.spec), options(state, START))?;
        Ok(key.with_attestation_key(|device, ak| sign(device, ak, digest).map(|_| ()))?)
    }

    /// Has the attestation key whose blob is in `state` quote PCR 0 of any bank: TPMS_ATTEST and TPMT_SIGNATURE.
    ///
    /// # Errors
    /// What the TPM says.
    pub fn quote_bank(
        &self,
        state: &Path,
        bank: Hash,
        extra_data: &Digest,
    ) -> Result<(Vec<u8>, Vec<u8>), KeyError> {
        let mut key = TpmKey::open(address(&self.spec), options(state, START))?;
        Ok(key.with_attestation_key(|device, ak| {
            let mut selection = selection(&[0])?;
            let hash = TpmAlgId::try_from(bank.id())?;
            selection = selection.iter().try_fold(TpmlPcrSelection::default(), |mut list, one| {
                list.try_push(TpmsPcrSelection { hash, ..*one }).map(|()| list)
            })?;
            quote(device, ak, extra_data, selection)
        })?)
    }

    fn device(&self) -> TpmDevice {
        TpmDevice::new(self.spec.parse().expect("our own address"), START)
    }

    /// A connection that does not tidy up first.
    fn device_as_it_is(&self) -> TpmDevice {
        let mut device = self.device();
        device.connect_only().expect("the TPM");
        device
    }

    fn stop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Manufactures a TPM: endorsement keys, with certificates from a separate CA.
fn manufacture(dir: &Path, ca: &Path, state: &Path) {
    for folder in [ca, state] {
        fs::create_dir_all(folder).unwrap();
    }
    let (localca, options, setup) =
        (dir.join("localca.conf"), dir.join("localca.options"), dir.join("swtpm_setup.conf"));
    let at = ca.display();
    let lines = format!(
        "statedir = {at}\nsigningkey = {at}/signkey.pem\nissuercert = {at}/issuercert.pem\ncertserial = {at}/serial\n"
    );
    fs::write(&localca, lines).unwrap();
    fs::write(&options, "--platform-manufacturer Vitalsign\n--platform-version 1\n--platform-model test\n")
        .unwrap();
    let lines = format!(
        "create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = {}\ncreate_certs_tool_options = {}\nactive_pcr_banks = sha256\n",
        localca.display(),
        options.display()
    );
    fs::write(&setup, lines).unwrap();
    let done = Command::new("swtpm_setup")
        .args(["--tpm2", "--create-ek-cert", "--overwrite", "--tpm-state"])
        .arg(state)
        .arg("--config")
        .arg(&setup)
        .output()
        .expect("swtpm_setup must be installed");
    assert!(done.status.success(), "swtpm_setup: {}", String::from_utf8_lossy(&done.stdout));
}

fn power_on(dir: &Path, state: &Path) -> Child {
    let socket = dir.join("tpm.sock");
    let _ = fs::remove_file(&socket);
    let process = Command::new("swtpm")
        .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--tpmstate"])
        .arg(format!("dir={}", state.display()))
        .arg("--server")
        .arg(format!("type=unixio,path={}", socket.display()))
        .arg("--ctrl")
        .arg(format!("type=unixio,path={}", dir.join("ctrl.sock").display()))
        .arg("--log")
        .arg(format!("file={}", dir.join("swtpm.log").display()))
        .stdin(Stdio::null())
        .spawn()
        .expect("swtpm must be installed");
    let until = Instant::now() + START;
    while UnixStream::connect(&socket).is_err() {
        assert!(Instant::now() < until, "swtpm does not listen on {}", socket.display());
        std::thread::yield_now();
    }
    process
}

/// Treatment of a message by a proxy.
pub enum Pass {
    /// It goes on, as it was left.
    On,
    /// It is kept, and nothing comes in its place.
    Never,
    Close,
}

type Hook = Box<dyn FnMut(Way, &mut Vec<u8>) -> Pass + Send>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A command to the TPM.
    Command,
    Response,
}

/// Sits on the bus between a client and a TPM, over TCP.
pub struct Proxy {
    /// Address to pass to [`crate::open`].
    pub spec: String,
    hook: Arc<Mutex<Hook>>,
}

impl Proxy {
    /// Starts one before `tpm`. `hook` sees, and may change, every message.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn start(tpm: &Swtpm, hook: impl FnMut(Way, &mut Vec<u8>) -> Pass + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let spec = format!("swtpm:host=127.0.0.1,port={}", listener.local_addr().unwrap().port());
        let hook: Arc<Mutex<Hook>> = Arc::new(Mutex::new(Box::new(hook)));
        let (shared, socket) = (Arc::clone(&hook), tpm.dir.join("tpm.sock"));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                // When one side closes, this connection ends and the next one starts.
                let _ = client.and_then(|client| relay(client, &socket, &shared));
            }
        });
        Self { spec, hook }
    }

    /// Does something else from now on.
    pub fn set(&self, hook: impl FnMut(Way, &mut Vec<u8>) -> Pass + Send + 'static) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(hook);
    }
}

fn relay(mut client: TcpStream, socket: &Path, hook: &Mutex<Hook>) -> std::io::Result<()> {
    let mut tpm = UnixStream::connect(socket)?;
    client.set_nodelay(true)?;
    loop {
        let mut command = message(&mut client)?;
        let passed = hook.lock().unwrap_or_else(PoisonError::into_inner)(Way::Command, &mut command);
        match passed {
            Pass::On => tpm.write_all(&command)?,
            Pass::Never => continue,
            Pass::Close => return Ok(()),
        }
        let mut response = message(&mut tpm)?;
        let passed = hook.lock().unwrap_or_else(PoisonError::into_inner)(Way::Response, &mut response);
        match passed {
            Pass::On => client.write_all(&response)?,
            Pass::Never => {}
            Pass::Close => return Ok(()),
        }
    }
}

/// A whole command or response: the length is in bytes 2 to 5.
fn message(from: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut header = [0; 10];
    from.read_exact(&mut header)?;
    let [_, _, a, b, c, d, ..] = header;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(0).clamp(10, 1 << 16);
    let mut whole = header.to_vec();
    whole.resize(length, 0);
    from.read_exact(whole.get_mut(10..).unwrap_or_default())?;
    Ok(whole)
}

/// Options for a TPM that is not this machine's.
#[must_use]
pub fn options(state: &Path, deadline: Duration) -> Options {
    Options { state: state.to_path_buf(), event_log: None, deadline }
}

/// The address that a `spec` names.
///
/// # Panics
/// When it names none.
#[must_use]
pub fn address(spec: &str) -> Address {
    spec.parse().expect("an address")
}
