//! Parses the files of /proc into counters and measures.
//!
//! Each function takes a callback for invalid lines. An invalid line or number affects only its own values.

use super::text::{fields, lines, measure, number, or_skip};
use crate::source::host::reading::{Cpu, Scheduler, Ticks};

/// The kernel's limit of process numbers: no machine has more tasks, so no load is higher.
const MOST_TASKS: u32 = 4_194_304;

/// A thousand years: no machine runs for longer.
const MOST_SECONDS: u64 = 32_000_000_000;

/// /proc/stat: all cores together, and each in ascending order of numbers.
///
/// Neither library fits: sysinfo has no iowait and no steal, and repeats its last value within 200 ms; procfs numbers
/// the cores by line, so an offline core renames those after it.
pub(super) fn cpu(text: &[u8], skip: &dyn Fn(&[u8])) -> (Option<Cpu>, Vec<(u32, Cpu)>) {
    let mut all = None;
    let mut cores = Vec::new();
    // The lines of the cores come first; the long rest, about interrupts and more, begins with this one.
    let of_cores = lines(text).take_while(|line| !line.starts_with(b"intr "));
    for line in of_cores {
        match core(line) {
            Some((None, ticks)) => all = Some(Cpu::Counted(ticks)),
            Some((Some(number), ticks)) => cores.push((number, Cpu::Counted(ticks))),
            None => skip(line),
        }
    }
    cores.sort_unstable_by_key(|&(number, _)| number);
    cores.dedup_by_key(|&mut (number, _)| number);
    (all, cores)
}

/// /proc/stat: what follows the lines of the cores.
pub(super) fn scheduler(text: &[u8], skip: &dyn Fn(&[u8])) -> Scheduler {
    let mut found = Scheduler::default();
    let is_count = |count: &u64| *count <= MOST_TASKS.into();
    let others = lines(text).filter(|line| !line.starts_with(b"cpu"));
    for line in others {
        let mut fields = fields(line);
        let name = fields.next();
        let mut value = || or_skip(fields.next().and_then(number), line, skip);
        match name {
            Some(b"ctxt") => found.switches = value(),
            Some(b"processes") => found.forks = value(),
            // The thread that reads this runs, so an idle machine has none, as in vmstat and sar.
            Some(b"procs_running") => {
                let count = value().filter(is_count);
                found.runnable = count.map(|count: u64| count.saturating_sub(1));
            }
            Some(b"procs_blocked") => found.blocked = value().filter(is_count),
            _ => {}
        }
    }
    found
}

/// A line that begins with `cpu` or `cpu3`.
fn core(line: &[u8]) -> Option<(Option<u32>, Ticks)> {
    let mut fields = fields(line);
    let digits = fields.next()?.strip_prefix(b"cpu")?;
    let core = if digits.is_empty() {
        None
    } else {
        Some(number(digits)?)
    };
    Some((core, ticks(fields)?))
}

/// user nice system idle iowait irq softirq steal, then guest and guest nice, which user and nice include. Old kernels
/// lack the last ones.
fn ticks<'a>(times: impl Iterator<Item = &'a [u8]>) -> Option<Ticks> {
    let mut all = [0_u64; 8];
    let mut count = 0;
    for (place, time) in all.iter_mut().zip(times) {
        *place = number(time)?;
        count += 1;
    }
    let [user, nice, system, idle, iowait, irq, softirq, steal] = all;
    // So that no sum of them overflows.
    all.into_iter().try_fold(0_u64, u64::checked_add)?;
    let ticks = Ticks {
        user: user + nice,
        system,
        interrupts: irq + softirq,
        idle,
        iowait,
        steal,
    };
    (4 <= count).then_some(ticks)
}

/// /proc/loadavg: over 1, 5 and 15 minutes.
pub(super) fn load(text: &[u8], skip: &dyn Fn(&[u8])) -> Option<[f64; 3]> {
    let mut fields = fields(text);
    let mut next = || measure(fields.next()?).filter(|load| *load <= MOST_TASKS.into());
    let load = (|| Some([next()?, next()?, next()?]))();
    // A truncated value has nothing after it.
    let load = load.filter(|_| fields.next().is_some());
    or_skip(load, text, skip)
}

/// /proc/uptime: whole seconds since boot.
pub(super) fn uptime(text: &[u8], skip: &dyn Fn(&[u8])) -> Option<u64> {
    let mut fields = fields(text);
    let seconds = fields.next().filter(|seconds| measure(seconds).is_some());
    let whole = seconds.and_then(|seconds| seconds.split(|byte| *byte == b'.').next());
    let uptime: Option<u64> = whole.and_then(number);
    let uptime = uptime.filter(|seconds| *seconds <= MOST_SECONDS && fields.next().is_some());
    or_skip(uptime, text, skip)
}

