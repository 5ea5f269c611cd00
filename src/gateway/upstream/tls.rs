//! Whose certificates are believed: the public authorities, and those that the operator adds.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Why connections to providers can't be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The library does not work as it is built.
    #[error("TLS: {0}")]
    Library(#[from] rustls::Error),
    /// The operator's authorities can't be read.
    #[error("UPSTREAM_CA_FILE: {0}")]
    CaFile(String),
}

/// Settings of all connections to providers. They speak HTTP/1.1 only: docs/ARCHITECTURE.md says why.
pub(super) fn config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = ca_file {
        add(&mut roots, file).map_err(TlsError::CaFile)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn add(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())?;
    let mut added = 0;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        added += 1;
    }
    if added == 0 { Err("there is no certificate in it".into()) } else { Ok(()) }
}
