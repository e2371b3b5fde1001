//! Every file that is read × every way in which it may be corrupt: only its own values may be affected, and they must
//! be absent, unchanged or plausible.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use super::linux::fixture::write;
use super::reading::{Occupancy, Space};
use super::stand_in;

/// A file below the root, its first and second contents, the names that come from it, and whether its lines are
/// independent of each other.
struct File {
    path: &'static str,
    first: &'static str,
    then: &'static str,
    names: &'static [&'static str],
    has_lines: bool,
}

const fn lines(
    path: &'static str,
    first: &'static str,
    then: &'static str,
    names: &'static [&'static str],
) -> File {
    File {
        path,
        first,
        then,
        names,
        has_lines: true,
    }
}

const fn single(path: &'static str, text: &'static str, names: &'static [&'static str]) -> File {
    File {
        path,
        first: text,
        then: text,
        names,
        has_lines: false,
    }
}

/// The shares of processes are those of the same memory.
const MEMORY: &[&str] = &["memory", "memoryUsed", "memoryAvailable", "top"];
const DISKS: &[&str] = &[
    "diskRead",
    "diskWritten",
    "diskBusy",
    "diskReads",
    "diskWrites",
    "diskAwait",
    "diskQueue",
];
const SPACES: &[&str] = &["disk", "diskFree", "diskSize", "inodes"];
const NETWORK: &[&str] = &[
    "networkReceived",
    "networkSent",
    "networkErrors",
    "networkPacketsReceived",
    "networkPacketsSent",
    "networkDrops",
];
const LIMITS: &[&str] = &["cpuQuota", "cpuThrottled"];
/// What depends on where the control groups are.
const SCOPES: &[&str] = &[
    "memory",
    "memoryUsed",
    "memoryAvailable",
    "top",
    "cpuQuota",
    "cpuThrottled",
];

