//! `vitalsign-verifier serve`: runs the server until a signal.

use super::service_manager::{self, Life};
use anyhow::Context;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vitalsign_protocol::origin::Origin;
use vitalsign_verifier::Verifier;
use vitalsign_verifier::clock::{self, Clock};
use vitalsign_verifier::config::{Config, LogFormat};
use vitalsign_verifier::open_files;
use vitalsign_verifier::server::{Server, tls};
use vitalsign_verifier::store::DataLock;

/// Interval of looking for a renewed certificate.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(10);

/// Interval of warnings about what expires.
const WARNING_INTERVAL: Duration = Duration::from_secs(24 * 3600);

const EXAMPLES: &str = "\
Examples:
  vitalsign-verifier --config /etc/vitalsign-verifier/verifier.toml serve
  vitalsign-verifier --config verifier.toml serve --self-signed localhost

The configuration, with defaults:
  data = \"/var/lib/vitalsign-verifier\"    # required: store with the keys, roots
  listen = \"[::]:8443\"
  origin = \"https://HOST:PORT\"            # required: as devices see this verifier; they pin its host
  roots = \"<data>/roots\"                  # PEM: TPM makers; in simulated/ those of software TPMs
  policy = \"...\"                          # Rego; built in
  thresholds = \"...\"                      # TOML; built in
  step_up_policy = \"...\"                  # Rego; built in
  organisation = \"...\"                    # folder with your name, help and texts: docs/organisation.md; none
  report_seconds = 300
  nonce_seconds = 900
  quote_seconds = 86400
  [keys]                                  # the key-encryption key, which opens the keys in the store
  kek = \"<data>/kek\"                      # 32 bytes; made at the first start
  kek_credential = \"...\"                  # instead: a systemd credential of this name; none
  [tls]
  certificate = \"...\"                     # PEM, the chain
  key = \"...\"                             # PEM, PKCS#8
  [security_keys]                         # required for registering keys
  metadata = \"...\"                        # file of FIDO metadata: signed, or plain JSON
  metadata_roots = \"...\"                  # PEM: the root of who signs it
  models = [\"...\"]                        # of these accept some, by AAGUID; all
  [oidc]
  interval_seconds = 2                    # between polls for a token; 0: no limit
  hold_seconds = 20                       # for which a poll is held while the request is pending; at most 25
  [admin]                                 # absent: no such listener
  listen = \"127.0.0.1:9464\"              # /metrics (OpenMetrics) and /health/ready with details; loopback only
  [admin_api]                             # API for administrators: docs/admin-api.json
  socket = \"<data>/admin.sock\"            # for root and the verifier's own user, on this machine
  listen = \"...\"                          # by HTTPS too; none
  tls.certificate = \"...\"                 # PEM, with tls.key; those of [tls]
  client_roots = \"...\"                    # PEM: the root of administrators' certificates; none
  [[admin_api.issuers]]                   # OpenID providers whose access tokens are accepted; none
  issuer = \"https://...\"
  audience = \"...\"
  jwks = \"...\"                            # file with its keys; read again for each token
  [[admin_api.administrators]]            # who may log in by HTTPS; none
  name = \"...\"                            # with certificate: a mail address, DNS name or URI of it
  certificate = \"...\"
  issuer = \"https://...\"                  # or instead of both, the token's
  subject = \"...\"
  scopes = [\"read\"]                       # and operate, clients, maintain
  [log]
  format = \"text\"                         # or json, or logfmt
  requests = true                         # one line for each request
  [backup]
  recipients = []                         # age1...: public keys that backups are encrypted to; see `backup-key`
  [devices]
  keep_names = true                       # host names and asset tags that devices say; false forgets them
  [diagnostics]                           # that people send to IT
  keep_days = 30
  max_bytes = 67108864                    # of all together; the oldest are deleted first
  [audit]                                 # of the audit log
  checkpoint_seconds = 600                # between signatures of its state
  witnesses = [\"...\"]                     # keys of those who cosign it; none
  [audit.retention]                       # days for which payloads are kept, by kind of entry; for ever
  default = 2557
  [siem.syslog]                           # events of the audit log, by syslog over TLS; none
  server = \"HOST:PORT\"
  roots = \"...\"                           # PEM
  [siem.https]                            # the same by HTTPS; none
  url = \"https://...\"
  roots = \"...\"
  token = \"...\"                           # file with a bearer token
  [limits]
  connections = 4096                      # fewer where the process may open fewer files
  unauthenticated_per_address = 64        # of the connections; more behind a proxy or NAT that many devices share
  body_bytes = 67108864                   # for all request bodies together
  report_burst = 30                       # of a device, and then one more each report_pace_seconds
  report_pace_seconds = 5
  request_seconds = 15
  remembered_devices = 262144
  event_channels = 3072                   # of the connections; by default three quarters
  step_ups_per_user = 8                   # that are pending, of all applications together
  step_ups_per_client_and_user = 2        # that are pending, of one application
  step_ups_per_minute = 600               # of one application
  declined_pause_seconds = 10             # before an application may ask a person again who declined
  not_mine_pause_seconds = 300            # before it may ask a person again who did not start the request

SIGHUP (systemctl reload) has policies, thresholds, roots and the organisation's words read again: all of them, or none if
one cannot be used. A renewed certificate, signing keys and the list of security keys are taken up by themselves. Other settings need a restart.

VITALSIGN_LOG sets what is logged: info by default, or for example debug.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// For trials: use a certificate for this host from a small CA, whose path is printed
    #[arg(long, value_name = "HOST")]
    self_signed: Option<String>,
    /// Log as JSON, one object a line.
    #[arg(long)]
    log_json: bool,
}

pub(crate) async fn run(config: &Path, arguments: ServeArgs) -> anyhow::Result<bool> {
    let mut config = Config::read(config)?;
    log(if arguments.log_json { LogFormat::Json } else { config.log.format });
    if let Some(connections) = open_files::raise() {
        config.limits.fit(connections);
    }
    let (files, anchor) = match (&arguments.self_signed, &config.tls) {
        (Some(host), _) => {
            let made = tls::self_signed(&config.data.join("tls"), host)?;
            (made.files, Some(made.anchor))
        }
        (None, Some(files)) => (files.clone(), None),
        (None, None) => {
            anyhow::bail!("no certificate: set [tls] in the configuration, or try --self-signed HOST")
        }
    };
    if let (Some(host), None) = (&arguments.self_signed, &config.origin) {
        let origin = Origin::normalize(&format!("https://{host}:{}", config.listen.port()));
        config.origin = Some(origin.with_context(|| format!("--self-signed {host}"))?);
    }
    anyhow::ensure!(
        config.origin.is_some(),
        "no origin: set it in the configuration to https://HOST or https://HOST:PORT as devices reach this verifier. \
         They keep it: a later change means that devices must enrol again and security keys be registered again"
    );
    config.tls = Some(files.clone());
    let (mut certificate, tls) = tls::Certificate::open(files)?;
    vitalsign_verifier::backup::check_finished(&config.data)?;
    super::migrate::at_start(&config).await?;
    let _serving = DataLock::serving(&config.data)?;
    let mut signals = Signals::listen().context("listening for signals")?;
    let verifier = Arc::new(Verifier::open(config, clock::now()).await?);
    verifier.log_start(clock::now()).await?;
    let server = Server::start(verifier.clone(), tls, Clock::default()).await?;
    // Tells the parent process the address, because the port may have been chosen at random.
    if let Some(anchor) = anchor {
        println!("trust-anchor {}", anchor.display());
    }
    println!("listening {}", server.address());
    if let Some(address) = server.admin_address() {
        println!("administrators {address}");
    }
    if let Some(address) = server.admin_api_address() {
        println!("admin-api {address}");
    }
    std::io::stdout().flush()?;
    tracing::info!(address = %server.address(), "serving");
    service_manager::tell(Life::Ready);
    let mut alive = tokio::time::interval(service_manager::interval());
    let mut renewal = tokio::time::interval(RENEWAL_INTERVAL);
    let mut warnings = tokio::time::interval(WARNING_INTERVAL);
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Asked::End => break,
                Asked::Reload => {
                    service_manager::tell(Life::Reloading);
                    match verifier.reload(clock::now()).await {
                        Ok(()) => tracing::info!("policies and roots were read again"),
                        Err(error) => {
                            tracing::error!(%error, "nothing was read again: the former policies stay in force");
                        }
                    }
                    service_manager::tell(Life::Ready);
                }
            },
            _ = alive.tick() => {
                // An answer, good or bad, shows that neither this process nor the store hangs.
                let _ = verifier.store().probe().await;
                service_manager::tell(Life::Alive);
                continue;
            }
            _ = renewal.tick() => {}
            _ = warnings.tick() => {
                let config = verifier.config().clone();
                // Reads files, which may take a while.
                tokio::task::spawn_blocking(move || super::doctor::warn(&config, clock::now()));
            }
        }
        match certificate.renewed() {
            None => {}
            Some(Ok(tls)) => {
                server.set_tls(tls);
                tracing::info!("the certificate was renewed");
            }
            Some(Err(error)) => tracing::error!(%error, "the former certificate stays in use"),
        }
    }
    tracing::info!("ending");
    service_manager::tell(Life::Stopping);
    server.shutdown().await;
    Ok(true)
}

/// Request that a signal makes.
enum Asked {
    End,
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has a signal for this"))]
    Reload,
}

/// The signals that this process reacts to, from now on.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    reload: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
            _ = self.reload.recv() => Asked::Reload,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Asked {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Asked::End,
            Err(_) => std::future::pending().await,
        }
    }
}

fn log(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("VITALSIGN_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    match format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
        LogFormat::Logfmt => subscriber.with_ansi(false).event_format(super::logfmt::Logfmt).init(),
    }
}
