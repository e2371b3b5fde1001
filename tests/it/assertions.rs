//! `watch --until` and `--fail-on-alert`: the exit status, and the message that decides it.

use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;

use crate::alerts::{in_file, recording};
use crate::harness::metrics::{Metrics, Output, Running};
use crate::harness::recording::plain;
use crate::harness::viewer::Viewer;
use crate::harness::wire::{Alert, AlertState, Wire};
use crate::harness::{PATIENCE, wait_for};

/// Where nothing listens.
const NOWHERE: &str = "127.0.0.1:1";

/// A replay that waits for its viewer and plays as fast as that reads.
fn replay(file: &Path, args: &[&str]) -> Running {
    Metrics::replay([file])
        .args(["--wait", "1", "--speed", "max"])
        .args(args)
        .start()
}

const HOT: &str =
    "alert 'hot' (cpu > 90) fired on web-1 at 2026-11-24T14:00:00.200Z: cpu is 95.0 %";
const MET: &str = "'cpu > 90' came true on web-1 at 2026-11-24T14:00:00.200Z: cpu is 95.0 %";
const UNMET: &str = "did not come true\n";
const DOUBT: &str = "did not come true: no metric 'cpuu' is known; the nearest is cpu";

/// The flags, the status, how many messages are printed, and what is said of a replay in which the second and the fourth
/// sample are hot. The `end` is the last line of a whole replay.
const ROWS: [(&str, i32, usize, &str); 16] = [
    ("", 0, 8, ""),
    ("--until=cpu > 90", 0, 2, MET),
    ("--until=cpu > 90 for 400ms", 5, 8, UNMET),
    ("--until=cpu > 96", 5, 8, UNMET),
    ("--until=cpuu > 9", 5, 8, DOUBT),
    (
        "--until=queueDepth >= 3",
        0,
        6,
        "'queueDepth >= 3' came true",
    ),
    ("--fail-on-alert", 4, 3, HOT),
    ("--fail-on-alert=hot", 4, 3, HOT),
    (
        "--fail-on-alert=cold",
        0,
        8,
        "'hot' fired, but no alert named 'cold' did",
    ),
    ("--until=cpu > 90|--fail-on-alert", 0, 2, MET),
    ("--until=cpu > 96|--fail-on-alert", 4, 3, HOT),
    ("--until=cpu > 96|--fail-on-alert=cold", 5, 8, UNMET),
    ("--fail-on-alert|--samples=1", 0, 1, ""),
    ("--until=cpu > 90|--samples=1", 5, 1, UNMET),
    ("--until=cpu > 40|--once", 0, 1, "'cpu > 40' came true"),
    ("--until=cpu > 60|--once", 5, 1, UNMET),
];

#[test]
fn the_exit_status_says_what_became_of_an_assertion() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(&dir, "r.csv", &recording("50 95 50 95"));
    for (flags, status, lines, says) in ROWS {
        let flags: Vec<_> = flags.split('|').filter(|flag| !flag.is_empty()).collect();
        for form in ["--json", "--plain"] {
            let replay = replay(&file, &["--alert", "hot: cpu > 90"]);
            let output = Metrics::watch(replay.url()).arg(form).args(&flags).run();
            let output = output.code(status).stderr_has(says);
            if form == "--json" {
                assert_eq!(output.text().lines().count(), lines, "{}", output.story());
            }
        }
    }
}

#[test]
fn a_name_is_given_with_an_equals_sign_only() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(&dir, "r.csv", &recording("50 95"));
    let replay = replay(&file, &["--alert", "hot: cpu > 90"]);
    let watch = Metrics::new().args(["watch", "--fail-on-alert", replay.url()]);
    watch.run().code(4);
    for (flag, says) in [
        (
            "--fail-on-alert=",
            "--fail-on-alert= names no alert: write --fail-on-alert=NAME",
        ),
        (
            "--until=",
            "--until '', column 1: the rule ends before its metric",
        ),
        (
            "--until=cpu >",
            "--until 'cpu >', column 6: here should be a number: write cpu > 90%",
        ),
        (
            "--until=cpu:* 9",
            "--until 'cpu:* 9', column 7: here should be >, >=, < or <=",
        ),
    ] {
        let output = Metrics::watch(NOWHERE)
            .arg(flag)
            .run()
            .code(2)
            .stderr_has(says);
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.story());
    }
}

