//! Which mounts are real filesystems, each device once.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::proc_file::{ProcFile, value};
use super::roots::Roots;
use super::text::{lines, number};
use crate::source::host::labels::Labels;
use crate::source::host::spaces::Mount;

/// Filesystems on a server or a pool, which have no block device of their own. Those of FUSE are recognised by their
/// prefix.
const WITHOUT_DEVICE: [&str; 14] = [
    "9p", "afs", "bcachefs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "nfs", "nfs4", "smb3",
    "smbfs", "virtiofs", "zfs",
];

/// FUSE filesystems without contents of their own: views of other things.
const VIEWS: [&str; 6] = [
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "fuse.snapfuse",
    "fuse.squashfuse",
    "fuse.squashfuse_ll",
];

/// Read-only images, always full.
const IMAGES: [&str; 5] = ["cramfs", "erofs", "iso9660", "romfs", "squashfs"];

/// Block devices that are not disks.
const NO_DISKS: [&str; 3] = ["/dev/loop", "/dev/ram", "/dev/zram"];

/// Where containers and the system keep mounts that aren't filesystems of their own.
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

/// The mounts of this process, read again when the kernel reports a change.
pub(super) struct Mounts {
    file: ProcFile,
    /// The kernel's directory of block devices, by number.
    devices: PathBuf,
    labels: Labels,
    known: Known,
    list: Option<Vec<Mount>>,
}

impl Mounts {
    pub(super) fn open(roots: &Roots) -> Self {
        Self {
            file: ProcFile::open(roots.proc("self/mountinfo")),
            devices: roots.sys("dev/block"),
            labels: Labels::default(),
            known: Known::new(),
            list: None,
        }
    }

    /// Updates the list. `buffer` is reused.
    pub(super) fn refresh(&mut self, buffer: &mut Vec<u8>) {
        // Asks for changes before it reads the text, so that none is missed.
        if self.has_changed() || self.list.is_none() {
            let (file, labels, known) = (&self.file, &mut self.labels, &mut self.known);
            let is_read_only =
                |device: &str| value(&self.devices.join(device).join("ro")) == Some(1_u8);
            let list = |text| real(text, labels, known, &is_read_only, &|line| file.skip(line));
            self.list = file.read_long(buffer).map(list);
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
        // If it can't ask, it reads.
        poll(&mut changed, Some(&at_once)) != Ok(0)
    }
}

/// A line of /proc/self/mountinfo.
///
/// Parsed by hand, because the procfs crate takes text: one mount point that isn't UTF-8 would make all others fail.
struct Info<'a> {
    id: i32,
    parent: i32,
    /// Major and minor number.
    device: &'a str,
    /// The directory within the filesystem that is mounted.
    root: &'a [u8],
    path: PathBuf,
    kind: &'a [u8],
    source: &'a [u8],
    /// The options of the filesystem, the same for all its mounts.
    options: &'a [u8],
}

impl<'a> Info<'a> {
    /// id, parent, device, root, mount point, options of the mount, any number of tags, a hyphen, type, source, options
    /// of the filesystem; separated by single blanks, so that a source may be empty.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let id = number(fields.next()?)?;
        let parent = number(fields.next()?)?;
        let device = std::str::from_utf8(fields.next()?).ok()?;
        let root = fields.next()?;
        let path = unescape(fields.next()?);
        fields.find(|field| *field == b"-")?;
        let (major, minor) = device.split_once(':')?;
        let is_device = major.parse::<u32>().is_ok() && minor.parse::<u32>().is_ok();
        (is_device && path.is_absolute()).then_some(Self {
            id,
            parent,
            device,
            root,
            path,
            kind: fields.next()?,
            source: fields.next()?,
            options: fields.next()?,
        })
    }

    fn has_option(&self, wanted: &str) -> bool {
        let mut options = self.options.split(|byte| *byte == b',');
        options.any(|option| match option.strip_prefix(wanted.as_bytes()) {
            Some(value) => value.is_empty() || wanted.ends_with('='),
            None => false,
        })
    }

    fn is_kind(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.kind == kind.as_bytes())
    }
}

/// The mount point that a device is named by, for as long as it is mounted there: a later mount, such as a bind mount
/// at a shorter path, must not rename a column.
type Known = HashMap<String, PathBuf>;

