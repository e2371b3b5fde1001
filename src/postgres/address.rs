//! The address of a database as the command line names it.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::error::DatabaseError;
use crate::protocol::shown;

/// How such addresses begin.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Whether `text` names a database rather than a file.
#[must_use]
pub fn is_database(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

/// A database's address: a connection URL of libpq, without a password. What it leaves out comes from where libpq takes it.
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
        let mut parameters = Vec::new();
        let mut add = |key: &str, value: &str| -> Result<(), DatabaseError> {
            let decoded = percent_decode_str(value).decode_utf8();
            let decoded = decoded.map_err(|_| wrong(value, "is not UTF-8"))?;
            if !decoded.is_empty() {
                parameters.push((key.to_owned(), decoded.into_owned()));
            }
            Ok(())
        };
        add("user", user)?;
        add("dbname", database)?;
        let (names, ports) = hosts_and_ports(hosts);
        add("host", &names)?;
        add("port", &ports)?;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = (pair.split_once('='))
                .ok_or_else(|| wrong(pair, "has no '=': write NAME=VALUE"))?;
            if key == "password" {
                return Err(DatabaseError::PasswordInUrl);
            }
            if !super::parameters::is_known(key) {
                return Err(wrong(key, "is not a parameter that metrics knows"));
            }
            add(key, value)?;
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

fn split(text: &str, at: char) -> (&str, &str) {
    text.split_once(at).unwrap_or((text, ""))
}

/// The names and the ports of `a:1,b:2`, each list separated by commas, as libpq has them.
fn hosts_and_ports(hosts: &str) -> (String, String) {
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for host in hosts.split(',') {
        // An IPv6 address is in brackets, because it contains colons.
        let (name, port) = match host.strip_prefix('[').and_then(|it| it.split_once(']')) {
            Some((name, rest)) => (name, rest.strip_prefix(':').unwrap_or_default()),
            None => host.rsplit_once(':').unwrap_or((host, "")),
        };
        names.push(name);
        ports.push(port);
    }
    let has_ports = ports.iter().any(|port| !port.is_empty());
    let ports = if has_ports {
        ports.join(",")
    } else {
        String::new()
    };
    (names.join(","), ports)
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
}
