//! One reading of the machine: absolute values and counters, nothing derived.
//!
//! A field is `None`, or a list lacks an entry, if the system didn't provide it. The shape is the same on every
//! platform.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::millis::epoch_millis;

/// One reading of the machine.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// When, by the monotonic clock, which stops while the machine is suspended, as its counters do.
    pub(super) at: Instant,
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub(super) timestamp: u64,
    pub(super) cpu: Option<Cpu>,
    /// In ascending order of core numbers; offline cores are missing.
    pub(super) cores: Vec<(u32, Cpu)>,
    pub(super) scheduler: Scheduler,
    /// Those of the container that this program is in, and of the groups around it.
    pub(super) cpu_limits: Vec<CpuLimit>,
    pub(super) memory: Option<Memory>,
    /// Physical memory in bytes, whatever a cgroup allows; 0 if unknown.
    pub(super) physical: u64,
    /// Bytes that have yet to reach a disk, those on their way included.
    pub(super) dirty: Option<u64>,
    /// `None` also if there is no swap.
    pub(super) swap: Option<Swap>,
    /// Over 1, 5 and 15 minutes.
    pub(super) load: Option<[f64; 3]>,
    /// Real filesystems by mount point; `None` for one that didn't respond in time.
    pub(super) spaces: Vec<(Arc<str>, Option<Space>)>,
    /// Whole physical disks.
    pub(super) disks: Vec<DiskCounters>,
    /// The interfaces that count.
    pub(super) interfaces: Vec<Interface>,
    pub(super) tcp: Option<Tcp>,
    /// TCP connections that no program accepted in time, since boot.
    pub(super) listen_drops: Option<u64>,
    /// Files that are open.
    pub(super) descriptors: Option<Occupancy>,
    /// Connections that the firewall tracks.
    pub(super) conntrack: Option<Occupancy>,
    pub(super) paging: Paging,
    /// Sensors with their °C; `None` for one that could not be read.
    pub(super) temperatures: Vec<(Arc<str>, Option<f64>)>,
    /// Graphics cards, if they have been read since the previous reading.
    pub(super) gpus: Vec<Gpu>,
    pub(super) pressure: Pressure,
    pub(super) process_count: Option<u64>,
    /// In seconds.
    pub(super) uptime: Option<u64>,
    pub(super) users: Option<u64>,
    pub(super) agent: Agent,
}

impl Reading {
    /// An empty reading.
    pub(super) fn begin() -> Self {
        Self {
            at: Instant::now(),
            timestamp: epoch_millis(),
            cpu: None,
            cores: Vec::new(),
            scheduler: Scheduler::default(),
            cpu_limits: Vec::new(),
            memory: None,
            physical: 0,
            dirty: None,
            swap: None,
            load: None,
            spaces: Vec::new(),
            disks: Vec::new(),
            interfaces: Vec::new(),
            tcp: None,
            listen_drops: None,
            descriptors: None,
            conntrack: None,
            paging: Paging::default(),
            temperatures: Vec::new(),
            gpus: Vec::new(),
            pressure: Pressure::default(),
            process_count: None,
            uptime: None,
            users: None,
            agent: Agent::default(),
        }
    }

    /// What the shares of processes are shares of.
    pub(super) fn whole(&self) -> Whole {
        Whole {
            cores: self.cores.len(),
            memory: self.memory.map_or(self.physical, |memory| memory.total),
        }
    }
}

/// The activity of all cores, or of one.
#[allow(dead_code, reason = "each platform makes one of the two")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cpu {
    /// Since boot.
    Counted(Ticks),
    /// The busy share since the previous reading, in percent, if the system doesn't provide counters.
    Measured(f64),
}

/// Time of a core since boot, in ticks of any length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ticks {
    /// In programs, those of low priority included.
    pub(super) user: u64,
    /// In the kernel, on behalf of processes.
    pub(super) system: u64,
    /// In the kernel, for interrupts.
    pub(super) interrupts: u64,
    pub(super) idle: u64,
    /// Idle with I/O in progress.
    pub(super) iowait: u64,
    /// Given to others by the hypervisor.
    pub(super) steal: u64,
}

