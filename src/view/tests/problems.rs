//! Messages about problems.

use std::sync::Arc;
use std::time::Duration;

use super::fixture::{Fixture, PLAIN, WALL};
use crate::protocol::{MetricInfo, Sample};

/// The frame's text in one line.
fn text(fixture: &Fixture, width: usize, height: usize) -> String {
    let lines = fixture.frame(width, height, PLAIN);
    lines
        .join(" ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[track_caller]
fn check(fixture: &Fixture, expected: &str) {
    for width in [40, 60, 80, 120, 300] {
        let text = text(fixture, width, 30);
        assert!(text.contains(expected), "{width}: {text}");
    }
}

#[test]
fn a_lost_connection_shows_the_reason_the_next_attempt_and_that_data_is_old() {
    let mut fixture = Fixture::one_host();
    fixture.lose("connection refused");
    let first = |fixture: &Fixture| fixture.frame(120, 24, PLAIN)[0].clone();
    let shown = first(&fixture);
    let expected = " ○  web-1   no data for 12 s: connection refused; attempt 4 in 5 s ";
    assert!(shown.starts_with(expected), "{shown}");
    check(&fixture, "○ STALE");
    check(&fixture, "12 s old");
    check(&fixture, "r retry");
    fixture.later(4_001);
    assert!(first(&fixture).contains("attempt 4 in 1 s"));
    fixture.later(1_000);
    assert!(first(&fixture).contains("attempt 4 now"));
}

#[test]
fn silence_on_an_open_connection_is_stale_too() {
    let mut fixture = Fixture::one_host();
    fixture.state.stale(&Fixture::name("web-1"));
    fixture.later(8_000);
    check(&fixture, "no data for 8 s");
    check(&fixture, "○ STALE");
}

#[test]
fn problems_disappear_when_samples_arrive_again() {
    let mut fixture = Fixture::one_host();
    fixture.lose("connection refused");
    fixture.state.connected(0);
    check(&fixture, "no data for 12 s");
    fixture.sample(0, "web-1", 29, &[("cpu", 1.0)]);
    check(&fixture, "● LIVE");
    assert!(!text(&fixture, 80, 24).contains("no data"));
}

#[test]
fn a_host_with_data_older_than_the_window_is_down() {
    let mut fixture = Fixture::one_host();
    fixture.lose("no route to host");
    fixture.later(50_000);
    check(&fixture, "✕ DOWN");
    check(&fixture, "no data for 1 m 02 s");
    // The values are gone, the charts stay.
    let lines = fixture.frame(80, 24, PLAIN);
    assert!(lines[3].starts_with(" CPU             -"), "{}", lines[3]);
}

#[test]
fn a_gap_leaves_a_hole_in_the_sparkline() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    fixture.hello(0, "web-1", &["cpu"]);
    for n in (0..10).chain(25..30) {
        fixture.sample(0, "web-1", n, &[("cpu", 50.0)]);
    }
    fixture.ui.toggle_values();
    let lines = fixture.frame(100, 24, PLAIN);
    let hole = format!("{}{}{}", "▄".repeat(10), " ".repeat(15), "▄".repeat(5));
    assert!(lines[4].ends_with(&hole), "{}", lines[4]);
}

#[test]
fn silence_moves_the_charts_on() {
    let chart = |fixture: &Fixture| fixture.frame(80, 24, PLAIN)[6].trim_end().chars().count();
    let mut fixture = Fixture::one_host();
    let before = chart(&fixture);
    fixture.lose("connection refused");
    // 12.3 s at 2 s a dot.
    assert_eq!(chart(&fixture), before - 3);
}

#[test]
fn the_hosts_of_a_lost_server_say_so() {
    let mut fixture = Fixture::new(&["relay"]);
    fixture.state.connected(0);
    for host in ["a", "b", "c"] {
        fixture.sample(0, host, 29, &[("cpu", 1.0)]);
    }
    fixture.lose_server(0, "connection reset");
    check(&fixture, "○ 3 stale of 3");
    assert_eq!(
        text(&fixture, 200, 24).matches("connection reset").count(),
        3
    );
}

#[test]
fn levels_have_a_shape() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.hello(0, "web-1", &["cpu", "memory", "swap"]);
    fixture.sample(
        0,
        "web-1",
        29,
        &[("cpu", 69.9), ("memory", 70.0), ("swap", 90.0)],
    );
    let lines = fixture.frame(80, 24, PLAIN);
    assert!(lines[3].starts_with(" CPU        69.9 %"), "{}", lines[3]);
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with(" Memory   ! 70.0 %")),
        "{lines:#?}"
    );
    fixture.ui.toggle_values();
    let lines = fixture.frame(80, 24, PLAIN);
    assert!(lines[4].starts_with("   CPU "), "{}", lines[4]);
    assert!(lines[5].starts_with(" ! Memory "), "{}", lines[5]);
    assert!(lines[6].starts_with("!! Swap "), "{}", lines[6]);
}