/// The real filesystems in `text` (/proc/self/mountinfo), by mount point. Of several mounts of one device, the `known`
/// one counts, otherwise the one that shows most of it; the others are bind mounts, subvolumes or namespaces.
fn real(
    text: &[u8],
    labels: &mut Labels,
    known: &mut Known,
    is_read_only: &dyn Fn(&str) -> bool,
    skip: &dyn Fn(&[u8]),
) -> Vec<Mount> {
    let mut devices: HashMap<&str, Info> = HashMap::new();
    for info in visible(text, skip) {
        if !is_real(&info) || !can_fill(&info, is_read_only) {
            continue;
        }
        let depth = |info: &Info| {
            let point = info.path.as_os_str().len();
            let is_new = known.get(info.device) != Some(&info.path);
            (is_new, info.root.len(), point, Reverse(info.id))
        };
        match devices.get(info.device) {
            Some(other) if depth(other) <= depth(&info) => {}
            _ => {
                devices.insert(info.device, info);
            }
        }
    }
    let mut infos: Vec<Info> = devices.into_values().collect();
    let chosen = infos.iter();
    *known = chosen
        .map(|info| (info.device.to_owned(), info.path.clone()))
        .collect();
    infos.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let names = labels.of_bytes(infos.iter().map(|info| info.path.as_os_str().as_bytes()));
    let mounts = infos.into_iter().zip(names).map(|(info, name)| Mount {
        id: info.id,
        name,
        path: info.path,
    });
    mounts.collect()
}

/// The mounts that are not hidden by another: later lines are on top of earlier ones with the same mount point.
fn visible<'a>(text: &'a [u8], skip: &dyn Fn(&[u8])) -> Vec<Info<'a>> {
    let mut visible: HashMap<PathBuf, Info> = HashMap::new();
    for line in lines(text) {
        match Info::parse(line) {
            Some(info) => {
                visible.insert(info.path.clone(), info);
            }
            None => skip(line),
        }
    }
    // Mounts within a directory are out of reach once something is mounted over that directory.
    let places: HashSet<(i32, &Path)> = visible
        .values()
        .map(|info| (info.parent, &*info.path))
        .collect();
    let is_hidden = |info: &Info| {
        let mut above = info.path.ancestors().skip(1);
        above.any(|above| above != Path::new("/") && places.contains(&(info.parent, above)))
    };
    let mut hidden: HashSet<i32> = visible
        .values()
        .filter(|info| is_hidden(info))
        .map(|info| info.id)
        .collect();
    let mut count = 0;
    while count < hidden.len() {
        count = hidden.len();
        let within = visible
            .values()
            .filter(|info| hidden.contains(&info.parent));
        hidden.extend(within.map(|info| info.id).collect::<Vec<_>>());
    }
    let mut infos: Vec<Info> = visible.into_values().collect();
    infos.retain(|info| !hidden.contains(&info.id));
    infos
}

fn is_real(info: &Info) -> bool {
    let path = &*info.path;
    let is_fuse = (info.kind == b"fuse" || info.kind.starts_with(b"fuse."))
        && !info.is_kind(&VIEWS)
        && !info.kind.ends_with(b".AppImage");
    let is_below = |dir: &&str| path.starts_with(dir) && path != Path::new(dir);
    let is_hidden = HIDDEN_BELOW.iter().any(is_below)
        || ENGINE_FILES.iter().any(|file| path == Path::new(file));
    (is_on_disk(info) || info.is_kind(&WITHOUT_DEVICE) || is_fuse || is_container(info))
        && !is_hidden
}

fn is_on_disk(info: &Info) -> bool {
    let is_no_disk = |device: &&str| info.source.starts_with(device.as_bytes());
    info.source.starts_with(b"/dev/") && !NO_DISKS.iter().any(is_no_disk)
}

/// In a container, the overlay at `/` is its only filesystem.
fn is_container(info: &Info) -> bool {
    info.kind == b"overlay" && info.path == Path::new("/")
}

/// An image can never be written, so it cannot fill up, and is always full: because of its type, as an overlay without
/// a writable layer (composefs), on a read-only device (dm-verity, a disc), or as a read-only filesystem in user space.
/// A filesystem that is merely mounted or, after an error, remounted read-only still counts.
fn can_fill(info: &Info, is_read_only: &dyn Fn(&str) -> bool) -> bool {
    let is_image = info.is_kind(&IMAGES)
        || (info.kind == b"overlay" && !info.has_option("upperdir="))
        || (info.kind.starts_with(b"fuse") && info.has_option("ro"))
        || (is_on_disk(info) && is_read_only(info.device));
    !is_image
}

