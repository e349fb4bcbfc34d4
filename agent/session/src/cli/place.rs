//! Finds the service's socket: flag, environment, or built-in path. `vitalsign security-key` and `vitalsign
//! step-up` read the configuration and pass the flag.

use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use vitalsign_session::Socket;

const SOCKET: &str = "VITALSIGN_SOCKET";
const DEFAULT: &str = "/run/vitalsign/agent.sock";

/// Option for the service's socket.
#[derive(Args, Clone, Debug)]
pub(super) struct SocketArg {
    /// The service's socket [default: /run/vitalsign/agent.sock]
    #[arg(long, value_name = "PATH", global = true)]
    socket: Option<PathBuf>,
}

impl SocketArg {
    /// Returns the connector for the service's socket.
    pub(super) fn socket(&self) -> Socket {
        self.or(std::env::var_os(SOCKET))
    }

    fn or(&self, told: Option<OsString>) -> Socket {
        let told = told.filter(|value| !value.is_empty()).map(PathBuf::from);
        Socket(self.socket.clone().or(told).unwrap_or_else(|| DEFAULT.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_flag_overrides_environment_and_default() {
        let place = |socket: Option<&str>| SocketArg { socket: socket.map(PathBuf::from) };
        assert_eq!(place(None).or(None).0, PathBuf::from(DEFAULT));
        assert_eq!(place(None).or(Some("".into())).0, PathBuf::from(DEFAULT));
        assert_eq!(place(None).or(Some("/told".into())).0, PathBuf::from("/told"));
        assert_eq!(place(Some("/flag")).or(Some("/told".into())).0, PathBuf::from("/flag"));
    }
}
