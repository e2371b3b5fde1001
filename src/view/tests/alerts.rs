//! Alerts: what fires, and the list of what fired.

use super::fixture::{ASCII, COLOUR, Fixture, PLAIN, WALL, alert, resolved};
use crate::protocol::{Alert, Gap, GapReason, Hello, Sample, StreamId, describe};
use crate::view::{Style, report};

/// Compares with the file that holds these lines as they are shown.
#[track_caller]
fn check(fixture: &Fixture, width: usize, height: usize, style: Style, expected: &str) {
    let shown = fixture.frame(width, height, style).join("\n") + "\n";
    assert!(shown == expected, "shown:\n{shown}\nexpected:\n{expected}");
}

/// The lines about alerts.
fn said(fixture: &Fixture, width: usize, height: usize) -> Vec<String> {
    let lines = fixture.frame(width, height, PLAIN).into_iter();
    lines.filter(|line| line.starts_with(" ▲ ")).collect()
}

/// The sentences without the time at their end.
#[track_caller]
fn check_said(fixture: &Fixture, expected: &[&str]) {
    let said = said(fixture, 100, 24);
    let said: Vec<_> = said
        .iter()
        .filter_map(|line| line.split("   ").next())
        .collect();
    assert_eq!(said, expected);
}

#[test]
fn an_alert_is_one_sentence_with_its_culprit() {
    let named = |name: &str, alert: Alert| Alert {
        name: name.into(),
        ..alert
    };
    let absent = Alert {
        value: None,
        threshold: None,
        ..alert(
            "requestsPerSecond",
            "absent(requestsPerSecond) for 1m",
            0.0,
            70,
        )
    };
    for (alert, expected) in [
        (
            alert("cpu", "cpu > 90 for 30s", 98.2, 130),
            "CPU 98.2 % > 90 for 2 m 10 s: rustc 61 %",
        ),
        (
            alert("memory", "memory >= 92.5", 93.0, 4),
            "Memory 93.0 % >= 92.5 % for 4 s: java 40 %",
        ),
        (
            Alert {
                threshold: Some(12_884_901_888.0),
                ..alert("memoryUsed", "memoryUsed > 12GiB", 14e9, 4)
            },
            "Memory used 13.0 GiB > 12.0 GiB for 4 s: java 40 %",
        ),
        (
            named("full", alert("disk:/", "disk:/ > 80", 84.0, 7300)),
            "full: Disk / 84.0 % > 80 for 2 h 01 m",
        ),
        (
            alert("queueDepth", "queueDepth < 5", 3.0, 9),
            "queueDepth 3 < 5 for 9 s",
        ),
        (absent, "TCP accepts/s absent for 1 m 10 s"),
        // A server that says no more than that there is one, and a rule that is not understood.
        (named("alert", alert("", "", 0.0, 0)), "alert 0 for 0 s"),
        (
            Alert {
                threshold: Some(3.0),
                ..alert("load1", "too much", 4.0, 9)
            },
            "Load 1 min 4 against 3 for 9 s: rustc 61 %",
        ),
        (
            Alert {
                since: 0,
                ..alert("uptime", "uptime < 300", 60.0, 0)
            },
            "Uptime 00:01:00 < 00:05:00",
        ),
    ] {
        let mut fixture = Fixture::one_host();
        fixture.alert("web-1", &alert);
        check_said(&fixture, &[&format!(" ▲ {expected}")]);
    }
}

/// Takes a sample without a list of processes.
fn take_without_list(fixture: &mut Fixture) {
    fixture.later(2000);
    let sample = Sample {
        timestamp: fixture.now.wall,
        ..Sample::default()
    };
    let place = fixture.position();
    let host = Fixture::name("web-1");
    fixture.state.sample(0, &host, place, &sample, fixture.now);
}

