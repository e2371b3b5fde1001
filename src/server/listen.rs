//! Where a server listens: addresses as people write them, and bound listeners.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use tokio::net::{TcpListener, TcpSocket};

use crate::protocol::DEFAULT_PORT;

/// Connections that wait to be accepted. The usual 128 would make a herd of reconnecting viewers lose its first
/// packets and wait whole seconds.
const BACKLOG: u32 = 4096;

/// What the kernel keeps of what a viewer has not read, in bytes; it doubles this for its own needs. By default it keeps
/// up to 4 MiB, an hour of samples: memory that a frozen viewer would hold, and data too old to be worth reading.
const SEND_BUFFER_BYTES: u32 = 32 * 1024;

/// A peer that acknowledges nothing for so long is gone, power cut or cable pulled.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: std::time::Duration = std::time::Duration::from_secs(20);

/// An address to listen on: `HOST:PORT`, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddr {
    text: String,
    resolved: Vec<SocketAddr>,
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else does.
    #[error("cannot listen on {addr}: address already in use; another `metrics` may be running there, and `-l {ip}:0` takes any free port", ip = Bracketed(addr.ip()))]
    Taken {
        /// The address.
        addr: SocketAddr,
    },
    /// The system said no.
    #[error("cannot listen on {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
}

struct Bracketed(IpAddr);

impl fmt::Display for Bracketed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

impl FromStr for ListenAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = text.escape_default();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port))
                if !host.contains(':') || host.starts_with('[') && host.ends_with(']') =>
            {
                (host, port)
            }
            _ => {
                let bracketed = if text.contains(':') {
                    format!("[{}]", text.trim_matches(['[', ']']))
                } else {
                    text.into()
                };
                return Err(format!(
                    "'{shown}' has no port: write {}:{DEFAULT_PORT}",
                    bracketed.escape_default()
                ));
            }
        };
        let port: u16 = port.parse().map_err(|_| {
            format!(
                "'{}' is not a port: write a number from 0 to 65535",
                port.escape_default()
            )
        })?;
        if host.is_empty() {
            return Err(format!(
                "'{shown}' has no host: write 127.0.0.1:{port}, or 0.0.0.0:{port} for every interface"
            ));
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let resolved: Vec<_> = (host, port)
            .to_socket_addrs()
            .map_err(|error| format!("cannot resolve '{}': {error}", host.escape_default()))?
            .collect();
        Ok(Self {
            text: text.to_owned(),
            resolved,
        })
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl ListenAddr {
    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.resolved.iter().all(|addr| addr.ip().is_loopback())
    }
}

/// Listens on `addrs`; without any, on loopback with `default_port`, by IPv4 and, where the machine has it, IPv6.
///
/// # Errors
/// The first address that cannot be had.
pub fn bind(addrs: &[ListenAddr], default_port: u16) -> Result<Vec<TcpListener>, ListenError> {
    if addrs.is_empty() {
        let v4 = bind_one(SocketAddr::from((Ipv4Addr::LOCALHOST, default_port)))?;
        let port = v4.local_addr().map_or(default_port, |addr| addr.port());
        let v6 = match bind_one(SocketAddr::from((Ipv6Addr::LOCALHOST, port))) {
            Err(ListenError::Bind { .. }) => None, // no IPv6 here
            bound => Some(bound?),
        };
        return Ok(std::iter::once(v4).chain(v6).collect());
    }
    addrs
        .iter()
        .flat_map(|addr| &addr.resolved)
        .map(|&addr| bind_one(addr))
        .collect()
}

fn bind_one(addr: SocketAddr) -> Result<TcpListener, ListenError> {
    let listen = || {
        let socket = if addr.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        // A restarted server takes its port back from connections that linger.
        socket.set_reuseaddr(true)?;
        // Accepted sockets inherit these.
        socket.set_nodelay(true)?;
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(&socket).set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken { addr },
        _ => ListenError::Bind { addr, source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<ListenAddr>().unwrap_err()
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        assert!("127.0.0.1:0".parse::<ListenAddr>().unwrap().is_loopback());
        assert!("[::1]:8080".parse::<ListenAddr>().unwrap().is_loopback());
        assert!(
            "localhost:8080"
                .parse::<ListenAddr>()
                .unwrap()
                .is_loopback()
        );
        assert!(!"0.0.0.0:8080".parse::<ListenAddr>().unwrap().is_loopback());
    }

    #[test]
    fn a_refusal_says_what_to_write() {
        assert_eq!(
            refused("127.0.0.1"),
            "'127.0.0.1' has no port: write 127.0.0.1:8080"
        );
        assert_eq!(refused("::1"), "'::1' has no port: write [::1]:8080");
        assert_eq!(refused("[::1]"), "'[::1]' has no port: write [::1]:8080");
        assert_eq!(
            refused("localhost:http"),
            "'http' is not a port: write a number from 0 to 65535"
        );
        assert!(refused(":8080").contains("write 127.0.0.1:8080"));
    }
}
