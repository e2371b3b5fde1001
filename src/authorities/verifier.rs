//! Which certificates of servers a client accepts.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

/// Checks the certificate of a server. Whoever the server is, it must have the key of its certificate.
#[derive(Debug)]
pub struct CertificateVerifier {
    /// Checks chains of certificates up to an authority; `None` if any certificate is accepted.
    chains: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are trusted as they are.
    known: Vec<CertificateDer<'static>>,
    checks_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl CertificateVerifier {
    /// Accepts certificates from the authorities in `roots`, and also each of the `known` server certificates. For
    /// those, the issuer does not matter, and they may be marked as a CA's, as `openssl req -x509` makes them. The name
    /// and the dates must be right in both cases.
    ///
    /// # Errors
    /// When `roots` is empty.
    pub fn new(
        roots: RootCertStore,
        known: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let roots = Arc::new(roots);
        let chains =
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider)).build()?;
        Ok(Self {
            chains: Some(chains),
            known,
            checks_name: true,
            algorithms: provider.signature_verification_algorithms,
        })
    }

    /// Accepts any certificate: the connection is encrypted, but it may be with anybody.
    #[must_use]
    pub fn of_anybody(provider: &CryptoProvider) -> Self {
        Self {
            chains: None,
            known: Vec::new(),
            checks_name: false,
            algorithms: provider.signature_verification_algorithms,
        }
    }

    /// The same, but a certificate may be for another name.
    #[must_use]
    pub fn for_any_name(self) -> Self {
        Self {
            checks_name: false,
            ..self
        }
    }
}

/// Whether the certificate was rejected because it is marked as a CA's.
#[must_use]
pub fn is_of_ca(reason: &CertificateError) -> bool {
    match reason {
        CertificateError::Other(OtherError(reason)) => {
            reason.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
        }
        _ => false,
    }
}

impl ServerCertVerifier for CertificateVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chains) = &self.chains else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified =
            chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let Err(Error::InvalidCertificate(reason)) = &verified else {
            return verified;
        };
        match reason {
            // The name is checked last, so everything else is right.
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
                if !self.checks_name => {}
            // The dates are checked first, so only the issuer is wrong.
            reason if is_about_issuer(reason) && self.known.contains(end_entity) => {
                if self.checks_name {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
            }
            _ => return verified,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether the certificate was rejected for who issued it, or for whom it may issue others.
fn is_about_issuer(reason: &CertificateError) -> bool {
    // A bad signature comes from a CA with a known name but another key.
    matches!(
        reason,
        CertificateError::UnknownIssuer | CertificateError::BadSignature
    ) || is_of_ca(reason)
}
