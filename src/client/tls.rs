//! A client's TLS: the certificates that it trusts, the handshake, and why one failed in words that help.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::authorities::{self, CertificateVerifier, is_of_ca};

/// TLS as a client, with the certificates that it trusts. Cloning shares them.
#[derive(Clone)]
pub struct ClientTls(Arc<ClientConfig>);

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

/// Why a client has no certificates to trust.
#[derive(Debug, thiserror::Error)]
pub enum ClientTlsError {
    /// The file cannot be read.
    #[error("cannot read '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It holds no certificate.
    #[error("'{}' contains no certificate in PEM format", path.display())]
    NoPem {
        /// The file.
        path: PathBuf,
    },
    /// The system has no certificates, and no file was given.
    #[error("this system has no CA certificates: name yours with --ca-cert FILE")]
    NoCertificates,
    /// rustls cannot be set up.
    #[error("cannot use TLS")]
    Unusable {
        /// The reason.
        source: rustls::Error,
    },
}

/// Why a TLS handshake failed.
#[derive(Debug)]
pub(super) enum HandshakeError {
    /// The connection broke.
    Io(io::Error),
    /// The server isn't the requested one, or speaks another protocol; in one line.
    Refused(String),
}

impl ClientTls {
    /// Trusts the platform's authorities, and those in `ca_cert`, which may also contain a server's own certificate.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate, or when there is no certificate to trust at all.
    pub fn new(ca_cert: Option<&Path>) -> Result<Self, ClientTlsError> {
        let mut roots = authorities::of_system();
        let known = ca_cert.map(read).transpose()?.unwrap_or_default();
        if let Some(path) = ca_cert {
            let added = roots.add_parsable_certificates(known.iter().cloned());
            if added.0 == 0 {
                let path = path.to_owned();
                return Err(ClientTlsError::NoPem { path });
            }
        }
        if roots.is_empty() {
            return Err(ClientTlsError::NoCertificates);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // rustls' default versions are 1.2 and 1.3.
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|source| ClientTlsError::Unusable { source })?;
        let verifier = CertificateVerifier::new(roots, known, &provider).map_err(|error| {
            ClientTlsError::Unusable {
                source: rustls::Error::General(error.to_string()),
            }
        })?;
        let mut config = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// Performs the handshake with `host`, whose certificate must be for that name.
    pub(super) async fn connect(
        &self,
        host: &str,
        tcp: TcpStream,
    ) -> Result<TlsStream<TcpStream>, HandshakeError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            HandshakeError::Refused(format!("no certificate can be for the name '{host}'"))
        })?;
        let connecting = TlsConnector::from(Arc::clone(&self.0)).connect(name, tcp);
        connecting
            .await
            .map_err(|error| handshake_error(error, host))
    }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientTlsError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| {
            let path = path.to_owned();
            match error {
                pem::Error::Io(source) => ClientTlsError::Read { path, source },
                _ => ClientTlsError::NoPem { path },
            }
        })
}

/// What a failed handshake means.
fn handshake_error(error: io::Error, host: &str) -> HandshakeError {
    let Some(reason) = error.get_ref().and_then(|inner| inner.downcast_ref()) else {
        return HandshakeError::Io(error);
    };
    HandshakeError::Refused(match reason {
        rustls::Error::InvalidCertificate(reason) => certificate(reason, host),
        rustls::Error::InvalidMessage(_) => {
            format!("{host} does not speak TLS here: write ws:// instead of wss://")
        }
        rustls::Error::AlertReceived(alert) => {
            format!("{host} ended the TLS handshake ({alert:?})")
        }
        rustls::Error::PeerIncompatible(why) => {
            format!("{host} supports no safe version of TLS: 1.2 or 1.3 is required ({why:?})")
        }
        other => format!("TLS with {host} failed: {other}"),
    })
}

fn certificate(reason: &CertificateError, host: &str) -> String {
    match reason {
        CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
            // As rustls has them: `DnsName("web-1")`.
            let names: Vec<_> = presented
                .iter()
                .map(|name| name.split('"').nth(1).unwrap_or(name))
                .collect();
            let names = names.join(", ");
            format!("the certificate is not for {host} but for {names}: connect by that name")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate is not for {host}")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {host} has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of {host} is not valid yet: is this machine's clock right?")
        }
        // A bad signature comes from a CA with a known name but another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "the certificate of {host} is from an unknown CA: name the CA's certificate or the server's own with \
             --ca-cert FILE"
        ),
        CertificateError::Revoked => format!("the certificate of {host} was revoked"),
        reason if is_of_ca(reason) => format!(
            "the certificate of {host} is a CA certificate, which openssl creates by default: name that very certificate \
             with --ca-cert FILE, or create one with -addext basicConstraints=critical,CA:FALSE"
        ),
        other => format!("the certificate of {host} is invalid: {other}"),
    }
}
