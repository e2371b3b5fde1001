//! The cache of ZFS, which the kernel doesn't count as available, although it shrinks when memory is needed.

use std::time::{Duration, Instant};

use super::Roots;
use super::proc_file::ProcFile;
use crate::source::host::reading::Memory;

/// The statistics of the cache.
const ARC_STATS: &str = "spl/kstat/zfs/arcstats";

/// How often to look for them: they appear when ZFS is loaded.
const LOOK_AGE: Duration = Duration::from_secs(60);

/// The cache of ZFS, if ZFS is loaded.
pub(super) struct ZfsCache {
    roots: Roots,
    stats: ProcFile,
    looked: Option<Instant>,
}

impl ZfsCache {
    pub(super) fn open(roots: &Roots) -> Self {
        Self {
            roots: roots.clone(),
            stats: ProcFile::open(roots.proc(ARC_STATS)),
            looked: None,
        }
    }

    /// Adds what the cache can release at once to the available memory: everything above its minimum, as htop counts
    /// it. `buffer` is reused.
    ///
    /// Nothing else like this is missing from `MemAvailable`: it includes the page cache and reclaimable slabs, where
    /// btrfs and others cache, and reserved huge pages are of no use to others.
    pub(super) fn add_to(&mut self, memory: &mut Memory, now: Instant, buffer: &mut Vec<u8>) {
        self.look(now, buffer);
        let shrinkable = self.stats.read(buffer).and_then(shrinkable).unwrap_or(0);
        let used = memory.total.saturating_sub(memory.available);
        // A cache larger than all used memory belongs to another machine: the host, seen from a container.
        if shrinkable <= used {
            memory.available += shrinkable;
        }
    }

    /// Opens the statistics again if they can't be read and have not been looked for lately.
    fn look(&mut self, now: Instant, buffer: &mut Vec<u8>) {
        let is_fresh = |looked| now.saturating_duration_since(looked) < LOOK_AGE;
        if !self.looked.is_some_and(is_fresh) {
            self.looked = Some(now);
            if self.stats.read(buffer).is_none() {
                self.stats = ProcFile::open(self.roots.proc(ARC_STATS));
            }
        }
    }
}

/// Bytes above the minimum, from lines of name, type and value.
fn shrinkable(stats: &[u8]) -> Option<u64> {
    let value = |wanted: &str| {
        let mut lines = stats.split(|byte| *byte == b'\n');
        lines.find_map(|line| {
            let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
            (fields.next()? == wanted).then_some(())?;
            fields.nth(1)?.parse::<u64>().ok()
        })
    };
    Some(value("size")?.saturating_sub(value("c_min")?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::source::host::linux::fixture::write;

    const GIB: u64 = 1 << 30;

    #[track_caller]
    fn check(stats: &[u8], available: u64) {
        let root = tempfile::tempdir().unwrap();
        write(&root.path().join("proc").join(ARC_STATS), stats);
        let mut cache = cache(root.path());
        assert_eq!(with(&mut cache, Instant::now()), available);
    }

    fn cache(root: &Path) -> ZfsCache {
        ZfsCache::open(&Roots::below(root, Arc::new(|_| None)))
    }

    /// What is available of 16 GiB, of which 2 GiB are without the cache.
    fn with(cache: &mut ZfsCache, now: Instant) -> u64 {
        let mut memory = Memory {
            total: 16 * GIB,
            available: 2 * GIB,
        };
        cache.add_to(&mut memory, now, &mut Vec::new());
        memory.available
    }

    fn stats(size: u64, min: u64) -> Vec<u8> {
        let text = format!(
            "13 1 0x01 123 33456 5678 9012\n\
             name                            type data\n\
             hits                            4    1\n\
             c                               4    {size}\n\
             c_min                           4    {min}\n\
             c_max                           4    8589934592\n\
             size                            4    {size}\n\
             compressed_size                 4    77\n"
        );
        text.into_bytes()
    }

    #[test]
    fn the_cache_above_its_minimum_is_available() {
        check(&stats(9 * GIB, GIB), 10 * GIB);
        check(&stats(GIB, 2 * GIB), 2 * GIB);
    }

    #[test]
    fn implausible_statistics_add_nothing() {
        check(b"", 2 * GIB);
        check(b"size 4 9663676416\n", 2 * GIB);
        check(b"size 4 x\nc_min 4 1\n", 2 * GIB);
        check(b"size 4 18446744073709551616\nc_min 4 1\n", 2 * GIB);
        check(&[b"\xff 4 1\n", &*stats(9 * GIB, GIB)].concat(), 10 * GIB);
        // As seen in a container: the host's cache.
        check(&stats(15 * GIB, 0), 2 * GIB);
        check(&stats(u64::MAX, 0), 2 * GIB);
    }

    #[test]
    fn a_cache_that_appears_later_is_found() {
        let root = tempfile::tempdir().unwrap();
        let mut cache = cache(root.path());
        let now = Instant::now();
        assert_eq!(with(&mut cache, now), 2 * GIB);
        let file = root.path().join("proc").join(ARC_STATS);
        write(&file, &stats(9 * GIB, GIB));
        assert_eq!(with(&mut cache, now), 2 * GIB);
        assert_eq!(with(&mut cache, now + LOOK_AGE), 10 * GIB);
        // The file stays open.
        write(&file, &stats(8 * GIB, GIB));
        assert_eq!(with(&mut cache, now + LOOK_AGE), 9 * GIB);
    }
}
