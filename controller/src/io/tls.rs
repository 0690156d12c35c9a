//! TLS for OpenFlow connections, both ways: our certificate, the peers' from one authority, and which switch a certificate is.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use net::DatapathId;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::config::{CertificateName, SwitchCertificate, TlsConfig};
use crate::core::AllowedDatapathIds;
use crate::pki::CertificateFacts;

/// A certificate that ends within this time is a warning at the start.
const EXPIRES_SOON: Duration = Duration::from_secs(30 * 86_400);
/// Names of a refused certificate that the log shows.
const NAMES_SHOWN: usize = 3;

/// A connection that a switch has made.
pub type ServerStream = tokio_rustls::server::TlsStream<TcpStream>;
/// A connection that we have made.
pub type ClientStream = tokio_rustls::client::TlsStream<TcpStream>;

/// What takes and makes TLS connections.
pub struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    switches: Option<Vec<SwitchCertificate>>,
    /// Our own and the authority's, and the files that they are in.
    own: Vec<(PathBuf, CertificateFacts)>,
}

impl Tls {
    /// TLS 1.2 and 1.3 with peers whose certificate `client_ca` has signed.
    ///
    /// # Errors
    /// What cannot be used, with the file's name.
    pub fn load(config: &TlsConfig) -> Result<Tls, String> {
        let in_file = |file: &Path, error: &dyn Display| format!("{}: {error}", file.display());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        let authorities = certificates(&config.client_ca)?;
        for certificate in &authorities {
            roots.add(certificate.clone()).map_err(|error| in_file(&config.client_ca, &error))?;
        }
        let roots = Arc::new(roots);
        let chain = certificates(&config.certificate)?;
        let mut own = Vec::new();
        for (file, list) in [(&config.certificate, &chain), (&config.client_ca, &authorities)] {
            for certificate in list {
                let facts = CertificateFacts::read(certificate).map_err(|error| in_file(file, &error))?;
                own.push((file.clone(), facts));
            }
        }
        let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|error| in_file(&config.key, &error))?;
        let both = |error: Error| format!("{} and {}: {error}", config.certificate.display(), config.key.display());

        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| in_file(&config.client_ca, &error))?;
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(both)?;
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(SwitchVerifier { roots, provider }))
            .with_client_auth_cert(chain, key)
            .map_err(both)?;
        // Open vSwitch wants client certificates and gives its sessions no context: OpenSSL then ends a resumed session with an internal
        // error (SSL_CTX_set_session_id_context(3)).
        client.resumption = Resumption::disabled();
        Ok(Tls {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
            switches: config.switches.clone(),
            own,
        })
    }

    /// Certificates that have expired or will within a month, in words.
    pub fn expiring(&self, now: SystemTime) -> Vec<String> {
        let about = |(file, facts): &(PathBuf, CertificateFacts)| {
            let remaining = facts.remaining(now);
            let end = facts.last_moment();
            if remaining.is_zero() {
                Some(format!("{} expired at {end}: switches refuse it", file.display()))
            } else if remaining < EXPIRES_SOON {
                Some(format!("{} expires in {} days, at {end}", file.display(), remaining.as_secs() / 86_400))
            } else {
                None
            }
        };
        self.own.iter().filter_map(about).collect()
    }

    /// When each of our certificates ends: file, moment.
    pub fn ends(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.own.iter().map(|(file, facts)| (file.as_path(), facts.last_moment()))
    }

    /// The handshake of a switch that has connected, and which switch it may be.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn accept(&self, stream: TcpStream) -> Result<(ServerStream, AllowedDatapathIds), String> {
        let stream = self.acceptor.accept(stream).await.map_err(|error| format!("TLS handshake failed: {error}"))?;
        let allowed = self.holder(stream.get_ref().1.peer_certificates())?;
        Ok((stream, allowed))
    }

    /// The handshake with a switch that we have connected to, and which switch it may be.
    ///
    /// # Errors
    /// Why it is refused, by either side.
    pub async fn connect(&self, stream: TcpStream) -> Result<(ClientStream, AllowedDatapathIds), String> {
        let address = stream.peer_addr().map_err(|error| error.to_string())?.ip().to_canonical();
        let name = ServerName::from(address);
        let stream =
            self.connector.connect(name, stream).await.map_err(|error| format!("TLS handshake failed: {error}"))?;
        let allowed = self.holder(stream.get_ref().1.peer_certificates())?;
        Ok((stream, allowed))
    }

    fn holder(&self, chain: Option<&[CertificateDer<'_>]>) -> Result<AllowedDatapathIds, String> {
        let certificate = chain.and_then(<[_]>::first).ok_or("no certificate")?;
        let facts = CertificateFacts::read(certificate).map_err(|error| format!("unreadable certificate: {error}"))?;
        allowed(self.switches.as_deref(), &facts).ok_or_else(|| {
            let names = facts.names.iter().take(NAMES_SHOWN).map(|name| name.escape_default().to_string());
            format!(
                "certificate {} ({}) is not in openflow.tls.switches",
                facts.fingerprint,
                names.collect::<Vec<_>>().join(", ")
            )
        })
    }
}

/// Which switch the holder of a certificate may be; `None`: it is not on the list. Without a list the certificate itself says so, and one
/// that names no datapath id is good for any.
fn allowed(list: Option<&[SwitchCertificate]>, facts: &CertificateFacts) -> Option<AllowedDatapathIds> {
    let by_itself = match &facts.datapath_ids {
        Some(ids) => AllowedDatapathIds::These(ids.as_slice().into()),
        None => AllowedDatapathIds::Any,
    };
    let Some(list) = list else { return Some(by_itself) };
    let mut ids: Vec<DatapathId> = Vec::new();
    let mut found = false;
    for entry in list {
        let matches = match &entry.certificate {
            CertificateName::Fingerprint(fingerprint) => *fingerprint == facts.fingerprint,
            CertificateName::Name(name) => facts.names.contains(name),
        };
        if matches {
            match &entry.datapath_ids {
                Some(listed) => ids.extend(listed),
                None => return Some(by_itself),
            }
            found = true;
        }
    }
    found.then(|| AllowedDatapathIds::These(ids.into()))
}

/// Trusts a switch that we dial by its authority. Its name is not compared with its address: certificates of switches name switches, and
/// which one it may be is checked with its datapath id.
#[derive(Debug)]
struct SwitchVerifier {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for SwitchVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| format!("{}: {error}", path.display()))?;
    if certificates.is_empty() {
        return Err(format!("{}: holds no certificate", path.display()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests;
