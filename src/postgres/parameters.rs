//! The parameters of a connection, as libpq names them.

use std::env;
use std::path::PathBuf;

use super::error::DatabaseError;
use crate::protocol::shown;

/// The parameters that we know, and libpq's environment variable for each, if it has one.
pub(super) const KNOWN: [(&str, &str); 26] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("dbname", "PGDATABASE"),
    ("user", "PGUSER"),
    ("passfile", "PGPASSFILE"),
    ("service", "PGSERVICE"),
    ("options", "PGOPTIONS"),
    ("application_name", "PGAPPNAME"),
    ("fallback_application_name", ""),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslcertmode", "PGSSLCERTMODE"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("keepalives", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("keepalives_count", ""),
    ("tcp_user_timeout", ""),
];

/// Parameters that ask for a check or a way to log in that we don't have, and the values that ask for nothing. They are
/// refused rather than left out, because a connection would be less safe than asked for.
const BEYOND_US: [(&str, &str, &[&str]); 9] = [
    ("sslcrl", "PGSSLCRL", &[]),
    ("sslcrldir", "PGSSLCRLDIR", &[]),
    ("sslpassword", "", &[]),
    ("sslsni", "PGSSLSNI", &["1"]),
    ("sslnegotiation", "PGSSLNEGOTIATION", &["postgres"]),
    ("requirepeer", "PGREQUIREPEER", &[]),
    ("require_auth", "PGREQUIREAUTH", &[]),
    ("gssencmode", "PGGSSENCMODE", &["disable", "prefer"]),
    ("gssdelegation", "PGGSSDELEGATION", &["0"]),
];

/// Parameters that change nothing here: text is always UTF-8, TLS never compresses, and there is no Kerberos.
const WITHOUT_EFFECT: [&str; 4] = ["client_encoding", "sslcompression", "krbsrvname", "gsslib"];

/// What a parameter is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParameterUse {
    /// We know it.
    Known,
    /// It changes nothing.
    WithoutEffect,
    /// It asks for what we cannot do.
    BeyondUs,
    /// We know no parameter of that name.
    Unknown,
}

impl ParameterUse {
    /// What `key` with `value` is.
    pub(super) fn of(key: &str, value: &str) -> Self {
        if KNOWN.iter().any(|(known, _)| *known == key) {
            return Self::Known;
        }
        match BEYOND_US.iter().find(|(known, ..)| *known == key) {
            Some((.., harmless)) if value.is_empty() || harmless.contains(&value) => {
                Self::WithoutEffect
            }
            Some(_) => Self::BeyondUs,
            None if WITHOUT_EFFECT.contains(&key) => Self::WithoutEffect,
            None => Self::Unknown,
        }
    }

    /// Whether `key`, found in `place`, is to be used.
    ///
    /// # Errors
    /// When it is unknown, or asks for what we cannot do.
    pub(super) fn check(place: &str, key: &str, value: &str) -> Result<bool, DatabaseError> {
        let why = match Self::of(key, value) {
            Self::Known => return Ok(true),
            Self::WithoutEffect => return Ok(false),
            Self::BeyondUs => "asks for something that psql can do and metrics cannot",
            Self::Unknown => "is not a parameter that metrics knows",
        };
        Err(DatabaseError::Address(format!(
            "in {place}, '{}' {why}",
            shown(key)
        )))
    }
}

/// Checks that no variable asks for what we cannot do.
pub(super) fn check_variables(
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<(), DatabaseError> {
    for (key, name, _) in BEYOND_US.iter().filter(|(_, name, _)| !name.is_empty()) {
        let value = variable(name).unwrap_or_default();
        if ParameterUse::of(key, &value) == ParameterUse::BeyondUs {
            return Err(DatabaseError::Address(format!(
                "{name} asks for something that psql can do and metrics cannot: unset it"
            )));
        }
    }
    Ok(())
}

/// What is wrong with a parameter.
pub(super) fn bad(key: &str, value: &str, why: &str) -> DatabaseError {
    DatabaseError::Address(format!("{key} of the database: '{}' {why}", shown(value)))
}

/// What the value of a parameter means: one of `known`, of which there are at least two.
pub(super) fn one_of<T: Copy>(
    key: &str,
    value: &str,
    known: &[(&str, T)],
) -> Result<T, DatabaseError> {
    if let Some((_, meaning)) = known.iter().find(|(name, _)| *name == value) {
        return Ok(*meaning);
    }
    let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
    let (last, others) = names.split_last().unwrap_or((&"", &[]));
    let why = format!("is not {} or {last}", others.join(", "));
    Err(bad(key, value, &why))
}

/// The whole number that a parameter has. A negative one counts as 0, libpq's "as the system has it".
pub(super) fn whole_number(key: &str, value: &str) -> Result<u64, DatabaseError> {
    let parsed = value.trim().parse::<i64>();
    let number = parsed.map_err(|_| bad(key, value, "is not a whole number"))?;
    Ok(number.try_into().unwrap_or(0))
}

/// The home directory, where libpq looks for its files.
pub(super) fn home() -> Option<PathBuf> {
    env::home_dir().filter(|home| !home.as_os_str().is_empty())
}

/// The file of certificates or keys that libpq takes if none is named.
pub(super) fn usual_file(name: &str) -> Option<PathBuf> {
    let folder = if cfg!(windows) {
        "AppData/Roaming/postgresql"
    } else {
        ".postgresql"
    };
    Some(home()?.join(folder).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_known_is_refused_with_those_that_are() {
        let known = [("any", 1), ("primary", 2), ("standby", 3)];
        assert_eq!(one_of("wish", "primary", &known).unwrap(), 2);
        assert_eq!(
            one_of("wish", "Any", &known).unwrap_err().to_string(),
            "wish of the database: 'Any' is not any, primary or standby"
        );
    }
}
