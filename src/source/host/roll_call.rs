//! Processes and containers are read on a thread of their own, at most once a second: where there are thousands, that takes longer than
//! a short interval, and must not delay a sample.
//!
//! A reading ends just before a sample is due, which then carries the lists. If it takes longer than expected, a later
//! sample does.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::protocol::{Container, Process};

use super::reading::{Roll, Whole};
use super::top::{containers, top};
use super::usage::Usage;

/// The shortest time between two samples that carry lists.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// Reading takes at most one part in so many of the time, however many processes there are.
const SHARE_OF_TIME: u32 = 4;

/// How much earlier than necessary a reading begins: a busy machine may let its thread wait for a core.
const MARGIN: Duration = Duration::from_millis(10);

/// Enough for a path lookup.
const STACK_BYTES: usize = 256 * 1024;

/// The thread, with its plans and lists.
pub(super) struct RollCall {
    plans: Sender<Plan>,
    answers: Receiver<Lists>,
    is_under_way: bool,
    /// The next reading is for a sample that is due now or later.
    next: Instant,
}

/// A reading to take.
struct Plan {
    /// When the sample is due that will carry the lists.
    due: Instant,
    whole: Whole,
}

/// The result of a reading.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// See [`crate::protocol::Sample::top`].
    pub(super) top: Option<Vec<Process>>,
    /// See [`crate::protocol::Sample::containers`].
    pub(super) containers: Option<Vec<Container>>,
    /// The number of processes, if all are visible.
    pub(super) process_count: Option<u64>,
    /// The share of the machine that processes used which have ended and that no listed one accounts for, in percent.
    pub(super) exited_cpu: Option<f64>,
    /// How long the reading took.
    took: Duration,
}

/// What the first reading tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FirstRoll {
    /// See [`Lists::process_count`].
    pub(super) process_count: Option<u64>,
    /// Whether containers or services were found.
    pub(super) has_containers: bool,
    /// Whether later ones can have [`Lists::exited_cpu`].
    pub(super) has_exited_cpu: bool,
}

impl RollCall {
    /// Takes the first reading, the baseline, and leaves later ones to a new thread. `read` reads all processes; lists
    /// contain `count` by CPU, as many by memory, and at most as many processes that wait for a disk.
    pub(super) fn begin(
        mut read: impl FnMut() -> Roll + Send + 'static,
        count: usize,
    ) -> (Self, FirstRoll) {
        let begun = Instant::now();
        let baseline = read();
        let first = FirstRoll {
            process_count: baseline.process_count(),
            has_containers: baseline.containers.is_some(),
            has_exited_cpu: baseline.processes.is_some() && baseline.cpu.is_some(),
        };
        let took = begun.elapsed();
        let (plans, planned) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let serve = move || serve(read, baseline, took, count, &planned, &answer);
        let thread = thread::Builder::new().name("processes".into());
        if let Err(error) = thread.stack_size(STACK_BYTES).spawn(serve) {
            tracing::warn!("cannot start the thread that lists processes: {error}");
        }
        let call = Self {
            plans,
            answers,
            is_under_way: false,
            next: Instant::now(),
        };
        (call, first)
    }

    /// The next sample is due at `due`: takes a reading just before, unless it is too soon after the last one. Shares
    /// are those of `whole`.
    pub(super) fn plan(&mut self, due: Instant, whole: Whole) {
        if self.is_under_way || due < self.next {
            return;
        }
        self.next = due + SHORTEST_PAUSE;
        self.is_under_way = self.plans.send(Plan { due, whole }).is_ok();
    }

    /// The lists, if a reading has ended since the last call.
    pub(super) fn finished(&mut self) -> Option<Lists> {
        let lists = self.answers.try_recv().ok()?;
        self.is_under_way = false;
        self.next = self
            .next
            .max(Instant::now() + lists.took * (SHARE_OF_TIME - 1));
        Some(lists)
    }
}

