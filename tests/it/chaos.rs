//! `replay --chaos`: faults at moments of the recording, and what viewers make of them.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::alerts::in_file;
use crate::harness::browser::Browser;
use crate::harness::http::serve_page;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::recording::plain;
use crate::harness::rows::parse;
use crate::harness::tutorial::PAGE;
use crate::harness::wire::{Reason, Wire};
use crate::harness::{PATIENCE, wait_for};
use crate::page::{VIEW, assert_unbroken, open_after, series};

const ALL: &str = "cut@1s stall@2s/300ms restart@4s/200ms cut@5s";

fn in_dir(dir: &tempfile::TempDir, samples: u64, step_ms: u64) -> PathBuf {
    in_file(dir, "r.csv", &plain("web-1", samples, step_ms))
}

/// A replay of `file` that waits for its viewer.
fn replay(file: &Path, args: &[&str]) -> Running {
    Metrics::replay([file])
        .args(["--wait", "1"])
        .args(args)
        .start()
}

/// What is said of the faults.
fn told(stderr: &str) -> Vec<String> {
    let lines = stderr.lines().filter(|line| line.starts_with("Chaos"));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_same_happens_every_time_and_at_every_speed() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_dir(&dir, 30, 200);
    let expected_faults = [
        "Chaos at 1 s, before the message of web-1 at 2026-11-24T14:00:01.200Z: cut: every connection is reset.",
        "Chaos at 2 s, before the message of web-1 at 2026-11-24T14:00:02.200Z: stall: viewers receive nothing for 300 ms.",
        "Chaos at 4 s, before the message of web-1 at 2026-11-24T14:00:04.200Z: restart: every connection is reset and \
         none is accepted for 200 ms; a new stream begins.",
        "Chaos at 5 s, before the message of web-1 at 2026-11-24T14:00:05.200Z: cut: every connection is reset.",
    ];
    let mut first = None;
    for speed in ["1", "10", "max", "max"] {
        let replay = replay(&file, &["--speed", speed, "--chaos", ALL]);
        let watch = Metrics::watch(replay.url()).arg("--json").spawn();
        let output = watch.wait().success();
        assert_eq!(
            told(&replay.wait().success().stderr),
            expected_faults,
            "at speed {speed}"
        );
        let text = first.get_or_insert_with(|| output.text().to_owned());
        assert_eq!(text, output.text(), "at speed {speed}");
    }
    // Nothing is missing; the numbers begin again where the server restarted.
    let messages: Vec<_> = first
        .unwrap()
        .lines()
        .map(|line| Wire::read(line).unwrap())
        .collect();
    let mut seen = Vec::new();
    for message in &messages {
        match message {
            Wire::Metric { seq, .. } => seen.push(*seq),
            Wire::Gap {
                reason: Reason::Restarted,
                from: None,
                to: None,
                ..
            } => seen.push(0),
            Wire::End { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let expected: Vec<u64> = (1..=20).chain([0]).chain(1..=10).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_recording_through_cuts_and_stalls_is_the_recording() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_dir(&dir, 100, 200);
    let plan = "cut@400ms cut@1s stall@2s/100ms cut@2s cut@19s cut@19800ms";
    for speed in ["20", "max"] {
        let replay = replay(&file, &["--speed", speed, "--chaos", plan]);
        let record = Metrics::record(replay.url()).run().success();
        assert_eq!(
            record.text(),
            std::fs::read_to_string(&file).unwrap(),
            "at speed {speed}"
        );
        assert_eq!(told(&replay.wait().success().stderr).len(), 6);
    }
}

#[test]
fn a_restart_refuses_connections_and_loses_no_message() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_dir(&dir, 50, 200);
    let args = [
        "--alert",
        "hot: cpu > 10",
        "--speed",
        "10",
        "--chaos",
        "restart@5s/3s",
    ];
    let replay = replay(&file, &args);
    let record = Metrics::record(replay.url()).spawn();
    replay.wait_for_stderr("a new stream begins");
    let refused = || {
        let error = TcpStream::connect(("127.0.0.1", replay.port())).err()?;
        (error.kind() == ErrorKind::ConnectionRefused).then_some(())
    };
    wait_for(PATIENCE, refused, || "it accepts connections".into());
    let rows = parse(&record.wait().success().stdout);
    replay.wait().success();
    let cpu: Vec<_> = rows
        .iter()
        .filter(|row| row.cell("event").is_empty())
        .map(|row| row.cell("cpu").to_owned())
        .collect();
    assert_eq!(
        cpu,
        (1..=50).map(|n: u32| n.to_string()).collect::<Vec<_>>()
    );
    let events: Vec<_> = rows
        .iter()
        .map(|row| row.cell("event"))
        .filter(|event| !event.is_empty())
        .collect();
    // The rules of a server that restarts begin afresh, too.
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(
        events[0].contains("firing")
            && events[1] == "gap restarted"
            && events[2].contains("firing"),
        "{events:?}"
    );
}

#[test]
fn a_bad_plan_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_dir(&dir, 30, 1000);
    for (plan, expected) in [
        (
            "boom@1s",
            "error: --chaos: in 'boom@1s', 'boom' is no fault: write cut, stall or restart",
        ),
        (
            "stall@1s",
            "error: --chaos: 'stall@1s' does not say how long: write stall@1s/5s",
        ),
        ("cut@1", "error: --chaos: in 'cut@1', '1' has no unit"),
        ("", "error: --chaos: the plan is empty"),
        (
            "cut@5s cut@30s",
            "error: --chaos cut@30s is after the end: what is replayed is 29 s long",
        ),
    ] {
        let output = Metrics::replay([&file])
            .args(["--chaos", plan])
            .run()
            .code(2);
        assert!(output.stderr.starts_with(expected), "{}", output.story());
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.story());
    }
    // The length of a pipe is known only at its end.
    let piped = Metrics::replay(["-"]).args(["--speed", "max", "--chaos", "cut@30s"]);
    let input = std::fs::read(&file).unwrap();
    let output = piped.run_with_input(&input).success();
    output.stderr_has("warning: --chaos cut@30s did not happen: the recording was over before");
}

