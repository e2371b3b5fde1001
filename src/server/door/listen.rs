//! Listen addresses as people write them, and bound listeners.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use tokio::net::{TcpListener, TcpSocket};

use crate::loopback::is_loopback;
use crate::protocol::{DEFAULT_PORT, shown};
use crate::wording::{cause, lookup_cause};

/// The backlog of connections to be accepted. With the usual 128, a herd of reconnecting viewers would lose its first
/// packets and wait whole seconds.
const BACKLOG: u32 = 4096;

/// The send buffer of a viewer's socket, in bytes; the kernel doubles this for its own needs. By default it buffers up
/// to 4 MiB, an hour of samples: memory that a frozen viewer would hold, for data too old to be worth reading.
const SEND_BUFFER_BYTES: u32 = 32 * 1024;

/// How many times to look for a port that is free for both IPv4 and IPv6.
const FREE_PORT_TRIES: u32 = 20;

/// The receive buffer of a socket, in bytes; the kernel doubles this as well. It bounds the memory of a crowd of
/// connections that haven't been accepted yet. The longest request takes only a few fillings.
const RECEIVE_BUFFER_BYTES: u32 = 16 * 1024;

/// The longest TCP segment, in bytes; only loopback would have longer ones. There, one of 64 KiB fills the send buffer,
/// and its receiver acknowledges only every second segment at once, the others after 40 ms.
#[cfg(target_os = "linux")]
const SEGMENT_BYTES: u32 = 16 * 1024;

/// A peer that acknowledges nothing for this long is gone, by a power cut or a pulled cable.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: std::time::Duration = std::time::Duration::from_secs(20);

/// An address to listen on: `HOST:PORT`, resolved, or a port on loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddr {
    text: String,
    place: ListenPlace,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ListenPlace {
    /// This port on 127.0.0.1 and, if the machine has IPv6, on ::1.
    Loopback(u16),
    At(Vec<SocketAddr>),
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is in use.
    #[error("cannot listen on {addr}: address already in use; another `metrics` may be running there, and `-l {ip}:0` takes any free port", ip = BracketedIp(addr.ip()))]
    Taken {
        /// The address.
        addr: SocketAddr,
    },
    /// The system refused.
    #[error("cannot listen on {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
}

struct BracketedIp(IpAddr);

impl fmt::Display for BracketedIp {
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
        Self::parse(text, DEFAULT_PORT)
    }
}

impl ListenAddr {
    /// Reads an address. Errors suggest `default_port`.
    ///
    /// # Errors
    /// One line that says what is wrong and what to write.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, String> {
        let text = text.trim_ascii();
        let place = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            ListenPlace::Loopback(port(text)?)
        } else {
            let (host, digits) = split(text, default_port)?;
            let port = port(digits)?;
            let resolved = (host, port).to_socket_addrs();
            let resolved = resolved.map_err(|error| {
                format!(
                    "cannot resolve '{}': {}",
                    shown(host),
                    lookup_cause(&error).unwrap_or_else(|| cause(&error))
                )
            })?;
            ListenPlace::At(resolved.collect())
        };
        let text = text.to_owned();
        Ok(Self { text, place })
    }

    /// The port, if that is all that was written.
    #[must_use]
    pub fn loopback_port(&self) -> Option<u16> {
        match self.place {
            ListenPlace::Loopback(port) => Some(port),
            ListenPlace::At(_) => None,
        }
    }

    /// What `HOST:PORT` was resolved to; nothing for a port alone.
    #[must_use]
    pub fn resolved(&self) -> &[SocketAddr] {
        match &self.place {
            ListenPlace::Loopback(_) => &[],
            ListenPlace::At(resolved) => resolved,
        }
    }
}

fn port(digits: &str) -> Result<u16, String> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = is_number.then(|| digits.parse().ok()).flatten();
    port.ok_or_else(|| {
        let digits = shown(digits);
        format!("'{digits}' is not a port: write a number from 0 to 65535")
    })
}

