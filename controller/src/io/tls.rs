//! TLS for OpenFlow connections: our certificate, and client certificates from one CA.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// Takes TLS handshakes; the rest of the shell knows no more of TLS than this name.
pub use tokio_rustls::TlsAcceptor;

use crate::config::TlsConfig;

/// An acceptor that takes TLS 1.2 and 1.3 from clients whose certificate `client_ca` has signed. Errors name the file.
pub fn acceptor(config: &TlsConfig) -> Result<TlsAcceptor, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&config.client_ca)? {
        roots.add(certificate).map_err(|error| format!("{}: {error}", config.client_ca.display()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| format!("{}: {error}", config.client_ca.display()))?;
    let chain = certificates(&config.certificate)?;
    let key =
        PrivateKeyDer::from_pem_file(&config.key).map_err(|error| format!("{}: {error}", config.key.display()))?;
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| format!("{} and {}: {error}", config.certificate.display(), config.key.display()))?;
    Ok(TlsAcceptor::from(Arc::new(server)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| format!("{}: {error}", path.display()))?;
    if certificates.is_empty() {
        return Err(format!("{}: holds no certificate", path.display()));
    }
    Ok(certificates)
}
