//! The certificate that we show to a database.

use std::path::{Path, PathBuf};

use super::error::DatabaseError;
use super::parameters::{bad, one_of, usual_file};

/// The values of `sslcertmode`, `sslcert` and `sslkey`.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnCertificate {
    pub(super) mode: Option<String>,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

impl OwnCertificate {
    /// The files of the certificate and its key, if we have one: those that were named, or the usual ones.
    ///
    /// # Errors
    /// When the key is missing, or others may read it.
    pub(super) fn files(&self) -> Result<Option<(PathBuf, PathBuf)>, DatabaseError> {
        let is_allowed = |mode| one_of("sslcertmode", mode, &[("disable", false), ("allow", true)]);
        if !self.mode.as_deref().map_or(Ok(true), is_allowed)? {
            return Ok(None);
        }
        let usual = || usual_file("postgresql.crt").filter(|path| path.exists());
        let Some(cert) = self.cert.clone().or_else(usual) else {
            return Ok(None);
        };
        let key = self.key.clone().or_else(|| usual_file("postgresql.key"));
        let Some(key) = key.filter(|path| path.is_file()) else {
            return Err(bad(
                "sslcert",
                &cert.display().to_string(),
                "has no key: name it with sslkey=FILE",
            ));
        };
        if is_open_to_others(&key) {
            return Err(bad(
                "sslkey",
                &key.display().to_string(),
                "is open to other users: run `chmod 0600` on it",
            ));
        }
        Ok(Some((cert, key)))
    }
}

/// Whether users may read it who shouldn't. The group of a key of root may, because a service has no other way.
#[cfg(unix)]
fn is_open_to_others(key: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(key).is_ok_and(|about| {
        let forbidden = if about.uid() == 0 { 0o037 } else { 0o077 };
        about.mode() & forbidden != 0
    })
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}
