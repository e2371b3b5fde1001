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
use super::own_certificate::OwnCertificate;
use super::parameters::{bad, usual_file};
use super::ssl_mode::SslMode;
use super::tls_versions::TlsVersions;
use crate::authorities::{self, Pinned};

/// The value of `sslrootcert` that means the system's authorities.
pub(super) const OF_SYSTEM: &str = "system";

/// What is trusted, and what we show.
#[derive(Debug, Clone)]
pub(super) struct TlsSettings {
    pub(super) mode: SslMode,
    /// The value of `sslrootcert`.
    pub(super) root_cert: Option<String>,
    pub(super) own: OwnCertificate,
    pub(super) versions: TlsVersions,
}

impl TlsSettings {
    /// The mode, as libpq has it: `system` needs, and means, everything.
    ///
    /// # Errors
    /// When the mode is unknown, or weaker than `sslrootcert` needs.
    pub(super) fn mode(
        mode: Option<&str>,
        root_cert: Option<&str>,
    ) -> Result<SslMode, DatabaseError> {
        let mode = mode.map(str::parse::<SslMode>).transpose()?;
        match (mode, root_cert) {
            (None, Some(OF_SYSTEM)) => Ok(SslMode::VerifyFull),
            (Some(mode), Some(OF_SYSTEM)) if mode < SslMode::VerifyFull => {
                Err(bad("sslrootcert", OF_SYSTEM, "needs sslmode=verify-full"))
            }
            (mode, _) => Ok(mode.unwrap_or(SslMode::Prefer)),
        }
    }
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
        .with_protocol_versions(&settings.versions.of_rustls())
        .map_err(|error| unusable(&error))?;
    let inner = match trusted(settings)? {
        Some((roots, known)) => {
            let roots = Arc::new(roots);
            let built =
                WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            let inner = built.map_err(|error| unusable(&error))?;
            Some(Pinned { inner, known })
        }
        None => None,
    };
    let verifier = Verifier {
        inner,
        checks_name: settings.mode == SslMode::VerifyFull,
        provider,
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match settings.own.files()? {
        None => Ok(builder.with_no_client_auth()),
        Some((cert, key)) => {
            let (chain, key) = (certificates(&cert)?, private_key(&key)?);
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| unusable(&error))
        }
    }
}

/// The authorities to check against, and their certificates where a server may show one of them itself; `None` if nothing
/// is checked. As in libpq, a file that is there is checked against in any mode, and `verify-…` needs one.
fn trusted(
    settings: &TlsSettings,
) -> Result<Option<(RootCertStore, Vec<CertificateDer<'static>>)>, DatabaseError> {
    if settings.root_cert.as_deref() == Some(OF_SYSTEM) {
        return Ok(Some((authorities::of_system(), Vec::new())));
    }
    let named = settings.root_cert.as_ref().map(PathBuf::from);
    let path = named.or_else(|| usual_file("root.crt"));
    match path.filter(|path| path.exists()) {
        Some(path) => {
            let known = certificates(&path)?;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(known.iter().cloned());
            Ok(Some((roots, known)))
        }
        None if !settings.mode.needs_authority() => Ok(None),
        None => {
            let missing = settings.root_cert.as_deref();
            Err(bad(
                "sslrootcert",
                missing.unwrap_or("~/.postgresql/root.crt"),
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
    inner: Option<Pinned>,
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
