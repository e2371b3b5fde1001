//! Looking back.

use super::fixture::{ASCII, Fixture, PLAIN, WALL};
use crate::protocol::StreamId;
use crate::view::{MOST_KEPT, Navigation, ViewState, WINDOW};

/// The lines of all values.
fn body(fixture: &Fixture) -> Vec<String> {
    let mut values = Fixture {
        state: fixture.state.clone(),
        ui: fixture.ui.clone(),
        ..*fixture
    };
    values.ui.toggle_values();
    let lines = values.frame(80, 60, PLAIN);
    lines[2..lines.len() - 1].to_vec()
}

/// The `cpu` of a host's newest sample, as it is shown.
fn cpu(fixture: &Fixture) -> String {
    let lines = fixture.frame(80, 24, PLAIN);
    let row = lines
        .iter()
        .find(|line| line.starts_with(" CPU  "))
        .unwrap();
    let row = row.replace(['!'], "");
    row.split_whitespace().nth(1).unwrap().to_owned()
}

fn numbers(fixture: &Fixture, host: &str) -> Vec<u64> {
    let host = &fixture.state.hosts[&Fixture::name(host)];
    let points = host.history.points();
    points.iter().map(|point| point.position.1).collect()
}

#[test]
fn looking_back_shows_everything_as_it_was() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    fixture.hello(0, "web-1", &["cpu", "cpu:0", "disk:/", "networkSent:eth0"]);
    let mut seen = Vec::new();
    for n in 0..70_u32 {
        fixture.later(2000);
        // A metric appears late, values are missing, and there is a hole in time.
        let mut values = vec![
            ("cpu", f64::from(n)),
            ("cpu:0", f64::from(n % 9) * 11.0),
            ("disk:/", f64::from(n)),
            ("networkSent:eth0", f64::from(n) * 1000.0),
        ];
        if n % 5 == 0 {
            values.remove(1);
        }
        if n > 20 {
            values.push(("late", f64::from(n)));
        }
        if n == 40 {
            fixture.later(10_000);
        }
        fixture.sample(0, "web-1", 29, &values);
        if n % 16 == 3 {
            fixture.fire("web-1");
        } else if n % 16 == 13 {
            fixture.resolve("web-1");
        }
        seen.push(body(&fixture));
    }
    // A metric that appeared later has a row without a value.
    let known = |lines: &[String]| -> Vec<String> {
        let late = |line: &&String| !line.contains("late");
        lines.iter().filter(late).cloned().collect()
    };
    for (n, seen) in seen.iter().enumerate() {
        let back = fixture.look_back("web-1", n as isize - 69);
        let mut then = known(&body(&back));
        let mut seen = known(seen);
        then.truncate(40);
        seen.truncate(40);
        assert_eq!(then, seen, "sample {n}");
    }
}

#[test]
fn a_marker_shows_how_far_back() {
    let fixture = Fixture::one_host();
    let back = fixture.look_back("web-1", -6);
    let lines = back.frame(80, 24, PLAIN);
    assert!(lines[0].ends_with(" ◀ BACK 12 s  14:07:19"), "{}", lines[0]);
    assert!(lines[23].contains("End live"), "{}", lines[23]);
    assert!(lines[23].ends_with("24 of 30"), "{}", lines[23]);
    assert!(!lines.iter().any(|line| line.contains("● LIVE")));
    let narrow = back.frame(40, 20, ASCII);
    assert!(narrow[0].ends_with(" < BACK 12 s"), "{}", narrow[0]);
    assert!(narrow[1].ends_with(" 14:07:19"), "{}", narrow[1]);
}

#[test]
fn another_day_is_shown() {
    let mut fixture = Fixture::one_host();
    fixture.now.wall = WALL + 86_400_000;
    let header = &fixture.look_back("web-1", -6).frame(80, 24, PLAIN)[0];
    assert!(header.contains("24 Nov 14:07:19"), "{header}");
}

#[test]
fn each_new_sample_moves_the_one_looked_at_further_back() {
    let mut fixture = Fixture::one_host();
    let moment = fixture.moment("web-1", -6);
    let mut back = fixture.look_back("web-1", -6);
    let before = body(&back);
    fixture.later(60_000);
    fixture.sample(0, "web-1", 29, &[("cpu", 1.0)]);
    back.state.mark_back(&fixture.state, &moment, true);
    let lines = back.frame(80, 24, PLAIN);
    assert!(
        lines[0].contains("◀ BACK 1 m 12 s  14:07:19"),
        "{}",
        lines[0]
    );
    assert!(lines[23].ends_with("24 of 31"), "{}", lines[23]);
    assert_eq!(body(&back), before);
}

#[test]
fn current_problems_are_shown_while_looking_back() {
    let mut fixture = Fixture::one_host();
    let second = |fixture: &Fixture| {
        let mut back = fixture.look_back("web-1", -6);
        let host = Fixture::name("web-1");
        back.ui.note_live(&fixture.state, &host, fixture.now);
        back.frame(80, 24, PLAIN)[1].clone()
    };
    fixture.fire("web-1");
    let line = second(&fixture);
    assert!(line.starts_with(" ▲  now: busy: CPU "), "{line}");
    fixture.resolve("web-1");
    fixture.lose("connection refused");
    let line = second(&fixture);
    assert!(
        line.starts_with(" ○  now: no data for 12 s: connection refused"),
        "{line}"
    );
}

#[test]
fn a_server_without_known_hosts_has_no_state() {
    let mut back = Fixture::fleet().look_back("web-1", -6);
    back.step(Navigation::Down);
    back.step(Navigation::Down);
    back.step(Navigation::Enter);
    let lines = back.frame(80, 24, PLAIN);
    assert!(lines[0].starts_with(" db-2   ◀"), "{}", lines[0]);
    assert_eq!(lines[2], " No data from that time.");
}

