//! Seats of a machine that is one service's alone: logind's files in a mount namespace of the service. Needs root.

use crate::{Agent, Child};
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder that is the service's `/run/systemd/seats`.
pub struct Seats(PathBuf);

impl Seats {
    /// Creates the folder below this one.
    pub fn below(folder: &Path) -> Result<Self> {
        let seats = folder.join("seats");
        fs::create_dir_all(&seats)?;
        Ok(Self(seats))
    }

    /// Brings a user to the front, as logind does: replaces the file.
    pub fn put(&self, user: Option<u32>) -> Result<()> {
        let active = user.map(|user| format!("ACTIVE=2\nACTIVE_UID={user}\n")).unwrap_or_default();
        let text = format!("# This is private data. Do not parse.\nIS_SEAT0=1\nCAN_GRAPHICAL=1\n{active}");
        fs::write(self.0.join(".#seat0"), text)?;
        Ok(fs::rename(self.0.join(".#seat0"), self.0.join("seat0"))?)
    }

    /// Starts a device's service where these are the machine's.
    pub fn service(&self, agent: &Agent) -> Result<Child> {
        self.service_after(agent, "true")
    }

    /// The same, after this command of the shell has run in the service's mount namespace.
    pub fn service_after(&self, agent: &Agent, command: &str) -> Result<Child> {
        let inside = format!(
            "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/seats && \
             mount --bind \"$1\" /run/systemd/seats && {{ {command}; }} && shift && exec \"$@\""
        );
        let service = agent.command(&["service", "run"]);
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &inside, "sh"]).arg(&self.0);
        command.arg(service.get_program()).args(service.get_args());
        command.envs(service.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Child::start(&mut command)
    }
}
