//! HTTPS server with its own accept loop, which limits the number of connections and the time of every wait.

mod admin;
mod admin_api;
mod bodies;
mod connection;
mod connections;
mod diagnostics;
mod health;
mod http;
mod keys;
mod oidc;
mod organisation;
mod request_log;
mod step_up;
pub mod tls;
mod write_limit;

use crate::Verifier;
use crate::clock::Clock;
use crate::live::Live;
use admin::Admin;
use axum::Extension;
use connection::Accepted;
use connections::{Connections, Place};
use health::HealthCheck;
use http::ServerState;
use hyper_util::server::graceful::GracefulShutdown;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

/// Interval of messages about connections that were not accepted.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// Time limit for requests in progress when the server shuts down.
const SHUTDOWN: Duration = Duration::from_secs(10);
/// Interval of checking for replaced signing keys and lists of security keys.
const REFRESH_INTERVAL: Duration = Duration::from_secs(2);
/// Interval of looking for a renewed certificate.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(10);
/// Interval of expiring step-ups.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);
/// Interval of looking after the audit log.
const AUDIT_INTERVAL: Duration = Duration::from_secs(10);
/// Interval of deleting old diagnostics.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);

/// A server that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("listening on {0}: {1}")]
    Address(SocketAddr, std::io::Error),
    /// The socket of the API for administrators.
    #[error("listening on {0}: {1}")]
    Socket(PathBuf, std::io::Error),
    /// Certificates and keys of the API for administrators.
    #[error("[admin_api]: {0}")]
    Credentials(String),
}

pub struct Server {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    admin_api_address: Option<SocketAddr>,
    end: watch::Sender<bool>,
    tls: Arc<Live<rustls::ServerConfig>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts to serve, in the background, where the verifier's configuration says. Port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(
        verifier: Arc<Verifier>,
        tls: rustls::ServerConfig,
        clock: Clock,
    ) -> Result<Self, ListenError> {
        let listen = verifier.config().listen;
        let (listener, address) = bind(listen).await?;
        let (mut administrators, mut admin_address) = (None, None);
        if let Some(admin) = verifier.config().admin {
            let (listener, address) = bind(admin.listen).await?;
            (administrators, admin_address) = (Some(listener), Some(address));
        }
        let admin_api = admin_api::Listeners::open(verifier.config()).await?;
        let admin_api_address = admin_api.address();
        let (end, ended) = watch::channel(false);
        let tls = Arc::new(Live::new(tls));
        let task =
            tokio::spawn(serve((listener, administrators, admin_api), tls.clone(), verifier, clock, ended));
        Ok(Self { address, admin_address, admin_api_address, end, tls, task })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address for administrators, if the configuration has one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Returns the address of the API for administrators, if the configuration has one.
    #[must_use]
    pub fn admin_api_address(&self) -> Option<SocketAddr> {
        self.admin_api_address
    }

    /// Uses another certificate for connections from now on.
    pub fn set_tls(&self, tls: rustls::ServerConfig) {
        self.tls.set(tls);
    }

    /// Accepts no more, lets requests under way end, closes the store.
    pub async fn shutdown(self) {
        self.end.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the server ended badly");
        }
    }
}

