//! A certificate authority of a test's own.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// An authority that is trusted only if it is named.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

/// When a certificate can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Valid {
    Now,
    Past,
    Future,
}

/// Where a certificate and its key were written.
pub(crate) struct Pair {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("Authority")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        Self {
            issuer,
            certificate,
        }
    }

    /// Writes the authority's own certificate into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("ca.pem");
        std::fs::write(&path, self.certificate.pem()).unwrap();
        path
    }

    /// Writes a certificate for `names` and its key into `folder`, overwriting existing ones.
    pub(crate) fn sign(&self, folder: &Path, names: &[&str], valid: Valid) -> Pair {
        let params = params(names, valid);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        write(folder, &certificate, &key)
    }
}

impl Authority {
    /// Writes a certificate for a user of that name and its key into `folder`.
    pub(crate) fn sign_user(&self, folder: &Path, name: &str) -> Pair {
        let mut params = params(&[], Valid::Now);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        write(folder, &certificate, &key)
    }
}

/// Writes a certificate for `names` and its key into `folder` that calls itself that of a CA, as `openssl req -x509` does.
pub(crate) fn sign_as_ca(folder: &Path, names: &[&str], valid: Valid) -> Pair {
    let mut params = params(names, valid);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    write(folder, &certificate, &key)
}

fn params(names: &[&str], valid: Valid) -> CertificateParams {
    let names: Vec<_> = names.iter().copied().map(String::from).collect();
    let mut params = CertificateParams::new(names).unwrap();
    let (from, to) = match valid {
        Valid::Now => (2000, 4000),
        Valid::Past => (2000, 2001),
        Valid::Future => (3999, 4000),
    };
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    params
}

fn write(folder: &Path, certificate: &Certificate, key: &KeyPair) -> Pair {
    let pair = Pair {
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&pair.cert, certificate.pem()).unwrap();
    std::fs::write(&pair.key, key.serialize_pem()).unwrap();
    pair
}
