//! Which disks count, according to sysfs, and their counters.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::proc_file::value;
use super::text::{fields, lines, number, or_skip};
use super::verdicts::Verdicts;
use crate::source::host::reading::DiskCounters;

/// The unit of /proc/diskstats, whatever the sector of the disk.
const SECTOR_BYTES: u64 = 512;

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
    ///
    /// The procfs crate fails altogether if one line is invalid, as happens when the kernel's count of requests falls
    /// below 0.
    pub(super) fn read(
        &mut self,
        text: &[u8],
        now: Instant,
        skip: &dyn Fn(&[u8]),
    ) -> Vec<DiskCounters> {
        let stats = lines(text).filter_map(|line| or_skip(DiskLine::parse(line), line, skip));
        let stats: Vec<DiskLine> = stats.collect();
        let names = stats.iter().map(|stat| stat.name);
        self.verdicts.refresh(names, now, false, |name, _| {
            is_physical_disk(&self.root, name)
        });
        let disks = stats.into_iter().filter_map(|stat| {
            let (name, is_physical) = self.verdicts.of(stat.name)?;
            is_physical.then(|| stat.counters(name))
        });
        disks.collect()
    }
}

/// The relevant fields of a line; times are in milliseconds.
struct DiskLine<'a> {
    name: &'a [u8],
    reads: u64,
    /// In sectors.
    read: u64,
    reading: u64,
    writes: u64,
    /// In sectors.
    written: u64,
    writing: u64,
    /// It may be negative, after a mistake of the kernel.
    in_flight: Option<u64>,
    busy: u64,
    queued: u64,
}

impl<'a> DiskLine<'a> {
    /// major minor name, then reads: completed merged sectors ms, writes: likewise, in flight, busy ms, weighted ms.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = fields(line).skip(2);
        Some(Self {
            name: fields.next()?,
            reads: number(fields.next()?)?,
            read: number(fields.nth(1)?)?,
            reading: number(fields.next()?)?,
            writes: number(fields.next()?)?,
            written: number(fields.nth(1)?)?,
            writing: number(fields.next()?)?,
            in_flight: number(fields.next()?),
            busy: number(fields.next()?)?,
            queued: number(fields.next()?)?,
        })
    }

    fn counters(&self, name: Arc<str>) -> DiskCounters {
        DiskCounters {
            name,
            reads: self.reads,
            read: self.read.saturating_mul(SECTOR_BYTES),
            writes: self.writes,
            written: self.written.saturating_mul(SECTOR_BYTES),
            spent: self.reading.saturating_add(self.writing),
            busy: self.busy,
            queued: self.queued,
            is_waiting: self.in_flight.is_some_and(|requests| requests != 0),
        }
    }
}

/// A whole disk with hardware. Partitions are not in /sys/block; loop, ram, zram, dm and md devices have no hardware;
/// devices built from other disks have slaves; a path of a multipath disk is hidden; an empty drive has no size.
fn is_physical_disk(root: &Path, name: &[u8]) -> bool {
    // sysfs replaces a slash in a name with an exclamation mark.
    let name: Vec<u8> = name
        .iter()
        .map(|&b| if b == b'/' { b'!' } else { b })
        .collect();
    let dir = root.join(OsStr::from_bytes(&name));
    let number = |file| value::<u64>(&dir.join(file));
    dir.join("device").exists()
        && fs::read_dir(dir.join("slaves")).is_ok_and(|mut slaves| slaves.next().is_none())
        && number("hidden").unwrap_or(0) == 0
        && number("size").unwrap_or(0) != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::host::linux::fixture::tree;

    fn disk_names(root: &tempfile::TempDir, names: &[&str]) -> Vec<String> {
        let lines = names
            .iter()
            .map(|name| format!("8 0 {name} 1 0 2 0 1 0 4 0 0 50 0\n"));
        let mut disks = Disks::new(root.path());
        let read = disks.read(
            lines.collect::<String>().as_bytes(),
            Instant::now(),
            &|_| {},
        );
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

    #[test]
    fn every_counter_has_its_own_place() {
        let root = tree(&["sda/device/", "sda/slaves/", "sda/size"]);
        let text = b"8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n";
        let disks = Disks::new(root.path()).read(text, Instant::now(), &|_| {});
        let expected = DiskCounters {
            name: "sda".into(),
            reads: 1,
            read: 3 * 512,
            writes: 5,
            written: 7 * 512,
            spent: 4 + 8,
            busy: 10,
            queued: 11,
            is_waiting: true,
        };
        assert_eq!(disks, [expected]);
    }

    #[test]
    fn an_invalid_line_affects_no_other() {
        let root = tree(&[
            "sda/device/",
            "sda/slaves/",
            "sda/size",
            "sdb/device/",
            "sdb/slaves/",
            "sdb/size",
        ]);
        let text =
            b"8 0 sda 1 0 2 0 1 0 4 0 0 x 0\n\xff\n8 16 sdb 1 0 2 0 1 0 4 0 -1 50 0 extra\n8 32 sd";
        let skipped = std::cell::Cell::new(0);
        let skip = |_: &[u8]| skipped.set(skipped.get() + 1);
        let disks = Disks::new(root.path()).read(text, Instant::now(), &skip);
        assert_eq!(disks.len(), 1);
        assert_eq!((&*disks[0].name, disks[0].busy), ("sdb", 50));
        assert!(!disks[0].is_waiting);
        assert_eq!(skipped.get(), 2);
    }
}
