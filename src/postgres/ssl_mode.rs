//! libpq's `sslmode`.

use std::str::FromStr;

use super::error::DatabaseError;
use super::parameters::one_of;

/// When TLS is used, and what is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum SslMode {
    /// Never.
    Disable,
    /// Only if the server insists.
    Allow,
    /// If the server can.
    Prefer,
    /// Always.
    Require,
    /// Always, with a certificate from a known authority.
    VerifyCa,
    /// Always, with a certificate from a known authority for the name of the server.
    VerifyFull,
}

impl FromStr for SslMode {
    type Err = DatabaseError;

    fn from_str(text: &str) -> Result<Self, DatabaseError> {
        let known = [
            ("disable", Self::Disable),
            ("allow", Self::Allow),
            ("prefer", Self::Prefer),
            ("require", Self::Require),
            ("verify-ca", Self::VerifyCa),
            ("verify-full", Self::VerifyFull),
        ];
        one_of("sslmode", text, &known)
    }
}

impl SslMode {
    /// Whether a certificate is needed to check the server's.
    pub(super) fn needs_authority(self) -> bool {
        Self::VerifyCa <= self
    }
}
