//! Which interfaces count, according to sysfs, and their counters.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::proc_file::value;
use super::text::{fields, lines, number, or_skip, rsplit_once};
use super::verdicts::Verdicts;
use crate::source::host::reading::Interface;

/// `ARPHRD_ETHER` and `ARPHRD_LOOPBACK` in the kernel's if_arp.h.
const ETHERNET: u32 = 1;
const LOOPBACK: u32 = 772;

/// The names in the kernel's uevents of interfaces whose packets travel inside those of another.
const TUNNELS: [&str; 4] = ["vxlan", "geneve", "wireguard", "gtp"];

/// The names of interfaces that repeat others' traffic or have none, for when sysfs doesn't say what they are.
const LAYER_NAMES: [&str; 14] = [
    "bond",
    "br",
    "bridge",
    "cni",
    "docker",
    "dummy",
    "ifb",
    "lxcbr",
    "lxdbr",
    "ovs-system",
    "podman",
    "team",
    "virbr",
    "vrf",
];

/// The names of tunnels, for when sysfs doesn't say what they are.
const TUNNEL_NAMES: [&str; 15] = [
    "erspan",
    "flannel",
    "geneve",
    "gre",
    "gretap",
    "ip6gre",
    "ip6tnl",
    "ipsec",
    "sit",
    "tailscale",
    "tap",
    "tun",
    "tunl",
    "vxlan",
    "wg",
];

/// Open vSwitch's own device, the master of its ports.
const OPEN_VSWITCH: &[u8] = b"ovs-system";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InterfaceKind {
    /// An interface with hardware.
    Physical,
    /// A container's uplink: its other end is outside.
    Uplink,
    /// Likewise, but a port of a local bridge.
    Port,
    /// Its packets travel inside those of another, which may be outside.
    Tunnel,
    /// Repeats local traffic, or has no peers: a bridge, a bond, a VLAN; the loopback.
    Layer,
}

/// The interfaces of /sys/class/net.
pub(super) struct Interfaces {
    root: PathBuf,
    verdicts: Verdicts<InterfaceKind>,
    has_hardware: bool,
}

impl Interfaces {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            verdicts: Verdicts::new(),
            has_hardware: false,
        }
    }

    /// The counters of the interfaces in `text`, which is /proc/net/dev: of the physical ones; if there never was one,
    /// as in a container, of those that don't repeat another's traffic.
    ///
    /// sysinfo reads twelve files for each interface: 430 µs on a machine with four, against 20 for this file. The
    /// procfs crate fails altogether if one line is invalid.
    pub(super) fn read(
        &mut self,
        text: &[u8],
        now: Instant,
        skip: &dyn Fn(&[u8]),
    ) -> Vec<Interface> {
        let stats = lines(text)
            .filter(|line| !is_header(line))
            .filter_map(|line| or_skip(InterfaceLine::parse(line), line, skip));
        let stats: Vec<InterfaceLine> = stats.collect();
        let names = stats.iter().map(|stat| stat.name);
        self.verdicts
            .refresh(names, now, !self.has_hardware, |name, all| {
                kind(&self.root, name, all)
            });
        let judged = stats.iter().filter_map(|stat| {
            let (name, kind) = self.verdicts.of(stat.name)?;
            Some((kind, stat.interface(name)))
        });
        let judged: Vec<(InterfaceKind, Interface)> = judged.collect();
        let has = |wanted| judged.iter().any(|&(kind, _)| kind == wanted);
        self.has_hardware |= has(InterfaceKind::Physical);
        let counted = if self.has_hardware {
            InterfaceKind::Physical
        } else {
            // If there is an uplink, a port of a bridge leads to a container in here, whose external packets the uplink
            // counts. A tunnel counts only if its carrier is outside.
            let kinds = [
                InterfaceKind::Uplink,
                InterfaceKind::Port,
                InterfaceKind::Tunnel,
            ];
            kinds
                .into_iter()
                .find(|kind| has(*kind))
                .unwrap_or(InterfaceKind::Uplink)
        };
        let counted = judged.into_iter().filter(|&(kind, _)| kind == counted);
        let mut interfaces: Vec<Interface> = counted.map(|(_, interface)| interface).collect();
        interfaces.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        interfaces.dedup_by(|a, b| a.name == b.name);
        interfaces
    }
}

/// Only the two heading lines have no colon.
fn is_header(line: &[u8]) -> bool {
    line.contains(&b'|') && !line.contains(&b':')
}

/// The relevant fields of a line.
struct InterfaceLine<'a> {
    name: &'a [u8],
    /// In bytes.
    received: u64,
    /// In bytes.
    sent: u64,
    packets_received: u64,
    packets_sent: u64,
    /// In both directions.
    errors: u64,
    /// In both directions.
    drops: Option<u64>,
}

