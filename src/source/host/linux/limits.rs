//! The limits of a container: those of its control group and of the groups above it, as far as they are visible.
//!
//! sysinfo reads a limit of memory too, but counts cached files as used, so a container that reads files looks full.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Roots;
use super::cgroup::Hierarchies;
use super::proc_file::ProcFile;
use super::text::{fields, lines, number};
use crate::source::host::reading::{CpuLimit, Memory};

/// How long the list of groups stays valid.
const LIST_AGE: Duration = Duration::from_secs(60);

/// The limits of this container; none on a host.
pub(super) struct ContainerLimits {
    roots: Roots,
    listed: Option<Instant>,
    memory: Vec<MemoryGroup>,
    cpu: Vec<CpuGroup>,
    text: Vec<u8>,
}

/// The memory of a group.
struct MemoryGroup {
    limit: ProcFile,
    used: ProcFile,
    stat: ProcFile,
    /// Some sandboxes don't have this file.
    has_stat: bool,
    fields: &'static StatFields,
}

/// What two fields of memory.stat are called.
struct StatFields {
    /// The part of the used memory that the kernel reclaims first: file pages not in recent use.
    reclaimable: &'static [u8],
    /// The lowest limit of the group and those above it, visible or not.
    lowest_limit: Option<&'static [u8]>,
}

const VERSION_2: StatFields = StatFields {
    reclaimable: b"inactive_file",
    lowest_limit: None,
};

const VERSION_1: StatFields = StatFields {
    reclaimable: b"total_inactive_file",
    lowest_limit: Some(b"hierarchical_memory_limit"),
};

/// The CPU time of a group.
struct CpuGroup {
    /// Its path.
    name: Arc<str>,
    quota: Quota,
    stat: ProcFile,
}

enum Quota {
    /// `max 100000`, or a quota instead of the word; both in µs. The time used is in the statistics.
    Version2(ProcFile),
    /// The quota (-1 for none) and the period in µs, and the time used in ns.
    Version1([ProcFile; 3]),
}

/// The memory that a container may use; `None` if unknown.
pub(super) type Limited = Option<Memory>;

impl ContainerLimits {
    pub(super) fn new(roots: &Roots) -> Self {
        Self {
            roots: roots.clone(),
            listed: None,
            memory: Vec::new(),
            cpu: Vec::new(),
            text: Vec::new(),
        }
    }

    /// Finds the groups again if the list is old: a container can be given a limit while it runs.
    pub(super) fn refresh(&mut self, now: Instant) {
        let is_fresh = |listed| now.saturating_duration_since(listed) < LIST_AGE;
        if self.listed.is_some_and(is_fresh) {
            return;
        }
        self.listed = Some(now);
        let found = Hierarchies::find(&self.roots);
        self.memory.clear();
        self.cpu.clear();
        for (name, dir) in found.unified.iter().flat_map(|it| it.levels()) {
            self.memory.push(MemoryGroup::version_2(&dir));
            self.cpu.push(CpuGroup::version_2(&name, &dir));
        }
        for (_, dir) in found.memory.iter().flat_map(|it| it.levels()) {
            self.memory.push(MemoryGroup::version_1(&dir));
        }
        let time = found.cpu_time.map(|time| time.mount).unwrap_or_default();
        for (name, dir) in found.cpu.iter().flat_map(|it| it.levels()) {
            let time = time.join(name.trim_start_matches('/'));
            self.cpu.push(CpuGroup::version_1(&name, &dir, &time));
        }
    }

    /// The memory of the container; `None` if it has no limit below the `physical` memory, in bytes.
    ///
    /// The lowest limit is the container's memory. Whatever is left below each limit is available, because the memory
    /// of neighbours counts towards the limits above.
    pub(super) fn memory(&mut self, physical: u64) -> Option<Limited> {
        let mut total = None::<u64>;
        let mut available = Some(u64::MAX);
        for group in &self.memory {
            let Some(limit) = group.limit(physical, &mut self.text) else {
                continue;
            };
            total = Some(total.map_or(limit, |total| total.min(limit)));
            let left = group.left(limit, physical, &mut self.text);
            available = available.zip(left).map(|(all, left)| all.min(left));
        }
        let total = total?;
        let available = available.map(|available| available.min(total));
        Some(available.map(|available| Memory { total, available }))
    }

