//! Tables of the kernel with a limited number of rows: open files, tracked connections.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::proc_file::ProcFile;
use super::roots::Roots;
use super::text::{fields, lines, number, or_skip};
use crate::source::host::reading::Occupancy;

/// How often to look for the table of connections, which appears when its module is loaded.
const LOOK_AGE: Duration = Duration::from_secs(60);

/// The files about these tables.
pub(super) struct KernelTables {
    file_nr: ProcFile,
    conntrack_at: [PathBuf; 2],
    conntrack: [ProcFile; 2],
    looked: Option<Instant>,
}

impl KernelTables {
    pub(super) fn open(roots: &Roots) -> Self {
        let conntrack_at = ["count", "max"]
            .map(|what| roots.proc(format!("sys/net/netfilter/nf_conntrack_{what}")));
        Self {
            file_nr: ProcFile::open(roots.proc("sys/fs/file-nr")),
            conntrack: conntrack_at.clone().map(ProcFile::open),
            conntrack_at,
            looked: None,
        }
    }

    /// The files that all processes have open. `buffer` is reused.
    pub(super) fn descriptors(&self, buffer: &mut Vec<u8>) -> Option<Occupancy> {
        let file = &self.file_nr;
        let line = lines(file.read(buffer)?).next()?;
        or_skip(descriptors(line), line, &|line| file.skip(line))
    }

    /// The connections that the firewall tracks; `None` if it tracks none.
    pub(super) fn conntrack(&mut self, now: Instant) -> Option<Occupancy> {
        let found = self.tracked();
        let is_fresh = |looked| now.saturating_duration_since(looked) < LOOK_AGE;
        if found.is_some() || self.looked.is_some_and(is_fresh) {
            return found;
        }
        self.looked = Some(now);
        self.conntrack = self.conntrack_at.clone().map(ProcFile::open);
        self.tracked()
    }

    fn tracked(&self) -> Option<Occupancy> {
        let [count, limit] = &self.conntrack;
        Some(Occupancy {
            used: count.value()?,
            limit: limit.value()?,
        })
    }
}

/// /proc/sys/fs/file-nr: allocated, of these unused (always 0 since Linux 2.6), and the limit.
fn descriptors(line: &[u8]) -> Option<Occupancy> {
    let mut fields = fields(line);
    let (allocated, unused): (u64, u64) = (number(fields.next()?)?, number(fields.next()?)?);
    Some(Occupancy {
        used: allocated.checked_sub(unused)?,
        limit: number(fields.next()?)?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::host::linux::fixture::write;

    #[test]
    fn open_files_are_those_in_use() {
        let of = |line: &[u8]| descriptors(line).map(|files| (files.used, files.limit));
        assert_eq!(of(b"811\t0\t2466183"), Some((811, 2_466_183)));
        assert_eq!(of(b"811 11 1000"), Some((800, 1000)));
        for bad in ["811 0", "11 12 1000", "x 0 1", "-1 0 1", ""] {
            assert_eq!(of(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_table_that_appears_later_is_found() {
        let root = tempfile::tempdir().unwrap();
        let roots = Roots::below(root.path(), Arc::new(|_| None));
        let mut tables = KernelTables::open(&roots);
        let now = Instant::now();
        assert_eq!(tables.conntrack(now), None);
        assert_eq!(tables.descriptors(&mut Vec::new()), None);
        let at = |what: &str| root.path().join("proc/sys/net/netfilter").join(what);
        write(&at("nf_conntrack_count"), b"12\n");
        write(&at("nf_conntrack_max"), b"48\n");
        assert_eq!(tables.conntrack(now), None);
        let found = Occupancy {
            used: 12,
            limit: 48,
        };
        assert_eq!(tables.conntrack(now + LOOK_AGE), Some(found));
        assert_eq!(tables.conntrack(now + LOOK_AGE), Some(found));
    }
}
