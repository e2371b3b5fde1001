//! How events change the state.

use std::time::Duration;

use super::fixture::{Fixture, PLAIN};
use crate::protocol::Sample;

#[test]
fn an_alert_does_not_count_its_sample_twice() {
    let mut fixture = Fixture::one_host();
    let before = fixture.frame(80, 24, PLAIN);
    fixture.fire("web-1");
    fixture.resolve("web-1");
    assert_eq!(fixture.frame(80, 24, PLAIN), before);
}

#[test]
fn an_alert_brings_its_sample_if_none_arrived_before() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.fire_with(
        "web-1",
        &Sample {
            timestamp: 5000,
            values: vec![("cpu".into(), 97.1)],
            ..Sample::default()
        },
    );
    assert!(fixture.state.has_data());
    assert!(
        fixture
            .frame(80, 24, PLAIN)
            .iter()
            .any(|line| line.contains("CPU  "))
    );
}

#[test]
fn a_hello_replaces_the_alerts_and_keeps_the_window() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.hello(0, "web-1", &["cpu", "memory", "old"]);
    for n in 20..30 {
        fixture.sample(
            0,
            "web-1",
            n,
            &[("cpu", 20.0), ("memory", 60.0), ("old", 1.0)],
        );
    }
    fixture.fire("web-1");
    fixture.hello(0, "web-1", &["swap", "memory", "cpu"]);
    fixture.ui.toggle_values();
    let lines = fixture.frame(80, 24, PLAIN);
    let row = |name: &str| {
        let line = lines
            .iter()
            .find(|line| line.trim_start().starts_with(name));
        line.map(|line| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(
        row("CPU").unwrap()[1..],
        ["20.0", "%", "20.0", "20.0", "▂▂▂▂▂▂▂▂▂▂"]
    );
    assert_eq!(row("Memory").unwrap()[1], "60.0");
    assert_eq!(row("Swap").unwrap()[1..], ["-"]);
    assert_eq!((row("old"), row("▲")), (None, None));
}

#[test]
fn counting_texts_are_redrawn_without_data() {
    let mut fixture = Fixture::new(&["web-1"]);
    assert!(fixture.state.is_counting(), "connecting");
    fixture.state.connected(0);
    assert!(!fixture.state.is_counting());
    fixture.sample(0, "web-1", 29, &[("cpu", 1.0)]);
    fixture.state.stale(&Fixture::name("web-1"));
    assert!(fixture.state.is_counting(), "the age grows");
    fixture.sample(0, "web-1", 29, &[("cpu", 1.0)]);
    assert!(!fixture.state.is_counting());
    fixture.state.lost(0, "reset", 1, Duration::from_secs(200));
    assert!(fixture.state.is_counting(), "the countdown falls");
    fixture.state.ended(0);
    assert!(!fixture.state.is_counting());
}

#[test]
fn it_is_complete_when_no_host_is_awaited() {
    let mut fixture = Fixture::new(&["a", "b"]);
    fixture.state.connected(0);
    fixture.hello(0, "a-1", &["cpu"]);
    fixture.hello(0, "a-2", &["cpu"]);
    fixture.sample(0, "a-1", 29, &[("cpu", 1.0)]);
    assert!(!fixture.state.is_complete(), "a-2 has none");
    fixture.sample(0, "a-2", 29, &[("cpu", 1.0)]);
    assert!(!fixture.state.is_complete(), "b is still tried");
    fixture.state.refused(1, "refused");
    assert!(fixture.state.is_complete());
}

#[test]
fn an_ended_stream_is_neither_stale_nor_down() {
    let mut fixture = Fixture::one_host();
    fixture.state.host_ended(&Fixture::name("web-1"));
    fixture.state.stale(&Fixture::name("web-1"));
    fixture.later(600_000);
    let lines = fixture.frame(80, 24, PLAIN);
    assert!(lines[0].contains("the recording is over"), "{}", lines[0]);
    assert!(lines[0].contains("■ OVER"), "{}", lines[0]);
}

#[test]
fn the_metrics_of_a_host_are_bounded() {
    let mut fixture = Fixture::new(&["web-1"]);
    for sample in 0..5_u64 {
        let values = (0..1500_u64)
            .map(|n| (format!("m{sample}-{n}").into(), 1.0))
            .collect();
        let sample = Sample {
            timestamp: 1000 + sample,
            values,
            ..Sample::default()
        };
        let place = fixture.position();
        fixture
            .state
            .sample(0, &Fixture::name("web-1"), place, &sample, fixture.now);
    }
    let lines = fixture.frame(80, 24, PLAIN);
    assert!(lines[3].contains(" of 4000"), "{}", lines[3]);
}
