use std::collections::HashSet;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::*;
use crate::protocol::{describe, parts, well_known};

/// A sampler whose baseline is some time ago, so that every clock has advanced. The time is spent computing.
fn sampler(top: usize) -> Sampler {
    let sampler = Sampler::new(Options { top });
    compute(Duration::from_millis(300));
    sampler
}

/// The processes listed in the first sample that has a list.
fn listed(sampler: &mut Sampler) -> Vec<crate::protocol::Process> {
    sampler.prepare(Instant::now());
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(top) = sampler.sample(Own::default()).top {
            return top;
        }
        assert!(Instant::now() < deadline, "no processes are listed");
        std::thread::yield_now();
    }
}

fn compute(duration: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < duration {
        std::hint::spin_loop();
    }
}

#[test]
fn every_well_known_name_has_a_meaning() {
    for name in well_known() {
        assert_ne!(describe(name, 1).label, name);
    }
}

#[test]
fn a_sample_carries_its_metrics_in_order() {
    let mut sampler = sampler(0);
    let metrics = sampler.metrics();
    let sample = sampler.sample(Own::default());
    assert!(Arc::ptr_eq(&metrics, &sampler.metrics()));
    let mut announced = metrics.iter();
    for (name, value) in &sample.values {
        assert!(value.is_finite(), "{name} = {value}");
        let found = announced.any(|info| info.name == **name);
        assert!(found, "{name} is not announced, or out of order");
    }
    let instances = metrics.iter().skip_while(|info| !info.name.contains(':'));
    assert!(instances.clone().all(|info| info.name.contains(':')));
    assert_ne!(instances.count(), 0);
}

#[test]
fn a_metric_is_announced_or_unavailable() {
    let sampler = Sampler::new(Options { top: 0 });
    let unavailable: HashSet<String> = sampler.unavailable().into_iter().collect();
    let metrics = sampler.metrics();
    for name in well_known() {
        let is_announced = metrics.iter().any(|info| parts(&info.name).0 == name);
        assert_ne!(is_announced, unavailable.contains(name), "{name}");
    }
}

#[test]
fn the_first_sample_is_whole() {
    let mut sampler = sampler(0);
    let sample = sampler.sample(Own::default());
    for info in sampler.metrics().iter() {
        // A disk may be stuck.
        let may_be_absent = info.name.starts_with("diskAwait");
        let is_there = sample.get(&info.name).is_some() || may_be_absent;
        assert!(is_there, "{} is absent", info.name);
    }
    assert_eq!(sample.top, None);
}

#[test]
fn a_sample_directly_after_another_has_no_rates() {
    let mut sampler = sampler(0);
    sampler.previous.at += Duration::from_secs(60);
    let sample = sampler.sample(Own::default());
    assert_eq!(sample.get("requestsPerSecond"), None);
    assert!(sample.get("memory").is_some());
}

#[test]
fn own_figures_are_passed_on() {
    let own = Own {
        viewers: 3,
        accepted: 5,
    };
    let sample = sampler(0).sample(own);
    assert_eq!(sample.get("viewers"), Some(3.0));
    let memory = sample.get("agentMemory").unwrap();
    assert!((1e6..1e9).contains(&memory), "{memory}");
}

#[test]
fn a_busy_process_is_listed_with_its_share() {
    let mut sampler = sampler(10_000);
    let top = listed(&mut sampler);
    assert!(
        top.is_sorted_by(|a, b| (b.cpu, a.pid) <= (a.cpu, b.pid)),
        "{top:?}"
    );
    let me = top.iter().find(|process| process.pid == std::process::id());
    let me = me.expect("everybody is listed");
    assert!(0.0 < me.cpu && me.cpu <= 100.0, "{me:?}");
    assert!(0.0 < me.memory && me.memory <= 100.0, "{me:?}");
}

#[test]
fn the_list_has_at_most_the_requested_length() {
    let top = listed(&mut sampler(3));
    assert!((3..=9).contains(&top.len()), "{top:?}");
}

#[test]
fn the_machine_has_a_name_and_a_size() {
    let system = Sampler::new(Options { top: 0 }).system();
    assert!(!system.os.is_empty() && !system.kernel.is_empty());
    assert!(1 <= system.cores);
    assert!(1024 * 1024 < system.memory);
    assert!(!host_name().as_str().is_empty());
}

