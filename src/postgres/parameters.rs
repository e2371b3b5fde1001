//! The parameters of a connection, as libpq names them.

use std::env;
use std::path::PathBuf;

use super::error::DatabaseError;
use crate::protocol::shown;

/// The parameters that we know, and libpq's environment variable for each.
pub(super) const KNOWN: [(&str, &str); 15] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("dbname", "PGDATABASE"),
    ("user", "PGUSER"),
    ("passfile", "PGPASSFILE"),
    ("service", "PGSERVICE"),
    ("options", "PGOPTIONS"),
    ("application_name", "PGAPPNAME"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
];

/// Whether a URL may contain this parameter.
pub(super) fn is_known(key: &str) -> bool {
    KNOWN.iter().any(|(known, _)| *known == key)
}

/// What is wrong with a parameter.
pub(super) fn bad(key: &str, value: &str, why: &str) -> DatabaseError {
    DatabaseError::Address(format!("{key} of the database: '{}' {why}", shown(value)))
}

/// The home directory, where libpq looks for its files.
pub(super) fn home() -> Option<PathBuf> {
    env::home_dir().filter(|home| !home.as_os_str().is_empty())
}
