//! Servers that number their messages in their own way, or report losses that don't match: a recording has increasing
//! numbers from 1, reports exactly what is missing, and can be replayed unchanged.

use crate::harness::metrics::{Metrics, Output};
use crate::harness::rows::{assert_same, parse};
use crate::harness::server::{close, each_viewer, say};

fn hello(stream: &str) -> String {
    format!(
        r#"{{"type":"hello","host":"web-1","stream":"{stream}","oldest":1,"newest":1,"interval":1000,"metrics":[{{"name":"cpu","unit":"%","label":"CPU"}}]}}"#
    )
}

/// The message with `seq`, taken at the second `at`.
fn metric(seq: u64, at: u64) -> String {
    format!(
        r#"{{"type":"metric","host":"web-1","seq":{seq},"data":{{"timestamp":{},"cpu":1}}}}"#,
        1_795_529_251_204_u64 + at * 1000
    )
}

fn gap(from: u64, to: u64) -> String {
    format!(r#"{{"type":"gap","host":"web-1","from":{from},"to":{to},"reason":"expired"}}"#)
}

/// A server's messages in short: `12` a message, `12!` one that cannot be read, `14-16` a gap, `-` a gap without
/// numbers, `restart` a gap between streams, `=k4` a hello.
fn texts(script: &str) -> Vec<String> {
    let mut texts = vec![hello("k3")];
    for (at, word) in (1..).zip(script.split_whitespace()) {
        texts.push(match word {
            "restart" => {
                r#"{"type":"gap","host":"web-1","from":7,"to":9,"reason":"restarted"}"#.into()
            }
            "-" => r#"{"type":"gap","host":"web-1","reason":"expired"}"#.into(),
            _ if word.starts_with('=') => hello(&word[1..]),
            _ if word.ends_with('!') => metric(1, at).replace(r#""cpu":1"#, r#""cpu":"#),
            _ => match word.split_once('-') {
                Some((from, to)) => gap(from.parse().unwrap(), to.parse().unwrap()),
                None => metric(word.parse().unwrap(), at),
            },
        });
    }
    texts
}

/// A server whose connections send one script each; the last one continues to the end of the recording.
fn server(scripts: &'static [&'static str]) -> String {
    let port = each_viewer(move |number, _, socket| {
        let script = scripts[number.min(scripts.len() - 1)];
        let texts = texts(script);
        say(
            socket,
            &texts.iter().map(|text| &**text).collect::<Vec<_>>(),
        );
        if number + 1 < scripts.len() {
            close(socket, 1001, "for now");
        } else {
            say(socket, &[r#"{"type":"end","host":"web-1"}"#]);
            close(socket, 1000, "over");
        }
    });
    format!("ws://127.0.0.1:{port}/ws")
}

/// The rows in short: numbers and gaps. A stream that the client created is `*`.
fn rows(output: &Output) -> String {
    let row = |row: &crate::harness::rows::Row| match row.seq() {
        Some(seq) => match row.cell("stream") {
            "k3" | "k4" | "k5" => seq.to_string(),
            _ => format!("*{seq}"),
        },
        None => format!("({})", row.cell("event").trim_start_matches("gap ")),
    };
    parse(&output.stdout)
        .iter()
        .map(row)
        .collect::<Vec<_>>()
        .join(" ")
}

#[track_caller]
fn check(scripts: &'static [&'static str], expected: &str) {
    let output = Metrics::record(&server(scripts)).run().success();
    assert_eq!(rows(&output), expected, "{scripts:?}: {}", output.story());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, &output.stdout).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    let again = Metrics::record(replay.url()).run().success();
    assert_same(&format!("{scripts:?} again"), output.text(), again.text());
    replay.wait().success().stderr_lacks("left out");
}

#[test]
fn the_numbers_decide_what_is_missing() {
    for (script, expected) in [
        ("12 13! 14-16 17", "12 (expired 13-16) 17"),
        ("12 14-16 13! 17", "12 (expired 13-16) 17"),
        ("12 13-15 16! 17", "12 (expired 13-16) 17"),
        ("1 5-9 2", "1 2"),
        ("1 1-1 2", "1 2"),
        ("5 3-8 9", "5 (expired 6-8) 9"),
        ("5 6-20 9", "5 (expired 6-8) 9"),
        ("1 5", "1 (expired 2-4) 5"),
        ("1 - 5", "1 (expired 2-4) 5"),
        ("1 5 2-4 6", "1 (expired 2-4) 5 6"),
        ("1 2-3 4-6 7", "1 (expired 2-6) 7"),
        ("1 restart 2", "1 2"),
        ("1 restart 5", "1 (expired 2-4) 5"),
        ("1 restart =k4 1", "1 (restarted) 1"),
        ("1 2-9 =k4 4", "1 (restarted) 4"),
        ("1 =k4 1", "1 (restarted) 1"),
        ("1-40 41", "41"),
        ("- 41 42", "41 42"),
        ("restart 1 2", "1 2"),
    ] {
        check(Box::leak(Box::new([script])), expected);
    }
}

#[test]
fn a_gap_before_a_cut_is_ignored() {
    check(&["1 2-3", "2 3"], "1 2 3");
    check(&["1 2-3", "4"], "1 (expired 2-3) 4");
    check(&["2-3", "4"], "4");
}

#[test]
fn numbers_that_a_recording_cannot_have_are_replaced() {
    for (script, expected) in [
        ("0 1 2", "1 2 3"),
        ("0 1 4-4 5", "1 2 (expired 3-5) 6"),
        ("0 1 2-4 5", "1 2 (expired 3-5) 6"),
        ("0 1 =k4 0 1", "1 2 (restarted) 1 2"),
        ("0 0 0", "1 (restarted) *1 *2"),
        ("7 7 7", "7 (restarted) *1 *2"),
        ("5 6 1 2 7", "5 6 (restarted) *1 *2 *3"),
        ("5 6 0 1", "5 6 (restarted) *1 *2"),
        (
            "9007199254740991 9007199254740992",
            "9007199254740991 (restarted) *1",
        ),
        ("18446744073709551614 18446744073709551615 0", "*1 *2 *3"),
        ("1 18446744073709551615 2", "1 (restarted) *1 *2"),
    ] {
        check(Box::leak(Box::new([script])), expected);
    }
}

#[test]
fn a_server_that_counts_from_0_is_resumed_with_its_own_numbers() {
    let port = each_viewer(|number, query, socket| {
        let script = if number == 0 {
            "0 1 2"
        } else {
            assert!(query.contains("after=web-1%3Ak3%3A2"), "{query}");
            "3 4"
        };
        let texts = texts(script);
        say(
            socket,
            &texts.iter().map(|text| &**text).collect::<Vec<_>>(),
        );
        close(socket, if number == 0 { 1001 } else { 1000 }, "so");
    });
    let output = Metrics::record(&format!("ws://127.0.0.1:{port}/ws"))
        .run()
        .success();
    assert_eq!(rows(&output), "1 2 3 4 5");
}