#[test]
fn an_absent_value_is_a_dash() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.hello(0, "web-1", &["cpu", "memory"]);
    fixture.sample(0, "web-1", 28, &[("cpu", 5.0), ("memory", 70.0)]);
    fixture.sample(0, "web-1", 29, &[("memory", 70.0)]);
    fixture.ui.toggle_values();
    let cpu = &fixture.frame(80, 24, PLAIN)[4];
    assert_eq!(
        cpu.split_whitespace().collect::<Vec<_>>(),
        ["CPU", "-", "%", "5.0", "5.0", "▁"]
    );
    assert!(cpu.ends_with('▁'), "{cpu}");
}

#[test]
fn a_server_without_hello_has_columns_from_its_samples() {
    let mut fixture = Fixture::new(&["localhost"]);
    fixture.state.connected(0);
    let values = [
        ("cpu", 31.2),
        ("memory", 58.4),
        ("activeUsers", 2.0),
        ("requestsPerSecond", 120.5),
        ("load1", 9.0),
    ];
    fixture.sample(0, "localhost", 29, &values);
    fixture.ui.toggle_values();
    let text = text(&fixture, 80, 24);
    for expected in [
        "CPU 31.2 %",
        "Memory 58.4 %",
        "Active users 2",
        "TCP accepts/s 120.5 /s",
        "Load 1 min 9",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains('!'), "nobody knows the cores: {text}");
}

#[test]
fn texts_of_peers_cannot_control_the_terminal() {
    let mut fixture = Fixture::new(&["a\u{1b}[2Jb"]);
    let evil = "x\u{1b}]0;y\u{7}\u{202e}z\r\n";
    let hello = crate::protocol::Hello {
        metrics: Arc::new([MetricInfo {
            name: "cpu".into(),
            unit: evil.into(),
            label: evil.into(),
            ..MetricInfo::default()
        }]),
        system: Some(crate::protocol::System {
            os: evil.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let host = Fixture::name("web-1");
    fixture.state.hello(0, &host, &hello);
    fixture.fire("web-1");
    fixture.evil_sample("web-1", evil);
    fixture.state.lost(0, evil, 1, Duration::from_secs(200));
    for line in fixture.frame(200, 40, PLAIN) {
        assert!(
            !line.chars().any(|c| c.is_control() || c == '\u{202e}'),
            "{line:?}"
        );
    }
    assert!(text(&fixture, 200, 40).contains("x]0;yz"));
}

#[test]
fn the_time_is_that_of_the_data() {
    let mut fixture = Fixture::one_host();
    assert!(fixture.frame(80, 24, PLAIN)[0].ends_with(" 14:07:31"));
    fixture.now.wall = WALL + 86_400_000;
    assert!(fixture.frame(80, 24, PLAIN)[0].ends_with(" 24 Nov 14:07:31"));
    let sample = Sample {
        timestamp: 1000,
        ..Sample::default()
    };
    let place = fixture.position();
    fixture
        .state
        .sample(0, &Fixture::name("web-1"), place, &sample, fixture.now);
    assert!(fixture.frame(80, 24, PLAIN)[0].ends_with(" 1 Jan 00:00:01"));
}