/// Notes what the page says of its connection, and whether its banner gives the number of the attempt. Every wait before an
/// attempt is three times the longest, so that even a busy browser draws it.
const NOTED: &str = "
    Math.random = () => 3;
    window.told = [];
    setInterval(() => {
        const [word, banner] = ['word', 'banner'].map((id) => document.getElementById(id));
        if (!word || !banner) return;
        const counts = /^Connection lost. Reconnection attempt [1-9]/.test(banner.innerText);
        const now = word.textContent + (banner.hidden ? '' : counts ? ' with a count' : ' with a banner');
        if (told.at(-1) !== now) told.push(now);
    }, 20);
";

/// Fails unless the page has said all that, in this order, and nothing of another kind.
#[track_caller]
fn assert_told(browser: &mut Browser, expected: &[&str]) {
    let told: Vec<String> = serde_json::from_value(browser.eval("told")).unwrap();
    let mut rest = told.iter();
    let in_order = expected
        .iter()
        .all(|word| rest.any(|told| told.starts_with(word)));
    assert!(in_order, "{told:?}");
    // A banner with the number of the attempt, whenever it reconnects.
    let counted = |told: &&String| told.starts_with("Reconnecting (");
    assert!(
        told.iter()
            .filter(counted)
            .all(|told| told.ends_with(" with a count")),
        "{told:?}"
    );
}

#[test]
fn the_page_shows_every_fault_and_is_green_again_without_a_hole() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_dir(&dir, 300, 200);
    let replay = replay(&file, &["--chaos", "cut@4s stall@15s/8s"]);
    let mut browser = open_after(NOTED, replay.port());
    browser.wait_until("view().isLive && view().filled && view().seq > 90", VIEW);
    assert_told(
        &mut browser,
        &[
            "Replay ×1",
            "Reconnecting (1)",
            "Replay ×1",
            "Stale",
            "Replay ×1",
        ],
    );
    assert_unbroken(&mut browser);
    let view = browser.eval("view()");
    assert_eq!((&view["gaps"], &view["unreadable"]), (&json!(0), &json!(0)));
    assert_eq!(
        browser.eval("document.getElementById('banner').hidden"),
        true
    );
}

#[test]
fn the_page_follows_a_replay_that_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_dir(&dir, 400, 200);
    let replay = replay(&file, &["--chaos", "restart@4s/8s"]);
    let mut browser = open_after(NOTED, replay.port());
    // The first stream had 20 samples.
    let again = "view().isLive && view().filled && view().seq > 10 && told.at(-1).startsWith('Replay ×1') &&
        told.some((it) => it.startsWith('Reconnecting (2)'))";
    browser.wait_until(again, VIEW);
    assert_told(
        &mut browser,
        &[
            "Replay ×1",
            "Reconnecting (1)",
            "Reconnecting (2)",
            "Replay ×1",
        ],
    );
    // Both streams are there, each without a hole: every value of the recording.
    let values: Vec<f64> = series(&mut browser, "cpu")
        .iter()
        .map(|row| row.2)
        .collect();
    let whole: Vec<f64> = (1..=values.len()).map(|n| (n % 100) as f64).collect();
    assert_eq!(values, whole);
}

#[test]
fn the_tutorials_page_goes_through_every_fault() {
    const STATE: &str = "JSON.stringify(window.state)";
    let dir = tempfile::tempdir().unwrap();
    let file = in_dir(&dir, 600, 200);
    let replay = replay(&file, &["--chaos", "cut@3s stall@6s/2s restart@9s/3s"]);
    let page = serve_page(PAGE);
    let mut browser = Browser::open(&format!("http://localhost:{page}/?port={}", replay.port()));
    for connection in [1, 2] {
        browser.wait_until(
            &format!("window.state && state.connections === {connection} && state.metrics > 3"),
            STATE,
        );
        browser.wait_until("!state.connected && state.attempt > 0", STATE);
    }
    browser.wait_until(
        "state.connected && state.connections === 3 && state.metrics > 60",
        STATE,
    );
    assert_eq!(browser.eval("state.problems"), json!([]));
    assert_eq!(told(&replay.stderr().text()).len(), 3);
}