#[test]
fn the_last_list_of_processes_stays_while_samples_come_without() {
    let mut fixture = Fixture::one_host();
    let listed = |fixture: &Fixture| {
        let frame = fixture.frame(80, 24, PLAIN);
        frame.iter().any(|line| line.contains("postgres 12.1 %"))
    };
    assert!(listed(&fixture));
    for _ in 0..5 {
        take_without_list(&mut fixture);
    }
    assert!(listed(&fixture));
    fixture.alert_with(
        "web-1",
        &alert("cpu", "cpu > 90", 98.2, 4),
        &Sample::default(),
    );
    check_said(&fixture, &[" ▲ CPU 98.2 % > 90 for 14 s: postgres 12 %"]);

    // Lost messages may have contained another list.
    let gap = Gap {
        from: None,
        to: None,
        reason: GapReason::Expired,
    };
    let now = fixture.now;
    fixture.state.gap(0, &Fixture::name("web-1"), gap, now);
    take_without_list(&mut fixture);
    assert!(!listed(&fixture));
}

#[test]
fn the_room_decides_how_much_is_told() {
    let mut fixture = Fixture::one_host();
    fixture.alert("web-1", &alert("cpu", "cpu > 90 for 30s", 98.2, 130));
    let line = said(&fixture, 80, 24).remove(0);
    assert!(line.ends_with("   since 14:05:21 UTC"), "{line}");
    let line = said(&fixture, 41, 24).remove(0);
    assert_eq!(line, " ▲ CPU 98.2 % for 2 m 10 s: rustc 61 %");
    let line = said(&fixture, 30, 24).remove(0);
    assert_eq!(line, " ▲ CPU 98.2 %: rustc 61 %");
    let line = said(&fixture, 20, 24).remove(0);
    assert_eq!(line, " ▲ CPU 98.2 %: rust…");
    fixture.alert("web-1", &alert("load1", "load1 > 8", 9.0, 86_400));
    let line = said(&fixture, 90, 24).remove(1);
    assert!(line.ends_with(" since 2026-11-23 14:07:31 UTC"), "{line}");
}

#[test]
fn a_name_and_a_metric_together_identify_an_alert() {
    let mut fixture = Fixture::one_host();
    let rule = "cpu:* > 95";
    let (third, fifth) = (alert("cpu:3", rule, 96.0, 9), alert("cpu:5", rule, 97.0, 8));
    fixture.alert("web-1", &third);
    fixture.alert("web-1", &fifth);
    let both = [
        " ▲ CPU 3 96.0 % > 95 for 9 s: rustc 61 %",
        " ▲ CPU 5 97.0 % > 95 for 8 s: rustc 61 %",
    ];
    check_said(&fixture, &both);
    fixture.alert("web-1", &resolved(&third, 1.0));
    check_said(&fixture, &both[1..]);
    fixture.ui.toggle_events();
    let list = fixture.frame(80, 24, PLAIN).join("\n");
    assert!(list.contains(" CPU 5 > 95 "), "{list}");
}

#[test]
fn causes_come_before_effects_and_the_lines_are_bounded() {
    let fixture = Fixture::eight_alerts();
    let frame = include_str!("frames/alerts-80x24.txt");
    check(&fixture, 80, 24, PLAIN, frame);
    check(
        &fixture,
        40,
        12,
        ASCII,
        include_str!("frames/alerts-ascii-40x12.txt"),
    );
    assert_eq!(said(&fixture, 200, 60).len(), 8);
    let once = report(&fixture.state, &fixture.ui, 80, None, PLAIN, fixture.now);
    let once = &once[3..]; // behind the three sentences
    assert!(
        once[2].starts_with(" ▲ Disk / 84.0 % > 80 for 2 h 01 m"),
        "{}",
        once[2]
    );
    assert!(once[9].starts_with(" ▲ "), "all eight: {}", once[9]);
    let colours = fixture.frame(80, 24, COLOUR);
    assert!(
        colours[2].starts_with(" \x1b[1;31m▲ Disk /"),
        "{}",
        colours[2]
    );
}