impl<'a> InterfaceLine<'a> {
    /// `name:`, then received: bytes packets errs drop fifo frame compressed multicast, sent: bytes packets errs drop
    /// and so on. A name may itself contain a colon, as aliases do.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let (name, counters) = rsplit_once(line, b':')?;
        let name = name.trim_ascii();
        let mut fields = fields(counters);
        let mut next = |skipped| -> Option<u64> { number(fields.nth(skipped)?) };
        let (received, packets_received) = (next(0)?, next(0)?);
        let (errors, drops) = (next(0)?, next(0)?);
        let (sent, packets_sent, more_errors) = (next(4)?, next(0)?, next(0)?);
        let more_drops = next(0);
        (!name.is_empty()).then_some(Self {
            name,
            received,
            sent,
            packets_received,
            packets_sent,
            errors: errors.saturating_add(more_errors),
            drops: more_drops.map(|more| drops.saturating_add(more)),
        })
    }

    fn interface(&self, name: std::sync::Arc<str>) -> Interface {
        Interface {
            name,
            received: self.received,
            sent: self.sent,
            packets_received: self.packets_received,
            packets_sent: self.packets_sent,
            errors: self.errors,
            drops: self.drops,
        }
    }
}

/// What the interface `name`, one of `all`, is.
fn kind(root: &Path, name: &[u8], all: &[&[u8]]) -> InterfaceKind {
    let dir = root.join(OsStr::from_bytes(name));
    let Ok(entries) = fs::read_dir(&dir) else {
        return kind_by_name(name, all);
    };
    let is_type = value(&dir.join("type"));
    if name == b"lo" || is_type == Some(LOOPBACK) {
        return InterfaceKind::Layer;
    }
    // An interface with a device may duplicate another: a virtual function beneath the paravirtual interface of the
    // same network would count everything twice. A bond has no device, but its members have.
    if dir.join("device").exists() {
        let is_spoken_for = dir.join("master/device").exists();
        return if is_spoken_for {
            InterfaceKind::Layer
        } else {
            InterfaceKind::Physical
        };
    }
    // The kernel links the interfaces that an interface consists of, if they are in the same network namespace.
    let mut entries = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let is_layer = entries.any(|entry| {
        entry.as_bytes().starts_with(b"lower_") || entry == "bridge" || entry == "bonding"
    });
    if is_layer || is_named(name, &["dummy", "ifb"]) || is_of_open_vswitch(&dir, name, all) {
        return InterfaceKind::Layer;
    }
    if is_type.is_some_and(|kind| kind != ETHERNET) || is_tunnel(&dir) {
        return InterfaceKind::Tunnel;
    }
    let master = dir.join("master");
    let is_port = master.join("bridge").exists()
        || fs::read_link(master).is_ok_and(|master| master.ends_with("ovs-system"));
    if is_port {
        InterfaceKind::Port
    } else {
        InterfaceKind::Uplink
    }
}

/// A tap belongs to a local program, which sends its traffic through another interface.
fn is_tunnel(dir: &Path) -> bool {
    let uevent = fs::read(dir.join("uevent")).unwrap_or_default();
    let mut kinds = lines(&uevent).filter_map(|line| line.strip_prefix(b"DEVTYPE="));
    dir.join("tun_flags").exists()
        || kinds.any(|kind| TUNNELS.iter().any(|tunnel| kind == tunnel.as_bytes()))
}

/// The switch itself, or the host's end of it; its ports have it as their master. The end looks like any Ethernet
/// interface, except that it is its own link, which no veth is.
fn is_of_open_vswitch(dir: &Path, name: &[u8], all: &[&[u8]]) -> bool {
    let number = |file| value::<u32>(&dir.join(file));
    let is_own_link = || number("iflink").is_some() && number("iflink") == number("ifindex");
    let has_switch = all.contains(&OPEN_VSWITCH);
    name == OPEN_VSWITCH || (has_switch && is_own_link() && !dir.join("master").exists())
}

/// For when sysfs is missing or shows another network namespace.
fn kind_by_name(name: &[u8], all: &[&[u8]]) -> InterfaceKind {
    // A VLAN is named after its parent; so is an alias.
    let is_on =
        |separator| rsplit_once(name, separator).is_some_and(|(parent, _)| all.contains(&parent));
    if name == b"lo" || is_on(b'.') || is_on(b':') || is_named(name, &LAYER_NAMES) {
        InterfaceKind::Layer
    } else if is_named(name, &TUNNEL_NAMES) {
        InterfaceKind::Tunnel
    } else {
        InterfaceKind::Uplink
    }
}

/// Whether `name` is one of `stems`, followed by a number, or by anything after a hyphen or dot.
fn is_named(name: &[u8], stems: &[&str]) -> bool {
    let fits = |rest: &[u8]| {
        rest.first()
            .is_none_or(|b| b.is_ascii_digit() || b"-._".contains(b))
    };
    let mut rests = stems
        .iter()
        .filter_map(|stem| name.strip_prefix(stem.as_bytes()));
    rests.any(fits)
}

#[cfg(test)]
mod tests;