#[test]
fn without_a_connection_or_a_sample_nothing_was_tested() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(&dir, "r.csv", &plain("web-1", 3, 1000));
    for flags in [
        &["--until", "cpu > 100"][..],
        &["--fail-on-alert"],
        &["--until", "cpu > 100", "--fail-on-alert"],
    ] {
        let nobody = Metrics::watch(NOWHERE).args(["--retries", "0"]);
        nobody.args(flags).run().code(3);
        // It waits for a second viewer.
        let silent = Metrics::replay([&file]).args(["--wait", "2"]).start();
        let watch = Metrics::watch(silent.url()).args(["--duration", "300ms"]);
        watch
            .args(flags)
            .run()
            .code(3)
            .stderr_has("nothing was observed");
        let refused = Metrics::watch(silent.url()).args(["--host", "web-2"]);
        refused.args(flags).run().code(3).stderr_has("404");
        // A server that is gone for good proves nothing, whatever was seen of it.
        let serve = Metrics::serve().start();
        let watch = Metrics::watch(serve.url()).args(["--json", "--retries", "0"]);
        let watch = watch.args(flags).spawn();
        watch.stdout_lines(1);
        serve.kill9();
        watch.wait().code(3);
    }
}

#[test]
fn time_that_runs_out_fails_only_what_should_have_come_true() {
    let serve = Metrics::serve().start();
    let watch = |flags: &[&str]| {
        let watch = Metrics::watch(serve.url()).args(["--duration", "1s"]);
        watch.args(flags).run()
    };
    watch(&["--fail-on-alert"]).code(0);
    watch(&["--until", "cpu < 0"])
        .code(5)
        .stderr_has("'cpu < 0' did not come true");
    watch(&["--until", "cpu >= 0"]).code(0);
}

#[test]
fn an_alert_that_fired_before_fails_no_test() {
    let serve = Metrics::serve().args(["--alert", "memory > 0"]).start();
    let fires = || match Viewer::connect(serve.url(), "").message() {
        Wire::Hello { alerts, .. } if !alerts.is_empty() => Some(()),
        _ => None,
    };
    wait_for(PATIENCE, fires, || "no alert".into());
    for more in [&[][..], &["--last", "100"]] {
        let watch = Metrics::watch(serve.url()).args(["--duration", "1s", "--fail-on-alert"]);
        watch.args(more).run().code(0);
    }
}

/// Whether `output` is of a watch that a signal interrupted.
#[track_caller]
fn interrupted(watch: Running, signal: Signal, status: i32) -> Output {
    watch.stdout_lines(1);
    watch.signal(signal);
    watch.wait().code(status)
}

#[test]
fn a_watch_that_is_interrupted_neither_passes_nor_fails() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(&dir, "r.csv", &plain("web-1", 1000, 1000));
    let replay = Metrics::replay([file]).args(["--wait", "1"]).start();
    let watch = || Metrics::watch(replay.url());
    let never = ["--until", "cpu > 100"];
    let both = ["--until", "cpu > 100", "--fail-on-alert"];
    for flags in [&never[..], &["--fail-on-alert"], &both] {
        for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            for form in ["--json", "--plain"] {
                interrupted(watch().arg(form).args(flags).spawn(), signal, status);
            }
            // Before anything arrives.
            let early = Metrics::watch(NOWHERE).args(flags).spawn();
            early.wait_for_stderr("cannot connect");
            early.signal(signal);
            early.wait().code(status);
            let table = watch().args(flags).in_terminal(100, 30);
            table.wait_for_text("▷ REPLAY");
            table.signal(signal);
            assert_eq!(table.wait().code, u32::try_from(status).unwrap());
        }
        for key in ["q", "\u{3}"] {
            let mut table = watch().args(flags).in_terminal(100, 30);
            table.wait_for_text("▷ REPLAY");
            table.send_keys(key);
            assert_eq!(table.wait().code, 130);
        }
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let unread = watch().args(flags).spawn_into(writer, Stdio::piped());
        unread.wait().code(141);
        let full = std::fs::File::options().write(true).open("/dev/full");
        watch()
            .args(flags)
            .spawn_into(full.unwrap(), Stdio::piped())
            .wait()
            .code(1);
    }
    // Nothing was asserted.
    for signal in [Signal::INT, Signal::TERM] {
        interrupted(watch().arg("--json").spawn(), signal, 0);
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    watch().spawn_into(writer, Stdio::piped()).wait().code(0);
}

