//! TLS around every connection of a server: certificate and key, reread on request, and the handshake.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::locks::unpoisoned;

use super::socket::Socket;

/// The last second that a certificate can name: that of the year 9999.
const END_OF_TIME: u64 = 253_402_300_799;

/// The response to plain HTTP on a TLS port.
const PLAIN_HTTP: &str = "this port speaks TLS: use wss:// or https://\n";

/// A certificate and its key, as files and as last read.
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("cert", &self.cert)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Why a server has no TLS.
#[derive(Debug, thiserror::Error)]
pub enum ServerTlsError {
    /// A file cannot be read.
    #[error("cannot read '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file contains something else.
    #[error("'{}' contains no {what} in PEM format", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The expected contents.
        what: &'static str,
    },
    /// Both can be read, but they don't match.
    #[error("the key in '{}' does not belong to the certificate in '{}'", key.display(), cert.display())]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// rustls cannot use them.
    #[error("cannot use the certificate in '{}' with the key in '{}'", cert.display(), key.display())]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// The reason.
        source: rustls::Error,
    },
}

impl Tls {
    /// Reads a certificate, followed by the intermediate ones, and its private key.
    ///
    /// # Errors
    /// The first of them that is missing or invalid.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, ServerTlsError> {
        let config = RwLock::new(Arc::new(read(cert, key)?));
        let (cert, key) = (cert.to_owned(), key.to_owned());
        Ok(Self { cert, key, config })
    }

    /// Rereads the files, for new connections.
    ///
    /// # Errors
    /// As [`Tls::load`]; the old contents then stay in use.
    pub fn reload(&self) -> Result<(), ServerTlsError> {
        let config = Arc::new(read(&self.cert, &self.key)?);
        *unpoisoned(self.config.write()) = config;
        Ok(())
    }

    /// The file with the certificate.
    #[must_use]
    pub fn cert_file(&self) -> &Path {
        &self.cert
    }

    /// Whether the certificate in the file is for `host`, a name or an address.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        self.check_name(host).is_ok()
    }

    /// The names and addresses that the certificate in the file is for.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        // No certificate can have this name, so the error lists the names that it has.
        let Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            presented,
            ..
        })) = self.check_name("name.invalid")
        else {
            return Vec::new();
        };
        // As rustls has them: `DnsName("web-1")`, `IpAddress(127.0.0.1)`.
        let name = |shown: &String| {
            let (_, inside) = shown.split_once('(')?;
            Some(inside.trim_matches([')', '"']).to_owned())
        };
        presented.iter().filter_map(name).collect()
    }

    /// From when until when the certificate in the file is valid, in seconds since the epoch; `None` if it has no end
    /// or cannot be read.
    #[must_use]
    pub fn validity(&self) -> Option<(u64, u64)> {
        let der = CertificateDer::from_pem_file(&self.cert).ok()?;
        let cert = webpki::EndEntityCert::try_from(&der).ok()?;
        // It cannot be valid at both ends of time, and the errors tell its own.
        let at = |seconds| {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            let usage = webpki::KeyUsage::server_auth();
            cert.verify_for_usage(&[], &[], &[], time, usage, None, None)
                .err()
        };
        match (at(0), at(END_OF_TIME)) {
            (
                Some(webpki::Error::CertNotValidYet { not_before, .. }),
                Some(webpki::Error::CertExpired { not_after, .. }),
            ) => Some((not_before.as_secs(), not_after.as_secs())),
            _ => None,
        }
    }

    fn check_name(&self, host: &str) -> Result<(), rustls::Error> {
        let unusable = |_| rustls::Error::General("not a name or not a certificate".into());
        let name = ServerName::try_from(host.to_owned()).map_err(unusable)?;
        let cert = CertificateDer::from_pem_file(&self.cert)
            .map_err(|_| rustls::Error::NoCertificatesPresented)?;
        verify_server_name(&ParsedCertificate::try_from(&cert)?, &name)
    }

    /// Performs the handshake. A peer that speaks plain HTTP gets a response that says so, and no connection.
    pub(in crate::server) async fn accept(&self, mut socket: Socket) -> io::Result<Socket> {
        // A handshake begins with 22, a request with the first letter of its method.
        let first = socket.first_byte().await?;
        if first.is_some_and(|byte| byte.is_ascii_alphabetic()) {
            explain(&mut socket).await?;
            let reason = "plain HTTP on a TLS port";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let config = Arc::clone(&*unpoisoned(self.config.read()));
        socket.shake_hands(config).await
    }
}

/// Responds in plain HTTP.
async fn explain(socket: &mut Socket) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{PLAIN_HTTP}",
        PLAIN_HTTP.len()
    );
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await?;
    // Unread data would turn the close into a reset, which overtakes the response.
    let mut rest = [0; 1024];
    while socket.read(&mut rest).await? > 0 {
        socket.forget_received();
    }
    Ok(())
}

fn read(cert: &Path, key: &Path) -> Result<ServerConfig, ServerTlsError> {
    let certs = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unread(cert, "certificate", error))?;
    if certs.is_empty() {
        return Err(unread(cert, "certificate", pem::Error::NoItemsFound));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|error| unread(key, "private key", error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // rustls' default versions are 1.2 and 1.3.
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(certs, private)
        })
        .map_err(|source| {
            let (cert, key) = (cert.to_owned(), key.to_owned());
            match source {
                rustls::Error::InconsistentKeys(_) => ServerTlsError::Mismatch { cert, key },
                source => ServerTlsError::Unusable { cert, key, source },
            }
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn unread(path: &Path, what: &'static str, error: pem::Error) -> ServerTlsError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(source) => ServerTlsError::Read { path, source },
        _ => ServerTlsError::Form { path, what },
    }
}