/// /proc/self/statm: resident memory in pages.
pub(super) fn resident(text: &[u8], skip: &dyn Fn(&[u8])) -> Option<u64> {
    let pages = fields(text).nth(1).and_then(number);
    or_skip(pages, text, skip)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: &dyn Fn(&[u8]) = &|_| {};

    #[test]
    fn cores_keep_their_numbers_when_one_is_offline() {
        let text = "cpu  10 1 5 100 7 2 3 4 9 0\n\
                    cpu0 6 1 3 50 4 1 2 2 9 0\n\
                    cpu2 4 0 2 50 3 1 1 2 0 0\n\
                    intr 1 2 3\n\
                    cpufreq 1 1 1 1\n";
        let (all, cores) = cpu(text.as_bytes(), QUIET);
        let expected = Ticks {
            user: 11,
            system: 5,
            interrupts: 5,
            idle: 100,
            iowait: 7,
            steal: 4,
        };
        assert_eq!(expected.busy(), 25);
        assert_eq!(all, Some(Cpu::Counted(expected)));
        let numbers: Vec<u32> = cores.iter().map(|&(number, _)| number).collect();
        assert_eq!(numbers, [0, 2]);
    }

    #[test]
    fn the_scheduler_is_read_whatever_surrounds_it() {
        let text = b"cpu 1 1 1 1\nintr 9 9\nctxt 70\nbtime 1\nprocesses 12\nprocs_running 3\nprocs_blocked 2\nsoftirq 1\n";
        let expected = Scheduler {
            runnable: Some(2),
            blocked: Some(2),
            switches: Some(70),
            forks: Some(12),
        };
        assert_eq!(scheduler(text, QUIET), expected);
        assert_eq!(scheduler(b"procs_running 0\n", QUIET).runnable, Some(0));
        let skipped = std::cell::Cell::new(0);
        let bad = b"ctxt -1\nprocesses\nprocs_running 4194305\nprocs_blocked x\nprocs_running_x 1\n\xff 1\n";
        let found = scheduler(bad, &|_| skipped.set(skipped.get() + 1));
        assert_eq!((found, skipped.get()), (Scheduler::default(), 3));
    }

    #[test]
    fn memory_of_an_old_or_broken_kernel() {
        let (all, cores) = cpu(b"cpu 1 2 3 4\ncpu0 1 2 x 4\n", QUIET);
        let busy = Ticks {
            user: 3,
            system: 3,
            idle: 4,
            ..Ticks::default()
        };
        assert_eq!((all, cores), (Some(Cpu::Counted(busy)), vec![]));
        assert_eq!(cpu(b"", QUIET), (None, vec![]));
    }

    #[test]
    fn an_invalid_line_affects_no_other_core() {
        let text = b"cpu 1 1 1 1\ncpu1 2 2 2 2\ncpu\xff 1 1 1 1\n\xfe\ncpu2 1 1 -1 1\n\
            cpu3 1 1 1\ncpu4 18446744073709551615 1 1 1\ncpu0 3 3 3 3\ncpu0 4 4 4 4\ncpu5 1 1 1 1";
        let skipped = std::cell::Cell::new(0);
        let (all, cores) = cpu(text, &|_| skipped.set(skipped.get() + 1));
        assert!(all.is_some());
        let numbers: Vec<u32> = cores.iter().map(|&(number, _)| number).collect();
        assert_eq!(numbers, [0, 1]);
        assert_eq!(skipped.get(), 5);
    }

    #[test]
    fn implausible_measures_are_absent() {
        assert_eq!(
            load(b"0.5 1.25 2 3/100 4567\n", QUIET),
            Some([0.5, 1.25, 2.0])
        );
        for bad in [
            "",
            "0.5 1.25",
            "0.5 1.25 2",
            "-1 0 0 1/1 1",
            "nan 0 0 1/1 1",
            "0 inf 0 1/1 1",
            "0 0 1e9 1/1 1",
        ] {
            assert_eq!(load(bad.as_bytes(), QUIET), None, "{bad}");
        }
        assert_eq!(uptime(b"12.99 3.00\n", QUIET), Some(12));
        for bad in [
            "",
            "12.99",
            "-1 1",
            "nan 1",
            "99999999999999999999 1",
            "\u{fffd} 1",
        ] {
            assert_eq!(uptime(bad.as_bytes(), QUIET), None, "{bad}");
        }
        assert_eq!(resident(b"10 5 1 1 0 1 0\n", QUIET), Some(5));
        assert_eq!(resident(b"10 -5 1 1 0 1 0\n", QUIET), None);
    }
}