#[test]
fn an_assertion_ends_the_table_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(&dir, "r.csv", &recording("50 50 95 50"));
    let rows: [(&[&str], u32, &str); 3] = [
        (&["--until", "cpu > 90"], 0, "'cpu > 90' came true on web-1"),
        (
            &["--fail-on-alert"],
            4,
            "error: alert 'hot' (cpu > 90) fired on web-1",
        ),
        (
            &["--until", "cpu > 96"],
            5,
            "error: --until 'cpu > 96' did not come true",
        ),
    ];
    for (flags, code, says) in rows {
        let replay = replay(&file, &["--alert", "hot: cpu > 90"]);
        let watch = Metrics::watch(replay.url()).args(flags);
        let left = watch.in_terminal(100, 30).wait();
        assert_eq!(left.code, code, "{}", left.screen.contents());
        let text = left.screen.contents();
        assert!(text.contains(says) && text.contains("web-1"), "{text}");
    }
}

/// The time of the message at which `rule` fires first, if the server is asked; and all its samples.
fn by_the_server(file: &Path, rule: &str) -> (Option<u64>, usize) {
    let replay = replay(file, &["--alert", rule]);
    let watch = Metrics::watch(replay.url()).arg("--json");
    let output = watch.run().success();
    let messages: Vec<_> = output
        .text()
        .lines()
        .map(|line| Wire::read(line).unwrap())
        .collect();
    let firing = messages.iter().find_map(|message| match message {
        Wire::Alert {
            alert:
                Alert {
                    state: AlertState::Firing,
                    ..
                },
            data,
            ..
        } => Some(data.timestamp),
        _ => None,
    });
    let samples = messages
        .iter()
        .filter(|it| matches!(it, Wire::Metric { .. }));
    (firing, samples.count())
}

#[test]
fn a_rule_comes_true_at_the_same_sample_at_every_speed() {
    let dir = tempfile::tempdir().unwrap();
    // A recorded alert, absent values, a lost message, and two restarts.
    let values = "50 95 95! - 95 50 95 _ 95 95 /95 95 50 /95 -";
    let file = in_file(&dir, "r.csv", &recording(values));
    let mut watches = Vec::new();
    for rule in [
        "cpu > 90",
        "cpu > 90 for 100ms",
        "cpu > 90 for 200ms",
        "cpu > 90 for 600ms",
        "cpu < 60 for 200ms",
        "queueDepth >= 11",
        "absent(cpu) for 1ms",
        "cpu > 99",
    ] {
        for speed in ["1", "10", "max"] {
            let replay = Metrics::replay([&file])
                .args(["--wait", "1", "--speed", speed])
                .start();
            let watch = Metrics::watch(replay.url()).args(["--json", "--until", rule]);
            watches.push((rule, speed, watch.spawn(), replay));
        }
    }
    let mut outputs = std::collections::HashMap::new();
    for (rule, speed, watch, _replay) in watches {
        let output = watch.wait();
        let (firing, samples) = by_the_server(&file, rule);
        let messages: Vec<_> = output
            .text()
            .lines()
            .map(|line| Wire::read(line).unwrap())
            .collect();
        match (firing, messages.last()) {
            (Some(time), Some(Wire::Metric { data, .. })) => {
                assert_eq!(
                    output.status.code(),
                    Some(0),
                    "{rule} at {speed}: {}",
                    output.story()
                );
                assert_eq!(data.timestamp, time, "{rule} at {speed}");
            }
            (None, Some(Wire::End { .. })) => {
                assert_eq!(
                    output.status.code(),
                    Some(5),
                    "{rule} at {speed}: {}",
                    output.story()
                );
                let seen = messages
                    .iter()
                    .filter(|it| matches!(it, Wire::Metric { .. }));
                assert_eq!(seen.count(), samples);
            }
            other => panic!("{rule} at {speed}: {other:?}"),
        }
        let first = outputs.entry(rule).or_insert_with(|| output.stdout.clone());
        assert_eq!(*first, output.stdout, "{rule} at {speed}: byte for byte");
    }
}
