//! The cache of ZFS, which the kernel doesn't count as available, although it shrinks when memory is needed.

use std::fs;
use std::path::Path;

use crate::source::host::reading::Memory;

/// Adds what the cache can release at once to the available memory: everything above its minimum, as htop counts it.
/// `stats` is /proc/spl/kstat/zfs/arcstats, which exists if ZFS is loaded.
///
/// Nothing else like this is missing from `MemAvailable`: it includes the page cache and reclaimable slabs, where btrfs
/// and others cache, and reserved huge pages are of no use to others.
pub(super) fn add_cache(memory: &mut Memory, stats: &Path) {
    let text = fs::read(stats).unwrap_or_default();
    let shrinkable = shrinkable(&text).unwrap_or(0);
    let used = memory.total.saturating_sub(memory.available);
    // A cache larger than all used memory belongs to another machine: the host, seen from a container.
    if shrinkable <= used {
        memory.available += shrinkable;
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
    use super::*;

    const GIB: u64 = 1 << 30;

    #[track_caller]
    fn check(stats: &[u8], available: u64) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("arcstats");
        fs::write(&file, stats).unwrap();
        let mut memory = Memory {
            total: 16 * GIB,
            available: 2 * GIB,
        };
        add_cache(&mut memory, &file);
        assert_eq!(memory.available, available);
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
    fn without_zfs_nothing_is_added() {
        let mut memory = Memory {
            total: 2,
            available: 1,
        };
        add_cache(&mut memory, Path::new("/proc/no-such-file"));
        assert_eq!(memory.available, 1);
    }
}
