//! Listener for administrators, on loopback without TLS: metrics, and health with all details.

use super::health::HealthCheck;
use super::http::{JSON, json_response};
use crate::clock::Clock;
use crate::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Maximum number of connections.
const CONNECTIONS: usize = 16;
/// Time limit for a request's head, and for a whole connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(300);
/// Media type of OpenMetrics 1.0.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Contents of the listener.
#[derive(Clone)]
pub(super) struct Admin {
    pub(super) health: Arc<HealthCheck>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
    /// Returns the number of open connections of the public listener.
    pub(super) connections: Arc<dyn Fn() -> usize + Send + Sync>,
}

/// Serves until the task is aborted.
pub(super) async fn serve(listener: TcpListener, admin: Admin) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .with_state(admin);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the administrators' listener");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            // An error or a timeout ends the connection, and concerns only its peer.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
            drop(place);
        });
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let mut gauges = admin.health.gauges(admin.clock.now()).await;
    gauges.connections = (admin.connections)();
    match admin.metrics.encode(&gauges) {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "encoding the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn live() -> Response {
    json_response(StatusCode::OK, JSON, "no-store", &serde_json::json!({ "status": "ok" }))
}

async fn ready(State(admin): State<Admin>) -> Response {
    let health = admin.health.now(admin.clock.now()).await;
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_response(status, JSON, "no-store", &*health)
}
