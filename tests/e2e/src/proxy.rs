//! A reverse proxy in front of the verifier, as many hospitals have one.

use crate::{Child, Testbed, wait_for};
use anyhow::Result;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// A running HAProxy with the verifier's own certificate.
pub struct Proxy {
    _process: Child,
    log: PathBuf,
    port: u16,
}

impl Proxy {
    /// Starts a proxy that closes connections which were idle for `keep_alive_seconds`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(testbed: &Testbed, keep_alive_seconds: u64) -> Result<Self> {
        let folder = testbed.folder().join("proxy");
        std::fs::create_dir_all(&folder)?;
        let tls = testbed.folder().join("data/tls");
        let mut pem = std::fs::read(tls.join("localhost.pem"))?;
        pem.extend(std::fs::read(tls.join("localhost.key"))?);
        std::fs::write(folder.join("server.pem"), pem)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let settings = folder.join("haproxy.cfg");
        std::fs::write(
            &settings,
            format!(
                "global\n  log stdout format raw local0\n\
                 defaults\n  mode http\n  log global\n  log-format \"%HM %HP %ST\"\n  timeout connect 5s\n  timeout client 60s\n\
                 \x20 timeout server 60s\n  timeout http-keep-alive {keep_alive_seconds}s\n\
                 frontend front\n  bind 127.0.0.1:{port} ssl crt {certificate}\n  default_backend verifier\n\
                 backend verifier\n  server verifier {address} ssl verify none\n",
                certificate = folder.join("server.pem").display(),
                address = testbed.address(),
            ),
        )?;
        let log = folder.join("proxy.log");
        let output = std::fs::File::create(&log)?;
        let mut haproxy = Command::new("haproxy");
        // Without the master process, `-db`: it ends with this test.
        haproxy.arg("-db").arg("-f").arg(&settings).stdout(output.try_clone()?).stderr(output);
        let process = Child::start(&mut haproxy)?;
        wait_for("the proxy", Duration::from_secs(20), || {
            Ok(TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(()))
        })?;
        Ok(Self { _process: process, log, port })
    }

    /// The verifier's URL through this proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The requests that it has passed on and answered, one line each: method, path and status.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn requests(&self) -> Result<Vec<String>> {
        let log = std::fs::read_to_string(&self.log)?;
        Ok(log.lines().filter(|line| line.contains(" /v1/")).map(str::to_owned).collect())
    }
}