#[test]
fn the_portable_machine_reads_what_it_can() {
    let mut machine = elsewhere::Machine::new();
    let mut first = Reading::begin();
    machine.read(&mut first);
    compute(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL + Duration::from_millis(20));
    let mut next = Reading::begin();
    machine.prepare(next.at);
    machine.read(&mut next);
    let values = derive(&first, &next);
    for name in ["cpu", "disk", "networkReceived", "agentCpu", "agentMemory"] {
        assert!(values.get(name).is_some(), "{name}");
    }
    assert_eq!(derive(&first, &first).get("cpu"), None);
    let roll = elsewhere::Roster::new(5).read();
    let listed = roll.processes.unwrap();
    assert!(listed.iter().any(|task| task.pid == std::process::id()));
}

#[test]
fn a_sampler_can_run_on_a_thread_of_its_own() {
    let (send, receive) = mpsc::channel();
    let mut sampler = sampler(0);
    std::thread::spawn(move || send.send(sampler.sample(Own::default())));
    assert!(receive.recv().unwrap().get("cpu").is_some());
}

#[cfg(target_os = "linux")]
#[test]
fn without_readable_files_there_are_no_values() {
    let root = tempfile::tempdir().unwrap();
    let roots = linux::Roots::below(root.path(), Arc::new(|_| None));
    let options = Options { top: 5 };
    let roster = linux::Roster::of(&roots, 5);
    let mut sampler = Sampler::of(linux::Machine::of(roots), Some(roster), options);
    let sample = sampler.sample(Own::default());
    let names: Vec<&str> = sample.values.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["activeUsers", "viewers"]);
    assert_eq!(sampler.system().memory, 0);
}

#[cfg(target_os = "linux")]
mod truth {
    use std::fs;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn meminfo(field: &str) -> f64 {
        let text = fs::read_to_string("/proc/meminfo").unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .unwrap();
        let kib = line.trim_start_matches(':').trim().trim_end_matches(" kB");
        kib.parse::<f64>().unwrap() * 1024.0
    }

    #[track_caller]
    fn assert_near(value: Option<f64>, expected: f64, within: f64) {
        let value = value.expect("a value");
        assert!(
            (value - expected).abs() <= within,
            "{value} is not {expected} ± {within}"
        );
    }

    #[test]
    fn memory_agrees_with_the_kernel() {
        let mut sampler = sampler(0);
        let sample = sampler.sample(Own::default());
        let slack = 0.05 * meminfo("MemTotal");
        assert_near(
            sample.get("memoryAvailable"),
            meminfo("MemAvailable"),
            slack,
        );
        let used = meminfo("MemTotal") - meminfo("MemAvailable");
        assert_near(
            sample.get("memory"),
            100.0 * used / meminfo("MemTotal"),
            5.0,
        );
    }

    #[test]
    fn the_root_is_as_full_as_df_says() {
        let mut sampler = sampler(0);
        let sample = sampler.sample(Own::default());
        let output = std::process::Command::new("df")
            .args(["--output=pcent", "/"])
            .output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        let percent = text.lines().last().unwrap().trim().trim_end_matches('%');
        // It rounds up to whole percent.
        let percent: f64 = percent.parse().unwrap();
        assert_near(sample.get("disk:/"), percent - 0.5, 0.6);
        assert!(sample.get("disk:/").unwrap() <= sample.get("disk").unwrap());
    }

