//! The certificate authorities that this system trusts, and what clients of servers and databases check against them.

mod verifier;

use rustls::RootCertStore;

pub use verifier::{CertificateVerifier, is_of_ca};

/// The system's authorities, or those of the file that `SSL_CERT_FILE` names. Some of a system's certificates are
/// always invalid; only usable ones are added.
#[must_use]
pub fn of_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
