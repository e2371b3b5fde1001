//! Memory: of the machine, and of a container, as the limit and usage of its cgroup.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::proc_file::value;
use super::text::{fields, lines, number, split_once};
use crate::source::host::reading::{Memory, Swap};

/// The contents of /proc/meminfo, in bytes; `None` for a missing or invalid line.
#[derive(Debug, Default)]
pub(super) struct Meminfo {
    total: Option<u64>,
    free: Option<u64>,
    /// Missing before Linux 3.14.
    available: Option<u64>,
    has_available: bool,
    buffers: Option<u64>,
    cached: Option<u64>,
    shared: Option<u64>,
    reclaimable: Option<u64>,
    dirty: Option<u64>,
    writeback: Option<u64>,
    swap_total: Option<u64>,
    swap_free: Option<u64>,
}

impl Meminfo {
    /// `text` is /proc/meminfo. Parsed by hand, because sysinfo repeats the last value if a line is missing, and its
    /// used swap wraps if more is free than the total, as in containers whose limit was lowered.
    pub(super) fn parse(text: &[u8], skip: &dyn Fn(&[u8])) -> Self {
        let mut info = Self::default();
        for line in lines(text) {
            let Some((name, size)) = split_once(line, b':') else {
                skip(line);
                continue;
            };
            let Some(field) = info.field(name) else {
                continue;
            };
            *field = kibibytes(size);
            if field.is_none() {
                skip(line);
            }
        }
        info
    }

    fn field(&mut self, name: &[u8]) -> Option<&mut Option<u64>> {
        Some(match name {
            b"MemTotal" => &mut self.total,
            b"MemFree" => &mut self.free,
            b"MemAvailable" => {
                self.has_available = true;
                &mut self.available
            }
            b"Buffers" => &mut self.buffers,
            b"Cached" => &mut self.cached,
            b"Shmem" => &mut self.shared,
            b"SReclaimable" => &mut self.reclaimable,
            b"Dirty" => &mut self.dirty,
            b"Writeback" => &mut self.writeback,
            b"SwapTotal" => &mut self.swap_total,
            b"SwapFree" => &mut self.swap_free,
            _ => return None,
        })
    }

    /// Physical memory; 0 if unknown.
    pub(super) fn physical(&self) -> u64 {
        self.total.unwrap_or(0)
    }

    /// Never reports more available than the total.
    pub(super) fn memory(&self) -> Option<Memory> {
        let total = self.total.filter(|total| *total != 0)?;
        let available = if self.has_available {
            self.available?
        } else {
            self.estimate()?
        };
        Some(Memory {
            total,
            available: available.min(total),
        })
    }

    /// The estimate that old kernels leave to their users, as `free` did it then.
    fn estimate(&self) -> Option<u64> {
        let parts = [self.free?, self.buffers?, self.cached?];
        let parts = parts.into_iter().chain(self.reclaimable);
        let sum = parts.fold(0_u64, u64::saturating_add);
        Some(sum.saturating_sub(self.shared.unwrap_or(0)))
    }

    /// What has yet to be written to disks, and what is being written.
    pub(super) fn dirty(&self) -> Option<u64> {
        Some(self.dirty?.saturating_add(self.writeback?))
    }

    /// `None` also if there is no swap. If more is free than the total, none is used.
    pub(super) fn swap(&self) -> Option<Swap> {
        let total = self.swap_total.filter(|total| *total != 0)?;
        Some(Swap {
            total,
            used: total.saturating_sub(self.swap_free?),
        })
    }
}

/// `  123 kB`, in bytes: the kernel means KiB.
fn kibibytes(size: &[u8]) -> Option<u64> {
    let mut fields = fields(size);
    let count: u64 = number(fields.next()?)?;
    let is_kib = fields.next() == Some(b"kB");
    count.checked_mul(1024).filter(|_| is_kib)
}

/// The control group at the root of the mount: inside a container, its own. On a host, that root has no limit, and a
/// service with a limit still reports the host.
///
/// sysinfo reads a limit too, but counts cached files as used, so a container that reads files looks full.
pub(super) struct Cgroup {
    versions: [Version; 2],
}

struct Version {
    limit: PathBuf,
    used: PathBuf,
    stat: PathBuf,
    /// The part of `used` that the kernel reclaims first: file pages not in recent use.
    reclaimable: &'static str,
}

impl Cgroup {
    /// `root` is the mount point of the control groups.
    pub(super) fn new(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        let v1 = root.join("memory");
        Self {
            versions: [
                Version {
                    limit: root.join("memory.max"),
                    used: root.join("memory.current"),
                    stat: root.join("memory.stat"),
                    reclaimable: "inactive_file ",
                },
                Version {
                    limit: v1.join("memory.limit_in_bytes"),
                    used: v1.join("memory.usage_in_bytes"),
                    stat: v1.join("memory.stat"),
                    reclaimable: "total_inactive_file ",
                },
            ],
        }
    }

    /// `None` if there is no limit below the `physical` memory, in bytes.
    pub(super) fn limited(&self, physical: u64) -> Option<Limited> {
        self.versions
            .iter()
            .find_map(|version| version.limited(physical))
    }
}

/// The memory of a cgroup that has a limit; `None` if unknown.
pub(super) type Limited = Option<Memory>;

impl Version {
    fn limited(&self, physical: u64) -> Option<Limited> {
        // The word `max` isn't a number, and version 1 reports a number that no machine has. With 0, nothing would run.
        let total = value(&self.limit).filter(|limit| (1..physical).contains(limit))?;
        Some(self.memory(total, physical))
    }

