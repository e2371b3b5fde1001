//! Processes: never their threads, never their arguments.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::text::{fields, number, rsplit_once, split_once};
use crate::source::host::reading::Task;

/// The maximum length of /proc/PID/stat.
const STAT_BYTES: usize = 4096;

/// The flag of a kernel thread, PF_KTHREAD.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// How many there are in `proc`.
pub(super) fn count(proc: &Path) -> Option<u64> {
    Some(numbers(proc)?.count() as u64)
}

/// All processes in `proc`, in ascending order. One that ends meanwhile is omitted. `buffer` is reused.
///
/// sysinfo opens three files for each process and reads /proc/stat once more: 5 ms for 100 processes, against 1.4 ms
/// for the one file that has everything.
pub(super) fn list(proc: &Path, buffer: &mut Vec<u8>) -> Option<Vec<Task>> {
    buffer.resize(STAT_BYTES.max(buffer.len()), 0);
    let mut path = String::new();
    let mut tasks: Vec<Task> = numbers(proc)?
        .filter_map(|pid| {
            path.clear();
            write!(path, "{}/{pid}/stat", proc.display()).ok()?;
            let len = File::open(&path).ok()?.read(buffer).ok()?;
            task(&buffer[..len])
        })
        .collect();
    tasks.sort_unstable_by_key(|task| task.pid);
    Some(tasks)
}

fn numbers(proc: &Path) -> Option<impl Iterator<Item = u32>> {
    let entries = fs::read_dir(proc).ok()?;
    Some(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
}

/// `stat` is /proc/PID/stat: number, name in parentheses, then fields that proc_pid_stat(5) numbers from 3 on. A name
/// may be any bytes. The procfs crate rejects a process if one of the 50 fields isn't as expected.
fn task(stat: &[u8]) -> Option<Task> {
    let (pid, rest) = split_once(stat, b'(')?;
    let (name, rest) = rsplit_once(rest, b')')?;
    let mut rest = fields(rest);
    let state = rest.next()?.first().copied().map(char::from);
    let parent = number(rest.next()?)?;
    let flags: u64 = number(rest.nth(9 - 5)?).unwrap_or(0);
    let [user, system, children_user, children_system] = {
        let user = number(rest.nth(14 - 10)?)?;
        let mut next = || number::<u64>(rest.next()?);
        [user, next()?, next()?, next()?]
    };
    let threads = number(rest.nth(20 - 18)?)?;
    let started: u64 = number(rest.nth(22 - 21)?)?;
    let pages: u64 = number(rest.nth(24 - 23)?)?;
    Some(Task {
        pid: number(pid.trim_ascii())?,
        name: String::from_utf8_lossy(name).into_owned(),
        started: started as f64 / procfs::ticks_per_second() as f64,
        cpu: time_of(user.checked_add(system)?)?,
        parent,
        reaped: time_of(children_user.checked_add(children_system)?)?,
        memory: pages.checked_mul(procfs::page_size())?,
        state: state.filter(char::is_ascii_alphabetic),
        is_kernel: flags & KERNEL_THREAD != 0,
        threads: Some(threads),
    })
}

/// How long so many ticks are; `None` if that is longer than any machine runs.
pub(super) fn time_of(ticks: u64) -> Option<Duration> {
    let milliseconds = ticks.checked_mul(1000)? / procfs::ticks_per_second();
    Some(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_spaces_and_parentheses() {
        let rest = "S 1 7 7 0 -1 4194304 0 0 0 0 150 50 7 5 20 0 3 0 1234 4096000 25 1844674407370955161 1 1 0 0 0 0 0 0 0 \
                    0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
        let task = task(format!("7 (a) S (b) {rest}\n").as_bytes()).unwrap();
        assert_eq!((task.pid, &*task.name), (7, "a) S (b"));
        assert_eq!(
            task.cpu,
            Duration::from_millis(200_000 / procfs::ticks_per_second())
        );
        assert_eq!(task.memory, 25 * procfs::page_size());
        assert_eq!(
            (task.parent, task.state, task.threads),
            (1, Some('S'), Some(3))
        );
        let tick = Duration::from_millis(1000 / procfs::ticks_per_second());
        assert_eq!(task.reaped, 12 * tick);
        assert!(!task.is_kernel);
    }

    #[test]
    fn kernel_threads_have_a_flag() {
        let stat = "61 (jbd2/sda1-8) D 2 0 0 0 -1 2129984 0 0 0 0 0 31 0 0 20 0 1 0 240 0 0 18446744073709551615 0 0";
        let task = task(stat.as_bytes()).unwrap();
        assert_eq!((task.is_kernel, task.state), (true, Some('D')));
    }

    #[test]
    fn a_name_may_be_any_bytes_but_numbers_must_be_valid() {
        let line = |number: &str| {
            let fields =
                format!(") S 1 7 7 0 -1 0 0 0 0 0 {number} 50 0 0 20 0 3 0 1234 4096000 25 1 1\n");
            [&b"7 (a\xff\n(b"[..], fields.as_bytes()].concat()
        };
        assert_eq!(task(&line("150")).unwrap().name, "a\u{fffd}\n(b");
        for bad in ["-1", "x", "18446744073709551615", "99999999999999999999"] {
            assert_eq!(task(&line(bad)), None, "{bad}");
        }
    }

    #[test]
    fn an_invalid_stat_file_gives_no_process() {
        assert_eq!(task(b""), None);
        assert_eq!(task(b"7 (a) S 1"), None);
    }

    #[test]
    fn this_process_is_listed_once_and_its_threads_are_not() {
        let tasks = list(Path::new("/proc"), &mut Vec::new()).unwrap();
        assert!(tasks.is_sorted_by(|a, b| a.pid < b.pid));
        let me = tasks
            .iter()
            .find(|task| task.pid == std::process::id())
            .unwrap();
        assert!(0 < me.memory);
        let thread = std::thread::spawn(|| {
            let me = fs::read_link("/proc/thread-self").unwrap();
            let id: u32 = me.file_name().unwrap().to_str().unwrap().parse().unwrap();
            (id, list(Path::new("/proc"), &mut Vec::new()).unwrap())
        });
        let (thread_id, tasks) = thread.join().unwrap();
        assert!(tasks.iter().all(|task| task.pid != thread_id));
    }
}
