//! Names who sent the current request, in its span (`server::request_log`). Without one, these do nothing.

/// Names the authenticated device of the current request in the log.
pub(crate) fn device(device: &impl std::fmt::Display) {
    tracing::Span::current().record("device", tracing::field::display(device));
}

/// Names the client of the current request in the log; of a request that fails to authenticate, the one that it claims.
pub(crate) fn client(id: &str) {
    let id: String = id.chars().take(64).collect();
    tracing::Span::current().record("client", id.as_str());
}

/// Names the administrator of the current request in the log.
pub(crate) fn administrator(name: &str) {
    tracing::Span::current().record("admin", name);
}
