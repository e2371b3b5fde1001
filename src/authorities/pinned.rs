//! Trust in a single certificate whose file was given: no CA is needed then.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

/// Accepts what `inner` accepts, and also each of the `known` server certificates. For those the issuer does not matter, and
/// they may be marked as a CA's, as `openssl req -x509` makes them; the name and the dates must be right.
#[derive(Debug)]
pub struct Pinned {
    /// Checks chains of certificates up to an authority.
    pub inner: Arc<WebPkiServerVerifier>,
    /// Certificates that are trusted as they are.
    pub known: Vec<CertificateDer<'static>>,
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

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        // The certificate's dates are checked before anything else.
        let is_only_unknown = match &verified {
            Err(Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) => true,
            Err(Error::InvalidCertificate(reason)) => is_of_ca(reason),
            _ => false,
        };
        if is_only_unknown && self.known.iter().any(|known| known == end_entity) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
