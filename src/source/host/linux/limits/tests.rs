use super::*;
use crate::source::host::linux::fixture::write;

const PHYSICAL: u64 = 10_000;

/// A container whose files are below the mount point of the control groups, which is not in the list of mounts.
fn limits(files: &[(&str, &str)]) -> (tempfile::TempDir, ContainerLimits) {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(
            &root.path().join("sys/fs/cgroup").join(name),
            text.as_bytes(),
        );
    }
    let mut limits = ContainerLimits::new(&Roots::below(root.path(), Arc::new(|_| None)));
    limits.refresh(Instant::now());
    (root, limits)
}

fn check(files: &[(&str, &str)], expected: Option<(u64, u64)>) {
    let (_root, mut limits) = limits(files);
    let memory = limits.memory(PHYSICAL);
    let memory = memory.map(|memory| memory.expect("readable files"));
    assert_eq!(memory.map(|m| (m.total, m.available)), expected);
}

#[test]
fn version_2_counts_cached_files_as_available() {
    check(
        &[
            ("memory.max", "1000\n"),
            ("memory.current", "900\n"),
            ("memory.stat", "anon 300\nfile 600\ninactive_file 500\n"),
        ],
        Some((1000, 600)),
    );
}

#[test]
fn version_1_counts_children_too() {
    check(
        &[
            ("memory/memory.limit_in_bytes", "1000\n"),
            ("memory/memory.usage_in_bytes", "900\n"),
            (
                "memory/memory.stat",
                "inactive_file 1\ntotal_inactive_file 500\n",
            ),
        ],
        Some((1000, 600)),
    );
}

#[test]
fn version_1_tells_of_limits_above_that_are_not_visible() {
    let stat = "hierarchical_memory_limit 800\ntotal_inactive_file 500\n";
    for own in ["1000\n", "9223372036854771712\n"] {
        check(
            &[
                ("memory/memory.limit_in_bytes", own),
                ("memory/memory.usage_in_bytes", "900\n"),
                ("memory/memory.stat", stat),
            ],
            Some((800, 400)),
        );
    }
}

#[test]
fn nothing_is_available_over_the_limit() {
    check(
        &[("memory.max", "1000\n"), ("memory.current", "1100\n")],
        Some((1000, 0)),
    );
}

#[test]
fn no_limit_means_no_cgroup_memory() {
    check(&[], None);
    check(
        &[("memory.max", "max\n"), ("memory.current", "900\n")],
        None,
    );
    check(
        &[
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/memory.usage_in_bytes", "900\n"),
        ],
        None,
    );
}

#[test]
fn a_limited_container_never_shows_the_hosts_memory() {
    for (name, text) in [
        ("memory.current", "x\n"),
        ("memory.current", "18446744073709551615\n"),
        ("memory.stat", "inactive_file x\n"),
        ("memory.stat", ""),
    ] {
        let limit = ("memory.max", "1000\n");
        let (_root, mut limits) = limits(&[limit, ("memory.current", "900\n"), (name, text)]);
        assert_eq!(limits.memory(PHYSICAL), Some(None), "{name}: {text:?}");
    }
    check(&[("memory.max", "0\n"), ("memory.current", "0\n")], None);
}

/// A container of a host whose groups are all visible, as with `--cgroupns host`.
fn visible(files: &[(&str, &str)]) -> (tempfile::TempDir, ContainerLimits) {
    let root = tempfile::tempdir().unwrap();
    let file = |path: &str, text: &str| write(&root.path().join(path), text.as_bytes());
    file(
        "proc/self/mountinfo",
        "25 20 0:24 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n",
    );
    file("proc/self/cgroup", "0::/pod/app\n");
    for (name, text) in files {
        file(&format!("sys/fs/cgroup/{name}"), text);
    }
    let mut limits = ContainerLimits::new(&Roots::below(root.path(), Arc::new(|_| None)));
    limits.refresh(Instant::now());
    (root, limits)
}

#[test]
fn a_limit_above_counts_what_neighbours_use() {
    let app = [
        ("pod/app/memory.max", "1000\n"),
        ("pod/app/memory.current", "300\n"),
    ];
    let pod = |limit| {
        [
            ("pod/memory.max", limit),
            ("pod/memory.current", "1150\n"),
            ("pod/memory.stat", "inactive_file 50\n"),
        ]
    };
    for (limit, expected) in [
        ("max\n", (1000, 700)),
        ("1200\n", (1000, 100)),
        ("1000\n", (1000, 0)),
        ("5000\n", (1000, 700)),
    ] {
        let (_root, mut limits) = visible(&[&app[..], &pod(limit)[..]].concat());
        let memory = limits.memory(PHYSICAL).unwrap().unwrap();
        assert_eq!((memory.total, memory.available), expected, "{limit}");
    }
    let (_root, mut limits) = visible(&pod("2000\n"));
    let memory = limits.memory(PHYSICAL).unwrap().unwrap();
    assert_eq!((memory.total, memory.available), (2000, 900));
}

fn limit(name: &str, cores: f64, counters: [u64; 3]) -> CpuLimit {
    let [used, periods, throttled] = counters.map(Some);
    CpuLimit {
        name: name.into(),
        cores,
        used,
        periods,
        throttled,
    }
}

#[test]
fn quotas_of_both_versions_are_read_at_every_level() {
    let stat = "usage_usec 700\nuser_usec 1\nnr_periods 30\nnr_throttled 19\nthrottled_usec 5\n";
    let (_root, mut limits) = visible(&[
        ("pod/app/cpu.max", "max 100000\n"),
        ("pod/app/cpu.stat", stat),
        ("pod/cpu.max", "20000 100000\n"),
        ("pod/cpu.stat", stat),
        ("cpu.stat", stat),
    ]);
    assert_eq!(limits.cpu(), [limit("/pod", 0.2, [700, 30, 19])]);

    let (_root, mut limits) = self::limits(&[
        ("cpu/cpu.cfs_quota_us", "150000\n"),
        ("cpu/cpu.cfs_period_us", "100000\n"),
        (
            "cpu/cpu.stat",
            "nr_periods 30\nnr_throttled 19\nthrottled_time 5\n",
        ),
        ("cpuacct/cpuacct.usage", "700999\n"),
    ]);
    assert_eq!(limits.cpu(), [limit("/", 1.5, [700, 30, 19])]);
}

#[test]
fn a_quota_that_is_none_or_makes_no_sense_is_no_limit() {
    for text in [
        "max 100000\n",
        "0 100000\n",
        "5 0\n",
        "-1 5\n",
        "5\n",
        "",
        "\u{fffd} 5\n",
    ] {
        let (_root, mut limits) = limits(&[("cpu.max", text)]);
        assert_eq!(limits.cpu(), [], "{text}");
    }
    let version_1 = ("cpu/cpu.cfs_period_us", "100000\n");
    let (_root, mut limits) = limits(&[("cpu/cpu.cfs_quota_us", "-1\n"), version_1]);
    assert_eq!(limits.cpu(), []);
}

#[test]
fn a_limit_that_comes_later_is_found() {
    let (root, mut limits) = limits(&[]);
    let file = root.path().join("sys/fs/cgroup/cpu.max");
    write(&file, b"20000 100000\n");
    let now = Instant::now();
    limits.refresh(now);
    assert_eq!(limits.cpu(), []);
    limits.refresh(now + LIST_AGE);
    assert_eq!(limits.cpu()[0].cores, 0.2);
}
