//! What only Linux tells, and what it tells cheaper than through sysinfo. Nothing outside this module is Linux-only.
//!
//! The files of /proc stay open and are read again from their start: opening one costs more than reading it (on a
//! machine of two cores, 9 to 30 µs against 2 to 20).

mod census;
mod counters;
mod devices;
mod memory;
mod mounts;
mod proc_file;
mod sessions;
mod tasks;
mod users;
mod zfs;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use procfs::FromRead;
use procfs::process::StatM;
use rustix::time::{ClockId, Timespec, clock_gettime};

use self::census::{Census, Sight};
use self::devices::{Disks, Interfaces};
use self::memory::Cgroup;
use self::mounts::Mounts;
use self::proc_file::ProcFile;
use super::reading::{Agent, Pressure, Reading, Space};
use super::spaces::{PATIENCE, Spaces};

/// What ZFS says of its cache.
const ARC_STATS: &str = "/proc/spl/kstat/zfs/arcstats";

/// What is kept between readings.
pub(super) struct Machine {
    lists_tasks: bool,
    text: Vec<u8>,
    files: Files,
    mounts: Mounts,
    spaces: Spaces,
    disks: Disks,
    interfaces: Interfaces,
    cgroup: Cgroup,
    census: Census,
}

struct Files {
    stat: ProcFile,
    diskstats: ProcFile,
    net_dev: ProcFile,
    net_snmp: ProcFile,
    vmstat: ProcFile,
    statm: ProcFile,
    pressure: [ProcFile; 3],
}

impl Machine {
    /// Processes are read only where `lists_tasks`.
    pub(super) fn new(lists_tasks: bool) -> Self {
        Self {
            lists_tasks,
            text: Vec::with_capacity(16 * 1024),
            files: Files {
                stat: ProcFile::open("/proc/stat"),
                diskstats: ProcFile::open("/proc/diskstats"),
                net_dev: ProcFile::open("/proc/net/dev"),
                net_snmp: ProcFile::open("/proc/net/snmp"),
                vmstat: ProcFile::open("/proc/vmstat"),
                statm: ProcFile::open("/proc/self/statm"),
                pressure: ["cpu", "memory", "io"]
                    .map(|kind| ProcFile::open(format!("/proc/pressure/{kind}"))),
            },
            mounts: Mounts::open(),
            spaces: Spaces::new(Arc::new(space), PATIENCE),
            disks: Disks::new("/sys/block"),
            interfaces: Interfaces::new("/sys/class/net"),
            cgroup: Cgroup::new("/sys/fs/cgroup"),
            census: Census::new("/proc"),
        }
    }

    /// Adds to `reading`, which has the machine's memory already.
    pub(super) fn read(&mut self, reading: &mut Reading) {
        self.mounts.refresh(&mut self.text);
        self.spaces.begin(self.mounts.list());
        reading.since_boot = Some(seconds(clock_gettime(ClockId::Boottime)).as_secs_f64());
        self.read_cpu(reading);
        self.read_devices(reading);
        if let Some(memory) = self.cgroup.limited(reading.physical) {
            reading.memory = Some(memory);
        } else if let Some(memory) = &mut reading.memory {
            zfs::add_cache(memory, Path::new(ARC_STATS));
        }
        self.read_kernel(reading);
        reading.users = users::logged_in(Path::new("/"));
        self.read_agent(&mut reading.agent);
        self.read_tasks(reading);
        reading.spaces = self.spaces.finish(self.mounts.list());
    }
}

impl Machine {
    fn read_cpu(&mut self, reading: &mut Reading) {
        let Some(text) = self.files.stat.read(&mut self.text) else {
            return;
        };
        let (all, cores) = counters::cpu(text);
        reading.cpu = all;
        reading.cores = cores;
    }

    fn read_devices(&mut self, reading: &mut Reading) {
        if let Some(text) = self.files.diskstats.read(&mut self.text) {
            reading.disks = self.disks.read(text, reading.at);
        }
        if let Some(text) = self.files.net_dev.read(&mut self.text) {
            reading.interfaces = self.interfaces.read(text, reading.at);
        }
    }

    fn read_kernel(&mut self, reading: &mut Reading) {
        let (files, text) = (&self.files, &mut self.text);
        reading.tcp = files.net_snmp.read(text).and_then(counters::tcp);
        reading.oom_kills = files.vmstat.read(text).and_then(counters::oom_kills);
        let [cpu, memory, io] = &files.pressure;
        let mut some = |file: &ProcFile| file.read(text).and_then(counters::pressure);
        reading.pressure = Pressure {
            cpu: some(cpu),
            memory: some(memory),
            io: some(io),
        };
    }

    /// Processes are listed only where all are seen: a few would pass for all.
    fn read_tasks(&mut self, reading: &mut Reading) {
        match self.census.sight(reading.at) {
            Sight::All if self.lists_tasks => {
                let tasks = tasks::list(&mut self.text);
                reading.process_count = tasks.as_ref().map(|tasks| tasks.len() as u64);
                reading.processes = tasks;
            }
            Sight::All | Sight::Numbers => reading.process_count = tasks::count(),
            Sight::Nothing => reading.process_count = self.census.count_hidden(),
        }
    }

    fn read_agent(&mut self, agent: &mut Agent) {
        agent.cpu = Some(seconds(clock_gettime(ClockId::ProcessCPUTime)));
        let statm = self.files.statm.read(&mut self.text);
        let statm = statm.and_then(|text| StatM::from_read(text.as_bytes()).ok());
        agent.memory = statm.map(|statm| statm.resident * procfs::page_size());
    }
}

fn seconds(time: Timespec) -> Duration {
    let whole = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(whole, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Asks the filesystem at `path`. sysinfo does not tell the blocks that are kept for root, which `df` counts as neither
/// used nor available.
fn space(path: &Path) -> Option<Space> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(Space {
        used: stat.f_blocks.saturating_sub(stat.f_bfree),
        available: stat.f_bavail,
    })
}
