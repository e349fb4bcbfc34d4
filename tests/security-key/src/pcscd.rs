//! The daemon of smart card readers, which a machine without systemd starts by nobody's hand.

use crate::process::{Child, wait_for};
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where every client of PC/SC on Linux looks for it; so there is one for the whole machine.
const SOCKET: &str = "/run/pcscd/pcscd.comm";
const PROGRAM: &str = "/usr/sbin/pcscd";

/// `pcscd`, as long as this lives. One that ran before is left alone, also afterwards.
#[derive(Debug)]
pub struct Pcscd {
    _ours: Option<Child>,
}

impl Pcscd {
    /// The address where the virtual reader waits for its card: the first slot of Debian's `vsmartcard-vpcd`.
    pub const READER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 35963);
    /// Its second slot, for a second key.
    pub const SECOND_READER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 35964);

    /// Starts it if none answers, and waits until one does.
    ///
    /// # Errors
    /// When it is not installed or does not answer in time.
    pub fn start() -> Result<Self> {
        if answers() {
            return Ok(Self { _ours: None });
        }
        // Of one that was killed; a new one refuses to start beside it.
        for left in [SOCKET, "/run/pcscd/pcscd.pid"] {
            let _ = std::fs::remove_file(Path::new(left));
        }
        let mut command = Command::new(PROGRAM);
        command.args(["--foreground", "--error"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child =
            Child::start(&mut command).context("pcscd and vsmartcard-vpcd are needed: tests/setup.sh")?;
        wait_for("pcscd to answer", Duration::from_secs(20), || {
            anyhow::ensure!(child.runs(), "pcscd ended: it needs root, and no other pcscd");
            Ok(answers().then_some(()))
        })?;
        Ok(Self { _ours: Some(child) })
    }
}

fn answers() -> bool {
    UnixStream::connect(SOCKET).is_ok()
}
