//! Inside a container, its limits count. The containers here are made of a control group and a PID namespace.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::harness::metrics::{Metrics, Running};
use crate::harness::viewer::Viewer;
use crate::harness::wire::{Data, Wire};

const MIB: f64 = 1_048_576.0;

/// The memory that a container may use, in MiB.
const LIMIT: u32 = 200;

/// A process that uses three quarters of it, and all the CPU time that it gets.
const GREEDY: &str = "x = bytearray(b'x') * (150 << 20)\nwhile True: pass";

/// A control group that may use half a core; in version 1, one in each hierarchy. The limits are those of a group above
/// it.
struct Group {
    /// The innermost first.
    dirs: Vec<PathBuf>,
}

impl Group {
    /// `Err` says why none can be made here: that takes root, and control groups that may be written.
    fn make() -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let name = format!("metrics-test-{}-{number}", std::process::id());
        let root = Path::new("/sys/fs/cgroup");
        let (hierarchies, limits) = if root.join("cgroup.controllers").exists() {
            write(&root.join("cgroup.subtree_control"), "+cpu +memory")?;
            (
                vec![root.to_owned()],
                [("cpu.max", "50000 100000"), ("memory.max", "200M")],
            )
        } else {
            let hierarchies = ["cpu", "cpuacct", "memory"].map(|name| root.join(name));
            let limits = [
                ("cpu.cfs_quota_us", "50000"),
                ("memory.limit_in_bytes", "200M"),
            ];
            (hierarchies.to_vec(), limits)
        };
        let mut group = Self { dirs: Vec::new() };
        for hierarchy in hierarchies {
            let dir = hierarchy.join(&name);
            fs::create_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
            group.dirs.insert(0, dir.clone());
            for (file, limit) in limits {
                if dir.join(file).exists() {
                    write(&dir.join(file), limit)?;
                }
            }
            let inner = dir.join("inner");
            fs::create_dir(&inner).map_err(|error| format!("{}: {error}", inner.display()))?;
            group.dirs.insert(0, inner);
        }
        Ok(group)
    }

    /// The files that take the processes of the group.
    fn procs(&self) -> String {
        let inner = self.dirs.iter().filter(|dir| dir.ends_with("inner"));
        let files: Vec<_> = inner
            .map(|dir| dir.join("cgroup.procs").display().to_string())
            .collect();
        files.join(" ")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A group is busy until its last process has gone.
        for _ in 0..200 {
            self.dirs.retain(|dir| fs::remove_dir(dir).is_err());
            if self.dirs.is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// A server and a greedy process in a container.
fn start(group: &Group) -> Running {
    let script = format!(
        "for file in {}; do echo $$ > $file || exit 9; done; python3 -c \"$1\" & exec \"$2\" \
         serve --listen 127.0.0.1:0 --name web-1 --interval 500ms",
        group.procs()
    );
    Metrics::program("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["sh", "-c", &script, "sh", GREEDY])
        .arg(env!("CARGO_BIN_EXE_metrics"))
        .start()
}

#[test]
fn a_limit_on_a_group_above_is_that_of_the_container() {
    let group = match Group::make() {
        Ok(group) => group,
        Err(reason) => return println!("no control group can be made here: {reason}"),
    };
    let container = start(&group);
    let mut viewer = Viewer::connect(container.url(), "");
    let mut samples: Vec<Data> = Vec::new();
    let is_settled = |data: &Data| {
        let greedy = data
            .top
            .iter()
            .flatten()
            .find(|process| process.name == "python3");
        greedy.is_some_and(|process| 70.0 < process.memory)
    };
    // Until the greedy process has all of its memory, and for some time after that.
    while samples
        .iter()
        .position(is_settled)
        .is_none_or(|at| samples.len() < at + 8)
    {
        match viewer.message() {
            Wire::Metric { data, .. } => samples.push(data),
            Wire::Hello { system, .. } => {
                let memory = system.unwrap().memory as f64 / MIB;
                assert_eq!(memory, f64::from(LIMIT));
            }
            _ => {}
        }
    }
    let last = &samples[samples.len() - 6..];
    let mean = |name: &str| last.iter().map(|data| data.values[name]).sum::<f64>() / 6.0;
    // As long as the machine isn't busy with other things, all of the quota is used.
    let used = mean("cpuQuota");
    assert!((10.0..=100.0).contains(&used), "{used}");
    let throttled = mean("cpuThrottled");
    assert!((0.0..=100.0).contains(&throttled), "{throttled}");
    println!("{used} % of the quota, {throttled} % throttled");
    let (total, available) = (mean("memory"), mean("memoryAvailable") / MIB);
    assert!((70.0..=100.0).contains(&total), "{total}");
    assert!(available <= 55.0, "{available}");
    let process = last.iter().flat_map(|data| data.top.iter().flatten());
    let mut greedy = process.filter(|process| process.name == "python3");
    assert!(greedy.all(|process| (70.0..=100.0).contains(&process.memory)));
    assert!(last.iter().all(|data| data.values["processCount"] < 10.0));
}
