//! Where the service is: a flag, the environment, what `vitalsign enrol` was told, the administrator's file, and what is
//! built in, the first of them that says so.

use anyhow::{Context, bail};
use clap::Args;
use serde::Deserialize;
use std::io::Read;
use std::path::{Path, PathBuf};
use vitalsign_session::Socket;

const CONFIG: &str = "VITALSIGN_CONFIG";
const STATE: &str = "VITALSIGN_STATE";
const SOCKET: &str = "VITALSIGN_SOCKET";
const MAX_FILE: u64 = 64 * 1024;

/// Where the service and its files are.
#[derive(Args, Clone, Debug)]
pub(super) struct Place {
    /// The configuration [default: /etc/vitalsign/agent.toml]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The state folder [default: /var/lib/vitalsign]
    #[arg(long, value_name = "DIR", global = true)]
    state: Option<PathBuf>,
    /// The service's socket [default: /run/vitalsign/agent.sock]
    #[arg(long, value_name = "PATH", global = true)]
    socket: Option<PathBuf>,
}

/// What matters here of a settings file.
#[derive(Default, Deserialize)]
struct Settings {
    state: Option<PathBuf>,
    socket: Option<PathBuf>,
}

impl Place {
    /// The service's socket.
    pub(super) fn socket(&self) -> anyhow::Result<Socket> {
        self.find(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
    }

    fn find(&self, var: impl Fn(&str) -> Option<PathBuf>) -> anyhow::Result<Socket> {
        if let Some(socket) = self.socket.clone().or_else(|| var(SOCKET)) {
            return Ok(Socket(socket));
        }
        let named = self.config.clone().or_else(|| var(CONFIG));
        let administrator = match &named {
            Some(path) => read(path)?.with_context(|| format!("{} is missing", path.display()))?,
            None => read(Path::new("/etc/vitalsign/agent.toml"))?.unwrap_or_default(),
        };
        let state = self.state.clone().or_else(|| var(STATE)).or(administrator.state);
        let state = state.unwrap_or_else(|| "/var/lib/vitalsign".into());
        // The state folder is the service's own: who may not look there is told no more than that.
        let told = read(&state.join("enrolment.toml")).ok().flatten().and_then(|told| told.socket);
        let socket = told.or(administrator.socket).unwrap_or_else(|| "/run/vitalsign/agent.sock".into());
        Ok(Socket(socket))
    }
}

/// None where there is no such file.
fn read(path: &Path) -> anyhow::Result<Option<Settings>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut text = String::new();
    let read = file.take(MAX_FILE + 1).read_to_string(&mut text);
    let read = read.with_context(|| format!("cannot read {}", path.display()))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_FILE {
        bail!("{} is larger than {MAX_FILE} bytes", path.display());
    }
    toml::from_str(&text).map(Some).with_context(|| format!("{} is not as expected", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_nearest_is_believed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("agent.toml");
        let state = folder.path().join("state");
        std::fs::create_dir(&state).unwrap();
        std::fs::write(&file, format!("socket = '/file'\nstate = '{}'\nkey = 'auto'\n", state.display()))
            .unwrap();
        let place = |socket: Option<&str>| Place {
            config: Some(file.clone()),
            state: None,
            socket: socket.map(PathBuf::from),
        };
        let nothing = |_: &str| None;
        let environment = |name: &str| (name == SOCKET).then(|| PathBuf::from("/environment"));
        let found = |place: Place, var: &dyn Fn(&str) -> Option<PathBuf>| place.find(var).unwrap().0;

        assert_eq!(found(place(None), &nothing), PathBuf::from("/file"));
        std::fs::write(state.join("enrolment.toml"), "socket = '/told'\n").unwrap();
        assert_eq!(found(place(None), &nothing), PathBuf::from("/told"));
        assert_eq!(found(place(None), &environment), PathBuf::from("/environment"));
        assert_eq!(found(place(Some("/flag")), &environment), PathBuf::from("/flag"));

        let missing = Place { config: Some(folder.path().join("none")), state: None, socket: None };
        assert!(missing.find(nothing).is_err());
        std::fs::write(&file, "socket = 7\n").unwrap();
        assert!(place(None).find(nothing).is_err());
        std::fs::write(&file, "#".repeat(65 * 1024)).unwrap();
        assert!(place(None).find(nothing).is_err());
    }
}
