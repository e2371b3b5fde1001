//! Signals: the first is COMMAND's to heed, the second ends everything.

use std::sync::mpsc;

use rustix::process::Signal;

use crate::harness::metrics::Metrics;
use crate::harness::{PATIENCE, server};

use super::{Scene, wait_until_dead};

/// Says that it is ready, waits for a signal, shows that the server still serves, and ends with 9.
const HEEDS: &str = r#"
    caught() { kill $!; "$METRICS" watch --json --last 1 --samples 1; exit 9; }
    trap caught INT TERM HUP
    sleep 1000 > "$DIR/none" 2>&1 &
    echo ready; wait"#;

/// Notes each signal, and goes on.
const GOES_ON: &str = r#"
    trap 'echo caught' INT TERM HUP
    echo $$; while :; do sleep 0.02; done"#;

const ASKING: [(Signal, i32); 3] = [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)];

#[test]
fn the_first_signal_is_forwarded_and_the_replay_goes_on() {
    let scene = Scene::new();
    for (signal, _) in ASKING {
        let replay = scene.replay().args(["--wait", "0"]).sh(HEEDS).spawn();
        replay.stdout_lines(1);
        replay.signal(signal);
        let output = replay.wait().code(9);
        let lines: Vec<_> = output.text().lines().collect();
        assert!(
            lines.len() == 2 && lines[1].contains(r#""seq":20"#),
            "{}",
            output.story()
        );
    }
}

#[test]
fn the_first_signal_is_forwarded_and_the_recording_goes_on() {
    let scene = Scene::new();
    let server = Metrics::serve().start();
    for (signal, _) in ASKING {
        let record = scene.record(&server).arg("--force").sh(HEEDS).spawn();
        record.stdout_lines(1);
        record.signal(signal);
        let output = record.wait().code(9).stderr_has("Wrote ");
        assert_eq!(output.text().lines().count(), 2, "{}", output.story());
    }
}

#[test]
fn a_command_that_the_signal_kills_counts_as_killed() {
    let scene = Scene::new();
    for (signal, status) in ASKING {
        let replay = scene.replay().sh("echo ready; exec sleep 1000").spawn();
        replay.stdout_lines(1);
        replay.signal(signal);
        replay
            .wait()
            .code(status)
            .stderr_lacks("error")
            .stderr_lacks("killed");
    }
}

#[test]
fn the_second_signal_leaves_no_command_behind() {
    let scene = Scene::new();
    let server = Metrics::serve().start();
    for run in [scene.replay(), scene.record(&server).arg("--force")] {
        for (signal, status) in ASKING {
            let run = run.clone().sh(GOES_ON).spawn();
            let command = run.stdout_lines(1).remove(0);
            run.signal(Signal::TERM);
            run.stdout_lines(2);
            run.signal(signal);
            // One that is left behind would hold stdout open.
            wait_until_dead(&command);
            run.wait().code(status);
        }
    }
}

#[test]
fn a_signal_before_the_command_begins_is_no_success() {
    let scene = Scene::new();
    let begun = r#"touch "$DIR/begun""#;
    // A server that never answers.
    let (called, calls) = mpsc::channel();
    let silent = server::each_connection(move |_, mut stream| {
        called.send(()).unwrap();
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let record = Metrics::record(&format!("127.0.0.1:{silent}")).arg("-o");
    let record = scene.with_names(record.arg(scene.path("s.csv")));
    let record = record.sh(begun).spawn();
    calls.recv_timeout(PATIENCE).unwrap();
    record.signal(Signal::TERM);
    record.wait().code(143);

    // A recording that never comes.
    let mut replay = Metrics::new().args(["replay", "-"]).sh(begun).spawn();
    let stdin = replay.stdin().take();
    replay.wait_until_interruptible();
    replay.signal(Signal::INT);
    replay.wait().code(130);
    drop(stdin);
    assert!(!scene.has("begun"));
}

#[test]
fn ctrl_c_reaches_the_command_once() {
    let scene = Scene::new();
    let counts = r#"
        trap 'echo caught' INT
        echo ready; until [ -e "$DIR/go" ]; do sleep 0.02; done; exit 9"#;
    let replay = scene.replay().arg("-vv").sh(counts);
    let mut terminal = replay.in_terminal(120, 40);
    terminal.wait_for_text("ready");
    terminal.send_keys("\x03");
    // Otherwise it would be forwarded.
    terminal.wait_for_text("the terminal sent the interrupt to process");
    terminal.wait_for_text("caught");
    scene.make("go");
    let left = terminal.wait();
    assert_eq!(left.code, 9);
    let text = left.screen.contents();
    assert_eq!(text.matches("caught").count(), 1, "{text}");
}

#[test]
fn ctrl_c_is_forwarded_to_a_command_that_left_the_terminal() {
    let scene = Scene::new();
    let heeds = r#"
        trap 'exit 9' INT
        echo ready; while :; do sleep 0.02; done"#;
    let replay = scene.replay().args(["--", "setsid", "sh", "-c", heeds]);
    let mut terminal = replay.in_terminal(120, 40);
    terminal.wait_for_text("ready");
    terminal.send_keys("\x03");
    assert_eq!(terminal.wait().code, 9);
}
