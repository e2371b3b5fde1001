//! Systems other than Linux: what sysinfo can read. Everything else is absent there.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sysinfo::{
    Components, DiskRefreshKind, Disks, MINIMUM_CPU_UPDATE_INTERVAL, MemoryRefreshKind, Networks,
    Pid, ProcessRefreshKind, ProcessesToUpdate, System,
};

use super::labels::{Labelled, Labels};
use super::reading::{Agent, Cpu, Interface, Memory, Reading, Roll, Space, Swap, Task};
use super::spaces::{Mount, PATIENCE, Spaces};

/// How long the list of mounts stays valid.
const LIST_AGE: Duration = Duration::from_secs(10);

/// How long the list of sensors stays valid. Their values are read for every sample.
const SENSORS_AGE: Duration = Duration::from_secs(60);

/// The state kept between readings.
pub(super) struct Machine {
    system: Option<System>,
    cpu_read: Option<Instant>,
    networks: Option<Networks>,
    spaces: Spaces,
    mounts: Vec<Mount>,
    mounts_read: Option<Instant>,
    sensors: Option<Components>,
    sensors_listed: Option<Instant>,
    sensor_labels: Labels,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self {
            system: System::new().ok(),
            cpu_read: None,
            networks: Networks::new().ok(),
            spaces: Spaces::new(Arc::new(space), PATIENCE),
            mounts: Vec::new(),
            mounts_read: None,
            sensors: Components::new().ok(),
            sensors_listed: None,
            sensor_labels: Labels::default(),
        }
    }

    /// Nothing is read ahead of a reading.
    pub(super) fn prepare(&mut self, _due: Instant) {}

    /// Adds everything that can be read to `reading`.
    pub(super) fn read(&mut self, reading: &mut Reading) {
        self.refresh_mounts(reading.at);
        self.spaces.begin(&self.mounts);
        self.read_cpu(reading);
        self.read_memory(reading);
        self.read_sensors(reading);
        reading.load = System::load_average()
            .ok()
            .map(|load| [load.one, load.five, load.fifteen]);
        reading.uptime = System::uptime().ok();
        if let Some(networks) = &mut self.networks {
            networks.refresh(true);
            reading.interfaces = interfaces(networks);
        }
        self.read_agent(&mut reading.agent);
        reading.spaces = self.spaces.finish(&self.mounts);
    }

    fn refresh_mounts(&mut self, now: Instant) {
        let is_fresh = |read| now.saturating_duration_since(read) < LIST_AGE;
        if self.mounts_read.is_some_and(is_fresh) {
            return;
        }
        self.mounts_read = Some(now);
        let Ok(disks) = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing()) else {
            return;
        };
        let mounts = disks.iter().map(|disk| Mount {
            id: 0,
            name: disk.mount_point().to_string_lossy().into(),
            path: disk.mount_point().to_owned(),
        });
        self.mounts = mounts.collect();
    }

    fn read_cpu(&mut self, reading: &mut Reading) {
        let Some(system) = &mut self.system else {
            return;
        };
        // Asked again too soon, sysinfo repeats its answer; the first time, it has nothing to compare with.
        let before = self.cpu_read.replace(reading.at);
        system.refresh_cpu_usage();
        let elapsed = before.map(|before| reading.at.saturating_duration_since(before));
        let is_measured = elapsed.is_some_and(|elapsed| MINIMUM_CPU_UPDATE_INTERVAL <= elapsed);
        let measured = |percent| Cpu::Measured(if is_measured { percent } else { f64::NAN });
        reading.cpu = Some(measured(f64::from(system.global_cpu_usage())));
        let cores = system.cpus().iter();
        reading.cores = (0..)
            .zip(cores.map(|core| measured(f64::from(core.usage()))))
            .collect();
    }

    fn read_memory(&mut self, reading: &mut Reading) {
        let Some(system) = &mut self.system else {
            return;
        };
        system.refresh_memory_specifics(MemoryRefreshKind::everything());
        let (total, swap) = (system.total_memory(), system.total_swap());
        reading.physical = total;
        reading.memory = (total != 0).then(|| Memory {
            total,
            available: system.available_memory().min(total),
        });
        // Its used swap is a difference that may wrap.
        reading.swap = (swap != 0).then(|| Swap {
            total: swap,
            used: swap.saturating_sub(system.free_swap()),
        });
    }

    fn read_sensors(&mut self, reading: &mut Reading) {
        let Some(sensors) = &mut self.sensors else {
            return;
        };
        let is_fresh = |listed| reading.at.saturating_duration_since(listed) < SENSORS_AGE;
        if !self.sensors_listed.is_some_and(is_fresh) {
            self.sensors_listed = Some(reading.at);
            sensors.refresh(true);
        }
        let labelled: Vec<Labelled> = sensors.iter().map(labelled).collect();
        let names = self.sensor_labels.name(&labelled);
        let read = names
            .into_iter()
            .zip(sensors.iter_mut())
            .map(|(name, sensor)| {
                sensor.refresh();
                (name, sensor.temperature().map(f64::from))
            });
        reading.temperatures = read.collect();
    }

    fn read_agent(&mut self, agent: &mut Agent) {
        let Some(system) = &mut self.system else {
            return;
        };
        let me = [Pid::from_u32(std::process::id())];
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&me), true, wanted());
        if let Some(me) = system.process(me[0]) {
            agent.cpu = Some(Duration::from_millis(me.accumulated_cpu_time()));
            agent.memory = Some(me.memory());
        }
    }
}

