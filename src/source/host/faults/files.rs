//! The files that a reading opens, as they are when nothing is wrong.

/// A file below the root, its first and second contents, the names that come from it, and whether its lines are
/// independent of each other.
pub(super) struct File {
    pub(super) path: &'static str,
    pub(super) first: &'static str,
    pub(super) then: &'static str,
    pub(super) names: &'static [&'static str],
    pub(super) has_lines: bool,
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

/// A file of the graphics card.
macro_rules! card {
    ($path:literal, $text:literal) => {
        single(
            concat!("sys/bus/pci/devices/0000:03:00.0/", $path),
            $text,
            GPU,
        )
    };
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
/// The one card is AMD's.
const GPU: &[&str] = &[
    "gpu",
    "gpuMemory",
    "gpuMemoryUsed",
    "gpuPower",
    "gpuTemperature",
    "gpuClock",
];
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
pub(super) const FILES: &[File] = &[
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
    card!("power/control", "auto\n"),
    card!("power/runtime_status", "active\n"),
    card!("power_state", "D0\n"),
    card!("gpu_busy_percent", "35\n"),
    card!("mem_info_vram_used", "300\n"),
    card!("mem_info_vram_total", "400\n"),
    card!("hwmon/hwmon2/name", "amdgpu\n"),
    card!("hwmon/hwmon2/temp1_label", "edge\n"),
    card!("hwmon/hwmon2/temp1_input", "55000\n"),
    card!("hwmon/hwmon2/power1_average", "90500000\n"),
    card!("hwmon/hwmon2/freq1_input", "1500000000\n"),
];
