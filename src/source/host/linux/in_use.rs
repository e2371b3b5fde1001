//! What other processes hold: addresses and locks, according to the kernel's tables. Nothing is tried.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use procfs::net::{TcpState, tcp, tcp6, udp, udp6};
use rustix::fs::{major, minor};

use crate::wording::cause;

/// The bit of `CAP_NET_BIND_SERVICE`.
const NET_BIND_SERVICE: u64 = 1 << 10;

/// The first port that needs no privilege, unless the system says otherwise.
const FIRST_FREE_PORT: u16 = 1024;

pub(in crate::source::host) fn is_listened_on(addr: SocketAddr) -> Option<bool> {
    let entries = tcp().ok()?.into_iter().chain(tcp6().unwrap_or_default());
    let listening = entries.filter(|it| it.state == TcpState::Listen);
    Some(any_collides(listening.map(|it| it.local_address), addr))
}

pub(in crate::source::host) fn is_received_on(addr: SocketAddr) -> Option<bool> {
    let entries = udp().ok()?.into_iter().chain(udp6().unwrap_or_default());
    Some(any_collides(entries.map(|it| it.local_address), addr))
}

fn any_collides(mut held: impl Iterator<Item = SocketAddr>, addr: SocketAddr) -> bool {
    let v4_too = covers_v4();
    held.any(|it| collide(it, addr, v4_too))
}

/// Whether a socket of all IPv6 addresses also has those of IPv4.
fn covers_v4() -> bool {
    let only = fs::read_to_string("/proc/sys/net/ipv6/bindv6only").unwrap_or_default();
    only.trim() != "1"
}

pub(in crate::source::host) fn collides(held: SocketAddr, wanted: SocketAddr) -> bool {
    collide(held, wanted, covers_v4())
}

/// The kernel knows paths as they were given to it, so one that is relative to another directory is missed.
pub(in crate::source::host) fn has_socket(path: &Path) -> Option<bool> {
    let table = fs::read_to_string("/proc/net/unix").ok()?;
    let others = [std::path::absolute(path).ok(), path.canonicalize().ok()];
    let is_here = |bound: &Path| {
        let mut others = others.iter().flatten();
        bound == path || others.any(|it| it == bound)
    };
    let mut bound = table.lines().skip(1).filter_map(path_of_socket);
    Some(bound.any(|bound| is_here(Path::new(bound))))
}

/// The rest of the line, after `0000000000000000: 00000002 00000000 00000000 0002 01 23456`.
fn path_of_socket(line: &str) -> Option<&str> {
    (0..7).try_fold(line, |rest, _| {
        rest.trim_start().split_once(' ').map(|(_, rest)| rest)
    })
}

/// Whether a socket at `held` keeps others from `wanted`. `v4_too`: whether one of all IPv6 addresses also has those of
/// IPv4.
fn collide(held: SocketAddr, wanted: SocketAddr, v4_too: bool) -> bool {
    let [held_ip, wanted_ip] = [held.ip(), wanted.ip()].map(|ip| ip.to_canonical());
    let covers = |all: IpAddr, ip: IpAddr| match all {
        IpAddr::V4(all) => all.is_unspecified() && ip.is_ipv4(),
        IpAddr::V6(all) => all.is_unspecified() && (v4_too || ip.is_ipv6()),
    };
    held.port() == wanted.port()
        && wanted.port() != 0
        && (held_ip == wanted_ip || covers(held_ip, wanted_ip) || covers(wanted_ip, held_ip))
}

/// Whether this machine has the address and this process may use the port.
pub(in crate::source::host) fn may_bind(addr: SocketAddr) -> Result<(), String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let first = read("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let first = first.trim().parse().unwrap_or(FIRST_FREE_PORT);
    let status = read("/proc/self/status");
    if addr.port() != 0 && addr.port() < first && !has_capability(&status, NET_BIND_SERVICE) {
        return Err(format!(
            "ports below {first} need the capability CAP_NET_BIND_SERVICE"
        ));
    }
    let is_ours = match addr.ip() {
        IpAddr::V4(ip) => {
            ip.is_unspecified() || ip.is_loopback() || has_v4(&read("/proc/net/fib_trie"), ip)
        }
        IpAddr::V6(ip) if ip.is_unspecified() => Path::new("/proc/net/if_inet6").exists(),
        IpAddr::V6(ip) => has_v6(&read("/proc/net/if_inet6"), ip),
    };
    if is_ours {
        Ok(())
    } else {
        Err("this machine does not have the address".to_owned())
    }
}

fn has_capability(status: &str, bit: u64) -> bool {
    let bits = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    bits.is_some_and(|bits| bits & bit != 0)
}