    fn process_count() -> f64 {
        let numbers = fs::read_dir("/proc").unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_str()
                .is_some_and(|name| name.parse::<u32>().is_ok())
        });
        numbers.count() as f64
    }

    #[test]
    fn load_uptime_and_processes_are_those_of_proc() {
        let mut sampler = sampler(0);
        let before = process_count();
        let sample = sampler.sample(Own::default());
        let after = process_count();
        let count = sample.get("processCount").unwrap();
        let (fewest, most) = (before.min(after) - 20.0, before.max(after) + 20.0);
        assert!((fewest..=most).contains(&count), "{before} {count} {after}");
        let text = fs::read_to_string("/proc/loadavg").unwrap();
        let load: f64 = text.split(' ').nth(2).unwrap().parse().unwrap();
        assert_near(sample.get("load15"), load, 0.2);
        let text = fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = text.split(' ').next().unwrap().parse().unwrap();
        assert_near(sample.get("uptime"), uptime, 1.5);
    }

    fn own_cpu() -> f64 {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    }

    #[test]
    fn the_agents_share_comes_from_its_cpu_clock() {
        let most_from = own_cpu();
        let mut sampler = Sampler::new(Options { top: 0 });
        let (begun, least_from) = (sampler.previous.at, own_cpu());
        compute(Duration::from_millis(300));
        let least_to = own_cpu();
        let sample = sampler.sample(Own::default());
        let most_to = own_cpu();
        let seconds = (sampler.previous.at - begun).as_secs_f64();
        let machine = seconds * f64::from(sampler.system().cores);
        let used = sample.get("agentCpu").unwrap() / 100.0 * machine;
        let (least, most) = (least_to - least_from, most_to - most_from);
        let rounding = 0.0001 * machine;
        assert!(
            least - rounding <= used && used <= most + rounding,
            "{least} {used} {most}"
        );
    }

    #[test]
    fn a_busy_core_is_visible() {
        let mut sampler = Sampler::new(Options { top: 0 });
        compute(Duration::from_millis(500));
        let sample = sampler.sample(Own::default());
        let cores = f64::from(sampler.system().cores);
        assert!(60.0 / cores <= sample.get("cpu").unwrap());
        let each = (0..1024).filter_map(|core| sample.get(&format!("cpu:{core}")));
        let each: Vec<f64> = each.collect();
        assert_eq!(each.len() as f64, cores);
        let mean = each.iter().sum::<f64>() / cores;
        assert_near(sample.get("cpu"), mean, 10.0);
    }

    fn passive_opens() -> u64 {
        procfs::net::snmp().unwrap().tcp_passive_opens
    }

    #[test]
    fn accepted_connections_are_counted_without_our_own() {
        const CONNECTIONS: u64 = 400;
        const OWN: u64 = 100;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let most_from = passive_opens();
        let mut sampler = sampler(0);
        let (begun, least_from) = (sampler.previous.at, passive_opens());
        for _ in 0..CONNECTIONS {
            let client = TcpStream::connect(address).unwrap();
            let (server, _) = listener.accept().unwrap();
            drop((client, server));
        }
        let least_to = passive_opens();
        let own = Own {
            viewers: 0,
            accepted: OWN,
        };
        let sample = sampler.sample(own);
        let most_to = passive_opens();
        let seconds = (sampler.previous.at - begun).as_secs_f64();
        let accepted = sample.get("requestsPerSecond").unwrap() * seconds;
        // Other programs on this machine may connect at any time; both counts include them.
        let least = (least_to - least_from - OWN) as f64 - 1.0;
        let most = (most_to - most_from - OWN) as f64 + 1.0;
        assert!(CONNECTIONS <= least_to - least_from);
        assert!(
            (least..=most).contains(&accepted),
            "{least} {accepted} {most}"
        );
    }

    #[test]
    fn processes_are_read_only_on_request() {
        let sampler = Sampler::new(Options { top: 0 });
        assert!(sampler.roll_call.is_none());
        assert!(sampler.previous.process_count.is_some());
    }

    #[test]
    fn a_new_child_process_is_listed_with_its_share() {
        let mut sampler = Sampler::new(Options { top: 10_000 });
        let script = "i=0; while :; do i=$((i+1)); done";
        let child = std::process::Command::new("sh")
            .args(["-c", script])
            .spawn();
        let mut child = child.unwrap();
        let process = procfs::process::Process::new(child.id().cast_signed()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while process.stat().unwrap().utime < 10 {
            assert!(Instant::now() < deadline, "the child gets no CPU");
            std::thread::yield_now();
        }
        let top = listed(&mut sampler);
        child.kill().unwrap();
        child.wait().unwrap();
        let seen = top.iter().find(|process| process.pid == child.id());
        assert!(seen.is_some_and(|process| 0.0 < process.cpu), "{top:?}");
    }
}
