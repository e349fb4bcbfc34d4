//! Option for the service's socket. `vitalsign security-key` and `vitalsign step-up` read the configuration and pass
//! the flag.

use clap::Args;
use std::path::PathBuf;
use vitalsign_client::program::socket_path;
use vitalsign_session::Socket;

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
        Socket(socket_path(self.socket.clone()))
    }
}
