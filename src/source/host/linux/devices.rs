//! Which disks and interfaces count, by what sysfs knows of them, and their counters.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use procfs::net::InterfaceDeviceStatus;
use procfs::{DiskStats, FromBufRead};

use crate::source::host::reading::{Disk, Interface};

/// How long a verdict on a device holds. New names are judged at once.
const VERDICT_AGE: Duration = Duration::from_secs(60);

/// The unit of /proc/diskstats, whatever the sector of the disk.
const SECTOR_BYTES: u64 = 512;

/// Verdicts by the name of the device, so that sysfs is not walked for every sample.
struct Verdicts<T> {
    judged: HashMap<String, (Arc<str>, T)>,
    since: Option<Instant>,
}

impl<T: Copy> Verdicts<T> {
    fn new() -> Self {
        Self {
            judged: HashMap::new(),
            since: None,
        }
    }

    fn expire(&mut self, now: Instant) {
        let is_fresh = |since| now.saturating_duration_since(since) < VERDICT_AGE;
        if !self.since.is_some_and(is_fresh) {
            self.judged.clear();
            self.since = Some(now);
        }
    }

    fn of(&mut self, name: &str, judge: impl FnOnce() -> T) -> (Arc<str>, T) {
        if let Some((name, verdict)) = self.judged.get(name) {
            return (name.clone(), *verdict);
        }
        let verdict = (name.into(), judge());
        self.judged.insert(name.to_owned(), verdict.clone());
        verdict
    }
}

/// The disks of /sys/block.
pub(super) struct Disks {
    root: PathBuf,
    verdicts: Verdicts<bool>,
}

impl Disks {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            verdicts: Verdicts::new(),
        }
    }

    /// The counters of whole physical disks in `text`, which is /proc/diskstats.
    pub(super) fn read(&mut self, text: &str, now: Instant) -> Vec<Disk> {
        self.verdicts.expire(now);
        let Ok(DiskStats(stats)) = DiskStats::from_buf_read(text.as_bytes()) else {
            return Vec::new();
        };
        let disks = stats.into_iter().filter_map(|stat| {
            let judge = || is_physical_disk(&self.root, &stat.name);
            let (name, is_physical) = self.verdicts.of(&stat.name, judge);
            is_physical.then(|| Disk {
                name,
                read: stat.sectors_read.saturating_mul(SECTOR_BYTES),
                written: stat.sectors_written.saturating_mul(SECTOR_BYTES),
                busy: stat.time_in_progress,
            })
        });
        disks.collect()
    }
}

/// A whole disk with hardware behind it. Partitions are not in /sys/block; loop, ram, zram, dm and md devices have no
/// hardware; what is made of other disks has slaves; a path of a multipath disk is hidden; an empty drive has no size.
fn is_physical_disk(root: &Path, name: &str) -> bool {
    // A slash in a name is an exclamation mark in sysfs.
    let dir = root.join(name.replace('/', "!"));
    let number = |file| number(&dir.join(file));
    dir.join("device").exists()
        && fs::read_dir(dir.join("slaves")).is_ok_and(|mut slaves| slaves.next().is_none())
        && number("hidden").unwrap_or(0) == 0
        && number("size").unwrap_or(0) != 0
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Physical,
    Virtual,
    Loopback,
}

/// The interfaces of /sys/class/net.
pub(super) struct Interfaces {
    root: PathBuf,
    verdicts: Verdicts<Kind>,
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

    /// The counters of the interfaces in `text`, which is /proc/net/dev: of the physical ones; where there never was one,
    /// as in a container, of all but the loopback.
    ///
    /// sysinfo reads twelve files for each interface: 430 µs on a machine with four, against 20 for this file.
    pub(super) fn read(&mut self, text: &str, now: Instant) -> Vec<Interface> {
        self.verdicts.expire(now);
        let Ok(InterfaceDeviceStatus(stats)) =
            InterfaceDeviceStatus::from_buf_read(text.as_bytes())
        else {
            return Vec::new();
        };
        let judged = stats.into_values().map(|stat| {
            let judge = || kind(&self.root, &stat.name);
            let (name, kind) = self.verdicts.of(&stat.name, judge);
            let interface = Interface {
                name,
                received: stat.recv_bytes,
                sent: stat.sent_bytes,
                errors: stat.recv_errs.saturating_add(stat.sent_errs),
            };
            (kind, interface)
        });
        let judged: Vec<_> = judged.collect();
        self.has_hardware |= judged.iter().any(|&(kind, _)| kind == Kind::Physical);
        let counts = |kind| match kind {
            Kind::Physical => true,
            Kind::Virtual => !self.has_hardware,
            Kind::Loopback => false,
        };
        let counted = judged.into_iter().filter(|&(kind, _)| counts(kind));
        let mut interfaces: Vec<Interface> = counted.map(|(_, interface)| interface).collect();
        interfaces.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        interfaces
    }
}

