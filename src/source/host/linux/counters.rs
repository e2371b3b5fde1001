//! The texts of /proc → counters.

use procfs::parse_pressure_record;

use crate::source::host::reading::{Cpu, Tcp, Ticks};

/// /proc/stat: all cores together, and each by its number.
///
/// Neither library fits. sysinfo tells no iowait and no steal, and repeats its last value when asked again within 200 ms;
/// procfs numbers the cores by their line, so that an offline core renames those behind it.
pub(super) fn cpu(text: &str) -> (Option<Cpu>, Vec<(u32, Cpu)>) {
    let mut all = None;
    let mut cores = Vec::new();
    for line in text.lines() {
        // These lines come first; the long rest is about interrupts.
        let Some(line) = line.strip_prefix("cpu") else {
            break;
        };
        let Some((number, times)) = line.split_once(' ') else {
            continue;
        };
        let Some(ticks) = ticks(times) else {
            continue;
        };
        if number.is_empty() {
            all = Some(Cpu::Counted(ticks));
        } else if let Ok(number) = number.parse() {
            cores.push((number, Cpu::Counted(ticks)));
        }
    }
    (all, cores)
}

/// user nice system idle iowait irq softirq steal, then guest and guest nice, which user and nice contain.
fn ticks(times: &str) -> Option<Ticks> {
    let mut times = times.split_ascii_whitespace().map(str::parse::<u64>);
    let mut next = || times.next()?.ok();
    let [user, nice, system, idle] = [next()?, next()?, next()?, next()?];
    let [iowait, irq, softirq, steal] = [(); 4].map(|()| next().unwrap_or(0));
    Some(Ticks {
        busy: user + nice + system + irq + softirq + steal,
        idle,
        iowait,
        steal,
    })
}

/// /proc/net/snmp. The procfs crate makes a map of all its 80 fields first, which takes longer than the kernel does.
pub(super) fn tcp(text: &str) -> Option<Tcp> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let field = |wanted: &str| {
        let mut fields = names
            .split_ascii_whitespace()
            .zip(values.split_ascii_whitespace());
        let (_, value) = fields.find(|&(name, _)| name == wanted)?;
        value.parse().ok()
    };
    Some(Tcp {
        retransmits: field("RetransSegs")?,
        accepted: field("PassiveOpens")?,
    })
}

/// /proc/vmstat, of which the procfs crate makes a map of 200 names.
pub(super) fn oom_kills(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    lines
        .find_map(|line| line.strip_prefix("oom_kill "))?
        .parse()
        .ok()
}

/// The share of the last 10 s in which some task waited, in percent: /proc/pressure/*. The line for all tasks, which the
/// procfs crate's own types insist on, is missing for the CPU before Linux 5.13.
pub(super) fn pressure(text: &str) -> Option<f64> {
    let some = parse_pressure_record(text.lines().next()?).ok()?;
    Some(f64::from(some.avg10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_keep_their_numbers_when_one_is_offline() {
        let text = "cpu  10 1 5 100 7 2 3 4 9 0\n\
                    cpu0 6 1 3 50 4 1 2 2 9 0\n\
                    cpu2 4 0 2 50 3 1 1 2 0 0\n\
                    intr 1 2 3\n\
                    cpufreq 1 1 1 1\n";
        let (all, cores) = cpu(text);
        let expected = Ticks {
            busy: 25,
            idle: 100,
            iowait: 7,
            steal: 4,
        };
        assert_eq!(all, Some(Cpu::Counted(expected)));
        let numbers: Vec<u32> = cores.iter().map(|&(number, _)| number).collect();
        assert_eq!(numbers, [0, 2]);
    }

    #[test]
    fn what_an_old_or_broken_kernel_says() {
        let (all, cores) = cpu("cpu 1 2 3 4\ncpu0 1 2 x 4\n");
        let busy = Ticks {
            busy: 6,
            idle: 4,
            ..Ticks::default()
        };
        assert_eq!((all, cores), (Some(Cpu::Counted(busy)), vec![]));
        assert_eq!(cpu(""), (None, vec![]));
    }

    #[test]
    fn tcp_counters_are_found_by_name() {
        let text = "Ip: Forwarding\nIp: 1\n\
                    Tcp: RtoMin PassiveOpens MaxConn RetransSegs\n\
                    Tcp: 200 17 -1 5\n";
        let expected = Tcp {
            retransmits: 5,
            accepted: 17,
        };
        assert_eq!(tcp(text), Some(expected));
        assert_eq!(tcp("Tcp: PassiveOpens\nTcp: 17\n"), None);
        assert_eq!(tcp("Ip: Forwarding\nIp: 1\n"), None);
    }

    #[test]
    fn kills_are_not_mistaken_for_their_neighbours() {
        assert_eq!(oom_kills("oom_kill_x 3\noom_kill 2\n"), Some(2));
        assert_eq!(oom_kills("pgfault 2\n"), None);
    }

    #[test]
    fn pressure_is_that_of_some_tasks() {
        let text = "some avg10=1.25 avg60=0.35 avg300=0.95 total=11924948\n";
        assert_eq!(pressure(text), Some(1.25));
        assert_eq!(pressure(""), None);
    }
}
