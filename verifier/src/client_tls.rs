//! TLS of connections that the verifier opens.

use crate::files::{FileError, read_tls_key};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// Configures TLS with the roots of a file, and the certificate and key of this client if there are any.
pub(crate) fn configure(
    roots: &Path,
    client: Option<(&Path, &Path)>,
) -> Result<rustls::ClientConfig, FileError> {
    let reading = |path: &Path, e: &dyn std::fmt::Display| FileError::new("reading", path, e);
    let certificates = |path: &Path| -> Result<Vec<CertificateDer<'static>>, FileError> {
        let parsed = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        parsed.map_err(|e| reading(path, &e))
    };
    let mut store = rustls::RootCertStore::empty();
    for certificate in certificates(roots)? {
        store.add(certificate).map_err(|e| reading(roots, &e))?;
    }
    if store.is_empty() {
        return Err(reading(roots, &"there is no certificate in it"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| reading(roots, &e))?.with_root_certificates(store);
    match client {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let pem = read_tls_key(key)?;
            let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|e| reading(key, &e))?;
            builder
                .with_client_auth_cert(certificates(certificate)?, private)
                .map_err(|e| reading(certificate, &e))
        }
    }
}