/// `|-- 10.0.0.7`, and in the line after it `/32 host LOCAL`
fn has_v4(routes: &str, ip: Ipv4Addr) -> bool {
    let leaf = format!("|-- {ip}");
    let mut lines = routes.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let is_local = |next: &&str| next.ends_with("host LOCAL");
        if line == leaf && lines.peek().is_some_and(is_local) {
            return true;
        }
    }
    false
}

/// `00000000000000000000000000000001 01 80 10 80 lo`
fn has_v6(interfaces: &str, ip: Ipv6Addr) -> bool {
    let digits = format!("{:032x}", u128::from(ip));
    interfaces.lines().any(|line| line.starts_with(&digits))
}

/// Whether another process has locked the file.
pub(in crate::source::host) fn is_locked(path: &Path) -> Option<bool> {
    let file = match fs::metadata(path) {
        Ok(file) => file,
        Err(_) => return Some(false),
    };
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let device = (major(file.dev()), minor(file.dev()));
    let is_of_file = |line| is_lock_of(line, device, file.ino());
    Some(locks.lines().any(is_of_file))
}

/// `1: FLOCK  ADVISORY  WRITE 812 fe:01:1234 0 EOF`. A filesystem without a device of its own (`major` 0) may show another
/// number here than for its files.
fn is_lock_of(line: &str, device: (u32, u32), inode: u64) -> bool {
    let mut fields = line.split_ascii_whitespace();
    let is_flock = fields.nth(1) == Some("FLOCK");
    let Some(place) = fields.find(|field| field.matches(':').count() == 2) else {
        return false;
    };
    let mut parts = place.split(':');
    let mut hex = || u32::from_str_radix(parts.next()?, 16).ok();
    let is_device = (hex(), hex()) == (Some(device.0), Some(device.1)) || device.0 == 0;
    let number = parts.next().and_then(|number| number.parse().ok());
    is_flock && is_device && number == Some(inode)
}

/// What an ordinary user may still write below `directory`.
pub(in crate::source::host) fn available_bytes(directory: &Path) -> Result<u64, String> {
    let space = rustix::fs::statvfs(directory).map_err(|error| cause(&error.into()))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn addresses_collide_as_in_the_kernel() {
        for (held, wanted, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("[::]:80", "[::1]:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            let [one, other] = [held, wanted].map(|it| it.parse().unwrap());
            assert_eq!(collide(one, other, true), expected, "{held} {wanted}");
        }
        let [all, v4] = ["[::]:80", "127.0.0.1:80"].map(|it| it.parse().unwrap());
        assert!(!collide(all, v4, false));
    }

    #[test]
    fn what_is_held_here_is_found_and_nothing_is_touched() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let [t, u] = [tcp.local_addr(), udp.local_addr()].map(Result::unwrap);
        assert_eq!(is_listened_on(t), Some(true));
        assert_eq!(is_received_on(u), Some(true));
        assert_eq!(may_bind(t), Ok(()));
        drop(tcp);
        assert_eq!(is_listened_on(t), Some(false));

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert_eq!(is_locked(&path), Some(false));
        let file = fs::File::create(&path).unwrap();
        assert_eq!(is_locked(&path), Some(false));
        file.lock().unwrap();
        assert_eq!(is_locked(&path), Some(true));
    }

    #[test]
    fn a_socket_is_found_by_its_path_as_long_as_somebody_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a socket");
        let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        assert_eq!(has_socket(&path), Some(true));
        let crooked = dir.path().join("./../").join(dir.path()).join("a socket");
        assert_eq!(has_socket(&crooked), Some(true));
        drop(socket);
        assert_eq!(has_socket(&path), Some(false));
        assert_eq!(path_of_socket("0: 2 0 0 0002 01 23456"), None);
    }

    #[test]
    fn an_address_of_another_machine_cannot_be_bound() {
        let error = may_bind("203.0.113.7:8080".parse().unwrap()).unwrap_err();
        assert!(error.contains("does not have"), "{error}");
        let routes = "  +-- 10.0.0.0/8 2 0 2\n     |-- 10.0.0.7\n        /32 host LOCAL\n     |-- 10.0.0.8\n        /32 link UNICAST\n";
        assert!(has_v4(routes, "10.0.0.7".parse().unwrap()));
        assert!(!has_v4(routes, "10.0.0.8".parse().unwrap()));
        let interfaces = "20010db8000000000000000000000007 02 40 00 80 eth0\n";
        assert!(has_v6(interfaces, "2001:db8::7".parse().unwrap()));
        assert!(!has_capability(
            "CapEff:\t00000000000003ff\n",
            NET_BIND_SERVICE
        ));
        assert!(has_capability(
            "CapEff:\t0000000000000400\n",
            NET_BIND_SERVICE
        ));
    }
}