fn hello(stream: u64, newest: u64, alerts: Vec<Alert>) -> Hello {
    Hello {
        stream: StreamId(stream),
        newest,
        metrics: [describe("cpu", 8)].into(),
        alerts,
        ..Hello::default()
    }
}

#[test]
fn who_comes_late_learns_what_fires_from_the_hello() {
    let mut fixture = Fixture::new(&["web-1"]);
    let host = Fixture::name("web-1");
    let busy = alert("cpu", "cpu > 90 for 30s", 98.2, 130);
    fixture
        .state
        .hello(0, &host, &hello(1, 40, vec![busy.clone()]));
    fixture.messages = 39;
    fixture.sample(0, "web-1", 29, &[("cpu", 97.0)]);
    // The culprit at that time is unknown; the current one is known.
    check_said(
        &fixture,
        &[" ▲ CPU 98.2 % > 90 for 2 m 10 s: now postgres 12 %"],
    );
    let other = alert("cpu", "cpu > 95", 98.0, 9);
    fixture.state.hello(0, &host, &hello(1, 40, vec![other]));
    check_said(&fixture, &[" ▲ CPU 98.0 % > 95 for 9 s: now postgres 12 %"]);
    fixture.state.hello(0, &host, &hello(1, 40, Vec::new()));
    check_said(&fixture, &[]);
}

#[test]
fn a_new_stream_begins_with_nothing_firing() {
    let busy = alert("cpu", "cpu > 90", 98.2, 9);
    let mut fixture = Fixture::one_host();
    let host = Fixture::name("web-1");
    fixture.alert("web-1", &busy);
    let gap = Gap {
        from: None,
        to: None,
        reason: GapReason::Restarted,
    };
    fixture.state.gap(0, &host, gap, fixture.now);
    fixture.state.hello(0, &host, &hello(2, 0, Vec::new()));
    check_said(&fixture, &[]);
    // Even if nobody says hello.
    fixture.alert("web-1", &busy);
    let sample = Sample {
        timestamp: WALL,
        ..Sample::default()
    };
    fixture
        .state
        .sample(0, &host, (StreamId(3), 1), &sample, fixture.now);
    check_said(&fixture, &[]);
}

#[test]
fn hosts_tell_how_many_alerts_fire() {
    let mut fixture = Fixture::fleet();
    fixture.alert("web-2", &alert("load1", "load1 > 1", 1.9, 9));
    fixture.alert("web-1", &alert("disk", "disk > 70", 71.0, 99));
    check(
        &fixture,
        80,
        24,
        PLAIN,
        include_str!("frames/alerts-fleet-80x24.txt"),
    );
    check(
        &fixture,
        120,
        40,
        PLAIN,
        include_str!("frames/alerts-fleet-120x40.txt"),
    );
    check(
        &fixture,
        40,
        12,
        ASCII,
        include_str!("frames/alerts-fleet-ascii-40x12.txt"),
    );
}

#[test]
fn the_first_alert_of_each_host_comes_before_the_second_of_any() {
    let mut fixture = Fixture::fleet();
    for core in 0..64 {
        fixture.alert(
            "web-2",
            &alert(&format!("cpu:{core}"), "cpu:* > 95", 96.0, 99),
        );
    }
    fixture.alert("web-1", &alert("load1", "load1 > 1", 1.9, 9));
    let said = said(&fixture, 80, 24);
    assert_eq!(said.len(), 4, "{said:#?}");
    assert!(said[1].starts_with(" ▲ web-1  Load 1 min"), "{said:#?}");
    assert_eq!(said[3], " ▲ and 63 more");
}

