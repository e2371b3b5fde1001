//! Messages about problems.

use std::sync::Arc;
use std::time::Duration;

use super::fixture::{Fixture, PLAIN, WALL};
use crate::protocol::{Gap, GapReason, MetricInfo, Sample};

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
    check(
        &fixture,
        "○ Connection lost (connection refused). Reconnection attempt 4 in 5 s. Data shown may be stale.",
    );
    check(&fixture, "○ STALE 12 s");
    fixture.later(4_001);
    check(&fixture, "Reconnection attempt 4 in 1 s.");
    fixture.later(1_000);
    check(&fixture, "Reconnection attempt 4 now.");
}

#[test]
fn silence_on_an_open_connection_is_stale_too() {
    let mut fixture = Fixture::one_host();
    fixture.state.stale(&Fixture::name("web-1"));
    fixture.later(8_000);
    check(&fixture, "○ No data for 8 s. Data shown may be stale.");
}

#[test]
fn problems_disappear_when_samples_arrive_again() {
    let mut fixture = Fixture::one_host();
    fixture.lose("connection refused");
    fixture.state.connected(0);
    check(&fixture, "No data for 12 s. Data shown may be stale.");
    fixture.sample(0, "web-1", 29, &[("cpu", 1.0)]);
    check(&fixture, "● live");
    assert!(!text(&fixture, 80, 24).contains("stale"));
}

#[test]
fn a_host_with_data_older_than_the_window_is_down() {
    let mut fixture = Fixture::one_host();
    fixture.lose("no route to host");
    fixture.later(50_000);
    check(&fixture, "✕ DOWN 1 m 02 s");
    check(&fixture, "Data shown may be stale.");
}

#[test]
fn an_alert_is_shown_with_its_value_threshold_and_time() {
    let mut fixture = Fixture::one_host();
    fixture.fire("web-1");
    check(&fixture, "▲ busy: CPU 97.1 %");
    let whole = "▲ busy: CPU 97.1 % >= 90 for 33 s: rustc 61 % since 14:06:58 UTC";
    assert!(text(&fixture, 80, 24).contains(whole));
    fixture.resolve("web-1");
    assert!(!text(&fixture, 80, 24).contains("busy"));
}

#[test]
fn problems_are_listed_before_the_metrics() {
    let mut fixture = Fixture::one_host();
    fixture.fire("web-1");
    fixture.lose("connection refused");
    let lines = fixture.frame(80, 24, PLAIN);
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
    assert!(at("Connection lost") < at("busy: CPU") && at("busy: CPU") < at("CPU  "));
}

#[test]
fn a_gap_is_shown_while_it_is_in_the_window() {
    let mut fixture = Fixture::one_host();
    let gap = Gap {
        from: Some(13),
        to: Some(57),
        reason: GapReason::Expired,
    };
    fixture
        .state
        .gap(0, &Fixture::name("web-1"), gap, fixture.now);
    check(
        &fixture,
        "· Messages 13 to 57 are lost: the server no longer had them.",
    );
    fixture.later(61_000);
    assert!(!text(&fixture, 80, 24).contains("lost"));
    let gap = Gap {
        from: None,
        to: None,
        reason: GapReason::Restarted,
    };
    fixture
        .state
        .gap(0, &Fixture::name("web-1"), gap, fixture.now);
    check(
        &fixture,
        "The source restarted: sampling paused in between.",
    );
}

#[test]
fn a_gap_leaves_a_hole_in_the_sparkline() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    fixture.hello(0, "web-1", &["cpu"]);
    for n in (0..10).chain(25..30) {
        fixture.sample(0, "web-1", n, &[("cpu", 50.0)]);
    }
    let lines = fixture.frame(100, 24, PLAIN);
    let hole = format!("{}{}{}", "▄".repeat(10), " ".repeat(15), "▄".repeat(5));
    assert!(lines[3].ends_with(&hole), "{}", lines[3]);
}

#[test]
fn silence_moves_the_sparkline_on() {
    let mut fixture = Fixture::one_host();
    fixture.lose("connection refused");
    let cpu = &fixture.frame(100, 24, PLAIN)[4];
    // 12.3 s at 2 s a sample.
    let full = Fixture::one_host().frame(100, 24, PLAIN)[3].clone();
    let before: String = full.chars().rev().take(24).collect();
    let after: String = cpu.chars().rev().take(24).collect();
    assert_eq!(after, before, "{cpu}");
}

#[test]
fn a_lost_server_is_shown_once_for_all_its_hosts() {
    let mut fixture = Fixture::new(&["relay"]);
    fixture.state.connected(0);
    for host in ["a", "b", "c"] {
        fixture.sample(0, host, 29, &[("cpu", 1.0)]);
    }
    fixture.lose_server(0, "connection reset");
    check(
        &fixture,
        "○ STALE relay (3 hosts) connection reset; attempt 4 in 17 s. Data shown may be stale.",
    );
    assert_eq!(text(&fixture, 80, 24).matches("attempt").count(), 1);
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
    assert!(lines[3].starts_with("   CPU "), "{}", lines[3]);
    assert!(lines[4].starts_with(" ! Memory "), "{}", lines[4]);
    assert!(lines[5].starts_with("!! Swap "), "{}", lines[5]);
}

#[test]
fn an_absent_value_is_a_dash() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.hello(0, "web-1", &["cpu", "memory"]);
    fixture.sample(0, "web-1", 28, &[("cpu", 5.0), ("memory", 70.0)]);
    fixture.sample(0, "web-1", 29, &[("memory", 70.0)]);
    let cpu = &fixture.frame(80, 24, PLAIN)[3];
    assert_eq!(
        cpu.split_whitespace().collect::<Vec<_>>(),
        ["CPU", "-", "5.0", "5.0", "▁"]
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
    assert!(fixture.frame(80, 24, PLAIN)[0].ends_with("14:07:31 UTC"));
    fixture.now.wall = WALL + 86_400_000;
    assert!(fixture.frame(80, 24, PLAIN)[0].ends_with("2026-11-24 14:07:31 UTC"));
    let sample = Sample {
        timestamp: 1000,
        ..Sample::default()
    };
    let place = fixture.position();
    fixture
        .state
        .sample(0, &Fixture::name("web-1"), place, &sample, fixture.now);
    assert!(fixture.frame(80, 24, PLAIN)[0].ends_with("1970-01-01 00:00:01 UTC"));
}
