//! What only Linux provides, and what it provides more cheaply than sysinfo. Nothing outside this module is Linux-only.
//!
//! The files of /proc stay open and are read again from the start: opening one costs more than reading it (on a machine
//! of two cores, 9 to 30 µs against 2 to 20).

mod absence;
mod census;
mod cgroup;
mod container_names;
mod containers;
mod counters;
mod disks;
mod gpus;
mod in_use;
mod interfaces;
mod kernel_tables;
mod limits;
mod memory;
mod mounts;
mod paging;
mod pressure;
mod proc_file;
mod read_on_change;
mod roots;
mod roster;
mod sensors;
mod sessions;
mod tasks;
mod tcp;
mod text;
pub(super) mod udp_drops;
mod users;
mod verdicts;
mod zfs;

#[cfg(test)]
pub(super) mod fixture;
#[cfg(test)]
pub(super) use self::gpus::make_library;

use std::time::{Duration, Instant};

use rustix::time::{ClockId, Timespec, clock_gettime};

pub(super) use self::absence::{why_absent, why_no_processes};
use self::census::Census;
use self::disks::Disks;
use self::gpus::Gpus;
pub(super) use self::in_use::{
    available_bytes, collides, has_socket, is_listened_on, is_locked, is_received_on, may_bind,
};
use self::interfaces::Interfaces;
use self::kernel_tables::KernelTables;
use self::limits::ContainerLimits;
use self::memory::Meminfo;
use self::mounts::Mounts;
use self::proc_file::ProcFile;
pub(super) use self::roots::Roots;
pub(super) use self::roster::Roster;
use self::sensors::Sensors;
use self::users::Users;
use self::zfs::ZfsCache;
use super::reading::{Agent, Pressure, Reading};
use super::spaces::Spaces;

/// The state kept between readings.
pub(super) struct Machine {
    text: Vec<u8>,
    files: ProcFiles,
    tables: KernelTables,
    mounts: Mounts,
    spaces: Spaces,
    disks: Disks,
    interfaces: Interfaces,
    limits: ContainerLimits,
    census: Census,
    sensors: Sensors,
    gpus: Gpus,
    users: Users,
    zfs: ZfsCache,
}

struct ProcFiles {
    stat: ProcFile,
    meminfo: ProcFile,
    loadavg: ProcFile,
    uptime: ProcFile,
    diskstats: ProcFile,
    net_dev: ProcFile,
    net_snmp: ProcFile,
    net_netstat: ProcFile,
    vmstat: ProcFile,
    statm: ProcFile,
    pressure: [ProcFile; 3],
}

impl ProcFiles {
    fn open(roots: &Roots) -> Self {
        let proc = |path: &str| ProcFile::open(roots.proc(path));
        Self {
            stat: proc("stat"),
            meminfo: proc("meminfo"),
            loadavg: proc("loadavg"),
            uptime: proc("uptime"),
            diskstats: proc("diskstats"),
            net_dev: proc("net/dev"),
            net_snmp: proc("net/snmp"),
            net_netstat: proc("net/netstat"),
            vmstat: proc("vmstat"),
            statm: proc("self/statm"),
            pressure: ["cpu", "memory", "io"].map(|kind| proc(&format!("pressure/{kind}"))),
        }
    }
}

impl Machine {
    pub(super) fn new() -> Self {
        Self::of(Roots::real())
    }

    /// The machine whose files are below `roots`. Clocks are this machine's.
    pub(super) fn of(roots: Roots) -> Self {
        Self {
            text: Vec::with_capacity(16 * 1024),
            files: ProcFiles::open(&roots),
            tables: KernelTables::open(&roots),
            mounts: Mounts::open(&roots),
            spaces: Spaces::new(roots.ask.clone(), roots.patience),
            disks: Disks::new(roots.sys("block")),
            interfaces: Interfaces::new(roots.sys("class/net")),
            limits: ContainerLimits::new(&roots),
            census: Census::new(roots.proc("")),
            sensors: Sensors::new(&roots.sys("class")),
            users: Users::new(&roots.other("")),
            zfs: ZfsCache::open(&roots),
            gpus: Gpus::new(roots),
        }
    }

    /// The next reading is due at `due`: what takes long is read just before, on other threads.
    pub(super) fn prepare(&mut self, due: Instant) {
        self.gpus.prepare(due);
    }

    /// Waits for what other threads read.
    #[cfg(test)]
    pub(super) fn settle(&mut self) {
        self.gpus.settle(Duration::from_secs(60));
    }

