//! Why metrics are absent, in words for people.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Instant;

use super::Roots;
use super::census::{Census, Sight};
use crate::wording::cause;

/// Why the metric `name` of the catalogue is absent on this machine.
pub(in crate::source::host) fn why_absent(name: &str) -> String {
    why(name, &Roots::real())
}

/// Why processes cannot be listed; `None` if they can.
pub(in crate::source::host) fn why_no_processes() -> Option<String> {
    hidden(&mut Census::new(Roots::real().proc("")))
}

fn hidden(census: &mut Census) -> Option<String> {
    let reason = "/proc hides the processes of other users (hidepid=, or ProtectProc= of a service), and a few would \
                  pass for all";
    (census.sight(Instant::now()) != Sight::All).then(|| reason.to_owned())
}

/// The name of a metric begins with the first, and then the last says why it is absent; for the file in the middle, if
/// that is not there.
const REASONS: [(&str, &str, &str); 14] = [
    (
        "pressure",
        "proc/pressure/cpu",
        "this kernel keeps no pressure stall information: it needs CONFIG_PSI, and on some systems psi=1 at boot",
    ),
    ("pressure", "", "this kernel keeps no such total"),
    (
        "temperature",
        "",
        "no sensor is visible, as in most virtual machines and containers",
    ),
    (
        "gpu",
        "",
        "no graphics card is visible whose driver reports it",
    ),
    ("cpuQuota", "", NO_QUOTA),
    ("cpuThrottled", "", NO_QUOTA),
    (
        "conntrack",
        "",
        "the kernel tracks no connections, or only where this process cannot see it",
    ),
    ("diskRead", "", NO_DISKS),
    ("diskWri", "", NO_DISKS),
    ("diskBusy", "", NO_DISKS),
    ("diskAwait", "", NO_DISKS),
    ("diskQueue", "", NO_DISKS),
    (
        "disk",
        "",
        "no filesystem on a disk is mounted where this process can see it",
    ),
    (
        "network",
        "",
        "no network interface is visible that is not loopback",
    ),
];

const NO_QUOTA: &str = "this is no container with a CPU quota";

const NO_DISKS: &str = "no physical disk is visible, as in most containers";

/// The files that the other metrics are read from.
const FILES: [(&str, &str); 8] = [
    ("swap", "proc/vmstat"),
    ("majorFaults", "proc/vmstat"),
    ("oomKills", "proc/vmstat"),
    ("tcp", "proc/net/snmp"),
    ("requestsPerSecond", "proc/net/snmp"),
    ("listenDrops", "proc/net/netstat"),
    ("fileDescriptors", "proc/sys/fs/file-nr"),
    ("load", "proc/loadavg"),
];

fn why(name: &str, roots: &Roots) -> String {
    if name == "swap" {
        return "this machine has no swap".to_owned();
    }
    let is_missing = |file: &str| fs::read(roots.other(file)).is_err();
    if name == "exitedCpu" {
        let mut census = Census::new(roots.proc(""));
        if hidden(&mut census).is_some() {
            return "/proc hides the processes of other users".to_owned();
        } else if !census.is_in_first_namespace() {
            return "a container sees only its own processes".to_owned();
        }
    }
    let mut reasons = REASONS.iter().filter(|(start, file, _)| {
        name.starts_with(start) && (file.is_empty() || is_missing(file))
    });
    if let Some((_, file, reason)) = reasons.next() {
        return denied(&roots.other(file), file).unwrap_or_else(|| (*reason).to_owned());
    }
    let files = FILES.iter().filter(|(start, _)| name.starts_with(start));
    let unread = files.map(|(_, file)| (roots.other(file), file));
    let unread = unread.filter_map(|(path, file)| {
        let error = fs::read(path).err()?;
        Some(format!("/{file} cannot be read: {}", cause(&error)))
    });
    let unread = unread.into_iter().next();
    unread.unwrap_or_else(|| "this kernel does not report it".to_owned())
}

/// A file that exists but must not be read, as under a sandbox.
fn denied(path: &Path, file: &str) -> Option<String> {
    let error = fs::read(path).err()?;
    let is_there = !file.is_empty() && error.kind() != ErrorKind::NotFound;
    is_there.then(|| format!("/{file} cannot be read: {}", cause(&error)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::host::linux::fixture::write;

    #[test]
    fn a_reason_says_what_is_missing() {
        let root = tempfile::tempdir().unwrap();
        let roots = Roots::below(root.path(), Arc::new(|_| None));
        for (name, expected) in [
            ("pressureCpu", "CONFIG_PSI"),
            ("pressureMemoryFull", "CONFIG_PSI"),
            ("temperature", "no sensor"),
            ("gpuMemory", "no graphics card"),
            ("cpuQuota", "no container with a CPU quota"),
            ("diskRead", "no physical disk"),
            ("diskWrites", "no physical disk"),
            ("disk", "no filesystem"),
            ("networkSent", "no network interface"),
            ("conntrack", "tracks no connections"),
            (
                "tcpRetransmits",
                "/proc/net/snmp cannot be read: no such file",
            ),
            ("swapIn", "/proc/vmstat cannot be read"),
            ("swap", "has no swap"),
            ("exitedCpu", "a container sees only"),
            ("uptime", "does not report it"),
        ] {
            let reason = why(name, &roots);
            assert!(reason.contains(expected), "{name}: {reason}");
        }
        write(&root.path().join("proc/pressure/cpu"), b"some total=1\n");
        assert!(why("pressureCpuFull", &roots).contains("no such total"));
        // It is there, and yet cannot be read.
        std::fs::create_dir_all(root.path().join("proc/net/snmp")).unwrap();
        let reason = why("tcpConnections", &roots);
        assert!(
            reason.starts_with("/proc/net/snmp cannot be read: "),
            "{reason}"
        );
    }

    #[test]
    fn hidden_processes_have_a_reason() {
        let root = tempfile::tempdir().unwrap();
        let proc = root.path().join("proc");
        write(
            &proc.join("self/mountinfo"),
            b"22 27 0:21 / /proc rw - proc proc rw,hidepid=2\n",
        );
        write(&proc.join("self/status"), b"Gid:\t7\t7\t7\t7\nCapEff:\t0\n");
        let reason = hidden(&mut Census::new(&proc)).unwrap();
        assert!(reason.contains("hidepid="), "{reason}");
        let roots = Roots::below(root.path(), Arc::new(|_| None));
        assert!(why("exitedCpu", &roots).contains("hides"));
    }
}
