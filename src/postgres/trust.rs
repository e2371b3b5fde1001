//! TLS with a database: what libpq's `sslmode` and `sslrootcert` mean.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::error::DatabaseError;
use super::parameters::{bad, home};
use super::ssl_mode::SslMode;
use crate::authorities;

/// The value of `sslrootcert` that means the system's authorities.
const OF_SYSTEM: &str = "system";

/// What is trusted, and what we show.
#[derive(Debug, Clone)]
pub(super) struct TlsSettings {
    pub(super) mode: SslMode,
    /// The value of `sslrootcert`.
    pub(super) root_cert: Option<String>,
    /// The files of our own certificate and its key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

/// The configuration of TLS for `settings`.
///
/// # Errors
/// When a file cannot be read, or the parameters contradict each other.
pub(super) fn tls(settings: &TlsSettings) -> Result<ClientConfig, DatabaseError> {
    let unusable = |error: &dyn ToString| {
        DatabaseError::Address(format!("cannot use TLS: {}", error.to_string()))
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    let (roots, mode) = roots(settings)?;
    let inner = match roots {
        Some(roots) => {
            let built =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                    .build();
            Some(built.map_err(|error| unusable(&error))?)
        }
        None => None,
    };
    let verifier = Verifier {
        inner,
        checks_name: mode == SslMode::VerifyFull,
        provider,
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match &settings.identity {
        None => Ok(builder.with_no_client_auth()),
        Some((cert, key)) => {
            let (chain, key) = (certificates(cert)?, private_key(key)?);
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| unusable(&error))
        }
    }
}

/// The authorities to check against, if anything is checked, and the mode that results.
fn roots(settings: &TlsSettings) -> Result<(Option<RootCertStore>, SslMode), DatabaseError> {
    let mode = settings.mode;
    if settings.root_cert.as_deref() == Some(OF_SYSTEM) {
        if mode < SslMode::VerifyFull && mode != SslMode::Prefer {
            return Err(bad("sslrootcert", OF_SYSTEM, "needs sslmode=verify-full"));
        }
        return Ok((Some(authorities::of_system()), SslMode::VerifyFull));
    }
    let named = settings.root_cert.as_ref().map(PathBuf::from);
    let path = named.or_else(|| Some(home()?.join(".postgresql/root.crt")));
    let path = path.filter(|path| path.exists());
    match path {
        Some(path) if mode >= SslMode::Require => {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(certificates(&path)?);
            Ok((Some(store), mode.max_of(SslMode::VerifyCa)))
        }
        // As in libpq: less than that is not checked.
        _ if mode < SslMode::VerifyCa => Ok((None, mode)),
        _ => {
            let missing = settings
                .root_cert
                .as_deref()
                .unwrap_or("~/.postgresql/root.crt");
            Err(bad(
                "sslrootcert",
                missing,
                "does not exist: name the CA's certificate with sslrootcert=FILE, or write sslrootcert=system",
            ))
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, DatabaseError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(bad(
            "certificate",
            &path.display().to_string(),
            "cannot be read as PEM",
        )),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, DatabaseError> {
    PrivateKeyDer::from_pem_file(path).map_err(|_| {
        bad(
            "sslkey",
            &path.display().to_string(),
            "cannot be read as a private key in PEM",
        )
    })
}

/// Checks as much of a certificate as `sslmode` asks for.
#[derive(Debug)]
struct Verifier {
    /// `None`: nothing is checked.
    inner: Option<Arc<WebPkiServerVerifier>>,
    checks_name: bool,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(inner) = &self.inner else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified =
            inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is checked last, so everything else is right.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
