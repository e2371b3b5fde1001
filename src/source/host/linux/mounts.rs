//! Which mounts are real filesystems, each device once.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use procfs::process::MountInfo;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::proc_file::ProcFile;
use crate::source::host::spaces::Mount;

/// Filesystems on a server or a pool, which have no block device of their own. Those of FUSE are told by their prefix.
const WITHOUT_DEVICE: [&str; 14] = [
    "9p", "afs", "bcachefs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "nfs", "nfs4", "smb3",
    "smbfs", "virtiofs", "zfs",
];

/// FUSE filesystems that hold nothing: views of other things.
const VIEWS: [&str; 6] = [
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "fuse.snapfuse",
    "fuse.squashfuse",
    "fuse.squashfuse_ll",
];

/// Read-only images, always full.
const IMAGES: [&str; 4] = ["cramfs", "erofs", "iso9660", "squashfs"];

/// Block devices that are no disks.
const NO_DISKS: [&str; 3] = ["/dev/loop", "/dev/ram", "/dev/zram"];

/// Where containers and the system keep mounts that are nobody's filesystem.
const HIDDEN_BELOW: [&str; 6] = [
    "/dev",
    "/proc",
    "/sys",
    "/run/credentials",
    "/var/lib/docker",
    "/var/lib/containers/storage",
];

/// Single files that container engines mount from the host's disk.
const ENGINE_FILES: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// The mounts of this process, read again when the kernel says that they changed.
pub(super) struct Mounts {
    file: ProcFile,
    list: Option<Vec<Mount>>,
}

impl Mounts {
    pub(super) fn open() -> Self {
        Self {
            file: ProcFile::open("/proc/self/mountinfo"),
            list: None,
        }
    }

    /// Brings the list up to date. `buffer` is room to be used again.
    pub(super) fn refresh(&mut self, buffer: &mut Vec<u8>) {
        // The change is asked for before the text is read, so none is missed.
        if self.has_changed() || self.list.is_none() {
            self.list = self.file.read(buffer).map(real);
        }
    }

    pub(super) fn list(&self) -> &[Mount] {
        self.list.as_deref().unwrap_or_default()
    }