/// Everything that a reading opens, except what only tells devices apart (links and directories).
const FILES: &[File] = &[
    lines(
        "proc/stat",
        "cpu 10 0 10 100 5 0 0 0 0 0\ncpu0 5 0 5 50 5 0 0 0 0 0\ncpu1 5 0 5 50 0 0 0 0 0 0\nintr 9 9\nctxt 100\nprocesses 7\nprocs_running 3\nprocs_blocked 1\n",
        "cpu 60 0 20 190 10 0 0 2 0 0\ncpu0 30 0 10 95 10 0 0 1 0 0\ncpu1 30 0 10 95 0 0 0 1 0 0\nintr 9 9\nctxt 500\nprocesses 17\nprocs_running 4\nprocs_blocked 2\n",
        // The shares of processes also depend on the number of cores.
        &[
            "cpu",
            "iowait",
            "steal",
            "cpuUser",
            "cpuSystem",
            "tasksRunnable",
            "tasksBlocked",
            "contextSwitches",
            "forks",
            "agentCpu",
            "exitedCpu",
            "top",
        ],
    ),
    lines(
        "proc/meminfo",
        "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\nBuffers: 9 kB\nCached: 200 kB\nDirty: 7 kB\nWriteback: 1 kB\nSwapTotal: 100 kB\nSwapFree: 60 kB\nHugePages_Total: 0\n",
        "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 300 kB\nBuffers: 9 kB\nCached: 200 kB\nDirty: 7 kB\nWriteback: 1 kB\nSwapTotal: 100 kB\nSwapFree: 50 kB\nHugePages_Total: 0\n",
        &[
            "memory",
            "memoryUsed",
            "memoryAvailable",
            "memoryDirty",
            "swap",
            "top",
        ],
    ),
    single(
        "proc/loadavg",
        "0.50 1.25 2.00 3/100 4567\n",
        &["load1", "load5", "load15"],
    ),
    single("proc/uptime", "1234.56 99.00\n", &["uptime"]),
    lines(
        "proc/diskstats",
        " 8 0 sda 1 0 200 0 1 0 400 0 0 50 0\n 8 1 sda1 1 0 200 0 1 0 400 0 0 50 0\n 8 16 sdb 1 0 2 0 1 0 4 0 0 5 0\n",
        " 8 0 sda 5 0 600 40 7 0 480 60 3 250 100\n 8 1 sda1 1 0 600 0 1 0 480 0 0 250 0\n 8 16 sdb 1 0 4 0 1 0 8 0 0 9 0\n",
        DISKS,
    ),
    lines(
        "proc/net/dev",
        "Inter-|   Receive  |  Transmit\n face |bytes |bytes\n    lo: 7 7 0 0 0 0 0 0 7 7 0 0 0 0 0 0\n  eth0: 100 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n  eth1: 5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n",
        "Inter-|   Receive  |  Transmit\n face |bytes |bytes\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  eth0: 300 5 2 3 0 0 0 0 600 7 0 1 0 0 0 0\n  eth1: 9 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0\n",
        NETWORK,
    ),
    lines(
        "proc/net/snmp",
        "Ip: Forwarding\nIp: 1\nTcp: RtoMin MaxConn PassiveOpens RetransSegs OutRsts CurrEstab\nTcp: 200 -1 17 5 1 8\n",
        "Ip: Forwarding\nIp: 1\nTcp: RtoMin MaxConn PassiveOpens RetransSegs OutRsts CurrEstab\nTcp: 200 -1 37 9 1 9\n",
        &["tcpRetransmits", "requestsPerSecond", "tcpConnections"],
    ),
    lines(
        "proc/net/netstat",
        "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 0 3 4\nIpExt: InNoRoutes\nIpExt: 0\n",
        "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 0 7 14\nIpExt: InNoRoutes\nIpExt: 0\n",
        &["listenDrops"],
    ),
    single("proc/sys/fs/file-nr", "50\t0\t200\n", &["fileDescriptors"]),
    single(
        "proc/sys/net/netfilter/nf_conntrack_count",
        "3\n",
        &["conntrack"],
    ),
    single(
        "proc/sys/net/netfilter/nf_conntrack_max",
        "12\n",
        &["conntrack"],
    ),
    lines(
        "proc/vmstat",
        "nr_free_pages 5\npswpin 10\npswpout 20\noom_kill 2\npgfault 9\npgmajfault 50\n",
        "nr_free_pages 5\npswpin 11\npswpout 26\noom_kill 4\npgfault 9\npgmajfault 70\n",
        &["oomKills", "swapIn", "swapOut", "majorFaults"],
    ),
    single("proc/self/statm", "100 50 10 1 0 9 0\n", &["agentMemory"]),
    lines(
        "proc/pressure/cpu",
        "some avg10=1.00 avg60=0.00 avg300=0.00 total=1000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
        "some avg10=2.50 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
        &["pressureCpu"],
    ),
    lines(
        "proc/pressure/memory",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=10\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n",
        "some avg10=3.50 avg60=0.00 avg300=0.00 total=1000010\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=200005\n",
        &["pressureMemory", "pressureMemoryFull"],
    ),
    lines(
        "proc/pressure/io",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=10\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n",
        "some avg10=4.50 avg60=0.00 avg300=0.00 total=1500010\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=600005\n",
        &["pressureIo", "pressureIoFull"],
    ),
    lines(
        "proc/self/mountinfo",
        "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 20 8:16 / /data rw shared:2 - xfs /dev/sdb rw\n22 20 0:30 / /proc rw - proc proc rw\n23 20 0:31 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 20 8:16 / /data rw shared:2 - xfs /dev/sdb rw\n22 20 0:30 / /proc rw - proc proc rw\n23 20 0:31 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        // It also shows whether processes are hidden, and where the control groups are.
        &[
            "disk",
            "diskFree",
            "diskSize",
            "inodes",
            "processCount",
            "top",
            "memory",
            "memoryUsed",
            "memoryAvailable",
            "cpuQuota",
            "cpuThrottled",
        ],
    ),
    single(
        "proc/7/stat",
        "7 (a b) S 1 7 7 0 -1 0 0 0 0 0 150 50 0 0 20 0 3 0 1234 4096000 25 1 1\n",
        &["processCount", "exitedCpu", "top"],
    ),
    single(
        "proc/8/stat",
        "8 (c) R 1 8 8 0 -1 0 0 0 0 0 15 5 0 0 20 0 3 0 1235 4096000 50 1 1\n",
        &["processCount", "exitedCpu", "top"],
    ),
    single("proc/self/cgroup", "0::/\n", SCOPES),
    single("proc/1/cgroup", "0::/\n", SCOPES),
    single("sys/fs/cgroup/cpu.max", "50000 100000\n", LIMITS),
    lines(
        "sys/fs/cgroup/cpu.stat",
        "usage_usec 1000\nuser_usec 7\nnr_periods 10\nnr_throttled 5\nthrottled_usec 8\n",
        "usage_usec 501000\nuser_usec 7\nnr_periods 30\nnr_throttled 10\nthrottled_usec 8\n",
        LIMITS,
    ),
    single("sys/fs/cgroup/memory.max", "512000\n", MEMORY),
    single("sys/fs/cgroup/memory.current", "300000\n", MEMORY),
    lines(
        "sys/fs/cgroup/memory.stat",
        "anon 1\ninactive_file 100000\nslab 5\n",
        "anon 1\ninactive_file 90000\nslab 5\n",
        MEMORY,
    ),
    single("sys/block/sda/size", "1000\n", DISKS),
    single("sys/block/sda/hidden", "0\n", DISKS),
    single("sys/block/sdb/size", "1000\n", DISKS),
    single("sys/dev/block/8:1/ro", "0\n", SPACES),
    single("sys/dev/block/8:16/ro", "0\n", SPACES),
    single("sys/class/net/lo/type", "772\n", NETWORK),
    single("sys/class/net/eth0/type", "1\n", NETWORK),
    single(
        "sys/class/net/eth0/uevent",
        "INTERFACE=eth0\nIFINDEX=2\n",
        NETWORK,
    ),
    single("sys/class/net/eth1/type", "1\n", NETWORK),
    single("sys/class/net/br0/type", "1\n", NETWORK),
    single("sys/class/hwmon/hwmon0/name", "nvme\n", &["temperature"]),
    single(
        "sys/class/hwmon/hwmon0/temp1_label",
        "Composite\n",
        &["temperature"],
    ),
    single(
        "sys/class/hwmon/hwmon0/temp1_input",
        "41850\n",
        &["temperature"],
    ),
    single("sys/class/hwmon/hwmon1/name", "chip\n", &["temperature"]),
    single(
        "sys/class/hwmon/hwmon1/temp1_input",
        "30000\n",
        &["temperature"],
    ),
    single(
        "sys/class/hwmon/hwmon1/temp1_fault",
        "0\n",
        &["temperature"],
    ),
];

fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let path = |path: &str| root.path().join(path);
    for file in FILES {
        write(&path(file.path), file.first.as_bytes());
    }
    for dir in ["sda/device", "sda/slaves", "sdb/device", "sdb/slaves"] {
        fs::create_dir_all(path("sys/block").join(dir)).unwrap();
    }
    symlink("../../devices/nvme0", path("sys/class/hwmon/hwmon0/device")).unwrap();
    fs::create_dir_all(path("proc/self/ns")).unwrap();
    symlink("pid:[4026531836]", path("proc/self/ns/pid")).unwrap();
    // A container that sees the processes of the host.
    symlink("cgroup:[4026532999]", path("proc/self/ns/cgroup")).unwrap();
    root
}

/// The values of a machine whose files are below `root`: a reading of the first contents, and two seconds later one of
/// the second. `before` and `after` run before each.
fn values(root: &Path, before: impl Fn(), after: impl Fn()) -> BTreeMap<String, Option<f64>> {
    let space = Space {
        used: 3,
        available: 1,
        size: 5,
        inodes: Some(Occupancy { used: 1, limit: 4 }),
    };
    let changing = || FILES.iter().filter(|file| file.first != file.then);
    for file in changing() {
        write(&root.join(file.path), file.first.as_bytes());
    }
    before();
    stand_in::values(root, Arc::new(move |_| Some(space)), || {
        for file in changing().filter(|file| root.join(file.path).exists()) {
            write(&root.join(file.path), file.then.as_bytes());
        }
        after();
    })
}

/// The ways in which a text may be corrupt.
fn faults(file: &File) -> Vec<(String, Vec<u8>)> {
    let text = file.then;
    let mut faults = vec![("empty".to_owned(), Vec::new())];
    let tokens = tokens(text);
    for &(from, to) in &tokens {
        faults.push((format!("cut at {to}"), text.as_bytes()[..to].to_vec()));
        let mut put = |what: &[u8]| {
            let text = [&text.as_bytes()[..from], what, &text.as_bytes()[to..]].concat();
            faults.push((format!("{} at {from}", what.escape_ascii()), text));
        };
        put(b"\xff");
        if text.as_bytes()[from..to].iter().any(u8::is_ascii_digit) {
            put(b"18446744073709551615");
            put(b"99999999999999999999999");
            put(b"-7");
        }
    }
    for (number, _) in text.lines().enumerate() {
        let rest = text.lines().enumerate().filter(|&(n, _)| n != number);
        let rest: String = rest.map(|(_, line)| format!("{line}\n")).collect();
        faults.push((format!("without line {number}"), rest.into_bytes()));
    }
    faults
}

/// The start and end of each token, separated by blanks and punctuation.
fn tokens(text: &str) -> Vec<(usize, usize)> {
    let is_between = |c: char| c.is_whitespace() || "=:,".contains(c);
    let starts = text
        .char_indices()
        .filter(|&(at, c)| !is_between(c) && text[..at].chars().next_back().is_none_or(is_between));
    let token = |(from, _): (usize, char)| {
        let len = text[from..].find(is_between).unwrap_or(text.len() - from);
        (from, from + len)
    };
    starts.map(token).collect()
}