impl Ticks {
    /// Neither idle nor waiting for I/O; includes stolen time, because nothing here could use it.
    pub(super) fn busy(&self) -> u64 {
        let parts = [self.user, self.system, self.interrupts, self.steal];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

/// What the scheduler has to do, and its counters since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Scheduler {
    /// Tasks that run or could run, except the one that reads this.
    pub(super) runnable: Option<u64>,
    /// Tasks that wait for I/O and can't be interrupted.
    pub(super) blocked: Option<u64>,
    /// Switches from one task to another, on all cores.
    pub(super) switches: Option<u64>,
    /// Processes and threads created.
    pub(super) forks: Option<u64>,
}

/// A control group whose CPU time is limited.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CpuLimit {
    /// Its path, which tells it from others.
    pub(super) name: Arc<str>,
    /// The limit.
    pub(super) cores: f64,
    /// CPU time used, in µs.
    pub(super) used: Option<u64>,
    /// Periods of the limit in which it ran.
    pub(super) periods: Option<u64>,
    /// Those in which it had to wait for the next one.
    pub(super) throttled: Option<u64>,
}

/// In bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) total: u64,
    /// What can be allocated without swapping.
    pub(super) available: u64,
}

/// In bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Swap {
    /// Above 0.
    pub(super) total: u64,
    pub(super) used: u64,
}

/// What lack of memory has done since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Paging {
    /// Bytes read from the swap space.
    pub(super) swapped_in: Option<u64>,
    /// Bytes written to the swap space.
    pub(super) swapped_out: Option<u64>,
    /// Accesses to memory that had to wait for a disk.
    pub(super) major_faults: Option<u64>,
    /// Processes killed.
    pub(super) oom_kills: Option<u64>,
}

/// Of a filesystem, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Space {
    pub(super) used: u64,
    /// Available to ordinary users: what is reserved for root is neither used nor available.
    pub(super) available: u64,
    /// With what is reserved for root.
    pub(super) size: u64,
    /// `None` if there is no limit to their number.
    pub(super) inodes: Option<Occupancy>,
}

/// How much of something limited is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Occupancy {
    pub(super) used: u64,
    pub(super) limit: u64,
}

/// Counters of a disk since boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DiskCounters {
    pub(super) name: Arc<str>,
    /// Reads completed.
    pub(super) reads: u64,
    /// In bytes.
    pub(super) read: u64,
    /// Writes completed.
    pub(super) writes: u64,
    /// In bytes.
    pub(super) written: u64,
    /// Milliseconds that completed reads and writes took, added up.
    pub(super) spent: u64,
    /// Milliseconds with at least one request in progress.
    pub(super) busy: u64,
    /// Milliseconds that requests of every kind were in progress, added up.
    pub(super) queued: u64,
    /// Whether requests are in progress now.
    pub(super) is_waiting: bool,
}

/// Counters of a network interface since it came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: Arc<str>,
    /// In bytes.
    pub(super) received: u64,
    /// In bytes.
    pub(super) sent: u64,
    pub(super) packets_received: u64,
    pub(super) packets_sent: u64,
    /// In both directions.
    pub(super) errors: u64,
    /// Packets that were dropped for lack of room or of interest, in both directions.
    pub(super) drops: Option<u64>,
}

/// Counters of TCP since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tcp {
    /// Segments retransmitted.
    pub(super) retransmits: u64,
    /// Connections accepted, this program's included.
    pub(super) accepted: u64,
    /// Connections that exist now.
    pub(super) established: Option<u64>,
}

/// A graphics card, or another accelerator of that kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gpu {
    /// Its number.
    pub(super) name: Arc<str>,
    /// It is powered down.
    pub(super) is_asleep: bool,
    pub(super) now: GpuValues,
    /// The last value of each kind, however long ago it was read: those that the card has at all.
    pub(super) last: GpuValues,
}

/// What a card says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct GpuValues {
    /// The share of time in which it had something to do, in percent.
    pub(super) busy: Option<f64>,
    /// Its own, in bytes.
    pub(super) memory: Option<Occupancy>,
    /// In W.
    pub(super) power: Option<f64>,
    /// In °C.
    pub(super) temperature: Option<f64>,
    /// In MHz.
    pub(super) clock: Option<f64>,
    /// How often it was found throttled since the previous reading, in percent.
    pub(super) throttled: Option<f64>,
}