/// What is read of a process.
fn wanted() -> ProcessRefreshKind {
    let wanted = ProcessRefreshKind::nothing().with_cpu().with_memory();
    wanted.without_tasks()
}

/// Lists processes; used on a thread of its own.
pub(super) struct Roster {
    system: Option<System>,
}

impl Roster {
    /// Containers are not listed, so their number doesn't matter.
    pub(super) fn new(_count: usize) -> Self {
        Self {
            system: System::new().ok(),
        }
    }

    pub(super) fn read(&mut self) -> Roll {
        let mut roll = Roll::begin();
        if let Some(system) = &mut self.system {
            system.refresh_processes_specifics(ProcessesToUpdate::All, true, wanted());
            roll.processes = Some(tasks(system));
        }
        roll
    }
}

/// In ascending order of pids.
fn tasks(system: &System) -> Vec<Task> {
    let tasks = system.processes().values().map(|process| Task {
        pid: process.pid().as_u32(),
        name: process.name().to_string_lossy().into(),
        started: process.start_time() as f64,
        cpu: Duration::from_millis(process.accumulated_cpu_time()),
        parent: process.parent().map_or(0, Pid::as_u32),
        reaped: Duration::ZERO,
        memory: process.memory(),
        state: None,
        is_kernel: false,
        threads: None,
    });
    let mut tasks: Vec<Task> = tasks.collect();
    tasks.sort_unstable_by_key(|task| task.pid);
    tasks
}

fn labelled(sensor: &sysinfo::Component) -> Labelled {
    let device = sensor.id().unwrap_or_default();
    Labelled {
        key: format!("{device} {}", sensor.label()).into_bytes(),
        label: sensor.label().into(),
        device: device.to_owned(),
    }
}

fn interfaces(networks: &Networks) -> Vec<Interface> {
    let counted = networks.iter().filter(|(name, _)| !is_loopback(name));
    let interfaces = counted.map(|(name, data)| Interface {
        name: name.to_string_lossy().into(),
        received: data.total_received(),
        sent: data.total_transmitted(),
        packets_received: data.total_packets_received(),
        packets_sent: data.total_packets_transmitted(),
        errors: data
            .total_errors_on_received()
            .saturating_add(data.total_errors_on_transmitted()),
        drops: None,
    });
    let mut interfaces: Vec<Interface> = interfaces.collect();
    interfaces.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    interfaces
}

/// `lo`, `lo0`, `Loopback Pseudo-Interface 1`.
fn is_loopback(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("Loopback") || name.trim_end_matches(|c: char| c.is_ascii_digit()) == "lo"
}

/// Asks the filesystem at `path`.
fn space(path: &Path) -> Option<Space> {
    let wanted = DiskRefreshKind::nothing().with_storage();
    let disks = Disks::new_with_refreshed_list_specifics(wanted).ok()?;
    let disk = disks.iter().find(|disk| disk.mount_point() == path)?;
    let (size, available) = (disk.total_space(), disk.available_space());
    Some(Space {
        used: size.saturating_sub(available),
        available,
        size,
        inodes: None,
    })
}