#[track_caller]
fn compare(
    file: &File,
    fault: &str,
    good: &BTreeMap<String, Option<f64>>,
    bad: &BTreeMap<String, Option<f64>>,
) {
    let is_own = |name: &str| {
        let family = name.split_once(':').map_or(name, |(family, _)| family);
        file.names.contains(&family)
    };
    for (name, value) in good.iter().filter(|(name, _)| !is_own(name)) {
        assert_eq!(bad.get(name), Some(value), "{}: {fault}: {name}", file.path);
    }
    for (name, value) in bad.iter().filter(|(name, _)| is_own(name)) {
        // No value may be impossible; shares are bounded anyway.
        let is_sane = value.is_none_or(|value| (-60.0..1e10).contains(&value));
        assert!(is_sane, "{}: {fault}: {name} = {value:?}", file.path);
    }
    let strange = bad
        .keys()
        .filter(|name| !good.contains_key(*name) && !is_own(name));
    assert_eq!(strange.count(), 0, "{}: {fault}", file.path);
}

#[test]
fn the_fixture_is_complete() {
    let root = root();
    let good = values(root.path(), || {}, || {});
    let expected = [
        ("cpu", 39.49),
        ("iowait", 3.18),
        ("cpuUser", 31.85),
        ("cpuSystem", 6.37),
        ("tasksRunnable", 3.0),
        ("tasksBlocked", 2.0),
        ("contextSwitches", 200.0),
        ("forks", 5.0),
        ("cpuQuota", 50.0),
        ("cpuThrottled", 25.0),
        ("memory", 41.02),
        ("swap", 50.0),
        ("load5", 1.25),
        ("disk:/", 75.0),
        ("disk:/data", 75.0),
        ("diskFree:/", 1.0),
        ("diskSize:/data", 5.0),
        ("inodes", 25.0),
        ("diskRead:sda", 102_400.0),
        ("diskBusy", 10.0),
        ("diskReads:sda", 2.0),
        ("diskWrites", 3.0),
        ("diskAwait", 10.0),
        ("diskQueue:sda", 0.05),
        ("networkReceived", 102.0),
        ("networkErrors:eth0", 1.0),
        ("networkPacketsReceived", 2.0),
        ("networkPacketsSent:eth0", 3.0),
        ("networkDrops", 2.0),
        ("tcpRetransmits", 2.0),
        ("requestsPerSecond", 10.0),
        ("oomKills", 1.0),
        ("tcpConnections", 9.0),
        ("listenDrops", 5.0),
        ("fileDescriptors", 25.0),
        ("conntrack", 25.0),
        ("temperature", 41.85),
        ("temperature:Composite", 41.85),
        ("temperature:chip temp1", 30.0),
        ("pressureCpu", 25.0),
        ("pressureMemory", 50.0),
        ("pressureMemoryFull", 10.0),
        ("pressureIo", 75.0),
        ("pressureIoFull", 30.0),
        ("swapIn", 2048.0),
        ("swapOut", 12_288.0),
        ("majorFaults", 10.0),
        ("memoryDirty", 8192.0),
        // 1, 7 and 8.
        ("processCount", 3.0),
        ("exitedCpu", 15.0),
        ("uptime", 1234.0),
    ];
    for (name, value) in expected {
        assert_eq!(good.get(name), Some(&Some(value)), "{name}: {good:#?}");
    }
}

#[test]
fn a_corrupt_file_affects_only_its_own_values() {
    each(FILES.iter(), |file| {
        let root = root();
        let good = values(root.path(), || {}, || {});
        let path = root.path().join(file.path);
        let missing = values(root.path(), || fs::remove_file(&path).unwrap(), || {});
        compare(file, "missing", &good, &missing);
        for (fault, text) in faults(file) {
            // What is read once must be corrupt from the start; what changes becomes corrupt later.
            let bad = if file.first == file.then {
                values(root.path(), || write(&path, &text), || {})
            } else {
                values(root.path(), || {}, || write(&path, &text))
            };
            compare(file, &fault, &good, &bad);
        }
    });
}

/// Tests the files on several threads: a reading waits for the thread that queries filesystems.
fn each<'a>(files: impl Iterator<Item = &'a File>, test: impl Fn(&File) + Sync) {
    std::thread::scope(|scope| {
        for file in files {
            let test = &test;
            scope.spawn(move || test(file));
        }
    });
}

#[test]
fn an_invalid_line_affects_nothing_else() {
    each(FILES.iter().filter(|file| file.has_lines), |file| {
        let root = root();
        let good = values(root.path(), || {}, || {});
        let path = root.path().join(file.path);
        let count = file.then.lines().count();
        for line in [
            &b"\xff\xfe \xff: -1 x"[..],
            b"",
            b"   ",
            b"-",
            b"::: 1 2 3",
            &[b'9'; 9000],
        ] {
            for place in 0..=count {
                let with = |text: &str| {
                    let mut lines: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
                    lines.insert(place, line);
                    [&lines.join(&b"\n"[..])[..], b"\n"].concat()
                };
                let (first, then) = (with(file.first), with(file.then));
                let bad = values(root.path(), || write(&path, &first), || write(&path, &then));
                assert_eq!(bad, good, "{}: {}", file.path, line.escape_ascii());
            }
        }
    });
}
