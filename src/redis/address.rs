//! Addresses of Redis.

use std::fmt;
use std::path::PathBuf;

use crate::protocol::shown;

/// The port of Redis.
const REDIS_PORT: u16 = 6379;

/// The highest database; servers have 16 unless told otherwise.
const MAX_DATABASE: i64 = 100_000;

/// Where Redis is: one server, a primary and its replicas, or any nodes of a Redis Cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisAddress {
    pub(super) places: Vec<ServerPlace>,
    pub(super) is_encrypted: bool,
    pub(super) user: Option<String>,
    pub(super) database: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerPlace {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl fmt::Display for ServerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// As a URL. It holds no secret.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.places.first(), self.is_encrypted) {
            (Some(ServerPlace::Unix(_)), _) => "redis+unix",
            (_, true) => "rediss",
            _ => "redis",
        };
        write!(f, "{scheme}://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        let places: Vec<_> = self.places.iter().map(ToString::to_string).collect();
        f.write_str(&places.join(","))?;
        match self.database {
            0 => Ok(()),
            database => write!(f, "/{database}"),
        }
    }
}

impl RedisAddress {
    /// Reads `redis://[USER@]HOST[:PORT][,HOST[:PORT]…][/DATABASE]`, the same with `rediss://` for TLS, or
    /// `redis+unix:///PATH`.
    ///
    /// # Errors
    /// One line that says what to write instead. It never repeats a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_ascii();
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("not a URL of Redis: write redis://HOST:PORT".to_owned());
        };
        match scheme {
            "redis" | "valkey" => Self::parse_network(rest, false),
            "rediss" | "valkeys" => Self::parse_network(rest, true),
            "redis+unix" | "valkey+unix" | "unix" => Self::parse_path(rest),
            _ => Err(format!(
                "'{}://' is not a scheme of Redis: write redis://HOST:PORT, rediss://HOST:PORT or redis+unix:///PATH",
                shown(scheme)
            )),
        }
    }

    /// Whether it names a user.
    #[must_use]
    pub fn has_user(&self) -> bool {
        self.user.is_some()
    }

    /// Whether it asks for TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    fn parse_path(rest: &str) -> Result<Self, String> {
        if rest.contains(['?', '@']) || !rest.starts_with('/') || rest == "/" {
            return Err(
                "the socket's path is not absolute or has parameters: write \
                 redis+unix:///run/redis/redis.sock"
                    .to_owned(),
            );
        }
        if !cfg!(unix) {
            return Err("this system has no Unix sockets: write redis://HOST:PORT".to_owned());
        }
        Ok(Self {
            places: vec![ServerPlace::Unix(rest.into())],
            is_encrypted: false,
            user: None,
            database: 0,
        })
    }

    fn parse_network(rest: &str, is_encrypted: bool) -> Result<Self, String> {
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => {
                return Err(
                    "a URL must not contain a password: put it in a file, and add --redis-password-file FILE"
                        .to_owned(),
                );
            }
            Some((user, rest)) => (Some(user).filter(|it| !it.is_empty()), rest),
            None => (None, rest),
        };
        let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
        if database.contains('?') || hosts.contains('?') {
            return Err("a URL of Redis takes no parameters after '?'".to_owned());
        }
        let is_number = database.bytes().all(|byte| byte.is_ascii_digit());
        let number = match database {
            "" => Some(0),
            text => text
                .parse()
                .ok()
                .filter(|it| *it <= MAX_DATABASE && is_number),
        };
        let database = number.ok_or_else(|| {
            format!(
                "'{}' is not the number of a database: write redis://HOST:PORT/0",
                shown(database)
            )
        })?;
        let places: Result<Vec<_>, _> = hosts.split(',').map(parse_place).collect();
        Ok(Self {
            places: places?,
            is_encrypted,
            user: user.map(str::to_owned),
            database,
        })
    }
}

fn parse_place(text: &str) -> Result<ServerPlace, String> {
    let wrong = || {
        format!(
            "'{}' is not an address of Redis: write HOST:PORT",
            shown(text)
        )
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
            let port = rest.strip_prefix(':');
            if !rest.is_empty() && port.is_none() || host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(wrong());
            }
            (host, port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_allowed) {
        return Err(wrong());
    }
    let port = match port {
        None => REDIS_PORT,
        // The error doesn't repeat it: it may be a password in the wrong place.
        Some(port) => {
            let number = Some(port).filter(|it| is_port(it));
            let number = number.and_then(|it| it.parse().ok()).filter(|it| *it != 0);
            number.ok_or_else(|| {
                let place = ServerPlace::Tcp(host.to_owned(), REDIS_PORT);
                let before = place.to_string().replace(&format!(":{REDIS_PORT}"), ":");
                format!("what follows '{before}' is not a port of Redis: write {place}")
            })?
        }
    };
    Ok(ServerPlace::Tcp(host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_written() {
        for (text, expected) in [
            ("redis://db", "redis://db:6379"),
            ("redis://127.0.0.1:7000", "redis://127.0.0.1:7000"),
            ("rediss://me@db:7000/3", "rediss://me@db:7000/3"),
            ("redis://[::1]:7000", "redis://[::1]:7000"),
            ("redis://[::1]", "redis://[::1]:6379"),
            ("redis://a:1,b:2,c", "redis://a:1,b:2,c:6379"),
            ("valkey://db/", "redis://db:6379"),
            ("unix:///run/redis.sock", "redis+unix:///run/redis.sock"),
        ] {
            let address = RedisAddress::parse(text).unwrap();
            assert_eq!(address.to_string(), expected, "{text}");
            assert_eq!(RedisAddress::parse(expected), Ok(address), "{text}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_write_and_repeats_no_password() {
        for (text, expected) in [
            ("db:6379", "write redis://HOST:PORT"),
            ("http://db", "'http://' is not a scheme"),
            ("redis://:hunter2@db", "--redis-password-file"),
            ("redis://me:hunter2@db", "--redis-password-file"),
            ("redis://me:hunter2:x@db", "--redis-password-file"),
            ("redis://", "'' is not an address"),
            (
                "redis://db:hunter2",
                "'db:' is not a port of Redis: write db:6379",
            ),
            ("redis://db:0", "'db:' is not a port"),
            ("redis://db:99999", "'db:' is not a port"),
            (
                "redis://[::1]:x",
                "'[::1]:' is not a port of Redis: write [::1]:6379",
            ),
            ("redis://[::1", "is not an address"),
            ("redis://[db]:1", "is not an address"),
            ("redis://a,,b", "'' is not an address"),
            ("redis://db/x", "'x' is not the number of a database"),
            ("redis://db/-1", "'-1' is not the number of a database"),
            ("redis://db?protocol=3", "no parameters"),
            ("redis+unix://run", "not absolute"),
        ] {
            let error = RedisAddress::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
