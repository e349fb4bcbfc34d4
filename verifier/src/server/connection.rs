//! One connection: TLS, and HTTP/1.1 with limits on time and bytes.

use super::request_log::PeerAddress;
use super::write_limit::WriteLimit;
use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The most bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// The most bytes that are read ahead on a connection: a head, and then a part of a body.
const READ_AHEAD_BYTES: usize = 32 * 1024;

/// A connection that was accepted.
pub(super) struct Accepted {
    peer: PeerAddress,
    /// Time limit for the handshake, a request's head, and a client that reads nothing.
    deadline: Duration,
    watcher: Watcher,
}

impl Accepted {
    pub(super) fn new(peer: &dyn std::fmt::Display, deadline: Duration, watcher: Watcher) -> Self {
        Self { peer: PeerAddress::of(peer), deadline, watcher }
    }

    /// Returns the stream after the TLS handshake; `None` if that failed.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        tls: Arc<ServerConfig>,
    ) -> Option<TlsStream<WriteLimit<TcpStream>>> {
        let peer = &self.peer.0;
        let stream = WriteLimit::new(stream, self.deadline);
        match tokio::time::timeout(self.deadline, TlsAcceptor::from(tls).accept(stream)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake"),
            Err(_) => tracing::debug!(%peer, "TLS handshake: too slow"),
        }
        None
    }

    /// Serves requests until the peer or the server closes.
    pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self,
        stream: S,
        router: Router,
    ) {
        let Self { peer, deadline, watcher } = self;
        let router = router.layer(Extension(peer.clone()));
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(deadline)
            .max_header_size(MAX_HEAD_BYTES)
            .max_buf_size(READ_AHEAD_BYTES)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(peer = %peer.0, %error, "connection");
        }
    }
}