    fn memory(&self, total: u64, physical: u64) -> Limited {
        // Slightly more than the limit is normal; more than the machine has cannot be a number of bytes in use.
        let used: u64 = value(&self.used).filter(|used| *used <= physical)?;
        let working_set = used.saturating_sub(self.reclaimable()?);
        Some(Memory {
            total,
            available: total.saturating_sub(working_set),
        })
    }

    /// In bytes; `None` if unknown.
    fn reclaimable(&self) -> Option<u64> {
        let stat = match fs::read(&self.stat) {
            Ok(stat) => stat,
            // Some sandboxes don't have this file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(0),
            Err(_) => return None,
        };
        let mut said =
            lines(&stat).filter_map(|line| line.strip_prefix(self.reclaimable.as_bytes()));
        number(said.next()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHYSICAL: u64 = 10_000;

    fn check(files: &[(&str, &str)], expected: Option<(u64, u64)>) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("memory")).unwrap();
        for (name, text) in files {
            fs::write(root.path().join(name), text).unwrap();
        }
        let memory = Cgroup::new(root.path()).limited(PHYSICAL);
        let memory = memory.map(|memory| memory.expect("readable files"));
        assert_eq!(memory.map(|m| (m.total, m.available)), expected);
    }

    #[test]
    fn version_2_counts_cached_files_as_available() {
        check(
            &[
                ("memory.max", "1000\n"),
                ("memory.current", "900\n"),
                ("memory.stat", "anon 300\nfile 600\ninactive_file 500\n"),
            ],
            Some((1000, 600)),
        );
    }

    #[test]
    fn version_1_counts_children_too() {
        check(
            &[
                ("memory/memory.limit_in_bytes", "1000\n"),
                ("memory/memory.usage_in_bytes", "900\n"),
                (
                    "memory/memory.stat",
                    "inactive_file 1\ntotal_inactive_file 500\n",
                ),
            ],
            Some((1000, 600)),
        );
    }

    #[test]
    fn nothing_is_available_over_the_limit() {
        check(
            &[("memory.max", "1000\n"), ("memory.current", "1100\n")],
            Some((1000, 0)),
        );
    }

    #[test]
    fn no_limit_means_no_cgroup_memory() {
        check(&[], None);
        check(
            &[("memory.max", "max\n"), ("memory.current", "900\n")],
            None,
        );
        check(
            &[
                ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("memory/memory.usage_in_bytes", "900\n"),
            ],
            None,
        );
    }

    type Pair = Option<(u64, u64)>;

    fn meminfo(text: &str) -> (Pair, Pair) {
        let info = Meminfo::parse(text.as_bytes(), &|_| {});
        let memory = info.memory().map(|m| (m.total / 1024, m.available / 1024));
        let swap = info.swap().map(|s| (s.total / 1024, s.used / 1024));
        (memory, swap)
    }

    #[test]
    fn nothing_wraps_if_more_is_free_than_the_total() {
        let text = "MemTotal: 524288 kB\nMemFree: 434000 kB\nMemAvailable: 490000 kB\n\
                    SwapTotal: 1048576 kB\nSwapFree: 1048580 kB\n";
        assert_eq!(
            meminfo(text),
            (Some((524_288, 490_000)), Some((1_048_576, 0)))
        );
        let text = "MemTotal: 100 kB\nMemAvailable: 101 kB\nSwapTotal: 0 kB\nSwapFree: 5 kB\n";
        assert_eq!(meminfo(text), (Some((100, 100)), None));
    }

    #[test]
    fn an_old_kernel_leaves_the_estimate_to_us() {
        let text = "MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 20 kB\nShmem: 7 kB\nSReclaimable: 2 kB\n";
        assert_eq!(meminfo(text).0, Some((100, 30)));
        let text = text.replace("Shmem: 7", "Shmem: 70");
        assert_eq!(meminfo(&text).0, Some((100, 0)));
    }

    #[test]
    fn contradictory_numbers_are_absent() {
        for bad in [
            "x kB",
            "-1 kB",
            "18446744073709551615 kB",
            "18446744073709551616 kB",
            "60",
            "60 MB",
            "",
        ] {
            let text = format!(
                "MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 20 kB\nMemAvailable: {bad}\nSwapTotal: 9 kB\nSwapFree: 4 kB\n"
            );
            assert_eq!(meminfo(&text), (None, Some((9, 5))), "{bad}");
        }
        assert_eq!(
            meminfo("MemTotal: 0 kB\nMemAvailable: 0 kB\n"),
            (None, None)
        );
        assert_eq!(meminfo(""), (None, None));
    }

    #[test]
    fn a_limited_container_never_shows_the_hosts_memory() {
        for (name, text) in [
            ("memory.current", "x\n"),
            ("memory.current", "18446744073709551615\n"),
            ("memory.stat", "inactive_file x\n"),
            ("memory.stat", ""),
        ] {
            let root = tempfile::tempdir().unwrap();
            for (name, text) in [
                ("memory.max", "1000\n"),
                ("memory.current", "900\n"),
                (name, text),
            ] {
                fs::write(root.path().join(name), text).unwrap();
            }
            assert_eq!(
                Cgroup::new(root.path()).limited(PHYSICAL),
                Some(None),
                "{name}: {text:?}"
            );
        }
        check(&[("memory.max", "0\n"), ("memory.current", "0\n")], None);
    }
}
