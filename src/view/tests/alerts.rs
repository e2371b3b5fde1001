//! Alerts: what fires, and the list of what fired.

use super::fixture::{ASCII, COLOUR, Fixture, PLAIN, WALL, alert, resolved};
use super::frames::check;
use crate::protocol::{Alert, Gap, GapReason, Hello, Sample, StreamId, describe};
use crate::view::report;
use crate::view::sentence::{Situation, Urgency, problems};

/// What is said of the alerts of `web-1`.
fn said(fixture: &Fixture) -> Vec<String> {
    let situation = Situation {
        state: &fixture.state,
        host: &fixture.state.hosts[&Fixture::name("web-1")],
        now: fixture.now,
    };
    let found = problems(&situation).into_iter();
    let alerts = found.filter(|finding| finding.urgency == Urgency::Alert);
    alerts.map(|finding| finding.text(100).to_owned()).collect()
}

/// Checks how the sentences about alerts begin.
#[track_caller]
fn check_said(fixture: &Fixture, expected: &[&str]) {
    let said = said(fixture);
    let begin = |(said, expected): (&String, &&str)| said.starts_with(*expected);
    assert!(
        said.len() == expected.len() && said.iter().zip(expected).all(begin),
        "{said:?}"
    );
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
        frame
            .iter()
            .skip(3)
            .any(|line| line.contains("12.1") && line.contains("postgres"))
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
    check_said(&fixture, &["CPU 98.2 % > 90 for 14 s: postgres 12.1 %"]);

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
fn a_name_and_a_metric_together_identify_an_alert() {
    let mut fixture = Fixture::one_host();
    let rule = "cpu:* > 95";
    let (third, fifth) = (alert("cpu:3", rule, 96.0, 9), alert("cpu:5", rule, 97.0, 8));
    fixture.alert("web-1", &third);
    fixture.alert("web-1", &fifth);
    let both = ["CPU 3 ", "CPU 5 "];
    check_said(&fixture, &both);
    fixture.alert("web-1", &resolved(&third, 1.0));
    check_said(&fixture, &both[1..]);
    fixture.ui.open_events();
    let list = fixture.frame(80, 24, PLAIN).join("\n");
    assert!(list.contains(" CPU 5 > 95 "), "{list}");
}

#[test]
fn the_screen_says_as_many_alerts_as_it_has_room_for() {
    let fixture = Fixture::eight_alerts();
    check(&fixture, (80, 24), PLAIN, "alerts-80x24.txt");
    check(&fixture, (40, 12), ASCII, "alerts-ascii-40x12.txt");
    let once = report(&fixture.state, &fixture.ui, 80, None, PLAIN, fixture.now);
    let lines = once.iter().filter(|line| line.starts_with(" ▲ "));
    assert_eq!(lines.count(), 8, "{once:#?}");
    let colours = fixture.frame(80, 24, COLOUR);
    assert!(colours[0].starts_with("\x1b[1;31m ▲"), "{}", colours[0]);
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
    check_said(&fixture, &["CPU 97.0 % > 90 for 2 m 10 s: postgres 12.1 %"]);
    let other = alert("cpu", "cpu > 95", 98.0, 9);
    fixture.state.hello(0, &host, &hello(1, 40, vec![other]));
    check_said(&fixture, &["CPU 97.0 % > 95 for 9 s: postgres 12.1 %"]);
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
    check(&fixture, (80, 24), PLAIN, "alerts-fleet-80x24.txt");
    check(&fixture, (120, 40), PLAIN, "alerts-fleet-120x40.txt");
    check(&fixture, (40, 12), ASCII, "alerts-fleet-ascii-40x12.txt");
}

#[test]
fn the_list_says_what_fired_when_how_long_how_much_and_who() {
    let mut fixture = Fixture::eventful();
    fixture.ui.open_events();
    check(&fixture, (80, 24), PLAIN, "events-80x24.txt");
    check(&fixture, (40, 12), ASCII, "events-ascii-40x12.txt");
    let mut fixture = Fixture::eventful_fleet();
    fixture.ui.open_events();
    fixture.ui.reading = true;
    check(&fixture, (120, 12), PLAIN, "events-fleet-120x12.txt");
}

#[test]
fn an_empty_list_says_so() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.hello(0, "web-1", &["cpu"]);
    for n in 0..30 {
        fixture.sample(0, "web-1", n, &[("cpu", 20.0)]);
    }
    fixture.ui.open_events();
    let lines = fixture.frame(80, 24, PLAIN);
    assert_eq!(lines[2], " Nothing has happened since 14:06:33 UTC.");
    fixture.ui.reading = true;
    assert_eq!(
        fixture.frame(80, 24, PLAIN)[2],
        " Reading what the server holds."
    );
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.ui.open_events();
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
    fixture.ui.open_events();
    let counted = |fixture: &Fixture| {
        let lines = fixture.frame(80, 24, PLAIN);
        assert!(lines[21].contains("14:0"), "the page is full: {lines:#?}");
        lines[23].rsplit("  ").next().unwrap().trim().to_owned()
    };
    let scroll = |fixture: &mut Fixture, by| {
        let Fixture { state, ui, now, .. } = fixture;
        ui.step_events(by, state, *now);
    };
    assert_eq!(counted(&fixture), "1 of 41");
    for (by, expected) in [
        (1, "2 of 41"),
        (-9, "1 of 41"),
        (isize::MAX, "41 of 41"),
        (-1, "40 of 41"),
        (isize::MIN, "1 of 41"),
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
    fixture.ui.open_events();
    let lines = fixture.frame(80, 24, PLAIN);
    let row = lines.iter().find(|line| line.contains("cut off"));
    assert!(
        row.unwrap().starts_with(" △  14:07:09       2 s  cpu > 95"),
        "{row:?}"
    );
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
    let fires = |by| !said(&fixture.look_back("web-1", by)).is_empty();
    assert!(!fires(-11) && !fires(-10) && fires(-9) && fires(0));
}
