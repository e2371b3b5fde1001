//! Shares of the processors, and the scheduler.

use super::*;

#[test]
fn waiting_for_io_is_idle_and_stolen_time_is_busy() {
    check(
        |r| r.cpu = Some(ticks(100, 1000, 50, 10)),
        |r| r.cpu = Some(ticks(150, 1100, 90, 20)),
        &[
            ("cpu", Some(26.32)),
            ("iowait", Some(21.05)),
            ("steal", Some(5.26)),
        ],
    );
}

#[test]
fn interrupts_are_system_time_and_low_priority_is_user_time() {
    let at = |user, system, interrupts, idle| {
        Some(Cpu::Counted(Ticks {
            user,
            system,
            interrupts,
            idle,
            ..Ticks::default()
        }))
    };
    check(
        |r| r.cpu = at(10, 20, 30, 40),
        |r| r.cpu = at(60, 40, 40, 60),
        &[
            ("cpu", Some(80.0)),
            ("cpuUser", Some(50.0)),
            ("cpuSystem", Some(30.0)),
        ],
    );
}

#[test]
fn the_scheduler_has_queues_and_rates() {
    let at = |tasks, events| Scheduler {
        runnable: Some(tasks),
        blocked: Some(tasks + 1),
        switches: Some(events),
        forks: Some(10 * events),
    };
    check(
        |r| r.scheduler = at(9, 100),
        |r| r.scheduler = at(0, 101),
        &[
            ("tasksRunnable", Some(0.0)),
            ("tasksBlocked", Some(1.0)),
            ("contextSwitches", Some(0.5)),
            ("forks", Some(5.0)),
        ],
    );
    let (prev, next) = pair(2.0, |_| {}, |_| {});
    assert!(!derive(&prev, &next).has("forks"));
}

#[test]
fn cores_are_identified_by_number() {
    check(
        |r| r.cores = vec![(0, ticks(0, 100, 0, 0)), (2, ticks(0, 100, 0, 0))],
        |r| {
            r.cores = vec![
                (0, ticks(10, 190, 0, 0)),
                (1, ticks(7, 7, 0, 0)),
                (2, ticks(50, 150, 0, 0)),
            ];
        },
        &[
            ("cpu:0", Some(10.0)),
            ("cpu:1", None),
            ("cpu:2", Some(50.0)),
        ],
    );
}

#[test]
fn a_core_whose_counters_go_back_gets_a_new_baseline() {
    let fallen = |r: &mut Reading| r.cores = vec![(0, ticks(5, 10, 0, 0))];
    check(
        |r| r.cores = vec![(0, ticks(10, 1000, 0, 0))],
        fallen,
        &[("cpu:0", None)],
    );
    check(
        fallen,
        |r| r.cores = vec![(0, ticks(105, 110, 0, 0))],
        &[("cpu:0", Some(50.0))],
    );
}

#[test]
fn iowait_may_decrease_without_affecting_cpu() {
    check(
        |r| r.cpu = Some(ticks(0, 0, 50, 0)),
        |r| r.cpu = Some(ticks(30, 70, 49, 0)),
        &[("cpu", Some(30.0)), ("iowait", None), ("steal", Some(0.0))],
    );
}

#[test]
fn without_ticks_there_is_no_share() {
    let still = |r: &mut Reading| r.cpu = Some(ticks(5, 5, 5, 5));
    check(still, still, &[("cpu", None), ("iowait", None)]);
}

#[test]
fn a_measured_share_is_used_unchanged() {
    let measured = |r: &mut Reading| r.cpu = Some(Cpu::Measured(12.345));
    check(measured, measured, &[("cpu", Some(12.35))]);
}
