//! Rules: what they say of a recording, and when they are no good.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::harness::metrics::Metrics;
use crate::harness::proxy::Proxy;
use crate::harness::recording::timestamp;
use crate::harness::viewer::Viewer;
use crate::harness::wire::{Alert, AlertState, Wire};

/// 2026-11-24T14:00:00Z
const BEGIN_MS: u64 = 1_795_528_800_000;

const STEP_MS: u64 = 200;

/// A recording of `web-1` with these values of `cpu`, a fifth of a second apart; `-` is absent. `!` puts a recorded alert
/// behind the sample, `_` stands for a lost message, and `/` begins another stream.
pub(crate) fn recording(values: &str) -> String {
    let mut csv = String::from(
        "timestamp,host,stream,seq,event,cpu,memory,activeUsers,requestsPerSecond,queueDepth,top,extra\n",
    );
    let top = r#""[{""pid"":7,""name"":""rustc"",""cpu"":61,""memory"":2}]""#;
    let event = r#""alert {""name"":""old"",""rule"":""cpu > 1"",""state"":""firing"",""metric"":""cpu"",""since"":1795528800000}""#;
    let (mut stream, mut seq) = (1, 0);
    for (nth, word) in (0..).zip(values.split(' ')) {
        let time = timestamp(BEGIN_MS + nth * STEP_MS);
        if word.starts_with('/') {
            (stream, seq) = (stream + 1, 0);
        }
        let value = word.trim_matches(['!', '/', '_']);
        let cpu = if value == "-" { "" } else { value };
        seq += 1;
        if word.starts_with('_') {
            continue;
        }
        writeln!(
            csv,
            "{time},web-1,s{stream},{seq},,{cpu},41.5,2,,{nth},{top},"
        )
        .unwrap();
        if word.ends_with('!') {
            seq += 1;
            writeln!(
                csv,
                "{time},web-1,s{stream},{seq},{event},{cpu},41.5,2,,{nth},{top},"
            )
            .unwrap();
        }
    }
    csv
}

pub(crate) fn in_file(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// `+name` and `-name` with the metric, for what fires and is resolved.
pub(crate) fn sign(alert: &Alert) -> String {
    let sign = match alert.state {
        AlertState::Firing => '+',
        AlertState::Resolved => '-',
    };
    format!("{sign}{}/{}", alert.name, alert.metric)
}

/// The messages in short: the number of each, and the alert if it is one.
fn short(messages: &[Wire]) -> Vec<String> {
    let short = |message: &Wire| match message {
        Wire::Metric { seq, .. } => Some(seq.to_string()),
        Wire::Alert { seq, alert, .. } => Some(format!("{seq} {}", sign(alert))),
        _ => None,
    };
    messages.iter().filter_map(short).collect()
}

/// What `watch --json` prints of a replay with `args`.
fn watched(file: &Path, args: &[&str]) -> String {
    let replay = Metrics::replay([file])
        .args(["--wait", "1"])
        .args(args)
        .start();
    let watch = Metrics::watch(replay.url()).arg("--json").spawn();
    let output = watch.wait().success();
    replay.wait().success();
    output.text().to_owned()
}

fn read(lines: &str) -> Vec<Wire> {
    lines
        .lines()
        .map(|line| Wire::read(line).unwrap())
        .collect()
}

const RULES: [&str; 6] = [
    "--alert",
    "busy: cpu > 90 for 400ms clear < 80",
    "--alert",
    "at once: cpu > 90",
    "--alert",
    "deep: queueDepth >= 11",
];

const VALUES: &str = "50 95! 95 95 85 - 85 70! 95 _ 95 /95 95 50";

#[test]
fn a_replay_asks_the_rules_afresh_and_the_same_at_every_speed() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(&dir, "r.csv", &recording(VALUES));
    let lines = watched(&file, &[&RULES[..], &["--speed", "max"]].concat());
    let expected = [
        "1",
        "2",
        "3 +at once/cpu",
        "4",
        "5",
        "6 +busy/cpu",
        "7",
        "8 -at once/cpu",
        "9",
        "10",
        "11",
        "12 -busy/cpu",
        // A message is lost, and another stream begins: neither true nor false.
        "13",
        "14 +at once/cpu",
        "16",
        "17 +busy/cpu",
        "18",
        "19 +deep/queueDepth",
        "20",
        "21",
        "22 -busy/cpu",
        "23 -at once/cpu",
    ];
    assert_eq!(short(&read(&lines)), expected, "{lines}");
    for speed in ["1", "10", "max"] {
        let again = watched(&file, &[&RULES[..], &["--speed", speed]].concat());
        assert_eq!(lines, again, "at speed {speed}");
    }
}

