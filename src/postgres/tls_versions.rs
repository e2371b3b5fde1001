//! libpq's `ssl_min_protocol_version` and `ssl_max_protocol_version`.

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use super::error::DatabaseError;
use super::parameters::bad;

/// Which versions of TLS may be used: those of 1.2 and 1.3 that are within both bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TlsVersions {
    has_12: bool,
    has_13: bool,
}

impl TlsVersions {
    /// What both parameters leave.
    ///
    /// # Errors
    /// When one is unknown, or nothing is left that is safe.
    pub(super) fn between(least: Option<&str>, most: Option<&str>) -> Result<Self, DatabaseError> {
        let least = number("ssl_min_protocol_version", least.unwrap_or("TLSv1.2"))?;
        let most_text = most.unwrap_or("TLSv1.3");
        let most = number("ssl_max_protocol_version", most_text)?;
        let has = |version| least <= version && version <= most;
        let versions = Self {
            has_12: has(12),
            has_13: has(13),
        };
        if versions.of_rustls().is_empty() {
            return Err(bad(
                "ssl_max_protocol_version",
                most_text,
                "leaves no version of TLS: 1.2 and 1.3 are supported",
            ));
        }
        Ok(versions)
    }

    /// As rustls has them.
    pub(super) fn of_rustls(self) -> Vec<&'static SupportedProtocolVersion> {
        let newest = self.has_13.then_some(&TLS13);
        newest
            .into_iter()
            .chain(self.has_12.then_some(&TLS12))
            .collect()
    }
}

fn number(key: &str, version: &str) -> Result<u8, DatabaseError> {
    match version.to_ascii_lowercase().as_str() {
        "tlsv1" => Ok(10),
        "tlsv1.1" => Ok(11),
        "tlsv1.2" => Ok(12),
        "tlsv1.3" => Ok(13),
        _ => Err(bad(
            key,
            version,
            "is not TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_versions_are_left() {
        let between = |least, most| {
            TlsVersions::between(least, most)
                .map(|it| (it.has_12, it.has_13))
                .map_err(|error| error.to_string())
        };
        assert_eq!(between(None, None), Ok((true, true)));
        assert_eq!(between(Some("TLSv1"), None), Ok((true, true)));
        assert_eq!(between(Some("tlsv1.3"), None), Ok((false, true)));
        assert_eq!(between(None, Some("TLSv1.2")), Ok((true, false)));
        assert!(between(None, Some("TLSv1.1")).is_err());
        assert!(between(Some("SSLv3"), None).is_err());
    }
}
