use super::*;

fn task(pid: u32, parent: u32, cpu: u64, reaped: u64) -> Task {
    Task {
        pid,
        name: format!("p{pid}"),
        started: 1.0,
        cpu: Duration::from_millis(cpu),
        parent,
        reaped: Duration::from_millis(reaped),
        memory: 0,
        state: None,
        is_kernel: false,
        threads: None,
    }
}

/// A process that started between the two lists.
fn new(task: Task) -> Task {
    Task {
        started: 100.5,
        ..task
    }
}

fn roll(cpu: u64, forks: u64, processes: Vec<Task>) -> Roll {
    Roll {
        since_boot: Some(100.0),
        processes: Some(processes),
        cpu: Some(Duration::from_millis(cpu)),
        forks: Some(forks),
        ..Roll::begin()
    }
}

/// What each process has used, in milliseconds, and what those that ended have.
#[track_caller]
fn check(prev: &Roll, next: &Roll, each: &[Option<u32>], exited: Option<u32>) {
    let milliseconds = |seconds: f64| (seconds * 1000.0).round();
    let usage = Usage::between(prev, next);
    let found: Vec<_> = usage
        .each
        .iter()
        .map(|used| used.map(milliseconds))
        .collect();
    let expected: Vec<_> = each.iter().map(|used| used.map(f64::from)).collect();
    assert_eq!(found, expected);
    assert_eq!(usage.exited.map(milliseconds), exited.map(f64::from));
}

#[test]
fn children_that_came_and_went_count_towards_their_parent() {
    // A shell that runs one program after another.
    let prev = roll(1000, 5, vec![task(10, 1, 100, 2000)]);
    let next = roll(2000, 50, vec![task(10, 1, 150, 2900)]);
    check(&prev, &next, &[Some(950)], Some(50));
}

#[test]
fn what_nobody_accounts_for_is_left() {
    let prev = roll(1000, 5, vec![task(10, 1, 100, 0)]);
    let next = roll(2000, 50, vec![task(10, 1, 150, 0)]);
    check(&prev, &next, &[Some(50)], Some(950));
    // More than there is: the kernel counts the two in different ways.
    let next = roll(1040, 50, vec![task(10, 1, 150, 0)]);
    check(&prev, &next, &[Some(50)], Some(0));
}

#[test]
fn if_no_process_came_or_went_nothing_is_left() {
    let prev = roll(1000, 5, vec![task(10, 1, 100, 0)]);
    let next = roll(1070, 5, vec![task(10, 1, 150, 0)]);
    check(&prev, &next, &[Some(50)], Some(0));
    let next = roll(1070, 6, vec![task(10, 1, 150, 0)]);
    check(&prev, &next, &[Some(50)], Some(20));
    let next = roll(1070, 5, vec![]);
    check(&prev, &next, &[], Some(70));
}

#[test]
fn what_a_child_had_used_before_is_not_counted_again() {
    // It ran for ten minutes, 300 ms of them since the first list.
    let prev = roll(0, 5, vec![task(10, 1, 100, 50), task(11, 10, 600_000, 7)]);
    let next = roll(320, 5, vec![task(10, 1, 110, 600_357)]);
    check(&prev, &next, &[Some(310)], Some(10));
}

#[test]
fn the_children_of_a_parent_that_ended_too_belong_to_the_next_one() {
    let prev = roll(
        0,
        5,
        vec![
            task(1, 0, 0, 1000),
            task(10, 1, 500, 20),
            task(11, 10, 700, 0),
        ],
    );
    // It noted the end of its child, and ended: 500 + 20 + 700, and 90 since then.
    let next = roll(90, 5, vec![task(1, 0, 0, 2310)]);
    check(&prev, &next, &[Some(90)], Some(0));
    // It ended first, and the child was adopted: the same.
    let adopted = roll(
        0,
        5,
        vec![
            task(1, 0, 0, 1000),
            task(5, 1, 0, 0),
            task(10, 5, 500, 20),
            task(11, 10, 700, 0),
        ],
    );
    // 560 of one went to the process between, 740 of the other to the first.
    let next = roll(80, 5, vec![task(1, 0, 0, 1740), task(5, 1, 0, 560)]);
    check(&adopted, &next, &[Some(80), Some(0)], Some(0));
}

#[test]
fn a_child_whose_end_nobody_noted_takes_nothing_from_others() {
    // Its parent ignores SIGCHLD.
    let prev = roll(0, 5, vec![task(10, 1, 100, 50), task(11, 10, 600, 0)]);
    let next = roll(400, 5, vec![task(10, 1, 120, 50)]);
    check(&prev, &next, &[Some(20)], Some(380));
}

#[test]
fn a_new_process_counts_in_full_and_an_unknown_one_makes_the_rest_unknown() {
    let prev = roll(0, 5, vec![]);
    let next = roll(400, 6, vec![new(task(10, 1, 120, 50))]);
    check(&prev, &next, &[Some(170)], Some(230));
    let next = roll(400, 6, vec![task(10, 1, 120, 50)]);
    check(&prev, &next, &[None], None);
}

#[test]
fn counters_that_went_back_give_nothing() {
    let prev = roll(1000, 5, vec![task(10, 1, 100, 50)]);
    let next = roll(1100, 5, vec![task(10, 1, 100, 40)]);
    check(&prev, &next, &[None], None);
    let next = roll(900, 6, vec![task(10, 1, 110, 50)]);
    check(&prev, &next, &[Some(10)], None);
    let mut next = roll(1100, 6, vec![task(10, 1, 110, 50)]);
    next.cpu = None;
    check(&prev, &next, &[Some(10)], None);
}

#[test]
fn parents_in_a_circle_end_the_search() {
    let prev = roll(0, 5, vec![task(10, 11, 7, 0), task(11, 10, 7, 0)]);
    check(&prev, &roll(9, 5, vec![]), &[], Some(9));
}

#[test]
fn the_total_is_that_of_the_time_between_the_lists() {
    let prev = roll(1000, 5, vec![task(10, 1, 100, 0)]);
    let mut next = roll(2500, 9, vec![task(10, 1, 700, 0)]);
    // Its reader had to wait for half a second.
    next.at = prev.at + Duration::from_secs(1);
    next.cpu_at = prev.cpu_at + Duration::from_millis(1500);
    check(&prev, &next, &[Some(600)], Some(400));
}
