//! One of the servers of an address: where it is, and how we log in.

use std::net::IpAddr;
use std::path::PathBuf;

use tokio::net::lookup_host;
use tokio_postgres::Config;

use super::error::DatabaseError;
use super::parameters::bad;

/// A server, and the configuration for it alone.
#[derive(Debug, Clone)]
pub(super) struct DatabaseServer {
    pub(super) place: Place,
    pub(super) port: u16,
    /// Everything but the place.
    pub(super) config: Config,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The directory of a socket.
    Socket(PathBuf),
    /// A name that is looked up for each connection, unless its address is known. Certificates are for the name.
    Tcp {
        name: String,
        address: Option<IpAddr>,
    },
}

/// The places that lists of `host`, `hostaddr` and `port` name, each with its port.
pub(super) fn places(
    hosts: Option<&str>,
    addresses: Option<&str>,
    ports: Option<&str>,
) -> Result<Vec<(Place, u16)>, DatabaseError> {
    let (hosts, addresses) = (hosts.map(listed), addresses.map(listed));
    let count = match (&hosts, &addresses) {
        (Some(hosts), Some(addresses)) if hosts.len() != addresses.len() => {
            let all = addresses.join(",");
            let why = "does not have exactly one address for each host";
            return Err(bad("hostaddr", &all, why));
        }
        (Some(either), _) | (None, Some(either)) => either.len(),
        (None, None) => 1,
    };
    let ports = ports_of(ports.unwrap_or_default(), count)?;
    let padded = |list: Option<Vec<_>>| list.unwrap_or_else(|| vec![""; count]);
    let pairs = padded(hosts).into_iter().zip(padded(addresses));
    pairs
        .zip(ports)
        .map(|((host, address), port)| Ok((place(host, address)?, port)))
        .collect()
}

fn listed(list: &str) -> Vec<&str> {
    list.split(',').map(str::trim).collect()
}

fn place(host: &str, address: &str) -> Result<Place, DatabaseError> {
    let parsed = (!address.is_empty()).then(|| address.parse::<IpAddr>());
    let address = parsed
        .transpose()
        .map_err(|_| bad("hostaddr", address, "is not an IP address"))?;
    Ok(match (host, address) {
        ("", None) => usual_place(),
        (name, Some(address)) if name.is_empty() || name.starts_with('/') => Place::Tcp {
            name: address.to_string(),
            address: Some(address),
        },
        (directory, None) if directory.starts_with('/') => Place::Socket(directory.into()),
        (name, address) => Place::Tcp {
            name: name.to_owned(),
            address,
        },
    })
}

fn ports_of(listed: &str, count: usize) -> Result<Vec<u16>, DatabaseError> {
    let parse = |text: &str| match text.trim() {
        "" => Ok(5432),
        text => match text.parse() {
            Ok(0) | Err(_) => Err(bad("port", text, "is not a port")),
            Ok(port) => Ok(port),
        },
    };
    let ports: Vec<u16> = listed.split(',').map(parse).collect::<Result<_, _>>()?;
    match ports.len() {
        1 => Ok(vec![ports[0]; count]),
        several if several == count => Ok(ports),
        _ => {
            let why = "is neither a single port nor one for each host";
            Err(bad("port", listed, why))
        }
    }
}

/// Where Debian's and most other servers have their socket.
#[cfg(unix)]
fn usual_place() -> Place {
    let debian = PathBuf::from("/var/run/postgresql");
    Place::Socket(if debian.is_dir() {
        debian
    } else {
        "/tmp".into()
    })
}

#[cfg(not(unix))]
fn usual_place() -> Place {
    Place::Tcp {
        name: "localhost".into(),
        address: None,
    }
}

impl Place {
    /// What it is called in a password file. Only the usual socket is `localhost` there.
    pub(super) fn names_in_password_file(&self) -> Vec<String> {
        match self {
            Self::Socket(directory) => {
                let mut names = vec![directory.display().to_string()];
                names.extend((*self == usual_place()).then(|| "localhost".to_owned()));
                names
            }
            Self::Tcp { name, .. } => vec![name.clone()],
        }
    }
}

impl DatabaseServer {
    /// Whether it is a socket of this machine, which has no TLS.
    pub(super) fn is_socket(&self) -> bool {
        matches!(self.place, Place::Socket(_))
    }

    /// Its name in messages.
    pub(super) fn name(&self) -> String {
        match &self.place {
            Place::Socket(directory) => directory.display().to_string(),
            Place::Tcp { name, .. } => format!("{name}:{}", self.port),
        }
    }

    /// A configuration for each of its addresses.
    ///
    /// # Errors
    /// When its name cannot be looked up.
    pub(super) async fn configs(&self) -> std::io::Result<Vec<Config>> {
        let mut config = self.config.clone();
        config.port(self.port);
        let (name, address) = match &self.place {
            Place::Socket(directory) => {
                config.host(directory.display().to_string());
                return Ok(vec![config]);
            }
            Place::Tcp { name, address } => (name, address),
        };
        config.host(name);
        let found = match address {
            Some(address) => vec![*address],
            None => lookup_host((name.as_str(), self.port))
                .await?
                .map(|it| it.ip())
                .collect(),
        };
        let with = |address| {
            let mut config = config.clone();
            config.hostaddr(address);
            config
        };
        Ok(found.into_iter().map(with).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(name: &str, address: Option<&str>, port: u16) -> (Place, u16) {
        let address = address.map(|it| it.parse().unwrap());
        let name = name.to_owned();
        (Place::Tcp { name, address }, port)
    }

    #[test]
    fn lists_go_together() {
        let socket = |directory: &str, port| (Place::Socket(directory.into()), port);
        for (hosts, addresses, ports, expected) in [
            (
                Some("a,::1"),
                None,
                Some("1,"),
                vec![tcp("a", None, 1), tcp("::1", None, 5432)],
            ),
            (
                Some("a, b"),
                None,
                Some("1"),
                vec![tcp("a", None, 1), tcp("b", None, 1)],
            ),
            (
                Some("a,b"),
                Some("10.0.0.1,"),
                None,
                vec![tcp("a", Some("10.0.0.1"), 5432), tcp("b", None, 5432)],
            ),
            (None, Some("::1"), None, vec![tcp("::1", Some("::1"), 5432)]),
            (Some("/tmp/x"), None, Some("9"), vec![socket("/tmp/x", 9)]),
        ] {
            assert_eq!(
                places(hosts, addresses, ports).unwrap(),
                expected,
                "{hosts:?}"
            );
        }
        for (hosts, addresses, ports) in [
            (Some("a,b"), Some("::1"), None),
            (Some("a,b"), None, Some("1,2,3")),
            (Some("a"), None, Some("0")),
            (Some("a"), None, Some("65536")),
            (None, Some("a"), None),
        ] {
            let error = places(hosts, addresses, ports).unwrap_err();
            assert!(error.is_bad_address(), "{hosts:?} {addresses:?} {ports:?}");
        }
    }
}