#[test]
fn the_list_says_what_fired_when_how_long_how_much_and_who() {
    let mut fixture = Fixture::eventful();
    fixture.ui.toggle_events();
    check(
        &fixture,
        80,
        24,
        PLAIN,
        include_str!("frames/events-80x24.txt"),
    );
    check(
        &fixture,
        40,
        12,
        ASCII,
        include_str!("frames/events-ascii-40x12.txt"),
    );
    let mut fixture = Fixture::eventful_fleet();
    fixture.ui.toggle_events();
    fixture.ui.reading = true;
    check(
        &fixture,
        120,
        12,
        PLAIN,
        include_str!("frames/events-fleet-120x12.txt"),
    );
}

#[test]
fn an_empty_list_says_so() {
    let mut fixture = Fixture::one_host();
    fixture.ui.toggle_events();
    let lines = fixture.frame(80, 24, PLAIN);
    assert_eq!(lines[2], " Nothing has fired since 14:06:33 UTC.");
    fixture.ui.reading = true;
    assert_eq!(
        fixture.frame(80, 24, PLAIN)[2],
        " Reading what the server holds."
    );
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.ui.toggle_events();
    assert_eq!(fixture.frame(80, 24, PLAIN)[2], " No data yet.");
}

#[test]
fn a_long_list_scrolls() {
    let mut fixture = Fixture::one_host();
    for core in 0..40 {
        fixture.alert(
            "web-1",
            &alert(&format!("cpu:{core}"), "busy core > 95", 96.0, 99 + core),
        );
    }
    fixture.ui.toggle_events();
    let counted = |fixture: &Fixture| {
        let lines = fixture.frame(80, 24, PLAIN);
        assert!(lines[21].contains("14:0"), "the page is full: {lines:#?}");
        lines[23].rsplit("  ").next().unwrap().trim().to_owned()
    };
    let scroll = |fixture: &mut Fixture, by| {
        let Fixture { state, ui, now, .. } = fixture;
        ui.scroll_events(by, state, 24, *now);
    };
    assert_eq!(counted(&fixture), "1-19 of 40");
    for (by, expected) in [
        (1, "2-20 of 40"),
        (-9, "1-19 of 40"),
        (isize::MAX, "22-40 of 40"),
        (-1, "21-39 of 40"),
        (isize::MIN, "1-19 of 40"),
    ] {
        scroll(&mut fixture, by);
        assert_eq!(counted(&fixture), expected);
    }
}

#[test]
fn what_a_restart_cut_off_was_not_resolved() {
    let mut fixture = Fixture::new(&["web-1"]);
    let host = Fixture::name("web-1");
    fixture.state.hello(0, &host, &hello(1, 0, Vec::new()));
    for n in 0..20 {
        fixture.sample(0, "web-1", n, &[("cpu", 96.0)]);
    }
    fixture.alert("web-1", &alert("cpu", "cpu > 95", 96.0, 22));
    fixture.state.hello(0, &host, &hello(2, 0, Vec::new()));
    let sample = Sample {
        timestamp: WALL,
        ..Sample::default()
    };
    fixture
        .state
        .sample(0, &host, (StreamId(2), 1), &sample, fixture.now);
    fixture.ui.toggle_events();
    let row = &fixture.frame(80, 24, PLAIN)[3];
    assert!(row.starts_with(" △ 14:07:09       2 s cut off"), "{row}");
}

#[test]
fn a_pending_alert_did_not_fire_yet() {
    // The hello names an alert that begins to fire in the middle of the samples that were asked for.
    let mut fixture = Fixture::new(&["web-1"]);
    let host = Fixture::name("web-1");
    let busy = alert("cpu", "cpu > 90 for 30s", 98.2, 50);
    fixture
        .state
        .hello(0, &host, &hello(1, 31, vec![busy.clone()]));
    for n in 0..30 {
        fixture.sample(0, "web-1", n, &[("cpu", 97.0)]);
        if n == 20 {
            fixture.alert("web-1", &busy);
        }
    }
    let fires = |by| !said(&fixture.look_back("web-1", by), 80, 24).is_empty();
    assert!(!fires(-11) && !fires(-10) && fires(-9) && fires(0));
}
