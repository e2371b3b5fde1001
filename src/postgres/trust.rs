//! TLS with a database: what libpq's `sslmode` and `sslrootcert` mean.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::error::DatabaseError;
use super::own_certificate::OwnCertificate;
use super::parameters::{bad, usual_file};
use super::ssl_mode::SslMode;
use super::tls_versions::TlsVersions;
use crate::authorities::{self, CertificateVerifier};

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
    let verifier = match trusted(settings)? {
        Some((roots, known)) => {
            CertificateVerifier::new(roots, known, &provider).map_err(|error| unusable(&error))?
        }
        None => CertificateVerifier::of_anybody(&provider),
    };
    let verifier = match settings.mode {
        SslMode::VerifyFull => verifier,
        _ => verifier.for_any_name(),
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

/// The authorities to check against, and their certificates where a server may show one of them itself; `None` if
/// nothing is checked. As in libpq, an existing file is checked against in any mode, and `verify-…` needs one.
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
