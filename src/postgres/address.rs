//! The address of a database as the command line names it.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::error::DatabaseError;
use super::parameters::ParameterUse;
use crate::protocol::shown;

/// How such addresses begin.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Whether `text` names a database rather than a file.
#[must_use]
pub fn is_database(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

/// A database's address: a connection URL of libpq, without a password. What it leaves out comes from where libpq takes
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseAddress {
    text: String,
    /// The parameters in the URL, with libpq's names.
    pub(super) parameters: Vec<(String, String)>,
}

impl DatabaseAddress {
    /// Reads a URL. It must not contain a password: other users see it in the list of processes.
    ///
    /// # Errors
    /// When it isn't a URL of a database, or contains a password. The error doesn't repeat the password.
    pub fn parse(text: &str) -> Result<Self, DatabaseError> {
        let rest = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme));
        let (main, query) = split(rest.unwrap_or_default(), '?');
        let (authority, database) = split(main, '/');
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (user, hosts),
            None => ("", authority),
        };
        if user.contains(':') {
            return Err(DatabaseError::PasswordInUrl);
        }
        let (names, ports) = hosts_and_ports(hosts)?;
        let mut parameters = Vec::new();
        for (key, value) in [
            ("user", user),
            ("dbname", database),
            ("host", &names),
            ("port", &ports),
        ] {
            add(&mut parameters, key, decoded(value)?);
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = (pair.split_once('='))
                .ok_or_else(|| wrong(pair, "has no '=': write NAME=VALUE"))?;
            add_from_query(&mut parameters, &decoded(key)?, value)?;
        }
        Ok(Self {
            text: text.to_owned(),
            parameters,
        })
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Adds a parameter, unless it is empty.
fn add(parameters: &mut Vec<(String, String)>, key: &str, value: String) {
    if !value.is_empty() {
        parameters.push((key.to_owned(), value));
    }
}

fn add_from_query(
    parameters: &mut Vec<(String, String)>,
    key: &str,
    value: &str,
) -> Result<(), DatabaseError> {
    // Before the value is read: an error about it would repeat it.
    if key == "password" {
        return Err(DatabaseError::PasswordInUrl);
    }
    let value = decoded(value)?;
    if key == "ssl" && value == "true" {
        // As JDBC has it; libpq accepts it too.
        add(parameters, "sslmode", "require".into());
    } else if ParameterUse::check("the database's address", key, &value)? {
        add(parameters, key, value);
    }
    Ok(())
}

/// `text` with its `%20` and so on decoded.
fn decoded(text: &str) -> Result<String, DatabaseError> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| wrong(text, "is not UTF-8"))?;
    if decoded.contains('\0') {
        return Err(wrong(text, "contains a zero byte, which no name can have"));
    }
    Ok(decoded.into_owned())
}

fn split(text: &str, at: char) -> (&str, &str) {
    text.split_once(at).unwrap_or((text, ""))
}

/// The names and the ports of `a:1,b:2`, each list separated by commas, as libpq has them.
fn hosts_and_ports(hosts: &str) -> Result<(String, String), DatabaseError> {
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for host in hosts.split(',') {
        let (name, port) = host_and_port(host)?;
        names.push(name);
        ports.push(port);
    }
    let has_ports = ports.iter().any(|port| !port.is_empty());
    let ports = if has_ports {
        ports.join(",")
    } else {
        String::new()
    };
    Ok((names.join(","), ports))
}

/// The parts of `a:1` or `[::1]:1`. An IPv6 address is in brackets, because it contains colons.
fn host_and_port(host: &str) -> Result<(&str, &str), DatabaseError> {
    let Some(inside) = host.strip_prefix('[') else {
        let parts = host.rsplit_once(':').unwrap_or((host, ""));
        return match parts {
            (name, _) if name.contains(':') => Err(wrong(
                host,
                "is an IPv6 address without brackets: write [::1]:5432",
            )),
            parts => Ok(parts),
        };
    };
    match inside.split_once(']') {
        Some((name, "")) => Ok((name, "")),
        Some((name, rest)) if rest.starts_with(':') => Ok((name, &rest[1..])),
        _ => Err(wrong(
            host,
            "is not an IPv6 address in brackets: write [::1]:5432",
        )),
    }
}

fn wrong(what: &str, why: &str) -> DatabaseError {
    DatabaseError::Address(format!(
        "in the database's address, '{}' {why}",
        shown(what)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(text: &str) -> Vec<(String, String)> {
        DatabaseAddress::parse(text).unwrap().parameters
    }

    #[test]
    fn a_url_is_read_as_libpq_reads_it() {
        for (text, expected) in [
            ("postgres://", &[][..]),
            ("postgres:///m", &[("dbname", "m")]),
            (
                "postgresql://ann@db.example:5433/metrics?sslmode=require",
                &[
                    ("user", "ann"),
                    ("dbname", "metrics"),
                    ("host", "db.example"),
                    ("port", "5433"),
                    ("sslmode", "require"),
                ],
            ),
            (
                "postgres://%2Fvar%2Frun%2Fpostgresql/m",
                &[("dbname", "m"), ("host", "/var/run/postgresql")],
            ),
            (
                "postgres:///m?host=/tmp/x&port=5499",
                &[("dbname", "m"), ("host", "/tmp/x"), ("port", "5499")],
            ),
            (
                "postgres://[::1]:5432,b/m",
                &[("dbname", "m"), ("host", "::1,b"), ("port", "5432,")],
            ),
            ("postgres://a%40b@h", &[("user", "a@b"), ("host", "h")]),
            (
                "postgres://h?ssl=true&client_encoding=utf8&%6fptions=-c%20work_mem%3D4MB",
                &[
                    ("host", "h"),
                    ("sslmode", "require"),
                    ("options", "-c work_mem=4MB"),
                ],
            ),
        ] {
            let expected: Vec<_> = (expected.iter())
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(parameters(text), expected, "{text}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        for text in [
            "postgres://ann:s3cret@db/m",
            "postgres://:s3cret@db/m",
            "postgres://db/m?password=s3cret",
        ] {
            let error = DatabaseAddress::parse(text).unwrap_err().to_string();
            assert!(
                error.contains("PGPASSFILE") && !error.contains("s3cret"),
                "{error}"
            );
        }
        let error = DatabaseAddress::parse("postgres://db/m?colour=red").unwrap_err();
        assert!(error.to_string().contains("'colour'"), "{error}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, expected) in [
            ("postgres://::1/m", "write [::1]:5432"),
            ("postgres://[::1/m", "write [::1]:5432"),
            ("postgres://[::1]5432/m", "write [::1]:5432"),
            ("postgres://db/m%00", "zero byte"),
            ("postgres://db/m?sslcrl=x", "'sslcrl'"),
            ("postgres://db/m?gssencmode=require", "'gssencmode'"),
        ] {
            let error = DatabaseAddress::parse(text).unwrap_err();
            assert!(error.is_bad_address(), "{text}");
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }
}