/// The kernel writes blanks, line breaks and backslashes as a backslash and three octal digits.
fn unescape(escaped: &[u8]) -> PathBuf {
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

    fn read(lines: &[&str]) -> Vec<Mount> {
        read_again(lines, &mut Known::new())
    }

    fn read_again(lines: &[&str], known: &mut Known) -> Vec<Mount> {
        let text = lines.join("\n") + "\n";
        real(
            text.as_bytes(),
            &mut Labels::default(),
            known,
            &|device| device == "253:0",
            &|_| {},
        )
    }

    #[test]
    fn a_later_mount_does_not_rename_a_disk() {
        const ROOT: &str = "33 1 8:1 / / rw - ext4 /dev/sda1 rw";
        const DATA: &str = "40 33 8:2 / /srv/data rw - ext4 /dev/sda2 rw";
        const PART: &str = "40 33 8:2 /part /srv/part rw - ext4 /dev/sda2 rw";
        const BOUND: &str = "41 33 8:2 / /mnt rw - ext4 /dev/sda2 rw";
        const COVER: &str = "42 33 8:3 / /srv/data rw - ext4 /dev/sda3 rw";
        let mut known = Known::new();
        let mut check = |lines: &[&str], expected: &[&str]| {
            let mounts = read_again(lines, &mut known);
            let names: Vec<&str> = mounts.iter().map(|mount| &*mount.name).collect();
            assert_eq!(names, expected, "{lines:?}");
        };
        check(&[ROOT, DATA], &["/", "/srv/data"]);
        check(&[ROOT, DATA, BOUND], &["/", "/srv/data"]);
        // It is no longer mounted there, so it gets another name, and keeps that one.
        check(&[ROOT, BOUND], &["/", "/mnt"]);
        check(&[ROOT, BOUND, DATA, PART], &["/", "/mnt"]);
        check(&[ROOT, BOUND, DATA, COVER], &["/", "/mnt", "/srv/data"]);
        check(&[ROOT], &["/"]);
        check(&[ROOT, PART], &["/", "/srv/part"]);
        check(&[ROOT, PART, DATA], &["/", "/srv/part"]);
    }

    fn check(lines: &[&str], expected: &[&str]) {
        let names = read(lines);
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
    fn a_device_counts_once_at_the_mount_that_shows_most_of_it() {
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
                "70 1 0:60 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w",
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
        let mounts = read(&["90 1 8:1 / /mnt/my\\040disk\\134 rw - ext4 /dev/sda1 rw"]);
        assert_eq!(mounts[0].path, Path::new("/mnt/my disk\\"));
        assert_eq!(&*mounts[0].name, "/mnt/my disk\\");
        assert_eq!(unescape(b"/a\\04"), Path::new("/a\\04"));
        assert_eq!(unescape(b"/a\\9zz"), Path::new("/a\\9zz"));
    }

    #[test]
    fn an_invalid_name_affects_no_other_mount() {
        let text = b"91 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            92 91 0:51 / /mnt/a\xff rw - fuse.x x\xfe rw\n\
            93 91 0:52 / /mnt/a\xfe rw - fuse.x  rw\n\
            94 91 0:53 / relative rw - fuse.x x rw\n\
            95 91 0 / /none rw - fuse.x x rw\n\
            \xff\xff\n\
            99999999999999999999 1 8:3 / /huge rw - ext4 /dev/sda3 rw\n\
            96 91 8:2 / /two\\012lines\\011tab rw shared:1 master:2 - ext4 /dev/sda2 rw\n\
            97 91 8:4 / /cut rw - ext4 /dev/sd";
        let skipped = std::cell::Cell::new(0);
        let skip = |_: &[u8]| skipped.set(skipped.get() + 1);
        let mounts = real(
            text,
            &mut Labels::default(),
            &mut Known::new(),
            &|_| false,
            &skip,
        );
        let names: Vec<&str> = mounts.iter().map(|mount| &*mount.name).collect();
        let expected = [
            "/",
            "/mnt/a\u{fffd} /mnt/a\\xfe",
            "/mnt/a\u{fffd} /mnt/a\\xff",
            "/two\nlines\ttab",
        ];
        assert_eq!(names, expected);
        assert_eq!(mounts[2].path.as_os_str().as_bytes(), b"/mnt/a\xff");
        assert_eq!(skipped.get(), 4);
    }

    #[test]
    fn a_read_only_image_does_not_count() {
        check(
            &[
                "10 1 0:30 / / ro,relatime - overlay composefs ro,lowerdir=/l,redirect_dir=on",
                "11 10 252:3 /ostree/etc /etc rw - ext4 /dev/vda3 rw",
                "12 10 252:3 / /sysroot ro - ext4 /dev/vda3 rw",
                "13 10 253:0 / /usr ro - ext4 /dev/mapper/usr ro",
                "14 10 0:31 / /image ro - fuse.dwarfs /x.dwarfs ro,user_id=0",
                "15 10 8:1 / /broken rw - ext4 /dev/sda1 ro,errors=remount-ro",
                "16 10 8:2 / /careful ro - xfs /dev/sda2 ro",
                "17 10 8:3 / /erofs ro - erofs /dev/sda3 ro",
                "18 10 0:33 / /share ro - nfs4 server:/share ro",
                "19 10 0:34 / /far rw - fuse.sshfs far:/ rw,rootmode=40000",
            ],
            &["/broken", "/careful", "/far", "/share", "/sysroot"],
        );
    }

    #[test]
    fn a_hidden_mount_is_out_of_reach() {
        check(
            &[
                "20 1 8:1 / / rw - ext4 /dev/sda1 rw",
                "21 20 8:2 / /srv/old rw - ext4 /dev/sda2 rw",
                "22 20 8:3 / /srv rw - ext4 /dev/sda3 rw",
                "23 22 8:4 / /srv/new rw - ext4 /dev/sda4 rw",
                "24 20 8:5 / /twice rw - ext4 /dev/sda5 rw",
                "25 24 8:6 / /twice rw - ext4 /dev/sda6 rw",
            ],
            &["/", "/srv", "/srv/new", "/twice"],
        );
    }
}
