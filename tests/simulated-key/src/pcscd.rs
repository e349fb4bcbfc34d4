//! Starts the smart card daemon, which no service manager starts in a container.

use crate::process::{Child, wait_for};
use anyhow::{Context as _, Result};
use pcsc::{Context, ReaderState, Scope, State};
use std::ffi::CString;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Time limit for the daemon or a reader to appear.
const LIMIT: Duration = Duration::from_secs(20);
/// Time limit for the reader to notice a card; it polls a few times a second.
const SEEN: Duration = Duration::from_secs(5);

/// Time limit for a port to become free, longer than TIME_WAIT.
const FREED: Duration = Duration::from_secs(90);

/// Socket where every PC/SC client on Linux looks; there is one for the whole machine.
const SOCKET: &str = "/run/pcscd/pcscd.comm";
const PROGRAM: &str = "/usr/sbin/pcscd";

/// Runs `pcscd` with the virtual reader, exclusively. A running daemon is left alone, also afterwards.
#[derive(Debug)]
pub struct Pcscd {
    // Before the lock in this order.
    _ours: Option<Child>,
    _alone: File,
}

impl Pcscd {
    /// The address where the virtual reader waits for its card: the first slot of Debian's `vsmartcard-vpcd`.
    pub const READER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 35963);
    /// Address of the second slot, for a second key.
    pub const SECOND_READER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 35964);

    /// Starts the daemon if none answers, and waits for it and for exclusive use of the virtual reader.
    ///
    /// # Errors
    /// It is not installed or does not answer in time.
    pub fn start() -> Result<Self> {
        let alone = File::create(std::env::temp_dir().join("vitalsign-virtual-reader.lock"))?;
        alone.lock()?;
        if answers() {
            return Ok(Self { _ours: None, _alone: alone });
        }
        // Reserves the reader's ports, so that the system does not give them to other programs; without
        // permission this is skipped.
        let ports = format!("{},{}", Self::READER.port(), Self::SECOND_READER.port());
        let _ = std::fs::write("/proc/sys/net/ipv4/ip_local_reserved_ports", ports);
        // Another program may still use one of them, and the reader tries only once.
        let end = Instant::now() + FREED;
        loop {
            let ours = Self::daemon()?;
            if wait_for("the virtual reader", SEEN, || Ok(listens(Self::READER.port())?.then_some(())))
                .is_ok()
            {
                return Ok(Self { _ours: Some(ours), _alone: alone });
            }
            anyhow::ensure!(Instant::now() < end, "there is no virtual reader at {}", Self::READER);
        }
    }

    fn daemon() -> Result<Child> {
        // Left by a killed daemon; a new one refuses to start beside them.
        for left in [SOCKET, "/run/pcscd/pcscd.pid"] {
            let _ = std::fs::remove_file(Path::new(left));
        }
        let mut command = Command::new(PROGRAM);
        command.args(["--foreground", "--error"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child =
            Child::start(&mut command).context("pcscd and vsmartcard-vpcd are needed: scripts/setup.sh")?;
        wait_for("pcscd to answer", LIMIT, || {
            anyhow::ensure!(child.runs(), "pcscd ended: it needs root, and no other pcscd");
            Ok(answers().then_some(()))
        })?;
        Ok(child)
    }
}

/// Returns whether a port has a listener. Connecting would insert a card.
fn listens(port: u16) -> Result<bool> {
    let (port, listening) = (format!(":{port:04X}"), "0A");
    let is = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|local| local.ends_with(&port)) && fields.nth(1) == Some(listening)
    };
    let tables = [std::fs::read_to_string("/proc/net/tcp")?, std::fs::read_to_string("/proc/net/tcp6")?];
    Ok(tables.iter().any(|table| table.lines().any(is)))
}

fn answers() -> bool {
    UnixStream::connect(SOCKET).is_ok()
}

/// Waits until a reader reports a card, or none. It polls only a few times a second and misses short
/// absences. A card whose ATR was not read does not count yet.
pub(crate) fn wait_for_card(reader: &str, present: bool) -> Result<()> {
    let as_wanted = |state: &ReaderState| match present {
        true => state.event_state().contains(State::PRESENT) && !state.atr().is_empty(),
        false => state.event_state().contains(State::EMPTY),
    };
    let context = Context::establish(Scope::User)?;
    let mut states = [ReaderState::new(CString::new(reader)?, State::UNAWARE)];
    let end = Instant::now() + SEEN;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        context
            .get_status_change(left, &mut states)
            .with_context(|| format!("waiting for the reader {reader}: is there a card? {present}"))?;
        for state in &mut states {
            if as_wanted(state) {
                return Ok(());
            }
            state.sync_current_state();
        }
    }
}