/// Listens on an address. Port 0 takes a free one.
async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let failed = |error| ListenError::Address(address, error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

async fn serve(
    (listener, administrators, admin_api): (TcpListener, Option<TcpListener>, admin_api::Listeners),
    tls: Arc<Live<rustls::ServerConfig>>,
    verifier: Arc<Verifier>,
    clock: Clock,
    mut ended: watch::Receiver<bool>,
) {
    let limits = verifier.config().limits;
    let deadline = Duration::from_secs(limits.request_seconds);
    let connections = Connections::new(limits.connections, limits.unauthenticated_per_address);
    let mut refusals = Refusals::default();
    let health = Arc::new(HealthCheck::new(verifier.clone()));
    let state = |body_bytes| {
        ServerState::new(verifier.clone(), clock.clone(), ended.clone(), health.clone(), body_bytes)
    };
    let router = http::router(state(limits.body_bytes));
    let admin_api = tokio::spawn(admin_api::serve(admin_api, state(admin_api::BODY_BYTES), ended.clone()));
    let administrators = administrators.map(|listener| {
        let counted = connections.clone();
        let admin = Admin {
            health,
            metrics: verifier.metrics.clone(),
            clock: clock.clone(),
            connections: Arc::new(move || counted.taken()),
        };
        tokio::spawn(admin::serve(listener, admin))
    });
    let graceful = GracefulShutdown::new();
    let mut forget = tokio::time::interval(FORGET_INTERVAL);
    let tending = tokio::spawn(tend(verifier.clone(), clock.clone(), ended.clone()));
    let refreshing = tokio::spawn(refresh(verifier.clone(), clock.clone(), ended.clone()));
    let auditing = tokio::spawn(look_after_audit(verifier.clone(), clock.clone(), ended.clone()));
    let streams = verifier.take_streams().into_iter().map(|stream| tokio::spawn(stream.run(ended.clone())));
    let streams: Vec<_> = streams.collect();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            _ = forget.tick() => {
                let (verifier, now) = (verifier.clone(), clock.now());
                // The store has logged its failure; the next tick retries.
                tokio::spawn(async move { drop(verifier.diagnostics.forget(now).await) });
                continue;
            }
            // An error means that the server handle was dropped: nothing can end the server, so it continues.
            Ok(_) = ended.wait_for(|ended| *ended) => break,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                refusals.add(&error);
                // Most likely too many open files: wait for connections to close.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(connection) = connections.admit(place, peer.ip()) else {
            verifier.metrics.refused_connection();
            refusals.add(&format_args!("too many from {} have not authenticated", peer.ip()));
            continue;
        };
        let accepted = Accepted::new(&peer, deadline, graceful.watcher());
        let (tls, router) = (tls.get(), router.clone().layer(Extension(connection)));
        tokio::spawn(async move {
            if let Some(stream) = accepted.handshake(stream, tls).await {
                accepted.serve(stream, router).await;
            }
        });
    }
    drop(listener);
    if let Some(administrators) = administrators {
        administrators.abort();
    }
    verifier.step_ups.close_channels();
    if let Err(error) = admin_api.await {
        tracing::error!(%error, "the API for administrators ended badly");
    }
    if let Err(error) = tending.await {
        tracing::error!(%error, "looking after step-ups ended badly");
    }
    if tokio::time::timeout(SHUTDOWN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests under way were cut off");
    }
    for task in streams.into_iter().chain([auditing, refreshing]) {
        if let Err(error) = task.await {
            tracing::error!(%error, "looking after the audit log or the keys ended badly");
        }
    }
    verifier.audit.end(clock.now()).await;
    verifier.store().close().await;
}

/// Keeps the audit log until the server shuts down: heartbeats, checkpoints, retention.
async fn look_after_audit(verifier: Arc<Verifier>, clock: Clock, mut ended: watch::Receiver<bool>) {
    let mut tick = ticks(AUDIT_INTERVAL);
    while goes_on(&mut tick, &mut ended).await {
        verifier.audit.maintain(clock.now()).await;
    }
}

/// Takes up what administrators replaced, until the server shuts down.
async fn refresh(verifier: Arc<Verifier>, clock: Clock, mut ended: watch::Receiver<bool>) {
    let mut tick = ticks(REFRESH_INTERVAL);
    while goes_on(&mut tick, &mut ended).await {
        verifier.refresh(clock.now()).await;
    }
}

/// Expires step-ups until the server shuts down.
async fn tend(verifier: Arc<Verifier>, clock: Clock, mut ended: watch::Receiver<bool>) {
    let mut tick = ticks(MAINTENANCE_INTERVAL);
    while goes_on(&mut tick, &mut ended).await {
        // The store has logged its failure; the next tick retries.
        let _ = verifier.step_ups.maintain(clock.now()).await;
    }
}

fn ticks(interval: Duration) -> Interval {
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

/// Waits for the next tick. Returns false when the server shuts down.
async fn goes_on(tick: &mut Interval, ended: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        _ = tick.tick() => true,
        Ok(_) = ended.wait_for(|ended| *ended) => false,
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Connections,
) -> std::io::Result<(TcpStream, SocketAddr, Place)> {
    let place = connections.place().await;
    let (stream, peer) = listener.accept().await?;
    // Answers are small, and clients wait for them.
    let _ = stream.set_nodelay(true);
    Ok((stream, peer, place))
}

/// Connections that were not accepted, for a message now and then: a flood of them must not become one of messages.
#[derive(Default)]
struct Refusals {
    count: u64,
    logged: Option<Instant>,
}

impl Refusals {
    fn add(&mut self, reason: &dyn std::fmt::Display) {
        self.count += 1;
        if self.logged.is_none_or(|logged| logged.elapsed() >= REFUSAL_LOG_INTERVAL) {
            tracing::warn!(refused = self.count, %reason, "connections were not accepted");
            *self = Self { count: 0, logged: Some(Instant::now()) };
        }
    }
}