    fn has_changed(&self) -> bool {
        let Some(file) = self.file.file() else {
            return false;
        };
        let mut changed = [PollFd::new(file, PollFlags::PRI)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // Unable to ask: read.
        poll(&mut changed, Some(&at_once)) != Ok(0)
    }
}

/// The real filesystems in `text`, which is /proc/self/mountinfo, by mount point. Of several mounts of one device, the
/// one that shows most of it counts; the others are bind mounts, subvolumes or namespaces of it.
fn real(text: &str) -> Vec<Mount> {
    // Later lines lie on top of earlier ones with the same mount point.
    let mut visible: HashMap<PathBuf, MountInfo> = HashMap::new();
    for info in text
        .lines()
        .filter_map(|line| MountInfo::from_line(line).ok())
    {
        visible.insert(unescape(&info.mount_point), info);
    }
    let mut devices: HashMap<String, (PathBuf, MountInfo)> = HashMap::new();
    for (path, info) in visible
        .into_iter()
        .filter(|(path, info)| is_real(path, info))
    {
        let depth = |path: &Path, info: &MountInfo| {
            let point = path.as_os_str().len();
            (info.root.len(), point, Reverse(info.mnt_id))
        };
        match devices.get(&info.majmin) {
            Some((known_path, known)) if depth(known_path, known) <= depth(&path, &info) => {}
            _ => {
                devices.insert(info.majmin.clone(), (path, info));
            }
        }
    }
    let mounts = devices.into_values().map(|(path, info)| Mount {
        id: info.mnt_id,
        name: path.to_string_lossy().into(),
        path,
    });
    let mut mounts: Vec<Mount> = mounts.collect();
    mounts.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    mounts
}

fn is_real(path: &Path, info: &MountInfo) -> bool {
    let kind = &*info.fs_type;
    let source = info.mount_source.as_deref().unwrap_or_default();
    let on_disk = source.starts_with("/dev/")
        && !NO_DISKS.iter().any(|device| source.starts_with(device))
        && !IMAGES.contains(&kind);
    let elsewhere = WITHOUT_DEVICE.contains(&kind);
    let is_fuse = (kind == "fuse" || kind.starts_with("fuse."))
        && !VIEWS.contains(&kind)
        && !kind.ends_with(".AppImage");
    // In a container this is the one filesystem of its own.
    let is_container = kind == "overlay" && path == Path::new("/");
    let is_below = |dir: &&str| path.starts_with(dir) && path != Path::new(dir);
    let is_hidden = HIDDEN_BELOW.iter().any(is_below)
        || ENGINE_FILES.iter().any(|file| path == Path::new(file));
    (on_disk || elsewhere || is_fuse || is_container) && !is_hidden
}

/// The kernel writes blanks, line ends and backslashes as three octal digits behind a backslash.
fn unescape(path: &Path) -> PathBuf {
    let escaped = path.as_os_str().as_bytes();
    let mut plain = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        let (byte, behind) = match byte {
            Some(byte) if first == b'\\' => (byte, &behind[3..]),
            _ => (first, behind),
        };
        plain.push(byte);
        rest = behind;
    }
    OsString::from_vec(plain).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expected: &[&str]) {
        let names = real(&lines.join("\n"));
        let names: Vec<&str> = names.iter().map(|mount| &*mount.name).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn pseudo_filesystems_images_and_ram_do_not_count() {
        check(
            &[
                "22 1 0:21 / /proc rw - proc proc rw",
                "23 1 0:22 / /dev rw - devtmpfs devtmpfs rw",
                "24 1 0:23 / /dev/shm rw - tmpfs tmpfs rw",
                "25 1 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
                "26 1 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro",
                "27 1 7:2 / /mnt/image rw - ext4 /dev/loop2 rw",
                "28 1 251:0 / /mnt/zram rw - ext4 /dev/zram0 rw",
                "29 1 0:40 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw",
                "30 1 0:41 / /run/user/1000/doc rw - fuse.portal portal rw",
                "31 1 11:0 / /media/cd ro - iso9660 /dev/sr0 ro",
                "32 1 0:42 / /auto rw - autofs systemd-1 rw",
                "33 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw",
                "34 33 8:2 / /boot/efi rw shared:2 - vfat /dev/sda2 rw",
                "35 33 8:3 / /var/lib/docker rw - xfs /dev/sda3 rw",
                "a line that is none",
            ],
            &["/", "/boot/efi", "/var/lib/docker"],
        );
    }

    #[test]
    fn a_device_counts_once_where_most_of_it_shows() {
        check(
            &[
                "40 33 8:1 /srv/data /data rw - ext4 /dev/sda1 rw",
                "33 1 8:1 / / rw - ext4 /dev/sda1 rw",
                "41 33 8:1 / /again rw - ext4 /dev/sda1 rw",
                "50 33 0:30 /@home /home rw - btrfs /dev/sdb1 rw",
                "51 33 0:30 /@ /mnt/pool rw - btrfs /dev/sdb1 rw",
            ],
            &["/", "/mnt/pool"],
        );
    }

    #[test]
    fn network_filesystems_count() {
        check(
            &[
                "60 33 0:50 / /home rw - nfs4 server:/home rw",
                "61 33 0:51 / /win rw - cifs //server/share rw",
                "62 33 0:52 / /far rw - fuse.sshfs me@far:/ rw",
                "63 33 0:53 / /tank rw - zfs tank rw",
            ],
            &["/far", "/home", "/tank", "/win"],
        );
    }

    #[test]
    fn a_container_has_its_root_and_its_volumes() {
        check(
            &[
                "70 1 0:60 / / rw - overlay overlay rw",
                "71 70 259:1 /var/lib/docker/c/hosts /etc/hosts rw - ext4 /dev/nvme0n1p1 rw",
                "72 70 259:1 /var/lib/docker/c/resolv.conf /etc/resolv.conf rw - ext4 /dev/nvme0n1p1 rw",
                "73 70 259:2 /volumes/v /data rw - xfs /dev/nvme0n1p2 rw",
            ],
            &["/", "/data"],
        );
    }

    #[test]
    fn the_topmost_mount_of_a_place_counts() {
        check(
            &[
                "80 1 8:1 / /mnt rw - ext4 /dev/sda1 rw",
                "81 1 0:70 / /mnt rw - tmpfs tmpfs rw",
            ],
            &[],
        );
    }

    #[test]
    fn blanks_in_mount_points_are_unescaped() {
        let mounts = real("90 1 8:1 / /mnt/my\\040disk\\134 rw - ext4 /dev/sda1 rw");
        assert_eq!(mounts[0].path, Path::new("/mnt/my disk\\"));
        assert_eq!(&*mounts[0].name, "/mnt/my disk\\");
        assert_eq!(unescape(Path::new("/a\\04")), Path::new("/a\\04"));
        assert_eq!(unescape(Path::new("/a\\9zz")), Path::new("/a\\9zz"));
    }
}
