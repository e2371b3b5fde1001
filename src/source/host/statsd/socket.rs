//! The sockets that packets come in on.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use crate::loopback::is_loopback;

#[cfg(unix)]
use super::socket_file::{self, SocketFile};

/// The receive buffer to ask for, in bytes; the kernel doubles it for its own needs. It holds about 10,000 small packets;
/// without privileges, the system allows less.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// How long a read waits, so that packets dropped at the end of a burst are counted soon.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// How many times to look for a port that is free for both IPv4 and IPv6.
const FREE_PORT_TRIES: u32 = 20;

/// Where to receive packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatsdAddress {
    /// This UDP port on 127.0.0.1 and, if the machine has IPv6, on ::1. 0 is any free one.
    Loopback(u16),
    /// These UDP addresses.
    Udp(Vec<SocketAddr>),
    /// A `unixgram` socket at this path.
    Path(PathBuf),
}

/// Why packets cannot be received.
#[derive(Debug, thiserror::Error)]
pub enum StatsdError {
    /// A UDP address could not be bound.
    #[error("cannot receive statsd packets on UDP {addr}")]
    Udp {
        /// The address.
        addr: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A socket could not be created at a path.
    #[error("cannot create the statsd socket '{}'", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start to receive statsd packets")]
    Thread(#[from] io::Error),
}

/// A bound socket.
#[derive(Debug)]
pub(super) enum StatsdSocket {
    Udp(UdpSocket),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixDatagram, SocketFile),
}

impl StatsdSocket {
    /// Waits for a packet for about a second, and returns its length.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.recv(buffer),
            #[cfg(unix)]
            Self::Unix(socket, _) => socket.recv(buffer),
        }
    }

    /// Whether other machines may be able to send to it.
    pub(super) fn is_exposed(&self) -> bool {
        match self {
            Self::Udp(socket) => socket
                .local_addr()
                .is_ok_and(|addr| !is_loopback(addr.ip())),
            #[cfg(unix)]
            Self::Unix(..) => false,
        }
    }

    /// Removes its file, if it has one.
    pub(super) fn remove_file(&self) {
        match self {
            Self::Udp(_) => {}
            #[cfg(unix)]
            Self::Unix(_, file) => file.remove(),
        }
    }
}

impl fmt::Display for StatsdSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(socket) => match socket.local_addr() {
                Ok(addr) => write!(f, "UDP {addr}"),
                Err(_) => f.write_str("UDP"),
            },
            #[cfg(unix)]
            Self::Unix(_, file) => write!(f, "{file}"),
        }
    }
}

/// Binds the sockets of `address`.
pub(super) fn bind(address: &StatsdAddress) -> Result<Vec<StatsdSocket>, StatsdError> {
    match address {
        StatsdAddress::Loopback(port) => bind_loopback(*port),
        StatsdAddress::Udp(addrs) => addrs.iter().copied().map(bind_udp).collect(),
        StatsdAddress::Path(path) => bind_path(path.clone()).map(|socket| vec![socket]),
    }
}

fn bind_loopback(port: u16) -> Result<Vec<StatsdSocket>, StatsdError> {
    let bind = |ip: IpAddr, port| bind_udp(SocketAddr::from((ip, port)));
    let mut tries = 0;
    loop {
        tries += 1;
        let v4 = bind(Ipv4Addr::LOCALHOST.into(), port)?;
        let free = match &v4 {
            StatsdSocket::Udp(socket) => socket.local_addr().map_or(port, |addr| addr.port()),
            #[cfg(unix)]
            StatsdSocket::Unix(..) => port,
        };
        let is_taken = |error: &io::Error| error.kind() == ErrorKind::AddrInUse;
        let v6 = match bind(Ipv6Addr::LOCALHOST.into(), free) {
            // A port that is free for one may not be free for the other; tries another one.
            Err(StatsdError::Udp { source, .. })
                if is_taken(&source) && port == 0 && tries < FREE_PORT_TRIES =>
            {
                continue;
            }
            Err(StatsdError::Udp { source, .. }) if !is_taken(&source) => None, // no IPv6 here
            bound => Some(bound?),
        };
        return Ok(std::iter::once(v4).chain(v6).collect());
    }
}

fn bind_udp(addr: SocketAddr) -> Result<StatsdSocket, StatsdError> {
    let bind = || {
        let socket = UdpSocket::bind(addr)?;
        socket.set_read_timeout(Some(READ_TIMEOUT))?;
        enlarge_buffer(&socket);
        Ok(StatsdSocket::Udp(socket))
    };
    bind().map_err(|source| StatsdError::Udp { addr, source })
}

/// Enlarges the receive buffer, beyond the system's limit if this process may.
#[cfg(target_os = "linux")]
fn enlarge_buffer(socket: &UdpSocket) {
    use rustix::net::sockopt::set_socket_recv_buffer_size_force;
    if set_socket_recv_buffer_size_force(socket, RECEIVE_BUFFER_BYTES).is_err() {
        // As much as is allowed is better than nothing.
        let _ = socket2::SockRef::from(socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    }
}

#[cfg(not(target_os = "linux"))]
fn enlarge_buffer(socket: &UdpSocket) {
    let _ = socket2::SockRef::from(socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
}

#[cfg(unix)]
fn bind_path(path: PathBuf) -> Result<StatsdSocket, StatsdError> {
    let bound = socket_file::bind(&path).and_then(|(socket, file)| {
        socket.set_read_timeout(Some(READ_TIMEOUT))?;
        Ok(StatsdSocket::Unix(socket, file))
    });
    bound.map_err(|source| StatsdError::Path { path, source })
}

#[cfg(not(unix))]
fn bind_path(path: PathBuf) -> Result<StatsdSocket, StatsdError> {
    let source = io::Error::other("this system has no such sockets: write 127.0.0.1:8125");
    Err(StatsdError::Path { path, source })
}
