//! The locations of the kernel's files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::StatVfs;

use crate::source::host::reading::{Occupancy, Space};
use crate::source::host::spaces::{AskSpace, PATIENCE};

/// The directories below which everything is read, and how to query a filesystem's space: those of this machine, or a
/// small tree that a test has created.
#[derive(Clone)]
pub(in crate::source::host) struct Roots {
    /// `/`.
    root: PathBuf,
    pub(super) ask: AskSpace,
    /// How long a sample waits for one filesystem, and the first one for graphics cards.
    pub(super) patience: Duration,
}

impl Roots {
    /// This machine.
    pub(in crate::source::host) fn real() -> Self {
        Self {
            root: "/".into(),
            ask: Arc::new(|path| space(&rustix::fs::statvfs(path).ok()?)),
            patience: PATIENCE,
        }
    }

    /// `proc`, `sys` and `run` below `root`.
    #[cfg(test)]
    pub(in crate::source::host) fn below(root: impl Into<PathBuf>, ask: AskSpace) -> Self {
        Self {
            root: root.into(),
            ask,
            // A made-up response is immediate, but its thread may have to wait for a core.
            patience: Duration::from_secs(60),
        }
    }

    /// Whether this machine itself is read.
    pub(super) fn is_this_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// A path below /proc.
    pub(super) fn proc(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join("proc").join(path)
    }

    /// A path below /sys.
    pub(super) fn sys(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join("sys").join(path)
    }

    /// Any other path, as seen from `/`.
    pub(super) fn other(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }
}

/// sysinfo doesn't report the blocks reserved for root, which `df` counts as neither used nor available.
///
/// `None` if the numbers contradict each other: more is free than the total, or the total is larger than any disk, as
/// reported by some filesystems in user space that have no size.
fn space(stat: &StatVfs) -> Option<Space> {
    let used = stat.f_blocks.checked_sub(stat.f_bfree)?;
    let block = stat.f_frsize.max(1);
    let size = stat.f_blocks.checked_mul(block)?;
    i64::try_from(size).ok()?;
    // Some servers let root use more than is available to others, and report a negative number here.
    let is_negative = i64::try_from(stat.f_bavail).is_err();
    let available = if is_negative {
        0
    } else {
        stat.f_bavail.min(stat.f_bfree)
    };
    // Neither is more than the size, which doesn't overflow.
    Some(Space {
        used: used * block,
        available: available * block,
        size,
        inodes: inodes(stat),
    })
}

/// As `df -i` counts them. Filesystems that make inodes as they need them report none.
fn inodes(stat: &StatVfs) -> Option<Occupancy> {
    let limit = Some(stat.f_files).filter(|files| *files != 0)?;
    let used = limit.checked_sub(stat.f_ffree)?;
    Some(Occupancy { used, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_never_wraps() {
        let stat = |blocks, free, available| StatVfs {
            f_bsize: 4096,
            f_frsize: 4096,
            f_blocks: blocks,
            f_bfree: free,
            f_bavail: available,
            f_files: 0,
            f_ffree: 0,
            f_favail: 0,
            f_fsid: 0,
            f_flag: rustix::fs::StatVfsMountFlags::empty(),
            f_namemax: 255,
        };
        #[track_caller]
        fn check(stat: StatVfs, expected: Option<(u64, u64)>) {
            let space = space(&stat);
            let blocks = |bytes: u64| bytes / 4096;
            let parts = space.map(|s| (blocks(s.used), blocks(s.available)));
            assert_eq!(parts, expected);
            assert!(space.is_none_or(|space| blocks(space.size) == stat.f_blocks));
        }
        check(stat(100, 30, 20), Some((70, 20)));
        check(stat(100, 0, 0), Some((100, 0)));
        check(stat(0, 0, 0), Some((0, 0)));
        // More free than the total.
        check(stat(100, 101, 20), None);
        check(stat(0, u64::MAX, u64::MAX), None);
        // More available than free.
        check(stat(100, 30, 31), Some((70, 30)));
        // Negative, as other systems write it.
        check(stat(100, 3, 5_u64.wrapping_neg()), Some((97, 0)));
        // No size.
        check(stat(u64::MAX, 0, 0), None);
        check(stat(u64::MAX, u64::MAX, u64::MAX), None);
        check(stat(1 << 52, 1 << 51, 1 << 51), None);
        check(stat(1 << 50, 1 << 49, 1 << 49), Some((1 << 49, 1 << 49)));
        let inodes = |files, free| {
            let mut stat = stat(100, 30, 20);
            (stat.f_files, stat.f_ffree, stat.f_favail) = (files, free, free);
            let inodes = space(&stat).unwrap().inodes;
            inodes.map(|inodes| (inodes.used, inodes.limit))
        };
        assert_eq!(inodes(1024, 0), Some((1024, 1024)));
        assert_eq!(inodes(1024, 24), Some((1000, 1024)));
        assert_eq!(inodes(0, 0), None);
        assert_eq!(inodes(10, 11), None);
        assert_eq!(inodes(u64::MAX, 1), Some((u64::MAX - 1, u64::MAX)));
    }
}