    /// Adds everything that can be read to `reading`.
    pub(super) fn read(&mut self, reading: &mut Reading) {
        self.mounts.refresh(&mut self.text);
        self.spaces.begin(self.mounts.list());
        self.limits.refresh(reading.at);
        reading.cpu_limits = self.limits.cpu();
        self.read_cpu(reading);
        self.read_memory(reading);
        self.read_devices(reading);
        self.read_kernel(reading);
        reading.users = self.users.logged_in();
        self.read_agent(&mut reading.agent);
        reading.process_count = self.census.count(reading.at);
        reading.spaces = self.spaces.finish(self.mounts.list());
    }
}

impl Machine {
    fn read_cpu(&mut self, reading: &mut Reading) {
        let file = &self.files.stat;
        if let Some(text) = file.read(&mut self.text) {
            (reading.cpu, reading.cores) = counters::cpu(text, &|line| file.skip(line));
            reading.scheduler = counters::scheduler(text, &|line| file.skip(line));
        }
        let file = &self.files.loadavg;
        let text = file.read(&mut self.text);
        reading.load = text.and_then(|text| counters::load(text, &|line| file.skip(line)));
        let file = &self.files.uptime;
        let text = file.read(&mut self.text);
        reading.uptime = text.and_then(|text| counters::uptime(text, &|line| file.skip(line)));
    }

    fn read_memory(&mut self, reading: &mut Reading) {
        let file = &self.files.meminfo;
        let Some(text) = file.read(&mut self.text) else {
            return;
        };
        let info = Meminfo::parse(text, &|line| file.skip(line));
        reading.physical = info.physical();
        reading.swap = info.swap();
        reading.dirty = info.dirty();
        let limited = self.limits.memory(reading.physical);
        reading.memory = limited.unwrap_or_else(|| {
            let mut memory = info.memory()?;
            self.zfs.add_to(&mut memory, reading.at, &mut self.text);
            Some(memory)
        });
    }

    fn read_devices(&mut self, reading: &mut Reading) {
        let file = &self.files.diskstats;
        if let Some(text) = file.read(&mut self.text) {
            let skip = |line: &[u8]| file.skip(line);
            reading.disks = self.disks.read(text, reading.at, &skip);
        }
        let file = &self.files.net_dev;
        if let Some(text) = file.read(&mut self.text) {
            let skip = |line: &[u8]| file.skip(line);
            reading.interfaces = self.interfaces.read(text, reading.at, &skip);
        }
        reading.temperatures = self.sensors.read(reading.at);
        reading.gpus = self.gpus.read(reading.at);
    }

    fn read_kernel(&mut self, reading: &mut Reading) {
        let (files, buffer) = (&self.files, &mut self.text);
        let file = &files.net_snmp;
        let text = file.read(buffer);
        reading.tcp = text.and_then(|text| tcp::tcp(text, &|line| file.skip(line)));
        let file = &files.net_netstat;
        let text = file.read(buffer);
        reading.listen_drops =
            text.and_then(|text| tcp::listen_drops(text, &|line| file.skip(line)));
        reading.descriptors = self.tables.descriptors(buffer);
        reading.conntrack = self.tables.conntrack(reading.at);
        let file = &files.vmstat;
        let text = file.read(buffer);
        if let Some(text) = text {
            let skip = |line: &[u8]| file.skip(line);
            reading.paging = paging::paging(text, procfs::page_size(), &skip);
        }
        let [cpu, memory, io] = &files.pressure;
        let mut stalls = |file: &ProcFile| {
            let at = Instant::now();
            let text = file.read(buffer)?;
            Some(pressure::stalls(text, at, &|line| file.skip(line)))
        };
        reading.pressure = Pressure {
            cpu: stalls(cpu),
            memory: stalls(memory),
            io: stalls(io),
        };
    }

    fn read_agent(&mut self, agent: &mut Agent) {
        agent.cpu = Some(seconds(clock_gettime(ClockId::ProcessCPUTime)));
        let file = &self.files.statm;
        let text = file.read(&mut self.text);
        let pages = text.and_then(|text| counters::resident(text, &|line| file.skip(line)));
        agent.memory = pages.and_then(|pages| pages.checked_mul(procfs::page_size()));
    }
}

fn seconds(time: Timespec) -> Duration {
    let whole = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(whole, u32::try_from(time.tv_nsec).unwrap_or(0))
}
