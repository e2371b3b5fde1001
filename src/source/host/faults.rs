//! Every file that is read × every way in which it may be corrupt: only its own values may be affected, and they must
//! be absent, unchanged or plausible.

mod files;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use self::files::{FILES, File};
use super::linux::fixture::write;
use super::reading::{Occupancy, Space};
use super::stand_in;

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
    fs::create_dir_all(path("sys/bus/pci/drivers/amdgpu/0000:03:00.0")).unwrap();
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

/// What the fixture's files say, for each of them a value or more.
const COMPLETE: &[(&str, f64)] = &[
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
    ("gpu", 35.0),
    ("gpuMemory:0", 75.0),
    ("gpuMemoryUsed", 300.0),
    ("gpuPower", 90.5),
    ("gpuTemperature:0", 55.0),
    ("gpuClock", 1500.0),
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

#[test]
fn the_fixture_is_complete() {
    let root = root();
    let good = values(root.path(), || {}, || {});
    for &(name, value) in COMPLETE {
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