/// Takes readings as planned until the other side is gone.
fn serve(
    mut read: impl FnMut() -> Roll,
    mut prev: Roll,
    mut took: Duration,
    count: usize,
    plans: &Receiver<Plan>,
    answer: &Sender<Lists>,
) {
    while let Ok(Plan { due, whole }) = plans.recv() {
        let lead = MARGIN + 2 * took;
        let ahead = due.saturating_duration_since(Instant::now());
        // No plan follows before the answer, so only the end of the other side ends the pause early.
        let Err(RecvTimeoutError::Timeout) = plans.recv_timeout(ahead.saturating_sub(lead)) else {
            return;
        };
        let begun = Instant::now();
        let next = read();
        took = begun.elapsed();
        let usage = Usage::between(&prev, &next);
        let lists = Lists {
            top: top([&prev, &next], &usage, whole, count),
            containers: containers(&prev, &next, whole),
            exited_cpu: usage.exited.and_then(|used| usage.share(used, whole)),
            process_count: next.process_count(),
            took,
        };
        if answer.send(lists).is_err() {
            return;
        }
        prev = next;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::source::host::reading::Task;

    const WHOLE: Whole = Whole {
        cores: 1,
        memory: 1000,
    };

    fn roll(pid: u32) -> Roll {
        Roll {
            at: Instant::now(),
            since_boot: Some(0.0),
            processes: Some(vec![Task {
                pid,
                name: "a".into(),
                started: 0.0,
                cpu: Duration::ZERO,
                parent: 0,
                reaped: Duration::ZERO,
                memory: 10,
                state: None,
                is_kernel: false,
                threads: None,
            }]),
            ..Roll::begin()
        }
    }

    /// Each reading lists one process, whose number is that of the reading, from 0.
    fn begin() -> (RollCall, Arc<AtomicU32>) {
        let readings = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&readings);
        let read = move || roll(counter.fetch_add(1, Ordering::SeqCst));
        let (call, first) = RollCall::begin(read, 5);
        assert_eq!(
            (first.process_count, first.has_exited_cpu),
            (Some(1), false)
        );
        (call, readings)
    }

    fn wait(call: &mut RollCall) -> Lists {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(lists) = call.finished() {
                return lists;
            }
            assert!(Instant::now() < deadline, "no reading has ended");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn at_200_ms_one_sample_in_five_has_lists() {
        let (mut call, readings) = begin();
        let start = call.next;
        let interval = Duration::from_millis(200);
        let mut planned = Vec::new();
        for number in 1..=16 {
            // All of them are in the past, so that nothing waits.
            call.plan(start + number * interval, WHOLE);
            if call.is_under_way {
                planned.push(number);
                wait(&mut call);
                call.next = start + number * interval + SHORTEST_PAUSE;
            }
        }
        assert_eq!(planned, [1, 6, 11, 16]);
        assert_eq!(readings.load(Ordering::SeqCst), 5);
    }

    #[test]
    fn a_list_is_handed_out_once_and_belongs_to_its_own_reading() {
        let (mut call, _) = begin();
        call.plan(Instant::now(), WHOLE);
        let lists = wait(&mut call);
        let top = lists.top.unwrap();
        assert_eq!((top[0].pid, top[0].memory), (1, 1.0));
        assert!(call.finished().is_none());
    }

    #[test]
    fn a_slow_reading_delays_the_next_one_and_nothing_else() {
        let (release, released) = mpsc::channel::<()>();
        let mut number = 0;
        let read = move || {
            if number == 1 {
                let _ = released.recv();
            }
            number += 1;
            roll(number)
        };
        let (mut call, _) = RollCall::begin(read, 5);
        let start = call.next;
        for second in 0..5 {
            call.plan(start + Duration::from_secs(second), WHOLE);
            assert!(call.finished().is_none());
        }
        release.send(()).unwrap();
        assert_eq!(wait(&mut call).top.unwrap()[0].pid, 2);
    }

    #[test]
    fn many_processes_are_read_less_often() {
        let (mut call, _) = begin();
        call.is_under_way = true;
        let (answer, answers) = mpsc::channel();
        call.answers = answers;
        let took = Duration::from_secs(2);
        let lists = Lists {
            top: None,
            containers: None,
            process_count: None,
            exited_cpu: None,
            took,
        };
        answer.send(lists).unwrap();
        let ended = Instant::now();
        assert!(call.finished().is_some());
        call.plan(ended + 2 * took, WHOLE);
        assert!(!call.is_under_way);
        call.plan(ended + 4 * took, WHOLE);
        assert!(call.is_under_way);
    }

    #[test]
    fn the_thread_ends_with_the_sampler() {
        let (ended, end) = mpsc::channel::<()>();
        let read = move || {
            let _ = &ended;
            roll(1)
        };
        let (mut call, _) = RollCall::begin(read, 5);
        call.plan(Instant::now() + Duration::from_secs(3600), WHOLE);
        drop(call);
        let gone = end.recv_timeout(Duration::from_secs(30));
        assert_eq!(gone, Err(RecvTimeoutError::Disconnected));
    }
}