    /// The groups whose CPU time is limited.
    pub(super) fn cpu(&mut self) -> Vec<CpuLimit> {
        let text = &mut self.text;
        let limits = self.cpu.iter().filter_map(|group| group.read(text));
        limits.collect()
    }
}

impl MemoryGroup {
    fn version_2(dir: &Path) -> Self {
        Self::open(dir, ["memory.max", "memory.current"], &VERSION_2)
    }

    fn version_1(dir: &Path) -> Self {
        let files = ["memory.limit_in_bytes", "memory.usage_in_bytes"];
        Self::open(dir, files, &VERSION_1)
    }

    fn open(dir: &Path, [limit, used]: [&str; 2], fields: &'static StatFields) -> Self {
        let stat = dir.join("memory.stat");
        Self {
            limit: ProcFile::open(dir.join(limit)),
            used: ProcFile::open(dir.join(used)),
            has_stat: stat.exists(),
            stat: ProcFile::open(stat),
            fields,
        }
    }

    fn limit(&self, physical: u64, text: &mut Vec<u8>) -> Option<u64> {
        // The word `max` isn't a number, and version 1 reports a number that no machine has. With 0, nothing would run.
        let is_limit = |limit: &u64| (1..physical).contains(limit);
        let own = self.limit.value();
        // Of a version 1 without limits of its own, only the statistics tell of limits that are not visible.
        let lowest = self.fields.lowest_limit.filter(|_| own.is_some());
        let lowest = lowest.and_then(|field| self.field(field, text));
        let limits = [own.filter(is_limit), lowest.filter(is_limit)];
        limits.into_iter().flatten().min()
    }

    /// What is left below the limit.
    fn left(&self, limit: u64, physical: u64, text: &mut Vec<u8>) -> Option<u64> {
        // Slightly more than the limit is normal; more than the machine has cannot be a number of bytes in use.
        let used: u64 = self.used.value().filter(|used| *used <= physical)?;
        let reclaimable = if self.has_stat {
            self.field(self.fields.reclaimable, text)?
        } else {
            0
        };
        Some(limit.saturating_sub(used.saturating_sub(reclaimable)))
    }

    /// A field of the statistics, in bytes.
    fn field(&self, wanted: &[u8], text: &mut Vec<u8>) -> Option<u64> {
        stat_field(self.stat.read(text)?, wanted)
    }
}

impl CpuGroup {
    fn version_2(name: &str, dir: &Path) -> Self {
        Self {
            name: name.into(),
            quota: Quota::Version2(ProcFile::open(dir.join("cpu.max"))),
            stat: ProcFile::open(dir.join("cpu.stat")),
        }
    }

    fn version_1(name: &str, dir: &Path, time: &Path) -> Self {
        let [quota, period] = ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map(|file| dir.join(file));
        let files = [quota, period, time.join("cpuacct.usage")];
        Self {
            name: name.into(),
            quota: Quota::Version1(files.map(ProcFile::open)),
            stat: ProcFile::open(dir.join("cpu.stat")),
        }
    }

    /// `None` if it has no limit.
    fn read(&self, text: &mut Vec<u8>) -> Option<CpuLimit> {
        let (quota, period): (u64, u64) = match &self.quota {
            Quota::Version2(file) => {
                let mut fields = fields(file.read(text)?);
                (number(fields.next()?)?, number(fields.next()?)?)
            }
            Quota::Version1([quota, period, _]) => (quota.value()?, period.value()?),
        };
        if quota == 0 || period == 0 {
            return None;
        }
        let stat = self.stat.read(text).unwrap_or_default();
        let used = match &self.quota {
            Quota::Version2(_) => stat_field(stat, b"usage_usec"),
            Quota::Version1([_, _, used]) => {
                used.value().map(|nanoseconds: u64| nanoseconds / 1000)
            }
        };
        Some(CpuLimit {
            name: Arc::clone(&self.name),
            cores: quota as f64 / period as f64,
            used,
            periods: stat_field(stat, b"nr_periods"),
            throttled: stat_field(stat, b"nr_throttled"),
        })
    }
}

/// The number after the name of a field.
pub(super) fn stat_field(stat: &[u8], wanted: &[u8]) -> Option<u64> {
    let value = |line| {
        let mut fields = fields(line);
        (fields.next()? == wanted).then(|| number(fields.next()?))
    };
    lines(stat).find_map(value)?
}

#[cfg(test)]
mod tests;
