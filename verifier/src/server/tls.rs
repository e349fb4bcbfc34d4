//! TLS certificate of the server: from files, or from a small CA for trials.

use crate::config::TlsFiles;
use crate::files::{self, FileError};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// The certificate could not be used or made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{0}")]
    File(#[from] FileError),
    /// The files do not contain a usable certificate and key.
    #[error("the certificate {0} and its key: {1}")]
    Certificate(PathBuf, String),
    /// The file does not contain usable root certificates.
    #[error("the root certificates {0}: {1}")]
    ClientRoots(PathBuf, String),
    /// Not a host's name or address.
    #[error("{0:?} is not a host's name or address")]
    Host(String),
    /// The trial's certificate could not be made.
    #[error("making a certificate for {0:?}: {1}")]
    Make(String, rcgen::Error),
}

/// Reads certificate and key.
///
/// # Errors
/// When they cannot be read, or do not belong together.
pub fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    read_for(files, Arc::new(NoClientAuth))
}

/// Verifies certificates of clients by these roots, PEM. Without `required`, a client may have none.
pub(super) fn client_verifier(roots: &Path, required: bool) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let unusable = |e: &dyn std::fmt::Display| TlsError::ClientRoots(roots.to_owned(), e.to_string());
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(roots).map_err(|e| unusable(&e))? {
        store.add(certificate.map_err(|e| unusable(&e))?).map_err(|e| unusable(&e))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider);
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|e| unusable(&e))
}

fn read_for(files: &TlsFiles, clients: Arc<dyn ClientCertVerifier>) -> Result<ServerConfig, TlsError> {
    let TlsFiles { certificate, key } = files;
    let unusable = |e: &dyn std::fmt::Display| TlsError::Certificate(certificate.clone(), e.to_string());
    let chain = std::fs::read(certificate).map_err(|e| FileError::new("reading", certificate, e))?;
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&chain).collect::<Result<_, _>>().map_err(|e| unusable(&e))?;
    let key_pem = files::read_tls_key(key)?;
    let private = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|e| unusable(&e))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_client_cert_verifier(clients).with_single_cert(chain, private))
        .map_err(|e| unusable(&e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificate of a running server, which is read again when its files change.
pub struct Certificate {
    files: TlsFiles,
    clients: Arc<dyn ClientCertVerifier>,
    seen: [Option<(u64, SystemTime)>; 2],
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// As [`read`].
    pub fn open(files: TlsFiles) -> Result<(Self, ServerConfig), TlsError> {
        Self::open_for_clients(files, None)
    }

    /// Reads the files for a server that verifies certificates of its clients.
    pub(super) fn open_for_clients(
        files: TlsFiles,
        clients: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Result<(Self, ServerConfig), TlsError> {
        let clients = clients.unwrap_or_else(|| Arc::new(NoClientAuth));
        let mut certificate = Self { files, clients, seen: [None; 2] };
        certificate.seen = certificate.look();
        let config = certificate.read()?;
        Ok((certificate, config))
    }

    fn read(&self) -> Result<ServerConfig, TlsError> {
        read_for(&self.files, self.clients.clone())
    }

    /// Reads the files if they changed since they were last read: a program may renew certificates without a word to
    /// this one. Returns `None` if they did not.
    pub fn renewed(&mut self) -> Option<Result<ServerConfig, TlsError>> {
        let now = self.look();
        (std::mem::replace(&mut self.seen, now) != now).then(|| self.read())
    }

    fn look(&self) -> [Option<(u64, SystemTime)>; 2] {
        [&self.files.certificate, &self.files.key].map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((files::identity(&metadata), metadata.modified().ok()?))
        })
    }
}

/// Certificate of a trial's server, and its trust anchor.
pub struct SelfSigned {
    /// The server's certificate and key.
    pub files: TlsFiles,
    /// The CA's certificate: the trust anchor to give to devices.
    pub anchor: PathBuf,
}

/// A small CA and a certificate for `host` in `folder`, for trials. Those that were made for it before are kept.
///
/// # Errors
/// When they cannot be made.
pub fn self_signed(folder: &Path, host: &str) -> Result<SelfSigned, TlsError> {
    let made = SelfSigned {
        files: TlsFiles {
            certificate: folder.join(format!("{host}.pem")),
            key: folder.join(format!("{host}.key")),
        },
        anchor: folder.join(format!("{host}-ca.pem")),
    };
    if host.is_empty() || host.contains(['/', '\0']) || host.starts_with('.') {
        return Err(TlsError::Host(host.to_owned()));
    }
    if made.files.certificate.exists() && made.files.key.exists() && made.anchor.exists() {
        return Ok(made);
    }
    let failed = |e| TlsError::Make(host.to_owned(), e);
    let mut authority = CertificateParams::new(Vec::new()).map_err(failed)?;
    authority.distinguished_name.push(DnType::CommonName, "Vitalsign verifier, trial CA");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().map_err(failed)?).map_err(failed)?;

    let mut server = CertificateParams::new(vec![host.to_owned()]).map_err(failed)?;
    server.distinguished_name.push(DnType::CommonName, host);
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(failed)?;
    let server = server.signed_by(&key, &authority).map_err(failed)?;

    // The CA's key is not kept: nothing else is ever signed with it.
    let key = zeroize::Zeroizing::new(key.serialize_pem());
    files::replace(&made.files.key, key.as_bytes(), 0o600)?;
    files::replace(&made.files.certificate, server.pem().as_bytes(), 0o644)?;
    files::replace(&made.anchor, authority.pem().as_bytes(), 0o644)?;
    Ok(made)
}
