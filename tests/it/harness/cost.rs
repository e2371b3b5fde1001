//! What a process costs, as the kernel counts it.

use std::time::Duration;

use super::metrics::Running;

impl Running {
    /// What is resident now, in KiB.
    #[track_caller]
    pub(crate) fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The time that all threads have spent on a CPU.
    #[track_caller]
    pub(crate) fn cpu_time(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let nanoseconds = tasks.flatten().map(|task| {
            let spent = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let first = spent.split(' ').next().and_then(|text| text.parse().ok());
            first.unwrap_or(0)
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Open descriptors.
    #[track_caller]
    pub(crate) fn descriptors(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        open.count()
    }
}

/// The most unsent data that the kernel buffers for one socket with this local port, in bytes.
pub(crate) fn most_unsent(port: u16) -> u64 {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let queues = table.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        if !words.next()?.ends_with(&local) {
            return None;
        }
        let (unsent, _) = words.nth(2)?.split_once(':')?;
        u64::from_str_radix(unsent, 16).ok()
    });
    queues.max().unwrap_or(0)
}