#[allow(dead_code, reason = "cards are read on Linux only")]
impl GpuValues {
    /// Each value of these, or else of `other`.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            busy: self.busy.or(other.busy),
            memory: self.memory.or(other.memory),
            power: self.power.or(other.power),
            temperature: self.temperature.or(other.temperature),
            clock: self.clock.or(other.clock),
            throttled: self.throttled.or(other.throttled),
        }
    }

    /// Whether the card has anything to do.
    pub(super) fn is_at_work(&self) -> bool {
        self.busy.is_some_and(|busy| 0.0 < busy)
    }
}

/// For how long tasks have waited for something.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Pressure {
    pub(super) cpu: Option<Stalls>,
    pub(super) memory: Option<Stalls>,
    pub(super) io: Option<Stalls>,
}

/// Microseconds since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stalls {
    /// When they were read: a task that waits may be this program, in the middle of a reading.
    pub(super) at: Instant,
    /// In which some task waited.
    pub(super) some: Option<u64>,
    /// In which all tasks waited that had something to do.
    pub(super) all: Option<u64>,
}

/// The resources and connections of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Agent {
    /// CPU time since its start.
    pub(super) cpu: Option<Duration>,
    /// Resident memory in bytes.
    pub(super) memory: Option<u64>,
    /// Viewers connected.
    pub(super) viewers: u64,
    /// TCP connections that its own listener has accepted since the start.
    pub(super) accepted: u64,
}

/// What the shares of processes are shares of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole {
    /// Logical cores; 0 if unknown.
    pub(super) cores: usize,
    /// In bytes; 0 if unknown.
    pub(super) memory: u64,
}

/// One reading of all processes, which is taken less often than a [`Reading`].
#[derive(Debug, Clone)]
pub(super) struct Roll {
    /// When, by the monotonic clock.
    pub(super) at: Instant,
    /// The clock of [`Task::started`], in seconds.
    pub(super) since_boot: Option<f64>,
    /// In ascending order of pids; `None` if not all are visible.
    pub(super) processes: Option<Vec<Task>>,
    /// The CPU time of all processes since boot, whether they still exist or not; `None` if that of others is not
    /// visible.
    pub(super) cpu: Option<Duration>,
    /// When that was read: a long list takes time, and a busy machine lets its reader wait.
    pub(super) cpu_at: Instant,
    /// Processes and threads created since boot.
    pub(super) forks: Option<u64>,
    /// The top containers and services; `None` if there have never been any.
    pub(super) containers: Option<Vec<ContainerUse>>,
}

/// What a container or service uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContainerUse {
    pub(super) name: String,
    /// CPU time since the previous reading, if known.
    pub(super) cpu: Option<Duration>,
    /// In bytes, without what the kernel reclaims first, if known.
    pub(super) memory: Option<u64>,
}

impl Roll {
    /// An empty reading.
    pub(super) fn begin() -> Self {
        let at = Instant::now();
        Self {
            at,
            cpu_at: at,
            since_boot: None,
            processes: None,
            cpu: None,
            forks: None,
            containers: None,
        }
    }

    /// How many processes there are, if all are visible.
    pub(super) fn process_count(&self) -> Option<u64> {
        Some(self.processes.as_ref()?.len() as u64)
    }
}

/// A process.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Task {
    pub(super) pid: u32,
    pub(super) name: String,
    /// By the clock of [`Roll::since_boot`]; with the pid, it distinguishes a process from a later one with the same
    /// number.
    pub(super) started: f64,
    /// CPU time since its start.
    pub(super) cpu: Duration,
    /// The process that started it, or that has adopted it.
    pub(super) parent: u32,
    /// CPU time of its children that have ended, and of theirs.
    pub(super) reaped: Duration,
    /// Resident memory in bytes.
    pub(super) memory: u64,
    /// The letter that `ps` shows.
    pub(super) state: Option<char>,
    /// It is a thread of the kernel, not a program.
    pub(super) is_kernel: bool,
    pub(super) threads: Option<u64>,
}
