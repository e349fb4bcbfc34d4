//! Listeners of the API: the local socket, and HTTPS.

use super::identity::{Identities, Origin, names_of};
use super::router;
use crate::config::{AdminApiSettings, Config};
use crate::live::Live;
use crate::server::connection::Accepted;
use crate::server::connections::Connections;
use crate::server::http::ServerState;
use crate::server::tls::{self, Certificate};
use crate::server::{ListenError, RENEWAL_INTERVAL, Refusals, SHUTDOWN, accept, bind};
use axum::{Extension, Router};
use hyper_util::server::graceful::GracefulShutdown;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Maximum number of connections by HTTPS.
const CONNECTIONS: usize = 128;
/// Maximum number of those from one address on which no administrator has authenticated.
const UNAUTHENTICATED_PER_ADDRESS: usize = 16;

/// Listeners that accept nothing yet.
pub(in crate::server) struct Listeners {
    #[cfg(unix)]
    socket: socket::Socket,
    remote: Option<Remote>,
    identities: Identities,
}

/// Listener for HTTPS.
struct Remote {
    listener: TcpListener,
    address: SocketAddr,
    certificate: Certificate,
    tls: Live<rustls::ServerConfig>,
}

impl Listeners {
    /// Listens where the configuration says.
    ///
    /// # Errors
    /// The socket or the address cannot be listened on, or certificates or keys cannot be used.
    pub(in crate::server) async fn open(config: &Config) -> Result<Self, ListenError> {
        let settings = &config.admin_api;
        let remote = match settings.listen {
            None => None,
            Some(listen) => Some(Remote::open(listen, settings, config).await?),
        };
        for issuer in &settings.issuers {
            crate::oidc::read_issuer_keys(&issuer.jwks).map_err(ListenError::Credentials)?;
        }
        let identities = Identities::of(settings);
        #[cfg(unix)]
        let socket = socket::Socket::open(config.admin_socket()).await?;
        Ok(Self {
            #[cfg(unix)]
            socket,
            remote,
            identities,
        })
    }

    /// Returns the address for HTTPS, if there is one.
    pub(in crate::server) fn address(&self) -> Option<SocketAddr> {
        self.remote.as_ref().map(|remote| remote.address)
    }
}

impl Remote {
    async fn open(
        listen: SocketAddr,
        settings: &AdminApiSettings,
        config: &Config,
    ) -> Result<Self, ListenError> {
        let failed = |error: &dyn std::fmt::Display| ListenError::Credentials(error.to_string());
        let files = settings
            .tls
            .as_ref()
            .or(config.tls.as_ref())
            .ok_or_else(|| failed(&"there is no certificate"))?;
        let required = settings.issuers.is_empty();
        let clients = settings.client_roots.as_deref().map(|roots| tls::client_verifier(roots, required));
        let clients = clients.transpose().map_err(|error| failed(&error))?;
        let (certificate, tls) =
            Certificate::open_for_clients(files.clone(), clients).map_err(|error| failed(&error))?;
        let (listener, address) = bind(listen).await?;
        Ok(Self { listener, address, certificate, tls: Live::new(tls) })
    }

