//! The memory of a container: what its cgroup may have, and has.

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::host::reading::Memory;

/// The control group at the root of what is mounted: inside a container, its own. On a host that root has no limit, and a
/// service that is limited there still reports the host.
///
/// sysinfo tells a limit too, but counts cached files as used, so that a container that reads files looks full.
pub(super) struct Cgroup {
    versions: [Version; 2],
}

struct Version {
    limit: PathBuf,
    used: PathBuf,
    stat: PathBuf,
    /// What in `used` the kernel gives back first: file pages not in recent use.
    reclaimable: &'static str,
}

impl Cgroup {
    /// `root` is where control groups are mounted.
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

    /// `None` where nothing limits below the `physical` memory, in bytes.
    pub(super) fn limited(&self, physical: u64) -> Option<Memory> {
        self.versions
            .iter()
            .find_map(|version| version.limited(physical))
    }
}

impl Version {
    fn limited(&self, physical: u64) -> Option<Memory> {
        // The word `max` is no number, and version 1 says a number that no machine has.
        let total = number(&self.limit).filter(|limit| *limit < physical)?;
        let used = number(&self.used)?;
        let stat = fs::read_to_string(&self.stat).unwrap_or_default();
        let mut lines = stat.lines();
        let reclaimable = lines.find_map(|line| line.strip_prefix(self.reclaimable));
        let reclaimable = reclaimable
            .and_then(|bytes| bytes.parse().ok())
            .unwrap_or(0);
        let working_set = used.saturating_sub(reclaimable);
        Some(Memory {
            total,
            available: total.saturating_sub(working_set),
        })
    }
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
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
        assert_eq!(memory.map(|m| (m.total, m.available)), expected);
    }

    #[test]
    fn version_2_gives_cached_files_back() {
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
    fn over_the_limit_nothing_is_available() {
        check(
            &[("memory.max", "1000\n"), ("memory.current", "1100\n")],
            Some((1000, 0)),
        );
    }

    #[test]
    fn no_limit_is_no_answer() {
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
}
