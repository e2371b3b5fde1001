//! `replay --demo`: the incident that is part of the program.

use std::time::Duration;

use crate::harness::metrics::Metrics;
use crate::harness::viewer::Viewer;
use crate::harness::wire::{Alert, AlertState, Wire};

/// The story: memory fills, then the swap space, the kernel kills the shop, and all is well again.
const STORY: [(&str, AlertState); 6] = [
    ("memory filling", AlertState::Firing),
    ("swapping", AlertState::Firing),
    ("killed", AlertState::Firing),
    ("killed", AlertState::Resolved),
    ("memory filling", AlertState::Resolved),
    ("swapping", AlertState::Resolved),
];

fn alerts(lines: &str) -> Vec<Alert> {
    let alert = |line| match Wire::read(line) {
        Ok(Wire::Alert { alert, .. }) => alert,
        other => panic!("{line}: {other:?}"),
    };
    lines.lines().map(alert).collect()
}

#[test]
fn it_tells_its_story_in_alerts() {
    let demo = Metrics::new().args(["replay", "--demo", "--print-alerts"]);
    let alerts = alerts(demo.run().success().text());
    for (name, state) in STORY {
        let is_there = |alert: &Alert| alert.name == name && alert.state == state;
        assert!(alerts.iter().any(is_there), "{name} {state:?}: {alerts:#?}");
    }
    let killed = alerts.iter().position(|alert| alert.name == "killed");
    let first = alerts.first().expect("an alert");
    assert_eq!(first.name, "memory filling");
    assert!(killed > Some(1), "{alerts:#?}");
    let firing = |name: &str| {
        let of_it = alerts.iter().rfind(|alert| alert.name == name);
        of_it.is_some_and(|alert| alert.state == AlertState::Firing)
    };
    assert!(
        !alerts.iter().any(|alert| firing(&alert.name)),
        "{alerts:#?}"
    );
}

/// The shop is all that happens: on a busy machine, its story would be lost among others.
#[test]
fn its_host_is_calm_before_the_incident() {
    let demo = Metrics::new().args(["replay", "--demo", "--end", "20s", "--print-alerts"]);
    let output = demo.args(["--alert", "busy: cpu > 60"]).run().success();
    output.stdout_is("");
}

/// A newcomer sees the first alert within ten seconds: at ten times its speed, in the first 100 s of the recording.
#[test]
fn it_plays_ten_times_as_fast_and_its_first_alert_comes_soon() {
    let demo = Metrics::new().args(["replay", "--listen", "127.0.0.1:0", "--demo"]);
    let demo = demo.start();
    let mut viewer = Viewer::connect(demo.url(), "last=1000000");
    let (mut first, mut began) = (None, None);
    let shown = loop {
        match viewer.message() {
            Wire::Hello {
                replay, metrics, ..
            } => {
                let replay = replay.expect("a replay");
                assert_eq!((replay.speed, replay.again), (Some(10.0), true));
                assert!(metrics.iter().any(|metric| metric.name == "order.time"));
                first = replay.first;
            }
            Wire::Metric { data, .. } if began.is_none() => began = Some(data.timestamp),
            Wire::Alert { data, .. } => break data.timestamp,
            _ => {}
        }
    };
    assert!(began >= first && first.is_some());
    let after = Duration::from_millis(shown - began.expect("a sample"));
    assert!(after < Duration::from_secs(100), "{after:?}");
}

#[test]
fn it_ends_once_for_a_command_and_needs_no_file() {
    let watch = ["watch", "--json", "--samples", "3"];
    let program = Metrics::new().program_and_args().0.to_owned();
    let demo = Metrics::new().args(["replay", "--demo", "--"]);
    let output = demo.arg(program).args(watch).run().success();
    let samples = output
        .text()
        .lines()
        .filter(|line| line.contains(r#""type":"metric""#));
    assert_eq!(samples.count(), 3, "{}", output.story());
}

#[test]
fn it_takes_the_place_of_a_file() {
    let both = Metrics::new().args(["replay", "--demo", "incident.csv"]);
    both.run().code(2).stderr_has("--demo");
    let neither = Metrics::new().args(["replay"]);
    neither.run().code(2).stderr_has("FILE");
    let beyond = Metrics::new().args(["replay", "--demo", "--start", "1h"]);
    beyond
        .run()
        .code(1)
        .stderr_has("nothing to replay: no rows between --start and --end in the demo");
}