#[test]
fn an_alert_says_what_its_sample_did() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(&dir, "r.csv", &recording("50 91 96 50"));
    let args = ["--alert", "busy: cpu > 90% for 200ms", "--speed", "max"];
    for (rebase, begin) in [(false, Some(BEGIN_MS)), (true, None)] {
        let flags = if rebase { &["--rebase"][..] } else { &[] };
        let messages = read(&watched(&file, &[&args[..], flags].concat()));
        let Wire::Metric { data: first, .. } = &messages[0] else {
            panic!("{messages:?}");
        };
        let begin = begin.unwrap_or(first.timestamp);
        let alerts: Vec<_> = messages
            .windows(2)
            .filter_map(|pair| match pair {
                [
                    Wire::Metric { data: before, .. },
                    Wire::Alert { data, alert, .. },
                ] => {
                    assert_eq!(before, data);
                    Some((data.timestamp, alert.clone()))
                }
                _ => None,
            })
            .collect();
        let firing = Alert {
            name: "busy".into(),
            rule: "cpu > 90% for 200ms".into(),
            state: AlertState::Firing,
            metric: "cpu".into(),
            value: Some(96.0),
            threshold: Some(90.0),
            since: begin + STEP_MS,
        };
        let resolved = Alert {
            state: AlertState::Resolved,
            value: Some(50.0),
            ..firing.clone()
        };
        let expected = [
            (begin + 2 * STEP_MS, firing),
            (begin + 3 * STEP_MS, resolved),
        ];
        assert_eq!(alerts, expected);
    }
}

#[test]
fn a_viewer_that_resumes_anywhere_gets_the_same_alerts() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(&dir, "r.csv", &recording(VALUES));
    let replay = Metrics::replay([&file])
        .args(RULES)
        .args(["--wait", "21", "--speed", "20"])
        .start();
    let mut whole = Viewer::connect(replay.url(), "");
    let Wire::Hello { stream, .. } = whole.message() else {
        panic!("no hello");
    };
    let at = |seq: u64| format!("after=web-1:{stream}:{seq}");
    let viewers: Vec<_> = (1..=20)
        .map(|seq| (seq, Viewer::connect(replay.url(), &at(seq))))
        .collect();
    let (messages, _) = whole.until_closed();
    let messages: Vec<_> = messages
        .into_iter()
        .filter(|message| message.seq().is_some())
        .collect();
    for (seq, mut viewer) in viewers {
        let (seen, _) = viewer.until_closed();
        let seen: Vec<_> = seen
            .into_iter()
            .filter(|message| message.seq().is_some())
            .collect();
        let expected: Vec<_> = messages
            .iter()
            .filter(|message| message.seq() > Some(seq))
            .cloned()
            .collect();
        assert_eq!(seen, expected, "after {seq}");
    }
    replay.wait().success();
}

#[test]
fn alerts_are_recorded_through_cuts_and_replayed_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(&dir, "r.csv", &recording(&[VALUES; 3].join(" ")));
    let replay = Metrics::replay([&file])
        .args(RULES)
        .args(["--wait", "2", "--speed", "2"])
        .start();
    let proxy = Proxy::clear(replay.port());
    let paths = ["whole.csv", "cut.csv"].map(|name| dir.path().join(name));
    let record = |url: &str, path: &PathBuf| Metrics::record(url).arg("-o").arg(path).spawn();
    let recorders = [
        record(replay.url(), &paths[0]),
        record(&proxy.url(), &paths[1]),
    ];
    for rows in [5, 15, 30] {
        crate::harness::metrics::wait_for_rows(&paths[1], rows);
        proxy.cut_all();
    }
    for recorder in recorders {
        recorder.wait().success();
    }
    replay.wait().success();
    let [whole, cut] = paths
        .each_ref()
        .map(|path| std::fs::read_to_string(path).unwrap());
    assert_eq!(whole, cut);
    assert!(whole.contains("\"\"name\"\":\"\"busy\"\""), "{whole}");
    assert!(!whole.contains("\"\"name\"\":\"\"old\"\""), "{whole}");

    let again = dir.path().join("again.csv");
    let replay = Metrics::replay([&paths[0]])
        .args(["--wait", "1", "--speed", "max"])
        .start();
    record(replay.url(), &again).wait().success();
    assert_eq!(std::fs::read_to_string(&again).unwrap(), whole);
}