/// The host, without brackets, and the port of `HOST:PORT`.
fn split(text: &str, default_port: u16) -> Result<(&str, &str), String> {
    let written = shown(text);
    if let Some((_, behind)) = text.split_once("://") {
        let authority = behind.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = shown(authority);
        return Err(format!(
            "'{written}' is a URL: write HOST:PORT, as in '{authority}'"
        ));
    }
    if let Some(behind) = text.strip_prefix('[') {
        return match behind.split_once(']') {
            Some((host, port)) if host.contains(':') && port.starts_with(':') => {
                Ok((host, &port[1..]))
            }
            Some((host, "")) if host.contains(':') => Err(format!(
                "'{written}' has no port: write [{}]:{default_port}",
                shown(host)
            )),
            _ => Err(format!("'{written}' is not an address: write [IPV6]:PORT")),
        };
    }
    match text.rsplit_once(':') {
        // The part of `::1:0` before the last colon is an address itself.
        Some((host, port)) if host.contains(':') => {
            let means_port = is_ipv6(host) && port.parse::<u16>().is_ok();
            let (host, port) = match (means_port, is_ipv6(text)) {
                (true, _) => (host, port.to_owned()),
                (false, true) => (text, default_port.to_string()),
                (false, false) => {
                    return Err(format!("'{written}' is not an address: write HOST:PORT"));
                }
            };
            let host = shown(host);
            Err(format!(
                "'{written}' has no brackets or no port: write [{host}]:{port}"
            ))
        }
        Some(("", port)) => Err(format!(
            "'{written}' has no host: write {port} for loopback, or 0.0.0.0:{port} for every interface",
            port = shown(port)
        )),
        Some(("*", port)) => Err(format!(
            "'{written}': write 0.0.0.0:{port} for every interface",
            port = shown(port)
        )),
        Some(parts) => Ok(parts),
        None if text.is_empty() => Err(format!(
            "'' is not an address: write HOST:PORT, or a port on loopback such as {default_port}"
        )),
        None => Err(format!(
            "'{written}' has no port: write {written}:{default_port}"
        )),
    }
}

/// Whether `text` is an IPv6 address, with or without a zone.
fn is_ipv6(text: &str) -> bool {
    let address = text.split('%').next().unwrap_or_default();
    address.parse::<Ipv6Addr>().is_ok()
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl ListenAddr {
    /// Any free port of 127.0.0.1.
    #[must_use]
    pub fn any_port() -> Self {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            text: addr.to_string(),
            place: ListenPlace::At(vec![addr]),
        }
    }

    /// Whether only this machine can connect to it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match &self.place {
            ListenPlace::Loopback(_) => true,
            ListenPlace::At(resolved) => resolved.iter().all(|addr| is_loopback(addr.ip())),
        }
    }
}

/// What [`bind`] would bind, and whether it would do without it: `::1`, where there is no IPv6.
#[must_use]
pub fn places(addrs: &[ListenAddr], default_port: u16) -> Vec<(SocketAddr, bool)> {
    let loopback = |port| {
        [
            (SocketAddr::from((Ipv4Addr::LOCALHOST, port)), false),
            (SocketAddr::from((Ipv6Addr::LOCALHOST, port)), true),
        ]
    };
    if addrs.is_empty() {
        return loopback(default_port).into();
    }
    let places = addrs.iter().flat_map(|addr| match &addr.place {
        ListenPlace::Loopback(port) => loopback(*port).to_vec(),
        ListenPlace::At(resolved) => resolved.iter().map(|addr| (*addr, false)).collect(),
    });
    places.collect()
}

/// Listens on `addrs`; without any, on loopback with `default_port`, over IPv4 and, if the machine has it, IPv6.
///
/// # Errors
/// The first address that cannot be bound.
pub fn bind(addrs: &[ListenAddr], default_port: u16) -> Result<Vec<TcpListener>, ListenError> {
    if addrs.is_empty() {
        return bind_loopback(default_port);
    }
    let bound = addrs.iter().map(|addr| match &addr.place {
        ListenPlace::Loopback(port) => bind_loopback(*port),
        ListenPlace::At(resolved) => resolved.iter().copied().map(bind_one).collect(),
    });
    let bound: Vec<Vec<_>> = bound.collect::<Result<_, _>>()?;
    Ok(bound.into_iter().flatten().collect())
}

/// Listens on the same port of 127.0.0.1 and, if the machine has IPv6, of ::1.
fn bind_loopback(port: u16) -> Result<Vec<TcpListener>, ListenError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let v4 = bind_one(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let free = v4.local_addr().map_or(port, |addr| addr.port());
        let v6 = match bind_one(SocketAddr::from((Ipv6Addr::LOCALHOST, free))) {
            Err(ListenError::Bind { .. }) => None, // no IPv6 here
            // A port that is free for one may not be free for the other; tries another one.
            Err(ListenError::Taken { .. }) if port == 0 && tries < FREE_PORT_TRIES => continue,
            bound => Some(bound?),
        };
        return Ok(std::iter::once(v4).chain(v6).collect());
    }
}