#[test]
fn steps_end_at_the_oldest_and_beyond_the_newest() {
    let fixture = Fixture::one_host();
    let newest = fixture.state.newest(&Fixture::name("web-1")).unwrap();
    let oldest = fixture.state.oldest(&Fixture::name("web-1"));
    assert_eq!(fixture.state.step(&newest, -29), oldest);
    assert_eq!(fixture.state.step(&newest, -1000), oldest);
    assert_eq!(fixture.state.step(&newest, 0).as_ref(), Some(&newest));
    assert_eq!(fixture.state.step(&newest, 1), None);
    assert_eq!(fixture.state.step(&oldest.unwrap(), 29), Some(newest));
}

#[test]
fn other_hosts_show_their_last_sample_before_that_time() {
    let mut fixture = Fixture::fleet();
    for (n, cpu) in [(27, 27.0), (28, 28.0), (29, 29.0)] {
        fixture.sample(0, "web-1", n, &[("cpu", cpu), ("memory", 50.0)]);
    }
    let row = |lines: &[String], host: &str| {
        let row = lines[2..].iter().find(|line| line.contains(host));
        row.unwrap().clone()
    };
    // db-1 was lost 12 s earlier: past connections are unknown, but its samples end.
    let lines = fixture.look_back("web-1", -1).frame(80, 24, PLAIN);
    assert!(lines[0].starts_with(" ◀ 2 s ago"), "{}", lines[0]);
    assert!(row(&lines, "web-1").contains(" 28.0 "), "{lines:#?}");
    assert!(row(&lines, "db-1").contains("○  db-1"), "{lines:#?}");
    assert!(row(&lines, "db-2").contains("✕  db-2"), "{lines:#?}");
    let lines = fixture.look_back("web-1", -32).frame(80, 24, PLAIN);
    assert!(row(&lines, "db-1").contains("●  db-1"), "{lines:#?}");
}

#[test]
fn an_alert_fires_from_its_start_to_its_end() {
    let fires = |fixture: &Fixture, by| {
        let lines = fixture.look_back("web-1", by).frame(80, 24, PLAIN);
        lines[0].contains("busy: CPU")
    };
    // A hello names the alerts firing now, before the requested samples: this alert began 33 s ago.
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.hello_with_alert("web-1");
    for n in 0..30 {
        fixture.sample(0, "web-1", n, &[("cpu", 97.0)]);
    }
    assert!(!fires(&fixture, -17) && fires(&fixture, -16) && fires(&fixture, 0));
    fixture.resolve("web-1");
    fixture.sample(0, "web-1", 29, &[("cpu", 1.0)]);
    assert!(fires(&fixture, -2) && !fires(&fixture, -1) && !fires(&fixture, 0));
}

/// A reading of `web-1` with the samples `numbers`.
fn read(numbers: std::ops::RangeInclusive<u32>) -> ViewState {
    let mut past = Fixture::new(&[]);
    past.hello(0, "web-1", &["memory", "cpu"]);
    for n in numbers {
        past.messages = u64::from(n) - 1;
        let cpu = f64::from(n % 100);
        past.sample(0, "web-1", n, &[("cpu", cpu), ("memory", 60.0)]);
    }
    past.state
}

#[test]
fn what_the_server_held_is_put_before_and_nothing_twice() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.hello(0, "web-1", &["cpu", "memory"]);
    fixture.messages = 40;
    for n in 41..=70 {
        fixture.sample(0, "web-1", n, &[("cpu", f64::from(n)), ("memory", 60.0)]);
    }
    let before = body(&fixture);
    let host = Fixture::name("web-1");
    let lacking: Vec<_> = fixture.state.unasked(MOST_KEPT).collect();
    assert_eq!(lacking, [(0, host.clone(), (StreamId(1), 70))]);
    fixture
        .state
        .put_before(&mut read(1..=45), &host, MOST_KEPT);
    assert_eq!(numbers(&fixture, "web-1"), (1..=70).collect::<Vec<_>>());
    assert_eq!(body(&fixture), before, "what is live is not touched");
    assert_eq!(cpu(&fixture.look_back("web-1", -60)), "10.0");
    assert_eq!(fixture.state.unasked(MOST_KEPT).count(), 0);
}

#[test]
fn the_samples_of_all_hosts_are_bounded() {
    let mut fixture = Fixture::new(&["relay"]);
    for n in 0..2 * MOST_KEPT {
        fixture.sample(0, "web-1", 29, &[("cpu", n as f64)]);
    }
    assert_eq!(numbers(&fixture, "web-1").len(), MOST_KEPT);
    for n in 0..1000 {
        fixture.sample(0, &format!("host-{n}"), 29, &[("cpu", 1.0)]);
    }
    fixture.sample(0, "web-1", 29, &[("cpu", 1.0)]);
    assert_eq!(numbers(&fixture, "web-1").len(), WINDOW);
    // A host that is in use stays.
    let host = Fixture::name("web-1");
    fixture
        .state
        .put_before(&mut read(1..=9000), &host, MOST_KEPT);
    fixture.sample(0, "web-1", 29, &[("cpu", 1.0)]);
    assert!(numbers(&fixture, "web-1").len() <= MOST_KEPT);
}

#[test]
fn a_pause_holds_what_the_charts_show() {
    let mut fixture = Fixture::new(&["web-1"]);
    for n in 0..400 {
        fixture.sample(0, "web-1", 29, &[("cpu", f64::from(n))]);
    }
    let before = fixture.frame(80, 24, PLAIN);
    fixture.state = fixture.state.snapshot();
    assert_eq!(fixture.frame(80, 24, PLAIN), before);
    assert_eq!(numbers(&fixture, "web-1").len(), 400);
}