    async fn serve(mut self, router: Router, deadline: Duration, mut ended: watch::Receiver<bool>) {
        let connections = Connections::new(CONNECTIONS, UNAUTHENTICATED_PER_ADDRESS);
        let graceful = GracefulShutdown::new();
        let mut refusals = Refusals::default();
        let mut renewal = tokio::time::interval(RENEWAL_INTERVAL);
        loop {
            let accepted = tokio::select! {
                accepted = accept(&self.listener, &connections) => accepted,
                _ = renewal.tick() => {
                    match self.certificate.renewed() {
                        None => {}
                        Some(Ok(tls)) => self.tls.set(tls),
                        Some(Err(error)) => tracing::error!(%error, "the former certificate of [admin_api] stays in use"),
                    }
                    continue;
                }
                Ok(_) = ended.wait_for(|ended| *ended) => break,
            };
            let (stream, address, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    refusals.add(&error);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Some(peer) = connections.admit(place, address.ip()) else {
                refusals.add(&format_args!("too many from {} have not authenticated", address.ip()));
                continue;
            };
            let (tls, router) = (self.tls.get(), router.clone());
            let accepted = Accepted::new(&address, deadline, graceful.watcher());
            tokio::spawn(async move {
                let Some(stream) = accepted.handshake(stream, tls).await else { return };
                let chain = stream.get_ref().1.peer_certificates();
                let names = chain.and_then(<[_]>::first).map(|own| names_of(own)).unwrap_or_default();
                let address = address.ip().to_canonical().to_string().into();
                let origin = Origin::Remote { address, names: names.into(), peer };
                accepted.serve(stream, router.layer(Extension(origin))).await;
            });
        }
        drop(self.listener);
        end(graceful).await;
    }
}

/// Serves until the server ends.
pub(in crate::server) async fn serve(
    listeners: Listeners,
    server: ServerState,
    ended: watch::Receiver<bool>,
) {
    let deadline = server.deadline();
    let router = router(server, listeners.identities);
    let remote = async {
        if let Some(remote) = listeners.remote {
            remote.serve(router.clone(), deadline, ended.clone()).await;
        }
    };
    #[cfg(unix)]
    tokio::join!(remote, listeners.socket.serve(router.clone(), deadline, ended.clone()));
    #[cfg(not(unix))]
    remote.await;
}

async fn end(graceful: GracefulShutdown) {
    if tokio::time::timeout(SHUTDOWN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests of administrators were cut off");
    }
}

#[cfg(unix)]
mod socket {
    use super::{
        Accepted, Duration, Extension, GracefulShutdown, ListenError, Origin, Refusals, Router, end, watch,
    };
    use std::io;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use tokio::net::{UnixListener, UnixStream};
    use tokio::sync::Semaphore;

    /// Maximum number of connections at the socket.
    const CONNECTIONS: usize = 64;
    /// Time that another verifier has to answer at the socket.
    const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

    pub(super) struct Socket {
        listener: UnixListener,
        path: PathBuf,
    }

    impl Socket {
        pub(super) async fn open(path: PathBuf) -> Result<Self, ListenError> {
            match listen(&path).await {
                Ok(listener) => Ok(Self { listener, path }),
                Err(error) => Err(ListenError::Socket(path, error)),
            }
        }

        pub(super) async fn serve(
            self,
            router: Router,
            deadline: Duration,
            mut ended: watch::Receiver<bool>,
        ) {
            let Self { listener, path } = self;
            let (places, graceful) = (Arc::new(Semaphore::new(CONNECTIONS)), GracefulShutdown::new());
            let mut refusals = Refusals::default();
            loop {
                let accepted = tokio::select! {
                    accepted = async {
                        // The semaphore is never closed.
                        let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
                        Ok::<_, io::Error>((listener.accept().await?.0, place))
                    } => accepted,
                    Ok(_) = ended.wait_for(|ended| *ended) => break,
                };
                let (stream, place) = match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        refusals.add(&error);
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                };
                let uid = stream.peer_cred().ok().map(|peer| peer.uid());
                let router = router.clone().layer(Extension(Origin::Socket(uid)));
                let peer = uid.map_or_else(|| "socket".to_owned(), |uid| format!("uid:{uid}"));
                let accepted = Accepted::new(&peer, deadline, graceful.watcher());
                tokio::spawn(async move {
                    accepted.serve(stream, router).await;
                    drop(place);
                });
            }
            drop(listener);
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!(%error, "removing {}", path.display());
            }
            end(graceful).await;
        }
    }

    /// Listens at `path`, in the place of a socket that a verifier left behind when it was killed.
    async fn listen(path: &Path) -> io::Result<UnixListener> {
        match tokio::time::timeout(ANSWER_TIMEOUT, UnixStream::connect(path)).await {
            Ok(Err(_)) => {}
            Ok(Ok(_)) | Err(_) => {
                return Err(io::Error::other(
                    "another verifier listens there; [admin_api] socket names another path",
                ));
            }
        }
        match std::fs::symlink_metadata(path) {
            Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(path)?,
            Ok(_) => return Err(io::Error::other("there is a file that is no socket")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    }
}