fn bind_one(addr: SocketAddr) -> Result<TcpListener, ListenError> {
    let listener = hold(addr).and_then(listen_on);
    listener.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken { addr },
        _ => ListenError::Bind { addr, source },
    })
}

/// A socket that keeps `addr` from others and refuses connections.
pub(in crate::server) fn hold(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // A restarted server can reuse its port despite lingering connections.
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit these.
    socket.set_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    #[cfg(target_os = "linux")]
    {
        let socket = socket2::SockRef::from(&socket);
        socket.set_tcp_mss(SEGMENT_BYTES)?;
        socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    }
    socket.bind(addr)?;
    Ok(socket)
}

/// Accepts connections on it.
pub(in crate::server) fn listen_on(socket: TcpSocket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_or_a_port_on_loopback() {
        for (text, is_loopback) in [
            ("127.0.0.1:0", true),
            (" 127.0.0.1:0 ", true),
            ("[::1]:8080", true),
            ("localhost:8080", true),
            ("8080", true),
            ("0", true),
            ("65535", true),
            ("0.0.0.0:8080", false),
            ("[::]:8080", false),
            ("[fe80::1%1]:8080", false),
        ] {
            let addr: ListenAddr = text.parse().unwrap();
            assert_eq!(addr.is_loopback(), is_loopback, "{text}");
        }
    }

    /// With a single one, each send buffer on loopback would wait 40 ms for its acknowledgement.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn two_segments_fit_into_the_send_buffer_on_loopback() {
        let listener = bind_one("127.0.0.1:0".parse().unwrap()).unwrap();
        let _viewer = tokio::net::TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert!(2 * socket2::SockRef::from(&stream).tcp_mss().unwrap() <= SEND_BUFFER_BYTES);
    }

    #[tokio::test]
    async fn a_port_alone_is_bound_only_on_loopback() {
        let bound = bind(&["0".parse().unwrap()], DEFAULT_PORT).unwrap();
        let addrs: Vec<_> = bound.iter().map(|it| it.local_addr().unwrap()).collect();
        assert!(addrs[0].ip() == Ipv4Addr::LOCALHOST && addrs[0].port() != 0);
        let same = |addr: &SocketAddr| addr.ip().is_loopback() && addr.port() == addrs[0].port();
        assert!(addrs.iter().all(same), "{addrs:?}");
    }

    #[test]
    fn a_refusal_says_what_to_write() {
        for (text, expected) in [
            ("127.0.0.1", "'127.0.0.1' has no port: write 127.0.0.1:8080"),
            ("::1", "write [::1]:8080"),
            ("[::1]", "'[::1]' has no port: write [::1]:8080"),
            ("::1:0", "write [::1]:0"),
            ("::1:8080", "write [::1]:8080"),
            ("2001:db8::7:9000", "write [2001:db8::7]:9000"),
            ("2001:db8::7:65535", "write [2001:db8::7]:65535"),
            ("2001:db8::7", "write [2001:db8::7]:8080"),
            (":::0", "write [::]:0"),
            ("fe80::1%eth0", "write [fe80::1%eth0]:8080"),
            ("fe80::1%eth0:9000", "write [fe80::1%eth0]:9000"),
            ("1:2:3", "'1:2:3' is not an address: write HOST:PORT"),
            ("[::1", "'[::1' is not an address: write [IPV6]:PORT"),
            ("[::1]8080", "is not an address: write [IPV6]:PORT"),
            ("[localhost]:80", "is not an address: write [IPV6]:PORT"),
            (
                "localhost:http",
                "'http' is not a port: write a number from 0 to 65535",
            ),
            ("localhost:", "'' is not a port"),
            ("localhost:65536", "'65536' is not a port"),
            ("localhost:-1", "'-1' is not a port"),
            ("localhost:+1", "'+1' is not a port"),
            ("65536", "'65536' is not a port"),
            ("99999999999999999999", "is not a port"),
            ("٨٠٨٠", "'٨٠٨٠' has no port"),
            ("-1", "'-1' has no port"),
            (
                ":8080",
                "write 8080 for loopback, or 0.0.0.0:8080 for every interface",
            ),
            ("*:8080", "write 0.0.0.0:8080 for every interface"),
            (
                "http://127.0.0.1:8080/",
                "is a URL: write HOST:PORT, as in '127.0.0.1:8080'",
            ),
            ("", "'' is not an address"),
            ("wéb", "'wéb' has no port: write wéb:8080"),
        ] {
            let error = text.parse::<ListenAddr>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
