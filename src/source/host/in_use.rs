//! What other processes hold on this machine, as far as it tells without being tried.

use std::net::SocketAddr;
use std::path::Path;

#[cfg(target_os = "linux")]
use super::platform;
#[cfg(not(target_os = "linux"))]
use untold as platform;

/// Whether another socket keeps us from listening on `addr`; `None` if this system doesn't tell.
#[must_use]
pub fn is_listened_on(addr: SocketAddr) -> Option<bool> {
    platform::is_listened_on(addr)
}

/// Whether another socket keeps us from receiving UDP packets on `addr`; `None` if this system doesn't tell.
#[must_use]
pub fn is_received_on(addr: SocketAddr) -> Option<bool> {
    platform::is_received_on(addr)
}

/// Whether one of our own sockets, at `held`, would keep us from `wanted`.
#[must_use]
pub fn collides(held: SocketAddr, wanted: SocketAddr) -> bool {
    platform::collides(held, wanted)
}

/// Whether a process has a socket at `path`; `None` if this system doesn't tell.
#[must_use]
pub fn has_socket(path: &Path) -> Option<bool> {
    platform::has_socket(path)
}

/// Whether this machine has the address and this process may use the port.
///
/// # Errors
/// Why not, in words.
pub fn may_bind(addr: SocketAddr) -> Result<(), String> {
    platform::may_bind(addr)
}

/// Whether a process has locked the file; `None` if this system doesn't tell.
#[must_use]
pub fn is_locked(path: &Path) -> Option<bool> {
    platform::is_locked(path)
}

/// How many bytes may be written below `directory`.
///
/// # Errors
/// Why that is unknown, in words.
pub fn available_bytes(directory: &Path) -> Result<u64, String> {
    platform::available_bytes(directory)
}

/// A system that doesn't tell.
#[cfg(not(target_os = "linux"))]
mod untold {
    use std::net::SocketAddr;
    use std::path::Path;

    pub(super) fn is_listened_on(_: SocketAddr) -> Option<bool> {
        None
    }

    pub(super) fn is_received_on(_: SocketAddr) -> Option<bool> {
        None
    }

    pub(super) fn collides(held: SocketAddr, wanted: SocketAddr) -> bool {
        held == wanted && wanted.port() != 0
    }

    pub(super) fn has_socket(_: &Path) -> Option<bool> {
        None
    }

    pub(super) fn may_bind(_: SocketAddr) -> Result<(), String> {
        Ok(())
    }

    pub(super) fn is_locked(_: &Path) -> Option<bool> {
        None
    }

    pub(super) fn available_bytes(_: &Path) -> Result<u64, String> {
        Err("this system is not asked".to_owned())
    }
}