#[test]
fn a_stream_begins_with_nothing_firing_and_ends_what_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let event = |state: &str, metric: &str| {
        format!(
            r#""alert {{""name"":""each"",""rule"":""cpu:* > 1"",""state"":""{state}"",""metric"":""{metric}"",""since"":1}}""#
        )
    };
    let mut csv = String::from("timestamp,host,stream,seq,event,cpu,top,extra\n");
    let events = [
        String::new(),
        event("firing", "cpu:0"),
        event("firing", "cpu:1"),
        event("resolved", "cpu:0"),
    ];
    for (nth, event) in (0..).zip(&events) {
        writeln!(
            csv,
            "{},web-1,s1,{},{event},5,,",
            timestamp(BEGIN_MS),
            nth + 1
        )
        .unwrap();
    }
    writeln!(csv, "{},web-1,s1,5,,5,,", timestamp(BEGIN_MS + 1000)).unwrap();
    for seq in 1..3 {
        writeln!(
            csv,
            "{},web-1,s2,{seq},,5,,",
            timestamp(BEGIN_MS + 1000 + seq * 60_000)
        )
        .unwrap();
    }
    let file = in_file(&dir, "r.csv", &csv);
    let replay = Metrics::replay([&file])
        .args(["--wait", "1", "--max-pause", "4s"])
        .start();
    let mut first = Viewer::connect(replay.url(), "");
    let mut hello = |after: u64| {
        while first.message().seq() != Some(after) {}
        let firing = |message| match message {
            Wire::Hello { alerts, stream, .. } => {
                (stream, alerts.iter().map(sign).collect::<Vec<_>>())
            }
            other => panic!("{other:?}"),
        };
        firing(Viewer::connect(replay.url(), "").message())
    };
    assert_eq!(hello(5), ("s1".into(), vec!["+each/cpu:1".into()]));
    assert_eq!(hello(1), ("s2".into(), vec![]));
}

#[test]
fn a_rule_that_is_no_good_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let recording = in_file(&dir, "r.csv", &recording("50 60"));
    let rules = in_file(&dir, "rules.txt", "ok: cpu > 5\nok: memory > 5\n");
    let replay = || Metrics::replay([&recording]);
    for (rule, expected) in [
        (
            "cpuu > 90",
            "--alert 'cpuu > 90', column 1: no metric 'cpuu' is known; the nearest is cpu: write cpu",
        ),
        (
            "cpu > 5GiB",
            "--alert 'cpu > 5GiB', column 8: cpu is measured in %, not in 'GiB': write cpu > 5%",
        ),
        (
            "cpu >",
            "--alert 'cpu >', column 6: here should be a number: write cpu > 90%",
        ),
        (
            "cpu > NaN",
            "--alert 'cpu > NaN', column 7: 'NaN' is not a number: write cpu > 90%",
        ),
        (
            "absent(cpu)",
            "--alert 'absent(cpu)', column 12: absent() needs a time: write absent(cpu) for 1m",
        ),
        ("", "--alert '', column 1: the rule ends before its metric"),
    ] {
        for server in [Metrics::serve(), replay()] {
            let output = server.args(["--alert", rule]).run().code(2);
            let begin = format!("error: {expected}");
            assert!(output.stderr.starts_with(&begin), "{}", output.story());
            assert_eq!(output.stderr.lines().count(), 1, "{}", output.story());
        }
    }
    for server in [Metrics::serve(), replay()] {
        let output = server.arg("--alerts").arg(&rules).run().code(2);
        output.stderr_has(&format!(
            "error: {0}:2:1: another rule is called 'ok', at {0}:1",
            rules.display()
        ));
    }
    let missing = dir.path().join("none");
    let output = Metrics::serve().arg("--alerts").arg(missing).run().code(1);
    output
        .stderr_has("error: cannot read the rules in")
        .stderr_has("no such file");
    // A recording's own columns are known in its replay only.
    Metrics::serve()
        .args(["--alert", "queueDepth > 5"])
        .run()
        .code(2);
    replay()
        .args(["--alert", "queueDepht > 5"])
        .run()
        .code(2)
        .stderr_has("the nearest is queueDepth");
}

#[test]
fn an_alert_goes_on_from_one_pass_of_a_loop_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    for (values, expected) in [
        ("95 95", "1 2+ 3 4 5 6 7 8 9 10"),
        ("50 95", "1 2 3+ 4 5- 6 7+ 8 9- 10"),
    ] {
        let file = in_file(&dir, "r.csv", &recording(values));
        let replay = Metrics::replay([&file])
            .args([
                "--wait",
                "1",
                "--loop",
                "--speed",
                "20",
                "--alert",
                "busy: cpu > 90",
            ])
            .start();
        let messages = Viewer::connect(replay.url(), "").numbered(10);
        let short = short(&messages).join(" ");
        let short = short.replace(" +busy/cpu", "+").replace(" -busy/cpu", "-");
        assert_eq!(short, expected, "{values}");
    }
}