/// Physical is what has a device, unless an interface with one speaks for it: a virtual function beneath the paravirtual
/// interface of the same network would count everything twice. A bond has no device, its members have.
fn kind(root: &Path, name: &str) -> Kind {
    let dir = root.join(name);
    if name == "lo" {
        Kind::Loopback
    } else if dir.join("device").exists() && !dir.join("master/device").exists() {
        Kind::Physical
    } else {
        Kind::Virtual
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// `path` ending in `/` is a directory, otherwise a file with `1`.
    fn tree(paths: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for path in paths {
            let full = root.path().join(path);
            if path.ends_with('/') {
                fs::create_dir_all(full).unwrap();
            } else {
                fs::create_dir_all(full.parent().unwrap()).unwrap();
                fs::write(full, "1\n").unwrap();
            }
        }
        root
    }

    fn disk_names(root: &tempfile::TempDir, names: &[&str]) -> Vec<String> {
        let lines = names
            .iter()
            .map(|name| format!("8 0 {name} 1 0 2 0 1 0 4 0 0 50 0\n"));
        let mut disks = Disks::new(root.path());
        let read = disks.read(&lines.collect::<String>(), Instant::now());
        assert!(
            read.iter()
                .all(|d| (d.read, d.written, d.busy) == (1024, 2048, 50))
        );
        read.iter().map(|disk| disk.name.to_string()).collect()
    }

    #[test]
    fn only_whole_disks_with_hardware_count() {
        let root = tree(&[
            "sda/device/",
            "sda/slaves/",
            "sda/size",
            "sr0/device/",
            "sr0/slaves/",
            "loop0/slaves/",
            "loop0/size",
            "dm-0/slaves/sda/",
            "dm-0/size",
            "md0/device/",
            "md0/slaves/sda/",
            "md0/size",
            "nvme0c0n1/device/",
            "nvme0c0n1/slaves/",
            "nvme0c0n1/size",
            "nvme0c0n1/hidden",
            "cciss!c0d0/device/",
            "cciss!c0d0/slaves/",
            "cciss!c0d0/size",
        ]);
        let names = [
            "sda",
            "sda1",
            "sr0",
            "loop0",
            "dm-0",
            "md0",
            "nvme0c0n1",
            "cciss/c0d0",
        ];
        assert_eq!(disk_names(&root, &names), ["sda", "cciss/c0d0"]);
    }

    fn interface_names(interfaces: &mut Interfaces, names: &[&str], now: Instant) -> Vec<String> {
        let line = |name: &&str| format!("{name}: 10 1 2 0 0 0 0 0 20 1 3 0 0 0 0 0\n");
        let lines: String = names.iter().map(line).collect();
        let read = interfaces.read(&format!("header\nheader\n{lines}"), now);
        assert!(
            read.iter()
                .all(|i| (i.received, i.sent, i.errors) == (10, 20, 5))
        );
        read.iter()
            .map(|interface| interface.name.to_string())
            .collect()
    }

    #[test]
    fn physical_interfaces_count_once() {
        let root = tree(&[
            "eth1/device/",
            "eth0/device/",
            "vf0/device/",
            "docker0/",
            "bond0/",
            "lo/",
        ]);
        symlink(root.path().join("eth0"), root.path().join("vf0/master")).unwrap();
        symlink(root.path().join("bond0"), root.path().join("eth1/master")).unwrap();
        let mut interfaces = Interfaces::new(root.path());
        let names = ["lo", "eth1", "eth0", "vf0", "docker0", "bond0"];
        assert_eq!(
            interface_names(&mut interfaces, &names, Instant::now()),
            ["eth0", "eth1"]
        );
    }

    #[test]
    fn a_container_has_only_virtual_ones() {
        let root = tree(&["eth0/", "lo/"]);
        let mut interfaces = Interfaces::new(root.path());
        assert_eq!(
            interface_names(&mut interfaces, &["lo", "eth0"], Instant::now()),
            ["eth0"]
        );
    }

    #[test]
    fn a_host_whose_adapter_is_unplugged_is_not_a_container() {
        let root = tree(&["usb0/device/", "docker0/"]);
        let mut interfaces = Interfaces::new(root.path());
        let now = Instant::now();
        assert_eq!(
            interface_names(&mut interfaces, &["docker0", "usb0"], now),
            ["usb0"]
        );
        assert_eq!(
            interface_names(&mut interfaces, &["docker0"], now),
            [] as [&str; 0]
        );
    }

    #[test]
    fn verdicts_expire() {
        let root = tree(&["eth0/", "eth1/device/"]);
        let mut interfaces = Interfaces::new(root.path());
        let now = Instant::now();
        let names = ["eth0", "eth1"];
        assert_eq!(interface_names(&mut interfaces, &names, now), ["eth1"]);
        fs::create_dir(root.path().join("eth0/device")).unwrap();
        assert_eq!(interface_names(&mut interfaces, &names, now), ["eth1"]);
        let later = now + VERDICT_AGE;
        assert_eq!(
            interface_names(&mut interfaces, &names, later),
            ["eth0", "eth1"]
        );
    }
}
